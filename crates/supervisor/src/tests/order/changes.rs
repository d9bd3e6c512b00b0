//! Several processes that are stopped, started and restarted in their order.

use crate::model::plan::rules::{Check, DependencyCondition, Need, Probe, Text};
use crate::model::{ProcId, ProcessStatus};
use crate::tests::*;

use DependencyCondition::{Completed, Ready, Started};

/// Make a process of a plan wait for another one.
pub(in crate::tests) fn need(plan: &mut Plan, id: usize, on: usize, until: DependencyCondition) {
    let on = plan.processes[on].name.clone();
    plan.processes[id].rules.needs.push(Need { on, until, restart: false });
}

/// A process is ready when it has printed something.
pub(in crate::tests) fn prints(plan: &mut Plan, id: usize) {
    let text = Text { pattern: "x".into(), regex: false, any_case: false };
    let (timeout_ms, every_ms) = (60_000, 250);
    plan.processes[id].rules.ready = vec![Check { probe: Probe::Log(text), timeout_ms, every_ms }];
}

const DB: usize = 0;
const MIGRATE: usize = 1;
const WEB: usize = 2;

/// A server that needs a completed migration, which needs a database that is ready.
fn site() -> Plan {
    let mut plan = plan(&["db?", "migrate?", "web?"]);
    prints(&mut plan, DB);
    need(&mut plan, MIGRATE, DB, Ready);
    need(&mut plan, WEB, MIGRATE, Completed);
    plan
}

fn restart(list: &[&str]) -> Request {
    Request::Restart { names: names(list), order: ChangeOrder::default() }
}

fn start(list: &[&str]) -> Request {
    Request::Start { names: names(list), order: ChangeOrder::default() }
}

fn stop(list: &[&str]) -> Request {
    Request::Stop { names: names(list), order: ChangeOrder::default() }
}

impl World {
    fn ready(&mut self, id: usize) {
        let life = self.machine.procs[id].current_life().unwrap();
        self.input(Input::Passed(ProcId::at(id), life, 0));
        self.settle();
    }

    fn finish(&mut self, id: usize, code: u8) {
        assert!(self.shims[id].alive);
        self.shims[id].die(Exit::Code(code));
        self.settle();
    }

    fn lives(&self) -> Vec<u32> {
        let life = |proc: &crate::Proc| crate::model::ids::or_zero::number(proc.current_life());
        self.machine.procs.iter().map(life).collect()
    }

    fn answered(&self, request_id: u64) -> Option<&Outcome> {
        self.answers.iter().find(|(id, _)| *id == request_id).map(|(_, outcome)| outcome)
    }

    /// All of the site run.
    fn site() -> Self {
        let mut world = Self::of(&site());
        world.settle();
        world.ready(DB);
        world.finish(MIGRATE, 0);
        assert!(world.shims[WEB].alive);
        world
    }

    /// Replace the supervisor by one that has read the saved state.
    fn hand_over(&mut self, plan: &Plan) {
        let saved = serde_json::to_string(&self.machine).unwrap();
        let mut next: Supervisor = serde_json::from_str(&saved).unwrap();
        next.attach(plan);
        assert!(next.is_of(plan));
        next.pending = std::mem::take(&mut self.machine.pending);
        self.machine = next;
        for effect in self.machine.resume(self.now) {
            self.effect(effect);
        }
    }
}

#[test]
fn a_restart_of_all_has_the_order_of_a_start_and_runs_no_completed_process_again() {
    for takeover in [false, true] {
        let mut world = World::site();
        let next = |world: &mut World| {
            if takeover {
                world.hand_over(&site());
            }
        };
        world.ask(1, restart(&[]));
        next(&mut world);
        world.shims[DB].act(true);
        assert!(world.shims[DB].alive, "web needs it and still runs");
        world.settle();
        next(&mut world);
        assert_eq!(world.lives(), [2, 1, 1], "web waits until the database is ready");
        assert_eq!(world.machine.procs[WEB].status(), ProcessStatus::Pending);
        assert!(world.answered(1).is_none());
        world.ready(DB);
        assert_eq!(world.lives(), [2, 1, 2]);
        assert!(world.answered(1).unwrap().ok, "{:?}", world.answers);
    }
}

#[test]
fn what_needs_a_process_through_one_that_is_gone_is_stopped_before_it() {
    // A completed process.
    let mut world = World::site();
    world.ask(9, Request::Quit);
    world.shims[DB].act(true);
    assert!(world.shims[DB].alive && world.shims[WEB].alive);
    world.settle();
    assert!(!world.shims[DB].alive && !world.shims[WEB].alive);

    for names in [&["db", "migrate", "web"][..], &["migrate", "web"]] {
        let mut world = World::site();
        world.ask(1, restart(names));
        world.shims[DB].act(true);
        world.shims[MIGRATE].act(true);
        assert!(world.shims[DB].alive && !world.shims[MIGRATE].alive, "web is still there");
        world.settle();
        if names.contains(&"db") {
            world.ready(DB);
        }
        assert!(world.shims[MIGRATE].alive && !world.shims[WEB].alive);
        world.finish(MIGRATE, 0);
        assert!(world.shims[WEB].alive && world.answered(1).unwrap().ok);
    }

    // One that was stopped.
    let mut plan = plan(&["a?", "b?", "c?"]);
    need(&mut plan, 1, 0, Ready);
    need(&mut plan, 2, 1, Ready);
    for request in [None, Some(restart(&["a", "b", "c"]))] {
        let mut world = World::of(&plan);
        world.settle();
        world.ask(1, stop(&["b"]));
        world.settle();
        match request.clone() {
            Some(request) => world.ask(2, request),
            None => world.ask(9, Request::Quit),
        }
        world.shims[0].act(true);
        world.shims[1].act(true);
        assert!(world.shims[0].alive && !world.shims[1].alive && world.shims[2].alive);
        world.settle();
        assert_eq!(world.shims[0].alive, request.is_some());
    }
}

#[test]
fn a_completed_process_that_is_named_runs_again_and_is_waited_for() {
    let mut world = World::site();
    world.ask(1, restart(&["migrate"]));
    world.settle();
    assert!(world.shims[MIGRATE].alive && world.answered(1).is_none());
    world.finish(MIGRATE, 0);
    assert!(world.answered(1).unwrap().ok);
    assert_eq!(world.lives(), [1, 2, 1], "web is not restarted with it");
    world.ask(2, restart(&["migrate", "web"]));
    world.settle();
    assert!(world.shims[MIGRATE].alive && !world.shims[WEB].alive);
    world.finish(MIGRATE, 3);
    let outcome = world.answered(2).unwrap();
    assert_eq!(outcome.problems[0], "migrate: ended with code 3");
    assert!(!outcome.ok && outcome.problems[1].to_string().starts_with("web: "), "{outcome:?}");
    assert_eq!(world.machine.procs[WEB].status(), ProcessStatus::Skipped);
    assert_eq!(world.machine.run_phase, RunPhase::Running);
    // It follows when the other one is repaired.
    world.ask(3, restart(&["migrate"]));
    world.settle();
    world.finish(MIGRATE, 0);
    assert_eq!(world.answered(3).unwrap().following, [world.machine.procs[WEB].name.clone()]);
    assert!(world.shims[WEB].alive);
}

#[test]
fn what_a_person_has_stopped_is_restarted_only_by_its_name() {
    let mut world = World::site();
    world.ask(1, stop(&["web"]));
    world.settle();
    world.ask(2, restart(&[]));
    world.settle();
    world.ready(DB);
    assert_eq!(world.lives(), [2, 1, 1]);
    assert_eq!(world.machine.procs[WEB].status(), ProcessStatus::Stopped);
    world.ask(3, restart(&["web"]));
    world.settle();
    assert_eq!(world.lives(), [2, 1, 2]);
    // As in overmind: all at once.
    world.ask(4, stop(&["web"]));
    world.settle();
    world.ask(5, Request::Restart { names: vec![], order: ChangeOrder::Overmind });
    world.settle();
    world.ready(DB);
    assert_eq!(world.lives()[..2], [3, 2]);
}

#[test]
fn what_a_person_is_stopping_is_left_alone_by_a_restart_of_all() {
    let mut world = World::site();
    world.ask(1, stop(&[]));
    // web is stopping, and db waits for it.
    assert!(world.shims[WEB].alive && !world.machine.procs[DB].stop_was_requested());
    world.ask(2, restart(&[]));
    world.settle();
    assert_eq!(world.lives(), [1, 1, 1]);
    let all = world.machine.procs.iter();
    assert!(all.into_iter().all(|proc| !proc.alive() && proc.goal == Goal::Stop));
    assert!(world.answered(1).unwrap().ok && world.answered(2).unwrap().ok, "{:?}", world.answers);
    // Named, it begins again.
    let mut world = World::site();
    world.ask(1, stop(&["web"]));
    world.ask(2, restart(&["web"]));
    world.settle();
    assert_eq!(world.lives(), [1, 1, 2]);
}

#[test]
fn a_stop_has_the_reverse_order_and_cancels_a_restart() {
    let mut world = World::site();
    world.ask(1, restart(&[]));
    world.ask(2, stop(&[]));
    world.shims[DB].act(true);
    assert!(world.shims[DB].alive && world.machine.procs[DB].status() == ProcessStatus::Running);
    world.settle();
    assert_eq!(world.lives(), [1, 1, 1]);
    assert!(!world.answered(1).unwrap().ok && world.answered(2).unwrap().ok, "{:?}", world.answers);
    let all = world.machine.procs.iter();
    assert!(all.into_iter().all(|proc| !proc.alive() && proc.goal == Goal::Stop));
    // What was to be stopped and is started again goes on.
    let mut world = World::site();
    world.ask(1, stop(&[]));
    world.ask(2, start(&["db"]));
    world.settle();
    assert!(world.shims[DB].alive && world.lives() == [1, 1, 1]);
    assert!(!world.shims[WEB].alive);
}

#[test]
fn a_stop_of_a_completed_process_takes_back_only_its_next_life() {
    let mut plan = plan(&["db?", "migrate?", "web?"]);
    need(&mut plan, WEB, MIGRATE, Completed);
    let mut world = World::of(&plan);
    world.settle();
    world.finish(MIGRATE, 0);
    // Both are to begin anew; the migration is stopped before it does, and has been a success.
    world.ask(1, restart(&["migrate", "web"]));
    world.ask(2, stop(&["migrate"]));
    world.settle();
    assert_eq!(world.lives(), [1, 1, 2]);
    assert!(world.shims[WEB].alive && !world.shims[MIGRATE].alive);
    assert!(!world.answered(1).unwrap().ok && world.answered(2).unwrap().ok, "{:?}", world.answers);
}

#[test]
fn what_is_restarted_twice_does_not_let_its_need_stop_before_its_dependent() {
    let mut plan = plan(&["db?", "api?", "web?"]);
    need(&mut plan, MIGRATE, DB, Started);
    need(&mut plan, WEB, MIGRATE, Started);
    let mut world = World::of(&plan);
    world.settle();
    world.ask(1, restart(&[]));
    world.shims[WEB].act(false);
    // The second request stops `api` at once, although `web` is not gone yet.
    world.ask(2, restart(&["api"]));
    world.shims[MIGRATE].act(true);
    while world.deliver(MIGRATE) {}
    assert!(!world.shims[MIGRATE].alive && world.machine.procs[WEB].alive());
    assert_eq!(world.machine.procs[DB].marks.stop_requested, None);
    world.settle();
    assert_eq!(world.lives(), [2, 2, 2]);
}

#[test]
fn what_waits_to_begin_anew_also_waits_for_what_is_restarted_meanwhile() {
    let mut plan = plan(&["db?", "api?", "web?"]);
    need(&mut plan, MIGRATE, DB, Started);
    need(&mut plan, WEB, MIGRATE, Started);
    let mut world = World::of(&plan);
    world.settle();
    world.ask(1, restart(&["db", "web"]));
    world.shims[WEB].act(false);
    // At once again, so the restart of `web` is joined; it has not begun, so it begins after `api`.
    world.ask(2, restart(&["api", "web"]));
    world.shims[WEB].act(true);
    while world.deliver(WEB) {}
    for _ in 0..2 {
        world.shims[DB].act(true);
        while world.deliver(DB) {}
    }
    assert_eq!(world.lives(), [2, 1, 1]);
    assert!(!world.machine.procs[WEB].alive() && world.machine.procs[WEB].waiting);
    world.settle();
    assert!(world.shims.iter().all(|shim| shim.alive) && world.lives() == [2, 2, 2]);
}

#[test]
fn a_life_that_began_unheard_before_a_later_one_was_requested_has_to_end_too() {
    let mut plan = plan(&["db?", "migrate?", "web?"]);
    need(&mut plan, WEB, DB, Started);
    let mut world = World::of(&plan);
    for id in [DB, WEB] {
        world.bring_up(id);
    }
    world.shims[DB].act(true);
    world.deliver(DB);
    // The shim skips the first life, begins the second, and is asked for the third, before it is heard.
    world.ask(1, stop(&["web"]));
    world.shims[WEB].act(false);
    world.ask(2, restart(&["web"]));
    world.shims[WEB].act(false);
    let web = &mut plan.processes[WEB];
    (web.revision, web.own_revision) = (web.revision + 1, web.own_revision + 1);
    plan.generation += 1;
    world.machine.grow(&plan, world.now);
    world.ask(3, Request::Reload { plan: Box::new(plan) });
    world.deliver(WEB);
    world.ask(4, stop(&["db", "web"]));
    for _ in 0..2 {
        world.shims[WEB].act(false);
        while world.deliver(WEB) {}
    }
    assert!(world.shims[WEB].alive && world.machine.procs[WEB].alive());
    assert_eq!(world.machine.procs[DB].marks.stop_requested, None);
    world.settle();
    assert!(!world.shims[WEB].alive && !world.shims[DB].alive && world.answers.len() == 4);
}

#[test]
fn a_second_restart_kills_only_what_is_stopping() {
    let mut world = World::site();
    world.ask(1, restart(&[]));
    world.shims[WEB].act(false);
    world.deliver(WEB);
    world.now += 1_000_000_000;
    world.ask(2, restart(&[]));
    assert_eq!(world.machine.procs[WEB].marks.kill_requested, Some(LifeId::FIRST));
    assert_eq!(world.machine.procs[DB].marks.kill_requested, None);
    world.settle();
    assert_eq!(world.machine.procs[DB].current_life(), Some(LifeId::nth(2)));
    world.ready(DB);
    assert!(world.shims[WEB].alive && world.answers.iter().all(|(_, outcome)| outcome.ok));
}

#[test]
fn without_an_order_all_are_restarted_at_once() {
    let mut world = World::site();
    world.ask(1, Request::Restart { names: vec![], order: ChangeOrder::Unordered });
    world.settle();
    assert_eq!(world.lives(), [2, 1, 2]);
    let mut plan = site();
    plan.no_deps = true;
    let mut world = World::of(&plan);
    world.settle();
    assert!(world.shims.iter().all(|shim| shim.alive));
}

#[test]
fn a_dependent_that_asks_for_it_is_restarted_too() {
    let mut plan = site();
    let on = plan.processes[DB].name.clone();
    plan.processes[WEB].rules.needs.push(Need { on, until: Ready, restart: true });
    let mut world = World::of(&plan);
    world.settle();
    world.ready(DB);
    world.finish(MIGRATE, 0);
    world.ask(1, restart(&["db"]));
    world.settle();
    assert!(!world.shims[WEB].alive, "it starts when the database is ready again");
    world.ready(DB);
    assert_eq!(world.lives(), [2, 1, 2]);
    assert_eq!(world.answered(1).unwrap().names.len(), 2);
}

#[test]
fn one_that_was_skipped_and_stopped_by_a_person_does_not_follow() {
    for stopped in [false, true] {
        let mut world = World::of(&site());
        world.settle();
        world.ready(DB);
        world.finish(MIGRATE, 1);
        assert_eq!(world.machine.procs[WEB].status(), ProcessStatus::Skipped);
        if stopped {
            world.ask(1, stop(&["web"]));
        }
        world.ask(2, start(&["migrate"]));
        world.settle();
        let status = if stopped { ProcessStatus::Skipped } else { ProcessStatus::Pending };
        assert_eq!(world.machine.procs[WEB].status(), status);
        world.finish(MIGRATE, 0);
        assert_eq!(world.shims[WEB].alive, !stopped);
        assert_eq!(world.answered(2).unwrap().following.is_empty(), stopped);
    }
}

#[test]
fn a_reload_has_the_order_too_and_leaves_a_completed_process_alone() {
    for own in [false, true] {
        let mut plan = site();
        let mut world = World::of(&plan);
        world.settle();
        world.ready(DB);
        world.finish(MIGRATE, 0);
        for process in &mut plan.processes {
            process.revision = 1;
        }
        plan.processes[MIGRATE].own_revision = u32::from(own);
        plan.generation = 1;
        world.machine.grow(&plan, world.now);
        world.ask(1, Request::Reload { plan: Box::new(plan) });
        world.settle();
        assert_eq!(world.lives(), [2, 1, 1]);
        world.ready(DB);
        if own {
            assert_eq!(world.lives(), [2, 2, 1], "web waits for it");
            world.finish(MIGRATE, 0);
        }
        assert_eq!(world.lives(), [2, 1 + u32::from(own), 2]);
        assert!(world.answered(1).unwrap().ok, "{:?}", world.answers);
    }
}

#[test]
fn a_check_that_passes_late_makes_ready_and_brings_back_what_was_skipped() {
    for takeover in [false, true] {
        let mut plan = site();
        let delay = Check { probe: Probe::Delay { ms: 90_000 }, timeout_ms: 60_000, every_ms: 250 };
        plan.processes[DB].rules.ready.push(delay);
        let mut world = World::of(&plan);
        world.settle();
        world.wait(60);
        let skipped = [ProcessStatus::Running, ProcessStatus::Skipped, ProcessStatus::Skipped];
        let statuses =
            |world: &World| world.machine.procs.iter().map(crate::Proc::status).collect::<Vec<_>>();
        assert_eq!(statuses(&world), skipped);
        if takeover {
            world.hand_over(&plan);
        }
        let due = world.machine.next_due().unwrap();
        assert!(due > world.now, "the timeout is reported once");
        world.ready(DB);
        assert_eq!(statuses(&world), skipped, "the delay is not over");
        world.wait(30);
        assert!(world.machine.procs[DB].is_ready());
        world.finish(MIGRATE, 0);
        assert_eq!(statuses(&world)[WEB], ProcessStatus::Running);
        assert_eq!(world.said.iter().filter(|said| said.starts_with("Not ready")).count(), 1);
        world.ask(1, restart(&["web"]));
        world.settle();
        assert!(world.answered(1).unwrap().following.is_empty());
    }
}

#[test]
fn who_restarts_is_not_told_that_it_ended_at_once_if_another_restart_has_stopped_it() {
    let plan = plan(&["api?"]);
    let mut world = World::of(&plan);
    world.settle();
    world.input(Input::Request(1, restart(&["api"]), Some("first".into())));
    // The supervisor is killed before it answers. The client asks the next one again, but only after another
    // restart has stopped the new life.
    world.machine.pending.clear();
    world.settle();
    world.hand_over(&plan);
    world.ask(2, restart(&["api"]));
    world.shims[0].act(true);
    while !matches!(world.machine.procs[0].phase, Phase::Ending { .. }) {
        assert!(world.deliver(0));
    }
    world.input(Input::Request(3, restart(&["api"]), Some("first".into())));
    world.settle();
    assert!(world.answers.iter().any(|(id, _)| *id == 3));
    assert!(world.answers.iter().all(|(_, outcome)| outcome.ok), "{:?}", world.answers);
    assert_eq!(world.lives(), [3]);
}

#[test]
fn what_restarts_with_another_one_says_so() {
    let mut plan = site();
    plan.processes[MIGRATE].rules.needs[0].restart = true;
    plan.processes[WEB].rules.needs =
        vec![Need { on: plan.processes[DB].name.clone(), until: Ready, restart: true }];
    let mut world = World::of(&plan);
    world.settle();
    world.ready(DB);
    world.finish(MIGRATE, 0);
    world.said.clear();
    world.ask(1, restart(&["db"]));
    assert_eq!(world.said[0], "Restarts with db", "{:?}", world.said);
    assert_eq!(world.said.iter().filter(|said| said.contains("with db")).count(), 1);
}
