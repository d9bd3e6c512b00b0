//! The control socket over real sockets, served by a scripted engine.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "control/api.rs"]
mod api; // the endpoints: valid and invalid input
#[path = "control/busy_listener.rs"]
mod busy_listener; // a listener too busy to accept one more client
#[path = "control/connection_limits.rs"]
mod connection_limits; // many, silent and non-reading clients
#[path = "control/directories.rs"]
mod directories; // helper: a project and a runtime directory
#[path = "control/half_close.rs"]
#[cfg(target_os = "linux")]
mod half_close; // clients that close one direction
#[path = "control/harness.rs"]
mod harness; // helper: a server with a scripted engine
#[path = "control/head_stream.rs"]
mod head_stream; // the stream of heads (`GET /api/head`)
#[path = "control/lock.rs"]
mod lock; // the lock of a run
#[path = "control/malformed_input.rs"]
mod malformed_input; // helper: generated malformed values and bodies
#[path = "control/openapi.rs"]
mod openapi; // requests generated from `docs/openapi.json`
#[path = "control/overmind_protocol.rs"]
mod overmind_protocol; // overmind's line protocol, byte for byte
#[path = "control/raw_client.rs"]
mod raw_client; // helper: a client that sends anything
#[path = "../../../tests/common/schema.rs"]
mod schema; // helper: does JSON match the description?
#[path = "control/socket_file.rs"]
mod socket_file; // where the socket is created, found and removed
