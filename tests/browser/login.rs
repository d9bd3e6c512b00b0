//! Links, sessions, pages of other origins, and a killed server.

use crate::chromium::Chromium;
use crate::harness::World;
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
    thief.go("about:blank");
    thief.go(&other);
    thief.shows_state("web", "running");
    thief.end();
    web.end();
    world.ok(["quit"]);
}
