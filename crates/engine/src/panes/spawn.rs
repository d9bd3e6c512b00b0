//! Opening panes: requesting them from tmux, awaiting their shims, watching the tmux server.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::state::{PaneShim, PaneState};
use super::wakeups;
use crate::backend::tmux::TmuxError;
use crate::backend::{Listed, Server, Survey, TerminalError, Terminals};
use crate::core::Engine;
use crate::model::{ProcId, ProcessId};
use crate::plan;
use crate::protocol::spec::Want;
use crate::queue::Event;
use crate::run::saved::TmuxServer;
use crate::supervisor::{Goal, Input, Pane, ShimRequest};
use crate::sys::{self, files};

/// How long a shim may take to come up.
const SHIM_TIMEOUT: Duration = Duration::from_secs(10);

/// How much longer to wait for tmux's first answer when the run is to end.
pub(crate) const LAST_MOMENT: Duration = Duration::from_millis(500);

/// How many times an adopter tries again when the server that it asks for panes is just exiting: a
/// killed supervisor had started that server.
const MOST_LOST: u32 = 5;

/// How many panes to request at once while others already run: tmux reads no output until it has
/// opened all panes of one call.
const AT_ONCE: usize = 4;

impl Engine {
    /// Write the specs (with nothing to run yet), create the bells, and request the panes from
    /// tmux.
    pub(crate) fn open(&mut self, ids: &[ProcId]) {
        let (mut able, mut unable) = (vec![], vec![]);
        for &id in ids {
            match self.prepare(id) {
                Ok(()) => able.push(id),
                Err(error) => unable.push((id, error)),
            }
        }
        if !able.is_empty() {
            self.ask_for_panes(able);
        }
        for (id, error) in unable {
            self.input(Input::NoPane(id, error));
        }
    }

    fn ask_for_panes(&mut self, mut ids: Vec<ProcId>) {
        let first = self.saved.tmux.is_none();
        // A killed supervisor, or another request whose answer is still to come, may have requested the session just before.
        let may_exist = self.adopted || self.opening > 0;
        let at_first = self.in_turn(&mut ids);
        let openings: Vec<_> = ids
            .iter()
            .map(|&id| (self.plan.processes[id].name.clone(), self.panes[id].paths.spec()))
            .collect();
        self.opening += ids.len();
        for &id in &ids {
            self.panes[id].terminal.unanswered += 1;
        }
        let tmux = match &self.terminals {
            Terminals::Tmux(tmux) => tmux.clone(),
            Terminals::Native(native) => {
                for (opening, id) in openings.iter().zip(ids) {
                    let result = native.open(std::slice::from_ref(opening));
                    self.queue.push(Event::Opened(vec![id], result));
                }
                // Everything else can wait until the shims have opened their terminals.
                std::thread::yield_now();
                return;
            }
        };
        let old: Vec<_> = ids.iter().map(|&id| self.panes[id].former()).collect();
        let queue = self.queue.clone();
        let mut gives_up = self.gives_up.subscribe();
        tokio::task::spawn_local(async move {
            if first {
                let mut tries = if may_exist { MOST_LOST } else { 1 };
                loop {
                    tries -= 1;
                    let started = tokio::select! {
                        started = tmux.start(&openings[..at_first]) => started,
                        // The sender lives as long as the engine, so this does not fail.
                        _ = gives_up.wait_for(|gives_up| *gives_up) => Err(TmuxError::GivenUp),
                    };
                    match started {
                        Err(error) if error.is_duplicate() && may_exist => break,
                        // The tmux client was killed with the supervisor, so the server had no
                        // session and has exited.
                        Err(error) if error.is_lost() && tries > 0 => {}
                        Err(error) => return queue.push(Event::Opened(ids, Err(error.into()))),
                        Ok(survey) => {
                            let later = ids.split_off(at_first);
                            queue.push(Event::Opened(ids, Ok(survey)));
                            let more = openings[at_first..].chunks(AT_ONCE);
                            for (ids, openings) in later.chunks(AT_ONCE).zip(more) {
                                let result = tmux.open(openings).await;
                                queue.push(Event::Opened(ids.to_vec(), result.map_err(Into::into)));
                            }
                            return;
                        }
                    }
                }
            }
            for ((opening, old), id) in openings.iter().zip(old).zip(ids) {
                let result = tmux.reopen(opening, &old).await;
                queue.push(Event::Opened(vec![id], result.map_err(Into::into)));
            }
        });
    }

    /// The run is to end: give a tmux that has not answered its first call one last moment.
    pub(crate) fn hurry_tmux(&self) {
        if self.saved.tmux.is_some() || self.opening == 0 {
            return;
        }
        let gives_up = self.gives_up.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LAST_MOMENT).await;
            gives_up.send_replace(true);
        });
    }

    /// Put the processes that begin at once first, then the others in start order; returns how many
    /// to open in the first call.
    fn in_turn(&self, ids: &mut [ProcId]) -> usize {
        let procs = &self.saved.supervisor.procs;
        let begins = |id: &ProcId| procs[*id].goal == Goal::Run && !procs[*id].waiting;
        let count = ids.iter().filter(|id| begins(id)).count();
        if count < ids.len() {
            let steps = plan::order(&self.plan);
            ids.sort_by_key(|id| (!begins(id), steps.get(id.place()).map(|step| step.turn)));
        }
        count.max(AT_ONCE).min(ids.len())
    }

    fn prepare(&mut self, id: ProcId) -> Result<(), String> {
        let bell = self.panes[id].paths.bell();
        let life = self.saved.supervisor.procs[id].current_life();
        self.write_spec(id, ShimRequest { want: Want::Stop, life, kill: None })
            .map_err(|e| e.to_string())?;
        if self.panes[id].shim.last_pid.is_some() {
            self.reserve(id);
        }
        self.listen(id).map_err(|e| format!("{}: {}", bell.display(), sys::why(&e)))
    }

    /// Listen to the bell of a pane, unless a task already does.
    pub(crate) fn listen(&mut self, id: ProcId) -> std::io::Result<()> {
        let PaneState { paths, bell, .. } = &mut self.panes[id];
        if bell.listener.as_ref().is_none_or(JoinHandle::is_finished) {
            bell.listener = Some(wakeups::listen(id, &paths.bell(), self.queue.clone())?);
        }
        Ok(())
    }

    /// Handle the answer of tmux to a request for panes. A shim that never comes up can't report
    /// that, so the pane's process is watched until the shim is up.
    pub(crate) fn opened(&mut self, ids: &[ProcId], result: &Result<Survey, TerminalError>) {
        self.opening = self.opening.saturating_sub(ids.len());
        if let Ok(Survey { server: Some(server), .. }) = result
            && self.saved.tmux.as_ref().is_none_or(|tmux| tmux.pid != server.pid)
        {
            self.saved.config_due = true;
            self.watch_tmux(server);
        }
        for &id in ids {
            self.read_pane(id);
            // Handling the news may have caused another request, which this answer does not
            // concern.
            self.carry_out();
            let terminal = &mut self.panes[id].terminal;
            terminal.unanswered = terminal.unanswered.saturating_sub(1);
            if terminal.unanswered > 0 || self.saved.supervisor.procs[id].pane != Pane::Opening {
                self.give_up_unknown(id, result);
                continue;
            }
            match result {
                Err(error) => self.input(Input::NoPane(id, error.to_string())),
                Ok(Survey { panes, server }) => {
                    let name = self.plan.processes[id].name.as_str();
                    let old =
                        |pane: &&Listed| self.panes[id].terminal.pane.as_ref() == Some(&pane.pane);
                    let new = |pane: &&Listed| pane.ours && pane.process == name;
                    let pane = panes.iter().find(old).or_else(|| panes.iter().rev().find(new));
                    let parent = server.as_ref().map_or_else(std::process::id, |server| server.pid);
                    self.await_shim(id, pane, parent);
                }
            }
        }
    }

    /// End shims of the process that this answer lists, but that are neither the shim of its pane nor
    /// the one that is awaited.
    fn give_up_unknown(&self, id: ProcId, result: &Result<Survey, TerminalError>) {
        let PaneShim { current, awaited, .. } = &self.panes[id].shim;
        let name = self.plan.processes[id].name.as_str();
        let answered = result.iter().flat_map(|survey| &survey.panes);
        let of_process = answered.filter(|pane| pane.process == name && !pane.dead);
        let is_known = |pid| current.iter().chain(awaited).any(|shim| shim.pid == pid);
        for pane in of_process.filter(|pane| !is_known(pane.pid)) {
            let shim = sys::info(pane.pid).filter(|process| process.ppid == std::process::id());
            if let Some(shim) = shim {
                self.terminals.give_up(shim.id());
            }
        }
    }

    fn await_shim(&mut self, id: ProcId, pane: Option<&Listed>, parent: u32) {
        let Some(pane) = pane.filter(|pane| !pane.dead) else { return self.no_shim(id) };
        let gone = || Event::ShimExit(id, pane.pid, true);
        // tmux may still list a process that has ended and whose pid was reused.
        let process = sys::info(pane.pid).filter(|process| process.ppid == parent);
        let shim = process.map(|process| process.id());
        let unseen = ProcessId { pid: pane.pid, start: 0 };
        let awaited = self.panes[id].shim.awaited.replace(shim.unwrap_or(unseen));
        if let Some(former) = awaited.filter(|former| former.pid != pane.pid) {
            self.terminals.give_up(former);
        }
        self.panes[id].shim.up_due = Some(Instant::now() + SHIM_TIMEOUT);
        if shim.is_none_or(|shim| wakeups::exit(shim, gone(), self.queue.clone()).is_err()) {
            self.queue.push(gone());
        }
    }

    /// The process that should be the shim lives but has not reported `up`, because its life file
    /// can't be written. It runs nothing yet, so it is killed; its exit is then handled as usual. A
    /// program that a person runs in its place is spared.
    pub(crate) fn shim_overdue(&mut self, id: ProcId) {
        self.panes[id].shim.up_due = None;
        self.read_pane(id);
        let shim = &self.panes[id].shim;
        let Some(late) = shim.awaited.filter(|_| shim.current.is_none()) else { return };
        match late.info() {
            // If it is gone already, its exit is on its way as an event.
            None => {}
            Some(process) if process.is_named_after(self.plan.tmo.as_path()) => {
                let _ = sys::signal(late, nix::libc::SIGKILL);
            }
            Some(process) => {
                self.panes[id].shim.awaited = None;
                let (name, pid) = (process.name, process.pid);
                let why = format!("{name} (pid {pid}) runs in it; close it first");
                self.input(Input::NoPane(id, why));
            }
        }
    }

    /// The process that should be the shim has ended without reporting `up`.
    pub(crate) fn no_shim(&mut self, id: ProcId) {
        let (tmo, dir) = (self.plan.tmo.as_path(), self.runtime.dir());
        let why = if !tmo.exists() {
            format!("{} is not there any more", tmo.display())
        } else if let Err(error) = files::try_writing(dir) {
            // It could not write its life file.
            format!("{} can't be written: {}", dir.display(), sys::why(&error))
        } else {
            format!("`{} shim` ended without a word", tmo.display())
        };
        self.input(Input::NoPane(id, why));
    }

    pub(crate) fn watch_tmux(&mut self, Server { pid, socket }: &Server) {
        let Some(server) = ProcessId::now(*pid) else {
            return self.queue.push(Event::TmuxExit);
        };
        self.terminals.know_server(server, socket);
        let ProcessId { pid, start: start_time } = server;
        self.saved.tmux = Some(TmuxServer { pid, start_time, socket: socket.as_path().into() });
        self.save();
        if wakeups::exit(server, Event::TmuxExit, self.queue.clone()).is_err() {
            self.queue.push(Event::TmuxExit);
        }
    }

    /// Have tmux read the user's configuration, once, when all panes are open: it then can't cost
    /// any of them output.
    pub(crate) fn read_user_config(&mut self) {
        let ready = self.saved.config_due && self.saved.tmux.is_some() && self.opening == 0;
        if !ready || self.finish.is_some() {
            return;
        }
        self.saved.config_due = false;
        self.save();
        let terminals = self.terminals.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = terminals.source_user_config().await {
                tracing::warn!(%error, "the user's tmux configuration");
            }
        });
    }
}
