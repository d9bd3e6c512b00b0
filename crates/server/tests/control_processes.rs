//! Tests of the control socket that need a separate process: other users, limits, children.
//!
//! They are separate from the other tests because a child process holds copies of all descriptors for a
//! moment while it is started: a socket or lock closed at that moment is not yet released.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and says aloud what it skips"
)]

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use directories::{directories, leave_socket, reaches};
use harness::{Run, Seen, read_all, run, soon};
use nix::sys::resource::{Resource, setrlimit};
use pretty_assertions::assert_eq;
use tmo_base::model::request::{ChangeOrder, Request};
use tmo_run::inherit;
use tmo_run::listen::{in_runtime, locate};
use tmo_run::lock::{RunLock, is_held};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[expect(dead_code, reason = "shared with the other tests of the control socket")]
#[path = "control/directories.rs"]
mod directories;
#[expect(dead_code, reason = "shared with the other tests of the control socket")]
#[path = "control/harness.rs"]
mod harness;

const NOBODY: Option<u32> = Some(65534);

/// One test of this very program, in a process of its own and perhaps as another user.
fn passes(test: &str, user: Option<u32>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", test]);
    // Only root can be somebody else, and need be.
    if let Some(user) = user.filter(|_| nix::unistd::geteuid().is_root()) {
        command.uid(user);
    }
    match command.output() {
        Err(error) if user.is_some() => {
            eprintln!("SKIPPED: another user cannot run this program: {error}");
        }
        output => {
            let output = output.unwrap();
            let reported = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && reported.contains("1 passed"), "{reported}");
        }
    }
}

#[test]
fn the_server_survives_a_lack_of_descriptors() {
    passes("with_too_few_descriptors", None);
}

#[tokio::test]
#[ignore = "lowers the limit of its process; run by the_server_survives_a_lack_of_descriptors"]
async fn with_too_few_descriptors() {
    let run = run();
    let mut early = run.raw().await;
    assert_eq!(run.http("GET /api/state", "").await.status, 200);
    let mut waiting = Vec::new();
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
    // Connect until there is no descriptor left, neither here nor for accepting.
    while let Ok(mut stream) = UnixStream::connect(&run.socket) {
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

#[test]
fn a_living_process_is_not_reported_dead_without_descriptors() {
    passes("without_free_descriptors", None);
}

#[test]
#[ignore = "lowers the limit of its process; run by a_living_process_is_not_reported_dead_without_descriptors"]
fn without_free_descriptors() {
    // Should this fail, it must not hold what the one who asks reads.
    let mut child = Command::new("sleep")
        .arg("60")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    let started = tmo_base::sys::start_time(pid).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
    let mut held = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        held.push(file);
    }
    assert!(tmo_base::sys::alive((pid, started).into()));
    held.pop();
    assert!(!tmo_base::sys::alive((pid, started + 1).into()), "one is enough to look with");
    // And the last one that there is suffices to send it a signal.
    let sent = tmo_base::sys::signal((pid, started).into(), nix::libc::SIGKILL);
    assert!(sent.unwrap());
    drop(held);
    child.wait().unwrap();
    assert!(!tmo_base::sys::alive((pid, started).into()));
}

fn strangers_socket(owner: u32) -> PathBuf {
    std::env::temp_dir().join(format!("tmo-test-{owner}.sock"))
}

#[tokio::test]
async fn connections_of_other_users_are_refused() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can be two users");
        return;
    }
    let mut run = run();
    let open = strangers_socket(std::process::id());
    std::fs::set_permissions(&run.socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    std::fs::rename(&run.socket, &open).unwrap();
    let passed = tokio::task::spawn_blocking(|| passes("as_another_user", NOBODY)).await;
    std::fs::remove_file(&open).unwrap();
    passed.unwrap();
    assert!(run.seen.try_recv().is_err());
}

#[test]
#[ignore = "run as another user by connections_of_other_users_are_refused"]
fn as_another_user() {
    let parent = nix::unistd::getppid().as_raw();
    let mut stream = UnixStream::connect(strangers_socket(u32::try_from(parent).unwrap())).unwrap();
    // The server may have closed already.
    let _ = stream.write_all(b"quit\nstatus\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{answer:?}");
}

#[test]
fn an_unwritable_directory_puts_the_socket_into_the_runtime_directory() {
    passes("in_an_unwritable_directory", NOBODY);
}

#[test]
#[ignore = "not as root; run by an_unwritable_directory_puts_the_socket_into_the_runtime_directory"]
fn in_an_unwritable_directory() {
    let dirs = directories();
    let root = dirs.path.parent().unwrap();
    leave_socket(&dirs.path);
    fs::set_permissions(root, Permissions::from_mode(0o555)).unwrap();
    let listening = dirs.bind().unwrap();
    let note = listening.note.clone().unwrap();
    assert!(note.contains("permission denied") && note.contains("-s "), "{note}");
    assert_eq!(locate(&dirs.path, &dirs.runtime), in_runtime(&dirs.runtime));
    reaches(&dirs, &listening);
    listening.place.remove().unwrap();
    assert!(!in_runtime(&dirs.runtime).exists());
    fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn only_chosen_children_inherit_lock_and_listener() {
    passes("lock_and_listener_are_inherited", None);
}

#[test]
#[ignore = "run by only_chosen_children_inherit_lock_and_listener"]
fn lock_and_listener_are_inherited() {
    let dir = tempfile::tempdir().unwrap();
    let lock = RunLock::acquire(dir.path()).unwrap();
    let spawn = || Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut child = spawn();
    drop(lock);
    assert!(!is_held(dir.path()).unwrap());
    drop(child.stdin.take());
    child.wait().unwrap();

    let fd = give(RunLock::acquire(dir.path()).unwrap().as_fd().try_clone_to_owned().unwrap());
    let mut child = spawn();
    let lock = RunLock::from_raw(fd, dir.path()).unwrap();
    drop(lock);
    assert!(is_held(dir.path()).unwrap(), "the child has it");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!is_held(dir.path()).unwrap());

    let dirs = directories();
    let listening = dirs.bind().unwrap();
    let fd = give(listening.listener);
    let mut child = spawn();
    drop(inherit::take(fd).unwrap());
    UnixStream::connect(&dirs.path).expect("the child has it");
    drop(child.stdin.take());
    child.wait().unwrap();
    UnixStream::connect(&dirs.path).unwrap_err();
    assert!(inherit::take(9999).is_err());
}

/// Let children have this descriptor under the number returned.
fn give(fd: impl Into<OwnedFd>) -> RawFd {
    let fd = fd.into();
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).unwrap();
    fd.into_raw_fd()
}

/// Run overmind's own client against the server; what it printed.
async fn overmind(run: &Run, arguments: &[&str]) -> Option<String> {
    let mut command = tokio::process::Command::new("overmind");
    command.arg(arguments[0]).arg("-s").arg(&run.socket).args(&arguments[1..]);
    match soon(command.current_dir(run.socket.parent().unwrap()).output()).await {
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
        (
            &["restart", "worker"][..],
            Request::Restart { names: names.clone(), order: ChangeOrder::Overmind },
        ),
        (&["stop", "worker"], Request::Stop { names, order: ChangeOrder::Overmind }),
        (&["quit"], Request::Quit),
        (&["kill"], Request::Kill),
    ] {
        overmind(&run, arguments).await;
        assert_eq!(run.next().await, Seen::Do(request, false), "{arguments:?}");
    }
}
