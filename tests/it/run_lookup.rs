//! The run that a command reaches: other listeners, other spellings of a path or address, no free connection,
//! a taken port.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::harness::ports::free_port;
use crate::harness::{Ran, View, World, eventually, procs};

const WEB: &str = "web: echo up; exec sleep 1000\n";

/// At once, not a while later.
#[track_caller]
fn all_ended(world: &World, what: &str) {
    let living: Vec<_> = world.living().iter().map(procs::describe).collect();
    assert!(living.is_empty(), "{what}: {living:?}");
}

/// A listener at a path of any length.
fn listen_at(path: &Path) -> UnixListener {
    let dir = std::fs::File::open(path.parent().unwrap()).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    UnixListener::bind(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd())).unwrap()
}

/// A path too long for a socket, so that the socket is in the runtime directory.
fn long_path(world: &World) -> PathBuf {
    let mut dir = world.app();
    while dir.as_os_str().len() < 200 {
        dir.push("a-rather-long-name-of-a-directory");
    }
    std::fs::create_dir_all(&dir).unwrap();
    dir.join("shop.sock")
}

#[test]
fn a_listener_at_the_socket_path_does_not_replace_the_socket_in_the_runtime_directory() {
    let world = World::new(WEB);
    let path = long_path(&world);
    let socket = path.to_str().unwrap();
    let mut view = world.start(["-s", socket]);
    view.shows("web    | up\n");
    std::fs::remove_file(&path).unwrap();
    let _answers_nothing = listen_at(&path);
    assert!(world.ok(["ps", "-s", socket]).contains("running"));
    view.signal(15);
    assert_eq!(view.code(), 0, "{}", view.log());
    world.wait_empty();
}

#[test]
fn a_listener_at_the_socket_path_does_not_prevent_quit() {
    let world = World::new(WEB);
    let path = long_path(&world);
    let socket = path.to_str().unwrap();
    world.ok(["start", "-D", "-s", socket]);
    std::fs::remove_file(&path).unwrap();
    let _answers_nothing = listen_at(&path);
    world.ok(["quit", "-s", socket]);
    world.wait_empty();
}

/// Connections that stay open, until there is no room for another one.
fn fill(world: &World) -> Vec<UnixStream> {
    let mut held = vec![];
    loop {
        let mut stream = UnixStream::connect(world.app().join(".overmind.sock")).unwrap();
        stream.write_all(b"GET /api/head HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        if status.ends_with(b"503") {
            return held;
        }
        held.push(stream);
        assert!(held.len() < 1000, "there is a limit");
    }
}

#[test]
fn an_interrupt_waits_for_a_free_connection() {
    for signal in [2, 15] {
        let world = World::new(WEB);
        let mut view = world.start([""; 0]);
        view.shows("web    | up\n");
        let held = fill(&world);
        view.signal(signal);
        view.shows("`tmo kill` ends it");
        assert!(view.child.try_wait().unwrap().is_none(), "the run goes on");
        drop(held);
        assert_eq!(view.code(), 0, "{}", view.log());
        assert_eq!(view.log().matches("`tmo kill` ends it").count(), 1, "{}", view.log());
        world.wait_empty();
    }
}

#[test]
fn kill_ends_a_run_by_every_spelling_of_its_runtime_directory() {
    let is_ended = |what: &str, spelling: &str, at_start: bool| {
        let world = World::new(WEB);
        symlink(world.path().join("run"), world.path().join("link")).unwrap();
        let spelled = PathBuf::from(format!("{}/{spelling}", world.path().display()));
        let run = |args: &[&str], spelt: bool| {
            let mut command = world.tmo(args);
            if spelt {
                command.env("XDG_RUNTIME_DIR", &spelled);
            }
            Ran::of(&command.output().unwrap())
        };
        let started = run(&["start", "-D"], at_start);
        assert_eq!(started.code, 0, "{started:?}");
        world.wait_state("web", "running");
        procs::kill(world.supervisor(), 19);
        let ran = run(&["kill"], !at_start);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        all_ended(&world, what);
    };
    // Each waits for a supervisor that does not answer.
    std::thread::scope(|scope| {
        for (what, spelling) in [("a link", "link"), ("two slashes", "/run"), ("a dot", "run/.")] {
            for at_start in [false, true] {
                scope.spawn(move || is_ended(what, spelling, at_start));
            }
        }
    });
}

#[test]
fn kill_in_another_session_waits_for_every_part_of_the_run() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    procs::kill(world.guardian(), 19);
    let ran = world.tmo(["kill"]).env("XDG_RUNTIME_DIR", &other).output().unwrap();
    let ran = Ran::of(&ran);
    assert_eq!(ran.code, 0, "{ran:?}");
    all_ended(&world, "another session");
}

#[test]
fn kill_by_another_spelling_of_an_address_waits_for_every_part_of_the_run() {
    let world = World::new(WEB);
    let port = free_port();
    world.ok(["start", "-D", "-S", "tcp", "-s", &format!("127.0.0.1:{port}")]);
    procs::kill(world.guardian(), 19);
    world.ok(["kill", "-S", "tcp", "-s", &format!("localhost:{port}")]);
    all_ended(&world, "another spelling");
}

#[test]
fn a_takeover_reports_that_its_port_is_taken() {
    let world = World::new(WEB);
    let at = format!("127.0.0.1:{}", free_port());
    let on_tcp = |verb: &'static str| [verb, "-S", "tcp", "-s", &at];
    world.ok(["start", "-D", "-S", "tcp", "-s", &at]);
    for pid in [world.guardian(), world.supervisor()] {
        procs::kill(pid, 9);
        eventually("it is gone", || (!procs::alive(pid)).then_some(()));
    }
    let taken = eventually("the port is free", || TcpListener::bind(&at).ok());
    let ran = world.run(on_tcp("ps"));
    assert!(ran.stderr.contains("taken over"), "{ran:?}");
    assert!(ran.stderr.contains("address already in use"), "{ran:?}");
    let log = world.ok(["logs", "-S", "tcp", "-s", &at, "--events"]);
    assert!(log.contains("address already in use"), "{log}");
    drop(taken);
    world.ok(on_tcp("quit"));
    world.wait_empty();
}

/// The view of a run whose guardian was killed as well takes it over by itself.
#[test]
fn a_view_that_takes_over_reports_that_its_port_is_taken() {
    let world = World::new(WEB);
    let at = format!("127.0.0.1:{}", free_port());
    let mut view: View<'_> = world.start(["-S", "tcp", "-s", &at]);
    view.shows("web    | up\n");
    let (guardian, supervisor) = (world.guardian(), world.supervisor());
    procs::kill(guardian, 19);
    procs::kill(view.child.id(), 19);
    for pid in [guardian, supervisor] {
        procs::kill(pid, 9);
        eventually("it is gone", || (!procs::alive(pid)).then_some(()));
    }
    let taken = eventually("the port is free", || TcpListener::bind(&at).ok());
    procs::kill(view.child.id(), 18);
    view.shows("address already in use");
    drop(taken);
    assert_eq!(view.interrupt(), 0);
    world.wait_empty();
}
