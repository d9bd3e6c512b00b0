//! Start order, readiness and the end of the run hold under random events.

use crate::model::ProcId;
use proptest::prelude::*;

use crate::Ready;
use crate::model::plan::rules::FailureAction;
use crate::tests::order::stack::*;
use crate::tests::*;

#[derive(Debug, Clone, Copy)]
enum MachineStep {
    Turn(usize, bool),
    Deliver(usize),
    Pass(usize, usize),
    Die(usize, u8),
    Fail(usize, bool),
    Look(usize),
    EngineRequest(usize, u8),
    Wait(u64),
    Resume,
    Quit,
}

fn step() -> impl Strategy<Value = MachineStep> {
    let id = 0usize..5;
    prop_oneof![
        8 => (id.clone(), any::<bool>()).prop_map(|(id, stops)| MachineStep::Turn(id, stops)),
        8 => id.clone().prop_map(MachineStep::Deliver),
        6 => (id.clone(), 0usize..2).prop_map(|(id, check)| MachineStep::Pass(id, check)),
        3 => (id.clone(), prop_oneof![Just(0), Just(0), any::<u8>()]).prop_map(|(id, c)| MachineStep::Die(id, c)),
        1 => (id.clone(), any::<bool>()).prop_map(|(id, stop)| MachineStep::Fail(id, stop)),
        1 => id.clone().prop_map(MachineStep::Look),
        4 => (id, 0u8..3).prop_map(|(id, verb)| MachineStep::EngineRequest(id, verb)),
        2 => (0u64..20).prop_map(MachineStep::Wait),
        1 => Just(MachineStep::Resume),
        1 => Just(MachineStep::Quit),
    ]
}

impl World {
    fn take(&mut self, step: &MachineStep, asked: &mut u64) {
        match *step {
            MachineStep::Turn(id, stops) => {
                self.bring_up(id);
                self.shims[id].act(stops);
            }
            MachineStep::Deliver(id) => _ = self.deliver(id),
            MachineStep::Pass(id, check) => {
                let Some(life) = self.machine.procs[id].current_life() else { return };
                self.input(Input::Passed(ProcId::at(id), life, check));
            }
            MachineStep::Die(id, code) => {
                if self.shims[id].alive {
                    self.shims[id].die(Exit::Code(code));
                }
            }
            MachineStep::Fail(id, stop) => {
                let action = if stop { FailureAction::Break } else { FailureAction::Restart };
                let Some(life) = self.machine.procs[id].current_life() else { return };
                self.input(Input::Failing(ProcId::at(id), life, action, "x".into()));
            }
            MachineStep::Look(id) => {
                let Some(life) = self.machine.procs[id].current_life() else { return };
                self.input(Input::CheckFailed(ProcId::at(id), life, 0, "x".into()));
                self.input(Input::LivenessChecked(ProcId::at(id), life, Some("x".into())));
            }
            MachineStep::EngineRequest(id, verb) => {
                *asked += 1;
                let names = names(&[NAMES[id]]);
                self.ask(
                    *asked,
                    match verb {
                        0 => Request::Start { names, order: ChangeOrder::default() },
                        1 => Request::Stop { names, order: ChangeOrder::default() },
                        _ => Request::Restart { names, order: ChangeOrder::default() },
                    },
                );
            }
            MachineStep::Wait(seconds) => {
                self.now += seconds * 1_000_000_000;
                self.input(Input::TimerFired);
            }
            MachineStep::Resume => {
                // Save and load the state.
                let text = serde_json::to_string(&self.machine).unwrap();
                let mut machine: Supervisor = serde_json::from_str(&text).unwrap();
                machine.monotonic = self.machine.monotonic;
                machine.attach(&stack());
                // The waiting clients are not saved; they are connected separately.
                machine.pending = std::mem::take(&mut self.machine.pending);
                assert_eq!(machine, self.machine.clone().with(&machine));
                self.machine = machine;
                for effect in self.machine.resume(self.now) {
                    self.effect(effect);
                }
            }
            MachineStep::Quit => {
                *asked += 1;
                self.ask(*asked, Request::Quit);
            }
        }
    }

    /// Let time pass until nothing changes any more; processes that should end by themselves do.
    fn come_to_rest(&mut self) {
        for _ in 0..200 {
            self.settle();
            for id in [MIGRATE, CLEAN] {
                if self.shims[id].alive {
                    self.shims[id].die(Exit::Code(0));
                }
            }
            self.settle();
            match self.machine.next_due() {
                Some(due) => {
                    self.now = self.now.max(due);
                    self.input(Input::TimerFired);
                }
                None => return,
            }
        }
        panic!("it never comes to rest: {:#?}", self.machine);
    }
}

impl Supervisor {
    /// The same state with the waiting clients of another one.
    fn with(mut self, other: &Self) -> Self {
        self.pending.clone_from(&other.pending);
        self
    }
}

proptest! {
    #[test]
    fn nobody_waits_for_ever_and_nobody_is_first_out_of_turn(
        steps in proptest::collection::vec(step(), 0..80),
    ) {
        let mut world = World::of(&stack());
        let mut asked = 0;
        for step in steps {
            let began: Vec<_> = world.shims.iter().map(|shim| shim.begun).collect();
            world.take(&step, &mut asked);
            for (id, began) in began.into_iter().enumerate() {
                let proc = &world.machine.procs[id];
                if began.is_none() && world.shims[id].alive && id != CLEAN {
                    prop_assert!(!proc.waiting, "{} runs out of turn", NAMES[id]);
                }
            }
            if matches!(world.machine.run_phase, RunPhase::Finished { .. }) {
                break;
            }
        }
        world.come_to_rest();
        if world.machine.run_phase == RunPhase::Running {
            for (id, proc) in ProcId::all(&world.machine.procs).zip(&world.machine.procs) {
                let runs = matches!(proc.phase, Phase::Running { life, .. } if Some(life) == proc.life);
                match proc.goal {
                    Goal::Run => prop_assert!(
                        runs || proc.waiting && world.machine.blockers(id).next().is_some(),
                        "{proc:?}"
                    ),
                    Goal::Stop => prop_assert!(!proc.alive(), "{proc:?}"),
                }
                // No process waits for a need that cannot be met, and everything waited for is alive
                // or waits itself.
                for on in world.machine.blockers(id) {
                    let other = &world.machine.procs[on];
                    prop_assert!(other.alive() || other.waiting, "{} for {}", proc.name, other.name);
                    prop_assert!(!matches!(other.ready, Ready::No { .. }), "{other:?}");
                }
            }
            asked += 1;
            world.ask(asked, Request::Quit);
            world.come_to_rest();
        }
        prop_assert_eq!(world.finished.len(), 1, "{:#?}", world.machine);
        prop_assert!(world.machine.procs.iter().all(|p| !p.alive()));
        let mut pending: Vec<u64> = world.answers.iter().map(|(request_id, _)| *request_id).collect();
        pending.sort_unstable();
        prop_assert_eq!(pending, (1..=asked).collect::<Vec<_>>(), "each asked once, each answered once");
    }
}
