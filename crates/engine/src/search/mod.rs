//! The search for patterns in the output of processes, and what a match causes.

pub(super) mod failure_declarations;
pub(super) mod lag;
pub(super) mod output_search;
pub(super) mod progress;
pub(super) mod recovery;
