//! The engine's record of each pane: its files, its terminal, its shim, its sink.

use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::entries::PaneEntries;
use super::prompt_watch::PromptWatch;
use crate::backend::Former;
use crate::model::{ProcName, ProcessId, StreamNo, units};
use crate::pane::sink;
use crate::protocol::notify::ReportedStatus;
use crate::protocol::paths::PanePaths;
use crate::search::output_search::OutputSearch;
use crate::sys::OrphanReport;

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
pub(crate) enum SinkStatus {
    /// None has been seen yet.
    #[default]
    Awaited,
    /// One holds the bell.
    Up,
    /// It died; another one is being started.
    Gone,
}

/// The sink of a pane, which is replaced when it has died.
#[derive(Debug, Default)]
pub(crate) struct PaneSink {
    pub(crate) status: SinkStatus,
    /// What the one that was up last has written into its lock file, which may be removed.
    pub(crate) last: Option<sink::Said>,
    /// When to start another one if none has come up.
    pub(crate) up_due: Option<Instant>,
    /// How many in a row have failed to come up.
    pub(crate) failures: u32,
}

impl PaneSink {
    pub(crate) fn is_up(&self) -> bool {
        self.status == SinkStatus::Up
    }
}

/// A shim that has ended while some of its output is still unread.
#[derive(Debug)]
pub(crate) struct ShimEnd {
    pub(crate) pid: u32,
    /// The result of killing its process tree in its place. `None` while that takes, or if the shim
    /// has ended the tree itself.
    pub(crate) orphans: Option<OrphanReport>,
}

/// The shim of a pane, which is replaced when it has ended.
#[derive(Debug, Default)]
pub(crate) struct PaneShim {
    /// The one that has reported `up`; its exit is watched.
    pub(crate) current: Option<ProcessId>,
    /// Process id of the last one that reported `up`, kept after it is gone.
    pub(crate) last_pid: Option<u32>,
    /// The process that should become the shim. It is watched before it reports `up`.
    pub(crate) awaited: Option<ProcessId>,
    /// The deadline for the awaited one to report `up`.
    pub(crate) up_due: Option<Instant>,
    /// The one (pid) that the state machine knows to be ready.
    pub(crate) ready: Option<u32>,
    /// Generation of the last spec that was written for it.
    pub(crate) generation: u64,
    /// When it counts as hung if it has not fulfilled its request.
    pub(crate) request_due: Option<Instant>,
    /// Set when it has ended, until the rest of the output has been read and the end can be
    /// handled.
    pub(crate) end: Option<ShimEnd>,
}

impl PaneShim {
    /// Whether this process is the shim that is watched.
    pub(crate) fn is_current(&self, pid: u32) -> bool {
        self.current.is_some_and(|shim| shim.pid == pid)
    }

    /// It is gone.
    pub(crate) fn forget(&mut self) {
        self.current = None;
        self.ready = None;
    }

    /// It has written an entry, so it does not hang; a process tree that keeps forking may keep it
    /// busy.
    pub(crate) fn extend_request_due(&mut self) {
        self.request_due = self.request_due.map(|at| at.max(Instant::now() + SHIM_TIMEOUT));
    }

    /// Whether its request is overdue. This is checked once a second: if the check is much too
    /// late, the machine is overloaded and the shim was probably delayed too, so it gets more time.
    pub(crate) fn is_unresponsive(&mut self) -> bool {
        let now = Instant::now();
        match self.request_due.map(|at| now.checked_duration_since(at)) {
            Some(Some(late)) if late > HELD_UP => {
                self.request_due = Some(now + HELD_UP);
                false
            }
            Some(overdue) => overdue.is_some(),
            None => false,
        }
    }
}

/// The terminal of a pane, which tmux or a holder keeps.
#[derive(Debug, Default)]
pub(crate) struct PaneTerminal {
    /// Its tmux pane, also while nothing runs in it.
    pub(crate) pane: Option<String>,
    /// How many requests to open it are unanswered. Only the last answer concerns the pane that is
    /// awaited.
    pub(crate) unanswered: u32,
}

/// How the engine learns that there is news in the files of a pane.
#[derive(Debug, Default)]
pub(crate) struct PaneBell {
    /// The task that listens to the bell.
    pub(crate) listener: Option<JoinHandle<()>>,
    /// When to look at the files even if the bell has not rung.
    pub(crate) look_due: Option<Instant>,
}

impl PaneBell {
    /// Look at the files soon, even if no bell rings: another process may have read the bell.
    pub(crate) fn await_news(&mut self) {
        self.look_due = Some(Instant::now() + NEWS_TIMEOUT);
    }
}

/// How many bytes of a pane's output are read per turn. Where patterns make reading slow, the
/// number shrinks so that requests are still answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget(u64);

impl Budget {
    const LEAST: u64 = 1 << 10;
    const FIRST: u64 = 64 << 10;
    const MOST: u64 = 1 << 20;
    /// The longest that a turn should take, in milliseconds.
    const LONGEST: u64 = 20;

    /// The maximum, for output that is not searched.
    pub(crate) const fn all() -> Self {
        Self(Self::MOST)
    }

    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }

    /// How long it would take to read this many bytes; `None` unless reading is slow.
    pub(crate) fn would_take(self, bytes: u64) -> Option<Duration> {
        let turns = bytes / self.0;
        (self.0 < Self::MOST).then(|| Duration::from_millis(turns.saturating_mul(Self::LONGEST)))
    }

    /// Adapt the budget to the time that the last turn has taken.
    pub(crate) fn spent(&mut self, time: Duration) {
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

#[derive(Debug, Default)]
pub(crate) struct PaneState {
    /// Number of the process's stream.
    pub(crate) stream: StreamNo,
    /// Its files.
    pub(crate) paths: PanePaths,
    pub(crate) terminal: PaneTerminal,
    pub(crate) bell: PaneBell,
    pub(crate) entries: PaneEntries,
    pub(crate) shim: PaneShim,
    pub(crate) sink: PaneSink,
    /// The last status that the process has reported.
    pub(crate) status: Option<ReportedStatus>,
    /// How many bytes of its output are read in one turn.
    pub(crate) budget: Budget,
    /// The search in its output, if there is anything to search for.
    pub(crate) search: Option<Box<OutputSearch>>,
    pub(crate) prompts: PromptWatch,
}

impl PaneState {
    /// The pane of `name`, about which nothing is known yet.
    pub(crate) fn new(runtime: &Path, name: &ProcName, stream: StreamNo) -> Self {
        let paths = PanePaths::new(runtime, name);
        Self { stream, entries: PaneEntries::new(&paths.life()), paths, ..Self::default() }
    }

    pub(super) fn former(&self) -> Former {
        let pane = self.terminal.pane.clone();
        Former { pane, shim: self.shim.last_pid, piped: self.sink.is_up() }
    }

    /// A sink has come up for this pane.
    pub(crate) fn sink_up(&mut self) {
        if self.sink.status == SinkStatus::Gone {
            self.entries.sink_replaced();
        }
        self.sink.status = SinkStatus::Up;
        self.sink.up_due = None;
        self.sink.failures = 0;
        self.meet_sink();
    }

    /// Remember the process id of the present sink.
    pub(crate) fn meet_sink(&mut self) {
        let said = sink::said(&self.paths.sink_lock()).filter(|said| !said.drained);
        self.sink.last = said.or(self.sink.last);
    }

    /// A request was sent to its shim; `grace` is the grace period of the process.
    pub(crate) fn requested(&mut self, grace: Duration) {
        self.shim.request_due = Instant::now().checked_add(grace + SHIM_TIMEOUT);
        self.bell.await_news();
    }

    /// Set a deadline for the sink of a pane that has a shim but no sink. Only a timeout detects a
    /// sink that can't start or is killed before it reports ready.
    pub(crate) fn await_sink(&mut self) {
        if self.shim.current.is_some() && !self.sink.is_up() {
            let patience = SINK_TIMEOUT * (1 << self.sink.failures.min(4));
            self.sink.up_due = Some(Instant::now() + patience);
        }
    }

    /// The earliest deadline of this pane.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        let dues = self.sink.up_due.into_iter().chain(self.shim.up_due).chain(self.bell.look_due);
        let search = self.search.iter();
        let dues = dues.chain(search.flat_map(|search| {
            search.idle_due.into_iter().chain(search.lag.tell_due).chain(search.held_due())
        }));
        dues.chain(self.entries.marker_due()).chain(self.prompts.due).min()
    }
}
