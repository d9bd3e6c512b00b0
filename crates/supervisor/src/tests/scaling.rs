//! Scaling an entry up and down.

use super::*;
use crate::model::time::Timestamp;
use crate::model::{ProcId, ProcessStatus};
use crate::{Pane, Proc};

#[test]
fn an_entry_is_scaled_up_and_down() {
    let mut world = World::new(&["web", "job?", "job#2?+", "job#3?+"]);
    world.settle();
    let scale = |world: &mut World, request_id, count| {
        world.ask(request_id, Request::Scale { counts: [("job".to_owned(), count)].into() });
        world.settle();
        world.check();
        let procs = world.machine.procs.iter();
        procs.filter(|proc| proc.counts()).map(|proc| proc.name.to_string()).collect::<Vec<_>>()
    };
    world.ask(1, Request::Stop { names: names(&["job#2"]), order: ChangeOrder::default() });
    assert!(world.answers[0].1.unknown.is_some(), "there is none yet");
    assert_eq!(scale(&mut world, 2, 3), ["web", "job", "job#2", "job#3"]);
    assert_eq!(scale(&mut world, 3, 1), ["web", "job"]);
    assert!(world.machine.procs[2..].iter().all(|proc| proc.pane == Pane::None), "no window stays");
    assert_eq!(scale(&mut world, 4, 2), ["web", "job", "job#2"]);
    assert_eq!(scale(&mut world, 5, 0), ["web", "job"]);
    assert_eq!(world.machine.procs[1].status(), ProcessStatus::Stopped);
    assert!(world.answers[1..].iter().all(|(_, outcome)| outcome.ok), "{:?}", world.answers);
    let names = |at: usize| world.answers[at].1.names.iter().map(ToString::to_string);
    assert_eq!(names(2).collect::<Vec<_>>(), ["job", "job#2", "job#3"]);
    world.ask(6, Request::Scale { counts: [("jbo".to_owned(), 1)].into() });
    assert_eq!(world.answers[5].1.unknown.as_ref().unwrap().nearest, Some("job".into()));
    // A window that does not open does not end a run that was complete without it.
    world.ask(7, Request::Scale { counts: [("job".to_owned(), 3)].into() });
    world.input(Input::NoPane(ProcId::at(3), "no room".to_owned()));
    world.settle();
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    assert_eq!(world.answers[6].1.problems, ["job#3: no room"]);
}

#[test]
fn what_is_being_scaled_away_keeps_its_grace_when_more_is() {
    let mut world = World::new(&["job", "job#2", "job#3"]);
    world.settle();
    let scale = |count| Request::Scale { counts: [("job".to_owned(), count)].into() };
    world.ask(1, scale(2));
    world.ask(2, scale(1));
    world.ask(3, scale(0));
    let asked = |proc: &Proc| {
        proc.marks.stop_requested == Some(LifeId::FIRST) && proc.marks.kill_requested.is_none()
    };
    assert!(world.machine.procs.iter().all(asked));
    // A request that names it is a second one, and kills it.
    world.now += 1_000_000_000;
    world.ask(4, Request::Stop { names: names(&["job#3"]), order: ChangeOrder::default() });
    assert_eq!(world.machine.procs[2].marks.kill_requested, Some(LifeId::FIRST));
    world.settle();
    assert_eq!(world.answers.iter().filter(|(_, outcome)| outcome.ok).count(), 4);
    assert_eq!(world.machine.procs[1].marks.kill_requested, None);
}

#[test]
fn the_window_of_one_whose_shim_was_killed_goes_when_it_is_scaled_away() {
    let mut machine = Supervisor::new(&plan(&["job!", "job#2!"]), Timestamp::EPOCH);
    machine.procs[1].phase =
        Phase::Over { life: LifeId::FIRST, exit: Exit::Signal(9), asked: false };
    let scale = Request::Scale { counts: [("job".to_owned(), 1)].into() };
    let effects = machine.step(Timestamp::from_nanos(1), Input::Request(1, scale, None));
    assert!(effects.contains(&Effect::Close(ProcId::at(1))), "{effects:?}");
}

#[test]
fn an_unknown_entry_is_answered_with_each_entry_once() {
    let mut world = World::new(&["job?", "web", "job#2?+"]);
    world.settle();
    world.ask(1, Request::Scale { counts: [("nosuch".to_owned(), 1)].into() });
    let known = &world.answers[0].1.unknown.as_ref().unwrap().known;
    assert_eq!(known.iter().map(ToString::to_string).collect::<Vec<_>>(), ["job", "web"]);
}

#[test]
fn a_life_whose_start_is_heard_after_the_next_was_requested_is_counted() {
    let mut world = World::of(&plan(&["a", "b?", "b#2?+"]));
    let b = || names(&["b"]);
    world.bring_up(1);
    world.ask(1, Request::Stop { names: b(), order: ChangeOrder::default() });
    world.shims[1].act(false);
    world.ask(2, Request::Restart { names: b(), order: ChangeOrder::default() });
    // It begins the second life, which nobody hears yet.
    world.shims[1].act(false);
    world.ask(3, Request::Stop { names: b(), order: ChangeOrder::default() });
    world.ask(4, Request::Scale { counts: [("b".to_owned(), 1)].into() });
    world.settle();
    let proc = &world.machine.procs[1];
    assert_eq!((proc.current_life(), proc.begun), (Some(LifeId::nth(3)), 2));
}
