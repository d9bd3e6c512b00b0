//! How much room cleaned text takes on a terminal.

use memchr::memchr;
use unicode_width::UnicodeWidthChar as _;

/// A tab counts for as much as it can take.
const TAB: usize = 8;

/// So much is looked at at once. Whoever wants the beginning of a long line, row after row of it,
/// shall not have the rest of it read through each time.
const PIECE: usize = 256;

/// The number of cells this text takes at most.
pub(crate) fn cells(text: &[u8]) -> usize {
    let mut cells = 0;
    walk(text, |width, _| {
        cells += width;
        true
    });
    cells
}

/// How many bytes of this text fit into so many cells.
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

/// How many bytes of this text are whole characters: all but an unfinished last one.
pub(crate) fn whole(text: &[u8]) -> usize {
    let tail = &text[text.len().saturating_sub(3)..];
    for (back, &byte) in (1..).zip(tail.iter().rev()) {
        let needed = match byte {
            0x80..0xc0 => continue,
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf5 => 4,
            0x00..0x80 | 0xc0..0xc2 | 0xf5.. => 1,
        };
        return if needed > back { text.len() - back } else { text.len() };
    }
    text.len()
}

/// Call `each` with the width of every character or sequence and the offset behind it, until it
/// says no.
fn walk(text: &[u8], mut each: impl FnMut(usize, usize) -> bool) {
    let mut at = 0;
    while at < text.len() {
        if text[at] == 0x1b {
            at += sequence(&text[at..]);
            if !each(0, at) {
                return;
            }
            continue;
        }
        let piece = &text[at..text.len().min(at + PIECE)];
        let uncut = if at + piece.len() < text.len() { whole(piece) } else { piece.len() };
        let piece = &piece[..memchr(0x1b, piece).unwrap_or(uncut)];
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

/// The length of the sequence that the text begins with (cleaned text has whole ones only).
fn sequence(text: &[u8]) -> usize {
    let end = match text.get(1) {
        Some(b'[') => text[2..].iter().position(|b| (0x40..0x7f).contains(b)).map(|at| at + 3),
        Some(b']') => memchr::memmem::find(text, b"\x1b\\").map(|at| at + 2),
        Some(_) | None => Some(1),
    };
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::{PIECE, cells, fit, walk, whole};

    #[test]
    fn counts_what_is_seen() {
        let link = b"\x1b]8;;http://x\x1b\\ab\x1b]8;;\x1b\\";
        for (text, expected) in [
            (&b"abc"[..], 3),
            (b"\x1b[1;31mred\x1b[0m", 3),
            (link, 2),
            ("\u{280b} \u{754c}e\u{301}".as_bytes(), 5),
            (b"a\xff", 2),
            (b"\x1b[3", 0),
        ] {
            assert_eq!(cells(text), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn fits_whole_characters() {
        assert_eq!(fit(b"abc", 2), 2);
        assert_eq!(fit("a\u{754c}b".as_bytes(), 2), 1);
        assert_eq!(fit(b"\x1b[1mab\x1b[0m", 2), 10);
        assert_eq!(fit(b"ab", 9), 2);
        assert_eq!(fit(b"ab", 0), 0);
    }

    #[test]
    fn an_unfinished_character_waits() {
        for (text, expected) in [
            (&b"ab"[..], 2),
            (b"ab\xc3", 2),
            (b"ab\xc3\xa9", 4),
            (b"a\xe2\xa0", 1),
            (b"\xf0\x9f\x98", 0),
            (b"\xf0\x9f\x98\x80", 4),
            (b"\x80\x80\x80\x80", 4),
            (b"a\xff", 2),
            (b"", 0),
        ] {
            assert_eq!(whole(text), expected, "{}", text.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn in_pieces_as_in_one(text: Vec<u8>, words: Vec<char>, shift in 0..8usize) {
            // Valid and not, across the edges of pieces.
            let some = [&text[..], words.iter().collect::<String>().as_bytes()].concat();
            let some: Vec<u8> = some.into_iter().filter(|byte| *byte != 0x1b).collect();
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

    /// The same, the whole text at once.
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
