//! Order, readiness, policies and the end.

use super::stack::*;
use super::*;
use crate::model::rules::{
    Action, FailureAction, Milestone, Need, Probe, Restart, RestartPolicy, Stage,
};

#[test]
fn each_waits_for_its_turn() {
    let mut world = World::of(&stack());
    world.settle();
    assert_eq!(world.words(), ["running", "pending", "pending", "pending", "stopped"]);
    assert_eq!(world.machine.awaited(API), "db, migrate");
    assert_eq!(world.machine.awaited(WEB), "api, db, migrate");
    world.pass(DB, 0);
    assert_eq!(world.words(), ["running", "running", "pending", "pending", "stopped"]);
    world.end(MIGRATE, Exit::Code(0));
    assert_eq!(world.words(), ["running", "exited", "running", "pending", "stopped"]);
    world.pass(API, 0);
    assert_eq!(world.word(WEB), "pending", "both checks count");
    world.wait(1);
    assert_eq!(world.word(WEB), "running");
    world.ask(1, Request::Quit);
    world.settle();
    world.end(CLEAN, Exit::Code(0));
    assert_eq!(world.finished, [0]);
}

#[test]
fn they_stop_in_the_order_of_their_needs_with_the_cleanup_between() {
    let mut world = World::up();
    world.ask(1, Request::Quit);
    let told = |world: &World| {
        let told = |id: &usize| world.machine.procs[*id].told_to_stop();
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
    assert_eq!((world.word(CLEAN), world.word(DB)), ("running", "running"));
    world.end(CLEAN, Exit::Code(4));
    assert_eq!(told(&world), ["db", "api", "web"]);
    assert_eq!(world.finished, [4], "its failure is that of the run");
}

#[test]
fn a_cleanup_does_not_take_for_ever() {
    let mut world = World::up();
    world.ask(1, Request::Quit);
    world.settle();
    assert_eq!((world.word(CLEAN), world.finished.len()), ("running", 0));
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
        "The cleanup is complete",
    ];
    assert_eq!(of_it, wanted);
    assert_eq!(world.finished, [4]);
    // One that is killed has not failed by itself.
    let mut world = World::up();
    world.ask(1, Request::Quit);
    world.settle();
    world.ask(2, Request::Kill);
    world.end(CLEAN, Exit::Code(4));
    assert!(!world.said.join(" ").contains("The cleanup failed"), "{:?}", world.said);
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
        assert!(world.machine.procs[WEB].last_pid.is_none(), "{case}");
        let said = world.said.join("\n");
        let why =
            ["nobody listened on localhost:1 within 30 s", "ended with code 9", "3 times in a row"];
        assert!(said.contains("The start failed: ") && said.contains(why[case]), "{case} {said}");
        let blamed = world.machine.culprit.as_ref().map(|culprit| (culprit.id, culprit.exit));
        let ends = [None, Some((MIGRATE, Exit::Code(9))), Some((DB, Exit::Code(2)))];
        assert_eq!(blamed, ends[case], "whose last lines the last words repeat");
    }
}

#[test]
fn a_main_process_that_is_not_ready_keeps_only_those_who_need_it() {
    let mut world = World::of(&stack());
    world.settle();
    world.pass(DB, 0);
    world.end(MIGRATE, Exit::Code(0));
    world.ask(7, Request::Start { names: names(&["web"]) });
    world.wait(11);
    assert_eq!(world.words(), ["running", "exited", "running", "skipped", "stopped"]);
    let (_, outcome) = world.answers.iter().find(|(ticket, _)| *ticket == 7).unwrap();
    assert!(
        !outcome.ok && outcome.problems[0].contains("did not print `up` within 10 s"),
        "{outcome:?}"
    );
    // Who asks again has another chance.
    world.ask(8, Request::Restart { names: names(&["api", "@front"]) });
    world.settle();
    world.pass(API, 0);
    world.wait(1);
    assert_eq!(world.words(), ["running", "exited", "running", "running", "stopped"]);
    assert!(world.answers.iter().any(|(ticket, outcome)| *ticket == 8 && outcome.ok));
}

#[test]
fn a_check_that_is_never_passed_is_told_with_its_last_answer() {
    let mut world = World::of(&stack());
    world.settle();
    let lacks = |world: &World| world.machine.procs[DB].lacks();
    assert_eq!(lacks(&world), ["nobody listens on localhost:1"]);
    for (life, check, answer) in
        [(1, 0, "no such host"), (1, 0, "refused"), (2, 0, "x"), (1, 7, "x")]
    {
        world.input(Input::Unmet(DB, life, check, answer.into()));
    }
    assert_eq!(lacks(&world), ["nobody listens on localhost:1: refused"]);
    let kept = serde_json::to_string(&world.machine.procs[DB].ready).unwrap();
    let kept: crate::supervisor::Ready = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept, world.machine.procs[DB].ready, "who takes over knows it");
    world.wait(31);
    let said = world.said.join("\n");
    assert!(said.contains("nobody listened on localhost:1 within 30 s: refused"), "{said}");
    assert_eq!(lacks(&world), [""; 0]);
}

#[test]
fn one_that_is_skipped_ends_no_run_that_was_stopped_by_hand() {
    let mut world = World::up();
    world.ask(1, Request::Stop { names: vec![] });
    world.settle();
    world.ask(2, Request::Restart { names: names(&["web"]) });
    assert_eq!(world.word(WEB), "pending");
    world.ask(3, Request::Stop { names: names(&["db", "migrate", "api"]) });
    world.settle();
    assert_eq!(world.word(WEB), "skipped", "{:?}", world.said);
    assert_eq!(world.machine.course, Course::Keep);
    assert!(world.finished.is_empty());
}

#[test]
fn what_is_needed_is_started_with_who_needs_it() {
    let mut world = World::up();
    world.ask(1, Request::Stop { names: names(&["db", "api", "web"]) });
    world.settle();
    world.ask(2, Request::Start { names: names(&["web"]) });
    world.settle();
    assert_eq!(world.words(), ["running", "exited", "pending", "pending", "stopped"]);
    world.pass(DB, 0);
    world.pass(API, 0);
    world.wait(1);
    assert_eq!(world.word(WEB), "running");
    assert!(world.answers.iter().any(|(ticket, outcome)| *ticket == 2 && outcome.ok));
}

#[test]
fn failures_are_counted_until_it_is_broken() {
    let mut world = World::up();
    for times in 1..=10 {
        world.end(API, Exit::Signal(11));
        assert_eq!(world.word(API), if times == 10 { "broken" } else { "restarting" });
        world.wait(2);
    }
    assert_eq!(world.machine.procs[API].current_life(), 10, "no eleventh");
    assert_eq!(world.word(WEB), "running", "the others go on");
    world.ask(1, Request::Restart { names: names(&["api"]) });
    world.settle();
    assert_eq!((world.word(API), world.machine.procs[API].failures), ("running", 0));
    // A good life and a soft failure count for nothing.
    world.end(API, Exit::Code(1));
    world.wait(2);
    world.end(API, Exit::Code(75));
    world.wait(2);
    assert_eq!(world.machine.procs[API].failures, 1);
    world.wait(60);
    world.end(API, Exit::Code(1));
    assert_eq!(world.machine.procs[API].failures, 1);
    world.wait(2);
    world.end(API, Exit::Code(127));
    assert_eq!(world.word(API), "error", "it would not be found the next time either");
}

#[test]
fn what_it_prints_can_break_it() {
    let mut world = World::up();
    world.input(Input::Failing(API, 1, FailureAction::Break, "panic".into()));
    world.settle();
    assert_eq!((world.word(API), world.word(WEB)), ("broken", "running"));
    world.ask(1, Request::Restart { names: names(&["api"]) });
    world.settle();
    assert_eq!(world.word(API), "running");
    world.input(Input::Failing(API, 1, FailureAction::Break, "panic".into()));
    world.settle();
    assert_eq!(world.word(API), "running", "that was the life before");
    world.input(Input::Failing(API, 2, FailureAction::Restart, "panic".into()));
    world.settle();
    assert_eq!((world.word(API), world.machine.procs[API].current_life()), ("running", 3));
    world.input(Input::Failing(API, 3, FailureAction::Restart, "panic".into()));
    world.settle();
    assert_eq!(world.word(API), "restarting", "the second time after a pause");
    world.wait(1);
    assert_eq!(world.machine.procs[API].current_life(), 4);
    world.ask(2, Request::Quit);
    world.settle();
    world.end(CLEAN, Exit::Code(0));
    assert_eq!(world.finished, [0]);
}

#[test]
fn what_does_not_work_any_more_is_started_again() {
    let mut world = World::up();
    let look = |world: &mut World, trouble: Option<&str>| {
        let life = world.machine.procs[API].current_life();
        world.input(Input::Looked(API, life, trouble.map(str::to_owned)));
        world.settle();
    };
    for trouble in [Some("no"), None, Some("no")] {
        look(&mut world, trouble);
        assert_eq!(world.machine.procs[API].current_life(), 1);
    }
    look(&mut world, Some("no"));
    assert_eq!(world.machine.procs[API].current_life(), 2);
}

#[test]
fn one_that_is_let_run_though_it_does_not_work_is_told_until_it_does() {
    let mut plan = stack();
    if let Some(live) = &mut plan.processes[API].rules.live {
        live.action = Action::Notify;
    }
    let mut world = World::up_with(&plan);
    let mut look = |trouble: Option<&str>| {
        world.said.clear();
        world.input(Input::Looked(API, 1, trouble.map(str::to_owned)));
        (world.machine.procs[API].note.clone(), world.said.join(" "))
    };
    let nothing = (None, String::new());
    let note = Some("does not work: no".to_owned());
    assert_eq!([look(None), look(Some("no"))], [nothing.clone(), nothing]);
    let told = "Does not work any more (2 times in a row): no".to_owned();
    assert_eq!(look(Some("no")), (note.clone(), told));
    assert_eq!(look(Some("no")), (note, String::new()), "once");
    assert_eq!(look(None), (None, "Works again".to_owned()));
    assert_eq!(world.machine.procs[API].current_life(), 1);
}

#[test]
fn one_that_is_skipped_while_it_stops_is_over() {
    let mut world = World::up();
    world.ask(1, Request::Stop { names: names(&["db"]) });
    world.settle();
    // It takes its time, and meanwhile it is wanted again with what it needs.
    world.ask(2, Request::Stop { names: names(&["web"]) });
    world.ask(3, Request::Start { names: names(&["web"]) });
    world.bring_up(DB);
    world.shims[DB].act(true);
    while world.deliver(DB) {}
    world.shims[WEB].act(true);
    while world.deliver(WEB) {}
    assert_eq!(world.word(WEB), "pending", "its turn has not come");
    world.end(DB, Exit::Code(127));
    assert_eq!((world.word(DB), world.word(WEB)), ("error", "skipped"));
    assert!(world.answers.iter().any(|(ticket, outcome)| *ticket == 3 && !outcome.ok));
    // Nobody waits for ever who asks once more.
    world.ask(4, Request::Start { names: names(&["web"]) });
    world.settle();
    world.pass(DB, 0);
    assert_eq!(world.word(WEB), "running");
}

#[test]
fn a_shim_that_says_once_more_that_it_is_there_is_the_same() {
    let mut world = World::new(&["web"]);
    world.settle();
    let pane = "%0".to_owned();
    let (tty, version) = (String::new(), String::new());
    world.tell(0, LifeEvent::Up { pid: 7, start_time: 1, pane, tty, version });
    world.ask(1, Request::Restart { names: names(&["web"]) });
    world.settle();
    assert!(matches!(&world.answers[..], [(1, Outcome { ok: true, .. })]));
    world.ask(2, Request::Stop { names: names(&["web"]) });
    world.settle();
    world.ask(3, Request::Start { names: names(&["web"]) });
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
    assert!(!world.machine.procs[API].held, "its turn has come");
    assert_eq!(world.shims[API].spec, None, "its sink has not");
    for effect in world.machine.resume(world.now) {
        world.effect(effect);
    }
    assert_eq!(world.shims[API].spec, None);
    world.input(Input::PaneReady(API));
    assert_eq!(world.shims[API].spec, Some((Want::Run, 1, 0)));
}

#[test]
fn a_job_that_others_wait_for_is_done_once_it_has_ended_well() {
    for by_exit in [true, false] {
        let mut plan = plan(&["job!", "web?"]);
        let on = ProcName::new("job").unwrap();
        let until = if by_exit {
            plan.processes[0].rules.ready = vec![check(Probe::Exit { code: 0 }, 20)];
            Milestone::Ready
        } else {
            Milestone::Completed
        };
        plan.processes[1].rules.needs = vec![Need { on, until }];
        let mut world = World::of(&plan);
        world.settle();
        world.end(0, Exit::Code(1));
        assert_eq!(world.words(), ["running", "pending"], "a failure is tried again");
        world.end(0, Exit::Code(0));
        assert_eq!(world.words(), ["exited", "running"]);
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
    assert_eq!(world.words(), ["exited", "running"]);
    world.ask(1, Request::Quit);
    world.settle();
    assert_eq!(world.finished, [0]);
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
    for request in [Request::Restart { names: vec![] }, Request::Start { names: vec![] }] {
        world.ask(1, request);
        world.settle();
        assert_eq!(world.word(CLEAN), "stopped", "the run goes on");
        assert_eq!(world.word(WEB), "stopped", "nobody has asked for it");
    }
    assert_eq!(world.machine.procs[API].current_life(), 2);
    world.ask(2, Request::Restart { names: names(&["web"]) });
    world.settle();
    assert_eq!(world.machine.procs[WEB].life, 1);
}

#[test]
fn a_clock_that_jumps_keeps_nobody_waiting() {
    const HOUR: u64 = 3_600_000_000_000;
    let mut world = World::up();
    world.now = 3 * HOUR;
    world.ask(1, Request::Quit);
    world.settle();
    assert_eq!(world.word(CLEAN), "running");
    world.now -= 2 * HOUR;
    world.input(Input::Alarm);
    let due = world.machine.next_due().unwrap();
    assert!(due <= world.now + 61_000_000_000, "the cleanup has its minute, no more");
    world.now = due;
    world.input(Input::Alarm);
    world.settle();
    assert_eq!(world.finished, [1]);
}

#[test]
fn a_run_goes_on_without_the_window_of_one_that_was_asked_for_later() {
    let mut world = World::new(&["web", "later-"]);
    world.machine.procs[1].name = ProcName::new("later").unwrap();
    world.settle();
    world.ask(1, Request::Start { names: names(&["later"]) });
    world.input(Input::NoPane(1, "no more pseudo-terminals".into()));
    assert_eq!(world.words(), ["running", "stopped"]);
    assert_eq!(world.machine.course, Course::Keep);
    assert!(!world.answers[0].1.ok, "{:?}", world.answers);
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
    world.tell(DB, LifeEvent::Stuck { life: 1, members: vec![] });
    world.settle();
    assert!(!world.machine.procs.iter().any(|proc| proc.held), "{:?}", world.words());
}
