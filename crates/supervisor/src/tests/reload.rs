//! Applying a plan that changes during the run.

use super::*;
use crate::model::ProcId;
use crate::model::ids::or_zero;
use crate::model::plan::rules::{Check, DependencyCondition, Need, Probe, Stage, Text};
use crate::model::request::ChangeOrder;
use crate::model::time::Timestamp;
use crate::{Pane, Ready};

/// The plan of a run after a new configuration was merged into it.
fn laid(old: &Plan, fresh: &Plan) -> Plan {
    let mut plan = Plan { generation: old.generation + 1, processes: vec![], ..old.clone() };
    let named = |plan: &Plan, name: &ProcName| {
        plan.processes.iter().find(|process| process.name == *name).cloned()
    };
    for process in &old.processes {
        plan.processes.push(match named(fresh, &process.name) {
            Some(now) => ProcessPlan {
                revision: process.revision + u32::from(process.command != now.command),
                additions: process.additions + u32::from(process.removed),
                ..now
            },
            None => ProcessPlan { removed: true, ..process.clone() },
        });
    }
    let new = fresh.processes.iter().filter(|process| named(old, &process.name).is_none());
    plan.processes.extend(new.map(|process| ProcessPlan { additions: 1, ..process.clone() }));
    plan
}

/// A world in which all processes of this plan are running.
fn running(plan: &Plan) -> World {
    let mut world = World::of(plan);
    world.settle();
    world
}

/// Continue with a changed configuration, as the engine does; returns the plan of the run.
fn take_up(world: &mut World, old: &Plan, fresh: &Plan) -> Plan {
    let plan = laid(old, fresh);
    world.machine.grow(&plan, world.now);
    world.shims.resize_with(plan.processes.len(), Shim::default);
    plan
}

fn ask(world: &mut World, request_id: u64, plan: &Plan) -> Outcome {
    world.ask(request_id, Request::Reload { plan: Box::new(plan.clone()) });
    world.settle();
    let answer = world.answers.iter().find(|(id, _)| *id == request_id);
    answer.expect("an answer").1.clone()
}

fn lives(world: &World) -> Vec<(&str, u32, bool)> {
    let procs = world.machine.procs.iter();
    procs
        .map(|proc| (proc.name.as_str(), or_zero::number(proc.current_life()), proc.alive()))
        .collect()
}

#[test]
fn what_has_changed_is_done_and_all_else_let_be() {
    let old = plan(&["web", "api", "gone"]);
    let mut world = running(&old);
    let mut fresh = plan(&["new", "web", "api"]);
    fresh.processes[2].command = "y".into();
    let now = take_up(&mut world, &old, &fresh);
    let told = ask(&mut world, 1, &now);
    assert!(told.ok, "{told:?}");
    assert_eq!(told.names.iter().map(ProcName::as_str).collect::<Vec<_>>(), ["api", "gone", "new"]);
    let all = [("web", 1, true), ("api", 2, true), ("gone", 1, false), ("new", 1, true)];
    assert_eq!(lives(&world), all);
    assert!(!world.machine.procs[2].counts() && world.machine.procs[2].pane == Pane::None);
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    world.check();
    // There is nothing left to do.
    let again = take_up(&mut world, &now, &fresh);
    assert_eq!(ask(&mut world, 2, &again).names, []);
    assert_eq!(lives(&world), all);
    // A process that returns gets its former place.
    let back = take_up(&mut world, &now, &plan(&["web", "gone"]));
    assert!(ask(&mut world, 3, &back).ok);
    let all = [("web", 1, true), ("api", 2, false), ("gone", 2, true), ("new", 1, false)];
    assert_eq!(lives(&world), all);
    world.ask(4, Request::Restart { names: names(&["api"]), order: ChangeOrder::default() });
    assert!(world.answers.last().unwrap().1.unknown.is_some(), "it is no process any more");
    world.check();
}

#[test]
fn who_was_killed_between_writing_and_doing_is_followed_by_one_who_does() {
    let old = plan(&["web", "api", "gone"]);
    let mut world = running(&old);
    let mut fresh = plan(&["web", "api", "new"]);
    fresh.processes[1].command = "y".into();
    // The supervisor was killed after it wrote the plan and before it saved the state.
    let saved = serde_json::to_string(&world.machine).unwrap();
    let now = laid(&old, &fresh);
    let mut adopted: Supervisor = serde_json::from_str(&saved).unwrap();
    assert!(adopted.is_of(&now));
    adopted.grow(&now, Timestamp::from_nanos(50));
    world.machine = adopted;
    world.shims.resize_with(4, Shim::default);
    for effect in world.machine.resume(Timestamp::from_nanos(60)) {
        world.effect(effect);
    }
    world.settle();
    let all = [("web", 1, true), ("api", 2, true), ("gone", 1, false), ("new", 1, true)];
    assert_eq!(lives(&world), all);
    // A takeover after everything was done changes nothing.
    let saved = serde_json::to_string(&world.machine).unwrap();
    let mut adopted: Supervisor = serde_json::from_str(&saved).unwrap();
    adopted.grow(&now, Timestamp::from_nanos(70));
    world.machine = adopted;
    for effect in world.machine.resume(Timestamp::from_nanos(80)) {
        world.effect(effect);
    }
    world.settle();
    assert_eq!(lives(&world), all);
    world.check();
}

#[test]
fn who_was_stopped_stays_so_and_who_has_failed_tries_again() {
    let old = plan(&["web", "down", "dead?"]);
    let mut world = running(&old);
    world.ask(1, Request::Stop { names: names(&["down"]), order: ChangeOrder::default() });
    world.shims[2].die(Exit::Code(3));
    world.settle();
    let mut fresh = old.clone();
    fresh.processes[1].command = "y".into();
    fresh.processes[2].command = "y".into();
    let now = take_up(&mut world, &old, &fresh);
    assert!(ask(&mut world, 2, &now).ok);
    assert_eq!(lives(&world), [("web", 1, true), ("down", 1, false), ("dead", 2, true)]);
}

#[test]
fn who_is_just_restarting_runs_what_is_new_and_keeps_its_grace() {
    let old = plan(&["web"]);
    let mut world = running(&old);
    world.ask(1, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    world.shims[0].act(false);
    let mut fresh = old.clone();
    fresh.processes[0].command = "y".into();
    let now = take_up(&mut world, &old, &fresh);
    world.ask(2, Request::Reload { plan: Box::new(now) });
    assert_eq!(world.machine.procs[0].marks.kill_requested, None);
    world.settle();
    assert_eq!(lives(&world), [("web", 3, true)]);
    assert!(world.answers.iter().all(|(_, outcome)| outcome.ok), "{:?}", world.answers);
    world.check();
}

#[test]
fn nothing_is_reloaded_while_everything_is_being_stopped() {
    let old = plan(&["web"]);
    let mut world = running(&old);
    world.ask(1, Request::Quit);
    world.ask(2, Request::Reload { plan: Box::new(old) });
    let (id, outcome) = world.answers.last().unwrap();
    assert!(*id == 2 && outcome.problems == ["everything is being stopped"], "{outcome:?}");
}

#[test]
fn checks_that_were_passed_are_so_under_other_numbers() {
    let check = |pattern: &str| Check {
        probe: Probe::Log(Text { pattern: pattern.into(), regex: false, any_case: false }),
        timeout_ms: 1_000_000,
        every_ms: 1,
    };
    let mut old = plan(&["web"]);
    old.processes[0].rules.ready = vec![check("a"), check("b")];
    let mut world = running(&old);
    world.input(Input::Passed(ProcId::at(0), LifeId::FIRST, 1));
    let mut fresh = old.clone();
    fresh.processes[0].rules.ready = vec![check("b"), check("c")];
    let now = take_up(&mut world, &old, &fresh);
    assert!(ask(&mut world, 1, &now).ok);
    assert_eq!(world.machine.procs[0].ready, Ready::Waiting { passed: vec![0], heard: vec![] });
    fresh.processes[0].rules.ready = vec![check("b")];
    take_up(&mut world, &now, &fresh);
    assert!(world.machine.procs[0].is_ready());
    assert_eq!(lives(&world), [("web", 1, true)]);
}

#[test]
fn new_ones_wait_for_what_they_need_and_for_whoever_asks() {
    let old = plan(&["web"]);
    let mut world = running(&old);
    let mut fresh = plan(&["web", "db", "later", "sweep?"]);
    fresh.processes[1].rules.stage = Stage::Dependency;
    fresh.processes[2].waits = true;
    fresh.processes[3].rules.stage = Stage::Cleanup;
    let now = take_up(&mut world, &old, &fresh);
    assert!(ask(&mut world, 1, &now).ok);
    let all = [("web", 1, true), ("db", 1, true), ("later", 0, false), ("sweep", 0, false)];
    assert_eq!(lives(&world), all);
    world.ask(2, Request::Start { names: names(&["later"]), order: ChangeOrder::default() });
    world.settle();
    assert!(world.machine.procs[2].alive());
    world.ask(3, Request::Quit);
    world.settle();
    assert_eq!(lives(&world)[3], ("sweep", 1, true));
    world.shims[3].die(Exit::Code(0));
    world.settle();
    world.check();
}

#[test]
fn what_the_start_left_out_is_started_with_what_it_needs_also_after_a_takeover() {
    let old = plan(&["web"]);
    let mut now = plan(&["web", "job?", "db?"]);
    now.generation += 1;
    for process in &mut now.processes[1..] {
        (process.additions, process.waits) = (1, true);
    }
    let (on, until) = (ProcName::new("db").unwrap(), DependencyCondition::Ready);
    now.processes[1].rules.needs = vec![Need { on, until, restart: false }];
    let start = |names: &[&str]| Request::Start {
        names: names.iter().map(|&name| name.to_owned()).collect(),
        order: ChangeOrder::Dependencies,
    };
    for killed in [false, true] {
        let mut world = running(&old);
        world.ask(1, start(&["*"]));
        world.settle();
        assert_eq!(lives(&world), [("web", 1, true)]);
        if killed {
            let text = serde_json::to_string(&world.machine).unwrap();
            world.machine = serde_json::from_str(&text).unwrap();
            assert!(world.machine.is_of(&now));
        }
        world.machine.grow(&now, world.now);
        world.shims.resize_with(now.processes.len(), Shim::default);
        if killed {
            for effect in world.machine.resume(world.now) {
                world.effect(effect);
            }
            world.settle();
            assert_eq!(lives(&world), [("web", 1, true), ("job", 0, false), ("db", 0, false)]);
        }
        world.ask(2, start(&["job"]));
        world.settle();
        assert_eq!(lives(&world), [("web", 1, true), ("job", 1, true), ("db", 1, true)]);
        assert!(world.answers.iter().any(|(id, told)| *id == 2 && told.ok), "{:?}", world.answers);
    }
}
