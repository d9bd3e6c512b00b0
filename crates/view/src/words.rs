//! The last words of a run: which processes ended by themselves, how, and their last output.

use crate::model::exit::Culprit;
use crate::model::terminal::line;
use crate::model::terminal::line::without_break;
use crate::model::text::cut;
use crate::model::{Exit, units};

/// The lines that report this end of a process. Its last lines are given as they are in its stream, with or without
/// newlines.
///
/// They contain no escape sequences: quoted lines lose their colours.
pub fn last_words(culprit: &Culprit, last_lines: &[&[u8]]) -> Vec<String> {
    let Culprit { name, exit, ran, cause } = culprit;
    let how = match (exit, cause) {
        (Exit::Code(_), None) => format!("exited with {}", exit.describe()),
        (Exit::Code(_), Some(_)) => format!("exited with {exit}"),
        (Exit::Signal(_), _) => format!("{} {exit}", exit.verb()),
    };
    let quoted: Vec<String> = last_lines.iter().filter_map(|line| quote(line)).collect();
    let more = if quoted.is_empty() { "" } else { "; its last lines:" };
    let cause = cause.as_ref().map_or_else(String::new, |cause| {
        format!(": {}", quote(cause.as_bytes()).unwrap_or_default())
    });
    let head = format!("{name} {how} after {}{cause}{more}", units::span(*ran));
    std::iter::once(head).chain(quoted.into_iter().map(|line| format!("  {line}"))).collect()
}

/// A line as plain text: its last state, without escape sequences and control bytes, shortened to a
/// readable length; `None` if it was erased.
fn quote(line: &[u8]) -> Option<String> {
    const LONGEST: usize = 500;
    let mut last = None;
    line::rows(without_break(line), |row| {
        last = Some(cut(&String::from_utf8_lossy(row), LONGEST).into_owned());
    });
    last
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::last_words;
    use crate::model::exit::Culprit;
    use crate::model::{Exit, ProcName};

    fn ended(name: &str, exit: Exit, ran: Duration) -> Culprit {
        Culprit { name: ProcName::new(name).unwrap(), exit, ran, cause: None }
    }

    #[test]
    fn tells_who_died_and_what_it_said() {
        let web = ended("web", Exit::Code(3), Duration::from_secs(12));
        let lines: [&[u8]; 4] = [
            b"listening\r\n",
            b"spinner\r\x1b[K\r\n",
            b"\x1b[31mport 5000 \r\x1b[Kin use\x1b[0m\r\n",
            b"bye",
        ];
        let expected = [
            "web exited with code 3 after 12 s; its last lines:",
            "  listening",
            "  in use",
            "  bye",
        ];
        assert_eq!(last_words(&web, &lines), expected);
        let worker = ended("worker#2", Exit::Signal(9), Duration::from_millis(40));
        let expected = ["worker#2 was killed by signal 9 (SIGKILL) after 40 ms"];
        assert_eq!(last_words(&worker, &[]), expected);
    }

    #[test]
    fn a_line_nobody_would_read_is_cut() {
        let long = "ä".repeat(100_000);
        let web = ended("web", Exit::Code(0), Duration::ZERO);
        let words = last_words(&web, &[long.as_bytes()]);
        assert_eq!(words[1], format!("  {}…", "ä".repeat(500)));
    }
}
