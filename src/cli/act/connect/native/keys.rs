//! The keys with which a user leaves a terminal, among everything else that is typed.

use crate::model::plan::detach_keys::DetachKeys;
use crate::model::terminal::number;

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UserInput {
    /// These bytes are for the process.
    Input(Vec<u8>),
    Leave,
    /// To know the keys.
    Help,
    /// To have the screen drawn again.
    Redraw,
}

/// Finds the keys in what is typed.
#[derive(Debug)]
pub(super) struct KeyParser {
    keys: DetachKeys,
    /// How many of the keys were pressed, and the bytes that they consisted of.
    pressed: usize,
    held: Vec<u8>,
    /// The beginning of a sequence of which the rest may follow.
    partial: Vec<u8>,
    /// Text is being pasted, between two sequences of the terminal.
    in_paste: bool,
}

/// What begins with these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A key that can be one of those that are looked for, as the byte of its short form.
    Key(u8),
    /// Any other key.
    Other,
    /// A key was released, or it only modifies others.
    Release,
    /// Pasted text begins or ends.
    Paste(bool),
    /// The terminal answers a question, which this program does not ask.
    Reply,
    /// The rest may follow.
    Partial,
}

impl KeyParser {
    pub(super) const fn new(keys: DetachKeys) -> Self {
        Self { keys, pressed: 0, held: vec![], partial: vec![], in_paste: false }
    }

    /// Whether bytes are kept that may turn out to be a key of their own.
    pub(super) fn is_waiting(&self) -> bool {
        !self.partial.is_empty()
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<UserInput> {
        self.partial.extend_from_slice(bytes);
        self.go_on(false)
    }

    /// Nothing has followed for a moment.
    pub(super) fn give_up(&mut self) -> Vec<UserInput> {
        self.go_on(true)
    }

    fn go_on(&mut self, is_complete: bool) -> Vec<UserInput> {
        let bytes = std::mem::take(&mut self.partial);
        let (mut wants, mut input, mut at) = (vec![], vec![], 0);
        while at < bytes.len() {
            let (mut kind, mut length) = first(&bytes[at..]);
            if kind == Kind::Partial {
                if !is_complete {
                    self.partial = bytes[at..].to_vec();
                    break;
                }
                (kind, length) = (Kind::Key(bytes[at]), 1);
            }
            let key = &bytes[at..at + length];
            at += length;
            match self.press(key, kind) {
                None => {}
                Some(UserInput::Input(bytes)) => input.extend(bytes),
                Some(other) => {
                    push(&mut wants, &mut input);
                    wants.push(other);
                }
            }
        }
        push(&mut wants, &mut input);
        wants
    }

    fn press(&mut self, key: &[u8], kind: Kind) -> Option<UserInput> {
        let code = match kind {
            Kind::Reply if !self.in_paste => return None,
            Kind::Release if self.pressed > 0 => {
                self.held.extend_from_slice(key);
                return None;
            }
            Kind::Paste(begins) => {
                self.in_paste = begins;
                None
            }
            Kind::Key(code) if !self.in_paste => Some(code),
            Kind::Key(_) | Kind::Other | Kind::Release | Kind::Reply | Kind::Partial => None,
        };
        let keys = self.keys.bytes();
        if code.is_some() && code == keys.get(self.pressed).copied() {
            self.pressed += 1;
            self.held.extend_from_slice(key);
            if self.pressed < keys.len() {
                return None;
            }
            (self.pressed, self.held) = (0, vec![]);
            return Some(UserInput::Leave);
        }
        let after_first = std::mem::take(&mut self.pressed) == 1;
        let mut held = std::mem::take(&mut self.held);
        match code {
            // The first key twice types it.
            Some(code) if after_first && code == keys[0] => Some(UserInput::Input(held)),
            Some(b'?') if after_first => Some(UserInput::Help),
            Some(b'l') if after_first => Some(UserInput::Redraw),
            _ => {
                held.extend_from_slice(key);
                Some(UserInput::Input(held))
            }
        }
    }
}

fn push(wants: &mut Vec<UserInput>, input: &mut Vec<u8>) {
    if !input.is_empty() {
        wants.push(UserInput::Input(std::mem::take(input)));
    }
}

/// The longest sequence of a key, and the longest answer of a terminal.
const LONGEST: usize = 64;
const LONGEST_REPLY: usize = 4 << 10;

/// What these bytes begin with, and its length.
fn first(bytes: &[u8]) -> (Kind, usize) {
    const ESC: u8 = 0x1b;
    match bytes {
        [] | [ESC] | [ESC, b'[' | b']' | b'P' | b'_'] => (Kind::Partial, 0),
        [ESC, b'[', rest @ ..] => {
            let end = rest.iter().position(|byte| !matches!(byte, 0x20..0x40));
            match end.and_then(|end| Some((&rest[..end], *rest.get(end)?))) {
                Some((inside, last)) => (of_sequence(inside, last), inside.len() + 3),
                None if rest.len() < LONGEST => (Kind::Partial, 0),
                None => (Kind::Other, bytes.len()),
            }
        }
        [ESC, b']', b'0'..=b'9', ..]
        | [ESC, b'P', b'0'..=b'9' | b'>', ..]
        | [ESC, b'_', b'G', ..] => {
            let end = bytes.windows(2).position(|two| two == b"\x1b\\").map(|at| at + 2);
            let bell = bytes.iter().position(|byte| *byte == 0x07).map(|at| at + 1);
            match end.into_iter().chain(bell).min() {
                Some(length) => (Kind::Reply, length),
                None if bytes.len() < LONGEST_REPLY => (Kind::Partial, 0),
                None => (Kind::Key(ESC), 1),
            }
        }
        [byte, ..] => (Kind::Key(*byte), 1),
    }
}

/// A control sequence from a terminal. Terminals can report keys in two longer forms, with the modifiers as a number in
/// which Num Lock and Caps Lock count too: `CSI 98 ; 5 u` and `CSI 27 ; 5 ; 98 ~`.
fn of_sequence(inside: &[u8], last: u8) -> Kind {
    /// The codes of the keys that modify others, in kitty's protocol.
    const MODIFIERS: std::ops::RangeInclusive<u32> = 57_441..=57_454;
    let fields: Vec<Vec<Option<u32>>> = inside
        .split(|&byte| byte == b';')
        .map(|field| field.split(|&byte| byte == b':').map(number).collect())
        .collect();
    let number = |field: usize, part: usize| fields.get(field)?.get(part).copied().flatten();
    match (last, inside) {
        (b'~', b"200" | b"201") => Kind::Paste(inside == b"200"),
        (b'u' | b'c' | b'n' | b'y' | b'R' | b'S', [b'?' | b'>', ..])
        | (b'n', b"0" | b"3")
        | (b't', _)
        | (b'y', [.., b'$']) => Kind::Reply,
        // With modifiers, the key F3 looks like the cursor's position.
        (b'R', [_, ..]) if !(number(0, 0) == Some(1) && matches!(number(1, 0), Some(2..=8))) => {
            Kind::Reply
        }
        (b'u', _) if number(1, 1) == Some(3) => Kind::Release,
        (b'u', _) if number(0, 0).is_some_and(|code| MODIFIERS.contains(&code)) => Kind::Release,
        (b'u', _) => {
            let code = number(0, 0).filter(|code| *code < 0x80);
            // In another layout than a Latin one, the place of the key on the keyboard counts.
            let code = code.or_else(|| number(0, 2));
            let text = number(2, 0).or_else(|| number(0, 1));
            plain(code, number(1, 0), text)
        }
        (b'~', _) if number(0, 0) == Some(27) => plain(number(2, 0), number(1, 0), None),
        _ => Kind::Other,
    }
}

/// The key that a terminal sends as one byte in the short form. `shifted` is what it types with Shift, if that is known.
fn plain(code: Option<u32>, modifiers: Option<u32>, shifted: Option<u32>) -> Kind {
    const SHIFT: u32 = 1;
    const CONTROL: u32 = 4;
    const LOCKS: u32 = 64 | 128;
    let ascii = |code: Option<u32>| u8::try_from(code?).ok().filter(u8::is_ascii);
    let Some(code) = ascii(code) else { return Kind::Other };
    match modifiers.unwrap_or(1).saturating_sub(1) & !LOCKS {
        0 => Kind::Key(code),
        SHIFT => Kind::Key(ascii(shifted).unwrap_or(code.to_ascii_uppercase())),
        CONTROL if code.is_ascii_lowercase() || matches!(code, b'@' | b'['..=b'_') => {
            Kind::Key(code & 0x1f)
        }
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyParser, UserInput};

    /// What is typed with these keys for leaving, in every way to divide it into two pieces; the same for all.
    #[track_caller]
    fn typed_with(keys: &str, bytes: &[u8]) -> Vec<UserInput> {
        let take = |cut: usize| {
            let mut parser = KeyParser::new(keys.parse().unwrap());
            let mut wants = parser.take(&bytes[..cut]);
            wants.extend(parser.take(&bytes[cut..]));
            wants.extend(parser.give_up());
            // Where input is divided does not matter.
            let mut joined: Vec<UserInput> = vec![];
            for want in wants {
                match (joined.last_mut(), want) {
                    (Some(UserInput::Input(before)), UserInput::Input(more)) => before.extend(more),
                    (_, want) => joined.push(want),
                }
            }
            joined
        };
        let whole = take(bytes.len());
        for cut in 0..bytes.len() {
            assert_eq!(take(cut), whole, "{} at {cut}", bytes.escape_ascii());
        }
        whole
    }

    #[track_caller]
    fn typed(bytes: &[u8]) -> Vec<UserInput> {
        typed_with("ctrl-b,d", bytes)
    }

    fn input(bytes: &[u8]) -> UserInput {
        UserInput::Input(bytes.to_vec())
    }

    #[test]
    fn each_form_of_the_keys_leaves() {
        let forms: &[(&str, &[u8])] = &[
            ("plain", b"\x02d"),
            ("CSI u", b"\x1b[98;5ud"),
            ("CSI u with Num Lock", b"\x1b[98;133ud"),
            ("CSI u with Caps Lock", b"\x1b[98;69u\x1b[100;65u"),
            ("CSI u for all keys", b"\x1b[98;5u\x1b[100u"),
            ("with kinds of events", b"\x1b[98;5:1u\x1b[100;129:1u"),
            ("with releases", b"\x1b[98;5:1u\x1b[98;5:3u\x1b[57442;1:3u\x1b[100;1:1u"),
            ("with the text", b"\x1b[98;5u\x1b[100;;100u"),
            ("on a Cyrillic keyboard", b"\x1b[1080::98;5u\x1b[1074::100u"),
            ("modifyOtherKeys", b"\x1b[27;5;98~d"),
            ("modifyOtherKeys with Num Lock", b"\x1b[27;133;98~\x1b[27;129;100~"),
        ];
        for (form, bytes) in forms {
            assert_eq!(typed(bytes), [UserInput::Leave], "{form}");
        }
    }

    #[test]
    fn everything_else_goes_to_the_process() {
        let all: &[&[u8]] = &[
            b"abc\x1b[A\x1b[1;5C\x1bx\x1b[98;3u\r\x1bOP\x1b[1;2R\x1b[15~",
            b"\x1b",
            b"\x1b[",
            b"\x1b]",
            b"\x1bPx",
            b"\x02x",
            b"\x02\x1b[A",
            b"\x02\x1bd",
            b"\x1b[98;5u\x1b[98;5:3ux",
            b"\x1b[<0;3;4M\x1b[<0;3;4m\x1b[I\x1b[O\x1b[M !!",
            b"\x1b[200~\x02d\x02?\x02\x02\x1b[98;5ud\x1b[0n\x1b]11;x\x07\x1b[201~",
            b"d\xc3\xa9",
        ];
        for bytes in all {
            assert_eq!(typed(bytes), [input(bytes)], "{}", bytes.escape_ascii());
        }
        assert_eq!(typed(b"a\x02\x02b"), [input(b"a\x02b")], "the first key twice");
        assert_eq!(typed(b"\x02?y\x02l"), [UserInput::Help, input(b"y"), UserInput::Redraw]);
        assert_eq!(typed(b"\x1b[98;5u\x1b[47:63;2u"), [UserInput::Help]);
        assert_eq!(
            typed(b"\x1b[200~x\x1b[201~\x02d"),
            [input(b"\x1b[200~x\x1b[201~"), UserInput::Leave]
        );
    }

    #[test]
    fn answers_of_the_users_own_terminal_are_no_input() {
        let answers: &[&[u8]] = &[
            b"\x1b[?62;22c\x1b[>1;10;0c\x1b[0n\x1b[12;40R\x1b[1;40R\x1b[?3;4R\x1b[?2004;2$y\x1b[4;2$y",
            b"\x1b]11;rgb:0000/0000/0000\x1b\\\x1b]4;1;rgb:cdcd/0000/0000\x07",
            b"\x1bP>|terminal 1\x1b\\\x1bP1+r544e=78\x1b\\\x1bP0$r\x1b\\\x1b_Gi=1;OK\x1b\\",
            b"\x1b[?1u\x1b[8;24;80t\x1b[?997;1n\x1b[?1;0;256S",
        ];
        for bytes in answers {
            assert_eq!(
                typed(&[b"a", *bytes, b"b"].concat()),
                [input(b"ab")],
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn own_keys_replace_the_usual_ones() {
        assert_eq!(typed_with("ctrl-p,ctrl-q", b"\x10\x11"), [UserInput::Leave]);
        assert_eq!(typed_with("ctrl-p,ctrl-q", b"\x02d\x10d"), [input(b"\x02d\x10d")]);
        assert_eq!(typed_with("ctrl-p,ctrl-q", b"\x10\x10"), [input(b"\x10")]);
        assert_eq!(typed_with("ctrl-]", b"a\x1d"), [input(b"a"), UserInput::Leave]);
    }
}
