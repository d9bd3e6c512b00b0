//! The control address on TCP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::CommandExt as _;

use crate::harness::{View, World, eventually};

const WEB: &str = "web: echo up; exec sleep 1000\n";

/// A world whose commands all take the address on TCP.
fn over_tcp(world: World, address: &str) -> World {
    world.env("OVERMIND_NETWORK", "tcp").env("TMO_SOCKET", address)
}

/// The address that a run on port 0 listens on.
fn address(view: &View<'_>) -> String {
    view.shows("web    | up\n");
    let errors = view.errors();
    let (_, rest) = errors.split_once("it listens on ").unwrap();
    rest.split([' ', '\n']).next().unwrap().to_owned()
}

/// Send this and read the answer to its end.
fn ask(address: &str, question: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn overminds_lines_and_tmos_commands_come_over_tcp() {
    let world = World::new(WEB);
    let mut view = world.start(["-S", "tcp", "-s", ":0"]);
    let at = address(&view);
    assert!(at.starts_with("127.0.0.1:"), "{at}");
    assert!(ask(&at, "status\n").starts_with("PROCESS"), "{}", ask(&at, "status\n"));
    // By the name that it was given; then by another one, which goes over TCP.
    for socket in [":0", &at] {
        let of_run = |verb: &str| {
            [verb.to_owned(), "-S".into(), "tcp".into(), "-s".into(), socket.to_owned()]
        };
        assert!(world.ok(of_run("ps")).contains("running"), "{socket}");
        let before = view.log().matches("web    | up\n").count();
        world.ok(of_run("restart"));
        eventually("it is back", || {
            (view.log().matches("web    | up\n").count() > before).then_some(())
        });
    }
    let far = world.run(["connect", "-S", "tcp", "-s", &at, "web"]);
    assert!(far.code == 1 && far.stderr.contains("be on its machine"), "{far:?}");
    let out = std::fs::File::create(world.app().join("echoed")).unwrap();
    let echo = world.tmo(["echo", "-S", "tcp", "-s", &at]).stdout(out).spawn();
    view.shows("Echo #1 opened\n");
    world.ok(["restart", "-S", "tcp", "-s", &at]);
    eventually("it is echoed, plain", || {
        world.read("echoed").contains("web    | up\n").then_some(())
    });
    let by_variables = world
        .command(env!("CARGO_BIN_EXE_tmo"))
        .arg("quit")
        .envs([("OVERMIND_NETWORK", "tcp4"), ("OVERMIND_SOCKET", &at)])
        .output()
        .unwrap();
    assert!(by_variables.status.success(), "{by_variables:?}");
    assert_eq!(view.code(), 0);
    assert!(echo.unwrap().wait().unwrap().success());
    world.wait_empty();
}

#[test]
fn an_echo_over_tcp_is_whole_to_its_end() {
    let body = "i=0; while [ ! -e stop ]; do i=$((i + 1)); echo line $i; done; echo last";
    let world = over_tcp(World::new(&format!("web: echo up; {body}\n")), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let mut stream = TcpStream::connect(address(&view)).unwrap();
    stream.write_all(b"echo\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut seen: Vec<String> = lines.by_ref().take(5000).collect();
    world.write("stop", "");
    seen.extend(lines);
    assert_eq!(view.code(), 0);
    let number = |line: &String| line.split_once("| line ")?.1.parse::<u64>().ok();
    let numbers: Vec<u64> = seen.iter().filter_map(number).collect();
    let gap = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]);
    assert!(numbers.len() > 4000 && gap.is_none(), "{} {gap:?} {:?}", numbers.len(), seen.first());
    assert_eq!(seen.iter().filter(|line| line.ends_with("| last")).count(), 1);
}

#[test]
fn a_browser_another_user_and_a_wrong_token_are_turned_away() {
    let world = over_tcp(World::new(WEB), "0.0.0.0:0").env("TMO_TOKEN", "let-me-in");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let port = at.rsplit_once(':').unwrap().1;
    assert!(at.starts_with("0.0.0.0:"), "{at}");
    let at = format!("127.0.0.1:{port}");
    let get = "GET /api/state HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let known = ask(&at, &format!("tmo-token let-me-in\n{get}"));
    assert!(known.starts_with("HTTP/1.1 200"), "{known}");
    for stranger in [get.to_owned(), format!("tmo-token let-me-out\n{get}")] {
        let answer = ask(&at, &stranger);
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("TMO_TOKEN"), "{answer}");
    }
    if nix::unistd::geteuid().is_root() {
        let line = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; echo status >&3; cat <&3");
        let another =
            world.command("bash").args(["-c", &line]).current_dir("/").uid(65534).output();
        let said = String::from_utf8(another.unwrap().stdout).unwrap();
        assert!(!said.contains("PROCESS") && said.contains("401"), "{said}");
    }
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_supervisor_that_is_killed_leaves_its_address_to_the_next() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    crate::harness::procs::kill(world.supervisor(), 9);
    assert!(ask(&at, "status\n").starts_with("PROCESS"));
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn an_address_that_is_none_is_told_with_the_reason() {
    let world = World::new(WEB);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let table = [
        (["udp", "x"], "listen udp: unknown network udp"),
        (["tcp", "./.overmind.sock"], "listen tcp ./.overmind.sock: it must be HOST:PORT"),
        (["tcp", "192.0.2.1:5500"], "others can reach it; set TMO_TOKEN"),
        (["tcp6", "127.0.0.1:0"], "listen tcp6 127.0.0.1:0: bind: "),
    ];
    for ([network, socket], told) in table {
        let ran = world.run(["start", "-S", network, "-s", socket]);
        assert!(ran.code == 1 && ran.stderr.contains(told), "{ran:?}");
    }
    drop(taken);
    let ran = world.run(["ps", "-S", "udp"]);
    assert!(ran.stderr.starts_with("tmo: dial udp: unknown network udp"), "{ran:?}");
    let ran = world.run(["ps", "-S", "tcp", "-s", "127.0.0.1:1"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("dial tcp 127.0.0.1:1: connect: connection refused"),
        "{ran:?}"
    );
    world.wait_empty();
}

/// A run whose process executes what is typed into its terminal.
const CONSOLE: &str = "web: echo up; exec sleep 1000\nconsole: exec bash\n";

/// What a stranger sends to have a command executed.
fn typed(text: &str) -> String {
    let body = format!("{{\"text\":\"{text}\",\"enter\":true}}");
    format!(
        "POST /api/processes/console/input HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_client_that_has_closed_before_its_owner_is_known_is_refused() {
    let world = over_tcp(World::new(CONSOLE), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let pid = world.wait_state("web", "running");
    let supervisor = world.supervisor();
    for attempt in ["stop web\n".to_owned(), format!("tmo-token \n{}", typed("touch owned"))] {
        // The connection waits in the queue of the kernel, with its bytes and its end.
        crate::harness::procs::kill(supervisor, nix::libc::SIGSTOP);
        let mut stream = TcpStream::connect(&at).unwrap();
        stream.write_all(attempt.as_bytes()).unwrap();
        drop(stream);
        crate::harness::procs::kill(supervisor, nix::libc::SIGCONT);
        // Clients are taken in their order.
        assert!(ask(&at, "status\n").starts_with("PROCESS"));
    }
    view.shows("A client on TCP was refused: it had closed its connection");
    assert!(!view.log().contains("Interrupting"), "{}", view.log());
    assert_eq!(world.wait_state("web", "running"), pid);
    assert!(!world.app().join("owned").exists());
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_full_door_does_not_let_a_stranger_in() {
    let world = over_tcp(World::new(CONSOLE), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let port = at.rsplit_once(':').unwrap().1;
    let request = typed("touch owned").replace('\r', "\\r").replace('\n', "\\n");
    // All of `limits.connections`, then one that sends and closes, then they are let go.
    let script = format!(
        "for fd in {{20..275}}; do eval \"exec $fd<>/dev/tcp/127.0.0.1/{port}\"; done\n\
         exec 7<>/dev/tcp/127.0.0.1/{port}; printf '%b' 'tmo-token \\n{request}' >&7; exec 7>&-\n\
         exec 8<>/dev/tcp/127.0.0.1/{port}; printf 'stop web\\n' >&8; exec 8>&-; echo sent; read -r _"
    );
    let mut command = world.command("bash");
    command.args(["-c", &script]).current_dir("/").stdin(std::process::Stdio::piped());
    if nix::unistd::geteuid().is_root() {
        command.uid(65534);
    }
    let mut eve = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(eve.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "sent\n");
    drop(eve.stdin.take());
    assert!(eve.wait().is_ok());
    assert!(ask(&at, "status\n").starts_with("PROCESS"));
    assert!(!world.app().join("owned").exists());
    if nix::unistd::geteuid().is_root() {
        assert!(!view.log().contains("Interrupting"), "{}", view.log());
    }
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_web_page_can_not_send_a_command() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[7; 40][..]].concat();
    let poison = [&hello[..], b"\nstop web\n\n"].concat();
    let head = "Host: evil.example\r\nContent-Length: 10\r\n\r\nstop web\n";
    let texts = [
        format!("stop / HTTP/1.1\r\n{head}"),
        format!("kill / HTTP/1.0\n{head}"),
        format!("stop web HTTP/1.1 \r\n{head}"),
        format!("FOO / HTTP/1.1\r\n{head}"),
        format!("foo / HTTP/1.1\r\n{head}"),
        format!("\nstop web\n{head}"),
        format!("\r\n\r\nstop web\n{head}"),
        format!(" stop web\n{head}"),
        format!("nonsense\nstop web\n{head}"),
        format!("POST / HTTP/1.1\r\n{head}"),
        format!("status\nstop / HTTP/1.1\r\n{head}"),
        format!("get-connection\nX-Header: 1\nstop web\n{head}"),
    ];
    for text in texts.iter().map(String::as_bytes).chain([&poison[..]]) {
        let mut stream = TcpStream::connect(&at).unwrap();
        stream.write_all(text).unwrap();
        let mut answer = Vec::new();
        // Closed with something unread, the connection may be reset.
        let _ = stream.read_to_end(&mut answer);
    }
    assert!(ask(&at, "status\n").contains("running"));
    assert!(!view.log().contains("Interrupting"), "{}", view.log());
    assert_eq!(view.interrupt(), 0);
}
