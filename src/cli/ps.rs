//! `tmo ps`: the processes and their states.

use std::fmt::Write as _;
use std::time::Duration;

use super::args::PsArgs;
use super::error::CliError;
use super::instance::{Instance, Server};
use super::table::table;
use crate::api::overmind;
use crate::client::overmind::OvermindClient;
use crate::model::request::ProcessState;
use crate::model::rules::Stage;
use crate::model::units;
use crate::model::{ProcessStatus, Untrusted};
use crate::sys::{self, Usage, clock};

/// Print overmind's table, a wider one, or the whole state as JSON.
pub(super) fn ps(args: &PsArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let mut state = match super::block_on(instance.server())? {
        Server::Tmo => super::block_on(instance.state())?,
        Server::Overmind(address) => {
            let asked = async { Ok(OvermindClient::new(&address).status().await?) };
            return super::print(&super::block_on(asked)?);
        }
    };
    if let Some(Order::Phase) = args.by {
        state.processes.sort_by_key(stage);
    }
    if args.json {
        return super::print_json(&state);
    }
    let text = match (args.wide, args.by) {
        (true, by) => wide(&state.processes, by),
        (false, Some(Order::Phase)) => by_phase(&state.processes),
        (false, None) => overmind::status(&state.processes),
    };
    super::print(&text)
}

/// An order of the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Dependencies first, then the main processes, then the cleanup.
    Phase,
}

/// The part of a run in which it has its turn.
fn stage(process: &ProcessState) -> Stage {
    process.phase.unwrap_or_default()
}

/// The word for it.
pub(super) const fn phase(stage: Stage) -> &'static str {
    match stage {
        Stage::Dependency => "dependency",
        Stage::Main => "main",
        Stage::Cleanup => "cleanup",
    }
}

fn by_phase(processes: &[ProcessState]) -> String {
    let row = |process: &ProcessState| {
        let pid = process.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        [phase(stage(process)).to_owned(), process.name.to_string(), pid, state(process)]
    };
    table(["PHASE", "PROCESS", "PID", "STATE"], processes.iter().map(row)) + &reasons(processes)
}

const HEAD: [&str; 9] =
    ["PROCESS", "PID", "STATE", "SINCE", "RESTARTS", "EXIT", "PORT", "CPU", "MEMORY"];

fn wide(processes: &[ProcessState], by: Option<Order>) -> String {
    let text = match by {
        None => table(HEAD, processes.iter().map(row)),
        Some(Order::Phase) => {
            let row = |process| with(phase(stage(process)).to_owned(), row(process));
            table(with("PHASE", HEAD), processes.iter().map(row))
        }
    };
    text + &reasons(processes)
}

/// A row with one more cell before it.
fn with<T>(first: T, row: [T; 9]) -> [T; 10] {
    let [name, pid, state, since, restarts, exit, port, cpu, memory] = row;
    [first, name, pid, state, since, restarts, exit, port, cpu, memory]
}

/// Why some are as they are, a line each.
fn reasons(processes: &[ProcessState]) -> String {
    let mut text = String::new();
    for process in processes {
        // Writing to a string does not fail.
        if let Some(reason) = &process.reason {
            let _ = writeln!(text, "{}: {reason}", process.name);
        } else if let (Some(why), ProcessStatus::Running) = (&process.not_ready, &process.state) {
            let _ = writeln!(text, "{}: not ready: {why}", process.name);
        } else if !process.lacks.is_empty() {
            let lacks = Untrusted::join(&process.lacks, "; ");
            let _ = writeln!(text, "{}: not ready yet: {lacks}", process.name);
        }
    }
    text
}

fn row(process: &ProcessState) -> [String; 9] {
    let none = || "-".to_owned();
    let number = |number: Option<u32>| number.map_or_else(none, |number| number.to_string());
    let since = clock::now().since(process.since);
    let used = process.pid.and_then(tree_usage);
    let display = process.display.as_ref().map_or(String::new(), |name| format!(" ({name})"));
    [
        format!("{}{display}", process.name),
        number(process.pid),
        state(process),
        units::span(since),
        process.lives.saturating_sub(1).to_string(),
        process.exit.map_or_else(none, |exit| exit.to_string()),
        number(process.port.map(u32::from)),
        used.map_or_else(none, |used| share(used.cpu, since)),
        used.map_or_else(none, |used| units::bytes(used.resident)),
    ]
}

/// Its state, with whom it waits for.
fn state(process: &ProcessState) -> String {
    let names: Vec<_> = process.awaits.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        progress(process)
    } else {
        format!("{} ({})", process.state, names.join(", "))
    }
}

/// Its state, and whether it is not ready yet or won't be.
pub(super) fn progress(process: &ProcessState) -> String {
    match (&process.state, process.ready) {
        (ProcessStatus::Running, Some(false)) => "running (not ready)".to_owned(),
        (state, _) => state.to_string(),
    }
}

/// What a process and all that it has started use. Its parent is its shim, to which those belong
/// that have left it.
fn tree_usage(main: u32) -> Option<Usage> {
    let shim = sys::info(main)?.ppid;
    let mut sum = Usage::default();
    for process in sys::descendants(shim) {
        // One that has just ended uses nothing any more.
        sum += sys::usage(process.pid).unwrap_or_default();
    }
    Some(sum)
}

/// The part of the time since then that was spent on a processor, as ps(1) has it.
fn share(cpu: Duration, since: Duration) -> String {
    format!("{:.1}%", 100.0 * cpu.as_secs_f64() / since.as_secs_f64().max(0.001))
}

#[cfg(test)]
mod tests {
    use super::{Order, by_phase, stage, wide};
    use crate::model::request::ProcessState;
    use crate::model::rules::Stage;
    use crate::model::{ProcName, ProcessStatus};

    fn process(name: &str, phase: Option<Stage>) -> ProcessState {
        let name = ProcName::new(name).unwrap();
        ProcessState { phase, ..ProcessState::new(name, ProcessStatus::Running, None) }
    }

    #[test]
    fn processes_stand_by_their_phase() {
        let mut all = vec![
            process("sweep", Some(Stage::Cleanup)),
            process("web", None),
            ProcessState { reason: Some("why".into()), ..process("db", Some(Stage::Dependency)) },
            process("api", Some(Stage::Main)),
        ];
        all.sort_by_key(stage);
        let table = "PHASE       PROCESS  PID  STATE\ndependency  db       -    running\n\
            main        web      -    running\nmain        api      -    running\n\
            cleanup     sweep    -    running\ndb: why\n";
        assert_eq!(by_phase(&all), table);
        let wide = wide(&all, Some(Order::Phase));
        assert!(wide.starts_with("PHASE       PROCESS  PID  STATE "), "{wide}");
        assert!(wide.contains("\ncleanup     sweep "), "{wide}");
    }
}
