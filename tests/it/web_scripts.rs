//! The paths below `/api/` of `tmo web`, for scripts.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::harness::{World, eventually, procs};
use crate::web::{Answer, Browser, Web, pid_of, request, shop};
use crate::web_server::link_in;

fn post(web: &Web<'_>, path: &str) -> Answer {
    web.ask(&format!("POST {path}")).unwrap()
}

fn accepted(web: &Web<'_>, path: &str) -> Value {
    let answer = post(web, path);
    assert_eq!(answer.status, 202, "{path}: {answer:?}");
    answer.json()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Declare a failure text and remove it again.
fn declare_and_remove(web: &Web<'_>) {
    let texts = "/api/failure-declarations/web";
    let answer = web.ask_with(&format!("POST {texts}/add"), &json!({ "failure_string": "oops" }));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(web.get(texts).to_string().contains("oops"));
    let answer =
        web.ask_with(&format!("POST {texts}/remove"), &json!({ "failure_string": "oops" }));
    assert!(answer.status == 200 && !web.get(texts).to_string().contains("oops"), "{answer:?}");
}

fn check_info(world: &World, info: &Value) {
    let mode = if world.is_native() { "native" } else { "tmux" };
    assert_eq!((&info["mode"], &info["pid"]), (&json!(mode), &json!(world.supervisor())));
    assert_eq!(info["working_dir"], world.app().canonicalize().unwrap().to_str().unwrap());
    assert!(info["socket"].is_string(), "{info}");
    let session = if world.is_native() { json!(null) } else { json!("app") };
    assert_eq!(info["tmux_session"], session);
}

#[test]
fn a_path_that_only_reads_takes_no_large_body() {
    let world = shop();
    let web = Web::start(&world);
    for (path, size, status) in [
        ("/api/processes/select-all", 20 << 10, 413),
        ("/api/processes/select-all", 10 << 10, 200),
        ("/api/failure-declarations/web/add", 20 << 10, 422),
    ] {
        let body = json!({ "failure_string": "x\u{7}".repeat(size / 7) });
        let answer = web.ask_with(&format!("POST {path}"), &body);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    web.end();
    world.ok(["quit"]);
}

#[test]
fn every_path_answers_as_documented() {
    let world = shop();
    let web = Web::start(&world);
    let state = web.get("/api/state?lines=5");
    let worker = &state["processes"][1];
    assert_eq!((&worker["name"], &worker["selected"]), (&json!("worker"), &json!(true)));
    assert_eq!(worker["lines"][0], "job 1");
    assert!(state["last_message_id"].as_u64() > Some(0) && state["title"] == "app", "{state}");

    let all = web.get("/api/processes");
    assert_eq!(keys(&all[0]), ["name", "pid", "selected", "status"]);
    assert_eq!((&all[0]["name"], &all[0]["status"]), (&json!("web"), &json!("running")));
    let status = web.get("/api/status");
    assert_eq!((&status["processes"]["exited"], &status["running"]), (&json!(1), &json!(true)));
    assert!(status["uptime"].is_u64() && status["version"].is_string(), "{status}");
    assert!(status["web"]["built_from"].is_string(), "{status}");
    check_info(&world, &web.get("/api/daemon/info"));
    let metrics = web.get("/api/metrics");
    assert_eq!(
        (&metrics["enabled"], &metrics["processes"][0]["name"]),
        (&true.into(), &"web".into())
    );

    let toggled = post(&web, "/api/process/web/toggle").json();
    assert_eq!((&toggled["name"], &toggled["selected"]), (&json!("web"), &json!(false)));
    assert_eq!(web.get("/api/processes")[0]["selected"], false);
    assert_eq!(post(&web, "/api/processes/deselect-all").json()[1]["selected"], false);
    assert_eq!(post(&web, "/api/processes/select-all").json()[0]["selected"], true);
    assert_eq!(post(&web, "/api/process/web/toggle").json()["selected"], false);
    let other = Browser::log_in(&link_in(&world.ok(["web"])).unwrap());
    let seen = other.ask("GET /api/processes").json();
    assert_eq!(seen[0]["selected"], true, "a selection is that of a login");

    let pid = pid_of(&world.state().unwrap(), "web");
    let answer = accepted(&web, "/api/process/web/restart");
    assert!(answer["command"].is_string(), "{answer}");
    eventually("another web runs", || {
        pid_of(&world.state()?, "web").filter(|now| Some(*now) != pid)
    });
    accepted(&web, "/api/process/web/stop");
    world.wait_state("web", "stopped");
    accepted(&web, "/api/process/web/start");
    world.wait_state("web", "running");

    declare_and_remove(&web);

    assert_eq!(web.get("/api/logs/worker")["all"], 2);
    let cleared = post(&web, "/api/output/clear");
    assert_eq!((cleared.status, &web.get("/api/logs/worker")["all"]), (200, &json!(0)));
    eventually("new lines come", || (web.get("/api/logs/web")["all"] != 0).then_some(()));
    for wrong in ["/api/state?line=5", "/api/poll?last_message_id=x", "/api/logs/web?page=0"] {
        assert_eq!(web.ask(&format!("GET {wrong}")).unwrap().status, 400, "{wrong}");
    }
    assert_eq!(web.ask("GET /api/command").unwrap().status, 404);
    assert_eq!(web.ask("GET /api/shutdown").unwrap().status, 405);

    accepted(&web, "/api/shutdown");
    world.wait_state_gone();
    let over = eventually("the run is over", || {
        Some(web.get("/api/status")).filter(|status| status["running"] == false)
    });
    assert!(over["uptime"].is_null(), "{over}");
    assert_eq!(post(&web, "/api/process/web/start").status, 409);
    web.end();
    world.wait_empty();
}

#[test]
fn commands_are_listed_with_who_sent_them_and_what_became_of_them() {
    let world = shop();
    let web = Web::start(&world);
    accepted(&web, "/api/process/web/restart?key=first");
    let command = |number: usize| {
        let all = web.get("/api/commands");
        all["commands"][number].clone()
    };
    // The answers come before the commands are carried out.
    let done = |number: usize| {
        eventually("the command is carried out", || {
            Some(command(number)).filter(|command| command["status"] != "pending")
        })
    };
    // A stop that comes before its end would make it fail.
    let first = done(0);
    world.ok(["stop", "web"]);
    assert_eq!(world.run(["restart", "nosuch"]).code, 2);
    let of = |command: &Value| {
        let words = ["command", "names", "by", "status"].map(|key| command[key].to_string());
        words.join(" ")
    };
    assert_eq!(of(&first), r#""restart" ["web"] "page" "completed""#);
    assert_eq!((&first["id"], &first["key"]), (&json!(1), &json!("first")));
    assert!(first["ended"].as_u64() >= first["at"].as_u64(), "{first}");
    assert_eq!(of(&command(1)), r#""stop" ["web"] "command line" "completed""#);
    assert_eq!(of(&command(2)), r#""restart" ["nosuch"] "command line" "failed""#);
    assert!(command(2)["problems"].to_string().contains("nosuch"));
    // A refused request is not carried out later under the name of another one.
    assert_eq!(post(&web, "/api/process/nosuch/restart?key=second").status, 404);
    accepted(&web, "/api/process/web/start?key=second");
    assert_eq!(of(&done(3)), r#""start" ["web"] "page" "completed""#);
    world.ok(["stop", "web"]);
    // Sent again, it is the same command.
    let again = post(&web, "/api/process/web/restart?key=first");
    assert!(again.json()["problems"].to_string().contains("stopped meanwhile"), "{again:?}");
    assert_eq!((command(5), &command(0)["status"]), (Value::Null, &json!("completed")));
    // Who it was is in the log, too, but not in its text.
    let events = world.ok(["events", "--json"]);
    let mut all = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let event = all.find(|event| event["type"] == "run:command").unwrap();
    assert_eq!((&event["by"], &event["command"]), (&json!("page"), &json!("restart")), "{events}");
    assert!(!world.ok(["logs"]).contains("command line"));
    // A new supervisor knows them.
    procs::kill(world.supervisor(), 9);
    world.ok(["ps"]);
    assert_eq!(of(&command(1)), r#""stop" ["web"] "command line" "completed""#);
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn what_a_page_changes_by_a_command_is_recorded_as_its_own() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    world.write("Procfile", "web: exec sleep 1000\nnew: env; echo printed; exec sleep 1000\n");
    accepted(&web, &format!("{}/reload", web.run()));
    let all = web.get("/api/commands");
    let newest = all["commands"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&newest["command"], &newest["by"]), (&json!("reload"), &json!("page")), "{all}");
    world.wait_text("new", "printed\n");
    let variables = world.ok(["logs", "new"]);
    assert!(variables.contains("PATH=") && !variables.contains("TMO_SENDER"), "{variables}");
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_poll_has_colours_as_data_or_as_html() {
    let world = World::new(r"web: printf '\033[31mred\033[0m <b>\n'; exec sleep 1000");
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "--for", "log", "red"]);
    let web = Web::start(&world);
    let line = |query: &str| {
        let page = web.get(&format!("/api/poll?{query}"));
        let messages = page["messages"].as_array().unwrap();
        messages.iter().find(|message| message["text"] == "red <b>").unwrap().clone()
    };
    assert_eq!(line("html=true")["html"], "<span style=\"color:#cd0000\">red</span> &lt;b&gt;");
    assert_eq!(line("html=true")["runs"], Value::Null);
    assert_eq!(line("styles=true")["runs"][0]["color"], 1);
    assert_eq!((&line("")["html"], &line("")["runs"]), (&Value::Null, &Value::Null));
    assert_eq!(web.ask("GET /api/poll?html=yes").unwrap().status, 400);
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn names_must_match_exactly() {
    let world = World::new("a-b: exec sleep 1000\na_b: exec sleep 1000\na-b_c: exec sleep 1000\n");
    world.ok(["start", "-D", "-m", "a-b_c=2"]);
    let web = Web::start(&world);
    for (word, name) in [("a-b", "a-b"), ("a_b", "a_b"), ("a-b_c%232", "a-b_c#2")] {
        let before = world.wait_state(name, "running");
        let others = pid_of(&world.state().unwrap(), "a-b_c");
        accepted(&web, &format!("/api/process/{word}/restart"));
        eventually("another one runs", || {
            let state = world.state()?;
            pid_of(&state, name).filter(|now| Some(*now) != before.map(u64::from))
        });
        assert_eq!(pid_of(&world.state().unwrap(), "a-b_c"), others, "{name} only");
    }
    for wrong in ["a", "a%2Fb", "a-b%2F..%2Fa_b", "*", "a*", "%FF", "a-b_c.2", "a-b%00"] {
        let answer = post(&web, &format!("/api/process/{wrong}/restart"));
        assert_eq!(answer.status, 404, "{wrong}");
        assert_eq!(web.ask(&format!("GET /api/logs/{wrong}")).unwrap().status, 404, "{wrong}");
    }
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_poll_returns_each_message_once_and_reports_what_is_unknown() {
    let world = World::new("web: seq 1 2500; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "--for", "log", "^2500$"]);
    let web = Web::start(&world);
    let (mut last, mut texts, mut ids) = (0, vec![], vec![]);
    loop {
        let page = web.get(&format!("/api/poll?last_message_id={last}&lines=700"));
        assert_eq!(page["reset"], false, "{last}");
        let messages = page["messages"].as_array().unwrap();
        ids.extend(messages.iter().map(|message| message["id"].as_u64().unwrap()));
        let is_line = |message: &&Value| message["event"].is_null();
        texts.extend(
            messages.iter().filter(is_line).map(|m| m["text"].as_str().unwrap().to_owned()),
        );
        last = page["last_message_id"].as_u64().unwrap();
        assert!(ids.iter().all(|id| *id <= last), "{last}");
        if messages.is_empty() && texts.len() == 2500 {
            break;
        }
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "ids ascend");
    assert_eq!(texts, (1..=2500).map(|n| n.to_string()).collect::<Vec<_>>());
    // Later messages have higher ids than the one of the state, too.
    let from_state = web.get("/api/state")["last_message_id"].as_u64().unwrap();
    world.ok(["restart", "web"]);
    for from in [last, from_state] {
        let next = web.get(&format!("/api/poll?last_message_id={from}"));
        let first = &next["messages"][0];
        assert!(first["id"].as_u64() > Some(from) && next["reset"] == false, "{next}");
        let ends = |message: &Value| message["event"] == "exit" || message["event"] == "stopping";
        let messages = next["messages"].as_array().unwrap();
        assert!(messages.iter().any(ends), "{next}");
    }
    let reset = web.get(&format!("/api/poll?last_message_id={}", 1_u64 << 60));
    let mut messages = reset["messages"].as_array().unwrap().iter();
    assert!(reset["reset"] == true && messages.any(|message| message["text"] == "1"), "{reset}");
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn pages_of_a_log_have_the_lines_with_their_numbers() {
    let world = World::new(
        "web: seq 1 12345; exec sleep 1000\nnoise: yes noise | head -n 5000; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "--for", "log", "^12345$"]);
    let web = Web::start(&world);
    let texts = |page: &Value| -> Vec<String> {
        let lines = page["lines"].as_array().unwrap();
        lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    let expected = |from: u64, to: u64| (from..=to).map(|n| n.to_string()).collect::<Vec<_>>();
    for (page, first, last) in [(3, 1001, 1500), (1, 1, 500), (25, 12_001, 12_345)] {
        let page = web.get(&format!("/api/logs/web?page={page}&lines=500"));
        assert_eq!(texts(&page), expected(first, last));
        let numbers = [&page["first"], &page["last"], &page["all"], &page["pages"]];
        assert_eq!(numbers.map(|n| n.as_u64().unwrap()), [first, last, 12_345, 25]);
        assert_eq!(page["approximate"], false);
    }
    assert_eq!(texts(&web.get("/api/logs/web?lines=100")), expected(12_301, 12_345));
    assert!(texts(&web.get("/api/logs/web?page=26&lines=500")).is_empty());
    // New lines are counted as well.
    world.ok(["restart", "web"]);
    eventually("both lives are counted", || {
        let page = web.get("/api/logs/web?page=25&lines=1000");
        (page["all"] == 24_690).then(|| assert_eq!(texts(&page), expected(11_656, 12_345)))
    });
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_run_must_be_named_where_there_are_several() {
    let world = shop();
    std::fs::create_dir(world.path().join("other")).unwrap();
    std::fs::write(world.path().join("other/Procfile"), "db: exec sleep 1000\n").unwrap();
    world.ok(["start", "-D", "../other/"]);
    let web = Web::start(&world);
    let refused = web.ask("GET /api/processes").unwrap();
    assert_eq!(refused.status, 409, "{refused:?}");
    let runs = refused.json()["runs"].as_array().unwrap().clone();
    let mut titles: Vec<_> = runs.iter().map(|run| run["title"].as_str().unwrap()).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["app", "other"]);
    for run in &runs {
        let all = web.get(&format!("/api/processes?run={}", run["id"].as_str().unwrap()));
        let is_other = run["title"] == "other";
        assert_eq!(all[0]["name"], if is_other { "db" } else { "web" });
    }
    assert_eq!(web.get("/api/processes?run=other")[0]["name"], "db");
    assert_eq!(web.ask("GET /api/processes?run=nothing").unwrap().status, 404);
    accepted(&web, "/api/shutdown?run=other");
    eventually("only one is left", || {
        let answer = web.ask("GET /api/processes").unwrap();
        (answer.status == 200).then(|| assert_eq!(answer.json()[0]["name"], "web"))
    });
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_title_that_is_the_id_of_another_run_does_not_stand_for_it() {
    let world = shop();
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("Procfile"), "db: exec sleep 1000\n").unwrap();
    world.ok(["start", "-D", "../other/"]);
    let web = Web::start(&world);
    let ids = || {
        let runs = web.get("/runs");
        let runs = runs["runs"].as_array().unwrap();
        let id = |run: &Value| run["id"].as_str().unwrap().to_owned();
        let other = runs.iter().find(|run| run["processes"] == 1).map(id).unwrap();
        (runs.iter().map(id).find(|id| *id != other).unwrap(), other)
    };
    let (app_id, other_id) = ids();
    // Each has the id of the other one, so the order of the runs makes no difference.
    let titled = |title: &str| format!("[web]\ntitle = \"{title}\"\n");
    world.write("tmo.toml", &titled(&other_id));
    std::fs::write(other.join("tmo.toml"), titled(&app_id)).unwrap();
    let there = |args: &[&str]| {
        assert!(world.tmo(args).current_dir(&other).status().unwrap().success(), "{args:?}");
    };
    world.ok(["quit"]);
    there(&["quit"]);
    world.ok(["start", "-D", "--any-can-die"]);
    there(&["start", "-D"]);
    eventually("both have their titles", || {
        let runs = web.get("/runs").to_string();
        let has = |id: &str| runs.contains(&format!("\"title\":\"{id}\""));
        (has(&app_id) && has(&other_id)).then_some(())
    });
    assert_eq!(web.get(&format!("/api/processes?run={app_id}"))[0]["name"], "web");
    assert_eq!(web.get(&format!("/api/processes?run={other_id}"))[0]["name"], "db");
    assert_eq!(pid_of(&web.get(&format!("/r/{other_id}/api/state")), "web"), None);
    web.end();
    world.ok(["quit"]);
    there(&["quit"]);
    world.wait_empty();
}

#[test]
fn a_limited_login_gets_nothing_about_other_processes() {
    let world = shop();
    let web = Web::start(&world);
    let link = link_in(&world.ok(["web", "--share", "web", "--for", "1h"])).unwrap();
    let limited = Browser::log_in(&link);
    let get = |path: &str| limited.ask(&format!("GET /api/{path}"));
    let app = world.app().display().to_string();
    let seen = ["state", "processes", "status", "metrics", "poll?last_message_id=0", "logs/web"];
    for path in seen {
        let answer = get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        for other in ["worker", "job 1", &app] {
            assert!(!answer.body.contains(other), "{path} has {other}: {answer:?}");
        }
        // Times and cursors may contain the digits of its port.
        let mut numbers = answer.body.split(|c: char| !c.is_ascii_digit());
        assert!(!numbers.any(|number| number == "5432"), "{path}: {answer:?}");
    }
    assert_eq!(get("processes").json().as_array().unwrap().len(), 1);
    for (head, status) in [
        ("GET /api/logs/worker", 404),
        ("GET /api/logs/nothing", 404),
        ("GET /api/failure-declarations/worker", 403),
        ("GET /api/failure-declarations/web", 403),
        ("GET /api/daemon/info", 403),
        ("GET /api/commands", 403),
        ("POST /api/process/worker/toggle", 404),
        ("POST /api/process/web/restart", 403),
        ("POST /api/output/clear", 403),
        ("POST /api/shutdown", 403),
        ("POST /api/restart", 403),
    ] {
        let answer = limited.ask(head);
        assert_eq!(answer.status, status, "{head}: {answer:?}");
        assert!(!answer.body.contains("worker"), "{head}: {answer:?}");
    }
    let without_login = request(&web.host, "GET /api/state", "", "").unwrap();
    assert_eq!(without_login.status, 401, "{without_login:?}");
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}
