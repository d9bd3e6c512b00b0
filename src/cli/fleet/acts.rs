//! `tmo fleet restart` and all other verbs that change something: a line for each host, and batches.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::Fleet;
use super::answers::{Summary, some_of};
use super::apply;
use crate::cli::args::FleetCommand;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::fleet::call::Call;
use crate::fleet::call_error::CallError;
use crate::fleet::caller::CallAnswer;
use crate::fleet::names::Target;

/// How long a process must have run to count as running: those that die at once have begun, too.
const STABLE: Duration = Duration::from_secs(1);

/// How long `--until` may take on a host, unless the user says otherwise.
const WITHIN: Duration = Duration::from_secs(60);

/// What a verb has done.
fn done(verb: &str) -> &'static str {
    match verb {
        "start" => "started",
        "stop" => "stopped",
        "restart" => "restarted",
        "reload" => "reloaded",
        "apply" => "applied",
        "signal" => "signalled",
        "scale" => "scaled",
        "send" => "sent",
        "quit" => "ended",
        "kill" => "killed",
        "wait" => "reached",
        _ => "done",
    }
}

/// What a host has done.
struct HostAct {
    answer: CallAnswer,
    /// What the wait for `--until` has answered, and how long all took.
    waited: Option<(CallAnswer, Duration)>,
}

/// Carry it out on each host, and say how it went.
pub(super) async fn act(fleet: &Fleet<'_>, command: &FleetCommand) -> Result<u8, CliError> {
    let (verb, batches) = (command.verb, &command.batches);
    let argv = if verb == "start" { command.argv.and("--daemonize") } else { command.argv.clone() };
    let targets = fleet.targets(&command.words).await?;
    let inputs = if verb == "apply" { apply::inputs(fleet, &targets)? } else { HashMap::new() };
    let width = targets.iter().flat_map(Target::typed).map(|label| label.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut summary = Summary::new(fleet, fleet.args.json);
    let lines = |target: &Target<'_>, text: &str| {
        let line = |label| format!("{label:width$}  {text}\n");
        target.typed().map(line).collect::<String>()
    };
    let work = async |target: &Target<'_>| {
        let (host, begun) = (target.host, Instant::now());
        let input = inputs.get(&host.name);
        let words = input.map(|text| apply::words(host, text));
        let words = words.unwrap_or_else(|| argv.with(&target.names));
        let input = input.map(String::as_bytes);
        let answer = fleet.call(host, &Call::of(host, &words), input).await?;
        let is_idle = input.is_some_and(<[u8]>::is_empty);
        let Some(until) = batches.until.as_ref().filter(|_| answer.code == 0 && !is_idle) else {
            return Ok(HostAct { answer, waited: None });
        };
        let limit = format!("--timeout={}ms", batches.within.unwrap_or(WITHIN).as_millis());
        let mut wait = ["wait", "--for", until, &limit].map(str::to_owned).to_vec();
        if until == "running" {
            wait.push(format!("--stable={}ms", STABLE.as_millis()));
        }
        wait.push("--".to_owned());
        let wait = Call::of(host, &[&wait[..], &target.names].concat());
        let waited = fleet.call(host, &wait, None).await?;
        Ok(HostAct { answer, waited: Some((waited, begun.elapsed())) })
    };
    let mut rest = targets.chunks(batches.batch.map_or(targets.len().max(1), NonZeroUsize::get));
    let mut unsuccessful: Vec<String> = vec![];
    for batch in rest.by_ref() {
        let size = |act: &HostAct| act.answer.output.len();
        fleet
            .fan(batch, work, size, |target, act| {
                let act = match act {
                    Ok(act) => act,
                    Err(error) => {
                        let text = unreachable(&error);
                        summary.add(target, &Err(error));
                        unsuccessful.extend(target.typed());
                        return summary.print(&lines(target, &text));
                    }
                };
                let HostAct { answer, waited } = act;
                let mut is_told = answer.code != 0;
                let text = match &waited {
                    _ if answer.code != 0 => {
                        format!("failed: {}", summary.complaint(target.host, &answer))
                    }
                    None if verb == "apply" => apply::outcome(&answer),
                    None if verb == "reload" => {
                        apply::changes(&answer).unwrap_or_else(|| done(verb).to_owned())
                    }
                    None if has_done_nothing(command, target, &answer) => {
                        is_told = true;
                        match summary.complaint(target.host, &answer) {
                            _ if answer.error.is_empty() => "runs already".to_owned(),
                            why => why,
                        }
                    }
                    None => done(verb).to_owned(),
                    Some((waited, took)) => {
                        let until = batches.until.as_deref().unwrap_or_default();
                        let is_idle = has_done_nothing(command, target, &answer);
                        let done = if is_idle { "runs already" } else { done(verb) };
                        if waited.code == 0 {
                            format!("{done}, {until} after {:.1} s", took.as_secs_f64())
                        } else {
                            let why = summary.complaint(target.host, waited);
                            format!("{done}, not {until}: {why}")
                        }
                    }
                };
                if !is_told {
                    summary.warn_of(target.host, true, &answer);
                }
                let is_done =
                    answer.code == 0 && waited.as_ref().is_none_or(|(waited, _)| waited.code == 0);
                unsuccessful.extend((!is_done).then(|| target.typed()).into_iter().flatten());
                let failed = waited.map(|(waited, _)| waited).filter(|waited| waited.code != 0);
                summary.add(target, &Ok(failed.unwrap_or(answer)));
                summary.print(&lines(target, &text))
            })
            .await?;
        if batches.batch.is_some() && summary.failures() > 0 {
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
        let (failed, all, left) = (summary.failures(), targets.len(), rest.len());
        let was = if left == 1 { "was" } else { "were" };
        let again = [unsuccessful, names.clone()].concat();
        output::warn(&format!(
            "{failed} of {all} failed, {left} {was} not asked: {}; `{}` goes on",
            some_of(names.iter()),
            summary.typed(command, &again)
        ));
    }
    summary.finish(Some(command))
}

/// Whether there was nothing to do for a verb that can tell: the run was up already, or there is nothing to restart.
fn has_done_nothing(command: &FleetCommand, target: &Target<'_>, answer: &CallAnswer) -> bool {
    let is_whole = target.names.is_empty();
    match command.verb {
        "start" => is_whole && command.argv.has("--if-needed") && answer.output.is_empty(),
        "restart" => is_whole && answer.error.contains("nothing to restart"),
        _ => false,
    }
}

/// Why a host gave no answer, and whether it may have done it.
pub(super) fn unreachable(error: &CallError) -> String {
    match error {
        CallError::Lost(_) => format!("{error}; the order may have been carried out"),
        CallError::Interrupted => format!("{error}; the order may still be carried out"),
        CallError::NotAsked | CallError::NoTmo(_) | CallError::OldTmo => error.to_string(),
        // It may only be late.
        CallError::Silent(_) => format!("unreachable: {error}; the order may still be carried out"),
        _ => format!("unreachable: {error}"),
    }
}
