//! What runs inside a pane: the shim that owns a process and the sink that owns its bytes. And what owns
//! a command that is run beside a process.
//!
//! All are this very program under a hidden verb, without an async runtime and with little
//! memory, because there are several of them per process.

pub mod beside;
pub mod shim;
pub mod sink;
pub mod tree;
pub mod tty;
