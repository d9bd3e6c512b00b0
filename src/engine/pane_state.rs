//! The engine's record of each pane: its files, its life entries, its sink.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::output_search::OutputSearch;
use crate::journal::expected_markers::Markers;
use crate::journal::split::Lost;
use crate::model::time::Timestamp;
use crate::model::{ProcName, ProcessId, StreamNo, units};
use crate::pane::sink;
use crate::protocol::life::{LifeEntry, LifeEvent, LifeReader};
use crate::protocol::paths::PanePaths;
use crate::sys::{OrphanReport, clock};

/// How long to wait for a marker while no other output arrives.
const MARKER_TIMEOUT: Duration = Duration::from_secs(2);
/// The same while output keeps arriving, much of which may have been printed before the marker.
const LAST_MARKER_TIMEOUT: Duration = Duration::from_secs(30);
/// After this long without news about a pending request, look at the files of the pane even if no
/// bell has rung.
const NEWS_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a shim may take to fulfil a request, beyond the grace period of the process: more than
/// the sum of all its own timeouts.
const SHIM_TIMEOUT: Duration = Duration::from_secs(20);
/// A check that runs once a second and is this late was delayed by an overloaded machine.
const HELD_UP: Duration = Duration::from_secs(5);
/// How long the first sink of a pane may take to come up; the time doubles after each failure.
const SINK_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether a sink reads the pane's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sink {
    /// None has been seen yet.
    #[default]
    Awaited,
    /// One holds the bell.
    Up,
    /// It died; another one is being started.
    Gone,
}

/// A shim that has ended while some of its output is still unread.
#[derive(Debug)]
pub(super) struct ShimEnd {
    /// Its process id.
    pub(super) shim: u32,
    /// The result of killing its process tree in its place. `None` while that takes, or if the shim
    /// has ended the tree itself.
    pub(super) orphans: Option<OrphanReport>,
}

/// When a sink replaced another one that may have lost output.
#[derive(Debug, Clone, Copy)]
pub(super) struct SinkReplaced {
    /// Nanoseconds since the epoch, as in life entries.
    at: Timestamp,
    since: Instant,
}

impl SinkReplaced {
    /// Whether the entry is older than the new sink: its marker is then among the first bytes that
    /// this sink reads, or it is lost.
    fn after(self, entry: &LifeEntry) -> bool {
        entry.at < self.at
    }
}

/// The deadlines for the arrival of a marker.
#[derive(Debug, Clone, Copy)]
pub(super) struct MarkerDeadline {
    seq: u64,
    /// The deadline if no output arrives; any output extends it.
    quiet: Instant,
    /// The final deadline, whether or not output arrives.
    last: Instant,
    /// The stopped sink was continued, which extends the deadlines once.
    woken: bool,
}

impl MarkerDeadline {
    fn new(entry: &LifeEntry, replaced: Option<SinkReplaced>) -> Self {
        let now = Instant::now();
        // The output of a life follows its start marker, so a lot of output cannot delay that
        // marker.
        let first = matches!(entry.event, LifeEvent::Start { .. });
        let last = match replaced {
            Some(replaced) if replaced.after(entry) => replaced.since + MARKER_TIMEOUT,
            Some(_) | None if first => now + MARKER_TIMEOUT,
            Some(_) | None => now + LAST_MARKER_TIMEOUT,
        };
        Self { seq: entry.seq, quiet: now + MARKER_TIMEOUT, last, woken: false }
    }

    /// When to give up the marker.
    pub(super) fn end(self) -> Instant {
        self.quiet.min(self.last)
    }
}

/// How many bytes of a pane's output are read per turn. Where patterns make reading slow, the
/// number shrinks so that requests are still answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget(u64);

impl Budget {
    const LEAST: u64 = 1 << 10;
    const FIRST: u64 = 64 << 10;
    const MOST: u64 = 1 << 20;
    /// The longest that a turn should take, in milliseconds.
    const LONGEST: u64 = 20;

    /// The maximum, for output that is not searched.
    pub(super) const fn all() -> Self {
        Self(Self::MOST)
    }

    pub(super) const fn bytes(self) -> u64 {
        self.0
    }

    /// How long it would take to read this many bytes; `None` unless reading is slow.
    pub(super) fn would_take(self, bytes: u64) -> Option<Duration> {
        let turns = bytes / self.0;
        (self.0 < Self::MOST).then(|| Duration::from_millis(turns.saturating_mul(Self::LONGEST)))
    }

    /// Adapt the budget to the time that the last turn has taken.
    pub(super) fn spent(&mut self, time: Duration) {
        let taken = units::millis(time);
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
#[derive(Debug, Default)]
pub(super) struct PaneState {
    /// Number of the process's stream.
    pub(super) stream: StreamNo,
    /// Its files.
    pub(super) paths: PanePaths,
    /// Follows its life file.
    pub(super) life: LifeReader,
    /// Entries that have not been handed to the supervisor yet.
    pub(super) entries: VecDeque<LifeEntry>,
    /// Which markers its life entries announce.
    pub(super) markers: Markers,
    /// Markers of entries up to this number are in the output that the present sink still reads, or
    /// will never arrive.
    pub(super) unmarked: u64,
    /// Sequence number of the last marker that was read in its output.
    pub(super) marked: u64,
    /// Its sink.
    pub(super) sink: Sink,
    /// What the sink that was up last has written into its lock file, which may be removed.
    pub(super) last_sink: Option<sink::Said>,
    /// Set when its shim has ended, until the rest of the output has been read and the end can be
    /// handled.
    pub(super) shim_end: Option<ShimEnd>,
    /// The shim whose exit is watched.
    pub(super) shim: Option<ProcessId>,
    /// Process id of the last shim that reported `up`, kept after the shim is gone.
    pub(super) last_shim: Option<u32>,
    /// The process that should become the shim. It is watched before it
    /// reports `up`.
    pub(super) awaited: Option<ProcessId>,
    /// The deadline for the awaited shim to report `up`.
    pub(super) shim_due: Option<Instant>,
    /// The shim (pid) that the state machine knows to be ready.
    pub(super) ready: Option<u32>,
    /// How many requests to tmux for this pane are unanswered. Only the last answer concerns the
    /// pane that is awaited.
    pub(super) asked_for: u32,
    /// Its tmux pane, also while nothing runs in it.
    pub(super) pane: Option<String>,
    /// The task that listens to its bell.
    pub(super) listener: Option<JoinHandle<()>>,
    /// Generation of the last spec that was written.
    pub(super) generation: u64,
    /// The deadlines for the awaited marker.
    pub(super) marker_deadline: Option<MarkerDeadline>,
    /// The last time that output may have been lost.
    replaced: Option<SinkReplaced>,
    /// When to look at its files even if its bell has not rung.
    pub(super) look_due: Option<Instant>,
    /// When a shim that has not fulfilled its request counts as hung.
    pub(super) shim_deadline: Option<Instant>,
    /// The highest sequence number of its life entries.
    pub(super) known: u64,
    /// When to start another sink if none has come up.
    pub(super) sink_due: Option<Instant>,
    /// How many bytes of its output are read in one turn.
    pub(super) budget: Budget,
    /// How many sinks in a row have failed to come up.
    pub(super) sinks_lost: u32,
    /// The search in its output, if there is anything to search for.
    pub(super) search: Option<Box<OutputSearch>>,
}

impl PaneState {
    /// The pane of `name`, about which nothing is known yet.
    pub(super) fn new(runtime: &Path, name: &ProcName, stream: StreamNo) -> Self {
        let paths = PanePaths::new(runtime, name);
        Self { stream, life: LifeReader::new(&paths.life()), paths, ..Self::default() }
    }

    /// Whether this process is the shim that is watched.
    pub(super) fn is_shim(&self, pid: u32) -> bool {
        self.shim.is_some_and(|shim| shim.pid == pid)
    }

    /// Whether its shim has reported `down` in an entry that is not handed on yet.
    pub(super) fn says_down(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.event, LifeEvent::Down {}))
    }

    /// A sink has come up for this pane.
    pub(super) fn sink_up(&mut self) {
        if self.sink == Sink::Gone {
            self.sink_replaced();
        }
        self.sink = Sink::Up;
        self.sink_due = None;
        self.sinks_lost = 0;
        self.meet_sink();
    }

    /// Remember the process id of the present sink.
    pub(super) fn meet_sink(&mut self) {
        let said = sink::said(&self.paths.sink_lock()).filter(|said| !said.drained);
        self.last_sink = said.or(self.last_sink);
    }

    /// Output may have been lost before now. The marker of an entry written before now either
    /// reaches the present sink or never arrives.
    pub(super) fn sink_replaced(&mut self) {
        self.replaced = Some(SinkReplaced { at: clock::now(), since: Instant::now() });
        self.marker_deadline = None;
        self.set_marker_deadline();
    }

    /// A request was sent to its shim; `grace` is the grace period of the process.
    pub(super) fn requested(&mut self, grace: Duration) {
        self.shim_deadline = Instant::now().checked_add(grace + SHIM_TIMEOUT);
        self.await_news();
    }

    /// Its shim has written an entry, so it does not hang; a process tree that keeps forking may
    /// keep it busy.
    pub(super) fn is_at_work(&mut self) {
        self.shim_deadline = self.shim_deadline.map(|at| at.max(Instant::now() + SHIM_TIMEOUT));
    }

    /// Whether its request is overdue. This is checked once a second: if the check is much too
    /// late, the machine is overloaded and the shim was probably delayed too, so it gets more time.
    pub(super) fn is_unresponsive(&mut self) -> bool {
        let now = Instant::now();
        match self.shim_deadline.map(|at| now.checked_duration_since(at)) {
            Some(Some(late)) if late > HELD_UP => {
                self.shim_deadline = Some(now + HELD_UP);
                false
            }
            Some(overdue) => overdue.is_some(),
            None => false,
        }
    }

    /// Look at its files soon, even if no bell rings: another process may have read the bell.
    pub(super) fn await_news(&mut self) {
        self.look_due = Some(Instant::now() + NEWS_TIMEOUT);
    }

    /// Set a deadline for the sink of a pane that has a shim but no sink. Only a timeout detects a
    /// sink that can't start or is killed before it reports ready.
    pub(super) fn await_sink(&mut self) {
        if self.shim.is_some() && self.sink != Sink::Up {
            let patience = SINK_TIMEOUT * (1 << self.sinks_lost.min(4));
            self.sink_due = Some(Instant::now() + patience);
        }
    }

    /// Set the deadlines for the marker that is awaited now.
    pub(super) fn set_marker_deadline(&mut self) {
        let awaited = self.awaits_marker();
        if awaited != self.marker_deadline.map(|deadline| deadline.seq) {
            let front = self.entries.front().filter(|_| awaited.is_some());
            self.marker_deadline = front.map(|entry| MarkerDeadline::new(entry, self.replaced));
        }
    }

    /// Where to place the awaited marker if it never arrives.
    pub(super) fn lost(&self) -> Lost {
        let before = self.entries.front().zip(self.replaced).is_some_and(|(e, m)| m.after(e));
        if before { Lost::Before } else { Lost::Here }
    }

    /// Its stopped sink was continued: extend the deadlines of the marker, once. `false` if they
    /// were extended before.
    pub(super) fn renew_marker_deadline(&mut self) -> bool {
        let Some(deadline) = self.marker_deadline.as_mut().filter(|deadline| !deadline.woken)
        else {
            return false;
        };
        let until = Instant::now() + MARKER_TIMEOUT;
        (deadline.woken, deadline.quiet, deadline.last) = (true, until, deadline.last.max(until));
        true
    }

    /// Output has arrived; the marker may follow after more of it.
    pub(super) fn extend_marker_deadline(&mut self) {
        if let Some(deadline) = &mut self.marker_deadline {
            deadline.quiet = Instant::now() + MARKER_TIMEOUT;
        }
    }

    /// The earliest deadline of this pane.
    pub(super) fn alarm(&self) -> Option<Instant> {
        let dues = self.sink_due.into_iter().chain(self.shim_due).chain(self.look_due);
        let search = self.search.iter();
        let dues = dues.chain(
            search.flat_map(|search| search.idle_due.into_iter().chain(search.lag.tell_due)),
        );
        dues.chain(self.marker_deadline.map(MarkerDeadline::end)).min()
    }

    /// Take the next entry that is due. An entry with a marker waits until its marker has been
    /// read, so that everything printed before it is in the journal.
    pub(super) fn next_entry(&mut self) -> Option<LifeEntry> {
        if self.awaits_marker().is_some() {
            return None;
        }
        self.entries.pop_front()
    }

    /// Whether any entry in the queue still needs its marker.
    pub(super) fn awaits_any_marker(&self) -> bool {
        self.entries.iter().any(|entry| entry.event.marked() && entry.seq > self.marked)
    }

    /// The sequence number of the first entry, if it waits for its marker.
    pub(super) fn awaits_marker(&self) -> Option<u64> {
        let front = self.entries.front()?;
        (front.event.marked() && front.seq > self.marked).then_some(front.seq)
    }
}
