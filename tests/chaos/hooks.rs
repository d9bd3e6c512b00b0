//! Checks that the hook was called for each crash.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::pause;
use crate::stage::{Stage, deadline};

/// A life that has crashed, by its run, its process and its number.
type Crash = (String, String, u64);

impl Stage<'_> {
    /// Of each report of this run the hook has heard, whoever was killed meanwhile. Of those that
    /// crash for ever there is always one that it has not heard of.
    pub(crate) fn hear_of_crashes(&self, state: &Value) {
        let moves = |name: &str| self.rules.entry(name).is_some_and(|e| self.rules.is_restless(e));
        let until = Instant::now() + deadline();
        loop {
            let reported = crashes(&self.world.app().join("hooked"));
            let mut missing = crashes(&self.world.journal().join("crash-reports"));
            missing.retain(|crash| {
                Some(&*crash.0) == state["run"].as_str()
                    && !moves(&crash.1)
                    && !reported.contains(crash)
            });
            if missing.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "the hook has not heard of {missing:?}");
            pause(Duration::from_millis(50));
        }
    }
}

/// Those whose reports are in a directory. What was cut short is none.
fn crashes(dir: &Path) -> BTreeSet<Crash> {
    let report = |path: &Path| -> Option<Crash> {
        let report: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
        let name = report["processName"].as_str()?.to_owned();
        Some((report["tmo"]["run"].as_str()?.to_owned(), name, report["tmo"]["life"].as_u64()?))
    };
    let all = std::fs::read_dir(dir).into_iter().flatten().flatten();
    all.filter_map(|entry| report(&entry.path())).collect()
}
