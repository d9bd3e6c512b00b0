//! Waits for the terminal of a process that is starting. It may exist already, and be empty.

use std::time::Duration;

use tokio::time::timeout;

use crate::cli::reach::instance::Instance;
use crate::cli::{CliError, output};
use crate::client::HeadEvent;
use crate::model::state::{ProcessState, State};
use crate::model::time::span;
use crate::model::{ProcName, ProcessStatus, Untrusted, units};

/// The default for `--timeout`.
const USUAL: Duration = Duration::from_secs(30);

/// A shorter wait is not explained.
const MOMENT: Duration = Duration::from_millis(300);

/// The pane of this process, once it has started, and the state of the run then.
pub(super) async fn terminal_of(
    instance: &Instance,
    name: &ProcName,
    limit: Option<&str>,
) -> Result<(State, String), CliError> {
    let limit = limit.map(span).transpose();
    let limit = limit.map_err(|error| CliError::Usage(error.to_string()))?.unwrap_or(USUAL);
    let mut lacks = "it is being started".to_owned();
    match timeout(limit, until_there(instance, name, &mut lacks)).await {
        Ok(found) => found,
        Err(_) => Err(CliError::TimedOut {
            what: format!("{name} has not started"),
            limit: format!(
                "{}: {lacks}; `tmo why` says what is wrong, `--timeout TIME` waits longer",
                units::span(limit)
            ),
        }),
    }
}

async fn until_there(
    instance: &Instance,
    name: &ProcName,
    lacks: &mut String,
) -> Result<(State, String), CliError> {
    let mut news = instance.heads().await?;
    let mut shown = String::new();
    loop {
        let state = instance.state().await?;
        let process = state.processes.iter().find(|process| process.name == *name);
        let process = process
            .ok_or_else(|| CliError::Other(format!("{name} is not part of the run any more")))?;
        let starting = matches!(process.state, ProcessStatus::Pending | ProcessStatus::Starting);
        // Output of an earlier life on the screen is worth showing.
        let shows = process.lives > 0 || !starting || state.quitting;
        match process.pane.clone() {
            Some(pane) if shows => return Ok((state, pane)),
            None if shows => return Err(no_terminal(process)),
            Some(_) | None => {}
        }
        *lacks = what_lacks(process, &state.processes);
        let next = if *lacks == shown {
            news.next().await
        } else if let Ok(next) = timeout(MOMENT, news.next()).await {
            next
        } else {
            output::warn(&format!("waiting for {name}: {lacks}"));
            shown.clone_from(lacks);
            continue;
        };
        match next {
            Some(Ok(HeadEvent::Head(_))) => {}
            Some(Ok(HeadEvent::End(_))) => return Err(CliError::Over(lacks.clone())),
            // The supervisor was killed: another takes over, or the run is over.
            Some(Ok(HeadEvent::Leave) | Err(_)) | None => {
                news = instance.heads().await.map_err(|_| CliError::Over(lacks.clone()))?;
            }
        }
    }
}

/// Why a process that is not starting has no terminal.
fn no_terminal(process: &ProcessState) -> CliError {
    let name = &process.name;
    let why = process.reason.as_ref().map(ToString::to_string);
    let why = why.as_deref().unwrap_or(match process.lives {
        0 => "it has not been started",
        _ => "its window was closed",
    });
    CliError::Other(format!("{name} has no terminal: {why}; `tmo restart {name}` opens one"))
}

/// The reason why a process is still starting.
fn what_lacks(process: &ProcessState, all: &[ProcessState]) -> String {
    let awaits = &process.readiness.awaits;
    if awaits.is_empty() {
        let reason = process.reason.as_ref().map(ToString::to_string);
        return reason.unwrap_or_else(|| "it is being started".to_owned());
    }
    let each: Vec<String> = awaits.iter().map(|name| awaited(name, all)).collect();
    format!("it waits for {}", each.join(", "))
}

/// A dependency and its state.
fn awaited(name: &ProcName, all: &[ProcessState]) -> String {
    let process = all.iter().find(|process| process.name == *name);
    let Some(process) = process else { return name.to_string() };
    let known = match (&process.readiness.not_ready, process.readiness.lacks.as_slice()) {
        (Some(why), _) => why.to_string(),
        (None, []) => process.state.to_string(),
        (None, lacks) => format!("{}, {}", process.state, Untrusted::join(lacks, "; ")),
    };
    format!("{name} ({known})")
}

#[cfg(test)]
mod tests {
    use super::what_lacks;
    use crate::model::state::ProcessState;
    use crate::model::{ProcName, ProcessStatus};

    #[test]
    fn what_it_waits_for_is_named_with_its_state() {
        let name = |name: &str| ProcName::new(name).unwrap();
        let mut db = ProcessState::new(name("db"), ProcessStatus::Running, Some(7));
        db.readiness.lacks = vec!["port 5432: connection refused".into()];
        let mut web = ProcessState::new(name("web"), ProcessStatus::Pending, None);
        let all = [db];
        assert_eq!(what_lacks(&web, &all), "it is being started");
        web.readiness.awaits = vec![name("db"), name("gone")];
        assert_eq!(
            what_lacks(&web, &all),
            "it waits for db (running, port 5432: connection refused), gone"
        );
    }
}
