//! The files by which the parts of a run agree: what the supervisor writes and a shim reads, and the
//! other way round.
//!
//! - [`spec`]: what to run, from the supervisor to a shim
//! - [`life`]: what became of it, from a shim to everybody
//! - [`marker`]: where in the output a life begins and ends
//! - [`paths`]: where these files are

pub mod life;
pub mod marker;
pub mod paths;
pub mod spec;
