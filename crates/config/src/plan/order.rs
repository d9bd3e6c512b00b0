//! The order in which a run starts, and what each process waits for.

use std::collections::{HashMap, HashSet};

use crate::model::ProcName;
use crate::model::limits::WAITS;
use crate::model::plan::rules::{Check, DependencyCondition, Need, Stage};
use crate::model::plan::{Plan, ProcessPlan};

/// One process in the order of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedProcess {
    pub name: ProcName,
    /// Its phase.
    pub stage: Stage,
    /// When it starts.
    pub turn: OrderPosition,
    /// What it waits for: first its `depends_on`, then its phase, of which only some processes are listed.
    pub waits: Vec<Wait>,
    /// How many more processes it waits for because of its phase.
    pub more: usize,
    /// The checks that make it ready; if empty, it is ready once it runs.
    pub ready: Vec<Check>,
}

/// When a process starts. Those with the same number may start together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderPosition {
    /// When the run starts; the first ones have number 0.
    Start(usize),
    /// When the run ends, after the main processes.
    End(usize),
    /// On request.
    Asked,
}

/// What a process waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The awaited process.
    pub on: ProcName,
    /// The condition that it must have met.
    pub until: DependencyCondition,
    /// Not configured, but implied by the phases of the two.
    pub by_stage: bool,
    /// Redundant: another process that it waits for waits for the same.
    pub implied: bool,
    /// Whether it is restarted when the awaited process is restarted.
    pub restart: bool,
}

/// The processes in the order of the plan, each with its place in the start order.
pub fn order(plan: &Plan) -> Vec<OrderedProcess> {
    let graph = Graph::new(plan);
    let begins = beginning(plan, &graph);
    let levels = levels(plan, &graph);
    let step = |(at, process): (usize, &ProcessPlan)| {
        let turn = match process.rules.stage {
            Stage::Cleanup => OrderPosition::End(levels[at]),
            Stage::Dependency | Stage::Main if begins[at] => OrderPosition::Start(levels[at]),
            Stage::Dependency | Stage::Main => OrderPosition::Asked,
        };
        let (stage, ready) = (process.rules.stage, process.rules.ready.clone());
        let (waits, more) = waits_of(plan, &graph, at);
        OrderedProcess { name: process.name.clone(), stage, turn, waits, more, ready }
    };
    plan.processes.iter().enumerate().map(step).collect()
}

/// The dependency graph of a plan. Every main process waits for every process of phase dependency: to keep
/// the graph small, one node after those of the processes stands for the whole phase.
struct Graph {
    /// The `depends_on` of each process: index of the other process, and the condition it must meet.
    said: Vec<Vec<(usize, DependencyCondition)>>,
    /// The processes of phase dependency.
    dependencies: Vec<usize>,
    is_main: Vec<bool>,
}

impl Graph {
    fn new(plan: &Plan) -> Self {
        let places: HashMap<&ProcName, usize> =
            plan.processes.iter().enumerate().map(|(at, process)| (&process.name, at)).collect();
        let said = |(at, process): (usize, &ProcessPlan)| {
            let place = |need: &Need| Some((*places.get(&need.on)?, need.until));
            let needs = process.rules.needs.iter().filter_map(place);
            needs.filter(|(on, _)| *on != at).collect()
        };
        let stages = || plan.processes.iter().map(|process| process.rules.stage);
        let dependencies = stages().enumerate().filter(|(_, stage)| *stage == Stage::Dependency);
        Self {
            said: plan.processes.iter().enumerate().map(said).collect(),
            dependencies: dependencies.map(|(at, _)| at).collect(),
            is_main: stages().map(|stage| stage == Stage::Main).collect(),
        }
    }

    /// The node that stands for the whole dependency phase.
    const fn all_dependencies(&self) -> usize {
        self.said.len()
    }

    /// The nodes that a node waits for.
    fn waits(&self, at: usize) -> Vec<usize> {
        let Some(said) = self.said.get(at) else { return self.dependencies.clone() };
        let by_stage = self.is_main[at].then(|| self.all_dependencies());
        said.iter().map(|(on, _)| *on).chain(by_stage).collect()
    }
}

/// What a process waits for: its `depends_on` and, for a main process, the whole dependency phase; and how
/// many of the latter are omitted from the list.
fn waits_of(plan: &Plan, graph: &Graph, at: usize) -> (Vec<Wait>, usize) {
    let name = |on: usize| plan.processes[on].name.clone();
    let said = &graph.said[at];
    let needs = &plan.processes[at].rules.needs;
    let wait = |&(on, until): &(usize, DependencyCondition)| {
        let on = name(on);
        let restart = needs.iter().any(|need| need.on == on && need.restart);
        Wait { on, until, by_stage: false, implied: false, restart }
    };
    let mut waits: Vec<Wait> = said.iter().map(wait).collect();
    if !graph.is_main[at] {
        return (waits, 0);
    }
    let implied = said.iter().any(|(on, _)| graph.is_main[*on]);
    let known: HashSet<usize> = said.iter().map(|(on, _)| *on).collect();
    let mut by_stage = graph.dependencies.iter().filter(|on| !known.contains(on));
    let named = by_stage.by_ref().take(WAITS).map(|on| Wait {
        on: name(*on),
        until: DependencyCondition::Ready,
        by_stage: true,
        implied,
        restart: false,
    });
    waits.extend(named);
    (waits, by_stage.count())
}

/// Which processes start with the run. Includes on-demand processes that one of these needs.
fn beginning(plan: &Plan, graph: &Graph) -> Vec<bool> {
    let begins = |at: &usize| {
        let process = &plan.processes[*at];
        !process.waits && process.rules.stage != Stage::Cleanup
    };
    let mut open: Vec<usize> = (0..plan.processes.len()).filter(begins).collect();
    let mut found = vec![false; plan.processes.len() + 1];
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut found[at], true) {
            open.extend(graph.waits(at));
        }
    }
    found
}

/// How many turns precede that of each process. Cleanup counts separately: by then all other processes have
/// ended, or have been running since the start.
fn levels(plan: &Plan, graph: &Graph) -> Vec<usize> {
    let all = graph.all_dependencies();
    let cleanup = |at: usize| {
        plan.processes.get(at).is_some_and(|process| process.rules.stage == Stage::Cleanup)
    };
    // For each node: how many it still waits for, and which nodes wait for it.
    let mut open = vec![0_usize; all + 1];
    let mut waiting: Vec<Vec<usize>> = vec![vec![]; all + 1];
    for (at, open) in open.iter_mut().enumerate() {
        for on in graph.waits(at).into_iter().filter(|on| cleanup(*on) == cleanup(at)) {
            *open += 1;
            waiting[on].push(at);
        }
    }
    let mut levels = vec![0; all + 1];
    // Processes of a cycle would never appear here, but cycles are rejected when the plan is made.
    let mut next: Vec<usize> = (0..=all).filter(|at| open[*at] == 0).collect();
    while let Some(on) = next.pop() {
        for &at in &waiting[on] {
            // The node of the phase is not a process, so it does not count as a level.
            levels[at] = levels[at].max(levels[on] + usize::from(on != all));
            open[at] -= 1;
            if open[at] == 0 {
                next.push(at);
            }
        }
    }
    levels
}
