//! One process as the supervisor sees it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::policy::Verdict;
use super::reload::Planned;
use super::tally::Tally;
use crate::model::event::{Note, Problem, Skip};
use crate::model::life::or_zero;
use crate::model::member::Member;
use crate::model::plan::{OnExit, ProcessPlan};
use crate::model::rules::{Milestone, Rules, Stage};
use crate::model::time::{Timestamp, nanos};
use crate::model::{Exit, LifeId, ProcId, ProcName, ProcessStatus};

/// What shall become of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// It shall run its newest life.
    Run,
    /// It shall not run.
    Stop,
}

/// The state of a process: each variant carries what is true then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Phase {
    /// It has not run in this run.
    Pending,
    /// A life was asked for; nothing has been heard of it.
    Starting {
        /// The life.
        life: LifeId,
    },
    /// It runs.
    Running {
        /// The life.
        life: LifeId,
        /// Main process.
        pid: u32,
    },
    /// Its main process has ended, the rest of its tree not yet.
    Ending {
        /// The life.
        life: LifeId,
        /// How the main process ended.
        exit: Exit,
    },
    /// SIGKILL did not end all of its tree.
    Stuck {
        /// The life.
        life: LifeId,
        /// Who is left.
        members: Vec<Member>,
    },
    /// Nothing of it is left.
    Over {
        /// The life.
        life: LifeId,
        /// How it ended.
        exit: Exit,
        /// Whether it was told to.
        asked: bool,
    },
}

impl Phase {
    /// How its main process ended.
    pub const fn exit(&self) -> Option<Exit> {
        if let Self::Ending { exit, .. } | Self::Over { exit, .. } = self {
            Some(*exit)
        } else {
            None
        }
    }
}

/// Whether a pane with a shim is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pane", rename_all = "kebab-case")]
pub enum Pane {
    /// None; a start opens one.
    None,
    /// Asked for.
    Opening,
    /// Its shim is up.
    Up {
        /// The shim.
        shim: u32,
        /// Its start time.
        start_time: u64,
        /// tmux's name of it (`%3`).
        id: String,
    },
}

/// Whether a life has come to where others may rely on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ready", rename_all = "kebab-case")]
pub enum Ready {
    /// Not yet.
    Waiting {
        /// The checks that are passed.
        passed: Vec<usize>,
        /// What those that are asked answered last instead.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        heard: Vec<(usize, String)>,
    },
    /// It has.
    Yes {
        /// When.
        at: Timestamp,
    },
    /// It has not in time, or has ended before.
    No {
        /// Why.
        why: Problem,
    },
}

impl Default for Ready {
    fn default() -> Self {
        Self::Waiting { passed: vec![], heard: vec![] }
    }
}

/// A process that is not started again before somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Why.
    pub why: Problem,
}

/// One process as the supervisor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is true or not whatever the others are")]
pub struct Proc {
    /// Its name.
    pub name: ProcName,
    /// Its stop signal.
    pub stop_signal: i32,
    /// What follows when it ends by itself.
    #[serde(default)]
    pub on_exit: OnExit,
    /// What is wanted.
    pub goal: Goal,
    /// The newest life that was asked for.
    #[serde(with = "or_zero")]
    pub life: Option<LifeId>,
    /// What it is in.
    pub phase: Phase,
    /// Its pane.
    pub pane: Pane,
    /// The newest life that was told to stop.
    #[serde(with = "or_zero")]
    pub told: Option<LifeId>,
    /// The newest life that is to be killed without grace.
    #[serde(with = "or_zero")]
    pub killed: Option<LifeId>,
    /// The newest life that its shim has asked to stop, or killed, before it ended.
    #[serde(default, with = "or_zero")]
    pub signalled: Option<LifeId>,
    /// The newest life that stops because another process ended with success.
    #[serde(default, with = "or_zero")]
    pub interrupted: Option<LifeId>,
    /// The life that [`Proc::stop_since`] is about.
    #[serde(default, with = "or_zero")]
    pub stop_life: Option<LifeId>,
    /// When that life was asked to stop.
    #[serde(default)]
    pub stop_since: Timestamp,
    /// The newest life that a user or a client has asked to stop.
    #[serde(default, with = "or_zero")]
    pub asked_life: Option<LifeId>,
    /// When that was first requested.
    #[serde(default)]
    pub asked_at: Timestamp,
    /// The newest life whose slow stop was mentioned.
    #[serde(default, with = "or_zero")]
    pub slow_life: Option<LifeId>,
    /// The newest life that its shim has said it will not begin.
    #[serde(default, with = "or_zero")]
    pub skipped: Option<LifeId>,
    /// How many shims in a row have ended before they had begun the life that was wanted.
    #[serde(default)]
    pub lost: u8,
    /// How long its last life ran.
    #[serde(default, with = "nanos")]
    pub ran: Duration,
    /// How its last life counts for the exit code of the run.
    #[serde(default)]
    pub status: u8,
    /// How its last life ended.
    #[serde(default)]
    pub last_exit: Option<Exit>,
    /// How often in a row it was started again after an end of its own.
    #[serde(default)]
    pub streak: u32,
    /// When it is to be started again.
    #[serde(default)]
    pub due: Option<Timestamp>,
    /// How long that pause was meant to be.
    #[serde(default, with = "nanos")]
    pub pause: Duration,
    /// How many lives of it have begun.
    #[serde(default)]
    pub begun: u64,
    /// Its last main process, dead or alive.
    pub last_pid: Option<u32>,
    /// Since when it has been in this phase.
    pub since: Timestamp,
    /// The last life entry that was taken in.
    pub seen: u64,
    /// Something that a person should know about its state.
    pub note: Option<Note>,
    /// It came when its entry was scaled, or by a reload, or begins only when it is asked for: the
    /// run had begun without it.
    #[serde(default)]
    pub added: bool,
    /// Its entry was scaled down to fewer, or no configuration has it: it is not one of the
    /// processes any more.
    #[serde(default)]
    pub retired: bool,
    /// How much of [`ProcessPlan::came`] was acted upon.
    #[serde(default)]
    pub came: u32,
    /// How much of [`ProcessPlan::edition`] was acted upon.
    #[serde(default)]
    pub edition: u32,
    /// It is to run, and its turn has not come.
    #[serde(default)]
    pub held: bool,
    /// A sink takes what is printed in its pane.
    #[serde(default)]
    pub heard: bool,
    /// Whether its present life is ready.
    #[serde(default)]
    pub ready: Ready,
    /// When somebody began to ask about it who had not been there before; the epoch for never.
    #[serde(default)]
    pub asked_again: Timestamp,
    /// How often in a row its life did not answer as it should.
    #[serde(default)]
    pub misses: u32,
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
    /// It has failed for good.
    #[serde(default)]
    pub broken: Option<Broken>,
    /// How its lives have ended.
    #[serde(default)]
    pub tally: Tally,
    /// The newest life that was ended because it had failed.
    #[serde(default, with = "or_zero")]
    pub failed: Option<LifeId>,
    /// It was not started, because of this.
    #[serde(default)]
    pub skip: Option<Skip>,
    /// The end of the run has come to it.
    #[serde(default)]
    pub dismissed: bool,
    /// It was started because the run ends.
    #[serde(default)]
    pub swept: bool,
    /// What the plan says of it; no part of what is saved.
    #[serde(skip)]
    pub rules: Rules,
    /// What the plan counts of it.
    #[serde(skip)]
    pub planned: Planned,
    /// What it waits for before it begins, stages included.
    #[serde(skip)]
    pub needs: Vec<(ProcId, Milestone)>,
}

impl Proc {
    /// The process of this plan, before anything has happened.
    pub(super) fn new(process: &ProcessPlan, now: Timestamp) -> Self {
        // One that came by a reload is brought in by whoever follows the plan.
        let later = process.added || process.came > 0;
        let waits = later || process.waits || process.rules.stage == Stage::Cleanup;
        Self {
            name: process.name.clone(),
            stop_signal: process.stop_signal,
            on_exit: process.on_exit,
            goal: if waits { Goal::Stop } else { Goal::Run },
            life: (!waits).then_some(LifeId::FIRST),
            phase: Phase::Pending,
            pane: Pane::None,
            told: None,
            killed: None,
            signalled: None,
            interrupted: None,
            stop_life: None,
            stop_since: Timestamp::EPOCH,
            asked_life: None,
            asked_at: Timestamp::EPOCH,
            slow_life: None,
            skipped: None,
            lost: 0,
            ran: Duration::ZERO,
            status: 0,
            last_exit: None,
            streak: 0,
            due: None,
            pause: Duration::ZERO,
            begun: 0,
            last_pid: None,
            since: now,
            seen: 0,
            note: None,
            added: later || process.waits,
            retired: later,
            came: 0,
            edition: process.edition,
            held: false,
            heard: false,
            ready: Ready::default(),
            asked_again: Timestamp::EPOCH,
            misses: 0,
            failures: 0,
            broken: None,
            tally: Tally::default(),
            failed: None,
            skip: None,
            dismissed: false,
            swept: false,
            rules: process.rules.clone(),
            planned: Planned::default(),
            needs: vec![],
        }
    }

    /// Whether a word means it: its name, its entry, or `@` and one of its groups.
    pub(super) fn is_meant(&self, word: &str) -> bool {
        self.name.is_meant(word, &self.rules.groups)
    }

    /// Whether it is one of the processes still, or again.
    pub fn counts(&self) -> bool {
        !self.retired || self.alive()
    }

    /// The life that is there or was there last.
    pub fn current_life(&self) -> Option<LifeId> {
        match self.phase {
            Phase::Pending => None,
            Phase::Starting { life }
            | Phase::Running { life, .. }
            | Phase::Ending { life, .. }
            | Phase::Stuck { life, .. }
            | Phase::Over { life, .. } => Some(life),
        }
    }

    /// Whether a life is wanted that nothing was heard of.
    pub(super) fn is_to_begin(&self) -> bool {
        self.goal == Goal::Run && self.life > self.current_life()
    }

    /// Whether it shall run and has nothing to run in.
    pub(super) fn needs_pane(&self) -> bool {
        self.is_to_begin() && self.pane == Pane::None
    }

    /// Whether something of it is alive, as far as is known.
    pub fn alive(&self) -> bool {
        !matches!(self.phase, Phase::Pending | Phase::Over { .. })
    }

    /// Whether its window has nothing to show that anybody asks for.
    pub(super) fn is_closed(&self) -> bool {
        self.retired && !self.alive() && self.pane == Pane::None
    }

    /// Whether SIGKILL did not end all of its tree.
    pub(super) fn is_stuck(&self) -> bool {
        matches!(self.phase, Phase::Stuck { .. })
    }

    /// Its main process, while that is alive.
    pub fn pid(&self) -> Option<u32> {
        if let Phase::Running { pid, .. } = self.phase { Some(pid) } else { None }
    }

    /// Whether its present life was told to stop.
    pub fn told_to_stop(&self) -> bool {
        self.told.is_some() && self.told >= self.current_life()
    }

    /// What it is doing.
    pub fn status(&self) -> ProcessStatus {
        match &self.phase {
            Phase::Pending if self.skip.is_some() => ProcessStatus::Skipped,
            Phase::Pending if self.goal == Goal::Stop => ProcessStatus::Stopped,
            Phase::Pending => ProcessStatus::Pending,
            Phase::Starting { .. } => ProcessStatus::Starting,
            Phase::Running { .. } | Phase::Ending { .. } if self.told_to_stop() => {
                ProcessStatus::Stopping
            }
            Phase::Running { .. } => ProcessStatus::Running,
            Phase::Ending { .. } => ProcessStatus::Stopping,
            Phase::Stuck { .. } => ProcessStatus::Stuck,
            Phase::Over { .. } if self.due.is_some() => ProcessStatus::Restarting,
            Phase::Over { .. } if self.held => ProcessStatus::Pending,
            Phase::Over { .. } if self.broken.is_some() => ProcessStatus::Broken,
            Phase::Over { .. } if self.skip.is_some() => ProcessStatus::Skipped,
            Phase::Over { asked: true, .. } => ProcessStatus::Stopped,
            Phase::Over { exit, .. } if self.rules.judge(*exit) == Verdict::StartError => {
                ProcessStatus::Error
            }
            Phase::Over { .. } => ProcessStatus::Exited,
        }
    }
}
