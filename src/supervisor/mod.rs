//! The supervisor decides and does nothing: inputs in, effects out, time as an argument.
//!
//! No clock, no I/O, no async: the same calls give the same effects, so every policy bug is
//! reproduced by a test without tmux. What is *wanted* of a process ([`Goal`]) is kept apart from
//! the *state* it is in ([`Phase`]); a late word of an earlier life is told by its number and
//! changes nothing.
//!
//! All of it but the waiting clients is saved before its effects are carried out
//! ([`Supervisor`] is serialisable), so an adopter goes on where its predecessor was killed.

mod life;
mod policy;
mod request;
mod shutdown;
#[cfg(test)]
mod tests;
mod ticket;

use serde::{Deserialize, Serialize};

use crate::model::plan::{OnExit, Plan};
use crate::model::request::{Outcome, Request};
use crate::model::{Exit, ProcName};
use crate::pane::life::{Entry, Member};
use crate::pane::spec::Want;
use ticket::Ticket;

/// Number of a process: its place in the plan.
pub type ProcId = usize;

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
        /// Number of the life.
        life: u64,
    },
    /// It runs.
    Running {
        /// Number of the life.
        life: u64,
        /// Main process.
        pid: u32,
    },
    /// Its main process has ended, the rest of its tree not yet.
    Ending {
        /// Number of the life.
        life: u64,
        /// How the main process ended.
        exit: Exit,
    },
    /// SIGKILL did not end all of its tree.
    Stuck {
        /// Number of the life.
        life: u64,
        /// Who is left.
        members: Vec<Member>,
    },
    /// Nothing of it is left.
    Over {
        /// Number of the life.
        life: u64,
        /// How it ended.
        exit: Exit,
        /// Whether it was told to.
        asked: bool,
    },
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

/// One process as the supervisor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub life: u64,
    /// What it is in.
    pub phase: Phase,
    /// Its pane.
    pub pane: Pane,
    /// The newest life that was told to stop; 0 for none.
    pub told: u64,
    /// The newest life that is being killed without grace; 0 for none.
    pub killed: u64,
    /// The newest life that its shim has said it will not begin.
    #[serde(default)]
    pub skipped: u64,
    /// How many shims in a row were killed before they had begun a life.
    #[serde(default)]
    pub lost: u8,
    /// How its last life counts for the exit code of the run.
    #[serde(default)]
    pub status: u8,
    /// How often in a row it was started again after an end of its own.
    #[serde(default)]
    pub streak: u32,
    /// When it is to be started again, nanoseconds since the epoch.
    #[serde(default)]
    pub due: Option<u64>,
    /// Its last main process, dead or alive.
    pub last_pid: Option<u32>,
    /// Since when it has been in this phase, nanoseconds since the epoch.
    pub since: u64,
    /// The last life entry that was taken in.
    pub seen: u64,
    /// Something that a person should know about its state.
    pub note: Option<String>,
}

/// What the whole run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// Processes are kept as they are wanted.
    Keep,
    /// Everything is being stopped.
    Quit,
    /// Nothing is left; the exit code is known.
    Done {
        /// The code.
        code: u8,
    },
}

/// The whole state machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervisor {
    /// The processes in the order of the plan.
    pub procs: Vec<Proc>,
    /// Where it is going.
    pub course: Course,
    /// The highest exit status of what was no process: a window that did not open, tmux.
    pub worst: u8,
    /// Who ended first without being told to.
    pub culprit: Option<Culprit>,
    /// The tmux server is gone.
    pub tmux_gone: bool,
    /// Requests that were made under a key, the oldest first.
    #[serde(default)]
    keyed: Vec<(String, Ticket)>,
    #[serde(skip)]
    tickets: Vec<Ticket>,
}

/// The process whose end made everything stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Culprit {
    /// Which.
    pub id: ProcId,
    /// How it ended.
    pub exit: Exit,
    /// When, nanoseconds since the epoch.
    pub at: u64,
    /// How long it had run, nanoseconds.
    pub ran: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The run begins: open everything.
    Begin,
    /// The shim is up (its `Up` entry) and a sink takes its output.
    PaneReady(ProcId),
    /// The next entry of its life file, after the output before it has been read.
    Life(ProcId, Entry),
    /// Its shim was killed; whatever it had been running has been ended, but for these.
    ShimGone(ProcId, Vec<Member>),
    /// Its pane could not be opened.
    NoPane(ProcId, String),
    /// Its shim can't be told to run what it shall run, and why; what it was told last (a wish
    /// and the number of a life) stands.
    Untold(ProcId, String, Option<(Want, u64)>),
    /// The tmux server is gone.
    TmuxGone,
    /// It may be [`Supervisor::next_due`].
    Alarm,
    /// A client asks; by the same key it has asked for the same before.
    Ask(u64, Request, Option<String>),
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Open these panes.
    Open(Vec<ProcId>),
    /// Make this the desired state of a pane.
    Want {
        /// Which.
        id: ProcId,
        /// What.
        want: Want,
        /// Which life.
        life: u64,
        /// Without grace.
        kill: bool,
    },
    /// Write a line of the supervisor's own into the log.
    Say(Word),
    /// Tell a client how its request went.
    Answer(u64, Outcome),
    /// Nothing is left to do: end with this code.
    Finish(u8),
}

impl Effect {
    /// Whether it is about this process.
    pub fn concerns(&self, process: ProcId) -> bool {
        match self {
            Self::Open(ids) => ids.contains(&process),
            Self::Want { id, .. } => *id == process,
            Self::Say(word) => word.id == Some(process),
            Self::Answer(..) | Self::Finish(_) => false,
        }
    }
}

/// A line of the supervisor's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// About whom; `None` is the supervisor.
    pub id: Option<ProcId>,
    /// Machine-readable kind, e.g. `interrupting`.
    pub event: &'static str,
    /// What people read.
    pub text: String,
    /// Whether it tells of a failure.
    pub error: bool,
}

impl Supervisor {
    /// The machine before anything has happened.
    pub fn new(plan: &Plan, now: u64) -> Self {
        let proc = |process: &crate::model::plan::ProcessPlan| Proc {
            name: process.name.clone(),
            stop_signal: process.stop_signal,
            on_exit: process.on_exit,
            goal: if process.waits { Goal::Stop } else { Goal::Run },
            life: u64::from(!process.waits),
            phase: Phase::Pending,
            pane: Pane::None,
            told: 0,
            killed: 0,
            skipped: 0,
            lost: 0,
            status: 0,
            streak: 0,
            due: None,
            last_pid: None,
            since: now,
            seen: 0,
            note: None,
        };
        Self {
            procs: plan.processes.iter().map(proc).collect(),
            course: Course::Keep,
            worst: 0,
            culprit: None,
            tmux_gone: false,
            keyed: vec![],
            tickets: vec![],
        }
    }

    /// Fold one input into the state.
    pub fn step(&mut self, now: u64, input: Input) -> Vec<Effect> {
        let mut out = vec![];
        match input {
            Input::Begin => self.begin(&mut out),
            Input::PaneReady(id) => self.pane_ready(id, now, &mut out),
            Input::Life(id, entry) => self.on_entry(id, entry, &mut out),
            Input::ShimGone(id, left) => self.shim_gone(id, left, now, &mut out),
            Input::NoPane(id, why) => self.no_pane(id, &why, now, &mut out),
            Input::Untold(id, why, stands) => self.untold(id, why, stands, now),
            Input::TmuxGone => self.on_tmux_gone(&mut out),
            Input::Alarm => self.on_alarm(now, &mut out),
            Input::Ask(ticket, request, key) => {
                if !self.asked_before(ticket, key.as_deref()) {
                    self.ask(ticket, &request, now, &mut out);
                    self.remember(ticket, key);
                }
            }
        }
        self.settle(&mut out);
        out
    }

    /// What an adopter does first: do again what follows from the state, in case its predecessor
    /// was killed between deciding and doing.
    pub fn resume(&mut self) -> Vec<Effect> {
        if let Course::Done { code } = self.course {
            return vec![Effect::Finish(code)];
        }
        let mut out = vec![];
        let mut lost = vec![];
        for (id, proc) in self.procs.iter_mut().enumerate() {
            if self.course == Course::Keep && proc.needs_pane() && !self.tmux_gone {
                proc.pane = Pane::Opening;
            }
            if proc.pane == Pane::Opening {
                lost.push(id);
            }
        }
        if !lost.is_empty() {
            out.push(Effect::Open(lost));
        }
        for id in 0..self.procs.len() {
            self.want(id, &mut out);
        }
        self.settle(&mut out);
        out
    }

    /// Whether this can be what was saved of a run with this plan: the same processes, and nothing
    /// about any other.
    pub fn is_of(&self, plan: &Plan) -> bool {
        let known = |id: ProcId| id < self.procs.len();
        self.procs.iter().map(|proc| &proc.name).eq(plan.processes.iter().map(|p| &p.name))
            && self.culprit.as_ref().is_none_or(|culprit| known(culprit.id))
            && self.keyed.iter().all(|(_, ticket)| ticket.concerns().all(known))
    }

    fn begin(&mut self, out: &mut Vec<Effect>) {
        let begins = |id: &ProcId| self.procs[*id].goal == Goal::Run;
        let ids: Vec<_> = (0..self.procs.len()).filter(begins).collect();
        for &id in &ids {
            self.procs[id].pane = Pane::Opening;
        }
        out.push(Effect::Open(ids));
    }

    /// Tell the pane of `id` what is wanted of it, if it has one.
    fn want(&self, id: ProcId, out: &mut Vec<Effect>) {
        let proc = &self.procs[id];
        if !matches!(proc.pane, Pane::Up { .. }) {
            return;
        }
        let want = match proc.goal {
            Goal::Run => Want::Run,
            Goal::Stop => Want::Stop,
        };
        let kill = proc.killed != 0 && proc.killed == proc.current_life();
        out.push(Effect::Want { id, want, life: proc.life, kill });
    }
}

impl Proc {
    /// The life that is there or was there last; 0 for none.
    pub fn current_life(&self) -> u64 {
        match self.phase {
            Phase::Pending => 0,
            Phase::Starting { life }
            | Phase::Running { life, .. }
            | Phase::Ending { life, .. }
            | Phase::Stuck { life, .. }
            | Phase::Over { life, .. } => life,
        }
    }

    /// Whether it shall run and has nothing to run in.
    fn needs_pane(&self) -> bool {
        self.goal == Goal::Run && self.life > self.current_life() && self.pane == Pane::None
    }

    /// Whether something of it is alive, as far as is known.
    pub fn alive(&self) -> bool {
        match self.phase {
            Phase::Pending | Phase::Over { .. } => false,
            Phase::Starting { .. }
            | Phase::Running { .. }
            | Phase::Ending { .. }
            | Phase::Stuck { .. } => true,
        }
    }

    /// Its main process, while that is alive.
    pub fn pid(&self) -> Option<u32> {
        match self.phase {
            Phase::Running { pid, .. } => Some(pid),
            Phase::Pending
            | Phase::Starting { .. }
            | Phase::Ending { .. }
            | Phase::Stuck { .. }
            | Phase::Over { .. } => None,
        }
    }

    /// Whether its present life was told to stop.
    pub fn told_to_stop(&self) -> bool {
        self.told != 0 && self.told >= self.current_life()
    }

    /// One word for its state.
    pub fn word(&self) -> &'static str {
        match &self.phase {
            Phase::Pending if self.goal == Goal::Stop => "stopped",
            Phase::Pending => "pending",
            Phase::Starting { .. } => "starting",
            Phase::Running { .. } | Phase::Ending { .. } if self.told_to_stop() => "stopping",
            Phase::Running { .. } => "running",
            Phase::Ending { .. } => "stopping",
            Phase::Stuck { .. } => "stuck",
            Phase::Over { .. } if self.due.is_some() => "restarting",
            Phase::Over { asked: true, .. } => "stopped",
            Phase::Over { .. } => "exited",
        }
    }
}

impl Word {
    fn of(id: ProcId, event: &'static str, text: impl Into<String>) -> Effect {
        Effect::Say(Self { id: Some(id), event, text: text.into(), error: false })
    }

    fn error(id: Option<ProcId>, event: &'static str, text: impl Into<String>) -> Effect {
        Effect::Say(Self { id, event, text: text.into(), error: true })
    }
}
