//! The life entries of a pane, and the markers in its output that they wait for.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::journal::write::expected_markers::Markers;
use crate::journal::write::split::Lost;
use crate::model::time::Timestamp;
use crate::protocol::life::{LifeEntry, LifeEvent, LifeReader};
use crate::sys::clock;

/// How long to wait for a marker while no other output arrives.
const MARKER_TIMEOUT: Duration = Duration::from_secs(2);
/// The same while output keeps arriving, much of which may have been printed before the marker.
const LAST_MARKER_TIMEOUT: Duration = Duration::from_secs(30);

/// When a sink replaced another one that may have lost output.
#[derive(Debug, Clone, Copy)]
struct SinkReplaced {
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
struct MarkerDeadline {
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
}

/// The life entries of a pane that wait to be handed to the supervisor.
#[derive(Debug, Default)]
pub(crate) struct PaneEntries {
    /// Follows the life file.
    pub(crate) file: LifeReader,
    /// Entries that have not been handed to the supervisor yet.
    queue: VecDeque<LifeEntry>,
    /// The highest sequence number of the entries.
    pub(crate) known: u64,
    /// Which markers the entries announce.
    pub(crate) markers: Markers,
    /// Markers of entries up to this number are in the output that the present sink still reads, or
    /// will never arrive.
    pub(crate) unmarked: u64,
    /// Sequence number of the last marker that was read in the output.
    pub(crate) marked: u64,
    /// The deadlines for the awaited marker.
    deadline: Option<MarkerDeadline>,
    /// The last time that output may have been lost.
    replaced: Option<SinkReplaced>,
}

impl PaneEntries {
    /// The entries of this life file, which is not read yet.
    pub(crate) fn new(file: &Path) -> Self {
        Self { file: LifeReader::new(file), ..Self::default() }
    }

    /// Queue an entry.
    pub(crate) fn push(&mut self, entry: LifeEntry) {
        self.known = self.known.max(entry.seq);
        self.queue.push_back(entry);
    }

    /// The next entry, if it is due. An entry with a marker waits until its marker has been read,
    /// so that everything printed before it is in the journal.
    pub(crate) fn next_due(&self) -> Option<&LifeEntry> {
        self.queue.front().filter(|_| self.awaited_marker().is_none())
    }

    /// Take the next entry, if it is due.
    pub(crate) fn take_due(&mut self) -> Option<LifeEntry> {
        self.next_due()?;
        self.queue.pop_front()
    }

    /// Whether any entry in the queue still needs its marker.
    pub(crate) fn await_any_marker(&self) -> bool {
        self.queue.iter().any(|entry| entry.event.marked() && entry.seq > self.marked)
    }

    /// The sequence number of the first entry, if it waits for its marker.
    pub(crate) fn awaited_marker(&self) -> Option<u64> {
        let front = self.queue.front()?;
        (front.event.marked() && front.seq > self.marked).then_some(front.seq)
    }

    /// Whether the shim has reported `down` in an entry that is not handed on yet.
    pub(crate) fn say_down(&self) -> bool {
        self.queue.iter().any(|entry| matches!(entry.event, LifeEvent::Down {}))
    }

    /// Output may have been lost before now. The marker of an entry written before now either
    /// reaches the present sink or never arrives.
    pub(crate) fn sink_replaced(&mut self) {
        self.replaced = Some(SinkReplaced { at: clock::now(), since: Instant::now() });
        self.deadline = None;
        self.set_deadline();
    }

    /// Where to place the awaited marker if it never arrives.
    pub(crate) fn place_of_lost(&self) -> Lost {
        let before = self.queue.front().zip(self.replaced).is_some_and(|(e, m)| m.after(e));
        if before { Lost::Before } else { Lost::Here }
    }

    /// Set the deadlines for the marker that is awaited now.
    pub(crate) fn set_deadline(&mut self) {
        let awaited = self.awaited_marker();
        if awaited != self.deadline.map(|deadline| deadline.seq) {
            let front = self.queue.front().filter(|_| awaited.is_some());
            self.deadline = front.map(|entry| MarkerDeadline::new(entry, self.replaced));
        }
    }

    /// When to give up the awaited marker.
    pub(crate) fn marker_due(&self) -> Option<Instant> {
        self.deadline.map(|deadline| deadline.quiet.min(deadline.last))
    }

    /// Output has arrived; the marker may follow after more of it.
    pub(crate) fn extend_deadline(&mut self) {
        if let Some(deadline) = &mut self.deadline {
            deadline.quiet = Instant::now() + MARKER_TIMEOUT;
        }
    }

    /// The stopped sink was continued: extend the deadlines of the marker, once. `false` if they
    /// were extended before.
    pub(crate) fn renew_deadline(&mut self) -> bool {
        let Some(deadline) = self.deadline.as_mut().filter(|deadline| !deadline.woken) else {
            return false;
        };
        let until = Instant::now() + MARKER_TIMEOUT;
        (deadline.woken, deadline.quiet, deadline.last) = (true, until, deadline.last.max(until));
        true
    }

    /// Wait no longer for the marker.
    pub(crate) fn drop_deadline(&mut self) {
        self.deadline = None;
    }
}
