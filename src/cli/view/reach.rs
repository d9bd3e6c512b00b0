//! How a view reaches the run: the connection that delivers its news, a new guardian if supervisor and
//! guardian were killed, and the request to stop.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::{Display, ViewContinuation, ViewState};
use crate::cli::error::CliError;
use crate::cli::persona::Persona;
use crate::cli::reach::launch::Launch;
use crate::cli::reach::log::Source;
use crate::cli::reach::request;
use crate::client::address::Address;
use crate::client::{Backoff, Client, ClientError, HeadStream, LONGEST_PAUSE, TAKEOVER_LIMIT};
use crate::model::exit::End;
use crate::model::request::Head;
use crate::model::units;
use crate::run::listen;
use crate::run::lock::Door;
use crate::run::startup::StartupMessage;

/// How many guardians in a row may die before their first report. If more do, they are probably
/// broken, not killed.
const MOST_TRIES: u32 = 20;

/// How long a run may refuse a stop before the view reports that.
const STOP_PATIENCE: Duration = Duration::from_millis(300);

impl ViewState {
    /// Get news of the run. If its supervisor was killed, its guardian starts another one and
    /// keeps the socket meanwhile; if that is dead too, start a guardian.
    pub(in crate::cli) async fn connect(
        &self,
        display: &impl Display,
    ) -> Result<ViewContinuation, CliError> {
        let mut tries = 0;
        let mut backoff = Backoff::up_to(LONGEST_PAUSE);
        loop {
            match self.ask_for_news().await {
                Ok(news) => return Ok(ViewContinuation::News(news)),
                // The run has reached its limit of clients, and sends no event when one disconnects.
                Err(ClientError::Refused { status: 503, .. }) => {
                    backoff.wait().await;
                    continue;
                }
                Err(ClientError::OtherRun { .. }) => {
                    let end = self.over(display)?;
                    return Ok(ViewContinuation::Over(
                        end.unwrap_or(End { code: 1, ..End::default() }),
                    ));
                }
                // A retry would get the same answer.
                Err(error @ (ClientError::Refused { .. } | ClientError::OtherVersion { .. })) => {
                    return Err(error.into());
                }
                Err(_) => {}
            }
            if let Some(end) = self.over(display)? {
                return Ok(ViewContinuation::Over(end));
            }
            let first = match self.enter().await {
                // `tmo kill` has ended the run, and its runtime directory is gone.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    Ok(StartupMessage::nothing_left())
                }
                Err(error) => return Err(CliError::io("the lock")(error)),
                Ok(_door) => {
                    let mut launch = Launch::begin(&self.tmo, self.runtime.dir(), None)?;
                    tokio::task::spawn_blocking(move || launch.next()).await?
                }
            };
            let first = match first {
                Ok(first) => first,
                // The new one was killed as well, before it could report.
                Err(_) if tries < MOST_TRIES => {
                    tries += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match first {
                StartupMessage::Failed { message, .. } => {
                    if let Some(end) = self.over(display)? {
                        return Ok(ViewContinuation::Over(end));
                    }
                    display.say(format!("The supervisor is gone: {message}"), true);
                    return Ok(ViewContinuation::Over(End { code: 1, ..End::default() }));
                }
                StartupMessage::Listening { adopted, note, .. } => {
                    let count = units::processes(adopted.unwrap_or(0) as usize, "");
                    let text =
                        format!("Supervisor and guardian were killed; new ones go on with {count}");
                    display.say(text, true);
                    if let Some(note) = note {
                        display.say(note, true);
                    }
                }
                _ => {}
            }
        }
    }

    /// The start lock, unless this view has it already: `tmo kill` holds it, and what it ends must not be taken over.
    /// `None` after a long wait, because its holder may have been stopped.
    async fn enter(&self) -> Result<Option<Door>, io::Error> {
        if self.door.is_some() {
            return Ok(None);
        }
        let dir = self.runtime.dir().to_owned();
        tokio::task::spawn_blocking(move || Door::enter_within(&dir, Some(TAKEOVER_LIMIT), || ()))
            .await?
    }

    async fn ask_for_news(&self) -> Result<HeadStream, ClientError> {
        Client::connect(&self.address()).await?.only_of(Some(&self.plan.run)).head(true).await
    }

    /// How the run ended, if it ended while we were not connected, from the journal.
    pub(super) fn over(&self, display: &impl Display) -> Result<Option<End>, CliError> {
        let source = Source::of_plan(&self.plan, self.runtime.dir())?;
        let Some((end, records)) = source.end_of(&self.plan.run)? else { return Ok(None) };
        display.head(Head { records, ..Head::default() });
        Ok(Some(end))
    }

    pub(super) fn address(&self) -> Address {
        listen::locate(self.plan.socket.as_path(), self.runtime.dir()).into()
    }

    /// Request a graceful stop; a second request makes the supervisor kill. A signal comes only once,
    /// so the request is repeated until the supervisor accepts it or the run is over.
    pub(in crate::cli) fn quit(&mut self, display: &impl Display) {
        self.interrupted = true;
        let (socket, runtime) = (self.plan.socket.clone(), self.runtime.clone());
        let (teller, key, flags) = (display.teller(), request::key(), self.flags.clone());
        let run = self.plan.run.clone();
        self.quits.spawn(async move {
            let (begun, mut reported) = (Instant::now(), false);
            let mut backoff = Backoff::up_to(LONGEST_PAUSE);
            loop {
                let address = listen::locate(socket.as_path(), runtime.dir()).into();
                // The end of the run reports how it went.
                let asked = request::ask_to_quit(&address, &run, &key);
                let silent = |error: ClientError| {
                    let text = format!("The run can't be told to stop yet: {error}");
                    teller(Persona::here().speak(&text), true);
                };
                let error = match request::unless_silent(&address, asked, silent).await {
                    Ok(_) | Err(ClientError::OtherRun { .. }) => return,
                    Err(error) => error,
                };
                // A supervisor that is about to exit refuses requests as well.
                if !reported && begun.elapsed() >= STOP_PATIENCE {
                    reported = true;
                    let text = format!(
                        "The run can't be told to stop yet: {error}; trying again until it can, \
                         `tmo kill{flags}` ends it"
                    );
                    teller(Persona::here().speak(&text), true);
                }
                // The run sends no event when it accepts requests again.
                backoff.wait().await;
            }
        });
    }
}
