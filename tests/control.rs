//! The control socket over real sockets, served by a scripted engine.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "control/api.rs"]
mod api;
#[path = "control/busy.rs"]
mod busy;
#[path = "control/crowd.rs"]
mod crowd;
#[path = "control/described.rs"]
mod described;
#[path = "control/exchange.rs"]
mod exchange;
#[path = "control/halves.rs"]
#[cfg(target_os = "linux")]
mod halves;
#[path = "control/harness.rs"]
mod harness;
#[path = "control/lines.rs"]
mod lines;
#[path = "control/listening.rs"]
mod listening;
#[path = "control/lock.rs"]
mod lock;
#[path = "control/news.rs"]
mod news;
#[path = "control/odd.rs"]
mod odd;
#[path = "control/places.rs"]
mod places;
#[path = "common/schema.rs"]
mod schema;
