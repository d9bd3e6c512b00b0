//! Which process the last rows of the output belong to.

use std::collections::VecDeque;

/// How many of the last rows are remembered.
pub(super) const KNOWN: usize = 20;

/// The owners of the last rows, as runs of rows with the same owner.
#[derive(Debug, Default)]
pub(super) struct Recent {
    runs: VecDeque<(usize, usize)>,
}

impl Recent {
    /// Record that this many rows of this owner were written.
    pub(super) fn add(&mut self, owner: usize, rows: usize) {
        if rows == 0 {
            return;
        }
        match self.runs.back_mut() {
            Some((last, count)) if *last == owner => *count += rows,
            Some(_) | None => {
                if self.runs.len() == KNOWN {
                    self.runs.pop_front();
                }
                self.runs.push_back((owner, rows));
            }
        }
    }

    /// How many of the last rows belong to this owner.
    pub(super) fn rows_of(&self, owner: usize) -> usize {
        let (mut left, mut found) = (KNOWN, 0);
        for &(of, rows) in self.runs.iter().rev() {
            let rows = rows.min(left);
            left -= rows;
            found += if of == owner { rows } else { 0 };
        }
        found
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
        assert_eq!((recent.rows_of(1), recent.rows_of(99), recent.runs.len()), (0, 1, KNOWN));
    }
}
