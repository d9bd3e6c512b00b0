//! Checks the dependencies between processes, and that they have no cycle.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::problem::Diagnostics;
use super::{DependencyEntry, TmoToml, or_nearest};
use crate::config::procfile::ProcfileEntry;
use crate::model::plan::OnExit;
use crate::model::plan::rules::{DependencyCondition, Restart, Stage};

/// A dependency of one process on another.
struct Edge {
    from: usize,
    to: usize,
    at: Range<usize>,
}

/// Check all dependencies.
pub(super) fn check(toml: &TmoToml, entries: &[ProcfileEntry], mistakes: &Diagnostics) {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let places: HashMap<&str, usize> =
        names.iter().enumerate().map(|(place, name)| (*name, place)).collect();
    let stage = |name: &&str| toml.first(name, |table| &table.phase).copied().unwrap_or_default();
    let stages: Vec<Stage> = names.iter().map(stage).collect();
    let mut edges = vec![];
    for (name, table) in &toml.processes {
        let from = places.get(name.get_ref().as_str()).copied();
        for dependency in &table.depends_on {
            let (DependencyEntry { on, until, .. }, at) = (dependency.get_ref(), dependency.span());
            let Some(&to) = places.get(on.as_str()) else {
                mistakes.add_with(at, |suggests| unknown(on, &names, suggests));
                continue;
            };
            let Some(from) = from else { continue };
            if from == to {
                mistakes.add(at, format!("`{on}` can't wait for itself; leave it out"));
                continue;
            }
            if *until == DependencyCondition::Completed && never_ends(toml, on) {
                let text = format!(
                    "`{on}` is started again after each end, so it never completes; \
                                    wait until it is \"ready\""
                );
                mistakes.add(at.clone(), text);
            }
            if let Some(text) = out_of_turn(name.get_ref(), stages[from], on, stages[to]) {
                mistakes.add(at.clone(), text);
            }
            edges.push(Edge { from, to, at });
        }
    }
    rings(&names, edges, mistakes);
}

fn unknown(on: &str, names: &[&str], suggests: bool) -> String {
    if let Some((entry, _)) = on.split_once('#')
        && names.contains(&entry)
    {
        return format!("`{on}` is one instance; `{entry}` means all of them");
    }
    if !suggests {
        return format!("there is no process `{on}`");
    }
    format!("there is no process `{on}`; {}", or_nearest(on, names))
}

fn never_ends(toml: &TmoToml, name: &str) -> bool {
    let policy = toml.first(name, |table| &table.restart.policy);
    let end = toml.first(name, |table| &table.on_exit);
    policy == Some(&Restart::Always) || end == Some(&OnExit::Restart)
}

/// Why a process can't depend on another one because of the order of their phases.
fn out_of_turn(name: &str, own: Stage, on: &str, other: Stage) -> Option<String> {
    match (own, other) {
        (Stage::Dependency, Stage::Main) => Some(format!(
            "`{name}` is of phase dependency and comes before `{on}`, which is of phase main; \
             give both the same phase"
        )),
        (Stage::Dependency | Stage::Main, Stage::Cleanup) => {
            Some(format!("`{on}` is of phase cleanup and runs only when `{name}` has ended"))
        }
        (Stage::Cleanup, Stage::Main) => Some(format!(
            "`{name}` is of phase cleanup and runs only when `{on}` has ended; leave it out"
        )),
        _ => None,
    }
}

/// Report each dependency cycle.
fn rings(names: &[&str], mut edges: Vec<Edge>, mistakes: &Diagnostics) {
    loop {
        edges = within_rings(names.len(), edges);
        let Some(first) = edges.first().filter(|_| !mistakes.is_full()) else { return };
        // Every process left depends on one that is left, so this path closes a cycle.
        let mut path = vec![first.from];
        let ring = loop {
            let at = path[path.len() - 1];
            let Some(edge) = edges.iter().find(|edge| edge.from == at) else { return };
            if let Some(start) = path.iter().position(|known| *known == edge.to) {
                break path.split_off(start);
            }
            path.push(edge.to);
        };
        report_cycle(names, &ring, &edges, mistakes);
        edges.retain(|edge| !ring.contains(&edge.from));
    }
}

/// The edges without those to a process that depends on none, or only on such processes.
fn within_rings(processes: usize, edges: Vec<Edge>) -> Vec<Edge> {
    let (mut open, mut waiting) = (vec![0_usize; processes], vec![vec![]; processes]);
    for edge in &edges {
        open[edge.from] += 1;
        waiting[edge.to].push(edge.from);
    }
    let mut free: Vec<usize> = (0..processes).filter(|&at| open[at] == 0).collect();
    while let Some(at) = free.pop() {
        for &from in &waiting[at] {
            open[from] -= 1;
            if open[from] == 0 {
                free.push(from);
            }
        }
    }
    edges.into_iter().filter(|edge| open[edge.to] > 0).collect()
}

fn report_cycle(names: &[&str], ring: &[usize], edges: &[Edge], mistakes: &Diagnostics) {
    /// How many processes of a cycle are listed.
    const MOST: usize = 20;
    let on_ring: HashSet<usize> = ring.iter().copied().collect();
    let of_ring = |edge: &&Edge| on_ring.contains(&edge.from) && on_ring.contains(&edge.to);
    let Some(at) = edges.iter().filter(of_ring).min_by_key(|edge| edge.at.start) else { return };
    // Print the cycle from the place that the message points at.
    let start = ring.iter().position(|name| *name == at.from).unwrap_or_default();
    let from_there = ring[start..].iter().chain(&ring[..start]).chain([&at.from]);
    let mut names_shown: Vec<String> =
        from_there.map(|name| format!("`{}`", names[*name])).collect();
    if names_shown.len() > MOST {
        // A cycle ends with its first process.
        names_shown.splice(MOST / 2..names_shown.len() - MOST / 2, ["…".to_owned()]);
    }
    let text = format!("these wait for each other: {}; take one out", names_shown.join(" → "));
    mistakes.add(at.at.clone(), text);
}
