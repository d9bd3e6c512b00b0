//! Flags and variables, read and checked before the Procfile is read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::PlanError;
use super::instance::Ports;
use crate::config::env::{BadValue, Env};
use crate::config::load::Loaded;
use crate::config::options::{BackendChoice, SETTINGS, Setting, StartOptions, parse_seconds};
use crate::config::procfile::Procfile;
use crate::config::toml::{TmoToml, value};
use crate::config::{Warning, procfile::ProcfileEntry, unknown_processes};
use crate::model::limits::{PROCESSES, TOLD};
use crate::model::plan::{Backend, OnExit};

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
    pub(super) grace: Duration,
    pub(super) shell: OsString,
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
    /// The id of the setting.
    id: &'static str,
    /// As written; may contain duplicates.
    names: Vec<String>,
    values: HashMap<String, T>,
}

/// A comma list of plain names.
type NameList = ByName<()>;

impl<T> ByName<T> {
    /// From parsed pairs; rejected if there are more names than there can be processes.
    fn new(
        id: &'static str,
        pairs: Vec<(String, T)>,
        said_by: &Provenance,
    ) -> Result<Self, PlanError> {
        if let Some(by) = said_by.get(id).filter(|_| pairs.len() > PROCESSES) {
            return Err(PlanError::Names(by.to_owned()));
        }
        let names = pairs.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self { id, names, values: pairs.into_iter().collect() })
    }

    /// Each name that is meant as that of a process, with the flag.
    fn flagged_names(&self) -> impl Iterator<Item = (String, &str)> {
        let takes_all = ["auto_restart", "formation"].contains(&self.id);
        let flag = format!("--{}", self.id.replace('_', "-"));
        let names = self.names.iter().map(String::as_str);
        names.filter(move |name| !takes_all || *name != ALL).map(move |name| (flag.clone(), name))
    }

    fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

/// The entries of each group.
type Groups = BTreeMap<String, Vec<String>>;

impl<T: Clone> ByName<T> {
    /// Replace each `@group` by its entries. The value of an entry itself overrides that of its group.
    fn spread(&mut self, groups: &Groups, said_by: &Provenance) -> Result<(), PlanError> {
        for name in std::mem::take(&mut self.names) {
            let Some(group) = name.strip_prefix('@') else {
                self.names.push(name);
                continue;
            };
            let Some(members) = groups.get(group) else {
                let known: Vec<_> = groups.keys().map(|group| format!("@{group}")).collect();
                let by = said_by.get(self.id).unwrap_or_default().to_owned();
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
    pub fn new(typed: &StartOptions, env: &Env) -> Result<Self, PlanError> {
        let said_by = Provenance::new(typed, env);
        let text = |typed: &Option<String>, id: &str| match typed {
            Some(text) => Ok(text.clone()),
            None => Ok::<_, BadValue>(env.text(&variable(id))?.unwrap_or_default()),
        };
        let list = |typed: &Option<String>, id: &'static str| {
            let names = words(&text(typed, id)?).into_iter().map(|name| (name, ()));
            NameList::new(id, names.collect(), &said_by)
        };
        let colors = colors(&text(&typed.colors, "colors")?)?;
        let formation = text(&typed.formation, "formation")?;
        let formation = pairs(&formation, &PlanError::Formation, instances)?;
        let formation = ByName::new("formation", formation, &said_by)?;
        let ports = ports(env, typed)?;
        if let Some(ports) = &ports {
            ports.have_room_for(formation.values.values().copied().max().unwrap_or(1))?;
        }
        let stop_signals = text(&typed.stop_signals, "stop_signals")?;
        let stop_signals = pairs(&stop_signals, &PlanError::StopSignals, stop_signal)?;
        let stop_signals = ByName::new("stop_signals", stop_signals, &said_by)?;
        let grace =
            or_default(typed.timeout, env, "timeout", "a number of seconds", parse_seconds)?;
        let kinds = "auto, tmux or native";
        let backend = or_env(typed.backend, env, "backend", kinds, BackendChoice::by_name)?;
        let shell = || env.tmo_or_overmind("SHELL").map(|found| found.value.to_owned());
        let shell = typed.shell.clone().or_else(shell);
        Ok(Self {
            ports,
            colors,
            formation,
            only: list(&typed.processes, "processes")?,
            ignored: list(&typed.ignored_processes, "ignored_processes")?,
            can_die: list(&typed.can_die, "can_die")?,
            any_can_die: env.flag(typed.any_can_die, "ANY_CAN_DIE")?,
            auto_restart: list(&typed.auto_restart, "auto_restart")?,
            stop_signals,
            port_auto: env.switch(typed.port_auto, "PORT_AUTO")?,
            grace,
            shell: shell.unwrap_or_else(|| Setting::default_of("shell").into()),
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
            for group in loaded.toml.table_of(&entry.name).groups {
                let members = groups.entry(group.into_inner()).or_default();
                if members.last() != Some(&entry.name) {
                    members.push(entry.name.clone());
                }
            }
        }
        only.spread(&groups, said_by)?;
        ignored.spread(&groups, said_by)?;
        can_die.spread(&groups, said_by)?;
        auto_restart.spread(&groups, said_by)?;
        formation.spread(&groups, said_by)?;
        stop_signals.spread(&groups, said_by)
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
        self.said_by.get("port")
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
            Some((OnExit::Remain, "can_die"))
        } else if self.auto_restart.has(&entry.name) || self.auto_restart.has(ALL) {
            Some((OnExit::Restart, "auto_restart"))
        } else {
            self.any_can_die.then_some((OnExit::Remain, "any_can_die"))
        }
    }

    /// The signal that asks an instance of this entry to stop, if configured.
    pub(super) fn stop_signal(&self, entry: &ProcfileEntry) -> Option<Signal> {
        self.stop_signals.values.get(&entry.name).copied()
    }

    /// Warnings about names without an entry, and about contradictions.
    pub fn warnings(&self, procfile: &Procfile) -> Vec<Warning> {
        let known: Vec<&str> = procfile.entries.iter().map(|entry| entry.name.as_str()).collect();
        let is_known: HashSet<&str> = known.iter().copied().collect();
        let chosen = self.only.flagged_names().chain(self.ignored.flagged_names());
        let exits = self.can_die.flagged_names().chain(self.auto_restart.flagged_names());
        let pairs = self.formation.flagged_names().chain(self.stop_signals.flagged_names());
        let given = chosen.chain(exits).chain(pairs);
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
    fn new(typed: &StartOptions, env: &Env) -> Self {
        let origin = |setting: &'static Setting| {
            let is_plain = || setting.id == "port" && env.get("PORT").is_some();
            let by = (setting.is_given)(typed).then(|| setting.flag()).or_else(|| {
                let name = Some(setting.variable()).filter(|_| setting.has_variable)?;
                env.tmo_or_overmind(&name).map(|found| found.variable)
            });
            Some((setting.id, by.or_else(|| is_plain().then(|| "PORT".to_owned()))?))
        };
        Self(SETTINGS.iter().filter_map(origin).collect())
    }

    /// By the id of the setting.
    pub(super) fn get(&self, id: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, by)| by.as_str())
    }
}

/// The words of a comma list.
fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn colors(text: &str) -> Result<Vec<u8>, PlanError> {
    let text = if text.trim().is_empty() { Setting::default_of("colors") } else { text };
    let color = |code: &str| code.parse().map_err(|_| PlanError::Color(code.to_owned()));
    text.split(',').map(str::trim).map(color).collect()
}

/// The variable of a setting, without its prefix.
fn variable(id: &str) -> String {
    id.to_ascii_uppercase()
}

/// The flag, or else the variable of that setting.
fn or_env<T>(
    typed: Option<T>,
    env: &Env,
    id: &str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, BadValue> {
    typed.map_or_else(|| env.typed(&variable(id), expected, parse), |value| Ok(Some(value)))
}

/// The flag, or else the variable of that setting, or else its default.
fn or_default<T>(
    typed: Option<T>,
    env: &Env,
    id: &str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, BadValue> {
    let default = Setting::default_of(id);
    let bad = || BadValue { variable: variable(id), value: default.to_owned(), expected };
    or_env(typed, env, id, expected, &parse)?.or_else(|| parse(default)).ok_or_else(bad)
}

/// The ports to assign, or `None` if processes get no ports.
fn ports(env: &Env, typed: &StartOptions) -> Result<Option<Ports>, PlanError> {
    const EXPECTED: &str = "a port (0 to 65535)";
    if env.flag(typed.no_port, "NO_PORT")? {
        return Ok(None);
    }
    let parse = |text: &str| text.trim().parse().ok();
    let port = match or_env(typed.port, env, "port", EXPECTED, parse)? {
        Some(port) => Some(port),
        None => plain_port(env, EXPECTED)?,
    };
    let step = |typed, id| or_default(typed, env, id, "a number (0 to 65535)", parse);
    Ok(Some(Ports {
        base: or_default(port, env, "port", EXPECTED, parse)?,
        step: step(typed.port_step, "port_step")?,
        instance: step(typed.formation_port_step, "formation_port_step")?,
    }))
}

/// `PORT` itself, as the processes would see it.
fn plain_port(env: &Env, expected: &'static str) -> Result<Option<u16>, BadValue> {
    let Some(value) = env.get("PORT").filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.to_string_lossy();
    let bad = || BadValue { variable: "PORT".into(), value: value.clone().into_owned(), expected };
    value.trim().parse().map(Some).map_err(|_| bad())
}
