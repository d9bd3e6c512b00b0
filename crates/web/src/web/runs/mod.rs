//! What there is to see: the list of runs, a run, its API for pages and for scripts, and what changes it from outside.

pub(crate) mod again;
pub(crate) mod api;
pub(crate) mod apps;
pub(crate) mod follow;
pub(crate) mod listing;
pub(crate) mod reload;
pub(crate) mod run;
pub(crate) mod samples;
pub(crate) mod script_api;
pub(crate) mod shared;
