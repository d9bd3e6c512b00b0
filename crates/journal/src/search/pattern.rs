//! The regular expression that lines must match.

use regex::bytes::{Regex, RegexBuilder};

use crate::model::plan::expression::reason;
use crate::model::terminal::escape::is_ordinary;
use crate::model::terminal::line;
use crate::model::terminal::line::without_break;

/// A regular expression for lines. It is compared with lines as they are shown.
#[derive(Debug, Clone)]
pub struct Pattern {
    line: Regex,
    /// The same expression for searching many lines at once; `None` if that can't be done.
    text: Option<Regex>,
    invert: bool,
}

/// An invalid regular expression.
#[derive(Debug, thiserror::Error)]
#[error("invalid regular expression `{text}`: {why}")]
pub struct BadPattern {
    text: String,
    why: String,
}

impl Pattern {
    /// Compile this expression (syntax of the `regex` crate). `ignore_case` ignores case; `invert`
    /// selects the lines that do not match.
    pub fn new(text: &str, ignore_case: bool, invert: bool) -> Result<Self, BadPattern> {
        let build = |many_lines: bool| {
            RegexBuilder::new(text)
                .case_insensitive(ignore_case)
                .multi_line(many_lines)
                .crlf(many_lines)
                .build()
                .map_err(|error| BadPattern { text: text.to_owned(), why: reason(&error) })
        };
        // Anchors at the ends of the text would not match at the ends of a line.
        let at_ends = ["\\A", "\\z", "(?-m", "(?R", "(?m"].iter().any(|word| text.contains(word));
        let whole = if at_ends || invert { None } else { Some(build(true)?) };
        Ok(Self { line: build(false)?, text: whole, invert })
    }

    /// Whether a line is selected, not considering its line break.
    pub fn takes(&self, line: &[u8], scratch: &mut Vec<u8>) -> bool {
        let line = without_break(line);
        if is_ordinary(line) {
            return self.line.is_match(line) != self.invert;
        }
        scratch.clear();
        line::plain(line, scratch);
        scratch.split(|&b| b == b'\n').any(|row| self.line.is_match(row)) != self.invert
    }

    /// Whether [`Self::next`] can search this text. It can't if there are escape sequences or
    /// control characters, because they could be in the middle of a match.
    pub fn sees_through(&self, text: &[u8]) -> bool {
        self.text.is_some() && is_ordinary(text)
    }

    /// The beginning of the next line that may match, in this text from the line beginning `from`
    /// on. The lines before it do not match.
    pub fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let found = self.text.as_ref()?.find_at(text, from)?;
        let line = memchr::memrchr(b'\n', &text[from..found.start()]);
        Some(line.map_or(from, |newline| from + newline + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_line_counts_as_it_is_shown() {
        let table: [(&str, &[u8], bool); 12] = [
            ("error$", b"an error\r\n", true),
            ("^error", b"\x1b[31mer\x1b[0mror here\n", true),
            ("^$", b"\r\n", true),
            ("^$", b"x\n", false),
            ("a b", b"a\tb\n", false),
            ("\\bb\\b", b"a\tb\n", true),
            ("^raw \u{fffd}$", b"raw \xff\n", true),
            ("^whole$", b"half\rwhole\n", true),
            ("^half", b"half\x1b[2K\rwhole\n", false),
            ("^two$", b"one\x1b[1A\r\x1b[Ktwo\n", true),
            ("error", b"er\x08ror\x07\n", false),
            ("Error", b"error\n", false),
        ];
        let mut scratch = vec![];
        for (pattern, line, expected) in table {
            for invert in [false, true] {
                let pattern = Pattern::new(pattern, false, invert).unwrap();
                assert_eq!(pattern.takes(line, &mut scratch), expected != invert, "{line:?}");
                if expected && pattern.sees_through(line) {
                    assert_eq!(pattern.next(line, 0), Some(0), "{line:?}");
                }
            }
        }
        assert!(Pattern::new("ERR", true, false).unwrap().takes(b"err\n", &mut scratch));
    }

    #[test]
    fn lines_are_found_in_a_text_as_one_by_one() {
        let lines = ["one\r\n", "two two\n", "\n", "  two\r\n", "three\n", "last two"];
        let text = lines.concat();
        let mut scratch = vec![];
        for pattern in
            ["two", "^two", "two$", "^$", "\\s+two", "o\\W+t", "x*", "(?i)ONE", "[^a]", "e\\b"]
        {
            let pattern = Pattern::new(pattern, false, false).unwrap();
            assert!(pattern.sees_through(text.as_bytes()));
            let (mut at, mut found) = (0, vec![]);
            while let Some(start) = pattern.next(text.as_bytes(), at).filter(|&s| s < text.len()) {
                let line = text[start..].split_inclusive('\n').next().unwrap();
                if pattern.takes(line.as_bytes(), &mut scratch) {
                    found.push(line);
                }
                at = start + line.len();
            }
            let wanted = lines.iter().filter(|line| pattern.takes(line.as_bytes(), &mut scratch));
            assert_eq!(found, wanted.copied().collect::<Vec<_>>(), "{pattern:?}");
        }
        for odd in ["a\rb\n", "\x1b[0m\n", "a\r", "a\x08\n", "a\u{9b}\n"] {
            assert!(!Pattern::new("a", false, false).unwrap().sees_through(odd.as_bytes()));
        }
    }

    #[test]
    fn what_is_wrong_with_an_expression_is_told_in_a_line() {
        let error = Pattern::new("a(b", false, false).unwrap_err().to_string();
        assert_eq!(error, "invalid regular expression `a(b`: unclosed group");
    }
}
