//! Which process the last rows of the output belong to.

use std::collections::VecDeque;

/// How many of the last rows are remembered.
pub(super) const KNOWN: usize = 20;

/// The owners of the last rows.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<usize>);

impl Recent {
    /// Record that this many rows of this owner were written.
    pub(super) fn add(&mut self, owner: usize, rows: usize) {
        let rows = rows.min(KNOWN);
        let gone = (self.0.len() + rows).saturating_sub(KNOWN);
        self.0.drain(..gone);
        self.0.extend(std::iter::repeat_n(owner, rows));
    }

    /// How many of the last rows belong to this owner.
    pub(super) fn rows_of(&self, owner: usize) -> usize {
        self.0.iter().filter(|of| **of == owner).count()
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, Recent};

    #[test]
    fn only_the_last_rows_count() {
        let mut recent = Recent::default();
        for (owner, rows) in [(1, 3), (2, 5), (1, 4), (1, 2)] {
            recent.add(owner, rows);
        }
        assert_eq!((recent.rows_of(1), recent.rows_of(2), recent.rows_of(3)), (9, 5, 0));
        recent.add(2, KNOWN - 4);
        assert_eq!((recent.rows_of(1), recent.rows_of(2)), (4, KNOWN - 4));
        for owner in 0..100 {
            recent.add(owner, 1);
        }
        assert_eq!((recent.rows_of(1), recent.rows_of(99), recent.0.len()), (0, 1, KNOWN));
    }
}
