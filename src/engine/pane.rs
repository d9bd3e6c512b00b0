//! What the engine keeps of each pane: its files, its life entries, its sink.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::stopping::StopRun;
use super::watching::Watch;
use crate::journal::expect::Markers;
use crate::journal::split::Lost;
use crate::model::ProcName;
use crate::model::time::Timestamp;
use crate::pane::sink;
use crate::protocol::life::{Entry, LifeEvent, LifeReader};
use crate::protocol::paths::PanePaths;
use crate::sys::{Sweep, clock};

/// How long a marker may stay away while nothing else arrives, before it is given up.
const MARKER_PATIENCE: Duration = Duration::from_secs(2);
/// And while output keeps arriving, which may be much that was printed before it.
const LAST_MARKER_PATIENCE: Duration = Duration::from_secs(30);
/// How long what was asked of a pane may go without news of it before somebody looks.
const NEWS_PATIENCE: Duration = Duration::from_secs(1);
/// How long a shim may take for what it is asked for, beyond the grace that the process has: more
/// than all its own patience together.
const DEAF_AFTER: Duration = Duration::from_secs(20);
/// More than it can be late by itself for looking once a second.
const HELD_UP: Duration = Duration::from_secs(5);
/// How long the first sink of a pane may take to come up; each one that follows has twice as long.
const SINK_PATIENCE: Duration = Duration::from_secs(2);

/// Whether a sink takes the pane's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sink {
    /// None has been seen yet.
    Awaited,
    /// One holds the bell.
    Up,
    /// It died; another one is being started.
    Gone,
}

/// A shim that has ended before all it had printed was read.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its process id.
    pub(super) shim: u32,
    /// What it had been running, once it was ended in its place; nothing as long as that takes, or
    /// if the shim has seen to it itself.
    pub(super) sweep: Option<Sweep>,
}

/// When a sink took the place of one that may have lost something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mended {
    /// Nanoseconds since the epoch, as in life entries.
    at: Timestamp,
    since: Instant,
}

impl Mended {
    /// Whether the marker of this entry comes at the head of what the new sink takes, or was lost.
    fn after(self, entry: &Entry) -> bool {
        entry.at < self.at
    }
}

/// How long a marker may stay away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    seq: u64,
    /// Until then if nothing else comes.
    quiet: Instant,
    /// Until then whatever comes.
    last: Instant,
    /// A sink that somebody had stopped was woken meanwhile.
    woken: bool,
}

impl Patience {
    fn new(entry: &Entry, mended: Option<Mended>) -> Self {
        let now = Instant::now();
        // What is printed in a life comes behind its first marker.
        let first = matches!(entry.event, LifeEvent::Start { .. });
        let last = match mended {
            Some(mended) if mended.after(entry) => mended.since + MARKER_PATIENCE,
            Some(_) | None if first => now + MARKER_PATIENCE,
            Some(_) | None => now + LAST_MARKER_PATIENCE,
        };
        Self { seq: entry.seq, quiet: now + MARKER_PATIENCE, last, woken: false }
    }

    /// When the marker is given up.
    pub(super) fn end(self) -> Instant {
        self.quiet.min(self.last)
    }
}

/// How many bytes of a pane's output are read before others get their turn. Where patterns make
/// reading slow, they are fewer, so that requests are answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget(u64);

impl Budget {
    const LEAST: u64 = 1 << 10;
    const FIRST: u64 = 64 << 10;
    const MOST: u64 = 1 << 20;
    /// A turn should not take longer, in milliseconds.
    const LONGEST: u64 = 20;

    /// As much as may be read at all, where nothing is searched.
    pub(super) const fn all() -> Self {
        Self(Self::MOST)
    }

    pub(super) const fn bytes(self) -> u64 {
        self.0
    }

    /// How long it would take to read so much, if reading is slow.
    pub(super) fn would_take(self, bytes: u64) -> Option<Duration> {
        let turns = bytes / self.0;
        (self.0 < Self::MOST).then(|| Duration::from_millis(turns.saturating_mul(Self::LONGEST)))
    }

    /// Reading as much has taken so long.
    pub(super) fn spent(&mut self, time: Duration) {
        let taken = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let next = if taken > Self::LONGEST {
            self.0 * Self::LONGEST / taken
        } else if taken < Self::LONGEST / 4 {
            self.0 * 2
        } else {
            self.0
        };
        self.0 = next.clamp(Self::LEAST, Self::MOST);
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(Self::FIRST)
    }
}

/// One pane.
#[derive(Debug)]
pub(super) struct PaneTrack {
    /// Number of the process's stream.
    pub(super) stream: u16,
    /// Its files.
    pub(super) paths: PanePaths,
    /// Follows its life file.
    pub(super) life: LifeReader,
    /// Entries that have not been handed to the supervisor yet.
    pub(super) entries: VecDeque<Entry>,
    /// Which markers its life entries announce.
    pub(super) markers: Markers,
    /// The entries up to this one have no marker to come behind the end of the output.
    pub(super) unmarked: u64,
    /// Sequence number of the last marker that was read in its output.
    pub(super) marked: u64,
    /// Its sink.
    pub(super) sink: Sink,
    /// Process id of the sink that was up last.
    pub(super) sink_pid: Option<u32>,
    /// Its shim has ended, and what this means waits for the rest of the output.
    pub(super) ended: Option<Ended>,
    /// The shim that is watched.
    pub(super) shim: Option<(u32, u64)>,
    /// Process id of the last shim that said it is up, also once it is gone.
    pub(super) last_shim: Option<u32>,
    /// What is to be the shim, watched although it has not said that it is there.
    pub(super) awaited: Option<(u32, u64)>,
    /// When it is late.
    pub(super) shim_due: Option<Instant>,
    /// The shim (pid) that the supervisor was told to be ready.
    pub(super) ready: Option<u32>,
    /// How often tmux was asked for a pane and has not answered yet: only the last answer is about
    /// the one that is awaited.
    pub(super) asked_for: u32,
    /// Its tmux pane, also while nothing runs in it.
    pub(super) pane: Option<String>,
    /// Its bell is listened to.
    pub(super) listening: bool,
    /// Generation of the last spec that was written.
    pub(super) generation: u64,
    /// How long the marker that is awaited may stay away.
    pub(super) patience: Option<Patience>,
    /// The last time something may have been lost.
    mended: Option<Mended>,
    /// When to look what it has for us although its bell was not heard.
    pub(super) look_due: Option<Instant>,
    /// When a shim that has not done by then what it was asked for never will.
    pub(super) deaf_at: Option<Instant>,
    /// The highest number of its life entries.
    pub(super) known: u64,
    /// When a sink that has not come up by then is started anew.
    pub(super) sink_due: Option<Instant>,
    /// How many bytes of its output are read in one turn.
    pub(super) budget: Budget,
    /// How many sinks in a row have not come up.
    pub(super) sinks_lost: u32,
    /// What is looked for in its output, if anything.
    pub(super) watch: Option<Box<Watch>>,
    /// The stop command of its last life that had one.
    pub(super) stop_run: Option<StopRun>,
}

impl PaneTrack {
    /// The pane of `name`, about which nothing is known yet.
    pub(super) fn new(runtime: &Path, name: &ProcName, stream: u16) -> Self {
        let paths = PanePaths::new(runtime, name);
        let life = LifeReader::new(&paths.life());
        Self {
            stream,
            paths,
            life,
            entries: VecDeque::new(),
            markers: Markers::default(),
            unmarked: 0,
            marked: 0,
            sink: Sink::Awaited,
            sink_pid: None,
            ended: None,
            shim: None,
            last_shim: None,
            awaited: None,
            shim_due: None,
            ready: None,
            asked_for: 0,
            pane: None,
            listening: false,
            generation: 0,
            patience: None,
            mended: None,
            look_due: None,
            deaf_at: None,
            known: 0,
            sink_due: None,
            budget: Budget::default(),
            sinks_lost: 0,
            watch: None,
            stop_run: None,
        }
    }

    /// Whether this process is the shim that is watched.
    pub(super) fn is_shim(&self, pid: u32) -> bool {
        self.shim.is_some_and(|(shim, _)| shim == pid)
    }

    /// Whether its shim has said that it ends, and the word waits to be handed on.
    pub(super) fn says_down(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.event, LifeEvent::Down {}))
    }

    /// A sink takes its output.
    pub(super) fn sink_up(&mut self) {
        if self.sink == Sink::Gone {
            self.mended();
        }
        self.sink = Sink::Up;
        self.sink_due = None;
        self.sinks_lost = 0;
        self.meet_sink();
    }

    /// Know the sink that is there by its number.
    pub(super) fn meet_sink(&mut self) {
        let said = sink::said(&self.paths.sink_lock()).filter(|said| !said.drained);
        self.sink_pid = said.map(|said| said.pid).or(self.sink_pid);
    }

    /// Something may have been lost before now: what was marked before has its marker on its way
    /// to the sink that is there now, or not at all.
    pub(super) fn mended(&mut self) {
        self.mended = Some(Mended { at: clock::now(), since: Instant::now() });
        self.patience = None;
        self.set_patience();
    }

    /// Something was asked of it, for which a process has this long.
    pub(super) fn asked(&mut self, grace: Duration) {
        self.deaf_at = Instant::now().checked_add(grace + DEAF_AFTER);
        self.await_news();
    }

    /// Its shim has told something, so it is not deaf; a tree that forks may keep it busy.
    pub(super) fn is_at_work(&mut self) {
        self.deaf_at = self.deaf_at.map(|at| at.max(Instant::now() + DEAF_AFTER));
    }

    /// Whether what was asked of it is overdue. Looked at each second: who comes much later was held
    /// up, and the shim perhaps with it.
    pub(super) fn is_deaf(&mut self) -> bool {
        let now = Instant::now();
        match self.deaf_at.map(|at| now.checked_duration_since(at)) {
            Some(Some(late)) if late > HELD_UP => {
                self.deaf_at = Some(now + HELD_UP);
                false
            }
            Some(overdue) => overdue.is_some(),
            None => false,
        }
    }

    /// The answer may be there although nothing was heard, as when somebody else empties the bell.
    pub(super) fn await_news(&mut self) {
        self.look_due = Some(Instant::now() + NEWS_PATIENCE);
    }

    /// A pane with a shim has no sink; one that is killed before it has said a word, or can't
    /// begin, is noticed by nobody but the clock.
    pub(super) fn await_sink(&mut self) {
        if self.shim.is_some() && self.sink != Sink::Up {
            let patience = SINK_PATIENCE * (1 << self.sinks_lost.min(4));
            self.sink_due = Some(Instant::now() + patience);
        }
    }

    /// Have patience with the marker that is awaited now.
    pub(super) fn set_patience(&mut self) {
        let awaited = self.awaits_marker();
        if awaited != self.patience.map(|patience| patience.seq) {
            let front = self.entries.front().filter(|_| awaited.is_some());
            self.patience = front.map(|entry| Patience::new(entry, self.mended));
        }
    }

    /// Where the marker that is awaited belongs if it never comes.
    pub(super) fn lost(&self) -> Lost {
        let before = self.entries.front().zip(self.mended).is_some_and(|(e, m)| m.after(e));
        if before { Lost::Before } else { Lost::Here }
    }

    /// Its sink was woken: once, the marker has as long again. `false`: it has had that.
    pub(super) fn renew_patience(&mut self) -> bool {
        let Some(patience) = self.patience.as_mut().filter(|patience| !patience.woken) else {
            return false;
        };
        let until = Instant::now() + MARKER_PATIENCE;
        (patience.woken, patience.quiet, patience.last) = (true, until, patience.last.max(until));
        true
    }

    /// Output came, so the marker may be behind more of it.
    pub(super) fn extend_patience(&mut self) {
        if let Some(patience) = &mut self.patience {
            patience.quiet = Instant::now() + MARKER_PATIENCE;
        }
    }

    /// The next moment at which something of it is overdue.
    pub(super) fn alarm(&self) -> Option<Instant> {
        let dues = self.sink_due.into_iter().chain(self.shim_due).chain(self.look_due);
        let watch = self.watch.iter();
        let dues = dues
            .chain(watch.flat_map(|watch| watch.idle_due.into_iter().chain(watch.lag.tell_due)));
        dues.chain(self.patience.map(Patience::end)).min()
    }

    /// Take the next entry whose time has come: a marked one waits until its marker was read, so
    /// everything that was printed before it is in the journal.
    pub(super) fn next_entry(&mut self) -> Option<Entry> {
        let front = self.entries.front()?;
        if front.event.marked() && front.seq > self.marked {
            return None;
        }
        self.entries.pop_front()
    }

    /// Whether any entry waits for its marker, now or when those before it were taken.
    pub(super) fn awaits_any_marker(&self) -> bool {
        self.entries.iter().any(|entry| entry.event.marked() && entry.seq > self.marked)
    }

    /// Whether an entry waits for its marker.
    pub(super) fn awaits_marker(&self) -> Option<u64> {
        let front = self.entries.front()?;
        (front.event.marked() && front.seq > self.marked).then_some(front.seq)
    }
}
