//! What may reach the user's terminal: what draws, and modes that are undone afterwards.
//!
//! A program can make a terminal report its contents, write to the clipboard, or print. Its questions are answered by
//! the holder of its terminal; nothing else of that kind is passed on.

use std::collections::BTreeSet;

use crate::model::escape::{Scanner, Token};

/// The private modes that are passed on.
const MODES: &[u16] = &[
    1, 5, 6, 7, 12, 25, 47, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1047, 1048, 1049,
    2004, 2026,
];
/// Those that are set in a fresh terminal.
const USUAL: &[u16] = &[7, 25];
/// The final bytes of the control sequences that draw or move the cursor.
const DRAWING: &[u8] = b"@ABCDEFGHIJKLMPSTXZ`abdefgmr";
/// The longest link that is passed on.
const LONGEST_LINK: usize = 2 << 10;

/// Passes on what is allowed.
#[derive(Debug, Default)]
pub(super) struct Filter {
    scanner: Scanner,
    /// The modes that differ from those of a fresh terminal.
    changed: BTreeSet<u16>,
    keypad: bool,
    cursor_shape: bool,
}

impl Filter {
    /// What of these bytes may reach the terminal.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(token) = self.scanner.next(&mut rest) {
            match token {
                Token::Text(text) => out.extend_from_slice(text),
                Token::Control(byte) => {
                    if matches!(byte, 0x07..=0x0f) {
                        out.push(byte);
                    }
                }
                Token::Csi(inside, last) => {
                    if let Some(allowed) = sequence(inside, last, &mut self.changed) {
                        self.cursor_shape |= last == b'q';
                        out.extend_from_slice(b"\x1b[");
                        out.extend_from_slice(&allowed);
                        out.push(last);
                    }
                }
                Token::Osc(inside) if is_allowed_command(inside) => {
                    out.extend_from_slice(b"\x1b]");
                    out.extend_from_slice(inside);
                    out.extend_from_slice(b"\x1b\\");
                }
                Token::Escape(last @ (b'7' | b'8' | b'D' | b'E' | b'H' | b'M' | b'=' | b'>')) => {
                    self.keypad = last == b'=' || self.keypad && last != b'>';
                    out.extend_from_slice(&[0x1b, last]);
                }
                // A full reset would also clear what was there before.
                Token::Escape(b'c') => {
                    out.extend(self.undo());
                    out.extend_from_slice(b"\x1b[H\x1b[2J");
                }
                Token::Designate(place, set @ (b'0' | b'A' | b'B')) => {
                    out.extend_from_slice(&[0x1b, place, set]);
                }
                Token::Osc(_) | Token::Escape(_) | Token::Designate(..) | Token::Other => {}
            }
        }
        out
    }

    /// Whether the alternate screen is shown.
    pub(super) fn is_alternate(&self) -> bool {
        [47, 1047, 1049].iter().any(|mode| self.changed.contains(mode))
    }

    /// Sequences that undo everything that was passed on.
    pub(super) fn undo(&mut self) -> Vec<u8> {
        let mut out = b"\x1b]8;;\x1b\\\x1b(B\x0f\x1b[m\x1b[r\x1b[4l".to_vec();
        // The alternate screen comes last: it restores the cursor.
        for mode in std::mem::take(&mut self.changed).into_iter() {
            let letter = if USUAL.contains(&mode) { 'h' } else { 'l' };
            out.extend(format!("\x1b[?{mode}{letter}").into_bytes());
        }
        if std::mem::take(&mut self.keypad) {
            out.extend_from_slice(b"\x1b>");
        }
        if std::mem::take(&mut self.cursor_shape) {
            out.extend_from_slice(b"\x1b[0 q");
        }
        out
    }
}

/// What of a control sequence is passed on.
fn sequence(inside: &[u8], last: u8, changed: &mut BTreeSet<u16>) -> Option<Vec<u8>> {
    if let (b'h' | b'l', Some(modes)) = (last, inside.strip_prefix(b"?")) {
        return modes_of(modes, last == b'h', changed);
    }
    let is_plain = inside.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'));
    let selective = matches!(last, b'J' | b'K') && inside.starts_with(b"?");
    let allowed = match last {
        _ if DRAWING.contains(&last) => is_plain || selective,
        // Insert mode.
        b'h' | b'l' => inside == b"4",
        b's' | b'u' => inside.is_empty(),
        b'q' => inside.last() == Some(&b' '),
        _ => false,
    };
    // `CSI 3 J` would delete what the terminal showed before.
    (allowed && (last, inside) != (b'J', b"3")).then(|| inside.to_vec())
}

/// The allowed ones of these private modes.
fn modes_of(modes: &[u8], set: bool, changed: &mut BTreeSet<u16>) -> Option<Vec<u8>> {
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u16>().ok();
    let modes = modes.split(|&byte| byte == b';').filter_map(number);
    let modes: Vec<u16> = modes.filter(|mode| MODES.contains(mode)).collect();
    for &mode in &modes {
        if set == USUAL.contains(&mode) {
            changed.remove(&mode);
        } else {
            changed.insert(mode);
        }
    }
    let words: Vec<String> = modes.iter().map(u16::to_string).collect();
    (!words.is_empty()).then(|| format!("?{}", words.join(";")).into_bytes())
}

/// Whether an operating system command is passed on: titles, links to pages, marks of a shell's prompts.
fn is_allowed_command(inside: &[u8]) -> bool {
    let end = inside.iter().position(|&byte| byte == b';').unwrap_or(inside.len());
    let (number, rest) = inside.split_at(end);
    let link = || {
        let uri = rest.get(1..)?.split(|&byte| byte == b';').nth(1)?;
        let is_page = uri.is_empty() || uri.starts_with(b"http://") || uri.starts_with(b"https://");
        Some(is_page && inside.len() <= LONGEST_LINK)
    };
    match number {
        b"0" | b"1" | b"2" | b"133" => true,
        b"8" => link() == Some(true),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    fn passed(bytes: &[u8]) -> String {
        Filter::default().pass(bytes).escape_ascii().to_string()
    }

    #[test]
    fn what_draws_is_passed_on() {
        let drawing: &[&[u8]] = &[
            b"text \xc3\xa9\r\n\t\x07",
            b"\x1b[1;38;5;4mred\x1b[m\x1b[4:3m",
            b"\x1b[2J\x1b[H\x1b[10;2H\x1b[K\x1b[?1049h\x1b[?25l\x1b[2 q",
            b"\x1b7\x1b8\x1b(0lqk\x1b(B",
            b"\x1b]0;title\x1b\\\x1b]8;;https://example.com\x1b\\",
        ];
        for bytes in drawing {
            assert_eq!(passed(bytes), bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn questions_reports_and_the_clipboard_are_not() {
        let refused: &[&[u8]] = &[
            b"\x1b[c\x1b[>c\x1b[6n\x1b[?2004$p\x1b[>q\x1b[?u\x1b[18t\x1b[21t",
            b"\x1b]52;c;aGk=\x07\x1b]11;?\x07\x1b]1337;File=x\x07\x1b]8;;file:///etc/passwd\x1b\\",
            b"\x1bP+q544e\x1b\\\x1b_G\x1b\\\x1b^x\x1b\\",
            b"\x1b[5i\x1b[>4;2m\x1b[=1u\x1b[3J\x1b[?9h\x1b[20h\x05",
        ];
        for bytes in refused {
            assert_eq!(passed(bytes), "", "{}", bytes.escape_ascii());
        }
        assert_eq!(passed(b"\x1b[?1000;9;2004h"), "\\x1b[?1000;2004h");
    }

    #[test]
    fn everything_that_was_set_is_undone() {
        let mut filter = Filter::default();
        filter.pass(b"\x1b[?1049;2004h\x1b[?25l\x1b[?1h\x1b=\x1b[4 q\x1b[?2004l");
        assert!(filter.is_alternate());
        let undone = filter.undo().escape_ascii().to_string();
        for reset in ["?1l", "?25h", "?1049l", "\\x1b>", "0 q"] {
            assert!(undone.contains(reset), "{reset}: {undone}");
        }
        assert!(!undone.contains("2004"));
        assert!(!Filter::default().undo().escape_ascii().to_string().contains('?'));
    }
}
