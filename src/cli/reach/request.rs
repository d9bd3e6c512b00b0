//! `tmo stop`, `restart`, `quit`, `kill`: send a request and wait until it is done.

use std::cell::OnceCell;
use std::time::Duration;

use super::instance::{Instance, MOST_TRIES, Server};
use crate::api::overmind::OvermindCommand;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::progress::with_details;
use crate::cli::persona::Persona;
use crate::client::address::Address;
use crate::client::overmind::OvermindClient;
use crate::client::{Client, ClientError, HeadEvent};
use crate::model::event::Note;
use crate::model::request::{ChangeOrder, Outcome, Request};
use crate::model::state::{ProcessState, State};
use crate::model::{ProcName, ProcessStatus, units};
use crate::sys::clock;

/// Report the processes that were skipped because of these: they are not started automatically.
async fn report_skipped(instance: &Instance, names: &[String]) {
    // This is only a hint, so errors are ignored.
    let Ok(state) = instance.state().await else { return };
    let is_meant = |on: &ProcName| {
        let on = state.processes.iter().find(|process| process.name == *on);
        on.is_some_and(|on| names.iter().any(|word| on.is_meant(word)))
    };
    let because = |process: &&ProcessState| match &process.problem {
        Some(Note::Skipped(skip)) => is_meant(&skip.on),
        Some(_) | None => false,
    };
    let late = state.processes.iter().filter(because).find_map(ProcessState::late_dependency);
    let skipped = state.processes.iter().filter(because).map(|process| &process.name);
    let (actions, skipped): (Vec<_>, Vec<_>) = skipped.partition(|name| state.is_action(name));
    let skipped: Vec<_> = skipped.into_iter().map(ProcName::as_str).collect();
    for action in actions {
        let flags = instance.flags();
        output::warn(&format!("still skipped: {action}; `tmo act {action}{flags}` runs it"));
    }
    if !skipped.is_empty() {
        let flags = instance.flags();
        let next = if let Some(on) = late {
            format!("`tmo restart {on}{flags}` tries again")
        } else {
            let them = if skipped.len() == 1 { "it" } else { "them" };
            format!("`tmo start {}{flags}` starts {them}", skipped.join(" "))
        };
        output::warn(&format!("still skipped: {}; {next}", skipped.join(", ")));
    }
}

/// What a restart says that has found nothing to do.
pub(in crate::cli) const NOTHING_TO_RESTART: &str = "nothing to restart";

/// Report what a request does beyond its words, or why it does nothing.
fn report_followers(request: &Request, outcome: &Outcome, flags: &str) {
    let following: Vec<_> = outcome.following.iter().map(ProcName::as_str).collect();
    if !following.is_empty() {
        let names = following.join(", ");
        let words = following.join(" ");
        output::warn(&format!(
            "followers: {names}, skipped before; `tmo wait {words}{flags} --for ready` waits for them"
        ));
    }
    if let Request::Restart { names, .. } = request
        && outcome.ok
        && names.is_empty()
        && outcome.names.is_empty()
    {
        let why = "each process was stopped or has completed; name those to start";
        output::warn(&format!("{NOTHING_TO_RESTART}: {why}"));
    }
}

/// The processes that a start would start and that run.
async fn already_running(instance: &Instance, request: &Request) -> Vec<ProcName> {
    if !matches!(request, Request::Start { .. }) {
        return vec![];
    }
    let processes = instance.state().await.map(|state| state.processes).unwrap_or_default();
    let runs = processes.into_iter().filter(|process| process.state == ProcessStatus::Running);
    runs.map(|process| process.name).collect()
}

/// Say on a terminal what holds for these processes.
fn report(names: &[ProcName], what: &str) {
    if !names.is_empty() {
        let names = output::first_names(names, MOST_NAMED, ", ");
        // It is done, whether this can be printed or not.
        let _ = output::print_on_terminal(&format!("{names}: {what}\n"));
    }
}

/// Maximum number of processes named in one line.
const MOST_NAMED: usize = 5;
/// How long after SIGKILL to look again.
const AFTER_KILL: Duration = Duration::from_millis(300);

/// Send a request, wait for it, and report problems.
pub(in crate::cli) async fn request(
    instance: &mut Instance,
    request: Request,
    wait: bool,
) -> Result<u8, CliError> {
    let server = instance.server().await?;
    request_of(instance, server, request, wait).await
}

/// The same without words on success.
pub(in crate::cli) async fn request_quietly(
    instance: &mut Instance,
    request: Request,
    wait: bool,
) -> Result<(), CliError> {
    verdict(send(instance, &request, wait).await?).map(drop)
}

/// Send a request to a run of tmo, and report what takes long.
async fn send(instance: &Instance, request: &Request, wait: bool) -> Result<Outcome, CliError> {
    let key = key();
    let run = OnceCell::new();
    let asked = instance.ask(async |mut client| {
        if ends_the_run(request) {
            // The request was made for the run of this plan. A retry could otherwise reach another
            // run that has replaced it.
            let meant = run.get_or_init(|| instance.run_by_plan());
            client = client.only_of(meant.as_deref());
        }
        if wait {
            insist(client, request, &key).await
        } else {
            client.request(request, false).await
        }
    });
    with_details(words(request).doing, asked, async || slow_stops(instance).await).await
}

/// The same as [`request`], once it is known which server answers.
pub(in crate::cli) async fn request_of(
    instance: &Instance,
    server: Server,
    request: Request,
    wait: bool,
) -> Result<u8, CliError> {
    instance.refuse_other_project().await?;
    if concerns_whole_run(&request) {
        instance.refuse_project_above()?;
    }
    if let Server::Overmind(address) = server {
        OvermindClient::new(&address).order(&overmind_command(request)?).await?;
        return Ok(0);
    }
    let running = if wait { already_running(instance, &request).await } else { vec![] };
    let outcome = match send(instance, &request, wait).await {
        Err(error) if ends_the_run(&request) && has_ended(instance, &error, wait) => return Ok(0),
        outcome => outcome?,
    };
    let names = outcome.names.clone();
    report_followers(&request, &outcome, &instance.flags());
    let code = verdict(outcome)?;
    if let Request::Restart { names, .. } | Request::Start { names, .. } = &request {
        report_skipped(instance, names).await;
    }
    if wait
        && Persona::here() == Persona::Tmo
        && let Some(done) = words(&request).done
    {
        let (running, names): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| running.contains(name));
        report(&names, done);
        report(&running, "runs already");
    }
    Ok(code)
}

/// Whether the failure of a request to end the run means that it has ended. The next one may have begun since.
fn has_ended(instance: &Instance, error: &CliError, wait: bool) -> bool {
    match error {
        CliError::NothingRuns { left: None, .. } => wait,
        CliError::Client(ClientError::Lost { .. }) => wait && instance.is_over(),
        CliError::Client(ClientError::OtherRun { .. }) => true,
        _ => false,
    }
}

/// The same request to overmind, if it has it.
fn overmind_command(request: Request) -> Result<OvermindCommand, CliError> {
    match request {
        Request::Restart { names, .. } => Ok(OvermindCommand::Restart(names)),
        Request::Stop { names, .. } => Ok(OvermindCommand::Stop(names)),
        Request::Quit => Ok(OvermindCommand::Quit),
        Request::Kill => Ok(OvermindCommand::Kill),
        _ => Err(CliError::OvermindCannot),
    }
}

/// Wait for the end of a run that is being stopped.
pub(in crate::cli) async fn end_of(instance: &Instance) -> Result<u8, CliError> {
    let over = async {
        instance.warn_of_stopped_supervisor();
        let mut heads = instance.heads().await?;
        while !matches!(instance.next_of(&mut heads).await?, HeadEvent::End(_)) {}
        Ok::<_, CliError>(0)
    };
    let slow = async || slow_stops(instance).await;
    match with_details("stopping everything", over, slow).await {
        Err(_) if instance.is_over() => Ok(0),
        ended => ended,
    }
}

/// The processes that a stop is waiting for, and when to look again: after SIGKILL has been sent.
async fn slow_stops(instance: &Instance) -> Option<(String, Duration)> {
    let state = state_at(&instance.address()).await.ok()?;
    let now = clock::now();
    let waits = |process: &&ProcessState| process.kill_due.is_some_and(|due| due > now);
    let slow: Vec<_> = state.processes.iter().filter(waits).collect();
    let due = slow.iter().filter_map(|process| process.kill_due).min()?.since(now);
    let name = |process: &&ProcessState| match process.pid {
        Some(pid) => format!("{} (pid {pid})", process.name),
        None => format!("a child process of {}", process.name),
    };
    let names = output::first_names(slow.iter().map(name), MOST_NAMED, ", ");
    // In a trial, Ctrl-C in its own terminal kills at once.
    let again = match instance.run {
        Some(_) => "Ctrl-C",
        None => "the same command in another terminal",
    };
    let (runs, them) = if slow.len() == 1 { ("runs", "it") } else { ("run", "them") };
    let text = format!(
        "{names} still {runs}; SIGKILL in {} s, {again} kills {them} now",
        units::whole_seconds(due)
    );
    Some((text, due + AFTER_KILL))
}

/// Send a request and wait for its outcome, unless the supervisor does not respond at all.
pub(in crate::cli) async fn insist(
    client: Client,
    request: &Request,
    key: &str,
) -> Result<Outcome, ClientError> {
    tokio::select! {
        answer = client.request_once(request, key) => answer,
        silent = silence(client.address()) => Err(silent),
    }
}

/// Request a stop of this run and wait for the outcome without a time limit. If the supervisor is killed
/// meanwhile, its guardian starts a new one, and the request is repeated with the same key, so that it is
/// not executed twice.
pub(in crate::cli) async fn ask_to_quit(
    address: &Address,
    run: &str,
    key: &str,
) -> Result<Outcome, ClientError> {
    steadily(address, |client| async move {
        client.only_of(Some(run)).request_once(&Request::Quit, key).await
    })
    .await
}

/// Wait for this answer without a time limit. `silent` is called once if the supervisor at this address
/// does not respond at all: it may be stopped (SIGSTOP), and may be continued later.
pub(in crate::cli) async fn unless_silent<T>(
    address: &Address,
    answer: impl Future<Output = T>,
    silent: impl FnOnce(ClientError),
) -> T {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => return answer,
        error = silence(address) => silent(error),
    }
    answer.await
}

/// Send a request, and repeat it as long as supervisors are killed meanwhile. Connecting waits for the next
/// one, so this does not spin.
pub(in crate::cli) async fn steadily<T, F: Future<Output = Result<T, ClientError>>>(
    address: &Address,
    ask: impl Fn(Client) -> F,
) -> Result<T, ClientError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match ask(Client::connect(address).await?).await {
            Err(ClientError::Lost { .. }) if tries < MOST_TRIES => {}
            other => return other,
        }
    }
}

/// The state of the run at this address, whichever supervisor answers.
pub(in crate::cli) async fn state_at(address: &Address) -> Result<State, ClientError> {
    Client::connect(address).await?.state().await
}

/// Stop this run in the name of this program, unless its supervisor does not respond at all.
pub(in crate::cli) async fn quit(
    address: &Address,
    run: &str,
    by: &'static str,
) -> Result<Outcome, CliError> {
    let key = key();
    Ok(steadily(address, |client| insist(client.only_of(Some(run)).by(by), &Request::Quit, &key))
        .await?)
}

/// A new idempotency key, so that a repeated request is executed only once.
pub(in crate::cli) fn key() -> String {
    format!("{}-{:x}", std::process::id(), clock::now().nanos())
}

/// Most requests finish within this time.
const USUAL: Duration = Duration::from_secs(1);

/// Completes only if the supervisor does not even report its state, and so can't execute a request before
/// it is continued. A request itself may take arbitrarily long.
async fn silence(address: &Address) -> ClientError {
    // A hanging process sends nothing, so only a timeout can detect it.
    tokio::time::sleep(USUAL).await;
    if let Ok(client) = Client::connect(address).await
        && let Err(error @ (ClientError::Silent { .. } | ClientError::TakingOver { .. })) =
            client.state().await
    {
        return error.after_request();
    }
    std::future::pending().await
}

/// Whether it affects the run as a whole, not just named processes.
fn concerns_whole_run(request: &Request) -> bool {
    let is_all = |name: &String| !name.is_empty() && name.chars().all(|c| c == '*');
    match request {
        Request::Quit | Request::Kill | Request::Reload { .. } => true,
        Request::Stop { names, .. }
        | Request::Restart { names, .. }
        | Request::Signal { names, .. } => names.is_empty() || names.iter().any(is_all),
        _ => false,
    }
}

const fn ends_the_run(request: &Request) -> bool {
    matches!(request, Request::Quit | Request::Kill)
}

pub(in crate::cli) fn verdict(outcome: Outcome) -> Result<u8, CliError> {
    match outcome {
        Outcome { unknown: Some(unknown), .. } => Err(CliError::Unknown(unknown)),
        Outcome { ok: true, .. } => Ok(0),
        Outcome { problems, .. } => Err(CliError::Problems(problems)),
    }
}

/// What a request does, as progress and result.
struct Words {
    doing: &'static str,
    /// `None`: success goes without words.
    done: Option<&'static str>,
}

const fn words(request: &Request) -> Words {
    let (doing, done) = match request {
        Request::Start { .. } => ("starting", Some("started")),
        Request::Stop { .. } => ("stopping", Some("stopped")),
        Request::Restart { .. } => ("restarting", Some("restarted")),
        Request::Act { .. } => ("running", None),
        Request::Install { .. } => ("installing", None),
        Request::Signal { .. } => ("signalling", None),
        Request::Watch { on: false, .. } => {
            ("pausing", Some("changes of files restart it no more"))
        }
        Request::Watch { on: true, .. } => ("resuming", Some("changes of files restart it")),
        Request::Use { .. } => ("noting", None),
        Request::Scale { .. } => ("scaling", None),
        Request::Reload { .. } => ("reloading", None),
        Request::Quit => ("stopping everything", None),
        Request::Kill => ("killing everything", None),
        Request::Resize { .. } => ("resizing", None),
    };
    Words { doing, done }
}

/// The order in which a command stops and starts processes.
pub(in crate::cli) fn change_order(no_deps: bool) -> ChangeOrder {
    match Persona::here() {
        Persona::Overmind => ChangeOrder::Overmind,
        Persona::Tmo if no_deps => ChangeOrder::Unordered,
        Persona::Tmo => ChangeOrder::Dependencies,
    }
}
