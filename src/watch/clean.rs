//! Removes escape sequences from pieces of output, and folds the case of ASCII letters.

use crate::model::escape::{Scanner, Token};

/// Removes everything but text from a stream. Sequences may be split between pieces.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    scanner: Scanner,
    text: Vec<u8>,
}

impl Cleaner {
    /// The following output does not continue the previous output.
    pub(super) fn reset(&mut self) {
        self.scanner = Scanner::default();
    }

    /// The text of the next piece. Its lines end with `\n` or `\r\n`, and tabs are its only other
    /// control bytes.
    pub(super) fn clean<'a>(&'a mut self, piece: &'a [u8]) -> &'a [u8] {
        let is_usual = self.scanner.at_rest() && is_usual(piece);
        if is_usual && memchr::memchr(ESC, piece).is_none() {
            return piece;
        }
        self.text.clear();
        let mut rest = piece;
        while !rest.is_empty() {
            if is_usual {
                rest = self.pass_colours(rest);
            }
            self.scan(&mut rest);
        }
        &self.text
    }

    /// Copy text and skip colours up to the next other sequence; returns the rest.
    fn pass_colours<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let mut rest = piece;
        loop {
            let escape = memchr::memchr(ESC, rest).unwrap_or(rest.len());
            self.text.extend_from_slice(&rest[..escape]);
            rest = &rest[escape..];
            let Some(length) = colour(rest) else { return rest };
            rest = &rest[length..];
        }
    }

    /// Copy text up to the end of the next sequence, or all of it.
    fn scan(&mut self, rest: &mut &[u8]) {
        while let Some(token) = self.scanner.next(rest) {
            match token {
                Token::Text(text) => self.text.extend_from_slice(text),
                Token::Control(b'\n') => self.text.push(b'\n'),
                Token::Control(_) => {}
                Token::Csi(..)
                | Token::Osc(_)
                | Token::Dcs(_)
                | Token::Escape(_)
                | Token::Designate(..)
                | Token::Other => return,
            }
        }
    }
}

/// The length of the colour sequence at the beginning of a text.
fn colour(text: &[u8]) -> Option<usize> {
    /// Longer sequences are left to the scanner.
    const LONGEST: usize = 32;
    let inside = text.strip_prefix(b"\x1b[")?;
    let inside = &inside[..inside.len().min(LONGEST)];
    let end = inside.iter().position(|&byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    (inside[end] == b'm').then_some(end + 3)
}

/// Whether only escape sequences and carriage returns before newlines need to be removed.
fn is_usual(piece: &[u8]) -> bool {
    let Some((&last, before)) = piece.split_last() else { return true };
    // A sequence of two bytes may be cut here; only the scanner can handle that.
    if last == b'\r' || last == LEAD || is_control(last) != 0 {
        return false;
    }
    // Written without branches and with bytes only, so that the compiler can vectorize it.
    let odd = before.iter().zip(&piece[1..]).fold(0, |odd: u8, (&byte, &next)| {
        let bare = u8::from(byte == b'\r') & u8::from(next != b'\n');
        let c1 = u8::from(byte == LEAD) & u8::from(next & 0xe0 == 0x80);
        odd | bare | c1 | is_control(byte)
    });
    odd == 0
}

const ESC: u8 = 0x1b;
/// The first byte of the two-byte form of C1 control characters.
const LEAD: u8 = 0xc2;

fn is_control(byte: u8) -> u8 {
    let low = u8::from(byte < 0x20);
    let kept = u8::from(byte == b'\t') | u8::from(byte == b'\n') | u8::from(byte == b'\r');
    let kept = kept | u8::from(byte == ESC);
    low & !kept | u8::from(byte == 0x7f)
}

/// Convert ASCII letters to lower case. Everything else stays, and so do all offsets.
pub(super) fn fold(text: &[u8], folded: &mut Vec<u8>) {
    folded.clear();
    folded.extend_from_slice(text);
    folded.make_ascii_lowercase();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cleaner, is_usual};

    fn cleaned(pieces: &[&[u8]]) -> String {
        let mut cleaner = Cleaner::default();
        let clean: Vec<u8> =
            pieces.iter().flat_map(|piece| cleaner.clean(piece).to_vec()).collect();
        String::from_utf8_lossy(&clean).replace("\r\n", "\n")
    }

    #[test]
    fn only_text_is_left() {
        let cases: [(&[&[u8]], &str); 7] = [
            (&[b"a\tb\r\nc"], "a\tb\nc"),
            (&[b"a\r", b"\nb"], "a\nb"),
            (&[b"10%\r20%\r\n"], "10%20%\n"),
            (&[b"\x1b[3", b"1mred\x1b[m!"], "red!"),
            (&["£5 caf".as_bytes(), "é".as_bytes()], "£5 café"),
            (&[b"a\xc2", b"\x9bx"], "ax"),
            (&[b"be\x07ll \x7f\x08"], "bell "),
        ];
        for (pieces, expected) in cases {
            assert_eq!(cleaned(pieces), expected, "{pieces:?}");
        }
        assert!(is_usual("°C: 5\r\n".as_bytes()) && !is_usual(b"\xc2") && !is_usual(b"a\rb"));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            input in prop::collection::vec(prop::sample::select(&b"\x1b[]3m\x07\r\n\nab\xc2\x9b\xa0\x18"[..]), 0..40),
            cut in 0usize..40,
        ) {
            let cut = cut.min(input.len());
            // The reference: byte by byte, so that only the scanner is used.
            let mut cleaner = Cleaner::default();
            let slow: Vec<u8> = input.iter().flat_map(|byte| cleaner.clean(&[*byte]).to_vec()).collect();
            prop_assert_eq!(cleaned(&[&input]), String::from_utf8_lossy(&slow));
            prop_assert_eq!(cleaned(&[&input]), cleaned(&[&input[..cut], &input[cut..]]));
        }
    }
}
