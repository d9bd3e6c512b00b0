//! The engine's state and its reaction to each event.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::beside::Commands;
use super::crashes::Crashes;
use super::notices::Notices;
use super::pane::{PaneTrack, Patience, Sink};
use super::probes::Probes;
use super::queue::{Event, Queue};
use super::runtime::{Runtime, Saved};
use super::watchers;
use crate::backend::tmux::Tmux;
use crate::instance::lock::RunLock;
use crate::journal::ingest::Ingest;
use crate::journal::streams::Streams;
use crate::model::event::{HookProblem, Trouble, What};
use crate::model::plan::Plan;
use crate::model::request::{Head, Outcome};
use crate::model::{ProcId, ProcName};
use crate::pane::sink;
use crate::supervisor::{Course, Effect, Input};
use crate::sys::clock;

/// The longest sleep before a due action such as a restart: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The engine.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) runtime: Runtime,
    pub(super) plan: Plan,
    pub(super) tmux: Tmux,
    pub(super) ingest: Ingest,
    pub(super) streams: Streams,
    pub(super) saved: Saved,
    pub(super) panes: Vec<PaneTrack>,
    pub(super) queue: Queue,
    pub(super) head: watch::Sender<Head>,
    pub(super) replies: HashMap<u64, oneshot::Sender<Outcome>>,
    pub(super) next_ticket: u64,
    pub(super) views: u32,
    /// How many panes tmux was asked to open without having answered yet.
    pub(super) opening: usize,
    /// Set when the run is to end although tmux has not answered its first call.
    pub(super) gives_up: watch::Sender<bool>,
    /// Whether this supervisor has adopted the run.
    pub(super) adopted: bool,
    pub(super) finish: Option<u8>,
    /// When the start counts as successful.
    pub(super) settled: Option<Instant>,
    /// Answers to clients that are sent when the run is over.
    pub(super) last_answers: Vec<(u64, Outcome)>,
    /// Whether the log already reports that the disk of the journal is full.
    pub(super) spilling: bool,
    /// The commands that run beside the processes.
    pub(super) commands: Commands,
    /// The desktop notices shown so far.
    pub(super) notices: Notices,
    /// The crash reports in progress.
    pub(super) crashes: Crashes,
    /// The probes in progress.
    pub(super) probes: Probes,
    /// How many changes to failure patterns were taken over for clients.
    pub(super) declarations: u64,
    /// Effects to carry out once the state that they follow from is saved.
    pub(super) due: Vec<Effect>,
    /// The state has changed since it was saved.
    pub(super) unsaved: bool,
    /// The run lock: keeps a second supervisor away for the whole run.
    pub(super) lock: Option<RunLock>,
}

impl Engine {
    /// React to one event.
    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Bell(id) => {
                self.look(id);
                self.settle_shim(id);
            }
            Event::SinkUp(id) => {
                self.panes[id].sink_up();
                self.check_ready(id);
            }
            Event::SinkGone(id) => {
                self.sink_gone(id);
                self.settle_markers(id);
                self.settle_shim(id);
            }
            Event::ShimExit(id, pid, witnessed) => self.shim_exit(id, pid, witnessed),
            Event::Swept(id, pid, sweep) => self.swept(id, pid, sweep),
            Event::TmuxExit => self.input(Input::TmuxGone),
            Event::Opened(ids, result) => self.opened(&ids, &result),
            Event::Asked(question, trouble) => self.asked(question, trouble),
            Event::StopAsked(id, life, trouble) => self.stop_asked(id, life, trouble),
            Event::Examined(id, life, notice) => self.examined(id, life, notice),
            Event::Hooked(trouble, code) => self.hooked(trouble, code),
            Event::HookFailed(why) => self.hook_failed(HookProblem::Failed(why)),
            Event::HookEnded(debt) => self.pay(debt),
            Event::Reported(report) => self.reported(&report),
            Event::Declared(done) => self.declared(*done),
            Event::NotNotified(why) => self.not_notified(&why),
            Event::Piped(id, closed, result) => self.piped(id, closed, result),
        }
    }

    /// Read the news of a pane. Its sink may be up unnoticed: another reader of the bell may have
    /// taken the byte that reports it.
    fn look(&mut self, id: ProcId) {
        let paths = &self.panes[id].paths;
        // Check both: a dying sink releases its lock and the bell one after the other.
        if self.panes[id].sink != Sink::Up
            && sink::is_up(&paths.sink_lock())
            && watchers::is_held(id, &paths.bell(), &self.queue)
        {
            self.panes[id].sink_up();
        }
        self.read(id);
    }

    /// Feed the state machine, save the state, carry out the effects.
    pub(super) fn input(&mut self, input: Input) {
        self.decide(input);
        self.carry_out();
    }

    /// Feed the state machine; [`Self::carry_out`] does the rest. The state of all processes is
    /// saved as a whole, so simultaneous inputs are all processed before it is saved.
    pub(super) fn decide(&mut self, input: Input) {
        let effects = self.saved.supervisor.step(clock::now(), input);
        self.decided(effects);
    }

    /// Queue effects until the state is saved.
    pub(super) fn decided(&mut self, effects: Vec<Effect>) {
        self.owe(&effects);
        self.due.extend(effects);
        self.unsaved = true;
    }

    /// If anything was decided, save the state and carry out the effects.
    pub(super) fn carry_out(&mut self) {
        if std::mem::take(&mut self.unsaved) {
            self.save();
        }
    }

    /// Whether another run has taken the place of this one: its files and processes are not ours
    /// any more.
    pub(super) fn is_deposed(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.is_replaced(self.runtime.dir()))
    }

    /// Save the state, then carry out the queued effects.
    pub(super) fn save(&mut self) {
        if self.is_deposed() {
            return self.due.clear();
        }
        self.save_counts();
        self.save_looked();
        if let Err(error) = self.runtime.save(&self.saved) {
            tracing::error!(%error, "the state can't be saved");
        }
        for effect in std::mem::take(&mut self.due) {
            self.effect(effect);
        }
    }

    /// The earliest deadline.
    pub(super) fn alarm(&self) -> Option<Instant> {
        let now = clock::now();
        let set_back = self.saved.supervisor.is_set_back(now);
        let due = self.saved.supervisor.next_due().map(|due| {
            let due = if set_back { now } else { due };
            // The clock may be set meanwhile.
            Instant::now() + due.since(now).min(LONGEST_SLEEP)
        });
        self.panes.iter().filter_map(PaneTrack::alarm).chain(self.settled).chain(due).min()
    }

    /// Handle all that is overdue: actions of the state machine, markers, sinks and shims. Whatever
    /// waited for them continues.
    pub(super) fn on_alarm(&mut self) {
        if self.saved.supervisor.next_due().is_some() {
            self.input(Input::Alarm);
        }
        let now = Instant::now();
        let past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        for id in ProcId::all(&self.panes) {
            if past(self.panes[id].look_due) {
                self.panes[id].look_due = None;
                self.look(id);
                self.look_again(id);
            }
            if past(self.panes[id].watch.as_ref().and_then(|watch| watch.idle_due)) {
                self.heard_nothing(id);
            }
            if past(self.panes[id].watch.as_ref().and_then(|watch| watch.lag.tell_due)) {
                self.tell_skipped(id);
            }
            if past(self.panes[id].shim_due) {
                self.shim_overdue(id);
            }
            let pane = &mut self.panes[id];
            if past(pane.sink_due) {
                pane.sink_due = None;
                self.sink_overdue(id);
            }
            let overdue = past(self.panes[id].patience.map(Patience::end));
            if overdue && !(self.wake_sink(id) && self.panes[id].renew_patience()) {
                self.panes[id].patience = None;
                self.read(id);
                self.unmark(id);
                self.settle_shim(id);
            }
        }
    }

    /// The process of this name.
    pub(super) fn id_of(&self, name: &ProcName) -> Option<ProcId> {
        self.plan.processes.iter().position(|process| process.name == *name).map(ProcId::at)
    }

    pub(super) fn trouble(&mut self, id: ProcId, what: Trouble) {
        self.carry_out();
        self.effect(Effect::Say(Some(id), What::Trouble { what }));
    }

    /// Publish the present length of the journal to the views.
    pub(super) fn publish(&self) {
        let stopping = self.saved.supervisor.course != Course::Keep;
        let head = Head { stopping, ..self.ingest.head() };
        self.head.send_if_modified(|old| {
            let news = *old != head;
            *old = head;
            news
        });
    }
}
