//! The run that a command applies to.

use std::path::PathBuf;

use crate::cli::completions::values;

/// Which run a command applies to.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ClientArgs {
    /// The control socket of the run.
    #[arg(short = 's', long, value_name = "PATH", add = values::socket())]
    pub socket: Option<PathBuf>,
    /// What kind of socket: unix, tcp, tcp4 or tcp6.
    #[arg(short = 'S', long, value_name = "KIND", add = values::network())]
    pub network: Option<String>,
}
