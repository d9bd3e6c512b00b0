//! `tmo web`, by the requests of a browser.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::procs::{self, kill};
use crate::harness::{World, eventually, eventually_within};
use crate::web_server::{WebServer, link_in};

const SHOP: &str = "\
web: i=0; while :; do i=$((i+1)); echo GET /users $i; sleep 0.1; done
worker: echo job 1; echo 'Error: connect ECONNREFUSED 127.0.0.1:5432' >&2; exit 1
";

pub(crate) fn shop() -> World {
    let world = World::new(SHOP);
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("worker", "exited");
    world
}

/// `tmo web` and a browser that is logged in there.
pub(crate) struct Web<'a> {
    pub(crate) server: WebServer<'a>,
    pub(crate) host: String,
    cookie: String,
    session: String,
    key: Vec<u8>,
}

pub(crate) fn proof(key: &[u8], parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(parts.join("\n").as_bytes());
    hex(&mac.finalize().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

pub(crate) const NONCE: &str = "0123456789abcdef0123456789abcdef";

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// Send a request with these headers and `Host`; `None` without an answer.
pub(crate) fn request(host: &str, head: &str, headers: &str, body: &str) -> Option<Answer> {
    let port: u16 = host.rsplit_once(':').unwrap().1.parse().unwrap();
    request_at((Ipv4Addr::LOCALHOST, port).into(), host, (head, headers), body)
}

/// Send it to an address that may differ from the host.
pub(crate) fn request_at(
    address: SocketAddr,
    host: &str,
    (head, headers): (&str, &str),
    body: &str,
) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let text = format!(
        "{head} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).ok()?;
    read_answer(&mut stream)
}

/// All data of the answer, until the end of the connection.
fn read_answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut all = vec![];
    stream.read_to_end(&mut all).ok()?;
    let all = String::from_utf8_lossy(&all);
    let (head, body) = all.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}

/// A page that has opened this link: host, cookie, session and key.
pub(crate) fn log_in(link: &str) -> (String, String, String, Vec<u8>) {
    log_in_with(link, "")
}

/// The same for a browser that calls itself this.
pub(crate) fn log_in_with(link: &str, agent: &str) -> (String, String, String, Vec<u8>) {
    let (address, secret) = link.split_once("/#login=").unwrap();
    let host = address.strip_prefix("http://").unwrap().to_owned();
    let (id, secret) = secret.split_once('.').unwrap();
    let secret = bytes(secret.split('/').next().unwrap());
    let headers = format!(
        "Origin: http://{host}\r\nContent-Type: application/json\r\nUser-Agent: {agent}\r\n"
    );
    let post = |path: &str, body: Value| {
        let answer = request(&host, &format!("POST {path}"), &headers, &body.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    };
    let begun = post("/login", json!({ "id": id, "nonce": NONCE })).json();
    let theirs = begun["nonce"].as_str().unwrap();
    assert_eq!(begun["proof"], proof(&secret, &["tmo web login server", NONCE, theirs]));
    let mine = proof(&secret, &["tmo web login page", NONCE, theirs]);
    let finished = post("/login/finish", json!({ "id": id, "nonce": NONCE, "proof": mine }));
    let cookie = finished.head.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    let session = finished.json()["session"].as_str().unwrap().to_owned();
    let key = bytes(&proof(&secret, &["tmo web key", NONCE, theirs]));
    (host, cookie.to_owned(), session, key)
}

/// The proof of a session's key.
fn proven(session: &str, key: &[u8]) -> String {
    let proof = proof(key, &["tmo web page", NONCE]);
    format!("{session}.{NONCE}.{proof}")
}

/// Another browser that has opened a link.
pub(crate) struct Browser {
    host: String,
    headers: String,
}

impl Browser {
    pub(crate) fn log_in(link: &str) -> Self {
        let (host, cookie, session, key) = log_in(link);
        let key = proven(&session, &key);
        let headers = format!("Origin: http://{host}\r\nCookie: {cookie}\r\nx-tmo-key: {key}\r\n");
        Self { host, headers }
    }

    pub(crate) fn ask(&self, head: &str) -> Answer {
        self.ask_with_headers(head, "")
    }

    /// Open it with additional headers.
    pub(crate) fn ask_with_headers(&self, head: &str, more: &str) -> Answer {
        request(&self.host, head, &format!("{more}{}", self.headers), "").unwrap()
    }
}

impl<'a> Web<'a> {
    pub(crate) fn start(world: &'a World) -> Self {
        Self::of(WebServer::start(world))
    }

    /// A browser that is logged in at this server.
    pub(crate) fn of(server: WebServer<'a>) -> Self {
        let (host, cookie, session, key) = log_in(&server.link);
        Self { server, host, cookie, session, key }
    }

    fn proven(&self) -> String {
        proven(&self.session, &self.key)
    }

    /// Send a request with this body.
    pub(crate) fn ask_with(&self, head: &str, body: &Value) -> Answer {
        request(&self.host, head, &self.headers(), &body.to_string()).unwrap()
    }

    pub(crate) fn headers(&self) -> String {
        let (host, cookie, key) = (&self.host, &self.cookie, self.proven());
        format!("Origin: http://{host}\r\nCookie: {cookie}\r\nx-tmo-key: {key}\r\n")
    }

    pub(crate) fn ask(&self, head: &str) -> Option<Answer> {
        request(&self.host, head, &self.headers(), "")
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask(&format!("GET {path}")).unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// Put bytes of this kind, with these headers besides; `None` if the connection was cut off.
    pub(crate) fn put(&self, path: &str, kind: &str, more: &str, bytes: &[u8]) -> Option<Answer> {
        let port: u16 = self.host.rsplit_once(':').unwrap().1.parse().unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (host, headers) = (&self.host, self.headers());
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {kind}\r\n{more}{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The server may close the connection before the end of the body.
        let _ = stream.write_all(bytes);
        read_answer(&mut stream)
    }

    /// The path of the only run.
    pub(crate) fn run(&self) -> String {
        let runs = self.get("/runs");
        format!("/r/{}", runs["runs"][0]["id"].as_str().unwrap())
    }

    /// The server process.
    pub(crate) fn server(&self) -> u32 {
        self.server.pid()
    }

    pub(crate) fn end(self) {
        self.server.end();
        assert!(request(&self.host, "GET /", "", "").is_none(), "the port is closed");
    }
}

pub(crate) fn pid_of(state: &Value, name: &str) -> Option<u64> {
    let all = state["processes"].as_array().unwrap();
    all.iter().find(|process| process["name"] == name)?["pid"].as_u64()
}

#[test]
fn a_run_is_shown_and_its_processes_are_restarted() {
    let world = shop();
    let web = Web::start(&world);
    let runs = web.get("/runs");
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
    assert_eq!(runs["runs"][0]["state"], "running");
    let run = web.run();
    let state = web.get(&format!("{run}/api/state"));
    let (web_pid, names) = (pid_of(&state, "web").unwrap(), &state["processes"]);
    assert_eq!((&names[0]["name"], &names[1]["state"]), (&json!("web"), &json!("exited")));
    let first = web.get(&format!("{run}/api/lines?name=worker&limit=10&styles=true"));
    let texts: Vec<_> = first["lines"].as_array().unwrap().iter().map(|l| &l["runs"]).collect();
    assert!(texts.iter().any(|runs| runs[0]["text"] == "job 1"), "{texts:?}");
    let why = web.get(&format!("{run}/api/processes/worker/why"));
    assert!(why["causes"].to_string().contains("5432"), "{why}");
    let extent = web.get(&format!("{run}/api/extent?name=worker"));
    assert_eq!((&extent["before"], &extent["first"]), (&extent["all"], &json!("0.0")));
    let answer = web.ask(&format!("POST {run}/api/processes/web/restart")).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let after = web.get(&format!("{run}/api/state"));
    assert_ne!(pid_of(&after, "web"), Some(web_pid));
    let unknown = web.ask(&format!("POST {run}/api/processes/wbe/restart")).unwrap();
    assert_eq!(unknown.status, 404, "{unknown:?}");
    // After its end, the run is shown from its files.
    world.ok(["quit"]);
    world.wait_state_gone();
    assert_eq!(web.get("/runs")["runs"][0]["state"], "over");
    let last = web.get(&format!("{run}/api/lines?name=worker&grep=job"));
    assert_eq!(last["lines"][0]["text"], "job 1");
    let state = web.get(&format!("{run}/api/state"));
    assert_eq!(state["processes"][1]["exit"], json!({ "code": 1 }), "{state}");
    let why = web.get(&format!("{run}/api/processes/worker/why"));
    assert!(why["causes"].to_string().contains("5432"), "{why}");
    let refused = web.ask(&format!("POST {run}/api/processes/web/restart")).unwrap();
    assert_eq!(refused.status, 409, "{refused:?}");
    web.end();
    world.wait_empty();
}

#[test]
fn a_run_is_explained_at_every_moment_of_its_end() {
    let world = World::new("web: exec sleep 1000\napi: exit 3\n");
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("api", "exited");
    let web = Web::start(&world);
    // For a page that follows the runs, their list is read again a moment after a change.
    let mut frames = Frames::open(&web);
    frames.find("runs", |_| true);
    let (run, supervisor) = (web.run(), world.supervisor());
    let mut quit = world.tmo(["quit"]).spawn().unwrap();
    let mut is_over = false;
    while !is_over {
        is_over = !procs::alive(supervisor) && web.get("/runs")["runs"][0]["state"] == "over";
        let why = web.get(&format!("{run}/api/processes/api/why"));
        assert!(why["causes"].to_string().contains("code 3"), "{why}");
    }
    assert!(quit.wait().unwrap().success());
    drop(frames);
    web.end();
    world.wait_empty();
}

#[test]
fn only_the_own_page_with_cookie_and_key_gets_in() {
    let world = shop();
    let web = Web::start(&world);
    let (host, cookie, key) = (&web.host, &web.cookie, web.proven());
    let page = request(host, "GET /", "Sec-Fetch-Site: cross-site\r\n", "").unwrap();
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{page:?}");
    let own = format!("Origin: http://{host}\r\n");
    let other = "Origin: http://127.0.0.1:8000\r\n".to_owned();
    let cookie = format!("Cookie: {cookie}\r\n");
    let key = format!("x-tmo-key: {key}\r\n");
    let stop = format!("POST {}/api/stop", web.run());
    let tries = [
        ("GET /me", format!("{cookie}{key}"), 200),
        ("GET /me", cookie.clone(), 401),
        ("GET /me", key.clone(), 401),
        ("GET /me", format!("{cookie}{key}Sec-Fetch-Site: same-site\r\n"), 403),
        ("GET /me", format!("{cookie}{key}{other}"), 403),
        ("GET /ws", format!("{own}{cookie}"), 401),
        ("GET /ws", format!("{other}{cookie}{key}Upgrade: websocket\r\n"), 403),
        (&*stop, format!("{cookie}{key}"), 403),
        (&*stop, format!("{other}{cookie}{key}"), 403),
        (&*stop, format!("{own}{cookie}"), 401),
        ("OPTIONS /me", format!("{own}{cookie}{key}"), 405),
        ("GET /r/x/api/state", format!("{cookie}{key}"), 404),
        ("GET /r/..%2f..%2fx/api/state", format!("{cookie}{key}"), 404),
        ("GET /a/0/../../Cargo.toml", String::new(), 404),
    ];
    for (head, headers, status) in tries {
        let answer = request(host, head, &headers, "").unwrap();
        assert_eq!(answer.status, status, "{head} {headers}: {answer:?}");
    }
    let port = host.rsplit_once(':').unwrap().1;
    for name in ["evil.com", "tmo-0.localhost", "0.0.0.0"] {
        let answer = request(&format!("{name}:{port}"), "GET /", "", "").unwrap();
        assert_eq!(answer.status, 421, "{name}");
    }
    world.wait_state("web", "running");
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_server_without_its_guardian_ends_and_no_other_program_takes_its_place() {
    let world = shop();
    let web = Web::start(&world);
    let (server, guardian) = (web.server(), web.server.guardian());
    kill(guardian, nix::libc::SIGKILL);
    eventually("the server ends", || (!procs::alive(server)).then_some(()));
    assert!(web.ask("GET /me").is_none());
    let again = Web::start(&world);
    let stolen = request(&again.host, "GET /me", &web.headers(), "").unwrap();
    assert_eq!(stolen.status, 403, "the address of another port");
    let headers = web.headers().replace(&web.host, &again.host);
    assert_eq!(request(&again.host, "GET /me", &headers, "").unwrap().status, 401);
    again.end();
    world.ok(["quit"]);
}

#[test]
fn each_server_has_a_name_and_paths_of_its_own() {
    let world = shop();
    let name = || {
        let web = Web::start(&world);
        let host = web.host.clone();
        let page = request(&host, "GET /", "", "").unwrap().body;
        let script = page.split("src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        web.end();
        (host.rsplit_once(':').unwrap().0.to_owned(), script)
    };
    let (first, second) = (name(), name());
    assert!(first.0 != second.0 && first.1 != second.1, "{first:?} {second:?}");
    world.ok(["quit"]);
}

#[test]
fn a_second_server_is_a_link_to_the_first_and_a_taken_port_is_named() {
    let world = shop();
    let none = world.run(["web", "--link"]);
    assert!(none.code == 1 && none.stderr.contains("no web server runs here"), "{none:?}");
    let web = Web::start(&world);
    let again = world.ok(["web"]);
    assert!(again.contains("runs already"), "{again}");
    assert_eq!(log_in(&link_in(&again).unwrap()).0, web.host);
    let none = world.run(["web", "--link", "--port", "1"]);
    assert!(none.stderr.contains("at port 1, but at"), "{none:?}");
    web.end();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = world.run(["web", "--port", &port]);
    let pid = std::process::id().to_string();
    assert!(refused.code == 1 && refused.stderr.contains(&pid), "{refused:?}");
    world.ok(["quit"]);
}

/// The frames of a WebSocket.
pub(crate) struct Frames(BufReader<TcpStream>);

impl Frames {
    pub(crate) fn open(web: &Web<'_>) -> Self {
        Self::open_at(web, "/ws", "tmo.1")
    }

    pub(crate) fn open_at(web: &Web<'_>, path: &str, protocol: &str) -> Self {
        Self::open_as((&web.host, &web.cookie, &web.proven()), path, protocol)
    }

    fn open_as(session: (&str, &str, &str), path: &str, protocol: &str) -> Self {
        let (frames, head) = Self::try_open(session, path, protocol);
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(head.contains(&format!("sec-websocket-protocol: {protocol}\r\n")), "{head}");
        frames
    }

    /// Ask for a WebSocket; also returns the head of the answer.
    fn try_open(
        (host, cookie, key): (&str, &str, &str),
        path: &str,
        protocol: &str,
    ) -> (Self, String) {
        let port: u16 = host.rsplit_once(':').unwrap().1.parse().unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\nCookie: {cookie}\r\n\
             Sec-WebSocket-Protocol: {protocol}, key.{key}\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        (Self(BufReader::with_capacity(64 << 10, stream)), head)
    }

    pub(crate) fn say(&mut self, value: &Value) {
        self.send(1, value.to_string().as_bytes());
    }

    pub(crate) fn send(&mut self, kind: u8, message: &[u8]) {
        self.try_send(kind, message).unwrap();
    }

    /// Send it to a server that may have closed the connection.
    pub(crate) fn try_send(&mut self, kind: u8, message: &[u8]) -> std::io::Result<()> {
        let mut frame = vec![0x80 | kind];
        if message.len() < 126 {
            frame.push(0x80 | u8::try_from(message.len()).unwrap());
        } else {
            frame.push(0x80 | 0x7e);
            frame.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        }
        // The mask.
        frame.extend([0; 4]);
        frame.extend(message);
        self.0.get_mut().write_all(&frame)
    }

    fn next(&mut self) -> Value {
        serde_json::from_slice(&self.message(1)).unwrap()
    }

    /// The next message of this kind: text (1) or bytes (2).
    pub(crate) fn message(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let (found, body) = self.frame();
            if found == kind {
                return body;
            }
        }
    }

    /// The number of bytes before the answer to a ping.
    pub(crate) fn bytes_until_pong(&mut self) -> usize {
        let mut bytes = 0;
        loop {
            match self.frame() {
                (10, _) => return bytes,
                (_, body) => bytes += body.len(),
            }
        }
    }

    /// The next frame: its kind and its content.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.0.read_exact(&mut length).unwrap();
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        let mut body = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut body).unwrap();
        (head[0] & 0xf, body)
    }

    /// Read until the server closes the connection.
    fn wait_closed(&mut self) {
        let mut all = vec![];
        match self.0.read_to_end(&mut all) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }

    /// The next frame of this kind that satisfies a condition.
    pub(crate) fn find(&mut self, kind: &str, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next();
            if frame["type"] == kind && holds(&frame) {
                return frame;
            }
        }
    }
}

#[test]
fn a_page_receives_changes() {
    let world = shop();
    let web = Web::start(&world);
    let mut frames = Frames::open(&web);
    assert_eq!(frames.next()["type"], "hello");
    let runs = frames.find("runs", |_| true);
    let id = runs["runs"][0]["id"].clone();
    frames.say(&json!({ "type": "watch", "run": id }));
    let state = frames.find("state", |_| true);
    let pid = pid_of(&state, "web").unwrap();
    let head = frames.find("head", |_| true)["records"].as_u64().unwrap();
    frames.find("head", |frame| frame["records"].as_u64() > Some(head));
    frames.find("figures", |frame| frame["processes"][0]["name"] == "web");
    world.ok(["restart", "web"]);
    frames.find("process", |frame| {
        let process = &frame["process"];
        process["name"] == "web" && process["pid"].as_u64().is_some_and(|now| now != pid)
    });
    // Another supervisor takes over: everything is sent again.
    kill(world.supervisor(), nix::libc::SIGKILL);
    frames.find("gone", |_| true);
    frames.find("state", |_| true);
    world.ok(["quit"]);
    // Both are sent, in any order.
    let (mut has_ended, mut is_listed) = (false, false);
    while !(has_ended && is_listed) {
        let frame = frames.next();
        has_ended |= frame["type"] == "end";
        is_listed |= frame["type"] == "runs" && frame["runs"][0]["state"] == "over";
    }
    // The next run of the project replaces it.
    world.ok(["start", "-D", "--any-can-die"]);
    frames.find("state", |frame| frame["state"]["pid"] != 0);
    world.ok(["quit"]);
    frames.find("end", |_| true);
    kill(web.server.guardian(), nix::libc::SIGINT);
    assert_eq!(frames.find("bye", |_| true)["why"], "shutdown");
    web.end();
    world.wait_empty();
}

/// About 100 000 lines in a second.
const FLOOD: &str = "\
flood: while :; do seq -f 'flood %.0f' 5000; sleep 0.05; done
";

/// Read the frames of a page, and keep the newest head and the number of frames. Of what has been received, only the last
/// head is parsed: 64 pages must keep up on a busy machine, as what they leave in the socket is old when they read it.
fn read_heads(mut frames: Frames, heads: &(AtomicU64, AtomicU64), is_over: &AtomicBool) {
    let mut last = None;
    while !is_over.load(Ordering::Relaxed) {
        let text = frames.message(1);
        if text.windows(6).any(|word| word == b"\"head\"") {
            heads.1.fetch_add(1, Ordering::Relaxed);
            last = Some(text);
        }
        if frames.0.buffer().is_empty()
            && let Some(text) = last.take()
        {
            let head: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(head["type"], "head");
            heads.0.store(head["records"].as_u64().unwrap(), Ordering::Relaxed);
        }
    }
}

#[test]
fn many_pages_get_the_newest_state_and_a_page_that_never_reads_costs_no_memory() {
    const PAGES: usize = 64;
    let world = World::new(FLOOD);
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    let run = web.run();
    let id = run.strip_prefix("/r/").unwrap();
    let watching = || {
        let mut frames = Frames::open(&web);
        frames.say(&json!({ "type": "watch", "run": id }));
        frames
    };
    let silent = watching();
    let heads: Vec<_> =
        (0..PAGES).map(|_| Arc::new((AtomicU64::new(0), AtomicU64::new(0)))).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = heads
        .iter()
        .map(|heads| {
            let (frames, heads, is_over) = (watching(), Arc::clone(heads), Arc::clone(&is_over));
            std::thread::spawn(move || read_heads(frames, &heads, &is_over))
        })
        .collect();
    let records = || web.get(&format!("{run}/api/extent"))["records"].as_u64().unwrap();
    let all_have = |what: &str, wanted: &dyn Fn(&(AtomicU64, AtomicU64)) -> bool| {
        // Long enough for a machine on which 64 pages are slow.
        let limit = Duration::from_secs(120);
        eventually_within(limit, what, || heads.iter().all(|heads| wanted(heads)).then_some(()));
    };
    let server = web.server();
    all_have("all pages have heads", &|(_, count)| count.load(Ordering::Relaxed) > 5);
    let before = procs::memory(server);
    for _ in 0..5 {
        let now = records();
        all_have("all pages are at the end", &|(newest, _)| newest.load(Ordering::Relaxed) >= now);
    }
    all_have("each has received many heads", &|(_, count)| count.load(Ordering::Relaxed) > 50);
    let grown = procs::memory(server).saturating_sub(before);
    assert!(grown < 8 << 10, "{grown} KiB");
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    drop(silent);
    web.end();
    world.ok(["quit"]);
}

/// The body of a chunked answer.
fn joined(answer: &Answer) -> String {
    assert!(answer.head.contains("transfer-encoding: chunked"), "{}", answer.head);
    let (mut all, mut rest) = (String::new(), &*answer.body);
    while let Some((length, chunk)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            break;
        }
        all += &chunk[..length];
        rest = &chunk[length + 2..];
    }
    all
}

#[test]
fn a_download_has_the_bytes_of_tmo_logs_and_needs_a_ticket_that_is_valid_once() {
    let world = World::new(concat!(
        "web: seq -f 'line %.0f' 30000; exec sleep 1000\n",
        r"api: printf '\033[31mred\033[0m\n'; exec sleep 1000",
        "\n",
    ));
    world.ok(["start", "-D"]);
    world.wait_text("web", "line 30000");
    world.wait_text("api", "red");
    let web = Web::start(&world);
    let run = web.run();
    let ticket = |query: &str| {
        let headers = format!("{}Content-Type: application/json\r\n", web.headers());
        let body = json!({ "query": query }).to_string();
        request(&web.host, &format!("POST {run}/ticket"), &headers, &body).unwrap()
    };
    let cookie = format!("Cookie: {}\r\nSec-Fetch-Site: same-origin\r\n", web.cookie);
    let download = |ticket: &Answer, headers: &str| {
        let path = format!("GET /download/{}", ticket.json()["ticket"].as_str().unwrap());
        request(&web.host, &path, headers, "").unwrap()
    };
    for (query, words) in [
        ("", &["logs"][..]),
        ("name=web", &["logs", "web"]),
        ("name=web&name=api&form=plain", &["logs", "web", "api", "--no-prefix"]),
        ("name=api&form=times", &["logs", "api", "--timestamps"]),
    ] {
        let ticket = ticket(query);
        let file = download(&ticket, &cookie);
        assert!(
            file.head.contains("content-disposition: attachment; filename=\""),
            "{}",
            file.head
        );
        assert!(joined(&file) == world.ok(words), "{query}");
        assert_eq!(download(&ticket, &cookie).status, 404);
    }
    let lines = web.get(&format!("{run}/api/lines?name=web&grep=line&limit=20"))["lines"].clone();
    let (from, to) = (lines[3]["cursor"].as_str().unwrap(), lines[12]["cursor"].as_str().unwrap());
    let part = web.ask(&format!("GET {run}/text?name=web&form=plain&from={from}&to={to}")).unwrap();
    let wanted: String = (4..=13).map(|number| format!("line {number}\n")).collect();
    assert_eq!(joined(&part), wanted);
    let part = web.ask(&format!(
        "GET {run}/text?name=web&form=plain&from={from}&to={to}&grep=LINE+1&ignore-case=true&hide=11%7C13"
    ));
    assert_eq!(joined(&part.unwrap()), "line 10\nline 12\n");

    assert_eq!(download(&ticket(""), "").status, 404, "without the cookie");
    let link = link_in(&world.ok(["web", "--link"])).unwrap();
    let (_, other, ..) = log_in(&link);
    assert_eq!(
        download(&ticket(""), &format!("Cookie: {other}\r\n")).status,
        404,
        "another session"
    );
    let from_elsewhere = cookie.replace("same-origin", "cross-site");
    assert_eq!(download(&ticket(""), &from_elsewhere).status, 403, "another page");
    assert_eq!(ticket("name=web&colour=red").status, 400);
    assert_eq!(web.ask(&format!("GET {run}/text?name=wbe")).unwrap().status, 404);
    web.end();
    world.ok(["quit"]);
}

#[test]
fn samples_are_taken_without_a_page_and_outlive_one() {
    let world = shop();
    let web = Web::start(&world);
    let run = web.run();
    eventually("a sample before any page has looked", || {
        let kept = web.get(&format!("{run}/figures"));
        (kept["last"] == 1 && kept["processes"][0]["memory_bytes"][0].is_u64()).then_some(())
    });
    let look = |after: u64| {
        let mut frames = Frames::open(&web);
        frames.say(&json!({ "type": "watch", "run": run.trim_start_matches("/r/") }));
        let is_newer = |frame: &Value| frame["number"].as_u64() > Some(after);
        frames.find("figures", is_newer)["number"].as_u64().unwrap()
    };
    let last = look(2);
    let kept = web.get(&format!("{run}/figures"));
    let processes = kept["processes"].as_array().unwrap();
    assert_eq!((processes.len(), &processes[0]["name"]), (1, &json!("web")));
    let memory = processes[0]["memory_bytes"].as_array().unwrap();
    assert!(memory.len() as u64 >= last && memory[0].is_u64(), "{kept}");
    // Another page continues where the first one ended.
    look(kept["last"].as_u64().unwrap());
    let wrong = web.ask(&format!("GET {run}/figures?interval=7")).unwrap();
    assert_eq!(wrong.status, 400, "{wrong:?}");
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_shared_link_shows_only_its_processes() {
    let world = shop();
    let web = Web::start(&world);
    let run = web.run();
    let unknown = world.run(["web", "--share", "wbe"]);
    assert_eq!((unknown.code, unknown.stderr.contains("web")), (2, true), "{unknown:?}");
    let link = |time: &str| {
        let out = world.ok(["web", "--share", "web", "--for", time]);
        link_in(&out).unwrap()
    };
    let (host, cookie, session, key) = log_in(&link("1h"));
    let ask = |head: &str| {
        let proof = proof(&key, &["tmo web page", NONCE]);
        let key = format!("x-tmo-key: {session}.{NONCE}.{proof}");
        let headers = format!("Origin: http://{host}\r\nCookie: {cookie}\r\n{key}\r\n");
        request(&host, head, &headers, "").unwrap()
    };
    for path in ["lines?limit=1000", "lines?name=web", "extent", "output", "processes/web/screen"] {
        let answer = ask(&format!("GET {run}/api/{path}"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.body.contains("worker") && !answer.body.contains("5432"), "{answer:?}");
    }
    for path in ["lines?name=worker", "lines?events=true", "why", "state", "crashes", "figures"] {
        let answer = ask(&format!("GET {run}/api/{path}"));
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
    }
    let figures = ask(&format!("GET {run}/figures"));
    assert!(figures.status == 200 && !figures.body.contains("worker"), "{figures:?}");
    let worker = ask(&format!("GET {run}/look/worker"));
    assert_eq!((worker.status, ask(&format!("POST {run}/api/restart")).status), (404, 403));
    let runs = ask("GET /runs");
    assert!(runs.json()["runs"][0]["root"].is_null(), "{runs:?}");

    // Its page receives only these processes, and only until its time is over.
    let (host, cookie, session, key) = log_in(&link("8s"));
    let proof = proof(&key, &["tmo web page", NONCE]);
    let key = format!("{session}.{NONCE}.{proof}");
    let mut frames = Frames::open_as((&host, &cookie, &key), "/ws", "tmo.1");
    assert_eq!(frames.next()["is_limited"], true);
    let runs = frames.find("runs", |_| true);
    frames.say(&json!({ "type": "watch", "run": runs["runs"][0]["id"] }));
    let state = frames.find("state", |_| true);
    let names: Vec<_> = state["processes"].as_array().unwrap().iter().collect();
    assert_eq!((names.len(), &names[0]["name"]), (1, &json!("web")));
    assert!(!state.to_string().contains(world.path().to_str().unwrap()), "{state}");
    frames.wait_closed();
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn the_guests_of_a_server_with_few_descriptors_do_not_keep_the_user_out() {
    let world = shop();
    let web = Web::of(start_limited(&world, 64));
    let link = link_in(&world.ok(["web", "--share", "web"])).unwrap();
    let (host, cookie, session, key) = log_in(&link);
    let key = proven(&session, &key);
    let mut open = vec![];
    let refused = loop {
        let (frames, head) = Frames::try_open((&host, &cookie, &key), "/ws", "tmo.1");
        if !head.starts_with("http/1.1 101") {
            break head;
        }
        open.push(frames);
        assert!(open.len() < 64, "there is no limit");
    };
    assert!(refused.starts_with("http/1.1 429"), "{refused}");
    assert_eq!(web.get("/me")["role"], "admin");
    drop(Frames::open(&web));
    drop(open);
    web.end();
    world.ok(["quit"]);
}

/// A server that may open only so many files.
fn start_limited(world: &World, files: usize) -> WebServer<'_> {
    let tmo = world.tmo([""]).get_program().to_str().unwrap().to_owned();
    let mut limited = world.command("sh");
    limited.args(["-c", &format!("ulimit -n {files}; exec '{tmo}' web --port 0")]);
    WebServer::start_as(world, limited)
}

#[test]
fn commands_reach_a_server_whose_connections_have_taken_all_descriptors() {
    // Half of these is less than what the server has open without any connection.
    const FILES: usize = 32;
    let world = shop();
    let web = Web::of(start_limited(&world, FILES));
    let port: u16 = web.host.rsplit_once(':').unwrap().1.parse().unwrap();
    let silent: Vec<_> =
        (0..100).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()).collect();
    let open = format!("/proc/{}/fd", web.server());
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<usize>().ok();
    eventually("no descriptor is free", || {
        let all = std::fs::read_dir(&open).unwrap().flatten().filter_map(number);
        (all.filter(|number| *number < FILES).count() == FILES).then_some(())
    });
    let listed = world.ok(["web", "sessions"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let stopped = world.ok(["web", "--stop"]);
    assert!(stopped.contains("ends"), "{stopped}");
    drop(silent);
    web.server.wait();
    world.ok(["quit"]);
}

#[test]
fn a_server_that_does_not_answer_is_named_with_its_process() {
    let world = shop();
    let web = Web::start(&world);
    let server = web.server();
    kill(server, nix::libc::SIGSTOP);
    for args in [&["web", "sessions"][..], &["web", "logout", "--all"], &["web", "--stop"]] {
        let ran = world.run(args);
        assert!(ran.code == 1 && ran.stderr.contains("does not answer; `kill "), "{ran:?}");
    }
    kill(server, nix::libc::SIGCONT);
    world.ok(["web", "sessions"]);
    web.end();
    world.ok(["quit"]);
}

#[test]
fn answers_that_are_not_read_need_little_memory_and_give_it_back() {
    /// Each page of this has 4 MiB.
    const LINES: &str = "web: x=$(printf '%0500d' 0); seq -f \"%.0f $x\" 20000; echo all''printed; exec sleep 1000\n";
    let world = World::new(LINES);
    world.ok(["start", "-D"]);
    world.wait_text("web", "allprinted");
    let web = Web::start(&world);
    let path = format!("{}/api/lines?limit=10000&styles=true", web.run());
    let page = web.get(&path);
    assert_eq!(page["more"], true, "a page is limited in size");
    assert!(page.to_string().len() < 6 << 20);
    // The page of a guest who does not read it leaves room for the pages of others.
    let guests = [(), ()].map(|()| {
        let link = link_in(&world.ok(["web", "--share", "web"])).unwrap();
        let (host, cookie, session, key) = log_in(&link);
        let key = proven(&session, &key);
        let headers = format!("Origin: http://{host}\r\nCookie: {cookie}\r\nx-tmo-key: {key}\r\n");
        (host, headers)
    });
    let [(host, headers), (_, other)] = &guests;
    let server = web.server();
    let before = procs::memory(server);
    let port: u16 = web.host.rsplit_once(':').unwrap().1.parse().unwrap();
    let unread: Vec<_> = (0..60)
        .map(|_| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            let (host, headers) = (&web.host, web.headers());
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").unwrap();
            stream
        })
        .collect();
    let guest = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    write!(&guest, "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").unwrap();
    eventually("its page is made", || {
        guest.peek(&mut [0]).is_ok_and(|size| size > 0).then_some(())
    });
    assert_eq!(request(host, &format!("GET {path}"), other, "").unwrap().status, 200);
    // Other requests are answered meanwhile, and pages that find no room are refused after some seconds.
    assert_eq!(web.get("/me")["role"], "admin");
    let refused = web.ask(&format!("GET {path}")).unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");
    let grown = procs::memory(server).saturating_sub(before);
    assert!(grown < 112 << 10, "{grown} KiB");
    drop((unread, guest));
    eventually("the memory is given back", || {
        let grown = procs::memory(server).saturating_sub(before);
        (grown < 16 << 10).then_some(())
    });
    web.get(&path);
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_page_receives_a_prompt() {
    let world = World::new("shell: printf 'name? '; read a; echo \"hello $a\"; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    let mut frames = Frames::open(&web);
    let runs = frames.find("runs", |_| true);
    frames.say(&json!({ "type": "watch", "run": runs["runs"][0]["id"] }));
    let asks = frames.find("unfinished", |frame| frame["lines"][0]["name"] == "shell");
    let line = &asks["lines"][0];
    assert_eq!((&line["runs"][0]["text"], &line["is_prompt"]), (&"name? ".into(), &true.into()));
    world.ok(["send", "shell", "anna", "--enter"]);
    frames.find("unfinished", |frame| frame["lines"].as_array().is_some_and(Vec::is_empty));
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}
