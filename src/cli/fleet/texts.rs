//! `tmo fleet why`, `exec` and all other verbs whose text is shown as it is, below the name of its host.

use super::Fleet;
use super::answers::{Summary, warn_of};
use crate::cli::args::{FleetCommand, FleetKind};
use crate::cli::error::CliError;
use crate::fleet::call::Call;
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
        let Some(told) = list.why(&fleet.caller()).await else { continue };
        let told = told.map(|text| shown_lines(&text).into_owned());
        // Its hosts, which can't be listed either, count as those that do not answer.
        let told = told.map_err(|error| error.to_string());
        let (Ok(text) | Err(text)) = &told;
        summary.print(&below_head(&list.name, true, text))?;
        summary.add_text(&list.name, told);
    }
    let call = |target: &Target<'_>| Call::of(target.host, &argv.with(&target.names));
    fleet
        .each(&targets, call, |target, answer| {
            summary.add(target.host, &answer);
            let name = &target.host.name;
            let text = match &answer {
                Err(error) => format!("unreachable: {error}"),
                Ok(answer) => String::from_utf8_lossy(&answer.output).into_owned(),
            };
            summary.print(&below_head(name, has_heads, &text))?;
            if let (false, Ok(answer)) = (fleet.args.json, answer) {
                let of_host = if has_heads { format!("{name}: ") } else { String::new() };
                warn_of(&of_host, &answer);
            }
            Ok(())
        })
        .await?;
    summary.finish(command.verb)
}
