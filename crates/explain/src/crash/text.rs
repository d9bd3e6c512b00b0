//! Lines as text: their final state on a terminal, without escape sequences.

use crate::model::terminal::line;
use crate::model::text::cut;

/// The maximum length of a kept row, in characters.
const LONGEST_ROW: usize = 4096;
/// How many bytes of a line are examined.
const LOOKED_AT: usize = 64 << 10;

/// The rows of a line of a stream as the log shows them. What was erased or drawn over is gone.
pub(super) fn rows(line: &[u8]) -> Vec<String> {
    let line = line::without_break(line);
    let examined = match line.len().checked_sub(LOOKED_AT) {
        // Its last state is what counts.
        Some(before) if line.contains(&b'\r') => &line[before..],
        Some(_) => &line[..LOOKED_AT],
        None => line,
    };
    let mut all = vec![];
    line::rows(examined, |row| {
        all.push(cut(&String::from_utf8_lossy(row), LONGEST_ROW).into_owned());
    });
    all
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_ROW, LOOKED_AT, rows};

    #[test]
    fn escapes_and_what_was_written_over_are_gone() {
        let table: [(&[u8], &[&str]); 12] = [
            (b"plain\r\n", &["plain"]),
            (b"\r\n", &[""]),
            (b"\x1b[1;31mred\x1b[0m!\n", &["red!"]),
            (b"10%\r50%\rdone\n", &["done"]),
            ("\u{280b}\x1b[1G\x1b[0K\u{2819}\r\x1b[Knpm error\n".as_bytes(), &["npm error"]),
            ("\u{280b}\r\x1b[K\r\n".as_bytes(), &[]),
            (b"\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", &["xy"]),
            (b"one\x1b[1Bother", &["one", "   other"]),
            (b"ab\x08c\x00\x7f", &["ac"]),
            ("\u{e9}\u{202e}x\t.".as_bytes(), &["\u{e9}\u{fffd}x\t."]),
            (b"open \x1b[3", &["open "]),
            (b"bad \xff", &["bad \u{fffd}"]),
        ];
        for (line, expected) in table {
            assert_eq!(rows(line), expected, "{}", line.escape_ascii());
        }
        let spun = ["\u{280b}\r\x1b[K".repeat(LOOKED_AT).as_bytes(), b"npm error"].concat();
        assert_eq!(rows(&spun), ["npm error"]);
        assert_eq!(rows(&vec![b'x'; 2 * LOOKED_AT])[0].chars().count(), LONGEST_ROW + 1);
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_left_that_moves_a_terminal(mut line: Vec<u8>) {
            // A line has a break only at its end.
            line.retain(|byte| *byte != b'\n');
            for text in rows(&line) {
                proptest::prop_assert!(text.chars().all(|c| !c.is_control() || c == '\t'));
                proptest::prop_assert!(text.chars().count() <= LONGEST_ROW + 1);
            }
        }
    }
}
