//! `tmo watch`: pauses and resumes the restarts after changes of files, and shows which processes they restart.

use serde::Serialize;

use super::processes::carry_out;
use crate::cli::args::{ClientArgs, values};
use crate::cli::output::table::table;
use crate::cli::output::{self, Versioned};
use crate::cli::reach::instance::{self, Instance};
use crate::cli::{CliError, runtime};
use crate::model::ProcName;
use crate::model::file_change::WatchState;
use crate::model::request::Request;
use crate::model::state::ProcessState;

/// Pause and resume the restarts after changes of files, or show their state.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo watch                     which processes changed files restart
  tmo watch pause               none, for now: while rebasing, for instance
  tmo watch resume web          web again; what has changed meanwhile does not count
  tmo watch status --json | jq -r '.processes[] | select(.mode == \"held\").name'

`watch` in tmo.toml names the files of a process.")]
pub(in crate::cli) struct WatchArgs {
    /// What to do.
    #[arg(value_name = "DO", default_value = "status")]
    what: WatchDo,
    /// The processes; without names, all that are watched.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    names: Vec<String>,
    /// With status: print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// What `tmo watch` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum WatchDo {
    /// Have changed files not restart processes.
    Pause,
    /// Have them restart processes again; what has changed meanwhile does not count.
    Resume,
    /// Show which processes changed files restart.
    Status,
}

/// The watched processes.
#[derive(Debug, Serialize)]
struct WatchList {
    processes: Vec<WatchRow>,
}

/// A watched process.
#[derive(Debug, Serialize)]
struct WatchRow {
    name: ProcName,
    #[serde(flatten)]
    watch: WatchState,
}

/// Pause or resume the restarts, or print a table or JSON of them.
pub(in crate::cli) fn watch(args: &WatchArgs) -> Result<u8, CliError> {
    if args.what != WatchDo::Status {
        let is_on = args.what == WatchDo::Resume;
        let request = Request::Watch { names: args.names.clone(), on: is_on };
        return carry_out(&args.client, request, true);
    }
    let mut instance = Instance::find(&args.client)?;
    let state = runtime::block_on(async {
        instance::tmo_only(&mut instance).await?;
        instance.state().await
    })?;
    let chosen = ProcessState::chosen(&args.names, &state.processes).map_err(CliError::Unknown)?;
    let row = |process: &ProcessState| {
        Some(WatchRow { name: process.name.clone(), watch: process.watch.clone()? })
    };
    let processes: Vec<_> = chosen.into_iter().filter_map(row).collect();
    if args.json {
        return output::print_json(&Versioned::new(WatchList { processes }));
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
