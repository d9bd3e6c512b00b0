//! Regular expressions that are compiled once, on first use.

use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::OnceLock;

use regex::{Captures, Regex};

/// A regular expression.
#[derive(Debug)]
pub(super) struct Expr {
    text: &'static str,
    /// A part of every match.
    literal: OnceLock<&'static str>,
    compiled: OnceLock<Option<Regex>>,
}

impl Expr {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, literal: OnceLock::new(), compiled: OnceLock::new() }
    }

    /// The expression if it may match in this line. The causes of an end are sought by some hundred expressions; to
    /// compile one takes longer than to search all lines for a text that every match contains.
    fn for_line(&self, line: &str) -> Option<&Regex> {
        let literal = *self.literal.get_or_init(|| literal_of(self.text));
        if line.contains(literal) { self.regex() } else { None }
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

/// The longest part of an expression that stands for itself and is in every match; empty if there is none.
fn literal_of(text: &str) -> &str {
    // Flags may change the meaning of what follows.
    if text.match_indices("(?").any(|(at, _)| !text[at + 2..].starts_with([':', 'P', '<'])) {
        return "";
    }
    let (mut best, mut begin, mut last, mut depth) = ("", 0, 0, 0_u32);
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let end = at + char.len_utf8();
        let plain = !r"\.+*?()|[]{}^$".contains(char);
        // A part that may be missing ends before its last character, which the quantifier belongs to.
        let until = if "?*{".contains(char) { last } else { at };
        if !plain && depth == 0 && until > begin && until - begin > best.len() {
            best = &text[begin..until];
        }
        match char {
            '|' if depth == 0 => return "",
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '\\' => _ = chars.next(),
            '[' => skip_class(&mut chars),
            '{' => while chars.next_if(|(_, char)| *char != '}').is_some() {},
            _ => {}
        }
        last = at;
        if !plain {
            begin = chars.peek().map_or(text.len(), |(next, _)| *next);
        } else if chars.peek().is_none() && depth == 0 && end - begin > best.len() {
            best = &text[begin..end];
        }
    }
    best
}

/// Skip the rest of a class, with the classes in it.
fn skip_class(chars: &mut Peekable<CharIndices<'_>>) {
    // A bracket in the first place stands for itself.
    let _ = chars.next_if(|(_, char)| *char == '^');
    let _ = chars.next_if(|(_, char)| *char == ']');
    while let Some((_, char)) = chars.next() {
        match char {
            ']' => return,
            '[' => skip_class(chars),
            '\\' => _ = chars.next(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::literal_of;

    #[test]
    fn the_longest_text_in_every_match_is_known() {
        for (text, literal) in [
            ("^dyld\\S*: Library not loaded: (\\S+)", ": Library not loaded: "),
            ("abc", "abc"),
            ("ab?cd", "cd"),
            ("x+yz", "yz"),
            ("abc{0,2}d", "ab"),
            ("(abc)d", "d"),
            ("(?:abc)?d(?P<n>long)", "d"),
            ("a|b", ""),
            ("(a|b)c", "c"),
            ("[]abc[d]e]f", "f"),
            ("[^]abc]f\\]", "f"),
            ("ab\\.cde", "cde"),
            ("(?i)abc", ""),
            ("^$", ""),
            ("✘ x?", "✘ "),
        ] {
            assert_eq!(literal_of(text), literal, "{text}");
        }
    }
}
