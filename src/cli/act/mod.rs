//! The commands that change a run or one of its processes.

pub(super) mod actions;
pub(super) mod app;
pub(super) mod cleanup;
pub(super) mod connect;
pub(super) mod ending;
pub(super) mod failures;
pub(super) mod processes;
pub(super) mod reload;
pub(super) mod run;
pub(super) mod terminal;
pub(super) mod watch;
