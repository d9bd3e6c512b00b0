//! The processes that each session has deselected.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use crate::web::locked;

/// The processes that each session has deselected, by session and run.
#[derive(Debug, Default)]
pub(crate) struct Selections(Mutex<HashMap<String, HashMap<String, HashSet<String>>>>);

impl Selections {
    /// Access the deselected processes of a session.
    pub(crate) fn with<T>(
        &self,
        session: &str,
        run: &str,
        act: impl FnOnce(&mut HashSet<String>) -> T,
    ) -> T {
        let mut all = locked(&self.0);
        act(all.entry(session.to_owned()).or_default().entry(run.to_owned()).or_default())
    }

    /// Forget the sessions that have ended.
    pub(crate) fn forget(&self, lives: impl Fn(&str) -> bool) {
        let mut all = locked(&self.0);
        all.retain(|session, _| lives(session));
    }
}
