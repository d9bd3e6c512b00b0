//! What the arguments of several commands share: the run that is meant, what completes a value, flags in the style of Go.
//!
//! The doc comments of arguments become the help, the man pages and the descriptions in shell completions. Variables are
//! named in the help, but not read by the parser: env files may also set them, and each variable has two names (`TMO_…`
//! and `OVERMIND_…`), so `plan` resolves them.

pub(super) mod go_style;
pub(super) mod topics;
pub(super) mod values;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::place::socket::SocketFlags;
use crate::model::units::parse_span;
use crate::run::find::RunTarget;

/// Which run a command applies to.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ClientArgs {
    /// The control socket of the run.
    #[arg(short = 's', long, value_name = "PATH", add = values::socket())]
    pub(super) socket: Option<PathBuf>,
    /// What kind of socket: unix, tcp, tcp4 or tcp6.
    #[arg(short = 'S', long, value_name = "KIND", add = values::network())]
    pub(super) network: Option<String>,
    /// The directory of the project, instead of the current one.
    #[arg(long, alias = "working-dir", value_name = "PATH", conflicts_with_all = ["socket", "network"],
        add = values::directory())]
    pub(super) project: Option<PathBuf>,
}

impl From<&ClientArgs> for RunTarget {
    fn from(args: &ClientArgs) -> Self {
        let ClientArgs { socket, network, project } = args.clone();
        Self { address: SocketFlags { socket, network }, project }
    }
}

/// Parse a time with its unit.
pub(super) fn parse_time(text: &str) -> Result<Duration, &'static str> {
    parse_span(text).ok_or("a time like 90s, 30m or 2h is needed")
}
