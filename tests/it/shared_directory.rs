//! One project directory, and one state directory, on two machines: both mount the same files, as over NFS.
//!
//! Each machine is a namespace with its own host name, machine id, processes, runtime directory and `sshfs`, whose
//! server is a child of it instead of one behind ssh.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Ran, World, eventually};

/// `$1` is the name of the machine, `$2` the options of `sshfs`. Ends with 77 if something is missing.
const MACHINE: &str = r#"
exec 2>&1
server=$(ls /usr/lib/openssh/sftp-server /usr/libexec/sftp-server /usr/libexec/openssh/sftp-server 2>/dev/null | head -1)
[ -n "$server" ] || { echo there is no sftp-server; exit 77; }
cd "$TMO_TEST_WORLD" || exit 1
printf '#!/bin/sh\nexec %s\n' "$server" >"serve-$1" && chmod +x "serve-$1"
printf '%s\n' "$1" | md5sum | cut -c1-32 >"id-$1"
hostname "$1" && mount --bind "id-$1" /etc/machine-id || exit 77
for dir in run tmux; do
    mkdir -m 700 "$dir-$1" && mount --bind "$dir-$1" "$dir" || exit 77
done
for dir in app state; do
    sshfs -o "ssh_command=$PWD/serve-$1$2" "x:$PWD/files/$dir" "$dir" || exit 77
done
echo ready
exec sleep 1000000
"#;

struct Machine<'a> {
    world: &'a World,
    /// `unshare`, whose only child is the first process of the namespace.
    outer: Child,
}

impl<'a> Machine<'a> {
    /// `None` if something is missing here, which is said.
    fn new(world: &'a World, name: &str, options: &str) -> Option<Self> {
        let mut command = world.command("unshare");
        command.args(["-mupf", "--kill-child", "--mount-proc", "sh", "-c", MACHINE, "sh", name]);
        let mut outer = command.arg(options).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(outer.stdout.take().unwrap()).lines();
        let machine = Self { world, outer };
        let said: Vec<_> = said.map_while(Result::ok).take_while(|line| line != "ready").collect();
        let is_there = said.is_empty();
        if !is_there {
            eprintln!(
                "SKIPPED: two machines need sshfs and the right to mount: {}",
                said.join("; ")
            );
        }
        is_there.then_some(machine)
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.execute(&[&[env!("CARGO_BIN_EXE_tmo")], args].concat())
    }

    fn execute(&self, words: &[&str]) -> Ran {
        let pid = self.outer.id();
        let kinds = [("mount", "mnt"), ("uts", "uts"), ("pid", "pid_for_children")];
        let mut command = self.world.command("nsenter");
        command.args(kinds.map(|(flag, file)| format!("--{flag}=/proc/{pid}/ns/{file}")));
        // The namespace has another directory at this path than the current one.
        command.args(["env", "-C"]).arg(self.world.app());
        Ran::of(&command.args(words).output().unwrap())
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.stdout
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // The first process of the namespace ends after all others of it, and `unshare` after that one.
        let pid = self.outer.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        if let Some(first) = children.ok().and_then(|pids| pids.trim().parse().ok()) {
            let _ = kill(Pid::from_raw(first), Signal::SIGKILL);
        }
        let _ = self.outer.wait();
    }
}

/// Kills all of tmo and tmux in the namespace, and leaves what these have run.
const KILL_PARTS: &str = r#"
for process in /proc/[0-9]*; do
    [ "$process" != "/proc/$$" ] || continue
    case "$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)" in
    *" guard "* | *" supervise "* | *" shim "* | *" sink "* | *" -L tmo-"*) kill -9 "${process#/proc/}" ;;
    esac
done
"#;

#[test]
fn what_is_left_of_a_run_is_found_where_only_its_records_are_shared() {
    let world = World::new("");
    let files = world.path().join("files");
    for dir in ["app", "state"] {
        std::fs::create_dir_all(files.join(dir)).unwrap();
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(files.join(dir), private).unwrap();
    }
    let procfile = "web: trap '' HUP INT TERM; echo up; while :; do sleep 1; done\n";
    std::fs::write(files.join("app/Procfile"), procfile).unwrap();
    let Some(machine) = Machine::new(&world, "left", "") else { return };
    machine.ok(&["start", "-D"]);
    eventually("it runs", || machine.ok(&["logs"]).contains("up").then_some(()));
    assert!(machine.run(&["ls"]).stderr.is_empty());
    let killed = machine.execute(&["sh", "-c", KILL_PARTS]);
    let text = "no supervisor answers in ";
    eventually("it is listed", || machine.run(&["ls"]).stderr.contains(text).then_some(()));
    let ended = machine.run(&["kill"]);
    assert_eq!(ended.code, 0, "{ended:?} {killed:?}");
    assert_eq!(machine.run(&["ls"]).stderr, "");
}

#[test]
fn two_machines_with_one_directory_have_a_run_each() {
    // By default, sshfs follows no absolute links; as NFS would, it does with the option. Old versions lack the option,
    // and follow links.
    let mut is_old = false;
    for (links, options) in [(true, ",no_contain_symlinks"), (false, "")] {
        let world = World::new("");
        let files = world.path().join("files");
        for dir in ["app", "state"] {
            std::fs::create_dir_all(files.join(dir)).unwrap();
            let private = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(files.join(dir), private).unwrap();
        }
        std::fs::write(files.join("app/Procfile"), "web: echo on $(hostname); exec sleep 1000\n")
            .unwrap();
        let Some(left) = Machine::new(&world, "left", options) else {
            is_old = true;
            continue;
        };
        let links = links || is_old;
        let Some(right) = Machine::new(&world, "right", options) else { continue };
        let prints = |machine: &Machine<'_>, text: &str| {
            eventually(text, || machine.ok(&["logs", "--no-prefix"]).contains(text).then_some(()));
        };
        left.ok(&["start", "-D"]);
        prints(&left, "on left\n");
        let ran = right.run(&["ps"]);
        assert!(ran.code == 1 && ran.stderr.contains("nothing runs here"), "{ran:?}");
        assert!(right.ok(&["ls"]).contains("on left"));
        let ran = right.run(&["start", "-D"]);
        assert!(ran.code == 0 && !ran.stderr.contains("left by a run"), "{ran:?}");
        prints(&right, "on right\n");
        assert!(
            !right.ok(&["logs"]).contains("on left") && !left.ok(&["logs"]).contains("on right")
        );
        let entries = std::fs::read_dir(files.join("state/tmo")).unwrap();
        let journals =
            entries.filter(|entry| entry.as_ref().unwrap().path().join("@streams.json").exists());
        assert_eq!(journals.count(), 2, "each has its own journal");
        let all = left.ok(&["ls"]);
        assert!(all.contains("on right") && all.contains("running"), "{all}");
        let link = files.join("app/.overmind.sock");
        assert_eq!(link.symlink_metadata().is_ok(), links);
        if links {
            for machine in [&left, &right] {
                assert!(machine.ok(&["status", "-s", ".overmind.sock"]).contains("web"));
            }
        }
        left.ok(&["restart", "web"]);
        left.ok(&["quit"]);
        assert!(right.ok(&["ps"]).contains("running"), "the other one goes on");
        let all: serde_json::Value = serde_json::from_str(&left.ok(&["ls", "--json"])).unwrap();
        assert_eq!(
            (&all[0]["state"], &all[0]["host"]),
            (&"elsewhere".into(), &"right".into()),
            "{all}"
        );
        right.ok(&["quit"]);
        assert!(!left.ok(&["ls"]).contains("on right"));
    }
}
