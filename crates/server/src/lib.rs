//! The control socket, over which everything outside sends requests to the supervisor.
//!
//! One socket speaks two protocols, distinguished by the first bytes: overmind's line protocol
//! ([`crate::api::overmind`]), and HTTP with JSON and server-sent events ([`http`]). Both are translated
//! into the same [`crate::model::request::Request`] and handed to the engine through a [`engine_handle::Handle`].
//! A client that is slow, silent or gone affects only itself.
//!
//! `accept` takes connections on the socket, `tcp/listener.rs` on a TCP address: there a client has to prove
//! that it knows the token of the run ([`crate::api::proof`]). `http/actions.rs` has the requests.

use tmo_api::{api, figures};
use tmo_base::{model, sys};
use tmo_explain::crash;
use tmo_journal as journal;

pub mod budget;
pub mod engine_handle;
pub mod http;
pub mod prefixed_stream;
pub mod reading;
pub mod serve;
pub mod tcp;

mod accept;
mod disconnect;
mod events;
mod overmind_session;
