//! The endpoints: valid and invalid input.

use pretty_assertions::assert_eq;
use serde_json::json;
use tmo_api::client::ClientError;
use tmo_base::model::request::{ChangeOrder, Request};
use tmo_server::engine_handle::{FailuresRequest, PaneRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::harness::{Seen, run, soon, state};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn get_state_returns_the_state() {
    let run = run();
    assert_eq!(run.client().await.state().await.unwrap(), state());
    let reply = run.http("GET /api/state", "").await;
    assert_eq!((reply.status, &reply.body["api"]), (200, &json!(1)));
    assert!(reply.head.contains(concat!("tmo-version: ", env!("CARGO_PKG_VERSION"))));
    assert!(reply.head.contains("content-type: application/json"));
    let reply = run.http("GET /api/processes", "").await;
    assert_eq!(reply.body["processes"][1]["name"], "web#2");
    assert_eq!(reply.body["api"], 1);
    let reply = run.http("GET /api/processes/web%231", "").await;
    assert_eq!((reply.status, &reply.body["name"]), (200, &json!("web#1")));
    let reply = run.http("GET /api/status", "").await;
    assert_eq!(
        (reply.status, &reply.body["api"], &reply.body["pid"]),
        (200, &json!(1), &json!(std::process::id()))
    );
    assert_eq!(
        (&reply.body["processes"]["running"], &reply.body["processes"]["exited"]),
        (&json!(4), &json!(0))
    );
    let reply = run.http("GET /api/openapi.json", "").await;
    assert_eq!(&reply.body["openapi"], &json!("3.1.0"));
    for path in ["state", "status", "alive", "processes", "processes/worker", "lines", "nosuch"] {
        let reply = run.http(&format!("GET /api/{path}"), "").await;
        assert_eq!(reply.body["api"], 1, "{path}");
    }
    let reply = run.http("HEAD /api/state", "").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn get_metrics_returns_numbers_as_text() {
    let run = run();
    let text = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let reply = run.exchange(text).await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4\r\n"), "{head}");
    assert!(body.contains("\ntmo_process_up{process=\"web#1\"} 1\n"), "{body}");
    assert!(body.contains("\ntmo_process_up{process=\"worker\"} 0\n"), "{body}");
    assert_eq!(run.http("GET /metrics?x", "").await.status, 400);
    assert_eq!(run.http("POST /metrics", "").await.status, 405);
}

#[tokio::test]
async fn failure_declarations_reach_the_engine() {
    let mut run = run();
    let body = r#"{"failure_string":"Error: x"}"#;
    let text = || "Error: x".to_owned();
    for (line, body, ask, texts) in [
        ("GET", "", FailuresRequest::List, json!(["panic:"])),
        ("POST add", body, FailuresRequest::Add(text()), json!(["panic:", "Error: x"])),
        ("POST remove", body, FailuresRequest::Remove(text()), json!(["panic:"])),
    ] {
        let (method, verb) = line.split_once(' ').unwrap_or((line, ""));
        let path = format!("/api/failure-declarations/web%231/{verb}");
        let reply = run.http(&format!("{method} {}", path.trim_end_matches('/')), body).await;
        assert_eq!((reply.status, &reply.body["failure_strings"]), (200, &texts), "{line}");
        assert_eq!(run.next().await, Seen::Failures("web#1".to_owned(), ask));
    }
    for (line, body, status) in [
        ("GET /api/failure-declarations/x", "", 404),
        ("GET /api/failure-declarations/web?x", "", 400),
        ("POST /api/failure-declarations/x/add", body, 404),
        ("POST /api/failure-declarations/slow/remove", body, 409),
        ("POST /api/failure-declarations/web/add", r#"{"failure_string":""}"#, 422),
        ("POST /api/failure-declarations/web/add", r#"{"failure_string":1}"#, 400),
        ("POST /api/failure-declarations/web/add", r#"{"failure":"x"}"#, 400),
        ("POST /api/failure-declarations/web/add", "", 400),
        ("DELETE /api/failure-declarations/web", "", 405),
    ] {
        assert_eq!(run.http(line, body).await.status, status, "{line} {body}");
    }
}

#[tokio::test]
async fn every_verb_reaches_the_engine() {
    let mut run = run();
    let (web, order) = (|| names(&["web#1"]), ChangeOrder::default());
    for (line, body, request, wait) in [
        ("POST /api/start", r#"{"names":["web#1"]}"#, Request::Start { names: web(), order }, true),
        ("POST /api/stop", "", Request::Stop { names: vec![], order }, true),
        ("POST /api/restart?wait=false", "{}", Request::Restart { names: vec![], order }, false),
        ("POST /api/processes/web%231/start", "", Request::Start { names: web(), order }, true),
        (
            "POST /api/processes/wipe/start",
            r#"{"confirmed":true}"#,
            Request::Act { name: "wipe".to_owned(), confirmed: true },
            true,
        ),
        ("POST /api/processes/web%231/stop", "", Request::Stop { names: web(), order }, true),
        (
            "POST /api/processes/web%231/restart?wait=0",
            "",
            Request::Restart { names: web(), order },
            false,
        ),
        (
            "POST /api/signal",
            r#"{"signal":"SIGUSR1","names":["web#1"]}"#,
            Request::Signal { signal: "USR1".parse().unwrap(), names: web() },
            true,
        ),
        ("POST /api/quit", "", Request::Quit, true),
        ("POST /api/shutdown", "", Request::Quit, true),
        ("POST /api/kill?wait=false", "", Request::Kill, false),
        (
            "PUT /api/size",
            r#"{"columns":80,"rows":24}"#,
            Request::Resize { columns: 80, rows: 24 },
            true,
        ),
    ] {
        if line.starts_with("POST /api/stop") {
            run.release.notify_one();
        }
        let reply = run.http(line, body).await;
        let ok = if wait { 200 } else { 202 };
        assert_eq!((reply.status, &reply.body["ok"]), (ok, &json!(true)), "{line}");
        assert_eq!(run.next().await, Seen::Do(request, wait), "{line}");
    }
}

#[tokio::test]
async fn every_request_of_the_client_reaches_the_engine() {
    let mut run = run();
    let client = run.client().await;
    for request in [
        Request::Start { names: names(&["web"]), order: ChangeOrder::default() },
        Request::Stop { names: names(&["web#2", "w*"]), order: ChangeOrder::default() },
        Request::Restart { names: vec![], order: ChangeOrder::default() },
        Request::Signal { signal: "HUP".parse().unwrap(), names: names(&["web"]) },
        Request::Watch { names: names(&["web"]), on: false },
        Request::Watch { names: vec![], on: true },
        Request::Quit,
        Request::Kill,
        Request::Resize { columns: 1, rows: 2 },
    ] {
        let outcome = client.request(&request, false).await.unwrap();
        assert!(outcome.ok, "{request:?}");
        assert_eq!(run.next().await, Seen::Do(request, false));
    }
}

#[tokio::test]
async fn type_and_screen_requests_reach_the_engine() {
    let mut run = run();
    let client = run.client().await;
    client.type_into("web#1", "ä \"q\"\n", true).await.unwrap();
    let typed = PaneRequest::Type { text: "ä \"q\"\n".to_owned(), enter: true };
    assert_eq!(run.next().await, Seen::Pane("web#1".to_owned(), typed));
    assert_eq!(client.screen("web#2", true).await.unwrap(), "screen true\n");
    let error = client.type_into("slow", "x", false).await.unwrap_err();
    assert_eq!(error.to_string(), "slow does not run");
    for name in ["wroker", "a/b", "..", "%2e", ""] {
        let error = client.screen(name, false).await.unwrap_err();
        let known = matches!(&error, ClientError::Unknown(unknown) if unknown.name == name);
        assert!(known || name.is_empty() || name == "..", "{name}: {error:?}");
    }
    let reply = run.http("POST /api/processes/nosuch/input", "{}").await;
    assert_eq!((reply.status, &reply.body["unknown"]["name"]), (404, &json!("nosuch")));
    let reply = run.http("POST /api/processes/slow/input", "{}").await;
    assert_eq!((reply.status, reply.error()), (409, "slow does not run"));
}

#[tokio::test]
async fn get_lines_returns_the_log_in_pages() {
    let run = run();
    let reply = run.http("GET /api/lines?limit=2", "").await;
    assert_eq!((reply.status, reply.body["lines"].as_array().unwrap().len()), (200, 2));
    assert_eq!((&reply.body["next"], &reply.body["more"]), (&json!("1.0"), &json!(true)));
    let reply = run.http("GET /api/lines?after=1.0&name=web%231&grep=a+b%2B", "").await;
    assert_eq!((&reply.body["lines"][0]["text"]), (&json!("line 2")));
    assert_eq!((&reply.body["next"], &reply.body["more"]), (&json!("2.0"), &json!(false)));
    // Nothing new: the same place again.
    let reply = run.http("GET /api/lines?after=2.0", "").await;
    assert_eq!(
        reply.body,
        json!({
            "api": 1, "lines": [], "next": "2.0", "previous": null, "more": false, "reset": false
        })
    );
    let reply = run.http("GET /api/lines?name=wbe%231", "").await;
    assert_eq!((reply.status, &reply.body["unknown"]["nearest"]), (404, &json!("web#1")));
}

#[tokio::test]
async fn a_request_is_answered_when_it_is_done() {
    let mut run = run();
    let client = run.client().await;
    let slow = Request::Restart { names: names(&["slow"]), order: ChangeOrder::default() };
    {
        let mut waits = Box::pin(client.request(&slow, true));
        tokio::select! {
            done = &mut waits => panic!("done before it was: {done:?}"),
            seen = run.seen.recv() => assert_eq!(seen, Some(Seen::Do(slow.clone(), true))),
        }
        // Others are served meanwhile, and who does not wait need not.
        assert!(client.request(&slow, false).await.unwrap().ok);
        run.release.notify_one();
        assert!(soon(waits).await.unwrap().ok);
    }
    assert_eq!(run.next().await, Seen::Do(slow, false));
}

#[tokio::test]
async fn unknown_names_and_problems_are_in_the_answer() {
    let run = run();
    let client = run.client().await;
    let outcome = client
        .request(&Request::Stop { names: names(&["wroker"]), order: ChangeOrder::default() }, true)
        .await
        .unwrap();
    let unknown = outcome.unknown.unwrap();
    assert_eq!((unknown.name.raw(), unknown.nearest.unwrap().raw()), ("wroker", "worker"));
    let outcome = client
        .request(&Request::Start { names: names(&["worker"]), order: ChangeOrder::default() }, true)
        .await;
    assert_eq!(outcome.unwrap().problems, ["worker: no such file"]);

    let reply = run.http("POST /api/processes/nosuch/stop", "").await;
    assert_eq!((reply.status, &reply.body["unknown"]["name"]), (404, &json!("nosuch")));
    let reply = run.http("POST /api/processes/worker/start", "").await;
    assert_eq!((reply.status, &reply.body["ok"]), (409, &json!(false)));
    let reply = run.http("GET /api/processes/web", "").await;
    assert_eq!((reply.status, &reply.body["unknown"]["nearest"]), (404, &json!("web#1")));
}

#[tokio::test]
async fn bad_input_is_refused_with_a_reason() {
    let mut run = run();
    let large = format!(r#"{{"names":["{}"]}}"#, "x".repeat(300_000));
    for (line, body, status, reason) in [
        ("POST /api/stop", "{", 400, "EOF"),
        ("POST /api/stop", r#"{"name":["web"]}"#, 400, "unknown field `name`"),
        ("POST /api/stop", r#"{"names":"web"}"#, 400, "expected a sequence"),
        ("POST /api/stop", "\u{0}", 400, "expected value"),
        ("POST /api/stop", " []", 400, "it must be an object"),
        ("POST /api/stop?wait=perhaps", "{}", 400, "wait=perhaps"),
        ("POST /api/stop", &large, 413, "bytes long"),
        ("POST /api/processes/%ff/stop", "", 400, "UTF-8"),
        ("POST /api/processes/web/explode", "", 404, "there is no"),
        ("POST /api/signal", "{}", 400, "missing field `signal`"),
        ("POST /api/signal", r#"{"signal":"NOPE"}"#, 400, "unknown signal `NOPE`"),
        ("POST /api/signal", r#"{"signal":"HUP","name":"web"}"#, 400, "unknown field `name`"),
        ("POST /api/processes/web/input", r#"{"text":1}"#, 400, "invalid type"),
        ("POST /api/processes/web/input", r#"{"text":"\u0000"}"#, 400, "NUL"),
        ("POST /api/processes/%ff/input", "{}", 400, "UTF-8"),
        ("GET /api/processes/web/input", "", 405, "does not take GET"),
        ("POST /api/quit?wiat=false", "", 400, "there is no `wiat` here"),
        ("POST /api/stop?name=web", "", 400, "there is no `name` here"),
        ("POST /api/processes/web/stop?key=a&now", "", 400, "there is no `now` here"),
        ("GET /api/state?x=1", "", 400, "there is no `x` here"),
        ("GET /api/processes/web/screen?color=red", "", 400, "color=red"),
        ("PUT /api/size", r#"{"columns":80}"#, 400, "missing field `rows`"),
        ("PUT /api/size", r#"{"columns":80,"rows":0}"#, 400, "one row"),
        ("PUT /api/size", r#"{"columns":70000,"rows":1}"#, 400, "70000"),
        ("PUT /api/size", "", 400, "EOF"),
        ("GET /api/lines?nmae=web", "", 400, "there is no `nmae` here"),
        ("GET /api/lines?limit=many", "", 400, "limit=many"),
        ("GET /api/lines?grep=(", "", 400, "invalid regular expression"),
        ("GET /api/lines?events=maybe", "", 400, "events=maybe"),
        ("GET /api/events?limit=1", "", 400, "there is no `limit` here"),
        ("POST /api/lines", "", 405, "does not take POST"),
        ("GET /api/head?view=x", "", 400, "view=x"),
        ("GET /api/nosuch", "", 404, "`/api/nosuch`"),
        ("GET /", "", 404, "there is no `/`"),
        ("GET /api/stop", "", 405, "does not take GET"),
        ("DELETE /api/state", "", 405, "does not take DELETE"),
        ("POST /api/processes/select-all", "", 405, "a process named `select-all`"),
        ("OPTIONS /api/state", "", 405, "does not take OPTIONS"),
    ] {
        let reply = run.http(line, body).await;
        assert_eq!(reply.status, status, "{line} {reply:?}");
        assert!(reply.error().contains(reason), "{line}: {}", reply.error());
        assert!(reply.head.contains("tmo-version: "), "{line}");
    }
    assert!(run.exchange("GET nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    assert!(run.seen.try_recv().is_err(), "nothing of it reached the engine");
}

#[tokio::test]
async fn a_request_may_arrive_in_pieces_and_the_connection_is_kept() {
    let run = run();
    let mut stream = run.raw().await;
    let request = b"PUT /api/size HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\n{\"columns\":80,\"rows\":24}";
    for _ in 0..2 {
        for &byte in request {
            stream.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = Vec::new();
        while !answer.ends_with(b"}\n") {
            assert_ne!(soon(stream.read_buf(&mut answer)).await.unwrap(), 0);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_missing_engine_is_reported_to_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let run = run();
    let client = run.client().await;
    run.stop.send(()).unwrap();
    soon(run.served).await.unwrap().unwrap();
    // The fresh connection was closed and nobody accepts a new one.
    let error = client.state().await.unwrap_err().to_string();
    let shown = run.socket.display();
    assert_eq!(error, format!("dial unix {shown}: connect: connection refused"));
    let error = tmo_api::client::Client::connect(&path).await.unwrap_err();
    let words = format!("dial unix {}: connect: no such file or directory", path.display());
    assert!(matches!(error, ClientError::Dial { .. }));
    assert_eq!(error.to_string(), words);
}
