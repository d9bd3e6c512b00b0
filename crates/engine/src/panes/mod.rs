//! The panes of the processes: opened, read, replaced when a part of one is lost.

pub(super) mod entries;
pub(super) mod ingest;
pub(super) mod prompt_watch;
pub(super) mod prompts;
pub(super) mod recovery;
pub(super) mod spawn;
pub(super) mod state;
pub(super) mod terminal;
pub(super) mod wakeups;
