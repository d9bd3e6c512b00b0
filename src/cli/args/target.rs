//! Which run a command is about.

use std::path::PathBuf;

use clap::ValueHint;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::model::network::Network;

/// Which instance a command talks to.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ClientArgs {
    /// The control socket of the instance.
    #[arg(short = 's', long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// What kind of socket: unix, tcp, tcp4 or tcp6.
    #[arg(short = 'S', long, value_name = "KIND", add = networks())]
    pub network: Option<String>,
}

/// What completes `--network`. What else is typed is refused as overmind does, when it is used.
pub(super) fn networks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        Network::ALL.map(|network| CompletionCandidate::new(network.name())).into()
    })
}
