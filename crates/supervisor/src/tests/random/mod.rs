//! Random events and changes, and what holds under all of them.

pub(super) mod any_order;
pub(super) mod changes;
pub(super) mod whatever;
