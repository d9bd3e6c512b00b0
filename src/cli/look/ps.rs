//! `tmo ps`: the processes and their states.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::overmind;
use crate::cli::args::ClientArgs;
use crate::cli::error::CliError;
use crate::cli::output::table::{PaintedRow, painted, terminal_width};
use crate::cli::persona::Persona;
use crate::cli::project::drift::{Drift, drift};
use crate::cli::project::ports;
use crate::cli::reach::addresses::Addresses;
use crate::cli::reach::instance::{Instance, Server};
use crate::cli::reach::log::Source;
use crate::cli::{output, runtime};
use crate::client::overmind::OvermindClient;
use crate::crash::{Log, OwningRun, facts};
use crate::figures::{Sampler, Tree, named};
use crate::journal::read::query;
use crate::journal::search::runs;
use crate::journal::{Dirs, IndexReader};
use crate::model::file_change::{WatchMode, WatchState};
use crate::model::plan::rules::{Stage, WatcherPatterns};
use crate::model::state::{ActionState, ProcessState, State};
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName, ProcessStatus, Untrusted, units};
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

/// Print a table, or the whole state as JSON.
pub(in crate::cli) fn ps(args: &PsArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let is_table =
        !args.json && (Persona::here() == Persona::Tmo || args.wide || args.by.is_some());
    if let Server::Overmind(address) = runtime::block_on(instance.server())? {
        let client = OvermindClient::new(&address);
        return output::print(&runtime::block_on(async { Ok(client.status().await?) })?);
    }
    let mut state = runtime::block_on(instance.state())?;
    if let Some(Order::Phase) = args.by {
        state.processes.sort_by_key(stage);
    }
    let is_here = instance.runs_here();
    let drift = if is_here && Persona::here() == Persona::Tmo {
        drift(&instance, &state.processes)
    } else {
        Ok(vec![])
    };
    let addresses = if is_here && (args.json || args.wide) {
        // Without its plan, only they are missing.
        let plan = instance.runtime.plan().ok();
        plan.map_or_else(Addresses::default, |plan| Addresses::of(&instance.context.env, &plan))
    } else {
        Addresses::default()
    };
    if args.json {
        return output::print_json(&listing(state, is_here, drift, &addresses)?);
    }
    if !is_table {
        return output::print(&overmind::status(&state.processes));
    }
    let failed = failed_below_watchers(&instance, &state.run).unwrap_or_default();
    let (wide, by, typed) = (args.wide, args.by, RunOfCommand::Here(instance.flags()));
    let run = state.run.clone();
    let width = terminal_width();
    let (drift, unread) = drift.map_or_else(|error| (vec![], Some(error)), |drift| (drift, None));
    let runtime = &instance.runtime;
    let plan = runtime.plan().ok();
    let is_server = |name: &ProcName, port| {
        plan.as_ref().is_some_and(|plan| ports::is_server(plan, runtime, name, port))
    };
    let is_server = &is_server;
    let actions = state.actions.iter().map(|action| action.process.clone()).collect();
    let shown = TableOptions {
        wide,
        by,
        typed,
        failed,
        actions,
        addresses,
        drift,
        is_here,
        run,
        is_server,
        width,
    };
    let color = Source::style(&instance.context.env, Stamp::None).mode.color();
    let table = shown.table(&state.processes, color);
    let mut foot: Vec<String> = unwritable(&instance).into_iter().collect();
    foot.extend(shown.changes(&state.processes));
    foot.extend(shown.left_out(&state.left_out));
    // The lines after the first one quote the file; `tmo check` prints them.
    let unread = unread.map(|error| error.to_string());
    let unread = unread.as_deref().and_then(|error| error.lines().next()).map(Untrusted::from);
    foot.extend(unread.map(|error| format!("the configuration can't be read: {error}")));
    let foot: String = foot.into_iter().map(|line| line + "\n").collect();
    output::print_painted(&(table + &foot))
}

/// The state of the run, and what each process uses.
#[derive(Serialize)]
struct Listing {
    #[serde(flatten)]
    run: Value,
    processes: Vec<Listed>,
    /// Why it is not known what has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift_unknown: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    #[serde(flatten)]
    process: ProcessState,
    /// `None` if it does not run, or not on this machine.
    figures: Option<Used>,
    /// What has changed since it was read: `environment: DATABASE_URL`, `program: /app/server`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    drift: Vec<String>,
    /// Where a browser reaches it, while `tmo web` runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// What a process and everything it has started use; as in `tmo top --json`.
#[derive(Serialize, Deserialize)]
struct Used {
    cpu_seconds: f64,
    memory_bytes: u64,
    processes: u32,
    threads: u32,
    files: Option<u32>,
    listens: Option<Vec<u16>>,
}

fn listing(
    mut state: State,
    is_here: bool,
    drift: Result<Vec<Drift>, CliError>,
    addresses: &Addresses,
) -> Result<Listing, CliError> {
    let (drift, drift_unknown) =
        drift.map_or_else(|error| (vec![], Some(error.to_string())), |drift| (drift, None));
    let processes = std::mem::take(&mut state.processes);
    let sampled = if is_here { &processes[..] } else { &[] };
    let figures = Sampler::default().sample(sampled, Duration::ZERO);
    let mut figures = figures.into_iter().peekable();
    let listed = |process: ProcessState| {
        let own = figures.next_if(|figures| figures.name == process.name);
        let figures = own.map(|own| Used {
            cpu_seconds: own.cpu_seconds,
            memory_bytes: own.memory_bytes,
            processes: own.processes,
            threads: own.threads,
            files: own.files,
            listens: own.listens,
        });
        let drift = drift.iter().find(|drift| drift.name == process.name);
        let drift = drift.map(|drift| drift.words().collect()).unwrap_or_default();
        let url = addresses.page(&process.name).map(str::to_owned);
        Listed { process, figures, drift, url }
    };
    let mut run = serde_json::to_value(&state)?;
    if let Value::Object(members) = &mut run {
        members.remove("processes");
    }
    let processes = processes.into_iter().map(listed).collect();
    Ok(Listing { run, processes, drift_unknown })
}

/// The rows of another host for the processes in the answer of its `tmo ps --json`, each behind the name of the host;
/// and how the second column, the state, is coloured.
pub(in crate::cli) fn rows_of_host(
    host: &str,
    answer: &[u8],
    heads: &[&str],
) -> serde_json::Result<Vec<PaintedRow>> {
    #[derive(Deserialize)]
    struct PsAnswer {
        processes: Vec<Listed>,
        #[serde(default)]
        actions: Vec<ActionState>,
    }
    let PsAnswer { processes, actions } = serde_json::from_slice(answer)?;
    let options = TableOptions {
        wide: false,
        by: None,
        typed: RunOfCommand::OnHost(host.to_owned()),
        failed: vec![],
        actions: actions.into_iter().map(|action| action.process).collect(),
        addresses: Addresses::default(),
        drift: vec![],
        is_here: false,
        run: String::new(),
        is_server: &|_, _| false,
        width: None,
    };
    let now = clock::now();
    let row = |Listed { process, figures, .. }: Listed| {
        let used = figures.map(RowUse::from);
        let cell = |head: &&str| match *head {
            "HOST" => host.to_owned(),
            _ => options.cell(head, &process, used.as_ref(), None, now),
        };
        (heads.iter().map(cell).collect(), color_of(&process))
    };
    Ok(processes.into_iter().map(row).collect())
}

/// The phase in which it runs.
fn stage(process: &ProcessState) -> Stage {
    process.config.phase.unwrap_or_default()
}

/// The name of a phase.
pub(in crate::cli) const fn phase(stage: Stage) -> &'static str {
    match stage {
        Stage::Dependency => "dependency",
        Stage::Main => "main",
        Stage::Cleanup => "cleanup",
    }
}

/// How a command for a process of the run is typed.
enum RunOfCommand {
    /// With these flags.
    Here(String),
    /// With the name of this host.
    OnHost(String),
}

impl RunOfCommand {
    fn command(&self, verb: &str, name: &ProcName) -> String {
        match self {
            Self::Here(flags) => format!("tmo {verb} {name}{flags}"),
            Self::OnHost(host) => format!("tmo fleet {verb} {host}/{name}"),
        }
    }
}

/// What a row shows of the use of a process and everything it has started.
struct RowUse {
    cpu: Duration,
    memory: u64,
    listens: Option<Vec<u16>>,
    /// Whether a signal has stopped its main process.
    stopped: bool,
}

impl From<Tree> for RowUse {
    fn from(tree: Tree) -> Self {
        let memory = tree.memory();
        Self { cpu: tree.usage.cpu, memory, listens: tree.listens, stopped: tree.stopped }
    }
}

impl From<Used> for RowUse {
    fn from(used: Used) -> Self {
        let cpu = Duration::try_from_secs_f64(used.cpu_seconds).unwrap_or_default();
        Self { cpu, memory: used.memory_bytes, listens: used.listens, stopped: false }
    }
}

/// How the processes are shown.
struct TableOptions<'a> {
    wide: bool,
    by: Option<Order>,
    /// How the commands in the notes are typed.
    typed: RunOfCommand,
    /// The processes whose program has failed under a watcher.
    failed: Vec<ProcName>,
    /// The processes that are actions.
    actions: Vec<ProcName>,
    /// Where browsers reach them.
    addresses: Addresses,
    /// What has changed since the run has read it.
    drift: Vec<Drift>,
    /// They are processes of this machine.
    is_here: bool,
    /// The id of their run.
    run: String,
    /// Whether a process is known to listen on its port.
    is_server: &'a dyn Fn(&ProcName, u16) -> bool,
    /// The width of the terminal, if there is one.
    width: Option<usize>,
}

impl TableOptions<'_> {
    /// One row per process. The columns are always the same, and only the last may contain blanks.
    fn table(&self, processes: &[ProcessState], color: bool) -> String {
        let phases = self.by.is_some().then_some("PHASE");
        let since = self.wide.then_some("SINCE");
        let address = self.wide.then_some("ADDRESS");
        let heads =
            ["PROCESS", "PID", "STATUS", "READY", "EXIT", "RESTARTS", "PORT", "CPU", "MEMORY"];
        let heads = heads.into_iter().chain(phases).chain(since).chain(address).chain(["NOTE"]);
        let heads: Vec<&str> = heads.collect();
        let now = clock::now();
        let trees = self.is_here.then(|| Tree::of_all(processes)).into_iter().flatten();
        let uses: HashMap<_, _> = processes
            .iter()
            .zip(trees)
            .filter_map(|(process, tree)| Some((&process.name, RowUse::from(tree?))))
            .collect();
        let taken = self.taken(processes, &uses);
        let row = |process: &ProcessState| -> Vec<String> {
            let used = uses.get(&process.name);
            let taken = taken.get(&process.name).map(String::as_str);
            let cell = |head: &&str| self.cell(head, process, used, taken, now);
            heads.iter().map(cell).collect()
        };
        let rows: Vec<_> = processes.iter().map(row).collect();
        let color_of = |process: &ProcessState| {
            if self.failed.contains(&process.name) { Some(RED) } else { color_of(process) }
        };
        let paint = |row: usize, column: usize| {
            (color && column == 2).then(|| color_of(&processes[row])).flatten()
        };
        painted(&heads, &rows, paint, self.width)
    }

    /// What `*` stands for, and what is not in the run, a line each.
    fn changes(&self, processes: &[ProcessState]) -> Vec<String> {
        let RunOfCommand::Here(flags) = &self.typed else { return vec![] };
        let (mut marked, mut others): (Vec<(String, Vec<&str>)>, _) = (vec![], vec![]);
        for drift in &self.drift {
            let (name, words) = (drift.name.as_str(), drift.words().collect::<Vec<_>>().join(", "));
            if !processes.iter().any(|process| process.name == drift.name) {
                others.push(name);
            } else if let Some((_, names)) = marked.iter_mut().find(|(known, _)| *known == words) {
                names.push(name);
            } else {
                marked.push((words, vec![name]));
            }
        }
        let mut lines = vec![];
        if !marked.is_empty() {
            let words =
                |(words, names): &(String, Vec<&str>)| format!("{} ({words})", names.join(", "));
            let marked = Untrusted::from(marked.iter().map(words).collect::<Vec<_>>().join(", "));
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

    /// What the start has left out, in a line.
    fn left_out(&self, processes: &[ProcessState]) -> Option<String> {
        const MOST: usize = 10;
        let RunOfCommand::Here(flags) = &self.typed else { return None };
        let first = processes.first()?;
        let mut names: Vec<_> = processes.iter().map(|process| process.name.as_str()).collect();
        let more = format!("{} more", names.len().saturating_sub(MOST));
        if names.len() > MOST {
            names.truncate(MOST);
            names.push(&more);
        }
        let (names, first) = (names.join(", "), &first.name);
        Some(format!("left out of the start: {names} (`tmo start {first}{flags}`)"))
    }

    fn cell(
        &self,
        head: &str,
        process: &ProcessState,
        used: Option<&RowUse>,
        taken: Option<&str>,
        now: Timestamp,
    ) -> String {
        let listens = used.and_then(|used| used.listens.as_deref());
        let cell = match head {
            "PROCESS" if self.drift.iter().any(|drift| drift.name == process.name) => {
                Some(format!("{}*", process.name))
            }
            "PROCESS" => Some(process.name.to_string()),
            "ADDRESS" => self.addresses.page(&process.name).map(str::to_owned),
            "PID" => process.pid.map(|pid| pid.to_string()),
            "STATUS" => {
                // Programs that read the table split it at blanks.
                let looping = process.crash_loop_word(now).filter(|_| self.width.is_some());
                Some(looping.unwrap_or_else(|| process.state.to_string()))
            }
            "PHASE" => Some(phase(stage(process)).to_owned()),
            "READY" => process
                .readiness
                .ready
                .filter(|_| process.pid.is_some())
                .map(|ready| if ready { "yes" } else { "no" }.to_owned()),
            "EXIT" => process.ends.exit.map(Exit::word),
            "RESTARTS" => Some(process.lives.saturating_sub(1).to_string()),
            "PORT" => {
                // The port of what does not run is not open.
                let own = process.config.port.filter(|_| taken.is_none() && process.pid.is_some());
                let port = listens.map_or(own, |ports| ports.first().copied());
                port.map(|port| port.to_string())
            }
            "SINCE" => Some(units::span(now.since(process.since)).replace(' ', "")),
            "CPU" => used.map(|used| cpu_time(used.cpu)),
            "MEMORY" => used.map(|used| units::bytes(used.memory).replace(' ', "")),
            _ if used.is_some_and(|used| used.stopped) => {
                let command = self.typed.command("signal CONT", &process.name);
                return format!("stopped by a signal; `{command}` continues it");
            }
            _ => {
                let note = self.note(process, listens.unwrap_or_default());
                return if note.is_empty() { taken.unwrap_or_default().to_owned() } else { note };
            }
        };
        cell.unwrap_or_else(|| "-".to_owned())
    }

    /// The processes at whose port another program listens, and not their own tree, if that program is known.
    fn taken<'p>(
        &self,
        processes: &'p [ProcessState],
        uses: &HashMap<&ProcName, RowUse>,
    ) -> HashMap<&'p ProcName, String> {
        let port = |process: &ProcessState| {
            let used = uses.get(&process.name)?;
            process.config.port.filter(|_| used.listens.is_none())
        };
        let ports: Vec<u16> = processes.iter().filter_map(port).collect();
        // All of them at once, since finding their holders looks at all processes of this machine.
        let listeners: HashMap<_, _> = sys::tcp_listeners(&ports).into_iter().collect();
        let taken = processes.iter().filter_map(|process| {
            let port = port(process)?;
            let holder = listeners.get(&port)?.process.as_ref()?;
            let of = facts::tenant(holder, &self.run);
            let is_own = |of: &OwningRun| of.socket.is_none() && of.name == process.name.as_str();
            let is_foreign = !of.as_ref().is_some_and(is_own);
            (is_foreign && (self.is_server)(&process.name, port)).then(|| {
                // Of a container it may be the proxy.
                let who = ports::described(Some(holder), of.as_ref());
                (&process.name, format!("{who} listens on its port {port}"))
            })
        });
        taken.collect()
    }

    /// The reason for its state, and the next command to type.
    fn note(&self, process: &ProcessState, listens: &[u16]) -> String {
        let name = &process.name;
        let command = |verb: &str| self.typed.command(verb, name);
        let reason =
            process.reason.as_ref().map(|reason| format!("{reason}; ")).unwrap_or_default();
        let story = process.ends.crash_story(clock::now());
        if let Some(prompt) = &process.prompt {
            let changed = process.watch.as_ref().filter(|watch| watch.waits.is_some());
            return format!(
                "waits for input: {}; `{}` answers it{}",
                prompt.text,
                command("connect"),
                changed.map_or_else(String::new, |_| format!(
                    "; its files have changed: `{}`",
                    command("restart")
                ))
            );
        }
        let note = match &process.state {
            ProcessStatus::Restarting if story.is_some() => String::new(),
            ProcessStatus::Skipped if self.actions.contains(name) => {
                format!("{reason}`{}` runs it", command("act"))
            }
            ProcessStatus::Skipped => match process.late_dependency() {
                Some(on) => {
                    format!("{reason}`{}` tries again", self.typed.command("restart", on))
                }
                None => format!("{reason}`{}` starts it", command("start")),
            },
            ProcessStatus::Exited | ProcessStatus::Error if process.ends.finished => String::new(),
            ProcessStatus::Broken
            | ProcessStatus::Exited
            | ProcessStatus::Error
            | ProcessStatus::Restarting => format!("{reason}`{}` explains it", command("why")),
            _ if process.watch.as_ref().is_some_and(WatchState::is_wrong) => String::new(),
            _ => held_up_by(process),
        };
        let note = if !note.is_empty() {
            note
        } else if let Some(story) = story {
            format!("{story}; `{}` explains it", command("why"))
        } else if let Some((watch, note)) =
            process.watch.as_ref().and_then(|watch| Some((watch, watch.note.as_ref()?)))
        {
            match watch.mode {
                _ if watch.failure.is_some() && !watch.is_changing() => {
                    format!("{note}; `{}` explains it", command("why"))
                }
                WatchMode::Held => format!("{note}; `{}` does it now", command("restart")),
                WatchMode::Changed if watch.waits.is_some() => {
                    format!("{note}; `{}` does it now", command("restart"))
                }
                WatchMode::Paused => format!("{note}; `{}` resumes it", command("watch resume")),
                WatchMode::Changed | WatchMode::Building | WatchMode::Watching => note.to_string(),
            }
        } else if process.state == ProcessStatus::Running && self.failed.contains(name) {
            format!("its program has failed: `{}`", command("why"))
        } else if let Some((_, others @ [_, ..])) = listens.split_first() {
            format!("also listens on {}", named(others))
        } else {
            note
        };
        let display = process.config.display.as_ref().map(|display| format!("({display})"));
        let parts = display.into_iter().chain(Some(note).filter(|note| !note.is_empty()));
        parts.collect::<Vec<_>>().join(" ")
    }
}

/// What a process that has not ended is missing or waiting for.
fn held_up_by(process: &ProcessState) -> String {
    let readiness = &process.readiness;
    if let Some(reason) = &process.reason {
        reason.to_string()
    } else if !readiness.awaits.is_empty() {
        let names: Vec<_> = readiness.awaits.iter().map(ToString::to_string).collect();
        format!("waits for {}", names.join(", "))
    } else if let (Some(why), ProcessStatus::Running) = (&readiness.not_ready, &process.state) {
        format!("not ready: {why}")
    } else if readiness.lacks.is_empty() {
        process.status_text.as_ref().map(ToString::to_string).unwrap_or_default()
    } else {
        format!("not ready yet: {}", Untrusted::join(&readiness.lacks, "; "))
    }
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
    if instance.far.is_some() {
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

const RED: &str = "\x1b[31m";

/// The colour of its state.
pub(in crate::cli) fn color_of(process: &ProcessState) -> Option<&'static str> {
    const GREEN: Option<&str> = Some("\x1b[32m");
    const YELLOW: Option<&str> = Some("\x1b[33m");
    const PURPLE: Option<&str> = Some("\x1b[35m");
    match process.state {
        _ if process.crash_loop_word(clock::now()).is_some() => Some(RED),
        ProcessStatus::Running if matches!(process.readiness.ready, Some(false)) => YELLOW,
        ProcessStatus::Running => GREEN,
        ProcessStatus::Exited if process.ends.finished => None,
        ProcessStatus::Stopped | ProcessStatus::LeftOut | ProcessStatus::Other(_) => None,
        ProcessStatus::Pending
        | ProcessStatus::Starting
        | ProcessStatus::Stopping
        | ProcessStatus::Skipped => YELLOW,
        ProcessStatus::Installing => PURPLE,
        _ => Some(RED),
    }
}

/// Its state, and whether it is not ready yet or won't be.
pub(in crate::cli) fn progress(process: &ProcessState) -> String {
    if let Some(word) = process.crash_loop_word(clock::now()) {
        return word;
    }
    match (&process.state, process.readiness.ready) {
        (ProcessStatus::Running, Some(false)) => "running (not ready)".to_owned(),
        (state, _) => state.to_string(),
    }
}

/// CPU time in the format of ps(1): `1:02.03`.
fn cpu_time(time: Duration) -> String {
    let (seconds, hundredths) = (time.as_secs(), time.subsec_millis() / 10);
    format!("{}:{:02}.{hundredths:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Order;
    use super::{RunOfCommand, TableOptions, cpu_time, stage};
    use crate::cli::reach::addresses::Addresses;
    use crate::model::plan::rules::Stage;
    use crate::model::state::ProcessState;
    use crate::model::{Exit, ProcName, ProcessStatus};

    fn process(name: &str, phase: Option<Stage>, state: ProcessStatus) -> ProcessState {
        let mut process = ProcessState::new(ProcName::new(name).unwrap(), state, None);
        process.config.phase = phase;
        process
    }

    fn shown(by: Option<Order>) -> TableOptions<'static> {
        TableOptions {
            wide: false,
            by,
            typed: RunOfCommand::Here(String::new()),
            failed: vec![],
            actions: vec![ProcName::new("seed").unwrap()],
            addresses: Addresses::default(),
            drift: vec![],
            is_here: true,
            run: String::new(),
            is_server: &|_, _| true,
            width: None,
        }
    }

    #[test]
    fn processes_stand_by_their_phase() {
        let mut all = vec![
            process("sweep", Some(Stage::Cleanup), ProcessStatus::Pending),
            process("web", None, ProcessStatus::Pending),
            process("db", Some(Stage::Dependency), ProcessStatus::Pending),
            process("api", Some(Stage::Main), ProcessStatus::Pending),
        ];
        all.sort_by_key(stage);
        let table = "\
PROCESS  PID  STATUS   READY  EXIT  RESTARTS  PORT  CPU  MEMORY  PHASE       NOTE
db       -    pending  -      -     0         -     -    -       dependency
web      -    pending  -      -     0         -     -    -       main
api      -    pending  -      -     0         -     -    -       main
sweep    -    pending  -      -     0         -     -    -       cleanup
";
        assert_eq!(shown(Some(Order::Phase)).table(&all, false), table);
    }

    #[test]
    fn a_note_says_why_and_what_to_type_next() {
        let in_state = |name, state| process(name, None, state);
        let mut all = [
            in_state("migrate", ProcessStatus::Exited),
            in_state("bad", ProcessStatus::Exited),
            in_state("late", ProcessStatus::Pending),
            in_state("never", ProcessStatus::Skipped),
            in_state("seed", ProcessStatus::Skipped),
            in_state("web", ProcessStatus::Running),
        ];
        let [migrate, bad, late, never, _, web] = &mut all;
        (migrate.ends.exit, migrate.ends.finished) = (Some(Exit::Code(0)), true);
        bad.ends.exit = Some(Exit::Code(3));
        late.readiness.awaits = vec![ProcName::new("db").unwrap()];
        never.reason = Some("bad ended with code 3".into());
        (web.pid, web.readiness.ready) = (Some(u32::MAX), Some(false));
        web.readiness.lacks = vec!["it has not printed `up`".into()];
        let table = "\
PROCESS  PID         STATUS   READY  EXIT  RESTARTS  PORT  CPU  MEMORY  NOTE
migrate  -           exited   -      0     0         -     -    -
bad      -           exited   -      3     0         -     -    -       `tmo why bad` explains it
late     -           pending  -      -     0         -     -    -       waits for db
never    -           skipped  -      -     0         -     -    -       bad ended with code 3; `tmo start never` starts it
seed     -           skipped  -      -     0         -     -    -       `tmo act seed` runs it
web      4294967295  running  no     -     0         -     -    -       not ready yet: it has not printed `up`
";
        assert_eq!(shown(None).table(&all, false), table);
        let painted = shown(None).table(&all, true);
        assert!(painted.contains("bad      -           \x1b[31mexited\x1b[0m   "), "{painted:?}");
    }

    #[test]
    fn time_on_the_processor() {
        assert_eq!(cpu_time(Duration::from_millis(62_034)), "1:02.03");
        assert_eq!(cpu_time(Duration::from_secs(7_200)), "120:00.00");
    }
}
