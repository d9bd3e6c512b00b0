//! How a process ended, and how a run ended.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::nanos;
use super::{ProcName, is_default};

/// How a process ended: by a status of its own or by a signal (POSIX `waitid`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It called `exit` with this status (0..=255).
    Code(u8),
    /// It was ended by this signal number.
    Signal(u8),
}

impl Exit {
    /// The exit status that a shell reports: the code, or 128 + the signal.
    pub const fn shell_status(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128u8.saturating_add(signal),
        }
    }

    /// Like `Display`, with the meaning of shell exit codes: 127 is a command that was not found, 126 a
    /// command that could not be executed (POSIX, Shell Command Language 2.8.2).
    pub fn describe(self) -> String {
        match self {
            Self::Code(127) => format!("{self} (command not found)"),
            Self::Code(126) => format!("{self} (command can't be run)"),
            Self::Code(_) | Self::Signal(_) => self.to_string(),
        }
    }

    /// The verb for such an end, to be followed by it: "exited with code 3", "was killed by signal 9 (SIGKILL)". SIGHUP,
    /// SIGINT and SIGTERM ask a process to end.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Code(_) => "exited with",
            Self::Signal(1 | 2 | 15) => "was ended by",
            Self::Signal(_) => "was killed by",
        }
    }

    /// As one word: `3`, `SIGKILL`, or `SIG40` for a signal without a name.
    pub fn word(self) -> String {
        match self {
            Self::Code(code) => code.to_string(),
            Self::Signal(number) => signal_name(number),
        }
    }

    /// Whether it called `exit(0)`.
    pub const fn success(self) -> bool {
        matches!(self, Self::Code(0))
    }

    /// As one number for fixed-size records: the code, or 256 + the signal.
    pub const fn pack(self) -> u32 {
        match self {
            Self::Code(code) => code as u32,
            Self::Signal(signal) => 0x100 | signal as u32,
        }
    }

    /// The inverse of [`Exit::pack`].
    pub const fn unpack(packed: u32) -> Self {
        let low = (packed & 0xff) as u8;
        if packed & 0x100 == 0 { Self::Code(low) } else { Self::Signal(low) }
    }
}

fn signal_name(number: u8) -> String {
    let signal = nix::sys::signal::Signal::try_from(i32::from(number));
    signal.map_or_else(|_| format!("SIG{number}"), |signal| signal.to_string())
}

impl fmt::Display for Exit {
    /// `code 3`, or `signal 9 (SIGKILL)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal(number) => match nix::sys::signal::Signal::try_from(i32::from(number)) {
                Ok(signal) => write!(f, "signal {number} ({signal})"),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct End {
    /// The exit code of the whole run.
    pub code: u8,
    /// The process that ended first without being told to, and so stopped everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub culprit: Option<Culprit>,
    /// The process that the exit code comes from, if it is not 0 and comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decider: Option<Decider>,
    /// It ended because all its processes had completed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub completed: bool,
    /// The processes that had ended by themselves, as expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finished: Vec<ProcName>,
    /// The processes that were to start and had not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstarted: Vec<ProcName>,
    /// The processes that had failed again and again, and were not stable yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<Failing>,
}

impl End {
    /// Why, to follow "the run"; `None` if no process was the reason.
    pub fn reason(&self) -> Option<String> {
        if self.completed {
            return Some("ended because all its processes had completed".to_owned());
        }
        let Culprit { name, exit, .. } = self.culprit.as_ref()?;
        Some(format!("ended because {name} {} {}", exit.verb(), exit.describe()))
    }
}

/// A process that had failed again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failing {
    /// Its name.
    pub name: ProcName,
    /// How often in a row.
    pub times: u32,
}

/// The process that the exit code of a run comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decider {
    /// Its name.
    pub name: ProcName,
    /// How it ended.
    pub exit: Exit,
    /// It was asked to stop because another process had ended with success.
    pub interrupted: bool,
}

/// The process whose end made everything stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Culprit {
    /// Its name.
    pub name: ProcName,
    /// How it ended.
    pub exit: Exit,
    /// How long it had run, nanoseconds.
    #[serde(rename = "ran_ns", with = "nanos")]
    #[schema(value_type = u64)]
    pub ran: Duration,
    /// Why, in a sentence, if that could be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn packs_and_unpacks() {
        for exit in [Exit::Code(0), Exit::Code(255), Exit::Signal(9), Exit::Signal(64)] {
            assert_eq!(Exit::unpack(exit.pack()), exit);
        }
    }

    #[test]
    fn speaks_like_a_shell() {
        assert_eq!(Exit::Signal(9).shell_status(), 137);
        assert_eq!(Exit::Signal(11).to_string(), "signal 11 (SIGSEGV)");
        assert_eq!(Exit::Code(3).to_string(), "code 3");
        assert_eq!(Exit::Code(3).describe(), "code 3");
        assert_eq!(Exit::Code(127).describe(), "code 127 (command not found)");
        assert_eq!(Exit::Code(126).describe(), "code 126 (command can't be run)");
    }
}
