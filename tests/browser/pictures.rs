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
