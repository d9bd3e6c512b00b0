//! Pages of processes, opened by their names.

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::chromium::Chromium;
use crate::harness::{Ran, World};
use crate::page::Page;
use crate::web_server::WebServer;

/// A development server: its page shows the text of the file `text`, as a WebSocket and an event stream bring it after
/// each change. `/head` answers with the head of the request.
const DEV_SERVER: &str = r#"
use strict; use IO::Socket::IP; use Digest::SHA 'sha1'; use MIME::Base64; $| = 1; $SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die "$!\n";
sub text { open my $file, '<', 'text' or return ''; my $text = <$file> // ''; chomp $text; $text }
sub each_text { my $send = shift; my $last = ''; while (1) { my $now = text; if ($now ne $last) { $send->($last = $now) or exit } select undef, undef, undef, 0.02 } }
my $page = <<'PAGE';
<!doctype html><title>shop</title><link rel=icon href=data:,><p id=socket></p><p id=events></p><script>
const shows = (id) => (event) => { document.getElementById(id).textContent = event.data };
new WebSocket(`ws://${location.host}/hot`).onmessage = shows('socket');
new EventSource('/events').onmessage = shows('events');
document.cookie = 'script=1'; document.cookie = 'wide=1; domain=localhost';
</script>
PAGE
while (my $c = $server->accept) {
  if (fork) { close $c; next }
  close $server; $c->autoflush(1);
  while (1) {
    my ($head, $key) = ('', '');
    while (my $line = <$c>) { $head .= $line; $key = $1 if $line =~ /^sec-websocket-key: (\S+)/i; last if $line eq "\r\n" }
    exit unless $head =~ m{^\S+ (\S+)}; my $path = $1;
    if ($path eq '/hot') {
      my $accept = encode_base64(sha1($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'), '');
      print $c "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: $accept\r\n\r\n";
      each_text(sub { my $text = shift; print $c "\x81" . chr(length $text) . $text });
    }
    if ($path eq '/events') {
      print $c "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
      each_text(sub { my $text = shift; print $c "data: $text\n\n" });
    }
    my $body = $path eq '/head' ? $head : $page;
    print $c "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: " . length($body) . "\r\nSet-Cookie: own=1; Secure\r\n\r\n$body";
  }
}
"#;

fn shop() -> World {
    let world = World::new("web: exec perl dev.pl\n");
    world.write("dev.pl", DEV_SERVER);
    world.write("text", "first\n");
    world.ok(["start", "-D", "--title", "Shop"]);
    world
}

/// The origin of a page.
fn origin(page: &Page) -> String {
    page.text("location.origin")
}

#[test]
fn a_page_of_a_process_is_changed_by_its_server_without_a_reload() {
    let Some(chromium) = Chromium::find() else { return };
    let world = shop();
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let port = origin(&page).rsplit_once(':').unwrap().1.to_owned();
    page.go(&format!("http://web.shop.localhost:{port}/"));
    let shows = |text: &str| {
        for id in ["socket", "events"] {
            let shown = format!("document.getElementById('{id}').textContent === '{text}'");
            page.until(&format!("{text} arrives by {id}"), &shown);
        }
    };
    shows("first");
    page.value("(window.isSamePage = true, null)");
    world.write("text", "second\n");
    shows("second");
    assert_eq!(page.value("window.isSamePage"), true);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_page_of_a_process_and_the_page_of_tmo_share_nothing() {
    let Some(chromium) = Chromium::find() else { return };
    let world = shop();
    let web = WebServer::start(&world);
    let mut page = Page::open(&chromium, &world, &web);
    let (own, address) = (origin(&page), page.address());
    let port = own.rsplit_once(':').unwrap().1;
    page.go(&format!("http://web.shop.localhost:{port}/"));
    page.until("it is loaded", "document.getElementById('socket').textContent");
    let cookies = page.text("document.cookie");
    for cookie in ["own=1", "script=1"] {
        assert!(cookies.contains(cookie), "{cookies}");
    }
    // Its program gets its own cookies, and no other.
    let head = page.text("fetch('/head').then((answer) => answer.text())").to_lowercase();
    let sent = head.lines().find_map(|line| line.strip_prefix("cookie: ")).unwrap();
    let mut sent: Vec<_> = sent.split("; ").collect();
    sent.sort_unstable();
    assert_eq!(sent, ["own=1", "script=1"], "{head}");
    // It can't read what tmo answers, by its name or by that of localhost.
    page.allow("CORS policy");
    page.allow("Failed to load resource");
    for at in [own.clone(), format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}")]
    {
        for path in ["/runs", "/me"] {
            let fetch = |mode: &str| {
                let options = format!("{{ credentials: 'include', mode: '{mode}' }}");
                page.value(&format!(
                    "fetch('{at}{path}', {options}).then((answer) => answer.text(), () => null)"
                ))
            };
            assert_eq!(fetch("cors"), Value::Null, "{at}{path}");
            let blind = fetch("no-cors");
            assert!([Value::Null, Value::from("")].contains(&blind), "{at}{path}: {blind}");
        }
    }
    // The paths of tmo are those of the program here.
    assert!(page.text("fetch('/me').then((answer) => answer.text())").contains("EventSource"));
    page.go(&address);
    page.shows_state("web", "running");
    assert_eq!(page.text("document.cookie"), "");
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// The page of `web` shows what `api` answers, which lets only pages at the address of `web` read that.
const FRONT_AND_BACK: &str = r#"
use strict; use IO::Socket::IP; use Cwd; $| = 1; $SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die "$!\n";
my $text = $ENV{PS} eq 'api' ? 'api of ' . getcwd() : <<"PAGE";
<!doctype html><title>web</title><link rel=icon href=data:,><p id=api></p><script>
fetch('$ENV{TMO_PROCESS_api_URL}/').then((answer) => answer.text()).then((text) => { document.getElementById('api').textContent = text });
</script>
PAGE
my $origin = $ENV{TMO_PROCESS_web_URL} // 'none';
while (my $c = $server->accept) {
  if (fork) { close $c; next }
  while (my $line = <$c>) { last if $line eq "\r\n" }
  print $c "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nAccess-Control-Allow-Origin: $origin\r\nConnection: close\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
  exit;
}
"#;

#[test]
fn pages_of_three_worktrees_call_their_apis_by_name_whenever_each_was_started() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec perl both.pl\napi: exec perl both.pl\n");
    world.write("both.pl", FRONT_AND_BACK);
    std::fs::create_dir_all(world.app().join(".git")).unwrap();
    let linked = ["fix-ui", "spike"].map(|name| {
        let dir = world.app().parent().unwrap().join(name);
        std::fs::create_dir(&dir).unwrap();
        for file in ["Procfile", "both.pl"] {
            std::fs::copy(world.app().join(file), dir.join(file)).unwrap();
        }
        let git = format!("gitdir: {}/.git/worktrees/{name}\n", world.app().display());
        std::fs::write(dir.join(".git"), git).unwrap();
        dir
    });
    let dirs = [&world.app(), &linked[0], &linked[1]];
    let at = |dir: &std::path::Path, args: &[&str]| {
        let ran = Ran::of(&world.tmo(args).current_dir(dir).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    // Before the first page, while one is served, and while none is.
    at(dirs[0], &["start", "-D"]);
    // A port of this test, also while nothing listens there.
    let page = world.port(5).to_string();
    let web = WebServer::start_as(&world, world.tmo(["web", "--port", &page]));
    at(dirs[1], &["start", "-D", "--port", &(world.port(0) + 10).to_string()]);
    web.end();
    at(dirs[2], &["start", "-D", "--port", &(world.port(0) + 20).to_string()]);
    let web = WebServer::start_as(&world, world.tmo(["web"]));
    // What was up before the first page is marked as changed, and told by a reload.
    at(dirs[0], &["reload"]);
    let page = Page::open(&chromium, &world, &web);
    let address = page.address();
    let port = origin(&page).rsplit_once(':').unwrap().1.to_owned();
    for dir in dirs {
        let name = dir.file_name().unwrap().to_str().unwrap();
        page.go(&format!("http://web.{name}.localhost:{port}/"));
        let text = format!("api of {}", dir.canonicalize().unwrap().display());
        let shown = format!("document.getElementById('api').textContent === '{text}'");
        page.until(&format!("{name} shows its api"), &shown);
    }
    page.go(&address);
    page.shows_state("web", "running");
    page.end();
    web.end();
    for dir in dirs {
        at(dir, &["quit"]);
    }
}
