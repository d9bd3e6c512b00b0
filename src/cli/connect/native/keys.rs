//! The keys with which a user leaves a terminal, among everything else that is typed.

/// The keys, in the form of docker's `--detach-keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::connect) struct DetachKeys(Vec<u8>);

impl DetachKeys {
    /// `Ctrl-b d`, as in tmux.
    pub(in crate::cli::connect) fn usual() -> Self {
        Self(vec![0x02, b'd'])
    }

    /// Read `ctrl-p,ctrl-q`: single characters, or `ctrl-` and a letter or one of `@[\]^_`.
    pub(in crate::cli::connect) fn parse(text: &str) -> Option<Self> {
        let key = |word: &str| {
            let (letter, is_control) = match word.strip_prefix("ctrl-") {
                Some(letter) => (letter, true),
                None => (word, false),
            };
            let &[byte] = letter.as_bytes() else { return None };
            match (is_control, byte) {
                (false, b' '..=b'~') => Some(byte),
                (true, b'a'..=b'z' | b'@' | b'['..=b'_') => Some(byte & 0x1f),
                _ => None,
            }
        };
        text.split(',')
            .map(key)
            .collect::<Option<Vec<_>>>()
            .filter(|keys| !keys.is_empty())
            .map(Self)
    }
}

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// These bytes are for the process.
    Input(Vec<u8>),
    /// To leave.
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
}

/// One key.
enum Key {
    /// It took this many bytes; its code if it can be one of the keys.
    Whole(usize, Option<u8>),
    /// Its rest may follow.
    Partial,
}

impl KeyParser {
    pub(super) const fn new(keys: DetachKeys) -> Self {
        Self { keys, pressed: 0, held: vec![], partial: vec![] }
    }

    /// Whether bytes are kept that may turn out to be a key of their own.
    pub(super) fn is_waiting(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Take these bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Typed> {
        self.partial.extend_from_slice(bytes);
        self.go_on(false)
    }

    /// Nothing has followed for a moment.
    pub(super) fn give_up(&mut self) -> Vec<Typed> {
        self.go_on(true)
    }

    fn go_on(&mut self, is_complete: bool) -> Vec<Typed> {
        let bytes = std::mem::take(&mut self.partial);
        let (mut wants, mut input, mut at) = (vec![], vec![], 0);
        while at < bytes.len() {
            let (length, code) = match first_key(&bytes[at..]) {
                Key::Whole(length, code) => (length, code),
                Key::Partial if is_complete => (1, Some(bytes[at])),
                Key::Partial => {
                    self.partial = bytes[at..].to_vec();
                    break;
                }
            };
            let key = &bytes[at..at + length];
            at += length;
            match self.press(key, code) {
                None => {}
                Some(Typed::Input(bytes)) => input.extend(bytes),
                Some(other) => {
                    push(&mut wants, &mut input);
                    wants.push(other);
                }
            }
        }
        push(&mut wants, &mut input);
        wants
    }

    fn press(&mut self, key: &[u8], code: Option<u8>) -> Option<Typed> {
        let DetachKeys(keys) = &self.keys;
        if code.is_some() && code == keys.get(self.pressed).copied() {
            self.pressed += 1;
            self.held.extend_from_slice(key);
            if self.pressed < keys.len() {
                return None;
            }
            (self.pressed, self.held) = (0, vec![]);
            return Some(Typed::Leave);
        }
        if self.pressed == 0 {
            return Some(Typed::Input(key.to_vec()));
        }
        let after_first = std::mem::take(&mut self.pressed) == 1;
        let mut held = std::mem::take(&mut self.held);
        match code {
            // The first key twice types it.
            Some(code) if after_first && code == keys[0] => Some(Typed::Input(held)),
            Some(b'?') if after_first => Some(Typed::Help),
            Some(b'l') if after_first => Some(Typed::Redraw),
            _ => {
                held.extend_from_slice(key);
                Some(Typed::Input(held))
            }
        }
    }
}

fn push(wants: &mut Vec<Typed>, input: &mut Vec<u8>) {
    if !input.is_empty() {
        wants.push(Typed::Input(std::mem::take(input)));
    }
}

/// The first key of these bytes. Terminals can report keys in two longer forms, with the modifiers as a number in which
/// Num Lock and Caps Lock count too: `CSI 98 ; 5 u` and `CSI 27 ; 5 ; 98 ~`.
fn first_key(bytes: &[u8]) -> Key {
    const LONGEST: usize = 32;
    let Some(rest) = bytes.strip_prefix(b"\x1b") else {
        return Key::Whole(1, bytes.first().copied());
    };
    let Some(rest) = rest.strip_prefix(b"[") else {
        return if rest.is_empty() { Key::Partial } else { Key::Whole(1, Some(0x1b)) };
    };
    let end = rest.iter().position(|byte| !byte.is_ascii_digit() && !matches!(byte, b';' | b':'));
    let Some(end) = end else {
        return if rest.len() < LONGEST { Key::Partial } else { Key::Whole(bytes.len(), None) };
    };
    let fields: Vec<&[u8]> = rest[..end].split(|&byte| byte == b';').collect();
    // An alternative may follow after a colon, or the kind of the event.
    let number = |at: usize| {
        let field = fields.get(at)?.split(|&byte| byte == b':').next()?;
        std::str::from_utf8(field).ok()?.parse::<u32>().ok()
    };
    let (code, modifiers) = match rest[end] {
        b'u' => (number(0), number(1)),
        b'~' if number(0) == Some(27) => (number(2), number(1)),
        _ => (None, None),
    };
    Key::Whole(end + 3, code.and_then(|code| plain(code, modifiers.unwrap_or(1))))
}

/// The byte that a terminal sends for a key in the short form.
fn plain(code: u32, modifiers: u32) -> Option<u8> {
    const SHIFT: u32 = 1;
    const CONTROL: u32 = 4;
    const LOCKS: u32 = 64 | 128;
    let code = u8::try_from(code).ok().filter(u8::is_ascii)?;
    match modifiers.saturating_sub(1) & !LOCKS {
        0 => Some(code),
        SHIFT => Some(code.to_ascii_uppercase()),
        CONTROL if code.is_ascii_lowercase() || matches!(code, b'@' | b'['..=b'_') => {
            Some(code & 0x1f)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{DetachKeys, KeyParser, Typed};

    fn typed(pieces: &[&[u8]]) -> Vec<Typed> {
        let mut parser = KeyParser::new(DetachKeys::usual());
        let mut wants: Vec<Typed> = pieces.iter().flat_map(|piece| parser.take(piece)).collect();
        wants.extend(parser.give_up());
        // Where input is divided does not matter.
        let mut joined: Vec<Typed> = vec![];
        for want in wants {
            match (joined.last_mut(), want) {
                (Some(Typed::Input(before)), Typed::Input(more)) => before.extend(more),
                (_, want) => joined.push(want),
            }
        }
        joined
    }

    fn input(bytes: &[u8]) -> Typed {
        Typed::Input(bytes.to_vec())
    }

    #[test]
    fn each_form_of_the_keys_leaves() {
        let forms: &[&[u8]] = &[
            b"\x02d",
            b"\x1b[98;5ud",
            b"\x1b[98;133ud",
            b"\x1b[98;69u\x1b[100u",
            b"\x1b[98;5:1u\x1b[100;129u",
            b"\x1b[27;5;98~d",
            b"\x1b[27;133;98~\x1b[27;1;100~",
        ];
        for form in forms {
            assert_eq!(typed(&[form]), [Typed::Leave], "{}", form.escape_ascii());
            for cut in 1..form.len() {
                let halves = [&form[..cut], &form[cut..]];
                assert_eq!(typed(&halves), [Typed::Leave], "{} at {cut}", form.escape_ascii());
            }
        }
    }

    #[test]
    fn everything_else_goes_to_the_process() {
        let all = b"abc\x1b[A\x1b[1;5C\x1bx\x1b[98;3u\x1b[200~paste\x1b[201~\r";
        assert_eq!(typed(&[all]), [input(all)]);
        assert_eq!(typed(&[b"\x1b"]), [input(b"\x1b")], "Escape alone");
        assert_eq!(typed(&[b"a\x02\x02b"]), [input(b"a\x02b")], "the first key twice");
        assert_eq!(typed(&[b"\x02x"]), [input(b"\x02x")]);
        assert_eq!(typed(&[b"\x02?y\x02l"]), [Typed::Help, input(b"y"), Typed::Redraw]);
    }

    #[test]
    fn keys_are_named_as_in_docker() {
        let keys = |bytes: &[u8]| Some(DetachKeys(bytes.to_vec()));
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q"), keys(b"\x10\x11"));
        assert_eq!(DetachKeys::parse("ctrl-],x"), keys(b"\x1dx"));
        for wrong in ["", "ctrl-", "ctrl-1", "ab", "ctrl-p,,q", "é"] {
            assert_eq!(DetachKeys::parse(wrong), None, "{wrong}");
        }
    }
}
