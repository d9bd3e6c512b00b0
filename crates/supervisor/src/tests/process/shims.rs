//! Shims that are killed, windows that are closed or do not open.

use crate::Pane;
use crate::model::ids::Member;
use crate::model::{ProcId, ProcessStatus};
use crate::tests::*;

#[test]
fn a_killed_shim_is_a_death() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.shims[0] = Shim { seq: world.shims[0].seq, ..Shim::default() };
    world.input(Input::ShimGone(ProcId::at(0), vec![]));
    world.settle();
    assert_eq!(world.finished, [137]);
}

#[test]
fn what_outlives_its_killed_shim_is_told_and_nothing_is_begun_beside_it() {
    let left =
        || vec![Member { pid: 4711, name: "sh".into(), state: 'S', owner: None, ports: vec![] }];
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    world.ask(2, Request::Stop { names: names(&["web"]), order: ChangeOrder::default() });
    world.shims[0] = Shim { seq: world.shims[0].seq, ..Shim::default() };
    world.input(Input::ShimGone(ProcId::at(0), left()));
    let told = "web: Its shim was killed; SIGKILL did not end sh (pid 4711,";
    for (number, outcome) in &world.answers {
        assert!(outcome.problems[0].raw().starts_with(told), "{number}: {outcome:?}");
    }
    assert_eq!((world.answers.len(), world.machine.procs[0].status()), (2, ProcessStatus::Stuck));
    assert_eq!(world.machine.procs[0].pane, Pane::None);
    world.ask(3, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.check();
    assert!(world.answers[2].1.ok, "{:?}", world.answers[2]);
    world.shims[0] = Shim { seq: world.shims[0].seq, ..Shim::default() };
    world.input(Input::ShimGone(ProcId::at(0), left()));
    world.settle();
    assert_eq!(world.finished, [137]);
}

#[test]
fn a_shim_killed_before_it_had_begun_costs_nothing() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Stop { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.ask(2, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    for _ in 0..3 {
        let Shim { seq, begun, .. } = world.shims[0];
        world.shims[0] = Shim { begun, seq, ..Shim::default() };
        world.input(Input::ShimGone(ProcId::at(0), vec![]));
        world.bring_up(0);
    }
    world.settle();
    world.check();
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    assert!(world.answers.iter().all(|(_, outcome)| outcome.ok), "{:?}", world.answers);
}

#[test]
fn a_shim_that_is_killed_each_time_ends_the_run() {
    let mut world = World::new(&["web", "api"]);
    for _ in 0..4 {
        world.bring_up(0);
        world.shims[0] = Shim { seq: world.shims[0].seq, ..Shim::default() };
        world.input(Input::ShimGone(ProcId::at(0), vec![]));
    }
    world.settle();
    assert_eq!(world.finished, [137]);
}

#[test]
fn what_is_asked_of_a_closing_window_is_done_in_another_one() {
    for wanted in [true, false] {
        let mut world = World::new(&["web", "api"]);
        world.settle();
        world.tell(0, LifeEvent::Hangup {});
        world.shims[0].die(Exit::Signal(2));
        while world.deliver(0) {}
        world.ask(
            1,
            Request::Restart { names: names(&["web", "api"]), order: ChangeOrder::default() },
        );
        if !wanted {
            world.ask(2, Request::Stop { names: names(&["web"]), order: ChangeOrder::default() });
        }
        // It exits without reading its new spec.
        world.tell(0, LifeEvent::Down {});
        let (seq, begun) = (world.shims[0].seq, Some(LifeId::FIRST));
        world.shims[0] = Shim { seq, begun, asked: true, ..Shim::default() };
        world.settle();
        world.check();
        assert_eq!(world.machine.procs[0].goal == Goal::Run, wanted);
        assert_eq!(world.answers.len(), 2 - usize::from(wanted));
        world.ask(3, Request::Quit);
        world.settle();
        world.check();
    }
}

#[test]
fn a_window_that_cannot_be_opened_again_costs_only_its_process() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Stop { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.tell(0, LifeEvent::Down {});
    while world.deliver(0) {}
    world.ask(2, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    world.input(Input::NoPane(ProcId::at(0), "no tmux".into()));
    assert_eq!(world.answers[1].1.problems, ["web: no tmux"]);
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    assert_eq!(world.machine.procs[1].status(), ProcessStatus::Running);
}

#[test]
fn a_first_life_that_cannot_be_requested_ends_the_run_and_a_later_one_does_not() {
    let mut world = World::new(&["web", "api"]);
    world.bring_up(0);
    world.input(Input::SpecWriteFailed(ProcId::at(0), "no room".into(), None));
    let status = world.machine.procs[0].status();
    assert_eq!((&world.machine.run_phase, status), (&RunPhase::Stopping, ProcessStatus::Error));
    world.shims[0].spec = None;
    world.settle();
    assert_eq!(world.finished, [1]);
    assert!(world.said.contains(&"The start failed: web could not be started: no room".into()));
}

#[test]
fn it_is_told_which_end_stops_everything_unless_it_was_asked_for() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    assert_eq!(world.machine.stopping(), None);
    world.shims[0].die(Exit::Code(3));
    world.settle();
    let why = "everything is being stopped, as web exited with code 3";
    assert_eq!(world.machine.stopping().as_deref(), Some(why));
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Quit);
    world.settle();
    assert_eq!(world.machine.stopping().as_deref(), Some("everything is being stopped"));
}

#[test]
fn a_closed_window_is_a_stop() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.tell(0, LifeEvent::Hangup {});
    world.shims[0].die(Exit::Signal(2));
    world.settle();
    world.tell(0, LifeEvent::Down {});
    world.shims[0] =
        Shim { seq: world.shims[0].seq, begun: Some(LifeId::FIRST), ..Shim::default() };
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    world.ask(1, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.check();
    assert!(world.answers[0].1.ok);
}
