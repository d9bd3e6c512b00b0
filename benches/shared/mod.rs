//! What the benches share that start real programs: a world for each measurement, figures of processes, and the
//! file of the results.

mod machine;
mod quantile;
mod results;
pub(crate) mod table;
mod world;

use std::time::Duration;

pub(crate) use machine::conditions;
pub(crate) use quantile::quantile;
pub(crate) use results::save;
pub(crate) use world::{Owner, World, clear, cpu_seconds, memory, switches};

/// How long nothing may come before a program is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);
