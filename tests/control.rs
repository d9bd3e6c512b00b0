//! The control socket over real sockets, with a scripted engine behind it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "control/api.rs"]
mod api;
#[path = "control/crowd.rs"]
mod crowd;
#[path = "control/harness.rs"]
mod harness;
#[path = "control/lines.rs"]
mod lines;
#[path = "control/listening.rs"]
mod listening;
#[path = "control/news.rs"]
mod news;
#[path = "control/others.rs"]
mod others;
