//! The run that a command is about: how it is found, asked, waited for, and what is left of a dead one.

pub(super) mod addresses;
pub(super) mod instance;
pub(super) mod launch;
pub(super) mod leftovers;
pub(super) mod log;
pub(super) mod request;
pub(super) mod wait;
