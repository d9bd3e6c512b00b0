//! One pattern.

use memchr::memmem::Finder;
use regex_syntax::hir::{Hir, Look};
use regex_syntax::{ParserBuilder, escape};

use super::bounded::{Bounded, Steps, TooSlow};
use super::needles::needles_of;
use crate::model::plan::expression::reason;
use crate::model::plan::rules::Text;

/// An invalid pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// The pattern is empty and would match every line.
    #[error("a pattern is empty; say what to look for")]
    Empty,
    /// An invalid regular expression.
    #[error("invalid regular expression `{text}`: {why}")]
    Expression {
        /// The expression.
        text: String,
        why: String,
    },
}

/// A text as it was printed, and in ASCII lower case. Both have the same length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Both<'a> {
    pub(super) text: &'a [u8],
    pub(super) folded: &'a [u8],
}

impl Both<'_> {
    pub(super) fn range(self, from: usize, to: usize) -> Self {
        Self { text: &self.text[from..to], folded: &self.folded[from..to] }
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    how: How,
    /// Wherever the pattern matches, the lower-case text contains one of these.
    pub(super) needles: Option<Vec<Vec<u8>>>,
}

#[derive(Debug)]
enum How {
    /// A literal text.
    Exact(Finder<'static>),
    /// A literal text, ignoring ASCII case.
    Folded(Finder<'static>),
    /// A text with non-ASCII letters, ignoring case.
    Cased(Box<Bounded>, usize),
    /// An expression for one line, and, if possible, one that searches many lines at once.
    Line(Box<Bounded>, Option<String>),
}

impl Pattern {
    /// `count` is the number of patterns of the process.
    pub(super) fn new(text: &Text, count: usize) -> Result<Self, BadPattern> {
        let words = text.pattern.as_str();
        let bad = |why| BadPattern::Expression { text: words.to_owned(), why };
        if text.regex {
            return Self::expression(text, count).map_err(bad);
        }
        if words.is_empty() {
            return Err(BadPattern::Empty);
        }
        if text.any_case && !words.is_ascii() {
            return Self::cased(words, count).map_err(bad);
        }
        let folded = words.to_ascii_lowercase().into_bytes();
        let how = if text.any_case {
            How::Folded(Finder::new(&folded).into_owned())
        } else {
            How::Exact(Finder::new(words.as_bytes()).into_owned())
        };
        Ok(Self { how, needles: Some(vec![folded]) })
    }

    /// ASCII letters match only ASCII letters, as in other texts: for example, the Kelvin sign does
    /// not count as a K.
    fn cased(words: &str, count: usize) -> Result<Self, String> {
        let part = |c: char| {
            let flags = if c.is_ascii() { "i-u" } else { "i" };
            format!("(?{flags}:{})", escape(&c.to_string()))
        };
        let pattern: String = words.chars().map(part).collect();
        let hir = parse(&pattern, false, false)?;
        let regex = build(&hir, count)?;
        let longest = hir.properties().maximum_len().unwrap_or(words.len() * 2);
        Ok(Self { how: How::Cased(Box::new(regex), longest), needles: needles_of(&hir, 1) })
    }

    fn expression(text: &Text, count: usize) -> Result<Self, String> {
        let Text { pattern, any_case, .. } = text;
        let hir = parse(pattern, *any_case, false)?;
        let regex = build(&hir, count)?;
        let needles = needles_of(&hir, 2);
        // A group of its own, so that its flags do not affect the expressions next to it.
        let case = if *any_case { "(?i)" } else { "" };
        let whole = asks_many_lines(pattern, *any_case).then(|| format!("(?:{case}{pattern})"));
        Ok(Self { how: How::Line(Box::new(regex), whole), needles })
    }

    /// Whether it is a text, which can match anywhere, even in an unfinished line. Expressions are
    /// about whole lines.
    pub(super) fn is_text(&self) -> bool {
        !matches!(self.how, How::Line(..))
    }

    /// How many bytes must be searched together so that no match is missed.
    pub(super) fn span(&self) -> usize {
        let needles = self.needles.iter().flatten().map(Vec::len).max().unwrap_or(0);
        needles.max(match &self.how {
            How::Exact(finder) | How::Folded(finder) => finder.needle().len(),
            How::Cased(_, longest) => *longest,
            How::Line(..) => 0,
        })
    }

    /// The place of the match: its start for a text, its end for an expression.
    pub(super) fn find_place(
        &mut self,
        line: Both<'_>,
        steps: &mut Steps,
    ) -> Result<Option<usize>, TooSlow> {
        match &mut self.how {
            How::Exact(finder) => Ok(finder.find(line.text)),
            How::Folded(finder) => Ok(finder.find(line.folded)),
            How::Cased(regex, _) | How::Line(regex, _) => regex.find_end(line.text, 0, steps),
        }
    }

    /// The expression in the form for searching many lines at once.
    pub(super) fn of_many_lines(&self) -> Option<&str> {
        let How::Line(_, whole) = &self.how else { return None };
        whole.as_deref()
    }
}

/// Compile an expression that searches many lines at once: `^` and `$` match at the ends of each
/// line.
pub(super) fn of_many_lines(pattern: &str) -> Option<Bounded> {
    build(&parse(pattern, false, true).ok()?, 1).ok()
}

/// Whether an expression matches in a text of many lines exactly where it matches in one of the
/// lines. Not the case if it refers to the beginning or end of the text.
fn asks_many_lines(pattern: &str, any_case: bool) -> bool {
    const ENDS: [Look; 4] = [Look::Start, Look::End, Look::StartLF, Look::EndLF];
    let hir = parse(pattern, any_case, true);
    hir.is_ok_and(|hir| !ENDS.iter().any(|&end| hir.properties().look_set().contains(end)))
}

fn parse(pattern: &str, any_case: bool, many_lines: bool) -> Result<Hir, String> {
    let mut parser = ParserBuilder::new();
    parser.utf8(false).case_insensitive(any_case).multi_line(many_lines).crlf(many_lines);
    parser.build().parse(pattern).map_err(|error| reason(&error))
}

fn build(hir: &Hir, count: usize) -> Result<Bounded, String> {
    Bounded::new(hir, count).ok_or_else(|| "it is too large when it is compiled".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Both, Pattern, Steps};
    use crate::model::plan::rules::Text;

    fn text(pattern: &str, regex: bool, any_case: bool) -> Text {
        Text { pattern: pattern.to_owned(), regex, any_case }
    }

    fn found(pattern: &Text, line: &str) -> bool {
        let folded = line.to_ascii_lowercase();
        let line = Both { text: line.as_bytes(), folded: folded.as_bytes() };
        let mut pattern = Pattern::new(pattern, 1).unwrap();
        let may = pattern.needles.as_ref();
        let may = may.is_none_or(|all| {
            all.iter().any(|one| memchr::memmem::find(folded.as_bytes(), one).is_some())
        });
        let matches =
            pattern.find_place(line, &mut Steps::for_line(line.text.len())).unwrap().is_some();
        assert!(may || !matches, "{pattern:?}");
        matches
    }

    #[test]
    fn texts_are_found_with_and_without_their_case() {
        let table = [
            ("Error", "an Error", true, true),
            ("Error", "an eRROR", false, true),
            ("Ошибка", "ошибка: порт", false, true),
            ("STRASSE ö", "straße Ö", false, false),
            ("Straße Ö", "sTRAßE ö!", false, true),
            // The Kelvin sign is not a k, whatever is next to it.
            ("kelvin", "\u{212a}elvin", false, false),
            ("kelvin°", "\u{212a}elvin°", false, false),
            ("a.b", "axb", false, false),
        ];
        for (pattern, line, exact, any_case) in table {
            assert_eq!(found(&text(pattern, false, false), line), exact, "{pattern} in {line}");
            assert_eq!(found(&text(pattern, false, true), line), any_case, "{pattern} in {line}");
        }
    }

    #[test]
    fn expressions_are_about_lines() {
        let table = [("^a.c$", "abc", true), ("^b", "abc", false), ("(?i)B", "abc", true)];
        for (pattern, line, expected) in table {
            assert_eq!(found(&text(pattern, true, false), line), expected, "{pattern}");
        }
        assert!(found(&text("ABC", true, true), "abc"));
        for (pattern, expected) in
            [("^\\d+$", true), ("\\Aa", false), ("(?-m)a$", false), ("(?i-R:a$)", false)]
        {
            let pattern = Pattern::new(&text(pattern, true, false), 1).unwrap();
            assert_eq!(pattern.of_many_lines().is_some(), expected, "{pattern:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_a_line() {
        let table = [
            (text("a(b", true, false), "invalid regular expression `a(b`: unclosed group"),
            (text("", false, true), "a pattern is empty; say what to look for"),
        ];
        for (bad, expected) in table {
            assert_eq!(Pattern::new(&bad, 1).unwrap_err().to_string(), expected);
        }
    }
}
