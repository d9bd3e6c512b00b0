//! Lines as text: their final state on a terminal, without escape sequences.

use crate::model::untrusted::is_active;

/// The maximum length of a kept line, in bytes.
const LONGEST: usize = 4096;
/// How many bytes of a line are examined.
const LOOKED_AT: usize = 64 << 10;

const ESC: u8 = 0x1b;

/// A line of a stream as text. If the line was overwritten repeatedly, this is its last state.
pub(super) fn plain(line: &[u8]) -> String {
    let mut kept = Vec::with_capacity(line.len().min(LONGEST));
    let (mut rest, mut again) = (&line[..line.len().min(LOOKED_AT)], false);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            ESC => rest = behind_escape(after),
            b'\r' => again = true,
            0x08 => _ = kept.pop(),
            b'\t' | 0x20..=0x7e | 0x80.. => {
                if std::mem::take(&mut again) {
                    kept.clear();
                }
                kept.push(byte);
            }
            _ => {}
        }
    }
    let long = kept.len() > LONGEST;
    kept.truncate(LONGEST);
    // The two-byte forms of control characters are still there.
    let text = String::from_utf8_lossy(&kept);
    let mut text: String = text.chars().filter(|c| !is_active(*c) || *c == '\t').collect();
    if long {
        text = text.trim_end_matches('\u{fffd}').to_owned() + "…";
    }
    text
}

/// The text after an escape sequence (ECMA-48). An unterminated sequence takes the rest of the
/// line.
fn behind_escape(rest: &[u8]) -> &[u8] {
    let Some((first, inside)) = rest.split_first() else { return rest };
    let (inside, end) = match first {
        b'[' => (inside, inside.iter().position(|byte| (0x40..0x7f).contains(byte))),
        b']' | b'P' | b'X' | b'^' | b'_' => (inside, string_end(inside)),
        _ => (rest, rest.iter().position(|byte| !(0x20..0x30).contains(byte))),
    };
    end.map_or(&[], |end| &inside[end + 1..])
}

/// The last byte of a string: BEL, or the backslash of `ESC \`.
fn string_end(rest: &[u8]) -> Option<usize> {
    let end = rest.iter().position(|b| matches!(*b, 0x07 | ESC))?;
    let longer = rest[end] == ESC && rest.get(end + 1) == Some(&b'\\');
    Some(if longer { end + 1 } else { end })
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, plain};

    #[test]
    fn escapes_and_what_was_written_over_are_gone() {
        let table: [(&[u8], &str); 9] = [
            (b"plain\r\n", "plain"),
            (b"\x1b[1;31mred\x1b[0m!\n", "red!"),
            (b"10%\r50%\rdone\n", "done"),
            (b"\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "xy"),
            (b"\x1b(0a\x1b7b\x1bc", "ab"),
            (b"ab\x08c\x00\x7f", "ac"),
            ("é\u{9b}x\t.".as_bytes(), "éx\t."),
            (b"open \x1b[3", "open "),
            (b"bad \xff", "bad \u{fffd}"),
        ];
        for (line, expected) in table {
            assert_eq!(plain(line), expected, "{}", line.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_left_that_moves_a_terminal(line: Vec<u8>) {
            let text = plain(&line);
            proptest::prop_assert!(text.chars().all(|c| !c.is_control() || c == '\t'));
            proptest::prop_assert!(text.len() <= 3 * LONGEST);
        }
    }
}
