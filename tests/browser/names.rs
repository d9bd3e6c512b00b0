//! Pages of processes, opened by their names.

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::chromium::Chromium;
use crate::harness::World;
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
