//! The resource use of processes: the charts, and the minutes before a page was opened.

use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::{World, eventually};
use crate::keys::LEFT;
use crate::page::Page;
use crate::web_server::{WebServer, link_in};

/// More processes than fit on the screen.
fn many() -> String {
    let loud = "loud: while :; do echo a line of output; sleep 0.1; done\n".to_owned();
    (1..=30).fold(loud, |all, at| all + &format!("p{at}: exec sleep 1000\n"))
}

/// How many samples a chart shows.
fn samples(chart: &str) -> String {
    format!("({chart}?.querySelector('path').getAttribute('d') ?? '').split('L').length - 1")
}

#[test]
fn charts_survive_a_reload_and_only_those_in_view_are_drawn() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(&many());
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Figures");
    page.until("all have rows", "probe.all('.used[data-name]').length === 31");
    let chart = "document.querySelector('.used[data-name=\"loud\"] [data-kind=\"output\"]')";
    let samples = &samples(chart);
    page.until("some seconds are drawn", &format!("{samples} >= 4"));
    let rate =
        format!("/[1-9][0-9.]* (B|KiB)\\/s/.test({chart}.querySelector('.amount').innerText)");
    page.until("its output has a rate", &rate);
    let charts = page.number("probe.all('.used-list .plot').length");
    assert!((9..90).contains(&charts), "{charts} charts");
    let one_path = "probe.all('.plot').every((one) => one.querySelectorAll('path').length === 1)";
    assert_eq!(page.value(one_path), json!(true));

    // Without its process, no sample is added, so the samples after a reload are old ones.
    world.ok(["stop", "loud"]);
    page.until(
        "it is stopped",
        "document.querySelector('.used[data-name=\"loud\"]').innerText.includes('stopped')",
    );
    let before = page.number(samples);
    page.reload();
    page.until("they are still there", &format!("{samples} >= {before} - 1"));

    page.value("document.querySelector('.total').focus()");
    page.until("the moment is now", "document.querySelector('.moment').textContent === 'now'");
    page.presses(&[LEFT]);
    page.until(
        "it is a time",
        "/^\\d+:\\d+:\\d+$/.test(document.querySelector('.moment').textContent)",
    );
    page.picture("figures-desktop");
    page.click("1 hour");
    page.until(
        "the hour is chosen",
        "document.querySelector('[aria-pressed=\"true\"]').innerText === '1 hour'",
    );
    page.click("1 day");
    page.until(
        "the day is chosen",
        "document.querySelector('[aria-pressed=\"true\"]').innerText === '1 day'",
    );
    page.click("2½ minutes");
    page.resize(390, 844);
    page.until("a chart is on the screen", "probe.isOnScreen('.total .spark')");
    page.picture("figures-phone");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn charts_have_no_gap_where_the_page_was_hidden() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("loud: while :; do echo a line of output; sleep 0.1; done\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let other = Page::empty(&chromium, &world);
    other.go(&link_in(&world.ok(["web", "--link"])).unwrap());
    let chart = "document.querySelector('.used[data-name=\"loud\"] [data-kind=\"memory\"]')";
    let samples = &samples(chart);
    for page in [&page, &other] {
        page.until("the tabs", "probe.all('.tabs a').length");
        page.click("Figures");
        page.until("some seconds are drawn", &format!("{samples} >= 2"));
    }
    page.hide(true);
    let (hidden, begun) = (page.number(samples), other.number(samples));
    other.until("the other page has more", &format!("{samples} >= {begun} + 4"));
    assert!(page.number(samples) < hidden + 3, "a hidden page draws nothing");
    page.hide(false);
    page.until("it has all of them", &format!("{samples} >= {hidden} + 4"));
    let parts = format!("{chart}.querySelector('path').getAttribute('d').split('M').length - 1");
    // On a busy machine the server misses a sample now and then, which both pages show. A page misses some of its own, and
    // fetches them when it is shown again.
    let is_same = || {
        for page in [&page, &other] {
            page.hide(true);
            page.hide(false);
        }
        (page.number(&parts) == other.number(&parts)).then_some(())
    };
    eventually("it has no other gaps than the page that was not hidden", is_same);
    page.end();
    other.end();
    web.end();
    world.ok(["quit"]);
}
