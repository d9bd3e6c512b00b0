//! Tests with the real system and real child processes.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::libc::{SIGINT, SIGKILL, SIGSTOP, SIGTERM};
use rustix::event::{PollFd, PollFlags};

use super::{
    alive, boot_id, children, descendants, ignores, info, peek, pid_namespace, processes_with_env,
    reap, signal, stopped_by, watch_exit,
};
use crate::model::{Exit, ProcessId};

/// A child that does not outlive its test, however that ends.
struct Guarded(Child);

impl Guarded {
    /// A shell that has executed this script up to its first `echo`.
    fn shell(script: &str, env: (&str, &str)) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env(env.0, env.1);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Self(command.spawn().unwrap());
        child.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        child
    }

    /// A child that only sleeps.
    fn idle() -> Self {
        Self::shell("echo; exec sleep 1000", ("X", "x"))
    }

    fn id(&self) -> ProcessId {
        ProcessId::now(self.0.id()).unwrap()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_readable(fd: &impl std::os::fd::AsFd) {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    let most = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut fds, Some(&most)).unwrap(), 1, "nothing came");
}

#[test]
fn a_process_is_known_by_pid_and_start() {
    let mut child = Guarded::idle();
    let id = child.id();
    let (pid, other) = (id.pid, ProcessId { start: id.start + 1, ..id });
    assert!(alive(id));
    assert!(!alive(other));
    assert!(children(std::process::id()).contains(&pid));
    assert_eq!(info(pid).unwrap().ppid, std::process::id());
    assert!(descendants(std::process::id()).iter().any(|one| one.id() == id));
    assert!(!signal(other, SIGKILL).unwrap(), "another process: not hit");
    assert!(watch_exit(other).is_err());
    let exit = watch_exit(id).unwrap();
    assert!(signal(id, SIGTERM).unwrap());
    wait_readable(&exit);
    assert!(!alive(id), "a zombie is not alive");
    child.0.wait().unwrap();
    assert!(!alive(id));
    assert!(!signal(id, SIGTERM).unwrap());
}

#[test]
fn an_exit_can_be_seen_before_it_is_reaped() {
    let mut child = Guarded::shell("echo; read x; exit 7", ("X", "x"));
    let id = child.id();
    let pid = id.pid;
    let exit = watch_exit(id).unwrap();
    assert_eq!(peek(pid).unwrap(), None);
    drop(child.0.stdin.take());
    wait_readable(&exit);
    for _ in 0..2 {
        let ended = peek(pid).unwrap().unwrap();
        assert_eq!(ended.exit, Exit::Code(7));
        assert!(ended.max_rss_kib > 100 || !cfg!(target_os = "linux"));
    }
    assert!(reap(pid).unwrap());
    assert!(peek(pid).is_err());
    assert!(child.0.wait().is_err(), "nothing is left to wait for");
}

#[test]
fn a_stop_is_seen_once() {
    let child = Guarded::idle();
    let id = child.id();
    let pid = id.pid;
    assert_eq!(stopped_by(pid).unwrap(), None);
    signal(id, SIGSTOP).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let seen = std::iter::repeat_with(|| stopped_by(pid).unwrap())
        .find(|seen| seen.is_some() || Instant::now() > until);
    assert_eq!(seen, Some(Some(SIGSTOP)));
    assert_eq!(stopped_by(pid).unwrap(), None);
}

#[test]
fn marks_in_the_environment_are_found() {
    let mark = format!("TMO_TEST_MARK={}", std::process::id());
    let child = Guarded::shell("echo; read x", mark.split_once('=').unwrap());
    let found: Vec<u32> = processes_with_env(&[&mark]).iter().map(|p| p.pid).collect();
    assert_eq!(found, [child.0.id()]);
}

#[test]
#[cfg(target_os = "linux")]
fn ignored_signals_are_seen() {
    let child = Guarded::shell("trap '' INT; echo; exec sleep 1000", ("X", "x"));
    assert!(ignores(child.0.id(), SIGINT));
    assert!(!ignores(child.0.id(), SIGTERM));
}

#[test]
fn no_number_means_everybody() {
    // Signal 0 only tests whether a process exists.
    for group in [0, 1, u32::MAX] {
        assert!(super::signal_group(group, 0).is_err(), "{group}");
    }
    for target in [0, -1, 1] {
        assert!(super::signals::kill(target, 0).is_err(), "{target}");
    }
    assert!(!signal((0, 0).into(), 0).unwrap_or(false));
}

#[test]
fn the_machine_has_a_name() {
    assert!(boot_id().len() > 8);
    assert_eq!(pid_namespace().is_empty(), !cfg!(target_os = "linux"));
}
