//! What was typed.

use crate::rows::Row;

/// What to measure.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rows: Vec<Row>,
    /// Only these contestants; all, if there are none.
    pub(crate) tools: Vec<String>,
    pub(crate) runs: u32,
    pub(crate) save: bool,
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
        let mut options = Self { rows: vec![], tools: vec![], runs: 5, save: false };
        let mut by_bench = false;
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "--bench" => by_bench = true,
                "--save" => options.save = true,
                "--runs" => {
                    let number = words.next().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
                    options.runs = number.ok_or("--runs needs a number")?;
                }
                "--tools" => {
                    let names = words.next().ok_or("--tools needs names, with commas")?;
                    options.tools = names.split(',').map(named).collect::<Result<_, _>>()?;
                }
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
}

/// The contestant of this name.
fn named(name: &str) -> Result<String, String> {
    let names = crate::tool::names();
    let known = || format!("{name}: the contestants are {}", names.join(", "));
    names.contains(&name).then(|| name.to_owned()).ok_or_else(known)
}
