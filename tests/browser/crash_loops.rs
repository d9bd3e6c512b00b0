//! Processes that fail again and again are one story, until they have been stable.

use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::World;
use crate::notices::NOTIFICATIONS;
use crate::page::Page;
use crate::web_server::WebServer;

#[test]
fn a_process_that_fails_again_and_again_is_told_once_and_stays_marked_while_it_runs() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: exec sleep 1000\nmailer: until [ -e go ]; do sleep 0.05; done; sleep 0.5; echo 'Error: no smtp'; exit 3\n",
    );
    world.write(
        "tmo.toml",
        "[process.mailer]\ngroup = \"back\"\nrestart = { policy = \"on-failure\", delay = \"300ms\", backoff = \"fixed\", max_failures = 0 }\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.value("void localStorage.setItem('tmo-notices', 'on')");
    page.value(NOTIFICATIONS);
    page.hide(true);
    world.write("go", "");
    let note = "document.querySelector('tr[data-name=\"mailer\"] + tr.note')";
    page.until(
        "the story while it runs",
        &format!(
            "/crashed \\d+ times in a row, last .* ago: /.test({note}.innerText) && {note}.innerText"
        ),
    );
    let why =
        format!("[...{note}.querySelectorAll('button')].find((one) => one.innerText === 'Why?')");
    page.until("Why?", &format!("{why}?.checkVisibility() === true"));
    page.until("the notification", "shown.length > 0");
    page.until("a state of its own", "/^crash loop · \\d+×$/.test(probe.state('mailer'))");
    let sign = "document.querySelector('tr[data-name=\"mailer\"] .state')";
    assert!(page.text(&format!("{sign}.className")).contains("kind-bad"));
    page.until(
        "the group and the summary count it, and not as running",
        "document.querySelector('tr.group').innerText.includes('0 of 1 running · ✖ 1 in a crash loop') && \
         /1 running · 1 in a crash loop/.test(document.body.innerText)",
    );
    page.value(
        "void (window.words = new Set(), setInterval(() => words.add(probe.state('mailer')), 20))",
    );
    page.until(
        "three more failures",
        &format!("(window.from ??= Number({note}.innerText.match(/crashed (\\d+)/)?.[1] ?? 0), Number({note}.innerText.match(/crashed (\\d+)/)?.[1] ?? 0) >= window.from + 3)"),
    );
    assert_eq!(page.value("shown.length"), json!(1), "{:?}", page.value("shown"));
    assert_eq!(
        page.value("[...words].filter((word) => !word.startsWith('crash loop · '))"),
        json!([])
    );
    page.picture("crash-loop");
    assert!(page.text("shown[0]").starts_with("mailer has failed: "), "{:?}", page.value("shown"));
    assert!(page.text("document.title").starts_with("▲ mailer"));
    page.hide(false);
    let ps = world.ok(["ps"]);
    assert!(ps.contains(" times in a row, last "), "{ps}");
    page.end();
    web.end();
    world.ok(["quit"]);
}
