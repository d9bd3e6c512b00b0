//! Estimates how large a regular expression becomes when it is compiled.
//!
//! `(a{1000}){1000}` is short, but compiling it takes minutes and gigabytes. The size is estimated without
//! expanding repetitions.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::rules::Text;
use crate::model::limits::{EXPRESSION, EXPRESSION_BYTES};

/// Overhead of any expression.
const FIXED: usize = 10;
/// A class of more ranges has letters of all scripts, such as `\w` or `\pL`.
const FEW_RANGES: usize = 100;
/// What such a class counts.
const LETTERS: usize = 1000;

/// The size of an expression in characters and character ranges, with all repetitions expanded; 0 for a
/// plain text. `None` if it is too large.
pub fn size(text: &Text) -> Option<usize> {
    if !text.regex {
        return Some(0);
    }
    if text.pattern.len() > EXPRESSION_BYTES {
        return None;
    }
    let mut parser = ParserBuilder::new().utf8(false).build();
    // A syntax error is reported when the expression is compiled.
    let Ok(parsed) = parser.parse(&text.pattern) else { return Some(FIXED) };
    Some(expanded_size(&parsed).saturating_add(FIXED)).filter(|size| *size <= EXPRESSION)
}

/// The part of a regex error message that states the reason.
pub fn reason(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

fn expanded_size(part: &Hir) -> usize {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Class(Class::Unicode(class)) => match class.ranges().len() {
            FEW_RANGES.. => LETTERS,
            few => few,
        },
        HirKind::Capture(capture) => expanded_size(&capture.sub).saturating_add(1),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(expanded_size).fold(1, usize::saturating_add)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1));
            expanded_size(&repetition.sub).saturating_mul(times.max(1) as usize)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::size;
    use crate::model::plan::rules::Text;

    fn of(pattern: &str) -> Option<usize> {
        size(&Text { pattern: pattern.to_owned(), regex: true, any_case: false })
    }

    #[test]
    fn what_people_write_is_small_and_what_fills_memory_is_not() {
        for fine in [
            r"^\[(\d{4}-\d{2}-\d{2})\] (ERROR|FATAL) .* in \w+::\w+\(\w*\)$",
            r"listening on .*:(\d+)",
            "[a-f0-9]{64}",
            r"\w{1,64}",
            "(?i)[^\u{0}-\u{7f}]+",
            "a(b",
        ] {
            assert!(of(fine).is_some(), "{fine}");
        }
        for large in [
            r"\w{300}",
            "(a{1000}){1000}",
            "((a{1,1000}){1,1000}){1,1000}",
            "(((a{4000000000}){4000000000}){4000000000}){4000000000}",
            r"(\pL{60}|[\w\pN]{60}|[[:alpha:]&&\w]{99})",
            &r"\w".repeat(2000),
            &"a".repeat(5000),
        ] {
            assert_eq!(of(large), None, "{large}");
        }
        let text = Text { pattern: "a".repeat(5000), regex: false, any_case: true };
        assert_eq!(size(&text), Some(0), "a plain text is compiled to nothing");
    }
}
