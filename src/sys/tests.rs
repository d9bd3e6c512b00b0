//! The real system, with real children.

use std::process::{Child, Command, Stdio};

use nix::libc::{SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM};
use rustix::event::{PollFd, PollFlags};

use super::{
    alive, boot_id, children, descendants, ignores, info, peek, pid_namespace, processes_with_env,
    reap, signal, start_time, stopped_by, watch_exit,
};
use crate::model::Exit;

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap()
}

fn wait_readable(fd: &impl std::os::fd::AsFd) {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    let most = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut fds, Some(&most)).unwrap(), 1, "nothing came");
}

#[test]
fn a_process_is_known_by_pid_and_start() {
    let mut child = sleeper();
    let started = start_time(child.id()).unwrap();
    assert!(alive(child.id(), started));
    assert!(!alive(child.id(), started + 1));
    assert!(children(std::process::id()).contains(&child.id()));
    let process = info(child.id()).unwrap();
    assert_eq!((process.name.as_str(), process.ppid), ("sleep", std::process::id()));
    assert!(descendants(std::process::id()).contains(&process) || !process.alive());
    assert!(!signal(child.id(), started + 1, SIGKILL).unwrap(), "another process: not hit");
    assert!(watch_exit(child.id(), started + 1).is_err());
    let exit = watch_exit(child.id(), started).unwrap();
    assert!(signal(child.id(), started, SIGTERM).unwrap());
    wait_readable(&exit);
    assert!(!alive(child.id(), started), "a zombie is not alive");
    child.wait().unwrap();
    assert_eq!(start_time(child.id()), None);
    assert!(!signal(child.id(), started, SIGTERM).unwrap());
}

#[test]
fn an_exit_can_be_seen_before_it_is_reaped() {
    let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    let exit = watch_exit(child.id(), start_time(child.id()).unwrap()).unwrap();
    wait_readable(&exit);
    for _ in 0..2 {
        let ended = peek(child.id()).unwrap().unwrap();
        assert_eq!(ended.exit, Exit::Code(7));
        assert!(ended.max_rss_kib > 100 || !cfg!(target_os = "linux"));
    }
    assert!(reap(child.id()).unwrap());
    assert!(peek(child.id()).is_err());
    assert!(child.wait().is_err(), "nothing is left to wait for");
}

#[test]
fn a_stop_is_seen_once() {
    let mut child = sleeper();
    let started = start_time(child.id()).unwrap();
    assert_eq!(peek(child.id()).unwrap(), None);
    assert_eq!(stopped_by(child.id()).unwrap(), None);
    signal(child.id(), started, SIGSTOP).unwrap();
    let seen = (0..20_000).find_map(|_| {
        std::thread::yield_now();
        stopped_by(child.id()).unwrap()
    });
    assert_eq!(seen, Some(SIGSTOP));
    assert_eq!(stopped_by(child.id()).unwrap(), None);
    signal(child.id(), started, SIGCONT).unwrap();
    signal(child.id(), started, SIGKILL).unwrap();
    child.wait().unwrap();
}

#[test]
fn marks_in_the_environment_are_found() {
    let mark = format!("TMO_TEST_MARK={}", std::process::id());
    let (name, value) = mark.split_once('=').unwrap();
    let mut child = Command::new("sleep").arg("1000").env(name, value).spawn().unwrap();
    let found: Vec<u32> = processes_with_env(&mark).iter().map(|p| p.pid).collect();
    assert_eq!(found, [child.id()]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn ignored_signals_are_seen() {
    use std::io::Read as _;
    let mut child = Command::new("sh")
        .args(["-c", "trap '' INT; echo; exec sleep 1000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    assert!(ignores(child.id(), SIGINT));
    assert!(!ignores(child.id(), SIGTERM));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_machine_has_a_name() {
    assert!(boot_id().len() > 8);
    assert_eq!(pid_namespace().is_empty(), !cfg!(target_os = "linux"));
}
