//! `tmo ps`: the processes and their states.

use std::collections::HashMap;
use std::iter::repeat;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::note::{ProcessNotes, RunOfCommand};
use super::process_table::{ProcessRow, ProcessTable, stage};
use crate::api::overmind;
use crate::cli::args::ClientArgs;
use crate::cli::error::CliError;
use crate::cli::output::table::{FleetTable, terminal_width};
use crate::cli::persona::Persona;
use crate::cli::project::drift::{Drift, drift};
use crate::cli::project::ports;
use crate::cli::reach::addresses::Addresses;
use crate::cli::reach::instance::{Instance, Server};
use crate::cli::reach::log::Source;
use crate::cli::{output, runtime};
use crate::client::overmind::OvermindClient;
use crate::crash::{Log, facts};
use crate::figures::ProcessUse;
use crate::journal::read::query;
use crate::journal::search::runs;
use crate::journal::{Dirs, IndexReader};
use crate::model::plan::rules::WatcherPatterns;
use crate::model::state::{ActionState, ProcessState};
use crate::model::{ProcName, Untrusted};
use crate::run::dir::RuntimeDir;
use crate::sys::{self, clock};
use crate::view::paint::Stamp;

/// List the processes, their states and what they wait for.
#[derive(clap::Args)]
#[command(after_help = "\
CPU and MEMORY are those of the process and everything that it has started. MEMORY is the share (PSS)
where the system provides it, as in `tmo top` and on the page of `tmo web`.

A `*` after a name means that its configuration, program or script has changed since it was started; the
lines below the table say what. `tmo restart --drifted` restarts just these processes.

Examples:
  tmo ps
  tmo ps --json | jq -r '.processes[] | select(.state == \"exited\").name'")]
pub(in crate::cli) struct PsArgs {
    /// Print the whole state as JSON.
    #[arg(long)]
    json: bool,
    /// Also show how long each process has been in its state.
    #[arg(short = 'w', long, conflicts_with = "json")]
    wide: bool,
    /// Sort by this, and add a column for it.
    #[arg(long, value_enum, value_name = "WHAT")]
    by: Option<Order>,
    #[command(flatten)]
    client: ClientArgs,
}

/// A sort order of the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Order {
    /// Dependencies first, then the main processes, then the cleanup.
    Phase,
}

/// What `--json` prints: the state of the run, with more about each process.
#[derive(Serialize)]
struct PsListing {
    #[serde(flatten)]
    run: Value,
    processes: Vec<ProcessRow>,
    /// Why it is not known what has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift_unknown: Option<String>,
}

/// Print a table, or the whole state as JSON.
pub(in crate::cli) fn ps(args: &PsArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    if let Server::Overmind(address) = runtime::block_on(instance.server())? {
        let client = OvermindClient::new(&address);
        return output::print(&runtime::block_on(async { Ok(client.status().await?) })?);
    }
    let mut state = runtime::block_on(instance.state())?;
    if args.by == Some(Order::Phase) {
        state.processes.sort_by_key(stage);
    }
    let is_tmo = Persona::here() == Persona::Tmo;
    if !is_tmo && !args.json && !args.wide && args.by.is_none() {
        return output::print(&overmind::status(&state.processes));
    }
    let is_here = instance.runs_here();
    let drift = if is_here && is_tmo { drift(&instance, &state.processes) } else { Ok(vec![]) };
    let drift_unknown = drift.as_ref().err().map(ToString::to_string);
    let drift = drift.unwrap_or_default();
    let mut rows = rows(std::mem::take(&mut state.processes), is_here, &drift);
    if is_here && (args.json || args.wide) {
        add_addresses(&mut rows, &instance);
    }
    if args.json {
        let mut run = serde_json::to_value(&state)?;
        if let Value::Object(members) = &mut run {
            members.remove("processes");
        }
        return output::print_json(&PsListing { run, processes: rows, drift_unknown });
    }
    let failed = failed_below_watchers(&instance, &state.run).unwrap_or_default();
    for row in &mut rows {
        row.program_failed = failed.contains(&row.process.name);
    }
    add_port_holders(&mut rows, &instance.runtime, &state.run);
    let flags = instance.flags();
    let notes = ProcessNotes::new(RunOfCommand::Here(flags.clone()), &state.actions);
    let width = terminal_width();
    let table = ProcessTable { wide: args.wide, by: args.by, notes, width, now: clock::now() };
    let color = Source::style(&instance.context.env, Stamp::None).mode.color();
    // The lines after the first one quote the file; `tmo check` prints them.
    let unread = drift_unknown.as_deref().and_then(|error| error.lines().next());
    let unread = unread.map(Untrusted::from);
    let foot = unwritable(&instance).into_iter();
    let foot = foot.chain(drift_lines(&drift, &rows, &flags));
    let foot = foot.chain(left_out_line(&state.left_out, &flags));
    let foot = foot.chain(unread.map(|error| format!("the configuration can't be read: {error}")));
    let foot: String = foot.map(|line| line + "\n").collect();
    output::print_painted(&(table.text(&rows, color) + &foot))
}

fn rows(processes: Vec<ProcessState>, is_here: bool, drift: &[Drift]) -> Vec<ProcessRow> {
    let uses = is_here.then(|| ProcessUse::of_all(&processes)).into_iter().flatten();
    let uses: Vec<_> = uses.collect();
    let uses = uses.into_iter().chain(repeat(None));
    let row = |(process, figures): (ProcessState, _)| {
        let drift = drift.iter().filter(|drift| drift.name == process.name);
        let drift = drift.flat_map(Drift::words).collect();
        ProcessRow { process, figures, drift, ..ProcessRow::default() }
    };
    processes.into_iter().zip(uses).map(row).collect()
}

fn add_addresses(rows: &mut [ProcessRow], instance: &Instance) {
    // Without its plan, only they are missing.
    let Ok(plan) = instance.runtime.plan() else { return };
    let addresses = Addresses::of(&instance.context.env, &plan);
    for row in rows {
        row.url = addresses.page(&row.process.name).map(str::to_owned);
    }
}

/// Find the programs that listen at the ports of processes in their place.
fn add_port_holders(rows: &mut [ProcessRow], runtime: &RuntimeDir, run: &str) {
    let port_without_listener = |row: &ProcessRow| {
        let port = row.process.config.port?;
        row.figures.as_ref()?.listens.is_none().then_some(port)
    };
    let ports: Vec<u16> = rows.iter().filter_map(port_without_listener).collect();
    // All of them at once, since finding their holders looks at all processes of this machine.
    let listeners: HashMap<_, _> = sys::tcp_listeners(&ports).into_iter().collect();
    let Some(plan) = runtime.plan().ok().filter(|_| !listeners.is_empty()) else { return };
    for row in rows {
        let name = &row.process.name;
        if let Some(port) = port_without_listener(row)
            && let Some(holder) = listeners.get(&port).and_then(|found| found.process.as_ref())
        {
            let owner = facts::tenant(holder, run);
            let is_own = owner
                .as_ref()
                .is_some_and(|owner| owner.socket.is_none() && owner.name == name.as_str());
            if !is_own && ports::is_server(&plan, runtime, name, port) {
                // Of a container it may be the proxy.
                let holder = ports::described(Some(holder), owner.as_ref());
                row.port_holder = Some(format!("{holder} listens on its port {port}"));
            }
        }
    }
}

/// What `*` stands for, and what is not in the run, a line each.
fn drift_lines(drift: &[Drift], rows: &[ProcessRow], flags: &str) -> Vec<String> {
    let mut marked: Vec<(String, Vec<&str>)> = vec![];
    let mut others = vec![];
    for drift in drift {
        let name = drift.name.as_str();
        let words = drift.words().collect::<Vec<_>>().join(", ");
        if !rows.iter().any(|row| row.process.name == drift.name) {
            others.push(name);
        } else if let Some((_, names)) = marked.iter_mut().find(|(known, _)| *known == words) {
            names.push(name);
        } else {
            marked.push((words, vec![name]));
        }
    }
    let mut lines = vec![];
    if !marked.is_empty() {
        let marked = marked.iter().map(|(words, names)| format!("{} ({words})", names.join(", ")));
        let marked = Untrusted::from(marked.collect::<Vec<_>>().join(", "));
        lines.push(format!(
            "* changed since it was started: {marked}; `tmo restart --drifted{flags}` applies it"
        ));
    }
    if !others.is_empty() {
        let others = others.join(", ");
        lines.push(format!("not in this run yet: {others}; `tmo reload{flags}` starts it"));
    }
    lines
}

/// What the start has left out.
fn left_out_line(processes: &[ProcessState], flags: &str) -> Option<String> {
    const MOST: usize = 10;
    let first = &processes.first()?.name;
    let names = processes.iter().map(|process| &process.name);
    let names = output::first_names(names, MOST, ", ");
    Some(format!("left out of the start: {names} (`tmo start {first}{flags}`)"))
}

/// The journal of the run, and the file watchers that the project names. The record is much smaller than the
/// plan, which has the environment of each process.
fn journal_of(instance: &Instance) -> Option<(Dirs, Vec<WatcherPatterns>)> {
    let last = instance.last_run()?;
    let dirs = Dirs::of_journal(last.journal.as_path(), instance.runtime.dir());
    Some((dirs, last.watchers))
}

/// The processes whose program has failed under a watcher, if the journal is on this machine.
fn failed_below_watchers(instance: &Instance, run: &str) -> Option<Vec<ProcName>> {
    if instance.far().is_some() {
        return None;
    }
    let (dirs, watchers) = journal_of(instance)?;
    let first = runs::newest(&mut IndexReader::open(&dirs)).ok()?;
    Log::open(&dirs, first).ok()?.failed_below_watchers(&watchers, run).ok()
}

/// That the journal can't be written, if that is so and it is on this machine.
fn unwritable(instance: &Instance) -> Option<String> {
    let (dirs, _) = journal_of(instance).filter(|_| instance.has_files())?;
    let first = runs::newest(&mut IndexReader::open(&dirs)).ok()?;
    query::unwritable(IndexReader::open(&dirs), first).ok().flatten()
}

/// The table of `tmo fleet ps`, of what `tmo ps --json` prints on each host.
pub(in crate::cli) fn fleet_table(wide: bool, by: Option<Order>) -> FleetTable {
    #[derive(Deserialize)]
    struct PsAnswer {
        processes: Vec<ProcessRow>,
        #[serde(default)]
        actions: Vec<ActionState>,
    }
    let table_of = move |host: &str, actions: &[ActionState]| {
        let notes = ProcessNotes::new(RunOfCommand::OnHost(host.to_owned()), actions);
        ProcessTable { wide, by, notes, width: None, now: clock::now() }
    };
    FleetTable {
        heads: table_of("", &[]).heads(),
        state: 3,
        rows_of: Box::new(move |host, answer| {
            let PsAnswer { processes, actions } = serde_json::from_slice(answer)?;
            let table = table_of(host, &actions);
            let heads = table.heads();
            // What has changed is told only where it can be applied.
            let rows = processes.into_iter().map(|row| ProcessRow { drift: vec![], ..row });
            Ok(rows.map(|row| table.row(&row, &heads)).collect())
        }),
    }
}
