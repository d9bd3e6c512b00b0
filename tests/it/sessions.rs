//! Sessions of one user with separate runtime directories, and the run of another project.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::harness::{Ran, World, eventually, files, procs};

/// Another session: it has the same home and project, and another place for runtime directories.
struct Session<'a> {
    world: &'a World,
    base: PathBuf,
}

impl<'a> Session<'a> {
    fn new(world: &'a World, name: &str) -> Self {
        let base = world.path().join(name);
        std::fs::create_dir(&base).unwrap();
        std::fs::set_permissions(&base, Permissions::from_mode(0o700)).unwrap();
        Self { world, base }
    }

    /// The session of the world itself.
    fn own(world: &'a World) -> Self {
        Self { world, base: world.path().join("run") }
    }

    fn run_in(&self, dir: &Path, args: &[&str]) -> Ran {
        let mut command = self.world.tmo(args);
        command.current_dir(dir).env("PWD", dir).env("XDG_RUNTIME_DIR", &self.base);
        Ran::of(&command.output().unwrap())
    }

    fn run(&self, args: &[&str]) -> Ran {
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
fn abandon(world: &World) {
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
fn cleanup_lets_a_run_of_another_session_be() {
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
fn cleanup_ends_what_a_leftover_itself_has_beside_a_run_of_another_session() {
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

/// Commands that change a run, by what they are to leave unchanged.
const CHANGING: [&[&str]; 7] = [
    &["quit"],
    &["kill"],
    &["restart"],
    &["stop", "web"],
    &["logs", "--clear"],
    &["start", "-D"],
    &["connect", "web"],
];

#[test]
fn a_copy_of_a_project_with_hard_links_does_not_change_the_run_of_the_original() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    let copy = world.path().join("copy");
    let made = world.shell(&format!("cp -al . {}", copy.display()));
    assert_eq!(made.code, 0, "{made:?}");
    let session = Session::own(&world);
    for args in CHANGING {
        let ran = session.run_in(&copy, args);
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        let app = world.app();
        let named = format!("-s {}", app.join(".overmind.sock").display());
        let reported = ran.stderr.contains(&format!("leads to the run of {}", app.display()));
        assert!(reported && ran.stderr.contains(&named), "{args:?}: {ran:?}");
    }
    assert_eq!(world.wait_state("web", "running"), pid);
    // Its own project still has it, and a copy may be looked at.
    let ran = session.run_in(&copy, &["ps"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    world.ok(["restart", "web"]);
    world.ok(["quit"]);
    // After the end of that run, its socket in the copy does not prevent a start there.
    let ran = session.run_in(&copy, &["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = session.run_in(&copy, &["quit"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_start_takes_no_run_of_another_project_for_its_own() {
    for abandoned in [false, true] {
        let world = World::new("web: exec sleep 1000\n");
        let evil = world.path().join("evil");
        std::fs::create_dir(&evil).unwrap();
        std::fs::write(evil.join("Procfile"), "evil: exec sleep 1000\n").unwrap();
        std::fs::write(evil.join(".tmo.env"), "TMO_SOCKET=../app/.overmind.sock\n").unwrap();
        let ran = Session::own(&world).run_in(&evil, &["start", "-D"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let pid = world.wait_state("evil", "running").unwrap();
        if abandoned {
            abandon(&world);
        }
        for args in [&["start", "-D"][..], &["start", "--if-needed", "-D"], &["start", "web"]] {
            let ran = world.run(args);
            let case = format!("abandoned: {abandoned}, {args:?}: {ran:?}");
            assert_eq!(ran.code, 1, "{case}");
            assert!(ran.stderr.contains(&format!("the run of {}", evil.display())), "{case}");
            assert!(ran.stderr.contains("`tmo quit -s ./.overmind.sock` ends that run"), "{case}");
            assert_eq!(ran.stderr.lines().count(), 1, "{case}");
        }
        assert!(procs::alive(pid));
        // From another session too, where the lock of that run is not the one to look at.
        if !abandoned {
            let ran = Session::new(&world, "session").run(&["start", "-D"]);
            assert!(ran.code == 1 && ran.stderr.contains("the run of"), "{ran:?}");
        }
        // It does what it says.
        world.ok(["quit"]);
        world.ok(["start", "-D"]);
        world.wait_state("web", "running");
        world.ok(["quit"]);
    }
}

#[test]
fn a_start_finds_the_run_of_its_project_after_a_move() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running").unwrap();
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
fn no_command_changes_the_run_of_another_directory_that_has_its_path_in_another_container() {
    let world = World::new("web: exec sleep 1000\n");
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("Procfile"), "web: exec sleep 2000\n").unwrap();
    // The same runtime directories, and another directory at the path of the project.
    let inside = |script: &str, args: &[&str]| {
        let script = format!("mount --bind \"$1\" \"$2\" && cd \"$2\" && shift 2 && {script}");
        let mut command = world.command("unshare");
        command.args(["-m", "sh", "-c", &script, "sh"]).args([&other, &world.app()]).args(args);
        Ran::of(&command.output().unwrap())
    };
    if inside("true", &[]).code != 0 {
        eprintln!("SKIPPED: no mount namespace can be made here");
        return;
    }
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    for args in CHANGING {
        let ran = inside(&format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_tmo")), args);
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("in another container"), "{args:?}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{args:?}: {ran:?}");
    }
    assert!(!other.join(".overmind.sock").exists());
    assert_eq!(world.wait_state("web", "running"), pid);
    // Elsewhere, the directory at the path of the project may be a new one.
    std::fs::rename(world.app(), world.path().join("before")).unwrap();
    std::fs::rename(&other, world.app()).unwrap();
    world.ok(["quit"]);
}

#[test]
fn a_start_does_not_attach_to_another_project_whose_socket_the_user_names() {
    let world = World::new("web: exec sleep 1000\n");
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("Procfile"), "jobs: exec sleep 1000\n").unwrap();
    let socket = world.path().join("shop.sock");
    let socket = socket.to_str().unwrap();
    world.ok(["start", "-D", "-s", socket]);
    let start = |flags: &[&str], variable: Option<&str>| {
        let mut command = world.tmo(["start"]);
        command.args(flags).current_dir(&other).env("PWD", &other);
        Ran::of(&command.envs(variable.map(|value| ("TMO_SOCKET", value))).output().unwrap())
    };
    for ran in [
        start(&[], Some(socket)),
        start(&["-D"], Some(socket)),
        start(&["--if-needed", "-D"], Some(socket)),
        start(&["-s", socket], None),
    ] {
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(&format!("the run of {}", world.app().display())), "{ran:?}");
        assert!(ran.stderr.contains(&format!("`tmo quit -s {socket}`")), "{ran:?}");
    }
    world.ok(["start", "--if-needed", "-D", "-s", socket]);
    world.ok(["quit", "-s", socket]);
}

#[test]
fn a_directory_link_of_another_user_leads_no_command_to_the_run_of_another_project() {
    let world = World::new("web: exec sleep 1000\n");
    let shared = world.path().join("shared");
    let other = world.path().join("other");
    for dir in [&shared, &other] {
        std::fs::create_dir(dir).unwrap();
    }
    std::fs::write(other.join("Procfile"), "web: exec sleep 2000\n").unwrap();
    let link = shared.join("link");
    std::os::unix::fs::symlink(world.app(), &link).unwrap();
    if std::os::unix::fs::lchown(&link, Some(65534), None).is_err() {
        eprintln!("SKIPPED: only root can give a link to another user");
        return;
    }
    // It may be reached over a link of one's own.
    let own = world.path().join("own");
    std::os::unix::fs::symlink(&link, &own).unwrap();
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    for dir in [&link, &own] {
        for args in CHANGING {
            let mut command = world.tmo(args);
            command.current_dir(&other).env("PWD", &other);
            command.env("TMO_SOCKET", dir.join(".overmind.sock"));
            let ran = Ran::of(&command.output().unwrap());
            assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
            assert!(ran.stderr.contains("leads to the run of"), "{args:?}: {ran:?}");
        }
    }
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
}

#[test]
fn a_socket_that_was_moved_from_another_project_leads_to_no_run_of_that() {
    let world = World::new("web: exec sleep 1000\n");
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("Procfile"), "other: exec sleep 1000\n").unwrap();
    let in_other = |args: &[&str]| {
        let mut command = world.tmo(args);
        command.current_dir(&other).env("PWD", &other);
        Ran::of(&command.output().unwrap())
    };
    let (of_web, of_other) = (world.app().join(".overmind.sock"), other.join(".overmind.sock"));
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    // To where another run is.
    assert_eq!(in_other(&["start", "-D"]).code, 0);
    std::fs::rename(&of_web, &of_other).unwrap();
    assert!(in_other(&["ps"]).stdout.contains("other"));
    assert_eq!(in_other(&["quit"]).code, 0);
    // To where nothing runs.
    for args in CHANGING {
        let ran = in_other(args);
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("the run of"), "{args:?}: {ran:?}");
    }
    assert_eq!(world.wait_state("web", "running"), pid);
    // A socket on which nobody listens hides no run.
    std::fs::remove_file(&of_other).unwrap();
    let dead = world.path().join("dead");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    std::fs::rename(&dead, &of_web).unwrap();
    world.ok(["restart", "web"]);
    assert_ne!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
    let _ = std::fs::remove_file(&of_web);
}

#[test]
fn a_process_in_another_project_that_does_not_run_ends_not_its_own_run() {
    for elsewhere in [false, true] {
        process_in_another_project(elsewhere);
    }
}

/// With `elsewhere`, the processes get an `XDG_RUNTIME_DIR` that differs from the one the run was started with.
fn process_in_another_project(elsewhere: bool) {
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let world = World::new(&format!(
        "web: cd ../other; for verb in quit kill stop restart; do {tmo} $verb >>../out 2>&1; \
         echo $verb $? >>../codes; done; {tmo} ps >>../out; echo ps $? >>../codes; exec sleep 1000\n"
    ));
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("Procfile"), "other: exec sleep 1000\n").unwrap();
    if elsewhere {
        let base = Session::new(&world, "elsewhere").base;
        world.write(".env", &format!("XDG_RUNTIME_DIR={}\n", base.display()));
    }
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    let codes = || std::fs::read_to_string(world.path().join("codes")).unwrap_or_default();
    eventually("all were typed", || codes().contains("ps").then_some(()));
    assert_eq!(codes(), "quit 1\nkill 1\nstop 1\nrestart 1\nps 0\n");
    let out = std::fs::read_to_string(world.path().join("out")).unwrap();
    let reported = format!("tmo: nothing runs in {}; to mean the run of ", other.display());
    assert_eq!(out.matches(&reported).count(), 4, "{out}");
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
}

#[test]
fn what_concerns_a_whole_run_does_not_reach_it_from_a_project_below_that_does_not_run() {
    let world = World::new("web: exec sleep 1000\n");
    let nested = world.app().join("nested");
    std::fs::create_dir_all(nested.join("src")).unwrap();
    std::fs::create_dir(world.app().join("plain")).unwrap();
    std::fs::write(nested.join("Procfile"), "jobs: exec sleep 1000\n").unwrap();
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    let session = Session::own(&world);
    for dir in [nested.clone(), nested.join("src")] {
        let whole = ["quit", "kill", "stop", "restart", "logs --clear", "signal TERM", "stop *"];
        let whole =
            whole.iter().chain(&["restart *", "signal TERM *", "reload", "detach", "cleanup"]);
        for args in whole.map(|words| words.split(' ').collect::<Vec<_>>()) {
            let args = &args[..];
            let ran = session.run_in(&dir, args);
            let case = format!("{} {args:?}: {ran:?}", dir.display());
            assert_eq!(ran.code, 1, "{case}");
            let nothing = format!("nothing runs in {};", nested.display());
            assert!(ran.stderr.contains(&nothing), "{case}");
            let socket = world.app().join(".overmind.sock");
            assert!(ran.stderr.contains(&format!("-s {}", socket.display())), "{case}");
        }
    }
    assert_eq!(world.wait_state("web", "running"), pid);
    let ran = session.run_in(&world.app().join("plain"), &["quit"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_link_to_a_project_that_is_turned_leaves_each_run_to_its_own_directory() {
    let world = World::new("web: exec sleep 1000\n");
    let (first, link) = (world.app().clone(), world.path().join("current"));
    let second = world.path().join("second");
    std::fs::create_dir(&second).unwrap();
    std::fs::write(second.join("Procfile"), "web: exec sleep 1001\n").unwrap();
    std::os::unix::fs::symlink(&first, &link).unwrap();
    let session = Session::own(&world);
    let ok = |dir: &Path, args: &[&str]| {
        let ran = session.run_in(dir, args);
        assert_eq!(ran.code, 0, "{} {args:?}: {ran:?}", dir.display());
        ran.stdout
    };
    ok(&link, &["start", "-D"]);
    world.wait_state("web", "running");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&second, &link).unwrap();
    let reload = session.run_in(&first, &["reload"]);
    let was = format!("{} was {} when", link.display(), first.display());
    assert!(reload.code == 1 && reload.stderr.contains(&was), "{reload:?}");
    ok(&link, &["start", "-D"]);
    let listed: serde_json::Value = serde_json::from_str(&ok(&link, &["ls", "--json"])).unwrap();
    let (one, other) = (&listed[0], &listed[1]);
    assert_eq!(one["socket"], first.join(".overmind.sock").to_str().unwrap());
    assert_eq!(other["socket"], second.join(".overmind.sock").to_str().unwrap());
    assert_eq!(one["root"], first.to_str().unwrap(), "{listed}");
    ok(world.path(), &["quit", "-s", one["socket"].as_str().unwrap()]);
    let left: serde_json::Value = serde_json::from_str(&ok(&link, &["ls", "--json"])).unwrap();
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
    assert_eq!(left[0]["socket"], other["socket"]);
    assert!(!first.join(".overmind.sock").exists(), "its socket is removed");
    ok(&link, &["quit"]);
}

#[test]
fn of_two_starts_in_two_sessions_at_once_one_runs_and_the_other_says_so() {
    for round in 0..4 {
        let world = World::new("web: exec sleep 1000\n");
        let sessions = [Session::own(&world), Session::new(&world, "session")];
        let ran = std::thread::scope(|scope| {
            let start = |session| scope.spawn(move || Session::run(session, &["start", "-D"]));
            let [own, other] = sessions.each_ref().map(start);
            [own.join().unwrap(), other.join().unwrap()]
        });
        let refused: Vec<&Ran> = ran.iter().filter(|ran| ran.code != 0).collect();
        assert_eq!(refused.len(), 1, "round {round}: {ran:?}");
        let told = ["runs in another session", "already running here"];
        let told = told.iter().any(|text| refused[0].stderr.contains(text));
        assert!(told, "round {round}: {ran:?}");
        let pid = world.wait_state("web", "running").unwrap();
        for session in &sessions {
            let ran = session.run(&["start", "-D"]);
            assert_eq!(ran.code, 1, "round {round}: {ran:?}");
        }
        assert!(procs::alive(pid), "round {round}");
        world.ok(["quit"]);
        forget_tmux_sockets(&world);
    }
}

#[test]
fn a_quit_that_is_under_way_does_not_end_the_run_that_comes_next() {
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
