//! Readiness by port: which listener makes a process ready.

use std::net::TcpListener;

use crate::harness::ports::free_port;
use crate::harness::{World, eventually};

/// A shell command that listens on a port and accepts connections until it is ended.
fn listen(port: u16) -> String {
    format!(
        "exec perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", \
         LocalPort => {port}, Listen => 9, ReuseAddr => 1) or die \"$!\\n\"; \
         while ($c = $s->accept) {{ close $c }}'"
    )
}

/// The same on this address; it answers each connection as a web server.
fn serve(address: &str, port: u16) -> String {
    format!(
        "exec perl -MIO::Socket::IP -e '$s = IO::Socket::IP->new(LocalHost => \"{address}\", \
         LocalPort => {port}, Listen => 9, ReuseAddr => 1) or die \"$!\\n\"; \
         while ($c = $s->accept) {{ print $c \"HTTP/1.0 204 No Content\\r\\n\\r\\n\"; close $c }}'"
    )
}

/// A world whose only process is ready once its port accepts connections.
fn world(command: &str, ready: &str) -> World {
    let world = World::new(&format!("web: {command}\n"));
    world.write("tmo.toml", &format!("[process.web]\nready = {{ {ready} }}\n"));
    world
}

fn is_ready(world: &World) -> bool {
    world.field("web", "ready") == true
}

/// Wait until the state reports this reason for not being ready, now or when its time was over.
fn wait_lack(world: &World, text: &str) {
    eventually(&format!("it is not ready: {text}"), || {
        assert!(!is_ready(world), "ready too early");
        let reasons = [world.field("web", "lacks")[0].clone(), world.field("web", "not_ready")];
        let is_it = |reason: &serde_json::Value| reason.as_str().is_some_and(|r| r.contains(text));
        reasons.iter().any(is_it).then_some(())
    });
}

#[test]
fn a_line_is_looked_through_as_the_log_shows_it() {
    let world =
        World::new("web: printf 'waiting...\\r\\033[Kserver up\\n10%%\\r20%%'; exec sleep 1000\n");
    world
        .write("tmo.toml", "[process.web]\nready = [{ log = \"^server\" }, { log = \"^20%$\" }]\n");
    world.ok(["start", "-D"]);
    eventually("it is ready", || is_ready(&world).then_some(()));
    assert!(world.ok(["logs", "--grep", "^server"]).contains("server up"));
    world.ok(["quit"]);
}

#[test]
fn own_listener_makes_a_process_ready_at_once() {
    let port = free_port();
    let world = world(&listen(port), &format!("port = {port}"));
    world.ok(["start", "-D"]);
    world.ok(["wait", "--for", "ready", "--timeout", "20s"]);
    assert!(!world.ok(["logs"]).contains("did so before"), "no warning");
    world.ok(["quit"]);
}

#[test]
fn own_listener_counts_on_whichever_address() {
    let port = free_port();
    let addresses = ["127.0.0.2", "::1"].into_iter();
    let addresses: Vec<_> =
        addresses.filter(|address| TcpListener::bind((*address, 0)).is_ok()).collect();
    for address in addresses {
        let world = World::new(&format!("web: {}\n", serve(address, port)));
        let checks = format!("{{ port = true }}, {{ http = \"http://localhost:{port}/\" }}");
        let live = "{ port = true, every = \"20ms\", failures = 1, action = \"break\" }";
        world.write("tmo.toml", &format!("[process.web]\nready = [{checks}]\nlive = {live}\n"));
        world.ok(["start", "-D", "-p", &port.to_string(), "--wait=web,20s"]);
        world.ok(["wait", "web", "--for", "port", "--timeout", "20s"]);
        assert!(is_ready(&world), "{address}");
        // Long enough for a number of liveness checks.
        let ran = world.run(["wait", "web", "--for", "exit", "--timeout", "0.3"]);
        assert_eq!(ran.code, 124, "{ran:?}");
        assert_eq!(world.field("web", "state"), "running", "{address}");
        world.ok(["quit"]);
    }
}

#[test]
fn what_a_process_listens_on_instead_is_named() {
    let (wanted, real) = (free_port(), free_port());
    let world = world(&listen(real), &format!("port = {wanted}"));
    let start = ["start", "-D", "-p", &wanted.to_string()];
    world.ok(start);
    let instead = format!("connection refused; it listens on {real}");
    wait_lack(&world, &format!("it does not listen on port {wanted}: {instead}"));
    let text = format!("web is not listening on {wanted} ({instead}) after 1 s");
    // A busy supervisor may take longer than that to answer.
    let ran = eventually("what it listens on is named", || {
        let ran = world.run(["wait", "web", "--for", "port", "--timeout", "1"]);
        ran.stderr.contains(&text).then_some(ran)
    });
    assert_eq!(ran.code, 124, "{ran:?}");
    world.ok(["quit"]);
    // Its time may be over before anything else can be looked at.
    world.write(
        "tmo.toml",
        &format!("[process.web]\nready = {{ port = {wanted}, timeout = \"4s\" }}\n"),
    );
    world.ok(start);
    let not_ready = || world.field("web", "not_ready").as_str().map(str::to_owned);
    let why = eventually("the time is over", not_ready);
    assert!(why.contains(&instead), "{why}");
    world.ok(["quit"]);
}

#[test]
fn listener_in_a_session_and_environment_of_its_own_is_part_of_the_tree() {
    let port = free_port();
    let world =
        world("env -i setsid sh ./server & wait", &format!("port = {port}, owner = \"tree\""));
    world.write("server", &listen(port));
    world.ok(["start", "-D"]);
    world.ok(["wait", "--for", "ready", "--timeout", "20s"]);
    world.ok(["quit"]);
}

#[test]
fn listener_of_another_run_never_makes_a_process_ready() {
    let port = free_port();
    let other = World::new(&format!("db: {}\n", listen(port)));
    other.write("tmo.toml", &format!("[process.db]\nready = {{ port = {port} }}\n"));
    other.ok(["start", "-D"]);
    other.ok(["wait", "--for", "ready", "--timeout", "20s"]);
    let world = world("exec sleep 1000", &format!("port = {port}, timeout = \"4s\""));
    world.ok(["start", "-D"]);
    wait_lack(&world, "db of another run (perl, pid ");
    eventually("the time is over", || {
        assert!(!is_ready(&world), "ready by the listener of another run");
        world
            .field("web", "not_ready")
            .as_str()
            .map(|why| assert!(why.contains("db of another run")))
    });
    other.ok(["quit"]);
    world.ok(["quit"]);
}

#[test]
fn start_and_check_name_the_other_run_that_holds_a_port() {
    let port = free_port();
    let other = World::new(&format!("db: {}\n", listen(port)));
    other.ok(["start", "-D", "-p", &port.to_string()]);
    other.ok(["wait", "db", "--for", "port", "--timeout", "20s"]);
    let world = World::new("web: exec sleep 1000 # $PORT\n");
    let text = format!("port {port} of web is taken: db of another run (perl, pid ");
    for command in [&["check"][..], &["start", "-D"]] {
        let ran = world.run(command.iter().chain(&["-p", &port.to_string()]));
        assert!(ran.stderr.contains(&text), "{ran:?}");
    }
    world.ok(["quit"]);
    other.ok(["quit"]);
}

#[test]
fn listener_of_another_process_of_the_run_never_makes_a_process_ready() {
    let port = free_port();
    let world = world("exec sleep 1000", &format!("port = {port}, timeout = \"4s\""));
    world.write("Procfile", &format!("db: {}\nweb: exec sleep 1000\n", listen(port)));
    world.ok(["start", "-D"]);
    wait_lack(&world, "db of this run (perl, pid ");
    world.ok(["stop", "db"]);
    wait_lack(&world, "onnection refused");
    world.ok(["quit"]);
}

#[test]
fn older_foreign_listener_counts_after_three_seconds_with_a_warning() {
    // As a database in a container is, with a process of the run that only follows its log.
    for at in ["127.0.0.1:0", "[::1]:0"] {
        // There may be no IPv6.
        let Ok(database) = TcpListener::bind(at) else { continue };
        let at = database.local_addr().unwrap();
        let world = world("echo up; exec sleep 1000", &format!("port = {}", at.port()));
        world.ok(["start", "-D"]);
        wait_lack(&world, "since before it began; that counts after 3 s");
        world.ok(["wait", "--for", "ready", "--timeout", "20s"]);
        // A process that another test is just starting has the socket open as well, so it may be named.
        let warning = format!(") listens on {at} and did so before this process began");
        assert!(world.ok(["logs"]).contains(&warning), "{}", world.ok(["logs"]));
        world.ok(["quit"]);
    }
}

#[test]
fn a_server_that_has_not_answered_yet_is_not_said_to_refuse() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http = \"http://{}/\"", server.local_addr().unwrap());
    let world = world("exec sleep 1000", &url);
    world.ok(["start", "-D"]);
    wait_lack(&world, "no answer yet");
    wait_lack(&world, "no answer within 5000 ms");
    world.ok(["quit"]);
}

#[test]
fn server_that_fails_to_bind_is_never_ready() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let world = world(&listen(port), &format!("port = {port}"));
    let mut view = world.start(["--any-can-die"]);
    view.shows("Exited with code");
    assert!(!view.log().contains("| Ready"), "{}", view.log());
    world.ok(["quit"]);
    view.end();
}

#[test]
fn owner_of_the_port_can_be_required_or_ignored() {
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = foreign.local_addr().unwrap().port();
    let strict =
        world("exec sleep 1000", &format!("port = {port}, owner = \"tree\", timeout = \"4s\""));
    strict.ok(["start", "-D", "-p", &port.to_string()]);
    wait_lack(&strict, "which is not part of it");
    let lenient = world("exec sleep 1000", &format!("port = {port}, owner = \"any\""));
    lenient.ok(["start", "-D", "-p", &port.to_string()]);
    lenient.ok(["wait", "--for", "ready", "--timeout", "20s"]);
    lenient.ok(["wait", "web", "--for", "port", "--timeout", "20s"]);
    lenient.ok(["quit"]);
    eventually("the time is over", || strict.field("web", "not_ready").as_str().map(drop));
    // By now, a listener of any other program would count.
    eventually("it does not count", || {
        let ran = strict.run(["wait", "web", "--for", "port", "--timeout", "3"]);
        assert_eq!(ran.code, 124, "{ran:?}");
        ran.stderr.contains("which is not part of it").then_some(())
    });
    strict.ok(["quit"]);
    let wrong = world("true", "port = 1, owner = \"me\"");
    let ran = wrong.run(["check"]);
    assert!(ran.code != 0 && ran.stderr.contains("owner"), "{ran:?}");
}

#[test]
fn liveness_accepts_any_listener() {
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = foreign.local_addr().unwrap().port();
    let world = World::new("web: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        &format!("[process.web]\nlive = {{ port = {port}, every = \"20ms\", failures = 1, action = \"notify\" }}\n"),
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    drop(foreign);
    // It is noticed only because the answers before were good.
    eventually("it is told", || {
        world.ok(["logs"]).contains("Does not work any more").then_some(())
    });
    world.ok(["quit"]);
}

#[test]
fn a_check_that_fails_is_shown_with_the_last_line_that_it_printed() {
    let world = world(
        "exec sleep 1000",
        "exec = \"echo asking; echo no answer from db >&2; exit 3\", timeout = \"30s\"",
    );
    world.ok(["start", "-D"]);
    wait_lack(&world, "exit status: 3: no answer from db");
    assert!(world.run(["why", "web"]).stdout.contains("no answer from db"));
    world.ok(["quit"]);
}

/// A check that another run's server answers proves nothing: a migration would run in the database of another checkout.
#[test]
fn a_server_of_another_run_at_the_port_of_a_process_satisfies_none_of_its_checks() {
    let port = free_port();
    let other = World::new(&format!("db: {}\n", serve("127.0.0.1", port)));
    other.write("tmo.toml", &format!("[process.db]\nready = {{ port = {port} }}\n"));
    other.ok(["start", "-D"]);
    other.ok(["wait", "--for", "ready", "--timeout", "20s"]);
    for check in ["exec = \"true\"".to_owned(), format!("http = \"http://127.0.0.1:{port}/\"")] {
        let world = world("exec sleep 1000", &check);
        world.ok(["start", "-D", "-p", &port.to_string()]);
        wait_lack(&world, "db of another run (perl, pid ");
        world.ok(["quit"]);
    }
    other.ok(["quit"]);
}
