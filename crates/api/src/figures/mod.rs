//! What processes use, sampled by the program that shows it.
//!
//! A sample costs some file reads per process, so the supervisor takes none by itself: `tmo ps` takes one, `tmo top`
//! one each second for as long as it runs, and the API one when a client asks (`crates/server/src/reading.rs`).

pub mod series;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::model::state::ProcessState;
use crate::model::{LifeId, ProcName};
use crate::sys;

/// What a process and everything it has started use; as `tmo ps --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessUse {
    /// CPU time, in JSON in seconds.
    #[serde(
        rename = "cpu_seconds",
        serialize_with = "to_seconds",
        deserialize_with = "of_seconds"
    )]
    pub cpu: Duration,
    /// Its share of memory (PSS), by which memory that several processes share is divided among them; resident memory
    /// where the system does not tell.
    pub memory_bytes: u64,
    pub processes: u32,
    pub threads: u32,
    /// Number of open file descriptors. `None` if the system does not tell.
    pub files: Option<u32>,
    /// The TCP ports that it listens on: its `PORT` first, then the lowest. `None` if that is not known.
    pub listens: Option<Vec<u16>>,
    /// Whether a signal has stopped its main process.
    #[serde(skip)]
    pub stopped: bool,
}

fn to_seconds<S: Serializer>(cpu: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(cpu.as_secs_f64())
}

fn of_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

impl ProcessUse {
    /// The use of these processes of this machine; `None` for one that does not run.
    pub fn of_all(processes: &[ProcessState]) -> impl Iterator<Item = Option<Self>> {
        let (at, sockets): (Vec<_>, Vec<_>) = sys::tcp_listening().into_iter().unzip();
        processes.iter().map(move |process| Self::of_tree(process, &at, &sockets))
    }

    /// All descendants of the parent of its main process: the shim, which also adopts its orphans. The addresses and
    /// sockets are those of this machine that listen.
    fn of_tree(main: &ProcessState, at: &[SocketAddr], sockets: &[u64]) -> Option<Self> {
        let info = sys::info(main.pid?)?;
        let mut tree = Self { stopped: info.is_stopped(), ..Self::default() };
        let mut resident = 0;
        let mut share = None;
        let mut held = vec![];
        let mut is_hidden = false;
        for process in sys::descendants_of_shim(info.ppid) {
            tree.processes += 1;
            tree.threads += process.threads;
            // A process that has just ended uses nothing any more.
            let usage = sys::usage(process.pid).unwrap_or_default();
            tree.cpu += usage.cpu;
            resident += usage.resident;
            share = sum(share, sys::memory_share(process.pid));
            let files = sys::open_files(process.pid);
            tree.files = sum(tree.files, files);
            held.extend(sys::tcp_held_by(process.pid, sockets));
            // As those of another user.
            is_hidden |= files.is_none() && sys::alive(process.id());
        }
        tree.memory_bytes = share.unwrap_or(resident);
        let own = at.iter().zip(sockets).filter(|(_, socket)| held.contains(socket));
        let mut ports: Vec<u16> = own.map(|(at, _)| at.port()).collect();
        ports.sort_unstable_by_key(|port| (Some(*port) != main.config.port, *port));
        ports.dedup();
        // A container that it has started listens outside of its tree.
        let is_outside = at.iter().any(|at| Some(at.port()) == main.config.port);
        tree.listens = Some(ports).filter(|ports| !ports.is_empty() || !(is_hidden || is_outside));
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// The process.
    pub name: ProcName,
    /// Its process id.
    pub pid: u32,
    /// CPU time as a percentage of one processor; null in the first sample of a life.
    pub cpu_percent: Option<f64>,
    /// CPU time of its present life in seconds. Of child processes that have ended it has what earlier samples
    /// found, so it does not fall from sample to sample.
    pub cpu_seconds: f64,
    /// Memory in bytes: its share (PSS) where the system provides it, otherwise resident memory.
    pub memory_bytes: u64,
    /// Number of processes.
    pub processes: u32,
    /// Number of threads.
    pub threads: u32,
    /// Number of open file descriptors; null if the system does not tell.
    pub files: Option<u32>,
    /// The TCP ports that it and everything it has started listen on: its `PORT` first if it is one of them, then
    /// the lowest. Null if that is not known: the system does not tell, or only something outside, perhaps its
    /// container, listens on its `PORT`.
    pub listens: Option<Vec<u16>>,
    /// Output in bytes per second; null in the first sample.
    pub output_bytes_per_second: Option<f64>,
}

impl Figures {
    /// The sums of several processes, whose ports are left out; `None` without any. Of one, all stays.
    pub fn total<'a>(all: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let add = |total: Self, next: Self| Self {
            cpu_percent: sum(total.cpu_percent, next.cpu_percent),
            cpu_seconds: total.cpu_seconds + next.cpu_seconds,
            memory_bytes: total.memory_bytes + next.memory_bytes,
            processes: total.processes + next.processes,
            threads: total.threads + next.threads,
            files: sum(total.files, next.files),
            listens: None,
            output_bytes_per_second: sum(
                total.output_bytes_per_second,
                next.output_bytes_per_second,
            ),
            ..total
        };
        all.into_iter().cloned().reduce(add)
    }
}

/// Ports in a sentence.
pub fn named(ports: &[u16]) -> String {
    const MOST: usize = 5;
    let named: Vec<_> = ports.iter().take(MOST).map(ToString::to_string).collect();
    match ports.len().saturating_sub(MOST) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// What the running processes used at one time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Sample<'a> {
    /// The id of the run.
    pub run: &'a str,
    /// Each process that runs.
    pub processes: &'a [Figures],
}

/// Takes samples.
#[derive(Debug, Default)]
pub struct Sampler {
    last: HashMap<ProcName, Last>,
    /// The longest time over which percentages and rates are computed; `None` for any.
    longest: Option<Duration>,
}

/// What the previous sample of a process found.
#[derive(Debug, Clone, Copy)]
struct Last {
    at: Duration,
    life: Option<LifeId>,
    /// CPU time of the processes that are alive.
    cpu: Duration,
    /// CPU time of the life.
    of_life: Duration,
    output: u64,
}

impl Sampler {
    /// A sampler that computes percentages and rates only if the previous sample is at most this old.
    pub fn with_longest(longest: Duration) -> Self {
        Self { longest: Some(longest), ..Self::default() }
    }

    /// A sample of the running processes. `now` is the time on a monotonic clock.
    pub fn sample(&mut self, processes: &[ProcessState], now: Duration) -> Vec<Figures> {
        let uses: Vec<_> = ProcessUse::of_all(processes).collect();
        let running = processes.iter().zip(&uses).filter(|(_, tree)| tree.is_some());
        let names: Vec<_> = running.map(|(process, _)| &process.name).collect();
        self.last.retain(|name, _| names.contains(&name));
        let each = processes.iter().zip(uses);
        each.filter_map(|(process, tree)| Some(self.figures(process, process.pid?, tree?, now)))
            .collect()
    }

    fn figures(
        &mut self,
        process: &ProcessState,
        pid: u32,
        tree: ProcessUse,
        now: Duration,
    ) -> Figures {
        let life = LifeId::new(u32::try_from(process.lives).unwrap_or(u32::MAX));
        let cpu = tree.cpu;
        let output = process.output_bytes;
        let last = self.last.get(&process.name).copied();
        let same_life = last.filter(|last| last.life == life);
        // A child that ended takes its CPU time with it.
        let used = same_life.map(|last| cpu.saturating_sub(last.cpu));
        let of_life = same_life.zip(used).map_or(cpu, |(last, used)| last.of_life + used);
        self.last.insert(process.name.clone(), Last { at: now, life, cpu, of_life, output });
        let passed = last.map(|last| now.saturating_sub(last.at));
        let is_short = |passed: Duration| self.longest.is_none_or(|longest| passed <= longest);
        let passed = passed.filter(|passed| !passed.is_zero() && is_short(*passed));
        let passed = passed.map(|passed| passed.as_secs_f64());
        Figures {
            name: process.name.clone(),
            pid,
            cpu_percent: used.zip(passed).map(|(used, passed)| used.as_secs_f64() / passed * 100.0),
            cpu_seconds: of_life.as_secs_f64(),
            memory_bytes: tree.memory_bytes,
            processes: tree.processes,
            threads: tree.threads,
            files: tree.files,
            listens: tree.listens,
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

    use super::{ProcessUse, Sampler, named, sum};
    use crate::model::state::ProcessState;
    use crate::model::{ProcName, ProcessStatus};

    fn state(lives: u64, output: u64) -> ProcessState {
        let name = ProcName::new("web").unwrap();
        let state = ProcessState::new(name, ProcessStatus::Running, Some(7));
        ProcessState { lives, output_bytes: output, ..state }
    }

    fn tree(cpu_ms: u64) -> ProcessUse {
        let cpu = Duration::from_millis(cpu_ms);
        ProcessUse { cpu, memory_bytes: 5, processes: 1, threads: 2, ..ProcessUse::default() }
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
    fn cpu_time_does_not_fall_when_a_child_ends() {
        let mut sampler = Sampler::with_longest(Duration::from_secs(10));
        let mut take = |lives, cpu_ms, seconds| {
            let now = Duration::from_secs(seconds);
            let figures = sampler.figures(&state(lives, 0), 7, tree(cpu_ms), now);
            (figures.cpu_seconds, figures.cpu_percent)
        };
        assert_eq!(take(1, 1000, 10), (1.0, None));
        assert_eq!(take(1, 400, 11), (1.0, Some(0.0)));
        assert_eq!(take(1, 900, 12), (1.5, Some(50.0)));
        // Too long ago for a percentage; the time counts all the same.
        assert_eq!(take(1, 1900, 23), (2.5, None));
        assert_eq!(take(2, 100, 24), (0.1, None), "another life");
    }

    #[test]
    fn many_ports_are_counted() {
        assert_eq!(named(&[80, 5000]), "80, 5000");
        assert_eq!(named(&[1, 2, 3, 4, 5, 6, 7]), "1, 2, 3, 4, 5 and 2 more");
    }

    #[test]
    fn what_the_system_does_not_tell_is_not_zero() {
        assert_eq!(sum::<u64>(None, None), None);
        assert_eq!(sum(Some(1), None), Some(1));
        assert_eq!(sum(None, Some(2)), Some(2));
        assert_eq!(sum(Some(1), Some(2)), Some(3));
    }
}
