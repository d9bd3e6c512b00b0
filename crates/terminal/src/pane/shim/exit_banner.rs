//! The notes that the pane shows after the end of a life, and where the next one begins.

use std::time::Duration;

use crate::model::{Exit, LifeId, ProcName};

/// Resets what a program may have changed on the screen, without clearing it.
///
/// In turn: alternate screen, scroll region, cursor shown and of its usual shape, mouse reports,
/// focus reports, bracketed paste, cursor keys, keypad, keyboard protocol, wrapping, insert mode,
/// character sets and colours.
///
/// The alternate screen is entered before it is left: if it was off, entering it saves the cursor, so
/// leaving it restores the right position in both cases. The scroll region is reset between saving and
/// restoring the cursor, because the reset moves the cursor home.
const RESET: &str = concat!(
    "\x1b[?1049h\x1b[?1049l",
    "\x1b7\x1b[r\x1b8",
    "\x1b[?25h\x1b[0 q",
    "\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l",
    "\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[>4m\x1b[?7h\x1b[4l",
    "\x1b(B\x1b)B\x0f\x1b[0m",
);

/// The properties of an ended life that its note mentions.
#[derive(Debug)]
pub(super) struct ExitBanner<'a> {
    pub(super) name: &'a ProcName,
    pub(super) life: LifeId,
    pub(super) exit: Exit,
    /// Whether it was asked to stop.
    pub(super) asked: bool,
    pub(super) lasted: Duration,
}

impl ExitBanner<'_> {
    /// The bytes for the screen, to be written without output processing.
    pub(super) fn note(&self, clock: &str) -> Vec<u8> {
        let verb = if self.asked { "stopped with" } else { self.exit.verb() };
        let how = format!("{verb} {}", self.exit);
        let Self { name, life, .. } = self;
        let lasted = span(self.lasted);
        let text = format!(
            "{RESET}\r\n\x1b[2m{name} {how} at {clock} after running for {lasted} (life {life})\r\n\
             nothing reads this terminal now; `tmo restart {name}` starts it again\x1b[0m\r\n"
        );
        text.into_bytes()
    }
}

/// The note that a process was started again, below that of its earlier life.
pub(super) fn again(name: &ProcName, life: LifeId, clock: &str) -> Vec<u8> {
    format!("\x1b[2m{name} was started again at {clock} (life {life})\x1b[0m\r\n").into_bytes()
}

/// Formats a duration: `0.3 s`, `12 s`, `3 min 5 s`, `2 h 4 min`, `3 d 1 h`.
fn span(time: Duration) -> String {
    let (s, tenths) = (time.as_secs(), time.subsec_millis() / 100);
    match s {
        0..10 => format!("{s}.{tenths} s"),
        10..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        86400.. => format!("{} d {} h", s / 86400, s % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ExitBanner, span};
    use crate::model::{Exit, LifeId, ProcName};
    use crate::protocol::marker::LONGEST_MARKER;

    fn note(exit: Exit, asked: bool) -> Vec<u8> {
        let name = ProcName::new("web").unwrap();
        let (life, lasted) = (LifeId::nth(2), Duration::from_secs(12));
        ExitBanner { name: &name, life, exit, asked, lasted }.note("14:05:02")
    }

    #[test]
    fn it_says_how_it_ended() {
        let mut screen = vt100::Parser::new(5.try_into().unwrap(), 80.try_into().unwrap(), 0);
        screen.process(b"some output\r\n\x1b[?1049h\x1b[31mfull screen\x1b[?25l");
        screen.process(&note(Exit::Code(3), false));
        let text = screen.screen().contents();
        assert!(text.starts_with("some output\n"), "{text}");
        assert!(
            text.contains("web exited with code 3 at 14:05:02 after running for 12 s (life 2)"),
            "{text}"
        );
        assert!(text.contains("`tmo restart web` starts it again"), "{text}");
        assert!(!screen.screen().hide_cursor());
        let killed = String::from_utf8(note(Exit::Signal(9), false)).unwrap();
        assert!(killed.contains("was killed by signal 9 (SIGKILL)"), "{killed}");
        let stopped = String::from_utf8(note(Exit::Signal(2), true)).unwrap();
        assert!(stopped.contains("stopped with signal 2 (SIGINT)"), "{stopped}");
    }

    #[test]
    fn what_follows_says_that_it_was_started_again() {
        let note = super::again(&ProcName::new("web").unwrap(), LifeId::nth(3), "14:05:03");
        let note = String::from_utf8(note).unwrap();
        assert_eq!(note, "\x1b[2mweb was started again at 14:05:03 (life 3)\x1b[0m\r\n");
    }

    #[test]
    fn marker_and_note_fit_in_one_write() {
        let name = ProcName::new("x".repeat(255)).unwrap();
        let lasted = Duration::from_secs(u64::MAX);
        let exit = Exit::Signal(9);
        let over =
            ExitBanner { name: &name, life: LifeId::nth(u32::MAX), exit, asked: false, lasted };
        assert!(over.note("14:05:02").len() + LONGEST_MARKER < 2000);
    }

    #[test]
    fn spans() {
        for (secs, text) in [(0, "0.0 s"), (59, "59 s"), (185, "3 min 5 s"), (7440, "2 h 4 min")] {
            assert_eq!(span(Duration::from_secs(secs)), text);
        }
    }
}
