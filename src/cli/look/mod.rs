//! The commands that show a run: its processes, its output, its crashes.

pub(super) mod crashes;
pub(super) mod echo;
mod excerpt;
mod fix;
pub(super) mod flags;
pub(super) mod graph;
pub(super) mod logs;
pub(super) mod ls;
mod pages;
pub(super) mod ps;
pub(super) mod top;
pub(super) mod watched;
pub(super) mod why;
