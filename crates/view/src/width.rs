//! The width on a terminal of text without escape sequences.

use unicode_width::UnicodeWidthChar as _;

use crate::model::terminal::line::whole;

/// A tab counts as its maximum width.
const TAB: usize = 8;

/// How much text is examined at once. A caller that needs only the beginning of a long line, row
/// after row, must not cause the rest to be scanned each time.
const PIECE: usize = 256;

/// The maximum number of cells that this text occupies.
pub(crate) fn cells(text: &[u8]) -> usize {
    let mut cells = 0;
    walk(text, |width, _| {
        cells += width;
        true
    });
    cells
}

/// How many bytes of this text fit into this many cells.
pub(crate) fn fit(text: &[u8], room: usize) -> usize {
    let (mut cells, mut fits) = (0, 0);
    walk(text, |width, end| {
        cells += width;
        if cells <= room {
            fits = end;
        }
        cells <= room
    });
    fits
}

/// Call `each` with the width of every character and the offset after it, until it returns false.
fn walk(text: &[u8], mut each: impl FnMut(usize, usize) -> bool) {
    let mut at = 0;
    while at < text.len() {
        let piece = &text[at..text.len().min(at + PIECE)];
        let uncut = if at + piece.len() < text.len() { whole(piece) } else { piece.len() };
        let piece = &piece[..uncut];
        for chunk in piece.utf8_chunks() {
            for c in chunk.valid().chars() {
                at += c.len_utf8();
                let width = if c == '\t' { TAB } else { c.width().unwrap_or(0) };
                if !each(width, at) {
                    return;
                }
            }
            at += chunk.invalid().len();
            if !chunk.invalid().is_empty() && !each(1, at) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, cells, fit, walk};

    #[test]
    fn counts_what_is_seen() {
        for (text, expected) in
            [(&b"abc"[..], 3), ("\u{280b} \u{754c}e\u{301}".as_bytes(), 5), (b"a\xff", 2)]
        {
            assert_eq!(cells(text), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn fits_whole_characters() {
        assert_eq!(fit(b"abc", 2), 2);
        assert_eq!(fit("a\u{754c}b".as_bytes(), 2), 1);
        assert_eq!(fit(b"ab", 9), 2);
        assert_eq!(fit(b"ab", 0), 0);
    }

    proptest::proptest! {
        #[test]
        fn in_pieces_as_in_one(text: Vec<u8>, words: Vec<char>, shift in 0..8usize) {
            // Valid and invalid UTF-8, across the boundaries of pieces.
            let some = [&text[..], words.iter().collect::<String>().as_bytes()].concat();
            let long: Vec<u8> = std::iter::repeat_n(b'x', PIECE - shift).chain(some.iter().copied()).collect();
            let steps = |text: &[u8]| {
                let mut steps = vec![];
                walk(text, |width, end| { steps.push((width, end)); true });
                steps
            };
            let before = PIECE - shift;
            let expected: Vec<_> = (1..=before).map(|end| (1, end))
                .chain(steps_in_one(&some).into_iter().map(|(width, end)| (width, before + end)))
                .collect();
            proptest::prop_assert_eq!(steps(&long), expected);
        }
    }

    /// The same, computed on the whole text at once.
    fn steps_in_one(text: &[u8]) -> Vec<(usize, usize)> {
        let (mut steps, mut at) = (vec![], 0);
        for chunk in text.utf8_chunks() {
            for c in chunk.valid().chars() {
                at += c.len_utf8();
                let width = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
                steps.push((if c == '\t' { 8 } else { width }, at));
            }
            at += chunk.invalid().len();
            if !chunk.invalid().is_empty() {
                steps.push((1, at));
            }
        }
        steps
    }
}
