//! What makes a run unique in its directory: its lock and its sockets, and how processes pass them
//! on.

pub mod inherit;
pub mod listen;
pub mod lock;
