//! What holds of tmo's readers, whatever bytes they are given.
//!
//! Each target is a function of some bytes that panics where something does not hold. The fuzzers
//! look for such bytes; `tests/it/fuzz_seeds.rs` gives the same functions those in `fuzz/seeds/`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a target fails by panicking")]

mod input;
mod socket;
mod world;

mod api;
mod client;
mod dotenv;
pub(crate) mod export;
mod import;
mod ingest;
mod large;
mod life;
mod lines;
mod long;
mod marker;
mod names;
mod plan;
mod procfile;
mod recovery;
mod saved;
mod spec;
mod split;
mod sse;
mod state;
mod terminal;
mod watch;
mod zip;

/// A name, and what it stands for.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All there are.
pub(crate) const TARGETS: &[Target] = &[
    ("api", api::check),
    ("client", client::check),
    ("dotenv", dotenv::check),
    ("export", export::check),
    ("import", import::check),
    ("ingest", ingest::check),
    ("large", large::check),
    ("life", life::check),
    ("lines", lines::check),
    ("long", long::check),
    ("marker", marker::check),
    ("names", names::check),
    ("plan", plan::check),
    ("procfile", procfile::check),
    ("recovery", recovery::check),
    ("saved", saved::check),
    ("spec", spec::check),
    ("split", split::check),
    ("sse", sse::check),
    ("state", state::check),
    ("terminal", terminal::check),
    ("watch", watch::check),
    ("zip", zip::check),
];
