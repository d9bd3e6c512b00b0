//! Processes that are requested after the run has begun.

use super::*;
use crate::model::ProcessStatus;
use crate::model::plan::rules::{Check, Probe, Stage};

/// A dependency that is ready when it has ended with code 0, and a process that begins only on
/// request.
fn on_demand() -> World {
    let mut plan = plan(&["db?", "web-"]);
    plan.processes[0].rules.stage = Stage::Dependency;
    let (timeout_ms, every_ms) = (Check::TIMEOUT_MS, Check::EVERY_MS);
    let probe = Probe::Exit { code: 0 };
    plan.processes[0].rules.ready = vec![Check { probe, timeout_ms, every_ms }];
    let mut world = World::of(&plan);
    world.settle();
    world
}

#[test]
fn one_that_is_asked_for_later_and_skipped_ends_no_run() {
    let mut world = on_demand();
    world.ask(1, Request::Start { names: names(&["web-"]), order: ChangeOrder::default() });
    world.settle();
    world.shims[0].die(Exit::Code(1));
    world.settle();
    assert_eq!(world.machine.procs[1].status(), ProcessStatus::Skipped);
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    assert!(!world.answers[0].1.ok, "{:?}", world.answers);
    assert!(world.finished.is_empty(), "{:?}", world.said);

    world.ask(2, Request::Start { names: names(&["web-"]), order: ChangeOrder::default() });
    world.settle();
    world.shims[0].die(Exit::Code(0));
    world.settle();
    assert_eq!(world.machine.procs[1].status(), ProcessStatus::Running);
}

#[test]
fn an_unknown_group_is_told_with_those_there_are() {
    let mut plan = plan(&["db", "web"]);
    for process in &mut plan.processes {
        process.rules.groups = vec!["front".into(), "all".into()];
    }
    let mut world = World::of(&plan);
    world.ask(1, Request::Stop { names: names(&["@nosuch"]), order: ChangeOrder::default() });
    let unknown = world.answers[0].1.unknown.clone().unwrap();
    assert_eq!(unknown.known, ["@all", "@front"]);
    world.ask(2, Request::Stop { names: names(&["nosuch"]), order: ChangeOrder::default() });
    assert_eq!(world.answers[1].1.unknown.clone().unwrap().known, ["db", "web"]);
}

#[test]
fn a_start_of_which_nothing_can_begin_has_failed() {
    let mut plan = plan(&["db?", "web"]);
    plan.processes[0].rules.stage = Stage::Dependency;
    let mut world = World::of(&plan);
    world.input(Input::Request(
        1,
        Request::Stop { names: names(&["db"]), order: ChangeOrder::default() },
        None,
    ));
    world.settle();
    assert_ne!(world.machine.run_phase, RunPhase::Running);
}
