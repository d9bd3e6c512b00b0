//! The hidden page: its title, and notifications.

use crate::chromium::Chromium;
use crate::harness::{World, procs};
use crate::page::Page;
use crate::web_server::WebServer;

/// Replaces the notifications of the system.
pub(crate) const NOTIFICATIONS: &str = "(() => {
    window.shown = [];
    window.Notification = class {
        static permission = 'granted';
        static async requestPermission() { return 'granted'; }
        constructor(text) { window.shown.push(text); }
        close() {}
    };
})()";

#[test]
fn a_hidden_page_names_what_fails_and_what_asks_in_its_title_and_in_notifications() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: exec sleep 1000\n\
         worker: read line <go; echo broken; exit 3\n\
         console: read line <go2; printf 'Continue? [y/N] '; read answer\n",
    );
    for pipe in ["go", "go2"] {
        nix::unistd::mkfifo(&world.app().join(pipe), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("worker", "running");
    page.click("Settings");
    page.value(NOTIFICATIONS);
    page.hide(true);
    page.click_at("//dialog//input[@type='checkbox']");
    page.until("notifications are on", "localStorage.getItem('tmo-notices') === 'on'");
    page.click("Close");
    std::fs::write(world.app().join("go"), "\n").unwrap();
    page.until("a notification", "shown.some((text) => text.startsWith('worker has failed'))");
    page.until("the title names the failure", "document.title.startsWith('▲ worker')");
    std::fs::write(world.app().join("go2"), "\n").unwrap();
    page.until("another", "shown.some((text) => text.startsWith('console waits for an answer'))");
    assert_eq!(page.number("shown.length"), 2, "{:?}", page.value("shown"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_server_that_hangs_is_named_and_nothing_is_sent_to_it_until_it_answers() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("worker", "running");
    let before = world.field("worker", "pid");
    let server = web.pid();
    procs::kill(server, nix::libc::SIGSTOP);
    // One that was on its way when it stopped.
    page.value("void document.querySelector('[aria-label=\"Restart web\"]').click()");
    let row = |name: &str| format!("document.querySelector('tr[data-name={name}]')");
    let note = |name: &str| format!("{}.nextElementSibling.innerText", row(name));
    page.until("the answer is missed", &format!("{}.includes('no answer yet')", note("web")));
    page.until("the silence", "/No news from tmo web for 1\\d s/.test(document.body.innerText)");
    page.value("void document.querySelector('[aria-label=\"Restart worker\"]').click()");
    page.until(
        "it was not sent",
        &format!("{}.includes('not sent yet: no news from tmo web')", note("worker")),
    );
    page.picture("silent-server");
    procs::kill(server, nix::libc::SIGCONT);
    page.until("the news", "!document.body.innerText.includes('No news from tmo web')");
    page.until("the answer", &format!("!{}.includes('no answer yet')", note("web")));
    assert_eq!(world.field("worker", "pid"), before, "the restart was not sent");
    page.end();
    web.end();
    world.ok(["quit"]);
}
