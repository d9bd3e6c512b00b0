//! Search, filters by name, and links to lines.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::World;
use crate::keys::{ENTER, ESCAPE, SHIFT};
use crate::page::Page;
use crate::web_server::{WebServer, link_in};

/// Three lines with the word `needle`, far from each other and from the end.
const HAY: &str = "\
hay: for at in 1 2 3; do seq -f \"hay $at.%.0f\" 3000; echo needle $at; done; seq -f 'end %.0f' 3000; exec sleep 1000
";

#[test]
fn a_search_finds_old_lines_with_those_around_them_and_goes_on_by_key() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(HAY);
    world.ok(["start", "-D"]);
    world.wait_text("hay", "end 3000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.types("/");
    page.until("the search has the focus", "document.activeElement.matches('.find')");
    page.types("needle");
    page.presses(&[ENTER]);
    let hit = |number: u32| {
        let shown = "probe.texts('.row.here .text')[0]";
        page.until(&format!("needle {number} is found"), &format!("{shown} === 'needle {number}'"));
        let around = format!(
            "['hay {number}.3000', 'needle {number}'].every((one) => probe.visible().includes(one))"
        );
        page.until("the lines around it are shown", &around);
    };
    hit(3);
    page.click_at("//footer[@class='log-foot']");
    page.types("n");
    hit(2);
    page.types("n");
    hit(1);
    page.presses(&[SHIFT, "N"]);
    hit(2);
    page.click("Only matches");
    let matches = json!(["needle 1", "needle 2", "needle 3"]);
    page.until(
        "only the matches are shown",
        &format!("JSON.stringify(probe.lines()) === '{matches}'"),
    );
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_text_that_is_typed_leads_to_its_newest_match() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(HAY);
    world.ok(["start", "-D"]);
    world.wait_text("hay", "end 3000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.types("/");
    page.until("the search has the focus", "document.activeElement.matches('.find')");
    page.types("needle");
    page.until(
        "the newest match is shown",
        "probe.texts('.row.here .text')[0] === 'needle 3' && probe.visible().includes('needle 3')",
    );
    page.types(" 1");
    page.until("it leads on", "probe.texts('.row.here .text')[0] === 'needle 1'");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_name_that_is_ticked_off_is_hidden_also_after_a_reload() {
    let Some(chromium) = Chromium::find() else { return };
    let world =
        World::new("web: echo I am web; exec sleep 1000\napi: echo I am api; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("I am web");
    page.click("Show web in the log");
    let is_hidden = "probe.lines().includes('I am api') && !probe.lines().includes('I am web')";
    page.until("web is hidden", is_hidden);
    assert!(page.address().contains("names=%21web"), "{}", page.address());
    page.reload();
    page.until("web is still hidden", is_hidden);
    // Only that one is hidden: what comes later is not.
    world.ok(["scale", "api=2"]);
    page.until(
        "the second is shown",
        "probe.lines().filter((line) => line === 'I am api').length === 2",
    );
    let all = "probe.all('.side button').find((one) => one.innerText === 'Show all in the log')";
    page.until("it offers to show all", &format!("{all}?.checkVisibility()"));
    let tick = "document.querySelector('[aria-label=\"Show web in the log\"]').checked";
    page.until("web is ticked off", &format!("{tick} === false"));
    page.click("Show web in the log");
    page.shows_line("I am web");
    page.until("all are shown", &format!("!{all}.checkVisibility()"));
    page.click_at("//button[@title='Only api (running)']");
    page.until("web is hidden", is_hidden);
    page.click("Show all in the log");
    page.shows_line("I am web");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn the_address_of_a_selected_line_leads_to_it_in_another_browser() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(HAY);
    world.ok(["start", "-D"]);
    world.wait_text("hay", "end 3000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("end 3000");
    page.click_at("//*[contains(@class, 'row')][*[.='end 2990']]/*[@class='time']");
    page.until("the line is selected", "probe.texts('.row.here .text')[0] === 'end 2990'");
    let address = page.address();
    assert!(address.contains("at="), "{address}");
    page.end();
    let other = Page::empty(&chromium, &world);
    other.go(&link_in(&world.ok(["web", "--link"])).unwrap());
    other.shows_state("hay", "running");
    other.go(&address);
    other.until("the line is selected there", "probe.texts('.row.here .text')[0] === 'end 2990'");
    other.until("the line can be seen", "probe.visible().includes('end 2990')");
    other.end();
    web.end();
    world.ok(["quit"]);
}

/// Few lines of one process between many of another. Each part is printed once its file exists.
const BETWEEN: &str = "\
chatty: until [ -e one ]; do sleep 0.05; done; seq -f 'first %.0f' 3000; until [ -e three ]; do sleep 0.05; done; seq -f 'second %.0f' 3000; exec sleep 1000
worker: until [ -e two ]; do sleep 0.05; done; seq -f 'job %.0f' 5; exec sleep 1000
";

/// A run of these processes, whose log has the parts in order.
fn between() -> World {
    let world = World::new(BETWEEN);
    world.ok(["start", "-D"]);
    world.wait_state("chatty", "running");
    world.wait_state("worker", "running");
    let parts = [
        ("one", "chatty", "first 3000"),
        ("two", "worker", "job 5"),
        ("three", "chatty", "second 3000"),
    ];
    for (file, name, last) in parts {
        std::fs::write(world.app().join(file), "").unwrap();
        world.wait_text(name, last);
    }
    world
}

#[test]
fn the_log_stays_in_place_when_a_process_is_hidden_and_shown_again() {
    let Some(chromium) = Chromium::find() else { return };
    let world = between();
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("second 3000");
    page.click("worker");
    let is_seen = |texts: &str| format!("{texts}.every((text) => probe.visible().includes(text))");
    let is_gone = |text: &str| format!("!probe.lines().includes('{text}')");
    let is_only = format!("{} && {}", is_gone("second 3000"), is_seen("['job 5']"));
    page.until("only worker is shown", &is_only);
    page.click_at("//*[contains(@class, 'row')][*[.='job 3']]/*[@class='time']");
    page.until("the line is selected", "probe.texts('.row.here .text')[0] === 'job 3'");
    let at = page.text("new URLSearchParams(location.hash.split('?')[1]).get('at')");
    let top = "document.querySelector('.rows .here').getBoundingClientRect().top";
    let height = page.value(top);

    page.click("Show chatty in the log");
    page.until("both are shown", &is_seen("['first 3000', 'job 3', 'second 1']"));
    assert_eq!(page.value(top), height);
    page.click("Show worker in the log");
    let is_near = format!("{} && {}", is_gone("job 3"), is_seen("['first 3000', 'second 1']"));
    page.until("the nearest lines are shown", &is_near);
    assert!(page.address().contains(&format!("at={at}")), "{}", page.address());
    page.click("Show worker in the log");
    page.until("the selected line is back", &is_seen("['job 3']"));
    assert_eq!(page.value(top), height);

    page.presses(&[ESCAPE]);
    page.until("nothing is selected", "probe.all('.row.here').length === 0");
    let place = page.text("probe.place()");
    page.click("Show chatty in the log");
    page.until("chatty is hidden", &is_gone("first 3000"));
    page.click("Show chatty in the log");
    page.until("chatty is shown", &is_seen("['second 1']"));
    assert_eq!(page.text("probe.place()"), place);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_line_that_a_crash_repeats_is_found_once() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: exec sleep 1000\nworker: echo unusual words; echo \"KeyError: 'email'\" >&2; exit 1\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_text("worker", "crashed (exit 1)");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("crashed (exit 1)");
    page.types("/");
    page.until("the search has the focus", "document.activeElement.matches('.find')");
    page.types("unusual");
    let status = "document.querySelector('.find-status').textContent";
    page.until("it is found once", &format!("{status} === '1/1'"));
    page.until("that is the output", "probe.texts('.row.here .text')[0] === 'unusual words'");
    page.click("Older match");
    page.until("there is no other", &format!("{status} === 'no older match'"));
    page.end();
    web.end();
    world.ok(["quit"]);
}
