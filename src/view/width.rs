//! How much room cleaned text takes on a terminal.

use memchr::memchr;
use unicode_width::UnicodeWidthChar as _;

/// A tab counts for as much as it can take.
const TAB: usize = 8;

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
        let end = memchr(0x1b, &text[at..]).map_or(text.len(), |escape| at + escape);
        for chunk in text[at..end].utf8_chunks() {
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
    use super::{cells, fit, whole};

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
}
