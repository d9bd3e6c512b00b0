//! Regular expressions that are compiled once, on first use.

use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::OnceLock;

use regex::{Captures, Regex};

/// A regular expression.
#[derive(Debug)]
pub(super) struct Expr {
    text: &'static str,
    /// Every match contains at least one of these texts. Empty if no such texts are known.
    needles: OnceLock<Vec<&'static str>>,
    compiled: OnceLock<Option<Regex>>,
}

impl Expr {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, needles: OnceLock::new(), compiled: OnceLock::new() }
    }

    /// The expression, unless it can't match in this line. A diagnosis tries more than a hundred expressions, and
    /// compiling one takes longer than searching all lines for its needles.
    fn for_line(&self, line: &str) -> Option<&Regex> {
        let needles = self.needles.get_or_init(|| needles(self.text));
        let ignores_case = self.text.starts_with(IGNORES_CASE);
        let is_in = |needle: &&str| {
            if ignores_case { contains_in_any_case(line, needle) } else { line.contains(*needle) }
        };
        if needles.is_empty() || needles.iter().any(is_in) { self.regex() } else { None }
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

/// The only flag that an expression may have, at its beginning.
const IGNORES_CASE: &str = "(?i)";

/// Whether a line contains a text, ignoring the case of ASCII letters.
fn contains_in_any_case(line: &str, text: &str) -> bool {
    line.as_bytes().windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
}

/// Texts such that every match of an expression contains at least one of them. Empty if none are known.
fn needles(expression: &str) -> Vec<&str> {
    let text = expression.strip_prefix(IGNORES_CASE).unwrap_or(expression);
    let has_flags = |(at, _): (usize, _)| {
        !text[..at].ends_with('\\') && !text[at + 2..].starts_with([':', 'P', '<'])
    };
    if text.match_indices("(?").any(has_flags) {
        return vec![];
    }
    Scan { text, chars: text.char_indices().peekable() }.alternatives().unwrap_or_default()
}

/// Finds the needles of an expression.
struct Scan<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
}

/// The needles of a part of an expression; `None` if none are known.
type Needles<'t> = Option<Vec<&'t str>>;

impl<'t> Scan<'t> {
    /// Read up to the end of the expression, or of the group.
    fn alternatives(&mut self) -> Needles<'t> {
        let mut all = Some(vec![]);
        loop {
            let (one, another) = self.alternative();
            all = all.zip(one).map(|(all, one)| [all, one].concat());
            if !another {
                return all;
            }
        }
    }

    /// Read one alternative; also whether another one follows.
    fn alternative(&mut self) -> (Needles<'t>, bool) {
        let mut best = None;
        // The run of plain characters that ends here.
        let (mut begin, mut end) = (0, 0);
        loop {
            let next = self.chars.next();
            let at = next.map_or(self.text.len(), |(at, _)| at);
            let mut part = None;
            match next {
                None | Some((_, '|' | ')' | '.' | '^' | '$')) => {}
                Some((_, '(')) => {
                    self.skip_group_name();
                    part = self.alternatives();
                }
                Some((_, '[')) => skip_class(&mut self.chars),
                Some((_, '\\')) => self.skip_escape(),
                Some((_, char)) => {
                    if end != at {
                        better(&mut best, self.plain(begin, end));
                        begin = at;
                    }
                    end = at + char.len_utf8();
                    if self.chars.peek().is_none_or(|(_, next)| !"?*+{".contains(*next)) {
                        continue;
                    }
                    part = self.plain(at, end);
                    end = at;
                }
            }
            better(&mut best, self.plain(begin, end));
            (begin, end) = (0, 0);
            match next {
                None | Some((_, ')')) => return (best, false),
                Some((_, '|')) => return (best, true),
                Some(_) if self.skip_quantifier() => {}
                Some(_) => better(&mut best, part),
            }
        }
    }

    /// This part of the expression, which is plain text, as its own needle.
    fn plain(&self, begin: usize, end: usize) -> Needles<'t> {
        (begin < end).then(|| vec![&self.text[begin..end]])
    }

    /// Skip `?:` or a name behind the parenthesis that opens a group.
    fn skip_group_name(&mut self) {
        if self.chars.next_if(|(_, char)| *char == '?').is_some() {
            while self.chars.next().is_some_and(|(_, char)| !":>".contains(char)) {}
        }
    }

    /// Skip what belongs to a backslash.
    fn skip_escape(&mut self) {
        let more = match self.chars.next() {
            Some((_, 'p' | 'P')) => 1,
            Some((_, 'x')) => 2,
            Some((_, 'u')) => 4,
            Some((_, 'U')) => 8,
            _ => 0,
        };
        if more > 0 && self.chars.peek().is_some_and(|(_, char)| *char == '{') {
            self.skip_braces();
        } else {
            self.chars.by_ref().take(more).for_each(drop);
        }
    }

    fn skip_braces(&mut self) {
        while self.chars.next().is_some_and(|(_, char)| char != '}') {}
    }

    /// Skip a quantifier, if there is one. Returns whether it makes the part before it optional.
    fn skip_quantifier(&mut self) -> bool {
        let Some((_, char)) = self.chars.next_if(|(_, char)| "?*+{".contains(*char)) else {
            return false;
        };
        if char == '{' {
            self.skip_braces();
        }
        // A lazy one.
        let _ = self.chars.next_if(|(_, char)| *char == '?');
        char != '+'
    }
}

/// Replace needles by others if the shortest of those is longer.
fn better<'t>(best: &mut Needles<'t>, other: Needles<'t>) {
    let shortest = |needles: &Needles<'t>| {
        needles.as_ref().and_then(|needles| needles.iter().map(|needle| needle.len()).min())
    };
    if shortest(&other) > shortest(best) {
        *best = other;
    }
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
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::{Expr, contains_in_any_case, needles};

    #[test]
    fn needles_are_the_longest_plain_texts_that_a_match_needs() {
        let none: [&str; 0] = [];
        for (text, known) in [
            ("^dyld\\S*: Library not loaded: (\\S+)", [": Library not loaded: "].as_slice()),
            ("abc", &["abc"]),
            ("ab?cd", &["cd"]),
            ("x+yz", &["yz"]),
            ("xyz+", &["xy"]),
            ("z+", &["z"]),
            ("abc{0,2}d", &["ab"]),
            ("abc{0,2}?def", &["def"]),
            ("(abc)d", &["abc"]),
            ("(abc)?d", &["d"]),
            ("(abc)*?de", &["de"]),
            ("(?:abc)?d(?P<n>long)", &["long"]),
            ("a|b", &["a", "b"]),
            ("(ab|cd)c", &["ab", "cd"]),
            ("(?:ab|c(?:de|fg)+)h", &["ab", "de", "fg"]),
            ("abc|\\d", &none),
            ("ab(\\d|c)", &["ab"]),
            ("()a", &["a"]),
            ("[]abc[d]e]f", &["f"]),
            ("[^]abc]f\\]", &["f"]),
            ("ab\\.cde", &["cde"]),
            ("ab\\x22c", &["ab"]),
            ("ab\\x{1f600}cde", &["cde"]),
            ("ab\\p{Greek}cde\\pLfghi", &["fghi"]),
            ("(?i)abc", &["abc"]),
            ("(?s)abc", &none),
            ("a(?i:bc)", &none),
            ("a\\(?(?:bc|de)", &["bc", "de"]),
            ("^$", &none),
            ("", &none),
            ("✘ x?", &["✘ "]),
        ] {
            assert_eq!(needles(text), known, "{text}");
        }
    }

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
            let any_case = String::leak(format!("(?i){text}"));
            let line = if upper { line.to_ascii_uppercase() } else { line };
            let missing = |needle: &&str| !contains_in_any_case(&line, needle);
            prop_assert!(needles(any_case).is_empty() || !needles(any_case).iter().all(missing));
        }
    }
}
