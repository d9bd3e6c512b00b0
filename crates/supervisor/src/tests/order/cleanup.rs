//! The end of a run: the order of the stops, and the cleanup.

use super::stack::*;
use crate::model::ProcessStatus;
use crate::tests::*;

#[test]
fn they_stop_in_the_order_of_their_needs_with_the_cleanup_between() {
    let mut world = World::up();
    world.ask(1, Request::Quit);
    let told = |world: &World| {
        let told = |id: &usize| world.machine.procs[*id].stop_was_requested();
        (0..5).filter(told).map(|id| NAMES[id]).collect::<Vec<_>>()
    };
    assert_eq!(told(&world), ["web"]);
    world.shims[WEB].act(true);
    while world.deliver(WEB) {}
    assert_eq!(told(&world), ["api", "web"]);
    world.shims[API].act(true);
    while world.deliver(API) {}
    assert_eq!(told(&world), ["api", "web"], "the cleanup comes first");
    world.bring_up(CLEAN);
    world.shims[CLEAN].act(true);
    while world.deliver(CLEAN) {}
    assert_eq!(
        (world.status(CLEAN), world.status(DB)),
        (ProcessStatus::Running, ProcessStatus::Running)
    );
    world.end(CLEAN, Exit::Code(4));
    assert_eq!(told(&world), ["db", "api", "web"]);
    assert_eq!(world.finished, [4], "its failure is that of the run");
}

#[test]
fn a_cleanup_does_not_take_for_ever() {
    let mut world = World::up();
    world.ask(1, Request::Quit);
    world.settle();
    assert_eq!((world.status(CLEAN), world.finished.len()), (ProcessStatus::Running, 0));
    world.wait(61);
    assert_eq!(world.finished, [1]);
    let failed = "The cleanup failed: clean has not ended within 60 s".to_owned();
    assert_eq!(world.said.iter().filter(|said| said.contains("The cleanup")).count(), 3);
    assert!(world.said.contains(&failed), "{:?}", world.said);
}

#[test]
fn a_cleanup_that_fails_is_told_of() {
    let mut world = World::up();
    world.ask(1, Request::Quit);
    world.settle();
    world.end(CLEAN, Exit::Code(4));
    let of_it: Vec<_> = world.said.iter().filter(|said| said.contains("lean")).collect();
    let wanted = [
        "The cleanup begins",
        "Cleaning up...",
        "The cleanup failed: clean ended with code 4",
        "The cleanup is over",
    ];
    assert_eq!(of_it, wanted);
    assert_eq!(world.finished, [4]);
    // A cleanup process that is killed does not count as failed.
    let mut world = World::up();
    world.ask(1, Request::Quit);
    world.settle();
    world.ask(2, Request::Kill);
    world.end(CLEAN, Exit::Code(4));
    assert!(!world.said.join(" ").contains("The cleanup failed"), "{:?}", world.said);
}

#[test]
fn a_cleanup_whose_window_goes_has_failed() {
    let mut world = World::up();
    world.ask(1, Request::Quit);
    world.settle();
    world.tell(CLEAN, LifeEvent::Hangup {});
    world.end(CLEAN, Exit::Signal(2));
    assert_eq!(world.finished, [1], "also where nobody has heard of the end of tmux by then");
}

#[test]
fn what_cannot_be_ended_is_waited_for_by_nobody() {
    let mut world = World::of(&stack());
    world.settle();
    world.tell(DB, LifeEvent::Stuck { life: LifeId::FIRST, members: vec![] });
    world.settle();
    assert!(!world.machine.procs.iter().any(|proc| proc.waiting), "{:?}", world.statuses());
}
