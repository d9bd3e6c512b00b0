//! The matches of flags: their number, and the last ones with the lines around them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::LONGEST_SHOWN;
use crate::model::LifeId;
use crate::model::plan::rules::Flag;
use crate::model::state::{FlagMatch, FlagMatches, FlagState};
use crate::model::terminal::line::without_break;
use crate::model::time::Timestamp;

/// The matches of the flags of one process, over all its lives.
///
/// Each [`super::Matcher`] has one. It can be saved and restored. Context lines that had not yet
/// arrived when it was saved are not collected afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FlagBook {
    flags: Vec<FlagLog>,
    /// The last lines, as context for the next match.
    #[serde(skip)]
    recent: VecDeque<String>,
    #[serde(skip)]
    life: Option<LifeId>,
    #[serde(skip)]
    time: Timestamp,
    /// Whether some match still needs context lines after it.
    #[serde(skip)]
    waits: bool,
}

/// The matches of one flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagLog {
    /// The flag's name.
    pub name: String,
    /// How many lines have matched.
    pub count: u64,
    /// The number of matches that is still acceptable.
    pub target: Option<u64>,
    /// The last [`FlagBook::MOST_MATCHES`], oldest first.
    pub matches: VecDeque<Match>,
    /// How many lines before and after a match are kept.
    context: usize,
}

/// A line that matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The match, with the context lines that have arrived so far.
    #[serde(flatten)]
    pub found: FlagMatch,
    /// How many context lines after it are still missing.
    #[serde(skip)]
    missing: usize,
    /// Whether its line has not ended yet.
    #[serde(skip)]
    open: bool,
}

impl FlagLog {
    /// The last matches, at most `most`, oldest first.
    pub fn last(&self, most: usize) -> impl Iterator<Item = &FlagMatch> {
        let first = self.matches.len().saturating_sub(most);
        self.matches.iter().skip(first).map(|matched| &matched.found)
    }

    /// Whether there are more matches than are acceptable.
    pub fn is_exceeded(&self) -> bool {
        self.target.is_some_and(|target| self.count > target)
    }
}

impl FlagBook {
    /// The maximum number of matches kept per flag.
    pub const MOST_MATCHES: usize = 50;
    /// The maximum number of context lines before or after a match.
    pub const MOST_CONTEXT: u16 = 20;
    /// The maximum length of a context line, in bytes.
    pub const LONGEST_CONTEXT: usize = 1024;

    /// An empty book for these flags.
    pub fn new(flags: &[Flag]) -> Self {
        let log = |flag: &Flag| FlagLog {
            name: flag.name.clone(),
            count: 0,
            target: flag.target,
            matches: VecDeque::new(),
            context: usize::from(flag.context.min(Self::MOST_CONTEXT)),
        };
        Self { flags: flags.iter().map(log).collect(), ..Self::default() }
    }

    /// The matches of each flag, in the order of the flags.
    pub fn flags(&self) -> &[FlagLog] {
        &self.flags
    }

    /// The state of the flags, for clients.
    pub fn states(&self, flags: &[Flag]) -> Vec<FlagState> {
        let logs = flags.iter().zip(&self.flags).map(|(flag, log)| FlagState {
            name: flag.name.as_str().into(),
            color: flag.color,
            count: log.count,
            target: log.target,
            exceeded: log.is_exceeded(),
            last: log.last(1).next().map(|found| found.line.clone()),
        });
        logs.collect()
    }

    /// The latest matches of all flags, with the lines around them.
    pub fn latest(&self, most: usize) -> Vec<FlagMatches> {
        let logs = self.flags.iter().map(|log| FlagMatches {
            flag: log.name.as_str().into(),
            matches: log.last(most).cloned().collect(),
        });
        logs.collect()
    }

    /// Take over the matches of the flags that have the same name in `other`.
    pub fn restore(&mut self, other: &Self) {
        for flag in &mut self.flags {
            if let Some(old) = other.flags.iter().find(|old| old.name == flag.name) {
                flag.count = old.count;
                flag.matches.clone_from(&old.matches);
            }
        }
        (self.life, self.time, self.waits) = (other.life, other.time, other.waits);
        self.recent.clone_from(&other.recent);
    }

    /// The counts and the last matches, without the lines around them: small enough to be saved
    /// often.
    #[must_use]
    pub fn brief(&self) -> Self {
        let last = |log: &FlagLog| {
            let found = log.matches.back()?.found.clone();
            let found = FlagMatch { before: vec![], after: vec![], ..found };
            Some(Match { found, missing: 0, open: false })
        };
        let flags = self.flags.iter();
        let flags = flags.map(|log| FlagLog {
            name: log.name.clone(),
            count: log.count,
            target: log.target,
            matches: last(log).into_iter().collect(),
            context: log.context,
        });
        Self { flags: flags.collect(), ..Self::default() }
    }

    /// Whether `other` has the same flags and the same counts.
    pub fn counts_as(&self, other: &Self) -> bool {
        let counts = self.flags.iter().map(|log| (&log.name, log.count));
        counts.eq(other.flags.iter().map(|log| (&log.name, log.count)))
    }

    /// Set the time of the following output.
    pub(super) fn at(&mut self, time: Timestamp) {
        self.time = time;
    }

    pub(super) fn begin(&mut self, life: Option<LifeId>) {
        self.end();
        self.life = life;
    }

    /// A life has ended: no context follows its last line.
    pub(super) fn end(&mut self) {
        for found in self.flags.iter_mut().flat_map(|flag| &mut flag.matches) {
            (found.missing, found.open) = (0, false);
        }
        self.recent.clear();
        self.waits = false;
    }

    /// Whether the next line must be passed to [`Self::end_line`] instead of [`Self::pass`].
    pub(super) fn wants_lines(&self) -> bool {
        self.waits
    }

    /// The current line has matched.
    pub(super) fn matched(&mut self, flag: usize, line: &str) {
        let Some(log) = self.flags.get_mut(flag) else { return };
        log.count += 1;
        if log.matches.len() == Self::MOST_MATCHES {
            log.matches.pop_front();
        }
        let skipped = self.recent.len().saturating_sub(log.context);
        let found = FlagMatch {
            number: log.count,
            life: self.life,
            time: self.time,
            line: line.into(),
            before: self.recent.iter().skip(skipped).map(|line| line.as_str().into()).collect(),
            after: vec![],
        };
        log.matches.push_back(Match { found, missing: log.context, open: true });
    }

    /// A line has ended that may have matched.
    pub(super) fn end_line(&mut self, line: &[u8]) {
        if self.flags.is_empty() {
            return;
        }
        let kept = self.most_context() > 0;
        let text = if kept { cut(line, Self::LONGEST_CONTEXT) } else { String::new() };
        self.waits = false;
        for log in &mut self.flags {
            // The matches that still need lines are the last ones.
            for matched in log.matches.iter_mut().rev() {
                if matched.open {
                    matched.open = false;
                    // It may have matched before it was complete. What was drawn over since is kept.
                    let found = matched.found.line.raw().as_bytes();
                    if line.len() <= LONGEST_SHOWN && line.starts_with(found) {
                        matched.found.line = cut(line, LONGEST_SHOWN).into();
                    }
                } else if matched.missing > 0 {
                    matched.missing -= 1;
                    matched.found.after.push(text.as_str().into());
                } else {
                    break;
                }
                self.waits |= matched.missing > 0;
            }
        }
        if kept {
            self.remember(text);
        }
    }

    /// Process lines that have not matched.
    pub(super) fn pass(&mut self, lines: &[u8]) {
        let most = self.most_context();
        if most == 0 || lines.is_empty() {
            return;
        }
        let ends = memchr::memrchr_iter(b'\n', &lines[..lines.len() - 1]);
        let start = ends.take(most).nth(most - 1).map_or(0, |newline| newline + 1);
        for line in lines[start..].split_inclusive(|&byte| byte == b'\n') {
            self.remember(cut(without_break(line), Self::LONGEST_CONTEXT));
        }
    }

    fn remember(&mut self, line: String) {
        while self.recent.len() >= self.most_context() {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    fn most_context(&self) -> usize {
        self.flags.iter().map(|flag| flag.context).max().unwrap_or(0)
    }
}

fn cut(line: &[u8], most: usize) -> String {
    String::from_utf8_lossy(&line[..line.len().min(most)]).into_owned()
}
