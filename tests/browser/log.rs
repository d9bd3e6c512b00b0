//! The log: any output as text, following, staying in place, both ends, clearing.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::World;
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
