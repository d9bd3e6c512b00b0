//! A slow stop, and a run of which everything has ended.

use super::*;
use crate::model::ProcessStatus;

const STILL: &str = "still run";

impl World {
    fn slow(&self) -> Vec<&String> {
        self.said.iter().filter(|text| text.contains(STILL)).collect()
    }

    /// All hear of the stop and go on.
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
        world.input(Input::Alarm);
    }
    let told = "web (pid 101), api (pid 101) still run; SIGKILL in 4 s, \
                Ctrl-C again or `tmo kill` kills them now";
    assert_eq!(world.slow(), [told]);
    assert_eq!(world.machine.next_due(), None, "nothing more is due");
}

#[test]
fn a_slow_stop_of_one_process_names_the_command_that_kills_it() {
    for (request, verb) in [
        (Request::Stop { names: names(&["web"]) }, "stop"),
        (Request::Restart { names: names(&["web"]) }, "restart"),
    ] {
        let mut world = World::new(&["web", "api"]);
        world.settle();
        world.ask(1, request);
        world.ignore_the_stop();
        world.now += 1_100_000_000;
        world.input(Input::Alarm);
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
    world.input(Input::Alarm);
    let saved = serde_json::to_string(&world.machine).unwrap();
    world.machine = serde_json::from_str(&saved).unwrap();
    world.machine.attach(&plan(&["web"]));
    world.machine.resume(world.now);
    world.now += 1_000_000_000;
    world.input(Input::Alarm);
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
        world.input(Input::Alarm);
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
    world.input(Input::Alarm);
    assert_eq!(idle(&world), 1);
    world.ask(1, Request::Start { names: names(&["web"]) });
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
