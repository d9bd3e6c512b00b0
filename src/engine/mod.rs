//! The engine: the only place where the parts meet.
//!
//! A guardian ([`guard`]) holds lock and control socket and restarts the supervisor process when it
//! is killed. The supervisor process ([`run`]) waits for one event at a time (a bell, an exit, a
//! client, a timer), turns it into an [`crate::supervisor::Input`], saves the resulting state and
//! carries out the effects.

mod adopt;
mod asking;
mod beside;
mod core;
mod crashes;
mod declaring;
mod effects;
mod finish;
pub mod flags;
pub mod force;
pub mod guard;
mod hooks;
pub mod lag;
mod looked;
mod losses;
mod notices;
mod opening;
pub mod owed;
mod pane;
mod port_owner;
mod probes;
mod queue;
mod reading;
mod reload;
pub mod run;
pub mod runtime;
mod scale;
mod serving;
mod stopping;
mod terminal;
mod watchers;
mod watching;
