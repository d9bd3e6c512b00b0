//! Restarts after changes of files.

use std::time::Duration;

use proptest::prelude::*;

use crate::model::file_change::{BuildFailure, ChangeDelay, ChangedFile, FileChange, WatchMode};
use crate::model::plan::Plan;
use crate::model::plan::rules::{Check, DependencyCondition, FileWatch, Need, Probe};
use crate::model::request::{ChangeOrder, Request};
use crate::model::signal::SignalName;
use crate::model::time::{MonotonicTime, Timestamp};
use crate::model::{Exit, LifeId, ProcId, ProcName};
use crate::protocol::spec::Want;
use crate::tests::{World, names, plan};
use crate::{Effect, Input, Supervisor};

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
        let noticed = self.monotonic();
        self.now += 1;
        self.noticed(&[(id, files)], noticed);
    }

    /// These have changed; that was noticed then.
    fn noticed(&mut self, all: &[(ProcId, &[&str])], noticed: MonotonicTime) {
        let file = |name: &&str| ChangedFile { path: (*name).into(), is_new: false };
        let one = |(id, files): &(ProcId, &[&str])| {
            let files: Vec<_> = files.iter().map(file).collect();
            (*id, FileChange { count: files.len(), files, first: noticed, last: noticed })
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
fn a_change_during_a_start_restarts_it_at_once() {
    let mut plan = watched(&["web"], &[0]);
    let probe = Probe::Log(crate::model::plan::rules::Text {
        pattern: "up".into(),
        regex: false,
        any_case: false,
    });
    plan.processes[0].rules.ready = vec![Check { probe, timeout_ms: 60_000, every_ms: 250 }];
    let mut world = running(&plan);
    world.change(WEB, &["a"]);
    world.settle();
    world.change(WEB, &["b"]);
    world.settle();
    assert_eq!(world.begun(0), 3);
    world.check();
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
    let noticed = world.monotonic();
    world.noticed(&[(ProcId::at(0), &["a"]), (ProcId::at(1), &["a"])], noticed);
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

#[test]
fn a_change_during_a_start_sends_no_signal_that_could_end_it() {
    let mut plan = watched(&["web", "worker"], &[0]);
    plan.processes[0].rules.watch.as_mut().unwrap().signal = Some("HUP".parse().unwrap());
    crate::tests::order::changes::prints(&mut plan, 0);
    let mut world = running(&plan);
    world.change(WEB, &["a"]);
    world.settle();
    assert_eq!((world.begun(0), world.said.iter().any(|said| said.contains("HUP"))), (2, false));
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
    let failure = |world: &World| world.machine.procs[0].watch_state(world.now).unwrap().failure;
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
    world.watch(true);
    world.build_ends(None);
    assert_eq!(world.begun(0), 2, "what it was for is not forgotten");
}

#[test]
fn a_paused_process_is_restarted_for_changes_when_it_is_resumed() {
    let mut world = running(&watched(&["web", "worker"], &[0]));
    world.watch(false);
    assert_eq!(world.answers.last().unwrap().1.names.len(), 1, "only those that are watched");
    world.change(WEB, &["a"]);
    world.settle();
    let saved = serde_json::to_string(&world.machine).unwrap();
    assert!(saved.contains(r#""paused":true"#), "{saved}");
    assert_eq!((world.begun(0), world.watch_state().mode), (1, WatchMode::Paused));
    world.watch(true);
    world.settle();
    assert_eq!(world.begun(0), 2);
    // A life that has begun meanwhile has read it.
    world.watch(false);
    world.change(WEB, &["a"]);
    world.now += 1_000_000;
    world.ask(1, restart());
    world.settle();
    world.watch(true);
    world.settle();
    assert_eq!(world.begun(0), 3);
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

/// A process writes a file 50 ms after each of its starts, as long as it is restarted for that.
fn writes(world: &mut World, rounds: usize) {
    for _ in 0..rounds {
        world.now += 50_000_000;
        let noticed = world.monotonic();
        world.now += 300_000_000;
        world.noticed(&[(WEB, &["src/gen.rs"])], noticed);
        world.settle();
    }
}

impl World {
    fn watch_state(&self) -> crate::model::file_change::WatchState {
        self.machine.procs[0].watch_state(self.now).unwrap()
    }

    /// Let time pass until the next deadline of the state machine; returns how long.
    fn wait_for_alarm(&mut self) -> Duration {
        let due = self.machine.next_due().expect("a deadline");
        let pause = due.since(self.now);
        self.now = self.now.max(due);
        self.input(Input::TimerFired);
        self.settle();
        pause
    }
}

#[test]
fn a_process_that_restarts_itself_does_so_more_and_more_slowly() {
    let mut world = running(&watched(&["web", "worker"], &[0]));
    let mut pauses = vec![];
    for _ in 0..22 {
        let before = world.begun(0);
        writes(&mut world, 1);
        let is_held = world.begun(0) == before;
        assert_eq!(world.watch_state().mode == WatchMode::Held, is_held);
        assert_eq!(world.watch_state().is_wrong(), is_held);
        pauses.push(if is_held { world.wait_for_alarm().as_secs() } else { 0 });
        assert_eq!(world.begun(0), before + 1, "no change is left out");
    }
    assert_eq!(pauses, [[0; 3].as_slice(), &[2; 6], &[10; 10], &[60; 3]].concat());
    let text = "Each restart changes src/gen.rs: the next one waits 2 s; if the process writes that itself, name it \
                in `ignore` of its `watch`";
    assert_eq!(world.said.iter().filter(|said| *said == text).count(), 1, "{:?}", world.said);
    assert_eq!(world.watch_state().files, ["src/gen.rs"]);
    let later = world.machine.procs[0].watch_state(world.now + Duration::from_secs(61)).unwrap();
    assert_eq!(later.note, None, "it has lived for long");
    world.check();
}

#[test]
fn a_later_change_ends_the_pause() {
    let mut world = running(&watched(&["web"], &[0]));
    writes(&mut world, 4);
    assert_eq!((world.begun(0), world.watch_state().mode), (4, WatchMode::Held));
    world.now += 1_000_000_000;
    world.change(WEB, &["src/gen.rs"]);
    world.settle();
    assert_eq!((world.begun(0), world.watch_state().mode), (5, WatchMode::Watching));
    writes(&mut world, 3);
    assert_eq!(world.begun(0), 8, "the row begins anew");
}

#[test]
fn the_end_of_a_pause_does_not_depend_on_the_clock() {
    let mut world = running(&watched(&["web"], &[0]));
    writes(&mut world, 4);
    world.now = world.now - Duration::from_secs(1);
    world.now += 3_600_000_000_000;
    world.input(Input::TimerFired);
    world.settle();
    assert_eq!(world.begun(0), 5, "set forward");
    writes(&mut world, 1);
    world.set_clock_back(Duration::from_secs(3600));
    assert!(world.machine.is_set_back(world.now));
    world.input(Input::TimerFired);
    world.settle();
    assert_eq!(world.begun(0), 6, "set back");
}

#[test]
fn a_build_that_changes_its_own_files_gets_slower_too() {
    let mut world = with_build();
    world.change(WEB, &["a"]);
    for _ in 0..4 {
        writes(&mut world, 1);
        world.build_ends(None);
    }
    assert_eq!((world.machine.builds().count(), world.watch_state().mode), (0, WatchMode::Held));
    world.wait_for_alarm();
    assert_eq!(world.machine.builds().count(), 1);
}

#[test]
fn a_change_after_the_clock_was_set_back_counts() {
    let mut world = running(&watched(&["web"], &[0]));
    world.now += 10_000_000_000;
    world.set_clock_back(Duration::from_secs(5));
    world.change(WEB, &["a"]);
    world.settle();
    assert_eq!(world.begun(0), 2);
}

#[test]
fn a_stop_or_restart_ends_a_build() {
    let mut world = with_build();
    world.change(WEB, &["a"]);
    world.ask(1, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!((world.begun(0), world.machine.builds().count()), (2, 0));
    let state = world.watch_state();
    assert_eq!(state.failure.as_ref().unwrap().why, "ended by a restart");
    assert!(state.is_wrong() && !state.is_changing());
    world.change(WEB, &["a"]);
    world.ask(2, Request::Stop { names: names(&["web"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!((world.begun(0), world.machine.builds().count()), (2, 0));
    assert!(world.answers.last().unwrap().1.ok);
}

#[test]
fn a_change_at_a_prompt_waits_and_says_so() {
    let mut world = running(&watched(&["web"], &[0]));
    let life = crate::model::LifeId::FIRST;
    world.input(Input::Prompt(WEB, life, Some("(Pdb)".into())));
    world.change(WEB, &["a"]);
    world.settle();
    let state = world.watch_state();
    assert_eq!(
        (world.begun(0), state.mode, state.waits),
        (1, WatchMode::Changed, Some(ChangeDelay::Prompt))
    );
    assert!(state.is_changing() && state.is_wrong());
    world.input(Input::Prompt(WEB, life, None));
    world.settle();
    assert_eq!(world.begun(0), 2);
}

#[test]
fn a_change_that_was_undone_counts_only_for_a_life_that_began_between() {
    for (is_between, lives) in [(false, 1), (true, 3)] {
        let mut world = running(&watched(&["web"], &[0]));
        let first = world.monotonic();
        world.now += 1_000_000;
        if is_between {
            world.ask(1, restart());
            world.settle();
        }
        world.now += 1_000_000;
        let files = vec![ChangedFile { path: "src/a.rs".into(), is_new: false }];
        let change = FileChange { files, count: 0, first, last: world.monotonic() };
        world.input(Input::Changed(vec![(WEB, change)]));
        world.settle();
        assert_eq!(world.begun(0), lives);
    }
}

#[test]
fn a_restart_that_could_not_be_done_is_tried_again_and_said_until_then() {
    for builds in [false, true] {
        let mut world = if builds { with_build() } else { running(&watched(&["web"], &[0])) };
        let heard = world.shims[0].spec;
        world.change(WEB, &["src/a.rs"]);
        if builds {
            let (id, begun) = world.machine.builds().next().unwrap();
            world.input(Input::Built(id, begun, None));
        }
        world.shims[0].spec = heard;
        let stands = Some((Want::Run, Some(LifeId::FIRST)));
        world.input(Input::SpecWriteFailed(WEB, "no room".into(), stands));
        world.wait(5);
        assert_eq!((world.begun(0), world.watch_state().mode), (1, WatchMode::Held));
        assert!(!world.said.iter().any(|said| said.contains("SIGKILL")), "{:?}", world.said);
        world.wait(6);
        if builds {
            world.build_ends(None);
        }
        assert_eq!((world.begun(0), world.watch_state().mode), (2, WatchMode::Watching));
        world.check();
    }
}

#[test]
fn each_of_200_regular_edits_runs() {
    for delay_ms in [100, 300, 900, 1100, 3000, 9000, 30_000, 60_000] {
        let mut world = running(&watched(&["web"], &[0]));
        for edit in 1..=200 {
            world.now += delay_ms * 1_000_000;
            let noticed = world.monotonic();
            world.now += 300_000_000;
            world.noticed(&[(WEB, &["src/a.rs"])], noticed);
            world.settle();
            if world.begun(0) == edit {
                assert!(delay_ms <= 1000 && world.watch_state().is_changing(), "{delay_ms}");
                world.wait_for_alarm();
            }
            assert_eq!(world.begun(0), edit + 1, "{delay_ms}");
        }
    }
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
    assert_eq!(world.machine.procs[0].watch_state(world.now).unwrap().mode.word(), "paused");
    plan.processes[0].rules.watch = None;
    plan.generation += 1;
    world.machine.attach(&plan);
    assert_eq!(world.machine.procs[0].watch_state(world.now), None);
    let effects: Vec<Effect> = world.machine.resume(world.now);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Signal { .. })));
}

/// What may happen to a watched process. Times are in milliseconds.
#[derive(Debug, Clone)]
enum WatchStep {
    /// A file is saved and noticed; it is reported that much later.
    Edit(u16, u64),
    /// The same after a restart, before the supervisor hears of the life that has begun.
    RestartAndEdit(u16, u64),
    Wait(u64),
    /// The process ends by itself.
    Die,
    Restart,
    Prompt(bool),
    BuildEnds(bool),
    /// Another supervisor takes over.
    TakeOver,
    SetBack(u64),
    SetForward(u64),
    /// Watching is resumed, or paused.
    Watch(bool),
}

fn watch_step() -> impl Strategy<Value = WatchStep> {
    prop_oneof![
        6 => (0u16..3, 0u64..600).prop_map(|(file, ms)| WatchStep::Edit(file, ms)),
        3 => (0u16..3, 0u64..600).prop_map(|(file, ms)| WatchStep::RestartAndEdit(file, ms)),
        4 => (0u64..3000).prop_map(WatchStep::Wait),
        1 => (0u64..70_000).prop_map(WatchStep::Wait),
        1 => Just(WatchStep::Die),
        1 => Just(WatchStep::Restart),
        1 => any::<bool>().prop_map(WatchStep::Prompt),
        3 => any::<bool>().prop_map(WatchStep::BuildEnds),
        2 => Just(WatchStep::TakeOver),
        1 => (1u64..100_000).prop_map(WatchStep::SetBack),
        1 => (1u64..100_000).prop_map(WatchStep::SetForward),
        1 => any::<bool>().prop_map(WatchStep::Watch),
    ]
}

fn restart() -> Request {
    Request::Restart { names: names(&["web"]), order: ChangeOrder::default() }
}

/// A watched process, and what its code is.
struct WatchedCode {
    world: World,
    /// How often files were saved.
    disk: u64,
    /// What the last build that has succeeded has read; without one, as it is on the disk.
    built: Option<u64>,
    /// What the build that runs has read.
    building: Option<(Timestamp, u64)>,
    /// The lives that have begun, and what the current one has read.
    lives: u64,
    runs: u64,
}

impl WatchedCode {
    fn new(builds: bool) -> Self {
        let world =
            if builds { with_build() } else { running(&watched(&["web?", "worker"], &[0])) };
        let built = builds.then_some(0);
        Self { world, disk: 0, built, building: None, lives: 1, runs: 0 }
    }

    /// Note what has begun, and with which code.
    fn note(&mut self) {
        self.world.settle();
        if self.world.begun(0) > self.lives {
            (self.lives, self.runs) = (self.world.begun(0), self.built.unwrap_or(self.disk));
        }
        let build = self.world.machine.builds().next().map(|(_, begun)| begun);
        if build != self.building.map(|(begun, _)| begun) {
            self.building = build.map(|begun| (begun, self.disk));
        }
    }

    fn edit(&mut self, file: u16, ms: u64) {
        self.disk += 1;
        let noticed = self.world.monotonic();
        self.world.now += 1 + ms * 1_000_000;
        self.world.noticed(&[(WEB, &[&*format!("src/{file}")])], noticed);
    }

    fn take(&mut self, step: &WatchStep) {
        let world = &mut self.world;
        match *step {
            WatchStep::Edit(file, ms) => self.edit(file, ms),
            WatchStep::RestartAndEdit(file, ms) => {
                let (at, before) = (world.now, world.shims[0].begun);
                world.ask(1, restart());
                for _ in 0..2 {
                    world.shims[0].act(true);
                }
                if world.shims[0].begun > before && world.shims[0].alive {
                    (self.lives, self.runs) = (self.lives + 1, self.built.unwrap_or(self.disk));
                }
                self.edit(file, ms);
                while self.world.deliver_of(0, at) {}
            }
            WatchStep::Wait(ms) => {
                world.now += ms * 1_000_000;
                world.input(Input::TimerFired);
            }
            WatchStep::Die => {
                if world.shims[0].alive {
                    world.shims[0].die(Exit::Code(1));
                }
            }
            WatchStep::Restart => world.ask(1, restart()),
            WatchStep::Prompt(waits) => {
                if let Some(life) = world.machine.procs[0].current_life() {
                    world.input(Input::Prompt(WEB, life, waits.then(|| "(Pdb)".into())));
                }
            }
            WatchStep::BuildEnds(succeeds) => {
                if let Some((begun, read)) = self.building.take() {
                    if succeeds {
                        self.built = Some(read);
                    }
                    let failure = || BuildFailure {
                        command: "make".into(),
                        why: "exit status: 2".to_owned(),
                        lines: vec![],
                    };
                    world.input(Input::Built(WEB, begun, (!succeeds).then(failure)));
                }
            }
            WatchStep::TakeOver => {
                let saved = serde_json::to_string(&world.machine).unwrap();
                let mut plan = watched(&["web?", "worker"], &[0]);
                plan.processes[0].rules.watch = world.machine.procs[0].rules.watch.clone();
                world.machine = serde_json::from_str(&saved).unwrap();
                world.machine.attach(&plan);
                for effect in world.machine.resume(world.now) {
                    world.effect(effect);
                }
            }
            WatchStep::SetBack(ms) => world.set_clock_back(Duration::from_millis(ms)),
            WatchStep::Watch(on) => world.watch(on),
            WatchStep::SetForward(ms) => world.set_clock_forward(Duration::from_millis(ms)),
        }
        self.note();
    }

    /// Whether the code that runs is that on the disk, or it is said why not.
    fn is_right(&self) -> bool {
        let state = self.world.watch_state();
        self.runs == self.disk && self.lives > 0
            || state.is_changing()
            || state.is_wrong()
            || state.mode == WatchMode::Paused
    }
}

proptest! {
    #[test]
    fn the_code_on_disk_runs_or_it_is_said_why_not(
        builds in any::<bool>(),
        steps in proptest::collection::vec(watch_step(), 1..60),
    ) {
        let mut web = WatchedCode::new(builds);
        for step in &steps {
            web.take(step);
            prop_assert!(web.is_right(), "after {step:?}: {:?}", web.world.watch_state());
        }
        // Nothing more happens but what has to come by itself.
        for step in [
            WatchStep::Watch(true),
            WatchStep::Prompt(false),
            WatchStep::Wait(61_000),
            WatchStep::BuildEnds(true),
        ] {
            web.take(&step);
        }
        web.take(&WatchStep::BuildEnds(true));
        let failed = web.world.watch_state().failure.is_some();
        prop_assert!(web.runs == web.disk || failed, "{:?}", web.world.watch_state());
        web.world.check();
    }
}
