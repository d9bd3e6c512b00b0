//! A saved state continues where it was.

use super::*;
use crate::model::ProcId;
use crate::model::time::Timestamp;

#[test]
fn saved_and_resumed_it_wants_the_same() {
    let mut world = World::new(&["web", "api"]);
    world.settle();
    world.ask(1, Request::Restart { names: names(&["web"]), order: ChangeOrder::default() });
    let saved = serde_json::to_string(&world.machine).unwrap();
    world.machine = serde_json::from_str(&saved).unwrap();
    for effect in world.machine.resume(world.now) {
        if let Effect::Want(id, ShimRequest { want, life, kill }) = effect {
            world.shims[id].spec = Some((want, life, kill));
        }
    }
    world.settle();
    world.check();
    assert_eq!(world.machine.procs[0].life, Some(LifeId::nth(2)));
}

#[test]
fn killed_before_the_beginning_it_begins_when_resumed() {
    let mut world = World::new(&["web", "api"]);
    world.machine = Supervisor::new(&plan(&["web", "api"]), Timestamp::EPOCH);
    assert!(world.machine.resume(world.now).contains(&Effect::Open([0, 1].map(ProcId::at).into())));
    world.settle();
    world.check();
}

#[test]
fn killed_at_the_very_end_it_finishes_when_resumed() {
    let mut world = World::new(&["web"]);
    world.settle();
    world.shims[0].die(Exit::Code(3));
    world.settle();
    assert_eq!(world.machine.run_phase, RunPhase::Finished { code: 3 });
    assert_eq!(world.machine.resume(world.now), [Effect::Finish(3)]);
}

#[test]
fn what_was_added_since_the_state_was_saved_is_known_to_an_adopter() {
    let mut machine = Supervisor::new(&plan(&["web", "job?"]), Timestamp::EPOCH);
    let grown = plan(&["web", "job?", "job#2?+"]);
    assert!(machine.is_of(&grown));
    assert!(!machine.is_of(&plan(&["web", "job?", "other"])));
    machine.grow(&grown, Timestamp::from_nanos(1));
    assert!(machine.is_of(&grown) && !machine.is_of(&plan(&["web", "job?"])));
    assert!(!machine.procs[2].counts());
}
