//! Reading the news of panes: entries of their shims, and output, in the order in which they
//! occurred.

use super::state::{Budget, PaneState};
use super::wakeups;
use crate::core::Engine;
use crate::journal::ingest::IngestProgress;
use crate::journal::write::split::Lost;
use crate::model::event::{Trouble, What, unfed};
use crate::model::{LifeId, ProcId, ProcessId};
use crate::protocol::life::{LifeEntry, LifeEvent};
use crate::protocol::notify::ReportedStatus;
use crate::queue::{Event, ProbeResult};
use crate::search::lag::most_backlog;
use crate::search::output_search::OutputSearch;
use crate::supervisor::{Input, Proc, Question};
use crate::sys::{clock, why};

impl Engine {
    /// Read the news of a pane: first life entries, then output up to its present end. Then process
    /// the entries whose markers were in it. `false` if its output can't be read.
    pub(crate) fn read_pane(&mut self, id: ProcId) -> bool {
        // Pending events about it belong before the output it has printed since.
        if self.due.iter().any(|effect| effect.concerns(id)) {
            self.carry_out();
        }
        self.read_life(id);
        self.say_what_came_before(id);
        let begun = clock::instant();
        let PaneState { stream, budget, .. } = self.panes[id];
        let skips = self.panes[id].search.as_ref().is_some_and(|search| search.lag.skips());
        let budget = if skips { Budget::all() } else { budget };
        let progress = self.ingest.wake(stream, budget.bytes());
        match &progress {
            Ok(progress) => self.progressed(id, progress),
            Err(error) => self.trouble(id, Trouble::Unread(error.to_string())),
        }
        self.report_spilling(id);
        let more = progress.as_ref().is_ok_and(|progress| progress.more);
        self.keep_up(id, more);
        self.search_new(id);
        if !more && let Some(search) = &mut self.panes[id].search {
            let actions = search.caught_up(id);
            self.act(actions);
        }
        self.deliver_entries(id);
        self.watch_prompts(id);
        self.read_status(id);
        if !skips {
            self.panes[id].budget.spent(clock::instant().saturating_duration_since(begun));
        }
        progress.is_ok()
    }

    /// Search the output of a process from now on.
    pub(crate) fn begin_search(&mut self, id: ProcId) {
        let life = self.life_of(id);
        let pane = &mut self.panes[id];
        let process = &self.plan.processes[id];
        pane.search = OutputSearch::begin(process, pane.stream, life, &mut self.ingest);
    }

    /// The current life of a process. One that is just being added has had none yet.
    pub(crate) fn life_of(&self, id: ProcId) -> Option<LifeId> {
        self.saved.supervisor.procs.get(id.place()).and_then(Proc::current_life)
    }

    /// Search the output that was just indexed.
    pub(crate) fn search_new(&mut self, id: ProcId) {
        let PaneState { stream, search: Some(search), .. } = &mut self.panes[id] else { return };
        search.matcher.ignore(self.saved.supervisor.procs[id].installation.lives());
        let rules = &self.plan.processes[id].rules;
        let actions = search.search_new(id, *stream, rules, &mut self.ingest);
        self.act(actions);
    }

    /// Skip output if the search can't keep up with it. `more`: not all output has been read.
    fn keep_up(&mut self, id: ProcId, more: bool) {
        let Self { panes, ingest, plan, .. } = self;
        let PaneState { stream, budget, search: Some(search), .. } = &mut panes[id] else { return };
        let backlog = if more { ingest.backlog(*stream).unwrap_or_default() } else { 0 };
        let most = most_backlog(&plan.log);
        let actions = search.keep_up(id, (backlog, most), budget.would_take(backlog));
        self.act(actions);
    }

    /// An exit marker is part of the output and is shown as the line that reports the exit. Earlier
    /// actions of the shim, such as killing, must therefore be logged before the output is read.
    fn say_what_came_before(&mut self, id: ProcId) {
        if self.panes[id].entries.await_any_marker() {
            while let Some(entry) = self.panes[id].entries.take_due() {
                self.deliver(id, entry);
            }
            self.carry_out();
        }
    }

    /// Log once that the disk of the journal is full, and once that it can be written again.
    fn report_spilling(&mut self, id: ProcId) {
        let spills = |pane: &PaneState| self.ingest.spilling(pane.stream);
        if self.spilling == spills(&self.panes[id]) {
            return;
        }
        let spilling = self.panes.iter().any(spills);
        if std::mem::replace(&mut self.spilling, spilling) == spilling {
            return;
        }
        let dir = self.plan.log.dir.as_path().display().to_string();
        let error = self.spilling.then(|| self.ingest.dirs().try_writing().err()).flatten();
        let cause = error.map(|error| why(&error));
        self.say_system(What::Disk { dir, again: !self.spilling, cause });
    }

    pub(crate) fn progressed(&mut self, id: ProcId, progress: &IngestProgress) {
        let pane = &mut self.panes[id];
        if let Some(seen) = progress.markers.last() {
            pane.entries.marked = u64::from(seen.seq);
        }
        if progress.records > 0 {
            pane.entries.extend_deadline();
        }
        // A marker that arrived after the life file was read is announced there by now, so read
        // again.
        if progress.more || !progress.ask.is_empty() {
            self.queue.push(Event::Bell(id));
        }
        if progress.rotated {
            self.retain();
        }
    }

    /// Read the new entries of its life file.
    pub(crate) fn read_life(&mut self, id: ProcId) {
        if let Err(error) = self.ingest.look_at_stderr(self.panes[id].stream) {
            return self.trouble(id, Trouble::Unread(error.to_string()));
        }
        let entries = match self.panes[id].entries.file.poll() {
            Ok(entries) => entries,
            Err(error) => return self.trouble(id, Trouble::LifeFile(error.to_string())),
        };
        if !entries.is_empty() {
            self.panes[id].shim.extend_request_due();
        }
        for entry in entries {
            self.expect(id, &entry);
            self.panes[id].entries.push(entry);
        }
    }

    /// Read the status that a process has reported. While it is not ready, the status is the answer to the question why.
    fn read_status(&mut self, id: ProcId) {
        // A process that is just being added has had no life yet.
        let proc = self.saved.supervisor.procs.get(id.place());
        let Some(proc) = proc.filter(|proc| proc.rules.is_notified()) else { return };
        let status = ReportedStatus::load(&self.panes[id].paths.status());
        let status = status.filter(|status| Some(status.life) == proc.current_life());
        if let Some(ReportedStatus { life, .. }) = status
            && let Some(answer) = status.as_ref().and_then(ReportedStatus::explanation)
            && let Some(check) = proc.unanswered_report(&answer)
        {
            self.decide(Input::CheckFailed(id, life, check, answer));
        }
        if status != self.panes[id].status {
            self.panes[id].status = status;
            self.state_changed();
        }
    }

    /// Tell the scanner which markers to expect, and which will never arrive.
    pub(crate) fn expect(&mut self, id: ProcId, entry: &LifeEntry) {
        let pane = &mut self.panes[id];
        if let LifeEvent::Unmarked { of, gone } = entry.event {
            if gone && pane.sink.is_up() {
                // Its sink reads the remaining output and then exits.
                pane.entries.unmarked = of;
            } else {
                self.ingest.unmark(pane.stream, of, Lost::Here);
            }
        }
        if let Some(expected) = pane.entries.markers.expected(entry)
            && entry.seq > pane.entries.marked
        {
            self.ingest.expect(pane.stream, expected);
        }
    }

    /// The awaited marker will not arrive: continue without it.
    pub(crate) fn unmark(&mut self, id: ProcId) {
        if let Some(seq) = self.panes[id].entries.awaited_marker() {
            self.ingest.unmark(self.panes[id].stream, seq, self.panes[id].entries.place_of_lost());
            if !self.read_pane(id) && self.panes[id].entries.awaited_marker() == Some(seq) {
                // Unreadable output must not block the entries.
                self.panes[id].entries.marked = seq;
                self.deliver_entries(id);
            }
        }
    }

    /// Pass each entry that is due to the state machine.
    pub(crate) fn deliver_entries(&mut self, id: ProcId) {
        while let Some(entry) = self.panes[id].entries.take_due() {
            self.deliver(id, entry);
        }
        self.act_on_matches(id, None);
        self.check_ready(id);
        self.panes[id].entries.set_deadline();
        if !self.is_under_way(id) {
            self.panes[id].bell.look_due = None;
        }
    }

    /// Pass an entry to the state machine, after the matches in the output before it.
    pub(crate) fn deliver(&mut self, id: ProcId, entry: LifeEntry) {
        self.note_shim(id, &entry);
        if let LifeEvent::Exit { life, .. } | LifeEvent::End { life, .. } = entry.event {
            self.act_on_matches(id, Some(life));
            self.release_failures(id);
            self.panes[id].prompts.expect_answer(false);
        }
        if let LifeEvent::Watchdog { life, fed } = entry.event
            && let Some(ms) = self.plan.processes[id].rules.watchdog_ms()
        {
            let question = Question { id, life, check: None };
            let answer = if fed { ProbeResult::Good(None) } else { ProbeResult::Bad(unfed(ms)) };
            let actions = self.probes.answered(question, answer, &self.plan);
            self.act(actions);
        }
        self.decide(Input::Life(id, entry));
    }

    /// The shim of this pane is up.
    pub(crate) fn shim_up(&mut self, id: ProcId, shim: ProcessId, name: String) {
        let pane = &mut self.panes[id];
        let known = pane.shim.current == Some(shim) || pane.shim.awaited == Some(shim);
        // It is no longer awaited: its exit must not count as that of a later awaited shim.
        pane.shim.awaited = pane.shim.awaited.filter(|awaited| awaited.pid != shim.pid);
        if let Some(other) = pane.shim.awaited
            && ProcessId::now(shim.pid) == Some(shim)
        {
            // The awaited shim would wait until this one has ended.
            self.terminals.give_up(other);
        }
        pane.shim.current = Some(shim);
        pane.shim.last_pid = Some(shim.pid);
        pane.shim.up_due = None;
        pane.terminal.pane = Some(name);
        pane.await_sink();
        if known {
            return;
        }
        let gone = |witnessed| Event::ShimExit(id, shim.pid, witnessed);
        if wakeups::exit(shim, gone(true), self.queue.clone()).is_err() {
            self.queue.push(gone(false));
        }
    }

    /// Watch a shim that has reported `up`; forget one that has reported `down`.
    pub(crate) fn note_shim(&mut self, id: ProcId, entry: &LifeEntry) {
        if let LifeEvent::Up { pid, start_time, pane: name, .. } = &entry.event {
            self.shim_up(id, (*pid, *start_time).into(), name.clone());
        } else if matches!(entry.event, LifeEvent::Down {}) {
            self.panes[id].shim.forget();
        }
    }

    /// A process may begin once its shim is up and its sink reads its output. A terminal without
    /// tmux keeps its output until the holder comes.
    pub(crate) fn check_ready(&mut self, id: ProcId) {
        let keeps = !self.terminals.have_server();
        let pane = &mut self.panes[id];
        let Some(shim) = pane.shim.current.map(|shim| shim.pid) else { return };
        if (pane.sink.is_up() || keeps) && pane.shim.ready != Some(shim) {
            pane.shim.ready = Some(shim);
            self.decide(Input::PaneReady(id));
        }
    }

    /// Delete output beyond the limits of the log.
    pub(crate) fn retain(&mut self) {
        if let Err(error) = self.streams.keep() {
            tracing::warn!(%error, "the list of streams can't be written");
        }
        match self.ingest.delete_old_output(&self.plan.log) {
            Ok(deleted) => tracing::debug!(?deleted, "old output deleted"),
            Err(error) => tracing::warn!(%error, "old output can't be deleted"),
        }
    }
}
