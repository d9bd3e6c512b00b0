//! The exit code of the run, for all combinations of which process ends first, what is requested, and
//! how the other process reacts.

use super::*;
use crate::model::exit::Decider;
use crate::model::plan::rules::{DependencyCondition, Need};

/// Why the other process is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The first process ended with this status.
    First(Exit),
    /// The first process ended with success, then the user ended the run.
    FirstThenPerson,
    Quit,
    Kill,
    /// The user stopped the other process, then the first one ended with success.
    StopThenFirst,
}

const REASONS: [Reason; 7] = [
    Reason::First(Exit::Code(0)),
    Reason::First(Exit::Code(3)),
    Reason::First(Exit::Signal(11)),
    Reason::FirstThenPerson,
    Reason::Quit,
    Reason::Kill,
    Reason::StopThenFirst,
];

const ANSWERS: [Exit; 9] = [
    Exit::Code(0),
    Exit::Code(1),
    Exit::Code(7),
    Exit::Code(130),
    Exit::Code(143),
    Exit::Signal(2),
    Exit::Signal(15),
    Exit::Signal(9),
    Exit::Signal(11),
];

/// The documented rule, implemented independently.
fn expected(reason: Reason, answer: Exit, in_time: bool) -> u8 {
    let first = match reason {
        Reason::First(exit) => exit.shell_status(),
        Reason::FirstThenPerson | Reason::Quit | Reason::Kill | Reason::StopThenFirst => 0,
    };
    let nobody_asked = reason == Reason::First(Exit::Code(0));
    let of_stop = [Exit::Code(0), Exit::Code(130), Exit::Signal(2)].contains(&answer);
    let other = match (in_time, nobody_asked) {
        // The other process ended before it was asked to stop.
        (true, _) => answer.shell_status(),
        (false, true) if !of_stop => answer.shell_status(),
        (false, _) => 0,
    };
    first.max(other)
}

/// A run of `web` and `test`; if `adopted`, a new supervisor takes over after each step.
fn run(reason: Reason, answer: Exit, in_time: bool, adopted: bool) -> World {
    const WEB: usize = 0;
    const TEST: usize = 1;
    let mut world = World::new(&["web", "test"]);
    world.settle();
    let take_over = |world: &mut World| {
        if adopted {
            let saved = serde_json::to_string(&world.machine).unwrap();
            let mut machine: Supervisor = serde_json::from_str(&saved).unwrap();
            machine.attach(&plan(&["web", "test"]));
            world.machine = machine;
            for effect in world.machine.resume(world.now) {
                world.effect(effect);
            }
        }
    };
    if in_time {
        world.shims[TEST].die(answer);
    }
    let ends = |world: &mut World, exit| {
        world.shims[WEB].die(exit);
        while world.deliver(WEB) {}
    };
    let stop = Request::Stop { names: names(&["test"]), order: ChangeOrder::default() };
    let requests = match reason {
        Reason::First(exit) => (Some(exit), vec![]),
        Reason::FirstThenPerson => (Some(Exit::Code(0)), vec![Request::Quit]),
        Reason::Quit => (None, vec![Request::Quit]),
        Reason::Kill => (None, vec![Request::Kill]),
        Reason::StopThenFirst => (None, vec![stop]),
    };
    if let Some(exit) = requests.0 {
        ends(&mut world, exit);
        take_over(&mut world);
    }
    for request in requests.1 {
        world.ask(1, request);
        take_over(&mut world);
    }
    if reason == Reason::StopThenFirst {
        ends(&mut world, Exit::Code(0));
    }
    if !in_time {
        // It gets the stop signal and reacts in its own way.
        let unheeded = std::mem::take(&mut world.shims[TEST].spec).unwrap();
        world.shims[TEST].spec = Some((unheeded.0, unheeded.1, None));
        world.shims[TEST].act(false);
        world.deliver(TEST);
        take_over(&mut world);
        world.shims[TEST].die(answer);
    }
    take_over(&mut world);
    world.settle();
    world
}

#[test]
fn the_exit_code_is_the_highest_of_the_last_lives_each_judged_alone() {
    for reason in REASONS {
        for answer in ANSWERS {
            for (in_time, adopted) in [(false, false), (true, false), (false, true), (true, true)] {
                let world = run(reason, answer, in_time, adopted);
                let case = format!("{reason:?}, {answer:?}, before the stop: {in_time}, {adopted}");
                assert_eq!(
                    world.finished.last(),
                    Some(&expected(reason, answer, in_time)),
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn the_process_that_the_code_comes_from_is_known() {
    let of = |reason, answer, in_time| run(reason, answer, in_time, false).machine.decider();
    let decider = |name: &str, exit, interrupted| {
        Some(Decider { name: ProcName::new(name).unwrap(), exit, interrupted })
    };
    let success = Reason::First(Exit::Code(0));
    assert_eq!(of(success, Exit::Code(7), false), decider("test", Exit::Code(7), true));
    assert_eq!(of(success, Exit::Code(7), true), decider("test", Exit::Code(7), false));
    assert_eq!(of(success, Exit::Signal(2), false), None);
    assert_eq!(
        of(Reason::First(Exit::Code(3)), Exit::Code(7), false),
        decider("web", Exit::Code(3), false)
    );
    assert_eq!(of(Reason::Quit, Exit::Code(7), false), None);
}

#[test]
fn a_process_that_tmo_has_to_kill_after_the_grace_period_is_no_failure() {
    let mut world = World::new(&["web", "test"]);
    world.settle();
    world.shims[0].die(Exit::Code(0));
    while world.deliver(0) {}
    world.shims[1].act(false);
    world.deliver(1);
    world.tell(1, LifeEvent::Killing { life: LifeId::FIRST });
    world.shims[1].die(Exit::Signal(9));
    world.settle();
    assert_eq!(world.finished, [0]);
}

#[test]
fn a_stop_command_stops_before_the_stop_signal_does() {
    let mut plan = plan(&["web", "test"]);
    plan.processes[1].rules.stop_command = Some("x".into());
    let mut world = World::of(&plan);
    world.settle();
    world.ask(1, Request::Quit);
    world.shims[1].die(Exit::Code(5));
    world.settle();
    assert_eq!(world.finished, [0]);
}

#[test]
fn one_process_can_be_the_one_whose_code_counts() {
    for (end, code) in [(Exit::Code(0), 0), (Exit::Code(4), 4), (Exit::Signal(2), 130)] {
        for person in [false, true] {
            let mut plan = plan(&["web", "test"]);
            plan.exit_code_from = Some(plan.processes[1].name.clone());
            let mut world = World::of(&plan);
            world.settle();
            if person {
                world.ask(1, Request::Quit);
            } else {
                world.shims[0].die(Exit::Code(9));
                while world.deliver(0) {}
            }
            world.shims[1].act(false);
            world.shims[1].die(end);
            world.settle();
            assert_eq!(world.finished, [code], "{end:?}, {person}");
        }
    }
}

#[test]
fn a_skipped_process_fails_the_run_whatever_the_codes() {
    let mut plan = plan(&["web", "test?"]);
    let on = plan.processes[1].name.clone();
    plan.processes[0].rules.needs =
        vec![Need { on, until: DependencyCondition::Completed, restart: false }];
    let mut world = World::of(&plan);
    world.settle();
    world.ask(1, Request::Stop { names: names(&["test"]), order: ChangeOrder::default() });
    world.settle();
    world.ask(2, Request::Quit);
    world.settle();
    assert_eq!(world.finished, [1]);
}
