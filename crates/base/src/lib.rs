//! What all of tmo shares: names, plans, requests, events; processes, files and clocks; the files of a run.

pub mod model;
pub mod protocol;
pub mod sys;
#[doc(hidden)]
pub mod testing;
