//! Which run a command means, by its flags, its variables and the directory in which it was typed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::dir::RuntimeDir;
use crate::config::Env;
use crate::config::error::ConfigError;
use crate::config::load::Context;
use crate::config::place::dirs::{Identity, command_sockets, last_command};
use crate::config::place::paths::absolute;
use crate::config::place::project::project_above;
use crate::config::place::socket;
use crate::config::place::socket::{BadAddress, NamedBy, SocketFlags, SocketPath};
use crate::model::network::Network;
use crate::sys::dial::{self, ListenerState};
use crate::sys::files;

/// The flags that name a run.
#[derive(Debug, Clone, Default)]
pub struct RunTarget {
    pub address: SocketFlags,
    /// `--project`: the directory of a project.
    pub project: Option<PathBuf>,
}

/// Why it is not known which run is meant.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The current directory or one of its env files can't be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An invalid control address.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// `--project` names no directory.
    #[error("{} is not a directory", .0.display())]
    NoDirectory(PathBuf),
    /// Several commands without a Procfile run in the directory.
    #[error("{count} commands run in {}; name one of them: {flags}", dir.display())]
    SeveralCommands { count: usize, dir: PathBuf, flags: String },
}

/// The run that is meant, whether it exists or not.
#[derive(Debug, Clone)]
pub struct Found {
    /// The environment of its project.
    pub context: Context,
    /// Its control socket.
    pub socket: SocketPath,
    pub identity: Identity,
}

/// The nearest run, or that of the flags. Inside a project without a run, the one that its start would begin. Overmind
/// knows no other places than its socket.
pub fn find(target: &RunTarget, as_overmind: bool) -> Result<Found, FindError> {
    let nearest = Found::by_address(target.context()?, target.address.clone())?;
    if as_overmind || nearest.is_meant() {
        return Ok(nearest);
    }
    if let Some(command) = command_in(&nearest.context)? {
        return Ok(command);
    }
    let here = nearest.context.clone();
    let is_there = nearest.socket.named_by == NamedBy::Project
        || nearest.socket.path.symlink_metadata().is_ok();
    let above = if is_there { None } else { project_above(&here.start_dir, &here.env) };
    let found = match above {
        None => nearest,
        // No variable has named a socket, or it does not count for `--project`.
        Some(dir) => {
            let there = Context::of_other_dir(dir, Env::real_without_address());
            Found::by_address(there, target.address.clone())?
        }
    };
    if !found.identity.last_run.exists()
        && let Ok(last) = files::read_plain(&last_command(&here.env, &here.start_dir))
    {
        // Where no run of a project has a log, that of the last command is meant.
        return Found::of_command(&here, OsString::from_vec(last).into());
    }
    Ok(found)
}

impl RunTarget {
    /// The environment of the current directory, or of `--project`.
    fn context(&self) -> Result<Context, FindError> {
        let here = Context::here()?;
        let Some(dir) = &self.project else { return Ok(here) };
        let dir = absolute(&here.start_dir, dir);
        if !dir.is_dir() {
            return Err(FindError::NoDirectory(dir));
        }
        // Another project is named, so a process of a run does not mean its own.
        Ok(Context::of_other_dir(dir, Env::real_without_address()))
    }
}

impl Found {
    /// The run at this address, if there is one, or else at that of the variables or of the nearest socket.
    fn by_address(context: Context, address: SocketFlags) -> Result<Self, FindError> {
        let mut socket = socket::client_socket(&context.start_dir, address, &context.env)?;
        socket.check()?;
        if context.elsewhere && socket.tcp.is_none() {
            // Commands that are suggested are typed in the caller's directory.
            socket.shown.clone_from(&socket.path);
        }
        let identity = Identity::of_socket(&context.env, &socket.path);
        Ok(Self { context, socket, identity })
    }

    /// The run of a command, as if the user had named its socket.
    fn of_command(here: &Context, socket: PathBuf) -> Result<Self, FindError> {
        let network = Some(Network::Unix.name().to_owned());
        Self::by_address(here.clone(), SocketFlags { socket: Some(socket), network })
    }

    fn has_run(&self) -> bool {
        let runtime = RuntimeDir::new(&self.identity.runtime);
        runtime.is_held() || runtime.has_survivors()
    }

    /// Whether the address leaves no doubt: the user has given it, or a run is there.
    fn is_meant(&self) -> bool {
        let path = &self.socket.path;
        match self.socket.named_by {
            NamedBy::Flag | NamedBy::Variable => true,
            _ if self.socket.tcp.is_some() => true,
            // A project may name the socket of another program, which is not to be disturbed.
            NamedBy::Project => self.has_run(),
            // Another program may listen there, too. What a dead run has left does not count.
            NamedBy::Nothing => {
                let is_dead = || {
                    matches!(dial::probe(path), Ok(ListenerState::Dead | ListenerState::Nothing))
                };
                path.parent() == Some(&self.context.start_dir) && (self.has_run() || !is_dead())
            }
        }
    }
}

/// The command that runs in this directory, without a Procfile.
fn command_in(here: &Context) -> Result<Option<Found>, FindError> {
    let dir = &*here.start_dir;
    let sockets = command_sockets(&here.env, dir).into_iter();
    let commands = sockets.map(|socket| Found::of_command(here, socket));
    let is_up = |found: &Result<Found, FindError>| found.as_ref().map_or(true, Found::has_run);
    let mut commands: Vec<_> = commands.filter(is_up).collect::<Result<_, _>>()?;
    if commands.len() > 1 {
        let flags: Vec<_> = commands.iter().map(flags_of_command).collect();
        let (count, flags) = (commands.len(), flags.join(", "));
        return Err(FindError::SeveralCommands { count, dir: dir.to_owned(), flags });
    }
    Ok(commands.pop())
}

/// The flags that name the run of a command, and the command.
fn flags_of_command(found: &Found) -> String {
    let plan = RuntimeDir::new(&found.identity.runtime).plan().ok();
    let command = plan.and_then(|plan| plan.command());
    let command = command.map_or_else(String::new, |command| format!(" ({command})"));
    format!("`-s {}`{command}", found.socket.path.display())
}
