//! Links in lines, lines of loggers in short, lines that are hidden, and the selection by keys.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::World;
use crate::keys::{ENTER, ESCAPE};
use crate::page::Page;
use crate::web_server::WebServer;

/// What pino, zap, structlog, logrus, Rails, vite, tracing and slog print.
const LOGGERS: &str = r#"{"level":30,"time":1531171074631,"pid":657,"hostname":"mbp","reqId":7,"msg":"pino says hello"}
{"level":"info","ts":1699999999.123,"caller":"main.go:12","msg":"zap failed to fetch URL","url":"http://example.com/a","attempt":3}
{"key": "value", "event": "structlog says hello", "level": "warning", "timestamp": "2022-09-26T10:41:29Z"}
time="2015-03-26T01:27:38-04:00" level=error msg="logrus observes \"beach\"" animal=walrus number=8
time=2022-11-08T15:28:26.000-05:00 level=INFO msg="slog says hello" count=3
{"timestamp":"2022-02-15T18:47:10.821315Z","level":"INFO","fields":{"message":"tracing shaves yaks","number_of_yaks":3},"target":"json"}
Started GET "/" for 127.0.0.1 at 2024-01-01 10:00:00 +0000
method=GET path=/jobs/833552.json format=json status=200 duration=58.33
{"level":"info","msg":"done","t":12,"id":12345678901234567891,"rate":1.0}
  Local:   http://localhost:5173/
{"a":1,"b":2}
"#;

fn keys_unfold_too_and_keep_marks(page: &Page) {
    // The last line, the address of vite, and one with `t=12`.
    for selected in ["printed later", "{\\\"a\\\"", "Local", "done"] {
        page.types("K");
        let text = "probe.all('.row.here .text')[0]?.textContent";
        page.until("the next line is selected", &format!("{text}?.includes(\"{selected}\")"));
    }
    page.types(ENTER);
    page.until(
        "it is open",
        "document.querySelector('.here .unfolded')?.innerText.includes('\\n  t: 12')",
    );
    // Its own button keeps the focus.
    page.value("document.querySelector('.here .opener').focus()");
    for is_open in ["false", "true"] {
        page.types(ENTER);
        let has = "document.activeElement.matches('.here .opener')";
        let expanded =
            format!("document.activeElement.getAttribute('aria-expanded') === '{is_open}'");
        page.until("the button has the focus", &format!("{has} && {expanded}"));
    }
    let marks = "[...CSS.highlights.get('find') ?? []].filter((range) => String(range) === 'hostname').length";
    page.click("Search the log");
    page.types("hostname");
    page.until("it is marked", &format!("{marks} === 1"));
    page.click_at("//*[contains(@class, 'unfolded')][contains(., 'hostname')]");
    page.until(
        "it is in short",
        "!document.querySelector('.unfolded')?.innerText.includes('hostname')",
    );
    assert_eq!(page.value(marks), json!(1), "it is still marked");
}

#[test]
fn lines_of_loggers_are_shown_in_short_and_open_on_a_click() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "app: cat loggers; until test -s later; do sleep 0.1; done; cat later; exec sleep 1000\n",
    );
    world.write("loggers", LOGGERS);
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line(r#"{"a":1,"b":2}"#);
    // The times are long past, and are shown in the zone of the browser.
    let folded = page.value(
        "probe.texts('.text.folded').map((text) => text.replace(/ (\\d+-\\d+-\\d+ \\d+:\\d+:\\d+)\\.(\\d+) /, \
         (_, time, millis) => ` ${new Date(`${time}.${millis}`).toISOString()} `))",
    );
    let expected = json!([
        "INFO  2018-07-09T21:17:54.631Z pino says hello pid=657 hostname=mbp reqId=7",
        "INFO  2023-11-14T22:13:19.123Z zap failed to fetch URL caller=main.go:12 url=http://example.com/a attempt=3",
        "WARNING 2022-09-26T10:41:29.000Z structlog says hello key=value",
        "ERROR 2015-03-26T05:27:38.000Z logrus observes \"beach\" animal=walrus number=8",
        "INFO  2022-11-08T20:28:26.000Z slog says hello count=3",
        "INFO  2022-02-15T18:47:10.821Z tracing shaves yaks target=json number_of_yaks=3",
        "INFO  done t=12 id=12345678901234567891 rate=1.0",
    ]);
    assert_eq!(folded, expected);
    let lines = page.value("probe.lines()").to_string();
    for plain in
        ["Started GET", "method=GET path=/jobs/833552.json", "Local:   http://localhost:5173/"]
    {
        assert!(lines.contains(plain), "{lines}");
    }
    let links = page.value("probe.all('.rows .text a').map((link) => link.getAttribute('href'))");
    assert_eq!(links, json!(["http://example.com/a", "http://localhost:5173/"]));
    world.write("later", "{\"level\":\"info\",\"msg\":\"was printed later\"}\n");
    page.until(
        "a line that comes later is in short, too",
        "probe.texts('.text.folded').some((text) => text.includes('was printed later'))",
    );
    page.click_at("//*[contains(@class, 'folded')]//*[contains(text(), 'pid=657')]");
    page.until(
        "all of it is there",
        "document.querySelector('.text.unfolded').innerText.includes('\\n  time: 1531171074631\\n')",
    );
    keys_unfold_too_and_keep_marks(&page);
    page.click("Fold");
    page.shows_line(r#"{"level":30,"time":1531171074631"#);
    assert_eq!(page.value("probe.all('.text.folded').length"), json!(0));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_link_may_have_several_styles() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(concat!(
        r"vite: printf 'at \033[36mhttp://localhost:\033[1m5173\033[22m/x\033[39m, or (http://a.example/b).\n'; exec sleep 1000",
        "\n"
    ));
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("5173");
    let links = page.value("probe.all('.rows .text a').map((link) => [link.getAttribute('href'), link.textContent, link.target, link.rel])");
    let rel = "noopener noreferrer";
    assert_eq!(
        links,
        json!([
            ["http://localhost:5173/x", "http://localhost:5173/x", "_blank", rel],
            ["http://a.example/b", "http://a.example/b", "_blank", rel],
        ])
    );
    assert_eq!(
        page.text("probe.lines().find((line) => line.startsWith('at '))"),
        "at http://localhost:5173/x, or (http://a.example/b)."
    );
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn lines_like_one_that_is_hidden_are_hidden_until_they_are_shown_again() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: echo begins here; i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo \"GET /users/$i 200 in $i.5 ms\"; done; echo ready; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("ready");
    page.click_at("(//*[contains(@class, 'rows')]//*[contains(@class, 'row')][contains(., 'GET /users/')]//*[contains(@class, 'time')])[last()]");
    page.click("More for the selected lines");
    page.click("Hide lines like this");
    page.until(
        "they are hidden",
        "probe.lines().includes('ready') && !probe.lines().some((line) => line.startsWith('GET'))",
    );
    page.reload();
    page.shows_line("ready");
    assert_eq!(page.value("probe.lines().filter((line) => line.startsWith('GET'))"), json!([]));
    // Links of other views to the log leave them hidden.
    for (view, link) in
        [("process/web", "//a[.='≡ Log']"), ("figures", "//*[contains(@class, 'starts')]//a")]
    {
        page.value(&format!("location.hash = location.hash.replace(/log.*/, '{view}')"));
        page.until("the link", &format!("document.evaluate(\"{link}\", document).iterateNext()"));
        page.click_at(link);
        page.shows_line("ready");
        assert_eq!(page.value("probe.lines().filter((line) => line.startsWith('GET'))"), json!([]));
    }
    // So does the tab of the log itself.
    page.click("Log");
    page.until("they are still hidden", "location.hash.includes('hide=')");
    assert_eq!(page.value("probe.lines().filter((line) => line.startsWith('GET'))"), json!([]));
    // A search passes over all of them in a few requests.
    page.click("Follow");
    page.shows_line("ready");
    let requests = page.number("probe.requests('/lines')");
    page.click("Search the log");
    page.types("e");
    page.types(ENTER);
    page.until("a match is selected", "probe.texts('.row.here .text')[0] === 'ready'");
    page.click("Older match");
    page.until("the one before it", "probe.texts('.row.here .text')[0] === 'begins here'");
    let requests = page.number("probe.requests('/lines')") - requests;
    assert!(requests < 20, "{requests} requests");
    page.types(ESCAPE);
    page.click("1 kind of line hidden ✕");
    // The place is kept: the end, or the first line.
    page.until("they are there", "probe.lines().some((line) => line.startsWith('GET'))");
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// Lines that differ only in times and ids are of one kind, however they are written; words are not.
#[test]
fn a_kind_of_line_has_other_times_and_ids() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("web", "running");
    for (one, other, is_same) in [
        ("2026-11-26T15:04:00Z up", "2027-01-02T16:05:59Z up", true),
        ("at 0x7ffd12 of worker17", "at 0xaa of worker9", true),
        ("user_42 took 3.5 ms", "user_7 took 12 ms", true),
        ("id 3f2a9c1b-11 done", "id 7e0d4-9 done", true),
        ("node1 is up", "node22 is up", true),
        ("[1,2,3]", "[40,5,6]", true),
        ("8080", "ready", false),
        ("e2e passed", "face passed", false),
        ("cafe opens", "face opens", false),
        ("GET /a", "GET /b", false),
        ("{\"level\":30,\"time\":1531171074631}", "{\"level\":30,\"time\":1531171074999}", true),
        ("{\"level\":30,\"time\":1531171074631}", "{\"level\":50,\"time\":1531171074631}", false),
        ("level=3 took 12 ms", "level=4 took 12 ms", false),
        ("levels 12", "levels 13", true),
    ] {
        let matched = format!(
            "import(new URL('lib/pattern.js', document.querySelector('script[src$=\"app.js\"]').src)).then(({{ similar }}) => {{ window.same = [{one:?}, {other:?}].map((line) => new RegExp(similar({one:?})).test(line)).join(); }})"
        );
        page.value(&format!("window.same = '', void {matched}"));
        page.until("it is compared", &format!("window.same === 'true,{is_same}'"));
    }
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// Older browsers lack functions of addresses; lines and their links are there all the same.
#[test]
fn lines_are_shown_where_a_browser_cannot_parse_addresses() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: echo see http://localhost:5173/ here; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "here");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.value("(delete URL.parse, null)");
    page.click("Log");
    page.shows_line("see http://localhost:5173/ here");
    page.until("the link", "probe.all('.rows .text a').length === 1");
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// A long line cannot stop the page.
#[test]
fn a_line_of_punctuation_behind_an_address_is_shown_at_once() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: for i in $(seq 200); do printf 'http://'; head -c 4000 /dev/zero | tr '\\0' ')'; echo x; done; echo ready; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("ready");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn standard_error_has_an_edge_if_it_is_apart() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: echo fine; echo broken >&2; exec sleep 1000\n");
    world.write("tmo.toml", "backend = \"native\"\n[process.web]\nsplit_stderr = true\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("broken");
    page.shows_line("fine");
    assert_eq!(page.value("probe.texts('.row.stderr .text')"), json!(["broken"]));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn lines_are_selected_by_keys() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: seq -f 'line %.0f' 9; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("line 9");
    let here = |expected: &[&str]| {
        let expected = json!(expected).to_string();
        page.until(
            "the selection",
            &format!("JSON.stringify(probe.texts('.row.here .text')) === '{expected}'"),
        );
    };
    page.types("K");
    here(&["line 9"]);
    page.types("K");
    here(&["line 8"]);
    page.presses(&["\u{e008}", "\u{e013}"]);
    here(&["line 7", "line 8"]);
    page.presses(&["\u{e008}", "\u{e015}"]);
    here(&["line 8"]);
    page.types("J");
    here(&["line 9"]);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_time_can_be_gone_to_and_the_end_followed_again() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: seq 3000; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Log");
    page.shows_line("3000");
    let has_line = |number: u32| {
        format!("probe.all('.row .text').some((text) => text.textContent === '{number}')")
    };
    assert_eq!(page.value(&has_line(1)), json!(false));
    page.click("More for the log");
    page.click("Go to a time …");
    page.types("25:99");
    page.types(ENTER);
    let told =
        "document.querySelector('dialog [role=alert]').innerText.includes('is not a time of day')";
    page.until("it says so", told);
    page.value("(document.querySelector('dialog input').value = '', null)");
    page.types("1h");
    page.types(ENTER);
    page.until("the first line", &has_line(1));
    assert_eq!(page.value(&has_line(3000)), json!(false));
    page.click("Follow");
    page.until("the last line", &has_line(3000));
    page.end();
    web.end();
    world.ok(["quit"]);
}
