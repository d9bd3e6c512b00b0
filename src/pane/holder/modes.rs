//! What a program has set in its terminal, and what it asks the terminal.

use std::collections::BTreeSet;

use crate::model::escape::{Scanner, Token};

/// The private modes that a screen is restored with, beside those that the model of the screen knows.
const RESTORED: &[u16] = &[1004];
/// The private modes that switch to the alternate screen.
const ALTERNATE: &[u16] = &[47, 1047, 1049];
/// The private modes that a program may ask about.
const KNOWN: &[u16] = &[1, 5, 6, 7, 12, 25, 47, 66, 1000, 1002, 1003, 1004, 1006, 1047, 1049, 2004];
/// Those of them that are set in a fresh terminal.
const USUAL: &[u16] = &[7, 25];

/// A question that a terminal answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// What kind of terminal it is (DA1).
    Attributes,
    /// The same in another form (DA2).
    SecondaryAttributes,
    /// Whether it works (DSR 5).
    Status,
    /// Where the cursor is (DSR 6), in the private form or not.
    Cursor { is_private: bool },
    /// Whether a private mode is set (DECRQM).
    Mode(u16),
    /// Its name and version (XTVERSION).
    Version,
    /// The colour of text (10) or background (11).
    Color(u8),
    /// Its columns and rows.
    Size,
}

/// Follows what a program prints.
#[derive(Debug, Default)]
pub(super) struct Modes {
    scanner: Scanner,
    /// The known modes that differ from those of a fresh terminal.
    changed: BTreeSet<u16>,
}

impl Modes {
    /// Look at what was printed next; `ask` is called for each question, with the number of bytes up to its end.
    pub(super) fn scan(&mut self, bytes: &[u8], mut ask: impl FnMut(Question, usize)) {
        let mut rest = bytes;
        while let Some(token) = self.scanner.next(&mut rest) {
            let question = match token {
                Token::Csi(inside, last) => {
                    set(&mut self.changed, inside, last);
                    of_sequence(inside, last)
                }
                Token::Osc(b"10;?") => Some(Question::Color(10)),
                Token::Osc(b"11;?") => Some(Question::Color(11)),
                Token::Escape(b'c') => {
                    self.changed.clear();
                    None
                }
                Token::Escape(b'Z') => Some(Question::Attributes),
                Token::Text(_)
                | Token::Control(_)
                | Token::Osc(_)
                | Token::Escape(_)
                | Token::Designate(..)
                | Token::Other => None,
            };
            if let Some(question) = question {
                ask(question, bytes.len() - rest.len());
            }
        }
    }

    fn is_set(&self, mode: u16) -> bool {
        USUAL.contains(&mode) != self.changed.contains(&mode)
    }

    /// Sequences that set, in a fresh terminal, what has to be set before anything is drawn.
    pub(super) fn before_drawing(&self) -> &'static [u8] {
        if ALTERNATE.iter().any(|&mode| self.is_set(mode)) { b"\x1b[?1049h" } else { b"" }
    }

    /// Sequences that set the rest of what the model of the screen does not know.
    pub(super) fn after_drawing(&self) -> Vec<u8> {
        let set = |&&mode: &&u16| self.is_set(mode);
        RESTORED.iter().filter(set).flat_map(|mode| format!("\x1b[?{mode}h").into_bytes()).collect()
    }

    /// The state of a private mode, as DECRQM reports it: 1 set, 2 not set, 0 unknown.
    pub(super) fn report(&self, mode: u16) -> u8 {
        match KNOWN.contains(&mode) {
            true if self.is_set(mode) => 1,
            true => 2,
            false => 0,
        }
    }
}

fn set(changed: &mut BTreeSet<u16>, inside: &[u8], last: u8) {
    let Some(modes) = inside.strip_prefix(b"?").filter(|_| matches!(last, b'h' | b'l')) else {
        return;
    };
    let modes = modes.split(|&byte| byte == b';');
    for mode in modes.filter_map(number).filter(|mode| KNOWN.contains(mode)) {
        if (last == b'h') == USUAL.contains(&mode) {
            changed.remove(&mode);
        } else {
            changed.insert(mode);
        }
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn of_sequence(inside: &[u8], last: u8) -> Option<Question> {
    Some(match (last, inside) {
        (b'c', b"" | b"0") => Question::Attributes,
        (b'c', b">" | b">0") => Question::SecondaryAttributes,
        (b'n', b"5") => Question::Status,
        (b'n', b"6") => Question::Cursor { is_private: false },
        (b'n', b"?6") => Question::Cursor { is_private: true },
        (b'q', b">" | b">0") => Question::Version,
        (b't', b"18") => Question::Size,
        (b'p', _) => Question::Mode(number(inside.strip_prefix(b"?")?.strip_suffix(b"$")?)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Modes, Question};

    fn questions(modes: &mut Modes, bytes: &[u8]) -> Vec<(Question, usize)> {
        let mut asked = vec![];
        modes.scan(bytes, |question, at| asked.push((question, at)));
        asked
    }

    #[test]
    fn questions_are_found_where_they_are() {
        let mut modes = Modes::default();
        let asked = questions(
            &mut modes,
            b"ab\x1b[6nc\x1b[c\x1b[?6n\x1b[>0q\x1b]11;?\x07\x1b[?2004$p\x1b[18t",
        );
        let at = |question, at| (question, at);
        assert_eq!(
            asked,
            [
                at(Question::Cursor { is_private: false }, 6),
                at(Question::Attributes, 10),
                at(Question::Cursor { is_private: true }, 15),
                at(Question::Version, 20),
                at(Question::Color(11), 27),
                at(Question::Mode(2004), 36),
                at(Question::Size, 41),
            ]
        );
        assert_eq!(questions(&mut modes, b"\x1b["), []);
        assert_eq!(questions(&mut modes, b"5n"), [at(Question::Status, 2)]);
    }

    #[test]
    fn modes_are_remembered_until_they_are_reset() {
        let mut modes = Modes::default();
        let report = |modes: &Modes| [25, 1004, 1049, 7777].map(|mode| modes.report(mode));
        assert_eq!(report(&modes), [1, 2, 2, 0]);
        questions(&mut modes, b"\x1b[?1049;1004h\x1b[?25l");
        assert_eq!(report(&modes), [2, 1, 1, 0]);
        assert_eq!(modes.before_drawing(), b"\x1b[?1049h");
        assert_eq!(modes.after_drawing(), b"\x1b[?1004h");
        questions(&mut modes, b"\x1bc");
        assert_eq!(report(&modes), [1, 2, 2, 0]);
        assert_eq!((modes.before_drawing(), modes.after_drawing()), (&b""[..], vec![]));
    }
}
