//! The run of another project: no link, env file, address or socket of a project leads a command that
//! changes a run, or a start, to it.

use std::fs::{Permissions, create_dir_all, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::harness::ports::free_port;
use crate::harness::{Ran, World, eventually, procs};
use crate::sessions::{Session, abandon};

/// What changes a run, with the words that it needs.
const CHANGING: &[&[&str]] = &[
    &["stop", "web"],
    &["restart"],
    &["signal", "HUP"],
    &["scale", "web=2"],
    &["reload"],
    &["send", "web", "typed"],
    &["logs", "--clear"],
    &["cleanup"],
    &["detach"],
    &["start"],
    &["start", "web"],
    &["start", "--if-needed"],
    &["quit"],
    &["kill"],
];

/// Another project, whose files are to lead somewhere else.
struct Hostile<'a> {
    world: &'a World,
    dir: std::path::PathBuf,
}

impl<'a> Hostile<'a> {
    fn beside(world: &'a World) -> Self {
        let dir = world.path().join("other");
        create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("Procfile"), "web: true\n").unwrap();
        Self { world, dir }
    }

    /// Have its `.env` name this socket.
    fn names(&self, socket: &str) {
        std::fs::write(self.dir.join(".env"), format!("TMO_SOCKET={socket}\n")).unwrap();
    }

    /// Have its socket be a link to this one.
    fn links_to(&self, socket: &std::path::Path) {
        std::os::unix::fs::symlink(socket, self.dir.join(".overmind.sock")).unwrap();
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.world.tmo(args);
        Ran::of(&command.current_dir(&self.dir).env("PWD", &self.dir).output().unwrap())
    }

    #[track_caller]
    fn is_refused(&self, args: &[&str]) {
        let ran = self.run(args);
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        let reported = ran.stderr.contains("the socket of this project leads to");
        assert!(reported && ran.stderr.contains("-s "), "{args:?}: {ran:?}");
    }
}

#[test]
fn a_link_leads_no_command_to_a_run_of_another_project_in_another_session() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    std::os::unix::fs::symlink(
        world.app().join(".overmind.sock"),
        other.dir.join(".overmind.sock"),
    )
    .unwrap();
    let session = world.path().join("session");
    create_dir_all(&session).unwrap();
    set_permissions(&session, Permissions::from_mode(0o700)).unwrap();
    for args in [&["quit"], &["restart"], &["kill"]] {
        let mut command = world.tmo(args);
        command.current_dir(&other.dir).env("PWD", &other.dir).env("XDG_RUNTIME_DIR", &session);
        let ran = Ran::of(&command.output().unwrap());
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("leads to the run of"), "{args:?}: {ran:?}");
    }
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
}

#[test]
fn a_network_chosen_by_the_user_leads_to_no_other_project() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    other.links_to(&world.app().join(".overmind.sock"));
    for args in [&["quit"][..], &["stop", "web"], &["quit", "-S", "unix"], &["connect", "web"]] {
        let mut command = world.tmo(args);
        command.current_dir(&other.dir).env("PWD", &other.dir).env("OVERMIND_NETWORK", "unix");
        let ran = Ran::of(&command.output().unwrap());
        let reported = ran.code == 1 && ran.stderr.contains("leads to the run of");
        assert!(reported, "{args:?}: {ran:?}");
    }
    // A path in the project, wherever links there lead.
    std::os::unix::fs::symlink(world.app(), other.dir.join("tmp")).unwrap();
    for named in ["./.overmind.sock", ".overmind.sock", "tmp/.overmind.sock"] {
        let mut command = world.tmo(["quit"]);
        command.current_dir(&other.dir).env("PWD", &other.dir).env("OVERMIND_SOCKET", named);
        let ran = Ran::of(&command.output().unwrap());
        assert!(ran.code == 1 && ran.stderr.contains("leads to the run of"), "{named}: {ran:?}");
    }
    // Typed in a process of another run, whose socket does not count for a start.
    let mut command = world.tmo(["start", "web"]);
    command.current_dir(&other.dir).env("PWD", &other.dir);
    command.env("TMO_SESSION", "x").env("TMO_SOCKET", "/tmp/nobody.sock");
    let ran = Ran::of(&command.output().unwrap());
    assert!(ran.code == 1 && ran.stderr.contains("leads to the run of"), "{ran:?}");
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
}

#[test]
fn start_does_not_treat_a_link_with_a_process_name_as_a_project() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    std::fs::remove_file(other.dir.join("Procfile")).unwrap();
    std::os::unix::fs::symlink(world.app(), other.dir.join("web")).unwrap();
    world.ok(["start", "-D"]);
    world.ok(["stop", "web"]);
    let ran = other.run(&["start", "web", "web"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    world.wait_state("web", "stopped");
    world.ok(["quit"]);
}

#[test]
fn a_link_to_a_moved_run_leads_no_command_to_it() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    world.ok(["start", "-D"]);
    world.wait_entered("web");
    let moved = world.path().join("moved");
    std::fs::rename(world.app(), &moved).unwrap();
    other.links_to(&moved.join(".overmind.sock"));
    for args in [&["quit"][..], &["stop", "web"], &["logs", "--clear"]] {
        other.is_refused(args);
    }
    // Its own directory still has it.
    let mut command = world.tmo(["quit"]);
    let ran = Ran::of(&command.current_dir(&moved).env("PWD", &moved).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    // The run knows it by the path that it had.
    let _ = std::fs::remove_file(moved.join(".overmind.sock"));
    std::fs::rename(&moved, world.app()).unwrap();
}

#[test]
fn a_leftover_plan_gives_a_project_no_access_to_another_run() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    std::fs::write(other.dir.join("Procfile"), "web: exec sleep 1000\n").unwrap();
    assert_eq!(other.run(&["start", "-D"]).code, 0);
    let left = world.runtime();
    let copy = world.path().join("copy");
    create_dir_all(&copy).unwrap();
    std::fs::copy(left.join("plan.json"), copy.join("plan.json")).unwrap();
    assert_eq!(other.run(&["quit"]).code, 0);
    create_dir_all(&left).unwrap();
    set_permissions(&left, Permissions::from_mode(0o700)).unwrap();
    std::fs::copy(copy.join("plan.json"), left.join("plan.json")).unwrap();
    world.ok(["start", "-D"]);
    other.links_to(&world.app().join(".overmind.sock"));
    for args in [&["detach"][..], &["quit"], &["connect", "web"]] {
        other.is_refused(args);
    }
    world.ok(["quit"]);
    std::fs::remove_dir_all(&left).unwrap();
}

#[test]
fn a_run_started_from_another_directory_is_reached_by_its_socket() {
    let world = World::new("web: exec sleep 1000\n");
    let elsewhere = world.path().join("elsewhere");
    create_dir_all(&elsewhere).unwrap();
    let at = |name: &str| world.app().join(name).display().to_string();
    let mut command =
        world.tmo(["start", "-D", "-f", &at("Procfile"), "-s", &at(".overmind.sock")]);
    let ran = Ran::of(&command.current_dir(&elsewhere).env("PWD", &elsewhere).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    world.ok(["restart", "web"]);
    world.ok(["quit"]);
}

#[test]
fn another_spelling_of_a_tcp_address_leads_to_no_other_project() {
    let world = World::new("web: exec sleep 1000\n");
    let port = free_port();
    world.ok(["start", "-D", "-S", "tcp", "-s", &format!("127.0.0.1:{port}")]);
    let other = Hostile::beside(&world);
    for spelling in [format!("localhost:{port}"), format!("127.0.0.1:0{port}")] {
        let file = format!("TMO_NETWORK=tcp\nTMO_SOCKET={spelling}\n");
        std::fs::write(other.dir.join(".env"), file).unwrap();
        for args in [&["quit"], &["restart"], &["stop"]] {
            other.is_refused(args);
        }
    }
    world.ok(["quit", "-S", "tcp", "-s", &format!("127.0.0.1:{port}")]);
}

#[test]
fn the_log_of_another_project_is_not_cleared_when_nothing_runs() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "up");
    world.ok(["quit"]);
    world.wait_empty();
    let other = Hostile::beside(&world);
    other.names("../app/.overmind.sock");
    other.is_refused(&["logs", "--clear"]);
    // A version that left no record.
    let records = world.path().join("state/tmo/last-run");
    std::fs::rename(&records, world.path().join("records")).unwrap();
    other.is_refused(&["logs", "--clear"]);
    std::fs::rename(world.path().join("records"), &records).unwrap();
    assert!(world.ok(["logs", "web"]).contains("up"));
    world.ok(["logs", "--clear"]);
}

#[test]
fn a_damaged_run_is_not_attributed_to_a_project_that_links_to_it() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    other.names("../app/.overmind.sock");
    std::fs::remove_file(world.runtime().join("plan.json")).unwrap();
    other.is_refused(&["quit"]);
    set_permissions(world.runtime(), Permissions::from_mode(0o755)).unwrap();
    other.is_refused(&["kill"]);
    set_permissions(world.runtime(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["kill"]);
    // Where nothing lives, that is what is said.
    let ran = other.run(&["kill"]);
    assert!(ran.code == 1 && !ran.stderr.contains("leads to"), "{ran:?}");
}

#[test]
fn a_project_leads_no_command_to_an_overmind_of_another_project() {
    let world = World::new("web: true\n");
    let other = Hostile::beside(&world);
    let socket = world.app().join("om.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = [0; 4096];
            let read = std::io::Read::read(&mut stream, &mut text).unwrap_or(0);
            let words = String::from_utf8_lossy(&text[..read]).into_owned();
            if words.ends_with("status\n") {
                let _ =
                    std::io::Write::write_all(&mut stream, b"PROCESS PID STATUS\nweb 1 running\n");
            } else {
                sender.send(words).unwrap();
            }
        }
    });
    other.names(socket.to_str().unwrap());
    for args in [&["quit"][..], &["stop", "web"], &["kill"]] {
        other.is_refused(args);
    }
    assert!(received.try_recv().is_err(), "nothing reached it");
    let ran = other.run(&["quit", "-s", socket.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(received.recv().unwrap().trim(), "quit");
}

#[test]
fn a_project_leads_no_changing_command_to_the_run_of_another_project() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    world.wait_text("web", "up");
    let socket = world.app().join(".overmind.sock");
    let other = world.path().join("other");
    create_dir_all(&other).unwrap();
    std::fs::write(other.join("Procfile"), "web: true\n").unwrap();
    let run = |args: &[&str]| {
        Ran::of(&world.tmo(args).current_dir(&other).env("PWD", &other).output().unwrap())
    };
    let named = format!("TMO_SOCKET={}\n", socket.display());
    for (file, text) in [(".env", &*named), (".overmind.env", &*named), (".overmind.sock", "")] {
        let path = other.join(file);
        if text.is_empty() {
            std::os::unix::fs::symlink(&socket, &path).unwrap();
        } else {
            std::fs::write(&path, text).unwrap();
        }
        for args in CHANGING {
            // Nothing is left over where the link is.
            if text.is_empty() && args == &["cleanup"] {
                continue;
            }
            let ran = run(args);
            let what = format!("{file}, {args:?}: {ran:?}");
            assert_eq!(ran.code, 1, "{what}");
            let reported = ran.stderr.contains("leads to the run of") && ran.stderr.contains("-s ");
            assert!(reported, "{what}");
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(world.wait_state("web", "running"), pid);
    assert!(world.ok(["logs", "web"]).contains("up"));
    // A user who names it means it.
    let ran = run(&["quit", "-s", socket.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    world.wait_empty();
}

/// Commands that change a run, by what they are to leave unchanged.
const CHANGING_OR_ATTACHING: [&[&str]; 7] = [
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
    for args in CHANGING_OR_ATTACHING {
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
fn start_does_not_adopt_the_run_of_another_project() {
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
fn no_command_changes_the_run_of_a_directory_with_the_same_path_in_another_container() {
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
    for args in CHANGING_OR_ATTACHING {
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
fn start_does_not_attach_to_another_project_by_its_socket() {
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
        for args in CHANGING_OR_ATTACHING {
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
fn a_moved_socket_of_another_project_leads_no_command_to_its_run() {
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
    for args in CHANGING_OR_ATTACHING {
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
fn a_command_of_a_process_in_another_project_does_not_end_its_own_run() {
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
    let reported = format!("tmo: nothing runs in {}; to use the run of ", other.display());
    assert_eq!(out.matches(&reported).count(), 4, "{out}");
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
}

#[test]
fn commands_for_a_whole_run_do_not_reach_it_from_a_stopped_nested_project() {
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
fn a_retargeted_project_link_leaves_each_run_to_its_own_directory() {
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
