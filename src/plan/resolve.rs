//! Flag, variable, `tmo.toml`, built-in: the first that is there counts.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::ports::Ports;
use crate::config::env::{BadValue, Env};
use crate::config::load::{Context, Loaded};
use crate::config::options::{StartOptions, parse_seconds};
use crate::config::procfile::Entry;
use crate::config::project::{absolute, state_dir};
use crate::config::{Warning, dirs, toml::parse_size};
use crate::model::plan::{Inherit, LogPolicy, PLAN_VERSION, Plan, ProcessPlan};
use crate::model::{ProcName, name::BadName};

const BASE_PORT: u16 = 5000;
const PORT_STEP: u16 = 100;
const GRACE: Duration = Duration::from_secs(5);
const COLORS: [u8; 10] = [2, 3, 4, 5, 6, 42, 130, 103, 129, 108];

/// What only the running system can tell.
pub struct Facts<'a> {
    /// Unique per run.
    pub run: String,
    /// Now, in nanoseconds since the Unix epoch.
    pub started: u64,
    /// Columns and rows of new panes.
    pub size: (u16, u16),
    /// What processes inherit besides their environment.
    pub inherit: Inherit,
    /// This program.
    pub tmo: PathBuf,
    /// Where a program is, if there is one of that name.
    pub find: &'a dyn Fn(&OsStr) -> Option<PathBuf>,
}

/// Why there is nothing to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A variable has no value of its type.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// A name slipped through that is none.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The Procfile has no entry.
    #[error("No entries were found in Procfile")]
    NoEntries,
    /// All entries are left out.
    #[error("No processes to run")]
    NoProcesses,
    /// There is no tmux.
    #[error("Can't find tmux. Did you forget to install it?")]
    NoTmux,
    /// The shell that shall run the commands is not there.
    #[error("can't find the shell `{0}`; install it, or name another with --shell")]
    NoShell(String),
    /// A port would be above 65535.
    #[error("the port of `{name}` would be above 65535; choose a lower --port or --port-step")]
    Port {
        /// The process.
        name: String,
    },
}

/// Decide everything that can be decided before the first process starts.
pub fn resolve(
    context: &Context,
    loaded: &Loaded,
    typed: &StartOptions,
    facts: Facts<'_>,
) -> Result<Plan, PlanError> {
    let (env, project) = (&context.env, &loaded.project);
    let grace = or_env(typed.timeout, env, "TIMEOUT", "a number of seconds", parse_seconds)?;
    let log = log_policy(context, loaded)?;
    let config = typed.tmux_config.clone().or_else(|| env.path("TMUX_CONFIG"));
    let processes = processes(env, loaded, typed, facts.find)?;
    let tmux = (facts.find)(OsStr::new("tmux")).ok_or(PlanError::NoTmux)?;
    Ok(Plan {
        version: PLAN_VERSION,
        run: facts.run,
        started: facts.started,
        title: project.title.clone(),
        session: project.session(),
        tmux_socket: project.tmux_socket(),
        tmux: tmux.into(),
        tmo: facts.tmo.into(),
        root: project.root.as_path().into(),
        procfile: project.procfile_shown.as_path().into(),
        socket: project.socket.path.as_path().into(),
        socket_shown: project.socket.shown.as_path().into(),
        tmux_config: config.map(|path| absolute(&context.start_dir, &path).into()),
        env: env.pairs(),
        inherit: facts.inherit,
        size: facts.size,
        grace_ms: u64::try_from(grace.unwrap_or(GRACE).as_millis()).unwrap_or(u64::MAX),
        log,
        processes,
    })
}

/// What is odd about the options, though no reason not to start.
pub fn warnings(context: &Context, loaded: &Loaded, typed: &StartOptions) -> Vec<Warning> {
    let Ok(Some(wanted)) = wanted(&context.env, typed) else { return Vec::new() };
    let known = |word: &str| loaded.procfile.entries.iter().any(|entry| entry.name == word);
    wanted
        .into_iter()
        .filter(|word| !known(word))
        .map(|name| Warning::UnknownProcess { origin: "--processes", name })
        .collect()
}

/// The flag, else the setting by that name.
fn or_env<T>(
    typed: Option<T>,
    env: &Env,
    name: &str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, BadValue> {
    typed.map_or_else(|| env.typed(name, expected, parse), |value| Ok(Some(value)))
}

/// The entries that shall run, or `None` for all of them.
fn wanted(env: &Env, typed: &StartOptions) -> Result<Option<Vec<String>>, BadValue> {
    let list =
        typed.processes.clone().map_or_else(|| env.text("PROCESSES"), |list| Ok(Some(list)))?;
    let words = |list: String| -> Vec<String> {
        list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    Ok(list.map(words).filter(|words| !words.is_empty()))
}

fn processes(
    env: &Env,
    loaded: &Loaded,
    typed: &StartOptions,
    find: &dyn Fn(&OsStr) -> Option<PathBuf>,
) -> Result<Vec<ProcessPlan>, PlanError> {
    let ports = ports(env, typed)?;
    let wanted = wanted(env, typed)?;
    let entries = &loaded.procfile.entries;
    if entries.is_empty() {
        return Err(PlanError::NoEntries);
    }
    let runs = |entry: &Entry| wanted.as_ref().is_none_or(|names| names.contains(&entry.name));
    let chosen: Vec<_> = entries.iter().enumerate().filter(|(_, entry)| runs(entry)).collect();
    if chosen.is_empty() {
        return Err(PlanError::NoProcesses);
    }
    let shell = shell(env, typed, find)?;
    let plan = |(index, entry): (usize, &Entry)| {
        let port = |ports: Ports| {
            let too_high = || PlanError::Port { name: entry.name.clone() };
            ports.of_line(index).ok_or_else(too_high)
        };
        Ok(ProcessPlan {
            name: ProcName::new(entry.name.as_str())?,
            command: entry.command.clone(),
            shell: shell.as_path().into(),
            port: ports.map(port).transpose()?,
            color: COLORS[index % COLORS.len()],
            stop_signal: Signal::SIGINT as i32,
        })
    };
    chosen.into_iter().map(plan).collect()
}

/// The ports to tell, or `None` if none are told.
fn ports(env: &Env, typed: &StartOptions) -> Result<Option<Ports>, PlanError> {
    const EXPECTED: &str = "a port (0 to 65535)";
    if typed.no_port(env)? {
        return Ok(None);
    }
    let parse = |text: &str| text.trim().parse().ok();
    let base = match or_env(typed.port, env, "PORT", EXPECTED, parse)? {
        Some(port) => port,
        None => plain_port(env, EXPECTED)?.unwrap_or(BASE_PORT),
    };
    let step = or_env(typed.port_step, env, "PORT_STEP", "a number (0 to 65535)", parse)?;
    Ok(Some(Ports { base, step: step.unwrap_or(PORT_STEP) }))
}

/// `PORT` itself, as the processes would see it.
fn plain_port(env: &Env, expected: &'static str) -> Result<Option<u16>, BadValue> {
    let Some(value) = env.get("PORT").filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.to_string_lossy();
    let bad = || BadValue { variable: "PORT".into(), value: value.clone().into_owned(), expected };
    value.trim().parse().map(Some).map_err(|_| bad())
}

fn shell(
    env: &Env,
    typed: &StartOptions,
    find: &dyn Fn(&OsStr) -> Option<PathBuf>,
) -> Result<PathBuf, PlanError> {
    let by_env = || env.tmo_or_overmind("SHELL").map(|found| found.value.to_owned());
    let name: OsString = typed.shell.clone().or_else(by_env).unwrap_or_else(|| "sh".into());
    find(&name).ok_or_else(|| PlanError::NoShell(name.to_string_lossy().into_owned()))
}

fn log_policy(context: &Context, loaded: &Loaded) -> Result<LogPolicy, PlanError> {
    let (env, project, table) = (&context.env, &loaded.project, &loaded.toml.log);
    let name = dirs::state_name(&project.title, &project.state);
    let below = |base: &Path, dir: PathBuf| absolute(base, &at_home(env, dir)).join(&name);
    let beside = project.procfile.parent().unwrap_or(&project.root);
    let by_env = env.path("LOG_DIR").map(|dir| below(&context.start_dir, dir));
    let by_toml = || table.dir.clone().map(|dir| below(beside, dir));
    let dir = by_env.or_else(by_toml);
    let dir = dir.unwrap_or_else(|| state_dir(env, &project.title, &project.state));
    let size = |key: &str| env.typed(key, "a size like 64MiB (0 keeps everything)", parse_size);
    let per_process = size("LOG_PER_PROCESS")?.or(table.per_process);
    let total = size("LOG_TOTAL")?.or(table.total);
    Ok(LogPolicy {
        dir: dir.into(),
        per_process: per_process.unwrap_or(LogPolicy::PER_PROCESS),
        total: total.unwrap_or(LogPolicy::TOTAL),
    })
}

/// `~/…` in a directory of the user's home.
fn at_home(env: &Env, dir: PathBuf) -> PathBuf {
    match (dir.strip_prefix("~"), env.caller_dir("HOME")) {
        (Ok(rest), Some(home)) => home.join(rest),
        (Ok(_) | Err(_), _) => dir,
    }
}
