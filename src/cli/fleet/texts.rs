//! `tmo fleet why`, `exec` and all other verbs whose text is shown as it is, below the name of its host.

use super::Fleet;
use super::answers::{HostAnswer, Summary};
use crate::cli::args::{FleetCommand, FleetKind};
use crate::cli::error::CliError;
use crate::cli::output;
use crate::fleet::call::Call;
use crate::fleet::names::Target;
use crate::model::untrusted::shown_lines;

/// Print what each host says.
pub(super) async fn text(fleet: &Fleet<'_>, command: &FleetCommand) -> Result<u8, CliError> {
    let is_exec = command.kind == FleetKind::Exec;
    let targets = if is_exec {
        let hosts = fleet.hosts(&command.words)?;
        hosts.into_iter().map(|host| Target { host, names: vec![] }).collect()
    } else {
        fleet.targets(&command.words).await?
    };
    let lists: Vec<_> = match command.verb {
        "why" => fleet.inventory.lists_of(targets.iter().map(|target| target.host)),
        _ => vec![],
    };
    let has_heads = targets.len() + lists.len() > 1;
    let mut argv = command.argv.clone();
    if is_exec {
        // It executes a command in the environment of the project.
        "run".clone_into(&mut argv.verb);
    }
    let calls = targets.into_iter().map(|target: Target<'_>| {
        let (host, call) = (target.host, Call::of(target.host, argv.with(&target.names)));
        (target, host, call)
    });
    let mut summary = Summary::default();
    let mut all: Vec<HostAnswer> = vec![];
    let mut is_first = true;
    for list in lists {
        let Some(told) = list.why(&fleet.caller()).await else { continue };
        let (ok, text) = match told {
            Ok(text) => (true, shown_lines(&text).into_owned()),
            // Its hosts, which can't be listed either, say so.
            Err(error) => (false, format!("{error}\n")),
        };
        if fleet.args.json {
            all.push(HostAnswer::of_text(&list.name, ok, text));
        } else {
            let gap = if std::mem::take(&mut is_first) { "" } else { "\n" };
            output::print(&format!("{gap}== {}\n{text}", list.name))?;
        }
    }
    fleet
        .each(calls.collect(), None, |target, answer| {
            if fleet.args.json {
                all.push(HostAnswer::of(target.host, &answer));
            } else if has_heads {
                let gap = if std::mem::take(&mut is_first) { "" } else { "\n" };
                output::print(&format!("{gap}== {}\n", target.host.name))?;
            }
            match answer {
                Err(error) => {
                    summary.unanswered(target.host, Some(&error));
                    if !fleet.args.json {
                        output::print(&format!("unreachable: {error}\n"))?;
                    }
                }
                Ok(answer) => {
                    summary.answered(answer.code);
                    if !fleet.args.json {
                        let mut text = String::from_utf8_lossy(&answer.output).into_owned();
                        if !text.is_empty() && !text.ends_with('\n') {
                            text.push('\n');
                        }
                        output::print(&text)?;
                        for line in answer.error.lines() {
                            let line = line.strip_prefix("tmo: ").unwrap_or(line);
                            let host = &target.host.name;
                            output::warn(&if has_heads {
                                format!("{host}: {line}")
                            } else {
                                line.to_owned()
                            });
                        }
                    }
                }
            }
            Ok(())
        })
        .await?;
    if fleet.args.json {
        output::print_json(&all)?;
    }
    Ok(summary.finish(command.verb))
}
