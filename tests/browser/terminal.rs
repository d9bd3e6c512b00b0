//! The terminal of a process.

use pretty_assertions::assert_eq;

use crate::chromium::Chromium;
use crate::harness::World;
use crate::keys::{CONTROL, ENTER, SHIFT};
use crate::page::Page;
use crate::web_server::WebServer;

/// Answers each line, and Ctrl+C.
const ANSWERING: &str = "\
shell: trap 'echo interrupted' INT; echo ready; while :; do read -r line && echo \"got <$line>\"; done
";

fn shows(page: &Page, text: &str) {
    let shown =
        format!("probe.texts('.xterm-rows').join().replaceAll('\\u00a0', ' ').includes('{text}')");
    page.until(&format!("the terminal shows {text}"), &shown);
}

#[test]
fn a_process_is_typed_into_and_goes_on_when_the_page_leaves_its_terminal() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(ANSWERING);
    world.ok(["start", "-D"]);
    let pid = world.wait_state("shell", "running");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click("Terminal of shell");
    shows(&page, "ready");
    page.until("it has the focus", "document.activeElement.matches('.xterm-helper-textarea')");
    page.types("hello");
    shows(&page, "hello");
    page.presses(&[ENTER]);
    shows(&page, "got <hello>");
    page.presses(&[CONTROL, "c"]);
    shows(&page, "interrupted");
    page.presses(&[CONTROL, SHIFT, "l"]);
    page.until("the terminal is left", "document.activeElement.matches('.terminal-bar select')");
    page.click("Overview");
    page.shows_state("shell", "running");
    assert_eq!(world.wait_state("shell", "running"), pid);
    page.end();
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}
