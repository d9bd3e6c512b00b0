//! The samples of the last minutes.

use std::collections::{HashMap, VecDeque};

use super::Figures;
use crate::model::ProcName;

/// Number of samples kept of each process: one a second for two and a half minutes.
const KEPT: usize = 150;

/// The most recent samples of each process, oldest first; `None` where it was not running.
#[derive(Debug, Clone, Default)]
pub struct Series {
    samples: HashMap<ProcName, VecDeque<Option<Figures>>>,
    /// Number of samples taken, at most [`KEPT`].
    length: usize,
}

/// A moment of one process, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// CPU time as a percentage of one processor.
    pub cpu_percent: f64,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

impl Series {
    /// Add a sample of the running processes.
    pub fn push(&mut self, sample: Vec<Figures>) {
        let (length, next) = (self.length, (self.length + 1).min(KEPT));
        for figures in sample {
            let name = figures.name.clone();
            let samples = self.samples.entry(name).or_insert_with(|| vec![None; length].into());
            samples.push_back(Some(figures));
        }
        self.samples.retain(|_, samples| {
            if samples.len() == length {
                samples.push_back(None);
            }
            while samples.len() > next {
                samples.pop_front();
            }
            samples.iter().any(Option::is_some)
        });
        self.length = next;
    }

    /// The last sample of a process, if it was running then.
    pub fn last(&self, name: &ProcName) -> Option<&Figures> {
        self.samples.get(name)?.back()?.as_ref()
    }

    /// The last samples of all processes that were running then.
    pub fn lasts(&self) -> impl Iterator<Item = &Figures> {
        self.samples.values().filter_map(|samples| samples.back()?.as_ref())
    }

    /// All samples of one process, or the sums of all processes, oldest first.
    pub fn points(&self, name: Option<&ProcName>) -> Vec<Point> {
        let mut points = vec![Point::default(); self.length];
        let wanted =
            self.samples.iter().filter(|(other, _)| name.is_none_or(|name| name == *other));
        for (_, samples) in wanted {
            for (point, figures) in points.iter_mut().zip(samples) {
                let Some(figures) = figures else { continue };
                point.cpu_percent += figures.cpu_percent.unwrap_or(0.0);
                point.memory_bytes += figures.memory_bytes;
            }
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Point, Series};
    use crate::figures::Figures;
    use crate::model::ProcName;

    fn figures(name: &str, cpu: f64, memory: u64) -> Figures {
        Figures {
            name: ProcName::new(name).unwrap(),
            pid: 7,
            cpu_percent: Some(cpu),
            cpu_seconds: 1.0,
            memory_bytes: memory,
            processes: 1,
            threads: 1,
            files: None,
            output_bytes_per_second: None,
        }
    }

    #[test]
    fn samples_of_all_processes_begin_and_end_together() {
        let mut series = Series::default();
        let (web, api) = (ProcName::new("web").unwrap(), ProcName::new("api").unwrap());
        series.push(vec![figures("web", 1.0, 10)]);
        series.push(vec![figures("web", 2.0, 20), figures("api", 5.0, 50)]);
        series.push(vec![figures("api", 6.0, 60)]);
        let point = |cpu_percent, memory_bytes| Point { cpu_percent, memory_bytes };
        assert_eq!(series.points(Some(&web)), [point(1.0, 10), point(2.0, 20), point(0.0, 0)]);
        assert_eq!(series.points(Some(&api)), [point(0.0, 0), point(5.0, 50), point(6.0, 60)]);
        assert_eq!(series.points(None), [point(1.0, 10), point(7.0, 70), point(6.0, 60)]);
        assert_eq!(series.last(&web), None, "it has ended");
        assert_eq!(series.lasts().count(), 1);
        for _ in 0..2 * KEPT {
            series.push(vec![figures("api", 7.0, 70)]);
        }
        assert_eq!(series.points(None), vec![point(7.0, 70); KEPT]);
        assert_eq!(series.points(Some(&web)), vec![Point::default(); KEPT]);
    }
}
