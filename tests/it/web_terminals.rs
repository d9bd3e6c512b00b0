//! Terminals on the pages of `tmo web`, by their `WebSocket`s.

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::connect::{own_sessions, size, wait_size};
use crate::harness::wait::eventually_or;
use crate::harness::{World, eventually};
use crate::web::{Frames, Web};

const OUTPUT: u8 = 0;
const STATUS: u8 = 5;
const END: u8 = 6;
const SCREEN: u8 = 7;

/// Answers each line.
const ANSWERING: &str = "shell: echo ready; while read -r line; do echo \"got <$line>\"; done\n";

/// The most bytes that the server sends without an acknowledgement.
const UNDER_WAY: usize = (128 + 16) << 10;

fn open(web: &Web<'_>, path: &str) -> Frames {
    Frames::open_at(web, &format!("{}/{path}", web.run()), "tmo-tty.1")
}

impl Frames {
    /// Read until a message of this kind satisfies a condition.
    fn until<T>(&mut self, kind: u8, holds: impl Fn(&[u8]) -> Option<T>) -> T {
        loop {
            let message = self.message(2);
            if message[0] == OUTPUT {
                let shown = u32::try_from(message.len() - 1).unwrap().to_be_bytes();
                // Data from before the end can still be read.
                let _ = self.try_send(2, &[&[3], &shown[..]].concat());
            }
            if message[0] == kind
                && let Some(found) = holds(&message[1..])
            {
                return found;
            }
        }
    }

    /// Read until a typing page shows this.
    fn shows(&mut self, text: &str) {
        let mut all = String::new();
        while !all.contains(text) {
            all += &self.until(OUTPUT, |bytes| Some(String::from_utf8_lossy(bytes).into_owned()));
        }
    }

    /// Read until the screen of a watching page satisfies a condition.
    fn sees(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        self.until(SCREEN, |json| {
            let screen = serde_json::from_slice(json).unwrap();
            holds(&screen).then_some(screen)
        })
    }

    fn sees_text(&mut self, text: &str) -> Value {
        self.sees(|screen| screen["screen"].as_str().unwrap().contains(text))
    }

    fn sees_size(&mut self, columns: u16, rows: u16) {
        self.sees(|screen| screen["columns"] == columns && screen["rows"] == rows);
    }

    /// Read until the server sends this status.
    fn is_told(&mut self, name: &str, value: &Value) {
        self.until(STATUS, |json| {
            let status: Value = serde_json::from_slice(json).unwrap();
            (status[name] == *value).then_some(())
        });
    }

    fn farewell(&mut self) -> String {
        self.until(END, |why| Some(String::from_utf8_lossy(why).into_owned()))
    }

    fn types(&mut self, text: &str) {
        self.send(2, &[&[1], text.as_bytes()].concat());
    }
}

#[test]
fn a_watching_page_gets_the_whole_screen_and_its_keys_reach_nothing() {
    let world = World::new(
        "shell: printf 'one\\033[31mred\\033[m\\n'; read -r a; echo \"hello $a\"; read -r b; printf '\\033[?1049h\\033[44mall of it\\033[3;5H'; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    let mut looking = open(&web, "look/shell");
    let screen = looking.sees_text("\u{1b}[31mred");
    assert_eq!((&screen["is_alternate"], &screen["cursor"]["row"]), (&false.into(), &1.into()));
    looking.types("nobody\r");
    looking.send(2, &[2, 0, 40, 0, 10]);
    let mut typing = open(&web, "type/shell");
    typing.shows("red");
    typing.types("anna\r");
    looking.sees_text("hello anna");
    typing.types("\r");
    let screen = looking.sees(|screen| screen["is_alternate"] == true);
    let cursor = &screen["cursor"];
    assert_eq!((&cursor["row"], &cursor["column"]), (&2.into(), &4.into()));
    drop((typing, looking));
    eventually("no tmux session is left", || own_sessions(&world).is_empty().then_some(()));
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_terminal_has_the_size_of_the_typing_page_and_afterwards_that_of_the_run() {
    let world = World::new(ANSWERING);
    world.ok(["start", "-D"]);
    world.wait_state("shell", "running");
    let before = size(&world, "shell");
    let (columns, rows) = before.split_once('x').unwrap();
    let (columns, rows) = (columns.parse().unwrap(), rows.parse().unwrap());
    let web = Web::start(&world);
    let mut looking = open(&web, "look/shell");
    looking.sees_text("ready");
    assert_eq!(size(&world, "shell"), before, "a watching page does not change the size");
    // A page that keeps the size receives it.
    let mut keeping = open(&web, "type/shell?size=45x20&keep=1");
    keeping.is_told("size", &Value::from([columns, rows]));
    keeping.shows("ready");
    keeping.types("a\r");
    looking.sees_text("got <a>");
    assert_eq!(size(&world, "shell"), before);
    let mut typing = open(&web, "type/shell?size=120x40");
    wait_size(&world, "shell", "120x40");
    looking.sees_size(120, 40);
    keeping.is_told("size", &Value::from([120, 40]));
    typing.is_told("others", &1.into());
    typing.send(2, &[2, 0, 100, 0, 30]);
    looking.sees_size(100, 30);
    drop(typing);
    looking.sees_size(columns, rows);
    keeping.is_told("size", &Value::from([columns, rows]));
    drop((keeping, looking));
    eventually("no tmux session is left", || own_sessions(&world).is_empty().then_some(()));
    assert_eq!(size(&world, "shell"), before);
    web.end();
    world.ok(["quit"]);
}

#[test]
fn after_abrupt_ends_of_pages_no_tmux_session_is_left_and_the_size_is_that_of_the_run() {
    let world = World::new(ANSWERING);
    world.ok(["start", "-D"]);
    world.wait_state("shell", "running");
    let before = size(&world, "shell");
    let web = Web::start(&world);
    let ends =
        if std::env::var_os("TMO_TEST").is_some_and(|tier| tier == "full") { 100 } else { 20 };
    for turn in 0..ends {
        let mut one = open(&web, "type/shell?size=70x20");
        // Some end before tmux has attached them, some while others stay.
        match turn % 4 {
            0 => {}
            1 => one.shows("ready"),
            _ => {
                let mut other = open(&web, "type/shell?size=90x30");
                other.shows("ready");
                one.shows("ready");
            }
        }
    }
    let format =
        "#S attached:#{session_attached} #{@tmo_client} #{@tmo_client_name} #{session_created}";
    let sessions = || world.tmux(["list-sessions", "-F", format]);
    let gone = || own_sessions(&world).is_empty().then_some(());
    eventually_or("no tmux session is left", gone, sessions);
    wait_size(&world, "shell", &before);
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_page_that_reads_nothing_delays_no_other_and_gets_a_bounded_number_of_bytes() {
    let world = World::new("shell: trap 'echo interrupted' INT; read -r a; yes; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("shell", "running");
    let web = Web::start(&world);
    let mut typing = open(&web, "type/shell?size=80x24");
    typing.types("\r");
    let journal = || {
        let printed = web.get(&format!("{}/api/extent?name=shell", web.run()));
        printed["all"].as_u64().filter(|bytes| *bytes > 8 * UNDER_WAY as u64)
    };
    eventually("the process has printed much more than the page takes", journal);
    typing.types("\u{3}");
    eventually("Ctrl+C has reached it", || {
        world.ok(["logs", "-n", "1", "shell"]).contains("interrupted").then_some(())
    });
    // The answer to a ping comes after all earlier messages.
    typing.send(9, b"");
    let bytes = typing.bytes_until_pong();
    assert!(bytes <= UNDER_WAY, "{bytes}");
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_terminal_stays_open_over_a_restart_and_gives_the_reason_of_its_end() {
    let world = World::new(ANSWERING);
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    let mut typing = open(&web, "type/shell");
    typing.shows("ready");
    world.ok(["restart", "shell"]);
    typing.types("again\r");
    typing.shows("got <again>");
    let mut looking = open(&web, "look/shell");
    looking.sees_text("again");
    world.ok(["quit"]);
    let farewell = typing.farewell();
    assert!(farewell.contains("the run is"), "{farewell}");
    let farewell = looking.farewell();
    assert!(farewell.contains("run is over"), "{farewell}");
    let farewell = open(&web, "type/shell").farewell();
    assert!(farewell.contains("run is over"), "{farewell}");
    web.end();
    world.wait_empty();
}

#[test]
fn a_page_that_closes_leaves_the_terminal_even_if_its_input_is_not_read() {
    let world = World::new("shell: stty -echo; echo ready; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    let clients =
        || world.living().iter().filter(|p| p.args.iter().any(|a| a == "connect")).count();
    let mut typing = open(&web, "type/shell");
    typing.shows("ready");
    assert_eq!(clients(), 1);
    for _ in 0..10 {
        typing.types(&"a line that nobody reads\r".repeat(2000));
    }
    // Pings are answered meanwhile, so all of it was read.
    typing.send(9, b"");
    typing.bytes_until_pong();
    drop(typing);
    eventually("the client of the page is gone", || (clients() == 0).then_some(()));
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn keys_after_the_wheel_reach_the_process() {
    let world = World::new(
        "shell: stty -echo; seq 1 200; echo ready; while read -r line; do echo \"got <$line>\"; done\n",
    );
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    let mut typing = open(&web, "type/shell");
    typing.shows("ready");
    let mode = || world.tmux(["display-message", "-p", "-t", "shell", "#{pane_in_mode}"]);
    let scrolls = |typing: &mut Frames| {
        typing.types("\u{1b}[<64;10;10M");
        eventually("copy mode", || (mode() == "1\n").then_some(()));
    };
    for line in ["echo x1", "q", "x y"] {
        scrolls(&mut typing);
        for key in line.chars() {
            typing.types(&key.to_string());
        }
        typing.types("\r");
        typing.shows(&format!("got <{line}>"));
    }
    // Text typed together with the wheel.
    typing.types("\u{1b}[<64;10;10M\u{1b}[<64;10;10Mtogether\r");
    typing.shows("got <together>");
    scrolls(&mut typing);
    drop(typing);
    eventually("copy mode is left", || (world.is_native() || mode() == "0\n").then_some(()));
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}
