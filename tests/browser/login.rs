//! Links, sessions, pages of other origins, and a killed server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use pretty_assertions::assert_eq;

use crate::chromium::Chromium;
use crate::harness::procs::kill;
use crate::harness::{World, eventually};
use crate::keys::ENTER;
use crate::page::Page;
use crate::web_server::{WebServer, link_in};

const TICKING: &str = "web: i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done\n";

fn ticking() -> World {
    let world = World::new(TICKING);
    world.ok(["start", "-D"]);
    world
}

#[test]
fn a_link_logs_in_one_browser_once_and_its_secret_leaves_the_address() {
    let Some(chromium) = Chromium::find() else { return };
    let world = ticking();
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    assert!(!page.address().contains("login"), "{}", page.address());
    // A reload needs no link.
    page.reload();
    page.shows_state("web", "running");
    page.end();
    let mut thief = Page::empty(&chromium, &world);
    thief.allow("status of 404");
    thief.go(&web.link);
    thief.until(
        "the second browser is refused",
        "document.body.innerText.includes('Not logged in')",
    );
    assert!(!thief.address().contains("login"), "{}", thief.address());
    let other = link_in(&world.ok(["web", "--link"])).unwrap();
    // In the same tab, only the fragment changes.
    let fragment = other.split_once('#').unwrap().1;
    thief.value(&format!("(location.hash = '{fragment}', null)"));
    thief.shows_state("web", "running");
    assert!(!thief.address().contains("login"), "{}", thief.address());
    thief.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_killed_server_comes_back_and_the_page_goes_on_without_a_login() {
    let Some(chromium) = Chromium::find() else { return };
    let world = ticking();
    let web = WebServer::start(&world);
    let mut page = Page::open(&chromium, &world, &web);
    // Requests under way are lost, and the new server demands a proof first.
    for text in ["WebSocket connection to", "net::ERR_", "status of 401"] {
        page.allow(text);
    }
    page.click("Log");
    page.shows_line("tick");
    let newest = "Number(probe.lines().findLast((line) => line.startsWith('tick ')).slice(5))";
    let server = web.pid();
    kill(server, nix::libc::SIGKILL);
    eventually("another server runs", || (web.pid() != server).then_some(()));
    // Printed after the kill, so the log did not show it yet.
    let line = page.number(newest) + 20;
    page.until("the page shows new lines", &format!("{newest} > {line}"));
    page.until("it is connected", "document.querySelector('.banner').hidden");
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// What could not be read, or is no longer connected, is read and connected again without a click.
#[test]
fn a_page_and_a_terminal_go_on_once_the_server_is_back() {
    let Some(chromium) = Chromium::find() else { return };
    let world =
        World::new("shell: echo ready; while read -r line; do echo \"got <$line>\"; done\n");
    world.ok(["start", "-D"]);
    world.wait_text("shell", "ready");
    let web = WebServer::start(&world);
    let mut page = Page::open(&chromium, &world, &web);
    for text in ["WebSocket connection to", "net::ERR_", "status of 401"] {
        page.allow(text);
    }
    let is_killed = || {
        let server = web.pid();
        kill(server, nix::libc::SIGKILL);
        eventually("another server runs", || (web.pid() != server).then_some(()));
    };
    page.shows_state("shell", "running");
    page.value("(probe.fetch = window.fetch, window.fetch = async () => { throw new TypeError('no network'); }, null)");
    page.click_at("//tr[@data-name='shell']//a[starts-with(.,'shell')]");
    page.until("it says so", "document.querySelector('main').innerText.includes('no network')");
    page.value("(window.fetch = probe.fetch, null)");
    is_killed();
    page.until("all is there", "document.querySelector('main').innerText.includes('Directory')");
    page.until(
        "nothing is said",
        "!document.querySelector('main').innerText.includes('no network')",
    );
    page.click("⌨ Terminal");
    page.until("it has the focus", "document.activeElement.matches('.xterm-helper-textarea')");
    let shown = "probe.texts('.xterm-rows').join()";
    page.until("it shows the screen", &format!("{shown}.includes('ready')"));
    page.value("(probe.countOpened('/shell'), null)");
    is_killed();
    page.until("it is connected again", "probe.opened === 1");
    page.types("ann");
    page.presses(&[ENTER]);
    page.until("it is heard", &format!("{shown}.includes('got <ann>')"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// Answer all requests at this socket with an error, and record their heads.
fn record(listener: TcpListener) -> Arc<Mutex<Vec<String>>> {
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                if !head.is_empty() {
                    kept.lock().unwrap().push(head.join("\n").to_lowercase());
                }
                let mut writer = &stream;
                let _ = writer.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}",
                );
            });
        }
    });
    heads
}

#[test]
fn an_open_page_gives_nothing_to_a_program_that_takes_the_port() {
    let Some(chromium) = Chromium::find() else { return };
    let world = ticking();
    let web = WebServer::start(&world);
    let mut page = Page::open(&chromium, &world, &web);
    for text in ["WebSocket connection to", "net::ERR_"] {
        page.allow(text);
    }
    page.shows_state("web", "running");
    let address = web.link.split_once("#login").unwrap().0.trim_end_matches('/').to_owned();
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let button = "document.querySelector('[aria-label=\"Restart web\"]')";
    page.until("the process can be restarted", &format!("{button} !== null"));
    kill(web.guardian(), nix::libc::SIGKILL);
    let taken = eventually("the port is free", || TcpListener::bind(("127.0.0.1", port)).ok());
    let heads = record(taken);
    // An action of the user before the page notices the change, unless it has noticed already.
    page.value(&format!("{button}?.click()"));
    page.until("the page has stopped", "document.body.innerText.includes('Another program')");
    let heads = heads.lock().unwrap();
    // What was sent before the page noticed belongs to a session that has ended with its server.
    let noticed = heads.iter().position(|head| head.starts_with("post /hello "));
    let noticed =
        noticed.unwrap_or_else(|| panic!("the page has sent no `POST /hello`: {heads:#?}"));
    for head in &heads[noticed..] {
        assert!(!head.contains("x-tmo-key") && !head.contains("key."), "{head}");
    }
    page.end();
    world.ok(["quit"]);
}

/// A login form in its place would lose what was typed.
#[test]
fn a_page_that_has_stopped_stays_so_when_a_log_out_ends_late() {
    let Some(chromium) = Chromium::find() else { return };
    let world = ticking();
    let web = WebServer::start(&world);
    let mut page = Page::open(&chromium, &world, &web);
    for text in ["WebSocket connection to", "net::ERR_"] {
        page.allow(text);
    }
    page.shows_state("web", "running");
    // The answer to it is held back.
    page.value(
        "void (window.fetch = ((fetch) => (path, ...rest) => path === '/logout' \
         ? new Promise((done) => { window.answer = () => done(new Response('')); }) : fetch(path, ...rest))(window.fetch))",
    );
    page.click("Settings");
    page.click("Log out");
    page.until("the page asks for the end of its session", "!!window.answer");
    let address = web.link.split_once("#login").unwrap().0.trim_end_matches('/').to_owned();
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    kill(web.guardian(), nix::libc::SIGKILL);
    let taken = eventually("the port is free", || TcpListener::bind(("127.0.0.1", port)).ok());
    record(taken);
    let has_stopped = "document.body.innerText.includes('Another program')";
    page.until("the page has stopped", has_stopped);
    page.value("void (window.answer(), setTimeout(() => { window.isLater = true; }, 100))");
    page.until("the log-out has ended", "window.isLater");
    assert_eq!(page.value(has_stopped), true, "{}", page.text("document.body.innerText"));
    page.end();
    world.ok(["quit"]);
}

/// Serve an empty page at a port of this machine until the tests end.
fn empty_page() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        // A browser also opens connections without a request.
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer_with_empty_page(&stream));
        }
    });
    port
}

fn answer_with_empty_page(stream: &TcpStream) {
    let mut head = BufReader::new(stream).lines().map_while(Result::ok);
    if head.any(|line| line.is_empty()) {
        let mut writer = stream;
        let _ = writer.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<!doctype html>",
        );
    }
}

/// The attempts of a page. Each returns `refused`, or the answer.
const TRIES: [&str; 5] = [
    "fetch(URL('/me'), { credentials: 'include' })",
    "fetch(URL('/me'), { credentials: 'include', headers: { 'x-tmo-key': 'x' } })",
    "fetch(URL(STOP), { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' } })",
    "fetch(URL(STOP), { method: 'POST', credentials: 'include', mode: 'no-cors' }).then((answer) => \
     answer.type === 'opaque' ? Promise.reject() : answer)",
    "new Promise((done, refuse) => Object.assign(new WebSocket(URL('/ws').replace('http', 'ws'), ['tmo.1', 'key.x']), \
     { onopen: done, onerror: refuse }))",
];

#[test]
fn a_page_of_another_port_gets_nothing_and_changes_nothing() {
    let Some(chromium) = Chromium::find() else { return };
    let world = ticking();
    let pid = world.wait_state("web", "running");
    let web = WebServer::start(&world);
    let mut page = Page::open(&chromium, &world, &web);
    let (own, host) = (page.address(), page.text("location.hostname"));
    let (server, run) = (page.text("location.origin"), page.text("location.hash.split('/')[2]"));
    // The browser reports the requests that it refuses.
    for text in ["CORS policy", "net::ERR_", "WebSocket connection to", "status of 40"] {
        page.allow(text);
    }
    let port = empty_page();
    // The first one shares the cookies of the page.
    for name in [&*host, "localhost", "127.0.0.1"] {
        page.go(&format!("http://{name}:{port}/"));
        let named = format!("const URL = (path) => '{server}' + path, STOP = '/r/{run}/api/stop';");
        for attempt in TRIES {
            let got = format!(
                "(() => {{ {named} return {attempt}.then(() => 'got it', () => 'refused'); }})()"
            );
            assert_eq!(page.text(&got), "refused", "{attempt} at {name}");
        }
    }
    page.go(&own);
    page.shows_state("web", "running");
    assert_eq!(world.wait_state("web", "running"), pid);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_guest_is_told_what_can_be_watched_and_until_when_and_is_offered_no_apps() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::empty(&chromium, &world);
    page.go(&link_in(&world.ok(["web", "--share", "web", "--for", "1h"])).unwrap());
    page.shows_state("web", "running");
    page.click("Settings");
    let text = "document.querySelector('dialog')?.innerText";
    page.until(
        "the limit is shown",
        &format!(
            "/Guest, until [-\\d ]*\\d\\d:\\d\\d: can watch web, and change nothing/.test({text})"
        ),
    );
    page.click("Close");
    page.value("void (location.hash = location.hash.split('/').slice(0, 3).join('/') + '/apps')");
    page.until(
        "it is refused",
        "document.querySelector('.apps-page')?.innerText.trim().endsWith('Only an admin can install apps.')",
    );
    // Nothing was asked for that is refused: the console would have an error.
    page.end();
    web.end();
    world.ok(["quit"]);
}
