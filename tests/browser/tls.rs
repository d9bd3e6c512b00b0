//! The page behind a proxy with TLS, and the login with a password.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use pretty_assertions::assert_eq;

use crate::chromium::Chromium;
use crate::harness::procs::kill;
use crate::harness::{Ran, World, eventually};
use crate::keys::ENTER;
use crate::page::Page;
use crate::web_server::WebServer;

const PASSWORD: &str = "correct horse";

/// Reads the port of the server from standard input, and forwards TLS connections to it.
const PROXY: &str = r"
import select, socket, ssl, sys, threading
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain('proxy.pem', 'proxy.key')
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
port = int(sys.stdin.readline())

# None if it was not output that made the socket readable.
def read(source):
    source.settimeout(0.05)
    try:
        return source.recv(65536)
    except TimeoutError:
        return None
    finally:
        source.settimeout(60)

# One thread for both directions: two must not use the same TLS connection at once.
def copy(client, server):
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for source in ready:
            data = read(source)
            if data == b'':
                return
            if data:
                (server if source is client else client).sendall(data)

def serve(plain):
    try:
        with tls.wrap_socket(plain, server_side=True) as client:
            with socket.create_connection(('127.0.0.1', port)) as server:
                copy(client, server)
    except OSError:
        plain.close()

threading.Thread(target=lambda: (sys.stdin.read(), listener.close()), daemon=True).start()
while True:
    try:
        plain, _ = listener.accept()
    except OSError:
        break
    threading.Thread(target=serve, args=(plain,), daemon=True).start()
";

/// A proxy with a self-signed certificate.
struct Proxy {
    child: Child,
    input: ChildStdin,
    url: String,
}

impl Proxy {
    /// `None` without openssl or python3, which is then reported.
    fn start(world: &World) -> Option<Self> {
        let (Ok(openssl), Ok(python)) = (which::which("openssl"), which::which("python3")) else {
            let _ = writeln!(std::io::stderr(), "skipped: no openssl, or no python3");
            return None;
        };
        let made = Command::new(openssl)
            .current_dir(world.path())
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-keyout", "proxy.key", "-out", "proxy.pem"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut command = Command::new(python);
        command.current_dir(world.path()).args(["-c", PROXY]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let (input, url) =
            (child.stdin.take().unwrap(), format!("https://localhost:{}", port.trim()));
        Some(Self { child, input, url })
    }

    fn lead_to(&mut self, server: &WebServer<'_>) {
        let host = server.link.strip_prefix("http://").unwrap().split('/').next().unwrap();
        writeln!(self.input, "{}", host.rsplit_once(':').unwrap().1).unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn add_user(world: &World, name: &str, role: &str) {
    let mut command = world.tmo(["web", "user", "add", name, "--role", role]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn type_login(page: &Page, name: &str, password: &str) {
    page.until("the form is there", "document.querySelector('form.login')");
    page.value(
        "document.querySelectorAll('form.login input').forEach((input) => { input.value = ''; })",
    );
    for (field, text) in [("name", name), ("password", password)] {
        page.click_at(&format!("//input[@name='{field}']"));
        page.types(text);
        let is_typed = format!("document.querySelector('input[name={field}]').value === '{text}'");
        page.until(&format!("the {field} is typed"), &is_typed);
    }
    page.presses(&[ENTER]);
}

/// The settings show the user, here named like the role, and the page of the apps shows who can install apps.
fn tells_role(page: &Page, role: &str) {
    page.click("Settings");
    let says = format!("Logged in as {role} (role: {role}).");
    let dialog = "document.querySelector('dialog').innerText";
    page.until(&says, &format!("{dialog}.includes('{says}')"));
    page.click("Close");
    page.click("Apps");
    page.until("the apps", "document.body.innerText.includes('No apps yet')");
    let refusal = "document.body.innerText.includes('Only an admin can install apps')";
    assert_eq!(page.value(refusal), role != "admin", "{role}");
    page.click("Overview");
}

const SHELL: &str = "shell: echo ready; while :; do read -r line && echo \"got <$line>\"; done\nweb: exec sleep 1000\n";

#[test]
fn a_password_logs_in_over_tls_to_what_its_role_allows() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(SHELL);
    let Some(mut proxy) = Proxy::start(&world) else { return };
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    for role in ["admin", "operate", "read"] {
        add_user(&world, role, role);
    }
    let server = WebServer::start_with(&world, &["--public-url", &proxy.url]);
    proxy.lead_to(&server);
    let mut page = Page::empty(&chromium, &world);
    // Messages without a login, with a wrong password, and of a replaced server.
    page.allow("status of 401");
    page.allow("net::ERR_");
    page.allow("WebSocket connection to");
    page.go(&proxy.url);
    type_login(&page, "admin", "wrong");
    page.until("it is refused", "document.body.innerText.includes('wrong name or password')");
    page.resize(390, 844);
    page.picture("login-small");
    page.resize(1280, 800);
    page.picture("login");

    // The actions that each role sees.
    let offered = "[...document.querySelectorAll('button')].filter((one) => one.offsetParent).map((one) => one.ariaLabel ?? one.textContent).join('|')";
    for (role, buttons) in [
        ("read", &[][..]),
        ("operate", &["Restart web", "Restart all"]),
        ("admin", &["Restart web", "Shut down"]),
    ] {
        type_login(&page, role, PASSWORD);
        page.shows_state("web", "running");
        for button in ["Restart web", "Stop web", "Restart all", "Shut down"] {
            let is_meant = buttons.contains(&button)
                || (role != "read" && button == "Stop web")
                || (role == "admin" && button == "Restart all");
            if is_meant {
                let is_offered = format!("{offered}.includes('{button}')");
                page.until(&format!("{role} is offered {button}"), &is_offered);
            } else {
                let shown = page.text(offered);
                assert!(!shown.contains(button), "{role} {button}: {shown}");
            }
        }
        tells_role(&page, role);
        if role != "admin" {
            page.click("Settings");
            page.click("Log out");
        }
    }
    assert_eq!(page.value("isSecureContext && !!navigator.clipboard"), true);
    page.click("Terminal of shell");
    let shows = |text: &str| {
        let shown = format!(
            "probe.texts('.xterm-rows').join().replaceAll('\\u00a0', ' ').includes('{text}')"
        );
        page.until(&format!("the terminal shows {text}"), &shown);
    };
    shows("ready");
    page.until("it has the focus", "document.activeElement.matches('.xterm-helper-textarea')");
    page.types("hello");
    page.presses(&[ENTER]);
    shows("got <hello>");
    page.end();
    server.end();
    world.ok(["quit"]);
}

#[test]
fn a_server_that_is_not_the_known_one_gets_no_password() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(SHELL);
    let Some(mut proxy) = Proxy::start(&world) else { return };
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    add_user(&world, "anna", "read");
    let server = WebServer::start_with(&world, &["--public-url", &proxy.url]);
    proxy.lead_to(&server);
    let mut page = Page::empty(&chromium, &world);
    page.allow("status of 401");
    page.go(&proxy.url);
    type_login(&page, "anna", PASSWORD);
    page.shows_state("web", "running");
    page.click("Settings");
    page.click("Log out");
    page.until("the form is there", "document.querySelector('form.login')");
    // For this browser, a server without the secret of this user is an unknown one.
    let found = crate::harness::files(world.path());
    let secret = found.iter().find(|path| path.ends_with("tmo/web-devices")).unwrap();
    std::fs::remove_file(secret).unwrap();
    let before = server.pid();
    kill(before, nix::libc::SIGKILL);
    eventually("another server runs", || (server.pid() != before).then_some(()));
    eventually("it has a secret", || secret.exists().then_some(()));
    // A request over a connection to the killed server may fail; the form then names the reason and can be sent again.
    let noticed = "document.body.innerText.includes('Another program answers')";
    let failed = "!!document.querySelector('.login .problem')?.textContent";
    eventually("the server is refused", || {
        type_login(&page, "anna", PASSWORD);
        page.until("the page has tried", &format!("{noticed} || {failed}"));
        (page.value(noticed) == true).then_some(())
    });
    let logins = server.output().matches("anna has logged in").count();
    assert_eq!(logins, 1, "{}", server.output());
    page.end();
    server.end();
    world.ok(["quit"]);
}
