//! What is known of the installations of a process: which of its lives install, and how far the last one has come.

use serde::{Deserialize, Serialize};

use crate::model::LifeId;
use crate::model::event::InstallProblem;
use crate::model::plan::{AfterInstall, Install};

/// How many of its lives are remembered as installations: those whose output may be searched, and whose
/// end may still be reported.
const MOST_LIVES: usize = 16;

/// The installations of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Installation {
    /// The newest lives that install.
    lives: Vec<LifeId>,
    /// What follows the newest of them.
    then: AfterInstall,
    progress: Progress,
}

/// How far the installation of a process has come in this run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Progress {
    /// There was none in this run: the plan says whether it is needed.
    #[default]
    None,
    /// It was requested, and is not complete.
    Incomplete {
        /// The version of the plan when it was requested.
        version: String,
        /// Why it is not complete, once it has failed.
        why: Option<InstallProblem>,
    },
    /// It is complete.
    Complete {
        /// The version that was installed.
        version: String,
    },
}

impl Installation {
    /// The newest lives that install.
    pub fn lives(&self) -> &[LifeId] {
        &self.lives
    }

    /// Whether this life installs.
    pub(super) fn is_life(&self, life: LifeId) -> bool {
        self.lives.contains(&life)
    }

    /// Why the last installation is not complete, if it has failed.
    pub(super) const fn failure(&self) -> Option<&InstallProblem> {
        match &self.progress {
            Progress::Incomplete { why, .. } => why.as_ref(),
            Progress::None | Progress::Complete { .. } => None,
        }
    }

    /// Whether this version has to be installed before the process can run.
    pub(super) fn is_needed(&self, plan: &Install) -> bool {
        match &self.progress {
            Progress::Incomplete { version, .. } if *version == plan.version => true,
            Progress::Complete { version } if *version == plan.version => false,
            Progress::None | Progress::Incomplete { .. } | Progress::Complete { .. } => {
                plan.pending
            }
        }
    }

    /// Whether the last installation is complete.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.progress, Progress::Complete { .. })
    }

    /// This life is to install a version.
    pub(super) fn begin(&mut self, life: LifeId, version: String, then: AfterInstall) {
        self.forget_life(life);
        self.lives.push(life);
        self.lives.drain(..self.lives.len().saturating_sub(MOST_LIVES));
        self.then = then;
        self.progress = Progress::Incomplete { version, why: None };
    }

    /// The installation has ended, or will not be completed.
    pub(super) fn conclude(&mut self, failure: Option<InstallProblem>) {
        if let Progress::Incomplete { version, why } = &mut self.progress {
            match failure {
                Some(_) => *why = failure,
                None => self.progress = Progress::Complete { version: std::mem::take(version) },
            }
        }
    }

    /// This life does not install.
    pub(super) fn forget_life(&mut self, life: LifeId) {
        self.lives.retain(|old| *old != life);
    }

    /// Nothing is known to be installed.
    pub(super) fn forget(&mut self) {
        self.progress = Progress::None;
    }

    /// The process is to run after the installation.
    pub(super) fn run_next(&mut self) {
        self.then = AfterInstall::Run;
    }

    /// Whether it is to run then.
    pub(super) fn runs_next(&self) -> bool {
        self.then == AfterInstall::Run
    }
}
