//! What a line must be like.

use regex::bytes::{Regex, RegexBuilder};

use crate::view::escape::{Scanner, Token};

/// A regular expression for lines, which are compared without their colours.
#[derive(Debug, Clone)]
pub struct Pattern {
    line: Regex,
    /// Finds whether any line of a text matches, where that can be asked of all of it at once.
    text: Option<Regex>,
    invert: bool,
}

/// An expression that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is no regular expression: {why}")]
pub struct BadPattern {
    text: String,
    why: String,
}

impl Pattern {
    /// This expression (the `regex` crate's syntax); with `ignore_case`, whatever the case; with
    /// `invert`, lines that do not match.
    pub fn new(text: &str, ignore_case: bool, invert: bool) -> Result<Self, BadPattern> {
        let build = |many_lines: bool| {
            RegexBuilder::new(text)
                .case_insensitive(ignore_case)
                .multi_line(many_lines)
                .crlf(many_lines)
                .build()
                .map_err(|error| BadPattern { text: text.to_owned(), why: reason(&error) })
        };
        // What stands at the ends of a line is not at the ends of the text.
        let at_ends = ["\\A", "\\z", "(?-m", "(?R", "(?m"].iter().any(|word| text.contains(word));
        let whole = if at_ends || invert { None } else { Some(build(true)?) };
        Ok(Self { line: build(false)?, text: whole, invert })
    }

    /// Whether a line is wanted; its line break does not count.
    pub fn takes(&self, line: &[u8], scratch: &mut Vec<u8>) -> bool {
        let line = without_break(line);
        let line = if is_plain(line) {
            line
        } else {
            plain(line, scratch);
            scratch
        };
        self.line.is_match(line) != self.invert
    }

    /// Whether no line of this text is wanted, as far as can be seen at a glance.
    pub fn takes_none_of(&self, text: &[u8]) -> bool {
        // Escapes and carriage returns may stand within what is looked for.
        match &self.text {
            Some(whole) => {
                memchr::memchr(0x1b, text).is_none()
                    && ends_lines_only(text)
                    && !whole.is_match(text)
            }
            None => false,
        }
    }
}

/// Whether each carriage return stands before a newline.
fn ends_lines_only(text: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', text).all(|at| text.get(at + 1) == Some(&b'\n'))
}

/// The line of an error that says what is wrong.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

/// A line without its line break.
pub fn without_break(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn is_plain(text: &[u8]) -> bool {
    memchr::memchr2(0x1b, b'\r', text).is_none()
}

/// A line without its escape sequences and carriage returns.
pub fn plain(line: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut scanner = Scanner::default();
    let mut rest = line;
    while let Some(token) = scanner.next(&mut rest) {
        match token {
            Token::Text(text) => out.extend_from_slice(text),
            Token::Control(_) | Token::Csi(..) | Token::Osc(_) | Token::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn colours_and_line_breaks_do_not_count() {
        let table: [(&str, &[u8], bool); 8] = [
            ("error$", b"an error\r\n", true),
            ("^error", b"\x1b[31mer\x1b[0mror here\n", true),
            ("^$", b"\r\n", true),
            ("^$", b"x\n", false),
            ("a b", b"a\tb\n", false),
            ("\\bb\\b", b"a\tb\n", true),
            ("(?-u:\\xff)", b"raw \xff\n", true),
            ("Error", b"error\n", false),
        ];
        let mut scratch = vec![];
        for (pattern, line, expected) in table {
            for invert in [false, true] {
                let pattern = Pattern::new(pattern, false, invert).unwrap();
                assert_eq!(pattern.takes(line, &mut scratch), expected != invert, "{line:?}");
                if expected && !invert {
                    assert!(!pattern.takes_none_of(line), "{line:?}");
                }
            }
        }
        assert!(Pattern::new("ERR", true, false).unwrap().takes(b"err\n", &mut scratch));
    }

    #[test]
    fn what_is_wrong_with_an_expression_is_told_in_a_line() {
        let error = Pattern::new("a(b", false, false).unwrap_err().to_string();
        assert_eq!(error, "`a(b` is no regular expression: unclosed group");
    }
}
