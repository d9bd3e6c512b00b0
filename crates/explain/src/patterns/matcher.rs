//! Searches the output of one process for its patterns.

use super::bounded::{Steps, TooSlow};
use super::clean::{fold, lines, whole_lines};
use super::flag_book::FlagBook;
use super::open_line::OpenLine;
use super::pattern::{BadPattern, Both, Pattern};
use super::search::{Search, Walk};
use super::{LONGEST_LINE, LONGEST_SHOWN};
use crate::model::LifeId;
use crate::model::escape::is_ordinary_but_for_escapes;
use crate::model::line::{trimmed, without_break};
use crate::model::rules::{Probe, ProcessPolicy, Text};
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
    rules: Vec<(Rule, Text)>,
    patterns: Vec<Pattern>,
    search: Search,
    /// Buffers that are reused.
    text: Vec<u8>,
    folded: Vec<u8>,
    open: OpenLine,
    /// That of the other stream of the process: standard error, or the main stream while standard error is fed.
    other: OpenLine,
    feeds_stderr: bool,
    /// Patterns that have been found and are not searched for again in this life.
    spent: Vec<bool>,
    /// How many patterns are still searched for.
    left: usize,
    book: FlagBook,
    /// A buffer that is reused for each line.
    may: Vec<bool>,
    /// Patterns that were too slow on some line.
    slow: Vec<bool>,
    /// Those of them that have not been logged yet.
    new_slow: Vec<String>,
    /// The current life.
    life: Option<LifeId>,
    /// Lives whose output is not searched.
    ignored: Vec<LifeId>,
}

impl Matcher {
    /// A matcher for these rules.
    pub fn new(rules: &ProcessPolicy) -> Result<Self, BadPattern> {
        let ready = rules.ready.iter().enumerate().filter_map(|(number, check)| {
            let Probe::Log(text) = &check.probe else { return None };
            Some((Rule::Ready(number), text))
        });
        let failures = rules.failures.iter().enumerate();
        let failures = failures.map(|(number, failure)| (Rule::Failure(number), &failure.text));
        let flags = rules.flags.iter().enumerate();
        let flags = flags.map(|(number, flag)| (Rule::Flag(number), &flag.text));
        let all: Vec<(Rule, &Text)> = ready.chain(failures).chain(flags).collect();
        let patterns = all
            .iter()
            .map(|(_, text)| Pattern::new(text, all.len()))
            .collect::<Result<Vec<_>, _>>()?;
        let span = patterns.iter().map(Pattern::span).max().unwrap_or(0);
        Ok(Self {
            rules: all.iter().map(|(rule, text)| (*rule, (*text).clone())).collect(),
            search: Search::new(&patterns),
            text: vec![],
            folded: vec![],
            open: OpenLine::new(patterns.len(), span),
            other: OpenLine::new(patterns.len(), span),
            feeds_stderr: false,
            spent: vec![false; patterns.len()],
            left: patterns.len(),
            book: FlagBook::new(&rules.flags),
            may: vec![false; patterns.len()],
            slow: vec![false; patterns.len()],
            new_slow: vec![],
            life: None,
            ignored: vec![],
            patterns,
        })
    }

    /// Continue with other rules in the same life. Patterns that were already found and are still
    /// among the rules are not reported again, and flags keep their matches.
    pub fn renew(&mut self, rules: &ProcessPolicy) -> Result<(), BadPattern> {
        let mut renewed = Self::new(rules)?;
        renewed.book.restore(&self.book);
        let was_stderr = self.feeds_stderr;
        self.feed_stderr(false);
        let known = |known: &[bool], rules: &[(Rule, Text)]| {
            let is_known = |rule| {
                let mut old = self.rules.iter().zip(known);
                old.any(|(old, known)| *known && is_same(old, rule))
            };
            rules.iter().map(is_known).collect::<Vec<bool>>()
        };
        renewed.spent = known(&self.spent, &renewed.rules);
        renewed.open.seen = known(&self.open.seen, &renewed.rules);
        renewed.other.seen = known(&self.other.seen, &renewed.rules);
        renewed.left = renewed.spent.iter().filter(|spent| !**spent).count();
        (renewed.life, renewed.ignored) = (self.life, std::mem::take(&mut self.ignored));
        // If nothing was being searched for, the current place within the line is unknown.
        if self.wants() {
            renewed.open.renew(std::mem::take(&mut self.open));
            renewed.other.renew(std::mem::take(&mut self.other));
        }
        *self = renewed;
        self.feed_stderr(was_stderr);
        Ok(())
    }

    /// Whether anything is still searched for in this life. If not, the matcher need not be fed.
    pub fn wants(&self) -> bool {
        self.left > 0 && !self.life.is_some_and(|life| self.ignored.contains(&life))
    }

    /// Don't search the output of these lives.
    pub fn ignore(&mut self, lives: &[LifeId]) {
        if self.ignored != lives {
            self.ignored = lives.to_vec();
        }
    }

    /// The matches of the flags.
    pub fn book(&self) -> &FlagBook {
        &self.book
    }

    /// The matches of the flags, for restoring saved ones.
    pub fn book_mut(&mut self) -> &mut FlagBook {
        &mut self.book
    }

    /// Set the time of the bytes that are fed from now on, for the matches of flags.
    pub fn at(&mut self, time: Timestamp) {
        self.book.at(time);
    }

    /// Whether the bytes that are fed from now on are from the stream of standard error. It has lines of its own.
    pub fn feed_stderr(&mut self, stderr: bool) {
        if self.feeds_stderr != stderr {
            self.feeds_stderr = stderr;
            std::mem::swap(&mut self.open, &mut self.other);
        }
    }

    /// A life begins: search for everything again.
    pub fn begin(&mut self, life: Option<LifeId>) {
        self.forget_lines();
        self.spent.fill(false);
        self.left = self.patterns.len();
        self.life = life;
        self.book.begin(life);
    }

    /// Nothing has followed from a match: search for this rule again in this life.
    pub fn search_again(&mut self, rule: Rule) {
        if let Some(number) = self.rules.iter().position(|(known, _)| *known == rule)
            && std::mem::take(&mut self.spent[number])
        {
            self.left += 1;
        }
    }

    /// Process the next bytes of this life.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Hit> {
        let mut hits = vec![];
        for piece in bytes.chunks(PIECE) {
            if !self.wants() {
                break;
            }
            self.piece(piece, &mut hits);
        }
        hits
    }

    /// No output has come for a while, so the unfinished line may be complete (a prompt). A match
    /// in it is not reported again when the line continues.
    pub fn idle(&mut self) -> Vec<Hit> {
        let mut hits = vec![];
        for _ in 0..2 {
            if std::mem::take(&mut self.open.fresh) && self.wants() {
                self.search_row(&mut hits);
            }
            self.feed_stderr(!self.feeds_stderr);
        }
        hits
    }

    /// The life has ended, and with it its last lines.
    pub fn finish(&mut self) -> Vec<Hit> {
        let mut hits = vec![];
        for _ in 0..2 {
            if self.open.is_begun() && self.wants() {
                self.end_open(&mut hits);
            }
            self.feed_stderr(!self.feeds_stderr);
        }
        self.forget_lines();
        self.book.end();
        hits
    }

    fn forget_lines(&mut self) {
        for _ in 0..2 {
            self.open.clear();
            self.feed_stderr(!self.feeds_stderr);
        }
    }

    /// Patterns that were skipped on some line because the search would have taken too long. Each
    /// is returned once.
    pub fn take_slow(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new_slow)
    }

    /// How much memory is used between two pieces.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.open.memory() + self.folded.capacity()
    }

    /// Search a piece of output.
    fn piece(&mut self, piece: &[u8], hits: &mut Vec<Hit>) {
        let is_usual = is_ordinary_but_for_escapes(&piece[..whole_lines(piece)]);
        let mut rest = piece;
        while !rest.is_empty() {
            if !self.open.is_begun() {
                // Taken out only for the borrow checker, and put back afterwards. Nothing else needs
                // them meanwhile.
                let mut buffer = std::mem::take(&mut self.text);
                let mut folded = std::mem::take(&mut self.folded);
                let (text, length) = lines(rest, is_usual, &mut buffer);
                fold(text, &mut folded);
                self.block(Both { text, folded: &folded }, hits);
                (self.text, self.folded) = (buffer, folded);
                rest = &rest[length..];
            }
            let newline = memchr::memchr(b'\n', rest);
            let (line, after) = rest.split_at(newline.unwrap_or(rest.len()));
            self.extend_open(line, hits);
            if newline.is_some() {
                self.end_open(hits);
            }
            rest = after.get(1..).unwrap_or_default();
        }
    }

    /// Search whole lines.
    fn block(&mut self, block: Both<'_>, hits: &mut Vec<Hit>) {
        let (mut walk, mut at) = (Walk::default(), 0);
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
            self.line(block.range(start, start + text.len()), &mut [], hits);
            self.book.end_line(text);
            at = end;
        }
        self.book.pass(&block.text[at..]);
    }

    /// Search a line as it is shown. Patterns that were `seen` in it are not searched for again.
    fn line(&mut self, line: Both<'_>, seen: &mut [bool], hits: &mut Vec<Hit>) {
        let mut may = std::mem::take(&mut self.may);
        may.fill(false);
        self.search.candidates(line, &mut may);
        let mut steps = Steps::for_line(line.text.len());
        for number in (0..may.len()).filter(|&number| may[number]) {
            if !self.spent[number]
                && seen.get(number) != Some(&true)
                && let Some(found) = self.find(number, line, &mut steps)
            {
                if let Some(seen) = seen.get_mut(number) {
                    *seen = true;
                }
                self.found(number, shown(line.text, found), hits);
            }
        }
        self.may = may;
    }

    /// Append to the unfinished line, and search it for texts at once.
    fn extend_open(&mut self, mut bytes: &[u8], hits: &mut Vec<Hit>) {
        while !bytes.is_empty() {
            let mut run = self.open.next_run(&mut bytes);
            while self.open.line.feed(&mut run).is_some() {
                self.end_row(hits);
                self.open.next_row();
            }
            self.texts_of_open(hits);
        }
    }

    /// Search what was just printed in the unfinished line for texts.
    fn texts_of_open(&mut self, hits: &mut Vec<Hit>) {
        let mut open = std::mem::take(&mut self.open);
        if self.search.must_ask(open.window()) {
            let mut may = std::mem::take(&mut self.may);
            may.fill(false);
            self.search.candidates(open.window(), &mut may);
            let mut steps = Steps::for_line(open.window().text.len());
            for number in (0..may.len()).filter(|&number| may[number]) {
                if self.patterns[number].is_text()
                    && !self.spent[number]
                    && !open.seen[number]
                    && let Some(found) = self.find(number, open.window(), &mut steps)
                {
                    open.seen[number] = true;
                    let (line, found) = open.around(found);
                    self.found(number, shown(line, found), hits);
                }
            }
            self.may = may;
        }
        self.open = open;
    }

    /// Search the unfinished line as it is shown at present; returns whether it is shown.
    fn search_row(&mut self, hits: &mut Vec<Hit>) -> bool {
        let mut open = std::mem::take(&mut self.open);
        let mut folded = std::mem::take(&mut self.folded);
        let row = open.row();
        let is_shown = row.is_some();
        if let Some((text, seen)) = row {
            fold(text, &mut folded);
            self.line(Both { text, folded: &folded }, seen, hits);
        }
        (self.open, self.folded) = (open, folded);
        is_shown
    }

    /// A row of the unfinished line has ended.
    fn end_row(&mut self, hits: &mut Vec<Hit>) {
        if self.search_row(hits) || self.open.seen.contains(&true) {
            self.book.end_line(trimmed(&self.open.line));
        }
    }

    /// The unfinished line has ended.
    fn end_open(&mut self, hits: &mut Vec<Hit>) {
        self.open.line.abandon();
        self.end_row(hits);
        self.open.clear();
    }

    /// The place of a pattern in a line; `None` if it is not there or the search takes too long.
    fn find(&mut self, number: usize, line: Both<'_>, steps: &mut Steps) -> Option<usize> {
        self.patterns[number].find(line, steps).unwrap_or_else(|TooSlow| {
            if !std::mem::replace(&mut self.slow[number], true) {
                self.new_slow.push(self.rules[number].1.pattern.clone());
            }
            None
        })
    }

    fn found(&mut self, number: usize, line: String, hits: &mut Vec<Hit>) {
        let (rule, _) = self.rules[number];
        match rule {
            Rule::Flag(flag) => self.book.matched(flag, &line),
            Rule::Ready(_) | Rule::Failure(_) => {
                self.spent[number] = true;
                self.left -= 1;
            }
        }
        hits.push(Hit { rule, line });
    }
}

/// Whether two rules are of the same kind and have the same pattern.
fn is_same((rule, text): &(Rule, Text), (other, other_text): &(Rule, Text)) -> bool {
    std::mem::discriminant(rule) == std::mem::discriminant(other) && text == other_text
}

/// The beginning of the line, or, if the match is further back, the text around it.
fn shown(line: &[u8], found: usize) -> String {
    let from = if found < LONGEST_SHOWN / 2 { 0 } else { found - LONGEST_SHOWN / 4 };
    let from = if line.len() <= LONGEST_SHOWN { 0 } else { from.min(line.len()) };
    let piece = &line[from..line.len().min(from + LONGEST_SHOWN)];
    String::from_utf8_lossy(piece).into_owned()
}
