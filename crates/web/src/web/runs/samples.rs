//! Samples the resource use of the processes of each run: each second while a page shows the run, otherwise each half
//! minute. A day of them is kept while the run is there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::figures::series::{Length, Point, Series};
use crate::figures::{Figures, Sampler};
use crate::journal::search::line_counts::Printed;
use crate::journal::segment::Dirs;
use crate::model::ProcName;
use crate::model::request::API;
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::run::registry::Standing;
use crate::sys::clock;
use crate::web::access::Scope;
use crate::web::locked;
use crate::web::runs::{Runs, run};
use crate::web::server::answers::{Answered, refuse};

/// The time between two samples.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// The time between two samples without a page.
const HALF_MINUTE: Duration = Duration::from_secs(30);
/// Percentages and rates need an earlier sample that is at most this old.
const LONGEST_SAMPLE_AGE: Duration = Duration::from_secs(65);
/// The wall clock goes on by this much more than the monotonic one only while the machine sleeps.
const SLEPT: Duration = Duration::from_secs(10);

/// A numbered sample.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// The resource use of each running process.
    pub(crate) figures: Vec<Figures>,
}

/// The samples of a run.
#[derive(Debug)]
pub(crate) struct Samples {
    begun: Instant,
    /// Locked while a sample is taken.
    taker: Arc<tokio::sync::Mutex<Taker>>,
    history: Mutex<SampleHistory>,
}

#[derive(Debug)]
struct Taker {
    sampler: Sampler,
    printed: Printed,
}

#[derive(Debug, Default)]
struct SampleHistory {
    series: Series,
    /// When the first sample was taken, on the clock of [`Samples::begun`].
    first: Option<Duration>,
    /// When the last sample was taken, on the same clock, and on that of the wall.
    last: Duration,
    time: Timestamp,
    /// How long the machine has slept since the first one: the monotonic clock stands still meanwhile.
    slept: Duration,
}

impl Taker {
    /// Sample these processes. The amounts of output are read from the journal, as those in the states are not
    /// updated with each line.
    fn take(&mut self, mut processes: Vec<ProcessState>, now: Duration) -> Vec<Figures> {
        match self.printed.count() {
            Ok(counts) => {
                for process in &mut processes {
                    let count = counts.get(&process.name).copied();
                    process.output_bytes = count.unwrap_or(process.output_bytes);
                }
            }
            Err(error) => tracing::debug!("output can't be counted: {error}"),
        }
        self.sampler.sample(&processes, now)
    }
}

impl SampleHistory {
    /// The seconds since the first sample, at this time of another one: on the clock of [`Samples::begun`], and on
    /// that of the wall.
    fn passed(&mut self, now: Duration, time: Timestamp) -> u64 {
        let first = *self.first.get_or_insert_with(|| {
            (self.last, self.time) = (now, time);
            now
        });
        let jump = time.since(self.time).saturating_sub(now.saturating_sub(self.last));
        if jump > SLEPT {
            self.slept += jump;
        }
        (self.last, self.time) = (now, time);
        // Samples are taken a little too early or too late.
        (now.saturating_sub(first) + self.slept + SECOND / 2).as_secs()
    }
}

impl Samples {
    /// No samples yet, of the run with its journal in these directories.
    pub(crate) fn new(dirs: &Dirs) -> Self {
        let sampler = Sampler::with_longest(LONGEST_SAMPLE_AGE);
        let taker = Taker { sampler, printed: Printed::new(dirs) };
        let taker = Arc::new(tokio::sync::Mutex::new(taker));
        let kept = SampleHistory { series: Series::with_day(), ..SampleHistory::default() };
        Self { begun: Instant::now(), taker, history: Mutex::new(kept) }
    }

    /// Whether a sample is due although no page shows the run.
    fn is_due(&self) -> bool {
        let kept = locked(&self.history);
        kept.first.is_none()
            || self.begun.elapsed().saturating_sub(kept.last) + SECOND >= HALF_MINUTE
    }

    /// Take a sample of these processes; `None` at the end of the server.
    pub(crate) async fn take(&self, processes: Vec<ProcessState>) -> Option<Sample> {
        self.take_at(self.begun.elapsed(), clock::now(), processes).await
    }

    async fn take_at(
        &self,
        now: Duration,
        time: Timestamp,
        processes: Vec<ProcessState>,
    ) -> Option<Sample> {
        let mut taker = Arc::clone(&self.taker).lock_owned().await;
        let figures = spawn_blocking(move || taker.take(processes, now)).await.ok()?;
        let mut kept = locked(&self.history);
        let passed = kept.passed(now, time);
        let count = kept.series.count(Length::Second);
        // Two pages may follow the run by themselves after its supervisor was replaced.
        if count <= passed + 1 {
            // The seconds without a page count as missing samples.
            kept.series.skip(passed.saturating_sub(count));
            kept.series.push(figures.clone());
        }
        Some(Sample { number: kept.series.count(Length::Second), figures })
    }

    /// Answer a request for samples, within the limits of the session.
    pub(crate) fn samples_answer(&self, scope: &Scope, query: &str) -> Answered {
        let Some((length, after)) = asked(query) else {
            let reason = "`interval` must be 1, 10 or 30, and `after` the number of a sample";
            return refuse(StatusCode::BAD_REQUEST, reason);
        };
        let kept = locked(&self.history);
        let all =
            kept.series.since(length, after).filter(|(name, _)| scope.has_process(name.as_str()));
        let mut processes: Vec<_> = all.map(|(name, points)| Used::new(name, points)).collect();
        processes.sort_by_key(|process| process.name);
        let interval = length.seconds();
        let begun = kept.series.count(Length::Second) % interval;
        let begun = Duration::from_secs(begun).as_nanos();
        let time = kept.time.nanos().saturating_sub(u64::try_from(begun).unwrap_or(0));
        let answer = SamplesAnswer {
            api: API,
            interval,
            last: kept.series.count(length),
            time: Timestamp::from_nanos(time).to_string(),
            processes,
        };
        Ok(Json(answer).into_response())
    }
}

/// Sample all runs for as long as the server is there.
pub(crate) async fn keep_sampling(runs: Arc<Runs>) {
    let mut ticks = interval(HALF_MINUTE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // What can't be read now may be readable the next time.
        let all = runs.listed().await.unwrap_or_default();
        for known in all.iter() {
            if known.standing == Standing::Held
                && known.is_sampled()
                && let Some(run) = runs.get_among(&all, &known.id)
                && run.samples().is_due()
                && let Ok(Ok(state)) = timeout(HALF_MINUTE, run::state(known)).await
            {
                run.samples().take(state.processes).await;
            }
        }
    }
}

/// The interval of the samples in a query, and the number after which they begin.
fn asked(query: &str) -> Option<(Length, u64)> {
    let (mut length, mut after) = (Length::Second, 0);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*key, &*value) {
            ("interval", "1") => length = Length::Second,
            ("interval", "10") => length = Length::TenSeconds,
            ("interval", "30") => length = Length::HalfMinute,
            ("after", number) => after = number.parse().ok()?,
            _ => return None,
        }
    }
    Some((length, after))
}

/// Samples of all processes.
#[derive(Serialize)]
struct SamplesAnswer<'a> {
    api: u32,
    /// Seconds between two samples.
    interval: u64,
    /// The number of the last sample.
    last: u64,
    /// The time of the last sample.
    time: String,
    processes: Vec<Used<'a>>,
}

/// Samples of one process, oldest first; null if it was not running, no sample was taken, or the value is not
/// known, as the CPU time in the first sample of a life.
#[derive(Serialize)]
struct Used<'a> {
    name: &'a ProcName,
    cpu_percent: Vec<Option<f64>>,
    memory_bytes: Vec<Option<u64>>,
    output_bytes_per_second: Vec<Option<f64>>,
}

impl<'a> Used<'a> {
    fn new(name: &'a ProcName, points: impl Iterator<Item = Option<Point>> + Clone) -> Self {
        // One digit is enough, and keeps the answer short.
        let cpu = |point: Point| point.cpu_percent.map(|value| (value * 10.0).round() / 10.0);
        let output = |point: Point| point.output_bytes_per_second.map(f64::round);
        Self {
            name,
            cpu_percent: points.clone().map(|point| point.and_then(cpu)).collect(),
            memory_bytes: points.clone().map(|p| p.map(|point| point.memory_bytes)).collect(),
            output_bytes_per_second: points.map(|point| point.and_then(output)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use pretty_assertions::assert_eq;
    use serde_json::Value;

    use super::{SECOND, Samples, asked};
    use crate::figures::series::Length;
    use crate::journal::segment::Dirs;
    use crate::model::state::ProcessState;
    use crate::model::time::Timestamp;
    use crate::model::{ProcName, ProcessStatus};
    use crate::web::access::Scope;

    fn process(name: &str) -> ProcessState {
        let pid = Some(std::process::id());
        ProcessState::new(ProcName::new(name).unwrap(), ProcessStatus::Running, pid)
    }

    /// A time on both clocks, while the machine is awake.
    fn awake(passed: Duration) -> (Duration, Timestamp) {
        (passed, Timestamp::from_nanos(1_700_000_000_000_000_000) + passed)
    }

    /// How many seconds are kept after this sample.
    async fn last(samples: &Samples, at: (Duration, Timestamp)) -> u64 {
        samples.take_at(at.0, at.1, vec![process("web")]).await.unwrap().number
    }

    async fn answer(samples: &Samples, scope: &Scope, query: &str) -> Value {
        let body =
            samples.samples_answer(scope, query).unwrap().into_body().collect().await.unwrap();
        serde_json::from_slice(&body.to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_page_gets_the_samples_that_were_taken_before_and_only_those_it_may_see() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(dir.path(), None);
        let samples = Samples::new(&dirs);
        let processes = vec![process("web"), process("db")];
        for second in 0..70 {
            let (now, time) = awake(second * SECOND);
            samples.take_at(now, time, processes.clone()).await.unwrap();
        }
        // There is no page for five seconds.
        let (now, time) = awake(75 * SECOND);
        samples.take_at(now, time, processes).await.unwrap();
        let all = answer(&samples, &Scope::All, "").await;
        assert_eq!((&all["last"], &all["interval"]), (&Value::from(76), &Value::from(1)));
        for at in 0..2 {
            let memory = all["processes"][at]["memory_bytes"].as_array().unwrap();
            assert_eq!(memory.iter().filter(|value| value.is_u64()).count(), 71);
            assert_eq!(memory[70..75], vec![Value::Null; 5]);
            let cpu = all["processes"][at]["cpu_percent"].as_array().unwrap();
            assert_eq!((cpu.len(), &cpu[0]), (76, &Value::Null), "there was no sample before");
            assert!(cpu[1].is_f64(), "{cpu:?}");
        }
        let scope = Scope::Processes { run: "r".into(), names: vec!["web".into()] };
        let one = answer(&samples, &scope, "after=75").await;
        let processes = one["processes"].as_array().unwrap();
        assert_eq!((processes.len(), &processes[0]["name"]), (1, &Value::from("web")));
        assert_eq!(processes[0]["memory_bytes"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn two_followers_of_a_run_share_its_samples() {
        let dir = tempfile::tempdir().unwrap();
        let samples = Samples::new(&Dirs::new(dir.path(), None));
        for second in 0..60_u32 {
            last(&samples, awake(second * SECOND)).await;
            let number = last(&samples, awake(second * SECOND + SECOND / 5)).await;
            assert_eq!(number, u64::from(second) + 2, "one ahead, as a sample may be early");
        }
    }

    #[tokio::test]
    async fn seconds_in_which_the_machine_sleeps_are_missing_samples() {
        let dir = tempfile::tempdir().unwrap();
        let samples = Samples::new(&Dirs::new(dir.path(), None));
        assert_eq!(last(&samples, awake(Duration::ZERO)).await, 1);
        assert_eq!(last(&samples, awake(SECOND)).await, 2);
        // Only the clock on the wall goes on meanwhile.
        let slept = |passed: Duration| (passed, awake(passed + 3600 * SECOND).1);
        assert_eq!(last(&samples, slept(2 * SECOND)).await, 3603);
        assert_eq!(last(&samples, slept(3 * SECOND)).await, 3604, "and it counts only once");
        let web = &answer(&samples, &Scope::All, "interval=30").await["processes"][0];
        let memory = web["memory_bytes"].as_array().unwrap();
        assert_eq!((memory.len(), &memory[1], &memory[119]), (120, &Value::Null, &Value::Null));
        // A clock that somebody sets a little is no sleep.
        let set = |passed: Duration| (passed, slept(passed + 9 * SECOND).1);
        assert_eq!(last(&samples, set(4 * SECOND)).await, 3605);
    }

    #[test]
    fn only_known_questions_are_answered() {
        assert_eq!(asked(""), Some((Length::Second, 0)));
        assert_eq!(asked("interval=10&after=7"), Some((Length::TenSeconds, 7)));
        assert_eq!(asked("interval=30"), Some((Length::HalfMinute, 0)));
        for wrong in ["interval=5", "after=x", "name=web"] {
            assert_eq!(asked(wrong), None, "{wrong}");
        }
    }
}
