//! The engine's state and what it does about each event.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::pane::{PaneTrack, Sink};
use super::queue::{Event, Queue};
use super::runtime::{Runtime, Saved};
use super::watchers;
use crate::backend::tmux::Tmux;
use crate::control::handle::Ask;
use crate::journal::ingest::{Expected, Ingest};
use crate::journal::record::Kind;
use crate::model::plan::Plan;
use crate::model::request::{Head, Outcome, Request};
use crate::pane::life::{Entry, LifeEvent};
use crate::supervisor::{Effect, Input, ProcId};
use crate::sys::clock;

/// How long a marker may stay away while nothing else arrives, before it is given up.
const MARKER_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of one stream that are read before the others get their turn.
const BUDGET: usize = 1 << 20;

/// The engine.
#[derive(Debug)]
pub struct Engine {
    pub(super) runtime: Runtime,
    pub(super) plan: Plan,
    pub(super) tmux: Tmux,
    pub(super) ingest: Ingest,
    pub(super) saved: Saved,
    pub(super) panes: Vec<PaneTrack>,
    pub(super) queue: Queue,
    pub(super) head: watch::Sender<Head>,
    pub(super) replies: HashMap<u64, oneshot::Sender<Outcome>>,
    pub(super) next_ticket: u64,
    pub(super) views: u32,
    pub(super) finish: Option<u8>,
    /// Answers that are given when the run is over.
    pub(super) last_answers: Vec<(u64, Outcome)>,
}

impl Engine {
    /// React to one event.
    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Bell(id) => self.read(id),
            Event::SinkUp(id) => {
                self.panes[id].sink = Sink::Up;
                self.check_ready(id);
            }
            Event::SinkGone(id) => self.sink_gone(id),
            Event::ShimExit(id, pid) => self.shim_exit(id, pid),
            Event::TmuxExit => self.input(Input::TmuxGone),
            Event::Opened(ids, result) => self.opened(&ids, result),
            Event::Piped(id, result) => {
                if let Err(error) = result {
                    self.trouble(id, &format!("its output can't be piped: {error}"));
                }
            }
        }
    }

    /// React to a client.
    pub(super) fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Do { request, wait, reply } => self.on_request(request, wait, reply),
            Ask::State { reply } => {
                // The client may be gone.
                let _ = reply.send(self.state());
            }
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
            Ask::EchoOpened(number) => self.say_system("echo", &format!("Echo #{number} opened")),
            Ask::EchoClosed(number) => self.say_system("echo", &format!("Echo #{number} closed")),
        }
    }

    fn on_request(&mut self, request: Request, wait: bool, reply: oneshot::Sender<Outcome>) {
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
        self.input(Input::Ask(ticket, request));
        if !wait && let Some(reply) = self.replies.remove(&ticket) {
            let _ = reply.send(Outcome::done(vec![]));
            self.last_answers.retain(|(id, _)| *id != ticket);
        }
    }

    /// Feed the state machine, save what follows from it, do it.
    pub(super) fn input(&mut self, input: Input) {
        let effects = self.saved.supervisor.step(clock::now_ns(), input);
        self.save();
        for effect in effects {
            self.effect(effect);
        }
    }

    pub(super) fn save(&self) {
        if let Err(error) = self.runtime.save(&self.saved) {
            tracing::error!(%error, "the state can't be saved");
        }
    }

    /// Read what a pane has for us: life entries first, then output up to its present end, then
    /// hand on the entries whose markers were in it.
    pub(super) fn read(&mut self, id: ProcId) {
        self.read_life(id);
        let stream = self.panes[id].stream;
        match self.ingest.wake(stream, BUDGET) {
            Ok(progress) => {
                let pane = &mut self.panes[id];
                if let Some((seq, _)) = progress.markers.last() {
                    pane.marked = *seq;
                }
                if progress.new_records > 0 {
                    pane.give_up = None;
                }
                if progress.more {
                    self.queue.push(Event::Bell(id));
                }
            }
            Err(error) => self.trouble(id, &format!("its output can't be read: {error}")),
        }
        self.hand_on(id);
    }

    fn read_life(&mut self, id: ProcId) {
        let entries = match self.panes[id].life.poll() {
            Ok(entries) => entries,
            Err(error) => return self.trouble(id, &format!("its life file: {error}")),
        };
        for entry in entries {
            self.expect(id, &entry);
            self.panes[id].entries.push_back(entry);
        }
    }

    /// Tell the scanner which markers are to come, and which never will.
    pub(super) fn expect(&mut self, id: ProcId, entry: &Entry) {
        let pane = &mut self.panes[id];
        let (kind, value, life) = match &entry.event {
            LifeEvent::Start { life, pid, nonce, .. } => {
                pane.nonce = u64::from_str_radix(nonce, 16).unwrap_or(0);
                (Kind::Start, *pid, *life)
            }
            LifeEvent::Exit { life, exit, .. } => (Kind::Exit, exit.pack(), *life),
            LifeEvent::End { life, .. } => (Kind::End, 0, *life),
            LifeEvent::Unmarked { of } => return self.unmark(id, *of),
            LifeEvent::Up { .. }
            | LifeEvent::Hangup {}
            | LifeEvent::Stopping { .. }
            | LifeEvent::Killing { .. }
            | LifeEvent::Leftovers { .. }
            | LifeEvent::Stuck { .. }
            | LifeEvent::Skipped { .. }
            | LifeEvent::Down {}
            | LifeEvent::Trouble { .. } => return,
        };
        if entry.seq > pane.marked {
            let (seq, nonce) = (entry.seq, pane.nonce);
            self.ingest.expect(pane.stream, Expected { seq, nonce, kind, value, life });
        }
    }

    fn unmark(&mut self, id: ProcId, seq: u64) {
        let stream = self.panes[id].stream;
        match self.ingest.unmark(stream, seq) {
            Ok(()) => {
                let pane = &mut self.panes[id];
                pane.marked = pane.marked.max(seq);
            }
            Err(error) => tracing::error!(%error, seq, "a missing marker can't be recorded"),
        }
    }

    /// Hand the supervisor each entry whose time has come.
    pub(super) fn hand_on(&mut self, id: ProcId) {
        while let Some(entry) = self.panes[id].next_entry() {
            self.note_shim(id, &entry);
            self.input(Input::Life(id, entry));
        }
        self.check_ready(id);
        let pane = &mut self.panes[id];
        match pane.awaits_marker() {
            Some(_) => _ = pane.give_up.get_or_insert(Instant::now() + MARKER_PATIENCE),
            None => pane.give_up = None,
        }
    }

    /// A new shim is watched; one that goes by its own word is not.
    pub(super) fn note_shim(&mut self, id: ProcId, entry: &Entry) {
        let pane = &mut self.panes[id];
        match &entry.event {
            LifeEvent::Up { pid, start_time, pane: name, .. } => {
                pane.shim = Some((*pid, *start_time));
                pane.pane = Some(name.clone());
                let gone = Event::ShimExit(id, *pid);
                if watchers::exit(*pid, *start_time, gone, self.queue.clone()).is_err() {
                    self.queue.push(Event::ShimExit(id, *pid));
                }
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
            self.input(Input::PaneReady(id));
        }
    }

    /// What the dead sink had not written is lost; nobody knows how much. Another one is started.
    fn sink_gone(&mut self, id: ProcId) {
        if self.panes[id].sink != Sink::Up || self.finish.is_some() {
            return;
        }
        self.panes[id].sink = Sink::Gone;
        self.read(id);
        let stream = self.panes[id].stream;
        if let Err(error) = self.ingest.gap(stream, 0) {
            tracing::error!(%error, "a gap can't be recorded");
        }
        if let Some(seq) = self.panes[id].awaits_marker() {
            self.unmark(id, seq);
            self.hand_on(id);
        }
        if self.saved.supervisor.tmux_gone {
            return;
        }
        if let Some(pane) = self.panes[id].pane.clone() {
            self.trouble(id, "Its sink was killed: output may be missing here");
            let (tmux, queue) = (self.tmux.clone(), self.queue.clone());
            let spec = self.panes[id].paths.spec();
            tokio::task::spawn_local(async move {
                let result = tmux.pipe(&pane, &spec).await;
                queue.push(Event::Piped(id, result));
            });
        }
    }

    /// A shim has ended. If it did not say so first, it was killed, and what it ran must be ended
    /// in its place.
    fn shim_exit(&mut self, id: ProcId, pid: u32) {
        self.read(id);
        if self.panes[id].shim.is_none_or(|(shim, _)| shim != pid) {
            return;
        }
        while let Some(seq) = self.panes[id].awaits_marker() {
            self.unmark(id, seq);
            self.hand_on(id);
        }
        let pane = &mut self.panes[id];
        if pane.shim.is_none_or(|(shim, _)| shim != pid) {
            return;
        }
        pane.shim = None;
        pane.ready = None;
        let name = &self.plan.processes[id].name;
        crate::sys::kill_tree_of_run(&self.plan.run, name.as_str(), pid);
        self.input(Input::ShimGone(id));
    }

    fn opened(
        &mut self,
        ids: &[ProcId],
        result: Result<Option<u32>, crate::backend::tmux::TmuxError>,
    ) {
        match result {
            Ok(Some(pid)) => {
                self.watch_tmux(pid);
                self.source_user_config();
            }
            Ok(None) => {}
            Err(error) => {
                for &id in ids {
                    if self.panes[id].shim.is_none() {
                        self.input(Input::NoPane(id, error.to_string()));
                    }
                }
            }
        }
    }

    /// Watch the tmux server of this pid.
    pub(super) fn watch_tmux(&mut self, pid: u32) {
        let Some(start_time) = crate::sys::start_time(pid) else {
            return self.queue.push(Event::TmuxExit);
        };
        self.saved.tmux = Some((pid, start_time));
        self.save();
        if watchers::exit(pid, start_time, Event::TmuxExit, self.queue.clone()).is_err() {
            self.queue.push(Event::TmuxExit);
        }
    }

    /// Once all panes are there the user's configuration can't cost any of them its output.
    fn source_user_config(&self) {
        let tmux = self.tmux.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = tmux.source_user_config().await {
                tracing::warn!(%error, "the user's tmux configuration");
            }
        });
    }

    /// The next moment at which something is overdue.
    pub(super) fn alarm(&self) -> Option<Instant> {
        self.panes.iter().filter_map(|pane| pane.give_up).min()
    }

    /// Give up the markers that are overdue.
    pub(super) fn on_alarm(&mut self) {
        let now = Instant::now();
        for id in 0..self.panes.len() {
            if self.panes[id].give_up.is_none_or(|at| at > now) {
                continue;
            }
            self.panes[id].give_up = None;
            self.read(id);
            if let Some(seq) = self.panes[id].awaits_marker() {
                self.unmark(id, seq);
                self.hand_on(id);
            }
        }
    }

    fn trouble(&mut self, id: ProcId, text: &str) {
        let word = crate::supervisor::Word {
            id: Some(id),
            event: "trouble",
            text: text.to_owned(),
            error: true,
        };
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
