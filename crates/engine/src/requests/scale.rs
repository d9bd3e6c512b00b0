//! Adding instances of an entry during the run.
//!
//! Everything that they need exists before the state machine starts them: a place in the plan, a
//! stream in the journal, the files of a pane. They are appended and never removed, so that all
//! process numbers remain valid; an instance that is scaled away just does not count any more.

use std::collections::BTreeMap;

use crate::core::Engine;
use crate::event_loop::afford;
use crate::model::name::check_length;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::{ProcId, ProcName};

impl Engine {
    /// Make sure that there are this many instances of each entry; unknown entries are ignored.
    pub(crate) fn make_room(&mut self, counts: &BTreeMap<String, u16>) -> Result<(), String> {
        let missing: usize = counts.iter().map(|(entry, n)| missing(&self.plan, entry, *n)).sum();
        if missing == 0 {
            return Ok(());
        }
        // Check this first: creating far too many instances would block all clients.
        afford(&self.plan, missing).map_err(|error| error.to_string())?;
        let mut plan = self.plan.clone();
        for (entry, count) in counts {
            add_instances(&mut plan, entry, *count)?;
        }
        plan.generation = plan.generation.saturating_add(1);
        self.change_plan(plan)
    }

    /// Close the window of an instance that was scaled away; scaled up again, it gets a new one.
    pub(crate) fn close(&mut self, id: ProcId) {
        let Some(pane) = self.panes[id].terminal.pane.take() else { return };
        let (terminals, shim) = (self.terminals.clone(), self.panes[id].shim.current);
        tokio::task::spawn_local(async move {
            if let Err(error) = terminals.close(&pane, shim).await {
                tracing::debug!(%error, "a window can't be closed");
            }
        });
    }
}

/// How many of the first `count` instances of an entry are missing.
fn missing(plan: &Plan, entry: &str, count: u16) -> usize {
    let there =
        plan.present().filter(|process| process.name.entry() == entry && process.action.is_none());
    if there.clone().next().is_none() {
        return 0;
    }
    let meant = there.filter(|process| process.name.instance() <= u64::from(count)).count();
    usize::from(count).saturating_sub(meant)
}

/// Add the missing ones of the first `count` instances of an entry, modelled on its first instance.
fn add_instances(plan: &mut Plan, entry: &str, count: u16) -> Result<(), String> {
    let of_entry = |process: &&ProcessPlan| process.name.entry() == entry;
    let Some(first) = plan.present().filter(of_entry).min_by_key(|p| p.name.instance()) else {
        return Ok(());
    };
    let first = first.clone();
    for instance in 1..=count {
        let there =
            |p: &ProcessPlan| p.name.entry() == entry && p.name.instance() == u64::from(instance);
        if plan.present().any(there) {
            continue;
        }
        let name = format!("{entry}#{instance}");
        check_length(&name).map_err(|long| long.to_string())?;
        let name = ProcName::new(name).map_err(|e| e.to_string())?;
        let port = first.port.map(|port| port_of(plan, &name, port)).transpose()?;
        let colors = plan.colors.len().max(1);
        let color = plan.colors.get(plan.processes.len() % colors).copied();
        let fresh = ProcessPlan {
            name,
            port,
            color: color.unwrap_or(first.color),
            waits: true,
            added: true,
            additions: 0,
            revision: 0,
            own_revision: 0,
            // Only the first instance is installed.
            install: None,
            action: None,
            ..first.clone()
        };
        // An instance that a reload has removed still has its place.
        match plan.processes.iter_mut().find(|process| process.name == fresh.name) {
            Some(old) => {
                let ProcessPlan { color, additions, revision, .. } = *old;
                *old = ProcessPlan { color, additions, revision, ..fresh };
            }
            None => plan.processes.push(fresh),
        }
    }
    Ok(())
}

/// The port of an instance. It must not be that of another entry.
fn port_of(plan: &Plan, name: &ProcName, first: u16) -> Result<u16, String> {
    let step = u64::from(plan.formation_port_step);
    let port = u64::from(first) + step * name.instance().saturating_sub(1);
    let Ok(port) = u16::try_from(port) else {
        return Err(format!("the port of {name} would be above 65535"));
    };
    let others = plan.present().filter(|process| process.name.entry() != name.entry());
    match others.into_iter().find(|process| process.port == Some(port)) {
        Some(other) => {
            Err(format!("{name} would have port {port}, which is that of {}", other.name))
        }
        None => Ok(port),
    }
}

#[cfg(test)]
mod tests {
    use super::{add_instances, missing};
    use crate::model::ProcName;
    use crate::model::plan::{OnExit, Plan, ProcessPlan, Stdin};

    fn plan() -> Plan {
        let mut plan = tmo_base::testing::plan(&[]);
        let process = |(name, port): (&str, u16)| ProcessPlan {
            name: ProcName::new(name).unwrap(),
            command: "run".into(),
            shell: "/bin/sh".into(),
            port: Some(port),
            has_own_port: false,
            color: 2,
            stop_signal: 2,
            on_exit: OnExit::Remain,
            stdin: Stdin::default(),
            waits: false,
            added: false,
            removed: false,
            additions: 0,
            revision: 0,
            own_revision: 0,
            argv: None,
            cwd: None,
            env: vec![],
            grace_ms: None,
            install: None,
            action: None,
            rules: crate::model::plan::rules::ProcessPolicy::default(),
        };
        plan.processes = [("web", 5000), ("job#1", 5100), ("job#2", 5110)].map(process).into();
        (plan.formation_port_step, plan.colors) = (10, vec![2, 3, 4, 5]);
        plan
    }

    #[test]
    fn instances_follow_the_first_in_all_but_name_port_and_colour() {
        let mut plan = plan();
        let lack = |entry, count| missing(&plan, entry, count);
        assert_eq!(
            (lack("web", 3), lack("job", 3), lack("job", 1), lack("nosuch", 2)),
            (2, 1, 0, 0)
        );
        add_instances(&mut plan, "web", 3).unwrap();
        add_instances(&mut plan, "job", 3).unwrap();
        add_instances(&mut plan, "job", 2).unwrap();
        add_instances(&mut plan, "nosuch", 2).unwrap();
        let new: Vec<_> = plan.processes[3..]
            .iter()
            .map(|p| (p.name.as_str(), p.port, p.color, p.added && p.waits))
            .collect();
        let expected = [
            ("web#2", Some(5010), 5, true),
            ("web#3", Some(5020), 2, true),
            ("job#3", Some(5120), 3, true),
        ];
        assert_eq!(new, expected);
    }

    #[test]
    fn a_port_of_another_process_is_not_given_away() {
        let mut plan = plan();
        let reported = add_instances(&mut plan, "web", 11).unwrap_err();
        assert_eq!(reported, "web#11 would have port 5100, which is that of job#1");
        plan = self::plan();
        plan.formation_port_step = 30_000;
        let reported = add_instances(&mut plan, "web", 4).unwrap_err();
        assert_eq!(reported, "the port of web#4 would be above 65535");
        plan = self::plan();
        plan.formation_port_step = 0;
        add_instances(&mut plan, "web", 11).unwrap();
        assert_eq!(plan.processes.last().unwrap().port, Some(5000));
    }
}
