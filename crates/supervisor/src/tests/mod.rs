//! The state machine in a simulated world: shims carry out their specs, in any order.

mod exit_code;
mod later;
mod lifecycle;
mod order;
mod patience;
mod process;
mod random;
mod reload;
mod requests;
mod resumed;
mod scaling;
mod taken_over;

use std::collections::VecDeque;
use std::time::Duration;

use super::{Effect, Goal, Input, Phase, RunPhase, ShimRequest, Supervisor};
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::request::{ChangeOrder, Outcome, Request};
use crate::model::time::{MonotonicTime, Timestamp};
use crate::model::{Exit, LifeId, ProcId, ProcName};
use crate::protocol::life::{LifeEntry, LifeEvent};
use crate::protocol::spec::Want;
use tmo_base::testing::plan;

const INT: i32 = 2;

impl Supervisor {
    /// The names of the processes it waits for.
    fn awaited(&self, id: ProcId) -> String {
        let names: Vec<_> = self.blockers(id).map(|on| self.procs[on].name.to_string()).collect();
        names.join(", ")
    }
}

/// The state of a simulated shim.
#[derive(Debug, Default)]
struct Shim {
    /// Its pane was requested from tmux.
    asked: bool,
    up: bool,
    /// It has exited because it was told to.
    down: bool,
    begun: Option<LifeId>,
    /// The current life, or the last one if none is running.
    current: Option<LifeId>,
    /// The newest life that it has asked to stop.
    asked_to_stop: Option<LifeId>,
    alive: bool,
    spec: Option<(Want, Option<LifeId>, Option<LifeId>)>,
    out: VecDeque<LifeEvent>,
    seq: u64,
}

impl Shim {
    /// Read the spec and act as far as possible; `stops`: the process obeys the stop signal.
    fn act(&mut self, stops: bool) {
        let Some((want, life, kill)) = self.spec else { return };
        if self.down {
            return;
        }
        // Even while an earlier life is still running.
        let fresh = life.filter(|_| life > self.begun);
        if let Some(life) = fresh
            && want != Want::Run
        {
            self.begun = fresh;
            self.out.push_back(LifeEvent::Skipped { life });
        }
        let wanted = want == Want::Run && life == self.current;
        if let Some(current) = self.current.filter(|_| self.alive && !wanted) {
            let kill = kill >= self.current;
            let stopping = LifeEvent::Stopping { life: current, signal: INT };
            if std::mem::replace(&mut self.asked_to_stop, self.current) < self.current {
                self.out.push_back(stopping);
            }
            if stops || kill {
                self.die(Exit::Signal(if kill { 9 } else { 2 }));
            }
            return;
        }
        if let (Some(life), Want::Run) = (fresh, want) {
            (self.begun, self.current, self.alive) = (fresh, fresh, true);
            let nonce = String::new();
            let pid = 100 + life.number();
            self.out.push_back(LifeEvent::Start { life, pid, start_time: 1, nonce });
        } else if want == Want::End {
            self.down = true;
            self.out.push_back(LifeEvent::Down {});
        }
    }

    fn die(&mut self, exit: Exit) {
        let life = self.current.unwrap();
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
    reached: Vec<crate::RunStage>,
    now: Timestamp,
    /// How far the clock was set back.
    set_back: Duration,
    /// How far it was set forward.
    set_forward: Duration,
}

impl World {
    fn new(names: &[&str]) -> Self {
        Self::of(&plan(names))
    }

    fn of(plan: &Plan) -> Self {
        let mut world = Self {
            machine: Supervisor::new(plan, Timestamp::EPOCH),
            shims: plan.processes.iter().map(|_| Shim::default()).collect(),
            answers: vec![],
            finished: vec![],
            said: vec![],
            reached: vec![],
            now: Timestamp::EPOCH,
            set_back: Duration::ZERO,
            set_forward: Duration::ZERO,
        };
        world.input(Input::Begin);
        world
    }

    /// The time on the clock that is not set, unlike `now`.
    fn monotonic(&self) -> MonotonicTime {
        let time = (self.now + self.set_back).since(Timestamp::EPOCH);
        MonotonicTime::after_boot(time.saturating_sub(self.set_forward))
    }

    fn set_clock_back(&mut self, by: Duration) {
        // The beginning of the world is the earliest time.
        let by = by.min(self.now.since(Timestamp::EPOCH));
        self.now = self.now - by;
        self.set_back += by;
    }

    fn set_clock_forward(&mut self, by: Duration) {
        self.now = self.now + by;
        self.set_forward += by;
    }

    fn input(&mut self, input: Input) {
        self.now += 1;
        self.machine.monotonic = self.monotonic();
        for effect in self.machine.step(self.now, input) {
            self.effect(effect);
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Open(ids) => {
                for id in ids {
                    let shim = &mut self.shims[id];
                    (shim.asked, shim.up, shim.down) = (true, false, false);
                    shim.spec = None;
                }
            }
            Effect::Want(id, ShimRequest { want, life, kill }) => {
                assert!(self.shims[id].up, "a doorbell before the shim is up");
                self.shims[id].spec = Some((want, life, kill));
            }
            Effect::Close(id) => assert!(!self.machine.procs[id].counts(), "it is there"),
            Effect::Signal { id, pid, .. } => {
                assert_eq!(self.machine.procs[id].pid(), Some(pid), "nobody else's number");
            }
            Effect::Crashed(crash) => {
                let proc = &self.machine.procs[crash.id];
                let is_ordered = crash.started <= crash.ended || !self.set_back.is_zero();
                assert!(Some(crash.life) <= proc.life && is_ordered);
            }
            Effect::Reached(post) => self.reached.push(post),
            Effect::Say(id, what) => {
                let name = id.map(|id| self.machine.procs[id].name.clone());
                self.said.extend(
                    crate::model::event::Event { name, what }.text().map(|text| text.to_string()),
                );
            }
            Effect::Answer(request_id, outcome) => self.answers.push((request_id, outcome)),
            Effect::Finish(code) => self.finished.push(code),
        }
    }

    fn bring_up(&mut self, id: usize) {
        if self.shims[id].up || !self.shims[id].asked {
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
        self.input(Input::PaneReady(ProcId::at(id)));
    }

    fn tell(&mut self, id: usize, event: LifeEvent) {
        self.tell_of(id, event, self.now);
    }

    /// An event that happened then is heard.
    fn tell_of(&mut self, id: usize, event: LifeEvent, at: Timestamp) {
        self.shims[id].seq += 1;
        let seq = self.shims[id].seq;
        self.input(Input::Life(ProcId::at(id), LifeEntry { seq, at, key: 0, event }));
    }

    fn deliver(&mut self, id: usize) -> bool {
        self.deliver_of(id, self.now)
    }

    /// Deliver the next event, which happened then.
    fn deliver_of(&mut self, id: usize, at: Timestamp) -> bool {
        let Some(event) = self.shims[id].out.pop_front() else { return false };
        self.tell_of(id, event, at);
        true
    }

    /// Let everything happen that follows without further input.
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

    /// Let this many seconds pass.
    fn wait(&mut self, seconds: u64) {
        self.now += seconds * 1_000_000_000;
        self.input(Input::TimerFired);
        self.settle();
    }

    fn ask(&mut self, request_id: u64, request: Request) {
        self.input(Input::Request(request_id, request, None));
    }

    fn check(&self) {
        if self.machine.run_phase == RunPhase::Running {
            for proc in &self.machine.procs {
                match proc.goal {
                    Goal::Run => assert!(
                        matches!(proc.phase, Phase::Running { life, .. } if Some(life) == proc.life)
                            || proc.restarts.due.is_some() && !proc.alive(),
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
