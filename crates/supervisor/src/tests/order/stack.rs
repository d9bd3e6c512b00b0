//! A stack of five processes for tests, with dependencies, main processes and a cleanup.

use crate::model::ProcessStatus;
use crate::model::plan::rules::{
    Check, DependencyCondition, Liveness, Need, PortOwner, Probe, Restart, RestartPolicy, Stage,
    Text,
};
use crate::tests::*;

pub(in crate::tests) const DB: usize = 0;
pub(in crate::tests) const MIGRATE: usize = 1;
pub(in crate::tests) const API: usize = 2;
pub(in crate::tests) const WEB: usize = 3;
pub(in crate::tests) const CLEAN: usize = 4;
pub(in crate::tests) const NAMES: [&str; 5] = ["db", "migrate", "api", "web", "clean"];

pub(in crate::tests) fn check(probe: Probe, seconds: u64) -> Check {
    Check { probe, timeout_ms: seconds * 1000, every_ms: 100 }
}

pub(in crate::tests) fn port() -> Probe {
    Probe::Port { host: "localhost".into(), port: 1, owner: PortOwner::Auto }
}

pub(in crate::tests) fn log() -> Probe {
    Probe::Log(Text { pattern: "up".into(), regex: false, any_case: true })
}

/// A database and a migration as dependencies, an API, a website that needs the API, and a cleanup.
pub(in crate::tests) fn stack() -> Plan {
    let mut plan = plan(&["db?", "migrate?", "api", "web?", "clean?"]);
    let rules = |plan: &mut Plan,
                 id: usize,
                 change: &dyn Fn(&mut crate::model::plan::rules::ProcessPolicy)| {
        change(&mut plan.processes[id].rules);
    };
    rules(&mut plan, DB, &|rules| {
        rules.stage = Stage::Dependency;
        rules.ready = vec![check(port(), 30)];
        rules.restart = Some(RestartPolicy {
            when: Restart::OnFailure,
            max_failures: 3,
            ..RestartPolicy::default()
        });
    });
    rules(&mut plan, MIGRATE, &|rules| {
        rules.stage = Stage::Dependency;
        rules.ready = vec![check(Probe::Exit { code: 0 }, 20)];
        let on = ProcName::new("db").unwrap();
        rules.needs = vec![Need { on, until: DependencyCondition::Ready, restart: false }];
    });
    rules(&mut plan, API, &|rules| {
        rules.ready = vec![check(log(), 10), check(Probe::Delay { ms: 1000 }, 10)];
        rules.soft_codes = vec![75];
        rules.restart = Some(RestartPolicy { when: Restart::Always, ..RestartPolicy::default() });
        rules.live = Some(Liveness {
            probe: port(),
            timeout_ms: 1000,
            every_ms: 1000,
            failures: 2,
            action: crate::model::plan::rules::Reaction::Restart,
        });
    });
    rules(&mut plan, WEB, &|rules| {
        let on = ProcName::new("api").unwrap();
        rules.needs = vec![Need { on, until: DependencyCondition::Ready, restart: false }];
        rules.groups = vec!["front".into()];
    });
    rules(&mut plan, CLEAN, &|rules| rules.stage = Stage::Cleanup);
    plan
}

impl World {
    pub(in crate::tests) fn status(&self, id: usize) -> ProcessStatus {
        self.machine.procs[id].status()
    }

    pub(in crate::tests) fn statuses(&self) -> Vec<ProcessStatus> {
        self.machine.procs.iter().map(crate::Proc::status).collect()
    }

    pub(in crate::tests) fn pass(&mut self, id: usize, check: usize) {
        self.pass_alone(id, check);
        self.settle();
    }

    pub(in crate::tests) fn pass_alone(&mut self, id: usize, check: usize) {
        let life = self.machine.procs[id].current_life().unwrap();
        self.input(Input::Passed(ProcId::at(id), life, check));
    }

    pub(in crate::tests) fn end(&mut self, id: usize, exit: Exit) {
        assert!(self.shims[id].alive, "{} does not run", NAMES[id]);
        self.shims[id].die(exit);
        self.settle();
    }

    /// A world in which the whole stack is running and ready.
    pub(in crate::tests) fn up() -> Self {
        Self::up_with(&stack())
    }

    /// The same with a changed plan of the stack.
    pub(in crate::tests) fn up_with(plan: &Plan) -> Self {
        let mut world = Self::of(plan);
        world.settle();
        world.pass(DB, 0);
        world.end(MIGRATE, Exit::Code(0));
        world.pass(API, 0);
        world.wait(1);
        assert_eq!(
            world.statuses(),
            [
                ProcessStatus::Running,
                ProcessStatus::Exited,
                ProcessStatus::Running,
                ProcessStatus::Running,
                ProcessStatus::Stopped
            ]
        );
        world
    }
}
