//! The instance that a client command is about.

use std::io::ErrorKind;
use std::time::Duration;

use super::args::ClientArgs;
use super::error::CliError;
use super::launch::Launch;
use crate::config::dirs::{find_runtime_dir, is_runtime_dir};
use crate::config::load::Context;
use crate::config::project::{self, SocketPath};
use crate::config::{Env, OwnPath};
use crate::control::address::Address;
use crate::control::client::{Client, ClientError, Listener, who};
use crate::control::lock::Door;
use crate::control::{listen, lock};
use crate::engine::guard::News;
use crate::engine::runtime::Runtime;
use crate::model::count;
use crate::model::request::State;

/// Nobody kills a supervisor this often while one request is made.
const MOST_TRIES: u32 = 100;

/// How long to wait before it is tried again to connect to one that is beginning; then twice as
/// long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const MOST_PAUSE: Duration = Duration::from_millis(200);

/// What is told while another command begins something here.
pub(super) const WAITS: &str = "another tmo is just starting here, or was stopped; waiting for it";

/// Where an instance is, whether it runs or not.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) context: Context,
    pub(super) socket: SocketPath,
    pub(super) runtime: Runtime,
}

/// Who answers on the socket of an instance.
#[derive(Debug)]
pub(super) enum Server {
    /// A supervisor of ours.
    Tmo,
    /// Somebody without our lock: overmind itself.
    Overmind(Address),
}

/// Who is to be asked after nobody has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// There is no run.
    Nobody,
    /// One that answers by now.
    Ready,
    /// One that is just beginning, of which nobody tells us.
    Beginning,
}

impl Instance {
    /// The nearest one, or that of `--socket`.
    pub(super) fn find(args: &ClientArgs) -> Result<Self, CliError> {
        let context = Context::here()?;
        let typed = (args.socket.clone(), args.network.clone());
        let socket = project::client_socket(&context.start_dir, typed, &context.env)?;
        let runtime = Runtime::new(find_runtime_dir(&context.env, &socket.path)?);
        Ok(Self { context, socket, runtime })
    }

    /// The part of the caller's own `PATH` that holds none of the project's programs.
    pub(super) fn own_path(&self) -> OwnPath {
        let beside = self.socket.path.parent().filter(|_| self.socket.tcp.is_none());
        OwnPath::of(&self.context.env, [&*self.context.start_dir].into_iter().chain(beside))
    }

    /// Where to connect: over TCP only if there is no run of this user on this machine that the
    /// address could mean.
    pub(super) fn address(&self) -> Address {
        let path = listen::locate(&self.socket.path, self.runtime.dir());
        match &self.socket.tcp {
            Some(tcp) if !path.exists() => Address::Tcp(tcp.clone()),
            Some(_) | None => Address::Unix(path),
        }
    }

    /// What needs the terminals or the files of a run can be had where it runs only.
    pub(super) fn on_this_machine(&self) -> Result<(), CliError> {
        match self.address() {
            Address::Unix(_) => Ok(()),
            Address::Tcp(tcp) => Err(CliError::Other(format!(
                "the run at {} is asked over TCP, where there are `ps`, `restart`, `stop`, `quit`, \
                 `kill` and `echo` without names; for more, be on its machine and use the address \
                 that it was started with",
                tcp.address
            ))),
        }
    }

    /// Who answers here. A run whose supervisor and guardian were killed is taken over first.
    pub(super) async fn server(&mut self) -> Result<Server, CliError> {
        if lock::is_held(self.runtime.dir()).unwrap_or(false) {
            return Ok(Server::Tmo);
        }
        let address = self.address();
        match who(&address).await {
            Ok(Listener::Tmo(state)) => {
                // What another machine calls so is none of ours.
                if let Address::Unix(_) = address
                    && let Some(runtime) = of_another_session(&self.context.env, &state)
                {
                    self.runtime = runtime;
                }
                Ok(Server::Tmo)
            }
            Ok(Listener::Overmind) => Ok(Server::Overmind(address)),
            Err(error @ ClientError::Dial { .. }) => match self.take_over()? {
                Found::Nobody => Err(self.not_there(error)),
                Found::Ready | Found::Beginning => Ok(Server::Tmo),
            },
            Err(error) => Err(self.not_there(error)),
        }
    }

    /// Whether nothing is left of the run.
    pub(super) fn is_over(&self) -> bool {
        !lock::is_held(self.runtime.dir()).unwrap_or(true) && !self.runtime.has_survivors()
    }

    /// Ask our supervisor, and ask again for as long as it is killed meanwhile: its guardian, or
    /// this command, starts another one, and connecting waits for that.
    pub(super) async fn ask<T>(
        &self,
        ask: impl AsyncFn(Client) -> Result<T, ClientError>,
    ) -> Result<T, CliError> {
        let mut tries = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            tries += 1;
            let asked = match Client::connect(&self.address()).await {
                Ok(client) => ask(client).await,
                Err(error) => Err(error),
            };
            match asked {
                Ok(answer) => return Ok(answer),
                Err(ClientError::Lost { .. }) if tries < MOST_TRIES => {}
                Err(error @ ClientError::Dial { .. }) if tries < MOST_TRIES => {
                    match self.take_over()? {
                        Found::Nobody => return Err(self.not_there(error)),
                        Found::Ready => {}
                        Found::Beginning => {
                            // Whoever holds the lock has no socket yet, and nobody to tell us when
                            // it has: who started it may be gone.
                            tokio::time::sleep(pause).await;
                            pause = (pause * 2).min(MOST_PAUSE);
                        }
                    }
                }
                Err(error) => return Err(self.not_there(error)),
            }
        }
    }

    /// The state of the run.
    pub(super) async fn state(&self) -> Result<State, CliError> {
        self.ask(async |client| client.state().await).await
    }

    /// Nobody answers: if the supervisor and its guardian were killed, start others, which go on
    /// with what runs.
    fn take_over(&self) -> Result<Found, CliError> {
        if !self.runtime.has_survivors() {
            return Ok(Found::Nobody);
        }
        // Others may be about to do the same, or a start may not have come to anything yet.
        let waits = || super::warn(&WAITS);
        let _door = Door::enter(self.runtime.dir(), waits).map_err(CliError::io("the lock"))?;
        if lock::is_held(self.runtime.dir()).map_err(CliError::io("the lock"))? {
            return Ok(Found::Beginning);
        }
        let tmo = std::env::current_exe().map_err(CliError::io("can't tell where tmo is"))?;
        let mut launch = Launch::begin(&tmo, self.runtime.dir(), None)?;
        match launch.next()? {
            News::Listening { adopted, .. } => {
                super::warn(&taken_over(adopted.unwrap_or(0)));
                Ok(Found::Ready)
            }
            News::Failed { .. } if !self.runtime.has_survivors() => Ok(Found::Nobody),
            News::Failed { message, code } => Err(CliError::Start { message, code }),
            News::Held { .. } | News::Running | News::Ended { .. } => Ok(Found::Beginning),
        }
    }

    /// What a refused connection means: nothing runs, or something has gone on without us.
    fn not_there(&self, error: ClientError) -> CliError {
        let ClientError::Dial { cause, .. } = error else { return error.into() };
        // Overmind's words name the socket as the user would.
        let nobody = matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        let shown = || Address::Unix(self.socket.shown.clone());
        let at = self.socket.tcp.clone().map_or_else(shown, Address::Tcp);
        let dial = ClientError::Dial { at, cause };
        if nobody { CliError::NothingRuns(dial) } else { dial.into() }
    }
}

/// The words for a run that was taken over.
pub(super) fn taken_over(count: u32) -> String {
    let count = count::processes(count as usize, "living");
    format!("the supervisor had been killed; taken over its {count}")
}

/// The runtime directory of a run that was not found by our own rules: it was started in a session
/// with another `XDG_RUNTIME_DIR`, or its project has been moved since.
///
/// Whoever answers names it, so it counts only where it is one of this user's runtime directories,
/// in which lies the plan of just that run, and where a supervisor holds the lock.
pub(super) fn of_another_session(env: &Env, state: &State) -> Option<Runtime> {
    let dir = state.runtime.as_ref()?.as_path();
    let runtime = is_runtime_dir(env, dir).then(|| Runtime::new(dir))?;
    let held = lock::is_held(dir).unwrap_or(false);
    (held && runtime.plan().ok()?.run == state.run).then_some(runtime)
}
