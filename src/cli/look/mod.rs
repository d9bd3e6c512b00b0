//! The commands that show a run: its processes, its output, its crashes.

pub(super) mod crashes;
pub(super) mod echo;
pub(super) mod events;
mod excerpt;
pub(super) mod flags;
pub(super) mod graph;
pub(super) mod logs;
pub(super) mod ls;
mod note;
mod pages;
mod process_table;
pub(super) mod ps;
pub(super) mod top;
pub(super) mod wait;
pub(super) mod why;
