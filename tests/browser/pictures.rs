//! The screenshots of the README and of docs/WEB.md, which `shell/screenshots` makes from real processes.

use std::time::Duration;

use serde_json::json;

use crate::chromium::Chromium;
use crate::fleet_hosts::Fleet;
use crate::harness::World;
use crate::harness::procs::{self, Proc};
use crate::harness::wait::eventually_within;
use crate::page::Page;
use crate::web_server::WebServer;

/// How long the processes of the demo take until all of them show their behaviour.
const LIMIT: Duration = Duration::from_secs(180);

/// Take a screenshot, without the path of the project on this machine.
fn picture(page: &Page, name: &str) {
    page.value(
        "probe.all('.summary').forEach((line) => {
            line.textContent = line.textContent.replace(/ · \\/[^·]*$/, ' · ~/shop');
        })",
    );
    page.picture(name);
}

fn show_theme(page: &Page, theme: &str) {
    let scheme = json!([{ "name": "prefers-color-scheme", "value": theme }]);
    page.devtools("Emulation.setEmulatedMedia", &json!({ "features": scheme }));
    page.until("the theme", &format!("document.documentElement.dataset.theme === '{theme}'"));
}

/// Show a part of the run, and wait until it has this content.
fn show(page: &Page, place: &str, content: &str) {
    page.value(&format!(
        "void (location.hash = location.hash.split('/').slice(0, 3).join('/') + '/{place}')"
    ));
    page.until(&format!("{place} is shown"), content);
}

/// A robot on three hosts.
const ARM: &str =
    "drivers: n=0; while :; do n=$((n + 1)); echo \"joint $((n % 6)) at $n\"; sleep 0.3; done
gripper: n=0; while :; do n=$((n + 1)); echo \"force 0.$((n % 9)) N\"; sleep 0.7; done
";
const K9: &str = "camera: n=8110; while :; do n=$((n + 1)); echo \"frame $n\"; sleep 0.2; done
map: while :; do echo 'map is up to date'; sleep 3; done
";
const DESK: &str = "planner: while :; do echo 'path of 14 steps'; sleep 1; done\n";

#[test]
#[ignore = "makes a picture; shell/screenshots runs it"]
fn picture_of_a_fleet() {
    let Some(chromium) = Chromium::find() else { return };
    let fleet = Fleet::named(&[("k9", K9), ("arm", ARM), ("desk", DESK)]);
    for host in &fleet.hosts {
        host.write(".overmind.env", "OVERMIND_TITLE=robot\n");
    }
    fleet.ok(&["start"]);
    let web = WebServer::start_with(&fleet.here, &["--fleet"]);
    let mut page = Page::empty(&chromium, &fleet.here);
    page.allow("Failed to load resource");
    page.allow("WebSocket connection");
    page.go(&web.link);
    show_theme(&page, "light");
    page.until("all runs are there", "probe.all('.runs a').length === 3");
    page.click_at("//ul[contains(@class, 'runs')]//a[contains(@href, 'k9%3A')]");
    let has_figures = "probe.texts('tr[data-name=camera] td').some((text) => text.includes('KiB'))";
    page.until("its figures are there", has_figures);
    let living = fleet.hosts[0].living();
    let is_bridge = |one: &&Proc| one.args.get(1).is_some_and(|verb| verb == "bridge");
    let bridge = living.iter().find(is_bridge).unwrap().pid;
    fleet
        .host("k9", "echo 'ssh: connect to host k9.lan port 22: No route to host' >&2; exit 255\n");
    procs::kill(bridge, nix::libc::SIGKILL);
    page.until("it says why", "document.body.innerText.includes('No route to host')");
    page.click_at("//h1");
    page.resize(1280, 640);
    page.value(
        "probe.all('.summary').forEach((line) => { line.textContent = '2 running · ~/robot'; })",
    );
    page.picture("web-fleet");
    page.end();
    web.end();
    for host in &fleet.hosts {
        host.ok(["quit"]);
    }
}

/// A shop, as its development server shows it.
const SHOP: &str = r#"
use strict; use IO::Socket::IP; $| = 1; $SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die "$!\n";
my $page = <<'PAGE';
<!doctype html><meta charset=utf-8><meta name=viewport content="width=device-width"><title>shop</title><link rel=icon href=data:,>
<style>body { font: 17px sans-serif; margin: 28px 32px; color: #233 } h1 { font-size: 30px; margin: 0 0 20px }
li { display: flex; justify-content: space-between; padding: 11px 4px; border-bottom: 1px solid #dde }
ul { padding: 0 } button { font: inherit; padding: 9px 18px; border: 0; border-radius: 6px; background: #2563c9; color: #fff }</style>
<h1>Tea and biscuits</h1><ul><li>Darjeeling, first flush <b>9.80</b><li>Assam, loose <b>6.40</b>
<li>Shortbread <b>3.20</b><li>Ginger snaps <b>2.90</b></ul><button>To the basket</button>
PAGE
print "ready at http://localhost:$ENV{PORT}\n";
while (my $c = $server->accept) {
  if (fork) { close $c; next }
  while (my $line = <$c>) { last if $line eq "\r\n" }
  print $c "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n$page"; exit;
}
"#;

#[test]
#[ignore = "makes a picture; shell/screenshots runs it"]
fn picture_of_a_page_by_its_name() {
    let Some(chromium) = Chromium::find() else { return };
    let tick = "n=0; while :; do n=$((n + 1)); echo \"job $n done\"; sleep 1; done";
    let world =
        World::new(&format!("web: exec perl shop.pl\napi: exec perl shop.pl\nworker: {tick}\n"));
    world.write("shop.pl", SHOP);
    world.ok(["start", "-D", "--title", "shop"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let taken = |page: &Page| {
        let shot = page.devtools("Page.captureScreenshot", &json!({ "format": "png" }));
        format!("data:image/png;base64,{}", shot["data"].as_str().unwrap())
    };
    show_theme(&page, "light");
    page.resize(760, 440);
    let has_figures = "probe.texts('tr[data-name=worker] td').some((text) => text.includes('KiB'))";
    page.until("its figures are there", has_figures);
    page.value(
        "probe.all('.summary').forEach((line) => { line.textContent = '3 running · ~/shop'; })",
    );
    let overview = taken(&page);
    let (_, port) = page
        .text("location.origin")
        .rsplit_once(':')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    page.go(&format!("http://web.shop.localhost:{port}/"));
    page.resize(440, 440);
    let shop = taken(&page);
    page.go("about:blank");
    page.resize(1280, 520);
    let windows = [("localhost:10000", overview), ("web.shop.localhost:10000", shop)].map(|(address, image)| {
        format!("<figure><figcaption><i></i><i></i><i></i><span>{address}</span></figcaption><img src={image}></figure>")
    });
    let style = "body { margin: 20px; display: flex; gap: 24px; justify-content: center; background: #dfe5ec } \
        figure { margin: 0; border-radius: 9px; overflow: hidden; background: #fff; box-shadow: 0 2px 12px #0003 } \
        figcaption { font: 14px sans-serif; display: flex; gap: 7px; align-items: center; padding: 8px 12px; background: #eef1f5 } \
        i { width: 11px; height: 11px; border-radius: 50%; background: #c3cad3 } img { display: block } \
        span { margin-left: 8px; padding: 3px 12px; flex: 1; border-radius: 6px; background: #fff; color: #345 }";
    let document = json!(format!("<style>{style}</style>{}", windows.concat()));
    page.value(&format!("void (document.body.innerHTML = {document})"));
    page.until(
        "both are shown",
        "probe.all('img').every((image) => image.complete && image.naturalWidth)",
    );
    page.picture("web-names");
    web.end();
    world.ok(["quit"]);
}

#[test]
#[ignore = "makes pictures, and takes two minutes; shell/screenshots runs it"]
fn pictures_of_the_demo() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("unused: true\n");
    let dir = world.path().join("shop");
    world.ok(["demo", "--dir", dir.to_str().unwrap(), "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    show_theme(&page, "light");
    let crashed = || {
        let restarts =
            "document.querySelector('[data-name=worker] td:nth-of-type(4)')?.textContent";
        page.value(restarts).as_str().filter(|count| *count >= "3").map(drop)
    };
    eventually_within(LIMIT, "the worker has crashed three times", crashed);
    page.shows_state("worker", "running");
    page.until("the console waits", "document.body.innerText.includes('waits for an answer')");
    picture(&page, "web");
    show_theme(&page, "dark");
    picture(&page, "web-dark");
    show(&page, "log?q=KeyError", "probe.lines().some((line) => line.includes('KeyError'))");
    page.click("Older match");
    page.until("a match is shown", "!!document.querySelector('.row.here')");
    picture(&page, "web-log");
    show(&page, "process/worker", "document.body.innerText.includes('Crash reports')");
    show_theme(&page, "light");
    page.until("why it crashed", "!!document.querySelector('.cause')");
    picture(&page, "web-process");
    page.resize(390, 844);
    page.devtools("Emulation.setTouchEmulationEnabled", &json!({ "enabled": true }));
    show_theme(&page, "dark");
    show(
        &page,
        "terminal?name=console&look=0",
        "probe.texts('.xterm-rows').join().includes('(Pdb)')",
    );
    picture(&page, "web-phone");
    page.end();
    web.end();
    let socket = dir.join(".overmind.sock");
    world.ok(["quit", "--socket", socket.to_str().unwrap()]);
}
