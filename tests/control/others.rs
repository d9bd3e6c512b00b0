//! Other programs at the other end: a listener that is busy, and overmind's own client.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use pretty_assertions::assert_eq;
use tmo::control::client::Client;
use tmo::control::dial::{Answer, probe};
use tmo::model::request::Request;
use tokio::net::UnixStream;
use tokio::process::Command;

use super::harness::{Run, Seen, run, soon};

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

/// Run overmind's own client against the server; what it printed.
async fn overmind(run: &Run, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("overmind");
    command.arg(arguments[0]).arg("-s").arg(&run.socket).args(&arguments[1..]);
    match soon(command.current_dir(run.dir.path()).output()).await {
        Ok(output) => {
            assert!(output.status.success(), "overmind {arguments:?}: {output:?}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            eprintln!("SKIPPED: overmind cannot be run: {error}");
            None
        }
    }
}

#[tokio::test]
async fn overminds_own_client_is_served() {
    let mut run = run();
    let Some(table) = overmind(&run, &["ps"]).await else { return };
    assert!(table.starts_with("PROCESS   PID       STATUS\nweb#1     100       running\n"));
    let names = vec!["worker".to_owned()];
    for (arguments, request) in [
        (&["restart", "worker"][..], Request::Restart { names: names.clone() }),
        (&["stop", "worker"], Request::Stop { names }),
        (&["quit"], Request::Quit),
        (&["kill"], Request::Kill),
    ] {
        overmind(&run, arguments).await;
        assert_eq!(run.next().await, Seen::Do(request, false), "{arguments:?}");
    }
}
