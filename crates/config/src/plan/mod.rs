//! Turns the parsed configuration into a plan: one pure, fallible step before any side effect.
//!
//! [`resolve()`] checks everything that can be checked without starting anything; the result is a
//! [`Plan`](crate::model::plan::Plan) that needs no further decision.
//!
//! `merge` combines the sources of a setting, `order` makes the order of
//! starts, `instance` assigns ports (which are free is found out by `src/cli/project/ports.rs`), `reload` compares two
//! plans.

mod error;
mod explain;
mod instance;
mod merge;
mod order;
mod reload;
mod resolve;
mod selection;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toml_tests;

pub use self::explain::{Explained, explain, explain_backend, oddities};
pub use error::PlanError;
pub use order::{OrderPosition, OrderedProcess, Wait, order};
pub use reload::{
    ProcessChange, Reloaded, failures_of, not_reloaded, reload, with_apps, with_failures,
};
pub use resolve::{Facts, resolve};
pub use selection::{begin_with, take_in, take_in_actions};
pub use settings::Settings;
