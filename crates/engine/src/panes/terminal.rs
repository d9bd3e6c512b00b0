//! Client requests that concern the terminal of a process: typing into it, and its screen content.

use tokio::sync::oneshot;

use crate::core::Engine;
use crate::model::name::nearest::several;
use crate::model::terminal::emulator::Screen;
use crate::protocol::terminal::WantedScreen;
use crate::server::engine_handle::{PaneRequest, RequestError};
use crate::supervisor::Proc;

impl Engine {
    /// Have tmux carry out the request, and send the result to the client.
    pub(crate) fn on_pane(
        &self,
        name: &str,
        ask: PaneRequest,
        reply: oneshot::Sender<Result<Screen, RequestError>>,
    ) {
        let pane = match self.pane_of(name, &ask) {
            Ok(pane) => pane,
            Err(problem) => {
                // The client may be gone.
                let _ = reply.send(Err(problem));
                return;
            }
        };
        let terminals = self.terminals.clone();
        tokio::task::spawn_local(async move {
            let done = match ask {
                PaneRequest::Type { text, enter } => {
                    terminals.type_text(&pane, &text, enter).await.map(|()| Screen::default())
                }
                PaneRequest::Screen { color, blanks } => {
                    terminals.screen(&pane, WantedScreen { color, blanks }).await
                }
            };
            let _ = reply.send(done.map_err(|error| RequestError::Refused(error.to_string())));
        });
    }

    /// Find the window of a pane, and send it to the client.
    pub(crate) fn on_window(&self, pane: String, reply: oneshot::Sender<Option<String>>) {
        let terminals = self.terminals.clone();
        tokio::task::spawn_local(async move {
            // The client may be gone.
            let _ = reply.send(terminals.window(&pane).await.ok().flatten());
        });
    }

    /// Forget what has left the top of the terminals.
    pub(crate) fn on_clear_scrollback(&self, reply: oneshot::Sender<()>) {
        let terminals = self.terminals.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = terminals.clear_scrollback().await {
                tracing::warn!(%error, "clear-history");
            }
            // The client may be gone.
            let _ = reply.send(());
        });
    }

    fn pane_of(&self, name: &str, ask: &PaneRequest) -> Result<String, RequestError> {
        let procs = &self.saved.supervisor.procs;
        let meant = self.saved.supervisor.ids_meant_by(&[name.to_owned()], Proc::counts);
        let meant = meant.map_err(RequestError::Unknown)?;
        let [id] = meant[..] else {
            let names = meant.iter().map(|id| &procs[*id].name);
            return Err(RequestError::Refused(several(name, names)));
        };
        let name = &procs[id].name;
        if matches!(ask, PaneRequest::Type { .. }) && procs[id].pid().is_none() {
            return Err(RequestError::Refused(format!("{name} does not run")));
        }
        if self.plan.processes[id].rules.no_terminal {
            return Err(RequestError::Refused(format!("{name} has no terminal (`pty = false`)")));
        }
        let pane = self.panes[id].terminal.pane.clone();
        pane.ok_or_else(|| RequestError::Refused(format!("{name} has no terminal")))
    }
}
