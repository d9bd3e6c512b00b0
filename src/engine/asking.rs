//! What clients ask for.

use tokio::sync::oneshot;

use super::core::Engine;
use crate::control::handle::Ask;
use crate::model::event::What;
use crate::model::request::{Outcome, Request};
use crate::supervisor::{Course, Input};
use crate::sys::clock;

impl Engine {
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
            Ask::Flags { name, last, reply } => {
                // As above.
                let _ = reply.send(self.flag_matches(&name, last));
            }
            Ask::Notice(text) => self.say_system(What::Refused { notice: text }),
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
                self.say_system(What::Echo { number, opened: true });
            }
            Ask::EchoClosed { number } => {
                self.say_system(What::Echo { number, opened: false });
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
        if matches!(request, Request::Quit | Request::Kill) {
            self.wake_tmux();
            self.hurry_tmux();
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
}
