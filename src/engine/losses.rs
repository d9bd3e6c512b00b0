//! What is killed, and what takes its place: sinks and shims.

use nix::libc::{SIGCONT, SIGKILL};

use super::core::Engine;
use super::pane::{Ended, PaneTrack, Sink};
use super::queue::Event;
use super::watchers;
use crate::backend::tmux::TmuxError;
use crate::model::event::Trouble;
use crate::model::{ProcId, ProcessStatus};
use crate::pane::sink;
use crate::pane::tree::named;
use crate::protocol::life::Traces;
use crate::supervisor::{Input, Pane};
use crate::sys::{Orphans, Sweep};

/// So many sinks in a row may fail to come up before that is told, or ends a start.
const MOST_SINKS: u32 = 3;

impl Engine {
    /// What a killed sink had not written is lost; nobody knows how much. Another one is started.
    /// One that has read all of a pipe that was closed lost nothing; there is a pane to be piped
    /// again only if a person closed just the pipe.
    pub(super) fn sink_gone(&mut self, id: ProcId) {
        if self.panes[id].sink != Sink::Up {
            return;
        }
        if watchers::is_held(id, &self.panes[id].paths.bell(), &self.queue) {
            // It was another one, before the one that is there was seen. Whoever holds the bell lets
            // go of it some time, which is told again; what it has rung is in the queue.
            return self.panes[id].meet_sink();
        }
        self.panes[id].sink = Sink::Gone;
        self.read(id);
        let Some(pane) = self.panes[id].pane.clone() else { return };
        // A pane whose shim is gone has nothing more to say; opened again, it gets another pipe.
        let shim = self.panes[id].shim.filter(|&(pid, start)| crate::sys::alive(pid, start));
        if self.saved.supervisor.tmux_gone || shim.is_none() {
            return;
        }
        let lock = self.panes[id].paths.sink_lock();
        let said = sink::said(&lock);
        let other = |said: sink::Said| !said.drained && Some(said.pid) != self.panes[id].sink_pid;
        // What was said may be of one that nobody here has heard of before it was gone as well.
        if sink::begins(&lock) && said.is_none_or(other) {
            // Another one has taken its place already, and tells of itself if it gets to that.
            return self.panes[id].await_sink();
        }
        let closed = said.is_some_and(|said| said.drained);
        if !closed {
            self.gap(id);
        }
        self.panes[id].await_sink();
        self.pipe(id, pane, closed);
    }

    /// Let a sink go on that somebody has stopped; whether it was. What it was told of it comes from
    /// a file, so it must be tmux's, or hold the lock of a sink.
    pub(super) fn wake_sink(&mut self, id: ProcId) -> bool {
        self.panes[id].meet_sink();
        let server = self.saved.tmux.as_ref().map(|server| server.pid);
        let holds = || sink::is_up(&self.panes[id].paths.sink_lock());
        let sink = self.panes[id].sink_pid.and_then(crate::sys::info);
        sink.filter(|sink| sink.state == 'T' && (Some(sink.ppid) == server || holds()))
            .is_some_and(|sink| crate::sys::signal(sink.pid, sink.start_time, SIGCONT).is_ok())
    }

    /// Continue tmux if it is stopped: the end of a run waits for it.
    pub(super) fn wake_tmux(&self) {
        let server = self.saved.tmux.as_ref().and_then(|server| {
            let found = crate::sys::info(server.pid)?;
            (found.start_time == server.start_time && found.state == 'T').then_some(found)
        });
        if let Some(server) = server {
            tracing::warn!(pid = server.pid, "tmux was stopped: continued");
            // It may have gone meanwhile.
            let _ = crate::sys::signal(server.pid, server.start_time, SIGCONT);
        }
    }

    /// Have tmux pipe a pane's output again.
    fn pipe(&mut self, id: ProcId, pane: String, closed: bool) {
        if let Err(error) = self.ingest.reserve_next(self.panes[id].stream) {
            tracing::error!(%error, "where the stream goes on can't be noted");
        }
        let (tmux, queue) = (self.tmux.clone(), self.queue.clone());
        let spec = self.panes[id].paths.spec();
        tokio::task::spawn_local(async move {
            let result = tmux.pipe(&pane, &spec, closed).await;
            queue.push(Event::Piped(id, closed, result));
        });
    }

    /// Output may be missing at the present end of the stream.
    fn gap(&mut self, id: ProcId) {
        /// What marker-like bytes can make it ask.
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

    pub(super) fn piped(&mut self, id: ProcId, closed: bool, result: Result<bool, TmuxError>) {
        match (closed, result) {
            (true, Ok(true)) => self.gap(id),
            (true, Ok(false)) | (false, Ok(_)) => {}
            // The pane was closed, and its pipe with it.
            (true, Err(error)) => tracing::debug!(%error, "pipe-pane"),
            (false, Err(error)) => {
                self.trouble(id, Trouble::NotPiped(error.to_string()));
            }
        }
    }

    /// A shim has ended. If it did not say so first, it was killed, and what it ran must be ended
    /// in its place.
    pub(super) fn shim_exit(&mut self, id: ProcId, pid: u32, witnessed: bool) {
        self.read(id);
        let awaited = self.panes[id].awaited.take_if(|awaited| awaited.0 == pid).is_some();
        if awaited && self.saved.supervisor.procs[id].pane == Pane::Opening {
            return self.no_shim(id);
        }
        if !self.panes[id].is_shim(pid) {
            return;
        }
        self.panes[id].ended = Some(Ended { shim: pid, sweep: None });
        if self.panes[id].says_down() {
            return self.settle_shim(id);
        }
        let orphans = Orphans {
            run: self.plan.run.clone(),
            process: self.plan.processes[id].name.to_string(),
            shim: pid,
            mains: Traces::read(&self.panes[id].paths.life()).mains,
            witnessed,
        };
        let queue = self.queue.clone();
        tokio::task::spawn_local(async move {
            let sweep = move || crate::sys::kill_orphans(&orphans);
            // It ends by itself in time, and does not panic.
            if let Ok(sweep) = tokio::task::spawn_blocking(sweep).await {
                queue.push(Event::Swept(id, pid, sweep));
            }
        });
    }

    /// What a killed shim had been running has been ended in its place.
    pub(super) fn swept(&mut self, id: ProcId, pid: u32, sweep: Sweep) {
        if let Some(ended) = self.panes[id].ended.as_mut().filter(|ended| ended.shim == pid) {
            ended.sweep = Some(sweep);
            self.settle_shim(id);
        }
    }

    /// Its sink has gone: what comes behind no marker any more stands at the end of what it read.
    pub(super) fn settle_markers(&mut self, id: ProcId) {
        let due = |pane: &PaneTrack| {
            pane.sink != Sink::Up && pane.awaits_marker().is_some_and(|seq| seq <= pane.unmarked)
        };
        while due(&self.panes[id]) {
            self.unmark(id);
        }
    }

    /// A shim has ended: once all that it and its process printed was read, what it said last is
    /// taken in, and that it is gone. A marker it had announced comes with that output or never.
    pub(super) fn settle_shim(&mut self, id: ProcId) {
        let pane = &mut self.panes[id];
        let Some(Ended { shim: pid, ref sweep }) = pane.ended else { return };
        if pane.is_shim(pid) && sweep.is_none() && !pane.says_down() {
            return;
        }
        while self.panes[id].is_shim(pid) && self.panes[id].awaits_marker().is_some() {
            if self.panes[id].sink == Sink::Up {
                // It reads what there is and lets go of its bell; one that does not has as long as
                // any marker.
                self.wake_sink(id);
                return;
            }
            self.unmark(id);
        }
        let ended = self.panes[id].ended.take();
        if !self.panes[id].is_shim(pid) {
            return;
        }
        let Some(sweep) = ended.and_then(|ended| ended.sweep) else { return };
        self.panes[id].shim = None;
        self.panes[id].ready = None;
        if !sweep.spared.is_empty() {
            let list = sweep.spared.iter().map(|p| format!("{} (pid {})", p.comm, p.pid));
            self.trouble(id, Trouble::LeftRunning(list.collect()));
        }
        self.input(Input::ShimGone(id, named(&sweep.left)));
    }

    /// Whether something was asked of a pane that is not done yet.
    pub(super) fn is_under_way(&self, id: ProcId) -> bool {
        matches!(
            self.saved.supervisor.procs[id].status(),
            ProcessStatus::Pending | ProcessStatus::Starting | ProcessStatus::Stopping
        )
    }

    /// What was asked of a pane is not done: go on looking for a while, then do without its shim.
    /// What it runs is ended in its place, and what is to run gets another one.
    pub(super) fn look_again(&mut self, id: ProcId) {
        if !self.is_under_way(id) {
            return;
        }
        let proc = &self.saved.supervisor.procs[id];
        let deaf = self.panes[id].is_deaf();
        if let (true, Pane::Up { shim, start_time, .. }) = (deaf, &proc.pane) {
            let (shim, start_time) = (*shim, *start_time);
            self.panes[id].deaf_at = None;
            self.trouble(id, Trouble::ShimDeaf);
            // Gone already: that is told as well.
            let _ = crate::sys::signal(shim, start_time, SIGKILL);
        }
        self.panes[id].await_news();
    }

    /// The sink of a pane has not come up, or a person has piped the pane elsewhere: try another
    /// one, and tell if that is in vain as well.
    pub(super) fn sink_overdue(&mut self, id: ProcId) {
        let pane = &mut self.panes[id];
        if pane.shim.is_none() || self.saved.supervisor.tmux_gone {
            return;
        }
        if sink::is_up(&pane.paths.sink_lock()) {
            // Its word was taken by somebody else.
            return self.on_event(Event::SinkUp(id));
        }
        if pane.sink == Sink::Gone && pane.sinks_lost == 0 {
            self.gap(id);
        }
        let pane = &mut self.panes[id];
        pane.sinks_lost += 1;
        if pane.sinks_lost == MOST_SINKS {
            let why = format!("`{} sink` does not start", self.plan.tmo.as_path().display());
            if !self.saved.supervisor.procs[id].alive() {
                return self.input(Input::NoPane(id, why));
            }
            self.trouble(id, Trouble::NotTaken(why.clone()));
        }
        self.panes[id].await_sink();
        if let Some(pane) = self.panes[id].pane.clone() {
            self.pipe(id, pane, false);
        }
    }
}
