//! The engine's state, its reaction to each event, and the actions of its subsystems.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::action::Action;
use super::changes::FileChanges;
use super::commands::command::AuxCommands;
use super::commands::hooks;
use super::commands::hooks::Hooks;
use super::commands::probes::{Probed, Probes};
use super::commands::stop_commands::StopCommands;
use super::panes::state::PaneState;
use super::panes::wakeups;
use super::persisted_state::PersistedState;
use super::queue::{Event, Finished, Queue};
use super::reports::crash_reports::CrashReports;
use super::reports::notifications::Notifications;
use super::reports::outbox::OutboxItem;
use super::requests::clients::Clients;
use super::search::failure_declarations::FailureDeclarations;
use super::search::recovery;
use super::startup_report::StartupReport;
use crate::backend::Terminals;
use crate::crash::CrashReport;
use crate::journal::ingest::Ingest;
use crate::journal::segment::SharedLook;
use crate::journal::streams::Streams;
use crate::model::command::Sender;
use crate::model::event::{self, HookProblem, Trouble, What};
use crate::model::plan::Plan;
use crate::model::request::Head;
use crate::model::{LifeId, ProcId, ProcName};
use crate::pane::sink;
use crate::run::dir::RuntimeDir;
use crate::run::lock::RunLock;
use crate::supervisor::{Effect, Input, RunPhase, RunStage};
use crate::sys::clock;

/// The time between two looks for output that is too old.
const RETENTION_PAUSE: Duration = Duration::from_secs(3600);
/// The longest sleep before a due action such as a restart: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The engine: the state of the run, and the subsystems.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) runtime: RuntimeDir,
    pub(super) plan: Plan,
    /// The state that an adopter continues with.
    pub(super) saved: PersistedState,
    pub(super) queue: Queue,
    pub(super) panes: Vec<PaneState>,
    pub(super) ingest: Ingest,
    pub(super) streams: Streams,
    /// Whether the log already reports that the disk of the journal is full.
    pub(super) spilling: bool,
    /// When to look for output that is too old; `None` if none ever is.
    pub(super) retention_due: Option<Instant>,
    pub(super) head: watch::Sender<Head>,
    /// Counts the changes of the state of the run, for clients that watch it.
    pub(super) changes: watch::Sender<u64>,
    pub(super) terminals: Terminals,
    /// How many panes tmux was asked to open without having answered yet.
    pub(super) opening: usize,
    /// Set when the run is to end although tmux has not answered its first call.
    pub(super) gives_up: watch::Sender<bool>,
    /// Whether this supervisor has adopted the run.
    pub(super) adopted: bool,
    /// The exit code, once the state machine has finished.
    pub(super) finish: Option<u8>,
    /// Effects to carry out once the state that they follow from is saved.
    pub(super) due: Vec<Effect>,
    /// The state has changed since it was saved.
    pub(super) unsaved: bool,
    /// The run lock: keeps a second supervisor away for the whole run.
    pub(super) lock: Option<RunLock>,
    pub(super) clients: Clients,
    pub(super) startup: StartupReport,
    pub(super) commands: AuxCommands,
    pub(super) hooks: Hooks,
    pub(super) probes: Probes,
    pub(super) stop_commands: StopCommands,
    pub(super) file_changes: FileChanges,
    pub(super) notifications: Notifications,
    pub(super) crash_reports: CrashReports,
    pub(super) declarations: FailureDeclarations,
}

impl Engine {
    /// React to one event.
    pub(super) fn on_event(&mut self, event: Event) {
        Self::see_last_output(&event);
        match event {
            Event::Bell(id) => {
                self.read_news(id);
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
            Event::OrphansKilled(id, pid, report) => self.orphans_killed(id, pid, report),
            Event::TmuxExit => self.input(Input::TmuxGone),
            Event::Opened(ids, result) => self.opened(&ids, &result),
            Event::Asked(question, answer) => {
                let actions = self.probes.answered(question, answer, &self.plan);
                self.act(actions);
            }
            Event::StopAsked(id, life, problem) => self.stop_command_ended(id, life, problem),
            Event::Hooked(result) => self.act(hooks::last_ended(result)),
            Event::Piped(id, closed, result) => self.piped(id, closed, result),
            Event::FilesChanged(changes) => self.input(Input::Changed(changes)),
            Event::FilesUnsettled(of, settled) => self.input(Input::Unsettled(of, settled)),
            Event::FilesNotWatched(what) => self.say_system(what),
            Event::Built(id, begun, failure) => self.input(Input::Built(id, begun, failure)),
            Event::Finished(result) => self.on_finished(result),
        }
    }

    /// Let the directories of the journal be listed again: a sink or shim that has ended may just have begun another
    /// segment, and will not report it any more.
    pub(super) fn see_last_output(event: &Event) {
        if matches!(event, Event::SinkGone(_) | Event::ShimExit(..)) {
            SharedLook::renew();
        }
    }

    /// React to the result of some work, which may also come while the run ends.
    pub(super) fn on_finished(&mut self, result: Finished) {
        let actions = match result {
            Finished::Examined(name, notice) => {
                vec![Action::Log(event::Event::of_process(&name, *notice))]
            }
            Finished::HookFailed(why) => vec![hooks::failed(HookProblem::Failed(why))],
            Finished::HookEnded(item) => vec![Action::Complete(item)],
            Finished::Reported(report) => self.reported(&report),
            Finished::Declared(edit) => {
                let phase = self.saved.supervisor.run_phase;
                self.declarations.edited(*edit, phase, &self.plan, &self.queue)
            }
            Finished::NotNotified(why) => self.notifications.failed(why),
        };
        self.act(actions);
    }

    /// Carry out the actions of a subsystem, in order.
    pub(super) fn act(&mut self, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            match action {
                Action::Input(input) => self.input(input),
                Action::Decide(input) => self.decide(input),
                Action::Save => self.unsaved = true,
                Action::Log(event) => self.write_event(&event),
                Action::Trouble(id, what) => self.trouble(id, what),
                Action::Blame(id, life, trigger) => {
                    let proc = &self.saved.supervisor.procs[id];
                    self.crash_reports.blame(id, life, trigger, proc);
                }
                Action::Complete(item) => self.unsaved |= self.saved.outbox.complete(item),
                Action::Notify { title, text } => {
                    let shown = self.notifications.show((&title, &text), &self.plan, &self.queue);
                    self.act(shown);
                }
                Action::RunFlagHook(matched) => self.hooks.flag_matched(*matched, &self.queue),
                Action::Request(request, by, reply) => {
                    let from = Sender { by, key: None };
                    self.on_request(request, true, from, reply);
                }
            }
        }
    }

    /// A crash report has been written: log that, show it, and run the hook.
    fn reported(&mut self, report: &CrashReport) -> Vec<Action> {
        let Some(id) = self.id_of(&report.process_name) else { return vec![] };
        let mut actions = self.crash_reports.written(id, report);
        let proc = &self.saved.supervisor.procs[id];
        actions.extend(self.notifications.crash(id, proc, &self.plan, report));
        let item = OutboxItem::Crash(id, report.tmo.life);
        let Self { plan, commands, queue, .. } = self;
        actions.extend(self.hooks.crashed(item, report, plan, commands, queue));
        actions
    }

    /// The run has reached a stage: run the hook of that stage.
    pub(super) fn reached(&mut self, stage: RunStage) {
        let Self { plan, commands, queue, .. } = self;
        let actions = self.hooks.reached(stage, plan, commands, queue);
        self.act(actions);
    }

    /// Start the probes that are needed now, and stop the others.
    pub(super) fn update_probes(&mut self) {
        let run = Probed {
            plan: &self.plan,
            supervisor: &self.saved.supervisor,
            panes: &self.panes,
            commands: &self.commands,
        };
        self.probes.update(run, &self.queue);
    }

    /// Watch the files that the plan names.
    pub(super) fn follow_files(&mut self) {
        let Self { file_changes, plan, saved, runtime, queue, .. } = self;
        let actions = file_changes.follow(plan, &saved.supervisor, runtime.dir(), queue);
        self.act(actions);
    }

    /// Start the commands before restarts that are needed now, and stop the others.
    pub(super) fn update_builds(&mut self) {
        let Self { file_changes, saved, plan, commands, queue, .. } = self;
        file_changes.build(&saved.supervisor, plan, commands, queue);
    }

    /// Pass the matches in the output of lives up to this one, or of all lives, to the state
    /// machine.
    pub(super) fn act_on_matches(&mut self, id: ProcId, upto: Option<LifeId>) {
        let current = self.saved.supervisor.procs[id].current_life();
        let upto = upto.map_or(current, |life| current.min(Some(life)));
        let is_answer = self.is_at_prompt(id);
        let Some(search) = &mut self.panes[id].search else { return };
        let actions = search.take_matches(id, upto, &self.plan, &self.commands);
        self.act(actions);
        if is_answer {
            self.release_failures(id);
        }
    }

    /// Act upon the failures that were held back, or mark those that a debugger has printed.
    pub(super) fn release_failures(&mut self, id: ProcId) {
        let is_answer = self.is_at_prompt(id);
        let Some(search) = &mut self.panes[id].search else { return };
        let actions = search.release(is_answer);
        self.act(actions);
    }

    /// Read the news of a pane. Its sink may be up unnoticed: another reader of the bell may have
    /// taken the byte that reports it.
    fn read_news(&mut self, id: ProcId) {
        let paths = &self.panes[id].paths;
        // Check both: a dying sink releases its lock and the bell one after the other.
        if !self.panes[id].sink.is_up()
            && sink::is_up(&paths.sink_lock())
            && wakeups::is_held(id, &paths.bell(), &self.queue)
        {
            self.panes[id].sink_up();
        }
        self.read_pane(id);
    }

    /// Feed the state machine, save the state, carry out the effects.
    pub(super) fn input(&mut self, input: Input) {
        self.decide(input);
        self.carry_out();
    }

    /// Feed the state machine; [`Self::carry_out`] does the rest. The state of all processes is
    /// saved as a whole, so simultaneous inputs are all processed before it is saved.
    pub(super) fn decide(&mut self, input: Input) {
        self.saved.supervisor.monotonic = clock::monotonic();
        let effects = self.saved.supervisor.step(clock::now(), input);
        self.decided(effects);
    }

    /// Queue effects until the state is saved.
    pub(super) fn decided(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            if let Effect::Answer(ticket, outcome) = effect
                && let Some(command) = self.clients.commands.remove(ticket)
            {
                let outcome = self.explained(outcome.clone());
                self.saved.commands.end(command, &outcome, clock::now());
            }
        }
        let Self { saved, plan, crash_reports, .. } = self;
        let PersistedState { outbox, supervisor, .. } = saved;
        let is_early = |id| crash_reports.is_early(id, supervisor);
        outbox.enqueue(&effects, supervisor, is_early, |stage| hooks::has_hook(plan, stage));
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
        recovery::save(&mut self.panes, &self.plan, &mut self.saved);
        if let Err(error) = self.saved.save(&self.runtime) {
            tracing::error!(%error, "the state can't be saved");
        }
        for effect in std::mem::take(&mut self.due) {
            self.effect(effect);
        }
        self.state_changed();
    }

    /// Tell the clients that watch the state of the run.
    pub(super) fn state_changed(&self) {
        self.changes.send_modify(|count| *count += 1);
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
        let own = [self.startup.settled, self.retention_due, due];
        self.panes.iter().filter_map(PaneState::alarm).chain(own.into_iter().flatten()).min()
    }

    /// Handle all that is overdue: actions of the state machine, markers, sinks and shims. Whatever
    /// waited for them continues.
    pub(super) fn on_alarm(&mut self) {
        if self.saved.supervisor.next_due().is_some() {
            self.input(Input::TimerFired);
        }
        let now = Instant::now();
        let past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if past(self.retention_due) {
            self.retention_due = Some(now + RETENTION_PAUSE);
            self.retain();
        }
        for id in ProcId::all(&self.panes) {
            if past(self.panes[id].bell.look_due) {
                self.panes[id].bell.look_due = None;
                self.read_news(id);
                self.look_again(id);
            }
            self.on_search_alarm(id, past);
            if past(self.panes[id].prompts.due) {
                self.look_for_prompt(id);
            }
            if past(self.panes[id].search.as_ref().and_then(|search| search.held_due())) {
                self.release_failures(id);
            }
            if past(self.panes[id].shim.up_due) {
                self.shim_overdue(id);
            }
            if past(self.panes[id].sink.up_due) {
                self.panes[id].sink.up_due = None;
                self.sink_overdue(id);
            }
            let overdue = past(self.panes[id].entries.marker_due());
            if overdue && !(self.wake_sink(id) && self.panes[id].entries.renew_deadline()) {
                self.panes[id].entries.drop_deadline();
                self.read_pane(id);
                self.unmark(id);
                self.settle_shim(id);
            }
        }
    }

    fn on_search_alarm(&mut self, id: ProcId, past: impl Fn(Option<Instant>) -> bool) {
        if let Some(search) = &mut self.panes[id].search
            && past(search.idle_due)
        {
            let actions = search.search_idle(id);
            self.act(actions);
            self.act_on_matches(id, None);
        }
        if let Some(search) = &mut self.panes[id].search
            && past(search.lag.tell_due)
        {
            let actions = search.report_skipped(id);
            self.act(actions);
        }
    }

    /// Write an event about a process into the log.
    pub(super) fn say(&mut self, id: ProcId, what: What) {
        let is_request = matches!(what, What::Interrupting | What::Killing | What::Hangup);
        let event = event::Event::of_process(&self.plan.processes[id].name, what);
        if !is_request {
            return self.write_event(&event);
        }
        // Its life may have begun a moment ago, and the next one may have begun, too.
        self.read_life(id);
        let (place, json) = ((self.panes[id].stream, self.life_of(id)), event.to_json());
        if let Err(error) = self.ingest.event_after_start(place, clock::now(), json.as_bytes()) {
            tracing::error!(%error, "an event can't be written");
        }
    }

    /// Write an event about the run into the log.
    pub(super) fn say_system(&mut self, what: What) {
        self.write_event(&event::Event::of_run(what));
    }

    /// Write an event into the log.
    pub(super) fn write_event(&mut self, event: &event::Event) {
        if let Err(error) = self.ingest.event(clock::now(), event.to_json().as_bytes()) {
            tracing::error!(%error, "an event can't be written");
        }
    }

    pub(super) fn id_of(&self, name: &ProcName) -> Option<ProcId> {
        self.plan.processes.iter().position(|process| process.name == *name).map(ProcId::at)
    }

    pub(super) fn trouble(&mut self, id: ProcId, what: Trouble) {
        self.carry_out();
        self.effect(Effect::Say(Some(id), What::Trouble { what }));
    }

    /// Publish the present length of the journal to the views.
    pub(super) fn publish(&self) {
        let stopping = self.saved.supervisor.run_phase != RunPhase::Running;
        let head = Head { stopping, ..self.ingest.head() };
        self.head.send_if_modified(|old| {
            let news = *old != head;
            *old = head;
            news
        });
    }
}
