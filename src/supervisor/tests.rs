//! The state machine in a simulated world: shims that do what specs say, in any order.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{Course, Effect, Goal, Input, Phase, ProcId, Supervisor};
use crate::model::plan::{Inherit, LogPolicy, PLAN_VERSION, Plan, ProcessPlan};
use crate::model::request::{Outcome, Request};
use crate::model::{Exit, ProcName};
use crate::pane::life::{Entry, LifeEvent};
use crate::pane::spec::Want;

const INT: i32 = 2;

fn plan(names: &[&str]) -> Plan {
    let process = |name: &&str| ProcessPlan {
        name: ProcName::new(*name).unwrap(),
        command: "x".into(),
        shell: "sh".into(),
        port: None,
        color: 2,
        stop_signal: INT,
    };
    Plan {
        version: PLAN_VERSION,
        run: "run".into(),
        started: 0,
        title: "t".into(),
        session: "t".into(),
        tmux_socket: "tmo-t".into(),
        tmux: "/usr/bin/tmux".into(),
        tmo: "/usr/bin/tmo".into(),
        root: "/".into(),
        procfile: "Procfile".into(),
        socket: "/s".into(),
        socket_shown: "./s".into(),
        tmux_config: None,
        env: vec![],
        inherit: Inherit::default(),
        size: (80, 24),
        grace_ms: 5000,
        log: LogPolicy { dir: "/".into(), per_process: 0, total: 0 },
        processes: names.iter().map(process).collect(),
    }
}

/// What a shim would be doing.
#[derive(Debug, Default)]
struct Shim {
    up: bool,
    begun: u64,
    alive: bool,
    spec: Option<(Want, u64, bool)>,
    out: VecDeque<LifeEvent>,
    seq: u64,
}

impl Shim {
    /// Read the spec and act as far as possible; `stops` says whether a signal is heeded.
    fn act(&mut self, stops: bool) {
        let Some((want, life, kill)) = self.spec else { return };
        let wanted = want == Want::Run && life == self.begun;
        if self.alive && !wanted {
            if stops || kill {
                self.die(Exit::Signal(if kill { 9 } else { 2 }));
            }
            return;
        }
        if life > self.begun {
            self.begun = life;
            if want == Want::Run {
                self.alive = true;
                let nonce = String::new();
                let pid = 100 + u32::try_from(life).unwrap();
                self.out.push_back(LifeEvent::Start { life, pid, start_time: 1, nonce });
            } else {
                self.out.push_back(LifeEvent::Skipped { life });
            }
        }
    }

    fn die(&mut self, exit: Exit) {
        let life = self.begun;
        self.alive = false;
        let (user_us, system_us, max_rss_kib) = (0, 0, 0);
        let error = None;
        self.out.push_back(LifeEvent::Exit { life, exit, error, user_us, system_us, max_rss_kib });
        self.out.push_back(LifeEvent::End { life, spared: vec![] });
    }
}

struct World {
    machine: Supervisor,
    shims: Vec<Shim>,
    answers: Vec<(u64, Outcome)>,
    finished: Vec<u8>,
    said: Vec<String>,
    now: u64,
}

impl World {
    fn new(names: &[&str]) -> Self {
        let mut world = Self {
            machine: Supervisor::new(&plan(names), 0),
            shims: names.iter().map(|_| Shim::default()).collect(),
            answers: vec![],
            finished: vec![],
            said: vec![],
            now: 0,
        };
        world.input(Input::Begin);
        world
    }

    fn input(&mut self, input: Input) {
        self.now += 1;
        for effect in self.machine.step(self.now, input) {
            match effect {
                Effect::Open(ids) => ids.into_iter().for_each(|id| self.shims[id].up = false),
                Effect::Want { id, want, life, kill } => {
                    assert!(self.shims[id].up, "a doorbell before the shim is up");
                    self.shims[id].spec = Some((want, life, kill));
                }
                Effect::Say(word) => self.said.push(word.text),
                Effect::Answer(ticket, outcome) => self.answers.push((ticket, outcome)),
                Effect::Finish(code) => self.finished.push(code),
            }
        }
    }

    fn bring_up(&mut self, id: ProcId) {
        if self.shims[id].up {
            return;
        }
        self.shims[id].up = true;
        let pane = format!("%{id}");
        let up = LifeEvent::Up {
            pid: 7,
            start_time: 1,
            pane,
            tty: String::new(),
            version: String::new(),
        };
        self.tell(id, up);
        self.input(Input::PaneReady(id));
    }

    fn tell(&mut self, id: ProcId, event: LifeEvent) {
        self.shims[id].seq += 1;
        let (seq, at) = (self.shims[id].seq, self.now);
        self.input(Input::Life(id, Entry { seq, at, event }));
    }

    fn deliver(&mut self, id: ProcId) -> bool {
        let Some(event) = self.shims[id].out.pop_front() else { return false };
        self.tell(id, event);
        true
    }

    /// Let everything happen that is bound to happen.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for id in 0..self.shims.len() {
                self.bring_up(id);
                self.shims[id].act(true);
                moved |= self.deliver(id);
            }
            if !moved {
                return;
            }
        }
    }

    fn ask(&mut self, ticket: u64, request: Request) {
        self.input(Input::Ask(ticket, request, None));
    }

    fn check(&self) {
        if self.machine.course == Course::Keep {
            for proc in &self.machine.procs {
                match proc.goal {
                    Goal::Run => assert!(
                        matches!(proc.phase, Phase::Running { life, .. } if life == proc.life),
                        "{proc:?}"
                    ),
                    Goal::Stop => assert!(!proc.alive(), "{proc:?}"),
                }
            }
        } else {
            assert_eq!(self.finished.len(), 1);
            assert!(self.machine.procs.iter().all(|p| !p.alive()));
        }
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

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
    world.input(Input::ShimGone(0));
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
        world.input(Input::ShimGone(0));
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
        world.input(Input::ShimGone(0));
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
        world.shims[0] = Shim { seq: world.shims[0].seq, begun: 1, ..Shim::default() };
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
    for effect in world.machine.resume() {
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
    assert!(world.machine.resume().contains(&Effect::Open(vec![0, 1])));
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
    assert_eq!(world.machine.resume(), [Effect::Finish(3)]);
}

#[derive(Debug, Clone)]
enum Step {
    Up(usize),
    Act(usize, bool),
    Deliver(usize),
    Die(usize, u8),
    Start(usize),
    Stop(usize),
    Restart(usize),
    Resume,
    Quit,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0usize..3;
    prop_oneof![
        4 => id.clone().prop_map(Step::Up),
        8 => (id.clone(), any::<bool>()).prop_map(|(id, stops)| Step::Act(id, stops)),
        8 => id.clone().prop_map(Step::Deliver),
        1 => (id.clone(), any::<u8>()).prop_map(|(id, code)| Step::Die(id, code)),
        3 => id.clone().prop_map(Step::Start),
        3 => id.clone().prop_map(Step::Stop),
        3 => id.prop_map(Step::Restart),
        1 => Just(Step::Resume),
        1 => Just(Step::Quit),
    ]
}

proptest! {
    #[test]
    fn nothing_is_forgotten(steps in proptest::collection::vec(step(), 0..60)) {
        let all = ["a", "b", "c"];
        let mut world = World::new(&all);
        let mut asked = 0;
        for step in steps {
            let mut ask = |world: &mut World, request| {
                asked += 1;
                world.ask(asked, request);
            };
            match step {
                Step::Up(id) => world.bring_up(id),
                Step::Act(id, stops) => world.shims[id].act(stops),
                Step::Deliver(id) => _ = world.deliver(id),
                Step::Die(id, code) => if world.shims[id].alive {
                    world.shims[id].die(Exit::Code(code));
                },
                Step::Start(id) => ask(&mut world, Request::Start { names: names(&[all[id]]) }),
                Step::Stop(id) => ask(&mut world, Request::Stop { names: names(&[all[id]]) }),
                Step::Restart(id) => ask(&mut world, Request::Restart { names: names(&[all[id]]) }),
                Step::Resume => for effect in world.machine.resume() {
                    if let Effect::Want { id, want, life, kill } = effect {
                        world.shims[id].spec = Some((want, life, kill));
                    }
                },
                Step::Quit => ask(&mut world, Request::Quit),
            }
            if matches!(world.machine.course, Course::Done { .. }) {
                break;
            }
        }
        world.settle();
        world.check();
        let mut tickets: Vec<u64> = world.answers.iter().map(|(ticket, _)| *ticket).collect();
        tickets.sort_unstable();
        prop_assert_eq!(tickets, (1..=asked).collect::<Vec<_>>(), "each asked once, each answered once");
    }
}
