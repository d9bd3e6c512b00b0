//! `tmo fleet restart` and all other verbs that change something: a line for each host, and batches.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Fleet;
use super::answers::{HostAnswer, Summary, complaint, some_of};
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

/// Carry it out on each host, and say how it went.
pub(super) async fn act(fleet: &Fleet<'_>, command: &FleetCommand) -> Result<u8, CliError> {
    let verb = command.verb;
    let argv = if verb == "start" { command.argv.and("--daemonize") } else { command.argv.clone() };
    let targets = fleet.targets(&command.words).await?;
    let is_apply = verb == "apply";
    let inputs = if is_apply { apply::inputs(fleet, &targets)? } else { HashMap::new() };
    let width =
        targets.iter().flat_map(labels).map(|label| label.chars().count()).max().unwrap_or(0);
    let mut summary = Summary::default();
    let mut all: Vec<HostAnswer> = vec![];
    let say = |target: &Target<'_>, text: &str| -> Result<(), CliError> {
        if fleet.args.json {
            return Ok(());
        }
        let lines = labels(target).map(|label| format!("{label:width$}  {text}\n"));
        output::print(&lines.collect::<String>()).map(drop)
    };
    let size = command.batches.batch.unwrap_or(targets.len()).max(1);
    let mut batches = targets.chunks(size);
    let mut is_stopped = false;
    for batch in batches.by_ref() {
        let begun = Instant::now();
        let mut carried_out = vec![];
        let calls = batch.iter().map(|target| {
            let (host, input) = (target.host, inputs.get(&target.host.name));
            let words = input.map(|text| apply::words(host, text));
            let words = words.unwrap_or_else(|| argv.with(&target.names));
            (target, host, Call::of(host, words))
        });
        let is_watched = command.batches.until.is_some();
        fleet
            .each(calls.collect(), Some(&inputs), |target: &Target<'_>, answer| {
                if fleet.args.json {
                    all.push(HostAnswer::of(target.host, &answer));
                }
                match answer {
                    Ok(answer) if answer.code == 0 => {
                        remarks(target, &answer);
                        let is_idle = inputs.get(&target.host.name).is_some_and(String::is_empty);
                        if is_watched && !is_idle {
                            carried_out.push(target);
                            return Ok(());
                        }
                        summary.answered(0);
                        let outcome = is_apply.then(|| apply::outcome(&answer));
                        say(target, outcome.as_deref().unwrap_or(done(verb)))
                    }
                    answer => fail(&mut summary, target, answer, &say),
                }
            })
            .await?;
        if let Some(until) = &command.batches.until {
            let wait = ["wait", "--for", until].map(str::to_owned);
            let calls = carried_out.into_iter().map(|target| {
                let words = [&wait[..], &["--".to_owned()], &target.names].concat();
                (target, target.host, Call::of(target.host, words))
            });
            fleet
                .each(calls.collect(), None, |target: &Target<'_>, answer| match answer {
                    Ok(answer) if answer.code == 0 => {
                        summary.answered(0);
                        let took = seconds(begun.elapsed());
                        say(target, &format!("{}, {until} after {took}", done(verb)))
                    }
                    Ok(answer) => {
                        summary.answered(answer.code);
                        say(
                            target,
                            &format!(
                                "{}, not {until}: {}",
                                done(verb),
                                complaint(target.host, &answer)
                            ),
                        )
                    }
                    answer => fail(&mut summary, target, answer, &say),
                })
                .await?;
        }
        if command.batches.batch.is_some() && summary.failures() > 0 {
            is_stopped = true;
            break;
        }
    }
    let rest: Vec<_> = if is_stopped { batches.flatten().collect() } else { vec![] };
    for target in &rest {
        say(target, "not asked: a batch failed")?;
    }
    if fleet.args.json {
        output::print_json(&all)?;
    }
    if !rest.is_empty() {
        let names: Vec<String> = rest.iter().flat_map(|target| labels(target)).collect();
        let (failed, all, left) = (summary.failures(), targets.len(), rest.len());
        let was = if left == 1 { "was" } else { "were" };
        output::warn(&format!(
            "{failed} of {all} failed, {left} {was} not asked: {}; `tmo fleet {verb} {}` goes on",
            some_of(names.iter()),
            names.join(" ")
        ));
    }
    Ok(summary.finish(verb))
}

/// What people call it: the host, or each process.
fn labels<'t>(target: &'t Target<'_>) -> impl Iterator<Item = String> + 't {
    let host = &target.host.name;
    let whole = target.names.is_empty().then(|| format!("{host}/"));
    whole.into_iter().chain(target.names.iter().map(move |name| format!("{host}/{name}")))
}

fn fail(
    summary: &mut Summary,
    target: &Target<'_>,
    answer: Result<CallAnswer, CallError>,
    say: &dyn Fn(&Target<'_>, &str) -> Result<(), CliError>,
) -> Result<(), CliError> {
    match answer {
        Ok(answer) => {
            summary.answered(answer.code);
            say(target, &format!("failed: {}", complaint(target.host, &answer)))
        }
        Err(error) => {
            summary.unanswered(target.host, Some(&error));
            let text = match &error {
                CallError::Lost(_) => error.to_string(),
                // It may only be late.
                CallError::Silent(_) => {
                    format!("unreachable: {error}; the order may still be carried out")
                }
                _ => format!("unreachable: {error}"),
            };
            say(target, &text)
        }
    }
}

/// What tmo says there though it was done, such as a warning.
fn remarks(target: &Target<'_>, answer: &CallAnswer) {
    for line in answer.error.lines().filter(|line| !line.trim().is_empty()) {
        output::warn(&format!(
            "{}: {}",
            target.host.name,
            line.strip_prefix("tmo: ").unwrap_or(line)
        ));
    }
}

/// In seconds, of which tenths are enough.
fn seconds(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}
