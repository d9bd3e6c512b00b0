//! Several sessions of one user, each with runtime directories of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::harness::{Ran, World, eventually, files, procs};
use crate::takeover::quiet_run;

/// Another session: it has the same home and project, and another place for runtime directories.
pub(crate) struct Session<'a> {
    world: &'a World,
    pub(crate) base: PathBuf,
}

impl<'a> Session<'a> {
    pub(crate) fn new(world: &'a World, name: &str) -> Self {
        let base = world.path().join(name);
        std::fs::create_dir(&base).unwrap();
        std::fs::set_permissions(&base, Permissions::from_mode(0o700)).unwrap();
        Self { world, base }
    }

    /// The session of the world itself.
    pub(crate) fn own(world: &'a World) -> Self {
        Self { world, base: world.path().join("run") }
    }

    pub(crate) fn run_in(&self, dir: &Path, args: &[&str]) -> Ran {
        let mut command = self.world.tmo(args);
        command.current_dir(dir).env("PWD", dir).env("XDG_RUNTIME_DIR", &self.base);
        Ran::of(&command.output().unwrap())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_in(&self.world.app(), args)
    }

    /// The only runtime directory.
    fn runtime(&self) -> PathBuf {
        let dirs = std::fs::read_dir(self.base.join("tmo")).unwrap();
        dirs.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap()
    }
}

/// SIGKILL all that lives in this world but for these, as the end of a session does.
fn kill_all_but(world: &World, spared: &[u32]) {
    eventually("all is gone", || {
        let mut living = world.living();
        living.retain(|process| !spared.contains(&process.pid));
        for process in &living {
            procs::kill(process.pid, 9);
        }
        living.is_empty().then_some(())
    });
}

/// Kill guardian and supervisor of the run that is there.
pub(crate) fn abandon(world: &World) {
    for pid in [world.guardian(), world.supervisor()] {
        procs::kill(pid, 9);
        eventually("it is gone", || (!procs::alive(pid)).then_some(()));
    }
}

/// The tmux socket that a server that was killed has left is nobody's.
fn forget_tmux_sockets(world: &World) {
    for socket in files(&world.path().join("tmux")) {
        std::fs::remove_file(socket).unwrap();
    }
}

/// A leftover in the session of the world: all of its run was killed.
fn leftover(world: &World, dir: &Path) {
    let session = Session::own(world);
    let ran = session.run_in(dir, &["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    kill_all_but(world, &[]);
}

type Change = fn(&Path);

/// What a leftover may be.
const LEFTOVERS: [(&str, Change); 4] = [
    ("as it was left", |_| {}),
    ("empty", |dir| {
        std::fs::remove_dir_all(dir).unwrap();
        std::fs::create_dir(dir).unwrap();
        std::fs::set_permissions(dir, Permissions::from_mode(0o700)).unwrap();
    }),
    ("of another boot", |dir| {
        let state = dir.join("state.json");
        let text = std::fs::read_to_string(&state).unwrap();
        let mut saved: serde_json::Value = serde_json::from_str(&text).unwrap();
        saved["boot"] = "another".into();
        std::fs::write(&state, saved.to_string()).unwrap();
    }),
    ("with a plan that can't be read", |dir| std::fs::write(dir.join("plan.json"), "{").unwrap()),
];

#[test]
fn cleanup_leaves_a_run_of_another_session_alone() {
    let lets_it_be = |what: &str, change: fn(&Path), abandoned: bool| {
        let case = format!("{what}, abandoned: {abandoned}");
        let world = World::new("web: exec sleep 1000\n");
        leftover(&world, &world.app());
        change(&Session::own(&world).runtime());
        let other = Session::new(&world, "session");
        let ran = other.run(&["start", "-D"]);
        assert_eq!(ran.code, 0, "{case}: {ran:?}");
        let pid = world.wait_state("web", "running").unwrap();
        if abandoned {
            abandon(&world);
        }
        let before = world.living().len();
        let ran = world.run(["cleanup"]);
        assert_eq!(ran.code, 0, "{case}: {ran:?}");
        assert!(ran.stdout.contains("left alone what lives here"), "{case}: {ran:?}");
        assert!(procs::alive(pid), "{case}: {ran:?}");
        assert_eq!(world.living().len(), before, "{case}: {ran:?}");
        assert!(world.app().join(".overmind.sock").exists(), "{case}: {ran:?}");
        assert_eq!(files(&world.path().join("run")), Vec::<PathBuf>::new(), "{case}");
        let ran = other.run(&["quit"]);
        assert_eq!(ran.code, 0, "{case}: {ran:?}");
        assert!(!procs::alive(pid), "{case}");
    };
    std::thread::scope(|scope| {
        for (what, change) in LEFTOVERS {
            for abandoned in [false, true] {
                scope.spawn(move || lets_it_be(what, change, abandoned));
            }
        }
    });
}

#[test]
fn cleanup_ends_leftover_processes_beside_a_run_of_another_session() {
    let world = World::new("web: exec sleep 1000\nstray: trap '' HUP; exec sleep 1001\n");
    world.ok(["start", "-D"]);
    let stray = world.wait_state("stray", "running").unwrap();
    // All but one main process was killed, and its shim heard of no hangup before.
    for pid in [world.guardian(), world.supervisor(), world.shim("stray")] {
        procs::kill(pid, 9);
    }
    kill_all_but(&world, &[stray]);
    assert!(procs::alive(stray));
    let other = Session::new(&world, "session");
    let ran = other.run(&["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let pid = world.wait_state("web", "running").unwrap();
    let ran = world.run(["cleanup"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("ended 1 process"), "{ran:?}");
    assert!(!procs::alive(stray) && procs::alive(pid), "{ran:?}");
    assert_eq!(other.run(&["quit"]).code, 0);
}

#[test]
fn cleanup_and_kill_of_a_leftover_end_no_run_of_another_project() {
    let ends_none = |end: &str, abandoned: bool| {
        let case = format!("{end}, abandoned: {abandoned}");
        let world = World::new("web: exec sleep 1000\n");
        let evil = world.path().join("evil");
        std::fs::create_dir(&evil).unwrap();
        std::fs::write(evil.join("Procfile"), "evil: exec sleep 1000\n").unwrap();
        let socket = world.app().join(".overmind.sock");
        let named = format!("TMO_SOCKET={}\n", socket.display());
        std::fs::write(evil.join(".tmo.env"), named).unwrap();
        leftover(&world, &evil);
        // It leads nobody else astray: that is another test.
        std::fs::remove_file(&socket).unwrap();
        let other = Session::new(&world, "session");
        let ran = other.run(&["start", "-D"]);
        assert_eq!(ran.code, 0, "{case}: {ran:?}");
        let pid = world.wait_state("web", "running").unwrap();
        if abandoned {
            abandon(&world);
        }
        let ran = Session::own(&world).run_in(&evil, &[end]);
        assert!(procs::alive(pid), "{case}: {ran:?}");
        if end == "kill" {
            assert_eq!(ran.code, 1, "{case}: {ran:?}");
            assert!(ran.stderr.contains("leads to"), "{case}: {ran:?}");
            let ran = Session::own(&world).run_in(&evil, &["cleanup"]);
            assert_eq!(ran.code, 0, "{case}: {ran:?}");
        }
        let ran = other.run(&["quit"]);
        assert_eq!(ran.code, 0, "{case}: {ran:?}");
        assert!(!procs::alive(pid), "{case}");
        forget_tmux_sockets(&world);
    };
    std::thread::scope(|scope| {
        for end in ["cleanup", "kill"] {
            for abandoned in [false, true] {
                scope.spawn(move || ends_none(end, abandoned));
            }
        }
    });
}

#[test]
fn start_finds_the_run_of_a_moved_project() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let pid = world.wait_entered("web");
    let moved = world.path().join("moved");
    std::fs::rename(world.app(), &moved).unwrap();
    let session = Session::own(&world);
    let ran = session.run_in(&moved, &["start", "--if-needed", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(procs::alive(pid), "{ran:?}");
    let ran = session.run_in(&moved, &["quit"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // The run knows its socket by the path that it had.
    let _ = std::fs::remove_file(moved.join(".overmind.sock"));
    std::fs::rename(&moved, world.app()).unwrap();
}

#[test]
fn one_of_two_concurrent_starts_in_two_sessions_runs_and_the_other_reports_it() {
    for round in 0..4 {
        let world = World::new("web: exec sleep 1000\n");
        let sessions = [Session::own(&world), Session::new(&world, "session")];
        let ran = std::thread::scope(|scope| {
            let start = |session| scope.spawn(move || Session::run(session, &["start", "-D"]));
            let [own, other] = sessions.each_ref().map(start);
            [own.join().unwrap(), other.join().unwrap()]
        });
        let told = ["runs in another session", "already running here"];
        let is_told = |ran: &&Ran| told.iter().any(|text| ran.stderr.contains(text));
        assert_eq!(ran.iter().filter(is_told).count(), 1, "round {round}: {ran:?}");
        let pid = world.wait_state("web", "running").unwrap();
        for session in &sessions {
            let ran = session.run(&["start", "-D"]);
            assert!(is_told(&&ran), "round {round}: {ran:?}");
        }
        assert!(procs::alive(pid), "round {round}");
        world.ok(["quit"]);
        forget_tmux_sockets(&world);
    }
}

#[test]
fn a_delayed_quit_does_not_end_the_next_run() {
    let slow = "trap 'touch asked; while :; do sleep 0.1; done' INT";
    let world = World::new(&format!("web: {slow}; touch up; while :; do sleep 0.1; done\n"));
    world.ok(["start", "-D", "-t", "600"]);
    eventually("it runs", || world.app().join("up").exists().then_some(()));
    let old = world.wait_state("web", "running");
    let mut quit = world.tmo(["quit"]).spawn().unwrap();
    eventually("it is asked", || world.app().join("asked").exists().then_some(()));
    procs::kill(quit.id(), 19);
    for part in [world.guardian(), world.supervisor()] {
        procs::kill(part, 9);
    }
    world.ok(["kill"]);
    std::fs::remove_file(world.app().join("asked")).unwrap();
    world.ok(["start", "-D"]);
    assert_ne!(world.wait_state("web", "running"), old);
    procs::kill(quit.id(), 18);
    assert!(eventually("quit returns", || quit.try_wait().unwrap()).success());
    assert_eq!(world.state().unwrap()["quitting"], false);
    world.ok(["kill"]);
}

/// A terminal of another login has another runtime directory, or none.
#[test]
fn a_session_with_another_runtime_directory_finds_the_run() {
    let world = quiet_run();
    let elsewhere = world.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let run = |args: &[&str]| {
        let mut command = world.tmo(args);
        command.env_remove("XDG_RUNTIME_DIR").env("TMPDIR", &elsewhere);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["ps"]).0, 0);
    assert_eq!(run(&["restart", "nope"]).0, 2);
    let web = world.field("web", "pid");
    assert_eq!(run(&["restart", "web"]), (0, String::new()));
    assert_ne!(world.field("web", "pid"), web, "it has been restarted when the command returns");
    let (code, said) = run(&["start", "-D"]);
    assert!(code == 1 && said.contains("already running"), "{said}");
    assert_eq!(run(&["quit"]), (0, String::new()));
    world.wait_empty();
}
