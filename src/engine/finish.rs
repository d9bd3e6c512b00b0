//! The end of a run: nothing stays behind, everybody is told.

use std::fs::File;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::core::Engine;
use super::guard::{News, tell};
use super::pane::Sink;
use super::queue::Event;
use super::serving::Serving;
use crate::control::handle::{Culprit, End};
use crate::control::listen::Place;
use crate::control::lock::RunLock;
use crate::sys::{self, clock};

/// How long tmux, shims and sinks may take to go once tmux was told to.
const PATIENCE: Duration = Duration::from_secs(3);

impl Engine {
    /// Take everything down, in the order in which it was put up, and tell the clients.
    pub(super) async fn end(
        mut self,
        code: u8,
        (end, server): (watch::Sender<Option<End>>, Serving),
        (place, lock): (Place, RunLock),
        news: Option<File>,
    ) {
        self.take_tmux_down().await;
        self.remove_tmux_socket();
        self.say_end(code);
        self.publish();
        if let Err(error) = self.runtime.clear() {
            tracing::error!(%error, "the runtime directory can't be cleared");
        }
        if let Err(error) = place.remove() {
            tracing::error!(%error, "the socket can't be removed");
        }
        lock.release();
        for (ticket, outcome) in std::mem::take(&mut self.last_answers) {
            if let Some(reply) = self.replies.remove(&ticket) {
                let _ = reply.send(outcome);
            }
        }
        let culprit = self.culprit();
        if let Some(mut news) = news {
            tell(&mut news, &News::Ended { code, culprit: culprit.clone() });
        }
        end.send_replace(Some(End { code, culprit }));
        server.finish().await;
    }

    /// End the tmux server and wait until it, the shims and the sinks are gone, so that the last
    /// byte is in the journal and no process of ours outlives us.
    async fn take_tmux_down(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let mut tmux_there = self.saved.tmux.is_some() && !self.saved.supervisor.tmux_gone;
        if tmux_there && let Ok(Err(error)) = timeout_at(deadline, self.tmux.kill_server()).await {
            tracing::warn!(%error, "kill-server");
        }
        loop {
            while let Some(event) = self.queue.pop() {
                match event {
                    Event::Bell(id) => self.read(id),
                    Event::SinkGone(id) => {
                        self.read(id);
                        self.panes[id].sink = Sink::Gone;
                    }
                    Event::ShimExit(id, pid) => {
                        self.read(id);
                        if self.panes[id].shim.is_some_and(|(shim, _)| shim == pid) {
                            self.panes[id].shim = None;
                        }
                    }
                    Event::TmuxExit => tmux_there = false,
                    Event::SinkUp(_) | Event::Opened(..) | Event::Piped(..) | Event::Swept(..) => {}
                }
            }
            let left = |pane: &super::pane::PaneTrack| pane.shim.is_some() || pane.sink == Sink::Up;
            if !tmux_there && !self.panes.iter().any(left) {
                return;
            }
            let queue = self.queue.clone();
            if timeout_at(deadline, queue.filled()).await.is_err() {
                tracing::warn!("tmux, a shim or a sink did not go in time");
                return;
            }
        }
    }

    /// tmux leaves its socket behind.
    fn remove_tmux_socket(&self) {
        let Some(server) = &self.saved.tmux else { return };
        let socket = server.socket.as_path();
        let gone = !sys::alive(server.pid, server.start_time);
        if gone && let Err(error) = std::fs::remove_file(socket) {
            tracing::debug!(%error, socket = %socket.display(), "tmux's socket");
        }
    }

    fn culprit(&self) -> Option<Culprit> {
        let culprit = self.saved.supervisor.culprit.as_ref()?;
        let name = self.plan.processes[culprit.id].name.clone();
        Some(Culprit { name, exit: culprit.exit, ran_ns: culprit.ran })
    }

    fn say_end(&mut self, code: u8) {
        let line = serde_json::json!({ "event": "end", "run": self.plan.run, "code": code });
        if let Err(error) = self.ingest.event(clock::now_ns(), line.to_string().as_bytes()) {
            tracing::error!(%error, "the end can't be written");
        }
    }
}
