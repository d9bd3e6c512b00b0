//! Why a host gave no answer, derived from the messages of the program that reaches it.

use super::caller::LONGEST_ANSWER;
use super::host::{Host, Reach};
use crate::model::text::untrusted::cleaned;
use crate::model::{Exit, units};

/// A host that gave no answer, or half of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The words of the call are too long.
    #[error("the command is too long")]
    TooLong,
    /// Nothing is known that gives a terminal there.
    #[error(
        "fleet.toml does not tell how to get a terminal there: `tty` beside its `via` is the command for it"
    )]
    NoTerminal,
    /// There is no connection, or the program that makes one can't be run here.
    #[error("{0}")]
    Unreachable(String),
    /// The host has refused the connection before it executed anything: it has too many for now.
    #[error("{0}")]
    Busy(String),
    /// It does not answer.
    #[error("no answer within {0}")]
    Silent(String),
    #[error("there is no tmo; looked in {0}; `tmo fleet install` puts it there")]
    NoTmo(String),
    /// Its tmo has no fleets.
    #[error("its tmo knows no fleets; `tmo fleet install` puts this one there")]
    OldTmo,
    /// The connection ended before the answer.
    #[error("the answer was lost ({0})")]
    Lost(String),
    /// It had not answered when the user ended the command.
    #[error("interrupted: no answer yet")]
    Interrupted,
    /// The user ended the command before it was asked.
    #[error("not asked: interrupted")]
    NotAsked,
    /// Its answer is too long.
    #[error("its answer is longer than {}", units::bytes(LONGEST_ANSWER as u64))]
    LongAnswer,
}

impl CallError {
    /// Whether the call may be made again at once: nothing was executed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy(_))
    }

    /// Whether the user has ended the command before there was an answer.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Interrupted | Self::NotAsked)
    }

    /// Whether the host has no tmo that knows fleets.
    pub fn lacks_tmo(&self) -> bool {
        matches!(self, Self::NoTmo(_) | Self::OldTmo)
    }
}

/// What ssh says when sshd takes no more connections. A connection that breaks later has other words: an order may have
/// been carried out then.
const BUSY: [&str; 2] = ["kex_exchange_identification:", "ssh_exchange_identification:"];

/// ssh ends with this code if the connection fails, and docker if its daemon is gone.
const NO_CONNECTION: u8 = 255;

/// Why the answer was lost, if the program that reached the host has ended in such a way.
pub(super) fn lost(host: &Host, exit: Exit, error: &str) -> Option<CallError> {
    match exit {
        Exit::Code(NO_CONNECTION) if host.reach != Reach::Here => {
            let last = last_line(error).unwrap_or_else(|| ended(host));
            Some(CallError::Lost(last))
        }
        Exit::Code(_) => None,
        Exit::Signal(_) => {
            Some(CallError::Lost(format!("{} {} {exit}", host.reached_by(), exit.verb())))
        }
    }
}

fn ended(host: &Host) -> String {
    let by = host.reached_by();
    format!("{} has ended", by.split(' ').next().unwrap_or_default())
}

/// Why a command that was executed here has failed.
pub(super) fn failed(command: &[String], exit: Exit, error: &str) -> CallError {
    let last = last_line(error).unwrap_or_else(|| format!("it {} {exit}", exit.verb()));
    let program = command.first().map(String::as_str).unwrap_or_default();
    CallError::Unreachable(format!("{program}: {last}"))
}

/// The last line of a text that is not blank.
pub fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rev().map(cleaned).find(|line| !line.trim().is_empty())?;
    Some(line.trim().to_owned())
}

/// What ssh says of a connection that ends after it was made.
const CUT: [&str; 6] = [
    "client_loop: ",
    "closed by remote host.",
    "Read from remote host ",
    "Timeout, server ",
    "master terminated",
    "read from master failed",
];

/// Where tmo is looked for if the inventory does not tell.
const LOOKED_IN: &str = "its PATH, ~/.local/bin and ~/.cargo/bin";

/// Why there is no hello.
pub(super) fn no_hello(host: &Host, code: u8, error: &str) -> CallError {
    let last = last_line(error);
    let names = |word: &str| error.contains(word);
    match code {
        126 | 127 => CallError::NoTmo(host.tmo.clone().unwrap_or_else(|| LOOKED_IN.to_owned())),
        2 if names("there") => CallError::OldTmo,
        _ if names("Host key verification failed.") => {
            let (why, advice) = if names("IDENTIFICATION HAS CHANGED") {
                ("Its key has changed", "names the line of known_hosts")
            } else {
                ("Its key is not known here", "shows it and asks")
            };
            let text = "Host key verification failed.";
            let name = host.ssh_name().unwrap_or(&host.name);
            CallError::Unreachable(format!("{text} {why}; `ssh {name}` {advice}"))
        }
        // There was a connection: the call may have arrived.
        NO_CONNECTION if error.trim().is_empty() || CUT.into_iter().any(names) => {
            CallError::Lost(last.unwrap_or_else(|| ended(host)))
        }
        _ => {
            let by = host.reached_by();
            let message = last.unwrap_or_else(|| format!("{by} has ended with code {code}"));
            if code == NO_CONNECTION && BUSY.into_iter().any(names) {
                CallError::Busy(message)
            } else {
                CallError::Unreachable(message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CallError, Host, Reach, no_hello};

    #[test]
    fn a_call_is_repeated_only_if_it_can_not_have_arrived() {
        let reach = Reach::Ssh("k9".to_owned());
        let (name, root) = ("k9".to_owned(), "/".to_owned());
        let host = Host { name, reach, root, groups: vec![], tmo: None };
        for (error, is_passing) in [
            (
                "kex_exchange_identification: read: Connection reset by peer\nConnection reset by k9",
                true,
            ),
            (
                // ssh makes a connection of its own then.
                "mux_client_request_session: session request failed: Session open refused by peer",
                false,
            ),
            ("Connection reset by 10.0.0.9 port 22", false),
            ("client_loop: send disconnect: Broken pipe", false),
            ("mux_client_request_session: read from master failed: Broken pipe", false),
            ("", false),
        ] {
            let found = no_hello(&host, 255, error);
            assert_eq!(found.is_passing(), is_passing, "{error}: {found}");
        }
        let code_of_verb = no_hello(&host, 1, "kex_exchange_identification: x");
        assert!(matches!(code_of_verb, CallError::Unreachable(_)));
    }
}
