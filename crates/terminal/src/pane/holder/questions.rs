//! What a program asks its terminal, and the answers.
//!
//! They never come from the terminals of users: there may be none, or several.

use std::fmt::Write as _;

use crate::model::terminal::escape::{Scanner, Token};
use crate::model::terminal::{Modes, number};
use crate::protocol::terminal::Size;

/// The colours that text, background and cursor are said to have.
const TEXT: u32 = 0xff_ff_ff;
const BACKGROUND: u32 = 0;

/// A question that a terminal answers.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    PrivateMode(u16),
    /// Whether a mode is set (DECRQM).
    Mode(u16),
    /// Its name and version (XTVERSION).
    Version,
    /// The colour of text (10), background (11) or cursor (12).
    Color(u8),
    /// These colours of the palette.
    Palette(Vec<u8>),
    /// Its columns and rows.
    Size,
    /// The flags of kitty's keyboard protocol.
    Keyboard,
    /// These capabilities (XTGETTCAP), as hexadecimal names.
    Capabilities(Vec<String>),
    /// A setting (DECRQSS), by the end of the sequence that sets it.
    Setting(Vec<u8>),
}

/// Follows what a program prints.
#[derive(Debug, Default)]
pub(super) struct Follower {
    scanner: Scanner,
    modes: Modes,
}

impl Follower {
    /// The modes that are set.
    pub(super) const fn modes(&self) -> &Modes {
        &self.modes
    }

    /// The terminal has another size.
    pub(super) fn resized(&mut self) {
        self.modes.resized();
    }

    /// Look at what was printed next; `ask` is called for each question, with the modes and the number of bytes up to
    /// its end.
    pub(super) fn scan(&mut self, bytes: &[u8], mut ask: impl FnMut(Question, &Modes, usize)) {
        let mut rest = bytes;
        while let Some(token) = self.scanner.next(&mut rest) {
            self.modes.apply(&token);
            let question = match token {
                Token::Csi(inside, last) => of_sequence(inside, last),
                Token::Osc(inside) => of_command(inside),
                Token::Dcs(inside) => of_control_string(inside),
                Token::Escape(b'Z') => Some(Question::Attributes),
                _ => None,
            };
            if let Some(question) = question {
                ask(question, &self.modes, bytes.len() - rest.len());
            }
        }
    }
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
        (b'u', b"?") => Question::Keyboard,
        (b'p', [b'?', mode @ .., b'$']) => Question::PrivateMode(number(mode)?),
        (b'p', [mode @ .., b'$']) => Question::Mode(number(mode)?),
        _ => return None,
    })
}

fn of_command(inside: &[u8]) -> Option<Question> {
    let mut fields = inside.split(|&byte| byte == b';');
    match (fields.next()?, fields.clone().next()?) {
        (which @ (b"10" | b"11" | b"12"), b"?") => Some(Question::Color(number(which)?)),
        (b"4", _) => {
            let fields: Vec<&[u8]> = fields.collect();
            let asked = fields.chunks(2).filter(|pair| pair.get(1) == Some(&&b"?"[..]));
            let asked: Vec<u8> = asked.filter_map(|pair| number(pair[0])).collect();
            (!asked.is_empty()).then_some(Question::Palette(asked))
        }
        _ => None,
    }
}

fn of_control_string(inside: &[u8]) -> Option<Question> {
    match inside {
        [b'+', b'q', names @ ..] => {
            let names = std::str::from_utf8(names).ok()?.split(';').map(ToOwned::to_owned);
            Some(Question::Capabilities(names.collect()))
        }
        [b'$', b'q', setting @ ..] => Some(Question::Setting(setting.to_vec())),
        _ => None,
    }
}

/// What an answer depends on.
#[derive(Debug)]
pub(super) struct AnswerContext<'a> {
    /// The modes at the end of the question.
    pub(super) modes: &'a Modes,
    pub(super) size: Size,
    /// Row and column of the cursor, from 1.
    pub(super) cursor: (u16, u16),
}

impl Question {
    /// Whether the answer depends on where the cursor is.
    pub(super) const fn is_about_cursor(&self) -> bool {
        matches!(self, Self::Cursor { .. })
    }

    /// What a terminal answers.
    pub(super) fn reply(&self, context: &AnswerContext<'_>) -> String {
        let AnswerContext { modes, size: (columns, rows), cursor: (row, column) } = *context;
        match self {
            // A VT220 with colours.
            Self::Attributes => "\x1b[?62;22c".to_owned(),
            Self::SecondaryAttributes => "\x1b[>1;10;0c".to_owned(),
            Self::Status => "\x1b[0n".to_owned(),
            Self::Cursor { is_private: false } => format!("\x1b[{row};{column}R"),
            Self::Cursor { is_private: true } => format!("\x1b[?{row};{column}R"),
            Self::PrivateMode(mode) => format!("\x1b[?{mode};{}$y", modes.report(*mode)),
            Self::Mode(mode) => {
                let state = match mode {
                    4 if modes.inserts() => 1,
                    4 => 2,
                    _ => 0,
                };
                format!("\x1b[{mode};{state}$y")
            }
            Self::Version => format!("\x1bP>|tmo {}\x1b\\", env!("CARGO_PKG_VERSION")),
            Self::Color(which) => {
                let color = if *which == 11 { BACKGROUND } else { TEXT };
                format!("\x1b]{which};{}\x1b\\", shown_color(color))
            }
            Self::Palette(places) => places.iter().fold(String::new(), |mut answer, place| {
                let color = shown_color(palette(*place));
                // Writing to a string can't fail.
                let _ = write!(answer, "\x1b]4;{place};{color}\x1b\\");
                answer
            }),
            Self::Size => format!("\x1b[8;{rows};{columns}t"),
            Self::Keyboard => format!("\x1b[?{}u", modes.keyboard_flags()),
            Self::Capabilities(names) => names.iter().map(|name| capability(name)).collect(),
            Self::Setting(setting) => match &**setting {
                b" q" => format!("\x1bP1$r{} q\x1b\\", modes.cursor_shape()),
                b"r" => {
                    let (top, bottom) = modes.region(rows);
                    format!("\x1bP1$r{top};{bottom}r\x1b\\")
                }
                _ => "\x1bP0$r\x1b\\".to_owned(),
            },
        }
    }
}

fn shown_color(color: u32) -> String {
    let [_, red, green, blue] = color.to_be_bytes();
    format!("rgb:{red:02x}{red:02x}/{green:02x}{green:02x}/{blue:02x}{blue:02x}")
}

/// The usual palette of 256 colours.
fn palette(place: u8) -> u32 {
    const FIRST: [u32; 16] = [
        0x00_00_00, 0xcd_00_00, 0x00_cd_00, 0xcd_cd_00, 0x00_00_ee, 0xcd_00_cd, 0x00_cd_cd,
        0xe5_e5_e5, 0x7f_7f_7f, 0xff_00_00, 0x00_ff_00, 0xff_ff_00, 0x5c_5c_ff, 0xff_00_ff,
        0x00_ff_ff, 0xff_ff_ff,
    ];
    let place = u32::from(place);
    match place {
        0..16 => FIRST.get(place as usize).copied().unwrap_or(0),
        16..232 => {
            let level = |step: u32| if step == 0 { 0 } else { 55 + 40 * step };
            let place = place - 16;
            level(place / 36) << 16 | level(place / 6 % 6) << 8 | level(place % 6)
        }
        _ => (8 + 10 * (place - 232)) * 0x01_01_01,
    }
}

/// The answer for a capability with this hexadecimal name.
fn capability(name: &str) -> String {
    let value = match name.to_ascii_lowercase().as_str() {
        // `TN` and `name`: the terminal's name.
        "544e" | "6e616d65" => "xterm-256color",
        // `Co` and `colors`.
        "436f" | "636f6c6f7273" => "256",
        // `RGB`: bits of a colour.
        "524742" => "8",
        _ => {
            // The name goes back to the program as it came, unless it is none.
            let name = if name.bytes().all(|byte| byte.is_ascii_hexdigit()) { name } else { "" };
            return format!("\x1bP0+r{name}\x1b\\");
        }
    };
    let value: String = value.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    });
    format!("\x1bP1+r{name}={value}\x1b\\")
}

#[cfg(test)]
mod tests {
    use super::{AnswerContext, Follower, Question};

    fn questions(follower: &mut Follower, bytes: &[u8]) -> Vec<(Question, usize)> {
        let mut asked = vec![];
        follower.scan(bytes, |question, _, at| asked.push((question, at)));
        asked
    }

    /// The answers of a terminal of 80 columns and 24 rows with its cursor in row 3, column 7.
    fn answers(bytes: &[u8]) -> String {
        let (mut follower, mut answers) = (Follower::default(), String::new());
        follower.scan(bytes, |question, modes, _| {
            let known = AnswerContext { modes, size: (80, 24), cursor: (3, 7) };
            answers.push_str(&question.reply(&known));
        });
        answers.escape_default().to_string().replace("\\u{1b}", "^").replace("\\\\", "\\")
    }

    #[test]
    fn questions_are_found_where_they_are() {
        let mut follower = Follower::default();
        let asked = questions(&mut follower, b"ab\x1b[6nc\x1b[c\x1b]11;?\x07\x1b[?2004$p");
        assert_eq!(
            asked,
            [
                (Question::Cursor { is_private: false }, 6),
                (Question::Attributes, 10),
                (Question::Color(11), 17),
                (Question::PrivateMode(2004), 26),
            ]
        );
        assert_eq!(questions(&mut follower, b"\x1b["), []);
        assert_eq!(questions(&mut follower, b"5n"), [(Question::Status, 2)]);
    }

    #[test]
    fn each_question_has_its_answer() {
        let cases: &[(&[u8], &str)] = &[
            (b"\x1b[c\x1b[0c\x1bZ", "^[?62;22c^[?62;22c^[?62;22c"),
            (b"\x1b[>c", "^[>1;10;0c"),
            (b"\x1b[5n\x1b[6n\x1b[?6n", "^[0n^[3;7R^[?3;7R"),
            (b"\x1b[18t", "^[8;24;80t"),
            (b"\x1b[?25$p\x1b[?2004$p\x1b[?7777$p", "^[?25;1$y^[?2004;2$y^[?7777;0$y"),
            (b"\x1b[?2004h\x1b[?2004$p\x1b[4$p\x1b[4h\x1b[4$p", "^[?2004;1$y^[4;2$y^[4;1$y"),
            (
                b"\x1b]10;?\x07\x1b]11;?\x1b\\",
                "^]10;rgb:ffff/ffff/ffff^\\^]11;rgb:0000/0000/0000^\\",
            ),
            (b"\x1b]4;1;?;232;?\x07", "^]4;1;rgb:cdcd/0000/0000^\\^]4;232;rgb:0808/0808/0808^\\"),
            (b"\x1b]4;196;?\x07", "^]4;196;rgb:ffff/0000/0000^\\"),
            (b"\x1b[?u\x1b[>5u\x1b[?u\x1b[<u\x1b[?u", "^[?0u^[?5u^[?0u"),
            (b"\x1b[>1u\x1b[?1049h\x1b[?u\x1b[=3;2u\x1b[?u\x1b[?1049l\x1b[?u", "^[?0u^[?3u^[?1u"),
            (b"\x1bP+q544E;4242\x1b\\", "^P1+r544E=787465726D2D323536636F6C6F72^\\^P0+r4242^\\"),
            (b"\x1bP$q q\x1b\\\x1b[4 q\x1bP$q q\x1b\\", "^P1$r0 q^\\^P1$r4 q^\\"),
            (b"\x1b[2;9r\x1bP$qr\x1b\\\x1bP$qm\x1b\\", "^P1$r2;9r^\\^P0$r^\\"),
            (b"\x1b[21t\x1b]52;c;?\x07\x1b]2;title\x07\x1b]10;red\x07", ""),
        ];
        for (asked, answer) in cases {
            assert_eq!(answers(asked), *answer, "{}", asked.escape_ascii());
        }
        let version = answers(b"\x1b[>q");
        assert_eq!(version, format!("^P>|tmo {}^\\", env!("CARGO_PKG_VERSION")));
    }
}
