//! What flags, variables, `tmo.toml` and Procfile say of one process, put together. Where several
//! speak of the same thing, the first of these holds.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use ::toml::Spanned;
use nix::sys::signal::Signal;

use super::PlanError;
use super::ports::Ports;
use super::resolve::{Formed, find_shell};
use super::settings::Settings;
use crate::config::load::Loaded;
use crate::config::procfile::Entry;
use crate::config::toml::{Args, Asked, Command, ProcessTable};
use crate::model::ProcName;
use crate::model::plan::{OnExit, ProcessPlan};
use crate::model::rules::{Check, Liveness, Need, Probe, Restart, RestartPolicy, Rules, Stage};
use crate::model::shell;
use crate::model::text::OsText;

/// All that was said.
pub(super) struct Given<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) settings: &'a Settings,
    /// The shell where no other one is named.
    pub(super) shell: &'a Path,
    pub(super) find: &'a dyn Fn(&OsStr) -> Option<PathBuf>,
    /// The processes of each entry of the plan.
    pub(super) instances: &'a HashMap<String, Vec<ProcName>>,
}

impl Formed<'_> {
    /// What is to be run of this instance.
    pub(super) fn plan(self, given: &Given<'_>) -> Result<ProcessPlan, PlanError> {
        let (settings, entry) = (given.settings, self.entry);
        let table = given.loaded.toml.of(&entry.name);
        let own = given.loaded.own.get(&entry.name).cloned().unwrap_or_default();
        let port = self.port(&table, settings)?;
        let shell = match (&settings.shell, &table.shell) {
            (None, Some(shell)) => find_shell(given.find, shell.get_ref().as_ref())?,
            (Some(_), _) | (None, None) => given.shell.to_owned(),
        };
        let (command, argv) = command(entry, &table);
        let by_table = table.stop.signal.as_ref().map(|signal| *signal.get_ref());
        let signal = settings.stop_signal(entry).map(|signal| signal as i32).or(by_table);
        let on_exit = settings.on_exit(entry).map(|(end, _)| end);
        let by_table = || table.on_exit.as_ref().map(|end| *end.get_ref());
        Ok(ProcessPlan {
            command,
            argv,
            cwd: own.cwd,
            env: own.env,
            shell: shell.into(),
            port,
            color: settings.colors[self.number % settings.colors.len()],
            stop_signal: signal.unwrap_or(Signal::SIGINT as i32),
            grace_ms: match settings.grace {
                Some(_) => None,
                None => said(table.stop.timeout_ms.as_ref()),
            },
            on_exit: on_exit.or_else(by_table).unwrap_or_else(|| usual_end(given, entry, &table)),
            waits: said(table.autostart.as_ref()) == Some(false),
            added: false,
            removed: false,
            came: 0,
            edition: 0,
            rules: Rules {
                restart: restart(&table, on_exit),
                ..rules(given, &self.name, &table, port)?
            },
            name: self.name,
        })
    }

    /// The port it is told: its own one, or that of its line.
    fn port(&self, table: &ProcessTable, settings: &Settings) -> Result<Option<u16>, PlanError> {
        let Some(ports) = settings.ports else { return Ok(None) };
        let port = match said(table.port.as_ref()) {
            Some(base) => Ports { base, ..ports }.of(0, self.instance),
            None => ports.of(self.line, self.instance),
        };
        port.map(Some).ok_or_else(|| PlanError::Port { name: self.name.to_string() })
    }
}

/// A value without its place.
fn said<T: Clone>(at: Option<&Spanned<T>>) -> Option<T> {
    at.map(|at| at.get_ref().clone())
}

/// The command with what is appended to it, and its words if there is to be no shell.
fn command(entry: &Entry, table: &ProcessTable) -> (OsText, Option<Vec<OsText>>) {
    let quoted =
        |words: &[String]| words.iter().map(|word| shell::quoted(word)).collect::<Vec<_>>();
    let words = match said(table.args.as_ref()) {
        Some(Args::Words(words)) => words,
        Some(Args::Text(_)) | None => vec![],
    };
    let line = match said(table.command.as_ref()) {
        Some(Command::Words(mut argv)) => {
            argv.extend(words);
            let line = quoted(&argv).join(" ").into();
            return (line, Some(argv.into_iter().map(OsText::from).collect()));
        }
        Some(Command::Shell(line)) => line.into(),
        None => entry.command.clone(),
    };
    let more = match said(table.args.as_ref()) {
        Some(Args::Text(text)) => text,
        Some(Args::Words(_)) | None => quoted(&words).join(" "),
    };
    if more.is_empty() {
        return (line, None);
    }
    let mut line = line.0;
    line.push(" ");
    line.push(more);
    (line.into(), None)
}

/// What follows an end where nothing is said of it: what is to end anyway stops nobody.
fn usual_end(given: &Given<'_>, entry: &Entry, table: &ProcessTable) -> OnExit {
    let ends = table.stage() != Stage::Main
        || table.ends_ready()
        || given.loaded.toml.is_to_complete(&entry.name);
    if ends { OnExit::Remain } else { OnExit::StopAll }
}

/// When it is started again; nothing where only what follows an end decides.
fn restart(table: &ProcessTable, by_flag: Option<OnExit>) -> Option<RestartPolicy> {
    let said_of = &table.restart;
    if !said_of.is_said() {
        return None;
    }
    let by_table = said(said_of.policy.as_ref());
    let when = match (by_flag, by_table, said(table.on_exit.as_ref())) {
        (Some(OnExit::Restart), _, _) | (None, None, Some(OnExit::Restart)) => Restart::Always,
        // The pauses and the limit also hold for restarts by `live` and `failure`.
        (Some(OnExit::Remain | OnExit::StopAll) | None, when, _) => when.unwrap_or_default(),
    };
    let delay_ms = said(said_of.delay_ms.as_ref()).unwrap_or(RestartPolicy::DELAY_MS);
    let usual = RestartPolicy::default();
    Some(RestartPolicy {
        when,
        delay_ms,
        backoff: said(said_of.backoff.as_ref()).unwrap_or_default(),
        max_delay_ms: said(said_of.max_delay_ms.as_ref())
            .unwrap_or(usual.max_delay_ms.max(delay_ms)),
        max_failures: said(said_of.max_failures.as_ref()).unwrap_or(usual.max_failures),
        stable_ms: said(said_of.stable_ms.as_ref()).unwrap_or(usual.stable_ms),
    })
}

/// All else.
fn rules(
    given: &Given<'_>,
    name: &ProcName,
    table: &ProcessTable,
    port: Option<u16>,
) -> Result<Rules, PlanError> {
    let probe = |asked: &Asked, at: usize| -> Result<Probe, PlanError> {
        asked.with_port(port).ok_or_else(|| PlanError::NoPort {
            place: given.loaded.toml.source.place(&(at..at)),
            name: name.to_string(),
            by: given.settings.said_by.get("NO_PORT").unwrap_or("no port").to_owned(),
        })
    };
    let mut ready = vec![];
    if let Some(checks) = &table.ready {
        for check in checks.get_ref() {
            ready.push(Check {
                probe: probe(&check.asked, checks.span().start)?,
                timeout_ms: check.timeout_ms,
                every_ms: check.every_ms,
            });
        }
    }
    let live = table.live.as_ref().map(|live| {
        let (at, live) = (live.span().start, live.get_ref());
        Ok::<_, PlanError>(Liveness {
            probe: probe(&live.asked, at)?,
            timeout_ms: live.timeout_ms,
            every_ms: live.every_ms,
            failures: live.failures,
            action: live.action,
        })
    });
    let mut groups: Vec<String> =
        table.groups.iter().map(|group| group.get_ref().clone()).collect();
    groups.sort();
    groups.dedup();
    Ok(Rules {
        stage: table.stage(),
        needs: needs(given, table),
        ready,
        live: live.transpose()?,
        restart: None,
        success_codes: said(table.success_exit_codes.as_ref()).unwrap_or_default(),
        soft_codes: said(table.soft_exit_codes.as_ref()).unwrap_or_default(),
        stop_command: said(table.stop.command.as_ref()).map(OsText::from),
        failures: table.failures.iter().map(|found| found.get_ref().clone()).collect(),
        flags: table.flags.iter().map(|flag| flag.get_ref().clone()).collect(),
        notify: said(table.notify.as_ref()).unwrap_or_default(),
        groups,
        display: said(table.display.as_ref()),
    })
}

/// All instances of all entries that it waits for; what is left out is waited for by nobody.
fn needs(given: &Given<'_>, table: &ProcessTable) -> Vec<Need> {
    let mut needs = vec![];
    for dependency in &table.depends_on {
        for on in given.instances.get(dependency.on.get_ref().as_str()).into_iter().flatten() {
            needs.push(Need { on: on.clone(), until: dependency.until });
        }
    }
    needs
}
