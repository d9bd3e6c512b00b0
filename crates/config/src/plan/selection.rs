//! Which processes start with the run if only some are requested, and what of the others is started later.

use std::collections::HashMap;

use crate::model::ProcName;
use crate::model::plan::rules::Stage;
use crate::model::plan::{Plan, ProcessPlan};

/// Start only the named processes and those they wait for: their dependencies, and the processes of phase
/// dependency if one of phase main is named; with `--no-deps`, only the named ones. The others are left out, except
/// processes of phase cleanup, which run at the end as usual, and those that start only on request anyway. A preview
/// still lists what is left out.
pub fn begin_with(plan: &mut Plan, is_preview: bool, named: impl Fn(&ProcessPlan) -> bool) {
    let processes = &plan.processes;
    let mut begin: Vec<bool> = processes.iter().map(named).collect();
    let main = (0..begin.len()).any(|at| begin[at] && processes[at].rules.stage == Stage::Main);
    for (at, process) in processes.iter().enumerate() {
        begin[at] |=
            main && !plan.no_deps && process.rules.stage == Stage::Dependency && !process.waits;
    }
    if !plan.no_deps {
        add_needs(processes, &mut begin);
    }
    for (mut process, begins) in std::mem::take(&mut plan.processes).into_iter().zip(begin) {
        let is_left_out = !begins && !process.waits && process.rules.stage != Stage::Cleanup;
        process.waits = is_left_out || process.waits && !begins;
        let is_apart = is_left_out && !is_preview;
        let to = if is_apart { &mut plan.left_out } else { &mut plan.processes };
        to.push(process);
    }
}

/// The plan in which what these words name of the processes that were left out is part of the run; with `needs`, also
/// what these depend on. They don't begin by that. `None` if the words name none of them: a `*` does not.
pub fn take_in(plan: &Plan, words: &[String], needs: bool) -> Option<Plan> {
    let words = || words.iter().flat_map(|word| word.split(',')).filter(|word| !is_all(word));
    let is_named = |process: &ProcessPlan| words().any(|word| process.is_meant(word));
    let mut named: Vec<bool> = plan.left_out.iter().map(is_named).collect();
    if !named.contains(&true) {
        return None;
    }
    if needs {
        add_needs(&plan.left_out, &mut named);
    }
    let mut plan = plan.clone();
    for (process, is_named) in std::mem::take(&mut plan.left_out).into_iter().zip(named) {
        if !is_named {
            plan.left_out.push(process);
            continue;
        }
        match plan.processes.iter_mut().find(|old| old.name == process.name) {
            // One that a reload has removed still has its place.
            Some(old) => {
                let ProcessPlan { color, additions, revision, own_revision, .. } = *old;
                let additions = additions.saturating_add(1);
                *old = ProcessPlan { color, additions, revision, own_revision, ..process };
            }
            None => plan.processes.push(ProcessPlan { additions: 1, ..process }),
        }
    }
    plan.generation = plan.generation.saturating_add(1);
    Some(plan)
}

/// The plan in which the actions that these words name, and that are not running, are part of the run as they are defined
/// now; with `needs`, so is what was left out and they depend on. None of them begins by that. `None` if nothing changes.
pub fn take_in_actions(
    plan: &Plan,
    words: &[String],
    needs: bool,
    runs: impl Fn(&ProcName) -> bool,
) -> Option<Plan> {
    let is_named = |process: &&ProcessPlan| process.name.is_one_of(words) && !runs(&process.name);
    let named: Vec<_> = plan.actions.iter().filter(is_named).collect();
    let needed = named.iter().flat_map(|action| &action.rules.needs);
    let needed: Vec<_> = needed.map(|need| format!("={}", need.on)).collect();
    let mut taken =
        if needs { take_in(plan, &needed, true) } else { None }.unwrap_or_else(|| plan.clone());
    for action in named {
        match taken.processes.iter_mut().find(|old| old.name == action.name) {
            Some(old) => {
                let ProcessPlan { color, additions, revision, own_revision, removed, .. } = *old;
                let additions = additions.saturating_add(u32::from(removed));
                *old = ProcessPlan { color, additions, revision, own_revision, ..action.clone() };
            }
            None => taken.processes.push(ProcessPlan { additions: 1, ..action.clone() }),
        }
    }
    (taken != *plan).then(|| {
        taken.generation = plan.generation.saturating_add(1);
        taken
    })
}

/// Whether a word means all processes, or nothing.
fn is_all(word: &str) -> bool {
    word.chars().all(|c| c == '*')
}

/// Choose also what the chosen ones depend on, directly or through others.
fn add_needs(processes: &[ProcessPlan], chosen: &mut [bool]) {
    let places: HashMap<&ProcName, usize> =
        processes.iter().enumerate().map(|(at, process)| (&process.name, at)).collect();
    let mut open: Vec<usize> = (0..chosen.len()).filter(|at| chosen[*at]).collect();
    while let Some(at) = open.pop() {
        let needs = processes[at].rules.needs.iter();
        for on in needs.filter_map(|need| places.get(&need.on).copied()) {
            if !std::mem::replace(&mut chosen[on], true) {
                open.push(on);
            }
        }
    }
}
