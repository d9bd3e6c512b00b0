//! Random events in random order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Up(usize),
    Act(usize, bool),
    Deliver(usize),
    Die(usize, u8),
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

fn step() -> impl Strategy<Value = Step> {
    let id = 0usize..5;
    prop_oneof![
        4 => id.clone().prop_map(Step::Up),
        8 => (id.clone(), any::<bool>()).prop_map(|(id, stops)| Step::Act(id, stops)),
        8 => id.clone().prop_map(Step::Deliver),
        1 => (id.clone(), any::<u8>()).prop_map(|(id, code)| Step::Die(id, code)),
        3 => id.clone().prop_map(Step::Start),
        3 => id.clone().prop_map(Step::Stop),
        3 => id.clone().prop_map(Step::Restart),
        2 => id.prop_map(Step::Change),
        1 => any::<bool>().prop_map(Step::Remove),
        3 => (0u16..4).prop_map(Step::Scale),
        1 => Just(Step::Resume),
        1 => (0u64..40).prop_map(Step::Wait),
        1 => Just(Step::Quit),
    ]
}

/// What the engine does after it has written a changed plan.
fn reload(world: &mut World, plan: &mut Plan) {
    plan.generation += 1;
    world.machine.grow(plan, world.now);
}

proptest! {
    #[test]
    fn nothing_is_forgotten(steps in proptest::collection::vec(step(), 0..60)) {
        let all = ["a", "b", "c", "b#2", "b#3"];
        let mut plan = plan(&["a", "b?", "c!", "b#2?+", "b#3?+"]);
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
                Step::Up(id) => world.bring_up(id),
                Step::Act(id, stops) => world.shims[id].act(stops),
                Step::Deliver(id) => _ = world.deliver(id),
                Step::Die(id, code) => if world.shims[id].alive {
                    world.shims[id].die(Exit::Code(code));
                    may_end |= id == 0;
                },
                Step::Wait(seconds) => {
                    world.now += seconds * 1_000_000_000;
                    world.input(Input::TimerFired);
                }
                Step::Start(id) => ask(&mut world, Request::Start { names: names(&[all[id]]) }),
                Step::Stop(id) => ask(&mut world, Request::Stop { names: names(&[all[id]]) }),
                Step::Restart(id) => ask(&mut world, Request::Restart { names: names(&[all[id]]) }),
                Step::Scale(count) => {
                    ask(&mut world, Request::Scale { counts: [("b".to_owned(), count)].into() });
                    running = Some(count);
                }
                Step::Change(_) | Step::Remove(_) if world.machine.run_phase != RunPhase::Running => {}
                Step::Change(id) => {
                    plan.processes[id].revision += 1;
                    reload(&mut world, &mut plan);
                    ask(&mut world, Request::Reload { plan: Box::new(plan.clone()) });
                }
                Step::Remove(removed) => {
                    let process = &mut plan.processes[2];
                    process.additions += u32::from(process.removed && !removed);
                    process.removed = removed;
                    reload(&mut world, &mut plan);
                    ask(&mut world, Request::Reload { plan: Box::new(plan.clone()) });
                }
                Step::Resume => for effect in world.machine.resume(world.now) {
                    if let Effect::Want { id, want, life, kill } = effect {
                        world.shims[id].spec = Some((want, life, kill));
                    }
                },
                Step::Quit => {
                    ask(&mut world, Request::Quit);
                    may_end = true;
                }
            }
            if matches!(world.machine.run_phase, RunPhase::Finished { .. }) {
                break;
            }
        }
        world.settle();
        world.check();
        if world.machine.run_phase == RunPhase::Running {
            for (proc, process) in world.machine.procs.iter().zip(&plan.processes) {
                prop_assert_eq!((proc.revision, proc.additions), (process.revision, process.additions));
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
