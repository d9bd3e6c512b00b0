//! The supervisor of the run that a command is about: identified, asked, and replaced if it was killed.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Instance, WAITS};
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::reach::launch::Launch;
use crate::client::address::Address;
use crate::client::{
    Backoff, Client, ClientError, EventStream, HeadEvent, HeadStream, Listener, identify_listener,
};
use crate::model::state::State;
use crate::model::units;
use crate::run::listen;
use crate::run::lock::{self, Door};
use crate::run::startup::StartupMessage;

/// Maximum number of supervisors that may be killed during one request.
pub(in crate::cli) const MOST_TRIES: u32 = 100;

/// After this many consecutive streams without an event a command gives up: a supervisor is rarely replaced
/// that often.
const MOST_FRUITLESS: u32 = 20;

/// The longest pause before connecting again to a run that is starting.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The listener on the socket of an instance.
#[derive(Debug)]
pub(in crate::cli) enum Server {
    /// A supervisor of ours.
    Tmo,
    /// A listener without our lock: overmind itself.
    Overmind(Address),
}

impl Server {
    /// An error if overmind answers, which can't do this.
    pub(in crate::cli) fn refuse_overmind(&self) -> Result<(), CliError> {
        match self {
            Self::Tmo => Ok(()),
            Self::Overmind(_) => Err(CliError::OvermindCannot),
        }
    }
}

/// The result after no supervisor has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunPresence {
    /// There is no run.
    Nobody,
    /// A supervisor that answers by now.
    Ready,
    /// A run that is just starting; its progress is not reported to us.
    Beginning,
}

impl Instance {
    /// Identify the listener. A run whose supervisor and guardian were killed is taken over first.
    pub(in crate::cli) async fn server(&mut self) -> Result<Server, CliError> {
        if self.runtime.is_held() {
            return Ok(Server::Tmo);
        }
        let address = self.address();
        match identify_listener(&address).await {
            Ok(Listener::Tmo(state)) => {
                match address {
                    Address::Unix(_) => self.meet(state),
                    Address::Tcp(_) => self.meet_near(&state),
                }
                Ok(Server::Tmo)
            }
            Ok(Listener::Overmind) => Ok(Server::Overmind(address)),
            // A supervisor that is just exiting closes the connection.
            Err(error @ (ClientError::Dial { .. } | ClientError::Empty { .. })) => {
                match self.take_over().await? {
                    RunPresence::Nobody => Err(self.not_there(error)),
                    RunPresence::Ready | RunPresence::Beginning => Ok(Server::Tmo),
                }
            }
            Err(error) => Err(self.not_there(error)),
        }
    }

    /// Send a request to our supervisor, and retry as long as supervisors are killed meanwhile: the
    /// guardian, or this command, starts another one, and connecting waits for that.
    pub(in crate::cli) async fn ask<T>(
        &self,
        ask: impl AsyncFn(Client) -> Result<T, ClientError>,
    ) -> Result<T, CliError> {
        let mut tries = 0;
        let mut backoff = Backoff::up_to(LONGEST_PAUSE);
        loop {
            tries += 1;
            let asked = match Client::connect(&self.address()).await {
                Ok(client) => ask(client.by(self.by.clone()).only_of(self.run.as_deref())).await,
                Err(error) => Err(error),
            };
            match asked {
                Ok(answer) => return Ok(answer),
                Err(ClientError::Lost { .. }) if tries < MOST_TRIES => {}
                Err(error @ ClientError::Dial { .. }) if tries < MOST_TRIES => {
                    match self.take_over().await? {
                        RunPresence::Nobody => return Err(self.not_there(error)),
                        RunPresence::Ready => {}
                        RunPresence::Beginning => {
                            if let Address::Unix(path) = self.address()
                                && let Some(what) = listen::in_the_way(&path)
                            {
                                let shown = self.socket.shown.display();
                                return Err(CliError::Other(format!(
                                    "{shown} is in the way: it is {what}, in the place of the \
                                     socket of a run; `tmo kill` ends that run"
                                )));
                            }
                            // Another start holds the lock and has no socket yet, so there is no
                            // connection on which it could announce that it is ready.
                            backoff.wait().await;
                        }
                    }
                }
                Err(error) => return Err(self.not_there(error)),
            }
        }
    }

    /// Follow the end of the log as supervisors index it.
    pub(in crate::cli) async fn heads(&self) -> Result<HeadStream, CliError> {
        self.ask(async |client| client.head(false).await).await
    }

    /// The next event of this stream, or of the one of the next supervisor. Cancel-safe.
    pub(in crate::cli) async fn next_of(
        &self,
        heads: &mut HeadStream,
    ) -> Result<HeadEvent, CliError> {
        self.next_event(heads, async |client| client.head(false).await).await
    }

    /// The same for any stream; `open` asks the next supervisor for it.
    pub(in crate::cli) async fn next_event<T>(
        &self,
        stream: &mut EventStream<T>,
        open: impl AsyncFn(Client) -> Result<EventStream<T>, ClientError>,
    ) -> Result<T, CliError> {
        let mut fruitless = 0;
        loop {
            if let Some(event) = stream.next().await {
                return Ok(event?);
            }
            if fruitless == MOST_FRUITLESS {
                let text =
                    "the supervisor keeps closing the stream of events before it has sent one";
                return Err(CliError::Other(text.to_owned()));
            }
            fruitless += 1;
            // The supervisor was killed. Either a new one is starting, or there is no run any more.
            self.warn_of_stopped_supervisor();
            *stream = self.ask(&open).await?;
        }
    }

    /// Warn that the log is incomplete if the supervisor has been stopped (SIGSTOP): the processes may have
    /// printed more than it has read.
    pub(in crate::cli) fn warn_of_stopped_supervisor(&self) {
        if let Some(pid) = self.runtime.stopped_supervisor() {
            output::warn(&format_args!(
                "the supervisor (pid {pid}) is stopped, so the log is shown only as far as it has \
                 read it; `kill -CONT {pid}` resumes it"
            ));
        }
    }

    /// The state of the run.
    pub(in crate::cli) async fn state(&self) -> Result<State, CliError> {
        self.ask(async |client| client.state().await).await
    }

    /// If the supervisor and its guardian were killed, start new ones, which continue the run. That takes
    /// seconds for a large run, in which the interface goes on.
    async fn take_over(&self) -> Result<RunPresence, CliError> {
        let instance = self.clone();
        let (sender, found) = oneshot::channel();
        let work = move || {
            // If nobody waits any more, the run goes on nevertheless.
            let _ = sender.send(instance.take_over_now());
        };
        // Where there can be no more threads, this one does it.
        let started = std::thread::Builder::new().name("takeover".to_owned()).spawn(work);
        match started {
            Ok(_) => found.await.unwrap_or(Ok(RunPresence::Beginning)),
            Err(_) => self.take_over_now(),
        }
    }

    fn take_over_now(&self) -> Result<RunPresence, CliError> {
        if !self.runtime.has_survivors() {
            return Ok(RunPresence::Nobody);
        }
        // Other commands may be about to do the same, or a start may not be finished yet.
        let waits = || output::warn(&WAITS);
        let _door = match Door::enter_within(self.runtime.dir(), Some(self.takeover_limit), waits) {
            // The run has ended meanwhile, and its runtime directory is gone.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(RunPresence::Nobody),
            Err(error) => return Err(CliError::io("the lock")(error)),
            Ok(None) => return Err(ClientError::TakingOver { at: self.address() }.into()),
            Ok(Some(door)) => door,
        };
        if lock::is_held(self.runtime.dir()).map_err(CliError::io("the lock"))? {
            return Ok(RunPresence::Beginning);
        }
        let tmo = std::env::current_exe().map_err(CliError::io("can't tell where tmo is"))?;
        let mut launch = Launch::begin(&tmo, self.runtime.dir(), None)?;
        match launch.takeover(self.address(), self.takeover_limit, None)? {
            StartupMessage::Listening { adopted, note, .. } => {
                output::warn(&taken_over(adopted.unwrap_or(0)));
                if let Some(note) = note {
                    output::warn(&note);
                }
                Ok(RunPresence::Ready)
            }
            StartupMessage::Failed { .. } if !self.runtime.has_survivors() => {
                Ok(RunPresence::Nobody)
            }
            StartupMessage::Failed { message, code } => Err(CliError::Start { message, code }),
            StartupMessage::Held { .. }
            | StartupMessage::Running
            | StartupMessage::Ended { .. } => Ok(RunPresence::Beginning),
        }
    }
}

/// The message for a run that was taken over.
pub(in crate::cli) fn taken_over(count: u32) -> String {
    let count = units::processes(count as usize, "living");
    format!("the supervisor had been killed; taken over its {count}")
}

/// An error if overmind answers, which can't do this.
pub(in crate::cli) async fn tmo_only(instance: &mut Instance) -> Result<(), CliError> {
    instance.server().await?.refuse_overmind()
}
