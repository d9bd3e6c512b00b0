//! The log: where the reader is, what of the journal is on the screen, and what has to be loaded for it.

mod bookmarks;
pub mod window;

use std::collections::VecDeque;

use self::window::{Edge, LinePlace, Window};
use super::entry::{Form, LogEntry};
use super::msg::{Loaded, ScreenEnd};
use crate::journal::read::cursor::Position;
use crate::model::time::Timestamp;

/// Where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScrollPosition {
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
    Position(Position),
    /// The first record of this time or later.
    Time(Timestamp),
    /// The last record of this time or earlier.
    Moment(Timestamp),
    /// The end of the journal.
    End,
}

/// The lines on the screen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct VisibleLines {
    /// How many rows at the top are empty because their lines are not loaded yet.
    pub blank: usize,
    /// The line on each further row.
    pub lines: Vec<LinePlace>,
}

#[derive(Debug)]
pub struct Log {
    /// What is loaded.
    window: Window,
    /// Where the reader is.
    pub view: ScrollPosition,
    /// How entries are laid out.
    pub form: Form,
    /// Times are shown before lines.
    pub times: bool,
    /// Rows of the screen.
    pub rows: usize,
    /// How many columns are hidden at the left, if lines are not wrapped.
    pub left: usize,
    /// A moment is to be shown, and is not loaded yet.
    pub awaits_moment: bool,
    /// A request to replace what is loaded that has not been sent yet.
    wanted: Option<Load>,
    /// How many rows are to be scrolled once they are loaded; up if negative.
    owed: isize,
    /// Something is being loaded.
    pub is_loading: bool,
    /// The ticket of what is being loaded, or was last.
    pub load_ticket: u64,
    /// How many records there are.
    pub head: u64,
    /// Where in the journal the end of the screen is; unknown at first.
    pub screen_end: Option<ScreenEnd>,
    /// For which last entry and which number of records that was asked.
    asked_end: Option<(Position, u64)>,
    /// The time at which to begin, until the run is known.
    begins_at: Option<Timestamp>,
    /// Lines to come back to, in the order of the journal.
    pub bookmarks: Vec<Position>,
    /// The other end of a selection of lines.
    pub selection: Option<Position>,
}

impl Default for Log {
    fn default() -> Self {
        let form = Form { columns: 80, wrap: true };
        Self {
            window: Window::new(form),
            view: ScrollPosition::Follow,
            form,
            times: false,
            rows: 24,
            left: 0,
            awaits_moment: false,
            wanted: None,
            owed: 0,
            is_loading: false,
            load_ticket: 0,
            head: 0,
            screen_end: None,
            asked_end: None,
            begins_at: None,
            bookmarks: vec![],
            selection: None,
        }
    }
}

impl Log {
    /// What is loaded.
    pub fn entries(&self) -> &VecDeque<LogEntry> {
        self.window.entries()
    }

    /// Show these unfinished lines, if the end of the journal is loaded.
    pub fn set_unfinished(&mut self, entries: Vec<LogEntry>) {
        let is_at_end = self.follows() || self.window.below.end;
        self.window.set_unfinished(if is_at_end { entries } else { vec![] });
    }

    pub fn entry(&self, place: LinePlace) -> Option<&LogEntry> {
        self.entries().get(place.0)
    }

    /// Whether new lines appear.
    pub fn follows(&self) -> bool {
        self.view == ScrollPosition::Follow
    }

    /// Change the size of the screen, or the way lines are laid out. The current line keeps its row.
    pub fn resize(&mut self, form: Form, rows: usize) {
        let rows = rows.max(1);
        if (self.form, self.rows) == (form, rows) {
            return;
        }
        if let ScrollPosition::At(anchor) = &mut self.view {
            if self.form != form {
                anchor.line = 0;
            }
            anchor.y = anchor.y.min(rows - 1);
        }
        (self.form, self.rows) = (form, rows);
        self.window.lay_out(form);
    }

    /// Show again what was shown with this view.
    pub fn return_to(&mut self, view: ScrollPosition) {
        match view {
            ScrollPosition::Follow => self.follow(),
            ScrollPosition::At(anchor) => {
                self.view = view;
                self.want_around(From::Position(anchor.position));
            }
        }
    }

    /// Load everything again, because other entries are wanted now. What is wanted already will be loaded with them.
    pub fn reload(&mut self) {
        if self.wanted.is_none() {
            self.return_to(self.view);
        }
    }

    /// Go to the end, and follow.
    pub fn follow(&mut self) {
        self.view = ScrollPosition::Follow;
        self.owed = 0;
        let up = self.rows + self.rows.min(100);
        self.wanted = Some(Load { from: From::End, up, down: 0, replace: true });
        self.awaits_moment = false;
    }

    /// Go to a position, and show it in the upper part of the screen.
    pub fn go_to(&mut self, position: Position) {
        let is_loaded = self
            .window
            .index_of(position)
            .is_some_and(|at| self.entries()[at].position == position);
        let y = self.rows / 3;
        self.owed = 0;
        self.view = ScrollPosition::At(Anchor { position, line: 0, y });
        if !is_loaded {
            self.want_around(From::Position(position));
        }
    }

    /// Go to the first line of this time or later.
    pub fn go_to_time(&mut self, time: Timestamp) {
        self.want_around(From::Time(time));
    }

    /// Show what had been printed by this time.
    pub fn go_to_moment(&mut self, time: Timestamp) {
        self.want_around(From::Moment(time));
    }

    pub fn go_to_beginning(&mut self) {
        let position = Position::default();
        self.owed = 0;
        self.view = ScrollPosition::At(Anchor { position, line: 0, y: 0 });
        if !self.window.above.end {
            self.want_around(From::Position(position));
        }
    }

    fn want_around(&mut self, from: From) {
        self.owed = 0;
        self.wanted = Some(Load { from, up: self.rows * 2, down: self.rows * 2, replace: true });
        self.awaits_moment = matches!(from, From::Moment(_));
    }

    /// Begin at this time, and do so again once the run is known.
    pub fn begin_at(&mut self, time: Timestamp) {
        self.begins_at = Some(time);
        self.go_to_time(time);
    }

    /// A run has become known: go to the time at which to begin, or follow.
    pub fn begin_run(&mut self) {
        self.follow();
        if let Some(time) = self.begins_at.take() {
            self.go_to_time(time);
        }
    }

    /// There may be more records than are known.
    pub fn look_again(&mut self) {
        self.window.below.end = false;
    }

    /// There are more records.
    pub fn grow(&mut self, head: u64) {
        if head > self.head {
            self.head = head;
            self.window.below.end = false;
        }
    }

    /// Whether something else is to be shown than what is loaded.
    pub const fn has_to_load(&self) -> bool {
        self.wanted.is_some()
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
        let (enough, window) = (self.rows * 2, &self.window);
        let (above, below) = match self.view {
            ScrollPosition::Follow => (window.lines_before(window.entries().len(), enough), 0),
            ScrollPosition::At(anchor) => {
                let at = window.index_of(anchor.position).unwrap_or(window.entries().len());
                (window.lines_before(at, enough), window.lines_from(at, enough))
            }
        };
        let more = |edge: Edge, up, down| {
            let load = Load { from: From::Position(edge.at), up, down, replace: false };
            (!edge.end).then_some(load)
        };
        let visible = if self.follows() { 1 } else { enough };
        (below < visible)
            .then(|| more(window.below, 0, enough))
            .flatten()
            .or_else(|| (above < enough).then(|| more(window.above, enough, 0)).flatten())
    }

    /// Take what was loaded. What does not fit to what is wanted by now is dropped.
    pub fn take(&mut self, loaded: Loaded) {
        self.is_loading = false;
        self.window.set_unfinished(vec![]);
        if self.wanted.is_some() {
            return;
        }
        if loaded.load.replace {
            self.replace(loaded);
        } else {
            let Loaded { load, parts: (up, down), .. } = loaded;
            if let Some(part) = up.filter(|_| load.from == From::Position(self.window.above.at)) {
                self.window.add_above(part);
            }
            if let Some(part) = down.filter(|_| load.from == From::Position(self.window.below.at)) {
                let is_full = part.entries.len() >= load.down && !part.edge.end;
                self.window.add_below(part, self.head);
                if self.follows() && is_full {
                    // More is printed than the screen can show: only the end is of interest.
                    self.follow();
                }
            }
        }
        self.settle();
        let owed = std::mem::take(&mut self.owed);
        if owed != 0 {
            self.scroll(owed);
        }
    }

    /// The journal could not be read: do not try again before something has changed.
    pub fn give_up(&mut self) {
        (self.is_loading, self.wanted, self.owed) = (false, None, 0);
        (self.window.above.end, self.window.below.end) = (true, true);
    }

    fn replace(&mut self, Loaded { load, from, parts: (up, down), .. }: Loaded) {
        self.window.begin_at(from, self.head);
        if let Some(part) = up {
            self.window.add_above(part);
        }
        if let Some(part) = down {
            self.window.add_below(part, self.head);
        }
        if let From::Time(_) = load.from {
            self.view = ScrollPosition::At(Anchor { position: from, line: 0, y: self.rows / 3 });
        }
        if let From::Moment(time) = load.from {
            let after = self.entries().partition_point(|entry| entry.time <= time);
            let last = self.entries().get(after.saturating_sub(1));
            let position = last.map_or(from, |entry| entry.position);
            self.awaits_moment = false;
            // Most of the screen shows what came before.
            self.view = ScrollPosition::At(Anchor { position, line: 0, y: self.rows * 2 / 3 });
        }
    }

    /// Keep the current line at an entry, and forget what is far from it.
    fn settle(&mut self) {
        let at = match &mut self.view {
            ScrollPosition::Follow => self.window.entries().len(),
            ScrollPosition::At(anchor) => {
                let at = self.window.index_of(anchor.position).unwrap_or(0);
                if let Some(entry) = self.window.entries().get(at) {
                    if entry.position != anchor.position {
                        (anchor.position, anchor.line) = (entry.position, 0);
                    }
                    anchor.line = anchor.line.min(entry.lines().len().saturating_sub(1));
                }
                at
            }
        };
        self.window.keep_around(at, self.rows);
    }

    /// The current line, if the view does not follow.
    pub fn current(&self) -> Option<&LogEntry> {
        let ScrollPosition::At(anchor) = self.view else { return None };
        self.window.index_of(anchor.position).map(|at| &self.entries()[at])
    }

    /// The position of the entry after this one, if it is loaded.
    pub fn position_after(&self, position: Position) -> Option<Position> {
        let next = self.entries().partition_point(|entry| entry.position <= position);
        let next = self.entries().get(next).filter(|_| next < self.window.finished());
        next.map(|entry| entry.position)
    }

    /// The last entry that is visible, except for unfinished lines.
    pub fn last_shown(&self) -> Option<&LogEntry> {
        let shown = self.visible_lines();
        let last = shown.lines.iter().rfind(|place| place.0 < self.window.finished());
        last.and_then(|place| self.entry(*place))
    }

    fn place_of(&self, anchor: Anchor) -> Option<LinePlace> {
        let at = self.window.index_of(anchor.position)?;
        let last = self.entries()[at].lines().len().saturating_sub(1);
        let line = if self.entries()[at].position == anchor.position { anchor.line } else { 0 };
        Some((at, line.min(last)))
    }

    /// The lines on the screen.
    pub fn visible_lines(&self) -> VisibleLines {
        let end = (self.entries().len(), 0);
        let place = match self.view {
            ScrollPosition::Follow => None,
            // The screen may have become smaller since the view was left.
            ScrollPosition::At(anchor) => {
                self.place_of(anchor).map(|place| (place, anchor.y.min(self.rows - 1)))
            }
        };
        let Some((place, y)) = place else {
            let mut lines: Vec<_> = self.window.up_from(end).take(self.rows).collect();
            lines.reverse();
            return VisibleLines { blank: 0, lines };
        };
        let mut up = self.window.up_from(place);
        let mut above: Vec<_> = up.by_ref().take(y).collect();
        let blank = if self.window.above.end { 0 } else { y - above.len() };
        let room = self.rows - blank - above.len();
        let below: Vec<_> = self.window.down_from(place).take(room).collect();
        if self.window.below.end && below.len() < room {
            above.extend(up.take(room - below.len()));
        }
        above.reverse();
        above.extend(below);
        VisibleLines { blank, lines: above }
    }

    /// Make the current line one that is visible now.
    fn hold(&mut self) -> Option<Anchor> {
        if let ScrollPosition::At(anchor) = self.view {
            return Some(anchor);
        }
        let lines = self.visible_lines().lines;
        let y = lines.iter().rposition(|place| place.0 < self.window.finished())?;
        let (entry, line) = lines[y];
        let anchor = Anchor { position: self.entries()[entry].position, line, y };
        self.view = ScrollPosition::At(anchor);
        Some(anchor)
    }

    /// Scroll by this many rows; up if negative. Scrolling down at the end follows. What is not loaded yet is
    /// scrolled later.
    pub fn scroll(&mut self, rows: isize) {
        let rows = rows.saturating_add(std::mem::take(&mut self.owed));
        if self.follows() && rows >= 0 {
            return;
        }
        let Some(place) = self.hold().and_then(|anchor| self.place_of(anchor)) else { return };
        let shown = self.visible_lines();
        let Some(y) = shown.lines.iter().position(|shown| *shown == place) else { return };
        let y = y + shown.blank;
        let (most, wanted) = (rows.unsigned_abs(), rows < 0);
        let path: Vec<LinePlace> = if wanted {
            self.window.up_from(place).take(most).collect()
        } else {
            self.window.down_from(place).skip(1).take(most).collect()
        };
        let last = shown.lines.last().map(|place| self.window.down_from(*place).nth(1).is_none());
        if !wanted && self.window.below.end && last == Some(true) {
            self.view = ScrollPosition::Follow;
            return;
        }
        let edge = if wanted { self.window.above } else { self.window.below };
        if !edge.end {
            let missing = isize::try_from(most - path.len()).unwrap_or(0);
            self.owed = if wanted { -missing } else { missing };
        }
        let finished = path.iter().rfind(|place| place.0 < self.window.finished());
        let (entry, line) = finished.copied().unwrap_or(place);
        self.view =
            ScrollPosition::At(Anchor { position: self.entries()[entry].position, line, y });
        self.fit();
    }

    /// Move the current line by this many entries, and scroll as far as needed.
    pub fn step(&mut self, entries: isize) {
        self.owed = 0;
        let Some(place) = self.hold().and_then(|anchor| self.place_of(anchor)) else { return };
        let to =
            place.0.saturating_add_signed(entries).min(self.window.finished().saturating_sub(1));
        let lines = |from: usize, to: usize| -> usize {
            self.entries().range(from..to).map(|entry| entry.lines().len()).sum()
        };
        let ScrollPosition::At(anchor) = self.view else { return };
        let shown = self.visible_lines();
        let y = shown.lines.iter().position(|shown| *shown == place);
        let y = y.map_or(anchor.y, |y| y + shown.blank);
        let y = if to < place.0 {
            y.saturating_sub(lines(to, place.0) + place.1)
        } else {
            (y + lines(place.0, to)).saturating_sub(place.1).min(self.rows - 1)
        };
        self.view =
            ScrollPosition::At(Anchor { position: self.entries()[to].position, line: 0, y });
        self.fit();
    }

    /// Put the current line where it is really shown, at the ends of the journal.
    fn fit(&mut self) {
        let ScrollPosition::At(anchor) = self.view else { return };
        let Some(place) = self.place_of(anchor) else { return };
        let shown = self.visible_lines();
        if let Some(y) = shown.lines.iter().position(|shown| *shown == place) {
            self.view = ScrollPosition::At(Anchor { y: y + shown.blank, ..anchor });
        }
    }

    /// Make the line at this row of the screen the current one.
    pub fn point_at(&mut self, y: usize) {
        let shown = self.visible_lines();
        let place = y.checked_sub(shown.blank).and_then(|at| shown.lines.get(at));
        let finished = place.filter(|place| place.0 < self.window.finished());
        let Some(&(entry, line)) = finished else { return };
        self.view =
            ScrollPosition::At(Anchor { position: self.entries()[entry].position, line, y });
    }

    /// The position of the last entry on the screen, if that or the journal has changed.
    pub fn new_screen_end(&mut self) -> Option<Position> {
        if self.follows() {
            (self.screen_end, self.asked_end) = (None, None);
            return None;
        }
        let last = self.last_shown()?.position;
        let asked = Some((last, self.head));
        (std::mem::replace(&mut self.asked_end, asked) != asked).then_some(last)
    }

    /// How many lines are below the screen, in words; empty if none.
    pub fn lines_below(&self) -> String {
        match self.screen_end {
            None | Some(ScreenEnd { below: 0, more: false, .. }) => String::new(),
            Some(ScreenEnd { below, more: false, .. }) => format!("+{below}"),
            Some(ScreenEnd { below, more: true, .. }) => format!("+{below} and more"),
        }
    }

    /// How much of the text is before the end of the screen, in percent; unknown at first.
    pub fn percent(&self) -> Option<u64> {
        let share = self.screen_end?.share;
        let percent = u128::from(share.before) * 100 / u128::from(share.all.max(1));
        Some(u64::try_from(percent).unwrap_or(100).min(100))
    }

    /// Whether the beginning of the journal is on the screen.
    pub fn is_at_top(&self) -> bool {
        self.window.above.end
            && self.visible_lines().lines.first().is_none_or(|place| *place == (0, 0))
    }
}
