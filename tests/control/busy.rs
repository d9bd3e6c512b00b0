//! A listener that is too busy to take one more client.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use pretty_assertions::assert_eq;
use tmo::control::client::Client;
use tmo::control::dial::{Answer, probe};
use tokio::net::UnixStream;

use super::harness::soon;

#[tokio::test]
async fn a_busy_listener_is_waited_for() {
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
    assert_eq!(probe(&path).unwrap(), Answer::Live);
    let client = tokio::spawn(async move { Client::connect(&path).await.map(drop) });
    let accepted = tokio::task::spawn_blocking(move || listener.accept().map(|_| listener));
    let _still_there = soon(accepted).await.unwrap().unwrap();
    soon(client).await.unwrap().unwrap();
}
