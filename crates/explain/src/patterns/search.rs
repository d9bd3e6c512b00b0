//! Searches for all patterns at once.
//!
//! A block of lines is searched for the needles of all patterns. Up to a few hundred needles are
//! searched with SIMD, which compares many bytes at a time and is several times as fast as an
//! automaton that goes from byte to byte. If a line contains a needle, an automaton finds out which
//! ones, and only their patterns are tried.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::bounded::{Bounded, Steps};
use super::pattern::{Both, Pattern, of_many_lines};

/// Needles of at least this length are rare enough to be searched for by their beginning.
const LONG: usize = 4;
/// How many needles one pass searches for: with more, there are too many false candidates.
const GROUP: usize = 32;
/// Up to this number, passes are faster than an automaton.
const GROUPS: usize = 8;

/// Searches for all patterns of a process.
#[derive(Debug)]
pub(super) struct Search {
    /// Each finds the places of the needles in its group.
    groups: Vec<AhoCorasick>,
    /// Finds which needles a line contains; their numbers are indices into `owners`.
    needles: Option<AhoCorasick>,
    owners: Vec<Vec<usize>>,
    /// Texts without needles.
    loose_texts: Vec<usize>,
    /// Expressions without needles.
    loose: Vec<usize>,
    /// Finds lines that may match one of the expressions in `loose`.
    lines: Option<Bounded>,
    /// Whether every line must be checked.
    each: bool,
}

/// The progress of each search within a block.
#[derive(Debug, Default)]
pub(super) struct Walk {
    groups: [Option<usize>; GROUPS + 1],
    lines: Option<usize>,
    /// Whether every line of the block must be checked.
    each: bool,
}

/// A place after every other one.
const NOWHERE: usize = usize::MAX;

impl Search {
    pub(super) fn new(patterns: &[Pattern]) -> Self {
        let mut needles: Vec<Vec<u8>> = vec![];
        let mut owners: Vec<Vec<usize>> = vec![];
        for (number, pattern) in patterns.iter().enumerate() {
            for needle in pattern.needles.iter().flatten() {
                let known = needles.iter().position(|known| known == needle);
                let at = known.unwrap_or_else(|| {
                    needles.push(needle.clone());
                    owners.push(vec![]);
                    needles.len() - 1
                });
                owners[at].push(number);
            }
        }
        let without = (0..patterns.len()).filter(|&number| patterns[number].needles.is_none());
        let (loose_texts, loose): (Vec<usize>, Vec<usize>) =
            without.partition(|&number| patterns[number].is_text());
        let wholes: Option<Vec<&str>> =
            loose.iter().map(|&number| patterns[number].of_many_lines()).collect();
        let lines = wholes.filter(|all| !all.is_empty());
        let lines = lines.and_then(|all| of_many_lines(&all.join("|")));
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        let automaton = AhoCorasick::builder().kind(kind).build(&needles).ok();
        // Without it every pattern has to be tried.
        let unasked = !loose.is_empty() && lines.is_none() || !loose_texts.is_empty();
        let each = unasked || automaton.is_none();
        let groups = groups(&needles);
        Self { groups, needles: automaton, owners, loose_texts, loose, lines, each }
    }

    /// Mark the patterns that may match this text in `may`, which has one entry per pattern.
    pub(super) fn candidates(&self, text: Both<'_>, may: &mut [bool]) {
        for &number in self.loose.iter().chain(&self.loose_texts) {
            may[number] = true;
        }
        let found = self.needles.as_ref().map(|all| all.try_find_overlapping_iter(text.folded));
        match found {
            Some(Ok(found)) => {
                for needle in found {
                    for &number in &self.owners[needle.pattern().as_usize()] {
                        may[number] = true;
                    }
                }
            }
            Some(Err(_)) | None => may.fill(true),
        }
    }

    /// Whether this part of a line may contain a needle or there are texts without needles, so that
    /// [`Self::candidates`] has to be called.
    pub(super) fn must_ask(&self, part: Both<'_>) -> bool {
        let needle = || self.groups.iter().any(|group| group.is_match(part.folded));
        !self.loose_texts.is_empty() || self.needles.is_none() || needle()
    }

    /// Where the next line that may match begins; the lines between `from`, which begins a line,
    /// and that place do not match. To be called with ascending places and one `walk` per block.
    pub(super) fn next(&mut self, block: Both<'_>, from: usize, walk: &mut Walk) -> Option<usize> {
        if self.each || walk.each {
            return (from < block.text.len()).then_some(from);
        }
        let mut first = NOWHERE;
        for (group, place) in self.groups.iter().zip(&mut walk.groups) {
            let found = place.filter(|&at| at >= from).unwrap_or_else(|| {
                group.find(&block.folded[from..]).map_or(NOWHERE, |found| from + found.start())
            });
            *place = Some(found);
            first = first.min(found);
        }
        if let Some(lines) = &mut self.lines {
            if walk.lines.is_none_or(|at| at < from) {
                // The earliest end of any match: no line before it contains a match.
                let Ok(found) = lines.find_end(block.text, from, &mut Steps::none()) else {
                    walk.each = true;
                    return (from < block.text.len()).then_some(from);
                };
                walk.lines = Some(found.unwrap_or(NOWHERE));
            }
            first = first.min(walk.lines.unwrap_or(NOWHERE));
        }
        if first >= block.text.len() {
            return None;
        }
        let newline = memchr::memrchr(b'\n', &block.text[from..first]);
        Some(newline.map_or(from, |newline| from + newline + 1))
    }
}

/// Groups the needles. Short ones have groups of their own, because they would slow down the search
/// for the others. With this match kind, an automaton searches few needles with SIMD.
fn groups(needles: &[Vec<u8>]) -> Vec<AhoCorasick> {
    let all = needles.iter().map(Vec::as_slice);
    let (long, short): (Vec<&[u8]>, Vec<&[u8]>) = all.partition(|needle| needle.len() >= LONG);
    let passes = long.len().div_ceil(GROUP);
    let size = if passes > GROUPS { long.len() } else { long.len().div_ceil(passes.max(1)) };
    let groups = long.chunks(size.max(1)).chain([&short[..]]).filter(|group| !group.is_empty());
    let mut builder = AhoCorasick::builder();
    builder.match_kind(MatchKind::LeftmostFirst);
    groups.filter_map(|group| builder.build(group).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Both, Search, Walk};
    use crate::model::plan::rules::Text;
    use crate::patterns::pattern::Pattern;

    /// The patterns, and whether each is an expression.
    type Patterns<'a> = &'a [(&'a str, bool)];

    fn search(patterns: Patterns<'_>) -> Search {
        let text = |&(pattern, regex): &(&str, bool)| Text {
            pattern: pattern.to_owned(),
            regex,
            any_case: false,
        };
        let patterns: Vec<Pattern> =
            patterns.iter().map(|one| Pattern::new(&text(one), 1).unwrap()).collect();
        Search::new(&patterns)
    }

    fn lines(search: &mut Search, block: &str) -> Vec<String> {
        let folded = block.to_ascii_lowercase();
        let block = Both { text: block.as_bytes(), folded: folded.as_bytes() };
        let (mut walk, mut at, mut found) = (Walk::default(), 0, vec![]);
        while let Some(start) = search.next(block, at, &mut walk) {
            let rest = std::str::from_utf8(&block.text[start..]).unwrap();
            let line = rest.split_inclusive('\n').next().unwrap();
            found.push(line.trim_end().to_owned());
            at = start + line.len();
        }
        found
    }

    #[test]
    fn only_lines_that_may_match_are_looked_at() {
        let block = "one\r\ntwo ERROR\r\n\r\n33\r\nfour> panic: x\r\nfive\r\n";
        let table: [(Patterns<'_>, &[&str]); 6] = [
            (&[("Error", false)], &["two ERROR"]),
            (&[("error", false), ("panic", false)], &["two ERROR", "four> panic: x"]),
            (&[("> ", false), ("panic: ", false)], &["four> panic: x"]),
            (&[("^\\d+$", true)], &["33"]),
            (&[("^\\d+$", true), ("^$", true), ("five", false)], &["", "33", "five"]),
            (&[("x", false), ("\\Afive\\z", true)], &["four> panic: x", "five"]),
        ];
        for (patterns, expected) in table {
            assert_eq!(lines(&mut search(patterns), block), expected, "{patterns:?}");
        }
        // An expression that refers to the ends of the text is tried on each line.
        assert_eq!(lines(&mut search(&[("\\A\\d\\z", true)]), block).len(), 6);
    }

    #[test]
    fn many_needles_are_looked_for_in_a_few_passes() {
        let words: Vec<String> = (0..150).map(|number| format!("word{number:03}")).collect();
        let patterns: Vec<(&str, bool)> = words.iter().map(|word| (word.as_str(), false)).collect();
        let mut found = search(&patterns);
        assert_eq!(found.groups.len(), 5);
        assert_eq!(lines(&mut found, "a\nb word077\nword150\nword149\n"), ["b word077", "word149"]);
        let many: Vec<String> = (0..400).map(|number| format!("word{number:03}")).collect();
        let patterns: Vec<(&str, bool)> = many.iter().map(|word| (word.as_str(), false)).collect();
        let mut found = search(&patterns);
        assert_eq!(found.groups.len(), 1);
        assert_eq!(lines(&mut found, "a\nb word377\n"), ["b word377"]);
    }
}
