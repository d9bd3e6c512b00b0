//! Overmind's line protocol as pure functions: parsing commands and formatting answers.

use std::fmt::Write as _;

use crate::model::ProcName;
use crate::model::state::{ProcessState, State};

/// A command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OvermindCommand {
    /// Send the table of processes, then close the connection.
    Status,
    /// Send the address of a process's terminal; without a name, that of the first process.
    GetConnection(Option<String>),
    /// Restart the processes that match these patterns; all without patterns.
    Restart(Vec<String>),
    /// Stop the processes that match these patterns; all without patterns.
    Stop(Vec<String>),
    /// Stop everything and end the run.
    Quit,
    /// SIGKILL everything and end the run.
    Kill,
    /// Stream the log from now on.
    Echo,
}

/// Parse a line, with or without its newline; `None` if it is not a command.
pub fn parse(line: &[u8]) -> Option<OvermindCommand> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split_ascii_whitespace().map(str::to_owned);
    match words.next()?.as_str() {
        "status" => Some(OvermindCommand::Status),
        "get-connection" => Some(OvermindCommand::GetConnection(words.next())),
        "restart" => Some(OvermindCommand::Restart(words.collect())),
        "stop" => Some(OvermindCommand::Stop(words.collect())),
        "quit" => Some(OvermindCommand::Quit),
        "kill" => Some(OvermindCommand::Kill),
        "echo" => Some(OvermindCommand::Echo),
        _ => None,
    }
}

/// Whether a line ends like an HTTP request line. A browser can send such a line, with any method that a
/// web page chooses; overmind's clients never do.
pub fn is_http(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let last = words.next_back().unwrap_or_default();
    last.len() >= 5 && last[..5].eq_ignore_ascii_case(b"HTTP/")
}

/// Whether a line, without its newline, is not text: it contains control characters other than tabs and a
/// final carriage return, or is not UTF-8. A browser can be made to speak a protocol other than HTTP, in
/// which lines chosen by a web page follow such bytes; overmind's clients never send any.
pub fn is_binary(line: &[u8]) -> bool {
    let text = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line));
    text.map_or(true, |text| text.contains(|c: char| c.is_control() && c != '\t'))
}

impl OvermindCommand {
    /// The line to send, newline included.
    pub fn line(&self) -> String {
        let (verb, words): (&str, &[String]) = match self {
            Self::Status => ("status", &[]),
            Self::GetConnection(name) => ("get-connection", name.as_slice()),
            Self::Restart(patterns) => ("restart", patterns),
            Self::Stop(patterns) => ("stop", patterns),
            Self::Quit => ("quit", &[]),
            Self::Kill => ("kill", &[]),
            Self::Echo => ("echo", &[]),
        };
        [&[verb.to_owned()], words].concat().join(" ") + "\n"
    }
}

/// The answer to `status`.
pub fn status(processes: &[ProcessState]) -> String {
    let longest = processes.iter().map(|process| process.name.as_str().len()).max().unwrap_or(0);
    let width = longest.max(9) + 1;
    let mut table = format!("{:<width$}{:<10}STATUS\n", "PROCESS", "PID");
    for process in processes {
        let pid = process.pid.or(process.last_pid).unwrap_or(0);
        let word = if process.pid.is_some() { "running" } else { "dead" };
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{:<width$}{pid:<10}{word}", process.name);
    }
    table
}

/// The process that `get-connection` means.
pub fn connected<'a>(state: &'a State, name: Option<&str>) -> Option<&'a ProcessState> {
    match name {
        None => state.processes.first(),
        Some(name) => state.processes.iter().find(|process| process.name.as_str() == name),
    }
}

/// The answer to `get-connection`: empty if the process is unknown, or its terminal is not in tmux.
///
/// A name that tmux would read as the position of a window is replaced by the window's id.
pub fn connection(state: &State, process: Option<&ProcessState>, window: Option<&str>) -> String {
    process.zip(state.tmux.as_ref()).map_or_else(
        || "\n".to_owned(),
        |(process, tmux)| {
            let name = process.name.as_str();
            let window = window.filter(|_| is_position(name)).unwrap_or(name);
            format!("{} {}:{window}\n", tmux.socket, tmux.session)
        },
    )
}

/// Whether tmux reads this window as an index (`3`) or an offset (`-1`).
fn is_position(window: &str) -> bool {
    window.starts_with('-') || window.bytes().all(|byte| byte.is_ascii_digit())
}

/// The full names that match any of the patterns; without patterns, all names.
///
/// If the result is empty, send no request: the engine takes an empty list to mean all processes.
pub fn matching(processes: &[ProcessState], patterns: &[String]) -> Vec<String> {
    let wanted = |name: &ProcName| {
        patterns.is_empty() || patterns.iter().any(|pattern| name.matches(pattern))
    };
    let names = processes.iter().map(|process| &process.name);
    names.filter(|&name| wanted(name)).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::{OvermindCommand, is_binary, matching, parse, status};
    use crate::model::state::ProcessState;
    use crate::model::{ProcName, ProcessStatus};

    fn process(name: &str, pid: Option<u32>, last_pid: Option<u32>) -> ProcessState {
        ProcessState {
            last_pid,
            ..ProcessState::new(ProcName::new(name).unwrap(), ProcessStatus::Running, pid)
        }
    }

    #[test]
    fn the_table_is_overminds() {
        let few = [process("web", Some(19773), None), process("worker", None, Some(20325))];
        let table = "PROCESS   PID       STATUS\n\
                     web       19773     running\n\
                     worker    20325     dead\n";
        assert_eq!(status(&few), table);
        let long = [process("a-long-name#10", Some(7), Some(7)), process("b", None, None)];
        let table = "PROCESS        PID       STATUS\n\
                     a-long-name#10 7         running\n\
                     b              0         dead\n";
        assert_eq!(status(&long), table);
        assert_eq!(status(&[]), "PROCESS   PID       STATUS\n");
    }

    #[test]
    fn reads_what_overmind_reads() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        for (line, command) in [
            ("status\n", OvermindCommand::Status),
            ("  status  now\r\n", OvermindCommand::Status),
            ("quit", OvermindCommand::Quit),
            ("kill\r\n", OvermindCommand::Kill),
            ("echo", OvermindCommand::Echo),
            ("get-connection", OvermindCommand::GetConnection(None)),
            ("get-connection web other\n", OvermindCommand::GetConnection(Some("web".to_owned()))),
            ("restart\n", OvermindCommand::Restart(vec![])),
            ("stop a  b\tc*\n", OvermindCommand::Stop(words(&["a", "b", "c*"]))),
        ] {
            assert_eq!(parse(line.as_bytes()), Some(command), "{line:?}");
        }
        for line in ["", "\n", "  \t", "Quit", "quitt", "get", "\0", "statusx", "re start"] {
            assert_eq!(parse(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(parse(b"\xffquit\n"), None);
    }

    #[test]
    fn a_line_of_control_bytes_or_of_no_utf8_is_no_text() {
        for text in ["", "\r", "status", "stop a\tb\r", "nonsense", "na\u{ef}ve \u{202e}"] {
            assert!(!is_binary(text.as_bytes()), "{text:?}");
        }
        for other in [
            &b"\0stop"[..],
            b"stop\r\r",
            b"st\rop",
            b"\x1b[0m",
            b"\x7f",
            b"\xff",
            b"\xc2\x9b",
            b"\xc3",
        ] {
            assert!(is_binary(other), "{other:?}");
        }
    }

    #[test]
    fn no_match_is_not_all() {
        let all = [process("web#1", None, None), process("web#2", None, None)];
        assert_eq!(matching(&all, &[]), ["web#1", "web#2"]);
        assert_eq!(matching(&all, &["*#2".to_owned()]), ["web#2"]);
        assert_eq!(matching(&all, &["web".to_owned()]).len(), 2);
        assert!(matching(&all, &["nosuch".to_owned()]).is_empty());
    }

    fn command() -> impl Strategy<Value = OvermindCommand> {
        let words = || proptest::collection::vec("[a-z*#0-9_-]{1,8}", 0..4);
        prop_oneof![
            Just(OvermindCommand::Status),
            Just(OvermindCommand::Quit),
            Just(OvermindCommand::Kill),
            Just(OvermindCommand::Echo),
            proptest::option::of("[a-z#]{1,8}").prop_map(OvermindCommand::GetConnection),
            words().prop_map(OvermindCommand::Restart),
            words().prop_map(OvermindCommand::Stop),
        ]
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read(command in command()) {
            prop_assert_eq!(parse(command.line().as_bytes()), Some(command));
        }

        #[test]
        fn any_bytes_are_survived(line: Vec<u8>) {
            let read = parse(&line);
            let again = read.as_ref().map(|command| parse(command.line().as_bytes()));
            prop_assert_eq!(again, read.map(Some));
        }

        #[test]
        fn the_table_can_be_read_back(
            names in proptest::collection::vec("[a-z]{1,20}(#[1-9])?", 0..6),
            pids in proptest::collection::vec((1u32..4_000_000, any::<bool>()), 6),
        ) {
            let all: Vec<_> = names.iter().zip(&pids)
                .map(|(name, &(pid, lives))| process(name, lives.then_some(pid), Some(pid)))
                .collect();
            let expected: Vec<_> = names.iter().zip(&pids)
                .map(|(name, &(pid, runs))| {
                    [name.clone(), pid.to_string(), if runs { "running" } else { "dead" }.to_owned()]
                })
                .collect();
            let words = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect();
            let rows: Vec<Vec<String>> = status(&all).lines().skip(1).map(words).collect();
            prop_assert_eq!(rows, expected);
        }
    }
}
