//! What may reach the user's terminal: what draws, and modes that are undone afterwards.
//!
//! A program can make a terminal report its contents, write to the clipboard, or print. Its questions are answered by
//! the holder of its terminal; nothing else of that kind is passed on.

use crate::model::terminal::escape::{Scanner, Token};
use crate::model::terminal::{Modes, SOFT_RESET, Utf8, is_mode, number};

/// The final bytes of the control sequences that draw or move the cursor.
const DRAWING: &[u8] = b"@ABCDEFGHIJKLMPSTXZ`abdefmr";
/// The longest link that is passed on.
const LONGEST_LINK: usize = 2 << 10;

/// Passes on what is allowed.
#[derive(Debug, Default)]
pub(super) struct Filter {
    scanner: Scanner,
    utf8: Utf8,
    /// The modes that the terminal has now.
    modes: Modes,
    /// The flags of kitty's keyboard protocol that each screen of the terminal has, if any were set: one entry of its
    /// stack, whatever the program does with its own.
    keyboards: [Option<u8>; 2],
    /// What titles get before and after their text.
    affixes: [String; 2],
}

impl Filter {
    /// A filter that puts these before and after titles.
    pub(super) fn new(affixes: [String; 2]) -> Self {
        Self { affixes, ..Self::default() }
    }

    /// What of these bytes may reach the terminal.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut scanner = std::mem::take(&mut self.scanner);
        let (mut out, mut text) = (Vec::with_capacity(bytes.len()), String::new());
        let mut rest = bytes;
        while let Some(token) = scanner.next(&mut rest) {
            self.utf8.take(&token, &mut text);
            out.extend_from_slice(text.as_bytes());
            self.pass_token(&token, &mut out);
        }
        self.scanner = scanner;
        out
    }

    fn pass_token(&mut self, token: &Token<'_>, out: &mut Vec<u8>) {
        match *token {
            Token::Control(byte @ 0x07..=0x0f) => out.push(byte),
            Token::Csi(inside, last) => return self.pass_sequence(inside, last, out),
            Token::Osc(inside) if is_allowed_command(inside) => {
                out.extend_from_slice(b"\x1b]");
                if let [b'0' | b'2', b';', title @ ..] = inside {
                    let [before, after] = &self.affixes;
                    let parts = [&inside[..2], before.as_bytes(), title, after.as_bytes()];
                    out.extend(parts.concat());
                } else {
                    out.extend_from_slice(inside);
                }
                out.extend_from_slice(b"\x1b\\");
            }
            Token::Escape(last @ (b'7' | b'8' | b'D' | b'E' | b'M' | b'=' | b'>')) => {
                out.extend_from_slice(&[0x1b, last]);
            }
            // A full reset would also clear what was there before, and erasing the screen moves it there again.
            Token::Escape(b'c') => {
                out.extend(self.undo());
                out.extend_from_slice(b"\x1b[H\x1b[999M\x1b7");
            }
            Token::Designate(place, set @ (b'0' | b'A' | b'B')) => {
                out.extend_from_slice(&[0x1b, place, set]);
            }
            _ => return,
        }
        self.modes.apply(token);
    }

    fn pass_sequence(&mut self, inside: &[u8], last: u8, out: &mut Vec<u8>) {
        let Some(allowed) = sequence(inside, last) else { return };
        let was_alternate = self.modes.is_alternate();
        self.modes.apply(&Token::Csi(&allowed, last));
        if was_alternate && !self.modes.is_alternate() {
            out.extend(self.forget_keyboard(true));
        }
        match (last, &*allowed) {
            (b'p', _) => out.extend_from_slice(SOFT_RESET),
            (b'u', [_, ..]) => {}
            _ => {
                out.extend_from_slice(b"\x1b[");
                out.extend_from_slice(&allowed);
                out.push(last);
            }
        }
        self.adjust_keyboard(out);
    }

    /// Give the keyboard the flags that the program has chosen.
    fn adjust_keyboard(&mut self, out: &mut Vec<u8>) {
        let flags = self.modes.keyboard_flags();
        let given = &mut self.keyboards[usize::from(self.modes.is_alternate())];
        match *given {
            None if flags == 0 => return,
            Some(given) if given == flags => return,
            None => out.extend(format!("\x1b[>{flags}u").into_bytes()),
            Some(_) => out.extend(format!("\x1b[={flags};1u").into_bytes()),
        }
        *given = Some(flags);
    }

    fn forget_keyboard(&mut self, is_alternate: bool) -> &'static [u8] {
        match self.keyboards[usize::from(is_alternate)].take() {
            Some(_) => b"\x1b[<1u",
            None => b"",
        }
    }

    /// Sequences that undo everything that was passed on.
    pub(super) fn undo(&mut self) -> Vec<u8> {
        let modes = std::mem::take(&mut self.modes);
        let mut out = vec![];
        if modes.is_alternate() {
            out.extend(self.forget_keyboard(true));
        }
        out.extend(modes.undo());
        out.extend(self.forget_keyboard(false));
        out
    }

    /// The same for a time at which this can't be called.
    pub(super) fn undo_later(&self) -> Vec<u8> {
        let (modes, keyboards) = (self.modes.clone(), self.keyboards);
        Self { modes, keyboards, ..Self::default() }.undo()
    }

    /// The modes that the terminal has now.
    pub(super) const fn modes(&self) -> &Modes {
        &self.modes
    }
}

/// What of a control sequence is passed on.
fn sequence(inside: &[u8], last: u8) -> Option<Vec<u8>> {
    if let (b'h' | b'l', Some(modes)) = (last, inside.strip_prefix(b"?")) {
        return private_modes(modes);
    }
    let is_plain = inside.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'));
    let selective = matches!(last, b'J' | b'K') && inside.starts_with(b"?");
    let allowed = match (last, inside) {
        // It would delete what the terminal showed before.
        (b'J', b"3") => false,
        (b'm', [b'>', b'4', b';', level]) => level.is_ascii_digit(),
        (b'm', b">4") => true,
        // The terminal's size would change, or the cursor's position within lines that are not this program's.
        _ if DRAWING.contains(&last) => is_plain || selective,
        // Insert mode, the saved cursor, kitty's keyboard flags, and the soft reset.
        (b'h' | b'l', b"4")
        | (b's' | b'u', b"")
        | (b'u', [b'<' | b'>' | b'=', ..])
        | (b'p', b"!") => true,
        (b'q', [digits @ .., b' ']) => digits.len() < 2,
        _ => false,
    };
    allowed.then(|| inside.to_vec())
}

/// The allowed ones of these private modes.
fn private_modes(modes: &[u8]) -> Option<Vec<u8>> {
    /// Saves and restores the cursor.
    const CURSOR: u16 = 1048;
    let modes = modes.split(|&byte| byte == b';').filter_map(number::<u16>);
    let modes = modes.filter(|&mode| is_mode(mode) || mode == CURSOR);
    let words: Vec<String> = modes.map(|mode| mode.to_string()).collect();
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
    let is_text = std::str::from_utf8(inside).is_ok_and(|text| !text.chars().any(char::is_control));
    match number {
        b"0" | b"1" | b"2" | b"133" => is_text,
        b"8" => is_text && link() == Some(true),
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
            b"\x1b]0;title\x1b\\\x1b]8;;https://example.com\x1b\\\x1b]133;A\x1b\\",
            b"\x1b[>4;2m\x1b[>4m\x1b[?1048h\x1b[?1048l\x1b[?1000;1006h",
        ];
        for bytes in drawing {
            assert_eq!(passed(bytes), bytes.escape_ascii().to_string());
        }
        assert_eq!(passed(b"a\x9b5mb\xc2\x9b5mc"), "a\\xef\\xbf\\xbd5mb5mc");
    }

    #[test]
    fn titles_keep_what_is_added_to_them() {
        let affixes = ["keys: ", " (how to leave)"].map(str::to_owned);
        let mut filter = Filter::new(affixes);
        let passed =
            filter.pass(b"\x1b]2;vim\x07\x1b]1;icon\x07\x1b]0;\x07").escape_ascii().to_string();
        assert_eq!(
            passed,
            "\\x1b]2;keys: vim (how to leave)\\x1b\\\\\\x1b]1;icon\\x1b\\\\\\x1b]0;keys:  (how to leave)\\x1b\\\\"
        );
    }

    #[test]
    fn questions_reports_and_the_clipboard_are_not() {
        let refused: &[&[u8]] = &[
            b"\x1b[c\x1b[>c\x1b[6n\x1b[?2004$p\x1b[>q\x1b[?u\x1b[18t\x1b[21t\x1bZ",
            b"\x1b]52;c;aGk=\x07\x1b]11;?\x07\x1b]11;red\x07\x1b]4;1;red\x07\x1b]1337;File=x\x07",
            b"\x1b]8;;file:///etc/passwd\x1b\\\x1b]2;a\xc2\x9bb\x07\x1b]50;font\x07\x1b]9;note\x07",
            b"\x1bP+q544e\x1b\\\x1b_G\x1b\\\x1b^x\x1b\\\x1bPtmux;\x1b\x1b[5i\x1b\\",
            b"\x1b[5i\x1b[4i\x1b[3J\x1b[?9h\x1b[20h\x1b[2h\x05\x1b[3g\x1bH\x1b#8\x1b[>2t\x1b[3;9t",
            b"\x1b[?1001h\x1b[?2031h\x1b[?5522h\x1b[1;1;2;2$r\x1b[>1p\x1b[61\"p\x1b(K\x1b%@",
        ];
        for bytes in refused {
            assert_eq!(passed(bytes), "", "{}", bytes.escape_ascii());
        }
        assert_eq!(passed(b"\x1b[?1000;9;2004h"), "\\x1b[?1000;2004h");
    }

    #[test]
    fn everything_that_was_set_is_undone() {
        let mut filter = Filter::default();
        filter.pass(b"\x1b[?1049;2004h\x1b[?25l\x1b[?1h\x1b=\x1b[4 q\x1b[>4;2m\x1b[?2004l");
        assert_eq!(filter.undo_later(), filter.undo_later());
        let undone = filter.undo().escape_ascii().to_string();
        for reset in ["?1l", "?25h", "?1049l", "\\x1b>", "0 q", ">4m"] {
            assert!(undone.contains(reset), "{reset}: {undone}");
        }
        assert!(!undone.contains("2004"));
        assert!(!Filter::default().undo().escape_ascii().to_string().contains('?'));
    }

    #[test]
    fn the_keyboards_own_stack_is_left_as_it_was() {
        let mut filter = Filter::default();
        let mut pass = |bytes: &[u8]| filter.pass(bytes).escape_ascii().to_string();
        assert_eq!(pass(b"\x1b[<7u\x1b[=0u"), "");
        assert_eq!(pass(b"\x1b[>1u\x1b[>5u\x1b[>5u"), "\\x1b[>1u\\x1b[=5;1u");
        assert_eq!(pass(b"\x1b[<2u\x1b[<u"), "\\x1b[=1;1u\\x1b[=0;1u");
        assert_eq!(pass(b"\x1b[?1049h\x1b[>3u"), "\\x1b[?1049h\\x1b[>3u");
        assert_eq!(pass(b"\x1b[?1049l"), "\\x1b[<1u\\x1b[?1049l");
        assert_eq!(pass(b"\x1b[?1049h"), "\\x1b[?1049h\\x1b[>3u");
        let undone = filter.undo().escape_ascii().to_string();
        assert!(undone.starts_with("\\x1b[<1u"), "{undone}");
        assert!(undone.ends_with("\\x1b[?1049l\\x1b[<1u"), "{undone}");
        assert!(!filter.undo().escape_ascii().to_string().contains("<1u"));
    }

    #[test]
    fn a_sequence_that_is_cut_anywhere_is_judged_as_a_whole() {
        let bytes =
            b"a\xe2\x82\xac\x1b]52;c;aGk=\x1b\\b\x1bP+q544e\x1b\\\x1b[?1000;9h\x1b[21t\xc2\x9bc";
        let whole = passed(bytes);
        for cut in 0..bytes.len() {
            let mut filter = Filter::default();
            let pieces = [filter.pass(&bytes[..cut]), filter.pass(&bytes[cut..])].concat();
            assert_eq!(pieces.escape_ascii().to_string(), whole, "{cut}");
        }
    }
}
