//! The seam between the control socket and the engine: what is asked, what is watched.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use utoipa::ToSchema;

use crate::model::request::{FlagMatches, Head, Outcome, Request, State};
use crate::model::run_end::End;

/// Something the engine is asked.
#[derive(Debug)]
pub enum Ask {
    /// Do this.
    Do {
        /// What.
        request: Request,
        /// Answer when it is done; else as soon as it is accepted.
        wait: bool,
        /// What the client calls it: asked again by that name, it is the same request.
        key: Option<String>,
        /// Where the answer goes; nobody may be listening any more.
        reply: oneshot::Sender<Outcome>,
    },
    /// Tell the state of the run.
    State {
        /// Where the answer goes.
        reply: oneshot::Sender<State>,
    },
    /// Something about the terminal of a process.
    Pane {
        /// Whose.
        name: String,
        /// What.
        ask: PaneAsk,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<String, AskError>>,
    },
    /// Something about the texts that mean that a process has failed.
    Failures {
        /// Whose.
        name: String,
        /// What.
        ask: FailuresAsk,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<FailureTexts, AskError>>,
    },
    /// Tell what the flags of a process have found of late.
    Flags {
        /// Its whole name.
        name: String,
        /// No more than the last of each flag, so many.
        last: usize,
        /// Where the answer goes; where no process has the name, the refusal.
        reply: oneshot::Sender<Result<Vec<FlagMatches>, Box<Outcome>>>,
    },
    /// Put this line into the log.
    Notice(String),
    /// A terminal shows the log from now on.
    ViewOpened,
    /// It does no more. Follows every [`Ask::ViewOpened`], however the client ended.
    ViewClosed,
    /// An overmind client streams the log from now on.
    EchoOpened {
        /// Its number, counted from 1 since this supervisor began.
        number: u64,
    },
    /// It does no more.
    EchoClosed {
        /// Its number.
        number: u64,
    },
}

/// Something about the terminal of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaneAsk {
    /// Type this into it; nothing is told.
    Type {
        /// What is typed; line breaks are typed as Enter.
        text: String,
        /// Then Enter.
        enter: bool,
    },
    /// Tell what it shows.
    Screen {
        /// With colours, as escape sequences.
        color: bool,
    },
}

/// Something about what is declared to mean that a process has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailuresAsk {
    /// Tell what is.
    List,
    /// Declare this text.
    Add(String),
    /// Take this text back.
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

/// Why what is asked of one process can't be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// No process has this name.
    Unknown(Box<Outcome>),
    /// No line can hold the text, or each does.
    Useless(String),
    /// It has no terminal, does not run, or tmux refused; the text is not declared, or elsewhere; or the
    /// file can't be read or written.
    Refused(String),
}

/// The engine does not answer any more: it is ending or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the supervisor is ending and takes no more requests")]
pub struct Ending;

/// The engine as the control socket knows it.
#[derive(Debug, Clone)]
pub struct Handle {
    /// Where questions go.
    pub asks: mpsc::Sender<Ask>,
    /// Where the journal ends now.
    pub head: watch::Receiver<Head>,
    /// Set once, when everything is over.
    pub end: watch::Receiver<Option<End>>,
    /// Whether the engine is alive but answers no requests.
    pub busy: Arc<Busy>,
    /// The id of the run.
    pub run: Arc<str>,
}

/// What can keep the engine from answering for longer than a request takes.
#[derive(Debug, Default)]
pub struct Busy {
    /// It takes over a run and has not answered yet.
    pub taking_over: AtomicBool,
    /// It ends the run: tmux, shims and sinks may take some seconds each.
    pub ending: AtomicBool,
}

impl Handle {
    /// Ask the engine for something, and wait for the answer.
    pub(super) async fn ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> Result<T, Ending> {
        let (reply, answer) = oneshot::channel();
        self.tell(ask(reply)).await?;
        answer.await.map_err(|_| Ending)
    }

    /// The state of the run.
    pub async fn state(&self) -> Result<State, Ending> {
        self.ask(|reply| Ask::State { reply }).await
    }

    /// Count a view; it is uncounted when the returned value is dropped.
    pub async fn view(&self) -> Result<Attached, Ending> {
        self.tell(Ask::ViewOpened).await?;
        Ok(Attached { asks: self.asks.clone(), farewell: Some(Ask::ViewClosed) })
    }

    /// Announce an echo; its end is announced when the returned value is dropped.
    pub async fn echo(&self, number: u64) -> Result<Attached, Ending> {
        self.tell(Ask::EchoOpened { number }).await?;
        Ok(Attached { asks: self.asks.clone(), farewell: Some(Ask::EchoClosed { number }) })
    }

    /// When everything is over, or nobody is left who could say so.
    pub(super) async fn ended(end: &mut watch::Receiver<Option<End>>) {
        let _ = end.wait_for(Option::is_some).await;
    }

    /// Tell the engine something that it does not answer.
    pub(super) async fn tell(&self, ask: Ask) -> Result<(), Ending> {
        self.asks.send(ask).await.map_err(|_| Ending)
    }
}

/// A client that the engine knows of for as long as this value lives.
#[derive(Debug)]
pub struct Attached {
    asks: mpsc::Sender<Ask>,
    farewell: Option<Ask>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        let Some(farewell) = self.farewell.take() else { return };
        let Err(mpsc::error::TrySendError::Full(farewell)) = self.asks.try_send(farewell) else {
            return;
        };
        // The engine has a full queue just now; without a runtime there is no engine to tell.
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

    use super::{Ask, Handle};
    use crate::model::request::Head;

    #[tokio::test]
    async fn the_end_of_a_view_is_told_even_when_the_queue_is_full() {
        let (asks, mut asked) = mpsc::channel(1);
        let head = watch::channel(Head::default()).1;
        let (end, busy) = (watch::channel(None).1, Arc::default());
        let handle = Handle { asks, head, end, busy, run: "r".into() };
        let view = handle.view().await.unwrap();
        drop(view);
        assert!(matches!(asked.recv().await, Some(Ask::ViewOpened)));
        assert!(matches!(asked.recv().await, Some(Ask::ViewClosed)));
        drop(asked);
        assert!(handle.state().await.is_err());
    }
}
