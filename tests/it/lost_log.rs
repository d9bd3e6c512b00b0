//! A log that was moved or replaced during a run: no command hangs.

use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;

use crate::harness::{Ran, World, eventually, executable, procs};
use crate::takeover::kill_both;

/// The size of a file that is nothing but a hole.
const HOLE: u64 = 20 << 30;

/// `web` prints on, so that what becomes of its new output shows.
fn printing() -> World {
    let world = World::new(
        "web: i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done\nworker: exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "line 3");
    world.wait_state("worker", "running");
    world
}

fn spool(world: &World) -> PathBuf {
    world.journal().join("web.00000000000000000000.log")
}

/// Move a file or directory away and put something else in its place.
fn replace(path: &Path, kind: &str) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".moved");
    if kind != "extended" {
        std::fs::rename(path, aside).unwrap();
    }
    match kind {
        "moved" => {}
        "directory" => std::fs::create_dir(path).unwrap(),
        "file" => std::fs::write(path, "text\n").unwrap(),
        "fifo" => nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap(),
        "zero" => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        "extended" | "hole" => {
            let file = std::fs::File::options().create(true).append(true).open(path).unwrap();
            file.set_len(HOLE).unwrap();
        }
        other => panic!("{other}"),
    }
}

/// Run a command with little memory.
#[track_caller]
fn limited(world: &World, what: &str, args: &[&str]) -> Ran {
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let line = format!("ulimit -v 1500000; exec {tmo} {}", args.join(" "));
    let ran = world.shell(&line);
    assert!(ran.code >= 0, "{what}, {args:?}: {ran:?}");
    assert!(!ran.stderr.contains("os error"), "{what}, {args:?}: {ran:?}");
    ran
}

#[test]
fn a_run_is_taken_over_after_the_log_of_a_process_was_replaced() {
    for kind in ["moved", "extended", "hole", "fifo", "directory", "zero"] {
        let world = printing();
        kill_both(&world);
        replace(&spool(&world), kind);
        for args in [&["ps"][..], &["logs"], &["restart", "web"], &["ps"]] {
            let ran = limited(&world, kind, args);
            assert_eq!(ran.code, 0, "{kind}, {args:?}: {ran:?}");
        }
        let refused = limited(&world, kind, &["start", "-D"]);
        assert!(refused.stderr.contains("already running"), "{kind}: {refused:?}");
        // What is printed from now on is kept.
        let end = || world.ok(["logs", "web"]).lines().last().unwrap_or_default().to_owned();
        let before = end();
        eventually("it logs on", || (end() != before).then_some(()));
        assert_eq!(limited(&world, kind, &["quit"]).code, 0, "{kind}");
        world.wait_empty();
    }
}

#[test]
fn a_run_is_taken_over_after_its_whole_log_was_moved() {
    let world = printing();
    kill_both(&world);
    replace(&world.journal(), "moved");
    for args in [&["ps"][..], &["logs"], &["restart", "web"], &["logs", "web"], &["quit"]] {
        let ran = limited(&world, "moved", args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    }
    world.wait_empty();
}

#[test]
fn a_log_extended_or_moved_during_writing_continues() {
    for (file, kind) in [
        ("web.00000000000000000000.log", "extended"),
        ("web.00000000000000000000.times", "extended"),
        ("@index.00000000000000000000", "extended"),
        ("@events.00000000000000000000.log", "extended"),
        ("web.00000000000000000000.log", "moved"),
        (".", "moved"),
    ] {
        let what = format!("{file} {kind}");
        let world = printing();
        let mut view = world.start_view_of_logs();
        let journal = world.journal();
        replace(&if file == "." { journal } else { journal.join(file) }, kind);
        world.ok(["restart", "worker"]);
        let seen = world.read("follow").len();
        eventually(&format!("{what}: who follows sees what comes"), || {
            (world.read("follow").len() > seen + 50).then_some(())
        });
        let end = |log: &str| log.lines().last().unwrap_or_default().to_owned();
        let before = end(&limited(&world, &what, &["logs", "web"]).stdout);
        eventually(&format!("{what}: it is logged"), || {
            let log = limited(&world, &what, &["logs", "-n", "1", "web"]).stdout;
            (end(&log).contains("line") && end(&log) != before).then_some(())
        });
        let status = format!("/proc/{}/status", world.supervisor());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 200_000, "{what}: {peak} kB");
        assert_eq!(limited(&world, &what, &["quit"]).code, 0, "{what}");
        view.wait().unwrap();
        world.wait_empty();
    }
}

impl World {
    /// `tmo logs -f` into the file `follow`.
    fn start_view_of_logs(&self) -> std::process::Child {
        let out = std::fs::File::create(self.app().join("follow")).unwrap();
        let child = self.tmo(["logs", "-f"]).stdout(out).spawn().unwrap();
        eventually("it follows", || self.read("follow").contains("line 3").then_some(()));
        child
    }

    /// Make the next supervisor stop itself before it does anything.
    fn stop_next_supervisor(&self) {
        let (plan, tmo) = (self.runtime().join("plan.json"), env!("CARGO_BIN_EXE_tmo"));
        let script = self.path().join("stopped");
        let text = format!("#!/bin/sh\n[ $1 != supervise ] || kill -STOP $$\nexec {tmo} \"$@\"\n");
        executable(&script, &text);
        let text = std::fs::read_to_string(&plan).unwrap();
        let mut content: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(content["tmo"], tmo);
        content["tmo"] = script.to_str().unwrap().into();
        std::fs::write(&plan, content.to_string()).unwrap();
    }

    fn stopped_supervisor(&self) -> u32 {
        let is_it = |p: &procs::Proc| p.args.iter().any(|arg| arg == "supervise");
        eventually("it is there", || self.living().into_iter().find(is_it)).pid
    }

    fn kill_guardian_and_stopped(&self) {
        for pid in [self.guardian(), self.stopped_supervisor()] {
            procs::kill(pid, 9);
            eventually("it is gone", || (!procs::alive(pid)).then_some(()));
        }
    }
}

#[test]
fn a_takeover_that_hangs_times_out_and_can_be_interrupted() {
    let world = printing();
    kill_both(&world);
    world.stop_next_supervisor();
    for (args, signal) in [(&["start", "-D"][..], 2), (&["ps"], 2), (&["restart", "web"], 15)] {
        // The first of them starts guardian and supervisor; what waits is ended by the signal.
        let mut waiting = world.tmo(args).spawn().unwrap();
        world.stopped_supervisor();
        procs::kill(waiting.id(), signal);
        let status = eventually("it ends", || waiting.try_wait().unwrap());
        // By the signal, and not because its patience was over.
        assert!(![Some(0), Some(1)].contains(&status.code()), "{args:?}: {status:?}");
        world.kill_guardian_and_stopped();
    }
    let refused = limited(&world, "stopped", &["ps"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("has been taking over"), "{refused:?}");
    assert!(refused.stderr.contains("`tmo kill`"), "{refused:?}");
    world.kill_guardian_and_stopped();
    assert_eq!(limited(&world, "stopped", &["kill"]).code, 0);
    // A shell stands in for the supervisor that kill has started. Nobody knows it as one, and it has the lock.
    procs::kill(world.stopped_supervisor(), 9);
    eventually("the lock is free", || (world.run(["cleanup"]).code == 0).then_some(()));
    world.wait_empty();
}
