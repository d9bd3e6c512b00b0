//! `tmo fleet connect` and `ui`: the terminal of one host.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::Order;
use super::answers::AGAIN;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::progress::with_details;
use crate::fleet::call::Call;
use crate::fleet::call_error::CallError;
use crate::fleet::caller::Caller;
use crate::sys::why;

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
