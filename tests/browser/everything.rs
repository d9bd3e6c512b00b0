//! Several runs: the list of them, and the search over all of their logs.

use std::path::PathBuf;

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::World;
use crate::keys::{BACKSPACE, DOWN};
use crate::page::Page;
use crate::web_server::WebServer;

/// A project beside that of the world.
struct Other<'a> {
    world: &'a World,
    dir: PathBuf,
}

impl<'a> Other<'a> {
    fn new(world: &'a World, procfile: &str) -> Self {
        let dir = world.path().join("older");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("Procfile"), procfile).unwrap();
        Self { world, dir }
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) {
        let out =
            self.world.tmo(args).current_dir(&self.dir).env("PWD", &self.dir).output().unwrap();
        assert!(out.status.success(), "{args:?}: {out:?}");
    }
}

#[test]
fn a_run_that_begins_or_ends_is_in_the_list_by_itself() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.until("there is one run", "probe.all('.runs a').length === 1");
    let other = Other::new(&world, "old: exec sleep 1000\n");
    other.ok(&["start", "-D"]);
    page.until("the other run is there", "probe.texts('.runs a').includes('older')");
    other.ok(&["quit"]);
    let has_ended =
        "probe.texts('.runs a').some((text) => /^older\\s+ended \\d\\d:\\d\\d$/.test(text))";
    page.until("it shows when the run ended", has_ended);
    page.click_at("//button[contains(., 'Ended (1)')]");
    page.until("it is folded", "probe.all('.runs a').length === 1");
    // The page has requested neither.
    assert_eq!(page.number("probe.requests('/runs')"), 0);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn an_address_of_an_unknown_run_says_so_in_every_view() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let mut page = Page::open(&chromium, &world, &web);
    page.allow("status of 404");
    page.shows_state("web", "running");
    let told = "document.querySelector('main').innerText.includes('There is no such run')";
    for view in ["overview", "log", "process/web", "terminal", "figures"] {
        page.value(&format!("void (location.hash = '#/r/0123456789/{view}')"));
        page.until(&format!("{view} says so"), told);
        page.click_at("//*[contains(@class, 'runs')]//a");
        page.shows_state("web", "running");
        page.until("it no longer says so", &format!("!{told}"));
    }
    // A view that there is not is the overview.
    page.value(
        "void (location.hash = location.hash.split('/').slice(0, 3).join('/') + '/nothing')",
    );
    page.until("the overview", "document.body.dataset.view === 'overview'");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_search_over_everything_leads_to_a_line_of_a_run_that_is_over() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: seq -f 'line %.0f' 3000; echo A Needle in web; exec sleep 1000\n");
    let other = Other::new(
        &world,
        "old: seq -f 'before %.0f' 2000; echo the needle of old; seq -f 'after %.0f' 2000\n",
    );
    // It ends with its only process.
    other.ok(&["start"]);
    world.ok(["start", "-D"]);
    world.wait_text("web", "A Needle in web");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.types("e");
    page.until("the field has the focus", "document.activeElement.matches('.everywhere')");
    page.types("needle");
    let hits = "probe.texts('.hit-line').map((one) => one.trim())";
    let both = json!(["A Needle in web", "the needle of old"]);
    page.until("both are found", &format!("JSON.stringify({hits}) === '{both}'"));
    page.until(
        "the lines around it are there",
        concat!(
            "probe.all('.hit code').at(-1).innerText.includes('before 2000') && ",
            "probe.all('.hit code').at(-1).innerText.includes('after 1')"
        ),
    );
    assert_eq!(page.value("probe.texts('.hit mark')"), json!(["Needle", "needle"]));
    page.until(
        "it is done",
        "document.querySelector('.everything [role=status]').textContent === '2 matches in 2 runs'",
    );
    page.picture("search-everything");
    page.click("Match the case");
    page.until("one is left", &format!("JSON.stringify({hits}) === '[\"the needle of old\"]'"));
    page.click_at("//*[@class='hit'][contains(., 'the needle of old')]");
    page.until("the line is selected", "probe.texts('.row.here .text')[0] === 'the needle of old'");
    let around = "['before 2000', 'the needle of old', 'after 1'].every((one) => probe.visible().includes(one))";
    page.until("the lines around it are shown", around);
    page.until("it is the log of that run", "document.querySelector('h1').textContent === 'older'");
    page.value("history.back()");
    page.until("the matches are still there", &format!("{hits}.length === 1"));
    // What is typed on is searched at once, and is one step for Back.
    let steps = page.number("history.length");
    page.types("e");
    page.until("the field has the focus", "document.activeElement.matches('.everywhere')");
    page.types(" of o");
    let of_old = "document.querySelector('.everything [role=status]').textContent === '1 match in 2 runs' && location.hash.includes('needle+of+o')";
    page.until("it is searched", of_old);
    page.types("x");
    page.until("there is none", &format!("{hits}.length === 0"));
    page.types(BACKSPACE);
    page.until("it is found again", &format!("{of_old} && {hits}.length === 1"));
    assert_eq!(page.number("history.length"), steps);
    page.types(DOWN);
    page.until("the match has the focus", "document.activeElement.matches('.hit')");
    page.resize(390, 844);
    page.until("the field is on the screen", "probe.isOnScreen('.everywhere')");
    page.picture("search-everything-phone");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_match_of_an_expression_is_marked_in_the_log_that_it_opens() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: echo order 4711 paid; echo order none; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "order none");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.value("void (location.hash = location.hash.split('/').slice(0, 3).join('/') + '/search?regex=1&q=order%20%5Cd%2B')");
    page.click_at("//*[@class='hit'][contains(., 'order 4711 paid')]");
    page.until("the line is selected", "probe.texts('.row.here .text')[0] === 'order 4711 paid'");
    let marked = "[...CSS.highlights.get('find') ?? []].map((range) => range.toString())";
    page.until("it is marked", &format!("JSON.stringify({marked}) === '[\"order 4711\"]'"));
    page.reload();
    page.until("also after a reload", &format!("JSON.stringify({marked}) === '[\"order 4711\"]'"));
    page.end();
    web.end();
    world.ok(["quit"]);
}
