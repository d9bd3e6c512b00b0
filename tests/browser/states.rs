//! States that pass: how they look, and that the page goes on meanwhile.

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::archive::{Member, archive};
use crate::chromium::Chromium;
use crate::harness::{World, eventually, executable};
use crate::page::Page;
use crate::web_server::WebServer;

const STUBBORN: &str = "trap '' TERM INT; echo ready; while :; do sleep 0.2; done";

/// A process that ends at once is started again after a pause, and one that ignores signals stops after a minute.
fn passing() -> World {
    let world = World::new(&format!(
        "web: exec sleep 1000\nflaky: exit 1\nloop: exit 1\nstubborn: {STUBBORN}\nshort: {STUBBORN}\n"
    ));
    world.write(
        "tmo.toml",
        "[process.stubborn]\nstop = { timeout = \"60s\" }\n\
         [process.short]\nstop = { timeout = \"3s\" }\n\
         [process.flaky]\nrestart = { policy = \"always\", delay = \"1h\" }\n",
    );
    // Installs the app, once there is a file.
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let bundle = "#!/bin/sh\nwhile [ ! -e go ]; do sleep 0.05; done\n";
    executable(&bin.join("bundle"), bundle);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    world.env("PATH", &path)
}

/// The word, the shape and the colour of a process as soon as it is in this state.
fn looks(page: &Page, name: &str, word: &str) -> (String, String, String) {
    let cell = format!("document.querySelector('tr[data-name={name}] .state')");
    let parts = format!(
        "((cell) => [cell.lastElementChild.innerText, cell.querySelector('.sign').innerText, \
         getComputedStyle(cell.querySelector('.sign')).color])({cell})"
    );
    let all = page.until(
        &format!("{name} is {word}"),
        &format!("{cell} && ((parts) => parts[0] === '{word}' && parts)({parts})"),
    );
    let part = |at: usize| all[at].as_str().unwrap().to_owned();
    (part(0), part(1), part(2))
}

#[test]
fn states_that_pass_are_told_apart_by_word_and_by_shape() {
    let Some(chromium) = Chromium::find() else { return };
    let world = passing();
    world.ok(["start", "-D", "-r", "loop"]);
    world.wait_text("stubborn", "ready");
    let zip = world.path().join("app.zip");
    let run = "#!/bin/sh\nexec sleep 1000\n";
    std::fs::write(&zip, archive(&[Member::new("run.sh", run), Member::new("Gemfile", "")]))
        .unwrap();
    world.ok([
        "app",
        "add",
        "shop",
        "--zip",
        zip.to_str().unwrap(),
        "--script",
        "run.sh",
        "--no-wait",
    ]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let mut shapes = BTreeMap::new();
    page.click("Stop stubborn");
    for (name, word) in [
        ("shop", "installing"),
        ("flaky", "restarting"),
        ("stubborn", "stopping"),
        ("web", "running"),
    ] {
        let (word, shape, color) = looks(&page, name, word);
        assert_eq!(shape.chars().count(), 1, "{word}");
        assert_ne!(color, "", "{word}");
        assert_eq!(shapes.insert(shape, word), None, "no two of them share a shape");
    }
    let shape = page.until(
        "a crash loop",
        "((cell) => cell?.lastElementChild.innerText.startsWith('crash loop · ') && \
         cell.querySelector('.sign').innerText)(document.querySelector('tr[data-name=loop] .state'))",
    );
    let shape = shape.as_str().unwrap().to_owned();
    assert_eq!(shapes.insert(shape, "crash loop".to_owned()), None, "no two of them share a shape");
    page.click("Stop web");
    let (word, shape, _) = looks(&page, "web", "stopped");
    assert_eq!(shapes.insert(shape, word), None, "no two of them share a shape");
    page.picture("states");
    std::fs::write(world.journal().join("apps/shop/go"), "").unwrap();
    page.shows_state("shop", "running");
    page.end();
    web.end();
    world.ok(["kill"]);
}

#[test]
fn a_process_that_ignores_signals_is_stopping_until_it_is_killed_and_the_page_goes_on() {
    let Some(chromium) = Chromium::find() else { return };
    let world = passing();
    world.ok(["start", "-D", "-r", "loop"]);
    for name in ["stubborn", "short"] {
        world.wait_text(name, "ready");
    }
    let pid = world.field("stubborn", "pid");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Stop stubborn");
    page.shows_state("stubborn", "stopping");
    page.click("Stop short");
    page.shows_state("short", "stopping");
    // Meanwhile buttons act.
    let before = world.field("web", "pid");
    page.click("Restart web");
    eventually("web has another pid", || {
        let now = world.field("web", "pid");
        (now.is_u64() && now != before).then_some(())
    });
    page.shows_state("web", "running");
    page.shows_state("short", "stopped");
    assert_eq!(page.text("probe.state('stubborn')"), "stopping");
    assert_eq!(world.field("stubborn", "pid"), pid);
    page.click("Log");
    page.shows_line("ended by signal 9");
    let shown = page.value(
        "probe.all('.rows .row').map((row) => [row.querySelector('.name').textContent, row.querySelector('.text').textContent]) \
         .filter(([name, text]) => name === 'short' || text.includes('short (pid ')).map(([, text]) => \
         /Interrupting|SIGKILL in|Killing|ended by signal 9/.exec(text)?.[0]).filter(Boolean)",
    );
    assert_eq!(shown, json!(["Interrupting", "SIGKILL in", "Killing", "ended by signal 9"]));
    // Who insists does not wait.
    page.click("Overview");
    page.click("Stop stubborn");
    page.shows_state("stubborn", "stopped");
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_dependency_that_ended_too_early_is_marked_and_a_crash_is_one_red_line() {
    let Some(chromium) = Chromium::find() else { return };
    let until = |file: &str| format!("until [ -e {file} ]; do sleep 0.05; done");
    let world = World::new(&format!(
        "db: echo db is up; {}\nweb: exec sleep 1000\napp: {}; echo Error: boom; exit 3\n",
        until("db-ends"),
        until("app-fails")
    ));
    world.write(
        "tmo.toml",
        "[process.db]\nready = { log = \"db is up\" }\non_exit = \"ignore\"\n\
         [process.web]\ndepends_on = [\"db\"]\n[process.app]\non_exit = \"ignore\"\n",
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let (_, fine, color) = looks(&page, "web", "running");
    world.write("db-ends", "");
    world.wait_state("db", "exited");
    let cell = "document.querySelector('tr[data-name=db] .state .sign')";
    page.until("db is marked", &format!("{cell}?.innerText === '▲'"));
    assert_ne!(fine, "▲");
    assert_ne!(page.text(&format!("getComputedStyle({cell}).color")), color);
    world.write("app-fails", "");
    world.wait_state("app", "exited");
    page.click("Log");
    page.shows_line("Error: boom");
    let red = "probe.all('.row.event.bad').map((row) => row.innerText)";
    page.until("the crash", &format!("{red}.some((text) => text.includes('crashed'))"));
    assert_eq!(page.number(&format!("{red}.length")), 1, "{}", page.value(red));
    assert_eq!(page.number("probe.lines().filter((line) => line.includes('boom')).length"), 2);
    page.end();
    web.end();
    world.ok(["quit"]);
}
