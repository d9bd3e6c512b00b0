//! The list of runs, as pages get it.

use std::io;
use std::sync::Arc;

use serde::Serialize;

use super::grant::Scope;
use super::source::Runs;
use crate::model::untrusted::cleaned;
use crate::runs::{KnownRun, Standing};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RunEntry {
    id: String,
    title: String,
    state: &'static str,
    root: Option<String>,
    processes: usize,
    /// Whether pages show what its processes use.
    metrics: bool,
    /// Nanoseconds since the epoch.
    started: Option<u64>,
}

impl RunEntry {
    fn of(known: &KnownRun) -> Self {
        let plan = known.plan.as_ref();
        Self {
            id: known.id.clone(),
            title: cleaned(&known.title()),
            state: match known.standing {
                Standing::Held => "running",
                Standing::Abandoned => "abandoned",
                Standing::Over => "over",
            },
            root: known.root().map(|root| cleaned(&root.display().to_string())),
            processes: plan.map_or(0, |plan| plan.present().count()),
            metrics: known.is_sampled(),
            started: plan.map(|plan| plan.started.nanos()),
        }
    }
}

/// The runs that may be seen, those that run first.
pub(super) async fn list(runs: &Arc<Runs>, scope: &Scope) -> io::Result<Vec<RunEntry>> {
    let mut all = runs.list().await?;
    all.retain(|known| scope.has_run(&known.id));
    Ok(entries(&all, scope))
}

/// The entries of these runs, those that run first.
pub(super) fn entries(all: &[KnownRun], scope: &Scope) -> Vec<RunEntry> {
    let mut all: Vec<_> = all.iter().collect();
    let started = |known: &KnownRun| known.plan.as_ref().map(|plan| plan.started);
    all.sort_by_key(|known| (known.standing == Standing::Over, started(known), known.title()));
    let mut entries: Vec<_> = all.into_iter().map(RunEntry::of).collect();
    if let Some(names) = scope.names() {
        for entry in &mut entries {
            (entry.root, entry.processes) = (None, names.len());
        }
    }
    entries
}
