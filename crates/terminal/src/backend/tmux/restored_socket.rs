//! Making the socket of the running server again after something has removed it, such as a program that tidies up the
//! temporary directory. A tmux server does that when it receives SIGUSR1.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use nix::libc::SIGUSR1;
use tokio::time::{Instant, sleep};

use super::server::{Tmux, TmuxError};
use crate::model::ProcessId;
use crate::sys;
use crate::sys::dial::{ListenerState, probe};
use crate::sys::files::make_dirs;

/// How long the server may take to listen again.
const LISTEN_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before the next look.
const PAUSE: Duration = Duration::from_millis(5);

/// The running server of a run, once it is known.
#[derive(Debug, Default)]
pub(super) struct Running {
    known: std::sync::Mutex<Option<ServerSocket>>,
    /// Held while it is made to listen again: a call that fails meanwhile does not signal it once more.
    restoring: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct ServerSocket {
    process: ProcessId,
    socket: PathBuf,
}

impl Tmux {
    /// Note which server has the panes of the run.
    pub fn know_server(&self, process: ProcessId, socket: &Path) {
        let known = ServerSocket { process, socket: socket.to_owned() };
        *self.running.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    /// Have the server make its socket again if it runs and this failure means that nothing listens there. Returns
    /// whether it listens now.
    pub(super) async fn restore_socket(&self, failed: &TmuxError) -> Result<bool, TmuxError> {
        if !failed.is_unreachable() {
            return Ok(false);
        }
        let known = self.running.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(ServerSocket { process, socket }) = known else { return Ok(false) };
        let _one = self.running.restoring.lock().await;
        let listens = || matches!(probe(&socket), Ok(ListenerState::Live));
        if listens() {
            return Ok(true);
        }
        let named = |source| TmuxError::Socket { path: socket.clone(), source };
        socket.parent().map_or(Ok(()), make_dirs).map_err(named)?;
        if !sys::signal(process, SIGUSR1).map_err(named)? {
            return Ok(false);
        }
        tracing::warn!(socket = %socket.display(), "the socket of tmux was removed: tmux makes it again");
        let end = Instant::now() + LISTEN_PATIENCE;
        while !listens() {
            if Instant::now() >= end {
                return Ok(false);
            }
            sleep(PAUSE).await;
        }
        Ok(true)
    }
}
