//! The lines of a process as a terminal may show them between those of others.
//!
//! Colours and links stay. What would wreck a merged view goes: moves of the cursor, other
//! screens, erasing, modes, titles, character sets. A line that was written over itself (a
//! spinner) is its last state that shows anything.

use super::sgr::Sgr;
use crate::model::escape::{Scanner, Token};

/// No more of a line is shown.
pub(crate) const LONGEST: usize = 1 << 20;
/// Buffers larger than this are given back after their line.
const KEEP: usize = 64 << 10;
/// A move to the right becomes at most so many blanks.
const MOST_BLANKS: usize = 200;

/// One state of a line: what was written since the cursor last went back to its beginning.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// Distinguishes it from all others of the stream; 0 is none.
    pub(crate) id: u64,
    /// The cleaned bytes, at most [`LONGEST`].
    pub(crate) bytes: Vec<u8>,
    /// How many there would be without that limit.
    pub(crate) total: u64,
    /// What is switched on where it begins.
    pub(crate) start: Sgr,
    /// What is switched on behind its bytes.
    pub(crate) end: Sgr,
    /// Whether there is a link in it.
    pub(crate) linked: bool,
    /// Whether there is more than blanks in it.
    pub(crate) visible: bool,
}

impl Segment {
    fn clear(&mut self, id: u64, sgr: Sgr) {
        self.bytes.clear();
        if self.bytes.capacity() > KEEP {
            self.bytes = Vec::new();
        }
        let bytes = std::mem::take(&mut self.bytes);
        *self = Self { id, bytes, start: sgr, end: sgr, ..Self::default() };
    }

    /// Whether it is longer than what is kept of it.
    pub(crate) fn cut(&self) -> bool {
        self.total > self.bytes.len() as u64
    }

    /// Append text, as far as there is room.
    fn text(&mut self, text: &[u8]) {
        let room = if self.cut() { 0 } else { LONGEST - self.bytes.len() };
        // A character may have come in pieces.
        let from = self.bytes.len().saturating_sub(2);
        self.bytes.extend_from_slice(&text[..text.len().min(room)]);
        self.total += text.len() as u64;
        replace_directions(&mut self.bytes[from..]);
    }

    /// Append a sequence, if there is room for all of it.
    fn sequence(&mut self, parts: [&[u8]; 3]) -> bool {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let fits = !self.cut() && self.bytes.len() + len <= LONGEST;
        if fits {
            self.total += len as u64;
            for part in parts {
                self.bytes.extend_from_slice(part);
            }
        }
        fits
    }
}

/// Put U+FFFD, which is as long, in the place of each mark that embeds, overrides or isolates a
/// direction of writing: such a line reads as another one than it is.
fn replace_directions(bytes: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = memchr::memchr(0xe2, &bytes[from..]) {
        from += at + 1;
        let mark = match bytes.get(from..from + 2) {
            Some([0x80, last]) => (0xaa..=0xae).contains(last),
            Some([0x81, last]) => (0xa6..=0xa9).contains(last),
            Some(_) | None => false,
        };
        if mark {
            bytes[from - 1..from + 2].copy_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Takes the bytes of one process in pieces of any size, up to the end of a line at a time.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    scanner: Scanner,
    line: Line,
}

#[derive(Debug)]
struct Line {
    /// What the process has switched on by now.
    sgr: Sgr,
    /// The same where the line began.
    opening: Sgr,
    current: Segment,
    /// The last state before the current one that showed anything.
    kept: Segment,
    ids: u64,
    /// The cursor went back and nothing was written since.
    returned: bool,
    /// There was more than one state.
    turned: bool,
    begun: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            sgr: Sgr::default(),
            opening: Sgr::default(),
            current: Segment { id: 1, ..Segment::default() },
            kept: Segment::default(),
            ids: 1,
            returned: false,
            turned: false,
            begun: false,
        }
    }
}

impl Cleaner {
    /// Take bytes up to the next newline, which is taken too; whether there was one.
    pub(crate) fn feed(&mut self, input: &mut &[u8]) -> bool {
        self.line.begun |= !input.is_empty();
        while let Some(token) = self.scanner.next(input) {
            if self.line.take(token) {
                return true;
            }
        }
        false
    }

    /// The state of the line that is to be shown.
    pub(crate) fn segment(&self) -> &Segment {
        let line = &self.line;
        if line.current.visible || !line.kept.visible { &line.current } else { &line.kept }
    }

    /// What was switched on where the line began.
    pub(crate) fn opening(&self) -> Sgr {
        self.line.opening
    }

    /// Whether the line was written over itself.
    pub(crate) fn turned(&self) -> bool {
        self.line.turned
    }

    /// Whether anything of a line was taken.
    pub(crate) fn begun(&self) -> bool {
        self.line.begun
    }

    /// The line is over.
    pub(crate) fn next_line(&mut self) {
        let line = &mut self.line;
        line.ids += 1;
        line.current.clear(line.ids, line.sgr);
        line.kept.clear(0, line.sgr);
        line.opening = line.sgr;
        line.returned = false;
        line.turned = false;
        line.begun = false;
    }

    /// No sequence goes on from here: the rest of an unfinished one is not awaited.
    pub(crate) fn abandon(&mut self) {
        self.scanner.reset();
    }

    /// Another program writes from here on: nothing is switched on.
    pub(crate) fn reset(&mut self) {
        self.abandon();
        self.line.sgr.reset();
        self.next_line();
    }
}

impl Line {
    /// Take one piece; whether it is the end of the line.
    fn take(&mut self, token: Token<'_>) -> bool {
        match token {
            Token::Text(text) => {
                let segment = self.writing();
                segment.visible |= text.iter().any(|b| !matches!(b, b' ' | b'\t'));
                segment.text(text);
            }
            Token::Control(b'\n') => return true,
            Token::Control(byte) => self.control(byte),
            Token::Csi(inside, last) => self.csi(inside, last),
            Token::Osc(inside) => {
                if inside.starts_with(b"8;") {
                    let segment = self.writing();
                    segment.linked |= segment.sequence([b"\x1b]", inside, b"\x1b\\"]);
                }
            }
            Token::Other => {}
        }
        false
    }

    fn control(&mut self, byte: u8) {
        match byte {
            b'\r' => self.returned = true,
            // NUL; a new line without a prefix; another character set.
            0 | 0x0b | 0x0c | 0x0e | 0x0f => {}
            // It would go back into the prefix.
            0x08 if self.returned || self.current.bytes.is_empty() => {}
            byte => self.writing().text(&[byte]),
        }
    }

    fn csi(&mut self, inside: &[u8], last: u8) {
        match last {
            b'm' if inside.iter().all(|b| matches!(b, b'0'..=b'9' | b';' | b':')) => {
                self.writing();
                self.sgr.apply(inside);
                if self.current.sequence([b"\x1b[", inside, b"m"]) {
                    self.current.end = self.sgr;
                }
            }
            // To the first column: what spinners do instead of a carriage return.
            b'G' | b'`' if matches!(inside, b"" | b"0" | b"1") => self.returned = true,
            b'G' | b'`' => self.writing().text(b" "),
            b'C' => {
                let count = std::str::from_utf8(inside).ok().and_then(|n| n.parse().ok());
                let blanks = [b' '; MOST_BLANKS];
                self.writing().text(&blanks[..count.unwrap_or(1).clamp(1, MOST_BLANKS)]);
            }
            _ => {}
        }
    }

    /// The segment to write to: a new one if the cursor has gone back.
    fn writing(&mut self) -> &mut Segment {
        if std::mem::take(&mut self.returned) {
            if self.current.visible {
                std::mem::swap(&mut self.current, &mut self.kept);
            }
            self.ids += 1;
            self.current.clear(self.ids, self.sgr);
            self.turned = true;
        }
        &mut self.current
    }
}

#[cfg(test)]
mod tests {
    use super::{Cleaner, LONGEST};

    fn cleaned(input: &[u8]) -> String {
        let mut cleaner = Cleaner::default();
        let mut rest = input;
        assert!(cleaner.feed(&mut rest), "a whole line");
        cleaner.segment().bytes.escape_ascii().to_string()
    }

    #[test]
    fn what_wrecks_the_view_goes_and_the_rest_stays() {
        for (input, expected) in [
            (&b"plain \xff\xc3\xa9\tx\r\n"[..], "plain \\xff\\xc3\\xa9\\tx"),
            (b"\x1b[1;31mred\x1b[0m\x1b[K\r\n", "\\x1b[1;31mred\\x1b[0m"),
            (b"\x1b[?1049h\x1b[2J\x1b[Hfull\x1b[?2004h\x1bc\x1b[1;5r\x1b[A\n", "full"),
            (b"\x1b]0;title\x07x\x1b(0y\x1b7\x1b[5;5Hz\n", "xyz"),
            (
                b"\x1b]8;id=1;http://a\x07b\x1b]8;;\x07\n",
                "\\x1b]8;id=1;http://a\\x1b\\\\b\\x1b]8;;\\x1b\\\\",
            ),
            (b"a\x00b\x0ec\x07d\x1b[?25le\n", "abc\\x07de"),
            (b"a\x1b[3Cb\x1b[40Gc\n", "a   b c"),
            (b"\x08\x08a\x08b\n", "a\\x08b"),
            (b"\x1b]0;no end\r\n", ""),
            (b"\x1b[?4m\x1b[>4;1mx\n", "x"),
        ] {
            assert_eq!(cleaned(input), expected, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn no_line_changes_its_direction_however_it_is_cut() {
        let line = "a\u{202e}b\u{2066}c\u{2069}\u{202a}d — “é”\u{2022}\n".as_bytes();
        let expected = "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}d — “é”\u{2022}";
        for cut in 0..line.len() {
            let mut cleaner = Cleaner::default();
            assert!(!cleaner.feed(&mut &line[..cut]));
            assert!(cleaner.feed(&mut &line[cut..]));
            assert_eq!(cleaner.segment().bytes, expected.as_bytes(), "{cut}");
        }
    }

    #[test]
    fn a_spinner_is_its_last_state_that_shows_anything() {
        for (input, expected) in [
            (&b"10%\r50%\r100%\r\n"[..], "100%"),
            (b"10%\r50%\r\r\n", "50%"),
            (b"loading\r       \r\n", "loading"),
            (b"loading\r\x1b[K\r\n", "loading"),
            (b"\x1b[2K\x1b[1Gone\x1b[2K\x1b[1Gtwo\r\n", "two"),
            (b"   \r\n", "   "),
            (b"\r\n", ""),
        ] {
            assert_eq!(cleaned(input), expected, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn colours_of_dropped_states_are_carried() {
        let mut cleaner = Cleaner::default();
        assert!(cleaner.feed(&mut &b"\x1b[32mone\rtwo\x1b[1m\n"[..]));
        let mut start = vec![];
        cleaner.segment().start.emit(&mut start);
        assert_eq!(start, b"\x1b[32m");
        cleaner.next_line();
        let mut start = vec![];
        cleaner.segment().start.emit(&mut start);
        assert_eq!(start, b"\x1b[1;32m");
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let mut cleaner = Cleaner::default();
        let piece = vec![b'x'; 300_000];
        for _ in 0..5 {
            assert!(!cleaner.feed(&mut &piece[..]));
        }
        assert_eq!((cleaner.segment().bytes.len(), cleaner.segment().total), (LONGEST, 1_500_000));
        assert!(!cleaner.feed(&mut &b"\rnew state"[..]));
        assert_eq!(cleaner.segment().bytes, b"new state");
        cleaner.next_line();
        assert!(cleaner.line.kept.bytes.capacity() < LONGEST, "given back");
    }
}
