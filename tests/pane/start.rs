//! What a process finds at its start, and failures to start it.

use std::collections::BTreeMap;

use nix::libc;
use pretty_assertions::assert_eq;
use tmo::model::Exit;
use tmo::protocol::life::LifeEvent;

use crate::harness::{Pane, lives};

#[track_caller]
fn failure(pane: &mut Pane) -> (Exit, String) {
    pane.start(1);
    let LifeEvent::Exit { exit, error, .. } = pane.exit().event else { panic!() };
    pane.end();
    (exit, error.unwrap_or_default())
}

#[test]
fn a_missing_shell_exits_with_127() {
    let mut pane = Pane::open("true");
    pane.spec.shell = "/nonexistent/sh".into();
    let (exit, error) = failure(&mut pane);
    assert_eq!(exit, Exit::Code(127));
    assert_eq!(error, "cannot run /nonexistent/sh: No such file or directory");
    let text = "tmo: cannot run /nonexistent/sh: No such file or directory\r\n";
    pane.screen.wait_for(text);
    pane.spec.shell = "no-such-shell".into();
    pane.start(2);
    let LifeEvent::Exit { exit, .. } = pane.exit().event else { panic!() };
    assert_eq!(exit, Exit::Code(127));
}

#[test]
fn an_unusable_shell_exits_with_126() {
    let mut pane = Pane::open("true");
    pane.spec.shell = "/etc/passwd".into();
    let expected = "cannot run /etc/passwd: Permission denied".to_owned();
    assert_eq!(failure(&mut pane), (Exit::Code(126), expected));
}

#[test]
fn a_missing_directory_exits_with_126() {
    let mut pane = Pane::open("true");
    pane.spec.cwd = "/nonexistent/dir".into();
    let expected = "cannot enter /nonexistent/dir: No such file or directory".to_owned();
    assert_eq!(failure(&mut pane), (Exit::Code(126), expected));
}

#[test]
fn an_invalid_environment_exits_with_126() {
    let mut pane = Pane::open("true");
    pane.spec.env.push(("ODD".into(), "a\0b".into()));
    let expected = "cannot run the command: `ODD` contains a NUL byte".to_owned();
    assert_eq!(failure(&mut pane), (Exit::Code(126), expected));
}

#[test]
fn the_shell_is_found_in_the_path_of_the_spec() {
    let mut pane = Pane::open("ignored");
    let bin = pane.dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/true", bin.join("mysh")).unwrap();
    pane.spec.shell = "mysh".into();
    pane.spec.env[0].1 = bin.into();
    assert_eq!(failure(&mut pane), (Exit::Code(0), String::new()));
}

#[test]
fn the_process_has_exactly_the_environment_of_the_spec() {
    let mut pane = Pane::open("exec cat /proc/self/environ > env");
    let more = [("TERM", "outer"), ("LINES", "9"), ("STY", "x"), ("EMPTY", ""), ("LD", "a\nb=c")];
    pane.spec.env.extend(more.map(|(name, value)| (name.into(), value.into())));
    pane.start(1);
    pane.end();
    let text = pane.text_of("env");
    let env: BTreeMap<&str, &str> =
        text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap()).collect();
    let dir = pane.dir.path().to_str().unwrap();
    let path = pane.spec.env[0].1.as_os_str().to_str().unwrap();
    let expected = BTreeMap::from([
        ("DIR", dir),
        ("EMPTY", ""),
        ("LD", "a\nb=c"),
        ("PATH", path),
        ("PWD", dir),
        ("TERM", "test-term"),
        ("TMO_PROCESS", "web"),
        ("TMO_SESSION", pane.spec.run.as_str()),
        ("TMUX", "/tmp/x,1,0"),
        ("TMUX_PANE", "%7"),
    ]);
    assert_eq!(env, expected);
}

#[test]
fn the_process_has_the_umask_limits_nice_directory_and_signals_of_the_spec() {
    let script = "{ umask; ulimit -Sn; ulimit -Hn; ulimit -Sc; nice; pwd -P; } > what; \
                  grep -E 'Sig(Blk|Ign)' /proc/self/status > signals";
    let mut pane = Pane::open(script);
    let inherit = &mut pane.spec.inherit;
    inherit.umask = 0o027;
    inherit.nice = 5;
    let (files, core) = (7, 4); // RLIMIT_NOFILE and RLIMIT_CORE of Linux
    inherit.limits = vec![(files, 123, 456), (core, 0, 0)];
    inherit.ignored = vec![libc::SIGHUP, libc::SIGPIPE];
    pane.start(1);
    pane.end();
    let dir = pane.dir.path().canonicalize().unwrap();
    assert_eq!(pane.text_of("what"), format!("0027\n123\n456\n0\n5\n{}\n", dir.display()));
    let signals = pane.text_of("signals");
    let masks: Vec<u64> = signals
        .lines()
        .map(|line| u64::from_str_radix(line.split_once(":\t").unwrap().1, 16).unwrap())
        .collect();
    // 32 and 33 belong to the C library, which lets nobody touch them.
    let library = 1 << 31 | 1 << 32;
    assert_eq!(masks[0], 0);
    assert_eq!(masks[1] & !library, 1 << (libc::SIGHUP - 1) | 1 << (libc::SIGPIPE - 1));
}

#[test]
fn the_process_leads_the_foreground_group_and_inherits_no_descriptor() {
    let script = "ls /proc/self/fd > fds; set -- $(cat /proc/$$/stat); echo $5 > group; \
                  echo $8 > foreground; stty -a > modes";
    let mut pane = Pane::open(script);
    let pid = pane.start(1);
    pane.end();
    assert_eq!(pane.text_of("fds"), "0\n1\n2\n3\n", "3 is that of the directory");
    assert_eq!((pane.number_in("group"), pane.number_in("foreground")), (pid, pid));
    let modes = pane.text_of("modes");
    let modes: Vec<&str> = modes.split_ascii_whitespace().collect();
    for mode in ["icrnl", "ixon", "opost", "onlcr", "isig", "icanon", "echo"] {
        assert!(modes.contains(&mode), "{mode} in {modes:?}");
    }
}

#[test]
fn a_long_command_is_passed_in_a_file() {
    let long = "x".repeat(200 << 10);
    let mut pane = Pane::open(&format!(": {long}\necho $0 > arg; exit 9"));
    assert_eq!(failure(&mut pane), (Exit::Code(9), String::new()));
    let script = pane.paths.script();
    assert_eq!(pane.text_of("arg"), format!("{}\n", script.display()));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&script).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn terminal_modes_of_the_previous_life_are_reset() {
    // Non-blocking, raw: the next life must not see any of it.
    let script = "stty raw -echo; python3 -c 'import os; os.set_blocking(0, False)' 2>&1; \
                  grep flags: /proc/self/fdinfo/0 > flags.$N; stty -a > modes.$N";
    let mut pane = Pane::open(script);
    pane.spec.env.push(("N".into(), "1".into()));
    pane.start(1);
    pane.end();
    pane.spec.env.pop();
    pane.spec.env.push(("N".into(), "2".into()));
    pane.spec.command = "grep flags: /proc/self/fdinfo/0 > flags.$N; stty -a > modes.$N".into();
    pane.start(2);
    pane.end();
    let flags = |file: &str| {
        let text = pane.text_of(file);
        u32::from_str_radix(text.split_ascii_whitespace().nth(1).unwrap(), 8).unwrap()
    };
    assert_ne!(flags("flags.1") & 0o4000, 0, "it was non-blocking");
    assert_eq!(flags("flags.2") & 0o4000, 0);
    assert!(pane.text_of("modes.1").contains("-icanon"));
    assert!(pane.text_of("modes.2").contains(" icanon"));
}

#[test]
fn input_typed_before_the_start_is_discarded() {
    let mut pane = Pane::open("exit 0");
    pane.start(1);
    pane.end();
    pane.type_in("early\n");
    pane.spec.command = "echo ask; read answer; echo \"got $answer.\"; exec sleep 1000".into();
    pane.start(2);
    pane.screen.wait_for("ask");
    pane.type_in("late\n");
    let text = pane.screen.wait_for("got late.");
    assert!(memchr::memmem::find(&text, b"early").is_none(), "shown though nobody echoes");
}

#[test]
fn ctrl_c_reaches_only_the_process() {
    let wait = "import signal as s\ns.pthread_sigmask(s.SIG_BLOCK, [2])\n\
                print(\"ready\", flush=True)\ns.sigwait([2])\nexit(5)";
    let mut pane = Pane::open(&format!("exec python3 -c '{wait}'"));
    pane.start(1);
    pane.screen.wait_for("ready");
    pane.type_in("\x03");
    let LifeEvent::Exit { exit, .. } = pane.exit().event else { panic!() };
    assert_eq!(exit, Exit::Code(5));
    assert!(lives(pane.pid()));
    pane.end();
}

#[test]
fn ctrl_z_does_not_stop_the_process_permanently() {
    let mut pane = Pane::open("echo ready; while read line; do echo \"got $line.\"; done");
    let main = pane.start(1);
    pane.screen.wait_for("ready");
    for word in ["one", "two"] {
        pane.type_in("\x1a");
        pane.type_in(&format!("{word}\n"));
        pane.screen.wait_for(&format!("got {word}."));
    }
    assert!(lives(main));
}
