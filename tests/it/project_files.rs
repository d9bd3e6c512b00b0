//! Project files that are devices, FIFOs, links or huge: no command hangs or exhausts memory.

use std::path::Path;

use nix::sys::stat::Mode;

use crate::harness::{Ran, World, eventually};

const PROCFILE: &str = "web: exec sleep 1000\n";

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
    /// Run tmo with little memory.
    #[track_caller]
    fn limited(&self, what: &str, args: &str) -> Ran {
        let tmo = env!("CARGO_BIN_EXE_tmo");
        let line = format!("{MEMORY}; exec {tmo} {args}");
        let ran = Ran::by(self.command("bash").args(["-c", &line]));
        assert!(!ran.stderr.contains("memory"), "{what}: {ran:?}");
        ran
    }
}

#[test]
fn a_project_file_that_is_a_device_is_refused_by_name_and_blocks_no_command() {
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
                let ran = world.limited(&what, command);
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
            let ran = world.shell(&format!("{MEMORY}; {words} {tmo} -- tmo restart ''"));
            assert!(ran.code >= 0 && ran.code < 100, "{what}: {ran:?}");
            for args in ["start", "start -D"] {
                // A file that is not needed is skipped with a warning, as before.
                if file == ".env" && args == "start" {
                    continue;
                }
                let ran = world.limited(&what, args);
                assert!(ran.stderr.contains("it is "), "{what}, {args}: {ran:?}");
                if file == ".env" {
                    assert!(ran.stderr.contains("skipping ./.env due to error"), "{ran:?}");
                    assert_eq!(ran.code, 0, "{ran:?}");
                    world.limited(&what, "quit");
                } else {
                    assert_eq!(ran.code, 1, "{what}, {args}: {ran:?}");
                }
            }
        }
    }
}

#[test]
fn a_project_file_may_be_a_link_to_a_plain_file() {
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
fn process_substitution_of_the_shell_is_read_as_a_file() {
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
fn an_env_file_cannot_make_tmo_read_from_the_terminal() {
    let world = World::new(PROCFILE);
    world.write(".env", "TMO_PROCFILE=/dev/stdin\nTMO_ENV=/dev/fd/0\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("mkfifo silent; {tmo} check 0<>silent"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("open /dev/stdin: it is a FIFO"), "{ran:?}");
    assert!(ran.stderr.contains("skipping /dev/fd/0 due to error: it is a FIFO"), "{ran:?}");
}

#[test]
fn a_tmux_configuration_that_is_a_fifo_is_ignored_with_a_message() {
    let world = World::new(PROCFILE);
    spoil(&world.home().join(".tmux.conf"), "fifo");
    spoil(&world.app().join("mine.conf"), "zero");
    for args in ["start -D", "start -D -F mine.conf"] {
        let ran = world.limited(args, args);
        assert_eq!(ran.code, 0, "{ran:?}");
        world.wait_state("web", "running");
        assert!(ran.stderr.contains("not a plain file"), "{ran:?}");
        let ran = world.limited(args, "quit");
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}
