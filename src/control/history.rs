//! What clients ask of the journal, and who answers.

use std::io;

use crate::model::request::Outcome;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "yes or no, each on its own")]
pub struct HistoryAsk {
    /// Names, patterns or entries; empty means all, and the supervisor's own words.
    pub names: Vec<String>,
    /// Only what comes behind this [`HistoryEntry::cursor`].
    pub after: Option<String>,
    /// Only so many of the last entries.
    pub last: Option<usize>,
    /// Nothing older.
    pub since: Option<String>,
    /// Nothing younger.
    pub until: Option<String>,
    /// Only what matches this regular expression.
    pub grep: Option<String>,
    /// Whatever the case.
    pub ignore_case: bool,
    /// Only what does not match.
    pub invert: bool,
    /// No output of processes.
    pub events: bool,
    /// Only what comes from now on, where no cursor says otherwise.
    pub from_now: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum HistoryProblem {
    /// The question means nothing.
    Bad(String),
    /// No process has this name.
    Unknown(Box<Outcome>),
    /// The journal can't be read.
    Io(io::Error),
}

/// One entry of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its place.
    pub cursor: String,
    /// What it is: `line`, `start`, `exit` …
    pub kind: String,
    /// All of it, as a JSON object.
    pub json: String,
}

/// Answers questions. It reads files and may take its time.
pub trait History: Send + Sync {
    /// The answer, as far as it reaches now or will.
    fn ask(&self, ask: &HistoryAsk) -> Result<Box<dyn Answer>, HistoryProblem>;
}

/// An answer, piece by piece.
pub trait Answer: Send {
    /// What follows, of records with numbers below `upto`, at most so many entries; with whether
    /// there is more.
    fn next(&mut self, upto: u64, most: usize) -> io::Result<(Vec<HistoryEntry>, bool)>;
}
