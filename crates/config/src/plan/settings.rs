//! Flags and variables, read and checked before the Procfile is read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::PlanError;
use super::ports::Ports;
use crate::config::env::{BadValue, Env};
use crate::config::load::Loaded;
use crate::config::options::{BackendChoice, StartOptions, parse_seconds};
use crate::config::procfile::Procfile;
use crate::config::toml::{TmoToml, value};
use crate::config::{Warning, procfile::ProcfileEntry, unknown_processes};
use crate::model::limits::{PROCESSES, TOLD};
use crate::model::plan::{Backend, OnExit};

const BASE_PORT: u16 = 5000;
const PORT_STEP: u16 = 100;
const FORMATION_PORT_STEP: u16 = 10;
pub(super) const GRACE: Duration = Duration::from_secs(5);
pub(super) const SHELL: &str = "sh";
/// Five of the terminal's palette, and five with a contrast of 4.5:1 on white and on black.
const COLORS: [u8; 10] = [2, 3, 4, 5, 6, 29, 131, 63, 163, 98];

/// The word that means every process of the Procfile, in a formation and in `--auto-restart`.
const ALL: &str = "all";

/// The signals that a process may be stopped with (overmind's list).
const STOP_SIGNALS: [&str; 8] = ["ABRT", "INT", "KILL", "QUIT", "STOP", "TERM", "USR1", "USR2"];

/// All settings of `tmo start` for the processes: flags, then variables, then defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ports to assign, or `None` if processes get no ports.
    pub(super) ports: Option<Ports>,
    /// The colours of the names, used in turn.
    pub(super) colors: Vec<u8>,
    /// How many instances of an entry there are.
    formation: ByName<usize>,
    /// The entries to run; empty means all.
    only: NameList,
    ignored: NameList,
    can_die: NameList,
    any_can_die: bool,
    auto_restart: NameList,
    stop_signals: ByName<Signal>,
    /// Only if configured; see [`Settings::port_auto`].
    port_auto: Option<bool>,
    /// Only if configured; see [`GRACE`].
    pub(super) grace: Option<Duration>,
    /// Only if configured; see [`SHELL`].
    pub(super) shell: Option<OsString>,
    pub(super) tmux_config: Option<PathBuf>,
    /// Only if configured; see [`Settings::backend`].
    backend: Option<BackendChoice>,
    /// What provides the terminals if nothing is configured.
    usual_backend: BackendChoice,
    /// The flag or variable that each setting comes from, by its name.
    pub(super) said_by: Provenance,
    /// The entries that already have a place in the numbering of ports.
    known_lines: Vec<String>,
}

/// The names of a comma list with their values (`web=2`); for a repeated name the last value counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ByName<T> {
    /// As written; may contain duplicates.
    names: Vec<String>,
    values: HashMap<String, T>,
}

/// A comma list of plain names.
type NameList = ByName<()>;

impl<T> ByName<T> {
    /// From parsed pairs; rejected if there are more names than there can be processes.
    fn of(pairs: Vec<(String, T)>, setting: &str, said_by: &Provenance) -> Result<Self, PlanError> {
        if let Some(by) = said_by.get(setting).filter(|_| pairs.len() > PROCESSES) {
            return Err(PlanError::Names(by.to_owned()));
        }
        let names = pairs.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self { names, values: pairs.into_iter().collect() })
    }

    fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

/// The entries of each group.
type Groups = BTreeMap<String, Vec<String>>;

impl<T: Clone> ByName<T> {
    /// Replace each `@group` by its entries. The value of an entry itself overrides that of its group.
    fn spread(
        &mut self,
        groups: &Groups,
        setting: &str,
        said_by: &Provenance,
    ) -> Result<(), PlanError> {
        for name in std::mem::take(&mut self.names) {
            let Some(group) = name.strip_prefix('@') else {
                self.names.push(name);
                continue;
            };
            let Some(members) = groups.get(group) else {
                let known: Vec<_> = groups.keys().map(|group| format!("@{group}")).collect();
                let by = said_by.get(setting).unwrap_or_default().to_owned();
                return Err(PlanError::Group { by, name, known: known.join(", ") });
            };
            // A group that is repeated has its place already.
            let Some(value) = self.values.remove(&name) else { continue };
            for member in members {
                self.values.entry(member.clone()).or_insert_with(|| value.clone());
                self.names.push(member.clone());
            }
        }
        Ok(())
    }
}

/// The names of a comma list, each with the value after its `=`.
fn pairs<T>(
    list: &str,
    odd: &PlanError,
    value: impl Fn(&str) -> Result<T, PlanError>,
) -> Result<Vec<(String, T)>, PlanError> {
    let pair = |item: String| {
        let (name, text) = item.split_once('=').ok_or_else(|| odd.clone())?;
        let (name, text) = (name.trim(), text.trim());
        if name.is_empty() || text.contains('=') {
            return Err(odd.clone());
        }
        Ok((name.to_owned(), value(text)?))
    };
    words(list).into_iter().map(pair).collect()
}

fn instances(count: &str) -> Result<usize, PlanError> {
    count.parse::<u16>().map(usize::from).map_err(|_| PlanError::Instances(count.to_owned()))
}

fn stop_signal(word: &str) -> Result<Signal, PlanError> {
    let known = STOP_SIGNALS.contains(&word).then(|| format!("SIG{word}").parse::<Signal>().ok());
    known.flatten().ok_or_else(|| PlanError::Signal(word.to_owned()))
}

impl Settings {
    /// Read all settings. Errors are reported in the order in which overmind checks them.
    ///
    /// # Errors
    ///
    /// A value of the wrong type.
    pub fn of(typed: &StartOptions, env: &Env) -> Result<Self, PlanError> {
        let text = |typed: &Option<String>, name: &str| match typed {
            Some(text) => Ok(text.clone()),
            None => Ok::<_, BadValue>(env.text(name)?.unwrap_or_default()),
        };
        let said_by = Provenance::of(typed, env);
        let list = |typed: &Option<String>, name: &str| {
            let names = words(&text(typed, name)?).into_iter().map(|name| (name, ()));
            NameList::of(names.collect(), name, &said_by)
        };
        let colors = colors(&text(&typed.colors, "COLORS")?)?;
        let formation = text(&typed.formation, "FORMATION")?;
        let formation = pairs(&formation, &PlanError::Formation, instances)?;
        let formation = ByName::of(formation, "FORMATION", &said_by)?;
        let ports = ports(env, typed)?;
        if let Some(ports) = &ports {
            ports.have_room_for(formation.values.values().copied().max().unwrap_or(1))?;
        }
        let stop_signals = text(&typed.stop_signals, "STOP_SIGNALS")?;
        let stop_signals = pairs(&stop_signals, &PlanError::StopSignals, stop_signal)?;
        let stop_signals = ByName::of(stop_signals, "STOP_SIGNALS", &said_by)?;
        let grace = or_env(typed.timeout, env, "TIMEOUT", "a number of seconds", parse_seconds)?;
        let kinds = "auto, tmux or native";
        let backend = or_env(typed.backend, env, "BACKEND", kinds, BackendChoice::by_name)?;
        let shell = || env.tmo_or_overmind("SHELL").map(|found| found.value.to_owned());
        Ok(Self {
            ports,
            colors,
            formation,
            only: list(&typed.processes, "PROCESSES")?,
            ignored: list(&typed.ignored_processes, "IGNORED_PROCESSES")?,
            can_die: list(&typed.can_die, "CAN_DIE")?,
            any_can_die: env.flag(typed.any_can_die, "ANY_CAN_DIE")?,
            auto_restart: list(&typed.auto_restart, "AUTO_RESTART")?,
            stop_signals,
            port_auto: env.switch(typed.port_auto, "PORT_AUTO")?,
            grace,
            shell: typed.shell.clone().or_else(shell),
            tmux_config: typed.tmux_config.clone().or_else(|| env.path("TMUX_CONFIG")),
            backend,
            usual_backend: BackendChoice::Auto,
            said_by,
            known_lines: vec![],
        })
    }

    /// Replace each `@group` in the lists of names by the processes of the group.
    ///
    /// # Errors
    ///
    /// No process is in the group.
    pub fn spread_groups(&mut self, loaded: &Loaded) -> Result<(), PlanError> {
        let Self { only, ignored, can_die, auto_restart, formation, stop_signals, said_by, .. } =
            self;
        let mut groups = Groups::new();
        for entry in &loaded.procfile.entries {
            for group in loaded.toml.of(&entry.name).groups {
                let members = groups.entry(group.into_inner()).or_default();
                if members.last() != Some(&entry.name) {
                    members.push(entry.name.clone());
                }
            }
        }
        only.spread(&groups, "PROCESSES", said_by)?;
        ignored.spread(&groups, "IGNORED_PROCESSES", said_by)?;
        can_die.spread(&groups, "CAN_DIE", said_by)?;
        auto_restart.spread(&groups, "AUTO_RESTART", said_by)?;
        formation.spread(&groups, "FORMATION", said_by)?;
        stop_signals.spread(&groups, "STOP_SIGNALS", said_by)
    }

    /// The port of the first line, if ports are assigned.
    pub fn first_port(&self) -> Option<u16> {
        self.ports.map(|ports| ports.base)
    }

    /// Use tmux unless something else is configured, as overmind does.
    pub const fn prefer_tmux(&mut self) {
        self.usual_backend = BackendChoice::Tmux;
    }

    /// Have the terminals of a run that exists already.
    pub const fn keep_backend(&mut self, backend: Backend) {
        self.backend = Some(match backend {
            Backend::Tmux => BackendChoice::Tmux,
            Backend::Native => BackendChoice::Native,
        });
    }

    /// What is to provide the terminals: the flag, then the variable, then this file.
    pub fn backend(&self, toml: &TmoToml) -> BackendChoice {
        self.backend.or(value(&toml.backend)).unwrap_or(self.usual_backend)
    }

    /// Whether the ports are to be free ones, if anything says so: the flag, then the variable, then this file.
    pub fn port_auto(&self, toml: &TmoToml) -> Option<bool> {
        self.port_auto.or(value(&toml.port_auto))
    }

    /// The flag or variable that the first port comes from.
    pub fn first_port_said_by(&self) -> Option<&str> {
        self.said_by.get("PORT")
    }

    /// Start from another port.
    pub fn move_ports_to(&mut self, first: u16) {
        if let Some(ports) = &mut self.ports {
            ports.base = first;
        }
    }

    /// Number these entries first, so that entries of a running run keep their ports.
    pub fn keep_lines(&mut self, lines: Vec<String>) {
        self.known_lines = lines;
    }

    /// The entries in the order of their ports.
    pub(super) fn lines(&self, entries: &[ProcfileEntry]) -> Vec<String> {
        let known: HashSet<&String> = self.known_lines.iter().collect();
        let fresh = entries.iter().map(|entry| &entry.name).filter(|name| !known.contains(name));
        self.known_lines.iter().chain(fresh).cloned().collect()
    }

    /// Whether this entry is to run at all.
    pub(super) fn runs(&self, entry: &ProcfileEntry) -> bool {
        let chosen = self.only.names.is_empty() || self.only.has(&entry.name);
        chosen && !self.ignored.has(&entry.name)
    }

    /// How many instances of this entry to create. An explicit name overrides `all`.
    pub(super) fn instances(&self, entry: &str) -> usize {
        let counts = &self.formation.values;
        counts.get(entry).or_else(|| counts.get(ALL)).copied().unwrap_or(1)
    }

    /// The reaction when an instance of this entry ends by itself, if configured, and the setting that it
    /// comes from.
    pub(super) fn on_exit(&self, entry: &ProcfileEntry) -> Option<(OnExit, &'static str)> {
        if self.can_die.has(&entry.name) {
            Some((OnExit::Remain, "CAN_DIE"))
        } else if self.is_restarted(&entry.name) {
            Some((OnExit::Restart, "AUTO_RESTART"))
        } else {
            self.any_can_die.then_some((OnExit::Remain, "ANY_CAN_DIE"))
        }
    }

    fn is_restarted(&self, name: &str) -> bool {
        self.auto_restart.has(name) || self.auto_restart.has(ALL)
    }

    /// The signal that asks an instance of this entry to stop, if configured.
    pub(super) fn stop_signal(&self, entry: &ProcfileEntry) -> Option<Signal> {
        self.stop_signals.values.get(&entry.name).copied()
    }

    /// Warnings about names without an entry, and about contradictions.
    pub fn warnings(&self, procfile: &Procfile) -> Vec<Warning> {
        let known: Vec<&str> = procfile.entries.iter().map(|entry| entry.name.as_str()).collect();
        let is_known: HashSet<&str> = known.iter().copied().collect();
        let all = |word: &&String| *word != ALL;
        let given: [(&'static str, Vec<&String>); 6] = [
            ("--processes", self.only.names.iter().collect()),
            ("--ignored-processes", self.ignored.names.iter().collect()),
            ("--can-die", self.can_die.names.iter().collect()),
            ("--auto-restart", self.auto_restart.names.iter().filter(all).collect()),
            ("--formation", self.formation.names.iter().filter(all).collect()),
            ("--stop-signals", self.stop_signals.names.iter().collect()),
        ];
        let given =
            given.iter().flat_map(|(origin, names)| names.iter().map(|name| (*origin, *name)));
        let given = given.map(|(origin, name)| (origin, name.as_str()));
        let unknown = given.filter(|(_, name)| !is_known.contains(name));
        let mut warnings = unknown_processes(unknown, &known);
        // Combining `-r all` with `-c` is the usual way to make an exception, so it is not reported.
        let both = self.can_die.names.iter().filter(|name| self.auto_restart.has(name));
        let both = both.filter(|name| is_known.contains(name.as_str())).take(TOLD);
        warnings.extend(both.map(|name| Warning::BothEnds { name: name.clone() }));
        warnings
    }
}

/// The flag or variable that a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Provenance(Vec<(&'static str, String)>);

impl Provenance {
    fn of(typed: &StartOptions, env: &Env) -> Self {
        let settings = [
            ("SHELL", typed.shell.is_some()),
            ("TIMEOUT", typed.timeout.is_some()),
            ("PROCESSES", typed.processes.is_some()),
            ("IGNORED_PROCESSES", typed.ignored_processes.is_some()),
            ("FORMATION", typed.formation.is_some()),
            ("STOP_SIGNALS", typed.stop_signals.is_some()),
            ("CAN_DIE", typed.can_die.is_some()),
            ("ANY_CAN_DIE", typed.any_can_die.is_some()),
            ("AUTO_RESTART", typed.auto_restart.is_some()),
            ("PORT", typed.port.is_some()),
            ("NO_PORT", typed.no_port.is_some()),
            ("PORT_AUTO", typed.port_auto.is_some()),
            ("BACKEND", typed.backend.is_some()),
        ];
        let by = |(name, is_typed): (&'static str, bool)| {
            let flag = || format!("--{}", name.to_ascii_lowercase().replace('_', "-"));
            let variable = || env.tmo_or_overmind(name).map(|found| found.variable);
            let plain = || (name == "PORT" && env.get("PORT").is_some()).then(|| "PORT".to_owned());
            Some((name, is_typed.then(flag).or_else(variable).or_else(plain)?))
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
    let one = |code: &str| code.parse().map_err(|_| PlanError::Color(code.to_owned()));
    text.split(',').map(str::trim).map(one).collect()
}

/// The flag, or else the variable with that name.
fn or_env<T>(
    typed: Option<T>,
    env: &Env,
    name: &str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, BadValue> {
    typed.map_or_else(|| env.typed(name, expected, parse), |value| Ok(Some(value)))
}

/// The ports to assign, or `None` if processes get no ports.
fn ports(env: &Env, typed: &StartOptions) -> Result<Option<Ports>, PlanError> {
    const EXPECTED: &str = "a port (0 to 65535)";
    if env.flag(typed.no_port, "NO_PORT")? {
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
