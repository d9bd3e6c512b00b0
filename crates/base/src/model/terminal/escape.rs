//! Splits a terminal stream into tokens; the input may arrive in pieces of any size.
//!
//! The grammar is that of ECMA-48 as terminals implement it, with one deviation: an unterminated sequence
//! or string (CSI, OSC, DCS …) ends with its line. A forgotten terminator therefore hides one line and not
//! all later output, and a line is parsed the same alone as among others.

/// One token of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// Ordinary bytes, without control bytes except tabs.
    Text(&'a [u8]),
    /// A control byte, newline and carriage return included.
    Control(u8),
    /// A control sequence: parameters and intermediates, final byte.
    Csi(&'a [u8], u8),
    /// The content of an operating system command.
    Osc(&'a [u8]),
    /// The content of a device control string.
    Dcs(&'a [u8]),
    /// A two-byte escape sequence; this is the second byte.
    Escape(u8),
    /// The choice of a character set: which place (`(` or `)`), which set.
    Designate(u8, u8),
    /// Any other sequence, or a sequence that is too long to be kept.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    /// After `0xc2`, which leads the two-byte forms of the C1 controls.
    Lead,
    Escape,
    /// After the intermediate bytes of an escape sequence.
    Intermediate,
    Csi,
    /// In a string, and what it is when it ends; SOS, PM and APC are `Other`.
    String(SequenceStep),
    /// After an escape byte within a string: a backslash would end the string.
    StringEscape(SequenceStep),
}

/// Maximum length of a sequence that is kept.
const LONGEST_SEQUENCE: usize = 4096;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const LEAD: u8 = 0xc2;
const DEL: u8 = 0x7f;

/// Bytes that end a run of ordinary text.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = byte != b'\t' as usize;
        byte += 1;
    }
    table[DEL as usize] = true;
    table[LEAD as usize] = true;
    table
};

/// The scanner. Its state is all that it keeps between two pieces.
#[derive(Debug, Default)]
pub struct Scanner {
    state: State,
    kept: Vec<u8>,
    overflow: bool,
}

/// The effect of one byte within a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SequenceStep {
    /// The sequence continues.
    On,
    /// The byte belongs to the next token: process it again.
    Again,
    Control,
    Csi,
    Osc,
    Dcs,
    Escape,
    Designate,
    Other,
}

impl Scanner {
    /// Whether no sequence is open, so that the next bytes are parsed as if at the start of a stream.
    pub fn at_rest(&self) -> bool {
        self.state == State::Ground
    }

    /// Drop an unfinished sequence.
    pub fn reset(&mut self) {
        self.state = State::Ground;
    }

    /// Return the next token and advance `input` past it; `None` when the input is used up.
    pub fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Option<Token<'s>> {
        loop {
            let (&byte, rest) = input.split_first()?;
            if self.state == State::Ground && !SPECIAL[usize::from(byte)] {
                let end = rest.iter().position(|&b| SPECIAL[usize::from(b)]);
                let (text, after) = input.split_at(end.map_or(input.len(), |end| end + 1));
                *input = after;
                return Some(Token::Text(text));
            }
            if self.state == State::Lead && !(0x80..0xa0).contains(&byte) {
                self.state = State::Ground;
                return Some(Token::Text(&[LEAD]));
            }
            let step = self.step(byte);
            if !matches!(step, SequenceStep::Again) {
                *input = rest;
            }
            match step {
                SequenceStep::On | SequenceStep::Again => {}
                SequenceStep::Control => return Some(Token::Control(byte)),
                SequenceStep::Csi if !self.overflow => return Some(Token::Csi(&self.kept, byte)),
                SequenceStep::Osc if !self.overflow => return Some(Token::Osc(&self.kept)),
                SequenceStep::Dcs if !self.overflow => return Some(Token::Dcs(&self.kept)),
                SequenceStep::Escape => return Some(Token::Escape(byte)),
                SequenceStep::Designate => return Some(Token::Designate(self.kept[0], byte)),
                SequenceStep::Csi | SequenceStep::Osc | SequenceStep::Dcs | SequenceStep::Other => {
                    return Some(Token::Other);
                }
            }
        }
    }

    fn step(&mut self, byte: u8) -> SequenceStep {
        match self.state {
            State::Ground => match byte {
                ESC => self.go(State::Escape, SequenceStep::On),
                LEAD => self.go(State::Lead, SequenceStep::On),
                DEL => SequenceStep::On,
                _ => SequenceStep::Control,
            },
            State::Lead => self.go(State::Ground, SequenceStep::On),
            State::Escape | State::Intermediate | State::Csi => self.sequence(byte),
            State::String(end) => self.string(byte, end),
            State::StringEscape(end) if byte == b'\\' => self.go(State::Ground, end),
            State::StringEscape(_) => self.go(State::Escape, SequenceStep::Again),
        }
    }

    fn go(&mut self, state: State, step: SequenceStep) -> SequenceStep {
        self.state = state;
        step
    }

    fn sequence(&mut self, byte: u8) -> SequenceStep {
        match (self.state, byte) {
            (_, ESC) => self.go(State::Escape, SequenceStep::On),
            (_, b'\n') => self.go(State::Ground, SequenceStep::Again),
            (_, 0x18 | 0x1a) => self.go(State::Ground, SequenceStep::Other),
            (_, 0x00..0x20) => SequenceStep::Control,
            (_, DEL) => SequenceStep::On,
            (_, 0x80..) => self.go(State::Ground, SequenceStep::Again),
            (State::Csi, 0x20..0x40) => self.keep(byte),
            (State::Csi, _) => self.go(State::Ground, SequenceStep::Csi),
            (State::Escape, 0x20..0x30) => {
                self.begin(State::Intermediate);
                self.keep(byte)
            }
            (_, 0x20..0x30) => self.keep(byte),
            (State::Escape, b'[') => self.begin(State::Csi),
            (State::Escape, b']') => self.begin(State::String(SequenceStep::Osc)),
            (State::Escape, b'P') => self.begin(State::String(SequenceStep::Dcs)),
            (State::Escape, b'X' | b'^' | b'_') => self.begin(State::String(SequenceStep::Other)),
            (State::Escape, 0x30..DEL) => self.go(State::Ground, SequenceStep::Escape),
            (_, 0x30..DEL) => {
                let designates = matches!(self.kept[..], [b'(' | b')']);
                let step = if designates { SequenceStep::Designate } else { SequenceStep::Other };
                self.go(State::Ground, step)
            }
        }
    }

    fn string(&mut self, byte: u8, end: SequenceStep) -> SequenceStep {
        match byte {
            BEL if end == SequenceStep::Osc => self.go(State::Ground, end),
            ESC => self.go(State::StringEscape(end), SequenceStep::On),
            0x18 | 0x1a => self.go(State::Ground, SequenceStep::Other),
            b'\n' => self.go(State::Ground, SequenceStep::Again),
            0x00..0x20 => SequenceStep::On,
            _ if end == SequenceStep::Other => SequenceStep::On,
            _ => self.keep(byte),
        }
    }

    fn begin(&mut self, state: State) -> SequenceStep {
        self.kept.clear();
        self.overflow = false;
        self.go(state, SequenceStep::On)
    }

    fn keep(&mut self, byte: u8) -> SequenceStep {
        if self.kept.len() < LONGEST_SEQUENCE {
            self.kept.push(byte);
        } else {
            self.overflow = true;
        }
        SequenceStep::On
    }
}

/// Whether a text contains only characters, tabs and line breaks (`\n` or `\r\n`): no escape sequence, no
/// other control character, and only valid UTF-8. A terminal shows such a text unchanged.
pub fn is_ordinary(text: &[u8]) -> bool {
    contains_only(text, is_control)
}

/// Whether a text is ordinary except for its escape sequences.
pub fn is_ordinary_but_for_escapes(text: &[u8]) -> bool {
    contains_only(text, |byte| is_control(byte) & u8::from(byte != ESC))
}

fn contains_only(text: &[u8], is_control: impl Fn(u8) -> u8) -> bool {
    let Some((&last, before)) = text.split_last() else { return true };
    if last == b'\r' || last == LEAD || is_control(last) != 0 {
        return false;
    }
    // Branch-free, so that the compiler vectorizes it.
    let (mut odd, mut high) = (0, last);
    for (&byte, &next) in before.iter().zip(&text[1..]) {
        let bare = u8::from(byte == b'\r') & u8::from(next != b'\n');
        let c1 = u8::from(byte == LEAD) & u8::from(next & 0xe0 == 0x80);
        odd |= bare | c1 | is_control(byte);
        high |= byte;
    }
    odd == 0 && (high < 0x80 || (std::str::from_utf8(text).is_ok() && !has_directions(text)))
}

/// Whether a text contains a character that embeds, overrides or isolates a writing direction. Such a
/// character makes a line appear different from its content.
pub fn has_directions(text: &[u8]) -> bool {
    memchr::memchr_iter(0xe2, text).any(|at| match text.get(at + 1..at + 3) {
        Some([0x80, last]) => (0xaa..=0xae).contains(last),
        Some([0x81, last]) => (0xa6..=0xa9).contains(last),
        Some(_) | None => false,
    })
}

/// 1 for a control byte that is neither a tab nor part of a line break.
fn is_control(byte: u8) -> u8 {
    let low = u8::from(byte < 0x20);
    let kept = u8::from(byte == b'\t') | u8::from(byte == b'\n') | u8::from(byte == b'\r');
    low & !kept | u8::from(byte == DEL)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST_SEQUENCE, Scanner, Token};

    /// Tokens as words; adjacent texts are joined, because their boundaries depend on how the input is cut.
    fn words(pieces: &[&[u8]]) -> Vec<String> {
        let mut scanner = Scanner::default();
        let mut words: Vec<String> = vec![];
        for piece in pieces {
            let mut input = *piece;
            while let Some(token) = scanner.next(&mut input) {
                let word = match token {
                    Token::Text(text) => format!("t:{}", text.escape_ascii()),
                    Token::Control(byte) => format!("c:{byte:02x}"),
                    Token::Csi(inside, last) => {
                        format!("csi:{}{}", inside.escape_ascii(), last as char)
                    }
                    Token::Osc(inside) => format!("osc:{}", inside.escape_ascii()),
                    Token::Dcs(inside) => format!("dcs:{}", inside.escape_ascii()),
                    Token::Escape(last) => format!("esc:{}", last as char),
                    Token::Designate(place, set) => format!("set:{}{}", place as char, set as char),
                    Token::Other => "other".to_owned(),
                };
                match (words.last_mut(), word.strip_prefix("t:")) {
                    (Some(last), Some(more)) if last.starts_with("t:") => last.push_str(more),
                    _ => words.push(word),
                }
            }
        }
        words
    }

    #[test]
    fn takes_a_stream_apart() {
        let cases: [(&[u8], &[&str]); 14] = [
            (b"a\tb\r\n", &["t:a\\tb", "c:0d", "c:0a"]),
            (b"\x1b[1;31mred\x1b[m", &["csi:1;31m", "t:red", "csi:m"]),
            (b"\x1b]0;title\x07x", &["osc:0;title", "t:x"]),
            (b"\x1b]8;;http://a\x1b\\x", &["osc:8;;http://a", "t:x"]),
            (b"\x1bc\x1b(0\x1b7x", &["esc:c", "set:(0", "esc:7", "t:x"]),
            (b"\x1bPq#0\x07\x1b\\x", &["dcs:q#0", "t:x"]),
            (b"\x1b_G\x1b\\x", &["other", "t:x"]),
            (b"\x1b]0;open\nnext", &["c:0a", "t:next"]),
            (b"\x1b[3\n1m\x1b\nc", &["c:0a", "t:1m", "c:0a", "t:c"]),
            (b"\x1b[3\r1mx", &["c:0d", "csi:31m", "t:x"]),
            (b"\x1b[3\x18x", &["other", "t:x"]),
            (b"\xc2\xa0\xc2\x9bx\x7f", &["t:\\xc2\\xa0x"]),
            (b"\x1b\x1b[?25lx", &["csi:?25l", "t:x"]),
            (b"\x1b[3\xc3\xa9", &["t:\\xc3\\xa9"]),
        ];
        for (input, expected) in cases {
            assert_eq!(words(&[input]), expected, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_sequence_too_long_is_skipped_with_little_memory() {
        let mut input = b"\x1b]8;;".to_vec();
        input.resize(100_000, b'x');
        input.extend_from_slice(b"\x07after");
        assert_eq!(words(&[&input]), ["other", "t:after"]);
        let mut scanner = Scanner::default();
        let mut rest = &input[..];
        while scanner.next(&mut rest).is_some() {}
        assert!(scanner.kept.len() <= LONGEST_SEQUENCE);
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            input in prop::collection::vec(prop::sample::select(&b"\x1b[]PX;:?038m\x07\\\r\nab\xc2\x9b\xa0\x18"[..]), 0..60),
            cut in 0usize..60,
        ) {
            let cut = cut.min(input.len());
            prop_assert_eq!(words(&[&input]), words(&[&input[..cut], &input[cut..]]));
        }
    }
}
