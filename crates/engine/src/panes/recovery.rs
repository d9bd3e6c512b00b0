//! Losing sinks and shims, and replacing them.

use nix::libc::{SIGCONT, SIGKILL};

use super::state::{PaneState, ShimEnd, SinkStatus};
use super::wakeups;
use crate::backend::TerminalError;
use crate::core::Engine;
use crate::model::event::Trouble;
use crate::model::ids::Member;
use crate::model::{ProcId, ProcessStatus};
use crate::pane::process_tree::{named, named_with_ports};
use crate::pane::sink;
use crate::protocol::life::Traces;
use crate::queue::Event;
use crate::supervisor::{Input, Pane};
use crate::sys::{OrphanReport, Orphans};

/// After this many failures of sinks in a row, the log reports it, or the start fails.
const MOST_SINKS: u32 = 3;

impl Engine {
    /// A sink has gone. If it was killed, an unknown amount of output is lost: record a gap, and pipe
    /// the pane to another sink. A sink that has read its pipe to the end has lost nothing; the pane
    /// must then be piped again only if a person closed just the pipe.
    pub(crate) fn sink_gone(&mut self, id: ProcId) {
        if !self.panes[id].sink.is_up() {
            return;
        }
        if wakeups::is_held(id, &self.panes[id].paths.bell(), &self.queue) {
            // An earlier sink has gone, unnoticed until now. The present holder will release the
            // bell some time, which gives another event; what it has rung is in the queue.
            return self.panes[id].meet_sink();
        }
        self.panes[id].sink.status = SinkStatus::Gone;
        self.read_pane(id);
        let Some(pane) = self.panes[id].terminal.pane.clone() else { return };
        // A pane without a shim has no more output. When it is opened again, it gets another pipe.
        let shim = self.panes[id].shim.current.filter(|shim| crate::sys::alive(*shim));
        if self.saved.supervisor.tmux_gone || shim.is_none() {
            return;
        }
        let lock = self.panes[id].paths.sink_lock();
        let said = sink::said(&lock);
        let last = self.panes[id].sink.last.map(|said| said.pid);
        // The lock file may name a sink that came and went unnoticed.
        if sink::begins(&lock) && said.is_none_or(|said| !said.drained && Some(said.pid) != last) {
            // Another sink has replaced it already, and will report when it is ready.
            return self.panes[id].await_sink();
        }
        let closed = said.is_some_and(|said| said.drained);
        if !closed && !self.is_lossless(id) {
            self.gap(id);
        }
        self.panes[id].await_sink();
        self.pipe(id, pane, closed);
    }

    /// Whether the death of its last sink, and of one that came and went unnoticed, has lost nothing.
    fn is_lossless(&self, id: ProcId) -> bool {
        let said = sink::said(&self.panes[id].paths.sink_lock());
        said.or(self.panes[id].sink.last).is_some_and(|said| said.lossless)
    }

    /// Continue a sink that was stopped; returns whether it was. Its pid comes from a file, so
    /// check that it is a child of tmux or holds the lock of a sink.
    pub(crate) fn wake_sink(&mut self, id: ProcId) -> bool {
        self.panes[id].meet_sink();
        let server = self.saved.tmux.as_ref().map(|server| server.pid);
        let holds = || sink::is_up(&self.panes[id].paths.sink_lock());
        let sink = self.panes[id].sink.last.and_then(|said| crate::sys::info(said.pid));
        sink.filter(|sink| sink.state == 'T' && (Some(sink.ppid) == server || holds()))
            .is_some_and(|sink| crate::sys::signal(sink.id(), SIGCONT).is_ok())
    }

    /// Continue tmux if it is stopped: the end of the run waits for it.
    pub(crate) fn wake_tmux(&self) {
        let server = self.saved.tmux.as_ref().and_then(|server| {
            let found = crate::sys::info(server.pid)?;
            (found.start_time == server.start_time && found.state == 'T').then_some(found)
        });
        if let Some(server) = server {
            tracing::warn!(pid = server.pid, "tmux was stopped: continued");
            // It may have exited meanwhile.
            let _ = crate::sys::signal(server.id(), SIGCONT);
        }
    }

    /// Make sure that the next sink continues behind what has been read, also if files were removed.
    pub(crate) fn reserve(&mut self, id: ProcId) {
        if let Err(error) = self.ingest.reserve_next(self.panes[id].stream) {
            tracing::error!(%error, "where the stream goes on can't be noted");
        }
    }

    /// Have tmux pipe a pane's output again.
    fn pipe(&mut self, id: ProcId, pane: String, closed: bool) {
        self.reserve(id);
        let (terminals, queue) = (self.terminals.clone(), self.queue.clone());
        let spec = self.panes[id].paths.spec();
        tokio::task::spawn_local(async move {
            let result = terminals.recapture(&pane, &spec, closed).await;
            queue.push(Event::Piped(id, closed, result));
        });
    }

    /// Record that output may be missing at the present end of the stream.
    fn gap(&mut self, id: ProcId) {
        /// Limits how often text that looks like a marker causes another read of the life file.
        const MOST_ASKED: u32 = 100;
        for _ in 0..MOST_ASKED {
            self.read_life(id);
            match self.ingest.gap(self.panes[id].stream) {
                Ok(progress) => {
                    self.progressed(id, &progress);
                    if progress.ask.is_empty() {
                        break;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a gap can't be recorded");
                    break;
                }
            }
        }
        self.unmark(id);
        self.trouble(id, Trouble::PipeBroken);
    }

    pub(crate) fn piped(&mut self, id: ProcId, closed: bool, result: Result<bool, TerminalError>) {
        match (closed, result) {
            (true, Ok(true)) => self.gap(id),
            (true, Ok(false)) | (false, Ok(_)) => {}
            // The pane was closed together with its pipe.
            (true, Err(error)) => tracing::debug!(%error, "pipe-pane"),
            (false, Err(error)) => {
                self.trouble(id, Trouble::NotPiped(error.to_string()));
            }
        }
    }

    /// A shim has ended. Unless it reported `down` first, it was killed, and its processes must be
    /// ended in its place.
    pub(crate) fn shim_exit(&mut self, id: ProcId, pid: u32, witnessed: bool) {
        self.read_pane(id);
        let awaited = self.panes[id].shim.awaited.take_if(|awaited| awaited.pid == pid).is_some();
        if awaited && self.saved.supervisor.procs[id].pane == Pane::Opening {
            return self.no_shim(id);
        }
        if !self.panes[id].shim.is_current(pid) {
            return;
        }
        self.panes[id].shim.end = Some(ShimEnd { pid, orphans: None });
        if self.panes[id].entries.say_down() {
            return self.settle_shim(id);
        }
        let orphans = Orphans {
            run: self.plan.run.clone(),
            process: self.plan.processes[id].name.to_string(),
            shim: pid,
            mains: Traces::load(&self.panes[id].paths.life()).mains,
            known: vec![],
            witnessed,
        };
        let queue = self.queue.clone();
        tokio::task::spawn_local(async move {
            let kill = move || crate::sys::kill_orphans(&orphans);
            // The search has a time limit and does not panic.
            if let Ok(report) = tokio::task::spawn_blocking(kill).await {
                queue.push(Event::OrphansKilled(id, pid, report));
            }
        });
    }

    /// The processes of a killed shim have been ended in its place.
    pub(crate) fn orphans_killed(&mut self, id: ProcId, pid: u32, report: OrphanReport) {
        if let Some(ended) = self.panes[id].shim.end.as_mut().filter(|ended| ended.pid == pid) {
            ended.orphans = Some(report);
            self.settle_shim(id);
        }
    }

    /// Its sink has gone: place the markers that will not arrive any more at the end of the output.
    pub(crate) fn settle_markers(&mut self, id: ProcId) {
        let due = |pane: &PaneState| {
            let awaited = pane.entries.awaited_marker();
            !pane.sink.is_up() && awaited.is_some_and(|seq| seq <= pane.entries.unmarked)
        };
        while due(&self.panes[id]) {
            self.unmark(id);
        }
    }

    /// A shim has ended: once its whole output has been read, process its last entries and then its
    /// end. A marker that it had announced arrives with that output or never.
    pub(crate) fn settle_shim(&mut self, id: ProcId) {
        let pane = &mut self.panes[id];
        let Some(ShimEnd { pid, ref orphans }) = pane.shim.end else { return };
        if pane.shim.is_current(pid) && orphans.is_none() && !pane.entries.say_down() {
            return;
        }
        while self.panes[id].shim.is_current(pid)
            && self.panes[id].entries.awaited_marker().is_some()
        {
            if self.panes[id].sink.is_up() {
                // The sink reads the rest and releases its bell. If it hangs, the timeout of the
                // marker applies.
                self.wake_sink(id);
                return;
            }
            self.unmark(id);
        }
        let ended = self.panes[id].shim.end.take();
        if !self.panes[id].shim.is_current(pid) {
            return;
        }
        let Some(report) = ended.and_then(|ended| ended.orphans) else { return };
        self.panes[id].shim.forget();
        if !report.exempt.is_empty() {
            let list = named_with_ports(&report.exempt);
            self.trouble(id, Trouble::LeftRunning(list.iter().map(Member::to_string).collect()));
        }
        self.input(Input::ShimGone(id, named(&report.left)));
    }

    /// Whether a request to a pane is pending.
    pub(crate) fn is_under_way(&self, id: ProcId) -> bool {
        matches!(
            self.saved.supervisor.procs[id].status(),
            ProcessStatus::Pending | ProcessStatus::Starting | ProcessStatus::Stopping
        )
    }

    /// A request to a pane is still pending. Look again for a while, then kill the shim: its
    /// processes are ended in its place, and the pane gets another shim if something is to run.
    pub(crate) fn look_again(&mut self, id: ProcId) {
        if !self.is_under_way(id) {
            return;
        }
        let proc = &self.saved.supervisor.procs[id];
        let deaf = self.panes[id].shim.is_unresponsive();
        if let (true, Some(shim)) = (deaf, proc.pane.shim()) {
            self.panes[id].shim.request_due = None;
            self.trouble(id, Trouble::ShimDeaf);
            // If it is gone already, its exit is on its way as an event.
            let _ = crate::sys::signal(shim, SIGKILL);
        }
        self.panes[id].bell.await_news();
    }

    /// The sink of a pane has not come up, or a person has piped the pane elsewhere: try another
    /// sink, and report it if that keeps failing.
    pub(crate) fn sink_overdue(&mut self, id: ProcId) {
        let pane = &mut self.panes[id];
        if pane.shim.current.is_none() || self.saved.supervisor.tmux_gone {
            return;
        }
        let is_heard = self.listen(id).is_ok();
        let pane = &mut self.panes[id];
        if is_heard && sink::is_up(&pane.paths.sink_lock()) {
            // Another process has read the byte that reports it.
            return self.on_event(Event::SinkUp(id));
        }
        if pane.sink.status == SinkStatus::Gone && pane.sink.failures == 0 && !self.is_lossless(id)
        {
            self.gap(id);
        }
        let sink = &mut self.panes[id].sink;
        sink.failures += 1;
        if sink.failures == MOST_SINKS {
            let why = format!("`{} sink` does not start", self.plan.tmo.as_path().display());
            if !self.saved.supervisor.procs[id].alive() {
                return self.input(Input::NoPane(id, why));
            }
            self.trouble(id, Trouble::NotTaken(why.clone()));
        }
        self.panes[id].await_sink();
        if let Some(pane) = self.panes[id].terminal.pane.clone() {
            self.pipe(id, pane, false);
        }
    }
}
