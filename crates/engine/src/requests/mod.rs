//! The requests of clients.

pub(super) mod client_requests;
pub(super) mod clients;
pub(super) mod reload;
pub(super) mod scale;
