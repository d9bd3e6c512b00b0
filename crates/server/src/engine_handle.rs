//! The interface between the control socket and the engine: requests, and values to watch.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use utoipa::ToSchema;

use crate::model::command::{Command, Sender};
use crate::model::event::What;
use crate::model::exit::End;
use crate::model::request::{Head, Outcome, Request};
use crate::model::state::{FlagMatches, State};
use crate::model::terminal::emulator::Screen;

/// A message to the engine.
#[derive(Debug)]
pub enum EngineRequest {
    /// Carry out a request.
    Do {
        request: Request,
        /// Whether to reply when the request is done; otherwise the reply follows as soon as it is accepted.
        wait: bool,
        /// Who sends it.
        from: Sender,
        /// Where the reply goes; the client may have gone by then.
        reply: oneshot::Sender<Outcome>,
    },
    /// Report the latest commands, the oldest first.
    Commands {
        /// Where the reply goes.
        reply: oneshot::Sender<Vec<Command>>,
    },
    /// Report the state of the run.
    State {
        /// Where the reply goes.
        reply: oneshot::Sender<State>,
    },
    /// Use the terminal of a process.
    Pane {
        /// Name of the process.
        name: String,
        /// What to do with the terminal.
        ask: PaneRequest,
        /// Where the reply goes.
        reply: oneshot::Sender<Result<Screen, RequestError>>,
    },
    /// Find the window of a pane.
    Window {
        pane: String,
        /// Where the reply goes.
        reply: oneshot::Sender<Option<String>>,
    },
    /// Forget what has left the top of the terminals.
    ClearScrollback {
        /// Where the reply goes.
        reply: oneshot::Sender<()>,
    },
    /// List or change the failure strings of a process.
    Failures {
        /// Name of the process or its entry.
        name: String,
        /// What to do with the list.
        ask: FailuresRequest,
        /// Who asks.
        by: String,
        /// Where the reply goes.
        reply: oneshot::Sender<Result<FailureTexts, RequestError>>,
    },
    /// Report the latest matches of a process's flags.
    Flags {
        /// Full name of the process.
        name: String,
        /// Maximum number of matches per flag; the latest are reported.
        last: usize,
        /// Where the reply goes; an error if no process has this name.
        reply: oneshot::Sender<Result<Vec<FlagMatches>, Box<Outcome>>>,
    },
    /// Write this event about the run to the log.
    Log(What),
    ViewOpened,
    /// A view was closed. Follows every [`EngineRequest::ViewOpened`], however the client ended.
    ViewClosed,
}

/// A request about the terminal of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaneRequest {
    /// Type text into the terminal; the reply is empty.
    Type {
        /// The text; line breaks are typed as Enter.
        text: String,
        /// Whether to press Enter afterwards.
        enter: bool,
    },
    /// Report what the terminal shows.
    Screen {
        /// Whether to keep colours, as escape sequences.
        color: bool,
        /// Whether to keep trailing spaces, and not to divide wrapped lines.
        blanks: bool,
    },
}

/// A request about the failure strings of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailuresRequest {
    List,
    /// Add this text.
    Add(String),
    /// Remove this text.
    Remove(String),
}

/// What is declared for one process, beside the Procfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailureTexts {
    /// The process, or its entry.
    pub process: String,
    /// The texts, in the order of the file.
    pub failure_strings: Vec<String>,
    /// Whether that is another list than before the request.
    pub changed: bool,
}

/// Why a request about one process fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// No process has this name.
    Unknown(Box<Outcome>),
    /// Either no line can contain the text, or every line does.
    Useless(String),
    /// The request is valid but cannot be carried out: the process has no terminal or does not run, tmux
    /// refused, the text is not in this list or is declared elsewhere, or the file cannot be read or
    /// written.
    Refused(String),
}

/// The engine no longer replies: it is ending or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the supervisor is ending and takes no more requests")]
pub struct Ending;

/// The control socket's handle to the engine.
#[derive(Debug, Clone)]
pub struct Handle {
    /// The engine's request queue.
    pub asks: mpsc::Sender<EngineRequest>,
    /// The current end of the journal.
    pub head: watch::Receiver<Head>,
    /// Changes whenever the state of the run does.
    pub changes: watch::Receiver<u64>,
    /// Set once, at the end of the run.
    pub end: watch::Receiver<Option<End>>,
    /// Why the engine is alive but does not reply to requests.
    pub busy: Arc<Busy>,
    /// The id of the run.
    pub run: Arc<str>,
}

/// Conditions that keep the engine from replying for longer than a request takes.
#[derive(Debug, Default)]
pub struct Busy {
    /// The engine is taking over a run and has not yet served a request.
    pub taking_over: AtomicBool,
    /// The engine is ending the run: tmux, shims and sinks may take some seconds each.
    pub ending: AtomicBool,
}

impl Handle {
    /// Send the engine a request and wait for its reply.
    pub(super) async fn ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<T>) -> EngineRequest,
    ) -> Result<T, Ending> {
        let (reply, answer) = oneshot::channel();
        self.tell(ask(reply)).await?;
        answer.await.map_err(|_| Ending)
    }

    /// The state of the run.
    pub async fn state(&self) -> Result<State, Ending> {
        self.ask(|reply| EngineRequest::State { reply }).await
    }

    /// Count a view; dropping the returned value uncounts it.
    pub async fn view(&self) -> Result<ViewGuard, Ending> {
        self.tell(EngineRequest::ViewOpened).await?;
        Ok(ViewGuard { asks: self.asks.clone(), farewell: Some(EngineRequest::ViewClosed) })
    }

    /// Announce the echo of this number, counted from 1 since this supervisor started: an overmind client
    /// streams the log. Dropping the returned value announces its end.
    pub async fn echo(&self, number: u64) -> Result<ViewGuard, Ending> {
        let event = |opened| EngineRequest::Log(What::Echo { number, opened });
        self.tell(event(true)).await?;
        Ok(ViewGuard { asks: self.asks.clone(), farewell: Some(event(false)) })
    }

    /// Returns at the end of the run, or when the engine is gone and can no longer announce it.
    pub(super) async fn ended(end: &mut watch::Receiver<Option<End>>) {
        let _ = end.wait_for(Option::is_some).await;
    }

    /// Send the engine a message that has no reply.
    pub(super) async fn tell(&self, ask: EngineRequest) -> Result<(), Ending> {
        self.asks.send(ask).await.map_err(|_| Ending)
    }
}

/// A client that the engine counts for as long as this value lives.
#[derive(Debug)]
pub struct ViewGuard {
    asks: mpsc::Sender<EngineRequest>,
    farewell: Option<EngineRequest>,
}

impl Drop for ViewGuard {
    fn drop(&mut self) {
        let Some(farewell) = self.farewell.take() else { return };
        let Err(mpsc::error::TrySendError::Full(farewell)) = self.asks.try_send(farewell) else {
            return;
        };
        // The queue is full at the moment, so send from a task. Without a runtime there is no engine either.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let asks = self.asks.clone();
            runtime.spawn(async move { asks.send(farewell).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{mpsc, watch};

    use super::{EngineRequest, Handle};
    use crate::model::request::Head;

    #[tokio::test]
    async fn the_end_of_a_view_is_told_even_when_the_queue_is_full() {
        let (asks, mut asked) = mpsc::channel(1);
        let head = watch::channel(Head::default()).1;
        let changes = watch::channel(0).1;
        let (end, busy) = (watch::channel(None).1, Arc::default());
        let handle = Handle { asks, head, changes, end, busy, run: "r".into() };
        let view = handle.view().await.unwrap();
        drop(view);
        assert!(matches!(asked.recv().await, Some(EngineRequest::ViewOpened)));
        assert!(matches!(asked.recv().await, Some(EngineRequest::ViewClosed)));
        drop(asked);
        assert!(handle.state().await.is_err());
    }
}
