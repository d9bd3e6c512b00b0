//! Counts of how the lives of a process have ended, over the whole run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Exit;
use crate::model::state::ExitCount;

/// The counts. They are saved with the state, so each exit is counted once even if the supervisor is
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExitStats {
    /// Failures that were not requested.
    pub crashes: u64,
    /// The number of exits by exit status ([`Exit::pack`]).
    exits: BTreeMap<u32, u64>,
}

impl ExitStats {
    /// Count the exit of a life.
    pub(super) fn count(&mut self, exit: Exit, crashed: bool) {
        let count = self.exits.entry(exit.pack()).or_default();
        *count = count.saturating_add(1);
        self.crashes = self.crashes.saturating_add(u64::from(crashed));
    }

    /// The number of exits for each exit status.
    pub fn exits(&self) -> Vec<ExitCount> {
        let exits = self.exits.iter();
        exits.map(|(exit, count)| ExitCount { exit: Exit::unpack(*exit), count: *count }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{ExitCount, ExitStats};
    use crate::model::Exit;

    #[test]
    fn ends_are_counted_by_their_kind_and_survive_a_file() {
        let mut tally = ExitStats::default();
        for (exit, crashed) in [
            (Exit::Code(1), true),
            (Exit::Signal(9), true),
            (Exit::Code(1), false),
            (Exit::Code(0), false),
        ] {
            tally.count(exit, crashed);
        }
        let one = |exit, count| ExitCount { exit, count };
        let exits = [one(Exit::Code(0), 1), one(Exit::Code(1), 2), one(Exit::Signal(9), 1)];
        assert_eq!((tally.crashes, tally.exits()), (2, exits.to_vec()));
        let text = serde_json::to_string(&tally).unwrap();
        assert_eq!(serde_json::from_str::<ExitStats>(&text).unwrap(), tally);
    }
}
