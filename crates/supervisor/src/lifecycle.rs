//! The progress of the run as a whole; each stage ([`RunStage`]) is reported once.

use serde::{Deserialize, Serialize};

use super::proc::{Goal, Phase, Proc};
use super::{Effect, RunPhase, Supervisor};
use crate::model::ProcName;
use crate::model::event::What;
use crate::model::plan::rules::Stage;

/// A point that a run with stages passes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStage {
    DependenciesReady,
    /// All main processes have been started.
    MainStarted,
    /// No main process is left.
    MainStopped,
    /// The first process of the cleanup begins.
    CleanupStarted,
    /// No process of the cleanup is left.
    CleanupComplete,
}

impl RunStage {
    /// The name of its event, as hooks get it.
    pub const fn event(self) -> &'static str {
        match self {
            Self::DependenciesReady => "lifecycle:dependencies-ready",
            Self::MainStarted => "lifecycle:main-started",
            Self::MainStopped => "lifecycle:main-stopped",
            Self::CleanupStarted => "lifecycle:cleanup-started",
            Self::CleanupComplete => "lifecycle:cleanup-complete",
        }
    }

    fn what(self, skipped: Vec<ProcName>) -> What {
        match self {
            Self::DependenciesReady => What::DependenciesReady,
            Self::MainStarted => What::MainStarted { skipped },
            Self::MainStopped => What::MainStopped,
            Self::CleanupStarted => What::CleanupStarted,
            Self::CleanupComplete => What::CleanupComplete,
        }
    }
}

impl Supervisor {
    /// Report the stages that the run has reached. A run whose processes are all in the main stage does not log
    /// them.
    pub(super) fn announce_stages(&mut self) {
        use RunStage::{CleanupComplete, DependenciesReady, MainStarted, MainStopped};
        for stage in [DependenciesReady, MainStarted, MainStopped, CleanupComplete] {
            if self.has_come_to(stage) {
                self.reach(stage);
            }
        }
    }

    /// Report this stage of the run, unless that was done before.
    pub(super) fn reach(&mut self, stage: RunStage) {
        if self.passed.contains(&stage) {
            return;
        }
        self.passed.push(stage);
        if self.procs.iter().any(|proc| proc.rules.stage != Stage::Main) {
            let skipped = |proc: &&Proc| {
                proc.rules.stage == Stage::Main && proc.skip.is_some() && proc.last.pid.is_none()
            };
            let skipped = self.procs.iter().filter(skipped).map(|proc| proc.name.clone());
            self.effects.push(Effect::Say(None, stage.what(skipped.collect())));
        }
        self.effects.push(Effect::Reached(stage));
    }

    fn has_come_to(&self, stage: RunStage) -> bool {
        let of = |stage: Stage| self.procs.iter().filter(move |proc| proc.rules.stage == stage);
        let left = |proc: &Proc| {
            proc.alive() && !matches!(proc.phase, Phase::Stuck { .. }) || proc.is_to_begin()
        };
        let ending = self.run_phase != RunPhase::Running;
        match stage {
            RunStage::DependenciesReady => {
                !ending
                    && !of(Stage::Dependency)
                        .any(|proc| (proc.goal == Goal::Run || proc.alive()) && !proc.is_ready())
                    && of(Stage::Main).any(|proc| proc.goal == Goal::Run)
            }
            RunStage::MainStarted => {
                !ending
                    && !of(Stage::Main)
                        .any(|proc| proc.goal == Goal::Run && proc.last.pid.is_none())
                    && of(Stage::Main).any(|p| p.last.pid.is_some())
            }
            RunStage::MainStopped => {
                let begun = of(Stage::Main).any(|proc| proc.last.pid.is_some());
                ending && begun && !of(Stage::Main).any(left)
            }
            // Reported by `Supervisor::start_cleanup` (`shutdown.rs`), which starts the cleanup.
            RunStage::CleanupStarted => false,
            RunStage::CleanupComplete => {
                let begun = self.passed.contains(&RunStage::CleanupStarted);
                begun && !of(Stage::Cleanup).any(|proc| left(proc) || !proc.for_cleanup)
            }
        }
    }

    /// A hook has ended after which the run should end; it was run at a stage of the run.
    pub(super) fn stop_after_hook(&mut self, code: u8) {
        self.worst = self.worst.max(code);
        self.quit();
    }
}
