//! Whether the processes of a start in the background really run: waits for that, and reports those that do not.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::cli::reach::instance::Instance;
use crate::cli::reach::log::Source;
use crate::cli::{CliError, output, runtime};
use crate::client::HeadEvent;
use crate::model::ProcessStatus;
use crate::model::exit::End;
use crate::model::plan::{OnExit, Plan};
use crate::model::state::ProcessState;

/// How long a process that is not known to be ready has to live to count as up.
const LIVED: Duration = Duration::from_secs(1);

/// Wait until each process that has begun is ready, has lived for a moment, or has ended. Returns the end of the run if
/// that comes first.
pub(super) fn settled(instance: &Instance, plan: &Plan) -> Result<Option<End>, CliError> {
    match runtime::block_on(lived(instance, plan)) {
        Err(CliError::NothingRuns { .. }) => {
            let source = Source::of_plan(plan, instance.runtime.dir())?;
            Ok(source.end_of(&plan.run)?.map(|(end, _)| end))
        }
        settled => settled,
    }
}

async fn lived(instance: &Instance, plan: &Plan) -> Result<Option<End>, CliError> {
    let mut heads = instance.heads().await?;
    // When each process was first seen to run, and in which of its lives.
    let mut seen = HashMap::new();
    loop {
        let state = instance.state().await?;
        let is_checked = |process: &ProcessState| {
            let planned = plan.processes.iter().find(|planned| planned.name == process.name);
            planned.is_some_and(|planned| !planned.rules.ready.is_empty())
        };
        let mut rest = Duration::ZERO;
        for process in state.processes.iter().filter(|one| one.state == ProcessStatus::Running) {
            let now = Instant::now();
            let (first, lives) = seen.entry(process.name.clone()).or_insert((now, process.lives));
            // One that begins again and again is reported.
            let is_decided = process.lives != *lives
                || is_checked(process) && process.readiness.ready == Some(true);
            if !is_decided {
                rest = rest.max(LIVED.saturating_sub(first.elapsed()));
            }
        }
        let until = Instant::now() + rest;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match timeout(left, instance.next_of(&mut heads)).await {
                Err(_) => break,
                Ok(event) => {
                    if let HeadEvent::End(end) = event? {
                        return Ok(Some(end));
                    }
                }
            }
        }
        if rest.is_zero() {
            return Ok(None);
        }
    }
}

/// Report processes that were skipped at the start of this run, which is a failure, and those that have failed beside
/// them. If all has `settled`, the latter are reported in any case, as a failure unless they may end. Returns an exit
/// code.
pub(in crate::cli) fn report(instance: &Instance, plan: &Plan, settled: bool) -> u8 {
    // If the run is already over, that is reported elsewhere.
    let Ok(state) = runtime::block_on(instance.state()) else { return 0 };
    let flags = instance.flags();
    let explain = |name, what: &str| {
        output::warn(&format!("{name}{what}; `tmo why {name}{flags}` tells more"));
    };
    let mut code = 0;
    for process in state.processes.iter().filter(|one| one.state == ProcessStatus::Skipped) {
        let reason = process.reason.clone().unwrap_or_else(|| "skipped".into());
        explain(&process.name, &format!(": {reason}"));
        code = 1;
    }
    // The reasons above name what others depend on.
    let named: HashSet<_> = plan
        .processes
        .iter()
        .flat_map(|process| &process.rules.needs)
        .filter(|_| code != 0)
        .map(|need| &need.on)
        .collect();
    let skipped = code != 0;
    for process in state.processes.iter().filter(|_| settled || skipped) {
        let has_crashed = settled && process.ends.crashes > 0 && !process.stopped_by_user;
        if !(process.has_failed() || has_crashed) || named.contains(&process.name) {
            continue;
        }
        let what = match process.ends.exit {
            Some(exit) => format!(" has ended ({exit})"),
            None => " has crashed and was started again".to_owned(),
        };
        explain(&process.name, &what);
        let planned = plan.processes.iter().find(|planned| planned.name == process.name);
        if planned.is_some_and(|planned| planned.on_exit != OnExit::Remain) {
            code = 1;
        }
    }
    if code != 0 {
        let alive = state.processes.iter().filter(|process| process.pid.is_some());
        let names: Vec<_> = alive.map(|process| process.name.as_str()).collect();
        if !names.is_empty() {
            let runs = if names.len() == 1 { "goes" } else { "go" };
            let names = names.join(", ");
            let rest = format!("{runs} on in the background; `tmo quit{flags}` ends the run");
            output::warn(&format!("{names} {rest}"));
        }
    }
    code
}
