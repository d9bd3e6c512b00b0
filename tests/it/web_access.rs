//! Access control of `tmo web`: other addresses, passwords, tokens, and other users of this machine.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::harness::terminal::Terminal;
use crate::harness::{Ran, World, eventually};
use crate::tcp::as_another;
use crate::web::{Answer, NONCE, bytes, proof, request_at, shop};
use crate::web_server::WebServer;

const PUBLIC: &str = "tmo.example.com";
const URL: &str = "https://tmo.example.com";
const PASSWORD: &str = "correct horse";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Run a command with this standard input.
fn with_input(world: &World, args: &[&str], input: &str) -> Ran {
    let mut command = world.tmo(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads no input may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ran::of(&child.wait_with_output().unwrap())
}

fn add_user(world: &World, name: &str, role: &str) {
    let ran = with_input(world, &["web", "user", "add", name, "--role", role], PASSWORD);
    assert_eq!((ran.code, &*ran.stdout), (0, &*format!("{name} is added\n")), "{ran:?}");
}

/// The file with the users of a world.
fn users_file(world: &World) -> PathBuf {
    let found = crate::harness::files(world.path());
    found.into_iter().find(|path| path.ends_with("tmo/web-users")).unwrap()
}

/// A file with a token, readable by its user only.
pub(crate) fn token_file(world: &World, text: &str, mode: u32) -> String {
    let path = world.path().join("token");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

fn port(server: &WebServer<'_>) -> u16 {
    let host = server.link.strip_prefix("http://").unwrap().split('/').next().unwrap();
    host.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn local(server: &WebServer<'_>) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port(server)).into()
}

/// Send a request like the proxy, with the public name.
fn ask(at: SocketAddr, head: &str, headers: &str, body: &str) -> Answer {
    let headers = format!("Origin: {URL}\r\n{headers}");
    request_at(at, PUBLIC, (head, &headers), body).unwrap()
}

fn try_password(at: SocketAddr, name: &str, password: &str) -> Answer {
    let body = json!({ "name": name, "password": password });
    ask(at, "POST /login/password", "Content-Type: application/json\r\n", &body.to_string())
}

/// Try a link (id and secret) at the public address; returns the answer and the nonce of the server.
fn try_link(at: SocketAddr, link: &str) -> (Answer, String) {
    let (id, secret) = link.split_once('.').unwrap();
    let post = |path: &str, body: &Value| ask(at, &format!("POST {path}"), "", &body.to_string());
    let begun = post("/login", &json!({ "id": id, "nonce": NONCE })).json();
    let theirs = begun["nonce"].as_str().unwrap();
    let mine = proof(&bytes(secret), &["tmo web login page", NONCE, theirs]);
    let finished = post("/login/finish", &json!({ "id": id, "nonce": NONCE, "proof": mine }));
    (finished, theirs.to_owned())
}

/// Open a link like a page at the public address; returns the headers of its requests.
fn open(at: SocketAddr, link: &str) -> (Answer, String) {
    let secret = bytes(link.split_once('.').unwrap().1);
    let (finished, theirs) = try_link(at, link);
    assert_eq!(finished.status, 200, "{finished:?}");
    let cookie = finished.head.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    let cookie = cookie.replace("__host-", "__Host-");
    let key = bytes(&proof(&secret, &["tmo web key", NONCE, &theirs]));
    let proven = proof(&key, &["tmo web page", NONCE]);
    let session = finished.json()["session"].as_str().unwrap().to_owned();
    (finished, format!("Cookie: {cookie}\r\nx-tmo-key: {session}.{NONCE}.{proven}\r\n"))
}

fn log_in(at: SocketAddr, name: &str) -> String {
    let answer = try_password(at, name, PASSWORD);
    assert_eq!(answer.status, 200, "{answer:?}");
    open(at, answer.json()["login"].as_str().unwrap()).1
}

/// An address of this machine that is not loopback.
fn own_address() -> Option<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent; the system only chooses the address.
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?;
    (!own.ip().is_loopback()).then_some(own)
}

#[test]
fn other_machines_need_tls_and_a_login() {
    let world = shop();
    let refused = |options: &[&str], code: u8, why: &str| {
        let args = [&["web", "--port", "0"], options].concat();
        let ran = world.run(&args);
        let code = i32::from(code);
        assert!(ran.code == code && ran.stderr.contains(why), "{options:?}: {ran:?}");
    };
    refused(&["--host", "0.0.0.0"], 1, "ssh -L");
    refused(&["--host", "192.0.2.1"], 1, "--public-url");
    refused(&["--host", "0.0.0.0", "--public-url", URL], 1, "tmo web user add");
    refused(&["--host", "::", "--public-url", URL], 1, "0.0.0.0");
    refused(&["--public-url", "http://tmo.example.com"], 1, "https://");
    refused(&["--public-url", "https://example.com/tmo"], 1, "path");
    refused(&["--token-file", &token_file(&world, TOKEN, 0o600)], 2, "--role");
    let open = ["--role", "read", "--token-file", &token_file(&world, TOKEN, 0o644)];
    refused(&open, 1, "chmod 600");
    let short = ["--role", "read", "--token-file", &token_file(&world, "short", 0o600)];
    refused(&short, 1, "openssl rand");

    add_user(&world, "anna", "read");
    let server = WebServer::start_with(&world, &["--host", "0.0.0.0", "--public-url", URL]);
    let again = world.run(["web", "--public-url", URL]);
    assert!(again.code == 1 && again.stderr.contains("runs already"), "{again:?}");
    let Some(own) = own_address() else {
        eprintln!("SKIPPED: this machine has no address but loopback");
        return;
    };
    let far = SocketAddr::new(own.ip(), port(&server));
    assert_eq!(ask(far, "GET /", "", "").status, 200);
    assert_eq!(ask(far, "GET /me", "", "").status, 401);
    for host in ["localhost", &format!("127.0.0.1:{}", port(&server)), &far.to_string()] {
        let answer = request_at(far, host, ("GET /", ""), "").unwrap();
        assert_eq!(answer.status, 421, "{host}: {answer:?}");
    }
    assert_eq!(ask(far, "GET /me", &log_in(far, "anna"), "").status, 200);
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_password_logs_in_over_tls_only_and_its_session_can_be_ended() {
    let world = shop();
    add_user(&world, "anna", "operate");
    let again = with_input(&world, &["web", "user", "add", "anna", "--role", "read"], PASSWORD);
    assert!(again.code == 1 && again.stderr.contains("passwd"), "{again:?}");
    let short = with_input(&world, &["web", "user", "add", "bob", "--role", "read"], "short");
    assert!(short.code == 1 && short.stderr.contains("at least"), "{short:?}");
    let list = world.ok(["web", "user", "list"]);
    assert_eq!(list, "USER  ROLE\nanna  operate\n");
    let file = users_file(&world);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let server = WebServer::start_with(&world, &["--public-url", URL]);
    let at = local(&server);
    let body = json!({ "name": "anna", "password": PASSWORD }).to_string();
    let host = format!("localhost:{}", port(&server));
    let origin = format!("Origin: http://{host}\r\n");
    let plain = request_at(at, &host, ("POST /login/password", &origin), &body).unwrap();
    assert_eq!(plain.status, 403, "{plain:?}");
    let answer = try_password(at, "anna", PASSWORD).json();
    assert_eq!(answer["device"]["key"].as_str().unwrap().len(), 64, "{answer}");
    let (begun, anna) = open(at, answer["login"].as_str().unwrap());
    assert!(begun.head.contains("set-cookie: __host-tmo-"), "{begun:?}");
    assert!(begun.head.contains("; secure"), "{begun:?}");
    let me = ask(at, "GET /me", &anna, "");
    assert_eq!((me.status, &me.json()["role"]), (200, &json!("operate")), "{me:?}");
    // The cookie of the public address is not valid at local addresses.
    let elsewhere = request_at(at, &host, ("GET /me", &anna), "").unwrap();
    assert_eq!(elsewhere.status, 401);

    let sessions: Value = serde_json::from_str(&world.ok(["web", "sessions", "--json"])).unwrap();
    assert_eq!((&sessions[0]["user"], &sessions[0]["role"]), (&json!("anna"), &json!("operate")));
    let id = sessions[0]["id"].as_str().unwrap();
    assert!(world.ok(["web", "sessions"]).contains("anna"));
    world.ok(["web", "logout", id]);
    assert_eq!(ask(at, "GET /me", &anna, "").status, 401);
    assert_eq!(world.run(["web", "logout", id]).code, 1);
    let other = log_in(at, "anna");
    let changed = with_input(&world, &["web", "user", "passwd", "anna"], "another horse");
    assert!(changed.stdout.contains("sessions ended: 1"), "{changed:?}");
    assert_eq!(ask(at, "GET /me", &other, "").status, 401);
    assert_eq!(try_password(at, "anna", PASSWORD).status, 401);
    world.ok(["web", "user", "remove", "anna"]);
    assert_eq!(try_password(at, "anna", "another horse").status, 401);
    let printed = server.output();
    assert!(printed.contains("anna has logged in from 127.0.0.1"), "{printed}");
    assert!(!printed.contains("horse"), "{printed}");
    server.end();
    world.ok(["quit"]);
}

#[test]
fn wrong_passwords_are_delayed_and_reveal_nothing_about_names() {
    let world = shop();
    add_user(&world, "anna", "read");
    let options = ["--public-url", URL, "--trusted-proxy", "127.0.0.1"];
    let server = WebServer::start_with(&world, &options);
    let at = local(&server);
    let attempt = |name: &str, password: &str, from: &str| {
        let body = json!({ "name": name, "password": password }).to_string();
        ask(at, "POST /login/password", &format!("X-Forwarded-For: {from}\r\n"), &body)
    };
    // Each failure doubles the delay, so eventually it exceeds the time of an attempt.
    let until_delayed = |name: &str| {
        let mut answers = vec![];
        loop {
            let answer = attempt(name, "wrong", "192.0.2.7");
            if answer.status == 429 {
                assert!(answer.head.contains("retry-after: "), "{answer:?}");
                return answers;
            }
            answers.push((answer.status, answer.body));
            assert!(answers.len() < 20, "{answers:?}");
        }
    };
    for name in ["anna", "nobody"] {
        let answers = until_delayed(name);
        assert!(answers.len() >= 5, "{answers:?}");
        let same = (401, r#"{"error":"wrong name or password"}"#.to_owned());
        assert!(answers.iter().all(|one| *one == same), "{answers:?}");
    }
    // Attempts from another address are not delayed.
    assert_eq!(attempt("anna", PASSWORD, "192.0.2.8").status, 200);
    let printed = server.output();
    let lines = |what: &str| printed.lines().filter(|line| line.contains(what)).count();
    assert!(lines("anna: wrong name or password, from 192.0.2.7") >= 5, "{printed}");
    assert!(lines("anna: too many wrong passwords from 192.0.2.7") > 0, "{printed}");
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_program_gets_in_with_a_token_and_nothing_of_a_browser() {
    let world = shop();
    let file = token_file(&world, &format!("{TOKEN}\n"), 0o600);
    let server = WebServer::start_with(&world, &["--token-file", &file, "--role", "operate"]);
    let at = local(&server);
    let ask = |head: &str, headers: &str| {
        let headers = format!("Authorization: Bearer {TOKEN}\r\n{headers}");
        request_at(at, "localhost", (head, &headers), "").unwrap()
    };
    let runs = ask("GET /runs", "");
    assert_eq!(runs.status, 200, "{runs:?}");
    let run = format!("/r/{}", runs.json()["runs"][0]["id"].as_str().unwrap());
    let state = ask(&format!("GET {run}/api/state"), "").json();
    assert_eq!(state["processes"][0]["name"], "web");
    let pid = world.wait_state("web", "running");
    let restart = format!("POST {run}/api/processes/web/restart");
    for of_browser in [
        "Origin: http://localhost\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
        "Cookie: a=b\r\n",
        "x-tmo-key: a\r\n",
    ] {
        assert_eq!(ask(&restart, of_browser).status, 403, "{of_browser}");
    }
    assert_eq!(world.wait_state("web", "running"), pid);
    assert_eq!(ask(&restart, "").status, 200);
    assert_ne!(world.wait_state("web", "running"), pid);
    assert_eq!(ask(&format!("POST {run}/api/quit"), "").status, 403, "of an admin only");
    assert_eq!(ask("GET /ws", "Upgrade: websocket\r\n").status, 403);
    let unknown = ask("GET /api/daemon/inf", "");
    assert_eq!(unknown.status, 404, "{unknown:?}");
    assert!(unknown.body.contains("did you mean `/api/daemon/info`?"), "{unknown:?}");
    let wrong = format!("Authorization: Bearer {}\r\n", TOKEN.replace('0', "1"));
    for headers in ["", &wrong, "Authorization: Basic YTpi\r\n"] {
        let answer = request_at(at, "localhost", ("GET /runs", headers), "").unwrap();
        assert_eq!(answer.status, 401, "{headers}: {answer:?}");
    }
    // What it prints is a call that works.
    let call = eventually("it prints how to call it", || {
        let output = server.output();
        let (command, address) = output.split_once(" -X POST http://localhost:")?;
        assert!(command.ends_with(&format!("Bearer $(cat {file})\"")), "{output}");
        address.split_whitespace().next().filter(|call| call.ends_with("/start")).map(str::to_owned)
    });
    let (printed, path) = call.split_once('/').unwrap();
    assert_eq!(printed, port(&server).to_string());
    world.ok(["stop", "web"]);
    assert_eq!(ask(&format!("POST /{}", path.replace("NAME", "web")), "").status, 202);
    world.wait_state("web", "running");
    // Removing the file revokes the token.
    std::fs::remove_file(file).unwrap();
    assert_eq!(ask("GET /runs", "").status, 401);
    assert!(!server.output().contains(TOKEN));
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_program_gets_into_the_page_of_a_single_project_with_a_token() {
    let world = shop();
    let file = token_file(&world, TOKEN, 0o600);
    let words = ["server", "--no-ui", "--port", "0", "--role", "read", "--token-file", &file];
    let server = WebServer::start_as(&world, world.tmo(words));
    let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
    let ask = |head: &str| {
        request_at(local(&server), "localhost", (head, &authorization), "").unwrap().status
    };
    assert_eq!((ask("GET /api/state"), ask("POST /api/process/web/stop")), (200, 403));
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_token_that_others_can_read_starts_nothing() {
    let world = World::new("web: exec sleep 1000\n");
    let file = token_file(&world, TOKEN, 0o644);
    let words = ["server", "--no-ui", "--port", "0", "--role", "read", "--token-file", &file];
    let refused = world.run(words);
    assert!(refused.code == 1 && refused.stderr.contains("chmod 600"), "{refused:?}");
    assert!(world.state().is_none(), "nothing runs");
    world.wait_empty();
}

#[test]
fn another_user_of_the_machine_gets_neither_a_link_nor_a_secret() {
    let world = shop();
    add_user(&world, "anna", "read");
    let server = WebServer::start_with(&world, &["--public-url", URL]);
    let at = local(&server);
    let found = crate::harness::files(world.path());
    let of = |end: &str| {
        let is_it = |path: &&PathBuf| path.to_string_lossy().ends_with(end);
        found.iter().find(is_it).unwrap().clone()
    };
    let secrets = [users_file(&world), of("web-devices")];
    for path in &secrets {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
    }
    let door = world.path().join(format!("run/tmo/web/{}.sock", port(&server)));
    assert_eq!(door.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(UnixStream::connect(&door).is_ok());
    let host = format!("localhost:{}", port(&server));
    let id = server.link.split_once("#login=").unwrap().1.split_once('.').unwrap().0.to_owned();
    let body = json!({ "id": id, "nonce": NONCE }).to_string();
    let origin = format!("Origin: http://{host}\r\n");
    let tried = as_another(|| {
        let read = |path: &PathBuf| std::fs::read(path).is_ok();
        let got: Vec<&Path> =
            secrets.iter().filter(|path| read(path)).map(PathBuf::as_path).collect();
        assert!(got.is_empty(), "{got:?}");
        assert!(UnixStream::connect(&door).is_err());
        request_at(at, &host, ("POST /login", &origin), &body).unwrap()
    });
    match tried {
        Some(answer) => {
            assert_eq!(answer.status, 403, "{answer:?}");
            assert!(answer.body.contains("another user"), "{answer:?}");
        }
        None => eprintln!("SKIPPED: only root can act as another user"),
    }
    let own = request_at(at, &host, ("POST /login", &origin), &body).unwrap();
    assert_eq!(own.status, 200, "{own:?}");
    server.end();
    world.ok(["quit"]);
}

#[test]
fn the_link_that_a_browser_gets_as_an_argument_is_worthless_at_the_public_address() {
    let world = shop();
    let server = WebServer::start_with(&world, &["--public-url", URL]);
    let at = local(&server);
    let printed = server.output();
    let fragment = |start: &str| {
        let link = printed.split_whitespace().find(|word| word.starts_with(start)).unwrap();
        let fragment = link.split_once("#login=").unwrap().1;
        fragment.split('/').next().unwrap().to_owned()
    };
    let (own, public) = (fragment("http://"), fragment("https://"));
    // There, nothing shows which user of the machine connects.
    let (refused, _) = try_link(at, &own);
    assert_eq!(refused.status, 404, "{refused:?}");
    assert_eq!(ask(at, "GET /me", &open(at, &public).1, "").status, 200);
    let link = world.ok(["web", "--link"]);
    crate::web::Browser::log_in(&crate::web_server::link_in(&link).unwrap());
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_user_who_is_removed_while_a_password_is_typed_stays_removed() {
    let world = World::new("web: exec sleep 1000\n");
    for name in ["anna", "bob"] {
        add_user(&world, name, "read");
    }
    let terminal = Terminal::open(&world, "web-passwd", 100, 24);
    terminal.tmo("web user passwd bob");
    terminal.wait("Password:");
    world.ok(["web", "user", "remove", "anna"]);
    terminal.line("another horse");
    terminal.wait("Again:");
    terminal.line("another horse");
    terminal.wait("bob has a new password");
    assert_eq!(world.ok(["web", "user", "list"]), "USER  ROLE\nbob   read\n");
}

#[test]
fn users_who_are_added_at_the_same_time_are_all_there() {
    let world = World::new("web: exec sleep 1000\n");
    let names: Vec<_> = (10..22).map(|number| format!("user{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| add_user(&world, name, "read"));
        }
    });
    let list = world.ok(["web", "user", "list"]);
    assert!(names.iter().all(|name| list.contains(name)), "{list}");
}

#[test]
fn a_removed_user_is_logged_out_from_servers_of_another_login_session() {
    let world = shop();
    add_user(&world, "anna", "admin");
    let server = WebServer::start_with(&world, &["--public-url", URL]);
    let at = local(&server);
    let anna = log_in(at, "anna");
    assert_eq!(ask(at, "GET /me", &anna, "").status, 200);
    let elsewhere = world.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let mut remove = world.tmo(["web", "user", "remove", "anna"]);
    let removed = Ran::of(&remove.env("XDG_RUNTIME_DIR", elsewhere).output().unwrap());
    assert!(removed.stdout.contains("sessions ended: 0"), "{removed:?}");
    assert_eq!(ask(at, "GET /me", &anna, "").status, 401);
    server.end();
    world.ok(["quit"]);
}

#[test]
fn other_users_do_not_keep_the_user_out_with_requests_that_they_never_finish() {
    let world = shop();
    for options in [&[][..], &["--public-url", URL]] {
        keeps_the_user_in(&world, options);
    }
    world.ok(["quit"]);
}

fn keeps_the_user_in(world: &World, options: &[&str]) {
    let server = WebServer::start_with(world, options);
    let (at, host) = (local(&server), format!("localhost:{}", port(&server)));
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Length: 1000000\r\n\r\n{{"
    );
    let stalled = as_another(|| {
        let stalled = (0..300).map(|_| {
            let mut stream = std::net::TcpStream::connect(at).unwrap();
            let _ = std::io::Write::write_all(&mut stream, head.as_bytes());
            stream
        });
        stalled.collect::<Vec<_>>()
    });
    if stalled.is_none() {
        eprintln!("SKIPPED: only root can act as another user");
    }
    let answer = request_at(at, &host, ("GET /", ""), "").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    // That was not only after the time limit of their requests.
    let is_open = |stream: &&std::net::TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let open = stalled.map(|all| all.iter().filter(is_open).count());
    assert!(open.is_none_or(|open| open > 50), "{open:?}");
    server.end();
}

#[test]
fn doctor_reports_users_and_servers() {
    let world = shop();
    add_user(&world, "anna", "read");
    let server = WebServer::start_with(&world, &["--public-url", URL]);
    let report = world.run(["doctor"]).stdout;
    assert!(report.contains("users: 1") && report.contains(URL), "{report}");
    assert!(report.contains("--trusted-proxy"), "{report}");
    let file = users_file(&world);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = world.run(["doctor"]);
    assert!(report.code == 1 && report.stdout.contains("chmod 600"), "{report:?}");
    // With such a file, no login succeeds.
    assert_eq!(try_password(local(&server), "anna", PASSWORD).status, 503);
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_typed_password_is_not_shown_and_ctrl_c_leaves_the_terminal_as_it_was() {
    let world = World::new("web: exec sleep 1000\n");
    let terminal = Terminal::open(&world, "web-password", 100, 24);
    terminal.tmo("web user add anna --role read");
    terminal.wait("Password:");
    terminal.typed("correct");
    terminal.keys(["C-c"]);
    terminal.wait("can't read the password");
    terminal.line("clear; echo beg''ins");
    terminal.wait("begins");
    terminal.tmo("web user add anna --role read");
    terminal.wait("Password:");
    terminal.line(PASSWORD);
    terminal.wait("Again:");
    terminal.line(PASSWORD);
    terminal.wait("anna is added");
    let screen = terminal.screen();
    assert!(!screen.contains("horse"), "{screen}");
    assert_eq!(world.ok(["web", "user", "list"]), "USER  ROLE\nanna  read\n");
}

#[test]
fn a_signal_at_the_prompt_leaves_the_terminal_as_it_was() {
    let world = World::new("web: exec sleep 1000\n");
    let terminal = Terminal::open(&world, "web-password-signal", 100, 24);
    for signal in [nix::libc::SIGTERM, nix::libc::SIGHUP, nix::libc::SIGINT] {
        terminal.clear();
        terminal.tmo("web user add anna --role read");
        terminal.wait("Password:");
        let prompt = || {
            let all = world.living();
            all.iter().find(|p| p.args.iter().any(|arg| arg == "anna")).map(|p| p.pid)
        };
        crate::harness::procs::kill(eventually("the prompt runs", prompt), signal);
        eventually("the prompt has ended", || prompt().is_none().then_some(()));
        terminal.line("stty -a | grep -ow -e '-*isig' -e '-*echo' | paste -sd+");
        terminal.wait_for("echo and Ctrl-C are on", |screen| {
            // The shell may print its prompt behind what was typed ahead.
            let mut last = screen.lines().filter_map(|line| line.split_whitespace().last());
            last.any(|word| ["isig+echo", "echo+isig"].contains(&word))
        });
    }
}

#[test]
fn the_public_address_takes_uploads_only_if_the_project_says_so() {
    let world = shop();
    add_user(&world, "anna", "admin");
    let server = WebServer::start_with(&world, &["--public-url", URL]);
    let at = local(&server);
    let session = log_in(at, "anna");
    let runs = ask(at, "GET /runs", &session, "").json();
    let path = format!("/r/{}/apps/a?script=run.sh", runs["runs"][0]["id"].as_str().unwrap());
    let headers = format!("Content-Type: application/zip\r\n{session}");
    let upload = || ask(at, &format!("PUT {path}"), &headers, "no archive");
    let refused = upload();
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body.contains("set `uploads = true` in `[web]`"), "{refused:?}");
    world.write("tmo.toml", "[web]\nuploads = true\n");
    world.ok(["quit"]);
    world.ok(["start", "-D", "--any-can-die"]);
    let taken = upload();
    assert_eq!(taken.status, 422, "{taken:?}");
    assert!(taken.body.contains("not a ZIP archive"), "{taken:?}");
    server.end();
    world.ok(["quit"]);
}

#[test]
fn sessions_are_listed_with_local_times() {
    let world = shop().env("TZ", "Etc/GMT-5");
    let server = WebServer::start(&world);
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
    crate::web::log_in_with(&server.link, agent);
    let sessions: Value = serde_json::from_str(&world.ok(["web", "sessions", "--json"])).unwrap();
    let used = sessions[0]["used"].as_u64().unwrap();
    let local = jiff::Timestamp::from_nanosecond(used.into()).unwrap()
        + jiff::SignedDuration::from_hours(5);
    let shown = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let listed = world.ok(["web", "sessions"]);
    let cells = |line: &str| {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect::<Vec<_>>()
    };
    let [heads, row] = listed.lines().map(cells).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(heads[5..], ["BROWSER", "FROM", "LAST USED"], "{listed}");
    assert_eq!(row[5..], ["Firefox on Linux", "127.0.0.1", &shown], "{listed}");
    server.end();
    world.ok(["quit"]);
}
