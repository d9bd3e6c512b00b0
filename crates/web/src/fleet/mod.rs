//! Several hosts as one: an inventory of hosts, and calls that run the ordinary `tmo VERB` on each.
//!
//! Nothing listens and nothing is kept: a call is a program that reaches the host (`ssh`, or a command that the inventory
//! names), and executes [`call::WORD`] there.

pub mod call;
pub mod call_error;
pub mod caller;
pub mod discover;
pub mod fan;
pub mod host;
pub mod inventory;
pub mod listing;
pub mod merge;
pub mod names;
pub mod place;
pub mod procman;
mod swarm;
