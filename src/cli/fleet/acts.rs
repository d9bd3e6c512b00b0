//! `tmo fleet restart` and all other verbs that change something: a line for each host, and batches.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Fleet;
use super::answers::{Summary, some_of, warn_of};
use super::apply;
use crate::cli::args::FleetCommand;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::fleet::call::Call;
use crate::fleet::call_error::CallError;
use crate::fleet::caller::CallAnswer;
use crate::fleet::names::Target;

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
    let width = targets.iter().flat_map(labels).map(|label| label.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut summary = Summary::new(fleet, fleet.args.json);
    let lines = |target: &Target<'_>, text: &str| {
        let line = |label| format!("{label:width$}  {text}\n");
        labels(target).map(line).collect::<String>()
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
        let wait = ["wait", "--for", until, "--"].map(str::to_owned);
        let wait = Call::of(host, &[&wait[..], &target.names].concat());
        let waited = fleet.call(host, &wait, None).await?;
        Ok(HostAct { answer, waited: Some((waited, begun.elapsed())) })
    };
    let mut rest = targets.chunks(batches.batch.unwrap_or(targets.len()).max(1));
    for batch in rest.by_ref() {
        let size = |act: &HostAct| act.answer.output.len();
        fleet
            .fan(batch, work, size, |target, act| {
                let act = match act {
                    Ok(act) => act,
                    Err(error) => {
                        let text = unreachable(&error);
                        summary.add(target.host, &Err(error));
                        return summary.print(&lines(target, &text));
                    }
                };
                let HostAct { answer, waited } = act;
                let text = match &waited {
                    _ if answer.code != 0 => {
                        format!("failed: {}", summary.complaint(target.host, &answer))
                    }
                    None if verb == "apply" => apply::outcome(&answer),
                    None if verb == "reload" => {
                        apply::changes(&answer).unwrap_or_else(|| done(verb).to_owned())
                    }
                    None => done(verb).to_owned(),
                    Some((waited, took)) => {
                        let until = batches.until.as_deref().unwrap_or_default();
                        if waited.code == 0 {
                            format!("{}, {until} after {:.1} s", done(verb), took.as_secs_f64())
                        } else {
                            let why = summary.complaint(target.host, waited);
                            format!("{}, not {until}: {why}", done(verb))
                        }
                    }
                };
                if answer.code == 0 {
                    warn_of(&format!("{}: ", target.host.name), &answer);
                }
                let failed = waited.map(|(waited, _)| waited).filter(|waited| waited.code != 0);
                summary.add(target.host, &Ok(failed.unwrap_or(answer)));
                summary.print(&lines(target, &text))
            })
            .await?;
        if batches.batch.is_some() && summary.failures() > 0 {
            break;
        }
    }
    let rest: Vec<_> = rest.flatten().collect();
    for target in &rest {
        summary.print(&lines(target, "not asked: a batch failed"))?;
    }
    if !rest.is_empty() {
        let names: Vec<String> = rest.iter().flat_map(|target| labels(target)).collect();
        let (failed, all, left) = (summary.failures(), targets.len(), rest.len());
        let was = if left == 1 { "was" } else { "were" };
        output::warn(&format!(
            "{failed} of {all} failed, {left} {was} not asked: {}; `{} {verb} {}` goes on",
            some_of(names.iter()),
            fleet.inventory.command(),
            names.join(" ")
        ));
    }
    summary.finish(verb)
}

/// What people call it: the host, or each process.
fn labels<'t>(target: &'t Target<'_>) -> impl Iterator<Item = String> + 't {
    let host = &target.host.name;
    let whole = target.names.is_empty().then(|| format!("{host}/"));
    whole.into_iter().chain(target.names.iter().map(move |name| format!("{host}/{name}")))
}

/// Why a host gave no answer, and whether it may have done it.
fn unreachable(error: &CallError) -> String {
    match error {
        CallError::Lost(_) => error.to_string(),
        // It may only be late.
        CallError::Silent(_) => format!("unreachable: {error}; the order may still be carried out"),
        _ => format!("unreachable: {error}"),
    }
}
