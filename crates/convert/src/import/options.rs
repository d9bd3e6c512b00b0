//! What the user of an import can choose.

use std::path::PathBuf;

/// What the user has chosen.
#[derive(Debug, Default)]
pub struct ImportOptions {
    /// Of a compose file: the services whose commands run here instead of in a container.
    pub local: LocalServices,
    /// The file that the result goes to, if it is not beside the source.
    pub output: Option<PathBuf>,
    /// Of a package.json: the scripts that are taken; if empty, those that start something.
    pub scripts: Vec<String>,
}

/// Which services of a compose file run here instead of in a container.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum LocalServices {
    /// None.
    #[default]
    None,
    /// All that are built from this project, or have a command and no image.
    Built,
    /// These.
    Named(Vec<String>),
}

/// The most processes that a source may have.
pub(super) const MOST_PROCESSES: usize = 2000;
