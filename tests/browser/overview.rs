//! The overview: states, buttons, shutting down, and hundreds of processes.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::{World, eventually};
use crate::page::Page;
use crate::web_server::WebServer;

const SHOP: &str = "\
web: exec sleep 1000
api: exec sleep 1000
worker: echo no; exit 3
done: true
";

#[test]
fn each_process_is_shown_with_its_state_and_obeys_its_buttons() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(SHOP);
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    for (name, word) in
        [("web", "running"), ("api", "running"), ("worker", "exit 3"), ("done", "exited")]
    {
        page.shows_state(name, word);
    }
    let first = world.field("web", "pid");
    let api = world.field("api", "pid");
    page.click("Stop web");
    page.shows_state("web", "stopped");
    page.click("Start web");
    page.shows_state("web", "running");
    let second = world.field("web", "pid");
    assert_ne!(second, first);
    page.click("Restart web");
    eventually("web has another pid", || {
        let pid = world.field("web", "pid");
        (pid.is_u64() && pid != second).then_some(())
    });
    page.shows_state("web", "running");
    for what in ["stop", "start", "restart"] {
        let count = format!("probe.requests('/api/processes/web/{what}')");
        assert_eq!(page.number(&count), 1, "requests to {what}");
    }
    assert_eq!(world.field("api", "pid"), api);
    assert_eq!(world.field("done", "pid"), json!(null));
    page.end();
    web.end();
    world.ok(["quit"]);
}
