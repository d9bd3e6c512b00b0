//! Which processes start with the run if only some are requested.

use std::collections::HashMap;

use crate::model::ProcName;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::rules::Stage;

/// Start only the named processes and those they wait for: their dependencies, and the processes of phase
/// dependency if one of phase main is named; with `--no-deps`, only the named ones. Processes of phase cleanup run at the end as usual.
pub fn begin_with(plan: &mut Plan, named: impl Fn(&ProcessPlan) -> bool) {
    let processes = &plan.processes;
    let mut begin: Vec<bool> = processes.iter().map(named).collect();
    let main = (0..begin.len()).any(|at| begin[at] && processes[at].rules.stage == Stage::Main);
    for (at, process) in processes.iter().enumerate() {
        begin[at] |=
            main && !plan.no_deps && process.rules.stage == Stage::Dependency && !process.waits;
    }
    let places: HashMap<&ProcName, usize> =
        processes.iter().enumerate().map(|(at, process)| (&process.name, at)).collect();
    let mut open: Vec<usize> = (0..begin.len()).filter(|at| begin[*at] && !plan.no_deps).collect();
    while let Some(at) = open.pop() {
        let needs = processes[at].rules.needs.iter();
        for on in needs.filter_map(|need| places.get(&need.on).copied()) {
            if !std::mem::replace(&mut begin[on], true) {
                open.push(on);
            }
        }
    }
    for (process, begins) in plan.processes.iter_mut().zip(begin) {
        if process.rules.stage != Stage::Cleanup || begins {
            process.waits = !begins;
        }
    }
}
