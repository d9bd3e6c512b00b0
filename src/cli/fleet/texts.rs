//! `tmo fleet why`, `exec` and all other verbs whose text is shown as it is, below the name of its host.

use super::Fleet;
use super::acts::unreachable;
use super::answers::{Summary, no_answer};
use super::hints::from_here;
use crate::cli::args::{FleetCommand, FleetKind};
use crate::cli::error::CliError;
use crate::cli::output;
use crate::fleet::call::Call;
use crate::fleet::caller::CallAnswer;
use crate::fleet::host::Host;
use crate::fleet::names::Target;
use crate::model::untrusted::shown_lines;

/// Print what each host says.
pub(super) async fn text(fleet: &Fleet<'_>, command: &FleetCommand) -> Result<u8, CliError> {
    let mut argv = command.argv.clone();
    let targets = if command.kind == FleetKind::Exec {
        // It executes a command in the environment of the project.
        "run".clone_into(&mut argv.verb);
        fleet.hosts(&command.words)?
    } else {
        fleet.targets(&command.words).await?
    };
    let lists: Vec<_> = match command.verb {
        "why" => fleet.inventory.lists_of(targets.iter().map(|target| target.host)),
        _ => vec![],
    };
    let has_heads = targets.len() + lists.len() > 1;
    let mut summary = Summary::new(fleet, fleet.args.json);
    let mut gap = "";
    let mut below_head = |name: &str, has_head: bool, text: &str| {
        let head = if has_head { format!("{gap}== {name}\n") } else { String::new() };
        gap = "\n";
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        format!("{head}{text}{end}")
    };
    for list in lists {
        let told = fleet.interrupt.or(list.why(&fleet.caller())).await.flatten();
        let Some(told) = told else { continue };
        let told = told.map(|text| shown_lines(&text).into_owned());
        // Its hosts, which can't be listed either, count as those that do not answer.
        let told = told.map_err(|error| error.to_string());
        let (Ok(text) | Err(text)) = &told;
        summary.print(&below_head(&list.name, true, text))?;
        summary.add_text(&list.name, told);
    }
    let mut last = None;
    let call = |target: &Target<'_>| Call::of(target.host, &argv.with(&target.names));
    fleet
        .each(&targets, call, |target, answer| {
            summary.add(target, &answer);
            let name = &target.host.name;
            let text = match &answer {
                Err(error) if command.kind == FleetKind::Exec => unreachable(error),
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
            summary.print(&below_head(name, has_heads, &text))?;
            if let (false, Ok(answer)) = (fleet.args.json, &answer) {
                if command.kind == FleetKind::Exec {
                    complaints_of_command(&summary, target.host, has_heads, answer);
                } else {
                    summary.warn_of(target.host, has_heads, answer);
                }
            }
            last = answer.ok().map(|answer| answer.code);
            Ok(())
        })
        .await?;
    match summary.finish(Some(command))? {
        // As ssh does.
        1 if command.kind == FleetKind::Exec && targets.len() == 1 => Ok(last.unwrap_or(1)),
        code => Ok(code),
    }
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
