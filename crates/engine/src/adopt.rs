//! Continuing where a killed supervisor stopped: same processes, nothing lost, nothing logged
//! twice.
//!
//! Three sources are combined: what was decided (`state.json`), what happened (the life files, from
//! the first entry that the dead supervisor had not processed), and what was printed (the streams,
//! from the first byte that the index does not cover). Output that arrived meanwhile is merged by
//! the times that the sinks recorded.

use std::collections::HashMap;

use super::core::Engine;
use super::panes::state::PaneState;
use super::queue::Event;
use super::reports::crash_reports::Crashed;
use super::reports::outbox;
use super::search::recovery::Output;
use crate::backend::{Server, Survey};
use crate::model::ProcId;
use crate::pane::sink;
use crate::protocol::life::LifeEvent;
use crate::supervisor::{Pane, Phase};
use crate::sys;
use crate::sys::clock;

/// How many bytes of the output that arrived without a supervisor are indexed at once.
const SLICE: u64 = 16 << 20;

impl Engine {
    /// Take over the run; returns the number of living processes.
    pub(super) async fn adopt(&mut self) -> std::io::Result<usize> {
        for id in ProcId::all(&self.panes) {
            self.recall(id)?;
            self.begin_search(id);
            self.recall_search(id)?;
        }
        loop {
            let progress = self.ingest.catch_up(SLICE)?;
            if progress.ask.is_empty() && !progress.more {
                break;
            }
            ProcId::all(&self.panes).for_each(|id| self.read_life(id));
            // Let the server answer clients that the takeover is in progress.
            tokio::task::yield_now().await;
        }
        for id in ProcId::all(&self.panes) {
            self.panes[id].entries.marked = self.last_marker(id);
            self.search_new(id);
        }
        self.recall_outbox();
        self.replay();
        self.find_tmux().await;
        self.carry_out();
        let effects = self.saved.supervisor.resume(clock::now());
        self.decided(effects);
        self.carry_out();
        Ok(self.saved.supervisor.procs.iter().filter(|p| p.alive()).count())
    }

    /// Read the whole life file of a pane. Entries that the dead supervisor had processed restore
    /// shim and markers; the others are queued.
    fn recall(&mut self, id: ProcId) -> std::io::Result<()> {
        let seen = self.saved.supervisor.procs[id].seen;
        let started = self.saved.supervisor.procs[id].phase != Phase::Pending;
        // Its shim may be gone while some of its output is still on the way.
        if started && sink::is_up(&self.panes[id].paths.sink_lock()) {
            self.panes[id].sink_up();
        }
        self.panes[id].entries.known = seen;
        self.panes[id].entries.marked = self.last_marker(id);
        self.ingest.look_at_stderr(self.panes[id].stream)?;
        for entry in self.panes[id].entries.file.poll()? {
            self.expect(id, &entry);
            if let LifeEvent::Stopping { life, .. } = entry.event
                && self.plan.processes[id].rules.stop_command.is_some()
            {
                // The stop command precedes the stop signal, so it has run already.
                self.stop_commands.has_run(id, life);
            }
            if entry.seq <= seen {
                self.note_shim(id, &entry);
            } else {
                self.panes[id].entries.push(entry);
            }
        }
        match &self.saved.supervisor.procs[id].pane {
            // Its life file may have been removed or damaged.
            Pane::Up { shim, start_time, id: pane }
                if self.panes[id].shim.current.is_none()
                    && sys::alive((*shim, *start_time).into()) =>
            {
                let pane = pane.clone();
                self.shim_up(id, (*shim, *start_time).into(), pane);
            }
            Pane::Up { .. } => {}
            // The dead supervisor knew that this shim is gone, and may have requested another one.
            Pane::None | Pane::Opening => self.panes[id].shim.current = None,
        }
        // A process that was started had a sink. In other cases a sink may still be starting, and
        // no output can have been lost yet.
        let pane = &mut self.panes[id];
        if pane.shim.current.is_some() && started {
            pane.sink_up();
            // The dead supervisor may just have replaced a sink.
            pane.entries.sink_replaced();
        }
        self.listen(id)
    }

    /// Continue the search in the output of a process.
    fn recall_search(&mut self, id: ProcId) -> std::io::Result<()> {
        let PaneState { stream, search: Some(search), .. } = &mut self.panes[id] else {
            return Ok(());
        };
        let (dirs, began) = (self.ingest.dirs(), self.plan.started);
        let proc = &self.saved.supervisor.procs[id];
        let ignored = proc.installation.lives();
        let stderr = self.ingest.stderr_of(*stream);
        let output = Output { dirs, stream: *stream, stderr, began, ignored };
        search.recall(proc, &self.plan.processes[id], &self.saved, output)
    }

    /// Finish the work of the killed supervisor.
    fn recall_outbox(&mut self) {
        if self.saved.outbox.is_empty() {
            return;
        }
        self.saved.outbox.take_over();
        // Save the number of tries first: a crash that kills each supervisor that examines it must
        // not do so for ever.
        if let Err(error) = self.saved.save(&self.runtime) {
            tracing::error!(%error, "the state can't be saved");
        }
        let (crashes, stages) = self.saved.outbox.items();
        for stage in stages {
            self.reached(stage);
        }
        let Some(first) = crashes.iter().map(|crash| crash.lived.ended).min() else { return };
        // If the journal can't be read, assume that nothing was written: a repeated report is
        // better than none.
        let logged = outbox::logged_since(self.ingest.dirs(), first).unwrap_or_else(|error| {
            tracing::warn!(%error, "the logged crashes can't be read");
            HashMap::new()
        });
        let run = Crashed::new(&self.plan, self.ingest.dirs(), &self.saved);
        for crash in crashes {
            let name = self.plan.processes[crash.id].name.clone();
            let logged = logged.get(&(name, crash.lived.life)).copied().unwrap_or_default();
            self.crash_reports.crashed_before(crash, logged, run, &self.queue);
        }
    }

    /// The sequence number of the last indexed marker of this run; life files begin anew with each
    /// run.
    fn last_marker(&self, id: ProcId) -> u64 {
        let marker = self.ingest.last_marker(self.panes[id].stream);
        marker.filter(|m| m.time >= self.plan.started).map_or(0, |m| u64::from(m.seq))
    }

    /// Process the entries written meanwhile, in order of time across all processes.
    fn replay(&mut self) {
        let due = |engine: &Self| {
            ProcId::all(&engine.panes)
                .filter_map(|id| Some((engine.panes[id].entries.next_due()?.at, id)))
                .min()
        };
        while let Some((_, id)) = due(self) {
            if let Some(entry) = self.panes[id].entries.take_due() {
                self.deliver(id, entry);
                self.carry_out();
            }
        }
        for id in ProcId::all(&self.panes) {
            self.deliver_entries(id);
        }
    }

    /// Watch the tmux server. The dead supervisor may not have learned its pid.
    async fn find_tmux(&mut self) {
        match self.saved.tmux.clone() {
            Some(server) if sys::alive(server.id()) => {
                let socket = server.socket.as_path().to_owned();
                self.watch_tmux(&Server { pid: server.pid, socket });
                let terminals = self.terminals.clone();
                tokio::task::spawn_local(async move {
                    if let Err(error) = terminals.clear_typed().await {
                        tracing::warn!(%error, "buffers of a killed supervisor");
                    }
                });
            }
            Some(_) => self.queue.push(Event::TmuxExit),
            None => {
                if let Ok(Survey { server: Some(server), .. }) = self.terminals.survey().await {
                    self.watch_tmux(&server);
                }
            }
        }
    }
}
