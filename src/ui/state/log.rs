//! The part of the journal on the screen: what of it is loaded, and where the reader is.

use std::collections::VecDeque;

use super::entry::{Entry, Form};
use crate::journal::cursor::Position;

/// Most memory that loaded entries take.
const MOST_BYTES: usize = 4 << 20;
/// How many screens beyond the visible one stay loaded.
const SCREENS: usize = 4;

/// Where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// At the end, and new lines appear.
    #[default]
    Follow,
    /// At a line, which keeps its place on the screen whatever is printed.
    At(Anchor),
}

/// A line of the journal at a row of the screen: the current line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The entry.
    pub position: Position,
    /// The line of the screen that it takes, counted from its first.
    pub line: usize,
    /// The row of the screen at which that line stands.
    pub y: usize,
}

/// One end of what is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edge {
    /// Where loading continues.
    pub at: Position,
    /// Nothing is beyond it, as far as is known.
    pub end: bool,
}

/// What to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// From where.
    pub from: From,
    /// How many entries before that.
    pub up: usize,
    /// How many entries from there on.
    pub down: usize,
    /// It replaces what is loaded.
    pub replace: bool,
}

/// A place to load from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// A position.
    Position(Position),
    /// The first record of this time or later.
    Time(crate::model::time::Timestamp),
    /// The end of the journal.
    End,
}

/// What was loaded in one direction.
#[derive(Debug)]
pub struct Part {
    /// The entries, in the order of the journal.
    pub entries: Vec<Entry>,
    /// How far it was read.
    pub edge: Edge,
}

/// The lines on the screen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// How many rows at the top are empty because their lines are not loaded yet.
    pub blank: usize,
    /// For each further row the number of the entry, and which of its lines it is.
    pub lines: Vec<Place>,
}

/// A line of a loaded entry.
pub type Place = (usize, usize);

/// The log.
#[derive(Debug)]
pub struct Log {
    /// What is loaded, without a gap.
    entries: VecDeque<Entry>,
    above: Edge,
    below: Edge,
    /// Where the reader is.
    pub view: View,
    /// How entries are laid out.
    pub form: Form,
    /// Rows of the screen.
    pub rows: usize,
    /// How many columns are hidden at the left, if lines are not wrapped.
    pub left: usize,
    /// A request to replace what is loaded that has not been sent yet.
    wanted: Option<Load>,
    /// Something is being loaded.
    pub is_loading: bool,
    /// How many records there are.
    pub head: u64,
    /// How many lines are below the screen, and whether there are more.
    pub below_screen: Option<(u64, bool)>,
    /// For which end of the screen and which number of records they were counted.
    counted: Option<(Position, u64)>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            above: Edge::default(),
            below: Edge::default(),
            view: View::Follow,
            form: Form { columns: 80, wrap: true },
            rows: 24,
            left: 0,
            wanted: None,
            is_loading: false,
            head: 0,
            below_screen: None,
            counted: None,
        }
    }
}

impl Log {
    /// What is loaded.
    pub fn entries(&self) -> &VecDeque<Entry> {
        &self.entries
    }

    /// The entry of a place.
    pub fn entry(&self, place: Place) -> Option<&Entry> {
        self.entries.get(place.0)
    }

    /// Whether new lines appear.
    pub fn follows(&self) -> bool {
        self.view == View::Follow
    }

    /// Change the size of the screen, or the way lines are laid out. The current line keeps its row.
    pub fn resize(&mut self, form: Form, rows: usize) {
        let rows = rows.max(1);
        if (self.form, self.rows) == (form, rows) {
            return;
        }
        if let View::At(anchor) = &mut self.view {
            if self.form != form {
                anchor.line = 0;
            }
            anchor.y = anchor.y.min(rows - 1);
        }
        (self.form, self.rows) = (form, rows);
        for entry in &mut self.entries {
            entry.lay_out(form);
        }
    }

    /// Show again what was shown with this view.
    pub fn return_to(&mut self, view: View) {
        match view {
            View::Follow => self.follow(),
            View::At(anchor) => {
                self.view = view;
                self.want_around(From::Position(anchor.position));
            }
        }
    }

    /// Load everything again, because other entries are wanted now.
    pub fn reload(&mut self) {
        match self.view {
            View::Follow => self.follow(),
            View::At(anchor) => self.want_around(From::Position(anchor.position)),
        }
    }

    /// Go to the end, and follow.
    pub fn follow(&mut self) {
        self.view = View::Follow;
        let up = self.rows + self.rows.min(100);
        self.wanted = Some(Load { from: From::End, up, down: 0, replace: true });
    }

    /// Go to a position, and show it in the upper part of the screen.
    pub fn go_to(&mut self, position: Position) {
        let is_loaded =
            self.index_of(position).is_some_and(|at| self.entries[at].position == position);
        let y = self.rows / 3;
        self.view = View::At(Anchor { position, line: 0, y });
        if !is_loaded {
            self.want_around(From::Position(position));
        }
    }

    /// Go to the first line of this time or later.
    pub fn go_to_time(&mut self, time: crate::model::time::Timestamp) {
        self.want_around(From::Time(time));
    }

    /// Go to the beginning.
    pub fn go_to_beginning(&mut self) {
        let position = Position::default();
        self.view = View::At(Anchor { position, line: 0, y: 0 });
        if !self.above.end {
            self.want_around(From::Position(position));
        }
    }

    fn want_around(&mut self, from: From) {
        let (up, down) = (self.rows * 2, self.rows * 2);
        self.wanted = Some(Load { from, up, down, replace: true });
    }

    /// There are more records.
    pub fn grow(&mut self, head: u64) {
        if head > self.head {
            self.head = head;
            self.below.end = false;
        }
    }

    /// What has to be loaded next, if nothing is being loaded.
    pub fn next_load(&mut self) -> Option<Load> {
        if self.is_loading {
            return None;
        }
        let load = self.wanted.take().or_else(|| self.missing());
        self.is_loading = load.is_some();
        load
    }

    /// What is missing around the screen.
    fn missing(&self) -> Option<Load> {
        let enough = self.rows * 2;
        let (above, below) = match self.view {
            View::Follow => (self.count_up(self.entries.len()), 0),
            View::At(anchor) => {
                let at = self.index_of(anchor.position).unwrap_or(self.entries.len());
                (self.count_up(at), self.count_down(at))
            }
        };
        let more = |edge: Edge, up, down| {
            let load = Load { from: From::Position(edge.at), up, down, replace: false };
            (!edge.end).then_some(load)
        };
        let visible = if self.follows() { 1 } else { enough };
        (below < visible)
            .then(|| more(self.below, 0, enough))
            .flatten()
            .or_else(|| (above < enough).then(|| more(self.above, enough, 0)).flatten())
    }

    /// How many lines are loaded before this entry, at most as many as matter.
    fn count_up(&self, entry: usize) -> usize {
        self.count(self.entries.iter().take(entry).rev())
    }

    /// How many lines are loaded from this entry on, at most as many as matter.
    fn count_down(&self, entry: usize) -> usize {
        self.count(self.entries.iter().skip(entry))
    }

    fn count<'a>(&self, entries: impl Iterator<Item = &'a Entry>) -> usize {
        let (mut lines, most) = (0, self.rows * 2);
        for entry in entries {
            lines += entry.lines().len();
            if lines >= most {
                break;
            }
        }
        lines
    }

    /// Take what was loaded. What does not fit to what is wanted by now is dropped.
    pub fn take(&mut self, load: Load, from: Position, (up, down): (Option<Part>, Option<Part>)) {
        self.is_loading = false;
        if self.wanted.is_some() {
            return;
        }
        if load.replace {
            self.replace(load, from, (up, down));
        } else {
            if let Some(part) = up.filter(|_| load.from == From::Position(self.above.at)) {
                self.add_above(part);
            }
            if let Some(part) = down.filter(|_| load.from == From::Position(self.below.at)) {
                let is_full = part.entries.len() >= load.down && !part.edge.end;
                self.add_below(part);
                if self.follows() && is_full {
                    // More is printed than the screen can show: only the end is of interest.
                    self.follow();
                }
            }
        }
        self.settle();
    }

    /// The journal could not be read: do not try again before something has changed.
    pub fn give_up(&mut self) {
        (self.is_loading, self.wanted) = (false, None);
        (self.above.end, self.below.end) = (true, true);
    }

    fn replace(&mut self, load: Load, from: Position, parts: (Option<Part>, Option<Part>)) {
        self.entries.clear();
        let edge = Edge { at: from, end: false };
        (self.above, self.below) = (edge, Edge { end: from.record >= self.head, ..edge });
        if let Some(part) = parts.0 {
            self.add_above(part);
        }
        if let Some(part) = parts.1 {
            self.add_below(part);
        }
        if let From::Time(_) = load.from {
            self.view = View::At(Anchor { position: from, line: 0, y: self.rows / 3 });
        }
    }

    fn add_above(&mut self, part: Part) {
        self.above = part.edge;
        for mut entry in part.entries.into_iter().rev() {
            entry.lay_out(self.form);
            self.entries.push_front(entry);
        }
    }

    fn add_below(&mut self, part: Part) {
        self.below = Edge { end: part.edge.end && part.edge.at.record >= self.head, ..part.edge };
        for mut entry in part.entries {
            if self.entries.back().is_none_or(|last| last.position < entry.position) {
                entry.lay_out(self.form);
                self.entries.push_back(entry);
            }
        }
    }

    /// Keep the current line at an entry, and forget what is far from it.
    fn settle(&mut self) {
        if let View::At(anchor) = &mut self.view
            && let Some(at) = index_of(&self.entries, anchor.position)
        {
            let entry = &self.entries[at];
            if entry.position != anchor.position {
                (anchor.position, anchor.line) = (entry.position, 0);
            }
            anchor.line = anchor.line.min(entry.lines().len().saturating_sub(1));
        }
        let most = self.rows * SCREENS;
        let at = match self.view {
            View::Follow => self.entries.len(),
            View::At(anchor) => self.index_of(anchor.position).unwrap_or(0),
        };
        let up = enough(self.entries.range(..at).rev(), most);
        let down = enough(self.entries.range(at..), most);
        if at + down < self.entries.len() {
            self.entries.truncate(at + down);
            if let Some(last) = self.entries.back() {
                // The next load begins with it once more; `add_below` drops it then.
                self.below = Edge { at: last.position, end: false };
            }
        }
        if up < at {
            self.entries.drain(..at - up);
            if let Some(first) = self.entries.front() {
                self.above = Edge { at: first.position, end: false };
            }
        }
    }

    /// The number of the entry at this position, or of the next one; of the last if there is none.
    fn index_of(&self, position: Position) -> Option<usize> {
        index_of(&self.entries, position)
    }

    /// The current line, if the view does not follow.
    pub fn current(&self) -> Option<&Entry> {
        let View::At(anchor) = self.view else { return None };
        self.index_of(anchor.position).map(|at| &self.entries[at])
    }

    /// The position of the entry after this one, if it is loaded.
    pub fn position_after(&self, position: Position) -> Option<Position> {
        let next = self.entries.partition_point(|entry| entry.position <= position);
        self.entries.get(next).map(|entry| entry.position)
    }

    /// The last entry that is visible.
    pub fn last_shown(&self) -> Option<&Entry> {
        self.shown().lines.last().and_then(|place| self.entry(*place))
    }

    fn place_of(&self, anchor: Anchor) -> Option<Place> {
        let at = self.index_of(anchor.position)?;
        let last = self.entries[at].lines().len().saturating_sub(1);
        let line = if self.entries[at].position == anchor.position { anchor.line } else { 0 };
        Some((at, line.min(last)))
    }

    /// The places before this one, the nearest first.
    fn up_from(&self, (entry, line): Place) -> impl Iterator<Item = Place> {
        let own = (0..line).rev().map(move |line| (entry, line));
        let before = self.entries.range(..entry.min(self.entries.len())).enumerate().rev();
        own.chain(
            before
                .flat_map(|(at, entry)| (0..entry.lines().len()).rev().map(move |line| (at, line))),
        )
    }

    /// This place and those after it.
    fn down_from(&self, (first, line): Place) -> impl Iterator<Item = Place> {
        let entries = self.entries.range(first.min(self.entries.len())..).enumerate();
        entries.flat_map(move |(at, entry)| {
            let begin = if at == 0 { line } else { 0 };
            (begin..entry.lines().len()).map(move |line| (first + at, line))
        })
    }

    /// The lines on the screen.
    pub fn shown(&self) -> Shown {
        let end = (self.entries.len(), 0);
        let place = match self.view {
            View::Follow => None,
            // The screen may have become smaller since the view was left.
            View::At(anchor) => {
                self.place_of(anchor).map(|place| (place, anchor.y.min(self.rows - 1)))
            }
        };
        let Some((place, y)) = place else {
            let mut lines: Vec<_> = self.up_from(end).take(self.rows).collect();
            lines.reverse();
            return Shown { blank: 0, lines };
        };
        let mut up = self.up_from(place);
        let mut above: Vec<_> = up.by_ref().take(y).collect();
        let blank = if self.above.end { 0 } else { y - above.len() };
        let room = self.rows - blank - above.len();
        let below: Vec<_> = self.down_from(place).take(room).collect();
        if self.below.end && below.len() < room {
            above.extend(up.take(room - below.len()));
        }
        above.reverse();
        above.extend(below);
        Shown { blank, lines: above }
    }

    /// Make the current line one that is visible now.
    fn hold(&mut self) -> Option<Anchor> {
        if let View::At(anchor) = self.view {
            return Some(anchor);
        }
        let lines = self.shown().lines;
        let &(entry, line) = lines.last()?;
        let anchor = Anchor { position: self.entries[entry].position, line, y: lines.len() - 1 };
        self.view = View::At(anchor);
        Some(anchor)
    }

    /// Scroll by this many rows; up if negative. Scrolling down at the end follows.
    pub fn scroll(&mut self, rows: isize) {
        if self.follows() && rows >= 0 {
            return;
        }
        let Some(place) = self.hold().and_then(|anchor| self.place_of(anchor)) else { return };
        let shown = self.shown();
        let Some(y) = shown.lines.iter().position(|shown| *shown == place) else { return };
        let y = y + shown.blank;
        let (most, wanted) = (rows.unsigned_abs(), rows < 0);
        let path: Vec<Place> = if wanted {
            self.up_from(place).take(most).collect()
        } else {
            self.down_from(place).skip(1).take(most).collect()
        };
        let last = shown.lines.last().map(|place| self.down_from(*place).nth(1).is_none());
        if !wanted && self.below.end && last == Some(true) {
            self.view = View::Follow;
            return;
        }
        let (entry, line) = path.last().copied().unwrap_or(place);
        self.view = View::At(Anchor { position: self.entries[entry].position, line, y });
        self.fit();
    }

    /// Move the current line by this many entries, and scroll as far as needed.
    pub fn step(&mut self, entries: isize) {
        let Some(place) = self.hold().and_then(|anchor| self.place_of(anchor)) else { return };
        let to = place.0.saturating_add_signed(entries).min(self.entries.len().saturating_sub(1));
        let lines = |from: usize, to: usize| -> usize {
            self.entries.range(from..to).map(|entry| entry.lines().len()).sum()
        };
        let View::At(anchor) = self.view else { return };
        let shown = self.shown();
        let y = shown.lines.iter().position(|shown| *shown == place);
        let y = y.map_or(anchor.y, |y| y + shown.blank);
        let y = if to < place.0 {
            y.saturating_sub(lines(to, place.0) + place.1)
        } else {
            (y + lines(place.0, to)).saturating_sub(place.1).min(self.rows - 1)
        };
        self.view = View::At(Anchor { position: self.entries[to].position, line: 0, y });
        self.fit();
    }

    /// Put the current line where it is really shown, at the ends of the journal.
    fn fit(&mut self) {
        let View::At(anchor) = self.view else { return };
        let Some(place) = self.place_of(anchor) else { return };
        let shown = self.shown();
        if let Some(y) = shown.lines.iter().position(|shown| *shown == place) {
            self.view = View::At(Anchor { y: y + shown.blank, ..anchor });
        }
    }

    /// Make the line at this row of the screen the current one.
    pub fn point_at(&mut self, y: usize) {
        let shown = self.shown();
        let place = y.checked_sub(shown.blank).and_then(|at| shown.lines.get(at));
        let Some(&(entry, line)) = place else { return };
        self.view = View::At(Anchor { position: self.entries[entry].position, line, y });
    }

    /// The position after which lines are to be counted, if that has changed.
    pub fn count_below(&mut self) -> Option<Position> {
        if self.follows() {
            (self.below_screen, self.counted) = (None, None);
            return None;
        }
        let last = self.last_shown()?.position;
        let counted = Some((last, self.head));
        (std::mem::replace(&mut self.counted, counted) != counted).then_some(last)
    }

    /// How many lines are below the screen, in words; empty if none.
    pub fn lines_below(&self) -> String {
        match self.below_screen {
            None | Some((0, false)) => String::new(),
            Some((lines, false)) => format!("+{lines}"),
            Some((lines, true)) => format!("+{lines} and more"),
        }
    }

    /// Whether the beginning of the journal is on the screen.
    pub fn is_at_top(&self) -> bool {
        self.above.end && self.shown().lines.first().is_none_or(|place| *place == (0, 0))
    }
}

/// The number of the entry at this position, or of the next one; of the last if there is none.
fn index_of(entries: &VecDeque<Entry>, position: Position) -> Option<usize> {
    let last = entries.len().checked_sub(1)?;
    Some(entries.partition_point(|entry| entry.position < position).min(last))
}

/// How many of these entries are worth keeping.
fn enough<'a>(entries: impl Iterator<Item = &'a Entry>, most: usize) -> usize {
    let (mut lines, mut bytes, mut count) = (0, 0, 0);
    for entry in entries {
        if lines >= most || bytes >= MOST_BYTES {
            break;
        }
        (lines, bytes, count) = (lines + entry.lines().len(), bytes + entry.size(), count + 1);
    }
    count
}
