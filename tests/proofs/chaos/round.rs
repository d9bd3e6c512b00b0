//! One round: a world, its steps, the checks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::chaos::config::Config;
use crate::chaos::context::{self, Context};
use crate::chaos::options::Options;
use crate::chaos::step::Step;
use crate::harness::{World, pause, procs};

/// The message and the location of the last panic.
static SAID: Mutex<(String, String)> = Mutex::new((String::new(), String::new()));

/// Panics are failures that are reported later, once.
pub(crate) fn silence_panics() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("no text");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        *SAID.lock().unwrap() = (format!("{text}\n({place})"), place);
    }));
}

/// The steps of one world.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) seed: u64,
    pub(crate) numbers: Vec<u32>,
    /// Parts of its `tmo.toml` that are left out.
    pub(crate) without: Vec<String>,
    pub(crate) keep: bool,
    pub(crate) verbose: bool,
}

/// The result of a round without a failure.
#[derive(Debug)]
pub(crate) struct RoundSummary {
    pub(crate) lines: u64,
    pub(crate) runs: usize,
    pub(crate) time: Duration,
}

/// A failed check, and what led to it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) why: String,
    /// The check that failed: file and line.
    pub(crate) place: String,
    pub(crate) trace: Vec<String>,
    pub(crate) kept: Option<PathBuf>,
}

impl Round {
    pub(crate) fn of(options: &Options) -> Self {
        let numbers = options.only.clone().unwrap_or_else(|| (1..=options.steps).collect());
        let (without, keep, verbose) = (options.without.clone(), options.keep, options.verbose);
        Self { seed: options.seed, numbers, without, keep, verbose }
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.numbers.iter().map(|number| Step::of(self.seed, *number)).collect()
    }

    pub(crate) fn config(&self) -> Config {
        Config::of(self.seed).without(&self.without)
    }

    pub(crate) fn run(&self) -> Result<RoundSummary, Failure> {
        let began = Instant::now();
        let config = self.config();
        let world = context::world(&config, self.seed);
        let mut context = Context::new(&world, config, self.verbose);
        let steps = self.steps();
        if catch_unwind(AssertUnwindSafe(|| context.run_steps(&steps))).is_ok() {
            let logs = world.run(["logs", "--all-runs"]).stdout;
            let runs = logs.lines().filter(|l| l.contains("| Listening at ")).count();
            return Ok(RoundSummary { lines: context.lines, runs, time: began.elapsed() });
        }
        let (why, place) = SAID.lock().unwrap().clone();
        let trace = std::mem::take(&mut context.trace);
        end_all(&world);
        drop(context);
        let path = world.path().to_owned();
        let kept = self.keep.then(|| path.with_extension("kept"));
        if let Some(kept) = &kept {
            std::fs::rename(&path, kept).unwrap();
        } else {
            std::fs::remove_dir_all(&path).unwrap();
        }
        Err(Failure { why, place, trace, kept })
    }
}

/// End all of a world that has failed.
fn end_all(world: &World) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let left = world.living();
        if left.is_empty() || Instant::now() > until {
            return;
        }
        // Those first that would start others.
        for verb in ["start", "guard", "supervise"] {
            for p in left.iter().filter(|p| p.args.get(1).is_some_and(|arg| arg == verb)) {
                procs::kill(p.pid, 9);
            }
        }
        for p in &left {
            procs::kill(p.pid, 9);
        }
        pause(Duration::from_millis(20));
    }
}
