//! Which stream of a journal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a stream of output in a journal, the same in all runs of a project. Stored as the number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StreamNo(pub u16);

impl fmt::Display for StreamNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
