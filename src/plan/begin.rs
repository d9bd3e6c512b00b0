//! Which processes begin where only some are asked for.

use crate::model::plan::{Plan, ProcessPlan};
use crate::model::rules::Stage;

/// Let only those begin that are named, and all that they wait for: what they depend on, and the
/// processes of phase dependency where one of phase main is named. Those of phase cleanup have
/// their turn as they would have it anyway.
pub fn begin_with(plan: &mut Plan, named: impl Fn(&ProcessPlan) -> bool) {
    let processes = &plan.processes;
    let mut begin: Vec<bool> = processes.iter().map(named).collect();
    let main = (0..begin.len()).any(|at| begin[at] && processes[at].rules.stage == Stage::Main);
    for (at, process) in processes.iter().enumerate() {
        begin[at] |= main && process.rules.stage == Stage::Dependency && !process.waits;
    }
    // As often as a chain can be long, at most.
    for _ in 0..begin.len() {
        let mut more = false;
        for (at, process) in processes.iter().enumerate() {
            if !begin[at] {
                continue;
            }
            for need in &process.rules.needs {
                let on = processes.iter().position(|process| process.name == need.on);
                if let Some(on) = on.filter(|on| !begin[*on]) {
                    begin[on] = true;
                    more = true;
                }
            }
        }
        if !more {
            break;
        }
    }
    for (process, begins) in plan.processes.iter_mut().zip(begin) {
        if process.rules.stage != Stage::Cleanup || begins {
            process.waits = !begins;
        }
    }
}
