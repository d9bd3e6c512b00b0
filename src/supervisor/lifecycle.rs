//! How far the run as a whole has come; each is told once.

use serde::{Deserialize, Serialize};

use super::proc::{Goal, Phase, Proc};
use super::{Course, Effect, Supervisor};
use crate::model::event::What;
use crate::model::rules::Stage;

/// Something that happens once in a run that has stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Milepost {
    /// All dependencies are ready.
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

impl Milepost {
    /// As an event.
    pub const fn event(self) -> &'static str {
        match self {
            Self::DependenciesReady => "lifecycle:dependencies-ready",
            Self::MainStarted => "lifecycle:main-started",
            Self::MainStopped => "lifecycle:main-stopped",
            Self::CleanupStarted => "lifecycle:cleanup-started",
            Self::CleanupComplete => "lifecycle:cleanup-complete",
        }
    }

    const fn what(self) -> What {
        match self {
            Self::DependenciesReady => What::DependenciesReady,
            Self::MainStarted => What::MainStarted,
            Self::MainStopped => What::MainStopped,
            Self::CleanupStarted => What::CleanupStarted,
            Self::CleanupComplete => What::CleanupComplete,
        }
    }
}

impl Supervisor {
    /// Tell what the run has come to. A run without stages says nothing of them.
    pub(super) fn tell_mileposts(&mut self, out: &mut Vec<Effect>) {
        use Milepost::{CleanupComplete, DependenciesReady, MainStarted, MainStopped};
        for post in [DependenciesReady, MainStarted, MainStopped, CleanupComplete] {
            if self.has_come_to(post) {
                self.reach(post, out);
            }
        }
    }

    /// It has come so far.
    pub(super) fn reach(&mut self, post: Milepost, out: &mut Vec<Effect>) {
        if self.passed.contains(&post) {
            return;
        }
        self.passed.push(post);
        if self.procs.iter().any(|proc| proc.rules.stage != Stage::Main) {
            out.push(Effect::Say(None, post.what()));
        }
        out.push(Effect::Reached(post));
    }

    fn has_come_to(&self, post: Milepost) -> bool {
        let of = |stage: Stage| self.procs.iter().filter(move |proc| proc.rules.stage == stage);
        let left = |proc: &Proc| {
            proc.alive() && !matches!(proc.phase, Phase::Stuck { .. }) || proc.is_to_begin()
        };
        let ending = self.course != Course::Keep;
        match post {
            Milepost::DependenciesReady => {
                let late = |proc: &Proc| proc.goal == Goal::Run || proc.alive();
                !ending
                    && !of(Stage::Dependency).any(|proc| late(proc) && !proc.is_ready())
                    && of(Stage::Main).any(|proc| proc.goal == Goal::Run)
            }
            Milepost::MainStarted => {
                let late = |proc: &Proc| proc.goal == Goal::Run && proc.last_pid.is_none();
                !ending
                    && !of(Stage::Main).any(late)
                    && of(Stage::Main).any(|p| p.last_pid.is_some())
            }
            Milepost::MainStopped => {
                let begun = of(Stage::Main).any(|proc| proc.last_pid.is_some());
                ending && begun && !of(Stage::Main).any(left)
            }
            // Told by who starts it.
            Milepost::CleanupStarted => false,
            Milepost::CleanupComplete => {
                let begun = self.passed.contains(&Milepost::CleanupStarted);
                begun && !of(Stage::Cleanup).any(|proc| left(proc) || !proc.swept)
            }
        }
    }

    /// A command that was run because of a milepost, and behind which the run is to end.
    pub(super) fn enough(&mut self, code: u8, out: &mut Vec<Effect>) {
        self.worst = self.worst.max(code);
        self.quit(out);
    }
}
