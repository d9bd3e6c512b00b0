//! Check: the crash hook has run for each crash report.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chaos::context::{Context, deadline};
use crate::harness::pause;

/// A life that has crashed, by its run, its process and its number.
type Crash = (String, String, u64);

impl Context<'_> {
    /// The hook has run for each crash report of this run, despite kills. Processes that crash forever are
    /// left out: there is always a newer crash.
    pub(crate) fn check_crash_hooks(&self, state: &Value) {
        let moves =
            |name: &str| self.config.entry(name).is_some_and(|e| self.config.restarts_forever(e));
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

/// The crashes whose reports are in a directory, without incomplete reports.
fn crashes(dir: &Path) -> BTreeSet<Crash> {
    let report = |path: &Path| -> Option<Crash> {
        let report: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
        let name = report["processName"].as_str()?.to_owned();
        Some((report["tmo"]["run"].as_str()?.to_owned(), name, report["tmo"]["life"].as_u64()?))
    };
    let all = std::fs::read_dir(dir).into_iter().flatten().flatten();
    all.filter_map(|entry| report(&entry.path())).collect()
}
