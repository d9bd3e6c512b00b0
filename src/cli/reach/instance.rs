//! The instance that a client command is about.

mod origin;
use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;

use super::launch::Launch;
use super::leftovers::remains;
use crate::cli::args::ClientArgs;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::persona::Persona;
use crate::client::address::{Address, TcpTarget};
use crate::client::{
    Backoff, COMMAND_LINE, Client, ClientError, EventStream, HeadEvent, HeadStream, Listener,
    TAKEOVER_LIMIT, identify_listener,
};
use crate::config::dirs::{Identity, is_runtime_dir, runtime_base};
use crate::config::load::Context;
use crate::config::socket::{SOCKET, SocketPath};
use crate::config::{Env, OwnPath};
use crate::journal::last_run::LastRun;
use crate::model::count;
use crate::model::network::TcpAddress;
use crate::model::state::State;
use crate::model::text::OsText;
use crate::model::untrusted::cleaned;
use crate::run::dir::RuntimeDir;
use crate::run::find::{Found, Target, find};
use crate::run::listen;
use crate::run::lock::{self, Door};
use crate::run::registry::{self, Standing};
use crate::run::startup::StartupMessage;
use crate::sys::{self, ProcInfo};
pub(in crate::cli) use origin::{identity, left_by_link};

/// Maximum number of supervisors that may be killed during one request.
pub(in crate::cli) const MOST_TRIES: u32 = 100;

/// After this many consecutive streams without an event a command gives up: a supervisor is rarely replaced
/// that often.
const MOST_FRUITLESS: u32 = 20;

/// The longest pause before connecting again to a run that is starting.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Printed while another command is starting a run here.
pub(in crate::cli) const WAITS: &str =
    "another tmo is just starting here, or was stopped; waiting for it";

/// The location of an instance, whether it runs or not.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Instance {
    pub(in crate::cli) context: Context,
    pub(in crate::cli) socket: SocketPath,
    pub(in crate::cli) identity: Identity,
    pub(in crate::cli) runtime: RuntimeDir,
    /// The runtime directory that the run reports, if it differs from the one found here. It is used to
    /// find the parts of the run by its path; nothing in it is read.
    pub(in crate::cli) other: Option<RuntimeDir>,
    /// The run that answers, if it is not on this machine.
    pub(in crate::cli) far: Option<Box<Far>>,
    /// The id of the only run that commands are meant for.
    pub(in crate::cli) run: Option<String>,
    /// Who sends the requests, for display.
    by: Cow<'static, str>,
    /// How long to wait for a supervisor that takes over the run.
    pub(in crate::cli) takeover_limit: Duration,
}

/// A run on another machine, or in a container that does not share its files with us.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Far {
    /// The name of the machine.
    host: String,
    pub(in crate::cli) state: State,
}

impl Far {
    /// The error for operations that work only where the run is.
    pub(in crate::cli) fn lacks(&self, what: &str) -> CliError {
        CliError::Other(format!("this run is on {}: {what} there", self.host))
    }
}

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
    /// An instance about which only local information is known.
    pub(in crate::cli) fn new(found: Found, runtime: RuntimeDir) -> Self {
        Self {
            context: found.context,
            socket: found.socket,
            identity: found.identity,
            runtime,
            other: None,
            far: None,
            run: None,
            by: Env::sender().map_or(Cow::Borrowed(COMMAND_LINE), Cow::Owned),
            takeover_limit: TAKEOVER_LIMIT,
        }
    }

    /// The nearest instance, or that of `--project` or `--socket`.
    pub(in crate::cli) fn find(args: &ClientArgs) -> Result<Self, CliError> {
        let instance = Self::unchecked(args)?;
        instance.identity.trusted_runtime()?;
        Ok(instance)
    }

    /// The instance of the project in this directory, or that of `--socket`.
    pub(in crate::cli) fn find_in(dir: &Path, args: &ClientArgs) -> Result<Self, CliError> {
        Self::find(&ClientArgs { project: Some(dir.to_owned()), ..args.clone() })
    }

    /// The same without reading its runtime directory, which is not trusted.
    pub(in crate::cli) fn unchecked(args: &ClientArgs) -> Result<Self, CliError> {
        let found = find(&Target::from(args), Persona::here() == Persona::Overmind)?;
        let runtime = RuntimeDir::new(&found.identity.runtime);
        Ok(Self::new(found, runtime))
    }

    /// The record of its last run.
    pub(in crate::cli) fn last_run(&self) -> Option<LastRun> {
        LastRun::read(&self.identity.last_run)
    }

    /// Restrict requests to the run with this id, so that they have no effect on one that has replaced it.
    pub(in crate::cli) fn only_of(mut self, run: &str) -> Self {
        self.run = Some(run.to_owned());
        self
    }

    /// Send requests in the name of another program.
    pub(in crate::cli) fn by(mut self, by: &'static str) -> Self {
        self.by = Cow::Borrowed(by);
        self
    }

    /// The flags that select it, for the commands in messages.
    pub(in crate::cli) fn flags(&self) -> String {
        self.context.flags(&self.socket)
    }

    /// Find out whether the run is on another machine, for a command that reads files. Any other listener,
    /// or none, does not matter.
    pub(in crate::cli) async fn look_where(&mut self) -> Result<(), CliError> {
        if self.runtime.is_held() || self.socket.tcp.is_some() {
            return Ok(());
        }
        match identify_listener(&self.address()).await {
            Ok(Listener::Tmo(state)) => self.meet(state),
            Err(error @ (ClientError::Empty { .. } | ClientError::Silent { .. }))
                if !self.runtime.has_survivors() =>
            {
                return Err(error.into());
            }
            Err(error) if !self.is_known() => match self.not_there(error) {
                CliError::NothingRuns { .. } => {}
                error => return Err(error),
            },
            Ok(Listener::Overmind) | Err(_) => {}
        }
        Ok(())
    }

    /// Whether a run of this machine has used this socket.
    fn is_known(&self) -> bool {
        self.runtime.plan_file().exists() || self.last_run().is_some()
    }

    /// Use the files of the run that answers, if they are on this machine.
    fn meet(&mut self, state: Box<State>) {
        let named = of_another_session(&self.context.env, &state);
        let Some(host) = &state.host else { return };
        let here = sys::host(named.as_ref().map_or(Path::new(""), RuntimeDir::dir));
        if here.boot == host.boot && here.runtime_id.is_some() && here.runtime_id == host.runtime_id
        {
            self.runtime = named.unwrap_or_else(|| self.runtime.clone());
        } else if named.is_none() && is_here(&state) {
            // The run was started in another session, or only claims this directory.
            let dir = state.runtime.as_ref().map(OsText::as_path);
            let same = dir.filter(|dir| dir.file_name() == self.runtime.dir().file_name());
            self.other = same.map(RuntimeDir::new);
        } else if (&here.boot, &here.pid_namespace) != (&host.boot, &host.pid_namespace) {
            let name = cleaned(&host.hostname);
            let host = if name.is_empty() { "another machine".to_owned() } else { name };
            self.far = Some(Box::new(Far { host, state: *state }));
        }
    }

    /// The same for a run that is reached over TCP: its parts may still be on this machine.
    fn meet_near(&mut self, state: &State) {
        self.other = of_another_session(&self.context.env, state).filter(|_| is_here(state));
    }

    /// Whether the files of the run can be read: it is not on another machine, nor asked over TCP.
    pub(in crate::cli) fn has_files(&self) -> bool {
        self.far.is_none() && matches!(self.address(), Address::Unix(_))
    }

    /// Whether the processes of the run are known to be on this machine.
    pub(in crate::cli) fn runs_here(&self) -> bool {
        self.has_files() || self.far.is_none() && self.other.is_some()
    }

    /// The processes of tmo and tmux that belong to the run and are on this machine.
    pub(in crate::cli) fn parts(&self) -> Vec<ProcInfo> {
        self.other.iter().chain([&self.runtime]).flat_map(RuntimeDir::parts).collect()
    }

    /// The part of the caller's own `PATH` outside of the project.
    pub(in crate::cli) fn own_path(&self) -> OwnPath {
        let beside = self.socket.path.parent().filter(|_| self.socket.tcp.is_none());
        OwnPath::of(&self.context.env, [&*self.context.start_dir].into_iter().chain(beside))
    }

    /// Where to connect: over TCP only if this user has no run on this machine that the address could refer
    /// to.
    pub(in crate::cli) fn address(&self) -> Address {
        let path = listen::locate(&self.socket.path, self.runtime.dir());
        match &self.socket.tcp {
            Some(tcp) if !path.exists() => Address::Tcp(Box::new(self.target(tcp))),
            Some(_) | None => Address::Unix(path),
        }
    }

    fn target(&self, tcp: &TcpAddress) -> TcpTarget {
        let (tcp, mixed) = (tcp.clone(), self.socket.mixed);
        TcpTarget { tcp, runs: runtime_base(&self.context.env), mixed }
    }

    /// An error if the run is on another machine, for commands that need its terminals or files.
    pub(in crate::cli) fn on_this_machine(&self) -> Result<(), CliError> {
        if let Some(far) = &self.far {
            return Err(far.lacks("this needs its terminals or files, and works"));
        }
        match self.address() {
            Address::Unix(_) => Ok(()),
            Address::Tcp(tcp) => Err(CliError::Other(format!(
                "the run at {} is asked over TCP, where there are `ps`, `why`, `restart`, `stop`, \
                 `quit`, `kill` and `echo` without names; for more, go to its machine and use the address \
                 that it was started with",
                tcp.tcp.address
            ))),
        }
    }

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

    /// Whether nothing of the run is left.
    pub(in crate::cli) fn is_over(&self) -> bool {
        !lock::is_held(self.runtime.dir()).unwrap_or(true)
            && !self.runtime.has_survivors()
            && self.runtime.remains().is_empty()
    }

    /// The id of the run whose supervisor or guardian holds the lock.
    pub(in crate::cli) fn run_by_plan(&self) -> Option<String> {
        let held = self.runtime.is_held();
        held.then(|| self.runtime.plan().ok()).flatten().map(|plan| plan.run)
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

    /// Whether the socket differs from the default one of `tmo start`.
    fn is_named(&self) -> bool {
        self.socket.path.file_name() != Some(SOCKET.as_ref())
    }

    /// Where other runs of this user are, for a message.
    fn elsewhere(&self) -> String {
        const MOST: usize = 3;
        if Persona::here() == Persona::Overmind {
            return String::new();
        }
        let others = registry::unfinished(&self.context.env).into_iter().flatten();
        let others = others.filter(|run| {
            run.standing == Standing::Held && run.runtime.as_ref() != Some(&self.runtime)
        });
        let mut places: Vec<_> =
            others.filter_map(|run| Some(run.root()?.display().to_string())).collect();
        places.sort();
        places.dedup();
        match places.len() {
            0 => String::new(),
            1..=MOST => format!("; others run in {} (`tmo ls`)", places.join(", ")),
            more => format!("; {more} others run elsewhere (`tmo ls`)"),
        }
    }

    /// Whether the user has named a socket of which nothing on this machine knows: it may have been forwarded.
    pub(in crate::cli) fn is_of_nothing_known(&self) -> bool {
        self.is_named() && self.socket.tcp.is_none() && !self.is_known()
    }

    /// The meaning of a refused connection: nothing runs, or parts of a run have survived.
    fn not_there(&self, error: ClientError) -> CliError {
        let ClientError::Dial { cause, .. } = error else { return error.into() };
        // Overmind's message names the socket as the user would.
        let nobody = matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        let shown = || Address::Unix(self.socket.shown.clone());
        let tcp = self.socket.tcp.as_ref().map(|tcp| Address::Tcp(Box::new(self.target(tcp))));
        let at = tcp.unwrap_or_else(shown);
        let refused = cause.kind() == ErrorKind::ConnectionRefused;
        if refused
            && self.socket.tcp.is_none()
            && let Some(what) = listen::in_the_way(&self.socket.path)
        {
            let shown = self.socket.shown.display();
            return CliError::Other(format!("no run has its socket at {shown}: it is {what}"));
        }
        if refused && self.is_of_nothing_known() {
            return CliError::DeadSocket(at);
        }
        let dial = ClientError::Dial { at, cause };
        if !nobody {
            return dial.into();
        }
        let is_here = matches!(self.address(), Address::Unix(_));
        let left = if is_here { remains(self) } else { None };
        let last = if left.is_none() { self.last_failure() } else { String::new() };
        let others = format!("{last}{}", self.elsewhere());
        CliError::NothingRuns { cause: Box::new(dial), left, others }
    }

    /// How the last run ended, for a message, if it failed.
    fn last_failure(&self) -> String {
        let end = self.last_run().and_then(|last| Some(last.end?.end));
        match end.filter(|end| end.code != 0 && Persona::here() == Persona::Tmo) {
            Some(end) => {
                let how = end.reason().unwrap_or_else(|| format!("ended with code {}", end.code));
                format!("; the last one {how} (`tmo why{}`)", self.flags())
            }
            None => String::new(),
        }
    }
}

/// Whether the runtime directory that a run reports is the one at that path on this machine.
fn is_here(state: &State) -> bool {
    let (Some(host), Some(dir)) = (&state.host, &state.runtime) else { return false };
    let here = sys::host(dir.as_path());
    (&here.boot, &here.pid_namespace) == (&host.boot, &host.pid_namespace)
        && here.runtime_id.is_some()
        && here.runtime_id == host.runtime_id
}

/// The message for a run that was taken over.
pub(in crate::cli) fn taken_over(count: u32) -> String {
    let count = count::processes(count as usize, "living");
    format!("the supervisor had been killed; taken over its {count}")
}

/// The runtime directory of a run that our own rules do not find: it was started in a session with another
/// `XDG_RUNTIME_DIR`, or its project has been moved since.
///
/// It comes from the answer of an unknown listener, so it is used only if it is one of this user's runtime
/// directories, contains the plan of this very run, and its lock is held by a supervisor.
pub(in crate::cli) fn of_another_session(env: &Env, state: &State) -> Option<RuntimeDir> {
    let dir = state.runtime.as_ref()?.as_path();
    let runtime = is_runtime_dir(env, dir).then(|| RuntimeDir::new(dir))?;
    let held = lock::is_held(dir).unwrap_or(false);
    (held && runtime.plan().ok()?.run == state.run).then_some(runtime)
}

/// An error if overmind answers, which can't do this.
pub(in crate::cli) async fn tmo_only(instance: &mut Instance) -> Result<(), CliError> {
    instance.server().await?.refuse_overmind()
}
