//! What flags and variables say, read and checked before the Procfile is.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::PlanError;
use super::ports::Ports;
use crate::config::env::{BadValue, Env};
use crate::config::options::{StartOptions, parse_seconds};
use crate::config::procfile::Procfile;
use crate::config::{Warning, procfile::Entry, unknown_processes};
use crate::model::limits::{PROCESSES, TOLD};
use crate::model::plan::OnExit;

const BASE_PORT: u16 = 5000;
const PORT_STEP: u16 = 100;
const FORMATION_PORT_STEP: u16 = 10;
pub(super) const GRACE: Duration = Duration::from_secs(5);
pub(super) const SHELL: &str = "sh";
const COLORS: [u8; 10] = [2, 3, 4, 5, 6, 42, 130, 103, 129, 108];

/// The word that means every process of the Procfile, in a formation and in `--auto-restart`.
const ALL: &str = "all";

/// The signals that a process may be stopped with (overmind's list).
const STOP_SIGNALS: [(&str, Signal); 8] = [
    ("ABRT", Signal::SIGABRT),
    ("INT", Signal::SIGINT),
    ("KILL", Signal::SIGKILL),
    ("QUIT", Signal::SIGQUIT),
    ("STOP", Signal::SIGSTOP),
    ("TERM", Signal::SIGTERM),
    ("USR1", Signal::SIGUSR1),
    ("USR2", Signal::SIGUSR2),
];

/// All that `tmo start` was told about the processes: flags, then variables, then defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which ports are told, or `None` if none are.
    pub(super) ports: Option<Ports>,
    /// The colours of the names, used in turn.
    pub(super) colors: Vec<u8>,
    pub(super) formation: Formation,
    /// The entries that shall run; none named means all.
    only: Names,
    ignored: Names,
    can_die: Names,
    any_can_die: bool,
    auto_restart: Names,
    stop_signals: ByName<Signal>,
    /// Only if it was said; see [`GRACE`].
    pub(super) grace: Option<Duration>,
    /// Only if one was named; see [`SHELL`].
    pub(super) shell: Option<OsString>,
    pub(super) tmux_config: Option<PathBuf>,
    /// The flag or variable that each of them comes from, by its name.
    pub(super) said_by: SaidBy,
    /// The entries that ports are counted by already.
    known_lines: Vec<String>,
}

/// Names of a comma list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Names {
    in_order: Vec<String>,
    all: HashSet<String>,
}

impl Names {
    fn of(in_order: Vec<String>) -> Self {
        Self { all: in_order.iter().cloned().collect(), in_order }
    }

    fn contains(&self, name: &str) -> bool {
        self.all.contains(name)
    }

    fn iter(&self) -> std::slice::Iter<'_, String> {
        self.in_order.iter()
    }

    fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    /// How many were written, of which some may be the same.
    fn len(&self) -> usize {
        self.in_order.len()
    }
}

/// Refuse a list of more names than there can be processes.
fn few(count: usize, is_typed: bool, env: &Env, name: &str) -> Result<(), PlanError> {
    if count <= PROCESSES {
        return Ok(());
    }
    let flag = || format!("--{}", name.to_ascii_lowercase().replace('_', "-"));
    let found = env.tmo_or_overmind(name).filter(|_| !is_typed);
    let by = found.map_or_else(flag, |found| format!("{}{name}", found.prefix));
    Err(PlanError::Names { by })
}

/// What a comma list says of each of its names (`web=2`); of several for one name the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ByName<T> {
    names: Names,
    values: HashMap<String, T>,
}

impl<T: Clone> ByName<T> {
    fn of(pairs: Vec<(String, T)>) -> Self {
        let values = pairs.iter().cloned().collect();
        Self { names: Names::of(pairs.into_iter().map(|(name, _)| name).collect()), values }
    }

    fn get(&self, name: &str) -> Option<&T> {
        self.values.get(name)
    }
}

/// How many instances of each entry there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Formation(ByName<usize>);

impl Formation {
    /// Parse `web=2,all=1`.
    fn parse(text: &str) -> Result<Self, PlanError> {
        let one = |item: &str| {
            let mut parts = item.split('=').map(str::trim);
            let (Some(name), Some(count), None) = (parts.next(), parts.next(), parts.next()) else {
                return Err(PlanError::Formation);
            };
            if name.is_empty() {
                return Err(PlanError::Formation);
            }
            let bad = || PlanError::Instances { text: count.to_owned() };
            Ok((name.to_owned(), count.parse::<u16>().map_err(|_| bad())?.into()))
        };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        Ok(Self(ByName::of(items.map(one).collect::<Result<_, _>>()?)))
    }

    /// How many instances of this entry there shall be. A name of its own counts before `all`.
    pub(super) fn of(&self, entry: &str) -> usize {
        self.0.get(entry).or_else(|| self.0.get(ALL)).copied().unwrap_or(1)
    }

    fn most(&self) -> usize {
        self.0.values.values().copied().max().unwrap_or(1)
    }
}

impl Settings {
    /// Read them all. What is wrong is told in the order in which overmind looks at it.
    ///
    /// # Errors
    ///
    /// A value that is none of its kind.
    pub fn of(typed: &StartOptions, env: &Env) -> Result<Self, PlanError> {
        let text = |typed: &Option<String>, name: &str| match typed {
            Some(text) => Ok(text.clone()),
            None => Ok::<_, BadValue>(env.text(name)?.unwrap_or_default()),
        };
        let list = |typed: &Option<String>, name: &str| {
            let list = words(&text(typed, name)?);
            few(list.len(), typed.is_some(), env, name)?;
            Ok::<_, PlanError>(Names::of(list))
        };
        let colors = colors(&text(&typed.colors, "COLORS")?)?;
        let formation = Formation::parse(&text(&typed.formation, "FORMATION")?)?;
        few(formation.0.names.len(), typed.formation.is_some(), env, "FORMATION")?;
        let ports = ports(env, typed)?;
        if let Some(ports) = &ports {
            ports.have_room_for(formation.most())?;
        }
        let stop_signals = stop_signals(&text(&typed.stop_signals, "STOP_SIGNALS")?)?;
        few(stop_signals.names.len(), typed.stop_signals.is_some(), env, "STOP_SIGNALS")?;
        let grace = or_env(typed.timeout, env, "TIMEOUT", "a number of seconds", parse_seconds)?;
        let shell = || env.tmo_or_overmind("SHELL").map(|found| found.value.to_owned());
        Ok(Self {
            ports,
            colors,
            formation,
            only: list(&typed.processes, "PROCESSES")?,
            ignored: list(&typed.ignored_processes, "IGNORED_PROCESSES")?,
            can_die: list(&typed.can_die, "CAN_DIE")?,
            any_can_die: typed.any_can_die(env)?,
            auto_restart: list(&typed.auto_restart, "AUTO_RESTART")?,
            stop_signals,
            grace,
            shell: typed.shell.clone().or_else(shell),
            tmux_config: typed.tmux_config.clone().or_else(|| env.path("TMUX_CONFIG")),
            said_by: SaidBy::of(typed, env),
            known_lines: vec![],
        })
    }

    /// The port of the first line, if ports are told.
    pub fn first_port(&self) -> Option<u16> {
        self.ports.map(|ports| ports.base)
    }

    /// Begin with another port.
    pub fn move_ports_to(&mut self, first: u16) {
        if let Some(ports) = &mut self.ports {
            ports.base = first;
        }
    }

    /// Count these entries first where ports are counted, so that those of a run stay.
    pub fn keep_lines(&mut self, lines: Vec<String>) {
        self.known_lines = lines;
    }

    /// The entries in the order in which ports are counted.
    pub(super) fn lines(&self, entries: &[Entry]) -> Vec<String> {
        let known: HashSet<&String> = self.known_lines.iter().collect();
        let fresh = entries.iter().map(|entry| &entry.name).filter(|name| !known.contains(name));
        self.known_lines.iter().chain(fresh).cloned().collect()
    }

    /// Whether this entry shall run at all.
    pub(super) fn runs(&self, entry: &Entry) -> bool {
        let chosen = self.only.is_empty() || self.only.contains(&entry.name);
        chosen && !self.ignored.contains(&entry.name)
    }

    /// What shall follow when an instance of this entry ends by itself, if that was said, and the
    /// setting that says it.
    pub(super) fn on_exit(&self, entry: &Entry) -> Option<(OnExit, &'static str)> {
        if self.can_die.contains(&entry.name) {
            Some((OnExit::Remain, "CAN_DIE"))
        } else if self.is_restarted(&entry.name) {
            Some((OnExit::Restart, "AUTO_RESTART"))
        } else {
            self.any_can_die.then_some((OnExit::Remain, "ANY_CAN_DIE"))
        }
    }

    fn is_restarted(&self, name: &str) -> bool {
        self.auto_restart.contains(name) || self.auto_restart.contains(ALL)
    }

    /// The signal that asks an instance of this entry to stop, if one was named.
    pub(super) fn stop_signal(&self, entry: &Entry) -> Option<Signal> {
        self.stop_signals.get(&entry.name).copied()
    }

    /// Names that no entry has, and what contradicts itself.
    pub fn warnings(&self, procfile: &Procfile) -> Vec<Warning> {
        let known: Vec<&str> = procfile.entries.iter().map(|entry| entry.name.as_str()).collect();
        let is_known: HashSet<&str> = known.iter().copied().collect();
        let all = |word: &&String| *word != ALL;
        let given: [(&'static str, Vec<&String>); 6] = [
            ("--processes", self.only.iter().collect()),
            ("--ignored-processes", self.ignored.iter().collect()),
            ("--can-die", self.can_die.iter().collect()),
            ("--auto-restart", self.auto_restart.iter().filter(all).collect()),
            ("--formation", self.formation.0.names.iter().filter(all).collect()),
            ("--stop-signals", self.stop_signals.names.iter().collect()),
        ];
        let given =
            given.iter().flat_map(|(origin, names)| names.iter().map(|name| (*origin, *name)));
        let given = given.map(|(origin, name)| (origin, name.as_str()));
        let unknown = given.filter(|(_, name)| !is_known.contains(name));
        let mut warnings = unknown_processes(unknown, &known);
        let both = self.can_die.iter().filter(|name| self.is_restarted(name));
        let both = both.filter(|name| is_known.contains(name.as_str()));
        // One that is in `-r all` and in `-c` is the usual way to except it.
        let both = both.filter(|name| self.auto_restart.contains(name)).take(TOLD);
        warnings.extend(both.map(|name| Warning::BothEnds { name: name.clone() }));
        warnings
    }
}

/// The flag or variable that a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SaidBy(Vec<(&'static str, String)>);

impl SaidBy {
    fn of(typed: &StartOptions, env: &Env) -> Self {
        let settings = [
            ("SHELL", "--shell", typed.shell.is_some()),
            ("TIMEOUT", "--timeout", typed.timeout.is_some()),
            ("STOP_SIGNALS", "--stop-signals", typed.stop_signals.is_some()),
            ("CAN_DIE", "--can-die", typed.can_die.is_some()),
            ("ANY_CAN_DIE", "--any-can-die", typed.any_can_die.is_some()),
            ("AUTO_RESTART", "--auto-restart", typed.auto_restart.is_some()),
            ("PORT", "--port", typed.port.is_some()),
            ("NO_PORT", "--no-port", typed.no_port.is_some()),
        ];
        let by = |(name, flag, is_typed): (&'static str, &str, bool)| {
            let variable = || Some(format!("{}{name}", env.tmo_or_overmind(name)?.prefix));
            let by = if is_typed { Some(flag.to_owned()) } else { variable() };
            let plain = || (name == "PORT" && env.get("PORT").is_some()).then(|| "PORT".to_owned());
            Some((name, by.or_else(plain)?))
        };
        Self(settings.into_iter().filter_map(by).collect())
    }

    /// By the name of the setting's variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, by)| by.as_str())
    }
}

/// The words of a comma list.
fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn colors(text: &str) -> Result<Vec<u8>, PlanError> {
    if text.trim().is_empty() {
        return Ok(COLORS.to_vec());
    }
    let one = |code: &str| code.parse().map_err(|_| PlanError::Color { text: code.to_owned() });
    text.split(',').map(str::trim).map(one).collect()
}

fn stop_signals(text: &str) -> Result<ByName<Signal>, PlanError> {
    let one = |item: String| {
        let (name, signal) = item.split_once('=').ok_or(PlanError::StopSignals)?;
        let (name, signal) = (name.trim(), signal.trim());
        if name.is_empty() || signal.contains('=') {
            return Err(PlanError::StopSignals);
        }
        let known = STOP_SIGNALS.iter().find(|(word, _)| *word == signal);
        let known = known.ok_or_else(|| PlanError::Signal { text: signal.to_owned() })?;
        Ok((name.to_owned(), known.1))
    };
    Ok(ByName::of(words(text).into_iter().map(one).collect::<Result<_, _>>()?))
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
    let step = |typed, name| or_env(typed, env, name, "a number (0 to 65535)", parse);
    Ok(Some(Ports {
        base,
        step: step(typed.port_step, "PORT_STEP")?.unwrap_or(PORT_STEP),
        instance: step(typed.formation_port_step, "FORMATION_PORT_STEP")?
            .unwrap_or(FORMATION_PORT_STEP),
    }))
}

/// `PORT` itself, as the processes would see it.
fn plain_port(env: &Env, expected: &'static str) -> Result<Option<u16>, BadValue> {
    let Some(value) = env.get("PORT").filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.to_string_lossy();
    let bad = || BadValue { variable: "PORT".into(), value: value.clone().into_owned(), expected };
    value.trim().parse().map(Some).map_err(|_| bad())
}
