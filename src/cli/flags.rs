//! `tmo flags`: how often something was found in the output of processes.

use std::io::Write;

use serde::Serialize;

use super::args::FlagsArgs;
use super::error::CliError;
use super::instance::Instance;
use super::table::table;
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
        table(["PROCESS", "FLAG", "COUNT", "TARGET", "LAST"], rows.iter().map(row))
    };
    super::print(out, text.as_bytes())
}

fn row(Row { process, flag }: &Row<'_>) -> [String; 5] {
    let target = flag.target.map_or_else(|| "-".to_owned(), |target| target.to_string());
    let over = if flag.exceeded { " exceeded" } else { "" };
    let last = flag.last.clone().unwrap_or_default();
    [process.to_string(), flag.name.clone(), flag.count.to_string(), target + over, last]
}
