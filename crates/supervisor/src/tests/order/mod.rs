//! Several processes: the order of their starts and stops.

pub(super) mod changes;
pub(super) mod cleanup;
pub(super) mod gates;
pub(super) mod stack;
