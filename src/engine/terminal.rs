//! Client requests that concern the terminal of a process: typing into it, and its screen content.

use tokio::sync::oneshot;

use super::core::Engine;
use crate::model::ProcId;
use crate::model::request::Outcome;
use crate::server::engine_handle::{AskError, PaneAsk};

impl Engine {
    /// Have tmux carry out the request, and send the result to the client.
    pub(super) fn on_pane(
        &self,
        name: &str,
        ask: PaneAsk,
        reply: oneshot::Sender<Result<String, AskError>>,
    ) {
        let pane = match self.pane_of(name, &ask) {
            Ok(pane) => pane,
            Err(problem) => {
                // The client may be gone.
                let _ = reply.send(Err(problem));
                return;
            }
        };
        let tmux = self.tmux.clone();
        tokio::task::spawn_local(async move {
            let done = match ask {
                PaneAsk::Type { text, enter } => {
                    tmux.type_text(&pane, &text, enter).await.map(|()| String::new())
                }
                PaneAsk::Screen { color } => tmux.screen(&pane, color).await,
            };
            let _ = reply.send(done.map_err(|error| AskError::Refused(error.to_string())));
        });
    }

    fn pane_of(&self, name: &str, ask: &PaneAsk) -> Result<String, AskError> {
        let procs = &self.saved.supervisor.procs;
        let mut meant =
            ProcId::all(procs).filter(|&id| procs[id].counts() && procs[id].name.matches(name));
        let Some(id) = meant.next() else {
            let known = procs.iter().filter(|proc| proc.counts()).map(|proc| &proc.name);
            return Err(AskError::Unknown(Box::new(Outcome::unknown(name, known))));
        };
        if meant.next().is_some() {
            let text = format!("{name} means several processes; name one");
            return Err(AskError::Refused(text));
        }
        let name = &procs[id].name;
        if matches!(ask, PaneAsk::Type { .. }) && procs[id].pid().is_none() {
            return Err(AskError::Refused(format!("{name} does not run")));
        }
        let pane = self.panes[id].pane.clone();
        pane.ok_or_else(|| AskError::Refused(format!("{name} has no terminal")))
    }
}
