//! The run that a command applies to.

use std::path::PathBuf;

use super::Verb;
use crate::cli::completions::values;
use crate::config::place::socket::SocketFlags;
use crate::run::find::RunTarget;

/// Which run a command applies to.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ClientArgs {
    /// The control socket of the run.
    #[arg(short = 's', long, value_name = "PATH", add = values::socket())]
    pub socket: Option<PathBuf>,
    /// What kind of socket: unix, tcp, tcp4 or tcp6.
    #[arg(short = 'S', long, value_name = "KIND", add = values::network())]
    pub network: Option<String>,
    /// The directory of the project, instead of the current one.
    #[arg(long, alias = "working-dir", value_name = "PATH", conflicts_with_all = ["socket", "network"],
        add = values::directory())]
    pub project: Option<PathBuf>,
}

impl From<&ClientArgs> for RunTarget {
    fn from(args: &ClientArgs) -> Self {
        let ClientArgs { socket, network, project } = args.clone();
        Self { address: SocketFlags { socket, network }, project }
    }
}

impl Verb {
    /// The run whose processes the command names.
    pub fn client(&self) -> Option<&ClientArgs> {
        match self {
            Self::Restart(args) => Some(&args.of.client),
            Self::Stop(args) => Some(&args.client),
            Self::Connect(args) => Some(&args.client),
            Self::Echo(args) => Some(&args.client),
            Self::Logs(args) => Some(&args.client),
            Self::Events(args) => Some(&args.client),
            Self::Why(args) => Some(&args.client),
            Self::Crashes(args) => Some(&args.client),
            Self::Flags(args) => Some(&args.client),
            Self::Wait(args) => Some(&args.client),
            Self::Signal(args) => Some(&args.client),
            Self::Watch(args) => Some(&args.client),
            Self::Scale(args) => Some(&args.client),
            Self::Send(args) => Some(&args.client),
            Self::Screen(args) => Some(&args.client),
            Self::Open(args) => Some(&args.client),
            _ => None,
        }
    }
}
