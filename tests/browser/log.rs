//! The log: any output as text, following, staying in place, both ends, clearing.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::{World, eventually};
use crate::keys::{END, HOME};
use crate::page::Page;
use crate::web_server::WebServer;

/// The text of the line that contains this.
fn line_with(page: &Page, text: &str) -> String {
    page.text(&format!("probe.lines().find((line) => line.includes({text:?}))"))
}

#[test]
fn colours_are_shown_and_nothing_in_a_line_is_markup_or_a_command() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(concat!(
        r"red: printf '\033[31mred\033[0m <b>bold</b>\n'; exec sleep 1000",
        "\n",
        r"title: printf 'a\033]0;evil\007b\033]8;;http://evil.example/\007c\033]8;;\007\033]52;c;ZXZpbA==\007d\n'; exec sleep 1000",
        "\n",
        r"long: head -c 1048576 /dev/zero | tr '\0' x; echo end; exec sleep 1000",
        "\n",
    ));
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("red");
    assert_eq!(line_with(&page, "red"), "red <b>bold</b>");
    let red = "probe.all('.text span').find((one) => one.textContent === 'red')";
    let color = format!("getComputedStyle({red}).color");
    let theme = "getComputedStyle(document.documentElement).getPropertyValue('--c1')";
    let shown = format!("[...{color}.matchAll(/\\d+/g)].map(Number)");
    let wanted =
        format!("{theme}.trim().match(/[0-9a-f]{{2}}/g).map((pair) => parseInt(pair, 16))");
    assert_eq!(page.value(&shown), page.value(&wanted));
    assert_eq!(page.value("probe.all('.text b, .text a').length"), json!(0));
    page.shows_line("abcd");
    assert!(!page.text("document.title").contains("evil"));
    page.click_at("//button[starts-with(normalize-space(), 'show all')]");
    page.until("the long line is whole", "probe.lines().some((line) => line.length === 1048576)");
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// Prints some lines, and 100 000 more each time the test has written a file.
const FLOOD: &str = "\
flood: seq -f 'old line %.0f' 500; for name in first second; do \
while ! [ -e $name ]; do sleep 0.05; done; seq -f \"$name flood %.0f\" 100000; done; exec sleep 1000
";

#[test]
fn a_log_that_was_scrolled_up_stays_in_place_during_a_flood_until_it_follows_again() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(FLOOD);
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("old line 500");
    page.wheels(-20);
    page.until("there is a button that follows again", "probe.all('.jump:not([hidden])').length");
    page.until("the wheel has turned", "!probe.visible().includes('old line 500')");
    let place = page.text("probe.place()");
    world.write("first", "");
    let below = r"/\d MB below/.test(document.querySelector('.jump').textContent)";
    eventually("the button says that there is more", || {
        assert_eq!(page.text("probe.place()"), place);
        page.value(below).as_bool().filter(|&is_there| is_there)
    });
    world.wait_text("flood", "first flood 100000");
    assert_eq!(page.text("probe.place()"), place);
    page.click_at("//button[contains(@class, 'jump')]");
    page.shows_line("first flood 100000");
    page.until("the end can be seen", "probe.visible().includes('first flood 100000')");
    assert_eq!(page.value("probe.all('.jump:not([hidden])').length"), json!(0));

    world.write("second", "");
    page.shows_line("second flood 100000");
    page.until("the end can be seen", "probe.visible().includes('second flood 100000')");
    let elements = page.number("probe.elements()");
    assert!(elements < 10_000, "{elements} elements");
    let requests = page.number("probe.busiest('/api/lines')");
    assert!(requests <= 25, "{requests} requests within a second");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn the_keys_home_and_end_lead_to_the_first_and_the_last_line() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("count: seq -f 'line %.0f' 20000; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("count", "line 20000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("line 20000");
    page.presses(&[HOME]);
    // tmo itself has logged the first ones.
    let first = world.ok(["logs"]).lines().next().unwrap().split_once("| ").unwrap().1.to_owned();
    page.until("the first line is at the top", &format!("probe.visible()[0] === {first:?}"));
    page.until("the first line of the process", "probe.visible().includes('line 1')");
    page.presses(&[END]);
    page.until("the last line is at the bottom", "probe.visible().at(-1) === 'line 20000'");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_cleared_view_is_empty_until_there_are_new_lines_and_nothing_is_restarted() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: seq -f 'old %.0f' 300; while ! [ -e go ]; do sleep 0.05; done; echo new; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let pid = world.field("web", "pid");
    page.click("Log");
    page.shows_line("old 300");
    page.click("Clear view");
    page.until("the log is empty", "probe.lines().length === 0");
    world.write("go", "");
    page.shows_line("new");
    assert_eq!(page.value("probe.lines()"), json!(["new"]));
    assert_eq!(world.field("web", "pid"), pid);
    page.end();
    web.end();
    world.ok(["quit"]);
}
