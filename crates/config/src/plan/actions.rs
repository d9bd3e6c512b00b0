//! The actions of processes and of the project as processes of the plan, which a request takes in.

use std::collections::HashMap;

use toml::Spanned;

use super::PlanError;
use super::instance::PlannedInstance;
use super::merge::{MergeInput, filled};
use crate::config::procfile::ProcfileEntry;
use crate::config::toml::{ActionEntry, CommandLine};
use crate::model::ProcName;
use crate::model::action::ActionName;
use crate::model::plan::{ActionRole, OnExit, ProcessPlan};
use crate::model::rules::{Need, ProcessPolicy};

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
