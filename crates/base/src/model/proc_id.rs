//! Numbers of the processes of a run.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// A process of a run, identified by its index in the plan. The index never changes during a run, even if
/// the process is removed. It also indexes vectors with one value per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcId(usize);

impl ProcId {
    /// The process at this index.
    pub const fn at(place: usize) -> Self {
        Self(place)
    }

    /// Its index.
    pub const fn place(self) -> usize {
        self.0
    }

    /// The ids for a slice with one value per process.
    pub fn all<T>(values: &[T]) -> impl DoubleEndedIterator<Item = Self> + use<T> {
        (0..values.len()).map(Self)
    }
}

impl<T> Index<ProcId> for Vec<T> {
    type Output = T;

    fn index(&self, id: ProcId) -> &T {
        &self[id.0]
    }
}

impl<T> IndexMut<ProcId> for Vec<T> {
    fn index_mut(&mut self, id: ProcId) -> &mut T {
        &mut self[id.0]
    }
}
