//! The runs of other hosts on a page.
//!
//! The server keeps a bridge to each host while a page is open: an HTTP/2 connection with `tmo bridge` there, through the
//! program that reaches the host. The id of a run there is `HOST:ID` on the page; a request for it, already checked by the
//! gate, goes on through the bridge, and so does a WebSocket, byte by byte. Nothing else of a host is shown here, and it
//! is told nothing but who asks.

mod bridge;
mod forward;
mod hosts;

pub use bridge::serve as bridge;
pub(super) use bridge::{bridged_session, no_bridge};
pub(super) use forward::{host_of, run_on_host};
pub use hosts::MOST_HOSTS;
pub(super) use hosts::{FleetHosts, HostEntry};

/// The header with which a request through a bridge names who sends it.
const SENDER: &str = "x-tmo-sender";
