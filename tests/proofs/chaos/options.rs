//! Command line options.

use std::time::{Duration, SystemTime};

use crate::common::options::{WITH_VALUE, number};

/// Steps of one world when nothing else is asked for.
const STEPS: u32 = 60;
/// Steps of the only world that `cargo test` tries.
const FEW: u32 = 25;

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// How many steps each world sees.
    pub(crate) steps: u32,
    /// Try world after world for this long.
    pub(crate) time: Option<Duration>,
    /// Only these steps, of one world.
    pub(crate) only: Option<Vec<u32>>,
    /// Leave these parts out of its `tmo.toml`.
    pub(crate) without: Vec<String>,
    /// Keep the world of a failure.
    pub(crate) keep: bool,
    /// Look for the fewest steps that fail.
    pub(crate) shrink: bool,
    /// Print each step when it is executed.
    pub(crate) verbose: bool,
    /// How often to try the same steps, for intermittent failures.
    pub(crate) times: u32,
    pub(crate) task: Task,
}

/// The task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Try,
    /// Show what would be tried.
    Show,
    /// Name the tests.
    List,
    /// Other tests were requested.
    Nothing,
}

impl Options {
    /// Parse the options of chaos, `cargo test` and `cargo nextest`.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let mut options = Self {
            seed: u64::from(now.subsec_micros()),
            steps: 0,
            time: None,
            only: None,
            without: vec![],
            keep: false,
            shrink: true,
            verbose: false,
            times: 1,
            task: Task::Try,
        };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word {
                "--seed" => options.seed = number(word, value()?)?,
                "--steps" => options.steps = number(word, value()?)?,
                "--times" => options.times = number(word, value()?)?,
                "--for" => options.time = Some(seconds(word, value()?)?),
                "--only" => {
                    let numbers = value()?.split(',').map(|text| number(word, text));
                    options.only = Some(numbers.collect::<Result<_, _>>()?);
                }
                "--without" => options.without = value()?.split(',').map(str::to_owned).collect(),
                "--keep" => options.keep = true,
                "--no-shrink" => options.shrink = false,
                "--verbose" => options.verbose = true,
                "--show" => options.task = Task::Show,
                "--list" if options.task == Task::Try => options.task = Task::List,
                "--ignored" => options.task = Task::Nothing,
                flag if WITH_VALUE.contains(&flag) => _ = words.next(),
                flag if flag.starts_with('-') => {}
                filter if "chaos".contains(filter) => {}
                _ => options.task = Task::Nothing,
            }
        }
        if options.steps == 0 {
            options.steps = if options.time.is_some() { STEPS } else { FEW };
        }
        Ok(options)
    }
}

/// `600` or `600s`.
fn seconds(word: &str, text: &str) -> Result<Duration, String> {
    number(word, text.strip_suffix('s').unwrap_or(text)).map(Duration::from_secs)
}
