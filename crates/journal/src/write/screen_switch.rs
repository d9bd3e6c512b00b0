//! Where a program switches to the alternate screen of its terminal, and back: what it draws there is not lines.

use memchr::{memchr_iter, memchr2_iter};

/// Maximum length of the parameters of a sequence.
const LONGEST_PARAMETERS: usize = 24;
/// A program that ends so many lines without moving the cursor no longer draws: no screen has that many rows.
/// Otherwise one that was killed below a shell, or a binary file, would hide all that follows.
const MOST_LINES: u32 = 200;

/// The screen of a terminal.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    /// Whether the program draws in the alternate screen.
    pub(crate) drawn: bool,
    /// How many lines have ended there since the cursor was moved.
    lines: u32,
}

impl Screen {
    pub(crate) fn new(drawn: bool) -> Self {
        Self { drawn, lines: 0 }
    }

    /// Where in this text, which continues the one before, a drawing begins or ends next.
    pub(crate) fn switch(&mut self, text: &[u8]) -> Option<usize> {
        if self.drawn { self.end(text) } else { begin(text) }
    }

    /// The offset after a return to the other screen, a reset, or the last of many lines.
    fn end(&mut self, text: &[u8]) -> Option<usize> {
        memchr2_iter(b'\x1b', b'\n', text).find_map(|at| {
            let rest = &text[at..];
            if rest[0] == b'\n' {
                self.lines += 1;
                return (self.lines >= MOST_LINES).then_some(at + 1);
            }
            if rest.get(1) == Some(&b'c') {
                return Some(at + 2);
            }
            let (parameters, last) = sequence(rest)?;
            let erases_row = last == b'K' && text[..at].ends_with(b"\r");
            if erases_row
                || matches!(
                    last,
                    b'A'..=b'H' | b'J' | b'L' | b'M' | b'S' | b'T' | b'd' | b'f' | b'r'
                )
            {
                self.lines = 0;
            }
            let is_reset = (parameters, last) == (b"!", b'p');
            (is_reset || last == b'l' && is_screen(parameters)).then(|| at + 3 + parameters.len())
        })
    }
}

/// The offset of a switch to the alternate screen.
fn begin(text: &[u8]) -> Option<usize> {
    memchr_iter(b'\x1b', text).find(|at| {
        sequence(&text[*at..])
            .is_some_and(|(parameters, last)| last == b'h' && is_screen(parameters))
    })
}

/// How many bytes at the end of the text may be the beginning of a sequence that matters here.
pub(crate) fn held_back(text: &[u8]) -> usize {
    let tail = &text[text.len().saturating_sub(LONGEST_PARAMETERS + 2)..];
    let Some(at) = memchr::memrchr(b'\x1b', tail) else { return 0 };
    let tail = &tail[at..];
    let begins = match tail.get(1) {
        Some(b'[') => tail[2..].iter().all(|byte| is_parameter(*byte)),
        Some(_) => false,
        None => true,
    };
    if begins { tail.len() } else { 0 }
}

/// The parameters of the control sequence at the beginning of this text, and its last byte.
fn sequence(text: &[u8]) -> Option<(&[u8], u8)> {
    let text = text.strip_prefix(b"\x1b[")?;
    let length = text.iter().take(LONGEST_PARAMETERS).position(|byte| !is_parameter(*byte))?;
    Some((&text[..length], text[length]))
}

fn is_screen(parameters: &[u8]) -> bool {
    let modes = parameters.strip_prefix(b"?").unwrap_or_default().split(|byte| *byte == b';');
    modes.into_iter().any(|mode| matches!(mode, b"1049" | b"1047" | b"47"))
}

const fn is_parameter(byte: u8) -> bool {
    matches!(byte, b' '..=b'?')
}

#[cfg(test)]
mod tests {
    use super::{MOST_LINES, Screen, held_back};

    #[test]
    fn the_sequences_of_terminals_are_known_and_others_are_not() {
        let switch = |text: &str, drawn| Screen::new(drawn).switch(text.as_bytes());
        for mode in ["1049", "1047", "47", "1;1049", "1049;25"] {
            assert_eq!(switch(&format!("ab\x1b[?{mode}hc"), false), Some(2), "{mode}");
            assert_eq!(switch(&format!("ab\x1b[?{mode}hc"), true), None, "{mode}");
            let text = format!("ab\x1b[?{mode}l");
            assert_eq!(switch(&(text.clone() + "c"), true), Some(text.len()), "{mode}");
        }
        for other in ["\x1b[?25h", "\x1b[?10490h", "\x1b[1049h", "\x1b[?1049", "\x1b[?1049$p"] {
            assert_eq!(switch(other, false), None, "{other:?}");
        }
        for reset in ["ab\x1bc", "ab\x1b[!p"] {
            assert_eq!(switch(&format!("{reset}c"), true), Some(reset.len()), "{reset:?}");
        }
    }

    #[test]
    fn many_lines_without_a_move_of_the_cursor_are_no_drawing() {
        let most = MOST_LINES as usize;
        for (line, ends) in [
            ("\x1b[1mlog\x1b[m\x1b[K\r\n", true),
            ("\x1b[2;1Hrow\r\n", false),
            ("row\x1b[1B\n", false),
            ("\r\x1b[Krow of a pager\r\n", false),
        ] {
            let mut screen = Screen::new(true);
            // As the lines arrive.
            let end = (1..=2 * most).find(|_| screen.switch(line.as_bytes()).is_some());
            assert_eq!(end, ends.then_some(most), "{line:?}");
        }
    }

    #[test]
    fn a_sequence_that_is_cut_anywhere_is_held_back() {
        for text in [&b"ab\x1b[?1049h"[..], b"ab\x1b[!p", b"ab\x1bc", b"ab\x1b[12;40H"] {
            for end in 3..text.len() {
                assert_eq!(held_back(&text[..end]), end - 2);
            }
            assert_eq!(held_back(text), 0);
        }
        for whole in [&b""[..], b"ab", b"\x1b[31m", b"\x1b]0"] {
            assert_eq!(held_back(whole), 0, "{}", whole.escape_ascii());
        }
    }
}
