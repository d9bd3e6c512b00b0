//! Why tmux, or a process in it, could not be tried.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::backend::tmux::TmuxError;
use crate::config::dirs::DirError;
use crate::sys::why;

/// How long a process may take to begin and to write down its environment.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Why a process could not be tried.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScratchError {
    /// There is no place for its files.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// A file of it.
    #[error("{}: {}", path.display(), why(cause))]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// tmux refused.
    #[error(transparent)]
    Tmux(#[from] TmuxError),
    /// The process ended without having run.
    #[error(
        "`{shell}` ended before it ran the command{said}; look at what it reads when it begins"
    )]
    Ended {
        /// The shell.
        shell: String,
        /// What was to be seen in the terminal.
        said: String,
    },
    /// It does not come to an end.
    #[error("`{shell}` has not run a command within {} s{said}; look at what it reads when it begins", PATIENCE.as_secs())]
    Slow {
        /// The shell.
        shell: String,
        /// What was to be seen in the terminal.
        said: String,
    },
}
