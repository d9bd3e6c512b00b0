//! Which entries of the log are shown.

use std::sync::Arc;
use std::time::Duration;

use super::find::Find;
use super::list::List;
use super::msg::Choice;
use crate::model::time::Timestamp;

/// What all processes printed around a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    /// The time of the line.
    pub time: Timestamp,
    /// How many seconds before and after it are of interest.
    pub seconds: u64,
}

impl Around {
    /// Whether a line of this time is of interest.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.time.between(time) <= Duration::from_secs(self.seconds)
    }
}

/// What limits the log, besides the list and the search, and which entries are shown because of all of them.
#[derive(Debug, Default)]
pub struct LogFilter {
    /// The lines around one line are shown.
    pub around: Option<Around>,
    /// Only entries that are not output are shown.
    pub only_events: bool,
    /// Which entries are shown.
    pub(super) choice: Arc<Choice>,
    /// The expression that they match, and whether it is plain text.
    applied: Option<(String, bool)>,
}

impl LogFilter {
    /// Choose anew what is shown; false if that is as before.
    pub(super) fn choose(&mut self, list: &List, find: Option<&Find>) -> bool {
        let names = if self.around.is_some() { vec![] } else { list.chosen() };
        let filter = find.filter(|find| find.filters && self.around.is_none());
        let applied = filter.map(|find| (find.text.clone(), find.literal));
        let only_events = self.only_events && self.around.is_none();
        let old = &*self.choice;
        if names == old.names && applied == self.applied && only_events == old.only_events {
            return false;
        }
        self.applied = applied;
        let pattern = filter.map(|find| find.pattern.clone());
        self.choice = Arc::new(Choice { names, pattern, only_events });
        true
    }
}
