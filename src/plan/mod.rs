//! From what was read to what will be done: one pure, fallible step before any side effect.
//!
//! [`resolve()`] checks everything that can be checked without starting anything; what comes out
//! is a [`Plan`](crate::model::plan::Plan) that needs no further decision.

mod env;
mod ports;
mod resolve;
mod settings;
#[cfg(test)]
mod tests;

pub use env::process_env;
pub use resolve::{Facts, PlanError, resolve};
pub use settings::Settings;
