//! Who waits for whom, and whether that can come to an end.

use std::ops::Range;

use super::problem::Mistakes;
use super::{TmoToml, or_nearest};
use crate::config::procfile::Entry;
use crate::model::plan::OnExit;
use crate::model::rules::{Milestone, Restart, Stage};

/// One process that waits for another one.
struct Edge {
    from: usize,
    to: usize,
    at: Range<usize>,
}

impl TmoToml {
    /// Whether some process waits until this one has ended.
    pub fn is_to_complete(&self, name: &str) -> bool {
        let all = self.processes.iter().flat_map(|(_, table)| &table.depends_on);
        let mut of_it = all.filter(|dependency| dependency.on.get_ref() == name);
        of_it.any(|dependency| dependency.until == Milestone::Completed)
    }
}

/// Look at all that is said of who waits for whom.
pub(super) fn check(toml: &TmoToml, entries: &[Entry], mistakes: &mut Mistakes) {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let mut edges = vec![];
    for (name, table) in &toml.processes {
        let from = names.iter().position(|known| known == name.get_ref());
        for dependency in &table.depends_on {
            let (on, at) = (dependency.on.get_ref(), dependency.on.span());
            let Some(to) = names.iter().position(|known| known == on) else {
                let unknown = unknown(on, &names);
                mistakes.add(at, unknown);
                continue;
            };
            let Some(from) = from else { continue };
            if from == to {
                mistakes.add(at, format!("`{on}` can't wait for itself; leave it out"));
                continue;
            }
            if dependency.until == Milestone::Completed && never_ends(toml, on) {
                let text = format!(
                    "`{on}` is started again after each end, so it never completes; \
                                    wait until it is \"ready\""
                );
                mistakes.add(at.clone(), text);
            }
            turns(toml, (name.get_ref(), on), at.clone(), mistakes);
            edges.push(Edge { from, to, at });
        }
    }
    rings(&names, edges, mistakes);
}

fn unknown(on: &str, names: &[&str]) -> String {
    if let Some((entry, _)) = on.split_once('#')
        && names.contains(&entry)
    {
        return format!("`{on}` is one instance; `{entry}` means all of them");
    }
    format!("there is no process `{on}`; {}", or_nearest(on, names))
}

fn never_ends(toml: &TmoToml, name: &str) -> bool {
    let table = toml.of(name);
    let always = table.restart.policy.is_some_and(|policy| *policy.get_ref() == Restart::Always);
    always || table.on_exit.is_some_and(|end| *end.get_ref() == OnExit::Restart)
}

/// Whether the other one has had its turn by then.
fn turns(toml: &TmoToml, (name, on): (&str, &str), at: Range<usize>, mistakes: &mut Mistakes) {
    let (own, other) = (toml.of(name).stage(), toml.of(on).stage());
    let text = match (own, other) {
        (Stage::Dependency, Stage::Main) => format!(
            "`{name}` is of phase dependency and comes before `{on}`, which is of phase main; \
             give both the same phase"
        ),
        (Stage::Dependency | Stage::Main, Stage::Cleanup) => {
            format!("`{on}` is of phase cleanup and runs only when `{name}` has ended")
        }
        (Stage::Cleanup, Stage::Main) => {
            format!(
                "`{name}` is of phase cleanup and runs only when `{on}` has ended; leave it out"
            )
        }
        (Stage::Dependency | Stage::Cleanup, Stage::Dependency)
        | (Stage::Main, Stage::Dependency | Stage::Main)
        | (Stage::Cleanup, Stage::Cleanup) => return,
    };
    mistakes.add(at, text);
}

/// Tell of each ring of processes that wait for each other.
fn rings(names: &[&str], mut edges: Vec<Edge>, mistakes: &mut Mistakes) {
    loop {
        // Who waits for nobody is in no ring, nor is who waits for such ones only.
        loop {
            let mut waits = vec![false; names.len()];
            for edge in &edges {
                waits[edge.from] = true;
            }
            let before = edges.len();
            edges.retain(|edge| waits[edge.to]);
            if edges.len() == before {
                break;
            }
        }
        let Some(first) = edges.first() else { return };
        // All that are left wait for one that is left, so this comes round.
        let mut path = vec![first.from];
        let ring = loop {
            let at = path[path.len() - 1];
            let Some(edge) = edges.iter().find(|edge| edge.from == at) else { return };
            if let Some(start) = path.iter().position(|known| *known == edge.to) {
                break path.split_off(start);
            }
            path.push(edge.to);
        };
        tell(names, &ring, &edges, mistakes);
        edges.retain(|edge| !ring.contains(&edge.from));
    }
}

fn tell(names: &[&str], ring: &[usize], edges: &[Edge], mistakes: &mut Mistakes) {
    let of_ring = |edge: &&Edge| ring.contains(&edge.from) && ring.contains(&edge.to);
    let Some(at) = edges.iter().filter(of_ring).min_by_key(|edge| edge.at.start) else { return };
    // The ring is told from the place that is pointed at.
    let start = ring.iter().position(|name| *name == at.from).unwrap_or_default();
    let from_there = ring[start..].iter().chain(&ring[..start]).chain([&at.from]);
    let told: Vec<String> = from_there.map(|name| format!("`{}`", names[*name])).collect();
    let text = format!("these wait for each other: {}; take one out", told.join(" → "));
    mistakes.add(at.at.clone(), text);
}
