//! The search: what is looked for, and what was found.

use regex::{Regex, RegexBuilder};

use super::msg::Direction;
use crate::journal::cursor::Position;
use crate::journal::search::pattern::Pattern;

/// How many matches are kept; beyond that they are only known to be more.
pub const MOST_MATCHES: usize = 10_000;

/// A search.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that don't depend on each other")]
pub struct Find {
    /// What was typed.
    pub text: String,
    /// It is not meant as a regular expression.
    pub literal: bool,
    /// It is not a valid one, therefore searched as text.
    pub is_invalid: bool,
    /// Selects lines.
    pub pattern: Pattern,
    /// Finds the places in a line.
    pub places: Regex,
    /// Only matching lines are shown.
    pub filters: bool,
    /// The match that is shown.
    pub hit: Option<Position>,
    /// The ticket of the present search.
    pub ticket: u64,
    /// Its direction.
    pub direction: Direction,
    /// The ticket of the search that also counts.
    pub count_ticket: u64,
    /// It is going on.
    pub is_searching: bool,
    /// How many matches further the user wants to go after this one; upwards if negative.
    pub more: i32,
    /// The matches counted so far.
    pub matches: Vec<Position>,
    /// All matches are counted.
    pub all_counted: bool,
}

impl Find {
    /// Look for this text: a regular expression, or just text if it is none. Upper case counts only if there
    /// is some.
    pub fn new(text: &str, literal: bool) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let ignore_case = !text.chars().any(char::is_uppercase);
        let build = |text: &str| {
            let pattern = Pattern::new(text, ignore_case, false).ok()?;
            let places = RegexBuilder::new(text).case_insensitive(ignore_case).build().ok()?;
            Some((pattern, places))
        };
        let expression = if literal { None } else { build(text) };
        let is_invalid = expression.is_none() && !literal;
        let (pattern, places) = expression.or_else(|| build(&regex::escape(text)))?;
        Some(Self {
            text: text.to_owned(),
            literal,
            is_invalid,
            pattern,
            places,
            filters: false,
            hit: None,
            ticket: 0,
            direction: Direction::Up,
            count_ticket: 0,
            is_searching: false,
            more: 0,
            matches: vec![],
            all_counted: false,
        })
    }

    /// `2 of 218`, as far as it is known.
    pub fn words(&self) -> String {
        if self.count_ticket == 0 {
            return String::new();
        }
        let more = if self.all_counted { "" } else { "+" };
        let count = self.matches.len();
        if count >= MOST_MATCHES {
            return format!("{MOST_MATCHES}+ matches");
        }
        let number = self.hit.and_then(|hit| self.matches.binary_search(&hit).ok());
        match (number, self.hit, count) {
            (_, None, 0) if self.is_searching => "searching".to_owned(),
            (_, None, 0) => "no match".to_owned(),
            (Some(at), ..) => format!("{} of {count}{more}", at + 1),
            (None, ..) => format!("{count}{more} matches"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Find;

    #[test]
    fn case_counts_only_if_typed_and_a_broken_expression_is_text() {
        let found = |text: &str, line: &str| Find::new(text, false).unwrap().places.is_match(line);
        assert!(found("error", "ERROR") && found("Error", "Error") && !found("Error", "error"));
        assert!(found("a.c", "abc") && found("a(", "x a( y") && !found("a(", "a"));
        let literal = Find::new("a.c", true).unwrap();
        assert!(!literal.places.is_match("abc") && literal.places.is_match("a.c"));
        assert!(Find::new("", false).is_none());
    }
}
