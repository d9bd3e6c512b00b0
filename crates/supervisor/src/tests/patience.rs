//! Second requests, slow stops, and runs in which every process has ended.

use proptest::prelude::*;

use super::*;
use crate::model::plan::rules::FailureAction;
use crate::model::request::SAME_REQUEST;
use crate::model::time::Timestamp;
use crate::model::{ProcId, ProcessStatus};

const STILL: &str = "still run";

impl World {
    fn slow(&self) -> Vec<&String> {
        self.said.iter().filter(|text| text.contains(STILL)).collect()
    }

    /// All processes get the stop signal and ignore it.
    fn ignore_the_stop(&mut self) {
        for id in 0..self.shims.len() {
            self.shims[id].act(false);
            while self.deliver(id) {}
        }
    }
}

#[test]
fn a_slow_stop_names_all_that_still_run_once() {
    let mut world = World::new(&["web", "api", "db"]);
    world.settle();
    world.ask(1, Request::Quit);
    world.ignore_the_stop();
    world.shims[2].die(Exit::Code(0));
    while world.deliver(2) {}
    let due = world.machine.next_due().unwrap();
    assert!(due <= world.now + 1_000_000_000);
    for _ in 0..3 {
        world.now += 1_000_000_000;
        world.input(Input::TimerFired);
    }
    let told = "web (pid 101), api (pid 101) still run; SIGKILL in 4 s, \
                Ctrl-C again or `tmo kill` kills them now";
    assert_eq!(world.slow(), [told]);
    assert_eq!(world.machine.next_due(), None, "nothing more is due");
}

#[test]
fn a_slow_stop_of_one_process_names_the_command_that_kills_it() {
    for (request, verb) in [
        (Request::Stop { names: names(&["web"]), order: ChangeOrder::default() }, "stop"),
        (Request::Restart { names: names(&["web"]), order: ChangeOrder::default() }, "restart"),
    ] {
        let mut world = World::new(&["web", "api"]);
        world.settle();
        world.ask(1, request);
        world.ignore_the_stop();
        world.now += 1_100_000_000;
        world.input(Input::TimerFired);
        let told =
            format!("web (pid 101) still runs; SIGKILL in 4 s, `tmo {verb} web` kills it now");
        assert_eq!(world.slow(), [&told]);
    }
}

#[test]
fn an_adopter_does_not_repeat_it() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.ask(1, Request::Quit);
    world.ignore_the_stop();
    world.now += 1_100_000_000;
    world.input(Input::TimerFired);
    let saved = serde_json::to_string(&world.machine).unwrap();
    world.machine = serde_json::from_str(&saved).unwrap();
    world.machine.attach(&plan(&["web"]));
    world.machine.resume(world.now);
    world.now += 1_000_000_000;
    world.input(Input::TimerFired);
    assert_eq!(world.slow().len(), 1);
}

#[test]
fn a_stop_that_is_soon_over_anyway_says_nothing() {
    for (grace_ms, kill) in [(1200, false), (5000, true)] {
        let mut plan = plan(&["web"]);
        plan.grace_ms = grace_ms;
        let mut world = World::of(&plan);
        world.settle();
        world.ask(1, Request::Quit);
        world.ignore_the_stop();
        if kill {
            world.ask(2, Request::Kill);
        }
        world.now += 3_000_000_000;
        world.input(Input::TimerFired);
        assert_eq!(world.slow(), [""; 0]);
    }
}

#[test]
fn the_end_of_everything_is_told_each_time_it_comes() {
    let mut world = World::new(&["web?", "seed?"]);
    world.settle();
    let idle = |world: &World| {
        world.said.iter().filter(|text| text.contains("All processes have ended")).count()
    };
    for id in [0, 1] {
        assert_eq!(idle(&world), 0);
        world.shims[id].die(Exit::Code(0));
        world.settle();
    }
    world.input(Input::TimerFired);
    assert_eq!(idle(&world), 1);
    world.ask(1, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.shims[0].die(Exit::Code(0));
    world.settle();
    assert_eq!(idle(&world), 2);
    world.ask(2, Request::Quit);
    world.settle();
    assert_eq!(idle(&world), 2);
}

#[test]
fn what_waits_for_its_restart_has_not_ended() {
    let mut world = World::new(&["web!"]);
    world.settle();
    for _ in 0..2 {
        world.shims[0].die(Exit::Code(1));
        world.settle();
    }
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Restarting);
    assert!(!world.said.join(" ").contains("have ended"), "{:?}", world.said);
}

fn stop_web() -> Request {
    Request::Stop { names: names(&["web"]), order: ChangeOrder::default() }
}

fn restart_web() -> Request {
    Request::Restart { names: names(&["web"]), order: ChangeOrder::default() }
}

proptest! {
    /// Requests to stop `web`, which ignores the stop signal, after pauses of this many milliseconds.
    #[test]
    fn a_request_kills_once_another_one_is_300_ms_old(
        by_itself in any::<bool>(),
        requests in proptest::collection::vec((0u64..400, 0usize..3), 1..8),
    ) {
        let mut world = World::new(&["web", "api"]);
        world.settle();
        if by_itself {
            world.input(Input::Failing(ProcId::at(0), LifeId::FIRST, FailureAction::Break, "panic".into()));
        }
        let (mut asked, mut asked_all) = (None, None);
        for (request_id, (pause, what)) in (1..).zip(requests) {
            world.ignore_the_stop();
            world.now += pause * 1_000_000;
            let now = world.now;
            let is_second = |first: &mut Option<Timestamp>| {
                now.since(*first.get_or_insert(now)) >= SAME_REQUEST
            };
            let kills = match what {
                1 if asked_all.is_some() => false,
                0 | 1 => is_second(&mut asked),
                _ => {
                    let kills = is_second(&mut asked_all);
                    asked.get_or_insert(now);
                    kills
                }
            };
            let request = [stop_web(), restart_web(), Request::Quit][what].clone();
            world.ask(request_id, request);
            prop_assert_eq!(world.machine.procs[0].marks.kill_requested.is_some(), kills);
            if kills {
                break;
            }
        }
        world.settle();
        world.check();
        let killed = |text: &&String| *text == "Killing...";
        prop_assert!(world.said.iter().filter(killed).count() <= 2, "{:?}", world.said);
    }
}

#[test]
fn two_restarts_at_once_begin_one_life() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.ask(1, restart_web());
    world.now += 20_000_000;
    world.ask(2, restart_web());
    world.settle();
    assert_eq!(world.machine.procs[0].life, Some(LifeId::nth(2)));
    assert_eq!(world.said, ["Interrupting..."]);
    assert!(matches!(
        &world.answers[..],
        [(1, Outcome { ok: true, .. }), (2, Outcome { ok: true, .. })]
    ));
    // A request that comes during the next life is a new one.
    world.now += 20_000_000;
    world.ask(3, restart_web());
    world.settle();
    assert_eq!(world.machine.procs[0].life, Some(LifeId::nth(3)));
    assert_eq!(world.machine.procs[0].marks.kill_requested, None);
}

#[test]
fn a_restart_right_behind_a_stop_takes_its_place() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.ask(1, stop_web());
    world.now += 20_000_000;
    world.ask(2, restart_web());
    world.settle();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Running);
    assert_eq!(world.said, ["Interrupting..."]);
    assert!(world.answers.iter().all(|(_, outcome)| outcome.ok), "{:?}", world.answers);
    world.check();
}

#[test]
fn the_first_request_for_what_stops_by_itself_kills_nothing() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.shims[1].die(Exit::Code(3));
    world.deliver(1);
    world.ignore_the_stop();
    world.now += 2_000_000_000;
    world.input(Input::TimerFired);
    assert_eq!(
        *world.slow()[0],
        "web (pid 101) still runs; SIGKILL in 3 s, `tmo kill` kills it now"
    );
    world.ask(1, Request::Quit);
    assert_eq!(world.machine.procs[0].marks.kill_requested, None);
    world.input(Input::TimerFired);
    let told = "web (pid 101) still runs; SIGKILL in 3 s, Ctrl-C again or `tmo kill` kills it now";
    assert_eq!(world.slow().len(), 2);
    assert_eq!(*world.slow()[1], told, "what it takes now");
    world.now += 400_000_000;
    world.ask(2, Request::Quit);
    assert_eq!(world.machine.procs[0].marks.kill_requested, Some(LifeId::FIRST));
    world.settle();
    assert_eq!(world.finished, [3]);
}

#[test]
fn a_slow_stop_that_nobody_asked_for_offers_nothing_that_would_not_kill() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.input(Input::Failing(ProcId::at(0), LifeId::FIRST, FailureAction::Break, "panic".into()));
    world.ignore_the_stop();
    world.now += 1_100_000_000;
    world.input(Input::TimerFired);
    assert_eq!(world.slow(), ["web (pid 101) still runs; SIGKILL in 4 s"]);
    world.ask(1, stop_web());
    world.input(Input::TimerFired);
    assert_eq!(
        *world.slow()[1],
        "web (pid 101) still runs; SIGKILL in 4 s, `tmo stop web` kills it now"
    );
}

#[test]
fn a_request_that_is_repeated_after_the_clock_was_set_back_kills() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.now += 3_600_000_000_000;
    world.ask(1, stop_web());
    world.ignore_the_stop();
    world.now -= 3_500_000_000_000;
    world.ask(2, stop_web());
    assert_eq!(world.machine.procs[0].marks.kill_requested, Some(LifeId::FIRST));
}
