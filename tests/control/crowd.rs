//! Many clients, silent clients, foreign clients, too few descriptors.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use pretty_assertions::assert_eq;
use tmo::control::server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::harness::{Seen, read_all, run, run_within, soon, state};

#[tokio::test]
async fn fifty_clients_at_once() {
    let mut run = run();
    let clients: Vec<_> = (0..50)
        .map(|n| {
            let path = run.socket.clone();
            tokio::spawn(async move {
                let client = tmo::control::client::Client::connect(&path).await.unwrap();
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
async fn one_client_too_many_is_told_so() {
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
    while run.http("GET /api/state", "").await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_silent_client_is_given_up() {
    let limits = Limits { patience: Duration::from_millis(20), ..Limits::default() };
    let run = run_within(limits);
    for begun in ["", "GE", "GET /api/state HTTP/1.1\r\nHost:"] {
        let mut stream = run.raw().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        assert_eq!(read_all(stream).await, "", "{begun:?}");
    }
    let unsent = "PUT /api/size HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\n";
    let answer = run.exchange(unsent).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_keep_the_server() {
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

/// This very test program, one test of it, as another process.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--test-threads=1", test]);
    command
}

#[test]
fn too_few_descriptors_are_survived() {
    let output = again("crowd::with_too_few_descriptors").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
#[ignore = "lowers the limit of its process; run by too_few_descriptors_are_survived"]
async fn with_too_few_descriptors() {
    let run = run();
    let mut early = run.raw().await;
    assert_eq!(run.http("GET /api/state", "").await.status, 200);
    let mut waiting = Vec::new();
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
    // Connect until there is no descriptor left, neither here nor for accepting.
    while let Ok(mut stream) = StdStream::connect(&run.socket) {
        stream.write_all(b"status\n").unwrap();
        waiting.push(stream);
    }
    assert!(waiting.len() > 10);
    early.write_all(b"get-connection worker\n").await.unwrap();
    let mut answer = [0; 21];
    soon(early.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"tmo-app-1 app:worker\n", "those who are in are still served");
    // One gives up its descriptor: everybody comes in by and by.
    drop(early);
    waiting.pop();
    for stream in waiting {
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::UnixStream::from_std(stream).unwrap();
        assert!(read_all(stream).await.starts_with("PROCESS"));
    }
}

fn strangers_socket(owner: u32) -> PathBuf {
    std::env::temp_dir().join(format!("tmo-test-{owner}.sock"))
}

#[tokio::test]
async fn other_users_are_turned_away() {
    let mut stranger = again("crowd::as_another_user");
    if !nix::unistd::geteuid().is_root() || stranger.uid(65534).get_program().is_empty() {
        eprintln!("SKIPPED: only root can be two users");
        return;
    }
    let mut run = run();
    let open = strangers_socket(std::process::id());
    std::fs::set_permissions(&run.socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    std::fs::rename(&run.socket, &open).unwrap();
    let output = tokio::task::spawn_blocking(move || stranger.output()).await.unwrap();
    std::fs::remove_file(&open).unwrap();
    match output {
        Err(error) => eprintln!("SKIPPED: another user cannot run this program: {error}"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
        }
    }
    assert!(run.seen.try_recv().is_err());
}

#[test]
#[ignore = "run as another user by other_users_are_turned_away"]
fn as_another_user() {
    let parent = nix::unistd::getppid().as_raw();
    let mut stream = StdStream::connect(strangers_socket(u32::try_from(parent).unwrap())).unwrap();
    // The server may have closed already.
    let _ = stream.write_all(b"quit\nstatus\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{answer:?}");
}
