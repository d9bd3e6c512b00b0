//! The log: any output as text, following, staying in place, both ends, clearing.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::harness::procs::{kill, memory};
use crate::harness::{World, eventually};
use crate::keys::{END, ESCAPE, HOME, PAGE_UP};
use crate::page::Page;
use crate::web_server::{WebServer, link_in};

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

/// Prints some lines, and 300 000 more each time the test has written a file.
const FLOOD: &str = "\
flood: seq -f 'old line %.0f' 500; for name in first second; do \
while ! [ -e $name ]; do sleep 0.05; done; seq -f \"$name flood %.0f\" 300000; done; exec sleep 1000
other: while :; do sleep 0.5; echo other; done
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
    page.until("the wheel has turned", "((view) => view.scrollHeight - view.clientHeight - view.scrollTop > 10)(document.querySelector('.log-view'))");
    let place = page.text("probe.place()");
    page.value("(probe.watchPlace(), null)");
    world.write("first", "");
    world.wait_text("flood", "first flood 300000");
    page.until(
        "the button says that there is more",
        r"/3\d\d,\d{3} lines behind/.test(document.querySelector('.jump').textContent)",
    );
    // It was at this place in all frames.
    assert_eq!(page.value("probe.places()"), json!([place]));
    page.value("(cancelAnimationFrame(probe.watching), null)");
    page.click_at("//button[contains(@class, 'jump')]");
    page.shows_line("first flood 300000");
    page.until("the end can be seen", "probe.visible().includes('first flood 300000')");
    assert_eq!(page.value("probe.all('.jump:not([hidden])').length"), json!(0));

    page.value("(performance.clearResourceTimings(), null)");
    world.write("second", "");
    page.shows_line("second flood 300000");
    page.until("the end can be seen", "probe.visible().includes('second flood 300000')");
    let elements = page.number("probe.elements()");
    assert!(elements < 10_000, "{elements} elements");
    let requests = page.number("probe.busiest('/r/')");
    assert!(requests <= 20, "{requests} requests within a second");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_page_that_is_stopped_costs_nothing_delays_no_other_and_is_at_the_end_when_it_goes_on() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "flood: while :; do seq -f 'flood %.0f' 5000; sleep 0.05; done\n\
         tick: i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done\n",
    );
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let stopped = Page::open(&chromium, &world, &web);
    let other = Page::empty(&chromium, &world);
    other.go(&link_in(&world.ok(["web", "--link"])).unwrap());
    for page in [&stopped, &other] {
        page.until("the log", "probe.all('.tabs a').length");
        page.click("Log");
        page.click("Show flood in the log");
        page.shows_line("tick");
    }
    let newest = "Number(probe.lines().findLast((line) => line.startsWith('tick ')).slice(5))";
    let renderers = stopped.renderers();
    assert!(!renderers.is_empty());
    for pid in &renderers {
        kill(*pid, nix::libc::SIGSTOP);
    }
    let server = web.pid();
    let goes_on = |by: u64| {
        let begun = other.number(newest);
        other.until("the other page goes on", &format!("{newest} > {}", begun + by));
    };
    goes_on(10);
    let before = memory(server);
    goes_on(30);
    let grown = memory(server).saturating_sub(before);
    assert!(grown < 8 << 10, "{grown} KiB");
    for pid in &renderers {
        kill(*pid, nix::libc::SIGCONT);
    }
    let now = other.number(newest);
    stopped.until("it is at the end again", &format!("{newest} >= {now}"));
    stopped.end();
    other.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn the_footer_counts_lines_as_wc_does() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "count: seq -f 'line %.0f' 20000; exec sleep 1000\nother: echo one; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("count", "line 20000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("line 20000");
    let lines = |names: &[&str]| {
        let all = world.ok([&["logs", "--raw"], names].concat());
        all.lines().count()
    };
    let footer = "document.querySelector('.log-foot').textContent";
    assert_eq!(lines(&[]), 20_001);
    page.until("all lines are counted", &format!("{footer}.includes('of 20,001')"));
    page.click("Show other in the log");
    assert_eq!(lines(&["count"]), 20_000);
    page.until("those of one process are", &format!("{footer}.includes('–20,000 of 20,000')"));
    page.presses(&[HOME]);
    page.until("the first line is named", &format!("{footer}.includes('lines 1–')"));
    page.wheels(2000);
    let first = "probe.visible()[0].replace('line ', '')";
    let named = format!("{footer}.match(/lines ([\\d,]+)–/)[1].replaceAll(',', '')");
    page.until(
        "the footer names the first line that is seen",
        &format!("Number({first}) > 50 && Math.abs({first} - {named}) <= 1"),
    );
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn reading_much_of_a_log_needs_no_more_memory_than_reading_some() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("count: seq -f 'line %.0f' 200000; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("count", "line 200000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("line 200000");
    let mut after = vec![];
    for round in 1..=12 {
        for share in 1..=5 {
            // As part of a script, the text would be kept with it.
            page.value("(probe.seen = probe.lines().join(), null)");
            page.clicks_in("document.querySelector('.scrollbar')", f64::from(share) / 7.0);
            page.until("another place is shown", "probe.lines().join() !== probe.seen");
            page.wheels(-3000);
            page.wheels(6000);
        }
        page.presses(&[HOME]);
        page.until("the first line", "probe.lines().includes('line 1')");
        page.presses(&[END]);
        page.shows_line("line 200000");
        page.until("only so many lines are kept", "probe.lines().length <= 1000");
        if round % 4 == 0 {
            after.push((page.heap(), page.nodes()));
        }
    }
    let (first, last) = (after[0], after[2]);
    assert!(last.0 < 50 << 20, "{after:?}");
    assert!(last.0 * 10 < first.0 * 11 && last.1 * 10 < first.1 * 11, "{after:?}");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_wide_log_scrolls_sideways_while_names_stay() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("wide: seq -s ' ' 1000; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("998 999 1000");
    let row = "probe.all('.rows .row').find((row) => row.textContent.includes('999'))";
    let left = |part: &str| {
        page.value(&format!("{row}.querySelector('{part}').getBoundingClientRect().left"))
    };
    let (name, text) = (left(".name"), left(".text"));
    page.value("(document.querySelector('.log-view').scrollLeft = 700, null)");
    page.until("it has scrolled", "document.querySelector('.log-view').scrollLeft === 700");
    let moved = |before: &Value, after: &Value| before.as_f64().unwrap() - after.as_f64().unwrap();
    assert!(moved(&text, &left(".text")) > 699.0);
    // Only the margin is lost.
    assert!(moved(&name, &left(".name")) < 20.0);
    let over = format!(
        "(({{ left, top }}) => document.elementFromPoint(left + 5, top + 5).className)({row}.querySelector('.name').getBoundingClientRect())"
    );
    assert_eq!(page.text(&over), "name");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn the_keys_of_the_log_work_as_the_help_describes() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: seq -f 'line %.0f' 3000; exec sleep 1000\napi: echo I am api; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "line 3000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("line 3000");
    let top = || page.number("Math.round(document.querySelector('.log-view').scrollTop)");
    let height = page.number("document.querySelector('.log-view').clientHeight");
    let mut before = top();
    for (key, by) in [("k", -40), (PAGE_UP, 40 - i64::try_from(height).unwrap()), ("j", 40)] {
        page.presses(&[key]);
        let wanted = i64::try_from(before).unwrap() + by;
        page.until(
            &format!("{key} scrolls"),
            &format!("Math.abs(document.querySelector('.log-view').scrollTop - {wanted}) <= 2"),
        );
        before = top();
    }
    page.types("f");
    page.until(
        "f follows",
        "probe.visible().at(-1) === 'line 3000' || probe.visible().at(-1) === 'I am api'",
    );
    page.types("2");
    page.until("2 shows the second process", "JSON.stringify(probe.lines().filter((line) => !line.startsWith('▶'))) === '[\"I am api\"]'");
    page.types("0");
    page.shows_line("line 3000");
    page.types("w");
    page.until("w wraps", "!!document.querySelector('.wraps')");
    for times in ["full", "off", "short"] {
        page.types("t");
        page.until(
            "t changes the times",
            &format!("document.querySelector('.log-pane').dataset.times === '{times}'"),
        );
    }
    page.types("c");
    page.until("c clears the view", "probe.lines().length === 0");
    page.types("?");
    page.until("? shows the keys", "!!document.querySelector('dialog .keys')");
    page.presses(&[ESCAPE]);
    page.until("Esc closes them", "!document.querySelector('dialog')");
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

/// Whoever scrolls before there are lines sees the end, and not the beginning.
#[test]
fn a_key_that_comes_before_the_lines_does_not_lead_to_the_first() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: seq -f 'line %.0f' 2000; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "line 2000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.value(
        "(probe.fetch = window.fetch, probe.gate = new Promise((open) => { probe.release = open; }), \
         window.fetch = async (...all) => { await probe.gate; return probe.fetch.call(window, ...all); }, null)",
    );
    page.click("Log");
    page.until("the log", "document.querySelector('.log-view') && (document.querySelector('.log-view').focus(), true)");
    page.presses(&[PAGE_UP]);
    page.value("(probe.release(), null)");
    page.shows_line("line 2000");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_cleared_view_is_empty_until_there_are_new_lines_and_nothing_is_restarted() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: seq -f 'old %.0f' 2000; while ! [ -e go ]; do sleep 0.05; done; echo new; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let pid = world.field("web", "pid");
    page.click("Log");
    page.shows_line("old 2000");
    // All that is there now is hidden, also where the end of it has not been loaded.
    page.types(HOME);
    page.shows_line("old 1");
    page.until("the end is not there", "!probe.lines().includes('old 2000')");
    page.click("Clear view");
    page.until("the log is empty", "probe.lines().length === 0");
    world.write("go", "");
    page.shows_line("new");
    assert_eq!(page.value("probe.lines()"), json!(["new"]));
    assert_eq!(world.field("web", "pid"), pid);
    // It was cleared only on this page.
    assert!(world.ok(["logs"]).contains("old 2000"));

    let old = page.text("document.querySelector('.rows .row').dataset.cursor");
    page.click("Clear history");
    page.until("it asks", "document.querySelector('dialog')?.innerText.includes('for all users')");
    page.click_at("//dialog//button[.='Clear history']");
    eventually("the history is gone", || (!world.ok(["logs"]).contains("old 2000")).then_some(()));
    page.until("the page has nothing of it", "probe.lines().every((line) => line !== 'new')");
    page.value(&format!("location.hash = location.hash.split('?')[0] + '?at={old}'"));
    page.reload();
    let note = "document.querySelector('.log-note:not([hidden])')?.textContent";
    page.until("a link to it says so", &format!("{note}?.includes('no longer in the log')"));
    assert_eq!(world.field("web", "pid"), pid);
    page.end();
    web.end();
    world.ok(["quit"]);
}
