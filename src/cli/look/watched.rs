//! `tmo watch status`: which processes changed files restart.

use serde::Serialize;

use crate::cli::args::ClientArgs;
use crate::cli::error::CliError;
use crate::cli::output::table::table;
use crate::cli::reach::instance::{self, Instance};
use crate::cli::{output, runtime};
use crate::model::ProcName;
use crate::model::file_change::WatchState;
use crate::model::request::API;
use crate::model::state::ProcessState;

/// The watched processes.
#[derive(Debug, Serialize)]
struct WatchList {
    api: u32,
    processes: Vec<WatchRow>,
}

/// A watched process.
#[derive(Debug, Serialize)]
struct WatchRow {
    name: ProcName,
    #[serde(flatten)]
    watch: WatchState,
}

/// Print a table, or JSON.
pub(in crate::cli) fn status(
    client: &ClientArgs,
    names: &[String],
    json: bool,
) -> Result<u8, CliError> {
    let mut instance = Instance::find(client)?;
    let state = runtime::block_on(async {
        instance::tmo_only(&mut instance).await?;
        instance.state().await
    })?;
    let chosen = ProcessState::chosen(names, &state.processes).map_err(CliError::Unknown)?;
    let row = |process: &ProcessState| {
        Some(WatchRow { name: process.name.clone(), watch: process.watch.clone()? })
    };
    let processes: Vec<_> = chosen.into_iter().filter_map(row).collect();
    if json {
        return output::print_json(&WatchList { api: API, processes });
    }
    if processes.is_empty() {
        return Err(CliError::Other("no file is watched: `watch` in tmo.toml names some".into()));
    }
    output::print(&table(["PROCESS", "STATE", "NOTE"], processes.iter().map(cells)))
}

fn cells(WatchRow { name, watch }: &WatchRow) -> [String; 3] {
    let note = match (&watch.failure, &watch.note) {
        (Some(failure), _) if !watch.is_changing() => {
            format!("`{}` failed: {}", failure.command, failure.why)
        }
        (_, Some(note)) if watch.is_wrong() => format!("{note}; `tmo restart {name}` does it now"),
        (_, note) => note.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    [name.to_string(), watch.mode.word().to_owned(), note]
}
