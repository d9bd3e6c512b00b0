//! The mechanism below the supervisor: terminals. It opens, pipes and shows; it decides nothing.

pub mod native;
pub mod tmux;

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::libc;

use self::native::Native;
use self::tmux::{Tmux, TmuxError};
use crate::model::plan::{Backend, Plan};
use crate::model::terminal::emulator::Screen;
use crate::model::text::OsText;
use crate::model::{ProcName, ProcessId};
use crate::protocol::terminal::WantedScreen;

/// The terminals of a run.
#[derive(Debug, Clone)]
pub enum Terminals {
    /// Windows of a tmux server.
    Tmux(Box<Tmux>),
    /// Terminals of tmo's own, each with a holder.
    Native(Native),
}

/// What to open: a name and its spec file.
pub type Opening = (ProcName, PathBuf);

/// The previous pane of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Former {
    /// The backend's name of it (`%3` in tmux).
    pub pane: Option<String>,
    /// Process id of its last shim, which has ended.
    pub shim: Option<u32>,
    /// A sink already reads its output and continues to; a new pipe would lose output in transit.
    pub piped: bool,
}

/// A pane as the backend lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The backend's name of it (`%3` in tmux).
    pub pane: String,
    /// Process id of its shim.
    pub pid: u32,
    /// Nothing runs in it any more.
    pub dead: bool,
    /// It is in the run's session (a person may have made others).
    pub ours: bool,
    /// The process it was opened for; empty if a user opened it.
    pub process: String,
    /// The backend's name of its window (`@3` in tmux).
    pub window: String,
}

/// The server that has all terminals of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub pid: u32,
    pub socket: PathBuf,
}

/// The terminals that exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The server that has them, if they have one.
    pub server: Option<Server>,
    pub panes: Vec<Listed>,
}

/// A request for terminals that failed.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// tmux failed.
    #[error(transparent)]
    Tmux(#[from] TmuxError),
    /// A process could not be started.
    #[error("can't run {}: {}", program.display(), crate::sys::why(source))]
    Spawn {
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Typed text has no room in the terminal of a process.
    #[error(
        "the process does not read: it has taken {taken} of {of} bytes, and the others are discarded"
    )]
    Unread {
        /// How many bytes are in the terminal.
        taken: u64,
        /// How many were to be typed.
        of: usize,
    },
    /// A process has ended before all text was typed.
    #[error(
        "the process has ended: it has taken {taken} of {of} bytes, and the others are discarded"
    )]
    Ended {
        /// How many bytes were in the terminal.
        taken: u64,
        /// How many were to be typed.
        of: usize,
    },
    /// The holder of a terminal has not answered.
    #[error("the terminal does not answer: {}", crate::sys::why(source))]
    Holder {
        /// Why.
        #[from]
        source: std::io::Error,
    },
}

impl Terminals {
    /// The terminals of this plan; nothing is started yet.
    pub fn new(plan: &Plan, runtime: &std::path::Path) -> Self {
        match plan.backend {
            Backend::Tmux => Self::Tmux(Box::new(Tmux::new(plan, runtime))),
            Backend::Native => Self::Native(Native::new(plan, runtime)),
        }
    }

    /// Whether one server has all terminals; without it, there are none.
    pub const fn have_server(&self) -> bool {
        matches!(self, Self::Tmux(_))
    }

    /// The server, if it runs.
    pub async fn survey(&self) -> Result<Survey, TerminalError> {
        let Self::Tmux(tmux) = self else { return Ok(Survey { server: None, panes: vec![] }) };
        Ok(tmux.survey().await?)
    }

    /// Have the output of a pane captured again; `false` if nothing had to be done. A shim with a terminal of its own
    /// does that itself.
    pub async fn recapture(
        &self,
        pane: &str,
        spec: &std::path::Path,
        closed: bool,
    ) -> Result<bool, TerminalError> {
        let Self::Tmux(tmux) = self else { return Ok(false) };
        Ok(tmux.pipe(pane, spec, closed).await?)
    }

    /// Have the server read the user's own configuration.
    pub async fn source_user_config(&self) -> Result<(), TerminalError> {
        let Self::Tmux(tmux) = self else { return Ok(()) };
        Ok(tmux.source_user_config().await?)
    }

    /// Give this size to all panes that no client shows.
    pub async fn resize(&self, columns: u16, rows: u16) -> Result<(), TerminalError> {
        match self {
            Self::Tmux(tmux) => Ok(tmux.resize(columns, rows).await?),
            Self::Native(native) => native.resize(columns, rows).await,
        }
    }

    /// Forget what has left the top of the panes. Terminals of tmo's own keep only what they show.
    pub async fn clear_scrollback(&self) -> Result<(), TerminalError> {
        let Self::Tmux(tmux) = self else { return Ok(()) };
        Ok(tmux.clear_scrollback().await?)
    }

    /// Close a pane in which nothing runs any more.
    pub async fn close(&self, pane: &str, shim: Option<ProcessId>) -> Result<(), TerminalError> {
        match self {
            Self::Tmux(tmux) => Ok(tmux.close(pane).await?),
            Self::Native(_) => {
                if let Some(shim) = shim {
                    signal(shim, libc::SIGHUP);
                }
                Ok(())
            }
        }
    }

    /// End a shim that was requested but is not needed any more, because its pane has another one.
    /// With tmux there is never one: it opens no second pane.
    pub fn give_up(&self, shim: ProcessId) {
        if matches!(self, Self::Native(_)) {
            signal(shim, libc::SIGHUP);
        }
    }

    /// Note which server has all terminals.
    pub fn know_server(&self, process: ProcessId, socket: &std::path::Path) {
        if let Self::Tmux(tmux) = self {
            tmux.know_server(process, socket);
        }
    }

    /// The window of a pane, if the pane still exists.
    pub async fn window(&self, pane: &str) -> Result<Option<String>, TerminalError> {
        let Self::Tmux(tmux) = self else { return Ok(None) };
        let listed = tmux.list_panes().await?.into_iter().find(|listed| listed.pane == pane);
        Ok(listed.map(|listed| listed.window))
    }

    /// What a pane shows.
    pub async fn screen(&self, pane: &str, wanted: WantedScreen) -> Result<Screen, TerminalError> {
        match self {
            Self::Tmux(tmux) => Ok(tmux.screen(pane, wanted.color, wanted.blanks).await?),
            Self::Native(native) => native.screen(pane, wanted).await,
        }
    }

    /// Type text into a pane; line breaks become Enter.
    pub async fn type_text(
        &self,
        pane: &str,
        text: &str,
        enter: bool,
    ) -> Result<(), TerminalError> {
        let enter = if enter { "\n" } else { "" };
        let bytes = [text, enter].concat().replace('\n', "\r").into_bytes();
        match self {
            Self::Tmux(tmux) => Ok(tmux.type_bytes(pane, &bytes).await?),
            Self::Native(native) => native.type_bytes(pane, &bytes).await,
        }
    }

    /// Delete what a killed supervisor may have left in the server while it typed.
    pub async fn clear_typed(&self) -> Result<(), TerminalError> {
        let Self::Tmux(tmux) = self else { return Ok(()) };
        Ok(tmux.clear_typed().await?)
    }

    /// Close all terminals: those of this server, or of these shims.
    pub fn end(&self, server: Option<ProcessId>, shims: impl Iterator<Item = ProcessId>) {
        match self {
            // The same that `kill-server` does, without a client.
            Self::Tmux(_) => server.into_iter().for_each(|server| signal(server, libc::SIGTERM)),
            // As when a terminal is closed.
            Self::Native(_) => shims.for_each(|shim| signal(shim, libc::SIGHUP)),
        }
    }
}

/// Set by tmux for each pane.
const OF_PANES: [&[u8]; 2] = [b"TMUX", b"TMUX_PANE"];

/// What shims and the server of terminals are started with: the caller's own environment.
fn env_of_terminals(plan: &Plan) -> BTreeMap<&OsText, &OsText> {
    let mut own = plan.env_of_own_programs();
    own.retain(|name, _| !OF_PANES.contains(&name.as_bytes()));
    let color = OsText::from("COLORTERM");
    let passed_on = plan.env_to_pass_on().find(|(name, _)| *name == color);
    if own.get(&color).copied() != passed_on.map(|(_, value)| value) {
        // The terminal's value would override the process's, but the env file's value must win.
        own.remove(&color);
    }
    own
}

fn signal(id: ProcessId, signal: i32) {
    // If it is gone already, nothing is left to do.
    let _ = crate::sys::signal(id, signal);
}
