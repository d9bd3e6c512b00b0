//! `tmo graph`: the order in which a run starts, and what each process waits for.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::Serialize;

use super::process_table::phase;
use crate::cli::output::{self, Versioned};
use crate::cli::project::input::Start;
use crate::cli::reach::instance::Server;
use crate::cli::{CliError, runtime};
use crate::config::StartOptions;
use crate::config::load::find_for_plan;
use crate::model::plan::rules::{Check, DependencyCondition, Probe, Stage};
use crate::model::state::ProcessState;
use crate::model::text::untrusted;
use crate::model::{ProcName, ProcessStatus, is_default};
use crate::plan::{OrderPosition, OrderedProcess, Wait, order};
use crate::sys::clock;

/// Show the start order and the dependencies.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo graph                     numbered steps; processes in one step start together
  tmo graph web                 what `tmo start web` would run
  tmo graph --live              with the states of the current run
  tmo graph --dot | dot -Tsvg >graph.svg
  tmo graph --json | jq -r '.levels[] | join(\" \")'

A process waits until another one has started, is ready, or has completed (exit code 0).")]
pub(in crate::cli) struct GraphArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print Graphviz DOT.
    #[arg(long, conflicts_with = "json")]
    dot: bool,
    /// Include the states of the current run.
    #[arg(long, conflicts_with = "dot")]
    live: bool,
    #[command(flatten)]
    start: StartOptions,
}

/// The width of the text.
const WIDTH: usize = 80;

/// The states of a run by name; `None` if they were not requested.
type States = Option<HashMap<ProcName, ProcessState>>;

/// Print the graph as text, for graphviz, or as JSON.
pub(in crate::cli) fn graph(args: &GraphArgs) -> Result<u8, CliError> {
    let start = Start::gather(args.start.clone())?;
    let own = start.own_path();
    let plan = start.preview(&|name| find_for_plan(&start.context, &own, name));
    let steps = order(&plan?);
    let states = if args.live { Some(states(&start)?) } else { None };
    if args.json {
        return output::print_json(&Versioned::new(as_json(&steps, &states)));
    }
    let text = if args.dot { dot(&steps) } else { text(&steps, &states) };
    output::print(&text)
}

fn states(start: &Start) -> Result<HashMap<ProcName, ProcessState>, CliError> {
    let mut instance = start.instance();
    let state = runtime::block_on(async {
        match instance.server().await? {
            Server::Tmo => instance.state().await,
            Server::Overmind(_) => {
                let text = "overmind runs here and reports no states; leave out --live";
                Err(CliError::Other(text.to_owned()))
            }
        }
    })?;
    Ok(state.processes.into_iter().map(|process| (process.name.clone(), process)).collect())
}

/// The JSON document.
#[derive(Serialize)]
struct GraphDocument<'a> {
    /// The start order: processes of the same level may start together.
    levels: Vec<Vec<&'a ProcName>>,
    /// The same at the end of the run.
    cleanup: Vec<Vec<&'a ProcName>>,
    /// Processes that start on request.
    on_demand: Vec<&'a ProcName>,
    processes: Vec<GraphProcess<'a>>,
}

#[derive(Serialize)]
struct GraphProcess<'a> {
    name: &'a ProcName,
    phase: Stage,
    waits_for: Vec<WaitsFor<'a>>,
    /// How many further processes of phase `dependency` it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for_more: Option<usize>,
    ready: Vec<Ready>,
    /// With `--live`.
    #[serde(flatten)]
    live: Option<Live<'a>>,
}

#[derive(Serialize)]
struct Live<'a> {
    /// Null if the run does not know the process.
    state: Option<&'a ProcessState>,
}

#[derive(Serialize)]
struct WaitsFor<'a> {
    process: &'a ProcName,
    until: DependencyCondition,
    /// `depends_on`, or `phase`: a main process waits for all dependencies.
    by: &'static str,
    /// Whether the process is restarted when that one is restarted.
    #[serde(skip_serializing_if = "is_default")]
    restart: bool,
}

#[derive(Serialize)]
struct Ready {
    /// The key by which a `tmo.toml` names the probe.
    check: &'static str,
    value: String,
    timeout_ms: u64,
}

/// The state of a process, and whether it is not ready yet.
fn progress(process: &ProcessState) -> String {
    match process.crash_loop_word(clock::now()) {
        Some(word) => word,
        None if process.state == ProcessStatus::Running
            && process.readiness.ready == Some(false) =>
        {
            "running (not ready)".to_owned()
        }
        None => process.state.to_string(),
    }
}

fn as_json<'a>(steps: &'a [OrderedProcess], states: &'a States) -> GraphDocument<'a> {
    let process = |step: &'a OrderedProcess| GraphProcess {
        name: &step.name,
        phase: step.stage,
        waits_for: step.waits.iter().map(waits_for).collect(),
        waits_for_more: Some(step.more).filter(|more| *more > 0),
        ready: step.ready.iter().map(ready).collect(),
        live: states.as_ref().map(|states| Live { state: states.get(&step.name) }),
    };
    let names = |steps: Vec<&'a OrderedProcess>| steps.into_iter().map(|step| &step.name).collect();
    let all = |levels: Vec<Vec<&'a OrderedProcess>>| levels.into_iter().map(names).collect();
    GraphDocument {
        levels: all(levels(steps, at_start)),
        cleanup: all(levels(steps, at_end)),
        on_demand: names(of_turn(steps, OrderPosition::Asked)),
        processes: steps.iter().map(process).collect(),
    }
}

fn waits_for(wait: &Wait) -> WaitsFor<'_> {
    let by = if wait.by_stage { "phase" } else { "depends_on" };
    WaitsFor { process: &wait.on, until: wait.until, by, restart: wait.restart }
}

fn ready(Check { probe: asked, timeout_ms, .. }: &Check) -> Ready {
    let (check, value) = probe(asked);
    Ready { check, value, timeout_ms: *timeout_ms }
}

/// The name of a probe in a `tmo.toml`, and its argument.
fn probe(probe: &Probe) -> (&'static str, String) {
    match probe {
        Probe::Log(text) => ("log", text.pattern.clone()),
        Probe::Port { host, port, .. } => ("port", format!("{host}:{port}")),
        Probe::Http { url } => ("http", url.clone()),
        Probe::Exec { command } => ("exec", command.to_string()),
        Probe::Exit { code } => ("exit", code.to_string()),
        Probe::Delay { ms } => ("delay", format!("{ms} ms")),
        Probe::Notify {} => ("notify", "READY=1".to_owned()),
        Probe::Watchdog { ms } => ("watchdog", format!("{ms} ms")),
    }
}

fn of_turn(steps: &[OrderedProcess], turn: OrderPosition) -> Vec<&OrderedProcess> {
    steps.iter().filter(|step| step.turn == turn).collect()
}

const fn at_start(turn: OrderPosition) -> Option<usize> {
    if let OrderPosition::Start(level) = turn { Some(level) } else { None }
}

const fn at_end(turn: OrderPosition) -> Option<usize> {
    if let OrderPosition::End(level) = turn { Some(level) } else { None }
}

/// The processes of each level, up to the last level.
fn levels(
    steps: &[OrderedProcess],
    level: fn(OrderPosition) -> Option<usize>,
) -> Vec<Vec<&OrderedProcess>> {
    let mut levels: Vec<Vec<&OrderedProcess>> = vec![];
    for step in steps {
        if let Some(level) = level(step.turn) {
            levels.resize_with(levels.len().max(level + 1), Vec::new);
            levels[level].push(step);
        }
    }
    levels
}

/// What is awaited, in words.
fn milestone(wait: &Wait) -> String {
    let until = match wait.until {
        DependencyCondition::Started => "started",
        DependencyCondition::Ready => "ready",
        DependencyCondition::Completed => "completed",
    };
    if wait.restart { format!("{until}, restart") } else { until.to_owned() }
}

/// A table: the number of each level, then its processes.
fn text(steps: &[OrderedProcess], states: &States) -> String {
    let column = Columns::of_steps(steps, states);
    let mut lines = vec![column.line("", ["PROCESS", "PHASE", "STATE"], "WAITS FOR")];
    let mut add = |levels: Vec<Vec<&OrderedProcess>>, heading: &str| {
        if !levels.is_empty() && !heading.is_empty() {
            lines.push(heading.to_owned());
        }
        for (number, level) in levels.into_iter().enumerate() {
            for (place, step) in level.into_iter().enumerate() {
                let number = if place == 0 { (number + 1).to_string() } else { String::new() };
                lines.extend(column.rows(step, &number, states));
            }
        }
    };
    add(levels(steps, at_start), "");
    add(levels(steps, at_end), "At the end, before the dependencies are stopped:");
    let asked = of_turn(steps, OrderPosition::Asked);
    if !asked.is_empty() {
        lines.push("Only when asked for:".to_owned());
        lines.extend(asked.into_iter().flat_map(|step| column.rows(step, "", states)));
    }
    lines.join("\n") + "\n"
}

/// The widths of the columns.
struct Columns {
    number: usize,
    name: usize,
    phase: usize,
    /// `None` if states are not shown.
    state: Option<usize>,
}

impl Columns {
    fn of_steps(steps: &[OrderedProcess], states: &States) -> Self {
        let widest = |of: &dyn Fn(&OrderedProcess) -> usize, head: &str| {
            steps.iter().map(of).max().unwrap_or_default().max(head.len())
        };
        let state =
            |step: &OrderedProcess| states.as_ref().map_or(0, |states| state(step, states).len());
        Self {
            number: steps.len().to_string().len(),
            name: widest(&|step| step.name.as_str().chars().count(), "PROCESS"),
            phase: widest(&|step| phase(step.stage).len(), "PHASE"),
            state: states.as_ref().map(|_| widest(&state, "STATE")),
        }
    }

    fn line(&self, number: &str, [name, phase, state]: [&str; 3], rest: &str) -> String {
        let (numbers, names, phases) = (self.number, self.name, self.phase);
        let state = self.state.map_or(String::new(), |width| format!("{state:width$}  "));
        let line = format!("{number:>numbers$}  {name:names$}  {phase:phases$}  {state}{rest}");
        line.trim_end().to_owned()
    }

    /// A process: what it waits for, and below that what makes it ready.
    fn rows(&self, step: &OrderedProcess, number: &str, states: &States) -> Vec<String> {
        let shown = states.as_ref().map_or(String::new(), |states| state(step, states));
        let cells = [step.name.as_str(), phase(step.stage), &shown];
        let before = self.line(number, cells, "|").chars().count() - 1;
        let waits = step.waits.iter().filter(|wait| !wait.implied);
        let waits = waits.map(|wait| format!("{} ({})", wait.on, milestone(wait)));
        let more = (step.more > 0).then(|| format!("and {} more of phase dependency", step.more));
        let waits = waits.chain(more.filter(|_| !is_implied(step)));
        let ready = step.ready.iter().map(|check| {
            let (key, value) = probe(&check.probe);
            format!("{key} {}", untrusted::shown(&one_line(&value)))
        });
        let mut rest = wrapped(waits.collect(), "", WIDTH.saturating_sub(before));
        rest.extend(wrapped(ready.collect(), "ready by ", WIDTH.saturating_sub(before)));
        // The first line is beside the name, even if it waits for no process.
        if step.waits.iter().all(|wait| wait.implied) {
            rest.insert(0, "-".to_owned());
        }
        let row = |(place, rest): (usize, String)| match place {
            0 => self.line(number, cells, &rest),
            _ => format!("{:before$}{rest}", ""),
        };
        rest.into_iter().enumerate().map(row).collect()
    }
}

/// Whether it waits for phase `dependency` only indirectly, through another process.
fn is_implied(step: &OrderedProcess) -> bool {
    step.waits.iter().any(|wait| wait.implied)
}

/// The first line of a command, with a mark if there are more.
fn one_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    if lines.next().is_some() { first + " …" } else { first }
}

/// Items separated by commas, on as many lines as needed.
fn wrapped(items: Vec<String>, label: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    let count = items.len();
    for (place, item) in items.into_iter().enumerate() {
        let item = if place + 1 < count { item + "," } else { item };
        let length = |text: &str| text.chars().count();
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(&item) <= width => {
                line.push(' ');
                line.push_str(&item);
            }
            Some(_) => lines.push(" ".repeat(length(label)) + &item),
            None => lines.push(format!("{label}{item}")),
        }
    }
    lines
}

/// Its state in the run, and whether it is not ready yet.
fn state(step: &OrderedProcess, states: &HashMap<ProcName, ProcessState>) -> String {
    states.get(&step.name).map_or_else(|| "-".to_owned(), progress)
}

/// For graphviz: an arrow from each process to those that wait for it.
fn dot(steps: &[OrderedProcess]) -> String {
    let mut lines = vec!["digraph tmo {".to_owned(), "  rankdir=LR;".to_owned()];
    lines.push("  node [shape=box];".to_owned());
    for stage in [Stage::Dependency, Stage::Main, Stage::Cleanup] {
        let of_stage = steps.iter().filter(|step| step.stage == stage);
        let node = |step: &OrderedProcess| {
            let style = if step.turn == OrderPosition::Asked { " [style=dashed]" } else { "" };
            format!("    {}{style};", quoted(step.name.as_str()))
        };
        let nodes: Vec<String> = of_stage.map(node).collect();
        if !nodes.is_empty() {
            let name = phase(stage);
            lines.push(format!("  subgraph cluster_{name} {{\n    label=\"{name}\";"));
            lines.extend(nodes);
            lines.push("  }".to_owned());
        }
    }
    for step in steps {
        for wait in step.waits.iter().filter(|wait| !wait.implied) {
            let style = if wait.by_stage { ", style=dashed" } else { "" };
            let (on, name) = (quoted(wait.on.as_str()), quoted(step.name.as_str()));
            let until = milestone(wait);
            lines.push(format!("  {on} -> {name} [label=\"{until}\"{style}];"));
        }
        if step.more > 0 && !is_implied(step) {
            let (name, more) = (quoted(step.name.as_str()), step.more);
            lines.push(format!("  // {name} waits for {more} more of phase dependency"));
        }
    }
    lines.push("}".to_owned());
    lines.join("\n") + "\n"
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
