//! The processes of a run by number.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// A process of a run, by its place in the plan. It keeps its place as long as the run lasts, even if
/// it is removed. A vector that has a value for each process can be indexed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcId(usize);

impl ProcId {
    /// The process at this place.
    pub const fn at(place: usize) -> Self {
        Self(place)
    }

    /// Its place.
    pub const fn place(self) -> usize {
        self.0
    }

    /// The processes that these are the values of.
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
