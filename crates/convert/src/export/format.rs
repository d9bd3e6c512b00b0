//! The targets of an export, and why a project can't be exported.

use std::fmt;

/// What the files are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// A target and a unit for each process
    Systemd,
    /// compose.yaml of docker compose, podman-compose and Docker Swarm
    Compose,
    /// Manifests of Kubernetes, for kubectl and `podman play kube`
    #[value(alias = "k8s")]
    Kubernetes,
    /// A shell script that needs only tmux
    Tmux,
    /// A configuration of supervisord
    Supervisord,
    /// Service directories of runit
    Runit,
    /// Property lists of launchd on macOS
    Launchd,
    /// Jobs of upstart
    Upstart,
}

impl ExportFormat {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Systemd,
        Self::Compose,
        Self::Kubernetes,
        Self::Tmux,
        Self::Supervisord,
        Self::Runit,
        Self::Launchd,
        Self::Upstart,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Compose => "compose",
            Self::Kubernetes => "kubernetes",
            Self::Tmux => "tmux",
            Self::Supervisord => "supervisord",
            Self::Runit => "runit",
            Self::Launchd => "launchd",
            Self::Upstart => "upstart",
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a project can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Only text can be exported.
    #[error("{process}: {what} is not UTF-8; only text can be exported")]
    NotText {
        process: String,
        /// The setting.
        what: String,
    },
    /// No process is left.
    #[error("there is no process to export")]
    Empty,
    /// Two processes would have one name there.
    #[error("{one} and {other} would both be `{name}` there: rename one in the Procfile")]
    SameName {
        /// A process.
        one: String,
        /// Another one.
        other: String,
        /// Their name in the files.
        name: String,
    },
    /// The format has no way to write it.
    #[error(
        "{what}: {format} can't hold a value with control characters, or with a space or a backslash at its end; \
         change it"
    )]
    Unwritable {
        /// The setting, or its process.
        what: String,
        format: ExportFormat,
    },
}
