//! What `tmo help` knows besides the commands.

use std::ffi::OsStr;

use crate::config::toml::reference;

/// A topic of the help that is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Topic {
    /// `tmo.toml`.
    TmoToml,
    /// The Procfile.
    Procfile,
    /// `fleet.toml`.
    FleetToml,
    /// What coding agents call.
    Agents,
}

impl Topic {
    pub(in crate::cli) const ALL: [Self; 4] =
        [Self::TmoToml, Self::Procfile, Self::FleetToml, Self::Agents];

    /// The topic with this name, in upper or lower case.
    pub(in crate::cli) fn named(name: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| name.eq_ignore_ascii_case(topic.name()))
    }

    pub(in crate::cli) const fn name(self) -> &'static str {
        match self {
            Self::TmoToml => "tmo.toml",
            Self::Procfile => "procfile",
            Self::FleetToml => "fleet.toml",
            Self::Agents => "agents",
        }
    }

    /// What it is about, in a line.
    pub(in crate::cli) const fn about(self) -> &'static str {
        match self {
            Self::TmoToml => "Settings of processes and runs of tmo",
            Self::Procfile => "Processes that tmo runs, their variables and the end of a run",
            Self::Agents => "What coding agents call: start, wait, read a bounded log, ask why",
            Self::FleetToml => "Hosts of a fleet, how each is reached, and what is done with them",
        }
    }

    /// The names that can follow it: the keys of a tmo.toml.
    pub(in crate::cli) fn keys(self) -> Vec<String> {
        let paths = if self == Self::TmoToml { reference() } else { vec![] };
        let name = |path: &str| path.rsplit('.').next().map(str::to_owned);
        let mut names: Vec<_> = paths.iter().filter_map(|key| name(&key.path)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
