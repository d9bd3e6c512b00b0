//! The main screens in three sizes, compared with what they were. `TMO_BLESS=1` keeps what is meant.

use std::fmt::Write as _;
use std::path::Path;

use pretty_assertions::assert_eq;
use ratatui_core::buffer::{Buffer, Cell};
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier};

use super::{World, at, time};
use crate::draw::draw;
use crate::draw::theme::Theme;
use crate::figures::Figures;
use crate::journal::search::landmark::{Landmark, LandmarkEvent};
use crate::keys::Key;
use crate::model::{Exit, LifeId, ProcName, ProcessStatus};
use crate::state::msg::{Msg, ProcessPage, Tab};

const THEME: Theme = Theme { color: true, ascii: false };
const SIZES: [(u16, u16); 3] = [(40, 10), (80, 24), (120, 40)];

/// A run in which `worker` has failed, with much output before that.
fn shop(size: (u16, u16)) -> World {
    let mut world = World::new(size);
    let worker = &mut world.ui.list.processes[2];
    (worker.state, worker.pid) = (ProcessStatus::Exited, None);
    (worker.ends.exit, worker.since) = (Some(Exit::Code(1)), time(200));
    world.ui.list.processes[1].readiness.ready = Some(true);
    for number in 0..60 {
        world.print_line(
            "web",
            &format!("GET /api/orders/{number} 200 in \x1b[32m{number} ms\x1b[0m"),
        );
        world.print_line(
            "api",
            &format!("order {number} read; 日本語, e\u{301}, a tab:\tand its end"),
        );
        world.print_line("worker", &format!("job {number} done"));
    }
    world.print_line("worker", "Error: connect ECONNREFUSED 127.0.0.1:5432, while job 60 was done");
    world.prompt = Some(("api", "pry> ".to_owned()));
    let mark = |record: u64, name: &str, what| {
        let name = Some(name.to_owned());
        Landmark { record, time: time(record), name, what }
    };
    world.marks = vec![
        mark(0, "web", LandmarkEvent::Started(Some(LifeId::nth(1)))),
        mark(1, "api", LandmarkEvent::Started(Some(LifeId::nth(1)))),
        mark(2, "worker", LandmarkEvent::Started(Some(LifeId::nth(1)))),
        mark(9, "api", LandmarkEvent::Ready),
        mark(180, "worker", LandmarkEvent::Exited(Exit::Code(1))),
    ];
    world.announce();
    world
}

fn page(world: &mut World, key: &str, tab: Tab, text: &str) {
    world.keys("3");
    world.keys(key);
    let name = ProcName::new("worker").ok();
    let (text, leads_to) = (text.to_owned(), Some(at(180)));
    world.send(Msg::Page(ProcessPage { tab, name, text, leads_to }));
}

fn figures(world: &mut World) {
    world.keys("m");
    for step in 0..100_u32 {
        let sample = |name: &str| Figures {
            name: ProcName::new(name).unwrap(),
            pid: 7,
            cpu_percent: Some(f64::from(step)),
            cpu_seconds: 1.0,
            memory_bytes: u64::from(step) << 20,
            processes: 2,
            threads: 9,
            files: None,
            listens: None,
            output_bytes_per_second: Some(2000.0),
        };
        world.send(Msg::Figures(vec![sample("web"), sample("api")]));
    }
}

/// What leads from the overview to a screen.
type Steps = fn(&mut World);

const SCREENS: [(&str, Steps); 9] = [
    ("overview", |_| {}),
    ("one-process", |world| world.keys("3")),
    ("scrolled", |world| world.key(Key::PageUp)),
    ("filter", |world| {
        world.keys("/error|job 5");
        world.key(Key::Tab);
        world.key(Key::Enter);
    }),
    ("why", |world| {
        let text = "\x1b[1mworker\x1b[0m exited with code 1\n\n\
            1. Nothing listens on port 5432, where Postgres usually is; no process of the run \
            listens there.\n   \x1b[2mError: connect ECONNREFUSED 127.0.0.1:5432\x1b[0m\n";
        page(world, "d", Tab::Why, text);
    }),
    ("timeline", |world| {
        world.keys("H");
        world.keys("{");
    }),
    ("figures", figures),
    ("actions", |world| world.keys(":st")),
    ("help", |world| world.keys("?")),
];

/// The screen, and with it, in one character for each cell, the styles.
fn drawn(world: &World, with_styles: bool) -> String {
    let (width, height) = world.ui.screen.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(&world.ui, THEME, &mut buffer);
    let mut text = world.screen(THEME);
    if with_styles {
        text.push_str("styles\n");
        for row in buffer.content().chunks(usize::from(width)) {
            let styles: String = row.iter().map(style_of).collect();
            text.push_str(styles.trim_end());
            text.push('\n');
        }
    }
    text
}

/// `R`: reversed; the colour; `b`: bold; `d`: dim; a blank: none of these.
fn style_of(cell: &Cell) -> char {
    let has = |modifier| cell.modifier.contains(modifier);
    match cell.fg {
        _ if has(Modifier::REVERSED) => 'R',
        Color::Red => 'r',
        Color::Green => 'g',
        Color::Yellow => 'y',
        Color::Magenta => 'm',
        Color::Cyan => 'c',
        Color::Indexed(number) => char::from_digit(u32::from(number % 10), 10).unwrap_or('i'),
        _ if has(Modifier::BOLD) => 'b',
        _ if has(Modifier::DIM) => 'd',
        _ => ' ',
    }
}

#[test]
fn the_main_screens_are_as_they_were() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/snapshots");
    #[expect(clippy::disallowed_methods, reason = "it is for whoever changes a screen")]
    let is_meant = std::env::var_os("TMO_BLESS").is_some();
    for (name, steps) in SCREENS {
        let mut text = String::new();
        for size in SIZES {
            let mut world = shop(size);
            steps(&mut world);
            let (width, height) = size;
            writeln!(text, "{width} x {height}\n{}", drawn(&world, width == 80)).unwrap();
        }
        let file = dir.join(name).with_extension("txt");
        if is_meant {
            std::fs::write(&file, &text).unwrap();
        }
        #[expect(clippy::disallowed_methods, reason = "a file of this repository")]
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text, before, "{name}; TMO_BLESS=1 keeps what is meant");
    }
}
