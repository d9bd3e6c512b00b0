//! Searches the output of one process for its patterns.

use super::bounded::{Steps, TooSlow};
use super::clean::{fold, lines, whole_lines};
use super::flag_book::FlagBook;
use super::open_line::OpenLine;
use super::pattern::{BadPattern, Both, Pattern};
use super::search::{Search, Walk};
use super::{LONGEST_LINE, LONGEST_SHOWN};
use crate::model::LifeId;
use crate::model::plan::rules::{Probe, ProcessPolicy, Text};
use crate::model::terminal::escape::is_ordinary_but_for_escapes;
use crate::model::terminal::line::{trimmed, without_break};
use crate::model::time::Timestamp;

/// How much is searched at once. It fits into the CPU cache, and no line in it is too long for an
/// expression.
const PIECE: usize = LONGEST_LINE;

/// What a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The readiness check with this index in [`ProcessPolicy::ready`].
    Ready(usize),
    /// The failure pattern with this index in [`ProcessPolicy::failures`], followed by the patterns that
    /// were added separately.
    Failure(usize),
    /// The flag with this index in [`ProcessPolicy::flags`].
    Flag(usize),
}

/// A match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The pattern's rule.
    pub rule: Rule,
    /// The line as it is shown, as far as it was printed. Of a long line,
    /// [`LONGEST_SHOWN`] bytes around the match.
    pub line: String,
}

/// Searches the output of one process for its patterns.
///
/// Readiness checks and failure patterns are reported once per life, flags once per line.
#[derive(Debug)]
pub struct Matcher {
    rules: RuleSearch,
    /// The unfinished lines of the main stream and of standard error.
    open: [OpenLine; 2],
    /// Which of them is fed.
    fed: usize,
    /// Buffers that are reused.
    text: Vec<u8>,
    folded: Vec<u8>,
    /// The current life.
    life: Option<LifeId>,
    /// Lives whose output is not searched.
    ignored: Vec<LifeId>,
}

impl Matcher {
    pub fn new(rules: &ProcessPolicy) -> Result<Self, BadPattern> {
        let rules = RuleSearch::new(rules)?;
        let span = rules.patterns.iter().map(Pattern::span).max().unwrap_or(0);
        Ok(Self {
            open: [(); 2].map(|()| OpenLine::new(rules.patterns.len(), span)),
            rules,
            fed: 0,
            text: vec![],
            folded: vec![],
            life: None,
            ignored: vec![],
        })
    }

    /// Continue with other rules in the same life. Patterns that were already found and are still
    /// among the rules are not reported again, and flags keep their matches.
    pub fn renew(&mut self, rules: &ProcessPolicy) -> Result<(), BadPattern> {
        let mut renewed = Self::new(rules)?;
        renewed.rules.book.restore(&self.rules.book);
        renewed.rules.spent = renewed.rules.known(&self.rules, &self.rules.spent);
        // If nothing was being searched for, the current place within the line is unknown.
        let wants = self.wants();
        for (new, old) in renewed.open.iter_mut().zip(&mut self.open) {
            new.seen = renewed.rules.known(&self.rules, &old.seen);
            if wants {
                new.renew(std::mem::take(old));
            }
        }
        let ignored = std::mem::take(&mut self.ignored);
        *self = Self { fed: self.fed, life: self.life, ignored, ..renewed };
        Ok(())
    }

    /// Whether anything is still searched for in this life. If not, the matcher need not be fed.
    pub fn wants(&self) -> bool {
        let is_ignored = self.life.is_some_and(|life| self.ignored.contains(&life));
        self.rules.spent.contains(&false) && !is_ignored
    }

    /// Don't search the output of these lives.
    pub fn ignore(&mut self, lives: &[LifeId]) {
        if self.ignored != lives {
            self.ignored = lives.to_vec();
        }
    }

    /// The matches of the flags.
    pub fn book(&self) -> &FlagBook {
        &self.rules.book
    }

    /// The matches of the flags, for restoring saved ones.
    pub fn book_mut(&mut self) -> &mut FlagBook {
        &mut self.rules.book
    }

    /// Set the time of the bytes that are fed from now on, for the matches of flags.
    pub fn at(&mut self, time: Timestamp) {
        self.rules.book.at(time);
    }

    /// Whether the bytes that are fed from now on are from the stream of standard error. It has lines of its own.
    pub fn feed_stderr(&mut self, stderr: bool) {
        self.fed = usize::from(stderr);
    }

    /// A life begins: search for everything again.
    pub fn begin(&mut self, life: Option<LifeId>) {
        self.open.iter_mut().for_each(OpenLine::clear);
        self.rules.spent.fill(false);
        self.life = life;
        self.rules.book.begin(life);
    }

    /// Nothing has followed from a match: search for this rule again in this life.
    pub fn search_again(&mut self, rule: Rule) {
        if let Some(number) = self.rules.rules.iter().position(|(known, _)| *known == rule) {
            self.rules.spent[number] = false;
        }
    }

    /// Process the next bytes of this life.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Hit> {
        for piece in bytes.chunks(PIECE) {
            if !self.wants() {
                break;
            }
            self.search_piece(piece);
        }
        std::mem::take(&mut self.rules.hits)
    }

    /// No output has come for a while, so the unfinished line may be complete (a prompt). A match
    /// in it is not reported again when the line continues.
    pub fn idle(&mut self) -> Vec<Hit> {
        for stream in [self.fed, 1 - self.fed] {
            if std::mem::take(&mut self.open[stream].fresh) && self.wants() {
                self.rules.search_row(&mut self.open[stream], &mut self.folded);
            }
        }
        std::mem::take(&mut self.rules.hits)
    }

    /// The life has ended, and with it its last lines.
    pub fn finish(&mut self) -> Vec<Hit> {
        for stream in [self.fed, 1 - self.fed] {
            if self.open[stream].is_begun() && self.wants() {
                self.rules.end_line(&mut self.open[stream], &mut self.folded);
            }
            self.open[stream].clear();
        }
        self.rules.book.end();
        std::mem::take(&mut self.rules.hits)
    }

    /// Patterns that were skipped on some line because the search would have taken too long. Each
    /// is returned once.
    pub fn take_slow(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rules.new_slow)
    }

    /// How much memory is used between two pieces.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.open[self.fed].memory() + self.folded.capacity()
    }

    fn search_piece(&mut self, piece: &[u8]) {
        let Self { rules, open, fed, text, folded, .. } = self;
        let open = &mut open[*fed];
        let is_usual = is_ordinary_but_for_escapes(&piece[..whole_lines(piece)]);
        let mut rest = piece;
        while !rest.is_empty() {
            if !open.is_begun() {
                let (block, length) = lines(rest, is_usual, text);
                fold(block, folded);
                rules.search_block(Both { text: block, folded });
                rest = &rest[length..];
            }
            let newline = memchr::memchr(b'\n', rest);
            let (line, after) = rest.split_at(newline.unwrap_or(rest.len()));
            rules.extend_line(open, line, folded);
            if newline.is_some() {
                rules.end_line(open, folded);
            }
            rest = after.get(1..).unwrap_or_default();
        }
    }
}

/// The rules of a process, and what was found.
#[derive(Debug)]
struct RuleSearch {
    rules: Vec<(Rule, Text)>,
    patterns: Vec<Pattern>,
    search: Search,
    /// Patterns that have been found and are not searched for again in this life.
    spent: Vec<bool>,
    book: FlagBook,
    /// Matches that have not been returned yet.
    hits: Vec<Hit>,
    /// A buffer that is reused for each line.
    may: Vec<bool>,
    /// Patterns that were too slow on some line.
    slow: Vec<bool>,
    /// Those of them that have not been logged yet.
    new_slow: Vec<String>,
}

impl RuleSearch {
    fn new(rules: &ProcessPolicy) -> Result<Self, BadPattern> {
        let ready = rules.ready.iter().enumerate().filter_map(|(number, check)| {
            let Probe::Log(text) = &check.probe else { return None };
            Some((Rule::Ready(number), text))
        });
        let failures = rules.failures.iter().enumerate();
        let failures = failures.map(|(number, failure)| (Rule::Failure(number), &failure.text));
        let flags = rules.flags.iter().enumerate();
        let flags = flags.map(|(number, flag)| (Rule::Flag(number), &flag.text));
        let all: Vec<(Rule, &Text)> = ready.chain(failures).chain(flags).collect();
        let patterns: Result<Vec<_>, _> =
            all.iter().map(|(_, text)| Pattern::new(text, all.len())).collect();
        let patterns = patterns?;
        Ok(Self {
            rules: all.iter().map(|(rule, text)| (*rule, (*text).clone())).collect(),
            search: Search::new(&patterns),
            spent: vec![false; patterns.len()],
            book: FlagBook::new(&rules.flags),
            hits: vec![],
            may: vec![false; patterns.len()],
            slow: vec![false; patterns.len()],
            new_slow: vec![],
            patterns,
        })
    }

    /// Which of these rules are among the old ones for which `known` holds.
    fn known(&self, old: &Self, known: &[bool]) -> Vec<bool> {
        let is_known =
            |rule| old.rules.iter().zip(known).any(|(old, known)| *known && is_same(old, rule));
        self.rules.iter().map(is_known).collect()
    }

    /// Search whole lines.
    fn search_block(&mut self, block: Both<'_>) {
        let mut walk = Walk::default();
        let mut at = 0;
        while at < block.text.len() {
            let next = if self.book.wants_lines() {
                Some(at)
            } else {
                self.search.next(block, at, &mut walk)
            };
            let Some(start) = next else { break };
            self.book.pass(&block.text[at..start]);
            let newline = memchr::memchr(b'\n', &block.text[start..]);
            let end = newline.map_or(block.text.len(), |newline| start + newline + 1);
            let text = without_break(&block.text[start..end]);
            self.search_line(block.range(start, start + text.len()), &mut []);
            self.book.end_line(text);
            at = end;
        }
        self.book.pass(&block.text[at..]);
    }

    /// Append to the unfinished line, and search it for texts at once.
    fn extend_line(&mut self, open: &mut OpenLine, mut bytes: &[u8], folded: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let mut run = open.next_run(&mut bytes);
            while open.line.feed(&mut run).is_some() {
                self.end_row(open, folded);
                open.next_row();
            }
            self.search_window(open);
        }
    }

    /// The unfinished line has ended.
    fn end_line(&mut self, open: &mut OpenLine, folded: &mut Vec<u8>) {
        open.line.abandon();
        self.end_row(open, folded);
        open.clear();
    }

    /// A row of the unfinished line has ended.
    fn end_row(&mut self, open: &mut OpenLine, folded: &mut Vec<u8>) {
        if self.search_row(open, folded) || open.seen.contains(&true) {
            self.book.end_line(trimmed(&open.line));
        }
    }

    /// Search the unfinished line as it is shown at present; returns whether it is shown.
    fn search_row(&mut self, open: &mut OpenLine, folded: &mut Vec<u8>) -> bool {
        let Some((text, seen)) = open.row() else { return false };
        fold(text, folded);
        self.search_line(Both { text, folded }, seen);
        true
    }

    /// Search a line as it is shown. Patterns that were `seen` in it are not searched for again.
    fn search_line(&mut self, line: Both<'_>, seen: &mut [bool]) {
        for (number, place) in self.matches(line, seen, false) {
            if let Some(seen) = seen.get_mut(number) {
                *seen = true;
            }
            self.add_hit(number, text_around(line.text, place));
        }
    }

    /// Search what was just printed in the unfinished line for texts.
    fn search_window(&mut self, open: &mut OpenLine) {
        if !self.search.must_ask(open.window()) {
            return;
        }
        for (number, place) in self.matches(open.window(), &open.seen, true) {
            open.seen[number] = true;
            let (line, place) = open.around(place);
            self.add_hit(number, text_around(line, place));
        }
    }

    /// The patterns that match in this text and are still searched for, each with the place of its match. A part of
    /// a line is searched only for texts.
    fn matches(&mut self, text: Both<'_>, seen: &[bool], is_part: bool) -> Vec<(usize, usize)> {
        let mut found = vec![];
        self.may.fill(false);
        self.search.candidates(text, &mut self.may);
        let mut steps = Steps::for_line(text.text.len());
        for (number, pattern) in self.patterns.iter_mut().enumerate() {
            let is_over = self.spent[number] || seen.get(number) == Some(&true);
            if !self.may[number] || is_over || is_part && !pattern.is_text() {
                continue;
            }
            match pattern.find_place(text, &mut steps) {
                Ok(place) => found.extend(place.map(|place| (number, place))),
                Err(TooSlow) if !std::mem::replace(&mut self.slow[number], true) => {
                    self.new_slow.push(self.rules[number].1.pattern.clone());
                }
                Err(TooSlow) => {}
            }
        }
        found
    }

    fn add_hit(&mut self, number: usize, line: String) {
        let (rule, _) = self.rules[number];
        match rule {
            Rule::Flag(flag) => self.book.matched(flag, &line),
            Rule::Ready(_) | Rule::Failure(_) => self.spent[number] = true,
        }
        self.hits.push(Hit { rule, line });
    }
}

/// Whether two rules are of the same kind and have the same pattern.
fn is_same((rule, text): &(Rule, Text), (other, other_text): &(Rule, Text)) -> bool {
    std::mem::discriminant(rule) == std::mem::discriminant(other) && text == other_text
}

/// The beginning of the line, or, if the match is further back, the text around it.
fn text_around(line: &[u8], found: usize) -> String {
    let from = if found < LONGEST_SHOWN / 2 { 0 } else { found - LONGEST_SHOWN / 4 };
    let from = if line.len() <= LONGEST_SHOWN { 0 } else { from.min(line.len()) };
    let piece = &line[from..line.len().min(from + LONGEST_SHOWN)];
    String::from_utf8_lossy(piece).into_owned()
}
