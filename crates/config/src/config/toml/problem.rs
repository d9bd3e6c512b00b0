//! Errors in a `tmo.toml`, with the place that they point at.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::model::limits::{EXPRESSIONS, SUGGESTED};
use crate::model::text::cut;

/// A `tmo.toml` that cannot be used, with its errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", render(.problems, *.more))]
pub struct TomlError {
    /// The reported errors, in the order of the file.
    pub problems: Vec<TomlProblem>,
    /// The number of errors that are not reported.
    pub more: usize,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TomlProblem {
    /// The file as the user would name it.
    pub file: String,
    /// Line number, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and how to correct it.
    pub text: String,
    /// The source line.
    pub source: String,
    /// How many characters the error marks, from the column on.
    pub width: usize,
}

impl TomlProblem {
    /// The first line of the message: the place, and the error.
    pub fn in_short(&self) -> String {
        format!("{}:{}:{}: {}", self.file, self.line, self.column, self.text)
    }
}

impl fmt::Display for TomlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, source, width, .. } = self;
        writeln!(f, "{}", self.in_short())?;
        // Repeat tabs, so that the carets are aligned with the source line.
        let before = source.chars().take(column - 1);
        let blank: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let gutter = " ".repeat(line.to_string().len());
        write!(f, "  {line} | {source}\n  {gutter} | {blank}{}", "^".repeat(*width))
    }
}

fn render(problems: &[TomlProblem], more: usize) -> String {
    let rest = (more > 0).then(|| format!("and {more} more"));
    problems.iter().map(ToString::to_string).chain(rest).collect::<Vec<_>>().join("\n")
}

/// The text of a file, for lookups of places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceText {
    /// The file as the user would name it.
    pub file: String,
    text: String,
    /// The offset of each line except the first.
    lines: Vec<usize>,
    /// The text that begins behind this one.
    next: Option<Box<SourceText>>,
}

impl SourceText {
    /// The source of a file.
    pub fn new(text: &str, file: &str) -> Self {
        let lines = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1).collect();
        Self { file: file.to_owned(), text: text.to_owned(), lines, next: None }
    }

    /// Append another file. Returns its text, with as many empty lines before it that the places in it are behind those
    /// of this file.
    pub fn append(&mut self, text: &str, file: &str) -> String {
        self.next = Some(Box::new(Self::new(text, file)));
        "\n".repeat(self.text.len() + 1) + text
    }

    /// The file of a place, and the place in it.
    fn file_of(&self, span: &Range<usize>) -> (&Self, Range<usize>) {
        let begin = self.text.len() + 1;
        match (&self.next, span.start.checked_sub(begin)) {
            (Some(next), Some(start)) => (next, start..span.end.saturating_sub(begin)),
            _ => (self, span.clone()),
        }
    }

    /// Line number of a place in its file, from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        let (source, span) = self.file_of(span);
        source.lines.partition_point(|begin| *begin <= span.start) + 1
    }

    /// `tmo.toml:3`.
    pub fn place(&self, span: &Range<usize>) -> String {
        format!("{}:{}", self.file_of(span).0.file, self.line(span))
    }

    fn problem(&self, Mistake { span, text }: Mistake) -> TomlProblem {
        let (source, span) = self.file_of(&span);
        source.problem_here(Mistake { span, text })
    }

    fn problem_here(&self, Mistake { span, text }: Mistake) -> TomlProblem {
        /// Wider than most terminals; a line may be a whole file.
        const MOST: usize = 160;
        let mut places = (0..=span.start.min(self.text.len())).rev();
        let at = places.find(|&at| self.text.is_char_boundary(at)).unwrap_or_default();
        let before = &self.text[..at];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[start..].chars().count() + 1;
        let line = self.text[start..].split('\n').next().unwrap_or_default();
        let line = line.trim_end_matches('\r');
        // One caret per marked character, on this line only.
        let meant = self.text.get(before.len()..span.end).unwrap_or_default();
        let width = meant.split('\n').next().unwrap_or_default().chars().count();
        let room = (line.chars().count() + 1).saturating_sub(column);
        let source: String = line.chars().take(MOST).map(printable).collect();
        let column_shown = column.min(source.chars().count() + 1);
        TomlProblem {
            file: self.file.clone(),
            line: self.line(&span),
            column: column_shown,
            text,
            width: width.min(room).clamp(1, (MOST + 1).saturating_sub(column_shown).max(1)),
            source,
        }
    }
}

/// Replace control characters that a terminal would interpret.
fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { '\u{fffd}' } else { c }
}

/// One error, before its place is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mistake {
    span: Range<usize>,
    text: String,
}

/// The errors found so far, to which all that reads a file adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics(RefCell<Mistakes>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Mistakes {
    found: Vec<Mistake>,
    more: usize,
    is_over: bool,
    /// The total size of all expressions so far.
    expressions: usize,
}

impl Diagnostics {
    /// The largest number of mistakes that are reported.
    const MOST: usize = 100;

    /// Maximum length of a message: it quotes its subject, which may be a whole file.
    const LONGEST: usize = 1_000;

    /// Add an error that ends the check.
    pub fn add_last(&self, span: Range<usize>, text: impl Into<String>) {
        self.0.borrow_mut().found.truncate(Self::MOST - 1);
        self.add(span, text);
        self.0.borrow_mut().is_over = true;
    }

    /// Whether the check is to stop.
    pub fn is_over(&self) -> bool {
        self.0.borrow().is_over || self.is_full()
    }

    /// Whether further errors are only counted.
    pub fn is_full(&self) -> bool {
        self.0.borrow().found.len() >= Self::MOST
    }

    /// Count one more expression of this size. Returns whether the limit of the file allows it.
    pub fn has_room_for(&self, size: usize) -> bool {
        let mut mistakes = self.0.borrow_mut();
        mistakes.expressions = mistakes.expressions.saturating_add(size);
        mistakes.expressions <= EXPRESSIONS
    }

    /// Add an error whose text is expensive to build; the parameter of `text` allows a suggestion.
    pub fn add_with(&self, span: Range<usize>, text: impl FnOnce(bool) -> String) {
        // If it is only counted, it needs no text.
        let suggests = self.0.borrow().found.len() < SUGGESTED;
        self.add(span, if self.is_full() { String::new() } else { text(suggests) });
    }

    /// Add an error.
    pub fn add(&self, span: Range<usize>, text: impl Into<String>) {
        if self.is_full() {
            self.0.borrow_mut().more += 1;
            return;
        }
        let text = text.into();
        let text = cut(&text, Self::LONGEST)
            .chars()
            .map(|c| if c == '\n' { ' ' } else { printable(c) })
            .collect();
        self.0.borrow_mut().found.push(Mistake { span, text });
    }

    /// `Ok` if there are no errors.
    pub fn into_result(self, source: &SourceText) -> Result<(), TomlError> {
        let Mistakes { mut found, more, .. } = self.0.into_inner();
        if found.is_empty() {
            return Ok(());
        }
        found.sort_by_key(|mistake| mistake.span.start);
        found.dedup();
        let problems = found.into_iter().map(|mistake| source.problem(mistake)).collect();
        Err(TomlError { problems, more })
    }
}

#[cfg(test)]
mod tests {
    use super::{Diagnostics, SourceText};

    #[test]
    fn the_caret_stands_under_what_is_meant() {
        let source = SourceText::new("a = 1\n\tdé = [2,\n 3]\n", "tmo.toml");
        let mistakes = Diagnostics::default();
        mistakes.add(13..20, "no list");
        mistakes.add(0..1, "no key");
        let reported = mistakes.into_result(&source).unwrap_err().to_string();
        let expected = "tmo.toml:1:1: no key\n  1 | a = 1\n    | ^\n\
             tmo.toml:2:7: no list\n  2 | \tdé = [2,\n    | \t     ^^^";
        assert_eq!(reported, expected);
    }

    proptest::proptest! {
        #[test]
        fn any_place_can_be_told(text in "(?s).{0,40}", from in 0usize..60, long in 0usize..60) {
            let mistakes = Diagnostics::default();
            mistakes.add(from..from + long, "x");
            let error = mistakes.into_result(&SourceText::new(&text, "f")).unwrap_err();
            let problem = &error.problems[0];
            proptest::prop_assert!(problem.column <= problem.source.chars().count() + 1);
            proptest::prop_assert!(problem.width >= 1);
            proptest::prop_assert_eq!(error.to_string().lines().count(), 3);
        }
    }
}
