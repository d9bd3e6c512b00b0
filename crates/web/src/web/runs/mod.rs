//! What there is to see: the list of runs, a run, its API for pages and for scripts, and what changes it from outside.

pub(crate) mod api;
pub(crate) mod apps;
pub(crate) mod commands;
pub(crate) mod follow;
pub(crate) mod listing;
pub(crate) mod run;
pub(crate) mod samples;
pub(crate) mod script_api;
pub(crate) mod selections;

pub(crate) use self::api::{RUN_OVER, exactly, read_lines, send, whole};
pub(crate) use self::follow::{Follow, Link, Seen, Shared};
pub(crate) use self::listing::{Listing, RunEntry, RunList, entries};
pub(crate) use self::run::{Run, Runs, of_ended, state};
