//! Lives that install.

use crate::model::event::{InstallProblem, Note};
use crate::model::plan::rules::{Check, FailureAction, Probe, Restart, RestartPolicy};
use crate::model::plan::{AfterInstall, Install};
use crate::model::{ProcId, ProcessStatus};
use crate::tests::order::stack::*;
use crate::tests::*;

const LIMIT_MS: u64 = 300_000;

/// The installation of a version of a process.
pub(in crate::tests) fn install(version: &str) -> Install {
    Install {
        command: vec!["/bin/install".into()],
        env: vec![],
        timeout_ms: LIMIT_MS,
        version: version.to_owned(),
        pending: true,
        then: AfterInstall::Run,
    }
}

/// A plan in which the first process has to be installed.
fn uploaded(names: &[&str]) -> Plan {
    let mut plan = plan(names);
    plan.processes[0].install = Some(install("1"));
    plan
}

fn installs(name: &str, then: AfterInstall) -> Request {
    Request::Install { name: name.to_owned(), then }
}

impl World {
    /// End the running life of a process by itself.
    fn ends(&mut self, id: usize, code: u8) {
        self.shims[id].die(Exit::Code(code));
        self.settle();
    }

    fn reason(&self, id: usize) -> String {
        self.machine.procs[id].note.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Continue with this plan, as after a reload.
    fn reload(&mut self, request_id: u64, plan: &mut Plan) {
        plan.generation += 1;
        self.machine.grow(plan, self.now);
        self.shims.resize_with(plan.processes.len(), Shim::default);
        self.ask(request_id, Request::Reload { plan: Box::new(plan.clone()) });
        self.settle();
    }

    /// The statistics of a process.
    fn figures(&self, id: usize) -> (u64, u64, u32, usize) {
        let proc = &self.machine.procs[id];
        (proc.begun, proc.exit_stats.crashes, proc.failures.times, proc.exit_stats.exits().len())
    }
}

#[test]
fn a_process_with_a_pending_installation_runs_once_it_is_installed() {
    let mut world = World::of(&uploaded(&["app", "web"]));
    world.settle();
    assert_eq!(
        [world.status(0), world.status(1)],
        [ProcessStatus::Installing, ProcessStatus::Running]
    );
    assert_eq!(world.machine.procs[0].pid(), Some(101));
    world.ends(0, 0);
    assert_eq!(world.status(0), ProcessStatus::Running);
    assert_eq!(world.said, ["Installing...", "Installed"]);
    assert_eq!((world.figures(0), world.machine.procs[0].restarts.streak), ((1, 0, 0, 0), 0));
    // Another life does not install again.
    world.ask(1, Request::Restart { names: names(&["app"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!((world.status(0), world.figures(0).0), (ProcessStatus::Running, 2));
    world.check();
}

#[test]
fn an_installation_can_leave_its_process_stopped() {
    let mut plan = uploaded(&["app-", "web"]);
    plan.processes[0].install = Some(Install { pending: false, ..install("1") });
    let mut world = World::of(&plan);
    world.settle();
    assert_eq!(world.status(0), ProcessStatus::Stopped);
    world.ask(1, installs("app-", AfterInstall::Stop));
    world.settle();
    assert_eq!((world.status(0), world.answers.len()), (ProcessStatus::Installing, 0));
    world.ends(0, 0);
    assert_eq!((world.status(0), world.figures(0)), (ProcessStatus::Stopped, (0, 0, 0, 0)));
    assert!(world.answers[0].1.ok, "{:?}", world.answers);
    world.check();
}

#[test]
fn an_installation_that_fails_is_an_error_and_nothing_else() {
    for failure in [1, 127] {
        let mut plan = uploaded(&["app", "web", "after?"]);
        plan.exit_code_from = None;
        let policy = RestartPolicy { when: Restart::Always, ..RestartPolicy::default() };
        plan.processes[0].rules.restart = Some(policy);
        let need = crate::model::plan::rules::Need {
            on: ProcName::new("app").unwrap(),
            until: crate::model::plan::rules::DependencyCondition::Started,
            restart: false,
        };
        plan.processes[2].rules.needs = vec![need];
        let mut world = World::of(&plan);
        world.settle();
        world.ends(0, failure);
        assert_eq!(world.status(0), ProcessStatus::Error);
        assert_eq!(world.reason(0), format!("installation failed (exit {failure})"));
        assert_eq!(world.status(2), ProcessStatus::Pending, "it may still be installed");
        assert_eq!((world.figures(0), world.machine.procs[0].restarts.due), ((0, 0, 0, 0), None));
        assert_eq!(world.machine.run_phase, RunPhase::Running);
        // The next start installs again.
        world.ask(1, Request::Start { names: names(&["app"]), order: ChangeOrder::default() });
        world.settle();
        assert_eq!((world.status(0), world.reason(0).as_str()), (ProcessStatus::Installing, ""));
        assert!(world.answers.is_empty(), "its program does not run yet: {:?}", world.answers);
        world.ends(0, 0);
        let running = [0, 2].map(|id| world.status(id));
        assert_eq!(running, [ProcessStatus::Running, ProcessStatus::Running]);
        assert!(world.answers[0].1.ok);
        world.ask(2, Request::Quit);
        world.settle();
        assert_eq!(world.finished, [0]);
    }
}

#[test]
fn failed_installations_have_no_part_in_the_exit_code_and_do_not_end_the_run() {
    let mut plan = uploaded(&["app"]);
    plan.exit_code_from = Some(ProcName::new("app").unwrap());
    let mut world = World::of(&plan);
    world.settle();
    world.ends(0, 3);
    assert_eq!(
        (world.machine.run_phase, world.status(0)),
        (RunPhase::Running, ProcessStatus::Error)
    );
    world.ask(1, Request::Quit);
    world.settle();
    assert_eq!((world.finished.as_slice(), world.machine.decider()), (&[0][..], None));
}

#[test]
fn clients_that_wait_for_an_installation_hear_why_it_failed() {
    let mut plan = uploaded(&["app-", "web"]);
    plan.processes[0].install = Some(Install { pending: false, ..install("1") });
    let mut world = World::of(&plan);
    world.settle();
    world.ask(1, installs("app-", AfterInstall::Run));
    world.ask(2, Request::Start { names: names(&["app-"]), order: ChangeOrder::default() });
    world.settle();
    world.ends(0, 2);
    for (number, outcome) in &world.answers {
        assert_eq!(outcome.problems[0].raw(), "app-: installation failed (exit 2)", "{number}");
    }
    assert_eq!(world.answers.len(), 2);
}

#[test]
fn an_installation_is_refused_where_it_makes_no_sense() {
    let mut world = World::of(&uploaded(&["app", "web", "off-"]));
    world.settle();
    for (number, (name, why)) in [
        ("app", "app is being installed already"),
        ("web", "web has no installation: it was not uploaded"),
    ]
    .into_iter()
    .enumerate()
    {
        world.ask(number as u64, installs(name, AfterInstall::Run));
        assert_eq!(world.answers[number].1.problems[0].raw(), why);
    }
    world.ask(2, installs("nosuch", AfterInstall::Run));
    assert!(world.answers[2].1.unknown.is_some());
    world.ends(0, 0);
    world.ask(3, installs("app", AfterInstall::Run));
    assert_eq!(world.answers[3].1.problems[0].raw(), "app runs; stop it first");
    world.ask(4, Request::Quit);
    world.ask(5, installs("app", AfterInstall::Run));
    assert_eq!(world.answers[4].1.problems[0].raw(), "everything is being stopped");
}

#[test]
fn an_installation_that_takes_too_long_is_ended_also_after_a_takeover() {
    let plan = uploaded(&["app", "web"]);
    let mut world = World::of(&plan);
    world.settle();
    world.wait(200);
    assert_eq!(world.status(0), ProcessStatus::Installing);
    let text = serde_json::to_string(&world.machine).unwrap();
    world.machine = serde_json::from_str(&text).unwrap();
    world.machine.attach(&plan);
    for effect in world.machine.resume(world.now) {
        world.effect(effect);
    }
    assert_eq!(world.status(0), ProcessStatus::Installing);
    world.wait(101);
    assert_eq!(world.status(0), ProcessStatus::Error);
    assert_eq!(world.reason(0), "installation timed out after 300 s");
    let said = ["Installing...", "The installation timed out after 300 s", "Interrupting..."];
    assert_eq!(world.said, said);
    assert_eq!((world.figures(0), world.machine.run_phase), ((0, 0, 0, 0), RunPhase::Running));
    world.check();
}

#[test]
fn a_stopped_installation_is_begun_again_before_the_program_runs() {
    let mut world = World::of(&uploaded(&["app", "web"]));
    world.settle();
    world.ask(1, Request::Stop { names: names(&["app"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.status(0), ProcessStatus::Stopped);
    assert_eq!(world.reason(0), "installation was interrupted");
    for request in [
        Request::Start { names: names(&["app"]), order: ChangeOrder::default() },
        // This request interrupts the installation and starts it again.
        Request::Restart { names: names(&["app"]), order: ChangeOrder::default() },
    ] {
        world.ask(2, request);
        world.settle();
        assert_eq!(world.status(0), ProcessStatus::Installing);
    }
    world.ends(0, 0);
    assert_eq!((world.status(0), world.figures(0)), (ProcessStatus::Running, (1, 0, 0, 0)));
    assert!(world.answers.iter().all(|(_, outcome)| outcome.ok), "{:?}", world.answers);
    world.check();
}

#[test]
fn an_installation_that_began_before_the_end_of_the_last_one_was_seen_counts_by_its_own_end() {
    let mut world = World::of(&uploaded(&["web"]));
    let change = |request: fn(ChangeOrder) -> Request| request(ChangeOrder::default());
    let restart = || change(|order| Request::Restart { names: names(&["web"]), order });
    world.bring_up(0);
    world.shims[0].act(false);
    world.ask(1, restart());
    world.shims[0].die(Exit::Code(0));
    world.shims[0].act(false);
    world.deliver(0);
    world.ask(2, change(|order| Request::Stop { names: names(&["web"]), order }));
    world.settle();
    assert_eq!(world.reason(0), "installation was interrupted");
    world.ask(3, restart());
    world.settle();
    assert_eq!(world.machine.procs[0].status(), ProcessStatus::Installing);
}

#[test]
fn an_end_of_the_run_ends_an_installation() {
    for request in [Request::Quit, Request::Kill] {
        let mut world = World::of(&uploaded(&["app", "web"]));
        world.settle();
        world.ask(1, request);
        world.settle();
        assert_eq!(world.finished, [0]);
    }
}

#[test]
fn a_start_during_an_installation_that_ends_stopped_runs_the_process() {
    let mut plan = uploaded(&["app-"]);
    plan.processes[0].install = Some(Install { pending: false, ..install("1") });
    let mut world = World::of(&plan);
    world.ask(1, installs("app-", AfterInstall::Stop));
    world.ask(2, Request::Start { names: names(&["app-"]), order: ChangeOrder::default() });
    world.settle();
    world.ask(3, Request::Start { names: names(&["app-"]), order: ChangeOrder::default() });
    world.ends(0, 0);
    assert_eq!((world.status(0), world.answers.len()), (ProcessStatus::Running, 3));
}

#[test]
fn installations_are_not_checked_and_their_output_is_not_matched() {
    let mut plan = uploaded(&["app", "web"]);
    let probe = Probe::Exec { command: "true".into() };
    plan.processes[0].rules.ready = vec![Check { probe, timeout_ms: 1000, every_ms: 100 }];
    let mut world = World::of(&plan);
    world.settle();
    assert_eq!(world.machine.questions(), []);
    let life = LifeId::FIRST;
    world.input(Input::Passed(ProcId::at(0), life, 0));
    world.input(Input::Failing(ProcId::at(0), life, FailureAction::Break, "x".into()));
    world.input(Input::Failing(ProcId::at(0), life, FailureAction::Restart, "x".into()));
    world.wait(5);
    let proc = &world.machine.procs[0];
    assert_eq!((world.status(0), proc.is_ready()), (ProcessStatus::Installing, false));
    assert_eq!(world.said, ["Installing..."]);
    world.ends(0, 0);
    assert_eq!(world.machine.questions().len(), 1);
    world.wait(2);
    assert!(matches!(world.machine.procs[0].ready, crate::Ready::No { .. }));
}

#[test]
fn what_the_program_waits_for_does_not_delay_its_installation() {
    let mut plan = stack();
    plan.processes[API].install = Some(install("1"));
    let mut world = World::of(&plan);
    world.settle();
    assert_eq!(world.status(API), ProcessStatus::Installing);
    world.ends(API, 0);
    assert_eq!(world.status(API), ProcessStatus::Pending, "{:?}", world.said);
    assert_eq!(world.machine.awaited(ProcId::at(API)), "db, migrate");
    world.pass(DB, 0);
    world.end(MIGRATE, Exit::Code(0));
    assert_eq!(world.status(API), ProcessStatus::Running);
}

#[test]
fn a_process_that_a_reload_adds_is_installed_at_once() {
    for (then, status) in
        [(AfterInstall::Run, ProcessStatus::Running), (AfterInstall::Stop, ProcessStatus::Stopped)]
    {
        let mut plan = plan(&["web"]);
        let mut world = World::of(&plan);
        world.settle();
        let mut app = crate::tests::plan(&["app-"]).processes.remove(0);
        app.install = Some(Install { then, ..install("1") });
        app.additions = 1;
        plan.processes.push(app);
        world.reload(1, &mut plan);
        assert_eq!(world.status(1), ProcessStatus::Installing);
        // The plan still marks the version as not installed.
        world.reload(2, &mut plan);
        world.ends(1, 0);
        assert_eq!(world.status(1), status);
        world.reload(3, &mut plan);
        assert_eq!((world.status(1), world.answers.len()), (status, 3));
        world.check();
    }
}

#[test]
fn a_process_that_was_removed_and_added_again_is_installed_again() {
    let mut plan = uploaded(&["app", "web"]);
    let mut world = World::of(&plan);
    world.settle();
    world.ends(0, 0);
    plan.processes[0].removed = true;
    world.reload(1, &mut plan);
    assert!(!world.machine.procs[0].counts());
    (plan.processes[0].removed, plan.processes[0].additions) = (false, 1);
    world.reload(2, &mut plan);
    assert_eq!(world.status(0), ProcessStatus::Installing);
    world.ends(0, 0);
    assert_eq!(world.status(0), ProcessStatus::Running);
}

#[test]
fn a_new_version_restarts_nothing_and_is_installed_before_the_next_life() {
    let mut plan = uploaded(&["app", "web"]);
    let mut world = World::of(&plan);
    world.settle();
    world.ends(0, 0);
    plan.processes[0].install = Some(install("2"));
    world.reload(1, &mut plan);
    assert_eq!((world.status(0), world.figures(0).0), (ProcessStatus::Running, 1));
    world.ask(2, Request::Stop { names: names(&["app"]), order: ChangeOrder::default() });
    world.settle();
    world.ask(3, Request::Start { names: names(&["app"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.status(0), ProcessStatus::Installing);
    world.ends(0, 1);
    assert_eq!(world.status(0), ProcessStatus::Error);
    // The old version is back, and its installation is still valid.
    plan.processes[0].install = Some(Install { pending: false, ..install("1") });
    world.reload(4, &mut plan);
    world.ask(5, Request::Start { names: names(&["app"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!((world.status(0), world.figures(0).0), (ProcessStatus::Running, 2));
}

#[test]
fn an_update_of_a_process_that_does_not_run_waits_for_its_request() {
    let mut plan = uploaded(&["app?", "web"]);
    let mut world = World::of(&plan);
    world.settle();
    world.ends(0, 0);
    world.ends(0, 1);
    assert_eq!(world.status(0), ProcessStatus::Exited);
    plan.processes[0].install = Some(install("2"));
    plan.processes[0].revision += 1;
    world.reload(1, &mut plan);
    assert_eq!(world.status(0), ProcessStatus::Exited);
    world.ask(2, installs("app", AfterInstall::Run));
    world.settle();
    assert_eq!(world.status(0), ProcessStatus::Installing);
}

#[test]
fn a_killed_shim_fails_the_installation() {
    let mut world = World::of(&uploaded(&["app", "web"]));
    world.settle();
    world.shims[0] = Shim { seq: world.shims[0].seq, ..Shim::default() };
    world.input(Input::ShimGone(ProcId::at(0), vec![]));
    world.settle();
    assert_eq!(
        (world.status(0), world.machine.run_phase),
        (ProcessStatus::Error, RunPhase::Running)
    );
    let why = InstallProblem::Ended { exit: Exit::Signal(9) };
    assert_eq!(world.machine.procs[0].note, Some(Note::NotInstalled(why)));
    world.check();
}
