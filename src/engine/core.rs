//! The engine's state and what it does about each event.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::crashes::Crashes;
use super::notices::Notices;
use super::pane::{PaneTrack, Patience, Sink};
use super::probes::Probes;
use super::queue::{Event, Queue};
use super::runtime::{Runtime, Saved};
use super::watchers;
use crate::backend::tmux::Tmux;
use crate::control::handle::Ask;
use crate::control::lock::RunLock;
use crate::journal::ingest::{Ingest, Progress};
use crate::journal::split::Lost;
use crate::journal::streams::Streams;
use crate::model::plan::Plan;
use crate::model::request::{Head, Outcome, Request};
use crate::pane::life::{Entry, LifeEvent};
use crate::pane::sink;
use crate::supervisor::{Course, Effect, Input, ProcId, Word};
use crate::sys::clock;

/// Bytes of one stream that are read before the others get their turn.
const BUDGET: u64 = 1 << 20;

/// Until when to sleep at most when a process waits for its restart.
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
    /// How many panes tmux was asked to open and has not answered yet.
    pub(super) opening: usize,
    /// The run was there before this supervisor.
    pub(super) adopted: bool,
    pub(super) finish: Option<u8>,
    /// When the start counts as one that went well.
    pub(super) settled: Option<Instant>,
    /// Answers that are given when the run is over.
    pub(super) last_answers: Vec<(u64, Outcome)>,
    /// It was told that the disk of the journal takes nothing.
    pub(super) spilling: bool,
    /// Hooks that run.
    pub(super) hooks: Vec<JoinHandle<()>>,
    /// What was shown on the desktop.
    pub(super) notices: Notices,
    /// Reports that are being made.
    pub(super) crashes: Crashes,
    /// What is being asked about processes.
    pub(super) probes: Probes,
    /// How often declarations of failures were taken in for somebody.
    pub(super) declarations: u64,
    /// What was decided and is done once the state it follows from is saved.
    pub(super) due: Vec<Effect>,
    /// The state has changed since it was saved.
    pub(super) unsaved: bool,
    /// By which nobody else takes this run for theirs.
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
            Event::HookFailed(text) => self.hook_failed(text),
            Event::HookEnded(debt) => self.settled(debt),
            Event::Reported(report) => self.reported(&report),
            Event::Declared(done) => self.declared(*done),
            Event::NotNotified(why) => self.not_notified(&why),
            Event::Piped(id, closed, result) => self.piped(id, closed, result),
        }
    }

    /// Take in what a pane has for us. The word of its sink may have been taken by somebody else
    /// who listens.
    fn look(&mut self, id: ProcId) {
        let paths = &self.panes[id].paths;
        // One that is just dying may have let go of one of them and not yet of the other.
        if self.panes[id].sink != Sink::Up
            && sink::is_up(&paths.sink_lock())
            && watchers::is_held(&paths.bell())
        {
            self.panes[id].sink_up();
        }
        self.read(id);
    }

    /// React to a client.
    pub(super) fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Do { request, wait, key, reply } => self.on_request(request, wait, key, reply),
            Ask::State { reply } => {
                // The client may be gone.
                let _ = reply.send(self.state());
            }
            Ask::Pane { name, ask, reply } => self.on_pane(&name, ask, reply),
            Ask::Failures { name, ask, reply } => self.on_failures(name, ask, reply),
            Ask::ViewOpened => {
                self.views += 1;
                self.saved.headless_since = None;
            }
            Ask::ViewClosed => {
                self.views = self.views.saturating_sub(1);
                if self.views == 0 {
                    self.saved.headless_since = Some(clock::now_ns());
                    self.save();
                }
            }
            Ask::EchoOpened { number } => {
                self.say_system("echo", &format!("Echo #{number} opened"));
            }
            Ask::EchoClosed { number } => {
                self.say_system("echo", &format!("Echo #{number} closed"));
            }
        }
    }

    pub(super) fn on_request(
        &mut self,
        request: Request,
        wait: bool,
        key: Option<String>,
        reply: oneshot::Sender<Outcome>,
    ) {
        if let Request::Scale { counts } = &request
            && self.saved.supervisor.course == Course::Keep
            && let Err(problem) = self.make_room(counts)
        {
            // The client may be gone.
            let _ = reply.send(Outcome::refused(problem));
            return;
        }
        if let Request::Reload { plan } = &request
            && self.saved.supervisor.course == Course::Keep
            && let Err(problem) = self.take_up(plan)
        {
            // As above.
            let _ = reply.send(Outcome::refused(problem));
            return;
        }
        if let Request::Resize { columns, rows } = request {
            let tmux = self.tmux.clone();
            tokio::task::spawn_local(async move {
                if let Err(error) = tmux.resize(columns, rows).await {
                    tracing::warn!(%error, "resize");
                }
            });
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.replies.insert(ticket, reply);
        self.input(Input::Ask(ticket, request, key));
        if !wait && let Some(reply) = self.replies.remove(&ticket) {
            let _ = reply.send(Outcome::done(vec![]));
            self.last_answers.retain(|(id, _)| *id != ticket);
        }
    }

    /// Feed the state machine, save what follows from it, do it.
    pub(super) fn input(&mut self, input: Input) {
        self.decide(input);
        self.carry_out();
    }

    /// Feed the state machine; what follows is done by [`Self::carry_out`]. The state of all
    /// processes is saved as one, so what many of them tell at once is taken in before that.
    pub(super) fn decide(&mut self, input: Input) {
        let effects = self.saved.supervisor.step(clock::now_ns(), input);
        self.decided(effects);
    }

    /// What follows from the state is saved with it, then done.
    pub(super) fn decided(&mut self, effects: Vec<Effect>) {
        self.owe(&effects);
        self.due.extend(effects);
        self.unsaved = true;
    }

    /// Save what was decided, then do it.
    pub(super) fn carry_out(&mut self) {
        if std::mem::take(&mut self.unsaved) {
            self.save();
        }
    }

    /// Whether another run is where this one was: its files and processes are not ours any more.
    pub(super) fn is_deposed(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.is_replaced(self.runtime.dir()))
    }

    /// Save the state, then do what follows from it.
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

    /// Read what a pane has for us: life entries first, then output up to its present end, then
    /// hand on the entries whose markers were in it. `false`: its output can't be read.
    pub(super) fn read(&mut self, id: ProcId) -> bool {
        // What is still to be said of it comes before what it printed since.
        if self.due.iter().any(|effect| effect.concerns(id)) {
            self.carry_out();
        }
        self.read_life(id);
        self.say_what_came_before(id);
        let stream = self.panes[id].stream;
        let progress = self.ingest.wake(stream, BUDGET);
        match &progress {
            Ok(progress) => self.progressed(id, progress),
            Err(error) => self.trouble(id, &format!("its output can't be read: {error}")),
        }
        self.tell_spilling(id);
        self.hear(id);
        self.hand_on(id);
        progress.is_ok()
    }

    /// The marker of an exit stands in the output and is the line that tells of it: what the shim
    /// did before that, such as killing, is said before the output is read.
    fn say_what_came_before(&mut self, id: ProcId) {
        if self.panes[id].awaits_any_marker() {
            while let Some(entry) = self.panes[id].next_entry() {
                self.take_in(id, entry);
            }
            self.carry_out();
        }
    }

    /// Say once that the disk of the journal is full, and once that it takes everything again.
    fn tell_spilling(&mut self, id: ProcId) {
        let spills = |pane: &PaneTrack| self.ingest.spilling(pane.stream);
        if self.spilling == spills(&self.panes[id]) {
            return;
        }
        let spilling = self.panes.iter().any(spills);
        if std::mem::replace(&mut self.spilling, spilling) == spilling {
            return;
        }
        let dir = self.plan.log.dir.as_path().display();
        let (text, error) = if self.spilling {
            let text = format!("The journal can't be written ({dir}): only the newest is kept");
            (text, true)
        } else {
            (format!("The journal is written again ({dir})"), false)
        };
        self.say(&Word { id: None, event: "disk", text, error });
    }

    pub(super) fn progressed(&mut self, id: ProcId, progress: &Progress) {
        let pane = &mut self.panes[id];
        if let Some(seen) = progress.markers.last() {
            pane.marked = u64::from(seen.seq);
        }
        if progress.records > 0 {
            pane.extend_patience();
        }
        // A marker that came since the life file was read is announced by it now.
        if progress.more || !progress.ask.is_empty() {
            self.queue.push(Event::Bell(id));
        }
        if progress.rotated {
            self.retain();
        }
    }

    /// Read what all life files have that is new.
    pub(super) fn read_lives(&mut self) {
        for id in 0..self.panes.len() {
            self.read_life(id);
        }
    }

    pub(super) fn read_life(&mut self, id: ProcId) {
        let entries = match self.panes[id].life.poll() {
            Ok(entries) => entries,
            Err(error) => return self.trouble(id, &format!("its life file: {error}")),
        };
        if !entries.is_empty() {
            self.panes[id].is_at_work();
        }
        for entry in entries {
            self.expect(id, &entry);
            self.panes[id].known = self.panes[id].known.max(entry.seq);
            self.panes[id].entries.push_back(entry);
        }
    }

    /// Tell the scanner which markers are to come, and which never will.
    pub(super) fn expect(&mut self, id: ProcId, entry: &Entry) {
        let pane = &mut self.panes[id];
        if let LifeEvent::Unmarked { of, gone } = entry.event {
            if gone && pane.sink == Sink::Up {
                // Its sink reads what there is, and ends.
                pane.unmarked = of;
            } else {
                self.ingest.unmark(pane.stream, of, Lost::Here);
            }
        }
        if let Some(expected) = pane.markers.expected(entry)
            && entry.seq > pane.marked
        {
            self.ingest.expect(pane.stream, expected);
        }
    }

    /// The marker that is awaited will not come: go on without it.
    pub(super) fn unmark(&mut self, id: ProcId) {
        if let Some(seq) = self.panes[id].awaits_marker() {
            self.ingest.unmark(self.panes[id].stream, seq, self.panes[id].lost());
            if !self.read(id) && self.panes[id].awaits_marker() == Some(seq) {
                // What can't be read holds nobody up.
                self.panes[id].marked = seq;
                self.hand_on(id);
            }
        }
    }

    /// Hand the supervisor each entry whose time has come.
    pub(super) fn hand_on(&mut self, id: ProcId) {
        while let Some(entry) = self.panes[id].next_entry() {
            self.take_in(id, entry);
        }
        self.tell_hits(id, u64::MAX);
        self.check_ready(id);
        self.panes[id].set_patience();
        if !self.is_under_way(id) {
            self.panes[id].look_due = None;
        }
    }

    /// Hand the supervisor an entry, after what was found in the output before it.
    pub(super) fn take_in(&mut self, id: ProcId, entry: Entry) {
        self.note_shim(id, &entry);
        if let LifeEvent::Exit { life, .. } | LifeEvent::End { life, .. } = entry.event {
            self.tell_hits(id, life);
        }
        self.decide(Input::Life(id, entry));
    }

    /// The shim of this pane, by pid and start time, is there.
    pub(super) fn shim_up(&mut self, id: ProcId, shim: (u32, u64), name: String) {
        let pane = &mut self.panes[id];
        let known = pane.shim == Some(shim) || pane.awaited == Some(shim);
        // It has come: that it goes is not the end of another one that is awaited by then.
        pane.awaited = pane.awaited.filter(|(pid, _)| *pid != shim.0);
        pane.shim = Some(shim);
        pane.shim_due = None;
        pane.pane = Some(name);
        pane.await_sink();
        if known {
            return;
        }
        let gone = |witnessed| Event::ShimExit(id, shim.0, witnessed);
        if watchers::exit(shim.0, shim.1, gone(true), self.queue.clone()).is_err() {
            self.queue.push(gone(false));
        }
    }

    /// A new shim is watched; one that goes by its own word is not.
    pub(super) fn note_shim(&mut self, id: ProcId, entry: &Entry) {
        let pane = &mut self.panes[id];
        match &entry.event {
            LifeEvent::Up { pid, start_time, pane: name, .. } => {
                self.shim_up(id, (*pid, *start_time), name.clone());
            }
            LifeEvent::Down {} => {
                pane.shim = None;
                pane.ready = None;
            }
            LifeEvent::Start { .. }
            | LifeEvent::Exit { .. }
            | LifeEvent::End { .. }
            | LifeEvent::Unmarked { .. }
            | LifeEvent::Hangup {}
            | LifeEvent::Stopping { .. }
            | LifeEvent::Killing { .. }
            | LifeEvent::Leftovers { .. }
            | LifeEvent::Stuck { .. }
            | LifeEvent::Skipped { .. }
            | LifeEvent::Trouble { .. } => {}
        }
    }

    /// A process may begin once its shim listens and its sink takes what it prints.
    fn check_ready(&mut self, id: ProcId) {
        let pane = &mut self.panes[id];
        let Some((shim, _)) = pane.shim else { return };
        if pane.sink == Sink::Up && pane.ready != Some(shim) {
            pane.ready = Some(shim);
            self.decide(Input::PaneReady(id));
        }
    }

    /// Delete what the log policy does not keep.
    fn retain(&mut self) {
        if let Err(error) = self.streams.keep() {
            tracing::warn!(%error, "the list of streams can't be written");
        }
        match self.ingest.sweep(&self.plan.log) {
            Ok(swept) => tracing::debug!(?swept, "old output deleted"),
            Err(error) => tracing::warn!(%error, "old output can't be deleted"),
        }
    }

    /// The next moment at which something is overdue.
    pub(super) fn alarm(&self) -> Option<Instant> {
        let now = clock::now_ns();
        let set_back = self.saved.supervisor.is_set_back(now);
        let due = self.saved.supervisor.next_due().map(|due| {
            let due = if set_back { now } else { due };
            let pause = Duration::from_nanos(due.saturating_sub(now));
            // The clock may be set meanwhile.
            Instant::now() + pause.min(LONGEST_SLEEP)
        });
        self.panes.iter().filter_map(PaneTrack::alarm).chain(self.settled).chain(due).min()
    }

    /// Give up the markers that are overdue, the sinks and the shims; start again what waits for
    /// that.
    pub(super) fn on_alarm(&mut self) {
        if self.saved.supervisor.next_due().is_some() {
            self.input(Input::Alarm);
        }
        let now = Instant::now();
        let past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        for id in 0..self.panes.len() {
            if past(self.panes[id].look_due) {
                self.panes[id].look_due = None;
                self.look(id);
                self.look_again(id);
            }
            if past(self.panes[id].watch.as_ref().and_then(|watch| watch.idle_due)) {
                self.heard_nothing(id);
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

    pub(super) fn trouble(&mut self, id: ProcId, text: &str) {
        let word = Word { id: Some(id), event: "trouble", text: text.to_owned(), error: true };
        self.carry_out();
        self.effect(Effect::Say(word));
    }

    /// Tell the views how far the journal goes now.
    pub(super) fn publish(&self) {
        let head = self.ingest.head();
        self.head.send_if_modified(|old| {
            let news = *old != head;
            *old = head;
            news
        });
    }
}
