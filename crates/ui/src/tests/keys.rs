//! What keys do to processes, and what they say.

use pretty_assertions::assert_eq;

use super::World;
use crate::draw::theme::Theme;
use crate::keys::Key;
use crate::model::request::Request;
use crate::model::state::{ActionState, ProcessState};
use crate::model::{Exit, ProcName, ProcessStatus};
use crate::state::msg::{Effect, Msg};

const PLAIN: Theme = Theme { color: false, ascii: false };

fn process(name: &str) -> ProcessState {
    let mut process =
        ProcessState::new(ProcName::new(name).unwrap(), ProcessStatus::Running, Some(100));
    process.since = super::time(0);
    process
}

fn world_of(names: &[&str]) -> World {
    let mut world = World::with_lines((80, 12), 100);
    world.ui.list.set(names.iter().map(|name| process(name)).collect());
    world
}

/// The requests that were sent, with the processes that are marked as busy.
fn requests(world: &World) -> Vec<(Request, Vec<&str>)> {
    let mut requests = vec![];
    for effect in &world.effects {
        if let Effect::Request(request, names, _) = effect {
            requests.push((request.clone(), names.iter().map(ProcName::as_str).collect()));
        }
    }
    requests
}

fn footer(world: &World) -> String {
    world.screen(PLAIN).lines().last().unwrap().trim().to_owned()
}

#[test]
fn a_row_is_one_instance() {
    for keys in ["r", "ss", "xx", "s\n", "S", "KK"] {
        let mut world = world_of(&["worker", "worker#2", "web"]);
        world.key(Key::Down);
        for key in keys.chars() {
            world.key(if key == '\n' { Key::Enter } else { Key::Char(key) });
        }
        let requests = requests(&world);
        let [(request, busy)] = &requests[..] else { panic!("{keys}: {requests:?}") };
        let (Request::Start { names, .. }
        | Request::Stop { names, .. }
        | Request::Restart { names, .. }
        | Request::Signal { names, .. }) = request
        else {
            panic!("{keys}: {request:?}")
        };
        assert_eq!((names, busy), (&vec!["=worker".to_owned()], &vec!["worker"]), "{keys}");
    }
}

#[test]
fn a_stop_asks_first() {
    let mut world = world_of(&["web"]);
    world.key(Key::Down);
    for (keys, rest) in [("s", "j"), ("x", "q"), ("s", "S")] {
        world.keys(keys);
        assert_eq!(footer(&world), "stop web? s, y or Enter: yes, any other key: no");
        world.keys(rest);
        assert!(!footer(&world).contains("stop web"), "{}", footer(&world));
    }
    assert!(requests(&world).is_empty());
    // On a line, x still shows what is around it.
    world.key(Key::PageUp);
    world.keys("x");
    assert!(world.ui.filter.around.is_some() && world.ui.overlay.is_none());
    // What does not run has nothing to stop.
    world.ui.list.processes[0].state = ProcessStatus::Stopped;
    world.ui.list.processes[0].pid = None;
    world.keys("s");
    assert_eq!(footer(&world), "web does not run; S starts it");
}

#[test]
fn the_address_of_a_process_is_opened_and_offered_where_a_web_server_runs() {
    let mut world = world_of(&["web", "worker"]);
    let [web, worker] = ["web", "worker"].map(|name| ProcName::new(name).unwrap());
    let url = "http://web.shop.localhost:10000";
    let all = || Some(vec![(web.clone(), url.to_owned())]);
    world.key(Key::Down);
    world.keys("O");
    let asked = world.effects.pop();
    assert!(matches!(asked, Some(Effect::Addresses(Some(name))) if name == web));
    world.send(Msg::Addresses(None, Some(web.clone())));
    assert_eq!(
        footer(&world),
        "no web server shows this run; `tmo web` in another terminal starts one"
    );
    world.send(Msg::Resize(120, 12));
    world.keys("j");
    world.key(Key::Up);
    assert!(!footer(&world).contains("O browser"), "{}", footer(&world));
    world.send(Msg::Addresses(all(), None));
    assert!(footer(&world).contains("O browser"), "{}", footer(&world));
    assert!(!world.effects.iter().any(|effect| matches!(effect, Effect::Browse(_))));
    world.send(Msg::Addresses(all(), Some(web.clone())));
    let opened = world.effects.pop();
    assert!(matches!(opened, Some(Effect::Browse(address)) if address == url));
    world.key(Key::Down);
    assert!(!footer(&world).contains("O browser"), "{}", footer(&world));
    world.send(Msg::Addresses(all(), Some(worker)));
    assert_eq!(footer(&world), "worker has no port, so it has no address");
}

#[test]
fn questions_fit_on_a_narrow_screen() {
    let mut world = world_of(&["a-process-with-a-long-name"]);
    world.send(super::Msg::Resize(40, 10));
    world.keys(":stop-all");
    world.key(Key::Enter);
    assert_eq!(footer(&world), "l: leave it  s: stop all  other: stay");
    world.keys("jR");
    assert_eq!(footer(&world), "restart all processes? R, y, Enter: yes");
    world.keys("j1s");
    assert_eq!(footer(&world), "s, y, Enter: yes, else no: stop a-proce");
}

#[test]
fn all_instances_of_an_entry_or_a_group_are_reached_by_name() {
    let mut world = world_of(&["worker", "worker#2", "web"]);
    world.ui.list.processes[2].config.groups = vec!["core".to_owned()];
    world.key(Key::Down);
    world.keys(":restart-n");
    world.key(Key::Enter);
    assert!(footer(&world).starts_with("restart-named: worker"), "{}", footer(&world));
    world.keys(" @core, @cor");
    world.key(Key::Enter);
    assert!(footer(&world).contains("@core, @cor"), "the mistake is corrected there");
    world.key(Key::Backspace);
    world.keys("re");
    world.key(Key::Enter);
    let requests = requests(&world);
    let [(Request::Restart { names, .. }, busy)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(names, &["worker", "@core", "@core"]);
    assert_eq!(busy, &["worker", "worker#2", "web"]);
}

#[test]
fn scale_signal_and_reload_are_among_the_actions() {
    let mut world = world_of(&["worker", "worker#2"]);
    world.key(Key::Down);
    world.keys(":scale");
    world.key(Key::Enter);
    assert!(footer(&world).starts_with("instances of worker:"), "{}", footer(&world));
    world.keys("3");
    world.key(Key::Enter);
    world.keys(":signal");
    world.key(Key::Enter);
    world.keys("hup");
    world.key(Key::Enter);
    world.keys(":reload");
    world.key(Key::Enter);
    let [
        Effect::Request(Request::Scale { counts }, ..),
        Effect::Request(Request::Signal { names, signal }, ..),
        Effect::Reload,
    ] = &world.effects[..]
    else {
        panic!("{:?}", world.effects)
    };
    assert_eq!(counts, &[("worker".to_owned(), 3)].into());
    assert_eq!((names, signal.to_string()), (&vec!["=worker".to_owned()], "HUP".to_owned()));
}

#[test]
fn the_tenth_process_is_reached() {
    let names: Vec<_> = (1..=12).map(|number| format!("p{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut world = world_of(&names);
    world.key(Key::Tab);
    world.keys("9");
    world.key(Key::Ctrl('n'));
    assert_eq!(world.ui.list.chosen(), ["p10"]);
    world.key(Key::Ctrl('p'));
    assert_eq!(world.ui.list.chosen(), ["p9"]);
    world.keys("o12");
    world.key(Key::Enter);
    assert_eq!(world.ui.list.chosen(), ["p12"]);
    // By number, also where another name has that number in it.
    world.keys("o1");
    world.key(Key::Enter);
    assert_eq!(world.ui.list.chosen(), ["p1"]);
}

#[test]
fn a_key_that_does_nothing_is_answered() {
    let mut world = world_of(&["web"]);
    for (key, name) in [(Key::Delete, "Delete"), (Key::Ctrl('r'), "Ctrl-r"), (Key::F(5), "F5")] {
        world.key(key);
        assert_eq!(footer(&world), format!("{name} does nothing; ? shows all keys"));
    }
    world.keys("7");
    assert_eq!(footer(&world), "the list has no such process");
    world.key(Key::F(1));
    assert!(world.screen(PLAIN).contains("Moving"));
    world.keys("/");
    assert_eq!(footer(&world), "/ does nothing here; q closes this");
}

#[test]
fn without_an_error_the_search_for_the_first_one_changes_nothing() {
    let mut world = world_of(&["web"]);
    world.print_line("web", "an error of before");
    world.print_line("web", "Started");
    world.print(30);
    world.key(Key::Down);
    world.key(Key::PageUp);
    let before = (world.ui.log.view, world.current());
    world.keys("E");
    assert_eq!(footer(&world), "web: no error since the last start");
    assert_eq!((world.ui.log.view, world.current()), before);
    assert!(world.ui.list.chosen().is_empty());
    world.print_line("web", "an error");
    world.keys("E");
    assert_eq!(world.current().map(|(record, _)| record), Some(132));
    assert_eq!(world.ui.list.chosen(), ["web"]);
}

#[test]
fn what_has_ended_has_the_same_mark_everywhere() {
    let mut world = world_of(&["migrate", "web", "api"]);
    let [migrate, web, _] = &mut world.ui.list.processes[..] else { panic!() };
    (migrate.state, migrate.pid, migrate.ends.finished) = (ProcessStatus::Exited, None, true);
    (web.state, web.pid) = (ProcessStatus::Stopped, None);
    world.send(super::Msg::Resize(40, 10));
    let screen = world.screen(PLAIN);
    assert!(screen.lines().next().unwrap().contains(" 1● 1✓ 1■ "), "{screen}");
    assert!(screen.contains("✓ migrate") && screen.contains("■ web"), "{screen}");
    world.keys("H");
    let screen = world.screen(PLAIN);
    assert!(
        screen.contains("\n migrate") && screen.contains("\n web "),
        "the lanes have names: {screen}"
    );
}

#[test]
fn a_dependency_that_ended_and_is_missed_has_failed() {
    let mut world = world_of(&["db", "web"]);
    let [db, web] = &mut world.ui.list.processes[..] else { panic!() };
    (db.state, db.pid, db.ends.exit) = (ProcessStatus::Exited, None, Some(Exit::Code(0)));
    let name = web.name.clone();
    assert!(world.screen(PLAIN).contains("✓ db"), "{}", world.screen(PLAIN));
    world.ui.list.processes[0].ends.missed_by = vec![name];
    let screen = world.screen(PLAIN);
    assert!(screen.contains("✖ db") && screen.contains("1 failed"), "{screen}");
}

#[test]
fn actions_of_the_run_are_found_by_name_and_ask_if_they_are_to() {
    let mut world = world_of(&["web"]);
    let action = |name: &str, confirm| ActionState {
        name: name.into(),
        of: ProcName::new("web").ok(),
        process: ProcName::new(format!("web-{name}")).unwrap(),
        command: format!("bin/{name} now").into(),
        confirm,
        exit: None,
        since: None,
    };
    world.ui.run.actions = vec![action("migrate", false), action("reset", true)];
    world.keys(":migr");
    assert!(
        world.screen(PLAIN).contains("migrate          bin/migrate now"),
        "{}",
        world.screen(PLAIN)
    );
    world.key(Key::Enter);
    let begun = |world: &World| -> Vec<String> {
        let names = requests(world).into_iter().map(|(request, _)| match request {
            Request::Act { name, confirmed } => format!("{name} {confirmed}"),
            other => panic!("{other:?}"),
        });
        names.collect()
    };
    assert_eq!(begun(&world), ["web-migrate false"]);
    world.keys(":reset");
    world.key(Key::Enter);
    assert_eq!(footer(&world), "run `bin/reset now`? y or Enter: yes, any other key: no");
    world.keys("n");
    world.keys(":reset");
    world.key(Key::Enter);
    assert_eq!(begun(&world).len(), 1, "it asks first");
    world.keys("y");
    assert_eq!(begun(&world)[1], "web-reset true");
}

#[test]
fn what_has_changed_since_it_was_started_has_a_mark() {
    let mut world = world_of(&["web", "api"]);
    let before = world.drift_asked;
    world.keys("00");
    assert_eq!(world.drift_asked, before + 1, "not with each key");
    world.send(Msg::Drift(vec![ProcName::new("api").unwrap()]));
    let screen = world.screen(PLAIN);
    assert!(screen.contains("*api") && !screen.contains("*web"), "{screen}");
    // Its restart is a reason to ask again.
    world.send(Msg::Process(Box::new(process("api"))));
    assert_eq!(world.drift_asked, before + 2);
    world.send(Msg::Drift(vec![]));
    assert!(!world.screen(PLAIN).contains('*'));
}
