//! What is known of the watched files of a process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::file_change::{
    BuildFailure, ChangeDelay, FileChange, RestartRow, WatchMode, WatchState,
};
use crate::model::is_default;
use crate::model::time::{MonotonicTime, Timestamp};

/// What is known of the watched files of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Watching {
    /// A user has paused it.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) paused: bool,
    /// Files have changed; which of them differ is not known before no more do.
    #[serde(skip)]
    pub(crate) unsettled: bool,
    /// What was written until then is known.
    pub(crate) settled: Timestamp,
    /// What has changed and was not acted on yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<FileChange>,
    /// What a restart was asked for that has not begun yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) acting: Option<FileChange>,
    /// Until when that has to wait, because restarts seem to cause such changes, or could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
    /// The command before a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) build: Option<Build>,
    /// The failure of the last command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<BuildFailure>,
    /// When its life, the command or the effect of the signal began, whichever came last.
    pub(crate) acted: MonotonicTime,
    /// The last restarts because of changes.
    #[serde(rename = "loop", skip_serializing_if = "is_default")]
    pub(crate) row: RestartRow,
}

/// The command before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Build {
    /// It runs, since then.
    Running(Timestamp),
    /// It has succeeded, and the restart is still to come.
    Succeeded,
}

impl Watching {
    /// A life has begun. It has read what had changed before, unless that has to be built first.
    pub(crate) fn life_began(&mut self, at: MonotonicTime, builds: bool) {
        (self.acted, self.acting) = (at, None);
        if !builds && self.change.as_ref().is_some_and(|change| change.last < at) {
            (self.change, self.due) = (None, None);
        }
    }

    /// Note what has changed.
    pub(crate) fn add(&mut self, change: FileChange, now: Timestamp) {
        self.row.add(&change, self.acted);
        let pause = self.row.pause();
        // A pause that has begun is not extended.
        self.due = (!pause.is_zero()).then(|| self.due.unwrap_or(now + pause));
        match &mut self.change {
            Some(known) => known.add(change),
            none => *none = Some(change),
        }
    }

    /// End the command before a restart; what it was for is still to be acted on.
    pub(crate) fn put_back(&mut self) {
        if self.build.take().is_some() {
            self.change = self.acting.take().or(self.change.take());
        }
    }

    /// The restart for a change could not be done, and the old life goes on.
    pub(crate) fn try_again(&mut self, now: Timestamp) {
        const PAUSE: Duration = Duration::from_secs(10);
        if let Some(change) = self.acting.take() {
            self.change.get_or_insert(change);
            self.due = Some(now + PAUSE);
        }
    }

    /// Whether a pause goes on.
    pub(crate) fn is_held(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due > now) && !self.is_set_back(now)
    }

    /// Whether the end of the pause is further away than it can be: the clock was set back.
    pub(crate) fn is_set_back(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due.since(now) > RestartRow::LONGEST_PAUSE)
    }

    /// The command before a restart, and what it was for, are not wanted any more.
    pub(crate) fn give_up(&mut self) {
        (self.change, self.due, self.build, self.acting) = (None, None, None, None);
    }

    /// The same for clients; `delay` is what a restart would have to wait for at present. After a while without one, the
    /// last restarts are not mentioned any more (`is_over`).
    pub(crate) fn state(&self, delay: Option<ChangeDelay>, is_over: bool) -> WatchState {
        let has_changed = self.change.is_some() || self.build.is_some();
        let mode = match self.build {
            _ if self.paused => WatchMode::Paused,
            Some(Build::Running(_)) => WatchMode::Building,
            _ if self.due.is_some() => WatchMode::Held,
            _ if has_changed || self.unsettled => WatchMode::Changed,
            _ => WatchMode::Watching,
        };
        let waits = delay.filter(|_| mode == WatchMode::Changed && has_changed);
        let is_mentioned = mode != WatchMode::Watching || !is_over;
        let files = if is_mentioned { self.row.files().to_vec() } else { vec![] };
        let failure = self.failure.clone();
        WatchState { mode, waits, files, failure, note: None }.noted()
    }
}
