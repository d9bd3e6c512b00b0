//! What clients see of the flags: the texts that are counted in the output of processes.

use std::collections::BTreeMap;

use crate::model::LifeId;
use crate::model::plan::rules::Flag;
use crate::model::state::{FlagMatches, FlagState};
use crate::patterns::FlagBook;

/// For each flag, how often it matched in the output of one read, and the last matching line.
pub(crate) type Matches = BTreeMap<(Option<LifeId>, usize), (u64, String)>;

/// The state of these flags, for clients.
pub(crate) fn states(flags: &[Flag], book: &FlagBook) -> Vec<FlagState> {
    let flags = flags.iter().zip(book.flags());
    flags
        .map(|(flag, log)| FlagState {
            name: flag.name.as_str().into(),
            color: flag.color,
            count: log.count,
            target: log.target,
            exceeded: log.is_exceeded(),
            last: log.last(1).next().map(|found| found.line.clone()),
        })
        .collect()
}

/// The latest matches of all flags, with the lines around them.
pub(crate) fn latest(book: &FlagBook, last: usize) -> Vec<FlagMatches> {
    let flags = book.flags().iter().map(|log| FlagMatches {
        flag: log.name.as_str().into(),
        matches: log.last(last).cloned().collect(),
    });
    flags.collect()
}
