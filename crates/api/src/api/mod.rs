//! What client and server of the control socket share: JSON types, version headers, overmind's line
//! protocol, and the proofs exchanged over TCP.
//!
//! The JSON types of states, requests and outcomes are in [`crate::model::request`].

pub mod answers;
pub mod line_buffer;
pub mod overmind;
pub mod proof;
pub mod routes;
pub mod tcp;
pub mod version;
