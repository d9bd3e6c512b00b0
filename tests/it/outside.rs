//! Files that come with a project: whatever they are, no command hangs on them or exhausts memory.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;

use crate::harness::{Ran, World, eventually, eventually_within, procs};

const PROCFILE: &str = "web: exec sleep 1000\n";

/// How long a command may take that only has to refuse a file, on a busy machine.
const PROMPT: Duration = Duration::from_secs(25);

/// 1.5 GiB of address space: an endless file runs into it at once.
const MEMORY: &str = "ulimit -v 1500000";

/// The kinds of file that have no end, or block whoever opens them.
const KINDS: [&str; 4] = ["fifo", "zero", "hole", "socket"];

/// Put a file of this kind in the place of another.
fn spoil(path: &Path, kind: &str) {
    let _ = std::fs::remove_file(path);
    match kind {
        "fifo" => nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap(),
        "zero" => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        "hole" => std::fs::File::create(path).unwrap().set_len(20 << 30).unwrap(),
        _ => drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
    }
}

impl World {
    /// Run tmo with little memory and a deadline; SIGTERM must end it if it takes longer.
    #[track_caller]
    fn promptly(&self, what: &str, args: &str) -> Ran {
        let tmo = env!("CARGO_BIN_EXE_tmo");
        let line = format!("{MEMORY}; exec {tmo} {args}");
        let mut command = self.command("bash");
        let child = command.args(["-c", &line]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        let (pid, begun) = (child.id(), Instant::now());
        let ended = std::thread::spawn(move || child.wait_with_output().unwrap());
        eventually_within(PROMPT, &format!("{what}: `tmo {args}` ends"), || {
            let is_late = begun.elapsed() + Duration::from_secs(1) > PROMPT;
            if is_late && !ended.is_finished() {
                procs::kill(pid, 9);
                panic!("{what}: `tmo {args}` hangs");
            }
            ended.is_finished().then_some(())
        });
        let ran = Ran::of(&ended.join().unwrap());
        assert!(!ran.stderr.contains("memory"), "{what}: {ran:?}");
        ran
    }
}

#[test]
fn a_project_file_that_is_a_device_is_refused_by_name_and_hangs_no_command() {
    let commands = ["check", "config", "ps", "ls", "logs", "quit", "failures list", "init --force"];
    for file in ["Procfile", ".env", "tmo.toml", "failure_declarations.json"] {
        for kind in KINDS {
            let world = World::new(PROCFILE);
            let path = world.app().join(file);
            spoil(&path, kind);
            let what = format!("{file} as {kind}");
            for command in commands {
                // `init --force` may have replaced it.
                spoil(&path, kind);
                let ran = world.promptly(&what, command);
                let reads = match command {
                    "check" => true,
                    "config" => file != ".env",
                    "failures list" => file == "failure_declarations.json",
                    "init --force" => file == "Procfile",
                    _ => false,
                };
                let words = match kind {
                    "fifo" => "it is a FIFO, not a plain file",
                    "zero" => "it is a device, not a plain file",
                    "socket" => "it is a socket, not a plain file",
                    _ if file == "tmo.toml" => "it is larger than 1 MiB",
                    _ => "it is larger than 4 MiB",
                };
                let reported = ran.stderr.contains(words) && ran.stderr.contains(file);
                assert!(reported || !reads, "{what}, {command}: {ran:?}");
                assert!(ran.code == 1 || !reads, "{what}, {command}: {ran:?}");
            }
            spoil(&path, kind);
            let words = "_TMO_COMPLETE=bash _CLAP_COMPLETE_INDEX=2 _CLAP_COMPLETE_COMP_TYPE=9 \
                         _CLAP_COMPLETE_SPACE=true _CLAP_IFS=' '";
            let tmo = env!("CARGO_BIN_EXE_tmo");
            let ran = world.shell(&format!("{MEMORY}; {words} timeout 20 {tmo} -- tmo restart ''"));
            assert!(ran.code >= 0 && ran.code < 100, "{what}: {ran:?}");
            for args in ["start", "start -D"] {
                // A file that is not needed is skipped with a warning, as before.
                if file == ".env" && args == "start" {
                    continue;
                }
                let ran = world.promptly(&what, args);
                assert!(ran.stderr.contains("it is "), "{what}, {args}: {ran:?}");
                if file == ".env" {
                    assert!(ran.stderr.contains("skipping ./.env due to error"), "{ran:?}");
                    assert_eq!(ran.code, 0, "{ran:?}");
                    world.promptly(&what, "quit");
                } else {
                    assert_eq!(ran.code, 1, "{what}, {args}: {ran:?}");
                }
            }
        }
    }
}

#[test]
fn a_link_to_a_plain_file_is_followed() {
    let world = World::new(PROCFILE);
    std::fs::rename(world.app().join("Procfile"), world.home().join("real")).unwrap();
    std::os::unix::fs::symlink(world.home().join("real"), world.app().join("Procfile")).unwrap();
    world.write("real.env", "TMO_TITLE=linked\n");
    std::os::unix::fs::symlink("real.env", world.app().join(".env")).unwrap();
    world.ok(["start", "-D"]);
    assert_eq!(world.state().unwrap()["title"], "linked");
    world.ok(["quit"]);
}

#[test]
fn what_the_shell_gives_in_the_place_of_a_file_is_read() {
    let world = World::new("none: exit 3\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let line = format!(
        "TMO_ENV=<(printf A=given) {tmo} start -D \
         -f <(printf 'web: echo \"$A\" > a; '; sleep 0.2; echo 'exec sleep 1000') -d \"$PWD\""
    );
    let ran = Ran::of(&world.command("bash").args(["-c", &line]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    eventually("the process runs", || world.read("a").contains("given").then_some(()));
    world.ok(["quit"]);
}

#[test]
fn a_file_of_the_project_cannot_make_it_read_from_the_terminal() {
    let world = World::new(PROCFILE);
    world.write(".env", "TMO_PROCFILE=/dev/stdin\nTMO_ENV=/dev/fd/0\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("mkfifo silent; timeout 8 {tmo} check 0<>silent"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("open /dev/stdin: it is a FIFO"), "{ran:?}");
    assert!(ran.stderr.contains("skipping /dev/fd/0 due to error: it is a FIFO"), "{ran:?}");
}

#[test]
fn a_start_that_has_begun_nothing_yet_ends_at_the_first_signal() {
    for signal in [2, 15] {
        for args in ["start", "start -D"] {
            let world = World::new(PROCFILE);
            let tmo = env!("CARGO_BIN_EXE_tmo");
            // Nobody ever writes what it is to read.
            let line = format!("echo >up; exec {tmo} {args} -f <(exec sleep 1000) 2>err");
            let mut child = world.command("bash").args(["-c", &line]).spawn().unwrap();
            let is_tmo = || procs::args(child.id()).first().is_some_and(|a| a == tmo);
            let waits = || (is_tmo() && procs::state(child.id()) == Some('S')).then_some(());
            eventually("it waits for its Procfile", waits);
            procs::kill(child.id(), signal);
            let begun = Instant::now();
            eventually("it ends", || child.try_wait().unwrap());
            assert!(begun.elapsed() < Duration::from_secs(12), "{signal} {args}");
            for process in world.living() {
                procs::kill(process.pid, 9);
            }
            world.wait_empty();
            assert!(!world.app().join(".overmind.sock").exists());
        }
    }
}

#[test]
fn a_start_that_waits_for_tmux_to_tell_its_version_ends_at_the_first_signal() {
    let world = World::new(PROCFILE).with_tmux(|_| "echo >asked; exec sleep 1000\n".to_owned());
    for signal in [2, 15] {
        let mut child = world.tmo(["start", "-D"]).spawn().unwrap();
        eventually("tmux is asked", || world.app().join("asked").exists().then_some(()));
        procs::kill(child.id(), signal);
        let begun = Instant::now();
        eventually("it ends", || child.try_wait().unwrap());
        assert!(begun.elapsed() < Duration::from_secs(12), "{signal}");
        for process in world.living() {
            procs::kill(process.pid, 9);
        }
        std::fs::remove_file(world.app().join("asked")).unwrap();
    }
    world.wait_empty();
}

#[test]
fn a_tmux_configuration_that_is_a_fifo_is_left_out() {
    let world = World::new(PROCFILE);
    spoil(&world.home().join(".tmux.conf"), "fifo");
    spoil(&world.app().join("mine.conf"), "zero");
    for args in ["start -D", "start -D -F mine.conf"] {
        let ran = world.promptly(args, args);
        assert_eq!(ran.code, 0, "{ran:?}");
        world.wait_state("web", "running");
        assert!(ran.stderr.contains("not a plain file"), "{ran:?}");
        let ran = world.promptly(args, "quit");
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}
