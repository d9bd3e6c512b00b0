//! Carrying out the effects that the state machine decides on.

use std::time::Duration;

use nix::libc::{SIGCONT, SIGHUP, SIGKILL, SIGUSR1};

use super::core::Engine;
use super::reports::crash_reports::Crashed;
use crate::model::event::{self, Event, Trouble, What};
use crate::model::plan::rules::Stage;
use crate::model::plan::{Backend, Install, Plan, ProcessPlan};
use crate::model::request::API;
use crate::model::state::{
    ActionState, ProcessConfig, ProcessEnds, ProcessReadiness, ProcessState, State, TmuxAddress,
};
use crate::model::text::OsText;
use crate::model::{
    Condition, LifeId, ProcId, ProcName, ProcessId, ProcessStatus, Untrusted, units,
};
use crate::protocol::life::Traces;
use crate::protocol::spec::{Spec, SpecError, Want};
use crate::supervisor::{Effect, Input, Ready, RunPhase, ShimRequest};
use crate::sys;
use crate::sys::clock;

impl Engine {
    pub(super) fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Open(ids) => self.open(&ids),
            Effect::Want(id, request) => self.want(id, request),
            Effect::Close(id) => self.close(id),
            Effect::Signal { id, pid, signal } => self.signal(id, pid, signal),
            Effect::Say(Some(id), what) => self.say(id, what),
            Effect::Say(None, what) => self.write_event(&Event::of_run(what)),
            Effect::Reached(stage) => self.reached(stage),
            Effect::Crashed(crash) => {
                // If the crash is not in the outbox, its process had a report a moment ago.
                if let Some(pending) = self.saved.outbox.crash(crash.id, crash.life) {
                    let Self { crash_reports, saved, plan, ingest, queue, .. } = self;
                    let run = Crashed::new(plan, ingest.dirs(), saved);
                    crash_reports.crashed(pending, run, queue);
                }
            }
            Effect::Answer(ticket, outcome) => {
                let outcome = self.explained(outcome);
                if matches!(self.saved.supervisor.run_phase, RunPhase::Finished { .. }) {
                    self.clients.answer_last(ticket, outcome);
                } else {
                    self.clients.send_outcome(ticket, outcome);
                }
            }
            Effect::Finish(code) => self.finish = Some(code),
        }
    }

    /// Send a request to a shim, after the stop command of the process, if there is one to run.
    pub(super) fn want(&mut self, id: ProcId, request: ShimRequest) {
        if self.runs_stop_command(id, request) {
            return;
        }
        let ShimRequest { want, kill, .. } = request;
        let at_once = kill.is_some() && kill >= self.saved.supervisor.procs[id].current_life();
        let grace = if at_once { Duration::ZERO } else { grace(&self.plan, id) };
        self.panes[id].requested(grace);
        let written = self.write_spec(id, request);
        // If the spec can't be written (a full disk), a shim still ends its process when its
        // terminal hangs up; the processes of a killed shim are ended in its place.
        let bell = match (&written, want) {
            (Ok(()), _) | (Err(_), Want::Run) => SIGUSR1,
            (Err(_), Want::Stop | Want::End) if at_once => SIGKILL,
            (Err(_), Want::Stop | Want::End) => SIGHUP,
        };
        if let Some(shim) = self.saved.supervisor.procs[id].pane.shim() {
            // An error means that the shim is gone; its exit event will follow. SIGCONT, since it may be
            // stopped.
            let _ = sys::signal(shim, bell);
            let _ = sys::signal(shim, SIGCONT);
        }
        if let Err(error) = written {
            let text = error.to_string();
            self.say(id, What::Trouble { what: Trouble::Text(text.clone()) });
            if want == Want::Run {
                let stands = Spec::load(&self.panes[id].paths.spec());
                let stands = stands.ok().map(|spec| (spec.want, spec.life));
                self.input(Input::SpecWriteFailed(id, text, stands));
            }
        }
    }

    /// Whether a stop command has to end before the shim receives a request.
    fn runs_stop_command(&mut self, id: ProcId, request: ShimRequest) -> bool {
        let Self { stop_commands, commands, plan, saved, .. } = self;
        let process = &plan.processes[id];
        let Some(command) = &process.rules.stop_command else { return false };
        let proc = &saved.supervisor.procs[id];
        let command = || (commands.of_process(plan, process, command), grace(plan, id));
        stop_commands.delay(id, proc, request, command, &self.queue)
    }

    /// The stop command of a life has ended: send the delayed request to the shim.
    pub(super) fn stop_command_ended(&mut self, id: ProcId, life: LifeId, problem: Option<String>) {
        let Some(wanted) = self.stop_commands.ended(id, life) else { return };
        if let Some(problem) = problem {
            self.trouble(id, Trouble::Text(problem));
        }
        self.want(id, wanted);
    }

    /// The shim does not reap its main process while the pid may still be used, so the process
    /// group belongs to this very life.
    fn signal(&mut self, id: ProcId, pid: u32, signal: i32) {
        let mains = Traces::load(&self.panes[id].paths.life()).mains;
        if mains.iter().any(|main: &ProcessId| main.pid == pid && sys::alive(*main))
            && let Err(error) = sys::signal_group(pid, signal)
        {
            self.trouble(id, Trouble::NotSignalled { signal, why: error.to_string() });
        }
    }

    pub(super) fn write_spec(
        &mut self,
        id: ProcId,
        ShimRequest { want, life, kill }: ShimRequest,
    ) -> Result<(), SpecError> {
        // A new life has its whole grace period.
        let current = self.saved.supervisor.procs[id].current_life().filter(|_| want != Want::Run);
        let grace = self.stop_commands.grace_left(id, current, grace(&self.plan, id));
        let process = &self.plan.processes[id];
        let proc = &self.saved.supervisor.procs[id];
        let install = process.install.as_ref().filter(|_| proc.installs_in(life));
        let pane = &mut self.panes[id];
        pane.shim.generation += 1;
        let mut spec = Spec {
            generation: pane.shim.generation,
            want,
            life,
            kill,
            grace_ms: units::millis(grace),
            known: pane.entries.known,
            ..Spec::new(&self.plan, process)
        };
        if let Some(install) = install {
            install_instead(&mut spec, install);
        }
        spec.write(&pane.paths.spec())
    }

    /// The state of the run and all its processes, for clients.
    pub(super) fn state(&self) -> State {
        let supervisor = &self.saved.supervisor;
        let plan = &self.plan;
        State {
            api: API,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: plan.run.clone(),
            pid: std::process::id(),
            title: plan.title.as_str().into(),
            root: plan.root.clone(),
            procfile: Some(plan.procfile.clone()),
            origin: plan.origin.as_ref().map(|origin| origin.dir.clone()),
            socket: plan.socket.clone(),
            backend: plan.backend,
            tmux: (plan.backend == Backend::Tmux).then(|| TmuxAddress {
                socket: plan.tmux_socket.clone(),
                session: plan.session.clone(),
                program: plan.tmux.clone(),
            }),
            journal: plan.log.dir.clone(),
            runtime: Some(self.runtime.dir().into()),
            host: Some(sys::host(self.runtime.dir())),
            started: plan.started,
            views: self.clients.views,
            headless_since: self.saved.headless_since,
            quitting: supervisor.run_phase != RunPhase::Running,
            quitting_note: supervisor.stopping().map(Untrusted::from),
            processes: self
                .present()
                .into_iter()
                .map(|id| (id, self.process_state(id)))
                .filter(|(id, state)| !self.is_past_action(*id, state))
                .map(|(_, state)| state)
                .collect(),
            left_out: plan.left_out.iter().map(|process| of_left_out(process, plan)).collect(),
            actions: self.actions(),
        }
    }

    /// The processes that count, in the order of the Procfile, with the instances of each entry together, and then the
    /// actions.
    fn present(&self) -> Vec<ProcId> {
        let procs = &self.saved.supervisor.procs;
        let place = |id: &ProcId| {
            let name = &procs[*id].name;
            let entry = procs.iter().position(|proc| proc.name.entry() == name.entry());
            let line = self.plan.lines.iter().position(|line| line == name.entry());
            (self.plan.processes[*id].action.is_some(), line, entry, name.instance())
        };
        let mut ids: Vec<_> = ProcId::all(procs).filter(|&id| procs[id].counts()).collect();
        ids.sort_by_key(place);
        ids
    }

    /// Whether it is an action that has ended as it should.
    fn is_past_action(&self, id: ProcId, state: &ProcessState) -> bool {
        let is_action = self.plan.processes[id].action.is_some();
        is_action && state.pid.is_none() && state.condition() == Condition::Done
    }

    /// The actions of the plan, each with the end of its last life.
    fn actions(&self) -> Vec<ActionState> {
        let procs = &self.saved.supervisor.procs;
        let state = |process: &ProcessPlan| {
            let role = process.action.as_ref()?;
            let known = procs.iter().find(|proc| proc.name == process.name);
            let known = known.filter(|proc| proc.begun > 0);
            Some(ActionState {
                name: role.name.as_str().into(),
                of: role.of.as_deref().and_then(|of| ProcName::new(of).ok()),
                process: process.name.clone(),
                command: process.command.to_string().into(),
                confirm: role.confirm,
                exit: known.and_then(|proc| proc.phase.exit()),
                since: known.map(|proc| proc.since),
            })
        };
        self.plan.actions.iter().filter_map(state).collect()
    }

    fn process_state(&self, id: ProcId) -> ProcessState {
        let supervisor = &self.saved.supervisor;
        let (proc, process) = (&supervisor.procs[id], &self.plan.processes[id]);
        let missed_by = supervisor.missed_by(id).into_iter();
        let missed_by: Vec<_> = missed_by.map(|id| supervisor.procs[id].name.clone()).collect();
        let missed = event::missed(&missed_by).map(Untrusted::from);
        // It says nothing of the life that begins next.
        let begins = proc.is_to_begin() || proc.status() == ProcessStatus::Starting;
        let unready = match &proc.ready {
            Ready::No { why, .. } if !begins => Some(why.clone()),
            Ready::Waiting { .. } | Ready::Yes { .. } | Ready::No { .. } => None,
        };
        let is_lazy = process.rules.lazy.is_some() && proc.status() == ProcessStatus::Stopped;
        let lazy = is_lazy.then(|| "the next request to its name starts it".into());
        let awaits = supervisor.blockers(id).map(|on| supervisor.procs[on].name.clone()).collect();
        ProcessState {
            name: proc.name.clone(),
            state: proc.status(),
            pid: proc.pid(),
            last_pid: proc.last.pid,
            ends: ProcessEnds {
                exit: proc.phase.exit(),
                finished: self.has_finished(id),
                missed_by,
                failures: proc.failures.times,
                crash_loop: proc.crash_loop(clock::now()),
                crashes: proc.exit_stats.crashes,
                exits: proc.exit_stats.exits(),
            },
            since: proc.since,
            lives: proc.begun,
            config: config_of(process),
            pane: self.panes[id].terminal.pane.clone().filter(|_| !process.rules.no_terminal),
            kill_due: proc.kill_due(),
            problem: proc.note.clone(),
            reason: proc.note.as_ref().map(|note| note.to_string().into()).or(missed).or(lazy),
            readiness: ProcessReadiness {
                ready: Some(proc.is_ready()),
                not_ready: unready.as_ref().map(|why| why.to_string().into()),
                unready,
                open: proc.open_checks().map(|(_, check)| check.probe.clone()).collect(),
                lacks: proc.lacks().into_iter().map(Untrusted::from).collect(),
                awaits,
            },
            status_text: self.panes[id].status.as_ref().and_then(|status| {
                let is_current = Some(status.life) == proc.current_life() && proc.pid().is_some();
                let text = Some(&status.text).filter(|text| is_current && !text.is_empty());
                text.map(Untrusted::from)
            }),
            stopped_by_user: proc.was_stopped_by_user(),
            watch: proc.watch_state(clock::now()),
            prompt: proc.prompt().cloned(),
            output_bytes: self.ingest.printed(self.panes[id].stream),
            flags: self.panes[id]
                .search
                .as_ref()
                .map_or_else(Vec::new, |search| search.matcher.book().states(&process.rules.flags)),
        }
    }
}

/// What the plan says of a process.
fn config_of(process: &ProcessPlan) -> ProcessConfig {
    ProcessConfig {
        port: process.port,
        color: process.color,
        no_terminal: process.rules.no_terminal,
        phase: Some(process.rules.stage).filter(|stage| *stage != Stage::Main),
        groups: process.rules.groups.clone(),
        command: Some(process.command.to_string().into()),
        display: process.rules.display.as_deref().map(Untrusted::from),
    }
}

/// The state of a process that the start has left out.
fn of_left_out(process: &ProcessPlan, plan: &Plan) -> ProcessState {
    let state = ProcessState::new(process.name.clone(), ProcessStatus::LeftOut, None);
    ProcessState { config: config_of(process), since: plan.started, ..state }
}

/// Have a life run an install command instead of the program.
fn install_instead(spec: &mut Spec, install: &Install) {
    // An empty install command does nothing.
    (spec.argv, spec.command) = (Some(install.command.clone()), OsText::default());
    spec.env.clone_from(&install.env);
    spec.notify = false;
    // Only this user may access the installed files.
    spec.inherit.umask = 0o077;
}

/// How long a process has from its stop signal to SIGKILL.
fn grace(plan: &Plan, id: ProcId) -> Duration {
    Duration::from_millis(plan.processes[id].grace_ms.unwrap_or(plan.grace_ms))
}
