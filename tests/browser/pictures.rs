//! The screenshots of the README and of docs/WEB.md, which `shell/screenshots` makes from real processes.

use std::time::Duration;

use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::World;
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
