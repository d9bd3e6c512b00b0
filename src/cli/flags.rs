//! `tmo flags`: how often something was found in the output of processes.

use std::io::Write;

use serde::Serialize;

use super::args::FlagsArgs;
use super::error::CliError;
use super::instance::Instance;
use super::wait::chosen;
use crate::model::ProcName;
use crate::model::request::FlagState;

/// A flag of a process.
#[derive(Debug, Serialize)]
struct Row<'a> {
    process: &'a ProcName,
    #[serde(flatten)]
    flag: &'a FlagState,
}

/// Print them.
pub(super) fn flags(args: &FlagsArgs, out: &mut dyn Write) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let state = super::block_on(async {
        super::terminal::tmo_only(&mut instance).await?;
        instance.state().await
    })?;
    let processes = chosen(&state, &args.names)?;
    let of = |process| {
        let process: &crate::model::request::ProcessState = process;
        process.flags.iter().map(move |flag| Row { process: &process.name, flag })
    };
    let rows: Vec<Row<'_>> = processes.into_iter().flat_map(of).collect();
    let text = if args.json {
        serde_json::to_string_pretty(&rows).map_err(|e| CliError::Other(e.to_string()))? + "\n"
    } else if rows.is_empty() {
        return Err(CliError::Other("nothing is counted: tmo.toml has no flags for it".to_owned()));
    } else {
        table(&rows)
    };
    super::print(out, text.as_bytes())
}

fn table(rows: &[Row<'_>]) -> String {
    let head = ["PROCESS", "FLAG", "COUNT", "TARGET", "LAST"].map(str::to_owned);
    let row = |Row { process, flag }: &Row<'_>| {
        let target = flag.target.map_or_else(|| "-".to_owned(), |target| target.to_string());
        let over = if flag.exceeded { " exceeded" } else { "" };
        let last = flag.last.clone().unwrap_or_default();
        [process.to_string(), flag.name.clone(), flag.count.to_string(), target + over, last]
    };
    let all: Vec<[String; 5]> = std::iter::once(head).chain(rows.iter().map(row)).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..5).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    all.iter().map(line).collect()
}
