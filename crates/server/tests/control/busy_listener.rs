//! A listener that is too busy to accept one more client.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use pretty_assertions::assert_eq;
use tmo_api::client::Client;
use tmo_base::sys::dial::{ListenerState, probe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::harness::{soon, state};

#[tokio::test]
async fn client_waits_for_a_busy_listener() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
    bind(fd.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&fd, Backlog::new(1).unwrap()).unwrap();
    let listener = UnixListener::from(fd);
    let mut queue = Vec::new();
    let error = loop {
        match UnixStream::connect(&path).await {
            Ok(stream) => queue.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(probe(&path).unwrap(), ListenerState::Live);
    let client = tokio::spawn(async move { Client::connect(&path).await.map(drop) });
    let accepted = tokio::task::spawn_blocking(move || listener.accept().map(|_| listener));
    let _still_there = soon(accepted).await.unwrap().unwrap();
    soon(client).await.unwrap().unwrap();
}

#[tokio::test]
async fn client_waits_for_a_supervisor_that_takes_over_or_ends_the_run() {
    tokio::join!(
        waits_while_it_says(r#"{"taking_over":true}"#),
        waits_while_it_says(r#"{"taking_over":false,"ending":true}"#),
    );
}

/// A supervisor that answers nothing but this until it was asked whether it is alive.
async fn waits_while_it_says(alive: &'static str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let (over, asked_whether) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, alive, over.clone(), asked_whether.clone()));
        }
    });
    let client = Client::connect(&path).await.unwrap();
    assert_eq!(soon(client.state()).await.unwrap(), state());
}

/// The state is told once somebody has asked whether anything goes on.
async fn answer(
    mut stream: UnixStream,
    alive: &str,
    over: watch::Sender<bool>,
    mut reported: watch::Receiver<bool>,
) {
    let mut request = vec![0; 4096];
    let read = stream.read(&mut request).await.unwrap();
    let body = if request[..read].starts_with(b"GET /api/alive ") {
        over.send_replace(true);
        alive.to_owned()
    } else {
        reported.wait_for(|over| *over).await.unwrap();
        serde_json::to_string(&state()).unwrap()
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
}
