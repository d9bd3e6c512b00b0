//! `tmo stop`, `restart`, `quit`, `kill`: asking for something and waiting until it is done.

use std::cell::OnceCell;
use std::time::Duration;

use super::error::CliError;
use super::instance::{Instance, MOST_TRIES, OVERMIND_CANNOT, Server};
use super::progress::with_details;
use crate::api::overmind::Command;
use crate::client::address::Address;
use crate::client::overmind::OvermindClient;
use crate::client::{Client, ClientError, HeadEvent};
use crate::model::event::Note;
use crate::model::request::{Outcome, ProcessState, Request, State};
use crate::model::{ProcName, units};
use crate::sys::clock;

/// Name those that were skipped because of these processes: they stay so until they are started.
async fn tell_skipped(instance: &Instance, names: &[String]) {
    // It is a hint: without an answer there is none.
    let Ok(state) = instance.state().await else { return };
    let is_meant = |on: &ProcName| names.iter().any(|name| on.matches(name));
    let because = |process: &&ProcessState| match &process.problem {
        Some(Note::Skipped(skip)) => skip.needs().is_some_and(is_meant),
        Some(_) | None => false,
    };
    let skipped: Vec<_> = state.processes.iter().filter(because).map(|p| p.name.as_str()).collect();
    if !skipped.is_empty() {
        let start = format!("tmo start {}{}", skipped.join(" "), instance.flags());
        let them = if skipped.len() == 1 { "it" } else { "them" };
        super::warn(&format!("still skipped: {}; `{start}` starts {them}", skipped.join(", ")));
    }
}

/// No line names more processes.
const MOST_NAMED: usize = 5;
/// How long after SIGKILL another look is worth it.
const AFTER_KILL: Duration = Duration::from_millis(300);

/// Ask, wait, tell what went wrong.
pub(super) async fn request(
    instance: &mut Instance,
    request: Request,
    wait: bool,
) -> Result<u8, CliError> {
    let server = instance.server().await?;
    request_of(instance, server, request, wait).await
}

/// The same after it is known which server answers.
pub(super) async fn request_of(
    instance: &Instance,
    server: Server,
    request: Request,
    wait: bool,
) -> Result<u8, CliError> {
    instance.refuse_other_project().await?;
    if concerns_whole_run(&request) {
        instance.refuse_project_above()?;
    }
    match server {
        Server::Tmo => {
            let key = key();
            let run = OnceCell::new();
            let asked = instance.ask(async |mut client| {
                if ends_the_run(&request) {
                    // Whoever answers goes by this plan. Asked again, another run may be in its place.
                    let meant = run.get_or_init(|| instance.run_by_plan());
                    if let Some(run) = meant {
                        client = client.only_of(run);
                    }
                }
                if wait {
                    insist(client, &request, &key).await
                } else {
                    client.request(&request, false).await
                }
            });
            match with_details(words(&request), asked, async || slow_stops(instance).await).await {
                // Whatever was to be ended has ended.
                Err(CliError::NothingRuns(_) | CliError::Client(ClientError::Lost { .. }))
                    if wait && ends_the_run(&request) && instance.is_over() =>
                {
                    Ok(0)
                }
                Err(CliError::Client(ClientError::OtherRun { .. })) if run.get().is_some() => Ok(0),
                outcome => {
                    let code = verdict(outcome?)?;
                    if let Request::Restart { names } | Request::Start { names } = &request {
                        tell_skipped(instance, names).await;
                    }
                    Ok(code)
                }
            }
        }
        Server::Overmind(address) => {
            let overmind = OvermindClient::new(&address);
            let command = match request {
                Request::Restart { names } => Command::Restart(names),
                Request::Stop { names } => Command::Stop(names),
                Request::Quit => Command::Quit,
                Request::Kill => Command::Kill,
                Request::Start { .. }
                | Request::Signal { .. }
                | Request::Scale { .. }
                | Request::Reload { .. }
                | Request::Resize { .. } => {
                    return Err(CliError::Other(OVERMIND_CANNOT.to_owned()));
                }
            };
            overmind.order(&command).await?;
            Ok(0)
        }
    }
}

/// Wait for the end of a run that is being stopped.
pub(super) async fn end_of(instance: &Instance) -> Result<u8, CliError> {
    let over = async {
        loop {
            let mut news = match instance.news().await {
                Ok(news) => news,
                Err(_) if instance.is_over() => return Ok(0),
                Err(error) => return Err(error),
            };
            while let Some(Ok(event)) = news.next().await {
                if matches!(event, HeadEvent::End(_)) {
                    return Ok(0);
                }
            }
        }
    };
    with_details("stopping everything", over, async || slow_stops(instance).await).await
}

/// The processes that a stop waits for, and when to look again: when SIGKILL has been sent.
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
    let mut names: Vec<_> = slow.iter().map(name).collect();
    if names.len() > MOST_NAMED {
        names.truncate(MOST_NAMED);
        names.push(format!("{} more", slow.len() - MOST_NAMED));
    }
    let names = names.join(", ");
    // The end of a trial can be hurried where it was begun.
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

/// Ask and wait for the outcome, unless the supervisor does not answer at all.
pub(super) async fn insist(
    client: Client,
    request: &Request,
    key: &str,
) -> Result<Outcome, ClientError> {
    tokio::select! {
        answer = client.request_once(request, key) => answer,
        silent = silence(client.address()) => Err(silent),
    }
}

/// Have this run stop everything and wait for the outcome, for however long. A supervisor that is killed
/// meanwhile is started again by its guardian, and asked again by the same key, so that nothing is done
/// twice.
pub(super) async fn ask_to_quit(
    address: &Address,
    run: &str,
    key: &str,
) -> Result<Outcome, ClientError> {
    let quit =
        |client: Client| async move { client.only_of(run).request_once(&Request::Quit, key).await };
    steadily(address, quit).await
}

/// Wait for this answer, for however long. `silent` is told once if the supervisor at this address does
/// not answer at all: somebody may have stopped it, and it may go on.
pub(super) async fn unless_silent<T>(
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

/// Ask, and ask again for as long as the supervisor is killed meanwhile. Connecting waits for the next
/// one, so this does not spin.
pub(super) async fn steadily<T, F: Future<Output = Result<T, ClientError>>>(
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

/// The state of the run at this address, by whoever answers there now.
pub(super) async fn state_at(address: &Address) -> Result<State, ClientError> {
    Client::connect(address).await?.state().await
}

/// Have this run stop everything, unless its supervisor does not answer at all.
pub(super) async fn quit(address: &Address, run: &str) -> Result<Outcome, CliError> {
    let key = key();
    let quit = |client: Client| insist(client.only_of(run), &Request::Quit, &key);
    Ok(steadily(address, quit).await?)
}

/// What a request is called, so that asking again is not asking twice.
pub(super) fn key() -> String {
    format!("{}-{:x}", std::process::id(), clock::now().nanos())
}

/// Most requests are done within this time.
const USUAL: Duration = Duration::from_secs(1);

/// What is asked for may take its time; but a supervisor that does not even tell its state by then
/// will not do it before it goes on. Otherwise this never ends.
async fn silence(address: &Address) -> ClientError {
    // A process that hangs sends nothing, so only time can tell.
    tokio::time::sleep(USUAL).await;
    if let Ok(client) = Client::connect(address).await
        && let Err(error @ (ClientError::Silent { .. } | ClientError::TakingOver { .. })) =
            client.state().await
    {
        return error.after_request();
    }
    std::future::pending().await
}

/// Whether it changes the run as a whole, and not just processes that were named.
fn concerns_whole_run(request: &Request) -> bool {
    let is_all = |name: &String| !name.is_empty() && name.chars().all(|c| c == '*');
    match request {
        Request::Quit | Request::Kill | Request::Reload { .. } => true,
        Request::Stop { names } | Request::Restart { names } | Request::Signal { names, .. } => {
            names.is_empty() || names.iter().any(is_all)
        }
        Request::Start { .. } | Request::Scale { .. } | Request::Resize { .. } => false,
    }
}

const fn ends_the_run(request: &Request) -> bool {
    matches!(request, Request::Quit | Request::Kill)
}

fn verdict(outcome: Outcome) -> Result<u8, CliError> {
    match outcome {
        Outcome { unknown: Some(unknown), .. } => Err(CliError::Unknown(unknown)),
        Outcome { ok: true, .. } => Ok(0),
        Outcome { problems, .. } => Err(CliError::Problems(problems)),
    }
}

fn words(request: &Request) -> &'static str {
    match request {
        Request::Start { .. } => "starting",
        Request::Stop { .. } => "stopping",
        Request::Restart { .. } => "restarting",
        Request::Signal { .. } => "signalling",
        Request::Scale { .. } => "scaling",
        Request::Reload { .. } => "reloading",
        Request::Quit => "stopping everything",
        Request::Kill => "killing everything",
        Request::Resize { .. } => "resizing",
    }
}
