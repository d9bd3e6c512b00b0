//! Exits that were not requested, and what follows.

use super::*;
use crate::model::ProcessStatus;
use crate::model::time::Timestamp;
use crate::model::units;

#[test]
fn one_that_may_die_stops_nobody_and_counts() {
    let mut world = World::new(&["web", "seed?"]);
    world.settle();
    world.shims[1].die(Exit::Code(3));
    world.settle();
    world.check();
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    assert_eq!(world.machine.procs[1].status(), ProcessStatus::Exited);
    world.ask(1, Request::Restart { names: names(&["seed"]) });
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
    world.ask(1, Request::Stop { names: vec![] });
    world.settle();
    assert!(matches!(&world.answers[..], [(1, Outcome { ok: true, .. })]));
    world.wait(100);
    assert!(!world.machine.procs[0].alive());
    world.ask(2, Request::Restart { names: vec![] });
    world.settle();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Running);
    world.shims[0].die(Exit::Code(1));
    world.settle();
    world.ask(3, Request::Restart { names: vec![] });
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
