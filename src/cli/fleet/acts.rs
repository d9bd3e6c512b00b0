//! `tmo fleet restart` and all other verbs that change something: a line for each host, and batches.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::answers::{Summary, order_unanswered, some_of};
use super::apply;
use super::{Fleet, Order};
use crate::cli::error::CliError;
use crate::cli::fleet::verbs::FleetCommand;
use crate::cli::output;
use crate::cli::reach::request::NOTHING_TO_RESTART;
use crate::fleet::call::Call;
use crate::fleet::call_error::CallError;
use crate::fleet::caller::CallAnswer;
use crate::fleet::names::Target;

/// How long a process must have run to count as running: those that die at once have begun, too.
const STABLE: Duration = Duration::from_secs(1);

/// How long `--until` may take on a host, unless the user says otherwise.
const WITHIN: Duration = Duration::from_secs(60);

/// What a host has done.
struct HostAct {
    answer: CallAnswer,
    /// What the wait for `--until` has answered.
    waited: Option<CallAnswer>,
    /// How long all took.
    took: Duration,
}

/// Carry it out on each host, and say how it went; `done` is the word for what was done.
pub(super) async fn act(order: Order<'_, '_>, done: &str) -> Result<(), CliError> {
    let Order { fleet, command, targets, summary } = order;
    if command.verb == "apply" {
        apply::check_words(fleet, targets)?;
    }
    let width = targets.iter().flat_map(Target::typed).map(|label| label.chars().count()).max();
    let width = width.unwrap_or(0);
    let lines = |target: &Target<'_>, text: &str| {
        let lines = target.typed().map(|label| format!("{label:width$}  {text}\n"));
        lines.collect::<Vec<_>>().concat()
    };
    let work = async |target: &Target<'_>| act_on(fleet, command, target).await;
    let size = |act: &HostAct| act.answer.output.len();
    let batch = command.batches.batch.map_or(targets.len().max(1), NonZeroUsize::get);
    let mut rest = targets.chunks(batch);
    let mut unsuccessful: Vec<String> = vec![];
    for batch in rest.by_ref() {
        fleet
            .fan(batch, work, size, |target, act| {
                let text = match &act {
                    Ok(act) => outcome(command, done, target, act, summary),
                    Err(error) => order_unanswered(error),
                };
                let answer = act.map(HostAct::into_last);
                if !matches!(&answer, Ok(answer) if answer.code == 0) {
                    unsuccessful.extend(target.typed());
                }
                summary.add(target, &answer);
                summary.print(&lines(target, &text))
            })
            .await?;
        if command.batches.batch.is_some() && summary.failures() > 0 {
            break;
        }
    }
    let rest: Vec<_> = rest.flatten().collect();
    let why = if fleet.interrupt.is_set() { "interrupted" } else { "a batch failed" };
    for target in &rest {
        summary.print(&lines(target, &format!("not asked: {why}")))?;
    }
    if !rest.is_empty() {
        let names: Vec<String> = rest.iter().flat_map(|target| target.typed()).collect();
        let was = if rest.len() == 1 { "was" } else { "were" };
        output::warn(&format!(
            "{} of {} failed, {} {was} not asked: {}; `{}` goes on",
            summary.failures(),
            targets.len(),
            rest.len(),
            some_of(names.iter()),
            summary.typed(command, &[&unsuccessful[..], &names].concat())
        ));
    }
    Ok(())
}

/// Carry it out on a host, and wait for `--until`.
async fn act_on(
    fleet: &Fleet<'_>,
    command: &FleetCommand,
    target: &Target<'_>,
) -> Result<HostAct, CallError> {
    let host = target.host;
    let begun = Instant::now();
    let processes = (command.verb == "apply").then(|| fleet.inventory.toml_of(&host.name));
    let words = match &processes {
        Some(text) => apply::words(host, text),
        None if command.verb == "start" => command.argv.and("--daemonize").with(&target.names),
        None => command.argv.with(&target.names),
    };
    let input = processes.as_deref().map(str::as_bytes);
    let answer = fleet.call(host, &Call::new(host, &words), input).await?;
    let is_idle = input.is_some_and(<[u8]>::is_empty);
    let until = command.batches.until.as_ref().filter(|_| answer.code == 0 && !is_idle);
    let mut waited = None;
    if let Some(until) = until {
        let within = command.batches.within.unwrap_or(WITHIN);
        let limit = format!("--timeout={}ms", within.as_millis());
        let mut words = ["wait", "--for", until, &limit].map(str::to_owned).to_vec();
        if until == "running" {
            words.push(format!("--stable={}ms", STABLE.as_millis()));
        }
        words.push("--".to_owned());
        words.extend(target.names.iter().cloned());
        waited = Some(fleet.call(host, &Call::new(host, &words), None).await?);
    }
    Ok(HostAct { answer, waited, took: begun.elapsed() })
}

impl HostAct {
    /// The answer that counts.
    fn into_last(self) -> CallAnswer {
        self.waited.filter(|waited| waited.code != 0).unwrap_or(self.answer)
    }
}

/// What a host has done, or why not. What else it has written to standard error is printed.
fn outcome(
    command: &FleetCommand,
    done: &str,
    target: &Target<'_>,
    act: &HostAct,
    summary: &Summary<'_>,
) -> String {
    let HostAct { answer, waited, took } = act;
    if answer.code != 0 {
        return format!("failed: {}", summary.complaint(target.host, answer));
    }
    let is_idle = has_done_nothing(command, target, answer);
    if is_idle && waited.is_none() && !answer.error.is_empty() {
        return summary.complaint(target.host, answer);
    }
    summary.warn_of(target.host, true, answer);
    let until = command.batches.until.as_deref().unwrap_or_default();
    let done = if is_idle { "runs already" } else { done };
    match waited {
        None => apply::changes(command.verb, answer).unwrap_or_else(|| done.to_owned()),
        Some(waited) if waited.code == 0 => {
            format!("{done}, {until} after {:.1} s", took.as_secs_f64())
        }
        Some(waited) => {
            format!("{done}, not {until}: {}", summary.complaint(target.host, waited))
        }
    }
}

/// Whether there was nothing to do for a verb that can tell: the run was up already, or there is nothing to restart.
fn has_done_nothing(command: &FleetCommand, target: &Target<'_>, answer: &CallAnswer) -> bool {
    let is_whole = target.names.is_empty();
    match command.verb {
        "start" => is_whole && command.argv.has("--if-needed") && answer.output.is_empty(),
        "restart" => is_whole && answer.error.contains(NOTHING_TO_RESTART),
        _ => false,
    }
}
