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
        let end_of_run = End { code, culprit: self.culprit() };
        self.say_end(&end_of_run);
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
        if let Some(mut news) = news {
            let End { code, culprit } = end_of_run.clone();
            tell(&mut news, &News::Ended { code, culprit });
        }
        end.send_replace(Some(end_of_run));
        server.finish().await;
    }

    /// End the tmux server and wait until it, the shims and the sinks are gone, so that the last
    /// byte is in the journal and no process of ours outlives us.
    async fn take_tmux_down(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        // A server that is just being started would not be found, and stay.
        while self.opening > 0 && self.last_events(deadline).await {}
        // So would one whose start failed half-way.
        if self.saved.tmux.is_none()
            && let Ok(Ok((pid, socket))) = timeout_at(deadline, self.tmux.server()).await
        {
            self.watch_tmux(pid, &socket);
        }
        if self.tmux_there()
            && let Ok(Err(error)) = timeout_at(deadline, self.tmux.kill_server()).await
        {
            tracing::warn!(%error, "kill-server");
        }
        let left = |pane: &super::pane::PaneTrack| pane.shim.is_some() || pane.sink == Sink::Up;
        while self.tmux_there() || self.panes.iter().any(left) {
            if !self.last_events(deadline).await {
                tracing::warn!("tmux, a shim or a sink did not go in time");
                return;
            }
        }
    }

    fn tmux_there(&self) -> bool {
        self.saved.tmux.is_some() && !self.saved.supervisor.tmux_gone
    }

    /// Wait for events that come after the last decision, and take them in; `false` if there were
    /// none in time.
    async fn last_events(&mut self, deadline: Instant) -> bool {
        let queue = self.queue.clone();
        if queue.is_empty() && timeout_at(deadline, queue.filled()).await.is_err() {
            return false;
        }
        while let Some(event) = queue.pop() {
            match event {
                Event::Bell(id) => self.read(id),
                Event::SinkUp(id) => self.panes[id].sink = Sink::Up,
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
                Event::TmuxExit => self.saved.supervisor.tmux_gone = true,
                Event::Opened(_, result) => {
                    self.opening -= 1;
                    if let Ok(Some((pid, socket))) = result {
                        self.watch_tmux(pid, &socket);
                    }
                }
                Event::Piped(..) | Event::Swept(..) => {}
            }
        }
        true
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

    /// How it ended stays in the journal, for views that come too late to be told.
    fn say_end(&mut self, end: &End) {
        let End { code, culprit } = end;
        let run = &self.plan.run;
        let line =
            serde_json::json!({ "event": "end", "run": run, "code": code, "culprit": culprit });
        if let Err(error) = self.ingest.event(clock::now_ns(), line.to_string().as_bytes()) {
            tracing::error!(%error, "the end can't be written");
        }
    }
}
