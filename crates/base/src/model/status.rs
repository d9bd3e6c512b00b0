//! The state of a process.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Untrusted;

/// The state of a process. These names are the words of the API, so they must not change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessStatus {
    /// It is meant to run, and waits for its turn or for its terminal.
    #[default]
    Pending,
    /// Its shim was requested to start it.
    Starting,
    /// Its install command is running or about to run.
    Installing,
    /// It is running.
    Running,
    /// It was requested to stop, or its main process has exited and the rest of its tree has not.
    Stopping,
    /// SIGKILL has not ended its whole tree.
    Stuck,
    /// It has ended and will be restarted after a pause.
    Restarting,
    /// It was stopped by request, or was never started.
    Stopped,
    /// It exited by itself.
    Exited,
    /// It is not started because a dependency will not come up.
    Skipped,
    /// It has failed and is not restarted automatically.
    Broken,
    /// It could not be started.
    Error,
    /// The start has left it out, and no request has started it since.
    #[serde(rename = "left-out")]
    LeftOut,
    /// A state that only a later version knows.
    #[serde(untagged)]
    Other(Untrusted),
}

impl ProcessStatus {
    /// All states of the processes of a run that are known to this version.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Starting,
        Self::Installing,
        Self::Running,
        Self::Stopping,
        Self::Stuck,
        Self::Restarting,
        Self::Stopped,
        Self::Exited,
        Self::Skipped,
        Self::Broken,
        Self::Error,
    ];

    /// The word of the API, not yet escaped for a terminal.
    pub fn word(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Installing => "installing",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stuck => "stuck",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
            Self::Exited => "exited",
            Self::Skipped => "skipped",
            Self::Broken => "broken",
            Self::Error => "error",
            Self::LeftOut => "left-out",
            Self::Other(word) => word.raw(),
        }
    }

    /// Whether nothing of it runs any more, and nothing is to come unasked, once its main process is gone.
    pub const fn is_at_rest(&self) -> bool {
        matches!(
            self,
            Self::Stopped
                | Self::Exited
                | Self::Skipped
                | Self::Broken
                | Self::Error
                | Self::LeftOut
        )
    }

    /// Whether it exited by itself, or was ended because it had failed.
    pub const fn has_failed_or_exited(&self) -> bool {
        matches!(self, Self::Exited | Self::Broken | Self::Error | Self::Restarting)
    }
}

/// The condition of a process, coarser than its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It runs.
    Running,
    /// It is about to run or to end.
    Waiting,
    /// It has failed.
    Failed,
    /// It fails again and again.
    CrashLoop,
    /// It was stopped, or has ended as expected.
    Done,
}

impl fmt::Display for ProcessStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Other(word) = self { word.fmt(f) } else { f.pad(self.word()) }
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessStatus;

    #[test]
    fn words_are_read_as_they_are_written() {
        for status in ProcessStatus::ALL.into_iter().chain([ProcessStatus::LeftOut]) {
            let word = serde_json::to_string(&status).unwrap();
            assert_eq!(word, format!("\"{status}\""));
            assert_eq!(serde_json::from_str::<ProcessStatus>(&word).unwrap(), status);
        }
    }

    #[test]
    fn a_word_of_a_later_version_is_kept_and_shown_plainly() {
        let word = "\"frozen\\u001b[31m\"";
        let status: ProcessStatus = serde_json::from_str(word).unwrap();
        assert!(matches!(status, ProcessStatus::Other(_)));
        assert_eq!(serde_json::to_string(&status).unwrap(), word);
        assert!(!status.to_string().contains('\u{1b}'), "{status}");
    }
}
