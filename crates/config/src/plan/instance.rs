//! The instances of the lines of a project, with the port of each and what each needs before it can be planned.
//! `src/cli/project/ports.rs` reserves the block of ports of a project.
//! Actions and apps are processes of the plan, too.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use toml::Spanned;

use super::PlanError;
use super::merge::{MergeInput, filled};
use crate::apps::install::gets_variable;
use crate::apps::manifest::{App, InstallState};
use crate::config::procfile::ProcfileEntry;
use crate::config::toml::{ActionEntry, CommandLine};
use crate::model::ProcName;
use crate::model::name::action::ActionName;
use crate::model::plan::rules::{Need, ProcessPolicy};
use crate::model::plan::{ActionRole, AfterInstall, Install, OnExit, ProcessPlan};
use crate::model::text::OsText;

/// One instance of one line, whether it runs or not.
pub(super) struct PlannedInstance<'a> {
    pub(super) entry: &'a ProcfileEntry,
    /// Index of the line among those with a command; lines of the run before a reload come first.
    pub(super) line: usize,
    pub(super) name: ProcName,
    /// Index among the instances of the line.
    pub(super) instance: usize,
    /// Index among all instances.
    pub(super) number: usize,
}

pub(super) fn find_shell(
    find: &dyn Fn(&OsStr) -> Option<PathBuf>,
    shell: &OsStr,
) -> Result<PathBuf, PlanError> {
    find(shell).ok_or_else(|| PlanError::NoShell(shell.to_string_lossy().into_owned()))
}

/// The first port and the distances between ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// The port of the first line.
    pub(super) base: u16,
    /// The distance from line to line.
    pub(super) step: u16,
    /// The distance from instance to instance of one line.
    pub(super) instance: u16,
}

impl Ports {
    /// The port of an instance (from 0) of the line with this index, if it is in range. Lines that do not
    /// run keep their ports, so that leaving a line out does not shift the others.
    pub(super) fn port_of(self, line: usize, instance: usize) -> Option<u16> {
        let above = usize::from(self.step).checked_mul(line)?;
        let within = usize::from(self.instance).checked_mul(instance)?;
        let port = usize::from(self.base).checked_add(above)?.checked_add(within)?;
        u16::try_from(port).ok()
    }

    /// Whether the ports of this many instances of a line end before those of the next line begin. With a
    /// distance of 0 all instances share one port.
    pub(super) fn have_room_for(self, instances: usize) -> Result<(), PlanError> {
        let Some(most) = self.step.checked_div(self.instance) else { return Ok(()) };
        if instances <= most.into() || instances < 2 {
            return Ok(());
        }
        Err(PlanError::Crowd { most, step: self.step, instance: self.instance })
    }
}

/// The actions of the processes that have instances in this plan, then those of the project.
pub(super) fn actions(
    processes: &[ProcessPlan],
    given: &MergeInput<'_>,
) -> Result<Vec<ProcessPlan>, PlanError> {
    let mut firsts: HashMap<&str, &ProcessPlan> = HashMap::new();
    for process in processes {
        firsts.entry(process.name.entry()).or_insert(process);
    }
    let (toml, mut all) = (&given.loaded.toml, vec![]);
    for (name, table) in &toml.processes {
        let Some(first) = firsts.get(name.get_ref().as_str()) else { continue };
        for action in &table.action {
            all.push(planned(first, Some(name.get_ref()), action, given)?);
        }
    }
    if !toml.actions.is_empty() {
        let base = of_project(given)?;
        for action in &toml.actions {
            all.push(planned(&base, None, action, given)?);
        }
    }
    Ok(all)
}

/// What `[defaults]` says, as the plan of a process.
fn of_project(given: &MergeInput<'_>) -> Result<ProcessPlan, PlanError> {
    let entry = ProcfileEntry::default();
    let name = ProcName::default();
    PlannedInstance { entry: &entry, line: 0, name, instance: 0, number: 0 }.plan(given)
}

/// The plan of an action in the environment of this process.
fn planned(
    base: &ProcessPlan,
    of: Option<&String>,
    action: &Spanned<ActionEntry>,
    given: &MergeInput<'_>,
) -> Result<ProcessPlan, PlanError> {
    let ActionEntry { name, command, confirm } = action.get_ref();
    let at = command.span();
    let line = command.get_ref();
    let argv = match line {
        CommandLine::Words(words) => {
            let words = words.iter().map(|word| filled(given, &word.as_str().into(), &at, false));
            Some(words.collect::<Result<_, _>>()?)
        }
        CommandLine::Shell(_) => None,
    };
    let mut env = base.env.clone();
    if let Some(port) = base.port.filter(|_| of.is_some()) {
        env.push(("PORT".into(), port.to_string().into()));
    }
    // It needs the same processes, but has nothing to do with their restarts.
    let needs = base.rules.needs.iter().map(|need| Need { restart: false, ..need.clone() });
    Ok(ProcessPlan {
        name: ProcName::new(ActionName { of: of.map(String::as_str), name }.process())?,
        command: filled(given, &line.for_shell().into(), &at, argv.is_none())?,
        argv,
        cwd: base.cwd.clone(),
        env,
        shell: base.shell.clone(),
        color: base.color,
        stop_signal: base.stop_signal,
        grace_ms: base.grace_ms,
        on_exit: OnExit::Remain,
        waits: true,
        action: Some(ActionRole { name: name.clone(), of: of.cloned(), confirm: *confirm }),
        rules: ProcessPolicy {
            needs: needs.collect(),
            prompt: base.rules.prompt.clone(),
            term: base.rules.term.clone(),
            ..ProcessPolicy::default()
        },
        ..ProcessPlan::default()
    })
}

/// Turn this into the plan of an app. The rules of `[defaults]` have been applied already.
pub(super) fn apply_app(given: &MergeInput<'_>, name: &str, app: &App, plan: &mut ProcessPlan) {
    let apps = &given.loaded.apps;
    let (dir, kind) = (apps.dir_of(app), apps.kind_of(app));
    let path = given.variables.iter().find(|(key, _)| key.as_bytes() == b"PATH");
    let path = path.map(|(_, value)| value.as_os_str());
    plan.argv = Some(apps.command(app).into_iter().map(OsText::from).collect());
    plan.cwd = Some(dir.as_path().into());
    plan.env
        .extend(kind.env(&dir, path).into_iter().map(|(key, value)| (key.into(), value.into())));
    let own = app.env.iter();
    plan.env.extend(own.map(|(key, value)| (key.as_str().into(), value.as_str().into())));
    plan.waits = !app.autostart;
    if name != app.dir {
        plan.rules.display = Some(name.to_owned());
    }
    plan.install = Some(install(given, app, dir.as_path().into()));
}

fn install(given: &MergeInput<'_>, app: &App, dir: OsText) -> Install {
    let is_passed_on =
        |(key, _): &&(OsText, OsText)| key.as_os_str().to_str().is_some_and(gets_variable);
    Install {
        command: vec![given.tmo.into(), crate::apps::install::PART.into(), dir],
        env: given.variables.iter().filter(is_passed_on).cloned().collect(),
        timeout_ms: app.install_timeout_seconds.saturating_mul(1000),
        version: app.version.to_string(),
        pending: app.state == InstallState::New,
        then: if app.autostart { AfterInstall::Run } else { AfterInstall::Stop },
    }
}
