//! What processes use, sampled by the program that shows it.
//!
//! A sample costs some file reads per process, so the supervisor takes none: `tmo ps` takes one, `tmo top` one
//! each second for as long as it runs.

pub mod series;

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::model::request::ProcessState;
use crate::model::{LifeId, ProcName};
use crate::sys::{self, Usage};

/// What a process and everything it has started use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tree {
    /// CPU time and resident memory.
    pub usage: Usage,
    /// Its share of memory: memory that several processes share is divided among them. `None` if the system
    /// does not tell.
    pub share: Option<u64>,
    /// Number of processes.
    pub processes: u32,
    /// Number of threads.
    pub threads: u32,
    /// Number of open file descriptors. `None` if the system does not tell.
    pub files: Option<u32>,
}

impl Tree {
    /// The tree of this main process: all descendants of its parent, the shim, which also adopts its orphans.
    /// `in_full`: also what takes long to find out, memory shares and open files.
    pub fn of(main: u32, in_full: bool) -> Option<Self> {
        let shim = sys::info(main)?.ppid;
        let mut tree = Self::default();
        for process in sys::descendants(shim) {
            tree.processes += 1;
            tree.threads += process.threads;
            // A process that has just ended uses nothing any more.
            tree.usage += sys::usage(process.pid).unwrap_or_default();
            if in_full {
                tree.share = sum(tree.share, sys::memory_share(process.pid));
                tree.files = sum(tree.files, sys::open_files(process.pid));
            }
        }
        Some(tree)
    }
}

/// The sum, in which one `None` counts as zero; `None` if both are.
fn sum<T: std::ops::Add<Output = T> + Default>(a: Option<T>, b: Option<T>) -> Option<T> {
    if a.is_none() && b.is_none() {
        None
    } else {
        Some(a.unwrap_or_default() + b.unwrap_or_default())
    }
}

/// What one process used in the time between two samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// The process.
    pub name: ProcName,
    /// Its process id.
    pub pid: u32,
    /// CPU time as a percentage of one processor; `None` in the first sample of a life.
    pub cpu_percent: Option<f64>,
    /// CPU time of its present life in seconds.
    pub cpu_seconds: f64,
    /// Memory in bytes: its share (PSS) where the system tells, otherwise resident memory.
    pub memory_bytes: u64,
    /// Number of processes.
    pub processes: u32,
    /// Number of threads.
    pub threads: u32,
    /// Number of open file descriptors.
    pub files: Option<u32>,
    /// Output in bytes per second; `None` in the first sample.
    pub output_bytes_per_second: Option<f64>,
}

/// Takes samples.
#[derive(Debug, Default)]
pub struct Sampler {
    last: HashMap<ProcName, Last>,
}

/// What the previous sample of a process found.
#[derive(Debug, Clone, Copy)]
struct Last {
    at: Duration,
    life: Option<LifeId>,
    cpu: Duration,
    output: u64,
}

impl Sampler {
    /// A sample of the running processes. `now` is the time on a monotonic clock.
    pub fn sample(&mut self, processes: &[ProcessState], now: Duration) -> Vec<Figures> {
        let trees = processes.iter().filter_map(|process| {
            let pid = process.pid?;
            Some((process, pid, Tree::of(pid, true)?))
        });
        let trees: Vec<_> = trees.collect();
        let names: Vec<_> = trees.iter().map(|(process, ..)| process.name.clone()).collect();
        self.last.retain(|name, _| names.contains(name));
        trees
            .into_iter()
            .map(|(process, pid, tree)| self.figures(process, pid, tree, now))
            .collect()
    }

    fn figures(&mut self, process: &ProcessState, pid: u32, tree: Tree, now: Duration) -> Figures {
        let life = LifeId::new(u32::try_from(process.lives).unwrap_or(u32::MAX));
        let (cpu, output) = (tree.usage.cpu, process.output_bytes);
        let last = self.last.insert(process.name.clone(), Last { at: now, life, cpu, output });
        let passed = last.map(|last| now.saturating_sub(last.at).as_secs_f64());
        let passed = passed.filter(|passed| *passed > 0.0);
        let same_life = last.filter(|last| last.life == life);
        Figures {
            name: process.name.clone(),
            pid,
            // A child that ended takes its CPU time with it.
            cpu_percent: same_life
                .zip(passed)
                .map(|(last, passed)| cpu.saturating_sub(last.cpu).as_secs_f64() / passed * 100.0),
            cpu_seconds: cpu.as_secs_f64(),
            memory_bytes: tree.share.unwrap_or(tree.usage.resident),
            processes: tree.processes,
            threads: tree.threads,
            files: tree.files,
            output_bytes_per_second: last.zip(passed).map(|(last, passed)| {
                #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
                let bytes = output.saturating_sub(last.output) as f64;
                bytes / passed
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Sampler, Tree, sum};
    use crate::model::request::ProcessState;
    use crate::model::{ProcName, ProcessStatus};
    use crate::sys::Usage;

    fn state(lives: u64, output: u64) -> ProcessState {
        let name = ProcName::new("web").unwrap();
        let state = ProcessState::new(name, ProcessStatus::Running, Some(7));
        ProcessState { lives, output_bytes: output, ..state }
    }

    fn tree(cpu_ms: u64) -> Tree {
        let usage = Usage { cpu: Duration::from_millis(cpu_ms), resident: 5 };
        Tree { usage, processes: 1, threads: 2, ..Tree::default() }
    }

    #[test]
    fn rates_are_those_since_the_previous_sample() {
        let mut sampler = Sampler::default();
        let mut take = |lives, output, cpu_ms, seconds| {
            let now = Duration::from_secs(seconds);
            let figures = sampler.figures(&state(lives, output), 7, tree(cpu_ms), now);
            (figures.cpu_percent, figures.output_bytes_per_second, figures.memory_bytes)
        };
        assert_eq!(take(1, 100, 1000, 10), (None, None, 5));
        assert_eq!(take(1, 300, 1500, 12), (Some(25.0), Some(100.0), 5));
        // A process of the tree has ended.
        assert_eq!(take(1, 300, 1400, 13), (Some(0.0), Some(0.0), 5));
        // Another life: its CPU time began at zero, its output goes on.
        assert_eq!(take(2, 310, 20, 14), (None, Some(10.0), 5));
        assert_eq!(take(2, 310, 20, 14), (None, None, 5), "no time has passed");
    }

    #[test]
    fn what_the_system_does_not_tell_is_not_zero() {
        assert_eq!(sum::<u64>(None, None), None);
        assert_eq!(sum(Some(1), None), Some(1));
        assert_eq!(sum(None, Some(2)), Some(2));
        assert_eq!(sum(Some(1), Some(2)), Some(3));
    }
}
