//! From a key to its echo in a terminal on the page. Beside it: `tmo connect` in a terminal.

use super::times;
use crate::chromium::Chromium;
use crate::harness::World;
use crate::keys::ENTER;
use crate::options::Options;
use crate::page::Page;
use crate::shared::table::{Bar, Table, Who, ms};
use crate::stack::{end, float, open};
use crate::terminal::Terminal;
use crate::web_server::WebServer;

/// The text typed in each round. The first key differs, so that all lines are distinct.
const ROUNDS: &str = "klmnopqrst";
const KEYS: &str = "abcdefghij";

pub(super) fn measure(options: &Options, table: &mut Table) {
    let chromium = Chromium::installed().unwrap();
    let world = World::new("p0: exec cat\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = open(&chromium, &world, &web);
    page.click("Terminal of p0");
    page.until("it has the focus", "document.activeElement.matches('.xterm-helper-textarea')");
    page.types("go");
    page.presses(&[ENTER]);
    page.until("it echoes", "probe.texts('.xterm-rows').join().includes('go')");
    let what = "key → echo in a terminal; beside it: tmo connect";
    let (mut in_page, mut in_terminal) = (vec![], vec![]);
    for first in ROUNDS.chars().take(options.count(10, 2)) {
        in_page.extend(typed(&page, &format!("{first}{KEYS}")));
        page.presses(&[ENTER]);
    }
    drop(page);
    let mut terminal = Terminal::run(&world.tmo(["connect", "p0"]));
    terminal.first(|screen| screen.contains("go"));
    for round in 0..options.count(10, 2) {
        let mut line = format!("{round}:");
        terminal.press(&line, |screen| screen.contains(&line));
        for key in KEYS.chars() {
            line.push(key);
            let time = terminal.press(&key.to_string(), |screen| screen.contains(&line));
            in_terminal.push(ms(time));
        }
        terminal.types("\r");
        // `cat` repeats the line; what is typed before that would be in the same line.
        terminal.first(|screen| screen.matches(&line).count() == 2);
    }
    times(table, Who::Tmo, what, [Bar::Any, Bar::Any], &in_page);
    times(table, Who::Peer, what, [Bar::Any, Bar::Any], &in_terminal);
    drop(terminal);
    end(&world, web);
}

/// Type the keys of a line one by one; returns the times from key events until the keys are shown.
fn typed(page: &Page, keys: &str) -> Vec<f64> {
    let mut line = String::new();
    let mut times = vec![];
    for key in keys.chars() {
        line.push(key);
        let row = "probe.texts('.xterm-rows').join().replaceAll('\\u00a0', ' ').split('\\n')";
        let shown = format!("{row}.some((row) => row.trim() === '{line}')");
        page.value(&format!("(bench.echo = bench.when(() => {shown}), null)"));
        page.types(&key.to_string());
        times.push(float(page, "bench.echo.then((time) => time - bench.pressed)"));
    }
    times
}
