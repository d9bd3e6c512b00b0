//! Restarts after changes of files.

use super::{World, names, plan};
use crate::model::file_change::{BuildFailure, FileChange};
use crate::model::plan::Plan;
use crate::model::request::{ChangeOrder, Request};
use crate::model::rules::{Check, DependencyCondition, FileWatch, Need, Probe};
use crate::model::signal::SignalName;
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcId, ProcName};
use crate::supervisor::{Effect, Input, Supervisor};

const WEB: ProcId = ProcId::at(0);

fn rules() -> FileWatch {
    FileWatch {
        dir: "/x".into(),
        paths: vec!["src".into()],
        ignore: vec![],
        gitignore: true,
        debounce_ms: 300,
        run: None,
        signal: None,
    }
}

/// A plan in which these processes are watched.
fn watched(all: &[&str], which: &[usize]) -> Plan {
    let mut plan = plan(all);
    for id in which {
        plan.processes[*id].rules.watch = Some(rules());
    }
    plan
}

fn running(plan: &Plan) -> World {
    let mut world = World::of(plan);
    world.settle();
    world.said.clear();
    world
}

impl World {
    /// These files of a process change now.
    fn change(&mut self, id: ProcId, files: &[&str]) {
        let written = self.now + 1;
        self.written(&[(id, files)], written);
    }

    fn written(&mut self, all: &[(ProcId, &[&str])], written: Timestamp) {
        let one = |(id, files): &(ProcId, &[&str])| {
            let files: Vec<_> = files.iter().map(|file| (*file).into()).collect();
            let noticed = self.now + 1;
            (*id, FileChange { count: files.len(), files, written, noticed })
        };
        let changes = all.iter().map(one).collect();
        self.input(Input::Changed(changes));
    }

    fn begun(&self, id: usize) -> u64 {
        self.machine.procs[id].begun
    }

    fn watch(&mut self, on: bool) {
        self.ask(77, Request::Watch { names: vec![], on });
    }

    /// The running command before a restart ends.
    fn build_ends(&mut self, why: Option<&str>) {
        let (id, begun) = self.machine.builds().next().expect("a command runs");
        let failure = why.map(|why| BuildFailure {
            command: "make".into(),
            why: why.to_owned(),
            lines: vec!["no rule".into()],
        });
        self.input(Input::Built(id, begun, failure));
        self.settle();
    }
}

#[test]
fn a_change_restarts_the_process_and_names_the_files() {
    let mut world = running(&watched(&["web", "worker"], &[0]));
    world.change(WEB, &["src/a.rs", "src/b.rs", "src/c.rs"]);
    world.settle();
    assert_eq!((world.begun(0), world.begun(1)), (2, 1));
    assert_eq!(world.said[..2], ["Changed: src/a.rs (+2)", "Interrupting..."]);
    world.check();
}

#[test]
fn a_process_without_watch_is_left_alone() {
    let mut world = running(&watched(&["web"], &[]));
    world.change(WEB, &["src/a.rs"]);
    world.settle();
    assert_eq!((world.begun(0), world.said.len()), (1, 0));
}

#[test]
fn changes_during_a_start_count_once_more_when_it_is_ready() {
    let mut plan = watched(&["web"], &[0]);
    let probe = Probe::Log(crate::model::rules::Text {
        pattern: "up".into(),
        regex: false,
        any_case: false,
    });
    plan.processes[0].rules.ready = vec![Check { probe, timeout_ms: 60_000, every_ms: 250 }];
    let mut world = running(&plan);
    world.change(WEB, &["a"]);
    world.change(WEB, &["b"]);
    world.settle();
    assert_eq!(world.begun(0), 1);
    world.input(Input::Passed(WEB, crate::model::LifeId::FIRST, 0));
    world.settle();
    assert_eq!(world.begun(0), 2);
    assert!(world.said.contains(&"Changed: a (+1)".to_owned()), "{:?}", world.said);
}

#[test]
fn what_the_next_life_reads_anyway_restarts_it_no_more() {
    let mut world = running(&watched(&["web"], &[0]));
    world.change(WEB, &["a"]);
    // It is being stopped.
    world.change(WEB, &["b"]);
    world.settle();
    world.wait(1);
    assert_eq!(world.begun(0), 2, "{:?}", world.said);
}

#[test]
fn a_process_that_a_user_stopped_is_not_started() {
    let mut world = running(&watched(&["web", "worker"], &[0]));
    world.ask(1, Request::Stop { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.change(WEB, &["a"]);
    world.settle();
    assert_eq!(world.begun(0), 1);
    world.ask(2, Request::Start { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    world.wait(1);
    assert_eq!(world.begun(0), 2, "that change is forgotten");
}

#[test]
fn a_process_that_has_ended_is_started_whatever_its_end_was() {
    for (name, exit) in [("web?", 0), ("web?", 1), ("web!", 1)] {
        let mut world = running(&watched(&[name, "worker"], &[0]));
        for _ in 0..2 {
            world.shims[0].die(Exit::Code(exit));
            world.settle();
        }
        let lives = world.begun(0);
        world.change(WEB, &["a"]);
        world.settle();
        assert_eq!(world.begun(0), lives + 1, "{name} {exit}");
        assert!(world.machine.procs[0].restarts.due.is_none());
        world.check();
    }
}

#[test]
fn dependents_follow_only_if_they_declare_it_and_in_order() {
    for (restart, lives) in [(false, [2, 1]), (true, [2, 2])] {
        let mut plan = watched(&["db", "web"], &[0]);
        let on = ProcName::new("db").unwrap();
        let need = Need { on, until: DependencyCondition::Ready, restart };
        plan.processes[1].rules.needs = vec![need];
        let mut world = running(&plan);
        world.change(WEB, &["schema.sql"]);
        assert_eq!(world.machine.procs[0].stop_was_requested(), !restart, "web stops first");
        world.settle();
        assert_eq!([world.begun(0), world.begun(1)], lives);
    }
}

#[test]
fn processes_that_change_together_restart_in_their_order() {
    let mut plan = watched(&["db", "web"], &[0, 1]);
    let on = ProcName::new("db").unwrap();
    plan.processes[1].rules.needs =
        vec![Need { on, until: DependencyCondition::Ready, restart: false }];
    let mut world = running(&plan);
    let now = world.now;
    world.written(&[(ProcId::at(0), &["a"]), (ProcId::at(1), &["a"])], now);
    let stops = |world: &World, id: usize| world.machine.procs[id].stop_was_requested();
    assert!(stops(&world, 1) && !stops(&world, 0), "db stops after web");
    world.settle();
    assert_eq!([world.begun(0), world.begun(1)], [2, 2]);
}

#[test]
fn a_signal_is_sent_instead_and_a_process_that_has_ended_is_started() {
    let mut plan = watched(&["web?", "worker"], &[0]);
    let signal: SignalName = "HUP".parse().unwrap();
    plan.processes[0].rules.watch.as_mut().unwrap().signal = Some(signal);
    let mut world = running(&plan);
    world.change(WEB, &["a"]);
    world.settle();
    assert_eq!((world.begun(0), &*world.said), (1, &names(&["Changed: a", "Sent signal HUP"])[..]));
    world.shims[0].die(Exit::Code(1));
    world.settle();
    world.change(WEB, &["a"]);
    world.settle();
    assert_eq!(world.begun(0), 2);
}

fn with_build() -> World {
    let mut plan = watched(&["web?", "worker"], &[0]);
    plan.processes[0].rules.watch.as_mut().unwrap().run = Some("make".into());
    running(&plan)
}

#[test]
fn a_failed_build_keeps_the_process_and_is_remembered() {
    let mut world = with_build();
    world.change(WEB, &["a"]);
    world.settle();
    assert_eq!((world.begun(0), world.machine.builds().count()), (1, 1));
    world.build_ends(Some("exit status: 2"));
    let failure = |world: &World| world.machine.procs[0].watch_state().unwrap().failure;
    assert_eq!(world.said.last().unwrap(), "`make` failed: exit status: 2: no rule; not restarted");
    assert!(failure(&world).is_some());
    assert_eq!((world.begun(0), world.machine.builds().count()), (1, 0));
    world.change(WEB, &["a"]);
    world.build_ends(None);
    assert_eq!((world.begun(0), failure(&world)), (2, None));
}

#[test]
fn a_change_during_the_build_starts_it_once_more() {
    let mut world = with_build();
    world.change(WEB, &["a"]);
    world.change(WEB, &["b"]);
    world.change(WEB, &["c"]);
    world.build_ends(None);
    assert_eq!((world.begun(0), world.machine.builds().count()), (1, 1));
    world.build_ends(None);
    assert_eq!((world.begun(0), world.machine.builds().count()), (2, 0));
}

#[test]
fn a_build_goes_on_with_another_supervisor_and_ends_with_a_pause() {
    let mut world = with_build();
    world.change(WEB, &["a"]);
    let saved = serde_json::to_string(&world.machine).unwrap();
    let adopted: Supervisor = serde_json::from_str(&saved).unwrap();
    assert_eq!(adopted.builds().count(), 1);
    world.watch(false);
    assert_eq!(world.machine.builds().count(), 0);
    world.settle();
    assert_eq!(world.begun(0), 1);
}

#[test]
fn a_paused_process_ignores_changes_until_it_is_resumed() {
    let mut world = running(&watched(&["web", "worker"], &[0]));
    world.watch(false);
    assert_eq!(world.answers.last().unwrap().1.names.len(), 1, "only those that are watched");
    world.change(WEB, &["a"]);
    world.settle();
    let saved = serde_json::to_string(&world.machine).unwrap();
    assert!(saved.contains(r#""paused":true"#), "{saved}");
    world.watch(true);
    world.settle();
    assert_eq!(world.begun(0), 1);
    world.change(WEB, &["a"]);
    world.settle();
    assert_eq!(world.begun(0), 2);
}

#[test]
fn pausing_what_is_not_watched_is_refused() {
    let mut world = running(&watched(&["web", "worker"], &[0]));
    world.ask(1, Request::Watch { names: names(&["worker"]), on: false });
    let outcome = world.answers.last().unwrap().1.clone();
    assert!(!outcome.ok && outcome.problems[0] == "worker has no `watch` in tmo.toml");
    world.ask(2, Request::Watch { names: names(&["wbe"]), on: false });
    assert!(world.answers.last().unwrap().1.unknown.is_some());
}

/// A process that writes a file 50 ms after each of its starts.
fn writes(world: &mut World, rounds: usize) {
    for _ in 0..rounds {
        let written = world.now + 50_000_000;
        world.now += 400_000_000;
        world.written(&[(WEB, &["src/gen.rs"])], written);
        world.settle();
    }
}

#[test]
fn a_process_that_restarts_itself_is_held_after_three_times() {
    let mut world = running(&watched(&["web", "worker"], &[0]));
    writes(&mut world, 6);
    assert_eq!(world.begun(0), 4);
    let text = "Not watched any more: each restart changes src/gen.rs; name it in `ignore` of its \
                `watch`, then `tmo watch resume web`";
    assert_eq!(world.said.iter().filter(|said| *said == text).count(), 1, "{:?}", world.said);
    let state = world.machine.procs[0].watch_state().unwrap();
    assert!(state.is_wrong() && state.files == ["src/gen.rs"]);
    world.watch(true);
    writes(&mut world, 1);
    assert_eq!(world.begun(0), 5);
}

#[test]
fn a_build_that_changes_its_own_files_is_held_too() {
    let mut world = with_build();
    world.change(WEB, &["a"]);
    for _ in 0..6 {
        if world.machine.builds().next().is_some() {
            writes(&mut world, 1);
            world.build_ends(None);
        }
    }
    assert_eq!((world.machine.builds().count(), world.begun(0)), (0, 2), "{:?}", world.said);
    assert!(world.machine.procs[0].watch_state().unwrap().is_wrong());
}

#[test]
fn a_watched_process_never_completes_a_run() {
    let run = |which: &[usize]| {
        let mut plan = watched(&["job?"], which);
        plan.ends_when_done = true;
        let probe = Probe::Exit { code: 0 };
        plan.processes[0].rules.ready = vec![Check { probe, timeout_ms: 60_000, every_ms: 250 }];
        let mut world = running(&plan);
        world.shims[0].die(Exit::Code(0));
        world.settle();
        world
    };
    assert_eq!(run(&[]).finished, [0]);
    let mut world = run(&[0]);
    assert!(world.finished.is_empty());
    world.change(WEB, &["a"]);
    world.settle();
    assert_eq!(world.begun(0), 2);
}

#[test]
fn a_change_while_everything_stops_does_nothing() {
    let mut world = running(&watched(&["web"], &[0]));
    world.ask(1, Request::Quit);
    world.change(WEB, &["a"]);
    world.settle();
    assert_eq!(world.begun(0), 1);
    world.check();
}

#[test]
fn a_reload_without_watch_forgets_it() {
    let mut plan = watched(&["web"], &[0]);
    let mut world = running(&plan);
    world.watch(false);
    plan.generation += 1;
    world.machine.attach(&plan);
    assert_eq!(world.machine.procs[0].watch_state().unwrap().mode.word(), "paused");
    plan.processes[0].rules.watch = None;
    plan.generation += 1;
    world.machine.attach(&plan);
    assert_eq!(world.machine.procs[0].watch_state(), None);
    let effects: Vec<Effect> = world.machine.resume(world.now);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Signal { .. })));
}
