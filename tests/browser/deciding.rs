//! The page of a process, and what is decided there and in the menus.

use pretty_assertions::assert_eq;

use crate::chromium::Chromium;
use crate::harness::World;
use crate::page::Page;
use crate::web_server::WebServer;

fn goes_to(page: &Page, path: &str) {
    let run = "location.hash.split('/').slice(0, 3).join('/')";
    page.value(&format!("void (location.hash = {run} + '/{path}')"));
}

/// The text that stands beside a term of the page.
fn fact(page: &Page, term: &str) -> String {
    let found =
        format!("[...document.querySelectorAll('dt')].find((one) => one.innerText === '{term}')");
    page.until(&format!("the fact {term}"), &found);
    page.text(&format!("{found}.nextElementSibling.innerText"))
}

#[test]
fn the_page_of_a_process_tells_how_it_is_run_and_what_depends_on_it() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\ndb: exec sleep 1000\napi: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.web]\ndepends_on = { db = { condition = \"started\", restart = true } }\n\
         env = { SECRET_OF_WEB = \"hidden value\" }\n\
         [process.api]\ndepends_on = [\"web\"]\n",
    );
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    goes_to(&page, "process/web");
    assert_eq!(fact(&page, "Directory"), world.app().display().to_string());
    assert_eq!(fact(&page, "Depends on"), "db started, restarts with it");
    assert!(fact(&page, "Needed by").starts_with("api "));
    let text = page.text("document.querySelector('.variables').textContent");
    for name in ["SECRET_OF_WEB", "PORT", "PS", "TMO_SESSION", "OVERMIND_SOCKET"] {
        assert!(text.split_whitespace().any(|word| word == name), "{name}: {text}");
    }
    assert!(!page.text("document.body.textContent").contains("hidden value"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_failure_text_is_removed_where_it_is_listed() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.ok(["failures", "add", "web", "out of luck"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    goes_to(&page, "process/web");
    page.click("Remove the failure text out of luck");
    page.click_at("//dialog[@open]//button[normalize-space()='Remove']");
    page.until("it is gone", "!document.body.innerText.includes('out of luck')");
    assert!(!world.ok(["failures", "list"]).contains("out of luck"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn signals_scaling_and_a_reload_are_in_the_menus() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: trap 'echo got it' USR1; while :; do sleep 0.1; done\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    goes_to(&page, "process/web");
    page.click("More for the process");
    page.click("Signal …");
    page.value("void (document.querySelector('dialog select').value = 'USR1')");
    page.click("Send");
    world.wait_text("web", "got it");
    page.click("More for the process");
    page.click("Scale …");
    page.value("void (document.querySelector('dialog input').value = '2')");
    page.click("Scale");
    world.wait_state("web#2", "running");
    world.write("Procfile", "web: exec sleep 1000\nnew: exec sleep 1000\n");
    page.click("More for the run");
    page.click("Reload the configuration");
    page.until("what has changed", "document.querySelector('dialog').innerText.includes('new: ')");
    page.click("Close");
    world.wait_state("new", "running");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_run_that_is_over_is_started_again_after_a_look_at_what_it_runs() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let mut page = Page::open(&chromium, &world, &web);
    page.allow("409");
    world.ok(["quit"]);
    page.click("Start again …");
    page.until(
        "what it runs",
        "document.querySelector('dialog').innerText.includes('exec sleep 1000')",
    );
    assert!(
        page.text("document.querySelector('dialog').innerText")
            .contains(world.app().to_str().unwrap())
    );
    // What has changed since is not run unseen.
    world.write("Procfile", "web: exec sleep 2000\n");
    page.click("Start");
    page.until(
        "a refusal",
        "document.querySelector('dialog').innerText.includes('has changed meanwhile')",
    );
    assert_eq!(world.run(["ps"]).code, 1);
    page.click("Cancel");
    page.click("Start again …");
    page.until(
        "what it runs now",
        "document.querySelector('dialog').innerText.includes('exec sleep 2000')",
    );
    page.click("Start");
    page.shows_state("web", "running");
    page.until("the dialog is closed", "!document.querySelector('dialog[open]')");
    page.end();
    web.end();
    world.ok(["quit"]);
}
