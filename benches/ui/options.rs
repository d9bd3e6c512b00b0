//! What was typed.

use std::time::Duration;

use crate::rows::Row;

/// What to measure, and how thoroughly.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rows: Vec<Row>,
    pub(crate) runs: u32,
    pub(crate) quick: bool,
    pub(crate) save: bool,
    /// The size of the large journal.
    pub(crate) journal_mib: u32,
}

/// Whether anything is to be measured at all.
#[derive(Debug)]
pub(crate) enum Wanted {
    Run(Options),
    /// Called by `cargo test --all-targets` or by a lister of tests.
    Nothing,
}

impl Options {
    /// Understand our own words and the one that `cargo bench` adds.
    pub(crate) fn parse(words: &[String]) -> Result<Wanted, String> {
        let quick = words.iter().any(|word| word == "--quick");
        let (runs, journal_mib) = if quick { (1, 8) } else { (3, 256) };
        let mut options = Self { rows: vec![], runs, quick, save: false, journal_mib };
        let mut by_bench = false;
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "--bench" => by_bench = true,
                "--quick" => {}
                "--save" => options.save = true,
                "--runs" => options.runs = number(words.next(), "--runs")?,
                "--journal" => options.journal_mib = number(words.next(), "--journal")?,
                flag if flag.starts_with('-') => return Err(format!("{flag} is not known")),
                name => options.rows.push(Row::by_name(name)?),
            }
        }
        if !by_bench && options.rows.is_empty() {
            return Ok(Wanted::Nothing);
        }
        if options.rows.is_empty() {
            options.rows = Row::ALL.into();
        }
        Ok(Wanted::Run(options))
    }

    /// The first number, or the second of a quick run.
    pub(crate) const fn count(&self, full: u32, quick: u32) -> u32 {
        if self.quick { quick } else { full }
    }

    /// So many seconds, or so many of a quick run.
    pub(crate) const fn seconds(&self, full: u64, quick: u64) -> Duration {
        Duration::from_secs(if self.quick { quick } else { full })
    }
}

fn number(word: Option<&str>, flag: &str) -> Result<u32, String> {
    let number = word.and_then(|word| word.parse().ok()).filter(|&number| number > 0);
    number.ok_or_else(|| format!("{flag} needs a number above 0"))
}
