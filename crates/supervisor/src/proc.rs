//! One process as the supervisor sees it.

mod idle;
pub(crate) mod install_state;
mod installation;
mod life;
mod policy;
mod prompts;
pub(crate) mod ready;
pub(crate) mod records;
pub(crate) mod texts;
pub(crate) mod watching;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::install_state::Installation;
use self::records::{ChangePart, ExitStats, LifeMarks, ProcFailures, ProcPrompts, ProcRestarts};
use self::watching::Watching;
use super::reload::{PlanCounts, Planned};
use crate::model::event::{Note, Problem, Skip};
use crate::model::ids::or_zero;
use crate::model::plan::rules::{DependencyCondition, ExitVerdict, ProcessPolicy, Stage};
use crate::model::plan::{Install, OnExit, Plan, ProcessPlan};
use crate::model::time::{Timestamp, nanos};
use crate::model::{Exit, LifeId, ProcId, ProcName, ProcessId, ProcessStatus, is_default};
pub(super) use crate::protocol::phase::Phase;

/// The desired state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Its newest life should run.
    Run,
    /// It should not run.
    #[default]
    Stop,
}

/// Whether there is a pane with a shim.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "pane", rename_all = "kebab-case")]
pub enum Pane {
    /// No pane exists; starting the process opens one.
    #[default]
    None,
    /// It has been requested and is not up yet.
    Opening,
    /// Its shim is up.
    Up {
        /// Process id of the shim.
        shim: u32,
        /// Start time of the shim.
        start_time: u64,
        /// The pane id in tmux (`%3`).
        id: String,
    },
}

impl Pane {
    /// Its shim, if that is up.
    pub const fn shim(&self) -> Option<ProcessId> {
        match self {
            Self::Up { shim, start_time, .. } => Some(ProcessId { pid: *shim, start: *start_time }),
            Self::None | Self::Opening => None,
        }
    }
}

/// Whether a life is ready, so that others may rely on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ready", rename_all = "kebab-case")]
pub enum Ready {
    /// Not yet.
    Waiting {
        /// The checks that have passed.
        passed: Vec<usize>,
        /// The last answer of each active check that has not passed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        heard: Vec<(usize, String)>,
    },
    /// It is ready.
    Yes {
        /// Since when.
        at: Timestamp,
    },
    /// It was not ready in time, or ended before it was ready.
    No {
        why: Problem,
        /// The checks that have passed: those that were late may still do so.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        passed: Vec<usize>,
    },
}

impl Ready {
    /// The checks that have passed, if it is not ready and the others may still pass, in time or late.
    pub fn passed(&self) -> Option<&[usize]> {
        match self {
            Self::Waiting { passed, .. } | Self::No { why: Problem::TimedOut { .. }, passed } => {
                Some(passed)
            }
            Self::Yes { .. } | Self::No { .. } => None,
        }
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self::Waiting { passed: vec![], heard: vec![] }
    }
}

/// What is left of the last lives of a process. A life that installs leaves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LastLife {
    /// The last main process, dead or alive.
    #[serde(rename = "last_pid")]
    pub pid: Option<u32>,
    /// How long the last life that has ended ran.
    #[serde(with = "nanos")]
    pub(super) ran: Duration,
    /// The exit status of that life.
    #[serde(rename = "last_exit")]
    pub(super) exit: Option<Exit>,
    /// What it contributes to the exit code of the run.
    pub(super) status: u8,
}

/// One process as the supervisor sees it.
///
/// Its parts are saved at the same level as its own fields (`flatten`). Serde reads what it flattens by way of a
/// buffer, from which a map with numbers as keys can't be read: no part may contain one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proc {
    pub name: ProcName,
    pub stop_signal: i32,
    /// What happens when it exits by itself.
    pub on_exit: OnExit,
    /// The desired state.
    pub goal: Goal,
    /// The newest life that was requested.
    #[serde(with = "or_zero")]
    pub life: Option<LifeId>,
    /// The current state.
    pub phase: Phase,
    pub pane: Pane,
    /// Which of its lives were stopped, killed, skipped …
    #[serde(flatten)]
    pub marks: LifeMarks,
    #[serde(flatten)]
    pub restarts: ProcRestarts,
    /// Its failures in a row.
    #[serde(flatten)]
    pub failures: ProcFailures,
    #[serde(flatten)]
    pub last: LastLife,
    /// How many of its lives have begun.
    pub begun: u64,
    /// When it entered its current phase.
    pub since: Timestamp,
    /// The sequence number of the last life entry that was processed.
    pub seen: u64,
    /// A remark about its state for the user.
    pub note: Option<Note>,
    /// It did not start with the run: it was added by scaling or by a reload, or begins only on
    /// request.
    pub added: bool,
    /// It is no longer one of the run's processes: its entry was scaled down, or the configuration no
    /// longer contains it.
    pub retired: bool,
    /// Up to which of its changes the plan was carried out.
    #[serde(flatten)]
    pub carried_out: PlanCounts,
    /// It should run, but what it waits for has not happened yet.
    #[serde(rename = "held")]
    pub waiting: bool,
    /// A sink records the output of its pane.
    #[serde(rename = "heard")]
    pub recorded: bool,
    /// Whether its current life is ready.
    pub ready: Ready,
    /// When a new supervisor took over the readiness checks of the current life; the epoch if none
    /// did.
    pub asked_again: Timestamp,
    /// How many liveness checks in a row its life has failed.
    #[serde(rename = "misses")]
    pub failed_checks: u32,
    /// Counts of how its lives ended.
    #[serde(rename = "tally")]
    pub exit_stats: ExitStats,
    /// Why it was not started, if it was skipped.
    pub skip: Option<Skip>,
    /// It was asked to stop because the run is ending.
    #[serde(rename = "dismissed")]
    pub stopped_by_shutdown: bool,
    /// It was started for the cleanup at the end of the run.
    #[serde(rename = "swept")]
    pub for_cleanup: bool,
    /// Its part in the last change of several processes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub change: ChangePart,
    #[serde(default, skip_serializing_if = "is_default")]
    pub prompts: ProcPrompts,
    /// When it was used last, if it is lazy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) used: Timestamp,
    /// What changed files do to it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub watching: Watching,
    #[serde(default, skip_serializing_if = "is_default")]
    pub installation: Installation,
    /// Its installation in the plan; not saved with the state.
    #[serde(skip)]
    pub install: Option<Install>,
    /// The rules of the plan for it; not saved with the state.
    #[serde(skip)]
    pub rules: ProcessPolicy,
    /// The plan's counts and settings for it; not saved with the state.
    #[serde(skip)]
    pub planned: Planned,
    /// What must have happened before it begins: its dependencies, and those that come from its stage of the run.
    #[serde(skip)]
    pub needs: Vec<(ProcId, DependencyCondition)>,
}

impl Proc {
    /// The process of this plan in its initial state.
    pub(super) fn new(process: &ProcessPlan, plan: &Plan, now: Timestamp) -> Self {
        // A process that came by a reload is started by `follow_plan`.
        let later = process.added || process.additions > 0;
        let waits = later || process.waits || process.rules.stage == Stage::Cleanup;
        Self {
            name: process.name.clone(),
            stop_signal: process.stop_signal,
            on_exit: process.on_exit,
            goal: if waits { Goal::Stop } else { Goal::Run },
            life: (!waits).then_some(LifeId::FIRST),
            since: now,
            added: later || process.waits,
            retired: later,
            carried_out: PlanCounts { additions: 0, ..PlanCounts::from_plan(process) },
            change: records::ChangePart::of_start(plan.no_deps),
            install: process.install.clone(),
            rules: process.rules.clone(),
            ..Self::default()
        }
    }

    /// Whether a word in a request refers to this process: by its name, its entry, or `@` and one of
    /// its groups.
    pub(super) fn is_meant(&self, word: &str) -> bool {
        self.name.is_selected_by(word, &self.rules.groups)
    }

    /// Whether it is one of the run's processes; a retired one is for as long as it is alive.
    pub fn counts(&self) -> bool {
        !self.retired || self.alive()
    }

    /// The current life, or the last one if none is running.
    pub fn current_life(&self) -> Option<LifeId> {
        match self.phase {
            Phase::Pending => None,
            Phase::Starting { life }
            | Phase::Running { life, .. }
            | Phase::Installing { life, .. }
            | Phase::Ending { life, .. }
            | Phase::Stuck { life, .. }
            | Phase::Over { life, .. } => Some(life),
        }
    }

    /// Whether a life was requested of which the shim has not reported anything yet.
    pub fn is_to_begin(&self) -> bool {
        self.goal == Goal::Run && self.life > self.current_life()
    }

    /// Whether it should run and has no pane.
    pub(super) fn needs_pane(&self) -> bool {
        self.is_to_begin() && self.pane == Pane::None
    }

    /// Whether anything of it is alive, as far as the supervisor knows.
    pub fn alive(&self) -> bool {
        !matches!(self.phase, Phase::Pending | Phase::Over { .. })
    }

    /// Whether its window is no longer needed.
    pub(super) fn is_closed(&self) -> bool {
        self.retired && !self.alive() && self.pane == Pane::None
    }

    /// Whether SIGKILL did not end its whole process tree.
    pub(super) fn is_stuck(&self) -> bool {
        matches!(self.phase, Phase::Stuck { .. })
    }

    /// The pid of its main process while that is running.
    pub fn pid(&self) -> Option<u32> {
        if let Phase::Running { pid, .. } | Phase::Installing { pid, .. } = self.phase {
            Some(pid)
        } else {
            None
        }
    }

    /// Whether its current life was asked to stop.
    pub fn stop_was_requested(&self) -> bool {
        let marks = &self.marks;
        marks.stop_requested.is_some() && marks.is_stop_requested(self.current_life())
    }

    /// Its status as shown to users.
    pub fn status(&self) -> ProcessStatus {
        match &self.phase {
            Phase::Pending if self.skip.is_some() => ProcessStatus::Skipped,
            Phase::Pending if self.goal == Goal::Stop => match self.note {
                Some(Note::Text(_)) if self.last.pid.is_none() => ProcessStatus::Error,
                Some(_) | None => ProcessStatus::Stopped,
            },
            Phase::Pending => ProcessStatus::Pending,
            Phase::Running { .. } | Phase::Installing { .. } | Phase::Ending { .. }
                if self.stop_was_requested() =>
            {
                ProcessStatus::Stopping
            }
            Phase::Starting { .. } | Phase::Ending { .. } if self.is_at_installation() => {
                ProcessStatus::Installing
            }
            Phase::Starting { .. } => ProcessStatus::Starting,
            Phase::Installing { .. } => ProcessStatus::Installing,
            Phase::Running { .. } => ProcessStatus::Running,
            Phase::Ending { .. } => ProcessStatus::Stopping,
            Phase::Stuck { .. } => ProcessStatus::Stuck,
            Phase::Over { .. } if self.restarts.due.is_some() => ProcessStatus::Restarting,
            Phase::Over { .. } if self.waiting && self.goal == Goal::Run => ProcessStatus::Pending,
            Phase::Over { .. } if self.is_to_begin() => ProcessStatus::Starting,
            Phase::Over { .. } if self.failures.broken.is_some() => ProcessStatus::Broken,
            Phase::Over { .. } if self.skip.is_some() => ProcessStatus::Skipped,
            Phase::Over { .. } if self.installation_failure().is_some() => ProcessStatus::Error,
            Phase::Over { asked: true, .. } => ProcessStatus::Stopped,
            Phase::Over { exit, .. } if self.rules.judge(*exit) == ExitVerdict::StartError => {
                ProcessStatus::Error
            }
            Phase::Over { .. } => ProcessStatus::Exited,
        }
    }
}
