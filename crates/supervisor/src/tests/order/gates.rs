//! The start order: needs, and what happens if they cannot be met.

use super::stack::*;
use crate::model::plan::rules::FailureAction;
use crate::model::{ProcId, ProcessStatus};
use crate::tests::*;

#[test]
fn each_waits_for_its_turn() {
    let mut world = World::of(&stack());
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
    assert_eq!(world.machine.awaited(ProcId::at(API)), "db, migrate");
    assert_eq!(world.machine.awaited(ProcId::at(WEB)), "api, db, migrate");
    world.pass(DB, 0);
    assert_eq!(
        world.statuses(),
        [
            ProcessStatus::Running,
            ProcessStatus::Running,
            ProcessStatus::Pending,
            ProcessStatus::Pending,
            ProcessStatus::Stopped
        ]
    );
    world.end(MIGRATE, Exit::Code(0));
    assert_eq!(
        world.statuses(),
        [
            ProcessStatus::Running,
            ProcessStatus::Exited,
            ProcessStatus::Running,
            ProcessStatus::Pending,
            ProcessStatus::Stopped
        ]
    );
    world.pass(API, 0);
    assert_eq!(world.status(WEB), ProcessStatus::Pending, "both checks count");
    world.wait(1);
    assert_eq!(world.status(WEB), ProcessStatus::Running);
    world.ask(1, Request::Quit);
    world.settle();
    world.end(CLEAN, Exit::Code(0));
    assert_eq!(world.finished, [0]);
}

#[test]
fn a_dependency_that_fails_ends_the_start() {
    for case in 0..3 {
        let mut world = World::of(&stack());
        world.settle();
        match case {
            0 => world.wait(31),
            1 => {
                world.pass(DB, 0);
                world.end(MIGRATE, Exit::Code(9));
            }
            _ => {
                for _ in 0..3 {
                    world.end(DB, Exit::Code(2));
                    world.wait(2);
                }
            }
        }
        world.settle();
        if world.shims[CLEAN].alive {
            world.end(CLEAN, Exit::Code(0));
        }
        assert!(world.finished.len() == 1 && world.finished[0] > 0, "{case} {:?}", world.finished);
        assert!(world.machine.procs[WEB].last.pid.is_none(), "{case}");
        let said = world.said.join("\n");
        let why =
            ["did not listen on localhost:1 within 30 s", "ended with code 9", "3 times in a row"];
        assert!(said.contains("The start failed: ") && said.contains(why[case]), "{case} {said}");
        let blamed =
            world.machine.culprit.as_ref().map(|culprit| (culprit.id.place(), culprit.exit));
        let ends = [None, Some((MIGRATE, Exit::Code(9))), Some((DB, Exit::Code(2)))];
        assert_eq!(blamed, ends[case], "whose last lines the last words repeat");
    }
}

#[test]
fn one_that_is_skipped_ends_no_run_that_was_stopped_by_hand() {
    let mut world = World::up();
    world.ask(1, Request::Stop { names: vec![], order: ChangeOrder::default() });
    world.settle();
    world.ask(2, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    assert_eq!(world.status(WEB), ProcessStatus::Pending);
    world.ask(
        3,
        Request::Stop { names: names(&["db", "migrate", "api"]), order: ChangeOrder::default() },
    );
    world.settle();
    assert_eq!(world.status(WEB), ProcessStatus::Skipped, "{:?}", world.said);
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    assert!(world.finished.is_empty());
}

#[test]
fn what_is_needed_is_started_with_who_needs_it() {
    let mut world = World::up();
    world.ask(
        1,
        Request::Stop { names: names(&["db", "api", "web"]), order: ChangeOrder::default() },
    );
    world.settle();
    world.ask(2, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(
        world.statuses(),
        [
            ProcessStatus::Running,
            ProcessStatus::Exited,
            ProcessStatus::Pending,
            ProcessStatus::Pending,
            ProcessStatus::Stopped
        ]
    );
    world.pass(DB, 0);
    world.pass(API, 0);
    world.wait(1);
    assert_eq!(world.status(WEB), ProcessStatus::Running);
    assert!(world.answers.iter().any(|(request_id, outcome)| *request_id == 2 && outcome.ok));
}

#[test]
fn one_that_was_broken_by_what_it_printed_is_named_at_the_end() {
    let mut world = World::up();
    for _ in 0..10 {
        let life = world.machine.procs[API].current_life().unwrap();
        let line = "panic".to_owned();
        world.input(Input::Failing(ProcId::at(API), life, FailureAction::Restart, line));
        world.settle();
        world.wait(2);
    }
    assert_eq!(world.status(API), ProcessStatus::Broken);
    // However long ago that was.
    world.wait(3600);
    world.ask(1, Request::Quit);
    world.settle();
    let failing = world.machine.failing_at_end(world.now);
    let failing: Vec<_> = failing.map(|(name, times)| (name.as_str(), times)).collect();
    assert_eq!(failing, [("api", 10)]);
}

#[test]
fn a_crash_loop_is_known_at_every_moment_until_it_is_stable_or_stopped() {
    let mut world = World::up();
    let times = |world: &World| world.machine.procs[API].crash_loop(world.now).map(|one| one.times);
    assert_eq!(times(&world), None);
    for crashes in 1..=5 {
        world.shims[API].die(Exit::Code(1));
        // The main process is gone, then its tree.
        while world.deliver(API) {
            assert_eq!(times(&world), Some(crashes), "{:?}", world.status(API));
        }
        world.now += 2_000_000_000;
        world.input(Input::TimerFired);
        assert_eq!(times(&world), Some(crashes), "{:?}", world.status(API));
        world.settle();
        assert_eq!((world.status(API), times(&world)), (ProcessStatus::Running, Some(crashes)));
    }
    world.now += 3600 * 1_000_000_000;
    assert_eq!(times(&world), None, "it has been stable");
    world.shims[API].die(Exit::Code(1));
    world.settle();
    assert_eq!(times(&world), Some(1));
    world.ask(1, Request::Stop { names: names(&["api"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!((world.status(API), times(&world)), (ProcessStatus::Stopped, None));
}

#[test]
fn failures_are_counted_until_it_is_broken() {
    let mut world = World::up();
    for times in 1..=10 {
        world.end(API, Exit::Signal(11));
        assert_eq!(
            world.status(API),
            if times == 10 { ProcessStatus::Broken } else { ProcessStatus::Restarting }
        );
        world.wait(2);
    }
    assert_eq!(world.machine.procs[API].current_life(), Some(LifeId::nth(10)), "no eleventh");
    assert_eq!(world.status(WEB), ProcessStatus::Running, "the others go on");
    world.ask(1, Request::Restart { names: names(&["api"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(
        (world.status(API), world.machine.procs[API].failures.times),
        (ProcessStatus::Running, 0)
    );
    // Neither a success nor a soft failure counts as a failure.
    world.end(API, Exit::Code(1));
    world.wait(2);
    world.end(API, Exit::Code(75));
    world.wait(2);
    assert_eq!(world.machine.procs[API].failures.times, 1);
    world.wait(60);
    world.end(API, Exit::Code(1));
    assert_eq!(world.machine.procs[API].failures.times, 1);
    world.wait(2);
    world.end(API, Exit::Code(127));
    assert_eq!(
        world.status(API),
        ProcessStatus::Error,
        "it would not be found the next time either"
    );
}

#[test]
fn one_that_is_skipped_while_it_stops_is_over() {
    let mut world = World::up();
    world.ask(1, Request::Stop { names: names(&["db"]), order: ChangeOrder::default() });
    world.settle();
    // It stops slowly, and meanwhile it is requested again together with what it needs.
    world.ask(2, Request::Stop { names: names(&["web"]), order: ChangeOrder::default() });
    world.ask(3, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.bring_up(DB);
    world.shims[DB].act(true);
    while world.deliver(DB) {}
    world.shims[WEB].act(true);
    while world.deliver(WEB) {}
    assert_eq!(world.status(WEB), ProcessStatus::Pending, "its turn has not come");
    world.end(DB, Exit::Code(127));
    assert_eq!(
        (world.status(DB), world.status(WEB)),
        (ProcessStatus::Error, ProcessStatus::Skipped)
    );
    assert!(world.answers.iter().any(|(request_id, outcome)| *request_id == 3 && !outcome.ok));
    // A repeated request succeeds, because it also starts the dependency again.
    world.ask(4, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.pass(DB, 0);
    assert_eq!(world.status(WEB), ProcessStatus::Running);
}

#[test]
fn a_shim_that_says_once_more_that_it_is_there_is_the_same() {
    let mut world = World::new(&["web"]);
    world.settle();
    let pane = "%0".to_owned();
    let (tty, version) = (String::new(), String::new());
    world.tell(0, LifeEvent::Up { pid: 7, start_time: 1, pane, tty, version });
    world.ask(1, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    assert!(matches!(&world.answers[..], [(1, Outcome { ok: true, .. })]));
    world.ask(2, Request::Stop { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.ask(3, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    assert!(matches!(&world.answers[2], (3, Outcome { ok: true, .. })));
}

#[test]
fn nothing_begins_before_its_output_is_taken() {
    let mut world = World::of(&stack());
    world.bring_up(DB);
    world.shims[DB].act(true);
    while world.deliver(DB) {}
    world.bring_up(MIGRATE);
    world.shims[API].up = true;
    let (pane, tty, version) = ("%9".to_owned(), String::new(), String::new());
    world.tell(API, LifeEvent::Up { pid: 7, start_time: 1, pane, tty, version });
    world.pass_alone(DB, 0);
    world.shims[MIGRATE].act(true);
    while world.deliver(MIGRATE) {}
    world.shims[MIGRATE].die(Exit::Code(0));
    while world.deliver(MIGRATE) {}
    assert!(!world.machine.procs[API].waiting, "its turn has come");
    assert_eq!(world.shims[API].spec, None, "its sink has not");
    for effect in world.machine.resume(world.now) {
        world.effect(effect);
    }
    assert_eq!(world.shims[API].spec, None);
    world.input(Input::PaneReady(ProcId::at(API)));
    assert_eq!(world.shims[API].spec, Some((Want::Run, Some(LifeId::FIRST), None)));
}

#[test]
fn all_are_those_that_run_by_themselves() {
    let mut plan = stack();
    plan.processes[WEB].waits = true;
    let mut world = World::of(&plan);
    world.settle();
    world.pass(DB, 0);
    world.end(MIGRATE, Exit::Code(0));
    world.pass(API, 0);
    world.wait(1);
    for request in [
        Request::Restart { names: vec![], order: ChangeOrder::default() },
        Request::Start { names: vec![], order: ChangeOrder::default() },
    ] {
        world.ask(1, request);
        world.settle();
        world.pass(DB, 0);
        assert_eq!(world.status(CLEAN), ProcessStatus::Stopped, "the run goes on");
        assert_eq!(world.status(WEB), ProcessStatus::Stopped, "nobody has asked for it");
    }
    assert_eq!(world.machine.procs[API].current_life(), Some(LifeId::nth(2)));
    world.ask(2, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.machine.procs[WEB].life, Some(LifeId::FIRST));
}

#[test]
fn a_run_goes_on_without_the_window_of_one_that_was_asked_for_later() {
    let mut world = World::new(&["web", "later-"]);
    world.machine.procs[1].name = ProcName::new("later").unwrap();
    world.settle();
    world.ask(1, Request::Start { names: names(&["later"]), order: ChangeOrder::default() });
    world.input(Input::NoPane(ProcId::at(1), "no more pseudo-terminals".into()));
    assert_eq!(world.statuses(), [ProcessStatus::Running, ProcessStatus::Error]);
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    assert!(!world.answers[0].1.ok, "{:?}", world.answers);
}
