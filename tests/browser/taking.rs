//! Exports of the log: copies, downloads, saved pages, and the output around a moment.

use std::path::PathBuf;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::harness::{World, eventually};
use crate::keys::{END, HOME, PAGE_UP};
use crate::page::Page;
use crate::web_server::WebServer;

/// Let the page use the clipboard, and send downloads to a directory of the world.
fn prepare(page: &Page, world: &World) -> PathBuf {
    let permissions = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    page.devtools("Browser.grantPermissions", &permissions);
    let dir = world.path().join("downloads");
    std::fs::create_dir_all(&dir).unwrap();
    let behavior = json!({ "behavior": "allow", "downloadPath": dir });
    page.devtools("Page.setDownloadBehavior", &behavior);
    dir
}

/// Wait for a complete download with this ending, and move it away.
fn downloaded(dir: &PathBuf, ending: &str) -> String {
    eventually("a file was downloaded", || {
        let mut paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let path = paths.find(|path| path.extension().is_some_and(|found| found == ending))?;
        let text = std::fs::read_to_string(&path).unwrap();
        // Chromium reserves the name with an empty file, which the complete one then replaces.
        if text.is_empty() {
            return None;
        }
        std::fs::remove_file(path).unwrap();
        Some(text)
    })
}

/// The cursor of the line on the page with exactly this text.
fn cursor(page: &Page, text: &str) -> String {
    let row = format!(
        "probe.all('.rows .row').find((row) => row.querySelector('.text').textContent === '{text}')"
    );
    page.until(&format!("{text} is on the page"), &format!("{row} !== undefined"));
    page.text(&format!("{row}.dataset.cursor"))
}

/// Select the lines between these texts of one process.
fn select(page: &Page, name: &str, first: (&str, &str), last: (&str, &str)) {
    page.value(&format!("location.hash = location.hash.split('?')[0] + '?names={name}'"));
    let mut ends = vec![];
    for (key, text) in [first, last] {
        page.click_at("//footer[@class='log-foot']");
        page.presses(&[key]);
        ends.push(cursor(page, text));
    }
    let (at, to) = (&ends[0], &ends[1]);
    page.value(&format!(
        "location.hash = location.hash.split('?')[0] + '?names={name}&at={at}&to={to}'"
    ));
    page.until("lines are selected", "probe.all('.picked:not([hidden])').length");
}

/// The items in the menu of the toolbar.
const IN_MENU: [&str; 4] =
    ["Copy with names and times", "Copy as Markdown", "Save as page", "Download"];

fn of_toolbar(page: &Page, button: &str) {
    let of = |class: &str| format!("//div[contains(@class, '{class}')]//button[.='{button}']");
    if IN_MENU.contains(&button) {
        page.click_at("//div[contains(@class, 'picked')]//button[.='More']");
        page.click_at(&of("menu"));
    } else {
        page.click_at(&of("picked"));
    }
}

/// The copied text, once the page shows this message.
fn copied(page: &Page, message: &str) -> String {
    let places = "probe.texts('.picked-status, .find-status').join()";
    page.until(message, &format!("{places}.includes('{message}')"));
    page.text("navigator.clipboard.readText()")
}

#[test]
fn a_copy_a_download_and_tmo_logs_are_the_same_bytes() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(concat!(
        r"count: seq -f 'line %.0f' 6000; printf '\033[31mred\033[0m ümlaut\n'; exec sleep 1000",
        "\nother: while :; do echo other; sleep 0.2; done\n",
    ));
    world.ok(["start", "-D"]);
    world.wait_text("count", "ümlaut");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let downloads = prepare(&page, &world);
    page.click("Log");
    page.shows_line("ümlaut");
    select(&page, "count", (HOME, "line 1"), (END, "red ümlaut"));
    of_toolbar(&page, "Copy");
    assert_eq!(copied(&page, "copied 6,001 lines"), world.ok(["logs", "count", "--no-prefix"]));
    let only_lines = |all: String| {
        let lines = all.split_inclusive('\n').filter(|line| line.contains("| "));
        lines.filter(|line| line.contains("line ") || line.contains("red ")).collect::<String>()
    };
    of_toolbar(&page, "Copy with names and times");
    let times = world.ok(["logs", "count", "--timestamps"]);
    page.until("with times", "navigator.clipboard.readText().then((text) => text.startsWith('2'))");
    assert_eq!(page.text("navigator.clipboard.readText()"), only_lines(times));
    of_toolbar(&page, "Download");
    assert_eq!(downloaded(&downloads, "log"), only_lines(world.ok(["logs", "count"])));
    page.click_at("//footer[@class='log-foot']//button[.='Download']");
    assert_eq!(downloaded(&downloads, "log"), world.ok(["logs", "count"]));
    // What is hidden within the range is in none of them.
    page.value("location.hash += `&hide=${encodeURIComponent('^line \\\\d+$')}`");
    page.until("they are hidden", "document.querySelector('.hiding').checkVisibility()");
    of_toolbar(&page, "Copy");
    assert_eq!(copied(&page, "copied 1 line"), "red ümlaut\n");
    of_toolbar(&page, "Copy as Markdown");
    page.until("one line", "navigator.clipboard.readText().then((text) => text.startsWith('```'))");
    let markdown = page.text("navigator.clipboard.readText()");
    assert!(markdown.contains("| red ümlaut\n```") && !markdown.contains("line"), "{markdown}");
    of_toolbar(&page, "Download");
    let text = downloaded(&downloads, "log");
    assert!(text.ends_with("| red ümlaut\n") && !text.contains("line"), "{text}");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_selection_becomes_markdown_and_a_page_without_scripts() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(concat!(
        r"web: printf '\033[32mfirst\033[0m\n<script>alert(1)</script>\n```\nlast\n'; exec sleep 1000",
        "\n",
    ));
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let downloads = prepare(&page, &world);
    page.click("Log");
    page.shows_line("last");
    select(&page, "web", (HOME, "first"), (END, "last"));
    of_toolbar(&page, "Copy as Markdown");
    let markdown = copied(&page, "copied 4 lines");
    let (begin, end) =
        (markdown.lines().next().unwrap(), markdown.trim_end().lines().last().unwrap());
    assert_eq!((begin, end), ("````text", "````"));
    assert!(markdown.contains("web | <script>alert(1)</script>"), "{markdown}");

    of_toolbar(&page, "Save as page");
    let saved = downloaded(&downloads, "html");
    assert!(!saved.contains("<script") && saved.contains("&lt;script&gt;"), "{saved}");
    world.write("saved.html", &saved);
    let mut alone = Page::empty(&chromium, &world);
    // Its policy allows its style only by hash.
    alone.allow("file:");
    alone.go(&format!("file://{}", world.app().join("saved.html").display()));
    let shown = alone.value("probe.texts('.text')");
    assert_eq!(shown, json!(["first", "<script>alert(1)</script>", "```", "last"]));
    let color = "getComputedStyle(document.querySelector('.text span')).color";
    assert_ne!(alone.value(color), alone.value("getComputedStyle(document.body).color"));
    assert_eq!(alone.value("probe.violations"), json!([]));
    drop(alone);
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// A fence ends where a line has at least its backticks, and nothing else.
fn without_blocks(markdown: &str) -> String {
    let (mut outside, mut fence) = (String::new(), None::<usize>);
    for line in markdown.lines() {
        let ticks = line.chars().take_while(|c| *c == '`').count();
        match fence {
            None if ticks >= 3 => fence = Some(ticks),
            None => outside.extend([line, "\n"]),
            Some(open) if ticks >= open && ticks == line.trim_end().len() => fence = None,
            Some(_) => {}
        }
    }
    assert_eq!(fence, None, "{markdown}");
    outside
}

#[test]
fn what_a_process_prints_stays_in_the_blocks_of_a_crash_as_markdown() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(concat!(
        r"web: printf '```\n````\n# Heading\n![](http://x.invalid/)\nError: `a` [b](http://x.invalid/) @octocat\n'; exit 1",
        "\nquiet: exec sleep 1000\n",
    ));
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "exited");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    prepare(&page, &world);
    page.value("location.hash = location.hash.split('/').slice(0, 3).join('/') + '/process/web'");
    page.until("its crash reports", "probe.all('.reports button').length");
    page.click_at("//ul[@class='reports']//button");
    page.click_at("//dialog//button[.='Copy as Markdown']");
    page.until("it is copied", "probe.texts('dialog footer .dim').includes('copied')");
    let markdown = page.text("navigator.clipboard.readText()");
    assert!(markdown.contains("# Heading\n"), "{markdown}");
    let outside = without_blocks(&markdown);
    assert!(outside.contains("What all processes printed around it:"), "{markdown}");
    assert!(!outside.contains("\n# Heading") && !outside.contains("\n!["), "{outside}");
    // Sites make links and notifications of addresses and names after an @, except in code.
    let is_prose = |line: &&str| line.starts_with("## ") || line.starts_with("- ");
    for line in outside.lines().filter(is_prose) {
        let (_, end) = line.split_once("`` ").unwrap_or_else(|| panic!("{line}"));
        let (text, end) = end.rsplit_once(" ``").unwrap();
        assert!(text.contains("@octocat") && !end.contains(['@', '[']), "{line}");
    }
    let command = outside.lines().find(|line| line.contains("Command: ")).unwrap();
    assert!(command.contains("Command: ````` "), "{command}");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn around_a_moment_are_the_lines_of_all_processes_as_tmo_logs_has_them() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: echo early; sleep 3; echo middle; sleep 3; echo late; exec sleep 1000\n\
         tick: i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done\n",
    );
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    world.wait_text("web", "late");
    page.click("Log");
    select(&page, "web", (HOME, "middle"), (HOME, "middle"));
    of_toolbar(&page, "Around this moment");
    page.until("the dialog", "probe.all('dialog .around .row').length");
    let shown = page.value(
        "probe.all('dialog .row:not(.event)').map((row) => [row.querySelector('.name').textContent, \
         row.querySelector('.text').textContent].join(' | '))",
    );
    let wanted: Vec<Value> = world
        .ok(["logs", "web", "--around", "^middle$"])
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(name, text)| format!("{} | {}", name.trim(), text.strip_prefix(' ').unwrap_or(text)))
        .filter(|line| !line.starts_with("system |"))
        .map(Value::from)
        .collect();
    assert!(wanted.len() > 20, "{wanted:?}");
    assert_eq!(shown, Value::Array(wanted));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn around_a_moment_in_a_flood_long_runs_of_one_process_are_folded_until_they_are_asked_for() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "flood: seq -f 'first %.0f' 3000; echo > half; while ! [ -e middle ]; do sleep 0.05; done; \
         seq -f 'second %.0f' 3000; exec sleep 1000\n\
         web: while ! [ -e half ]; do sleep 0.05; done; sleep 0.3; echo middle; sleep 0.3; \
         echo > middle; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("flood", "second 3000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    select(&page, "web", (HOME, "middle"), (HOME, "middle"));
    of_toolbar(&page, "Around this moment");
    let folded = "probe.texts('dialog .gap').join()";
    page.until("lines are folded", &format!("{folded}.includes('more lines of flood')"));
    let shown = "probe.texts('dialog .row:not(.gap) .text')";
    assert_eq!(page.value(&format!("{shown}.includes('second 1500')")), json!(false));
    page.until("those beside it are shown", &format!("{shown}.includes('second 1')"));
    page.value("(probe.all('dialog .gap').at(-1).click(), null)");
    page.until("the folded ones are shown", &format!("{shown}.includes('second 1500')"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_text_that_is_added_as_failure_counts_from_then_on() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: echo the disk is full; echo fine; while ! [ -e go ]; do sleep 0.05; done; \
         echo the Disk is full again; exec sleep 1000\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    let pid = world.wait_state("web", "running");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("fine");
    page.value(
        "((cell) => { const range = new Range(); range.setStart(cell.firstChild, 4); range.setEnd(cell.firstChild, 16); \
         getSelection().removeAllRanges(); getSelection().addRange(range); })\
         (probe.all('.rows .text').find((cell) => cell.textContent === 'the disk is full'))",
    );
    of_toolbar(&page, "Add as failure text");
    page.until(
        "it was printed once",
        "document.querySelector('dialog')?.innerText.includes('printed once so far')",
    );
    assert_eq!(page.text("document.querySelector('dialog input').value"), "disk is full");
    page.click_at("//dialog//button[.='Add']");
    page.until("it is added", "!document.querySelector('dialog')");
    assert!(world.ok(["failures", "list", "web"]).contains("disk is full"));
    assert_eq!(world.wait_state("web", "running"), pid);
    world.write("go", "");
    page.click("Overview");
    page.shows_state("web", "broken");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_link_to_this_place_leads_to_the_first_line_on_the_screen() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("count: seq -f 'line %.0f' 3000; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("count", "line 3000");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    prepare(&page, &world);
    page.click("Log");
    page.shows_line("line 3000");
    page.presses(&[PAGE_UP]);
    page.until("the page is scrolled up", "probe.all('.jump:not([hidden])').length");
    let first = page.text("probe.place().split(' ')[0]");
    page.types("y");
    let link = copied(&page, "link copied");
    assert!(link.ends_with(&format!("at={first}")), "{link}, but {first} is the first line");
    assert!(!page.address().contains("at="), "nothing is selected: {}", page.address());
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn the_card_of_a_crash_begins_with_its_cause_and_names_cover_no_text_on_a_phone() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: while :; do echo tick; sleep 0.1; done\n\
         worker: seq 200; echo 'Error: connect ECONNREFUSED 127.0.0.1:5432' >&2; exit 1\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("worker", "exit 1");
    page.resize(390, 844);
    // It began before the first page, so a mark for its new address may follow its name.
    page.click_at("//th/a[starts-with(.,'worker')]");
    page.click("Crash report");
    page.until("the card", "document.querySelector('.crash-card .around .row.bad')");
    let cause = "nothing listens on port 5432";
    let times =
        format!("document.querySelector('.crash-card').innerText.split('{cause}').length - 1");
    assert_eq!(
        page.number(&times),
        1,
        "{}",
        page.text("document.querySelector('.crash-card').innerText")
    );
    page.until("the cause can be seen", "probe.isOnScreen('.crash-card .sentence')");
    let covers = "probe.all('.around .row').filter((row) => row.querySelector('.name')?.checkVisibility()).some((row) => {
        const [name, text] = ['.name', '.text'].map((part) => row.querySelector(part).getBoundingClientRect());
        return name.bottom > text.top + 1;
    })";
    assert_eq!(page.value(covers), json!(false));
    let names = "probe.all('.around .row .name').filter((name) => name.checkVisibility()).map((name) => name.innerText)";
    assert!(page.value(names).as_array().unwrap().contains(&json!("worker")));
    page.picture("crash-card-phone");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_long_touch_on_a_phone_selects_a_line_and_offers_to_copy_it() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("count: seq -f 'line %.0f' 300; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("count", "line 300");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    prepare(&page, &world);
    page.resize(390, 844);
    page.devtools("Emulation.setTouchEmulationEnabled", &json!({ "enabled": true }));
    page.until("the size", "innerWidth === 390");
    page.click("Log");
    page.until("the end can be seen", "probe.visible().includes('line 300')");
    let place = page.value(
        "(({ left, top, width }) => ({ x: left + width / 2, y: top + 5 }))(probe.all('.rows .text')\
         .find((cell) => cell.textContent === 'line 298').getBoundingClientRect())",
    );
    let touch = |kind: &str, points: &Value| {
        page.devtools("Input.dispatchTouchEvent", &json!({ "type": kind, "touchPoints": points }));
    };
    // A short one selects nothing.
    touch("touchStart", &json!([place]));
    touch("touchEnd", &json!([]));
    touch("touchStart", &json!([place]));
    page.until("the line is selected", "probe.texts('.row.here .text').join() === 'line 298'");
    touch("touchEnd", &json!([]));
    page.until("there are buttons", "probe.isOnScreen('.picked')");
    of_toolbar(&page, "Copy");
    assert_eq!(copied(&page, "copied 1 line"), "line 298\n");
    page.picture("selected-phone");
    page.click("Select nothing");
    page.until("nothing is selected", "probe.all('.row.here').length === 0");
    page.end();
    web.end();
    world.ok(["quit"]);
}
