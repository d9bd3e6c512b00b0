//! What the engine does with the requests of clients: it answers them, or passes them on to the state machine.

use std::io::ErrorKind;
use std::path::Path;

use tokio::sync::oneshot;

use crate::core::Engine;
use crate::model::command::{Command, Sender};
use crate::model::event::What;
use crate::model::name::nearest;
use crate::model::name::nearest::{left_out, not_started};
use crate::model::plan::ProcessPlan;
use crate::model::request::{ChangeOrder, Outcome, Request};
use crate::model::state::FlagMatches;
use crate::model::{ProcId, ProcName};
use crate::plan;
use crate::search::failure_declarations::DeclaringClient;
use crate::server::engine_handle::EngineRequest;
use crate::supervisor::{Input, RunPhase};
use crate::sys::{self, clock, files};

impl Engine {
    /// Handle one request.
    pub(crate) fn on_ask(&mut self, ask: EngineRequest) {
        match ask {
            EngineRequest::Do { request, wait, from, reply } => {
                self.on_request(request, wait, from, reply);
            }
            EngineRequest::Commands { reply } => {
                // The client may be gone.
                let _ = reply.send(self.saved.commands.all().to_vec());
            }
            EngineRequest::State { reply } => {
                // `connect` looks into the directory next. A failure is reported by the request that needs it.
                let _ = self.restore_files();
                // The client may be gone.
                let _ = reply.send(self.state());
            }
            EngineRequest::Pane { name, ask, reply } => {
                // The same.
                let _ = self.restore_files();
                self.on_pane(&name, ask, reply);
            }
            EngineRequest::Window { pane, reply } => self.on_window(pane, reply),
            EngineRequest::ClearScrollback { reply } => self.on_clear_scrollback(reply),
            EngineRequest::Failures { name, ask, by, reply } => {
                let client = DeclaringClient { by, reply };
                self.declarations.request(name, ask, client, &self.plan, &self.queue);
            }
            EngineRequest::Flags { name, last, reply } => {
                // The client may be gone.
                let _ = reply.send(self.flag_matches(&name, last));
            }
            EngineRequest::Log(what) => self.say_system(what),
            EngineRequest::ViewOpened => {
                self.clients.views += 1;
                self.saved.headless_since = None;
                self.state_changed();
            }
            EngineRequest::ViewClosed => {
                self.clients.views = self.clients.views.saturating_sub(1);
                if self.clients.views == 0 {
                    self.saved.headless_since = Some(clock::now());
                    self.save();
                }
            }
        }
    }

    pub(crate) fn on_request(
        &mut self,
        mut request: Request,
        wait: bool,
        from: Sender,
        reply: oneshot::Sender<Outcome>,
    ) {
        let ticket = self.clients.add(reply);
        let key = from.key.clone();
        self.record(ticket, &request, from);
        if let Err(problem) = self.make_way(&mut request, wait) {
            return self.refuse(ticket, problem);
        }
        if matches!(request, Request::Quit | Request::Kill) {
            self.wake_tmux();
            self.hurry_tmux();
        }
        if request == Request::Kill {
            self.hooks.hurry();
        }
        if let Request::Resize { columns, rows } = request {
            let terminals = self.terminals.clone();
            tokio::task::spawn_local(async move {
                if let Err(error) = terminals.resize(columns, rows).await {
                    tracing::warn!(%error, "resize");
                }
            });
        }
        self.input(Input::Request(ticket, request, key));
        if !wait {
            self.clients.accept(ticket);
        }
    }

    /// Make sure that there is what this request needs; an error refuses it.
    fn make_way(&mut self, request: &mut Request, wait: bool) -> Result<(), String> {
        let restored = self.restore_files();
        // An end needs no files.
        if !matches!(request, Request::Quit | Request::Kill) {
            restored?;
        }
        if let Request::Scale { counts } = request {
            self.saved.supervisor.spread_groups(counts);
        }
        let unable = self.without_consent(request);
        let unable = unable.or_else(|| self.without_directory(request));
        let unable = unable.or_else(|| self.without_room(request));
        if let Some(problem) = unable {
            if !wait {
                self.say_system(What::Refused { notice: problem.clone() });
            }
            return Err(problem);
        }
        if self.saved.supervisor.run_phase == RunPhase::Running {
            if let Request::Scale { counts } = request {
                self.make_room(counts)?;
            } else if let Request::Reload { plan } = request {
                self.take_up(plan)?;
            } else if let Request::Start { names, order } = request {
                self.take_in(names, *order)?;
            } else if let Request::Act { name, .. } = request {
                self.take_in(&[format!("={name}")], ChangeOrder::default())?;
            }
        }
        Ok(())
    }

    /// Make what the start has left out, and the actions, that these words name part of the run.
    fn take_in(&mut self, names: &[String], order: ChangeOrder) -> Result<(), String> {
        let needs = order != ChangeOrder::Unordered;
        let procs = &self.saved.supervisor.procs;
        let runs = |name: &ProcName| procs.iter().any(|proc| proc.name == *name && proc.alive());
        let of_start = plan::take_in(&self.plan, names, needs);
        let plan = of_start.as_ref().unwrap_or(&self.plan);
        let with_actions = plan::take_in_actions(plan, names, needs, runs);
        let Some(plan) = with_actions.or(of_start) else { return Ok(()) };
        let is_new = |process: &&ProcessPlan| self.plan.processes.iter().all(|old| old != *process);
        match self.lost_directory(plan.processes.iter().filter(is_new)) {
            Some(problem) => Err(problem),
            None => self.change_plan(plan),
        }
    }

    fn refuse(&mut self, ticket: u64, problem: String) {
        let outcome = Outcome::refused(problem);
        if let Some(command) = self.clients.commands.remove(&ticket) {
            self.saved.commands.end(command, &outcome, clock::now());
        }
        self.clients.send_outcome(ticket, outcome);
    }

    /// Record the command of a request, and log it.
    fn record(&mut self, ticket: u64, request: &Request, from: Sender) {
        let again = from.key.as_deref().filter(|key| self.saved.supervisor.remembers(key));
        if let Some(key) = again {
            let known = self.saved.commands.resume(key);
            self.clients.commands.extend(known.map(|id| (ticket, id)));
            return;
        }
        let Some(Command { id, command, names, by, .. }) =
            self.saved.commands.begin(request, from, clock::now())
        else {
            return;
        };
        self.clients.commands.insert(ticket, *id);
        let (command, names, by) = (command.clone(), names.clone(), by.clone());
        self.say_system(What::Command { command, names, by });
    }

    /// This outcome; if it refuses the name of an entry that the start has left out, with that reason.
    pub(crate) fn explained(&self, mut outcome: Outcome) -> Outcome {
        let Some(unknown) = &mut outcome.unknown else { return outcome };
        let name = unknown.name.raw();
        if self.plan.leaves_out(name) {
            outcome.problems = vec![not_started(name, "").into()];
            unknown.nearest = None;
            return outcome;
        }
        // An entry that a reload has removed is still among the lines.
        let was_there = self.plan.processes.iter().any(|process| process.name.entry() == name);
        if !was_there && self.plan.lines.iter().any(|line| line == name) {
            outcome.problems = vec![left_out(name, "").into()];
            unknown.nearest = None;
        } else if !name.starts_with('@') {
            // What was left out can be meant, too.
            let more = self.plan.left_out.iter().map(|process| process.name.to_string());
            let known = unknown.known.iter().map(|known| known.raw().to_owned()).chain(more);
            *unknown = nearest::unknown(name, known.collect::<Vec<_>>());
        }
        outcome
    }

    /// The latest matches of the flags of a process, with the lines around them.
    fn flag_matches(&self, name: &str, last: usize) -> Result<Vec<FlagMatches>, Box<Outcome>> {
        let procs = &self.saved.supervisor.procs;
        let listed = || procs.iter().filter(|proc| proc.counts()).map(|proc| &proc.name);
        let is_meant = |id: &ProcId| procs[*id].counts() && procs[*id].name.as_str() == name;
        let Some(id) = ProcId::all(procs).find(is_meant) else {
            return Err(Box::new(Outcome::unknown(name, listed())));
        };
        let search = self.panes[id].search.as_ref();
        Ok(search.map_or_else(Vec::new, |search| search.matcher.book().latest(last)))
    }

    /// Why a request must be refused: it would begin an action that the user has to confirm.
    fn without_consent(&self, request: &Request) -> Option<String> {
        let name = match request {
            Request::Start { names, .. } | Request::Restart { names, .. } => names,
            Request::Act { name, confirmed: false } => &vec![name.clone()],
            Request::Act { confirmed: true, .. }
            | Request::Stop { .. }
            | Request::Install { .. }
            | Request::Signal { .. }
            | Request::Watch { .. }
            | Request::Use { .. }
            | Request::Scale { .. }
            | Request::Reload { .. }
            | Request::Quit
            | Request::Kill
            | Request::Resize { .. } => return None,
        };
        let mut all = self.plan.actions.iter().chain(&self.plan.processes);
        let asks = |action: &&ProcessPlan| action.action.as_ref().is_some_and(|role| role.confirm);
        let meant = all.find(|action| asks(action) && action.name.is_one_of(name))?;
        let (name, word) = (&meant.name, meant.action_name()?.full());
        Some(format!("{name} has to be confirmed; `tmo act {word}` runs it"))
    }

    /// Why a request must be refused: it would begin a process whose working directory is gone.
    /// This is checked before anything is stopped.
    fn without_directory(&self, request: &Request) -> Option<String> {
        let begun = self.saved.supervisor.begun_by(request);
        self.lost_directory(begun.into_iter().map(|id| &self.plan.processes[id]))
    }

    fn lost_directory<'a>(
        &'a self,
        begun: impl Iterator<Item = &'a ProcessPlan>,
    ) -> Option<String> {
        let (name, dir) = begun
            .map(|process| (&process.name, process.cwd.as_ref().unwrap_or(&self.plan.root)))
            .find(|(_, dir)| is_gone(dir.as_path()))?;
        let dir = dir.as_path().display();
        Some(format!(
            "{name} can't be started: its directory {dir} is not there any more; put it back, or end \
             the run with `tmo quit` and `tmo start` it where the project is now"
        ))
    }

    /// The same: there is no room to tell a shim to begin it.
    fn without_room(&self, request: &Request) -> Option<String> {
        let begun = self.saved.supervisor.begun_by(request).into_iter().next()?;
        let (name, dir) = (&self.plan.processes[begun].name, self.runtime.panes());
        let error = files::try_writing(&dir).err()?;
        let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        let (dir, why) = (dir.display(), sys::why(&error));
        is_full.then(|| format!("{name} can't be started: {dir} can't be written: {why}"))
    }
}

/// Whether there is no directory at this path.
fn is_gone(dir: &Path) -> bool {
    match dir.metadata() {
        Ok(found) => !found.is_dir(),
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}
