//! Regular expressions that are compiled once, on first use.

use std::sync::OnceLock;

use memchr::memmem;
use regex::{Captures, Regex};

use crate::patterns::needles::needles_of;

/// A regular expression.
#[derive(Debug)]
pub(super) struct Expr {
    text: &'static str,
    /// In ASCII lower case, every match contains at least one of these texts. `None` if no such texts are known.
    needles: OnceLock<Option<Vec<Vec<u8>>>>,
    compiled: OnceLock<Option<Regex>>,
}

impl Expr {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, needles: OnceLock::new(), compiled: OnceLock::new() }
    }

    /// The expression, unless it can't match in this line. A diagnosis tries more than a hundred expressions, and
    /// compiling one takes longer than searching all lines for its needles.
    fn for_line(&self, line: &str) -> Option<&Regex> {
        let find = || needles_of(&regex_syntax::parse(self.text).ok()?, 1);
        let may_match = self.needles.get_or_init(find).as_ref().is_none_or(|needles| {
            let line = line.to_ascii_lowercase();
            needles.iter().any(|needle| memmem::find(line.as_bytes(), needle).is_some())
        });
        if may_match { self.regex() } else { None }
    }

    /// An expression that does not compile matches nothing; any test that uses it fails.
    fn regex(&self) -> Option<&Regex> {
        let compile = || {
            let compiled = Regex::new(self.text);
            debug_assert!(compiled.is_ok(), "{compiled:?}");
            compiled.ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }

    /// Whether it matches in a line.
    pub(super) fn finds(&self, line: &str) -> bool {
        self.for_line(line).is_some_and(|regex| regex.is_match(line))
    }

    /// The groups of its first match in a line.
    pub(super) fn captures<'l>(&self, line: &'l str) -> Option<Captures<'l>> {
        self.for_line(line)?.captures(line)
    }

    /// All its groups, for an expression in which every group takes part in every match.
    pub(super) fn groups<'l, const N: usize>(&self, line: &'l str) -> Option<[&'l str; N]> {
        Some(self.captures(line)?.extract().1)
    }

    /// The first of its groups that took part in the match.
    pub(super) fn group<'l>(&self, line: &'l str) -> Option<&'l str> {
        let found = self.captures(line)?;
        found.iter().skip(1).flatten().next().map(|group| group.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::string::{string_regex, string_regex_parsed};
    use regex::Regex;
    use regex_syntax::hir::{Hir, HirKind};

    use super::Expr;
    use crate::sys::files;

    /// All kinds of syntax that the diagnosis uses, except for anchors and word boundaries.
    const EXPRESSIONS: [&str; 7] = [
        "(?:Fatal process (?:OOM|out of memory)|FATAL ERROR: [^x]{0,3}[Oo]ut of memory)!?",
        "port\\D{0,3}\\d{2,5} (?:in use|being used|taken)|that port (?:is )+busy",
        "(?:\\w{0,3}[eE]rror|[Ff]atal|crit)(?:\\[\\w+\\])?[\\])]?(?::| -| \\||\\s{1,3}x)",
        "(?:a|bc)+?(?P<n>d{2,3}|e*)(?:(?:f)g?|h)??[^]i]{1,2}",
        "[ :=#]{1,2}(?:'[^']*', )?\\x22?x.y\\.z(ab|c+|de{2})",
        "(?:[a-z&&[^b]]{1,2}|\\p{Greek}|→ at)(?:q|rs)",
        "(?:ECONNREFUSED|connection refused|no (?:route|way)) \\S*?:(\\d{2,3})",
    ];

    proptest! {
        #[test]
        fn every_match_contains_a_needle(
            (text, line) in prop::sample::select(EXPRESSIONS.as_slice())
                .prop_flat_map(|text| (Just(text), string_regex(text).unwrap())),
            upper in any::<bool>(),
        ) {
            prop_assert!(Expr::new(text).finds(&line), "{text}: {line}");
            let line = if upper { line.to_ascii_uppercase() } else { line };
            let any_case = String::leak(format!("(?i){text}"));
            // In any case, `[^x]` excludes `X` too.
            let expected = Regex::new(any_case).unwrap().is_match(&line);
            prop_assert_eq!(Expr::new(any_case).finds(&line), expected, "{}: {}", any_case, line);
        }
    }

    /// The expressions of the diagnosis.
    fn all() -> BTreeSet<&'static str> {
        let literal = Regex::new(r##"Expr::new\(\s*r(?:"([^"]*)"|#"(.*?)"#)"##).unwrap();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/crash")];
        let mut all = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("expr.rs") {
                    let text =
                        String::leak(String::from_utf8(files::read_plain(&path).unwrap()).unwrap());
                    all.extend(literal.captures_iter(text).map(|found| found.extract::<1>().1[0]));
                }
            }
        }
        all
    }

    /// An expression without anchors and word boundaries, for which no texts can be made.
    fn without_places(hir: Hir) -> Hir {
        let all = |parts: Vec<Hir>| parts.into_iter().map(without_places).collect();
        match hir.into_kind() {
            HirKind::Look(_) | HirKind::Empty => Hir::empty(),
            HirKind::Literal(literal) => Hir::literal(literal.0),
            HirKind::Class(class) => Hir::class(class),
            HirKind::Repetition(mut repetition) => {
                repetition.sub = Box::new(without_places(*repetition.sub));
                Hir::repetition(repetition)
            }
            HirKind::Capture(capture) => without_places(*capture.sub),
            HirKind::Concat(parts) => Hir::concat(all(parts)),
            HirKind::Alternation(parts) => Hir::alternation(all(parts)),
        }
    }

    #[test]
    fn every_expression_finds_all_that_it_matches() {
        let all = all();
        assert!(all.len() > 100, "{} expressions", all.len());
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for text in all {
            let (expr, regex) = (Expr::new(text), Regex::new(text).unwrap());
            let hir = without_places(regex_syntax::parse(text).unwrap());
            let lines = string_regex_parsed(&hir).unwrap();
            for _ in 0..30 {
                let line = lines.new_tree(&mut runner).unwrap().current();
                // What the needles exclude, the expression does not match.
                assert_eq!(expr.finds(&line), regex.is_match(&line), "{text}: {line}");
            }
        }
    }
}
