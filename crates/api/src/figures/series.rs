//! The samples of the last minutes and, coarser, of the last hour and the last day.

use std::collections::{HashMap, VecDeque};

use super::{Figures, sum};
use crate::model::ProcName;

/// Number of samples kept of each process: one a second for two and a half minutes.
const KEPT: usize = 150;
/// The most processes of which an hour or a day is kept.
const MOST_PROCESSES: usize = 256;

/// The most recent samples of each process, one for each second.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// The last sample.
    last: HashMap<ProcName, Figures>,
    fine: Ring,
    /// The means of ten seconds each.
    hour: Ring,
    /// Only a program that runs for days keeps a day.
    day: Option<Ring>,
    /// How many seconds have passed.
    seconds: u64,
}

/// A moment of one process, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// CPU time as a percentage of one processor; `None` if it is not known, as in the first sample of a life.
    pub cpu_percent: Option<f64>,
    pub memory_bytes: u64,
    /// Output in bytes per second; `None` if it is not known.
    pub output_bytes_per_second: Option<f64>,
}

/// The length of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// One second; kept for two and a half minutes.
    Second,
    /// Ten seconds; kept for an hour.
    TenSeconds,
    /// Half a minute; kept for a day.
    HalfMinute,
}

impl Length {
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::TenSeconds => 10,
            Self::HalfMinute => 30,
        }
    }

    /// How many samples of this length are kept of each process.
    const fn kept(self) -> usize {
        match self {
            Self::Second => KEPT,
            Self::TenSeconds => 360,
            Self::HalfMinute => 2880,
        }
    }
}

impl Point {
    const fn of(figures: &Figures) -> Self {
        Self {
            cpu_percent: figures.cpu_percent,
            memory_bytes: figures.memory_bytes,
            output_bytes_per_second: figures.output_bytes_per_second,
        }
    }

    fn add(&mut self, other: Self) {
        self.cpu_percent = sum(self.cpu_percent, other.cpu_percent);
        self.memory_bytes += other.memory_bytes;
        self.output_bytes_per_second =
            sum(self.output_bytes_per_second, other.output_bytes_per_second);
    }
}

/// The means of what is known of these points: what is not known is not 0. `None` if there are none.
fn mean(points: &[Point]) -> Option<Point> {
    let mean = |value: fn(&Point) -> Option<f64>| {
        let add = |(sum, count): (f64, u32), value: f64| (sum + value, count + 1);
        let (sum, count) = points.iter().filter_map(value).fold((0.0, 0), add);
        (count > 0).then(|| sum / f64::from(count))
    };
    let memory: u64 = points.iter().map(|point| point.memory_bytes).sum();
    Some(Point {
        cpu_percent: mean(|point| point.cpu_percent),
        memory_bytes: memory.checked_div(points.len() as u64)?,
        output_bytes_per_second: mean(|point| point.output_bytes_per_second),
    })
}

/// A point that may be missing, in half of the room.
#[derive(Debug, Clone, Copy)]
struct Packed {
    /// NaN if it is not known.
    cpu_percent: f32,
    /// NaN if it is not known.
    output_bytes_per_second: f32,
    /// [`MISSING`](Self::MISSING) if the process was not running, or not sampled.
    memory_bytes: u64,
}

impl Packed {
    const MISSING: u64 = u64::MAX;
    const NONE: Self = Self {
        cpu_percent: f32::NAN,
        output_bytes_per_second: f32::NAN,
        memory_bytes: Self::MISSING,
    };

    fn of(point: Point) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough")]
        let packed = |value: Option<f64>| value.map_or(f32::NAN, |value| value as f32);
        Self {
            cpu_percent: packed(point.cpu_percent),
            output_bytes_per_second: packed(point.output_bytes_per_second),
            memory_bytes: point.memory_bytes,
        }
    }

    const fn is_none(self) -> bool {
        self.memory_bytes == Self::MISSING
    }

    fn point(self) -> Option<Point> {
        let known = |value: f32| (!value.is_nan()).then(|| f64::from(value));
        (!self.is_none()).then(|| Point {
            cpu_percent: known(self.cpu_percent),
            memory_bytes: self.memory_bytes,
            output_bytes_per_second: known(self.output_bytes_per_second),
        })
    }
}

/// The last points of each process, oldest first.
#[derive(Debug, Clone, Default)]
struct Ring {
    points: HashMap<ProcName, VecDeque<Packed>>,
    /// Number of points of each process.
    length: usize,
}

impl Ring {
    /// Add a point of each running process, and keep the last `kept` points.
    fn push(&mut self, points: impl Iterator<Item = (ProcName, Point)>, kept: usize) {
        let (length, next) = (self.length, (self.length + 1).min(kept));
        for (name, point) in points {
            if self.points.len() < MOST_PROCESSES || self.points.contains_key(&name) {
                let points = self.points.entry(name);
                points
                    .or_insert_with(|| vec![Packed::NONE; length].into())
                    .push_back(Packed::of(point));
            }
        }
        self.points.retain(|_, points| {
            if points.len() == length {
                points.push_back(Packed::NONE);
            }
            while points.len() > next {
                points.pop_front();
            }
            points.iter().rev().any(|point| !point.is_none())
        });
        self.length = next;
    }

    /// The mean of the last points of each process that has any among so many.
    fn means(&self, last: u64) -> Vec<(ProcName, Point)> {
        let of_process = |(name, points): (&ProcName, &VecDeque<Packed>)| {
            let points = points.iter().rev().zip(0..last).filter_map(|(point, _)| point.point());
            Some((name.clone(), mean(&points.collect::<Vec<_>>())?))
        };
        self.points.iter().filter_map(of_process).collect()
    }
}

impl Series {
    /// One that keeps a day, too.
    pub fn with_day() -> Self {
        Self { day: Some(Ring::default()), ..Self::default() }
    }

    /// Add a sample of the running processes, a second after the previous one.
    pub fn push(&mut self, sample: Vec<Figures>) {
        self.last = sample.into_iter().map(|figures| (figures.name.clone(), figures)).collect();
        let points = self.last.values().map(|one| (one.name.clone(), Point::of(one)));
        self.fine.push(points, KEPT);
        self.seconds += 1;
        let lengths = [Length::TenSeconds, Length::HalfMinute];
        for (ring, length) in [Some(&mut self.hour), self.day.as_mut()].into_iter().zip(lengths) {
            if let Some(ring) = ring
                && self.seconds.is_multiple_of(length.seconds())
            {
                ring.push(self.fine.means(length.seconds()).into_iter(), length.kept());
            }
        }
    }

    /// Add seconds without a sample.
    pub fn skip(&mut self, seconds: u64) {
        let day = Length::HalfMinute;
        if seconds >= day.kept() as u64 * day.seconds() {
            let day = self.day.take().map(|_| Ring::default());
            *self = Self { seconds: self.seconds + seconds, day, ..Self::default() };
        } else {
            (0..seconds).for_each(|_| self.push(vec![]));
        }
    }

    /// The last sample of a process, if it was running then.
    pub fn last(&self, name: &ProcName) -> Option<&Figures> {
        self.last.get(name)
    }

    /// The last samples of all processes that were running then.
    pub fn lasts(&self) -> impl Iterator<Item = &Figures> {
        self.last.values()
    }

    /// All samples of one process, or the sums of all processes, oldest first.
    pub fn points(&self, name: Option<&ProcName>) -> Vec<Point> {
        let mut sums = vec![Point::default(); self.fine.length];
        let wanted =
            self.fine.points.iter().filter(|(other, _)| name.is_none_or(|name| name == *other));
        for (_, points) in wanted {
            for (sum, point) in sums.iter_mut().zip(points) {
                sum.add(point.point().unwrap_or_default());
            }
        }
        sums
    }

    /// The number of samples of this length so far, including those that are no longer kept.
    pub const fn count(&self, length: Length) -> u64 {
        self.seconds / length.seconds()
    }

    /// The samples of each process after the first `after` ones, as far as they are kept. Samples at the
    /// same index of the lists have the same time.
    pub fn since(
        &self,
        length: Length,
        after: u64,
    ) -> impl Iterator<Item = (&ProcName, impl Iterator<Item = Option<Point>> + Clone)> {
        let ring = match length {
            Length::Second => Some(&self.fine),
            Length::TenSeconds => Some(&self.hour),
            Length::HalfMinute => self.day.as_ref(),
        };
        let new = usize::try_from(self.count(length).saturating_sub(after)).unwrap_or(usize::MAX);
        ring.into_iter().flat_map(move |ring| {
            let known = ring.length.saturating_sub(new);
            let points = ring.points.iter();
            points.map(move |(name, points)| {
                (name, points.iter().skip(known).map(|point| point.point()))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Length, MOST_PROCESSES, Point, Series};
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
            listens: None,
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
        let point = |cpu, memory_bytes| Point {
            cpu_percent: Some(cpu),
            memory_bytes,
            output_bytes_per_second: None,
        };
        let none = Point::default();
        assert_eq!(series.points(Some(&web)), [point(1.0, 10), point(2.0, 20), none]);
        assert_eq!(series.points(Some(&api)), [none, point(5.0, 50), point(6.0, 60)]);
        assert_eq!(series.points(None), [point(1.0, 10), point(7.0, 70), point(6.0, 60)]);
        assert_eq!(series.last(&web), None, "it has ended");
        assert_eq!(series.lasts().count(), 1);
        for _ in 0..2 * KEPT {
            series.push(vec![figures("api", 7.0, 70)]);
        }
        assert_eq!(series.points(None), vec![point(7.0, 70); KEPT]);
        assert_eq!(series.points(Some(&web)), vec![Point::default(); KEPT]);
    }

    /// The kept values of a process, with 0 for none.
    fn memory(series: &Series, length: Length, after: u64) -> Vec<u64> {
        let web = ProcName::new("web").unwrap();
        let mut all = series.since(length, after).filter(|(name, _)| **name == web);
        let points = all.next().map(|(_, points)| points.map(|p| p.map_or(0, |p| p.memory_bytes)));
        points.map_or(vec![], Iterator::collect)
    }

    #[test]
    fn seconds_without_samples_are_gaps_and_ten_seconds_have_their_mean() {
        let mut series = Series::default();
        for at in 1..=5 {
            series.push(vec![figures("web", 1.0, at)]);
        }
        series.skip(3);
        for _ in 0..4 {
            series.push(vec![figures("web", 1.0, 10)]);
        }
        assert_eq!(series.count(Length::Second), 12);
        assert_eq!(memory(&series, Length::Second, 3), [4, 5, 0, 0, 0, 10, 10, 10, 10]);
        assert_eq!(memory(&series, Length::Second, 12), [0; 0]);
        // The mean of the seven samples within ten seconds.
        assert_eq!(memory(&series, Length::TenSeconds, 0), [(1 + 2 + 3 + 4 + 5 + 10 + 10) / 7]);
        series.skip(1_000_000);
        assert_eq!(series.count(Length::Second), 1_000_012);
        assert!(memory(&series, Length::TenSeconds, 0).is_empty());
    }

    #[test]
    fn what_is_not_known_is_neither_0_nor_part_of_a_mean() {
        let mut series = Series::default();
        let (web, api) = (ProcName::new("web").unwrap(), ProcName::new("api").unwrap());
        let unknown = Figures { cpu_percent: None, ..figures("web", 0.0, 10) };
        let known =
            |rate| Figures { output_bytes_per_second: Some(rate), ..figures("web", 50.0, 20) };
        series.push(vec![unknown.clone(), Figures { name: api.clone(), ..unknown }]);
        series.push(vec![known(100.0)]);
        series.push(vec![known(300.0)]);
        series.skip(7);
        let of = |length, wanted: &ProcName| -> Vec<_> {
            let mut all = series.since(length, 0).filter(|(name, _)| *name == wanted);
            all.next().unwrap().1.flatten().collect()
        };
        let point = |cpu_percent, memory_bytes, output_bytes_per_second| Point {
            cpu_percent,
            memory_bytes,
            output_bytes_per_second,
        };
        let (first, second) = (point(None, 10, None), point(Some(50.0), 20, Some(100.0)));
        let third = point(Some(50.0), 20, Some(300.0));
        assert_eq!(of(Length::Second, &web), [first, second, third]);
        let mean = point(Some(50.0), (10 + 20 + 20) / 3, Some(200.0));
        assert_eq!(of(Length::TenSeconds, &web), [mean]);
        assert_eq!(of(Length::TenSeconds, &api), [first], "only its memory is known");
        assert_eq!(series.points(None)[..2], [point(None, 20, None), second]);
    }

    #[test]
    fn a_day_of_half_minutes_is_kept_if_it_is_wanted() {
        let mut series = Series::with_day();
        // A sample each half minute, as without a page.
        for at in 0..2 * 2880 {
            series.skip(29);
            series.push(vec![figures("web", 1.0, at << 10)]);
        }
        let day = memory(&series, Length::HalfMinute, 0);
        assert_eq!((day.len(), day[0] >> 10, day[2879] >> 10), (2880, 2880, 5759));
        assert_eq!(memory(&series, Length::HalfMinute, 5759).len(), 1);
        series.skip(86_400);
        assert!(memory(&series, Length::HalfMinute, 0).is_empty());
        assert!(memory(&Series::default(), Length::HalfMinute, 0).is_empty());
    }

    #[test]
    fn there_are_only_so_many_processes() {
        let mut series = Series::with_day();
        for _ in 0..30 {
            let names =
                (0..2 * MOST_PROCESSES).map(|number| figures(&format!("p{number}"), 1.0, 1 << 20));
            series.push(names.collect());
        }
        for length in [Length::Second, Length::TenSeconds, Length::HalfMinute] {
            assert_eq!(series.since(length, 0).count(), MOST_PROCESSES, "{length:?}");
        }
    }

    #[test]
    fn an_hour_is_kept_and_a_client_gets_what_is_new() {
        let mut series = Series::default();
        for at in 0..2 * 3600 {
            series.push(vec![figures("web", 1.0, at)]);
        }
        assert!(memory(&series, Length::Second, 0).into_iter().eq(7050..7200));
        let coarse = memory(&series, Length::TenSeconds, 0);
        assert_eq!((coarse.len(), coarse[0], coarse[359]), (360, 3604, 7194));
        assert_eq!(memory(&series, Length::TenSeconds, 718), [7184, 7194]);
    }
}
