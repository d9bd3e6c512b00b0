//! The last words of a run: which processes ended by themselves, how, and their last output.

use std::time::Duration;

use crate::model::Exit;
use crate::model::line::{self, without_break};
use crate::model::text::cut;
use crate::model::units;

/// An unrequested end of a process.
#[derive(Debug, Clone, Copy)]
pub struct Death<'a> {
    /// Its name.
    pub name: &'a str,
    /// How it ended.
    pub exit: Exit,
    /// How long it had run.
    pub uptime: Duration,
    /// The cause in one sentence, if it is known.
    pub cause: Option<&'a str>,
    /// Its last lines as they are in its stream, with or without newlines.
    pub last_lines: &'a [&'a [u8]],
}

/// The lines that report this death.
///
/// They contain no escape sequences: quoted lines lose their colours.
pub fn last_words(death: &Death<'_>) -> Vec<String> {
    let how = match (death.exit, death.cause) {
        (Exit::Code(_), None) => format!("exited with {}", death.exit.describe()),
        (Exit::Code(_), Some(_)) => format!("exited with {}", death.exit),
        (Exit::Signal(_), _) => format!("{} {}", death.exit.verb(), death.exit),
    };
    let quoted: Vec<String> = death.last_lines.iter().filter_map(|line| quote(line)).collect();
    let more = if quoted.is_empty() { "" } else { "; its last lines:" };
    let cause = death.cause.map_or_else(String::new, |cause| {
        format!(": {}", quote(cause.as_bytes()).unwrap_or_default())
    });
    let head = format!("{} {how} after {}{cause}{more}", death.name, units::span(death.uptime));
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

    use super::{Death, last_words};
    use crate::model::Exit;

    #[test]
    fn tells_who_died_and_what_it_said() {
        let deaths = [
            Death {
                name: "web",
                exit: Exit::Code(3),
                uptime: Duration::from_secs(12),
                cause: None,
                last_lines: &[
                    b"listening\r\n",
                    b"spinner\r\x1b[K\r\n",
                    b"\x1b[31mport 5000 \r\x1b[Kin use\x1b[0m\r\n",
                    b"bye",
                ],
            },
            Death {
                name: "worker#2",
                exit: Exit::Signal(9),
                uptime: Duration::from_millis(40),
                cause: None,
                last_lines: &[],
            },
        ];
        assert_eq!(
            deaths.iter().flat_map(last_words).collect::<Vec<_>>(),
            [
                "web exited with code 3 after 12 s; its last lines:",
                "  listening",
                "  in use",
                "  bye",
                "worker#2 was killed by signal 9 (SIGKILL) after 40 ms",
            ]
        );
    }

    #[test]
    fn a_line_nobody_would_read_is_cut() {
        let long = "ä".repeat(100_000);
        let death = Death {
            name: "web",
            exit: Exit::Code(0),
            uptime: Duration::ZERO,
            cause: None,
            last_lines: &[long.as_bytes()],
        };
        let words = last_words(&death);
        assert_eq!(words[1], format!("  {}…", "ä".repeat(500)));
    }
}
