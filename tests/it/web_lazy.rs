//! Lazy processes: a request to their names starts them, and without use they are stopped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::harness::{World, eventually};
use crate::web::{Answer, request};
use crate::web_server::WebServer;

/// Listens once there is a file `go`, and answers each request. The answer to `/stream` goes on until the client closes.
const PROGRAM: &str = r#"
use strict; use IO::Socket::IP; $| = 1; $SIG{CHLD} = $SIG{PIPE} = 'IGNORE';
print "booting\n"; select undef, undef, undef, 0.02 until -e 'go';
my $server = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die "$!\n";
while (my $c = $server->accept) {
  if (fork) { close $c; next }
  close $server; $c->autoflush(1); my $head = '';
  while (my $line = <$c>) { $head .= $line; last if $line eq "\r\n" }
  if ($head =~ m{ /stream }) {
    print $c "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: first\n\n"; sleep 1 while print $c ":\n\n"; exit
  }
  print $c "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nanswer\n"; exit;
}
"#;

fn world(toml: &str) -> World {
    let world = World::new("web: exec perl program.pl\n");
    world.write("program.pl", PROGRAM);
    world.write("tmo.toml", toml);
    world
}

fn start(world: &World) -> WebServer<'_> {
    world.ok(["start", "-D", "--title", "Shop"]);
    WebServer::start(world)
}

fn host(server: &WebServer<'_>, name: &str) -> String {
    let (_, rest) = server.link.rsplit_once(':').unwrap();
    format!("{name}.shop.localhost:{}", rest.split('/').next().unwrap())
}

fn get(host: &str, headers: &str) -> Answer {
    request(host, "GET /", headers, "").unwrap()
}

/// How often a process has begun.
fn starts(world: &World, name: &str) -> usize {
    let events = world.ok(["events", "--json"]);
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == "start" && event["name"] == name).count()
}

#[test]
fn many_requests_at_once_start_a_lazy_process_once_and_are_answered_when_it_is_ready() {
    let world = world(
        "[process.web]\nlazy = true\nready = { port = true }\ndepends_on = [\"db\"]\n[process.db]\ncommand = \"exec sleep 1000\"\nlazy = true\n",
    );
    let server = start(&world);
    let web = host(&server, "web");
    assert!(world.field("web", "pid").is_null() && world.field("db", "pid").is_null());
    let reason = world.field("web", "reason");
    assert_eq!(reason, "the next request to its name starts it");
    assert!(world.ok(["ps"]).contains("the next request to its name starts it"));
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(|| get(&web, ""))).collect();
        world.wait_text("web", "booting");
        let page = get(&web, "Accept: text/html\r\nSec-Fetch-Site: none\r\n");
        let is_early = asking.iter().any(std::thread::ScopedJoinHandle::is_finished);
        world.write("go", "");
        for asking in asking {
            let answer = asking.join().unwrap();
            assert_eq!((answer.status, &*answer.body), (200, "answer\n"));
        }
        assert!(!is_early, "answered before it was ready");
        assert_eq!(page.status, 503);
        for part in ["http-equiv=\"refresh\"", "web is starting …", "<pre>booting"] {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
    });
    assert_eq!((starts(&world, "web"), starts(&world, "db")), (1, 1));
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_lazy_process_that_dies_at_its_start_answers_with_the_cause() {
    let world = World::new("web: echo no database; exit 7\napi: exec sleep 1000\n");
    world.write("tmo.toml", "[process.web]\nlazy = true\n");
    let server = start(&world);
    let web = host(&server, "web");
    for times in 1..3 {
        let answer = get(&web, "");
        assert_eq!(answer.status, 502);
        let cause = "web was started and is exited now (code 7); `tmo why web` explains it\n";
        assert!(answer.body.starts_with(cause), "{}", answer.body);
        assert!(answer.body.contains("\nno database\n"), "{}", answer.body);
        assert_eq!(starts(&world, "web"), times, "each request tries again");
    }
    // A page of another site can't start it.
    for headers in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n",
    ] {
        let answer = get(&web, headers);
        assert_eq!(answer.status, 403);
        assert!(
            answer.body.contains("a page of another site does not start it"),
            "{}",
            answer.body
        );
    }
    // Neither can a page of another origin, or what opens a socket without saying from where.
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let port = world.field("api", "port");
    for headers in [
        "Origin: http://evil.example\r\n".to_owned(),
        "Origin: http://web.other.localhost:10000\r\n".to_owned(),
        format!("Origin: http://evil.example\r\n{socket}"),
        socket.to_owned(),
    ] {
        assert_eq!(get(&web, &headers).status, 403, "{headers}");
    }
    assert_eq!(starts(&world, "web"), 2);
    let own = [format!("Origin: http://{web}\r\n"), format!("Origin: http://localhost:{port}\r\n")];
    for (headers, times) in own.iter().zip(3..) {
        assert_eq!(get(&web, &format!("{headers}Sec-Fetch-Site: cross-site\r\n")).status, 502);
        assert_eq!(starts(&world, "web"), times);
    }
    assert!(world.state().is_some(), "the run goes on");
    // What is not lazy is not started, and what runs decides itself about other sites.
    assert_ne!(get(&host(&server, "api"), "Origin: http://evil.example\r\n").status, 403);
    world.ok(["stop", "api"]);
    assert_eq!(get(&host(&server, "api"), "").status, 503);
    assert_eq!(starts(&world, "api"), 1);
    server.end();
    world.ok(["quit"]);
}

#[test]
fn the_page_of_a_start_has_only_lines_of_this_life() {
    let world =
        World::new("web: echo life $(date +%N); sleep 0.1; exit 7\nother: exec sleep 1000\n");
    world.write("tmo.toml", "[process.web]\nlazy = true\n");
    let server = start(&world);
    let web = host(&server, "web");
    for _ in 0..3 {
        let answer = get(&web, "");
        assert_eq!(answer.status, 502);
        assert_eq!(answer.body.matches("life ").count(), 1, "{}", answer.body);
    }
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_lazy_process_that_nothing_uses_is_stopped_until_the_next_request() {
    let world = world(
        "[process.web]\nlazy = { idle = \"1s\" }\n[process.user]\ncommand = \"exec sleep 1000\"\ndepends_on = [\"web\"]\nautostart = false\n",
    );
    world.write("go", "");
    let server = start(&world);
    let web = host(&server, "web");
    assert_eq!(get(&web, "").status, 200);
    let first = world.field("web", "pid");
    world.wait_state("web", "stopped");
    let log = world.ok(["logs", "web"]);
    assert!(log.contains("Not used for 1"), "{log}");

    // An answer that goes on uses it, also if a new supervisor has to learn that.
    let port = web.rsplit_once(':').unwrap().1;
    let mut stream = BufReader::new(TcpStream::connect(format!("127.0.0.1:{port}")).unwrap());
    write!(stream.get_mut(), "GET /stream HTTP/1.1\r\nHost: {web}\r\n\r\n").unwrap();
    let mut line = String::new();
    while !line.contains("data: first") {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0);
    }
    let second = world.field("web", "pid");
    assert_ne!(first, second);
    crate::harness::procs::kill(world.supervisor(), 9);
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(4) {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "it was stopped");
    }
    assert_eq!(world.field("web", "pid"), second);
    drop(stream);
    world.wait_state("web", "stopped");

    // A process that depends on it starts it, and uses it.
    world.ok(["start", "user"]);
    let third = world.field("web", "pid");
    let user = world.field("user", "pid");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!((world.field("web", "pid"), world.field("user", "pid")), (third, user));
    world.ok(["stop", "user"]);
    world.wait_state("web", "stopped");
    server.end();
    world.ok(["quit"]);
}

#[test]
fn requests_of_another_site_do_not_keep_a_lazy_process_up() {
    let world = world("[process.web]\nlazy = { idle = \"1s\" }\n");
    world.write("go", "");
    let server = start(&world);
    let web = host(&server, "web");
    assert_eq!(get(&web, "").status, 200);
    eventually("it is stopped meanwhile", || {
        let answer = get(&web, "Sec-Fetch-Site: cross-site\r\n");
        (answer.status == 403 && world.field("web", "state") == "stopped").then_some(())
    });
    assert_eq!(starts(&world, "web"), 1);
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_start_whose_request_was_given_up_is_no_failure_once_it_has_been_stopped() {
    let world = world("[process.web]\nlazy = { idle = \"1s\" }\n");
    let server = start(&world);
    let web = host(&server, "web");
    let port = web.rsplit_once(':').unwrap().1;
    let mut given_up = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    write!(given_up, "GET / HTTP/1.1\r\nHost: {web}\r\n\r\n").unwrap();
    world.wait_text("web", "booting");
    drop(given_up);
    world.wait_text("web", "Not used for 1");
    world.wait_state("web", "stopped");
    world.write("go", "");
    assert_eq!(get(&web, "").status, 200);
    assert_eq!(starts(&world, "web"), 2);
    server.end();
    world.ok(["quit"]);
}

#[test]
fn lazy_contradicts_what_starts_or_ends_by_itself() {
    let world = World::new("web: exec sleep 1000\ntask: true\n");
    world.write("tmo.toml", "[process.web]\nlazy = true\nautostart = true\n[process.task]\nlazy = { idle = 0 }\nready = { exit = 0 }\n");
    let ran = world.run(["check"]);
    for expected in [
        "tmo.toml:2:8: `lazy` starts it with the first request, `autostart = true` with the run",
        "tmo.toml:5:17: `idle` is at least a moment",
        "tmo.toml:5:8: `lazy` is for a process that answers requests",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
    eventually("nothing runs", || world.state().is_none().then_some(()));
}
