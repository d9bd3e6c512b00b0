//! The run of one place: its lock, its sockets, and handing both from one process to the next.

pub mod inherit;
pub mod listen;
pub mod lock;
