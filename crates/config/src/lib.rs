//! Procfile, tmo.toml, env files and apps, resolved into a plan.

#[cfg(test)]
use tmo_base::protocol;
use tmo_base::{model, sys};

pub mod apps;
pub mod config;
pub mod plan;
