//! The log of another program, line by line, for a terminal.

use super::clean::Cleaner;
use crate::model::escape::{Scanner, Token};

/// Takes the bytes of a log as they come and gives lines that a terminal may show: colours and
/// links stay where they are wanted, all other sequences go.
#[derive(Debug)]
pub struct Relay {
    cleaner: Cleaner,
    color: bool,
}

impl Relay {
    /// A relay to a terminal, which shows colours or does not.
    pub fn new(color: bool) -> Self {
        Self { cleaner: Cleaner::default(), color }
    }

    /// Append the lines that these bytes complete.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while self.cleaner.feed(&mut bytes) {
            self.line(out);
        }
    }

    /// Append what is left at the end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.cleaner.begun() {
            self.line(out);
        }
    }

    fn line(&mut self, out: &mut Vec<u8>) {
        let segment = self.cleaner.segment();
        if self.color {
            segment.start.emit(out);
            out.extend_from_slice(&segment.bytes);
            if segment.linked {
                out.extend_from_slice(b"\x1b]8;;\x1b\\");
            }
            if !segment.end.is_plain() {
                out.extend_from_slice(b"\x1b[0m");
            }
        } else {
            let (mut scanner, mut rest) = (Scanner::default(), &segment.bytes[..]);
            while let Some(token) = scanner.next(&mut rest) {
                if let Token::Text(text) = token {
                    out.extend_from_slice(text);
                }
            }
        }
        out.push(b'\n');
        self.cleaner.next_line();
    }
}

#[cfg(test)]
mod tests {
    use super::Relay;

    fn relayed(color: bool, pieces: &[&[u8]]) -> String {
        let (mut relay, mut out) = (Relay::new(color), vec![]);
        for piece in pieces {
            relay.feed(piece, &mut out);
        }
        relay.finish(&mut out);
        out.escape_ascii().to_string()
    }

    #[test]
    fn lines_keep_their_colours_and_lose_everything_else() {
        let log: &[&[u8]] = &[b"\x1b[32mweb |\x1b[0m a\x1b]0;PW", b"N\x07b\x1b[2J\r\n\x1b[1mend"];
        let expected = "\\x1b[32mweb |\\x1b[0m ab\\n\\x1b[1mend\\x1b[0m\\n";
        assert_eq!(relayed(true, log), expected);
        assert_eq!(relayed(false, log), "web | ab\\nend\\n");
    }
}
