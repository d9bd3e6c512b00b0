//! Text of a terminal as valid UTF-8.

use super::escape::Token;

/// The longest character in bytes.
const LONGEST_CHARACTER: usize = 4;

/// Replaces what is not UTF-8. A character may arrive in pieces.
#[derive(Debug, Default)]
pub struct Utf8 {
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl Utf8 {
    /// Replace `out` by what this token adds to the text.
    pub fn take(&mut self, token: &Token<'_>, out: &mut String) {
        out.clear();
        if let Token::Text(text) = token { self.push(text, out) } else { self.end(out) }
    }

    fn push(&mut self, text: &[u8], out: &mut String) {
        let mut rest = text;
        while let (false, Some((&byte, after))) = (self.begun.is_empty(), rest.split_first()) {
            self.begun.push(byte);
            match std::str::from_utf8(&self.begun) {
                Ok(character) => {
                    out.push_str(character);
                    self.begun.clear();
                }
                Err(error)
                    if error.error_len().is_none() && self.begun.len() < LONGEST_CHARACTER => {}
                // This byte does not continue it.
                Err(_) => {
                    self.end(out);
                    continue;
                }
            }
            rest = after;
        }
        let mut length = rest.len();
        for chunk in rest.utf8_chunks() {
            out.push_str(chunk.valid());
            let invalid = chunk.invalid();
            length -= chunk.valid().len() + invalid.len();
            let is_begun =
                std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if is_begun && length == 0 {
                self.begun.extend_from_slice(invalid);
            } else if !invalid.is_empty() {
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// The bytes of a character whose end has not come yet.
    pub(super) fn begun(&self) -> &[u8] {
        &self.begun
    }

    /// Something else than text follows.
    fn end(&mut self, out: &mut String) {
        if !self.begun.is_empty() {
            self.begun.clear();
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Utf8;

    fn joined(pieces: &[&[u8]]) -> String {
        let (mut text, mut out) = (Utf8::default(), String::new());
        for piece in pieces {
            text.push(piece, &mut out);
        }
        text.end(&mut out);
        out
    }

    #[test]
    fn raw_control_bytes_are_replaced() {
        assert_eq!(joined(&[b"a\x9b5mb\xe2\x82"]), "a\u{fffd}5mb\u{fffd}");
        assert_eq!(joined(&["a\u{20ac}\u{1f600}".as_bytes()]), "a\u{20ac}\u{1f600}");
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            bytes in prop::collection::vec(prop::sample::select(&b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x9b\xff"[..]), 0..24),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(joined(&pieces), String::from_utf8_lossy(&bytes));
        }
    }
}
