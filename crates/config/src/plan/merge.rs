//! Merges what flags, variables, `tmo.toml` and Procfile configure for a process. If several configure the
//! same setting, the first of these wins.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use toml::Spanned;

use super::instance::{PlannedInstance, Ports, find_shell};
use super::settings::Settings;
use super::{PlanError, instance};
use crate::config::load::Loaded;
use crate::config::procfile::ProcfileEntry;
use crate::config::toml::{
    DependencyEntry, Placeholder, ProcessTable, Said as _, command_line, fill, value,
};
use crate::model::ProcName;
use crate::model::name::hostname::url;
use crate::model::plan::rules::{Check, Liveness, Need, Probe, ProcessPolicy, Stage};
use crate::model::plan::{OnExit, ProcessPlan};
use crate::model::text::OsText;
use crate::model::text::shell::quoted;

pub(super) struct MergeInput<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) settings: &'a Settings,
    /// The shell to use if no other one is configured.
    pub(super) shell: &'a Path,
    pub(super) find: &'a dyn Fn(&OsStr) -> Option<PathBuf>,
    /// The processes of each entry of the plan.
    pub(super) instances: &'a HashMap<String, Vec<ProcName>>,
    /// The ports of all instances and entries, by name.
    pub(super) ports: &'a HashMap<String, u16>,
    /// The host names of the same, as far as they run.
    pub(super) hosts: &'a HashMap<String, String>,
    /// The port of the page that this start serves.
    pub(super) page_port: Option<u16>,
    /// The directory of the project.
    pub(super) root: &'a Path,
    /// The environment variables of the run.
    pub(super) variables: &'a [(OsText, OsText)],
    /// The executable of tmo.
    pub(super) tmo: &'a Path,
}

impl PlannedInstance<'_> {
    /// The plan of this instance.
    pub(super) fn plan(self, given: &MergeInput<'_>) -> Result<ProcessPlan, PlanError> {
        let (settings, entry) = (given.settings, self.entry);
        let table = given.loaded.toml.table_of(&entry.name);
        let own = given.loaded.own.get(&entry.name).cloned().unwrap_or_default();
        let port = self.port(&table, settings)?;
        let shell = match (settings.said_by.get("shell"), &table.shell) {
            (None, Some(shell)) => find_shell(given.find, shell.get_ref().as_ref())?,
            (Some(_), _) | (None, None) => given.shell.to_owned(),
        };
        let (mut command, mut argv) = command_line(entry, &table);
        if let Some(at) = table.command.at() {
            command = filled(given, &command, &at, argv.is_none())?;
            for word in argv.iter_mut().flatten() {
                *word = filled(given, word, &at, false)?;
            }
        }
        let env = filled_env(given, &table, own.env)?;
        let signal = settings.stop_signal(entry).map(|signal| signal as i32);
        let signal = signal.or(value(&table.stop.signal)).unwrap_or(Signal::SIGINT as i32);
        let by_flag = settings.on_exit(entry).map(|(end, _)| end);
        let by_table = value(&table.on_exit);
        let (ready, live) = checks(given, &self.name, &table, port)?;
        let mut plan = ProcessPlan {
            command,
            argv,
            cwd: own.cwd,
            env,
            shell: shell.into(),
            port,
            has_own_port: table.port.is_some(),
            color: settings.colors[self.number % settings.colors.len()],
            stop_signal: signal,
            grace_ms: value(&table.stop.timeout_ms)
                .filter(|_| settings.said_by.get("timeout").is_none()),
            on_exit: by_flag.or(by_table).unwrap_or_else(|| usual_end(given, entry, &table)),
            waits: value(&table.autostart) == Some(false),
            rules: ProcessPolicy {
                restart: table.restart.policy(by_flag, by_table),
                needs: needs(given, &table),
                ready,
                live,
                ..ProcessPolicy::default()
            },
            name: self.name,
            ..ProcessPlan::default()
        };
        table.apply(&mut plan);
        if let Some(watch) = &mut plan.rules.watch {
            watch.dir = given.loaded.project.base().into();
            fill_in(given, &mut watch.run, table.watch.at())?;
        }
        fill_in(given, &mut plan.rules.stop_command, table.stop.command.at())?;
        if let Some((name, app)) = given.loaded.apps.of_process(&entry.name) {
            instance::apply_app(given, name, app, &mut plan);
        }
        if !given.loaded.command.is_empty() {
            plan.argv = Some(given.loaded.command.clone());
        }
        Ok(plan)
    }

    /// The process's port: its own one, or that of its Procfile line.
    pub(super) fn port(
        &self,
        table: &ProcessTable,
        settings: &Settings,
    ) -> Result<Option<u16>, PlanError> {
        let Some(ports) = settings.ports else { return Ok(None) };
        let port = match value(&table.port) {
            Some(base) => Ports { base, ..ports }.port_of(0, self.instance),
            None => ports.port_of(self.line, self.instance),
        };
        port.map(Some).ok_or_else(|| PlanError::Port(self.name.clone()))
    }
}

/// A text of a `tmo.toml` with the values of its placeholders, quoted where a shell reads it.
pub(super) fn filled(
    given: &MergeInput<'_>,
    text: &OsText,
    at: &Range<usize>,
    is_shell: bool,
) -> Result<OsText, PlanError> {
    let Some(plain) = text.as_os_str().to_str() else { return Ok(text.clone()) };
    let port = |name: &str, what| {
        given.ports.get(name).copied().ok_or_else(|| PlanError::Placeholder {
            place: given.loaded.toml.source.place(at),
            name: name.to_owned(),
            what,
        })
    };
    let value = |placeholder: Placeholder<'_>| match placeholder {
        Placeholder::Root => {
            let root = given.root.to_string_lossy();
            Ok::<_, PlanError>(if is_shell { quoted(&root) } else { root.into_owned() })
        }
        Placeholder::Port(name) => Ok(port(name, "port")?.to_string()),
        // Not at its host name, which many resolvers of programs don't know.
        Placeholder::Url(name) => Ok(url(None, None, port(name, "url")?)),
        Placeholder::Page(name) => {
            let host = given.hosts.get(name).map(String::as_str);
            Ok(url(host, given.page_port, port(name, "page")?))
        }
    };
    Ok(fill(plain, value)?.into_owned().into())
}

/// The same for a command of a `tmo.toml` at this place.
fn fill_in(
    given: &MergeInput<'_>,
    command: &mut Option<OsText>,
    at: Option<Range<usize>>,
) -> Result<(), PlanError> {
    let (Some(command), Some(at)) = (command, at) else { return Ok(()) };
    *command = filled(given, command, &at, true)?;
    Ok(())
}

/// The variables with the values of the placeholders in those that the `tmo.toml` says itself.
fn filled_env(
    given: &MergeInput<'_>,
    table: &ProcessTable,
    mut env: Vec<(OsText, OsText)>,
) -> Result<Vec<(OsText, OsText)>, PlanError> {
    for pair in &table.env.pairs {
        let (name, value) = pair.get_ref();
        let (name, value) = (OsText::from(&**name), OsText::from(&**value));
        // Another value is that of a file, or of the process itself.
        for (_, own) in env.iter_mut().filter(|(known, own)| *known == name && *own == value) {
            *own = filled(given, &value, &pair.span(), false)?;
        }
    }
    Ok(env)
}

/// The default reaction to an exit: a process that is expected to end, or that a changed
/// file or a request starts again, stops no other one, and neither does an app.
fn usual_end(given: &MergeInput<'_>, entry: &ProcfileEntry, table: &ProcessTable) -> OnExit {
    let ends = table.stage() != Stage::Main
        || table.ends_ready()
        || table.watch.is_some()
        || value(&table.lazy).flatten().is_some()
        || given.loaded.apps.of_process(&entry.name).is_some()
        || given.loaded.toml.is_to_complete(&entry.name);
    if ends { OnExit::Remain } else { OnExit::StopAll }
}

/// The checks of a process, at its own port if they ask for that.
fn checks(
    given: &MergeInput<'_>,
    name: &ProcName,
    table: &ProcessTable,
    port: Option<u16>,
) -> Result<(Vec<Check>, Option<Liveness>), PlanError> {
    let (mut ready, mut live) = (value(&table.ready).unwrap_or_default(), value(&table.live));
    let of_ready = ready.iter_mut().map(|check| (&mut check.probe, table.ready.at()));
    let of_live = live.iter_mut().map(|live| (&mut live.probe, table.live.at()));
    for (probe, at) in of_ready.chain(of_live) {
        let own = |asked: String| {
            port.ok_or_else(|| PlanError::NoPort {
                place: given.loaded.toml.source.place(&at.clone().unwrap_or_default()),
                asked,
                name: name.to_string(),
                by: given.settings.said_by.get("no_port").unwrap_or("no port").to_owned(),
            })
        };
        match probe {
            Probe::Exec { command } => {
                *command = filled(given, command, &at.clone().unwrap_or_default(), true)?;
            }
            Probe::Port { port, .. } if *port == Probe::ITS_PORT => {
                *port = own("`port = true`".to_owned())?;
            }
            Probe::Http { url } if url.starts_with('/') => {
                let port = own(format!("`http = \"{url}\"`"))?;
                *url = format!("http://{}:{port}{url}", Probe::HERE);
            }
            _ => {}
        }
    }
    Ok((ready, live))
}

/// All instances of all entries that it depends on; entries that are left out are not waited for.
fn needs(given: &MergeInput<'_>, table: &ProcessTable) -> Vec<Need> {
    let said = table.depends_on.iter().map(Spanned::get_ref);
    let all = said.flat_map(|DependencyEntry { on, until, restart }| {
        let instances = given.instances.get(on).into_iter().flatten();
        instances.map(move |on| Need { on: on.clone(), until: *until, restart: *restart })
    });
    all.collect()
}
