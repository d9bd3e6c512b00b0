//! What is known of the watched files of a process.

use serde::{Deserialize, Serialize};

use crate::model::file_change::{BuildFailure, FileChange, RestartLoop, WatchMode, WatchState};
use crate::model::time::Timestamp;
use crate::model::{Untrusted, is_default};

/// What is known of the watched files of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Watching {
    /// A user has paused it.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) paused: bool,
    /// It is held because each restart changes these files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) held: Vec<Untrusted>,
    /// Files have changed; which of them differ is not known before no more do.
    #[serde(skip)]
    pub(super) unsettled: bool,
    /// What has changed and was not acted on yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<FileChange>,
    /// The command before a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) build: Option<Build>,
    /// The failure of the last command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<BuildFailure>,
    /// When its life, the command or the effect of the signal began, whichever came last.
    pub(super) acted: Timestamp,
    /// The restarts that follow from files which the process writes itself.
    #[serde(rename = "loop", skip_serializing_if = "is_default")]
    pub(super) in_loop: RestartLoop,
}

/// The command before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Build {
    /// It runs, since then.
    Running(Timestamp),
    /// It has succeeded, and the restart is still to come.
    Succeeded,
}

impl Watching {
    /// A life has begun.
    pub(super) fn acted(&mut self, at: Timestamp) {
        self.acted = at;
    }

    pub(super) fn is_off(&self) -> bool {
        self.paused || !self.held.is_empty()
    }

    /// The same for clients.
    pub(super) fn state(&self) -> WatchState {
        let Watching { paused, held, unsettled, build, failure, .. } = self;
        let mode = match build {
            _ if *paused => WatchMode::Paused,
            _ if !held.is_empty() => WatchMode::Held,
            Some(_) => WatchMode::Building,
            None if *unsettled => WatchMode::Changed,
            None => WatchMode::Watching,
        };
        WatchState { mode, files: held.clone(), failure: failure.clone() }
    }
}
