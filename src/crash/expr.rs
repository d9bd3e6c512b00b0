//! Regular expressions that are compiled when they are needed, and once.

use std::sync::OnceLock;

use regex::{Captures, Regex};

/// One of them.
#[derive(Debug)]
pub(super) struct Expr {
    text: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Expr {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// One that does not compile finds nothing; no test with it comes to a good end.
    fn regex(&self) -> Option<&Regex> {
        let compile = || {
            let compiled = Regex::new(self.text);
            debug_assert!(compiled.is_ok(), "{compiled:?}");
            compiled.ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }

    /// Whether it is found in a line.
    pub(super) fn finds(&self, line: &str) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(line))
    }

    /// Where it is found in a line, with its groups.
    pub(super) fn captures<'l>(&self, line: &'l str) -> Option<Captures<'l>> {
        self.regex()?.captures(line)
    }

    /// All of its groups, where each of them takes part in whatever it finds.
    pub(super) fn groups<'l, const N: usize>(&self, line: &'l str) -> Option<[&'l str; N]> {
        Some(self.captures(line)?.extract().1)
    }

    /// The first of its groups that took part.
    pub(super) fn group<'l>(&self, line: &'l str) -> Option<&'l str> {
        let found = self.captures(line)?;
        found.iter().skip(1).flatten().next().map(|group| group.as_str())
    }
}
