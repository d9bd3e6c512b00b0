//! The control socket: how everything outside asks the supervisor for something.
//!
//! One socket speaks two languages, told apart by the first bytes: overmind's line protocol
//! ([`overmind`]) and HTTP with JSON and server-sent events ([`http`]). Both become the same
//! [`crate::model::request::Request`], handed to the engine through a [`handle::Handle`]. A
//! client that is slow, silent or gone hurts nobody but itself.

pub mod address;
pub mod client;
pub mod dial;
pub mod handle;
pub mod history;
pub mod http;
pub mod inherit;
pub mod line_buffer;
pub mod listen;
pub mod lock;
pub mod overmind;
pub mod overmind_client;
pub mod server;
pub mod sniff;
pub mod sse;
pub mod tcp;

mod accept;
mod departure;
mod events;
mod lines;
mod versions;
