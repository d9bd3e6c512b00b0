//! The stages of the run.

use super::*;
use crate::RunStage;
use crate::model::plan::rules::Stage;

#[test]
fn each_milepost_is_told_once_and_in_order() {
    let mut plan = plan(&["db?", "web", "clean?"]);
    plan.processes[0].rules.stage = Stage::Dependency;
    plan.processes[2].rules.stage = Stage::Cleanup;
    let mut world = World::of(&plan);
    assert!(world.reached.is_empty(), "{:?}", world.reached);
    world.settle();
    let started = [RunStage::DependenciesReady, RunStage::MainStarted];
    assert_eq!(world.reached, started);
    world.ask(1, Request::Restart { names: names(&["db", "web"]), order: ChangeOrder::default() });
    world.settle();
    assert_eq!(world.reached, started);
    world.input(Input::StopAfterHook(7));
    world.settle();
    world.shims[2].die(Exit::Code(0));
    world.settle();
    let ended = [RunStage::MainStopped, RunStage::CleanupStarted, RunStage::CleanupComplete];
    assert_eq!(world.reached, [&started[..], &ended[..]].concat());
    assert_eq!(world.finished, [7]);
    assert!(world.said.contains(&"All dependencies are ready".to_owned()));
}

#[test]
fn a_bare_run_says_nothing_of_stages() {
    let mut world = World::new(&["web"]);
    world.settle();
    assert_eq!(world.reached, [RunStage::DependenciesReady, RunStage::MainStarted]);
    assert!(world.said.is_empty(), "{:?}", world.said);
}
