//! What runs inside a pane: the shim that owns a process and the sink that owns its bytes.
//!
//! Both are this very program under a hidden verb, without an async runtime and with little
//! memory, because there are two of them per process.

pub mod life;
pub mod marker;
pub mod paths;
pub mod shim;
pub mod sink;
pub mod spec;
pub mod tree;
pub mod tty;
