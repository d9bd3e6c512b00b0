//! Regular expressions that are compiled once, on first use.

use std::sync::OnceLock;

use regex::{Captures, Regex};

/// A regular expression.
#[derive(Debug)]
pub(super) struct Expr {
    text: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Expr {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
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
        self.regex().is_some_and(|regex| regex.is_match(line))
    }

    /// The groups of its first match in a line.
    pub(super) fn captures<'l>(&self, line: &'l str) -> Option<Captures<'l>> {
        self.regex()?.captures(line)
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
