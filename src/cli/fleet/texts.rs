//! `tmo fleet why`, `exec` and all other verbs whose text is shown as it is, below the name of its host;
//! and `tmo fleet connect` and `ui`: the terminal of one host.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::Order;
use super::answers::{AGAIN, Summary, from_here, no_answer, order_unanswered};
use crate::cli::error::CliError;
use crate::cli::fleet::verbs::FleetKind;
use crate::cli::output;
use crate::cli::output::progress::with_details;
use crate::fleet::call::Call;
use crate::fleet::call_error::CallError;
use crate::fleet::caller::{CallAnswer, Caller};
use crate::fleet::host::Host;
use crate::fleet::names::Target;
use crate::model::text::untrusted::shown_lines;
use crate::sys::why;

/// Print what each host says.
pub(super) async fn text(order: Order<'_, '_>) -> Result<(), CliError> {
    let Order { fleet, command, targets, summary } = order;
    let is_exec = command.kind == FleetKind::Exec;
    let mut argv = command.argv.clone();
    if is_exec {
        // It executes a command in the environment of the project.
        "run".clone_into(&mut argv.verb);
    }
    let lists: Vec<_> = match command.verb {
        "why" => fleet.inventory.lists_of(targets.iter().map(|target| target.host)),
        _ => vec![],
    };
    let has_heads = targets.len() + lists.len() > 1;
    let mut gap = "";
    let mut below_head = |name: &str, text: &str| {
        let head = if has_heads { format!("{gap}== {name}\n") } else { String::new() };
        gap = "\n";
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        format!("{head}{text}{end}")
    };
    for list in lists {
        let why = fleet.interrupt.or(list.why(&fleet.caller())).await.flatten();
        let Some(why) = why else { continue };
        let why = why.map(|text| shown_lines(&text).into_owned());
        // Its hosts, which can't be listed either, count as those that do not answer.
        let why = why.map_err(|error| error.to_string());
        let (Ok(text) | Err(text)) = &why;
        summary.print(&below_head(&list.name, text))?;
        summary.add_text(&list.name, why);
    }
    let call = |target: &Target<'_>| Call::new(target.host, &argv.with(&target.names));
    fleet
        .each(targets, call, |target, answer| {
            summary.add(target, &answer);
            let text = match &answer {
                Err(error) if is_exec => order_unanswered(error),
                Err(error) => no_answer(error),
                Ok(answer) => {
                    let text = String::from_utf8_lossy(&answer.output);
                    match command.verb {
                        "screen" if has_heads => text.trim_end().to_owned(),
                        "exec" | "screen" => text.into_owned(),
                        _ => from_here(&text, &fleet.inventory, target.host),
                    }
                }
            };
            summary.print(&below_head(&target.host.name, &text))?;
            let Ok(answer) = answer else { return Ok(()) };
            if is_exec && targets.len() == 1 && answer.code != 0 {
                // As ssh does.
                summary.failure = answer.code;
            }
            if fleet.args.json {
            } else if is_exec {
                complaints_of_command(summary, target.host, has_heads, &answer);
            } else {
                summary.warn_of(target.host, has_heads, &answer);
            }
            Ok(())
        })
        .await
}

/// Print what a command has written to standard error of its host, and its exit code, unless it was 0 or tmo there tells.
fn complaints_of_command(
    summary: &Summary<'_>,
    host: &Host,
    shows_name: bool,
    answer: &CallAnswer,
) {
    let name = &host.name;
    if answer.code != 0 && answer.error.lines().last().is_some_and(|line| line.starts_with("tmo: "))
    {
        return summary.warn_of(host, true, answer);
    }
    let prefix = if shows_name { format!("{name}: ") } else { String::new() };
    for line in answer.error.lines() {
        output::pass_on(&format!("{prefix}{line}"));
    }
    if answer.code != 0 {
        output::warn(&format!("{name}: it exited with code {}", answer.code));
    }
}

/// Become the program that reaches the host; returns only if that fails.
pub(super) async fn open(order: Order<'_, '_>) -> Result<(), CliError> {
    let Order { fleet, command, targets, summary } = order;
    let verb = command.verb;
    let [target] = targets else {
        let typed = fleet.inventory.command();
        let host = fleet.inventory.hosts.first().map_or("k9", |host| &host.name);
        let example = if verb == "ui" { format!("{host}/") } else { format!("{host}/web") };
        return Err(CliError::Usage(format!(
            "`tmo fleet {verb}` shows one host here; name it, as in `{typed} {verb} {example}`"
        )));
    };
    let name = &target.host.name;
    let mut places = fleet.places.clone();
    if !fleet.args.persist {
        // Nothing here lives long enough to end the connection.
        if let Some(masters) = places.masters.take() {
            masters.end().await;
        }
    }
    // A host that does not answer is told by tmo, and soon.
    let caller = Caller { places: &places, patience: fleet.args.patience };
    let look = async || Some((name.clone(), AGAIN));
    let found = with_details("connecting", caller.probe(target.host), look);
    let found = fleet.interrupt.or(found).await.unwrap_or(Err(CallError::Interrupted));
    if let Err(error) = found {
        output::warn(&format!("{name}: {error}"));
        summary.unanswered(target, Some(&error));
        return Ok(());
    }
    let call = Call { quiet: true, ..Call::new(target.host, &command.argv.with(&target.names)) };
    let words = places.command(target.host, &call).await;
    let words = words.map_err(|error| CliError::Other(format!("{name}: {error}")))?;
    let [program, rest @ ..] = &words[..] else { return Ok(()) };
    let error = Command::new(program).args(rest).exec();
    let program = program.display();
    Err(CliError::Other(format!("can't reach {name}: {program}: {}", why(&error))))
}
