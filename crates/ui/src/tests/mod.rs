//! The interface over a journal in memory.

mod keys;
mod log;
mod properties;
mod screens;
mod snapshots;
mod timeline;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use super::draw::draw;
use super::draw::theme::Theme;
use super::keys::Key;
use super::state::Ui;
use super::state::entry::{EntryKind, LogEntry};
use super::state::log::window::{Edge, LoadedEntries};
use super::state::log::{From, Load};
use super::state::msg::{
    Choice, Direction, Effect, Loaded, Marks, Msg, Now, Output, Question, ScreenEnd, Search,
    SearchProgress, Target,
};
use super::state::timeline::Period;
use crate::journal::read::cursor::Position;
use crate::journal::search::landmark::Landmark;
use crate::journal::search::place::Share;
use crate::journal::search::styled::rows_of_text;
use crate::model::request::{Head, Partial};
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::model::{ProcName, ProcessStatus, StreamNo};

/// Some time in the afternoon.
const NOON: u64 = 1_763_733_900_000_000_000;

/// An interface, and a journal with one line in each record.
struct World {
    ui: Ui,
    lines: Vec<(&'static str, String)>,
    /// What was done, except for reading.
    effects: Vec<Effect>,
    /// How often it was asked what has changed since the processes were started.
    drift_asked: usize,
    /// Questions are answered at once.
    answers: bool,
    unanswered: Vec<Effect>,
    passed: Duration,
    /// What happened to processes.
    marks: Vec<Landmark>,
    /// What a process has printed without a newline.
    prompt: Option<(&'static str, String)>,
}

const fn at(record: u64) -> Position {
    Position { record, skip: 0 }
}

fn time(record: u64) -> Timestamp {
    Timestamp::from_nanos(NOON + record * 1_000_000)
}

impl World {
    fn new(size: (u16, u16)) -> Self {
        let now = Now { time: time(0), zone: TimeZone::UTC };
        let (effects, unanswered) = (vec![], vec![]);
        let mut ui = Ui::new(size, now);
        ui.run.title = "shop".to_owned();
        let names = [("web", 2), ("api", 3), ("worker", 4)];
        let process = |(name, color): (&str, u8)| {
            let name = ProcName::new(name).unwrap();
            let mut process = ProcessState::new(name, ProcessStatus::Running, Some(100));
            (process.config.color, process.since) = (color, time(0));
            process
        };
        ui.list.set(names.into_iter().map(process).collect());
        let mut world = Self {
            ui,
            lines: vec![],
            effects,
            drift_asked: 0,
            answers: true,
            unanswered,
            prompt: None,
            passed: Duration::ZERO,
            marks: vec![],
        };
        world.send(Msg::Alarm);
        world
    }

    /// With this many lines of `web`.
    fn with_lines(size: (u16, u16), count: usize) -> Self {
        let mut world = Self::new(size);
        world.print(count);
        world
    }

    fn print(&mut self, count: usize) {
        let first = self.lines.len();
        self.lines.extend((first..first + count).map(|number| ("web", format!("line {number}"))));
        self.announce();
    }

    fn print_line(&mut self, name: &'static str, text: &str) {
        self.lines.push((name, text.to_owned()));
        self.announce();
    }

    fn announce(&mut self) {
        let records = self.lines.len() as u64;
        let partial = |(_, text): &(_, String)| Partial {
            stream: StreamNo(1),
            start: records,
            end: records + text.len() as u64,
        };
        let partials = self.prompt.iter().map(partial).collect();
        self.send(Msg::Head(Head { records, partials, ..Head::default() }));
    }

    fn keys(&mut self, keys: &str) {
        for c in keys.chars() {
            self.key(Key::Char(c));
        }
    }

    fn key(&mut self, key: Key) {
        self.send(Msg::Key(key));
    }

    fn send(&mut self, msg: Msg) {
        let effects = self.ui.update(msg, self.now());
        for effect in effects {
            if self.answers {
                self.answer(effect);
            } else {
                self.unanswered.push(effect);
            }
        }
    }

    /// One millisecond for each line, and the time that has passed.
    fn now(&self) -> Timestamp {
        time(self.lines.len() as u64) + self.passed
    }

    /// Let time pass, until the next alarm at most.
    fn wait(&mut self, time: Duration) {
        let until = self.passed + time;
        while self.passed < until {
            let alarm = self.ui.next_alarm().unwrap_or(Duration::MAX);
            self.passed = until.min(self.passed.saturating_add(alarm));
            self.send(Msg::Alarm);
        }
    }

    fn answer(&mut self, effect: Effect) {
        match effect {
            Effect::Ask(Question::Unfinished(partials)) => {
                let (name, text) = self.prompt.clone().unwrap();
                let position = Position { record: u64::MAX, skip: 1 };
                let mut entry =
                    LogEntry::new(position, self.now(), EntryKind::Output, rows_of_text(&text));
                entry.name = Some(name.to_owned());
                self.send(Msg::Unfinished(vec![(partials[0], entry)]));
            }
            Effect::Ask(Question::Load(ticket, load, choice)) => {
                let loaded = self.load(ticket, load, &choice);
                self.send(Msg::Loaded(loaded));
            }
            Effect::Ask(Question::Search(search)) => {
                let found = self.search(&search);
                self.send(Msg::Found(found));
            }
            Effect::Ask(Question::Reopen) => {}
            Effect::Drift => self.drift_asked += 1,
            Effect::Ask(Question::ScreenEnd(position, _)) => {
                let all = self.lines.len() as u64;
                let (before, below) = (position.record + 1, all - position.record - 1);
                let share = Share { before, all };
                self.send(Msg::ScreenEnd(ScreenEnd { below, more: false, share }));
            }
            Effect::Ask(Question::Marks(records)) => {
                let is_found = |mark: &&Landmark| records.contains(&mark.record);
                let marks = self.marks.iter().filter(is_found).cloned().collect();
                let last = self.lines.len().saturating_sub(1) as u64;
                let bounds = Period { from: time(0), until: time(last) };
                self.send(Msg::Marks(Marks { marks, records, floor: 0, bounds }));
            }
            Effect::Ask(Question::Output(period, columns)) => {
                let web = ProcName::new("web").unwrap();
                let bytes = BTreeMap::from([(web, vec![1; columns])]);
                self.send(Msg::Output(Output { period, columns, bytes }));
            }
            Effect::Ask(Question::StopSearch)
            | Effect::Request(..)
            | Effect::Reload
            | Effect::Type(..)
            | Effect::Page(..)
            | Effect::Addresses(_)
            | Effect::Browse(_)
            | Effect::Copy(..)
            | Effect::Connect(..)
            | Effect::Plain(_)
            | Effect::Figures(_)
            | Effect::Mouse(_)
            | Effect::Suspend
            | Effect::Redraw
            | Effect::Leave
            | Effect::StopAll => self.effects.push(effect),
        }
    }

    fn entry(&self, record: usize) -> LogEntry {
        let (name, text) = &self.lines[record];
        let record = record as u64;
        let rows = rows_of_text(text);
        let mut entry = LogEntry::new(at(record), time(record), EntryKind::Output, rows);
        (entry.name, entry.color, entry.life) = (Some((*name).to_owned()), 2, 1);
        entry
    }

    fn is_chosen(&self, record: usize, choice: &Choice) -> bool {
        let (name, text) = &self.lines[record];
        let named = choice.names.is_empty() || choice.names.iter().any(|wanted| wanted == name);
        let mut scratch = vec![];
        named && choice.pattern.as_ref().is_none_or(|p| p.takes(text.as_bytes(), &mut scratch))
    }

    fn load(&self, ticket: u64, load: Load, choice: &Choice) -> Loaded {
        let head = self.lines.len();
        let from = match load.from {
            From::Position(position) => usize::try_from(position.record).unwrap().min(head),
            From::Time(wanted) => (0..head).find(|at| time(*at as u64) >= wanted).unwrap_or(head),
            From::Moment(wanted) => (0..head).find(|at| time(*at as u64) > wanted).unwrap_or(head),
            From::End => head,
        };
        let chosen = |at: &usize| self.is_chosen(*at, choice);
        let up = (load.up > 0).then(|| {
            let mut found: Vec<_> = (0..from).rev().filter(chosen).take(load.up).collect();
            let end = found.len() < load.up;
            found.reverse();
            let first = if end { 0 } else { found[0] };
            let entries = found.into_iter().map(|at| self.entry(at)).collect();
            LoadedEntries { entries, edge: Edge { at: at(first as u64), end } }
        });
        let down = (load.down > 0).then(|| {
            let found: Vec<_> = (from..head).filter(chosen).take(load.down).collect();
            let end = found.len() < load.down;
            let next = if end { head } else { found[found.len() - 1] + 1 };
            let entries = found.into_iter().map(|at| self.entry(at)).collect();
            LoadedEntries { entries, edge: Edge { at: at(next as u64), end } }
        });
        Loaded { ticket, load, from: at(from as u64), head: head as u64, parts: (up, down) }
    }

    fn search(&self, search: &Search) -> SearchProgress {
        let from = usize::try_from(search.from.record).unwrap();
        let fits = |record: &usize| {
            let is_start = self.lines[*record].1 == "Started";
            self.is_chosen(*record, &search.choice)
                && Some(at(*record as u64)) != search.except
                && (search.target == Target::Entries || is_start)
        };
        let hit = match search.direction {
            Direction::Up => (0..from.min(self.lines.len())).rev().find(fits),
            Direction::Down => (from..self.lines.len()).find(fits),
        };
        SearchProgress {
            ticket: search.ticket,
            hit: hit.map(|record| at(record as u64)),
            end: hit.is_none(),
        }
    }

    /// The numbers of the records on the screen.
    fn shown(&self) -> Vec<u64> {
        let shown = self.ui.log.visible_lines();
        let entries = shown.lines.iter().filter_map(|place| self.ui.log.entry(*place));
        entries.map(|entry| entry.position.record).collect()
    }

    /// The record of the current line, and its row.
    fn current(&self) -> Option<(u64, usize)> {
        let record = self.ui.log.current()?.position.record;
        let shown = self.shown();
        Some((record, shown.iter().position(|shown| *shown == record)?))
    }

    /// The screen as text, without blanks at the ends of lines.
    fn screen(&self, theme: Theme) -> String {
        let (width, height) = self.ui.screen.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        draw(&self.ui, theme, &mut buffer);
        let rows = buffer.content().chunks(usize::from(width).max(1));
        let rows = rows.map(|row| {
            // A wide character takes the cell after it as well.
            let mut text = String::new();
            let mut skip = 0;
            for cell in row {
                if skip == 0 {
                    text.push_str(cell.symbol());
                    skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
                } else {
                    skip -= 1;
                }
            }
            text.trim_end().to_owned() + "\n"
        });
        rows.collect()
    }
}
