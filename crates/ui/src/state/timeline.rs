//! The timeline: what happened when, with a cursor that log and list follow.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use super::Ui;
use super::log::ScrollPosition;
use super::msg::{Effect, Marks, Output, Question};
use crate::journal::search::landmark::{Landmark, LandmarkEvent, states_after};
use crate::journal::search::place::edges;
use crate::keys::Key;
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;

/// The most turning points that are kept.
const MOST_MARKS: usize = 100_000;
/// The shortest period that is shown.
const SHORTEST: Duration = Duration::from_millis(10);

/// A period of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

impl Period {
    /// How long it is.
    pub const fn length(self) -> Duration {
        self.until.since(self.from)
    }

    /// The part of it that one of so many columns shows.
    fn column(self, columns: usize) -> Duration {
        self.length() / u32::try_from(columns.max(1)).unwrap_or(u32::MAX)
    }

    /// The column of a time; `None` if it is outside.
    pub fn column_of(self, time: Timestamp, columns: usize) -> Option<usize> {
        if time < self.from || time > self.until {
            return None;
        }
        let part = u128::from(time.nanos_since(self.from)) * columns as u128;
        let column = part / u128::from(self.until.nanos_since(self.from).max(1));
        Some(usize::try_from(column).unwrap_or(0).min(columns.saturating_sub(1)))
    }
}

#[derive(Debug, Default)]
pub struct Timeline {
    /// The time that is shown; `None` for now.
    pub cursor: Option<Timestamp>,
    /// The period that is shown.
    pub period: Period,
    /// What happened, in the order of the journal.
    pub marks: Vec<Landmark>,
    /// How much was printed.
    pub output: Option<Output>,
    /// The states of the processes at the cursor.
    pub then: HashMap<String, ProcessState>,
    /// The times between which anything is known.
    bounds: Option<Period>,
    /// The records that were not searched for marks yet, ascending; the last are next.
    left: Vec<Range<u64>>,
    /// The end of all that was searched, or is to be.
    head: u64,
    /// A search for marks has not been answered yet.
    is_looking: bool,
    /// The period and columns for which the output was asked for.
    asked: Option<(Period, usize)>,
    /// The cursor was moved, and the log is following it.
    moves_log: bool,
    /// The log was moved, and the cursor follows it once it is loaded.
    follows_log: bool,
    /// The user has chosen the period.
    is_zoomed: bool,
}

impl Timeline {
    /// What to search for marks next.
    fn next_search(&mut self, head: u64) -> Option<Range<u64>> {
        if head > self.head {
            self.left.push(self.head..head);
            self.head = head;
        }
        if self.is_looking || self.marks.len() >= MOST_MARKS {
            return None;
        }
        let next = self.left.last().cloned();
        self.is_looking = next.is_some();
        next
    }

    fn found(&mut self, found: Marks) {
        self.is_looking = false;
        if let Some(mut left) = self.left.pop() {
            left.end = found.records.start.min(left.end);
            if left.start < left.end && found.floor < left.end {
                self.left.push(left);
            }
        }
        let first = found.marks.first().map_or(0, |mark| mark.record);
        let at = self.marks.partition_point(|mark| mark.record < first);
        self.marks.splice(at..at, found.marks);
        self.bounds = Some(found.bounds);
        if !self.is_zoomed {
            let begin = self.marks.iter().rfind(|mark| mark.what == LandmarkEvent::RunBegan);
            // A run has several such marks at its beginning.
            self.period.from = begin.map_or(found.bounds.from, |mark| mark.time);
            self.period.until = self.period.until.max(found.bounds.until);
        }
    }

    /// Show a longer or shorter period around the cursor.
    fn zoom(&mut self, factor: f64, now: Timestamp) {
        let at = self.cursor.unwrap_or(now);
        let scaled = |length: Duration| length.mul_f64(factor);
        let (before, after) = (at.since(self.period.from), self.period.until.since(at));
        if scaled(self.period.length()) < SHORTEST {
            return;
        }
        let bounds = self.bounds.unwrap_or(self.period);
        let (first, last) = (bounds.from.min(self.period.from), bounds.until.max(now));
        let from = (at - scaled(before).min(at.since(first))).max(first);
        let until = (at + scaled(after).min(last.since(at))).min(last);
        self.period = Period { from, until };
        self.is_zoomed = true;
    }

    /// Keep the cursor inside of the period.
    fn pan(&mut self) {
        let Some(cursor) = self.cursor else { return };
        let half = self.period.length() / 2;
        if cursor < self.period.from {
            let by = self.period.from.since(cursor) + half;
            self.period = Period { from: self.period.from - by, until: self.period.until - by };
        } else if cursor > self.period.until {
            let by = cursor.since(self.period.until) + half;
            self.period = Period { from: self.period.from + by, until: self.period.until + by };
        }
    }

    /// What the marks up to the cursor say about these processes.
    fn look_back(&mut self, processes: &[ProcessState]) {
        let Some(cursor) = self.cursor else { return self.then.clear() };
        let until = self.marks.partition_point(|mark| mark.time <= cursor);
        self.then = states_after(&self.marks[..until], processes);
    }
}

impl Ui {
    /// Show or hide the timeline.
    pub(super) fn toggle_timeline(&mut self) {
        if self.timeline.take().is_some() {
            return;
        }
        (self.screen.zoom, self.filter.around) = (false, None);
        let now = self.now.time;
        let started = self.run.started;
        let from = if started < now { started } else { now - Duration::from_secs(60) };
        let (period, head) = (Period { from, until: now }, self.log.head);
        let (whole, cursor) = (0..head, self.log.current().map(|entry| entry.time));
        let left = vec![whole];
        self.timeline = Some(Timeline { cursor, period, left, head, ..Timeline::default() });
    }

    /// How many columns of the screen show the period, and how many lanes there are.
    pub fn timeline_size(&self) -> (usize, usize) {
        let strip = self.areas().strip;
        let columns = usize::from(strip.width).saturating_sub(self.lane_name_width() + 2).max(1);
        (columns, usize::from(strip.height.saturating_sub(1)))
    }

    /// The width of the names before the lanes, with a blank. On a narrow screen they are cut.
    pub fn lane_name_width(&self) -> usize {
        let most = if self.screen.is_narrow() { 8 } else { usize::MAX };
        self.name_width().min(most) + 1
    }

    pub fn lanes(&self) -> Vec<&ProcessState> {
        let chosen = self.list.chosen();
        let is_chosen = |process: &&ProcessState| {
            chosen.is_empty() || chosen.iter().any(|name| name == process.name.as_str())
        };
        self.list.processes.iter().filter(is_chosen).collect()
    }

    /// The first lane that is visible.
    pub fn first_lane(&self) -> usize {
        let (_, rows) = self.timeline_size();
        let lanes = self.lanes();
        let selected = self.list.selected.as_ref();
        let selected = lanes.iter().position(|process| Some(&process.name) == selected);
        let last = lanes.len().saturating_sub(rows);
        selected.unwrap_or(0).saturating_sub(rows / 2).min(last)
    }

    /// The time that list and header show.
    pub fn shown_time(&self) -> Timestamp {
        self.timeline.as_ref().and_then(|timeline| timeline.cursor).unwrap_or(self.now.time)
    }

    /// The state of a process at the time that is shown.
    pub fn state_shown<'a>(&'a self, process: &'a ProcessState) -> &'a ProcessState {
        let then = self.timeline.as_ref().filter(|timeline| timeline.cursor.is_some());
        then.and_then(|timeline| timeline.then.get(process.name.as_str())).unwrap_or(process)
    }

    /// A key while the timeline is shown; false if it means what it means elsewhere.
    pub(super) fn timeline_key(&mut self, key: Key) -> bool {
        let (columns, _) = self.timeline_size();
        let now = self.now.time;
        let Some(timeline) = &mut self.timeline else { return false };
        let at = timeline.cursor.unwrap_or(now.min(timeline.period.until));
        let step = timeline.period.column(columns).max(Duration::from_nanos(1));
        match key {
            Key::Left => self.show_time(Some(at - step)),
            Key::Right => self.show_time(Some(at + step)),
            Key::ShiftLeft | Key::Char('{') => {
                let times = self.times_of_marks();
                self.show_time(times.iter().rfind(|time| **time < at).copied().or(Some(at)));
            }
            Key::ShiftRight | Key::Char('}') => {
                let times = self.times_of_marks();
                self.show_time(times.iter().find(|time| **time > at).copied());
            }
            Key::Char('+' | '=') => timeline.zoom(0.5, now),
            Key::Char('-') => timeline.zoom(2.0, now),
            Key::End | Key::Char('G') => self.show_time(None),
            Key::Esc | Key::Backspace | Key::Char('q') => self.timeline = None,
            _ => return false,
        }
        true
    }

    /// When something happened to the processes of the lanes.
    fn times_of_marks(&self) -> Vec<Timestamp> {
        let Some(timeline) = &self.timeline else { return vec![] };
        let lanes = self.lanes();
        let has_lane = |mark: &&Landmark| {
            let is_it = |name: &String| lanes.iter().any(|lane| lane.name.as_str() == name);
            mark.what != LandmarkEvent::Asked && mark.name.as_ref().is_none_or(is_it)
        };
        timeline.marks.iter().filter(has_lane).map(|mark| mark.time).collect()
    }

    /// The mouse has chosen a time and a lane.
    pub(super) fn point_at_time(&mut self, x: u16, y: u16) {
        if self.timeline.is_none() {
            return;
        }
        let (columns, _) = self.timeline_size();
        let strip = self.areas().strip;
        let column = usize::from(x - strip.x).checked_sub(1 + self.lane_name_width());
        let lane = self.first_lane() + usize::from(y - strip.y);
        let name = self.lanes().get(lane).map(|process| process.name.clone());
        if y + 1 < strip.bottom() && name.is_some() {
            self.list.selected = name;
        }
        let Some((timeline, column)) = self.timeline.as_ref().zip(column) else { return };
        let edges = edges((timeline.period.from, timeline.period.until), columns);
        self.show_time(edges.get(column + 1).copied());
    }

    /// Show how everything was at a time; `None` for now.
    pub(super) fn show_time(&mut self, time: Option<Timestamp>) {
        let Some(timeline) = &mut self.timeline else { return };
        let first = timeline.bounds.map_or(timeline.period.from, |bounds| bounds.from);
        timeline.cursor = time.filter(|time| *time < self.now.time).map(|time| time.max(first));
        (timeline.moves_log, timeline.follows_log) = (true, false);
        timeline.pan();
        timeline.look_back(&self.list.processes);
        match timeline.cursor {
            Some(time) => self.log.go_to_moment(time),
            None => self.log.follow(),
        }
    }

    /// If the log was moved, or what was to be shown is loaded now, the cursor follows.
    pub(super) fn move_cursor(&mut self, before: ScrollPosition) {
        let position = |view: ScrollPosition| match view {
            ScrollPosition::Follow => None,
            ScrollPosition::At(anchor) => Some(anchor.position),
        };
        let has_moved = position(self.log.view) != position(before);
        let Some(timeline) = &mut self.timeline else { return };
        if timeline.moves_log {
            timeline.moves_log = self.log.awaits_moment;
            return;
        }
        if !has_moved && !timeline.follows_log {
            return;
        }
        // What is at that place may not be loaded yet.
        timeline.follows_log = self.log.is_loading || self.log.has_to_load();
        if self.log.follows() {
            timeline.cursor = None;
        } else if let Some(entry) = self.log.current() {
            timeline.cursor = Some(entry.time);
        }
        timeline.pan();
        timeline.look_back(&self.list.processes);
    }

    pub(super) fn found_marks(&mut self, found: Marks) {
        if let Some(timeline) = &mut self.timeline {
            timeline.found(found);
            timeline.look_back(&self.list.processes);
        }
    }

    /// How much was printed.
    pub(super) fn measured(&mut self, output: Output) {
        if let Some(timeline) = &mut self.timeline
            && timeline.asked == Some((output.period, output.columns))
        {
            timeline.output = Some(output);
        }
    }

    /// Ask for what the timeline lacks.
    pub(super) fn ask_for_timeline(&mut self) {
        let (columns, _) = self.timeline_size();
        let (now, head) = (self.now.time, self.log.head);
        let Some(timeline) = &mut self.timeline else { return };
        // The end moves on once a column has passed.
        let passed = now.since(timeline.period.until);
        if timeline.cursor.is_none() && passed >= timeline.period.column(columns) {
            if timeline.is_zoomed {
                timeline.period.from = timeline.period.from + passed;
            }
            timeline.period.until = now;
        }
        if let Some(records) = timeline.next_search(head) {
            self.effects.push(Effect::Ask(Question::Marks(records)));
        }
        if timeline.asked != Some((timeline.period, columns)) {
            timeline.asked = Some((timeline.period, columns));
            self.effects.push(Effect::Ask(Question::Output(timeline.period, columns)));
        }
    }
}
