//! What runs inside a pane: the shim that owns a process, and the sink that writes its output to
//! disk. Also the helper that runs a command next to a process.
//!
//! All of them are this same program under a hidden verb. They use little memory and no async
//! runtime, because there are several of them per process.

pub mod beside;
pub mod holder;
pub mod process_tree;
pub mod shim;
pub mod sink;
pub mod tty;
