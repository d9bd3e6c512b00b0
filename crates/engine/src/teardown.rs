//! The end of a run: everything is taken down, and all clients are notified.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::changes::FileChanges;
use super::commands::probes::Probes;
use super::commands::stop_commands::StopCommands;
use super::core::Engine;
use super::panes::spawn::LAST_MOMENT;
use super::panes::state::{PaneState, SinkStatus};
use super::panes::wakeups;
use super::queue::{Event, Finished};
use super::serving::Serving;
use crate::backend::{Server, Survey};
use crate::journal::last_run::{LastRun, RecordedEnd};
use crate::journal::segment::SharedLook;
use crate::model::event::{Trouble, What};
use crate::model::exit::{Culprit, End, Failing};
use crate::model::plan::rules::Stage;
use crate::model::{ProcId, ProcName};
use crate::pane::sink;
use crate::protocol::tmux_socket as socket;
use crate::run::listen::SocketFiles;
use crate::run::saved::TmuxServer;
use crate::run::startup::StartupMessage;
use crate::sys::{self, clock};

/// How long tmux, shims and sinks may take to exit once tmux was asked to.
const EXIT_PATIENCE: Duration = Duration::from_secs(3);

impl Engine {
    /// Take everything down, in the order in which it was built up, and notify the clients.
    pub(super) async fn end(
        mut self,
        code: u8,
        (end, server): (watch::Sender<Option<End>>, Serving),
        place: SocketFiles,
    ) {
        self.crash_reports.hurry();
        let spilling = self.spilling;
        self.take_tmux_down().await;
        if self.is_deposed() {
            return;
        }
        self.remove_tmux_socket();
        let culprit = self.saved.supervisor.culprit.as_ref().map(|culprit| culprit.id);
        let cause = self.crash_reports.finish(culprit).await;
        self.take_last_events();
        self.carry_out();
        let actions = self.hooks.finish().await;
        self.act(actions);
        self.probes = Probes::default();
        self.stop_commands = StopCommands::default();
        self.file_changes = FileChanges::default();
        self.commands.gone().await;
        self.take_last_events();
        let culprit = self.culprit().map(|culprit| Culprit { cause, ..culprit });
        let supervisor = &self.saved.supervisor;
        let (decider, completed) = (supervisor.decider(), supervisor.completed);
        let (finished, unstarted) =
            (self.names(Self::has_finished), self.names(Self::is_unstarted));
        let failing = supervisor.failing_at_end(clock::now());
        let failing = failing.map(|(name, times)| Failing { name: name.clone(), times }).collect();
        let end_of_run = End { code, culprit, decider, completed, finished, unstarted, failing };
        self.say_end(&end_of_run, spilling);
        self.publish();
        if let Err(error) = self.runtime.clear() {
            tracing::error!(%error, "the runtime directory can't be cleared");
        }
        if let Err(error) = place.remove() {
            tracing::error!(%error, "the socket can't be removed");
        }
        if let Some(lock) = self.lock.take() {
            lock.release(self.runtime.dir());
        }
        self.clients.finish();
        let End { code, culprit, completed, .. } = end_of_run.clone();
        let problem = self.saved.supervisor.start_problem.take();
        self.startup.send(&StartupMessage::Ended {
            code,
            culprit,
            problem: problem.map(Box::new),
            completed,
        });
        end.send_replace(Some(end_of_run));
        server.finish().await;
    }

    /// End the tmux server and wait until it, the shims and the sinks are gone, so that the last
    /// byte is in the journal and no process of ours outlives us.
    async fn take_tmux_down(&mut self) {
        self.wake_tmux();
        // A server that is still starting cannot be ended yet.
        self.wait_until(|engine| engine.opening == 0).await;
        // A server whose start failed half-way must be ended too.
        if self.saved.tmux.is_none() && self.terminals.have_server() {
            let patience = if *self.gives_up.borrow() { LAST_MOMENT } else { EXIT_PATIENCE };
            match timeout(patience, self.terminals.survey()).await {
                Ok(Ok(Survey { server: Some(server), .. })) => self.watch_tmux(&server),
                // A server without a session may not have exited yet.
                Ok(Ok(Survey { server: None, .. }) | Err(_)) => {
                    for server in self.runtime.servers() {
                        let socket = socket::of_plan(&self.plan);
                        self.watch_tmux(&Server { pid: server.pid, socket });
                    }
                }
                Err(_) => {
                    self.runtime.kill_servers();
                    // A killed server does not remove its socket. There may be none.
                    let _ = std::fs::remove_file(socket::of_plan(&self.plan));
                }
            }
        }
        for id in ProcId::all(&self.panes) {
            self.wake_sink(id);
        }
        if !self.tmux_is_gone() || !self.terminals.have_server() {
            let server = self.saved.tmux.as_ref().map(TmuxServer::id);
            let shims =
                self.panes.iter().filter_map(|pane| pane.shim.current.or(pane.shim.awaited));
            self.terminals.end(server, shims);
        }
        if !self.wait_until(Self::all_is_gone).await {
            self.force();
            self.wait_until(Self::all_is_gone).await;
        }
    }

    fn tmux_is_gone(&self) -> bool {
        let alive = |server: &TmuxServer| sys::alive(server.id());
        !self.saved.tmux.as_ref().is_some_and(alive)
    }

    fn all_is_gone(&self) -> bool {
        let left = |pane: &PaneState| pane.shim.current.is_some() || pane.sink.is_up();
        // A sink that never reported holds its lock. It releases the lock before its bell, whose
        // release causes another event and thus another check.
        let unknown = |pane: &PaneState| sink::begins(&pane.paths.sink_lock());
        // This runs after each event of the end, so the conditions that need system calls come
        // last.
        !self.panes.iter().any(left) && self.tmux_is_gone() && !self.panes.iter().any(unknown)
    }

    /// Kill the tmux server and the shims that did not exit in time, for example because they are
    /// stopped.
    fn force(&self) {
        let server = self.saved.tmux.iter().map(TmuxServer::id);
        for id in server.chain(self.panes.iter().filter_map(|pane| pane.shim.current)) {
            tracing::warn!(pid = id.pid, "did not go in time: killed");
            // If this is refused, or the process is gone, nothing else can be done.
            let _ = sys::signal(id, nix::libc::SIGKILL);
        }
    }

    /// Handle events until a condition holds; `false` if it did not in time.
    async fn wait_until(&mut self, is_so: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + EXIT_PATIENCE;
        loop {
            self.take_last_events();
            self.carry_out();
            if is_so(self) {
                return true;
            }
            let queue = self.queue.clone();
            if timeout_at(deadline, queue.filled()).await.is_err() {
                tracing::warn!("tmux, a shim or a sink did not go in time");
                return false;
            }
        }
    }

    fn take_last_events(&mut self) {
        let look = SharedLook::begin();
        while let Some(event) = self.queue.pop() {
            Self::see_last_output(&event);
            self.on_last_event(event);
        }
        drop(look);
    }

    fn on_last_event(&mut self, event: Event) {
        match event {
            Event::Bell(id) => _ = self.read_pane(id),
            Event::SinkUp(id) => self.panes[id].sink.status = SinkStatus::Up,
            Event::SinkGone(id) => {
                self.read_pane(id);
                // As during the run, the event may concern an earlier sink.
                if !wakeups::is_held(id, &self.panes[id].paths.bell(), &self.queue) {
                    self.panes[id].sink.status = SinkStatus::Gone;
                }
            }
            Event::ShimExit(id, pid, _) => {
                self.read_pane(id);
                self.panes[id].shim.current.take_if(|shim| shim.pid == pid);
            }
            Event::Opened(ids, result) => self.opened(&ids, &result),
            Event::Hooked(Err(failure)) => self.on_finished(Finished::HookFailed(failure.why)),
            Event::StopAsked(id, _, Some(text)) => self.trouble(id, Trouble::Text(text)),
            Event::Finished(result) => self.on_finished(result),
            // At teardown, these events need no reaction.
            Event::TmuxExit
            | Event::Piped(..)
            | Event::OrphansKilled(..)
            | Event::Asked(..)
            | Event::FilesChanged(_)
            | Event::FilesUnsettled(..)
            | Event::FilesNotWatched(_)
            | Event::Built(..)
            | Event::Hooked(Ok(()))
            | Event::StopAsked(_, _, None) => {}
        }
    }

    /// Remove tmux's socket: tmux leaves it behind, even if it has opened no window.
    fn remove_tmux_socket(&self) {
        if !self.terminals.have_server() {
            return;
        }
        let (socket, gone) = if let Some(server) = &self.saved.tmux {
            (server.socket.as_path().to_owned(), !sys::alive(server.id()))
        } else {
            (socket::of_plan(&self.plan), self.runtime.servers().is_empty())
        };
        if gone && let Err(error) = std::fs::remove_file(&socket) {
            tracing::debug!(%error, socket = %socket.display(), "tmux's socket");
        }
    }

    fn culprit(&self) -> Option<Culprit> {
        let culprit = self.saved.supervisor.culprit.as_ref()?;
        let name = self.plan.processes[culprit.id].name.clone();
        Some(Culprit { name, exit: culprit.exit, ran: culprit.ran, cause: None })
    }

    /// The processes of which this is true.
    fn names(&self, is_so: impl Fn(&Self, ProcId) -> bool) -> Vec<ProcName> {
        let ids = ProcId::all(&self.plan.processes).filter(|id| is_so(self, *id));
        ids.map(|id| self.plan.processes[id].name.clone()).collect()
    }

    pub(super) fn has_finished(&self, id: ProcId) -> bool {
        let supervisor = &self.saved.supervisor;
        let is_command = self.plan.is_of_command();
        supervisor.has_finished(id) || is_command && supervisor.has_ended_well(id)
    }

    /// Whether the end of the run came before the start of this process, which it was waiting for.
    fn is_unstarted(&self, id: ProcId) -> bool {
        let (process, proc) = (&self.plan.processes[id], &self.saved.supervisor.procs[id]);
        let is_wanted = !process.waits && !process.removed;
        is_wanted
            && process.rules.stage != Stage::Cleanup
            && proc.last.pid.is_none()
            && proc.skip.is_none()
    }

    /// Record the end in the journal, for views that come too late to be notified, and beside it in case that it
    /// can't be written. `spilling`: it could not be written when the end began.
    fn say_end(&mut self, end: &End, spilling: bool) {
        if let Err(error) = self.ingest.release_events() {
            tracing::error!(%error, "an event can't be written");
        }
        self.say_system(What::End { run: self.plan.run.clone(), end: end.clone() });
        let lost = if spilling { self.ingest.spilled() } else { 0 };
        let end = RecordedEnd { run: self.plan.run.clone(), end: end.clone(), lost };
        if let Some(path) = &self.plan.last_run
            && let Err(error) = LastRun::of(&self.plan).record_end(path.as_path(), end)
        {
            tracing::warn!(%error, "the end can't be recorded outside of the journal");
        }
    }
}
