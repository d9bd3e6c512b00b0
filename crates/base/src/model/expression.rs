//! Estimates how large a regular expression becomes when it is compiled.
//!
//! `(a{1000}){1000}` is short, but compiling it takes minutes and gigabytes. The size is estimated from the
//! syntax tree alone, without expanding repetitions.

use regex_syntax::ast::{
    Ast, ClassPerlKind, ClassSet, ClassSetItem, RepetitionKind, RepetitionRange, parse::Parser,
};

use super::limits::{EXPRESSION, EXPRESSION_BYTES};
use super::rules::Text;

/// Overhead of any expression.
const FIXED: usize = 10;

/// Letters of all scripts, such as `\w` or `\pL`.
const LETTERS: usize = 1000;
/// Digits of all scripts.
const DIGITS: usize = 100;
/// A class of a few ranges.
const FEW: usize = 10;

/// The size of an expression in characters and character ranges, with all repetitions expanded; 0 for a
/// plain text. `None` if it is too large.
pub fn size(text: &Text) -> Option<usize> {
    if !text.regex {
        return Some(0);
    }
    if text.pattern.len() > EXPRESSION_BYTES {
        return None;
    }
    // A syntax error is reported when the expression is compiled.
    let Ok(ast) = Parser::new().parse(&text.pattern) else { return Some(FIXED) };
    Some(of(&ast).saturating_add(FIXED)).filter(|size| *size <= EXPRESSION)
}

/// The part of a regex error message that states the reason.
pub fn reason(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

fn sum<'a, T: 'a>(parts: impl IntoIterator<Item = &'a T>, of: impl Fn(&T) -> usize) -> usize {
    parts.into_iter().map(of).fold(1, usize::saturating_add)
}

fn of(ast: &Ast) -> usize {
    match ast {
        Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Assertion(_) => 1,
        Ast::Dot(_) => FEW,
        Ast::ClassUnicode(_) => LETTERS,
        Ast::ClassPerl(class) => perl(&class.kind),
        Ast::ClassBracketed(class) => set(&class.kind),
        Ast::Group(group) => of(&group.ast).saturating_add(1),
        Ast::Alternation(parts) => sum(&parts.asts, of),
        Ast::Concat(parts) => sum(&parts.asts, of),
        Ast::Repetition(repetition) => {
            let times = match &repetition.op.kind {
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore => 1,
                RepetitionKind::OneOrMore => 2,
                RepetitionKind::Range(range) => match *range {
                    RepetitionRange::Exactly(times) | RepetitionRange::Bounded(_, times) => times,
                    RepetitionRange::AtLeast(times) => times.saturating_add(1),
                },
            };
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            of(&repetition.ast).saturating_mul(times.max(1))
        }
    }
}

const fn perl(kind: &ClassPerlKind) -> usize {
    match kind {
        ClassPerlKind::Word => LETTERS,
        ClassPerlKind::Digit => DIGITS,
        ClassPerlKind::Space => FEW,
    }
}

fn set(set: &ClassSet) -> usize {
    match set {
        ClassSet::Item(item) => of_item(item),
        ClassSet::BinaryOp(op) => self::set(&op.lhs).saturating_add(self::set(&op.rhs)),
    }
}

fn of_item(item: &ClassSetItem) -> usize {
    match item {
        ClassSetItem::Empty(_) | ClassSetItem::Literal(_) => 1,
        ClassSetItem::Ascii(_) => FEW,
        // With case-insensitive matching, the other case of each character must be looked up.
        ClassSetItem::Range(range) => {
            let (first, last) = (u32::from(range.start.c), u32::from(range.end.c));
            1 + usize::try_from(last.saturating_sub(first) / 64).unwrap_or(usize::MAX)
        }
        ClassSetItem::Unicode(_) => LETTERS,
        ClassSetItem::Perl(class) => perl(&class.kind),
        ClassSetItem::Bracketed(class) => set(&class.kind),
        ClassSetItem::Union(union) => sum(&union.items, of_item),
    }
}

#[cfg(test)]
mod tests {
    use super::size;
    use crate::model::rules::Text;

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
            r"(\pL{20}|[\w\pN]{20}|[[:alpha:]&&\w]{99})",
            &r"\w".repeat(2000),
            &"a".repeat(5000),
        ] {
            assert_eq!(of(large), None, "{large}");
        }
        let text = Text { pattern: "a".repeat(5000), regex: false, any_case: true };
        assert_eq!(size(&text), Some(0), "a plain text is compiled to nothing");
    }
}
