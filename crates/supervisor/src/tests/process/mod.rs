//! One process: its checks, its ends, its installations, its shim.

pub(super) mod checks;
pub(super) mod ends;
pub(super) mod file_changes;
pub(super) mod idle;
pub(super) mod installation;
pub(super) mod shims;
