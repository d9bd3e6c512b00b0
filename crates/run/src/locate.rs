//! Which control socket a command means, by its flags, its variables and the directory in which it was typed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::dir::RuntimeDir;
use crate::config::Env;
use crate::config::dirs::{command_sockets, last_command, last_run, runtime_dir};
use crate::config::error::ConfigError;
use crate::config::load::Context;
use crate::config::lookup::project_above;
use crate::config::paths::absolute;
use crate::config::socket::{self, BadAddress, NamedBy, SocketPath};
use crate::model::network::Network;
use crate::sys::dial::{self, ListenerState};
use crate::sys::files;

/// The flags that name a run.
#[derive(Debug, Clone, Default)]
pub struct RunFlags {
    /// `--socket`.
    pub socket: Option<PathBuf>,
    /// `--network`.
    pub network: Option<String>,
    /// `--project`: the directory of a project.
    pub project: Option<PathBuf>,
}

/// Why it is not known which run is meant.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
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
    SeveralCommands {
        /// How many.
        count: usize,
        /// The directory.
        dir: PathBuf,
        /// The flags that name each.
        flags: String,
    },
}

/// The control socket of the nearest run, or that of the flags, and the environment of its project. Inside a project
/// without a run, that is the socket that its start would open. Overmind knows no other places than its socket.
pub fn locate(typed: &RunFlags, as_overmind: bool) -> Result<(Context, SocketPath), LocateError> {
    find_socket(context(typed)?, typed, as_overmind)
}

/// The environment of the current directory, or of `--project`.
fn context(typed: &RunFlags) -> Result<Context, LocateError> {
    let here = Context::here()?;
    let Some(dir) = &typed.project else { return Ok(here) };
    let dir = absolute(&here.start_dir, dir);
    if !dir.is_dir() {
        return Err(LocateError::NoDirectory(dir));
    }
    // Another project is named, so a process of a run does not mean its own.
    Ok(Context::of_other_dir(dir, Env::real_without_address()))
}

/// The socket of the instance, and the environment of its project. Inside a project without a run, that is
/// the socket that its start would open.
fn find_socket(
    here: Context,
    typed: &RunFlags,
    as_overmind: bool,
) -> Result<(Context, SocketPath), LocateError> {
    let address = || (typed.socket.clone(), typed.network.clone());
    let mut socket = socket::client_socket(&here.start_dir, address(), &here.env)?;
    socket.check()?;
    if here.elsewhere && socket.tcp.is_none() {
        // Commands that are suggested are typed in the caller's directory.
        socket.shown.clone_from(&socket.path);
    }
    let named = matches!(socket.named_by, NamedBy::Flag | NamedBy::Variable);
    if named || socket.tcp.is_some() || as_overmind {
        return Ok((here, socket));
    }
    let is_here = || socket.path.parent() == Some(&here.start_dir);
    let is_of_project = match socket.named_by {
        // A project may name the socket of another program, which is not to be disturbed.
        NamedBy::Project => has_run(&here.env, &socket.path),
        NamedBy::Nothing | NamedBy::Flag | NamedBy::Variable => {
            is_here() && is_alive(&here.env, &socket.path)
        }
    };
    if is_of_project {
        return Ok((here, socket));
    }
    if let Some(command) = command_here(&here)? {
        let command = named_socket(&here, command)?;
        return Ok((here, command));
    }
    let there = socket.named_by == NamedBy::Project || socket.path.symlink_metadata().is_ok();
    let above = if there { None } else { project_above(&here.start_dir, &here.env) };
    let (context, socket) = match above {
        None => (here.clone(), socket),
        Some(dir) => {
            // No variable has named a socket, or it does not count for `--project`.
            let context = Context::of_other_dir(dir, Env::real_without_address());
            let mut socket = socket::client_socket(&context.start_dir, address(), &context.env)?;
            if socket.tcp.is_none() {
                socket.shown.clone_from(&socket.path);
            }
            (context, socket)
        }
    };
    // Where no run of a project has a log, that of the last command is meant.
    if !last_run(&context.env, &socket.path).exists()
        && let Ok(last) = files::read_plain(&last_command(&here.env, &here.start_dir))
    {
        let socket = named_socket(&here, OsString::from_vec(last).into())?;
        return Ok((here, socket));
    }
    Ok((context, socket))
}

/// A socket as if the user had named it.
fn named_socket(here: &Context, path: PathBuf) -> Result<SocketPath, LocateError> {
    let network = Some(Network::Unix.name().to_owned());
    Ok(socket::client_socket(&here.start_dir, (Some(path), network), &here.env)?)
}

/// Whether a run of this user has this socket, or parts of a run that was killed.
fn has_run(env: &Env, socket: &Path) -> bool {
    let runtime = RuntimeDir::new(runtime_dir(env, socket));
    runtime.is_held() || runtime.has_survivors()
}

/// Whether this socket is more than what a dead run has left: another program may listen there, too.
fn is_alive(env: &Env, socket: &Path) -> bool {
    has_run(env, socket)
        || !matches!(dial::probe(socket), Ok(ListenerState::Dead | ListenerState::Nothing))
}

/// The socket of the command that runs in this directory.
fn command_here(here: &Context) -> Result<Option<PathBuf>, LocateError> {
    let (env, dir) = (&here.env, &*here.start_dir);
    let runs = |socket: &PathBuf| has_run(env, socket);
    let mut sockets: Vec<_> = command_sockets(env, dir).into_iter().filter(runs).collect();
    if sockets.len() > 1 {
        let flags = sockets.iter().map(|socket| {
            let run = RuntimeDir::new(runtime_dir(env, socket)).plan().ok();
            let command = run.and_then(|plan| plan.command());
            let command = command.map_or_else(String::new, |command| format!(" ({command})"));
            format!("`-s {}`{command}", socket.display())
        });
        let flags = flags.collect::<Vec<_>>().join(", ");
        return Err(LocateError::SeveralCommands {
            count: sockets.len(),
            dir: dir.to_owned(),
            flags,
        });
    }
    Ok(sockets.pop())
}
