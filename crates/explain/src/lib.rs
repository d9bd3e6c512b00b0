//! Patterns in output, and why a process has ended.

#[cfg(test)]
use tmo_base::protocol;
use tmo_base::{model, sys};
use tmo_journal as journal;

pub mod crash;
pub mod patterns;
