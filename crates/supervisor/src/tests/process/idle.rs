//! Lazy processes that nothing uses, and actions.

use crate::model::plan::rules::{DependencyCondition, LazyStart, Need};
use crate::model::plan::{ActionRole, OnExit};
use crate::model::request::{ChangeOrder, Request};
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName};
use crate::tests::{World, names, plan};

const LAZY: usize = 0;
const USER: usize = 1;

fn start(words: &[&str]) -> Request {
    Request::Start { names: names(words), order: ChangeOrder::default() }
}

#[test]
fn an_idle_process_is_stopped_unless_it_is_used_or_needed() {
    let mut plan = plan(&["lazy", "user"]);
    for process in &mut plan.processes {
        (process.waits, process.on_exit) = (true, OnExit::Remain);
    }
    plan.processes[LAZY].rules.lazy = Some(LazyStart { idle_ms: Some(60_000) });
    let on = ProcName::new("lazy").unwrap();
    let until = DependencyCondition::Started;
    plan.processes[USER].rules.needs = vec![Need { on, until, restart: false }];
    let mut world = World::of(&plan);
    world.settle();
    assert_eq!((world.machine.procs[LAZY].begun, world.machine.next_due()), (0, None));

    world.ask(1, start(&["lazy"]));
    world.settle();
    world.wait(50);
    world.ask(2, Request::Use { name: "lazy".to_owned() });
    world.wait(59);
    assert!(world.machine.procs[LAZY].alive(), "it was used");
    world.wait(2);
    world.settle();
    assert!(!world.machine.procs[LAZY].alive());
    assert_eq!(world.machine.next_due(), None, "nothing is waited for");

    world.ask(3, start(&["user"]));
    world.settle();
    assert_eq!(world.machine.procs[LAZY].begun, 2, "it is started for another one");
    world.wait(61);
    world.wait(61);
    assert!(world.machine.procs[LAZY].alive(), "it is needed");
    world.ask(4, Request::Stop { names: names(&["user"]), order: ChangeOrder::default() });
    world.settle();
    world.wait(61);
    world.settle();
    assert!(!world.machine.procs[LAZY].alive());

    // The clock is set back: the time counts from then on.
    world.ask(5, start(&["lazy"]));
    world.settle();
    world.now = Timestamp::EPOCH + std::time::Duration::from_secs(1);
    assert!(world.machine.is_set_back(world.now));
    world.wait(0);
    world.wait(61);
    world.settle();
    assert!(!world.machine.procs[LAZY].alive());
}

#[test]
fn an_action_begins_only_by_its_name_and_says_nothing_about_the_run() {
    let mut plan = plan(&["web", "web-migrate"]);
    let action = &mut plan.processes[1];
    (action.waits, action.on_exit) = (true, OnExit::Remain);
    action.action =
        Some(ActionRole { name: "migrate".into(), of: Some("web".into()), confirm: false });
    let mut world = World::of(&plan);
    world.settle();
    let begun = |world: &World| world.machine.procs[1].begun;
    for (id, words) in [&[][..], &["*"], &["web*"], &["web"]].into_iter().enumerate() {
        world.ask(id as u64, start(words));
        world.ask(
            10 + id as u64,
            Request::Restart { names: names(words), order: ChangeOrder::default() },
        );
        world.settle();
    }
    assert_eq!(begun(&world), 0);
    for (times, word) in [(1, "web-migrate"), (2, "=web-migrate"), (3, "web,web-migrate")] {
        world.ask(20 + times, start(&[word]));
        world.settle();
        assert_eq!(begun(&world), times, "{word}");
        world.shims[1].die(Exit::Code(3));
        world.settle();
    }
    assert_eq!(world.machine.exit_code(), 0);
}

#[test]
fn a_request_for_an_action_is_answered_with_the_life_that_it_began_or_refused() {
    let mut plan = plan(&["db", "migrate"]);
    for process in &mut plan.processes {
        (process.waits, process.on_exit) = (true, OnExit::Remain);
    }
    plan.processes[1].action = Some(ActionRole { name: "migrate".into(), ..Default::default() });
    let mut world = World::of(&plan);
    world.settle();
    let act = || Request::Act { name: "migrate".to_owned(), confirmed: true };
    for (id, code) in [(1, 3), (2, 0)] {
        world.ask(id, act());
        world.settle();
        world.ask(10 + id, act());
        let (_, refused) = world.answers.pop().unwrap();
        assert!(!refused.ok && refused.problems[0].raw().contains("runs once at a time"));
        assert!(world.answers.iter().all(|(answered, _)| *answered != id), "it runs");
        world.shims[1].die(Exit::Code(code));
        world.settle();
        let (answered, outcome) = world.answers.pop().unwrap();
        assert_eq!((answered, outcome.exit, outcome.ok), (id, Some(Exit::Code(code)), code == 0));
    }
    assert_eq!(world.machine.procs[1].begun, 2);
    world.ask(5, act());
    world.settle();
    world.ask(6, Request::Stop { names: names(&["migrate"]), order: ChangeOrder::default() });
    assert!(world.answers.iter().all(|(answered, _)| *answered != 5), "it has not ended yet");
    world.settle();
    let (_, outcome) = world.answers.iter().find(|(answered, _)| *answered == 5).unwrap();
    assert!(!outcome.ok && outcome.exit.is_some(), "{outcome:?}");
}

#[test]
fn an_action_that_was_skipped_does_not_follow_what_it_needs() {
    let mut plan = plan(&["db?", "wipe"]);
    plan.processes[1].waits = true;
    plan.processes[1].on_exit = OnExit::Remain;
    plan.processes[1].action = Some(ActionRole { name: "wipe".into(), ..Default::default() });
    let (on, until) = (ProcName::new("db").unwrap(), DependencyCondition::Completed);
    plan.processes[1].rules.needs = vec![Need { on, until, restart: false }];
    let mut world = World::of(&plan);
    world.settle();
    let act = || Request::Act { name: "wipe".to_owned(), confirmed: true };
    world.ask(1, act());
    world.wait(18);
    world.ask(3, act());
    let (_, refused) = world.answers.pop().unwrap();
    let text = "wipe has been requested already, and runs once at a time";
    assert!(refused.problems[0].raw().starts_with(text), "{refused:?}");
    world.shims[0].die(Exit::Code(1));
    world.settle();
    assert!(!world.answers.pop().unwrap().1.ok, "it is skipped");
    world.ask(2, start(&["db"]));
    world.settle();
    world.shims[0].die(Exit::Code(0));
    world.settle();
    assert_eq!(world.machine.procs[1].begun, 0);
}
