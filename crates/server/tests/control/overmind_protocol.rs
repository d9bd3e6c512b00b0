//! Overmind's line protocol, byte for byte.

use std::net::Shutdown;
use std::sync::atomic::Ordering;

use pretty_assertions::assert_eq;
use tmo_api::api::overmind::OvermindCommand;
use tmo_api::client::overmind::{Connection, OvermindClient};
use tmo_base::model::exit::End;
use tmo_base::model::request::{ChangeOrder, Request};
use tmo_journal::history::ECHO_CHUNK;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::harness::{Run, Seen, read_all, run, soon};

const TABLE: &str = "PROCESS   PID       STATUS\n\
                     web#1     100       running\n\
                     web#2     100       running\n\
                     worker    102       dead\n\
                     slow      100       running\n";

/// Send, close the sending side, read the rest.
async fn half(run: &Run, text: impl AsRef<[u8]>) -> String {
    let mut stream = run.raw().await;
    stream.write_all(text.as_ref()).await.unwrap();
    stream.shutdown().await.unwrap();
    read_all(stream).await
}

async fn line(stream: &mut UnixStream) -> String {
    let mut text = Vec::new();
    while text.last() != Some(&b'\n') {
        text.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn status_answers_and_closes() {
    let run = run();
    assert_eq!(run.exchange("status\n").await, TABLE);
    assert_eq!(half(&run, "status").await, TABLE);
    assert_eq!(run.exchange("\n\nnonsense\r\n  status x\r\n").await, TABLE);
    assert_eq!(half(&run, "").await, "");
    assert_eq!(half(&run, "G").await, "", "may yet have become HTTP");
    assert_eq!(OvermindClient::new(&run.socket).status().await.unwrap(), TABLE);
}

#[tokio::test]
async fn get_connection_answers_and_keeps_the_connection() {
    let run = run();
    let mut stream = run.raw().await;
    for (ask, answer) in [
        ("get-connection\n", "tmo-app-1 app:web#1\n"),
        ("get-connection worker\n", "tmo-app-1 app:worker\n"),
        ("get-connection web\n", "\n"),
        ("get-connection nosuch\n", "\n"),
    ] {
        stream.write_all(ask.as_bytes()).await.unwrap();
        assert_eq!(line(&mut stream).await, answer);
    }
    stream.write_all(b"get-connection slow\nstatus\n").await.unwrap();
    assert_eq!(read_all(stream).await, format!("tmo-app-1 app:slow\n{TABLE}"));
    let client = OvermindClient::new(&run.socket);
    let found = Connection { server: "tmo-app-1".to_owned(), target: "app:slow".to_owned() };
    assert_eq!(client.connection(Some("slow")).await.unwrap(), Some(found));
    assert_eq!(client.connection(Some("x")).await.unwrap(), None);
}

#[tokio::test]
async fn overminds_commands_are_executed_without_an_answer() {
    let mut run = run();
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let all = || names(&["web#1", "web#2", "worker", "slow"]);
    for (text, request) in [
        ("restart\n", Request::Restart { names: all(), order: ChangeOrder::Overmind }),
        (
            "restart web#* nosuch\n",
            Request::Restart { names: names(&["web#1", "web#2"]), order: ChangeOrder::Overmind },
        ),
        (
            "stop nosuch\nstop worker",
            Request::Stop { names: names(&["worker"]), order: ChangeOrder::Overmind },
        ),
        ("stop", Request::Stop { names: all(), order: ChangeOrder::Overmind }),
        ("quit", Request::Quit),
        ("kill\r\n", Request::Kill),
    ] {
        assert_eq!(half(&run, text).await, "", "{text:?}");
        assert_eq!(run.next().await, Seen::Do(request, false), "{text:?}");
    }
    // As overmind's own client does it: written and closed at once.
    let mut stream = run.raw().await;
    stream.write_all(b"quit").await.unwrap();
    drop(stream);
    assert_eq!(run.next().await, Seen::Do(Request::Quit, false));
    let client = OvermindClient::new(&run.socket);
    client.order(&OvermindCommand::Restart(names(&["worker"]))).await.unwrap();
    let worker = Request::Restart { names: names(&["worker"]), order: ChangeOrder::Overmind };
    assert_eq!(run.next().await, Seen::Do(worker, false));
    client.order(&OvermindCommand::Stop(vec![])).await.unwrap();
    assert_eq!(
        run.next().await,
        Seen::Do(Request::Stop { names: all(), order: ChangeOrder::Overmind }, false)
    );
    client.order(&OvermindCommand::Quit).await.unwrap();
    assert_eq!(run.next().await, Seen::Do(Request::Quit, false));
    client.order(&OvermindCommand::Kill).await.unwrap();
    assert_eq!(run.next().await, Seen::Do(Request::Kill, false));
}

#[tokio::test]
async fn echo_streams_new_lines_only() {
    let mut run = run();
    run.records(3);
    let mut echo = OvermindClient::new(&run.socket).echo().await.unwrap();
    assert_eq!(run.next().await, Seen::Echo(1, true));
    run.records(5);
    assert_eq!(line(&mut echo).await, "line 3\n");
    assert_eq!(line(&mut echo).await, "line 4\n");
    // More may be asked on the same connection.
    echo.write_all(b"get-connection worker\n").await.unwrap();
    assert_eq!(line(&mut echo).await, "tmo-app-1 app:worker\n");
    let mut other = run.raw().await;
    other.write_all(b"echo\n").await.unwrap();
    assert_eq!(run.next().await, Seen::Echo(2, true));
    drop(echo);
    assert_eq!(run.next().await, Seen::Echo(1, false));
    // The last words come before the end.
    run.records(6);
    run.end.send_replace(Some(End::default()));
    assert_eq!(read_all(other).await, "line 5\n");
    assert_eq!(run.next().await, Seen::Echo(2, false));
}

#[tokio::test]
async fn a_half_closed_echo_still_receives_lines() {
    let mut run = run();
    let stream = run.raw().await.into_std().unwrap();
    std::io::Write::write_all(&mut &stream, b"echo\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut stream = UnixStream::from_std(stream).unwrap();
    assert_eq!(run.next().await, Seen::Echo(1, true));
    run.records(1);
    assert_eq!(line(&mut stream).await, "line 0\n");
    drop(stream);
    // It is found out at the next line.
    run.records(2);
    assert_eq!(run.next().await, Seen::Echo(1, false));
}

#[tokio::test]
async fn a_stuck_echo_delays_no_client_and_loses_nothing() {
    const LINES: u64 = 500_000;
    let mut run = run();
    let mut stuck = run.raw().await;
    stuck.write_all(b"echo\n").await.unwrap();
    assert_eq!(run.next().await, Seen::Echo(1, true));
    for step in 1..=50 {
        run.records(LINES * step / 50);
        assert_eq!(run.exchange("status\n").await, TABLE);
    }
    assert!(run.largest.load(Ordering::Relaxed) <= 4 * ECHO_CHUNK, "memory is bounded");
    let expected: u64 = (0..LINES).map(|n| format!("line {n}\n").len() as u64).sum();
    let mut text = Vec::new();
    soon(stuck.take(expected).read_to_end(&mut text)).await.unwrap();
    let lines = String::from_utf8(text).unwrap();
    let numbers = lines.lines().map(|line| line["line ".len()..].parse::<u64>().unwrap());
    assert!(numbers.eq(0..LINES), "in order, none lost");
}

#[tokio::test]
async fn an_endless_line_ends_the_connection() {
    let mut run = run();
    let mut stream = run.raw().await;
    // The server may close before all is sent.
    let _ = stream.write_all(&vec![b'x'; 200_000]).await;
    assert_eq!(read_all(stream).await, "");
    assert!(run.seen.try_recv().is_err());
    assert_eq!(run.exchange("status\n").await, TABLE);
}

/// A browser can be made to speak another protocol than HTTP, with text of a page in it.
#[tokio::test]
async fn a_line_that_is_not_text_ends_the_connection() {
    let mut run = run();
    for first in [
        &b"\0\x01\0\x10!\x12\xa4B"[..],
        b"\x1b[0m",
        b"st\rop",
        b"stop\0",
        b"stop web\x7f",
        b"\xff",
        b"stop w\xc3",
        b"stop \xc2\x9b",
    ] {
        for before in [&b""[..], b"nonsense\n"] {
            let text = [before, first, b"\nstop\nstatus\n"].concat();
            assert_eq!(half(&run, text).await, "", "{first:?}");
            assert!(run.seen.try_recv().is_err(), "{first:?}");
        }
        assert_eq!(half(&run, first).await, "");
        assert!(run.seen.try_recv().is_err(), "{first:?}");
    }
    assert_eq!(half(&run, "na\u{ef}ve\tword\r\nstatus\r\n").await, TABLE);
}

#[tokio::test]
async fn json_rpc_is_refused_with_an_error_and_what_follows_is_not_executed() {
    let mut run = run();
    for before in ["", "nonsense\n"] {
        let text =
            format!("{before}{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}}\nstop\n");
        let answer = run.exchange(&text).await;
        let error: serde_json::Value = serde_json::from_str(answer.trim()).unwrap();
        assert_eq!(error["error"]["code"], -32600, "{answer}");
        assert!(error["error"]["message"].as_str().unwrap().contains("`tmo mcp`"), "{answer}");
        assert_eq!(answer.lines().count(), 1, "{answer}");
        assert!(run.seen.try_recv().is_err());
    }
}
