//! What guardian and supervisor report to the command that starts them.

use std::fs::File;
use std::io::Write as _;

use serde::{Deserialize, Serialize};

use crate::model::event::RunProblem;
use crate::model::exit::Culprit;

/// Messages from guardian and supervisor to the command that started them, one JSON line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum StartupMessage {
    /// Another guardian holds the lock.
    Held {
        /// Its process id, where it is known.
        pid: Option<u32>,
    },
    /// The start or the takeover has failed.
    Failed { message: String, code: u8 },
    /// The socket answers, nothing has been started yet.
    Listening {
        /// The number of living processes, if an existing run was adopted.
        adopted: Option<u32>,
        /// The first record of the run in the index.
        first_record: u64,
        /// Notes for the user, such as where the socket is if it is not in its usual place.
        note: Option<String>,
    },
    /// All processes were started (or taken over).
    Running,
    /// The run ended before all processes were started.
    Ended {
        code: u8,
        /// The process that made it end.
        culprit: Option<Culprit>,
        /// Why a process could not be started, which made it end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<Box<RunProblem>>,
        /// It ended because all its processes had completed.
        #[serde(default)]
        completed: bool,
    },
}

impl StartupMessage {
    /// There is no run to take over.
    pub fn nothing_left() -> Self {
        Self::Failed { message: "nothing is left of that run".to_owned(), code: 1 }
    }
}

/// Write one line of news. The reader may be gone, so errors are ignored.
pub fn send_startup_message(to: &mut File, news: &StartupMessage) {
    if let Ok(mut line) = serde_json::to_vec(news) {
        line.push(b'\n');
        let _ = to.write_all(&line);
    }
}
