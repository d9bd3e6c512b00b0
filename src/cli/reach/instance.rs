//! The instance that a client command is about.

mod origin;
mod supervisor;

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::leftovers::remains;
use crate::cli::args::ClientArgs;
use crate::cli::error::CliError;
use crate::cli::persona::Persona;
use crate::client::address::{Address, TcpTarget};
use crate::client::{COMMAND_LINE, ClientError, Listener, TAKEOVER_LIMIT, identify_listener};
use crate::config::load::Context;
use crate::config::place::dirs::{Identity, is_runtime_dir, runtime_base};
use crate::config::place::socket::{SOCKET, SocketPath};
use crate::config::{Env, OwnPath};
use crate::journal::last_run::LastRun;
use crate::model::network::TcpAddress;
use crate::model::state::State;
use crate::model::text::OsText;
use crate::model::text::untrusted::cleaned;
use crate::run::dir::RuntimeDir;
use crate::run::find::{Found, RunTarget, find};
use crate::run::registry::{self, Standing};
use crate::run::{listen, lock};
use crate::sys::{self, ProcInfo};
pub(in crate::cli) use origin::{identity, left_by_link};
pub(in crate::cli) use supervisor::{MOST_TRIES, Server, taken_over, tmo_only};

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
    whereabouts: Whereabouts,
    /// The id of the only run that commands are meant for.
    pub(in crate::cli) run: Option<String>,
    /// Who sends the requests, for display.
    by: Cow<'static, str>,
    /// How long to wait for a supervisor that takes over the run.
    pub(in crate::cli) takeover_limit: Duration,
}

/// Where the run is that answers.
#[derive(Debug, Clone)]
enum Whereabouts {
    /// In the runtime directory that was found here, as far as is known.
    Here,
    /// On this machine, but it reports another runtime directory. That is used to find the parts of the run by its
    /// path; nothing in it is read.
    OtherDirectory(RuntimeDir),
    Far(Box<Far>),
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

impl Instance {
    /// An instance about which only local information is known.
    pub(in crate::cli) fn new(found: Found, runtime: RuntimeDir) -> Self {
        Self {
            context: found.context,
            socket: found.socket,
            identity: found.identity,
            runtime,
            whereabouts: Whereabouts::Here,
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

    /// The same without reading its runtime directory, which is not trusted.
    pub(in crate::cli) fn unchecked(args: &ClientArgs) -> Result<Self, CliError> {
        let found = find(&RunTarget::from(args), Persona::here() == Persona::Overmind)?;
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
            if let Some(dir) = same {
                self.whereabouts = Whereabouts::OtherDirectory(RuntimeDir::new(dir));
            }
        } else if (&here.boot, &here.pid_namespace) != (&host.boot, &host.pid_namespace) {
            let name = cleaned(&host.hostname);
            let host = if name.is_empty() { "another machine".to_owned() } else { name };
            self.whereabouts = Whereabouts::Far(Box::new(Far { host, state: *state }));
        }
    }

    /// The same for a run that is reached over TCP: its parts may still be on this machine.
    fn meet_near(&mut self, state: &State) {
        let named = of_another_session(&self.context.env, state);
        if let Some(runtime) = named.filter(|_| is_here(state)) {
            self.whereabouts = Whereabouts::OtherDirectory(runtime);
        }
    }

    /// The run that answers, if it is not on this machine.
    pub(in crate::cli) fn far(&self) -> Option<&Far> {
        if let Whereabouts::Far(far) = &self.whereabouts { Some(far) } else { None }
    }

    /// The runtime directory that the run reports, if it differs from the one found here.
    pub(in crate::cli) fn other_directory(&self) -> Option<&RuntimeDir> {
        if let Whereabouts::OtherDirectory(dir) = &self.whereabouts { Some(dir) } else { None }
    }

    /// Whether the files of the run can be read: it is not on another machine, nor asked over TCP.
    pub(in crate::cli) fn has_files(&self) -> bool {
        self.far().is_none() && matches!(self.address(), Address::Unix(_))
    }

    /// Whether the processes of the run are known to be on this machine.
    pub(in crate::cli) fn runs_here(&self) -> bool {
        self.has_files() || self.other_directory().is_some()
    }

    /// The processes of tmo and tmux that belong to the run and are on this machine.
    pub(in crate::cli) fn parts(&self) -> Vec<ProcInfo> {
        self.other_directory()
            .into_iter()
            .chain([&self.runtime])
            .flat_map(RuntimeDir::parts)
            .collect()
    }

    /// The part of the caller's own `PATH` outside of the project.
    pub(in crate::cli) fn own_path(&self) -> OwnPath {
        let beside = self.socket.path.parent().filter(|_| self.socket.tcp.is_none());
        OwnPath::new(&self.context.env, [&*self.context.start_dir].into_iter().chain(beside))
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
        let runs = runtime_base(&self.context.env);
        TcpTarget { tcp: tcp.clone(), runs, mixed: self.socket.mixed }
    }

    /// An error if the run is on another machine, for commands that need its terminals or files.
    pub(in crate::cli) fn on_this_machine(&self) -> Result<(), CliError> {
        if let Some(far) = self.far() {
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

    /// Whether nothing of the run is left.
    pub(in crate::cli) fn is_over(&self) -> bool {
        !lock::is_held(self.runtime.dir()).unwrap_or(true)
            && !self.runtime.has_survivors()
            && self.runtime.remains().is_empty()
    }

    /// The id of the run whose supervisor or guardian holds the lock.
    pub(in crate::cli) fn run_by_plan(&self) -> Option<String> {
        let held = Some(&self.runtime).filter(|runtime| runtime.is_held());
        held.and_then(|runtime| Some(runtime.plan().ok()?.run))
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
