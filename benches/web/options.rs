//! The options of the command line.

use std::time::Duration;

use crate::rows::Row;

/// The chosen measurements and their sizes.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rows: Vec<Row>,
    pub(crate) quick: bool,
    pub(crate) full: bool,
    pub(crate) save: bool,
    /// The size of the large journal.
    pub(crate) journal_mib: u32,
    /// The length of a flood.
    pub(crate) flood: Duration,
}

/// Whether to measure at all.
#[derive(Debug)]
pub(crate) enum Wanted {
    Run(Options),
    /// Called by `cargo test --all-targets`, or to list tests.
    Nothing,
}

impl Options {
    /// Parse our own options and the one that `cargo bench` adds.
    pub(crate) fn parse(words: &[String]) -> Result<Wanted, String> {
        let has = |flag: &str| words.iter().any(|word| word == flag);
        let (quick, full) = (has("--quick"), has("--full"));
        let (journal_mib, seconds) = match (quick, full) {
            (true, _) => (8, 5),
            (false, false) => (256, 60),
            (false, true) => (1024, 60),
        };
        let flood = Duration::from_secs(seconds);
        let mut options = Self { rows: vec![], quick, full, save: false, journal_mib, flood };
        let mut by_bench = false;
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "--bench" => by_bench = true,
                "--quick" | "--full" => {}
                "--save" => options.save = true,
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
    pub(crate) const fn count(&self, usual: usize, quick: usize) -> usize {
        if self.quick { quick } else { usual }
    }
}

fn number(word: Option<&str>, flag: &str) -> Result<u32, String> {
    let number = word.and_then(|word| word.parse().ok()).filter(|&number| number > 0);
    number.ok_or_else(|| format!("{flag} needs a number above 0"))
}
