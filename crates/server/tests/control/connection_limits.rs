//! Many clients, silent clients, clients that do not read.

use std::io::Write as _;
use std::os::unix::net::UnixStream as StdStream;
use std::time::Duration;

use pretty_assertions::assert_eq;
use tmo_server::serve::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::harness::{Seen, read_all, run, run_within, soon, state};

#[tokio::test]
async fn fifty_concurrent_clients_are_served() {
    let mut run = run();
    let clients: Vec<_> = (0..50)
        .map(|n| {
            let path = run.socket.clone();
            tokio::spawn(async move {
                let client = tmo_api::client::Client::connect(&path).await.unwrap();
                let mut news = client.head(n % 2 == 0).await.unwrap();
                for _ in 0..10 {
                    assert_eq!(client.state().await.unwrap(), state());
                }
                news.next().await.unwrap().unwrap();
            })
        })
        .collect();
    for client in clients {
        soon(client).await.unwrap();
    }
    let mut views = 0;
    for _ in 0..50 {
        let Seen::View(came) = run.next().await else { panic!("nobody asked for that") };
        views += if came { 1 } else { -1 };
    }
    assert_eq!(views, 0, "every view that came has gone");
}

#[tokio::test]
async fn one_client_too_many_is_refused_with_a_reason() {
    let limits = Limits { connections: 2, refusals: 1, ..Limits::default() };
    let mut run = run_within(limits);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = run.raw().await;
        stream.write_all(b"echo\n").await.unwrap();
        assert!(matches!(run.next().await, Seen::Echo(_, true)));
        held.push(stream);
    }
    let reply = run.http("GET /api/state", "").await;
    assert_eq!(reply.status, 503);
    assert!(reply.error().starts_with("2 clients are connected"), "{}", reply.error());
    assert_eq!(run.exchange("status\n").await, "");
    held.pop();
    assert!(matches!(run.next().await, Seen::Echo(_, false)));
    // The place is free once the task has been reaped.
    let served = async {
        while run.http("GET /api/state", "").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    soon(served).await;
}

#[tokio::test]
async fn a_silent_client_times_out() {
    let limits = Limits { patience: Duration::from_millis(20), ..Limits::default() };
    let run = run_within(limits);
    // Written before the server has a chance to see the client: only its patience takes time.
    let say = |text: &str| {
        let mut stream = StdStream::connect(&run.socket).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        read_all(UnixStream::from_std(stream).unwrap())
    };
    for begun in ["", "GE", "GET /api/state HTTP/1.1\r\nHost:"] {
        assert_eq!(say(begun).await, "", "{begun:?}");
    }
    let unsent = "PUT /api/size HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\n";
    let answer = say(unsent).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_delay_the_end_of_the_server() {
    let run = run();
    let mut stuck = run.raw().await;
    stuck.write_all(b"echo\n").await.unwrap();
    let mut waits = run.raw().await;
    waits.write_all(b"POST /api/processes/slow/stop HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut silent = run.raw().await;
    assert!(!run.http("GET /api/state", "").await.head.is_empty());
    run.records(1_000_000);
    run.stop.send(()).unwrap();
    soon(run.served).await.unwrap().unwrap();
    assert_eq!(soon(silent.read(&mut [0])).await.unwrap(), 0);
}
