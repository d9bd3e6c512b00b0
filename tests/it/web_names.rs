//! Processes by their names: what reaches them, what comes back, and what is refused.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use pretty_assertions::assert_eq;

use crate::harness::ports::free_port;
use crate::harness::procs::{alive, kill};
use crate::harness::{Ran, World, eventually};
use crate::web::{Answer, Web, request};
use crate::web_server::WebServer;

/// How long the end of a connection is waited for.
const LIMIT: Duration = Duration::from_secs(300);

/// A web server that keeps connections open: `/echo` answers with the request, `/ws` changes to a protocol that echoes
/// lines, `/events` sends a line for each that is written into the file `events`, `/count` counts the bytes of a body,
/// `/close` closes the connection without an answer, `/away` redirects. `/hang` changes the protocol and never reads,
/// `/both` answers with both kinds of length, `/chunks` returns a body that comes in chunks.
const PROGRAM: &str = r#"
use strict; use IO::Socket::IP; $| = 1; $SIG{CHLD} = 'IGNORE';
my $port = $ARGV[0] // $ENV{PORT};
my $server = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1) or die "$!\n";
print "listening\n";
while (my $c = $server->accept) {
  if (fork) { close $c; next }
  close $server; $c->autoflush(1); my $number = 0;
  while (1) {
    my ($head, $length, $host) = ('', 0, '');
    while (my $line = <$c>) { $head .= $line; $length = $1 if $line =~ /^content-length: (\d+)/i; $host = $1 if $line =~ /^host: (\S+)/i; last if $line eq "\r\n" }
    exit unless $head =~ m{^\S+ (\S+)}; my $path = $1; $number++;
    if ($path eq '/close') { exit }
    if ($path eq '/hang') {
      print $c "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n"; sleep 1000; exit
    }
    if ($path eq '/both') {
      print $c "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n"; next
    }
    if ($path eq '/chunks') {
      my ($sum, $buffer) = ('', '');
      while (my $size = hex(<$c>)) { read $c, $buffer, $size; $sum .= $buffer; <$c> } <$c>;
      print $c "HTTP/1.1 200 OK\r\nContent-Length: " . length($sum) . "\r\n\r\n$sum"; next
    }
    if ($path eq '/ws') {
      print $c "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\nX-Own: 1\r\n\r\n";
      while (my $line = <$c>) { print $c "echo $line" } exit
    }
    if ($path eq '/events') {
      print $c "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"; my $sent = 0;
      while (1) { open my $f, '<', 'events' or next; my @all = <$f>; while ($sent < @all) { print $c "data: $all[$sent++]\n" or exit } select undef, undef, undef, 0.02 }
    }
    if ($path eq '/count') {
      my ($sum, $buffer) = (0, '');
      while ($sum < $length) { my $n = read $c, $buffer, ($length - $sum > 65536 ? 65536 : $length - $sum); last unless $n; $sum += $n }
      print $c "HTTP/1.1 200 OK\r\nContent-Length: " . length($sum) . "\r\n\r\n$sum"; next
    }
    if ($path eq '/away') { print $c "HTTP/1.1 302 Found\r\nLocation: http://$host/there\r\nContent-Length: 0\r\n\r\n"; next }
    my $body = "$$ $number\n$head";
    print $c "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\nSet-Cookie: own=1; Path=/\r\nKeep-Alive: timeout=9\r\n\r\n$body";
  }
}
"#;

/// A world in which `web` and `api_v2` run this program.
fn shop() -> World {
    let world = World::new("web: exec perl program.pl\napi_v2: exec perl program.pl\n");
    world.write("program.pl", PROGRAM);
    world
}

fn start(world: &World) -> WebServer<'_> {
    world.ok(["start", "-D", "--title", "My Shop"]);
    WebServer::start(world)
}

/// The port of a server.
fn port(server: &WebServer<'_>) -> u16 {
    let (_, rest) = server.link.rsplit_once(':').unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// The host of a process.
fn host(server: &WebServer<'_>, name: &str) -> String {
    format!("{name}.localhost:{}", port(server))
}

#[track_caller]
fn get(host: &str, path: &str) -> Answer {
    request(host, &format!("GET {path}"), "", "").unwrap()
}

/// A connection that has sent this text.
fn connection(server: &WebServer<'_>, text: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port(server))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    BufReader::new(stream)
}

/// The head of an answer, in lower case.
fn head(stream: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
    head.to_lowercase()
}

#[test]
fn a_request_reaches_its_process_as_it_was_sent_with_the_address_of_the_sender() {
    let world = shop();
    let server = start(&world);
    let web = host(&server, "web.my-shop");
    let answer =
        request(&web, "POST /echo?a=b%20c", "Cookie: x=y\r\nX-Own: 1\r\nTE: x\r\n", "").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    for line in [
        "POST /echo?a=b%20c HTTP/1.1\r\n",
        &format!("\r\nhost: {web}\r\n"),
        "\r\ncookie: x=y\r\n",
        "\r\nx-own: 1\r\n",
        "\r\nx-forwarded-for: 127.0.0.1\r\n",
        "\r\nx-forwarded-proto: http\r\n",
        &format!("\r\nx-forwarded-host: {web}\r\n"),
    ] {
        assert!(answer.body.contains(line), "{line}: {}", answer.body);
    }
    assert!(!answer.body.contains("\r\nte:"), "{}", answer.body);
    assert!(answer.head.contains("set-cookie: own=1; path=/"), "{}", answer.head);
    for own in ["keep-alive:", "content-security-policy", "cross-origin-opener-policy"] {
        assert!(!answer.head.contains(own), "{}", answer.head);
    }
    // A name of its own for each process, also in the names below it.
    let api = get(&host(&server, "api-v2.my-shop"), "/echo");
    assert_eq!(api.status, 200);
    let below = get(&host(&server, "eu.WEB.my-shop"), "/echo");
    let process = |answer: &Answer| answer.body.split(' ').next().unwrap().to_owned();
    assert_eq!(below.status, 200);
    assert_ne!(process(&api), process(&below));
    server.end();
    world.ok(["quit"]);
}

#[test]
fn one_connection_carries_many_requests_and_one_that_the_process_closes_harms_none() {
    let world = shop();
    let server = start(&world);
    let web = host(&server, "web.my-shop");
    let first = get(&web, "/echo").body;
    let second = get(&web, "/echo").body;
    let (first, second) = (first.lines().next().unwrap(), second.lines().next().unwrap());
    let (pid, number) = first.split_once(' ').unwrap();
    assert_eq!((number, second), ("1", &*format!("{pid} 2")), "the connection is used again");
    // It ends while it waits.
    kill(pid.parse().unwrap(), nix::libc::SIGKILL);
    let third = get(&web, "/echo");
    assert_eq!(third.status, 200, "{third:?}");
    let closed = get(&web, "/close");
    assert_eq!(closed.status, 502, "{closed:?}");
    let why =
        "web closed the connection before it answered; `tmo logs web` shows what it printed\n";
    assert_eq!(closed.body, why);
    assert_eq!(get(&web, "/echo").status, 200);
    server.end();
    world.ok(["quit"]);
}

#[test]
fn events_and_other_protocols_flow_at_once_in_both_directions() {
    let world = shop();
    let server = start(&world);
    let web = host(&server, "web.my-shop");
    world.write("events", "one\n");
    let mut events = connection(&server, &format!("GET /events HTTP/1.1\r\nHost: {web}\r\n\r\n"));
    assert!(head(&mut events).contains("content-type: text/event-stream"));
    let mut until = |wanted: &str| {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(events.read_line(&mut line).unwrap() > 0);
        }
    };
    until("data: one");
    world.write("events", "one\ntwo\n");
    until("data: two");
    let upgrade = format!(
        "GET /ws HTTP/1.1\r\nHost: {web}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: lines\r\n\r\n"
    );
    let mut lines = connection(&server, &upgrade);
    let answer = head(&mut lines);
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nupgrade: lines\r\n") && answer.contains("\r\nx-own: 1\r\n"));
    for text in ["a\n", "b\n"] {
        lines.get_mut().write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line, format!("echo {text}"));
    }
    lines.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(lines.read_to_end(&mut vec![]).unwrap(), 0);
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_large_body_arrives_whole_and_needs_no_memory() {
    const MANY: usize = 256 << 20;
    let world = shop();
    let server = start(&world);
    let web = host(&server, "web.my-shop");
    assert_eq!(get(&web, "/echo").status, 200);
    let memory = || tmo::sys::usage(server.pid()).map_or(0, |usage| usage.resident);
    let before = memory();
    let head = format!(
        "POST /count HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\nContent-Length: {MANY}\r\n\r\n"
    );
    let mut stream = connection(&server, &head);
    let part = vec![b'x'; 1 << 20];
    let mut most = 0;
    for _ in 0..MANY / part.len() {
        stream.get_mut().write_all(&part).unwrap();
        most = most.max(memory());
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with(&format!("\r\n\r\n{MANY}")), "{answer}");
    assert!(most < before + (4 << 20), "{before} {most}");
    server.end();
    world.ok(["quit"]);
}

#[test]
fn connections_to_processes_are_limited_and_one_that_ends_makes_room() {
    /// Three quarters of all connections, half of them to one process.
    const MOST: usize = 192;
    const MOST_TO_ONE: usize = 128;
    let world = shop();
    let web = {
        world.ok(["start", "-D", "--title", "My Shop"]);
        Web::start(&world)
    };
    let name = host(&web.server, "web.my-shop");
    let api = host(&web.server, "api-v2.my-shop");
    let upgrade = |name: &str| {
        format!("GET /ws HTTP/1.1\r\nHost: {name}\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
    };
    let mut open: Vec<_> = (0..MOST)
        .map(|number| {
            if number == MOST_TO_ONE {
                let refused = get(&name, "/echo");
                assert_eq!(refused.status, 503, "{refused:?}");
                assert_eq!(refused.body, "too many requests to web are open\n");
            }
            let name = if number < MOST_TO_ONE { &name } else { &api };
            let mut stream = connection(&web.server, &upgrade(name));
            let answer = head(&mut stream);
            assert!(answer.starts_with("http/1.1 101 "), "{number}: {answer}");
            stream
        })
        .collect();
    let refused = get(&api, "/echo");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.body, "too many connections to processes are open\n");
    // There are places for pages, and those that are open still work.
    assert_eq!(request(&web.host, "GET /runs", &web.headers(), "").unwrap().status, 200);
    let last = open.last_mut().unwrap();
    last.get_mut().write_all(b"still here\n").unwrap();
    let mut line = String::new();
    last.read_line(&mut line).unwrap();
    assert_eq!(line, "echo still here\n");
    open.pop();
    let answer = eventually("there is room", || {
        Some(get(&api, "/echo")).filter(|answer| answer.status != 503)
    });
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(open);
    web.end();
    world.ok(["quit"]);
}

#[test]
fn refused_requests_to_names_leave_the_page_reachable() {
    let world = shop();
    let web = {
        world.ok(["start", "-D", "--title", "My Shop"]);
        Web::start(&world)
    };
    let name = host(&web.server, "web.my-shop");
    // Each client keeps its connection. Those that the limit refuses, and those to no process, hold no place.
    let mut open = vec![];
    for name in [name, host(&web.server, "none.my-shop")] {
        open.extend((0..300).map(|_| {
            let ask = format!("GET /echo HTTP/1.1\r\nHost: {name}\r\n\r\n");
            let mut stream = connection(&web.server, &ask);
            let answer = head(&mut stream);
            let is_refused = !answer.starts_with("http/1.1 200 ");
            assert_eq!(answer.contains("\r\nconnection: close\r\n"), is_refused, "{answer}");
            stream
        }));
    }
    assert_eq!(request(&web.host, "GET /runs", &web.headers(), "").unwrap().status, 200);
    drop(open);
    web.end();
    world.ok(["quit"]);
}

#[test]
fn sockets_that_browsers_have_closed_are_free_again_though_their_process_hangs() {
    /// All that are for one process.
    const MOST: usize = 128;
    let world = shop();
    let server = start(&world);
    let web = host(&server, "web.my-shop");
    let upgrade = format!(
        "GET /hang HTTP/1.1\r\nHost: {web}\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n"
    );
    let open: Vec<_> = (0..MOST)
        .map(|_| {
            let mut stream = connection(&server, &upgrade);
            assert!(head(&mut stream).starts_with("http/1.1 101 "));
            stream
        })
        .collect();
    assert_eq!(get(&web, "/echo").status, 503);
    assert_eq!(get(&host(&server, "api-v2.my-shop"), "/echo").status, 200, "others have places");
    drop(open);
    eventually("there is room", || (get(&web, "/echo").status == 200).then_some(()));
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_body_in_chunks_arrives_and_an_answer_with_two_lengths_is_whole() {
    let world = shop();
    let server = start(&world);
    let web = host(&server, "web.my-shop");
    for method in ["GET", "POST"] {
        let mut stream = connection(
            &server,
            &format!(
                "{method} /chunks HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n\
                 Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
            ),
        );
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("\r\n\r\nonetwo"), "{method}: {answer}");
    }
    let mut stream = connection(
        &server,
        &format!("GET /both HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n\r\n"),
    );
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\r\nwhole\r\n") && !answer.contains("content-length"), "{answer}");
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_name_leads_to_the_port_of_its_process_once_it_listens_there() {
    let world = World::new("web: exec perl late.pl\n");
    let (debugger, port) = (free_port(), free_port());
    world.write(
        "late.pl",
        &format!(
            r#"
use strict; use IO::Socket::IP; $| = 1; $SIG{{CHLD}} = 'IGNORE';
sub serve {{
  my ($port, $text) = @_;
  my $server = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1) or die "$!\n";
  while (my $c = $server->accept) {{
    if (fork) {{ close $c; next }}
    while (my $line = <$c>) {{ print $c "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n$text" if $line eq "\r\n" }}
    exit;
  }}
}}
if (!fork) {{ serve({debugger}, 'dbg') }}
select undef, undef, undef, 0.02 until -e 'go';
serve({port}, 'app');
"#
        ),
    );
    world.ok(["start", "-D", "--port", &port.to_string(), "--title", "My Shop"]);
    let server = WebServer::start(&world);
    let web = host(&server, "web.my-shop");
    assert_eq!(get(&web, "/").body, "dbg");
    world.write("go", "");
    eventually("it leads to PORT", || (get(&web, "/").body == "app").then_some(()));
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_server_with_a_public_address_has_names_only_if_that_is_allowed() {
    const URL: &str = "https://tmo.example.com";
    let world = shop();
    world.ok(["start", "-D", "--title", "My Shop"]);
    let is_named = || world.ok(["open", "-n", "--name", "web"]).contains("web.my-shop.localhost");
    for (options, status) in [(&[][..], 421), (&["--names"][..], 200)] {
        let options = [&["--public-url", URL][..], options].concat();
        let server = WebServer::start_with(&world, &options);
        let answer = get(&host(&server, "web.my-shop"), "/echo");
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(is_named(), status == 200);
        assert_eq!(server.output().contains("Processes at http://NAME"), status == 200);
        server.end();
    }
    let refused = world.run(["web", "--names"]);
    assert!(refused.code == 2 && refused.stderr.contains("--public-url"), "{refused:?}");
    world.ok(["quit"]);
}

#[test]
fn names_are_told_from_the_first_page_on_whether_it_is_served_or_not() {
    let world = World::new("web: exec sleep 1000\n");
    let told = || world.ok(["run", "--as", "web", "printenv", "TMO_URL"]).trim().to_owned();
    world.ok(["start", "-D", "--title", "My Shop"]);
    assert_eq!(told(), format!("http://localhost:{}", world.field("web", "port")));
    assert!(!world.ok(["ps"]).contains("TMO_URL"), "nothing has changed");
    // Ports that belong to this test, also while nothing listens there.
    let (port, other) = (world.port(5), world.port(4).to_string());
    let server = WebServer::start_as(&world, world.tmo(["web", "--port", &port.to_string()]));
    let named = format!("http://web.my-shop.localhost:{port}");
    // The run began before the page had a port; `tmo reload` passes the new names on.
    assert!(world.ok(["ps"]).contains("TMO_URL"), "{}", world.ok(["ps"]));
    world.ok(["reload"]);
    assert_eq!(told(), named);
    assert!(!world.ok(["ps"]).contains("TMO_URL"));
    server.end();
    world.ok(["quit"]);
    world.ok(["start", "-D", "--title", "My Shop"]);
    assert_eq!(told(), named, "nothing serves it now");
    let ports = format!("http://localhost:{}\n", world.field("web", "port"));
    assert_eq!(world.ok(["open", "-n", "web"]), ports, "a link that works");
    // Another program has the port: no other one is taken in its place.
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let refused = world.run(["web"]);
    let holder = format!("port {port} is taken by ");
    assert!(refused.code == 1 && refused.stderr.contains(&holder), "{refused:?}");
    let pid = format!("(pid {})", std::process::id());
    assert!(refused.stderr.contains(&pid) && !refused.stdout.contains("http"), "{refused:?}");
    drop(taken);
    let server = WebServer::start_as(&world, world.tmo(["web"]));
    assert!(server.link.contains(&format!(":{port}/")), "{}", server.link);
    // There is one server for this user.
    let refused = world.run(["web", "--port", &other]);
    let runs = format!("tmo web runs already at port {port}; `tmo web --stop` ends it");
    assert!(refused.code == 1 && refused.stderr.contains(&runs), "{refused:?}");
    server.end();
    // Another port is for good.
    let server = WebServer::start_as(&world, world.tmo(["web", "--port", &other]));
    assert_eq!(get(&format!("web.my-shop.localhost:{other}"), "/").status, 503);
    server.end();
    world.ok(["reload"]);
    assert_eq!(told(), format!("http://web.my-shop.localhost:{other}"));
    world.ok(["quit"]);
}

#[test]
fn runs_share_the_page_of_the_first_start_and_it_ends_with_the_last() {
    let world = World::new("web: exec sleep 1000\n");
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("Procfile"), "web: exec sleep 1000\n").unwrap();
    let there = |args: &[&str]| Ran::of(&world.tmo(args).current_dir(&other).output().unwrap());
    let first = world.ok(["start", "-D", "--web", "--title", "My Shop"]);
    let (_, rest) = first.split_once("http://NAME.my-shop.localhost:").unwrap();
    let port: u16 = rest.split(';').next().unwrap().parse().unwrap();
    let second = there(&["start", "-D", "--web"]);
    assert!(second.stdout.contains(&format!("http://NAME.other.localhost:{port};")), "{second:?}");
    let status = |name: &str| get(&format!("{name}.localhost:{port}"), "/").status;
    world.ok(["quit"]);
    assert_eq!(status("web.other"), 503, "it serves names, and nothing listens");
    assert_eq!(there(&["quit"]).code, 0);
    world.wait_empty();
}

#[test]
fn connections_that_nobody_uses_are_closed_at_both_ends() {
    let world = shop();
    let server = start(&world);
    let web = host(&server, "web.my-shop");
    let mut browser = connection(&server, &format!("GET /echo HTTP/1.1\r\nHost: {web}\r\n\r\n"));
    assert!(head(&mut browser).starts_with("http/1.1 200 "));
    let mut first = String::new();
    browser.read_line(&mut first).unwrap();
    // The program has a process for each connection.
    let process = first.split(' ').next().unwrap().parse().unwrap();
    eventually("the connection to the process is closed", || (!alive(process)).then_some(()));
    // What is left of the answer, then the end.
    browser.get_ref().set_read_timeout(Some(LIMIT)).unwrap();
    browser.read_to_end(&mut vec![]).unwrap();
    server.end();
    world.ok(["quit"]);
}

#[test]
fn what_names_no_process_of_this_server_is_refused() {
    let world = shop();
    let web = {
        world.ok(["start", "-D", "--title", "My Shop"]);
        Web::start(&world)
    };
    let port = port(&web.server);
    let name = format!("web.my-shop.localhost:{port}");
    for host in [
        "web.my-shop.localhost.evil".to_owned(),
        format!("web.my-shop.localhost.evil:{port}"),
        format!("wbe.my-shop.localhost:{port}"),
        format!("web.other.localhost:{port}"),
        format!("web.my-shop.localhost:{}", port - 1),
        "web.my-shop.localhost".to_owned(),
        "web.my-shop.localhost:".to_owned(),
        format!("web.my-shop.localhost:{port}:1"),
    ] {
        let text = format!("GET /echo HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = head(&mut connection(&web.server, &text));
        assert!(answer.starts_with("http/1.1 421 "), "{host}: {answer}");
    }
    for (text, status) in [
        (format!("GET http://{name}/echo HTTP/1.1\r\nHost: {name}\r\n"), "200"),
        (format!("GET http://evil.example/echo HTTP/1.1\r\nHost: {name}\r\n"), "421"),
        (format!("GET https://{name}/echo HTTP/1.1\r\nHost: {name}\r\n"), "421"),
        (format!("GET /echo HTTP/1.1\r\nHost: web.my-shop.localhost.:{port}\r\n"), "200"),
        (format!("GET /echo HTTP/1.1\r\nHost: a<b.web.my-shop.localhost:{port}\r\n"), "421"),
        (format!("GET /echo HTTP/1.1\r\nHost: a..web.my-shop.localhost:{port}\r\n"), "421"),
        (format!("CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n"), "421"),
        (format!("GET /echo HTTP/1.1\r\nHost: {name}\r\nHost: {name}\r\n"), "421"),
        (format!("GET /echo HTTP/1.1\r\nHost: {name}\r\n"), "200"),
    ] {
        let text = format!("{text}Connection: close\r\n\r\n");
        let answer = head(&mut connection(&web.server, &text));
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{text}: {answer}");
    }
    // The paths of tmo do not exist at the name of a process, whatever is sent with them.
    for path in ["/runs", "/me", "/a/0/x.js", "/"] {
        let answer = request(&name, &format!("GET {path}"), &web.headers(), "").unwrap();
        assert!(answer.body.contains(&format!("GET {path} HTTP/1.1")), "{path}: {answer:?}");
    }
    // A page of a process is no page of tmo.
    let foreign =
        format!("Origin: http://{name}\r\n{}", web.headers().split_once("\r\n").unwrap().1);
    assert_eq!(request(&web.host, "GET /runs", &foreign, "").unwrap().status, 403);
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_request_waits_for_a_process_that_starts_and_learns_why_another_does_not() {
    let world = shop();
    world.write(
        "Procfile",
        "web: test -p gate || mkfifo gate; cat gate; exec perl program.pl\nworker: exec sleep 1000\nold: exit 3\n",
    );
    world.ok(["start", "-D", "--any-can-die", "--title", "My Shop"]);
    world.wait_state("old", "exited");
    let server = WebServer::start(&world);
    let web = host(&server, "web.my-shop");
    let waiting = std::thread::spawn(move || get(&web, "/echo"));
    let gate = eventually("it is about to start", || {
        std::fs::OpenOptions::new().write(true).open(world.app().join("gate")).ok()
    });
    drop(gate);
    assert_eq!(waiting.join().unwrap().status, 200);
    let gone = get(&host(&server, "old.my-shop"), "/");
    assert_eq!(gone.status, 503, "{gone:?}");
    assert_eq!(
        gone.body,
        "old does not run (exited); `tmo start old` starts it, `tmo why old` says why\n"
    );
    let page =
        request(&host(&server, "old.my-shop"), "GET /", "Accept: text/html\r\n", "").unwrap();
    assert!(page.head.contains("content-type: text/html"), "{page:?}");
    assert!(page.body.contains("<p>old does not run (exited)"), "{page:?}");
    // A new life listens on another socket.
    let web = host(&server, "web.my-shop");
    let first = get(&web, "/echo").body;
    let restart = std::thread::spawn({
        let command = world.tmo(["restart", "web"]);
        move || { command }.status().unwrap()
    });
    let gate = eventually("it starts again", || {
        std::fs::OpenOptions::new().write(true).open(world.app().join("gate")).ok()
    });
    drop(gate);
    assert!(restart.join().unwrap().success());
    let second = get(&web, "/echo");
    assert_eq!(second.status, 200);
    assert_ne!(first.split(' ').next(), second.body.split(' ').next());
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_listener_outside_of_the_process_gets_nothing() {
    let world = World::new("web: exec sleep 1000\n");
    world.write("program.pl", PROGRAM);
    let port = free_port();
    world.ok(["start", "-D", "--port", &port.to_string(), "--title", "My Shop"]);
    // Another program has the port of web.
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let server = WebServer::start(&world);
    let answer = get(&host(&server, "web.my-shop"), "/");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.starts_with("web (running) does not listen at any port yet"), "{answer:?}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nothing was connected to it");
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_program_that_knows_only_localhost_gets_that_name() {
    let world = shop();
    let own = free_port();
    // It listens on another port than it was told.
    world.write("Procfile", &format!("web: exec perl program.pl {own}\n"));
    world.write("tmo.toml", "[process.web]\nproxy_host = \"localhost\"\n");
    let server = start(&world);
    let web = host(&server, "web.my-shop");
    let answer = get(&web, "/echo");
    assert!(answer.body.contains(&format!("\r\nhost: localhost:{own}\r\n")), "{answer:?}");
    assert!(answer.body.contains(&format!("\r\nx-forwarded-host: {web}\r\n")), "{answer:?}");
    let away = get(&web, "/away");
    assert!(away.head.contains(&format!("\r\nlocation: http://{web}/there\r\n")), "{away:?}");
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_start_that_serves_the_page_tells_each_process_its_address() {
    let world = World::new(
        "web: env | grep URL= | sort; exec perl program.pl\napi_v2: exec perl program.pl\n",
    );
    world.write("program.pl", PROGRAM);
    world.write(
        "tmo.toml",
        "[web]\nstart = true\n\n[process.api_v2]\nenv.WEB = \"{web.page}/x {web.url}\"\n",
    );
    let printed = world.ok(["start", "-D", "--title", "My Shop"]);
    let (_, rest) = printed.split_once("Processes at http://NAME.my-shop.localhost:").unwrap();
    let port = rest.split(';').next().unwrap();
    let web = format!("http://web.my-shop.localhost:{port}");
    let api = format!("http://api-v2.my-shop.localhost:{port}");
    let log = eventually("it is printed", || {
        let log = world.ok(["logs", "web"]);
        log.contains("TMO_URL=").then_some(log)
    });
    assert!(log.contains(&format!("TMO_PROCESS_api_v2_URL={api}\n")), "{log}");
    assert!(log.contains(&format!("TMO_URL={web}\n")), "{log}");
    assert_eq!(log.matches("URL=").count(), 2, "{log}");
    let told = world.ok(["run", "--as", "api_v2", "printenv", "WEB"]);
    assert!(told.contains(&format!("{web}/x http://localhost:")), "{told}");
    eventually("both answer", || {
        let listed = world.ok(["open"]);
        let cells: Vec<Vec<&str>> =
            listed.lines().map(|line| line.split_whitespace().collect()).collect();
        (cells == [["PROCESS", "ADDRESS"], ["web", &web], ["api_v2", &api]]).then_some(())
    });
    assert_eq!(world.ok(["open", "-n", "--name", "api_v2"]), format!("{api}\n"));
    // A pipe is for programs, many of which find no host below localhost.
    let own = format!("http://localhost:{}\n", world.field("api_v2", "port"));
    assert_eq!(world.ok(["open", "-n", "api_v2"]), own);
    assert!(world.ok(["ps", "--wide"]).contains(&web));
    assert!(world.ok(["ls"]).contains(&web));
    world.ok(["quit"]);
    // The page ends after the run.
    world.wait_empty();
}

#[test]
fn only_what_answers_http_has_a_link_and_that_of_web_is_the_address_of_the_run() {
    let world = World::new(
        "db: exec perl db.pl\nstore: exec ./redis-server db.pl\nother: exec perl db.pl\napi: exec perl program.pl\nweb: exec perl program.pl\nworker: exec sleep 1000\n",
    );
    world.write("program.pl", PROGRAM);
    // It notes who connects, and closes the connection as a database does that gets something else.
    world.write(
        "db.pl",
        "use IO::Socket::IP; my $server = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $ENV{PORT}, \
         Listen => 8, ReuseAddr => 1); $| = 1; print \"up\\n\"; while (my $c = $server->accept) { <$c>; print \"strange\\n\" }",
    );
    world.shell("cp \"$(command -v perl)\" redis-server");
    world.ok(["start", "-D", "--title", "My Shop"]);
    for name in ["db", "store", "other"] {
        world.wait_text(name, "up");
    }
    // Without a page, too.
    let listed = world.ok(["open"]);
    for (name, has_page) in [("db", false), ("store", false), ("other", true), ("web", true)] {
        let is_listed = listed.lines().any(|line| line.starts_with(&format!("{name} ")));
        assert_eq!(is_listed, has_page, "{name}: {listed}");
    }
    let server = WebServer::start(&world);
    let at = |name: &str| format!("http://{}", host(&server, &format!("{name}.my-shop")));
    eventually("two answer", || {
        let listed = world.ok(["open", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let urls: Vec<_> = listed.as_array().unwrap().iter().map(|one| &one["url"]).collect();
        (urls == [&at("api"), &at("web")]).then_some(())
    });
    assert!(world.ok(["ls"]).contains(&at("web")));
    let rows = world.ok(["ps", "--wide"]);
    assert!(rows.contains(&at("api")) && !rows.contains("db.my-shop"), "{rows}");
    for (name, tries) in [("other", 1), ("db", 0), ("store", 0)] {
        assert_eq!(world.ok(["logs", name]).matches("strange").count(), tries, "{name}");
    }
    assert_eq!(
        world.ok(["open", "-n", "--name", "db"]),
        format!("{}\n", at("db")),
        "if it is named"
    );
    server.end();
    world.ok(["quit"]);
}

#[test]
fn few_descriptors_leave_the_page_reachable() {
    let world = shop();
    world.ok(["start", "-D", "--title", "My Shop"]);
    let mut command = world.command("sh");
    let tmo = world.tmo(["web"]).get_program().to_owned();
    command.args(["-c", "ulimit -n 128; exec \"$0\" web --port 0"]).arg(tmo);
    let web = Web::of(WebServer::start_as(&world, command));
    let open: Vec<_> = (0..60)
        .map(|number| {
            let name = ["web.my-shop", "api-v2.my-shop"][number % 2];
            let name = host(&web.server, name);
            let mut stream = connection(
                &web.server,
                &format!(
                    "GET /ws HTTP/1.1\r\nHost: {name}\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n"
                ),
            );
            assert!(head(&mut stream).starts_with("http/1.1 "));
            stream
        })
        .collect();
    assert_eq!(request(&web.host, "GET /runs", &web.headers(), "").unwrap().status, 200);
    drop(open);
    web.end();
    world.ok(["quit"]);
}

#[test]
fn without_a_page_an_address_is_a_port() {
    let world = World::new("web: exec sleep 1000\napi: echo to=$WEB; exec sleep 1000\n");
    world.write("tmo.toml", "[process.api]\nenv.WEB = \"{web.page}\"\n");
    world.ok(["start", "-D", "--port", "7000"]);
    eventually("it is printed", || {
        world.ok(["logs", "api"]).contains("to=http://localhost:7000\n").then_some(())
    });
    let ran = world.run(["open", "-n", "web"]);
    assert_eq!(ran.stdout, "http://localhost:7000\n");
    let ran = world.run(["open", "wbe"]);
    assert_eq!(ran.stderr, "tmo: Unknown process name: wbe; did you mean web?\n");
    world.ok(["quit"]);
}
