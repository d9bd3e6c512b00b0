//! One rule after the other.

use super::*;
use crate::pane::life::Member;
use crate::supervisor::Pane;

#[test]
fn starts_restarts_and_stops() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.check();
    world.ask(1, Request::Restart { names: names(&["web"]) });
    assert!(world.answers.is_empty(), "not done yet");
    world.settle();
    assert!(matches!(&world.answers[..], [(1, Outcome { ok: true, .. })]));
    assert_eq!(world.machine.procs[0].life, 2);
    assert_eq!(world.said, ["Interrupting..."]);
    world.ask(2, Request::Stop { names: names(&["web"]) });
    world.settle();
    world.check();
    assert_eq!(world.machine.procs[0].word(), "stopped");
    world.ask(3, Request::Start { names: names(&["web"]) });
    world.settle();
    world.check();
    assert_eq!(world.machine.procs[0].life, 3);
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
    assert_eq!(world.machine.culprit.as_ref().map(|c| (c.id, c.exit)), Some((1, Exit::Code(3))));
}

#[test]
fn victims_do_not_hide_the_culprit() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.shims[1].die(Exit::Code(3));
    world.deliver(1);
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
    world.ask(1, Request::Restart { names: names(&["wbe"]) });
    let unknown = world.answers[0].1.unknown.clone().unwrap();
    assert_eq!((unknown.nearest.as_deref(), unknown.known.len()), (Some("web"), 2));
    assert!(!world.answers[0].1.ok);
}

#[test]
fn a_signal_goes_to_who_runs() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Stop { names: names(&["api"]) });
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
    world.ask(1, Request::Stop { names: vec![] });
    world.shims[0].act(false);
    assert!(world.shims[0].alive, "it ignores the signal");
    world.ask(2, Request::Stop { names: vec![] });
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
    world.ask(1, Request::Restart { names: vec![] });
    world.shims[0].act(true);
    world.shims[0].act(true);
    assert_eq!(world.shims[0].current, 2, "it has begun, and nobody has heard of it");
    world.ask(2, Request::Stop { names: vec![] });
    world.shims[0].act(false);
    assert!(world.shims[0].alive, "it was asked and has time to end");
    world.settle();
    world.check();
    assert_eq!(world.answers.len(), 2);
    world.ask(3, Request::Start { names: vec![] });
    world.settle();
    world.ask(4, Request::Restart { names: vec![] });
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
    world.ask(1, Request::Stop { names: vec![] });
    world.settle();
    world.check();
    assert_eq!(world.answers.len(), 1);
}

#[test]
fn a_restart_that_reaches_no_shim_fails_and_costs_nothing() {
    let mut world = World::new(&["web"]);
    world.settle();
    let (heard, untold) =
        (world.shims[0].spec, |stands| Input::Untold(0, "no room".into(), Some(stands)));
    world.ask(1, Request::Restart { names: vec![] });
    world.shims[0].spec = heard;
    world.input(untold((Want::Run, 1)));
    assert_eq!(world.answers[0].1.problems, ["web: no room"]);
    assert_eq!(world.machine.procs[0].word(), "running");
    world.ask(2, Request::Stop { names: vec![] });
    world.settle();
    assert_eq!(world.machine.procs[0].word(), "stopped");
    let heard = world.shims[0].spec;
    world.ask(3, Request::Start { names: vec![] });
    world.shims[0].spec = heard;
    world.input(untold((Want::Stop, 1)));
    assert_eq!(world.answers[2].1.problems, ["web: no room"]);
    assert_eq!(world.machine.procs[0].word(), "stopped");
    world.ask(4, Request::Start { names: vec![] });
    world.settle();
    world.check();
    assert!(world.answers[3].1.ok, "{:?}", world.answers);
    world.shims[0].die(Exit::Code(7));
    world.settle();
    assert_eq!(world.finished, [7]);
}

#[test]
fn a_killed_shim_is_a_death() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.shims[0] = Shim { seq: world.shims[0].seq, ..Shim::default() };
    world.input(Input::ShimGone(0, vec![]));
    world.settle();
    assert_eq!(world.finished, [137]);
}

#[test]
fn what_outlives_its_killed_shim_is_told_and_nothing_is_begun_beside_it() {
    let left = || vec![Member { pid: 4711, name: "sh".into(), state: 'S' }];
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Restart { names: names(&["web"]) });
    world.ask(2, Request::Stop { names: names(&["web"]) });
    world.shims[0] = Shim { seq: world.shims[0].seq, ..Shim::default() };
    world.input(Input::ShimGone(0, left()));
    let told = "web: Its shim was killed; SIGKILL did not end sh (pid 4711,";
    for (number, outcome) in &world.answers {
        assert!(outcome.problems[0].starts_with(told), "{number}: {outcome:?}");
    }
    assert_eq!((world.answers.len(), world.machine.procs[0].word()), (2, "stuck"));
    assert_eq!(world.machine.procs[0].pane, Pane::None);
    world.ask(3, Request::Start { names: names(&["web"]) });
    world.settle();
    world.check();
    assert!(world.answers[2].1.ok, "{:?}", world.answers[2]);
    world.shims[0] = Shim { seq: world.shims[0].seq, ..Shim::default() };
    world.input(Input::ShimGone(0, left()));
    world.settle();
    assert_eq!(world.finished, [137]);
}

#[test]
fn a_shim_killed_before_it_had_begun_costs_nothing() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Stop { names: names(&["web"]) });
    world.settle();
    world.ask(2, Request::Start { names: names(&["web"]) });
    for _ in 0..3 {
        let Shim { seq, begun, .. } = world.shims[0];
        world.shims[0] = Shim { begun, seq, ..Shim::default() };
        world.input(Input::ShimGone(0, vec![]));
        world.bring_up(0);
    }
    world.settle();
    world.check();
    assert_eq!(world.machine.course, Course::Keep);
    assert!(world.answers.iter().all(|(_, outcome)| outcome.ok), "{:?}", world.answers);
}

#[test]
fn a_shim_that_is_killed_each_time_ends_the_run() {
    let mut world = World::new(&["web", "api"]);
    for _ in 0..4 {
        world.bring_up(0);
        world.shims[0] = Shim { seq: world.shims[0].seq, ..Shim::default() };
        world.input(Input::ShimGone(0, vec![]));
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
        world.ask(1, Request::Restart { names: vec![] });
        if !wanted {
            world.ask(2, Request::Stop { names: names(&["web"]) });
        }
        // It goes without a look at what is wanted now.
        world.tell(0, LifeEvent::Down {});
        world.shims[0] = Shim { seq: world.shims[0].seq, begun: 1, asked: true, ..Shim::default() };
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
    world.ask(1, Request::Stop { names: names(&["web"]) });
    world.settle();
    world.tell(0, LifeEvent::Down {});
    while world.deliver(0) {}
    world.ask(2, Request::Restart { names: names(&["web"]) });
    world.input(Input::NoPane(0, "no tmux".into()));
    assert_eq!(world.answers[1].1.problems, ["web: no tmux"]);
    assert_eq!(world.machine.course, Course::Keep);
    assert_eq!(world.machine.procs[1].word(), "running");
}

#[test]
fn a_closed_window_is_a_stop() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.tell(0, LifeEvent::Hangup {});
    world.shims[0].die(Exit::Signal(2));
    world.settle();
    world.tell(0, LifeEvent::Down {});
    world.shims[0] = Shim { seq: world.shims[0].seq, begun: 1, ..Shim::default() };
    assert_eq!(world.machine.course, Course::Keep);
    world.ask(1, Request::Start { names: names(&["web"]) });
    world.settle();
    world.check();
    assert!(world.answers[0].1.ok);
}

#[test]
fn saved_and_resumed_it_wants_the_same() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Restart { names: names(&["web"]) });
    let saved = serde_json::to_string(&world.machine).unwrap();
    world.machine = serde_json::from_str(&saved).unwrap();
    for effect in world.machine.resume(world.now) {
        if let Effect::Want { id, want, life, kill } = effect {
            world.shims[id].spec = Some((want, life, kill));
        }
    }
    world.settle();
    world.check();
    assert_eq!(world.machine.procs[0].life, 2);
}

#[test]
fn killed_before_the_beginning_it_begins_when_resumed() {
    let mut world = World::new(&["web", "api"]);
    world.machine = Supervisor::new(&plan(&["web", "api"]), 0);
    assert!(world.machine.resume(world.now).contains(&Effect::Open(vec![0, 1])));
    world.settle();
    world.check();
}

#[test]
fn killed_at_the_very_end_it_finishes_when_resumed() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.shims[0].die(Exit::Code(3));
    world.settle();
    assert_eq!(world.machine.course, Course::Done { code: 3 });
    assert_eq!(world.machine.resume(world.now), [Effect::Finish(3)]);
}

#[test]
fn a_life_that_has_begun_unheard_ends_because_it_was_told_to() {
    for request in [Request::Stop { names: names(&["web"]) }, Request::Quit] {
        let mut world = World::new(&["web", "api"]);
        world.settle();
        world.ask(1, Request::Restart { names: names(&["web"]) });
        // The old one ends, the new one begins; nothing of that has been read yet.
        world.shims[0].act(true);
        world.shims[0].act(true);
        world.ask(2, request.clone());
        // The news of the old one's end are no news of the new one's.
        while world.machine.procs[0].current_life() < 2 {
            assert!(!world.answers.iter().any(|(ticket, _)| *ticket == 2), "{:?}", world.answers);
            world.deliver(0);
        }
        world.settle();
        world.check();
        assert_eq!(world.machine.culprit, None);
        assert_eq!(world.machine.procs[0].word(), "stopped");
        assert!(world.answers.iter().any(|(ticket, outcome)| *ticket == 2 && outcome.ok));
        assert_eq!(world.finished, if request == Request::Quit { vec![0] } else { vec![] });
    }
}

#[test]
fn a_life_that_is_not_wanted_any_more_does_not_begin() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.ask(1, Request::Restart { names: vec![] });
    world.ask(2, Request::Stop { names: vec![] });
    world.settle();
    world.check();
    assert_eq!(world.machine.procs[0].word(), "stopped");
    assert_eq!(world.answers[0].1.problems, ["web: it was stopped meanwhile"]);
    assert!(world.answers[1].1.ok);
    world.ask(3, Request::Start { names: vec![] });
    world.settle();
    world.check();
    assert!(world.answers[2].1.ok);
}

#[test]
fn one_that_may_die_stops_nobody_and_counts() {
    let mut world = World::new(&["web", "seed?"]);
    world.settle();
    world.shims[1].die(Exit::Code(3));
    world.settle();
    world.check();
    assert_eq!(world.machine.course, Course::Keep);
    assert_eq!(world.machine.procs[1].word(), "exited");
    world.ask(1, Request::Restart { names: names(&["seed"]) });
    world.settle();
    assert_eq!(world.machine.procs[1].word(), "running");
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
    assert_eq!(world.machine.procs[0].word(), "running", "at once the first time");
    for pause in [1, 2, 4, 8, 16, 30, 30, 30] {
        world.shims[0].die(Exit::Code(1));
        world.settle();
        world.check();
        assert_eq!(world.machine.procs[0].word(), "restarting");
        let due = world.machine.next_due().unwrap();
        assert_eq!((due - world.now).div_ceil(1_000_000_000), pause);
        world.wait(pause - 1);
        assert_eq!(world.machine.procs[0].word(), "restarting");
        world.wait(1);
        assert_eq!(world.machine.procs[0].word(), "running");
    }
    world.wait(60);
    world.shims[0].die(Exit::Code(1));
    world.settle();
    assert_eq!(world.machine.procs[0].word(), "running", "it had been stable");
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
    assert_eq!(world.machine.procs[0].word(), "running");
    world.shims[0].die(Exit::Code(1));
    world.settle();
    world.ask(3, Request::Restart { names: vec![] });
    world.settle();
    assert_eq!(world.machine.procs[0].word(), "running");
    assert_eq!(world.machine.next_due(), None);
}

#[test]
fn a_clock_that_is_set_back_lengthens_no_pause() {
    let mut world = World::new(&["web!"]);
    world.now = 1_000_000_000_000;
    world.settle();
    for _ in 0..2 {
        world.shims[0].die(Exit::Code(1));
        world.settle();
    }
    world.now = 5;
    world.wait(0);
    assert_eq!(world.machine.procs[0].word(), "restarting", "it begins anew");
    world.wait(1);
    assert_eq!(world.machine.procs[0].word(), "running");
}

#[test]
fn an_entry_is_scaled_up_and_down() {
    let mut world = World::new(&["web", "job?", "job#2?+", "job#3?+"]);
    world.settle();
    let scale = |world: &mut World, ticket, count| {
        world.ask(ticket, Request::Scale { counts: [("job".to_owned(), count)].into() });
        world.settle();
        world.check();
        let procs = world.machine.procs.iter();
        procs.filter(|proc| proc.counts()).map(|proc| proc.name.to_string()).collect::<Vec<_>>()
    };
    world.ask(1, Request::Stop { names: names(&["job#2"]) });
    assert!(world.answers[0].1.unknown.is_some(), "there is none yet");
    assert_eq!(scale(&mut world, 2, 3), ["web", "job", "job#2", "job#3"]);
    assert_eq!(scale(&mut world, 3, 1), ["web", "job"]);
    assert!(world.machine.procs[2..].iter().all(|proc| proc.pane == Pane::None), "no window stays");
    assert_eq!(scale(&mut world, 4, 2), ["web", "job", "job#2"]);
    assert_eq!(scale(&mut world, 5, 0), ["web", "job"]);
    assert_eq!(world.machine.procs[1].word(), "stopped");
    assert!(world.answers[1..].iter().all(|(_, outcome)| outcome.ok), "{:?}", world.answers);
    let names = |at: usize| world.answers[at].1.names.iter().map(ToString::to_string);
    assert_eq!(names(2).collect::<Vec<_>>(), ["job", "job#2", "job#3"]);
    world.ask(6, Request::Scale { counts: [("jbo".to_owned(), 1)].into() });
    assert_eq!(world.answers[5].1.unknown.as_ref().unwrap().nearest.as_deref(), Some("job"));
    // A window that does not open is no reason to end a run that goes on without it.
    world.ask(7, Request::Scale { counts: [("job".to_owned(), 3)].into() });
    world.input(Input::NoPane(3, "no room".to_owned()));
    world.settle();
    assert_eq!(world.machine.course, Course::Keep);
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
    assert!(world.machine.procs.iter().all(|proc| proc.told == 1 && proc.killed == 0));
    // Who names it means it.
    world.ask(4, Request::Stop { names: names(&["job#3"]) });
    assert_eq!(world.machine.procs[2].killed, 1);
    world.settle();
    assert_eq!(world.answers.iter().filter(|(_, outcome)| outcome.ok).count(), 4);
    assert_eq!(world.machine.procs[1].killed, 0);
}

#[test]
fn the_window_of_one_whose_shim_was_killed_goes_when_it_is_scaled_away() {
    let mut machine = Supervisor::new(&plan(&["job!", "job#2!"]), 0);
    machine.procs[1].phase = Phase::Over { life: 1, exit: Exit::Signal(9), asked: false };
    let scale = Request::Scale { counts: [("job".to_owned(), 1)].into() };
    let effects = machine.step(1, Input::Ask(1, scale, None));
    assert!(effects.contains(&Effect::Close(1)), "{effects:?}");
}

#[test]
fn what_was_added_since_the_state_was_saved_is_known_to_an_adopter() {
    let mut machine = Supervisor::new(&plan(&["web", "job?"]), 0);
    let grown = plan(&["web", "job?", "job#2?+"]);
    assert!(machine.is_of(&grown));
    assert!(!machine.is_of(&plan(&["web", "job?", "other"])));
    machine.grow(&grown, 1);
    assert!(machine.is_of(&grown) && !machine.is_of(&plan(&["web", "job?"])));
    assert!(!machine.procs[2].counts());
}
