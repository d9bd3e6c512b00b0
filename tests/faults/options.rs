//! What was typed, and running what was chosen by it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::SystemTime;

use crate::table::Table;

/// A part of a proof: told how often to try, and the seed of its choices.
pub(crate) type Work = fn(u32, u64) -> Table;

/// Run the parts that were chosen (name, times in full, times in short, work), print their figures.
pub(crate) fn run(program: &str, parts: &[(&str, u32, u32, Work)]) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let typed = match Typed::parse(&words) {
        Ok(typed) => typed,
        Err(why) => {
            eprintln!("{program}: {why}");
            return ExitCode::from(2);
        }
    };
    let chosen = |name: &str| {
        !typed.ignored
            && (typed.filters.is_empty() || typed.filters.iter().any(|f| name.contains(f.as_str())))
    };
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let (mut passed, mut failed) = (0, 0);
    for (name, full, short, work) in parts.iter().filter(|part| chosen(part.0)) {
        if typed.list {
            println!("{name}: test");
            continue;
        }
        let times = typed.times.unwrap_or(if typed.full { *full } else { *short });
        println!("{name}, {times} times, seed {}", typed.seed);
        let table =
            catch_unwind(AssertUnwindSafe(|| work(times, typed.seed))).unwrap_or_else(|_| {
                let mut table = Table::default();
                table.must("got to its end", "no", "yes");
                table
            });
        println!("{table}");
        *if table.right() { &mut passed } else { &mut failed } += 1;
    }
    if !typed.list {
        println!("{program}: {passed} passed, {failed} failed");
    }
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
            let mut number = || {
                let text = words.next().ok_or(format!("{word} needs a number"))?;
                text.parse::<u64>().map_err(|_| format!("{word}: {text} is no number"))
            };
            match word {
                "--seed" => typed.seed = number()?,
                "--times" => typed.times = Some(u32::try_from(number()?).unwrap_or(u32::MAX)),
                "--list" => typed.list = true,
                "--ignored" => typed.ignored = true,
                "--format" | "--test-threads" | "--skip" => _ = words.next(),
                "all" => typed.full = true,
                flag if flag.starts_with('-') => {}
                filter => typed.filters.push(filter.to_owned()),
            }
        }
        Ok(typed)
    }
}
