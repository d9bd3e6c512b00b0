//! Exits that were not requested, and what follows.

use crate::model::plan::rules::{
    Check, DependencyCondition, FailureAction, Need, Probe, RestartPolicy, Stage,
};
use crate::model::time::Timestamp;
use crate::model::{ProcessStatus, units};
use crate::tests::*;

#[test]
fn one_that_may_die_stops_nobody_and_counts() {
    let mut world = World::new(&["web", "seed?"]);
    world.settle();
    world.shims[1].die(Exit::Code(3));
    world.settle();
    world.check();
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    assert_eq!(world.machine.procs[1].status(), ProcessStatus::Exited);
    world.ask(1, Request::Restart { names: names(&["seed"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.machine.procs[1].status(), ProcessStatus::Running);
    world.shims[1].die(Exit::Code(4));
    world.settle();
    world.ask(2, Request::Quit);
    world.settle();
    assert_eq!(world.finished, [4], "as its last life ended");
    assert_eq!(world.machine.culprit, None);
}

#[test]
fn one_that_is_restarted_backs_off_and_never_gives_up() {
    let mut world = World::new(&["web!"]);
    world.settle();
    world.shims[0].die(Exit::Code(1));
    world.settle();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Running, "at once the first time");
    for pause in [1, 2, 4, 8, 16, 30, 30, 30] {
        world.shims[0].die(Exit::Code(1));
        world.settle();
        world.check();
        assert_eq!(world.machine.procs[0].status(), ProcessStatus::Restarting);
        let due = world.machine.next_due().unwrap();
        assert_eq!(units::whole_seconds(due.since(world.now)), pause);
        world.wait(pause - 1);
        assert_eq!(world.machine.procs[0].status(), ProcessStatus::Restarting);
        world.wait(1);
        assert_eq!(world.machine.procs[0].status(), ProcessStatus::Running);
    }
    world.wait(60);
    world.shims[0].die(Exit::Code(1));
    world.settle();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Running, "it had been stable");
    world.ask(1, Request::Quit);
    world.settle();
    assert_eq!(world.finished, [0], "what counts is its last life");
}

#[test]
fn what_waits_for_its_restart_can_be_stopped_and_started() {
    let mut world = World::new(&["web!"]);
    world.settle();
    for _ in 0..2 {
        world.shims[0].die(Exit::Code(1));
        world.settle();
    }
    world.ask(1, Request::Stop { names: vec![], order: ChangeOrder::default() });
    world.settle();
    assert!(matches!(&world.answers[..], [(1, Outcome { ok: true, .. })]));
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Stopped);
    assert_eq!(world.said.last().unwrap(), "Stopped: it is not restarted");
    world.wait(100);
    world.ask(2, Request::Restart { names: vec![], order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Stopped, "a user has stopped it");
    world.ask(2, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Running);
    world.shims[0].die(Exit::Code(1));
    world.settle();
    world.ask(3, Request::Restart { names: vec![], order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Running);
    assert_eq!(world.machine.next_due(), None);
}

#[test]
fn a_clock_that_is_set_back_lengthens_no_pause() {
    let mut world = World::new(&["web!"]);
    world.now = Timestamp::from_nanos(1_000_000_000_000);
    world.settle();
    for _ in 0..2 {
        world.shims[0].die(Exit::Code(1));
        world.settle();
    }
    world.now = Timestamp::from_nanos(5);
    world.wait(0);
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Restarting, "it begins anew");
    world.wait(1);
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Running);
}

/// Two steps that end, the second after the first.
fn pipeline() -> Plan {
    let mut plan = plan(&["build?", "deploy?"]);
    plan.ends_when_done = true;
    for process in &mut plan.processes {
        let (timeout_ms, every_ms) = (Check::TIMEOUT_MS, Check::EVERY_MS);
        process.rules.ready = vec![Check { probe: Probe::Exit { code: 0 }, timeout_ms, every_ms }];
    }
    let (on, until) = (plan.processes[0].name.clone(), DependencyCondition::Ready);
    plan.processes[1].rules.needs = vec![Need { on, until, restart: false }];
    plan
}

#[test]
fn a_run_of_steps_ends_when_all_are_done_or_one_has_failed() {
    for (codes, end) in [(vec![0, 0], 0), (vec![0, 3], 3), (vec![2], 2)] {
        let mut world = World::of(&pipeline());
        world.settle();
        for (id, code) in codes.iter().enumerate() {
            assert!(world.finished.is_empty());
            world.shims[id].die(Exit::Code(*code));
            world.settle();
        }
        assert_eq!(world.finished, [end]);
        assert!(!world.said.concat().contains("All processes have ended"), "{:?}", world.said);
        let culprit = world.machine.culprit.as_ref().map(|culprit| culprit.id.place());
        assert_eq!(culprit, codes.iter().position(|code| *code != 0));
    }
}

#[test]
fn a_run_goes_on_if_one_was_stopped_or_need_not_end_or_starts_on_request() {
    for case in 0..3 {
        let mut plan = pipeline();
        match case {
            0 => plan.processes[1].rules.ready.clear(),
            1 => plan.processes[1].waits = true,
            _ => {}
        }
        let mut world = World::of(&plan);
        world.settle();
        world.shims[0].die(Exit::Code(0));
        world.settle();
        if case == 2 {
            let (names, order) = (names(&["deploy"]), ChangeOrder::default());
            world.ask(1, Request::Stop { names, order });
        } else if case == 0 {
            world.shims[1].die(Exit::Code(0));
        }
        world.settle();
        assert_eq!(world.machine.run_phase, RunPhase::Running, "{case}");
    }
}

#[test]
fn skipped_processes_are_not_said_to_be_started() {
    let mut plan = plan(&["db?", "job?", "web?"]);
    plan.processes[0].rules.stage = Stage::Dependency;
    let (on, until) = (plan.processes[1].name.clone(), DependencyCondition::Completed);
    plan.processes[2].rules.needs = vec![Need { on, until, restart: false }];
    let mut world = World::of(&plan);
    world.settle();
    world.shims[1].die(Exit::Code(1));
    world.settle();
    let said = world.said.join("\n");
    assert!(said.contains("are started, except for those skipped: web"), "{said}");
}

/// A process that may end, and one that needs it to be ready after a second.
fn depending(restart: Option<RestartPolicy>) -> Plan {
    let mut plan = plan(&["a?", "w"]);
    plan.ends_when_done = true;
    let (timeout_ms, every_ms) = (Check::TIMEOUT_MS, Check::EVERY_MS);
    let check = Check { probe: Probe::Delay { ms: 1000 }, timeout_ms, every_ms };
    (plan.processes[0].rules.ready, plan.processes[0].rules.restart) = (vec![check], restart);
    let (on, until) = (plan.processes[0].name.clone(), DependencyCondition::Ready);
    plan.processes[1].rules.needs = vec![Need { on, until, restart: false }];
    plan
}

#[test]
fn a_run_goes_on_if_what_was_not_to_end_has_failed_and_all_others_are_skipped() {
    let broken = RestartPolicy { max_failures: 1, ..RestartPolicy::default() };
    for restart in [None, Some(broken)] {
        let mut world = World::of(&depending(restart));
        world.settle();
        world.shims[0].die(Exit::Code(1));
        world.settle();
        assert_eq!(world.machine.procs[1].status(), ProcessStatus::Skipped);
        assert_eq!(world.machine.run_phase, RunPhase::Running, "{:?}", world.said);
        assert!(world.said.last().unwrap().contains("All processes have ended"));
        let (names, order) = (names(&["a"]), ChangeOrder::default());
        world.ask(1, Request::Restart { names, order });
        world.settle();
        world.wait(1);
        assert_eq!(world.machine.procs[1].status(), ProcessStatus::Running);
    }
}

#[test]
fn a_run_ends_if_a_step_has_printed_a_failure_and_all_others_are_skipped() {
    let mut world = World::of(&pipeline());
    world.settle();
    let (id, line) = (ProcId::at(0), "fatal".to_owned());
    world.input(Input::Failing(id, LifeId::FIRST, FailureAction::Break, line));
    world.settle();
    assert_eq!(world.finished, [1], "{:?}", world.said);
}
