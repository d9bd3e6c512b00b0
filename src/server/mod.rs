//! The control socket: how everything outside asks the supervisor for something.
//!
//! One socket speaks two languages, told apart by the first bytes: overmind's line protocol
//! ([`crate::api::overmind`]) and HTTP with JSON and server-sent events ([`http`]). Both become the same
//! [`crate::model::request::Request`], handed to the engine through a [`handle::Handle`]. A
//! client that is slow, silent or gone hurts nobody but itself.

pub mod handle;
pub mod http;
pub mod serve;
pub mod sniff;
pub mod tcp;

mod accept;
mod departure;
mod events;
mod lines;
mod versions;
