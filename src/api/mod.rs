//! What both ends of the control socket share: the JSON shapes, the headers with versions, overmind's
//! line protocol, and the exchange of proofs over TCP.
//!
//! The JSON of states, requests and outcomes is that of the types in [`crate::model::request`].

pub mod answers;
pub mod history;
pub mod line_buffer;
pub mod overmind;
pub mod proof;
pub mod tcp;
pub mod version;
