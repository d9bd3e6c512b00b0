//! Takeovers, repeated failures, and clocks that are set back or forward.

use super::order::stack::*;
use super::*;
use crate::Pane;
use crate::model::event::{Note, ShimGone};
use crate::model::plan::rules::{DependencyCondition, Need, Restart, RestartPolicy};
use crate::model::time::Timestamp;
use crate::model::{ProcId, ProcessStatus};

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;

/// The state after it was saved and loaded by an adopter.
fn taken_over(machine: &Supervisor, plan: &Plan) -> Supervisor {
    let text = serde_json::to_string(machine).unwrap();
    let mut machine: Supervisor = serde_json::from_str(&text).unwrap();
    machine.attach(plan);
    machine
}

impl World {
    fn take_over(&mut self, plan: &Plan) {
        self.machine = taken_over(&self.machine, plan);
        for effect in self.machine.resume(self.now) {
            self.effect(effect);
        }
    }

    /// A second passes in which nothing happens.
    fn pass_second(&mut self) {
        self.now += SECOND;
        self.input(Input::TimerFired);
    }

    /// The shim of a process is killed.
    fn lose_shim(&mut self, id: usize) {
        let Shim { seq, begun, .. } = self.shims[id];
        self.shims[id] = Shim { begun, seq, ..Shim::default() };
        self.input(Input::ShimGone(ProcId::at(id), vec![]));
    }
}

fn limited() -> Plan {
    let mut plan = plan(&["web?"]);
    let when = Restart::OnFailure;
    let policy = RestartPolicy { when, max_failures: 4, ..RestartPolicy::default() };
    plan.processes[0].rules.restart = Some(policy);
    plan
}

#[test]
fn who_was_killed_before_it_had_begun_leaves_the_order_to_the_next_one() {
    let plan = stack();
    let mut world = World::of(&plan);
    (world.machine, world.shims) = (
        Supervisor::new(&plan, Timestamp::EPOCH),
        plan.processes.iter().map(|_| Shim::default()).collect(),
    );
    world.take_over(&plan);
    world.settle();
    assert_eq!(
        world.statuses(),
        [
            ProcessStatus::Running,
            ProcessStatus::Pending,
            ProcessStatus::Pending,
            ProcessStatus::Pending,
            ProcessStatus::Stopped
        ]
    );
    world.take_over(&plan);
    world.settle();
    assert_eq!(
        world.statuses(),
        [
            ProcessStatus::Running,
            ProcessStatus::Pending,
            ProcessStatus::Pending,
            ProcessStatus::Pending,
            ProcessStatus::Stopped
        ]
    );
    world.pass(DB, 0);
    assert_eq!(world.status(MIGRATE), ProcessStatus::Running);
}

#[test]
fn a_shim_that_ends_again_and_again_before_it_begins_is_a_failure() {
    // The shim dies, either before the life is requested or after that and before it begins.
    for early in [true, false] {
        let mut world = World::of(&limited());
        let mut windows = 0;
        for _ in 0..1000 {
            if !world.shims[0].asked {
                if world.machine.procs[0].restarts.due.is_none() {
                    break;
                }
                world.pass_second();
                continue;
            }
            windows += 1;
            if early {
                world.shims[0].up = true;
                let (pane, tty, version) = ("%0".to_owned(), String::new(), String::new());
                world.tell(0, LifeEvent::Up { pid: 7, start_time: 1, pane, tty, version });
            } else {
                world.bring_up(0);
            }
            world.lose_shim(0);
        }
        let proc = &world.machine.procs[0];
        assert_eq!((proc.status(), proc.failures.times), (ProcessStatus::Broken, 4), "{proc:?}");
        assert_eq!(windows, 3 + 4);
        assert_eq!(proc.begun, 0, "none of it has run");
        world.ask(1, Request::Restart { names: vec![], order: ChangeOrder::default() });
        world.settle();
        assert_eq!(world.status(0), ProcessStatus::Running, "somebody has mended it");
    }
}

#[test]
fn a_shim_that_goes_before_it_begins_is_not_replaced_without_end() {
    let mut world = World::new(&["web?"]);
    let mut windows = 0;
    while world.shims[0].asked && windows < 100 {
        windows += 1;
        world.bring_up(0);
        let seq = world.shims[0].seq;
        world.shims[0] = Shim { seq, ..Shim::default() };
        world.tell(0, LifeEvent::Down {});
    }
    assert_eq!((windows, world.status(0)), (4, ProcessStatus::Exited));
    let note = Note::ShimGone(ShimGone::BeforeBegin);
    assert_eq!(world.machine.procs[0].note, Some(note));
}

#[test]
fn windows_that_come_to_nothing_are_opened_ever_less_often() {
    for policy in
        [None, Some(RestartPolicy { delay_ms: 0, max_failures: 0, ..RestartPolicy::default() })]
    {
        let mut plan = plan(&["web!"]);
        plan.processes[0].rules.restart = policy;
        let mut world = World::of(&plan);
        let (mut windows, end) = (0, HOUR);
        while world.now < Timestamp::from_nanos(end) {
            if world.shims[0].asked {
                windows += 1;
                world.bring_up(0);
                world.lose_shim(0);
            } else {
                world.pass_second();
            }
        }
        assert!(windows < 140, "{windows} in an hour");
    }
}

#[test]
fn only_lives_that_have_begun_are_counted() {
    let mut plan = plan(&["db?", "web?", "api"]);
    let on = ProcName::new("db").unwrap();
    plan.processes[1].rules.needs =
        vec![Need { on, until: DependencyCondition::Completed, restart: false }];
    let mut world = World::of(&plan);
    world.settle();
    for request_id in 1..4 {
        world.shims[0].die(Exit::Code(1));
        world.settle();
        assert_eq!(world.status(1), ProcessStatus::Skipped);
        world.ask(
            request_id,
            Request::Restart { names: names(&["web"]), order: ChangeOrder::default() },
        );
        world.settle();
    }
    assert_eq!(world.machine.procs[1].life, Some(LifeId::FIRST));
    assert_eq!(world.machine.procs[1].begun, 0);
    world.shims[0].die(Exit::Code(0));
    world.settle();
    assert_eq!((world.status(1), world.machine.procs[1].begun), (ProcessStatus::Running, 1));
    world.ask(5, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.machine.procs[1].begun, 2);
    world.take_over(&plan);
    assert_eq!(world.machine.procs[1].begun, 2, "who takes over has begun nothing");
}

#[test]
fn nobody_is_held_unready_because_nobody_was_there_to_ask() {
    let plan = stack();
    let mut world = World::of(&plan);
    world.settle();
    world.now += HOUR;
    world.take_over(&plan);
    world.input(Input::TimerFired);
    assert_eq!(
        world.statuses()[..2],
        [ProcessStatus::Running, ProcessStatus::Pending],
        "{:?}",
        world.said
    );
    world.pass(DB, 0);
    assert_eq!(world.status(MIGRATE), ProcessStatus::Running);
    // If the one further attempt fails, the timeout applies.
    let mut world = World::of(&plan);
    world.settle();
    world.now += HOUR;
    world.take_over(&plan);
    assert!(world.machine.next_due().unwrap() <= world.now + 5 * SECOND);
    world.wait(5);
    assert_ne!(world.machine.run_phase, RunPhase::Running);
}

#[test]
fn no_limit_gets_longer_by_a_clock_that_is_set() {
    let mut plan = limited();
    plan.processes[0].rules.ready = vec![check(log(), 10)];
    for back in [1, 5, 60, 3600] {
        let mut world = World::of(&plan);
        world.now = Timestamp::from_nanos(2 * HOUR);
        world.settle();
        world.now -= back * SECOND;
        if back > 1 {
            assert!(world.machine.is_set_back(world.now));
        }
        world.input(Input::TimerFired);
        assert!(!world.machine.is_set_back(world.now + 1), "it is mended by that");
        assert!(world.machine.next_due().unwrap() <= world.now + 10 * SECOND);
        world.wait(10);
        assert!(matches!(world.machine.procs[0].ready, super::super::Ready::No { .. }));

        world.shims[0].die(Exit::Code(1));
        world.settle();
        assert_eq!(world.status(0), ProcessStatus::Restarting);
        world.now -= back * SECOND;
        world.input(Input::TimerFired);
        assert!(!world.machine.is_set_back(world.now + 1));
        let due = world.machine.procs[0].restarts.due.unwrap();
        assert!(due <= world.now + 11 * SECOND / 10 && due >= world.now, "{back}");
        world.wait(2);
        assert_eq!(world.status(0), ProcessStatus::Running);
        assert_eq!(
            world.machine.procs[0].pane,
            Pane::Up { shim: 7, start_time: 1, id: "%0".into() }
        );
    }
}
