//! Applies a reloaded configuration to a running run.
//!
//! The plan of the run stays, and the fresh one is merged into it: processes keep their place, port and
//! colour; new ones are appended; a removed one is only marked, so that all indices stay valid. Counters
//! record what is still to be done: the supervisor compares them with those in its state, because it may
//! have been killed in between.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::config::toml::ProcessTable;
use crate::model::ProcName;
use crate::model::plan::rules::{FailurePattern, ProcessPolicy, Stage};
use crate::model::plan::{Install, Plan, ProcessPlan};
use crate::model::text::OsText;

/// What a reload does to one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum ProcessChange {
    /// Nothing.
    Unchanged,
    /// It keeps running; only the reactions to its behaviour change.
    Policies {
        /// The changed settings.
        what: Vec<String>,
    },
    /// Its command or environment has changed: it is restarted.
    Restarted {
        /// The changed settings.
        what: Vec<String>,
        /// The process with which it is restarted, if that is the reason (`depends_on`, `restart = true`).
        #[serde(skip_serializing_if = "Option::is_none")]
        with: Option<ProcName>,
    },
    /// It is stopped and removed from the run.
    Removed,
    /// It is added to the run.
    New,
}

/// The plan to continue with, and the effect on each process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The plan; the same as before if nothing has changed.
    pub plan: Plan,
    /// In the order of the plan.
    pub changes: Vec<(ProcName, ProcessChange)>,
}

/// Merge a newly resolved plan into the plan of a run.
pub fn reload(old: &Plan, fresh: &Plan) -> Reloaded {
    let fresh = &with_started(old, fresh);
    let mut plan = Plan {
        env: fresh.env.clone(),
        page_port: fresh.page_port,
        grace_ms: fresh.grace_ms,
        name_width: old.name_width.max(fresh.name_width),
        formation_port_step: fresh.formation_port_step,
        colors: fresh.colors.clone(),
        hooks: fresh.hooks.clone(),
        watchers: fresh.watchers.clone(),
        crash_dir: fresh.crash_dir.clone(),
        lines: fresh.lines.clone(),
        origin: fresh.origin.clone().or_else(|| old.origin.clone()),
        processes: vec![],
        left_out: fresh.left_out.clone(),
        actions: fresh.actions.clone(),
        ..old.clone()
    };
    let mut changes = vec![];
    let shared = shared_variables(old, fresh);
    for process in &old.processes {
        if process.action.is_some() && fresh.processes.iter().all(|now| now.name != process.name) {
            // It gets its new definition when it is requested the next time.
            plan.processes.push(process.clone());
            continue;
        }
        let Some(mut now) = defined(old, fresh, process) else {
            if !process.removed {
                changes.push((process.name.clone(), ProcessChange::Removed));
            }
            plan.processes.push(ProcessPlan { removed: true, ..process.clone() });
            continue;
        };
        let color_here = color(fresh, plan.processes.len(), process.color);
        now.color = if old.colors == fresh.colors { process.color } else { color_here };
        if !process.removed {
            // Its shim has what it had at its start.
            now.rules.no_terminal = process.rules.no_terminal;
            now.rules.split_stderr = process.rules.split_stderr;
        }
        let is_own = changes_itself(process, &now, &shared);
        now.own_revision = process.own_revision.saturating_add(u32::from(is_own));
        let change = compare(old, process, &plan, &mut now);
        changes.push((now.name.clone(), change));
        plan.processes.push(now);
    }
    for process in &fresh.processes {
        if old.processes.iter().all(|known| known.name != process.name) {
            let color = color(fresh, plan.processes.len(), process.color);
            changes.push((process.name.clone(), ProcessChange::New));
            let came = ProcessPlan { color, additions: 1, revision: 0, ..process.clone() };
            plan.processes.push(ProcessPlan { added: false, removed: false, ..came });
        }
    }
    if plan != *old {
        plan.generation = old.generation.saturating_add(1);
    }
    Reloaded { plan, changes }
}

impl Reloaded {
    /// Note which running processes are restarted because one that they depend on begins a new life. `begins` are
    /// those that do so because of their own changes.
    pub fn add_restarted_dependents(
        &mut self,
        begins: impl Fn(&ProcName, &ProcessChange) -> bool,
        runs: impl Fn(&ProcName) -> bool,
    ) {
        let own = self.changes.iter().filter(|(name, change)| begins(name, change));
        let mut begun: Vec<_> = own.map(|(name, _)| name.clone()).collect();
        while let Some(on) = begun.pop() {
            for (name, change) in &mut self.changes {
                let what = match change {
                    ProcessChange::Unchanged => vec![],
                    ProcessChange::Policies { what } => what.clone(),
                    _ => continue,
                };
                let process = self.plan.processes.iter().find(|process| process.name == *name);
                let mut needs = process.iter().flat_map(|process| &process.rules.needs);
                if runs(name) && needs.any(|need| need.restart && need.on == on) {
                    *change = ProcessChange::Restarted { what, with: Some(on.clone()) };
                    begun.push(name.clone());
                }
            }
        }
    }
}

/// The fresh plan in which what was left out of the start, and started since, is one of the processes.
fn with_started(old: &Plan, fresh: &Plan) -> Plan {
    let mut plan = fresh.clone();
    let (started, left_out) = plan
        .left_out
        .into_iter()
        .partition(|process| old.present().any(|known| known.waits && known.name == process.name));
    plan.left_out = left_out;
    plan.processes.extend::<Vec<_>>(started);
    plan
}

/// The plan of a run as the input of a reload that changes only the failure patterns.
pub fn with_failures(
    old: &Plan,
    failures: &dyn Fn(&ProcName) -> Option<Vec<FailurePattern>>,
) -> Plan {
    let mut plan = old.clone();
    plan.processes.retain(|process| !process.removed && !process.added);
    for process in &mut plan.processes {
        if let Some(failures) = failures(&process.name) {
            process.rules.failures = failures;
        }
    }
    plan
}

/// The plan for a reload that changes only the apps of a run.
pub fn with_apps(old: &Plan, fresh: Plan) -> Plan {
    let mut plan = Plan { lines: fresh.lines, ..old.clone() };
    plan.processes
        .retain(|process| (!process.removed && !process.added) && process.install.is_none());
    plan.left_out.retain(|process| process.install.is_none());
    let is_app = |process: &ProcessPlan| process.install.is_some();
    plan.processes.extend(fresh.processes.into_iter().filter(is_app));
    plan.left_out.extend(fresh.left_out.into_iter().filter(is_app));
    plan
}

/// The failure patterns of a process in the plan.
pub fn failures_of(plan: &Plan, name: &ProcName) -> Option<Vec<FailurePattern>> {
    let process = plan.processes.iter().find(|process| process.name == *name)?;
    Some(process.rules.failures.clone())
}

/// Settings that have changed but take effect only at the next start.
pub fn not_reloaded(old: &Plan, fresh: &Plan) -> Vec<&'static str> {
    let differs_in = |setting: &dyn Fn(&ProcessPolicy) -> bool| {
        old.present().any(|process| {
            let now = fresh.processes.iter().find(|now| now.name == process.name);
            now.is_some_and(|now| setting(&now.rules) != setting(&process.rules))
        })
    };
    let differs = [
        ("title", old.title != fresh.title),
        ("socket", old.socket != fresh.socket || old.tcp != fresh.tcp),
        ("tmux configuration", old.tmux_config != fresh.tmux_config),
        ("log", old.log != fresh.log),
        ("pty", differs_in(&|rules| rules.no_terminal)),
        ("split_stderr", differs_in(&|rules| rules.split_stderr)),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
}

/// The new definition of a process of the run; `None` if it was removed.
fn defined(old: &Plan, fresh: &Plan, process: &ProcessPlan) -> Option<ProcessPlan> {
    if let Some(now) = fresh.processes.iter().find(|now| now.name == process.name) {
        return Some(ProcessPlan { added: false, ..now.clone() });
    }
    if !process.added || process.removed {
        return None;
    }
    // Further instances of an entry follow the first one.
    let entry = process.name.entry();
    let first = |plan: &Plan| {
        let all = plan.processes.iter().filter(|other| other.name.entry() == entry && !other.added);
        all.min_by_key(|other| other.name.instance()).cloned()
    };
    let now = first(fresh)?;
    let port = if first(old).is_some_and(|before| before.port == now.port) {
        process.port
    } else {
        let above =
            u64::from(fresh.formation_port_step) * process.name.instance().saturating_sub(1);
        now.port.and_then(|port| u16::try_from(u64::from(port) + above).ok())
    };
    let name = process.name.clone();
    // The installation of the first instance serves all instances.
    Some(ProcessPlan { name, port, waits: true, added: true, install: None, ..now })
}

/// The colour of the process at this place of a plan.
fn color(plan: &Plan, at: usize, usual: u8) -> u8 {
    plan.colors.get(at % plan.colors.len().max(1)).copied().unwrap_or(usual)
}

/// Determine what has changed, and advance the counters of starts and restarts.
fn compare(old: &Plan, process: &ProcessPlan, plan: &Plan, now: &mut ProcessPlan) -> ProcessChange {
    let comes =
        process.removed || process.added && !now.added || is_cleanup(process) && !is_cleanup(now);
    let runs = what_it_runs(old, process, plan, now);
    now.removed = false;
    now.additions = process.additions.saturating_add(u32::from(comes));
    now.revision = process.revision.saturating_add(u32::from(!runs.is_empty()));
    if process.removed {
        return ProcessChange::New;
    }
    if !runs.is_empty() {
        return ProcessChange::Restarted { what: runs, with: None };
    }
    let what = policies(old, process, plan, now);
    if what.is_empty() { ProcessChange::Unchanged } else { ProcessChange::Policies { what } }
}

fn is_cleanup(process: &ProcessPlan) -> bool {
    process.rules.stage == Stage::Cleanup
}

/// The changed settings that need a restart to take effect.
fn what_it_runs(old: &Plan, process: &ProcessPlan, plan: &Plan, now: &ProcessPlan) -> Vec<String> {
    let mut what = words(&[
        ("command", process.command != now.command || process.argv != now.argv),
        ("cwd", process.cwd != now.cwd),
        ("shell", process.shell != now.shell),
        ("port", process.port != now.port),
        ("stdin", process.stdin != now.stdin),
        ("term", process.rules.term != now.rules.term),
        ("ready", process.rules.is_notified() != now.rules.is_notified()),
        ("watchdog", process.rules.watchdog_ms() != now.rules.watchdog_ms()),
        ("phase", is_cleanup(process) != is_cleanup(now)),
    ]);
    let mut variables = variables(&own_env(old, process), &own_env(plan, now));
    if old.page_port != plan.page_port {
        variables.push("TMO_URL".to_owned());
    }
    if !variables.is_empty() {
        what.push(format!("environment: {}", variables.join(" ")));
    }
    what
}

/// A variable with its values before and after a change.
type ChangedVariable<'a> = (&'a OsText, Option<&'a OsText>, Option<&'a OsText>);

/// The variables of a process itself that differ between two plans.
fn changed_variables<'a>(
    before: &'a ProcessPlan,
    now: &'a ProcessPlan,
) -> BTreeSet<ChangedVariable<'a>> {
    let of = |process: &'a ProcessPlan| -> BTreeMap<_, _> {
        process.env.iter().map(|(name, value)| (name, value)).collect()
    };
    let (before, now) = (of(before), of(now));
    let names: BTreeSet<_> = before.keys().chain(now.keys()).copied().collect();
    let values = |name| (name, before.get(name).copied(), now.get(name).copied());
    names.into_iter().map(values).filter(|(_, before, now)| before != now).collect()
}

/// The variables that change for all processes alike, as those of an env file in `[defaults]` do.
fn shared_variables<'a>(old: &'a Plan, fresh: &'a Plan) -> BTreeSet<ChangedVariable<'a>> {
    let is_configured = |process: &&ProcessPlan| !process.added && process.action.is_none();
    let both = old.present().filter(is_configured).filter_map(|before| {
        let now = fresh.processes.iter().find(|now| now.name == before.name)?;
        Some(changed_variables(before, now))
    });
    let all: Vec<_> = both.collect();
    // A change of a single process is its own.
    let [first, rest @ ..] = &*all else { return BTreeSet::new() };
    let is_shared =
        |variable: &&_| !rest.is_empty() && rest.iter().all(|of| of.contains(*variable));
    first.iter().filter(is_shared).copied().collect()
}

/// Whether a process's own command, directory or variables have changed, not just what all share.
fn changes_itself(
    before: &ProcessPlan,
    now: &ProcessPlan,
    shared: &BTreeSet<ChangedVariable<'_>>,
) -> bool {
    before.command != now.command
        || before.argv != now.argv
        || before.cwd != now.cwd
        || changed_variables(before, now).iter().any(|variable| !shared.contains(variable))
}

/// The part of a process's environment that does not depend on the other processes.
fn own_env<'a>(plan: &'a Plan, process: &'a ProcessPlan) -> BTreeMap<&'a OsText, &'a OsText> {
    let mut env: BTreeMap<_, _> =
        plan.env.iter().chain(&process.env).map(|(name, value)| (name, value)).collect();
    // Its assigned port overrides this.
    if process.port.is_some() {
        env.remove(&OsText::from("PORT"));
    }
    env
}

/// The names of the first few variables that differ.
fn variables(before: &BTreeMap<&OsText, &OsText>, now: &BTreeMap<&OsText, &OsText>) -> Vec<String> {
    let mut names: BTreeSet<_> = before.keys().chain(now.keys()).copied().collect();
    names.retain(|name| before.get(name) != now.get(name));
    let many = names.len() > 3;
    let names = names.into_iter().take(3).map(|name| name.0.to_string_lossy().into_owned());
    names.chain(many.then(|| "…".to_owned())).collect()
}

/// The changed settings that take effect without a restart.
fn policies(old: &Plan, process: &ProcessPlan, plan: &Plan, now: &ProcessPlan) -> Vec<String> {
    let grace = |plan: &Plan, of: &ProcessPlan| of.grace_ms.unwrap_or(plan.grace_ms);
    let stop = process.stop_signal != now.stop_signal
        || grace(old, process) != grace(plan, now)
        || process.rules.stop_command != now.rules.stop_command;
    let mut what = words(&[
        ("formation", process.added != now.added),
        ("color", process.color != now.color),
        ("autostart", process.waits != now.waits && process.added == now.added),
        ("on_exit", process.on_exit != now.on_exit),
        ("install", installs(process) != installs(now)),
        ("stop", stop),
    ]);
    what.extend(ProcessTable::changed(process, now).map(str::to_owned));
    what
}

/// The installation of a process, whether or not it is complete.
fn installs(process: &ProcessPlan) -> Option<Install> {
    process.install.clone().map(|install| Install { pending: false, ..install })
}

fn words(all: &[(&'static str, bool)]) -> Vec<String> {
    all.iter().filter(|(_, differs)| *differs).map(|(word, _)| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::time::Timestamp;
    use pretty_assertions::assert_eq;

    use super::{ProcessChange, Reloaded, failures_of, reload, with_failures};
    use crate::model::ProcName;
    use crate::model::plan::Plan;
    use crate::model::plan::rules::{
        Check, DependencyCondition, FailureAction, FailurePattern, Liveness, Need, Probe, Reaction,
        Text,
    };
    use crate::plan::take_in;
    use tmo_base::testing::plan;

    fn changes(reloaded: &Reloaded) -> Vec<String> {
        let one = |(name, change): &(_, _)| match change {
            ProcessChange::Unchanged => format!("{name} ="),
            ProcessChange::Policies { what } => format!("{name} ~ {}", what.join(",")),
            ProcessChange::Restarted { what, with: None } => format!("{name} ! {}", what.join(",")),
            ProcessChange::Restarted { what, with: Some(on) } => {
                format!("{name} with {on} {}", what.join(","))
            }
            ProcessChange::Removed => format!("{name} -"),
            ProcessChange::New => format!("{name} +"),
        };
        reloaded.changes.iter().map(one).collect()
    }

    fn with_ports(names: &[&str]) -> Plan {
        let mut plan = plan(names);
        plan.colors = vec![2, 3, 4];
        for (port, process) in (5000..).step_by(100).zip(&mut plan.processes) {
            process.port = Some(port);
        }
        plan
    }

    #[test]
    fn the_same_is_no_change_whatever_has_come_and_gone() {
        let old = with_ports(&["web", "job", "job#2?+"]);
        let mut fresh = old.clone();
        fresh.processes.pop();
        (fresh.run, fresh.started) = ("other".into(), Timestamp::from_nanos(5));
        let same = reload(&old, &fresh);
        assert_eq!(changes(&same), ["web =", "job =", "job#2 ~ on_exit"]);
        let same = reload(&same.plan, &fresh);
        assert_eq!(
            (changes(&same).concat(), same.plan.generation),
            ("web =job =job#2 =".into(), 1)
        );
        fresh.processes.remove(0);
        let gone = reload(&old, &fresh).plan;
        assert_eq!(reload(&gone, &fresh).plan, gone);
    }

    #[test]
    fn a_process_that_is_to_report_is_restarted() {
        let old = with_ports(&["web", "job"]);
        let mut fresh = old.clone();
        let probe = Probe::Notify {};
        fresh.processes[0].rules.ready = vec![Check { probe, timeout_ms: 1, every_ms: 1 }];
        let new = reload(&old, &fresh);
        assert_eq!(changes(&new), ["web ! ready", "job ="]);
        let old = new.plan;
        let mut fresh = old.clone();
        let probe = Probe::Watchdog { ms: 9 };
        let (timeout_ms, every_ms, failures, action) = (1, 1, 1, Reaction::Break);
        fresh.processes[0].rules.live =
            Some(Liveness { probe, timeout_ms, every_ms, failures, action });
        assert_eq!(changes(&reload(&old, &fresh)), ["web ! watchdog", "job ="]);
    }

    #[test]
    fn new_ones_come_behind_and_take_nobodys_place() {
        let old = with_ports(&["web", "job"]);
        let mut fresh = with_ports(&["web", "job", "api"]);
        fresh.processes.rotate_right(1);
        let new = reload(&old, &fresh);
        assert_eq!(changes(&new), ["web =", "job =", "api +"]);
        let table: Vec<_> =
            new.plan.processes.iter().map(|p| (p.name.as_str(), p.color, p.additions)).collect();
        assert_eq!(table, [("web", 2, 0), ("job", 2, 0), ("api", 4, 1)]);
    }

    #[test]
    fn what_it_runs_takes_another_life_and_all_else_does_not() {
        let old = with_ports(&["a", "b", "c", "d"]);
        let mut fresh = old.clone();
        fresh.processes[0].command = "y".into();
        fresh.processes[1].env = vec![("A".into(), "1".into())];
        fresh.processes[2].rules.display = Some("C".into());
        fresh.processes[2].stop_signal = 15;
        let new = reload(&old, &fresh);
        assert_eq!(changes(&new), ["a ! command", "b ! environment: A", "c ~ stop,display", "d ="]);
        let editions: Vec<_> = new.plan.processes.iter().map(|p| p.revision).collect();
        assert_eq!((editions, new.plan.generation), (vec![1, 1, 0, 0], 1));
        fresh.env = vec![("B".into(), "2".into())];
        let all = reload(&new.plan, &fresh);
        assert!(
            all.changes.iter().all(|(_, c)| matches!(c, ProcessChange::Restarted { .. })),
            "{all:?}"
        );
    }

    #[test]
    fn what_follows_a_restart_is_said_to_be_restarted() {
        let mut old = with_ports(&["db", "web", "page", "rest", "other"]);
        for (id, on) in [(1, "db"), (2, "web"), (3, "db")] {
            let (on, until) = (ProcName::new(on).unwrap(), DependencyCondition::Ready);
            old.processes[id].rules.needs = vec![Need { on, until, restart: true }];
        }
        let mut fresh = old.clone();
        fresh.processes[0].command = "y".into();
        fresh.processes[1].stop_signal = 15;
        let mut new = reload(&old, &fresh);
        new.add_restarted_dependents(
            |_, change| matches!(change, ProcessChange::Restarted { .. }),
            |name| name.as_str() != "rest",
        );
        let all = ["db ! command", "web with db stop", "page with web ", "rest =", "other ="];
        assert_eq!(changes(&new), all);
    }

    #[test]
    fn what_is_gone_stays_in_its_place_and_may_come_back() {
        let old = with_ports(&["web", "job", "job#2?+"]);
        let mut fresh = with_ports(&["web"]);
        let gone = reload(&old, &fresh);
        assert_eq!(changes(&gone), ["web =", "job -", "job#2 -"]);
        assert!(gone.plan.processes[1].removed && gone.plan.processes[2].removed);
        fresh = with_ports(&["web", "job"]);
        let back = reload(&gone.plan, &fresh);
        assert_eq!(changes(&back), ["web =", "job +"]);
        assert_eq!((back.plan.processes[1].additions, back.plan.processes[2].removed), (1, true));
    }

    #[test]
    fn what_the_start_left_out_is_reloaded_once_it_is_started_and_never_named_before() {
        let mut fresh = with_ports(&["web"]);
        fresh.left_out = with_ports(&["job", "tool"]).processes;
        for process in &mut fresh.left_out {
            process.waits = true;
        }
        let old = fresh.clone();
        assert_eq!(changes(&reload(&old, &fresh)), ["web ="]);
        let old = take_in(&old, &["job".to_owned()], true).unwrap();
        fresh.left_out[0].command = "y".into();
        fresh.left_out[1].command = "y".into();
        let new = reload(&old, &fresh);
        assert_eq!(changes(&new), ["web =", "job ! command"]);
        assert_eq!(new.plan.left_out, fresh.left_out[1..]);
        // It is removed, and in the files again.
        let (gone, back) = (with_ports(&["web"]), fresh.clone());
        let old = reload(&new.plan, &gone).plan;
        assert!(old.processes[1].removed && old.left_out.is_empty());
        let new = reload(&old, &back);
        assert_eq!((changes(&new), new.plan.left_out.len()), (vec!["web =".to_owned()], 2));
        let old = take_in(&new.plan, &["job".to_owned()], true).unwrap();
        assert_eq!((old.processes.len(), old.processes[1].additions), (2, 2));
        // What was started with the run, and is left out by now, is removed.
        fresh.left_out.push(fresh.processes.remove(0));
        assert_eq!(changes(&reload(&old, &fresh)), ["web -", "job ="]);
    }

    #[test]
    fn of_failures_alone_only_those_are_taken() {
        let old = with_ports(&["web", "job?+"]);
        let mut fresh = with_ports(&["web"]);
        fresh.processes[0].command = "y".into();
        let text = Text { pattern: "x".into(), regex: false, any_case: true };
        let pattern = FailurePattern { text, action: FailureAction::Break };
        fresh.processes[0].rules.failures = vec![pattern];
        let new = reload(&old, &with_failures(&old, &|name| failures_of(&fresh, name)));
        assert_eq!(changes(&new)[0], "web ~ failure");
    }
}
