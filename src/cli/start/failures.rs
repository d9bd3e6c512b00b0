//! Reports processes that a start has skipped, and what has failed beside them.

use std::collections::HashSet;

use crate::cli::reach::instance::Instance;
use crate::cli::{output, runtime};
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::rules::Stage;
use crate::model::state::ProcessState;
use crate::model::{Exit, ProcessStatus};

/// Report processes that were skipped at the start of this run, which is a failure; returns an exit code.
pub(in crate::cli) fn skipped(instance: &Instance, plan: &Plan) -> u8 {
    let waits = |process: &ProcessPlan| {
        process.rules.stage == Stage::Dependency || !process.rules.needs.is_empty()
    };
    if !plan.processes.iter().any(waits) {
        return 0;
    }
    // If the run is already over, that is reported elsewhere.
    let Ok(state) = runtime::block_on(instance.state()) else { return 0 };
    let flags = instance.flags();
    let mut code = 0;
    for process in state.processes.iter().filter(|process| process.state == ProcessStatus::Skipped)
    {
        let reason = process.reason.clone().unwrap_or_else(|| "skipped".into());
        let name = &process.name;
        output::warn(&format!("{name}: {reason}; `tmo why {name}{flags}` tells more"));
        code = 1;
    }
    if code != 0 {
        // What has failed beside them; the reasons above name what they depend on.
        let depended: HashSet<_> = plan
            .processes
            .iter()
            .flat_map(|process| &process.rules.needs)
            .map(|need| &need.on)
            .collect();
        for ProcessState { name, state, ends, .. } in &state.processes {
            let is_over = matches!(state, ProcessStatus::Exited | ProcessStatus::Broken);
            let failed =
                ends.exit.filter(|exit| is_over && !ends.finished && *exit != Exit::Code(0));
            if let Some(exit) = failed.filter(|_| !depended.contains(name)) {
                output::warn(&format!(
                    "{name} has ended ({exit}); `tmo why {name}{flags}` tells more"
                ));
            }
        }
        let alive = state.processes.iter().filter(|process| process.pid.is_some());
        let names: Vec<_> = alive.map(|process| process.name.as_str()).collect();
        if !names.is_empty() {
            let runs = if names.len() == 1 { "goes" } else { "go" };
            let names = names.join(", ");
            let rest = format!("{runs} on in the background; `tmo quit{flags}` ends the run");
            output::warn(&format!("{names} {rest}"));
        }
    }
    code
}
