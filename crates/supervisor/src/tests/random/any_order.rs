//! Random events in random order, with processes that are installed and updated.

use proptest::prelude::*;

use crate::model::ProcessStatus;
use crate::model::plan::AfterInstall;
use crate::tests::process::installation::install;
use crate::tests::*;

#[derive(Debug, Clone)]
enum OrderStep {
    Up(usize),
    Act(usize, bool),
    Deliver(usize),
    Die(usize, u8),
    Install(usize, AfterInstall),
    Update(usize),
    Start(usize),
    Stop(usize),
    Restart(usize),
    Scale(u16),
    Change(usize),
    Remove(bool),
    Resume,
    Wait(u64),
    Quit,
}

fn step() -> impl Strategy<Value = OrderStep> {
    let id = 0usize..5;
    prop_oneof![
        4 => id.clone().prop_map(OrderStep::Up),
        8 => (id.clone(), any::<bool>()).prop_map(|(id, stops)| OrderStep::Act(id, stops)),
        8 => id.clone().prop_map(OrderStep::Deliver),
        1 => (id.clone(), any::<u8>()).prop_map(|(id, code)| OrderStep::Die(id, code)),
        2 => id.clone().prop_map(|id| OrderStep::Die(id, 0)),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, runs)| {
            OrderStep::Install(id, if runs { AfterInstall::Run } else { AfterInstall::Stop })
        }),
        1 => id.clone().prop_map(OrderStep::Update),
        3 => id.clone().prop_map(OrderStep::Start),
        3 => id.clone().prop_map(OrderStep::Stop),
        3 => id.clone().prop_map(OrderStep::Restart),
        2 => id.prop_map(OrderStep::Change),
        1 => any::<bool>().prop_map(OrderStep::Remove),
        3 => (0u16..4).prop_map(OrderStep::Scale),
        1 => Just(OrderStep::Resume),
        1 => (0u64..40).prop_map(OrderStep::Wait),
        1 => Just(OrderStep::Quit),
    ]
}

/// What the engine does after it has written a changed plan.
fn reload(world: &mut World, plan: &mut Plan) {
    plan.generation += 1;
    world.machine.grow(plan, world.now);
}

/// The observed lives and installations of a process.
#[derive(Debug, Default)]
struct Seen {
    /// The newest life that has begun.
    life: Option<LifeId>,
    /// The number of lives that have run the program.
    runs: u64,
    /// The installed version, unless another installation has begun since.
    installed: Option<String>,
}

impl Seen {
    /// Note a life that has begun since the last call, and check that its program is installed.
    fn look(&mut self, shim: &Shim, proc: &crate::Proc) {
        if shim.current == self.life {
            return;
        }
        self.life = shim.current;
        if proc.installs_in(self.life) {
            self.installed = None;
        } else {
            self.runs += 1;
            assert!(
                proc.install.is_none() || self.installed.is_some(),
                "it is not installed: {proc:?}"
            );
        }
    }
}

impl World {
    /// End a life by itself; returns whether it ran the program.
    fn end_life(&mut self, id: usize, code: u8, seen: &mut Seen) -> bool {
        let (shim, proc) = (&mut self.shims[id], &self.machine.procs[id]);
        seen.look(shim, proc);
        let installs = proc.installs_in(shim.current);
        if installs && code == 0 {
            seen.installed = proc.install.as_ref().map(|install| install.version.clone());
        }
        shim.die(Exit::Code(code));
        !installs
    }
}

proptest! {
    #[test]
    fn nothing_is_forgotten(steps in proptest::collection::vec(step(), 0..60)) {
        let all = ["a", "b", "c", "b#2", "b#3"];
        let mut plan = plan(&["a", "b?", "c!", "b#2?+", "b#3?+"]);
        for id in [0, 2] {
            plan.processes[id].install = Some(install("1"));
        }
        let mut seen = all.map(|_| Seen::default());
        let mut world = World::of(&plan);
        let mut asked = 0;
        let mut may_end = false;
        let mut running = None;
        for step in steps {
            let mut ask = |world: &mut World, request| {
                asked += 1;
                world.ask(asked, request);
            };
            match step {
                OrderStep::Up(id) => world.bring_up(id),
                OrderStep::Act(id, stops) => world.shims[id].act(stops),
                OrderStep::Deliver(id) => _ = world.deliver(id),
                OrderStep::Die(id, code) => if world.shims[id].alive {
                    may_end |= world.end_life(id, code, &mut seen[id]) && id == 0;
                },
                OrderStep::Install(id, then) => {
                    ask(&mut world, Request::Install { name: all[id].to_owned(), then });
                }
                OrderStep::Wait(seconds) => {
                    world.now += seconds * 1_000_000_000;
                    world.input(Input::TimerFired);
                }
                OrderStep::Start(id) => ask(&mut world, Request::Start { names: names(&[all[id]]), order: ChangeOrder::default() }),
                OrderStep::Stop(id) => ask(&mut world, Request::Stop { names: names(&[all[id]]), order: ChangeOrder::default() }),
                OrderStep::Restart(id) => ask(&mut world, Request::Restart { names: names(&[all[id]]), order: ChangeOrder::default() }),
                OrderStep::Scale(count) => {
                    ask(&mut world, Request::Scale { counts: [("b".to_owned(), count)].into() });
                    running = Some(count);
                }
                OrderStep::Update(_) | OrderStep::Change(_) | OrderStep::Remove(_) if world.machine.run_phase != RunPhase::Running => {}
                OrderStep::Update(id) => {
                    let Some(install) = &mut plan.processes[id].install else { continue };
                    install.version.push('1');
                    reload(&mut world, &mut plan);
                    ask(&mut world, Request::Reload { plan: Box::new(plan.clone()) });
                }
                OrderStep::Change(id) => {
                    plan.processes[id].revision += 1;
                    reload(&mut world, &mut plan);
                    ask(&mut world, Request::Reload { plan: Box::new(plan.clone()) });
                }
                OrderStep::Remove(removed) => {
                    let process = &mut plan.processes[2];
                    process.additions += u32::from(process.removed && !removed);
                    process.removed = removed;
                    reload(&mut world, &mut plan);
                    ask(&mut world, Request::Reload { plan: Box::new(plan.clone()) });
                }
                OrderStep::Resume => for effect in world.machine.resume(world.now) {
                    if let Effect::Want(id, ShimRequest { want, life, kill }) = effect {
                        world.shims[id].spec = Some((want, life, kill));
                    }
                },
                OrderStep::Quit => {
                    ask(&mut world, Request::Quit);
                    may_end = true;
                }
            }
            for (id, seen) in seen.iter_mut().enumerate() {
                seen.look(&world.shims[id], &world.machine.procs[id]);
            }
            if matches!(world.machine.run_phase, RunPhase::Finished { .. }) {
                break;
            }
        }
        world.settle();
        for _ in 0..2 {
            // Installations end.
            for (id, seen) in seen.iter_mut().enumerate() {
                if world.machine.procs[id].status() == ProcessStatus::Installing {
                    world.end_life(id, 0, seen);
                }
            }
            world.settle();
        }
        world.check();
        for (proc, (shim, seen)) in world.machine.procs.iter().zip(world.shims.iter().zip(&mut seen)) {
            seen.look(shim, proc);
            prop_assert_eq!(proc.begun, seen.runs, "{:?}", proc);
        }
        if world.machine.run_phase == RunPhase::Running {
            for (proc, process) in world.machine.procs.iter().zip(&plan.processes) {
                let (done, wanted) = (proc.carried_out, (process.revision, process.additions));
                prop_assert_eq!((done.revision, done.additions), wanted);
                prop_assert!(!process.removed || !proc.counts(), "it was removed");
            }
        }
        if let (Some(count), RunPhase::Running) = (running, world.machine.run_phase) {
            let present = world.machine.procs.iter().filter(|p| p.name.entry() == "b" && p.counts());
            prop_assert_eq!(present.count(), usize::from(count.max(1)), "as many as were asked for");
        }
        prop_assert!(may_end || world.machine.run_phase == RunPhase::Running, "a stop is no death");
        let mut pending: Vec<u64> = world.answers.iter().map(|(request_id, _)| *request_id).collect();
        pending.sort_unstable();
        prop_assert_eq!(pending, (1..=asked).collect::<Vec<_>>(), "each asked once, each answered once");
    }
}
