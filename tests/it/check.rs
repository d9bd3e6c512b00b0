//! `tmo check`, and what a start says of ports that are taken.

use crate::harness::World;

#[test]
fn what_is_odd_is_told_and_nothing_is_started() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    let ran = world.run(["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.ends_with("/Procfile: 2 processes: web, worker\n"), "{ran:?}");
    world.write("Procfile", "web: exec sleep 1000\nbad name: x\n");
    world.write(".env", "A=1\nno variable\n");
    let ran = world.run(["check", "-l", "web,wrker"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    for told in [
        "tmo: skipping ./.env due to error: ",
        "tmo: ./Procfile:2: not of the form `name: command`",
        "tmo: --processes names `wrker`",
    ] {
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    assert_eq!(ran.stderr.lines().count(), 3, "{ran:?}");
    let ran = world.run(["check", "-f", "nosuch"]);
    assert!(ran.code == 1 && ran.stderr.contains("open nosuch: no such file"), "{ran:?}");
    let ran = world.run(["check", "--formation", "web"]);
    assert!(ran.code == 1 && ran.stderr.contains("Invalid formation format"), "{ran:?}");
    assert!(!world.app().join(".overmind.sock").exists());
    world.wait_empty();
}

#[test]
fn a_port_that_is_taken_is_told_with_its_holder() {
    let world = World::new("web: echo up; exec sleep 1000\nworker: exec sleep 1000\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let me = format!("(pid {}) listens on it", std::process::id());
    let told = format!("tmo: port {port} of web is taken: ");
    let ran = world.run(["check", "-p", &port.to_string()]);
    assert!(ran.code == 1 && ran.stderr.contains(&told) && ran.stderr.contains(&me), "{ran:?}");
    let ran = world.run(["start", "-D", "-p", &port.to_string()]);
    assert!(ran.code == 0 && ran.stderr.contains(&told), "it may not use it: {ran:?}");
    assert_eq!(world.run(["check", "-p", &port.to_string()]).code, 0, "it runs");
    world.ok(["quit"]);
    drop(taken);
    assert_eq!(world.run(["check", "-p", &port.to_string()]).code, 0);
}
