//! Needles: texts without which an expression can't match.
//!
//! They are in ASCII lower case and are searched for in lower-case lines, so that one search serves
//! both case-sensitive and case-insensitive patterns. Finding one is only a reason to try the
//! pattern on the line.

use std::collections::BTreeSet;

use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Repetition,
};

/// The maximum number of needles per pattern.
const MOST_NEEDLES: usize = 8;
/// The maximum length of a needle.
const LONGEST_NEEDLE: usize = 32;
/// Longer needles are not better than this.
const LONG: usize = 8;
/// How many parts of a sequence are tried as a start, and how many consecutive parts are combined.
const STARTS: usize = 64;
const SPAN: usize = 16;

/// Needles of at least `least` bytes, one of which is contained in every match of this expression;
/// `None` if there are none, or too many.
pub fn needles_of(hir: &Hir, least: usize) -> Option<Vec<Vec<u8>>> {
    best(&lowered(hir)).filter(|needles| shortest(needles) >= least)
}

/// The expression in the form for lower-case text. Anchors and word boundaries are dropped.
fn lowered(hir: &Hir) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(lowered).collect();
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0.to_ascii_lowercase()),
        HirKind::Class(Class::Unicode(class)) => Hir::class(Class::Unicode(small(class))),
        HirKind::Class(Class::Bytes(class)) => Hir::class(Class::Bytes(small_bytes(class))),
        HirKind::Repetition(repetition) => {
            let Repetition { min, max, greedy, sub } = repetition;
            let sub = Box::new(lowered(sub));
            Hir::repetition(Repetition { min: *min, max: *max, greedy: *greedy, sub })
        }
        HirKind::Capture(capture) => lowered(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
    }
}

fn small(class: &ClassUnicode) -> ClassUnicode {
    let letters = |first, last| ClassUnicode::new([ClassUnicodeRange::new(first, last)]);
    let mut small = class.clone();
    small.intersect(&letters('A', 'Z'));
    small.case_fold_simple();
    // Unicode case folding also adds non-ASCII characters: keep only the ASCII ones.
    small.intersect(&letters('a', 'z'));
    small.union(class);
    small.difference(&letters('A', 'Z'));
    small
}

fn small_bytes(class: &ClassBytes) -> ClassBytes {
    let mut class = class.clone();
    class.case_fold_simple();
    class.difference(&ClassBytes::new([ClassBytesRange::new(b'A', b'Z')]));
    class
}

/// The best needles: first long ones, then few.
fn best(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Concat(parts) => {
            // Every match of the sequence contains a match of each span of its parts.
            let spans = (0..parts.len().min(STARTS)).filter_map(|start| {
                let end = parts.len().min(start + SPAN);
                prefixes(&Hir::concat(parts[start..end].to_vec()))
            });
            spans.chain(parts.iter().filter_map(best)).max_by_key(|needles| worth(needles))
        }
        HirKind::Alternation(parts) => {
            let all = parts.iter().map(best).collect::<Option<Vec<_>>>();
            let of_parts = all.map(|all| tidy(all.into_iter().flatten()));
            let few = of_parts.filter(|needles| needles.len() <= MOST_NEEDLES);
            few.into_iter().chain(prefixes(hir)).max_by_key(|needles| worth(needles))
        }
        HirKind::Repetition(repetition) if repetition.min > 0 => best(&repetition.sub),
        HirKind::Repetition(_) | HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(_) | HirKind::Class(_) | HirKind::Capture(_) => prefixes(hir),
    }
}

/// The texts with which the matches of an expression can begin.
fn prefixes(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut extractor = Extractor::new();
    extractor
        .limit_class(MOST_NEEDLES)
        .limit_total(MOST_NEEDLES)
        .limit_repeat(LONG)
        .limit_literal_len(LONGEST_NEEDLE);
    let found = extractor.extract(hir);
    let needles = tidy(found.literals()?.iter().map(|literal| literal.as_bytes().to_vec()));
    (needles.len() <= MOST_NEEDLES && shortest(&needles) > 0).then_some(needles)
}

fn tidy(needles: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    needles.collect::<BTreeSet<_>>().into_iter().collect()
}

fn shortest(needles: &[Vec<u8>]) -> usize {
    needles.iter().map(Vec::len).min().unwrap_or(0)
}

fn worth(needles: &[Vec<u8>]) -> (usize, usize) {
    (shortest(needles).min(LONG), MOST_NEEDLES - needles.len().min(MOST_NEEDLES))
}

#[cfg(test)]
mod tests {
    use regex_syntax::ParserBuilder;

    use super::needles_of;

    fn needles(pattern: &str) -> Option<Vec<String>> {
        let hir = ParserBuilder::new().utf8(false).build().parse(pattern).unwrap();
        let text = |needle: Vec<u8>| String::from_utf8_lossy(&needle).into_owned();
        needles_of(&hir, 2).map(|needles| needles.into_iter().map(text).collect())
    }

    #[test]
    fn the_longest_text_that_must_be_there_is_found() {
        let table: [(&str, Option<&[&str]>); 14] = [
            ("Error: EADDRINUSE", Some(&["error: eaddrinuse"])),
            ("(?i-u)error", Some(&["error"])),
            ("^\\d+ Errors?$", Some(&[" error"])),
            ("listening on port \\d+", Some(&["listening on port "])),
            ("\\bOOM\\b", Some(&["oom"])),
            ("(fatal|panic): ", Some(&["fatal: ", "panic: "])),
            ("x*(abc)+y?", Some(&["abc"])),
            ("[Ee]rror", Some(&["error"])),
            ("took \\d+ms", Some(&["took "])),
            ("ready|^$", None),
            ("\\d+", None),
            ("(abc)?", None),
            ("[a-z]+", None),
            ("", None),
        ];
        for (pattern, expected) in table {
            let expected = expected.map(|all| all.iter().map(|&one| one.to_owned()).collect());
            assert_eq!(needles(pattern), expected, "{pattern}");
        }
        assert!(needles("(?i)ошибка").unwrap().iter().all(|needle| needle.len() >= 4));
    }
}
