//! The command line of the proofs, and the selection of what runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::SystemTime;

use super::table::Table;

/// A part of a proof: told how often to try, and the seed of its choices.
pub(crate) type Work = fn(u32, u64) -> Table;

/// How often to try a part whose cases are each tried once.
pub(crate) const ALL: u32 = u32::MAX;
/// Flags of `cargo test` and `cargo nextest` that a value follows.
pub(crate) const WITH_VALUE: [&str; 3] = ["--format", "--test-threads", "--skip"];

/// Run the parts that were chosen (name, times in full, times in short, work), print their figures.
///
/// 0 times is a sample; a part that knows it is tried in full when nothing else was chosen. `at_once`: the
/// short forms mostly wait, and run at the same time.
pub(crate) fn run(
    program: &str,
    words: &[String],
    parts: &[(&str, u32, u32, Work)],
    at_once: bool,
) -> ExitCode {
    let typed = match Typed::parse(words) {
        Ok(typed) => typed,
        Err(why) => {
            eprintln!("{program}: {why}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let chosen: Vec<_> = parts.iter().filter(|part| typed.chooses(part.0)).collect();
    if typed.list {
        for (name, ..) in chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let one = |&&(name, full, short, work): &&(&str, u32, u32, Work)| {
        let full = if typed.full || short == 0 && chosen.len() == 1 { full } else { short };
        let times = typed.times.unwrap_or(full);
        let often = if [0, ALL].contains(&times) { "" } else { &format!(", {times} times") };
        let head = format!("{name}{often}, seed {}", typed.seed);
        let table = catch_unwind(AssertUnwindSafe(|| work(times, typed.seed)));
        let table = table.unwrap_or_else(|_| {
            let mut table = Table::default();
            table.must("got to its end", "no", "yes");
            table
        });
        println!("{head}\n{table}");
        table.right()
    };
    let right: Vec<bool> = if at_once && !typed.full && typed.times.is_none() {
        std::thread::scope(|scope| {
            let parts: Vec<_> = chosen.iter().map(|part| scope.spawn(|| one(part))).collect();
            parts.into_iter().map(|part| part.join().unwrap_or(false)).collect()
        })
    } else {
        chosen.iter().map(one).collect()
    };
    let failed = right.iter().filter(|right| !**right).count();
    println!("{program}: {} passed, {failed} failed", right.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Debug)]
struct Typed {
    filters: Vec<String>,
    seed: u64,
    times: Option<u32>,
    full: bool,
    list: bool,
    ignored: bool,
}

impl Typed {
    /// Our own words and those of `cargo test` and `cargo nextest`.
    fn parse(words: &[String]) -> Result<Self, String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) ^ (now.as_secs() << 20);
        let (filters, times) = (vec![], None);
        let mut typed = Self { filters, seed, times, full: false, list: false, ignored: false };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a number"));
            match word {
                "--seed" => typed.seed = number(word, value()?)?,
                "--times" => typed.times = Some(number(word, value()?)?),
                "--list" => typed.list = true,
                "--ignored" => typed.ignored = true,
                flag if WITH_VALUE.contains(&flag) => _ = words.next(),
                "all" => typed.full = true,
                flag if flag.starts_with('-') => {}
                filter => typed.filters.push(filter.to_owned()),
            }
        }
        Ok(typed)
    }
    /// Whether the part of this name is to be tried.
    fn chooses(&self, name: &str) -> bool {
        let meant = |filter: &String| name.contains(filter.as_str());
        !self.ignored && (self.filters.is_empty() || self.filters.iter().any(meant))
    }
}

/// The number that was given with this word.
pub(crate) fn number<T: std::str::FromStr>(word: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{word}: {text} is no number"))
}
