//! The options of `tmo start` as typed, without defaults.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::plan::Backend;

/// The command line after `tmo start`; `None` if a flag was not given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StartOptions {
    /// The processes to start with; the others can be started later.
    pub names: Vec<String>,
    /// The command to run as the only process, instead of those of a Procfile.
    pub command: Vec<OsString>,
    /// `--procfile`.
    pub procfile: Option<PathBuf>,
    /// `--root`.
    pub root: Option<PathBuf>,
    /// `--daemonize`.
    pub daemonize: Option<bool>,
    /// `--processes`, a comma list.
    pub processes: Option<String>,
    /// `--ignored-processes`, a comma list.
    pub ignored_processes: Option<String>,
    /// `--can-die`, a comma list.
    pub can_die: Option<String>,
    /// `--any-can-die`.
    pub any_can_die: Option<bool>,
    /// `--auto-restart`, a comma list.
    pub auto_restart: Option<String>,
    /// `--colors`, a comma list.
    pub colors: Option<String>,
    /// `--formation`, a comma list.
    pub formation: Option<String>,
    /// `--formation-port-step`.
    pub formation_port_step: Option<u16>,
    /// `--stop-signals`, a comma list.
    pub stop_signals: Option<String>,
    /// `--port`.
    pub port: Option<u16>,
    /// `--port-step`.
    pub port_step: Option<u16>,
    /// `--no-port`.
    pub no_port: Option<bool>,
    /// `--port-auto`.
    pub port_auto: Option<bool>,
    /// `--timeout`.
    pub timeout: Option<Duration>,
    /// `--socket`.
    pub socket: Option<PathBuf>,
    /// `--network`.
    pub network: Option<String>,
    /// `--title`.
    pub title: Option<String>,
    /// `--tmux-config`.
    pub tmux_config: Option<PathBuf>,
    /// `--show-timestamps`.
    pub show_timestamps: Option<bool>,
    /// `--shell`.
    pub shell: Option<OsString>,
    /// `--backend`.
    pub backend: Option<BackendChoice>,
}

/// What is to provide the terminals of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// tmux if a usable one is installed, else tmo itself.
    #[default]
    Auto,
    /// A private tmux server.
    Tmux,
    /// tmo itself; tmux is not needed.
    Native,
}

impl BackendChoice {
    /// All names, as in [`by_name`](Self::by_name).
    pub const NAMES: &[&str] = &["auto", "tmux", "native"];

    /// Whether a run may have these terminals.
    pub const fn allows(self, backend: Backend) -> bool {
        match self {
            Self::Auto => true,
            Self::Tmux => matches!(backend, Backend::Tmux),
            Self::Native => matches!(backend, Backend::Native),
        }
    }

    /// The choice of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        clap::ValueEnum::from_str(name, false).ok()
    }
}

/// A number of seconds, fractions allowed.
pub fn parse_seconds(text: &str) -> Option<Duration> {
    const MOST: f64 = 1e9;
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds <= MOST).then_some(seconds).and_then(|s| Duration::try_from_secs_f64(s).ok())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_seconds;

    #[test]
    fn seconds_may_have_fractions() {
        assert_eq!(parse_seconds("5"), Some(Duration::from_secs(5)));
        assert_eq!(parse_seconds("0.25"), Some(Duration::from_millis(250)));
        for bad in ["", "-1", "nan", "inf", "1e99", "5s"] {
            assert_eq!(parse_seconds(bad), None, "{bad}");
        }
    }
}
