//! What the engine keeps of each pane: its files, its life entries, its sink.

use std::collections::VecDeque;
use std::path::Path;

use crate::journal::expect::Markers;
use crate::model::ProcName;
use crate::pane::life::{Entry, LifeReader};
use crate::pane::paths::PanePaths;
use crate::pane::sink;

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
    /// Sequence number of the last marker that was read in its output.
    pub(super) marked: u64,
    /// Its sink.
    pub(super) sink: Sink,
    /// Process id of the sink that was up last.
    pub(super) sink_pid: Option<u32>,
    /// The shim that is watched.
    pub(super) shim: Option<(u32, u64)>,
    /// What is to be the shim (pid), watched although it has not said that it is there.
    pub(super) awaited: Option<u32>,
    /// The shim (pid) that the supervisor was told to be ready.
    pub(super) ready: Option<u32>,
    /// Its tmux pane, also while nothing runs in it.
    pub(super) pane: Option<String>,
    /// Its bell is listened to.
    pub(super) listening: bool,
    /// Generation of the last spec that was written.
    pub(super) generation: u64,
    /// When an awaited marker is given up.
    pub(super) give_up: Option<tokio::time::Instant>,
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
            marked: 0,
            sink: Sink::Awaited,
            sink_pid: None,
            shim: None,
            awaited: None,
            ready: None,
            pane: None,
            listening: false,
            generation: 0,
            give_up: None,
        }
    }

    /// A sink takes its output.
    pub(super) fn sink_up(&mut self) {
        self.sink = Sink::Up;
        self.sink_pid = sink::said(&self.paths.sink_lock()).map(|said| said.pid);
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

    /// Whether an entry waits for its marker.
    pub(super) fn awaits_marker(&self) -> Option<u64> {
        let front = self.entries.front()?;
        (front.event.marked() && front.seq > self.marked).then_some(front.seq)
    }
}
