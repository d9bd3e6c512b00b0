//! The order in which a run starts, and what each process waits for.

use std::collections::HashMap;

use crate::model::ProcName;
use crate::model::plan::Plan;
use crate::model::rules::{Check, Milestone, Stage};

/// One process in the order of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: ProcName,
    /// Its phase.
    pub stage: Stage,
    /// When it has its turn.
    pub turn: Turn,
    /// What it waits for, as it is said first.
    pub waits: Vec<Wait>,
    /// What makes it ready; nothing means that it is ready once it runs.
    pub ready: Vec<Check>,
}

/// When a process has its turn. Those of one number may begin together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// When the run starts; the first ones are of number 0.
    Start(usize),
    /// When the run ends, after the main processes.
    End(usize),
    /// When somebody asks for it.
    Asked,
}

/// What a process waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Whom.
    pub on: ProcName,
    /// How far that one must have come.
    pub until: Milestone,
    /// Nobody has said so but the phases of the two.
    pub by_stage: bool,
    /// It waits for another one that waits for the same.
    pub implied: bool,
}

/// The processes in the order of the plan, each with its turn.
pub fn order(plan: &Plan) -> Vec<Step> {
    let names: HashMap<&ProcName, usize> =
        plan.processes.iter().enumerate().map(|(at, process)| (&process.name, at)).collect();
    let waits: Vec<Vec<Wait>> =
        (0..plan.processes.len()).map(|at| waits_of(plan, &names, at)).collect();
    let places =
        |waits: &Vec<Wait>| waits.iter().filter_map(|wait| names.get(&wait.on).copied()).collect();
    let on: Vec<Vec<usize>> = waits.iter().map(places).collect();
    let begins = beginning(plan, &on);
    let levels = levels(plan, &on);
    let step = |(at, waits): (usize, Vec<Wait>)| {
        let process = &plan.processes[at];
        let turn = match process.rules.stage {
            Stage::Cleanup => Turn::End(levels[at]),
            Stage::Dependency | Stage::Main if begins[at] => Turn::Start(levels[at]),
            Stage::Dependency | Stage::Main => Turn::Asked,
        };
        let (stage, ready) = (process.rules.stage, process.rules.ready.clone());
        Step { name: process.name.clone(), stage, turn, waits, ready }
    };
    waits.into_iter().enumerate().map(step).collect()
}

/// What is said of it, and for a main process that all dependencies are ready.
fn waits_of(plan: &Plan, names: &HashMap<&ProcName, usize>, at: usize) -> Vec<Wait> {
    let process = &plan.processes[at];
    let find = |name: &ProcName| names.get(name).map(|at| &plan.processes[*at]);
    let mut waits = vec![];
    let mut after_main = false;
    for need in &process.rules.needs {
        let Some(other) = find(&need.on).filter(|other| other.name != process.name) else {
            continue;
        };
        after_main |= other.rules.stage == Stage::Main;
        let (on, until) = (need.on.clone(), need.until);
        waits.push(Wait { on, until, by_stage: false, implied: false });
    }
    if process.rules.stage == Stage::Main {
        for other in &plan.processes {
            let known = waits.iter().any(|wait: &Wait| wait.on == other.name);
            if other.rules.stage == Stage::Dependency && !known {
                let (on, until) = (other.name.clone(), Milestone::Ready);
                waits.push(Wait { on, until, by_stage: true, implied: after_main });
            }
        }
    }
    waits
}

/// Which begin when the run starts: also those that wait to be asked for, if one that begins
/// needs them.
fn beginning(plan: &Plan, on: &[Vec<usize>]) -> Vec<bool> {
    let begins = |at: &usize| {
        let process = &plan.processes[*at];
        !process.waits && process.rules.stage != Stage::Cleanup
    };
    let mut open: Vec<usize> = (0..on.len()).filter(begins).collect();
    let mut found = vec![false; on.len()];
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut found[at], true) {
            open.extend(&on[at]);
        }
    }
    found
}

/// How many turns come before that of each. Cleanup counts for itself: all others have ended, or
/// are there since the start.
fn levels(plan: &Plan, on: &[Vec<usize>]) -> Vec<usize> {
    let cleanup = |at: usize| plan.processes[at].rules.stage == Stage::Cleanup;
    let mut levels = vec![0; on.len()];
    // No chain is longer than there are processes; rings are refused when the plan is made.
    for _ in 0..on.len() {
        let mut changed = false;
        for at in 0..on.len() {
            let before = on[at].iter().filter(|&&other| cleanup(other) == cleanup(at));
            let level = before.map(|&other| levels[other] + 1).max().unwrap_or(0);
            changed |= std::mem::replace(&mut levels[at], level) != level;
        }
        if !changed {
            break;
        }
    }
    levels
}
