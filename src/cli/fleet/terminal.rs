//! `tmo fleet connect` and `ui`: the terminal of one host.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::Fleet;
use super::answers::{AGAIN, Summary};
use crate::cli::args::FleetCommand;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::progress::with_details;
use crate::cli::runtime::block_on;
use crate::fleet::call::Call;
use crate::fleet::call_error::CallError;
use crate::fleet::caller::Caller;
use crate::sys::why;

/// Become the program that reaches the host; returns only if that fails.
pub(super) fn open(fleet: &Fleet<'_>, command: &FleetCommand) -> Result<u8, CliError> {
    let reached = block_on(async {
        let targets = fleet.targets(&command.words).await?;
        let [target] = &targets[..] else {
            let (verb, typed) = (command.verb, fleet.inventory.command());
            let host = fleet.inventory.hosts.first().map_or("k9", |host| &host.name);
            let example = if verb == "ui" { format!("{host}/") } else { format!("{host}/web") };
            let text = format!(
                "`tmo fleet {verb}` shows one host here; name it, as in `{typed} {verb} {example}`"
            );
            return Err(CliError::Usage(text));
        };
        let call = Call { quiet: true, ..Call::of(target.host, &command.argv.with(&target.names)) };
        let hex = call.encode().ok_or_else(|| CliError::Usage(CallError::TooLong.to_string()))?;
        let mut places = fleet.places.clone();
        if !fleet.args.persist {
            // Nothing here lives long enough to end the connection.
            if let Some(masters) = places.masters.take() {
                masters.end().await;
            }
        }
        let name = &target.host.name;
        // A host that does not answer is told by tmo, and soon.
        let caller = Caller { places: &places, patience: fleet.args.patience };
        let look = async || Some((name.clone(), AGAIN));
        let found = with_details("connecting", caller.find(target.host), look).await;
        if let Err(error) = found {
            output::warn(&format!("{name}: {error}"));
            let mut summary = Summary::new(fleet, false);
            summary.unanswered(target, Some(&error));
            return summary.finish(Some(command)).map(Err);
        }
        let words = places.terminal(target.host, &hex).await;
        let words = words.map_err(|error| CliError::Other(format!("{name}: {error}")))?;
        Ok(Ok((words, name.clone())))
    })?;
    let (words, verb) = match reached {
        Ok(reached) => reached,
        Err(code) => return Ok(code),
    };
    let [program, rest @ ..] = &words[..] else { return Ok(1) };
    let error = Command::new(program).args(rest).exec();
    let program = program.display();
    Err(CliError::Other(format!("can't reach {verb}: {program}: {}", why(&error))))
}
