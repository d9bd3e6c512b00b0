//! The state of a process's installations: the lives that install, and the progress of the last one.

use serde::{Deserialize, Serialize};

use crate::model::LifeId;
use crate::model::event::InstallProblem;
use crate::model::plan::{AfterInstall, Install};

/// How many lives of a process are remembered as installations. Their output may still be searched, and their
/// end may still be reported.
const MOST_LIVES: usize = 16;

/// The installations of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Installation {
    /// The newest lives that install.
    lives: Vec<LifeId>,
    /// The next step after the newest of them.
    pub(crate) then: AfterInstall,
    progress: InstallProgress,
}

/// The progress of a process's installation in this run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum InstallProgress {
    /// No installation in this run: the plan determines whether one is needed.
    #[default]
    None,
    /// Requested, and not complete.
    Incomplete {
        /// The version of the plan when it was requested.
        version: String,
        /// The reason, once it has failed.
        why: Option<InstallProblem>,
    },
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

    /// The reason why the last installation failed.
    pub(crate) const fn failure(&self) -> Option<&InstallProblem> {
        let InstallProgress::Incomplete { why, .. } = &self.progress else { return None };
        why.as_ref()
    }

    /// Whether this version has to be installed before the process can run.
    pub(crate) fn is_needed(&self, plan: &Install) -> bool {
        match &self.progress {
            InstallProgress::Incomplete { version, .. } if *version == plan.version => true,
            InstallProgress::Complete { version } if *version == plan.version => false,
            InstallProgress::None
            | InstallProgress::Incomplete { .. }
            | InstallProgress::Complete { .. } => plan.pending,
        }
    }

    /// Whether the last installation is complete.
    pub(crate) const fn is_complete(&self) -> bool {
        matches!(self.progress, InstallProgress::Complete { .. })
    }

    /// Note that this life installs a version.
    pub(crate) fn begin(&mut self, life: LifeId, version: String, then: AfterInstall) {
        self.forget_life(life);
        self.lives.push(life);
        self.lives.drain(..self.lives.len().saturating_sub(MOST_LIVES));
        self.then = then;
        self.progress = InstallProgress::Incomplete { version, why: None };
    }

    /// Note that a life that installs has begun. The end of an earlier one may have been seen after this one was
    /// requested.
    pub(crate) fn began(&mut self) {
        if let InstallProgress::Incomplete { version, .. } | InstallProgress::Complete { version } =
            &mut self.progress
        {
            self.progress =
                InstallProgress::Incomplete { version: std::mem::take(version), why: None };
        }
    }

    /// Note that the installation has ended or was given up.
    pub(crate) fn conclude(&mut self, failure: Option<InstallProblem>) {
        if let InstallProgress::Incomplete { version, why } = &mut self.progress {
            match failure {
                Some(_) => *why = failure,
                None => {
                    self.progress = InstallProgress::Complete { version: std::mem::take(version) }
                }
            }
        }
    }

    /// Note that this life does not install.
    pub(crate) fn forget_life(&mut self, life: LifeId) {
        self.lives.retain(|old| *old != life);
    }

    /// Forget that any version is installed.
    pub(crate) fn forget(&mut self) {
        self.progress = InstallProgress::None;
    }
}
