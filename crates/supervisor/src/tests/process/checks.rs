//! Readiness and liveness checks.

use crate::model::plan::rules::{
    DependencyCondition, FailureAction, Need, Probe, Reaction, Restart, RestartPolicy, Stage,
};
use crate::model::time::Timestamp;
use crate::model::{ProcId, ProcessStatus};
use crate::tests::order::stack::*;
use crate::tests::*;

#[test]
fn a_main_process_that_is_not_ready_keeps_only_those_who_need_it() {
    let mut world = World::of(&stack());
    world.settle();
    world.pass(DB, 0);
    world.end(MIGRATE, Exit::Code(0));
    world.ask(7, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.wait(11);
    assert_eq!(
        world.statuses(),
        [
            ProcessStatus::Running,
            ProcessStatus::Exited,
            ProcessStatus::Running,
            ProcessStatus::Skipped,
            ProcessStatus::Stopped
        ]
    );
    let (_, outcome) = world.answers.iter().find(|(request_id, _)| *request_id == 7).unwrap();
    assert!(
        !outcome.ok && outcome.problems[0].raw().contains("did not print `up` within 10 s"),
        "{outcome:?}"
    );
    // A restart that the user requests gives the process another chance.
    world.ask(
        8,
        Request::Restart { names: names(&["api", "@front"]), order: ChangeOrder::default() },
    );
    world.settle();
    world.pass(API, 0);
    world.wait(1);
    assert_eq!(
        world.statuses(),
        [
            ProcessStatus::Running,
            ProcessStatus::Exited,
            ProcessStatus::Running,
            ProcessStatus::Running,
            ProcessStatus::Stopped
        ]
    );
    assert!(world.answers.iter().any(|(request_id, outcome)| *request_id == 8 && outcome.ok));
}

#[test]
fn a_report_makes_only_the_life_ready_that_has_sent_it() {
    let mut plan = plan(&["web"]);
    plan.processes[0].rules.ready = vec![check(log(), 20), check(Probe::Notify {}, 20)];
    let mut world = World::of(&plan);
    world.settle();
    let report = |world: &mut World, life| {
        world.tell(0, LifeEvent::Ready { life: LifeId::nth(life) });
        world.settle();
        (world.machine.procs[0].is_ready(), world.machine.procs[0].lacks().len())
    };
    assert!(world.machine.questions().is_empty(), "nobody asks for it");
    assert_eq!(report(&mut world, 1), (false, 1));
    world.pass(0, 0);
    assert!(world.machine.procs[0].is_ready());
    world.ask(1, Request::Restart { names: vec![], order: ChangeOrder::default() });
    world.settle();
    assert_eq!(report(&mut world, 1), (false, 2), "an earlier life has reported");
    world.wait(21);
    assert!(world.said.last().unwrap().contains("did not print `up` within 20 s"));
    world.pass(0, 0);
    assert_eq!(report(&mut world, 2), (true, 0), "late, but ready");
}

#[test]
fn a_check_that_is_never_passed_is_told_with_its_last_answer() {
    let mut world = World::of(&stack());
    world.settle();
    let lacks = |world: &World| world.machine.procs[DB].lacks();
    assert_eq!(lacks(&world), ["it does not listen on localhost:1"]);
    for (life, check, answer) in
        [(1, 0, "no such host"), (1, 0, "refused"), (2, 0, "x"), (1, 7, "x")]
    {
        world.input(Input::CheckFailed(ProcId::at(DB), LifeId::nth(life), check, answer.into()));
    }
    assert_eq!(lacks(&world), ["it does not listen on localhost:1: refused"]);
    let kept = serde_json::to_string(&world.machine.procs[DB].ready).unwrap();
    let kept: crate::Ready = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept, world.machine.procs[DB].ready, "who takes over knows it");
    world.wait(31);
    let said = world.said.join("\n");
    assert!(said.contains("did not listen on localhost:1 within 30 s: refused"), "{said}");
    assert_eq!(lacks(&world), [""; 0]);
}

#[test]
fn what_it_prints_can_break_it() {
    let mut world = World::up();
    world.input(Input::Failing(
        ProcId::at(API),
        LifeId::FIRST,
        FailureAction::Break,
        "panic".into(),
    ));
    world.settle();
    assert_eq!(
        (world.status(API), world.status(WEB)),
        (ProcessStatus::Broken, ProcessStatus::Running)
    );
    world.ask(1, Request::Restart { names: names(&["api"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.status(API), ProcessStatus::Running);
    world.input(Input::Failing(
        ProcId::at(API),
        LifeId::FIRST,
        FailureAction::Break,
        "panic".into(),
    ));
    world.settle();
    assert_eq!(world.status(API), ProcessStatus::Running, "that was the life before");
    world.input(Input::Failing(
        ProcId::at(API),
        LifeId::nth(2),
        FailureAction::Restart,
        "panic".into(),
    ));
    world.settle();
    assert_eq!(
        (world.status(API), world.machine.procs[API].current_life()),
        (ProcessStatus::Running, Some(LifeId::nth(3)))
    );
    world.input(Input::Failing(
        ProcId::at(API),
        LifeId::nth(3),
        FailureAction::Restart,
        "panic".into(),
    ));
    world.settle();
    assert_eq!(world.status(API), ProcessStatus::Restarting, "the second time after a pause");
    world.wait(1);
    assert_eq!(world.machine.procs[API].current_life(), Some(LifeId::nth(4)));
    world.ask(2, Request::Quit);
    world.settle();
    world.end(CLEAN, Exit::Code(0));
    assert_eq!(world.finished, [0]);
}

#[test]
fn what_does_not_work_any_more_is_started_again() {
    let mut world = World::up();
    let look = |world: &mut World, trouble: Option<&str>| {
        let life = world.machine.procs[API].current_life().unwrap();
        world.input(Input::LivenessChecked(ProcId::at(API), life, trouble.map(str::to_owned)));
        world.settle();
    };
    for trouble in [Some("no"), None, Some("no")] {
        look(&mut world, trouble);
        assert_eq!(world.machine.procs[API].current_life(), Some(LifeId::FIRST));
    }
    look(&mut world, Some("no"));
    assert_eq!(world.machine.procs[API].current_life(), Some(LifeId::nth(2)));
}

#[test]
fn one_that_is_let_run_though_it_does_not_work_is_told_until_it_does() {
    let mut plan = stack();
    if let Some(live) = &mut plan.processes[API].rules.live {
        live.action = Reaction::Notify;
    }
    let mut world = World::up_with(&plan);
    let mut look = |trouble: Option<&str>| {
        world.said.clear();
        world.input(Input::LivenessChecked(
            ProcId::at(API),
            LifeId::FIRST,
            trouble.map(str::to_owned),
        ));
        (world.machine.procs[API].note.as_ref().map(ToString::to_string), world.said.join(" "))
    };
    let nothing = (None, String::new());
    let note = Some("does not work: no".to_owned());
    assert_eq!([look(None), look(Some("no"))], [nothing.clone(), nothing]);
    let told = "Does not work any more (2 times in a row): no".to_owned();
    assert_eq!(look(Some("no")), (note.clone(), told));
    assert_eq!(look(Some("no")), (note, String::new()), "once");
    assert_eq!(look(None), (None, "Works again".to_owned()));
    assert_eq!(world.machine.procs[API].current_life(), Some(LifeId::FIRST));
}

#[test]
fn a_job_that_others_wait_for_is_done_once_it_has_ended_well() {
    for by_exit in [true, false] {
        let mut plan = plan(&["job!", "web?"]);
        let on = ProcName::new("job").unwrap();
        let until = if by_exit {
            plan.processes[0].rules.ready = vec![check(Probe::Exit { code: 0 }, 20)];
            DependencyCondition::Ready
        } else {
            DependencyCondition::Completed
        };
        plan.processes[1].rules.needs = vec![Need { on, until, restart: false }];
        let mut world = World::of(&plan);
        world.settle();
        world.end(0, Exit::Code(1));
        assert_eq!(
            world.statuses(),
            [ProcessStatus::Running, ProcessStatus::Pending],
            "a failure is tried again"
        );
        world.end(0, Exit::Code(0));
        assert_eq!(world.statuses(), [ProcessStatus::Exited, ProcessStatus::Running]);
        assert_eq!(world.machine.next_due(), None);
    }
}

#[test]
fn the_code_that_makes_it_ready_is_no_failure() {
    let mut plan = plan(&["job?", "web"]);
    plan.processes[0].rules.ready = vec![check(Probe::Exit { code: 3 }, 20)];
    plan.processes[0].rules.restart =
        Some(RestartPolicy { when: Restart::OnFailure, ..RestartPolicy::default() });
    plan.processes[0].rules.stage = Stage::Dependency;
    let mut world = World::of(&plan);
    world.settle();
    world.end(0, Exit::Code(3));
    assert_eq!(world.statuses(), [ProcessStatus::Exited, ProcessStatus::Running]);
    world.ask(1, Request::Quit);
    world.settle();
    assert_eq!(world.finished, [0]);
}

#[test]
fn a_clock_that_jumps_keeps_nobody_waiting() {
    const HOUR: u64 = 3_600_000_000_000;
    let mut world = World::up();
    world.now = Timestamp::from_nanos(3 * HOUR);
    world.ask(1, Request::Quit);
    world.settle();
    assert_eq!(world.status(CLEAN), ProcessStatus::Running);
    world.now -= 2 * HOUR;
    world.input(Input::TimerFired);
    let due = world.machine.next_due().unwrap();
    assert!(due <= world.now + 61_000_000_000, "the cleanup has its minute, no more");
    world.now = due;
    world.input(Input::TimerFired);
    world.settle();
    assert_eq!(world.finished, [1]);
}
