//! The tmux that a start uses, or why there is none.

use std::path::PathBuf;

use crate::backend::tmux::version::{self, OLDEST, VersionError};
use crate::cli::{CliError, runtime};
use crate::config::OwnPath;
use crate::config::load::{Context, callers_tmux, find_for_plan};

/// Why no tmux can be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Unusable {
    /// It is not found, does not run, or is too old.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The only one could have been put there by the project.
    #[error(
        "tmux is found only at {}, which lies in the project or is named by a relative entry of PATH, \
         so it is not run; install tmux elsewhere, or add its directory to PATH", .0.display()
    )]
    OfProject(PathBuf),
    /// It can't be asked for its version.
    #[error(transparent)]
    NotAsked(CliError),
}

impl Unusable {
    /// Why the terminals are tmo's own.
    pub(in crate::cli) fn reason(&self) -> String {
        let (major, minor) = OLDEST;
        match self {
            Self::Version(VersionError::Missing) => "tmux is not installed".to_owned(),
            Self::Version(VersionError::TooOld { found, .. }) => {
                format!("{found} is too old ({major}.{minor} is needed)")
            }
            Self::OfProject(path) => format!(
                "{} is not run, as it lies in the project or is named by a relative entry of PATH",
                path.display()
            ),
            Self::Version(_) | Self::NotAsked(_) => self.to_string(),
        }
    }

    /// The message of a start whose terminals are tmo's own therefore.
    pub(in crate::cli) fn instead(self) -> Result<String, CliError> {
        match self {
            Self::NotAsked(error) => Err(error),
            Self::Version(error @ VersionError::NoRoom { .. }) => Err(CliError::Tmux(error)),
            Self::Version(_) | Self::OfProject(_) => {
                Ok(format!("{}: terminals are tmo's own (--backend tmux insists)", self.reason()))
            }
        }
    }
}

impl From<Unusable> for CliError {
    fn from(error: Unusable) -> Self {
        match error {
            Unusable::Version(error) => Self::Tmux(error),
            Unusable::NotAsked(error) => error,
            Unusable::OfProject(_) => Self::Other(error.to_string()),
        }
    }
}

/// A tmux that can be used.
#[derive(Debug)]
pub(in crate::cli) struct Usable {
    /// The program.
    pub(in crate::cli) path: PathBuf,
    /// The version that it reports.
    pub(in crate::cli) version: String,
}

/// Use this program, or else tell why there is none. It is asked for its version.
pub(in crate::cli) fn usable(
    context: &Context,
    found: Option<PathBuf>,
) -> Result<Usable, Unusable> {
    let path = found.ok_or_else(|| missing(context))?;
    let asked = runtime::block_on(async { Ok(version::ask(&path).await) });
    let version = asked.map_err(Unusable::NotAsked)??;
    Ok(Usable { path, version })
}

/// Why a plan can't have tmux, which was not found.
fn missing(context: &Context) -> Unusable {
    let other = callers_tmux(context).map(Unusable::OfProject);
    other.unwrap_or(Unusable::Version(VersionError::Missing))
}

/// Find tmux for a plan. With `ask`, it must report a version that is supported.
pub(in crate::cli) fn tmux_for_plan(
    context: &Context,
    own: &OwnPath,
    ask: bool,
) -> Result<PathBuf, Unusable> {
    let found = find_for_plan(context, own, "tmux");
    if ask {
        usable(context, found).map(|usable| usable.path)
    } else {
        found.ok_or_else(|| missing(context))
    }
}
