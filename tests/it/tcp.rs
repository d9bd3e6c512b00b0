//! The control address on TCP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv6Addr, Shutdown, SocketAddrV6, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn6, bind, listen, setsockopt, socket,
    sockopt,
};

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
fn commands_of_overmind_and_tmo_work_over_tcp() {
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
        assert_eq!(world.ok(of_run("why")), "all processes are running\n", "{socket}");
        let before = view.log().matches("web    | up\n").count();
        world.ok(of_run("restart"));
        eventually("it is back", || {
            (view.log().matches("web    | up\n").count() > before).then_some(())
        });
    }
    let far = world.run(["connect", "-S", "tcp", "-s", &at, "web"]);
    assert!(far.code == 1 && far.stderr.contains("go to its machine"), "{far:?}");
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
fn echo_over_tcp_is_complete_to_its_end() {
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

/// A token of the user.
const TOKEN: &str = "correct horse battery staple";

/// Connect and exchange proofs as a client does; the stream that comes after that, or the answer of a
/// run that refuses.
fn prove(at: &str, token: &str) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(at).unwrap();
    let nonce = "0123456789abcdef".repeat(4);
    stream.write_all(format!("tmo-hello {nonce}\nstatus\n").as_bytes()).unwrap();
    let mut hello = String::new();
    BufReader::new(&stream).read_line(&mut hello).unwrap();
    let words: Vec<&str> = hello.trim_end().split(' ').collect();
    let ["tmo-hello", server, proof, address] = words[..] else { return Err(hello) };
    assert_eq!(address, at);
    let signed = |side| proof_of(token, &format!("tmo {side}\n{nonce}\n{server}\n{address}\n"));
    assert_eq!(signed("server") == proof, token == TOKEN);
    stream.write_all(format!("tmo-proof {}\n", signed("client")).as_bytes()).unwrap();
    Ok(stream)
}

fn proof_of(token: &str, text: &str) -> String {
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Send this, and read the answer until the connection is closed.
fn exchange(mut stream: TcpStream, question: &str) -> String {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    // Refused already, it may be closed.
    let _ = stream.write_all(question.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Do this as another user, if the tests run as root: what is opened in it is that user's.
pub(crate) fn as_another<T>(what: impl FnOnce() -> T) -> Option<T> {
    let (root, nobody) = (nix::unistd::Uid::from_raw(0), nix::unistd::Uid::from_raw(65534));
    nix::unistd::geteuid().is_root().then(|| {
        // Of this thread alone.
        nix::unistd::setfsuid(nobody);
        let done = what();
        nix::unistd::setfsuid(root);
        done
    })
}

const GET: &str = "GET /api/state HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[test]
fn http_is_served_only_after_a_proof_of_the_token() {
    let world = over_tcp(World::new(WEB), "0.0.0.0:0").env("TMO_TOKEN", TOKEN);
    let mut view = world.start([""; 0]);
    let at = address(&view).replace("0.0.0.0", "127.0.0.1");
    let known = exchange(prove(&at, TOKEN).unwrap(), GET);
    assert!(known.starts_with("HTTP/1.1 200"), "{known}");
    assert!(exchange(prove(&at, TOKEN).unwrap(), "status\n").starts_with("PROCESS"));
    let wrong = exchange(prove(&at, "a token that is wrong").unwrap(), GET);
    assert_eq!(wrong, "tmo: the token is not proven\n");
    let connect = || TcpStream::connect(&at).unwrap();
    let unproven = exchange(connect(), GET);
    assert!(unproven.starts_with("HTTP/1.1 401") && unproven.contains("proof"), "{unproven}");
    let clear = exchange(connect(), &format!("tmo-token {TOKEN}\n{GET}"));
    assert_eq!(clear, "tmo: unknown command\n");
    let hello = format!("tmo-hello {}\n", "0".repeat(64));
    for bad in [format!("{hello}GET / HTTP/1.1\r\n"), "tmo-hello 1\nstatus\n".into()] {
        assert_eq!(exchange(connect(), &bad), "");
    }
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_proof_counts_for_one_connection_only() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0").env("TMO_TOKEN", TOKEN);
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let nonce = "a".repeat(64);
    let hello = format!("tmo-hello {nonce}\nstatus\n");
    let mut first = TcpStream::connect(&at).unwrap();
    first.write_all(hello.as_bytes()).unwrap();
    let mut heard = String::new();
    BufReader::new(&first).read_line(&mut heard).unwrap();
    let server = heard.split(' ').nth(1).unwrap();
    let proof = proof_of(TOKEN, &format!("tmo client\n{nonce}\n{server}\n{at}\n"));
    let proof = format!("tmo-proof {proof}\n");
    first.write_all(proof.as_bytes()).unwrap();
    assert!(exchange(first, GET).starts_with("HTTP/1.1 200"));
    let again = exchange(TcpStream::connect(&at).unwrap(), &format!("{hello}{proof}{GET}"));
    assert!(again.ends_with("tmo: the token is not proven\n"), "{again}");
    // The proof of the server is none of a client.
    let mut third = TcpStream::connect(&at).unwrap();
    third.write_all(hello.as_bytes()).unwrap();
    heard.clear();
    BufReader::new(&third).read_line(&mut heard).unwrap();
    let reflected = format!("tmo-proof {}\n{GET}", heard.split(' ').nth(2).unwrap());
    assert_eq!(exchange(third, &reflected), "tmo: the token is not proven\n");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn another_user_has_access_only_with_a_proof_of_the_token() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0").env("TMO_TOKEN", TOKEN);
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let _ = as_another(|| {
        let connect = || TcpStream::connect(&at).unwrap();
        for line in ["status\n", "stop web\n", "\n", "tmo-hallo\n"] {
            assert_eq!(exchange(connect(), line), "", "{line:?}");
        }
        assert!(exchange(connect(), GET).starts_with("HTTP/1.1 401"));
        assert!(exchange(prove(&at, TOKEN).unwrap(), GET).starts_with("HTTP/1.1 200"));
        let wrong = exchange(prove(&at, "a token that is wrong").unwrap(), GET);
        assert_eq!(wrong, "tmo: the token is not proven\n");
    });
    assert!(!view.log().contains("Interrupting"), "{}", view.log());
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_short_token_is_proven_to_its_user_only() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0").env("TMO_TOKEN", "short");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let socket = ["-S", "tcp", "-s", &at];
    assert!(world.ok(["ps"].into_iter().chain(socket)).contains("running"));
    let _ = as_another(|| {
        assert_eq!(prove(&at, "short").unwrap_err(), "tmo: the token is not proven\n");
    });
    assert_eq!(view.interrupt(), 0);
    let ran = world.run(["start", "-S", "tcp", "-s", "0.0.0.0:0"]);
    assert!(ran.code == 1 && ran.stderr.contains("fewer than 20 characters"), "{ran:?}");
    let blank = world.env("TMO_TOKEN", " ");
    let ran = blank.run(["start", "-S", "tcp", "-s", "192.0.2.1:5500"]);
    assert!(ran.code == 1 && ran.stderr.contains("others can reach it; set TMO_TOKEN"), "{ran:?}");
}

#[test]
fn idle_connections_of_another_user_do_not_block_this_user() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0").env("TMO_TOKEN", TOKEN);
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let idle = as_another(|| {
        let connect = |_| TcpStream::connect(&at).unwrap();
        (0..300).map(connect).collect::<Vec<_>>()
    });
    assert!(ask(&at, "status\n").starts_with("PROCESS"));
    if let Some(idle) = idle {
        let known = as_another(|| exchange(prove(&at, TOKEN).unwrap(), GET)).unwrap();
        assert!(known.starts_with("HTTP/1.1 200"), "{known}");
        // None of them is kept for long.
        for stream in idle {
            assert_eq!(exchange(stream, ""), "");
        }
    }
    assert_eq!(view.interrupt(), 0);
}

/// A listener that answers one connection with this, and what was said to it.
fn listener(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = String::new();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..2 {
            lines.read_line(&mut heard).unwrap();
        }
        stream.write_all(answer.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        lines.read_to_string(&mut heard).unwrap();
        heard
    });
    (at, heard)
}

#[test]
fn a_listener_that_does_not_know_the_token_learns_nothing() {
    let world = World::new(WEB).env("TMO_TOKEN", TOKEN);
    let zeros = "tmo-hello 0000000000000000000000000000000000000000000000000000000000000000 \
        0000000000000000000000000000000000000000000000000000000000000000 127.0.0.1:1\n";
    for (answer, reported) in [
        (
            "PROCESS   PID       STATUS\nweb       1         running\n",
            "if it is overmind, unset that",
        ),
        (zeros, "does not know your TMO_TOKEN"),
        ("tmo-hello \n", "its greeting has another form"),
        ("220 smtp\n", "neither tmo nor overmind"),
    ] {
        let (at, heard) = listener(answer);
        let ran = world.run(["ps", "-S", "tcp", "-s", &at]);
        assert!(ran.code == 1 && ran.stdout.is_empty() && ran.stderr.contains(reported), "{ran:?}");
        let heard = heard.join().unwrap();
        let nonce =
            heard.strip_prefix("tmo-hello ").and_then(|rest| rest.strip_suffix("\nstatus\n"));
        assert_eq!(nonce.unwrap().len(), 64, "{heard:?}");
    }
}

#[test]
fn overmind_gets_commands_over_tcp_without_a_token() {
    let world = World::new(WEB);
    let table = "PROCESS   PID       STATUS\nweb       1         running\n";
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let overmind = std::thread::spawn(move || {
        let mut commands = vec![];
        while !commands.contains(&"quit".to_owned()) {
            let (mut stream, _) = server.accept().unwrap();
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap();
                if line == "status" {
                    stream.write_all(table.as_bytes()).unwrap();
                    break;
                }
                if !line.starts_with("tmo-hello ") {
                    commands.push(line);
                }
            }
        }
        commands
    });
    let of_run = |verb: &'static str| [verb, "-S", "tcp", "-s", &at].map(str::to_owned);
    assert_eq!(world.ok(of_run("ps")), table);
    world.ok(of_run("restart").into_iter().chain(["web".to_owned()]));
    world.ok(of_run("quit"));
    assert_eq!(overmind.join().unwrap(), ["restart web", "quit"]);
}

#[test]
fn an_ipv6_only_listener_of_another_user_does_not_block_a_run_on_ipv4() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let at: std::net::SocketAddr = address(&view).parse().unwrap();
    let theirs = as_another(|| {
        let fd = socket(AddressFamily::Inet6, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, at.port(), 0, 0);
        bind(fd.as_raw_fd(), &SockaddrIn6::from(any))?;
        listen(&fd, Backlog::new(1)?)?;
        nix::Result::Ok(fd)
    });
    let ran = world.run(["ps", "-S", "tcp", "-s", &at.to_string()]);
    assert!(ran.code == 0 && ran.stdout.contains("running"), "{theirs:?}: {ran:?}");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_listener_of_another_user_receives_nothing() {
    let world = World::new(WEB).env("TMO_TOKEN", TOKEN);
    let Some(theirs) = as_another(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap()) else {
        return;
    };
    let at = theirs.local_addr().unwrap().to_string();
    let ran = world.run(["ps", "-S", "tcp", "-s", &at]);
    assert!(ran.code == 1 && ran.stderr.contains("is user 65534's, not yours"), "{ran:?}");
    let mut heard = String::new();
    theirs.accept().unwrap().0.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "");
}

#[test]
fn a_proof_cannot_be_relayed_from_another_port() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0").env("TMO_TOKEN", TOKEN);
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let between = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let relayed = between.local_addr().unwrap().to_string();
    let run = TcpStream::connect(&at).unwrap();
    let relay = std::thread::spawn(move || {
        let (client, _) = between.accept().unwrap();
        let (mut from, mut to) = (run.try_clone().unwrap(), client.try_clone().unwrap());
        let back = std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let mut heard = Vec::new();
        let mut tap = client;
        let mut piece = [0; 1024];
        while let Ok(read @ 1..) = tap.read(&mut piece) {
            heard.extend_from_slice(&piece[..read]);
            (&run).write_all(&piece[..read]).unwrap();
        }
        drop(tap);
        run.shutdown(Shutdown::Both).unwrap();
        let _ = back.join();
        String::from_utf8(heard).unwrap()
    });
    let ran = world.run(["stop", "-S", "tcp", "-s", &relayed]);
    assert!(ran.code == 1 && ran.stderr.contains(&format!("listens at {at}")), "{ran:?}");
    assert!(!relay.join().unwrap().contains("tmo-proof"));
    assert!(!view.log().contains("Interrupting"), "{}", view.log());
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn an_address_from_a_project_file_gets_no_proof_of_the_users_token() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let at = server.local_addr().unwrap().to_string();
    let world = World::new(WEB).env("TMO_TOKEN", TOKEN);
    world.write(".env", &format!("TMO_NETWORK=tcp\nTMO_SOCKET={at}\n"));
    for verb in ["ps", "echo", "quit", "restart"] {
        let ran = world.run([verb]);
        assert_eq!(ran.code, 2, "{ran:?}");
        for reported in ["TMO_TOKEN", &at, "you set the token", "an env file of this directory"] {
            assert!(ran.stderr.contains(reported), "{reported}: {ran:?}");
        }
    }
    assert_eq!(server.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    // All of it in one place is another matter.
    let ran = world.run(["ps", "-S", "tcp", "-s", "127.0.0.1:1"]);
    assert!(ran.code == 1 && ran.stderr.contains("connection refused"), "{ran:?}");
}

#[test]
fn a_host_named_only_in_a_project_file_is_not_looked_up() {
    let world = World::new(WEB).env("MY_SECRET", "hush");
    world.write(".env", "TMO_NETWORK=tcp\nTMO_SOCKET=$MY_SECRET.evil.invalid:80\n");
    let refused = "tmo: ./.env names the host hush.evil.invalid for the control address; it is not \
        looked up, since a file of the project may name only an IP address or `localhost`; to use that \
        host, give -s hush.evil.invalid:80\n";
    for args in [
        &["ps"][..],
        &["why", "web"],
        &["quit"],
        &["kill"],
        &["echo"],
        &["restart", "web"],
        &["logs"],
        &["wait"],
        &["start"],
        &["start", "-D"],
        &["check"],
        &["ps", "-S", "tcp4"],
        &["start", "-S", "tcp"],
    ] {
        let ran = world.run(args);
        assert_eq!((ran.code, ran.stderr.as_str()), (1, refused), "{args:?}: {ran:?}");
    }
    // Who means it says so.
    for verb in ["ps", "start"] {
        let ran = world.run([verb, "-s", "localhost.invalid:80"]);
        assert!(ran.code == 1 && ran.stderr.contains("localhost.invalid:80: "), "{ran:?}");
    }
    let named = world.tmo(["ps"]).env("OVERMIND_SOCKET", "localhost.invalid:80").output().unwrap();
    let named = String::from_utf8(named.stderr).unwrap();
    assert!(named.contains("dial tcp localhost.invalid:80: "), "{named}");
    for known in ["127.0.0.1:1", "localhost:1"] {
        world.write(".env", &format!("TMO_NETWORK=tcp\nTMO_SOCKET={known}\n"));
        let ran = world.run(["ps"]);
        assert!(ran.code == 1 && ran.stderr.contains("connection refused"), "{ran:?}");
    }
    world.wait_empty();
}

#[test]
fn processes_do_not_see_the_token() {
    let procfile = "web: echo \"token=[$TMO_TOKEN$OVERMIND_TOKEN]\"; echo up; exec sleep 1000\n";
    let world = over_tcp(World::new(procfile), "127.0.0.1:0").env("TMO_TOKEN", TOKEN);
    let world = world.env("OVERMIND_TOKEN", TOKEN);
    let mut view = world.start([""; 0]);
    view.shows("token=[]");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_generated_token_outlives_the_supervisor_and_ends_with_the_run() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let file = crate::harness::files(&world.path().join("run"))
        .into_iter()
        .find(|file| file.ends_with("token"))
        .unwrap();
    let token = std::fs::read_to_string(&file).unwrap();
    assert_eq!(token.len(), 64);
    crate::harness::procs::kill(world.supervisor(), 9);
    assert!(world.ok(["ps", "-S", "tcp", "-s", &at]).contains("running"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), token);
    // Asked in another session, which can't know it.
    let other = world.tmo(["ps", "-S", "tcp", "-s", &at]).env("XDG_RUNTIME_DIR", "/").output();
    let reported = String::from_utf8(other.unwrap().stderr).unwrap();
    assert!(reported.contains("its token is not known here; set TMO_TOKEN"), "{reported}");
    assert_eq!(view.interrupt(), 0);
    assert!(!file.exists());
}

#[test]
fn a_new_supervisor_keeps_the_address_of_a_killed_one() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    crate::harness::procs::kill(world.supervisor(), 9);
    assert!(ask(&at, "status\n").starts_with("PROCESS"));
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn an_invalid_address_is_reported_with_the_reason() {
    let world = World::new(WEB);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let table = [
        (["udp", "x"], "listen udp: unknown network udp"),
        (["tcp", "./.overmind.sock"], "listen tcp ./.overmind.sock: it must be HOST:PORT"),
        (["tcp", "192.0.2.1:5500"], "others can reach it; set TMO_TOKEN"),
        (["tcp6", "127.0.0.1:0"], "listen tcp6 127.0.0.1:0: bind: "),
    ];
    for ([network, socket], reported) in table {
        let ran = world.run(["start", "-S", network, "-s", socket]);
        assert!(ran.code == 1 && ran.stderr.contains(reported), "{ran:?}");
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
const SHELL: &str = "web: echo up; exec sleep 1000\nshell: exec bash\n";

/// What a stranger sends to have a command executed.
fn typed(text: &str) -> String {
    let body = format!("{{\"text\":\"{text}\",\"enter\":true}}");
    format!(
        "POST /api/processes/shell/input HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Wait until all that was accepted before has had its effect: it is typed, and logged, in its order.
fn settle(world: &World, view: &View<'_>) {
    world.ok(["send", "shell", "echo set''tled; touch settled", "--enter"]);
    view.shows("settled\n");
    eventually("it was executed", || world.app().join("settled").exists().then_some(()));
}

#[test]
fn a_connection_closed_before_its_owner_is_known_is_refused() {
    let world = over_tcp(World::new(SHELL), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let pid = world.wait_state("web", "running");
    let supervisor = world.supervisor();
    for attempt in ["stop web\n".to_owned(), format!("tmo-token \n{}", typed("touch owned"))] {
        // The connection waits in the queue of the kernel, with its bytes and its end.
        crate::harness::procs::kill(supervisor, nix::libc::SIGSTOP);
        // A process of its own: one that another test begins would have the connection open as well.
        let script = "use IO::Socket::INET; my $s = IO::Socket::INET->new(shift) or die; \
            syswrite $s, shift; close $s";
        let mut client = world.command("perl");
        assert!(client.args(["-e", script, &at, &attempt]).status().unwrap().success());
        crate::harness::procs::kill(supervisor, nix::libc::SIGCONT);
        // Clients are taken in their order.
        assert!(ask(&at, "status\n").starts_with("PROCESS"));
    }
    settle(&world, &view);
    assert!(!view.log().contains("Interrupting"), "{}", view.log());
    assert_eq!(world.wait_state("web", "running"), pid);
    assert!(!world.app().join("owned").exists());
    view.shows("A client on TCP was refused: it had closed its connection");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_reset_connection_is_refused_while_another_one_has_its_port() {
    use nix::sys::socket::{setsockopt, sockopt};

    let world = over_tcp(World::new(SHELL), "127.0.0.1:0");
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let pid = world.wait_state("web", "running");
    let supervisor = world.supervisor();
    crate::harness::procs::kill(supervisor, nix::libc::SIGSTOP);
    // Another program may be quicker to take the port.
    let mut second = eventually("the port of a connection that was reset is taken", || {
        let mut first = TcpStream::connect(&at).unwrap();
        let port = first.local_addr().unwrap().port();
        first.write_all(b"stop web\n").unwrap();
        // Closed like this, the connection is reset, and its port is free at once.
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&first, sockopt::Linger, &linger).unwrap();
        drop(first);
        from_port(port, &at)
    });
    second.write_all(b"status\n").unwrap();
    second.shutdown(Shutdown::Write).unwrap();
    crate::harness::procs::kill(supervisor, nix::libc::SIGCONT);
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("PROCESS"), "{answer}");
    settle(&world, &view);
    assert!(!view.log().contains("Interrupting"), "{}", view.log());
    assert_eq!(world.wait_state("web", "running"), pid);
    assert_eq!(view.interrupt(), 0);
}

/// A connection to this address from this port of loopback, unless the port is taken.
fn from_port(port: u16, at: &str) -> Option<TcpStream> {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
    };
    use std::os::fd::AsRawFd as _;

    let stream =
        socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    setsockopt(&stream, sockopt::ReuseAddr, &true).unwrap();
    bind(stream.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port)).ok()?;
    let to: std::net::SocketAddrV4 = at.parse().unwrap();
    connect(stream.as_raw_fd(), &SockaddrIn::from(to)).ok()?;
    Some(stream.into())
}

#[test]
fn a_full_connection_queue_does_not_admit_another_user() {
    let world = over_tcp(World::new(SHELL), "127.0.0.1:0");
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
    settle(&world, &view);
    assert!(!world.app().join("owned").exists());
    if nix::unistd::geteuid().is_root() {
        assert!(!view.log().contains("Interrupting"), "{}", view.log());
    }
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_web_page_cannot_send_a_command() {
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
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        // Refused already, it may be closed.
        let _ = stream.write_all(text);
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            let text = text.escape_ascii();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{text}");
        }
    }
    assert!(ask(&at, "status\n").contains("running"));
    assert!(!view.log().contains("Interrupting"), "{}", view.log());
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn the_python_client_of_the_guide_proves_the_token() {
    let world = over_tcp(World::new(WEB), "127.0.0.1:0").env("TMO_TOKEN", TOKEN);
    if world.shell("command -v python3").code != 0 {
        eprintln!("SKIPPED: there is no python3");
        return;
    }
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SCRIPTING.md");
    let page = std::fs::read_to_string(page).unwrap();
    let client = page.split("```python\n").nth(2).unwrap().split("```").next().unwrap();
    let mut view = world.start([""; 0]);
    let at = address(&view);
    let port = at.rsplit_once(':').unwrap().1;
    let ask = |token: &str| {
        let script = format!(
            "{client}\nfar = Far('127.0.0.1', {port}, '{token}')\nfar.request('GET', '/api/alive')\n\
             print(far.getresponse().status)\n"
        );
        world.command("python3").args(["-c", &script]).output().unwrap()
    };
    let known = ask(TOKEN);
    assert_eq!(String::from_utf8_lossy(&known.stdout), "200\n", "{known:?}");
    let wrong = String::from_utf8(ask("a token that is wrong").stderr).unwrap();
    assert!(wrong.contains("no proof of the token"), "{wrong}");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn port_0_gives_each_directory_its_own_run() {
    for address in ["127.0.0.1:0", "127.0.0.1:00"] {
        let world = World::new(WEB);
        world.ok(["start", "-D", "-S", "tcp", "-s", address]);
        let other = world.path().join("other");
        std::fs::create_dir(&other).unwrap();
        let mut command = world.tmo(["quit", "-S", "tcp", "-s", address]);
        let ran = command.current_dir(&other).env("PWD", &other).output().unwrap();
        assert!(!ran.status.success(), "{address}: {ran:?}");
        world.ok(["quit", "-S", "tcp", "-s", address]);
    }
}
