//! Requests for running processes.

use super::*;
use crate::model::{ProcId, ProcessStatus};

#[test]
fn starts_restarts_and_stops() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.check();
    world.ask(1, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    assert!(world.answers.is_empty(), "not done yet");
    world.settle();
    assert!(matches!(&world.answers[..], [(1, Outcome { ok: true, .. })]));
    assert_eq!(world.machine.procs[0].life, Some(LifeId::nth(2)));
    assert_eq!(world.said, ["Interrupting..."]);
    world.ask(2, Request::Stop { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.check();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Stopped);
    world.ask(3, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.check();
    assert_eq!(world.machine.procs[0].life, Some(LifeId::nth(3)));
    world.ask(4, Request::Quit);
    world.settle();
    assert_eq!(world.finished, [0]);
    assert_eq!(world.answers.len(), 4);
}

#[test]
fn the_first_death_stops_all_and_names_the_culprit() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.shims[1].die(Exit::Code(3));
    world.settle();
    world.check();
    assert_eq!(world.finished, [3]);
    assert_eq!(
        world.machine.culprit.as_ref().map(|c| (c.id.place(), c.exit)),
        Some((1, Exit::Code(3)))
    );
}

#[test]
fn victims_do_not_hide_the_culprit() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.shims[1].die(Exit::Code(3));
    world.deliver(1);
    world.shims[0].act(false);
    world.shims[0].die(Exit::Code(130));
    world.settle();
    assert_eq!(world.finished, [3]);
}

#[test]
fn a_signal_of_its_own_counts() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.shims[0].die(Exit::Signal(11));
    world.settle();
    assert_eq!(world.finished, [139]);
}

#[test]
fn unknown_names_are_told_with_the_nearest() {
    let mut world = World::new(&["web", "worker"]);
    world.settle();
    world.ask(1, Request::Restart { names: names(&["wbe"]), order: ChangeOrder::default() });
    let unknown = world.answers[0].1.unknown.clone().unwrap();
    assert_eq!((unknown.nearest, unknown.known.len()), (Some("web".into()), 2));
    assert!(!world.answers[0].1.ok);
}

#[test]
fn a_signal_goes_to_who_runs() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Stop { names: names(&["api"]), order: ChangeOrder::default() });
    world.settle();
    let signal = "USR1".parse().unwrap();
    world.ask(2, Request::Signal { signal, names: vec![] });
    world.ask(3, Request::Signal { signal, names: names(&["web", "api"]) });
    world.ask(4, Request::Signal { signal, names: names(&["wbe"]) });
    let ok = |at: usize| world.answers[at].1.ok;
    assert_eq!([ok(1), ok(2), ok(3)], [true, false, false]);
    assert_eq!(world.answers[2].1.problems, ["api does not run"]);
    assert_eq!(world.said.iter().filter(|text| *text == "Sent signal USR1").count(), 2);
}

#[test]
fn a_second_stop_kills() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.ask(1, Request::Stop { names: vec![], order: ChangeOrder::default() });
    world.shims[0].act(false);
    assert!(world.shims[0].alive, "it ignores the signal");
    world.now += 300_000_000;
    world.ask(2, Request::Stop { names: vec![], order: ChangeOrder::default() });
    world.shims[0].act(false);
    world.settle();
    assert_eq!(world.answers.len(), 2);
    assert_eq!(world.said, ["Interrupting...", "Killing..."]);
    world.check();
}

#[test]
fn a_stop_right_behind_a_restart_gives_the_next_life_its_grace() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.ask(1, Request::Restart { names: vec![], order: ChangeOrder::default() });
    world.shims[0].act(true);
    world.shims[0].act(true);
    assert_eq!(
        world.shims[0].current,
        Some(LifeId::nth(2)),
        "it has begun, and nobody has heard of it"
    );
    world.ask(2, Request::Stop { names: vec![], order: ChangeOrder::default() });
    world.shims[0].act(false);
    assert!(world.shims[0].alive, "it was asked and has time to end");
    world.settle();
    world.check();
    assert_eq!(world.answers.len(), 2);
    world.ask(3, Request::Start { names: vec![], order: ChangeOrder::default() });
    world.settle();
    world.ask(4, Request::Restart { names: vec![], order: ChangeOrder::default() });
    world.shims[0].act(true);
    world.shims[0].act(true);
    world.ask(5, Request::Kill);
    world.shims[0].act(false);
    assert!(!world.shims[0].alive, "all of it is killed, heard of or not");
    world.settle();
    assert_eq!(world.finished, [0]);
}

#[test]
fn a_stop_before_the_beginning_leaves_nothing_hanging() {
    let mut world = World::new(&["web"]);
    world.bring_up(0);
    world.ask(1, Request::Stop { names: vec![], order: ChangeOrder::default() });
    world.settle();
    world.check();
    assert_eq!(world.answers.len(), 1);
}

#[test]
fn a_restart_that_reaches_no_shim_fails_and_costs_nothing() {
    let mut world = World::new(&["web"]);
    world.settle();
    let (heard, untold) = (world.shims[0].spec, |stands| {
        Input::SpecWriteFailed(ProcId::at(0), "no room".into(), Some(stands))
    });
    world.ask(1, Request::Restart { names: vec![], order: ChangeOrder::default() });
    world.shims[0].spec = heard;
    world.input(untold((Want::Run, Some(LifeId::FIRST))));
    assert_eq!(world.answers[0].1.problems, ["web: no room"]);
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Running);
    world.ask(2, Request::Stop { names: vec![], order: ChangeOrder::default() });
    world.settle();
    let stopped = &world.machine.procs[0];
    assert_eq!((stopped.status(), &stopped.note), (ProcessStatus::Stopped, &None));
    let heard = world.shims[0].spec;
    world.ask(3, Request::Start { names: vec![], order: ChangeOrder::default() });
    world.shims[0].spec = heard;
    world.input(untold((Want::Stop, Some(LifeId::FIRST))));
    assert_eq!(world.answers[2].1.problems, ["web: no room"]);
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Stopped);
    world.ask(4, Request::Start { names: vec![], order: ChangeOrder::default() });
    world.settle();
    world.check();
    assert!(world.answers[3].1.ok, "{:?}", world.answers);
    world.shims[0].die(Exit::Code(7));
    world.settle();
    assert_eq!(world.finished, [7]);
}

#[test]
fn a_life_that_has_begun_unheard_ends_because_it_was_told_to() {
    for request in
        [Request::Stop { names: names(&["web"]), order: ChangeOrder::default() }, Request::Quit]
    {
        let mut world = World::new(&["web", "api"]);
        world.settle();
        world.ask(1, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
        // The old life ends and the new one begins; no report of that has been read yet.
        world.shims[0].act(true);
        world.shims[0].act(true);
        world.ask(2, request.clone());
        // The end of the old life must not answer the request about the new one.
        while world.machine.procs[0].current_life() < Some(LifeId::nth(2)) {
            assert!(
                !world.answers.iter().any(|(request_id, _)| *request_id == 2),
                "{:?}",
                world.answers
            );
            world.deliver(0);
        }
        world.settle();
        world.check();
        assert_eq!(world.machine.culprit, None);
        assert_eq!(world.machine.procs[0].status(), ProcessStatus::Stopped);
        assert!(world.answers.iter().any(|(request_id, outcome)| *request_id == 2 && outcome.ok));
        assert_eq!(world.finished, if request == Request::Quit { vec![0] } else { vec![] });
    }
}

#[test]
fn a_life_that_is_not_wanted_any_more_does_not_begin() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.ask(1, Request::Restart { names: vec![], order: ChangeOrder::default() });
    world.ask(2, Request::Stop { names: vec![], order: ChangeOrder::default() });
    world.settle();
    world.check();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Stopped);
    assert_eq!(world.answers[0].1.problems, ["web: it was stopped meanwhile"]);
    assert!(world.answers[1].1.ok);
    world.ask(3, Request::Start { names: vec![], order: ChangeOrder::default() });
    world.settle();
    world.check();
    assert!(world.answers[2].1.ok);
}
