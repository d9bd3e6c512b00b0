//! Back and forward, reloading and the tabs lead to what was left.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::harness::World;
use crate::keys::{END, PAGE_UP};
use crate::page::Page;
use crate::web_server::WebServer;

const APP: &str = "\
flood: seq -f 'line %.0f' 2000; exec sleep 1000
other: while :; do echo other; sleep 0.2; done
quiet: exec sleep 1000
";

/// The names of the processes whose lines are on the page.
const NAMES: &str = "[...new Set(probe.texts('.rows .name'))].sort()";

/// The cursor of the first line on the screen, of which a part may be above it.
const FIRST: &str = "probe.place().split(' ')[0]";

fn app() -> World {
    let world = World::new(APP);
    world.ok(["start", "-D"]);
    world.wait_text("flood", "line 2000");
    world
}

fn is_at(page: &Page, view: &str) {
    page.until(&format!("the view is {view}"), &format!("document.body.dataset.view === '{view}'"));
}

fn goes(page: &Page, direction: &str) {
    page.value(&format!("void history.{direction}()"));
}

fn follows(page: &Page) {
    page.until("it follows", "document.querySelector('.log-foot').innerText.includes('following')");
}

/// Scroll up, and wait until the address has the place; returns its first line.
fn scrolls_up(page: &Page) -> Value {
    page.wheels(-2000);
    page.until("the address has the place", "/top=\\d/.test(location.hash)");
    page.value(FIRST)
}

fn is_back_at(page: &Page, line: &Value) {
    page.until("the log is at its place", &format!("{FIRST} === {line}"));
}

#[test]
fn back_reload_and_the_tabs_lead_to_the_same_place_in_the_log() {
    let Some(chromium) = Chromium::find() else { return };
    let world = app();
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("other");
    follows(&page);
    let line = scrolls_up(&page);
    for tab in ["Overview", "Figures", "Apps", "Terminal"] {
        page.click(tab);
        is_at(&page, &tab.to_lowercase());
        goes(&page, "back");
        is_at(&page, "log");
        is_back_at(&page, &line);
        goes(&page, "forward");
        is_at(&page, &tab.to_lowercase());
        page.click("Log");
        is_at(&page, "log");
        is_back_at(&page, &line);
    }
    page.reload();
    page.shows_line("line");
    is_back_at(&page, &line);
    page.types(END);
    follows(&page);
    page.until("the address has no place", "!location.hash.includes('top=')");
    page.reload();
    page.shows_line("other");
    follows(&page);
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// A phone that is turned has other rows, and the reader is where he was.
#[test]
fn the_line_that_was_read_is_still_there_when_a_phone_is_turned() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: for i in $(seq 3000); do echo \"line $i $(printf 'word%.0s ' $(seq $((i % 20))))\"; done; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "line 3000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.resize(390, 844);
    page.until("the size", "innerWidth === 390");
    page.click("Log");
    page.until("the end is there", "probe.lines().some((line) => line.startsWith('line 3000'))");
    for _ in 0..4 {
        page.presses(&[PAGE_UP]);
    }
    page.until("the address has the place", "/top=\\d/.test(location.hash)");
    let line = page.value(FIRST);
    for (width, height) in [(844, 390), (390, 844)] {
        page.resize(width, height);
        page.until("the size", &format!("innerWidth === {width}"));
        is_back_at(&page, &line);
    }
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn the_choice_of_processes_stays_and_a_tick_leads_nowhere() {
    let Some(chromium) = Chromium::find() else { return };
    let world = app();
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let steps = page.number("history.length");
    page.click("Show flood in the log");
    page.click("Show quiet in the log");
    is_at(&page, "overview");
    assert_eq!(page.number("history.length"), steps, "no tick is a step for Back");
    page.click("Log");
    page.shows_line("other");
    assert_eq!(page.value(NAMES), json!(["other"]));
    page.click("Overview");
    is_at(&page, "overview");
    page.types("l");
    is_at(&page, "log");
    page.until("the choice is the same", &format!("{NAMES}.join() === 'other'"));
    page.click("Show flood in the log");
    page.until("flood is shown, too", &format!("{NAMES}.join() === 'flood,other'"));
    page.reload();
    page.shows_line("other");
    page.until("the choice is the same", &format!("{NAMES}.join() === 'flood,other'"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn back_closes_a_dialog_and_nothing_else() {
    let Some(chromium) = Chromium::find() else { return };
    let world = app();
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let is_open = "!!document.querySelector('dialog[open]')";
    let is_closed = &format!("!{is_open}");
    page.click("Log");
    page.shows_line("other");
    let line = scrolls_up(&page);
    for button in ["Shut down", "Settings", "Keys", "Restart all"] {
        page.click(button);
        page.until("the dialog", is_open);
        goes(&page, "back");
        page.until("it is closed", is_closed);
        is_at(&page, "log");
        is_back_at(&page, &line);
        // The entry of a dialog that is closed is passed over: there and back.
        page.value("void (window.moves = 0, window.onpopstate = () => { window.moves += 1; })");
        goes(&page, "forward");
        page.until("the entry is that of the log", "window.moves === 2 && history.state === null");
        assert_eq!(page.value(is_open), json!(false));
        is_back_at(&page, &line);
    }
    // Closed by its own button, it leaves no step.
    page.click("Settings");
    page.until("the dialog", is_open);
    page.click("Close");
    page.until("its entry is gone", "history.state === null");
    goes(&page, "back");
    is_at(&page, "overview");
    // What leads elsewhere takes its place in the history.
    page.click("Log of other");
    page.until("the dialog", is_open);
    page.click("Open in the log");
    is_at(&page, "log");
    goes(&page, "back");
    is_at(&page, "overview");
    assert_eq!(page.value(is_open), json!(false));
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// What is done while the browser is still on its way back from the entry of a dialog counts all the same.
#[test]
fn what_follows_a_dialog_at_once_is_not_undone_by_its_way_back() {
    let Some(chromium) = Chromium::find() else { return };
    let world = app();
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let is_open = "!!document.querySelector('dialog[open]')";
    let is_closed = &format!("!{is_open}");
    page.click("Log");
    page.shows_line("other");
    page.value("void (window.moves = 0, window.onpopstate = () => { window.moves += 1; })");
    // One that opens as soon as another is closed stays.
    page.click("Settings");
    page.until("the dialog", is_open);
    page.click("Close");
    page.click("Shut down");
    page.until("the entry is that of the second", "history.state !== null && window.moves >= 1");
    assert_eq!(page.value(is_open), json!(true));
    goes(&page, "back");
    page.until("it is closed", is_closed);
    is_at(&page, "log");
    // One that opens from another, as that closes, leaves no step of either.
    let both = "import(new URL('views/dialog.js', document.querySelector('script[type=module]').src)).then((part) => {
        part.dialog('First', () => []).close();
        part.dialog('Second', () => []);
    })";
    page.value(both);
    page.until("the first is gone", "document.querySelectorAll('dialog').length === 1");
    page.click("Close");
    page.until("no entry is left", "history.state === null");
    // A link that is pressed while the browser is still on its way back from the entry leads to its view.
    page.click("Settings");
    page.until("the dialog", is_open);
    page.value(
        "void (history.back = () => {
            delete history.back;
            probe.all('a').find((link) => link.textContent === 'Figures').click();
            history.back();
        })",
    );
    page.click("Close");
    is_at(&page, "figures");
    goes(&page, "back");
    is_at(&page, "log");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_long_page_is_where_it_was_left() {
    let Some(chromium) = Chromium::find() else { return };
    let names = (1..=60).map(|number| format!("p{number}: exec sleep 1000\n"));
    let world = World::new(&names.collect::<String>());
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.until("all rows", "probe.all('.processes tr[data-name]').length === 60");
    for (view, scroller) in [("overview", ".overview"), ("figures", ".figures-scroll")] {
        let top = format!("document.querySelector('{scroller}').scrollTop");
        page.value(&format!(
            "void (location.hash = location.hash.replace(/(r.[^/]+).*/, '$1/{view}'))"
        ));
        is_at(&page, view);
        page.until("it can be scrolled", &format!("({top} = 700, {top} === 700)"));
        page.click("Log");
        is_at(&page, "log");
        goes(&page, "back");
        is_at(&page, view);
        page.until("it is where it was", &format!("{top} === 700"));
    }
    page.end();
    web.end();
    world.ok(["quit"]);
}
