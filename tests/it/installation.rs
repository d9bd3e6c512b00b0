//! Processes with an installation: lives that run an install command. These tests write the installation into the
//! plan.

use serde_json::{Value, json};

use crate::api::{Answer, ask, plan_of};
use crate::harness::{World, eventually, procs};

const WEB: &str = "web: echo up; exec sleep 1000\n";
const GATE: &str = "until [ -e go ]; do sleep 0.05; done";

/// A run with one process.
fn run() -> World {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world
}

/// A pending installation by this shell command, which may take `seconds`.
pub(crate) fn install(command: &str, seconds: u64) -> Value {
    json!({
        "command": ["/bin/sh", "-c", command],
        "env": [["PATH", "/usr/local/bin:/usr/bin:/bin"], ["ONLY", "this"]],
        "timeout_ms": seconds * 1000,
        "version": "1",
        "pending": true,
        "then": "run",
    })
}

/// Add a process with this command and installation to the run.
pub(crate) fn add(world: &World, name: &str, command: &str, install: Value) {
    let mut body: Value = serde_json::from_str(&plan_of(world)).unwrap();
    let processes = body["plan"]["processes"].as_array_mut().unwrap();
    let mut process = processes[0].clone();
    process["name"] = name.into();
    process["command"] = command.into();
    process["rules"] = json!({});
    process["install"] = install;
    processes.push(process);
    let answer = ask(world, "POST /api/reload", "", &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn post(world: &World, name: &str, then: &str) -> Answer {
    let line = format!("POST /api/processes/{name}/install");
    ask(world, &line, "", &json!({ "then": then }).to_string())
}

/// Check that no restart, crash or report was counted for a process.
fn assert_no_crash(world: &World, name: &str) {
    // Zero is omitted.
    let number = |field: &str| world.field(name, field).as_u64().unwrap_or(0);
    assert!(number("lives") <= 1, "it has no restart");
    assert_eq!(number("crashes"), 0);
    let reports: Value = serde_json::from_str(&world.ok(["crashes", "--json"])).unwrap();
    assert_eq!(reports, json!([]));
}

/// The pid of the installation of `app`, once it runs.
#[track_caller]
fn installing(world: &World) -> u32 {
    eventually("it is being installed", || {
        let pid = world.field("app", "pid").as_u64()?;
        (world.field("app", "state") == "installing").then_some(u32::try_from(pid).unwrap())
    })
}

fn go(world: &World) {
    world.write("go", "");
}

#[test]
fn an_installed_process_runs_and_its_installation_has_no_other_environment() {
    let world = run();
    let script = format!("echo fetching; env >seen; {GATE}; echo fetched");
    add(&world, "app", "env >own; echo runs; exec sleep 1000", install(&script, 300));
    let pid = installing(&world);
    eventually("it prints", || world.ok(["logs", "app"]).contains("fetching").then_some(()));
    let table = world.ok(["ps"]);
    // Marked, since no file has it.
    let row = table.lines().find(|line| line.starts_with("app* ")).unwrap();
    assert!(row.contains(&pid.to_string()) && row.contains("installing"), "{table}");
    go(&world);
    assert_ne!(world.wait_state("app", "running"), Some(pid));
    eventually("the program prints", || world.ok(["logs", "app"]).contains("runs").then_some(()));
    assert_no_crash(&world, "app");
    assert_eq!((world.field("app", "lives"), world.field("app", "exits")), (1.into(), Value::Null));
    let names = |file: &str| {
        let text = std::fs::read_to_string(world.app().join(file)).unwrap();
        let names = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
        // The shell adds some variables.
        let own = ["_", "SHLVL", "OLDPWD"];
        let names = names.filter(|name| !own.contains(name) && !name.starts_with("TMUX"));
        names
            .filter(|name| !name.starts_with("TERM") && *name != "COLORTERM")
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let wanted = ["ONLY", "PATH", "PWD", "TMO_PROCESS", "TMO_SESSION"];
    assert!(names("seen").iter().eq(wanted), "{:?}", names("seen"));
    let own = names("own");
    assert!(own.contains("HOME") && own.contains("TMO_SOCKET") && !own.contains("ONLY"), "{own:?}");
    let log = world.ok(["logs", "app", "--events"]);
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("no {text:?} in {log}"));
    assert!(at("Installing...") < at("Installed"), "{log}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_requested_installation_leaves_the_process_stopped_if_that_is_asked_for() {
    let world = run();
    let not_yet = |install: Value| {
        let mut install = install;
        (install["pending"], install["then"]) = (false.into(), "stop".into());
        install
    };
    add(&world, "app", "exec sleep 1000", not_yet(install("echo hello", 300)));
    world.wait_state("app", "running");
    let refused = post(&world, "app", "stop");
    assert!(
        refused.status == 409 && refused.body.contains("app runs; stop it first"),
        "{refused:?}"
    );
    world.ok(["stop", "app"]);
    let done = post(&world, "app", "stop");
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(world.field("app", "state"), "stopped");
    assert!(world.ok(["logs", "app"]).contains("hello"));
    let none = post(&world, "web", "run");
    assert!(none.status == 409 && none.body.contains("web has no installation"), "{none:?}");
    assert_eq!(post(&world, "nosuch", "run").status, 404);
    assert_eq!(post(&world, "app", "perhaps").status, 400);
    assert_no_crash(&world, "app");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_failed_installation_is_an_error_and_the_run_goes_on() {
    let world = World::new(WEB);
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    add(&world, "app", "exec sleep 1000", install("echo no network; [ -e go ]", 300));
    eventually("it fails", || (world.field("app", "state") == "error").then_some(()));
    view.shows("The installation failed (exit 1)");
    assert_eq!(world.field("app", "reason"), "installation failed (exit 1)");
    let why = world.run(["why", "app"]);
    assert!(why.code == 1 && why.stdout.contains("installation failed (exit 1)"), "{why:?}");
    assert_no_crash(&world, "app");
    // A start installs it first.
    go(&world);
    world.ok(["start", "app"]);
    assert_eq!(world.field("app", "state"), "running");
    assert_no_crash(&world, "app");
    assert_eq!(view.interrupt(), 0);
    world.wait_empty();
}

#[test]
fn a_failed_installation_has_no_part_in_the_exit_code() {
    let world = World::new(WEB);
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    add(&world, "app", "exec sleep 1000", install("exit 9", 300));
    eventually("it fails", || (world.field("app", "state") == "error").then_some(()));
    assert_eq!(view.interrupt(), 0);
    world.wait_empty();
    let why = world.run(["why", "app"]);
    assert!(why.stdout.contains("its installation failed (exit 9)"), "{why:?}");
}

#[test]
fn an_installation_that_takes_too_long_ends_with_all_its_processes() {
    let world = run();
    let script = "sleep 4711 & (exec sleep 4712) & echo $! >below; exec sleep 4713";
    add(&world, "app", "exec sleep 1000", install(script, 1));
    let main = installing(&world);
    let below: u32 = eventually("it has children", || {
        std::fs::read_to_string(world.app().join("below")).ok()?.trim().parse().ok()
    });
    eventually("it is ended", || (world.field("app", "state") == "error").then_some(()));
    assert_eq!(world.field("app", "reason"), "installation timed out after 1 s");
    assert!(!procs::alive(main) && !procs::alive(below));
    let log = world.ok(["logs", "app", "--events"]);
    assert!(log.contains("The installation timed out after 1 s"), "{log}");
    assert_no_crash(&world, "app");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_installation_goes_on_when_the_supervisor_is_killed() {
    for (script, state) in [(GATE.to_owned(), "running"), (format!("{GATE}; exit 1"), "error")] {
        for ends_meanwhile in [false, true] {
            let world = run();
            add(&world, "app", "exec sleep 1000", install(&script, 300));
            let pid = installing(&world);
            let supervisor = world.supervisor();
            procs::kill(supervisor, 9);
            if ends_meanwhile {
                go(&world);
            } else {
                eventually("another supervisor answers", || {
                    (world.state()?["pid"] != supervisor).then_some(())
                });
                assert_eq!(installing(&world), pid);
                go(&world);
            }
            eventually("it is over", || (world.field("app", "state") == state).then_some(()));
            assert_no_crash(&world, "app");
            world.ok(["quit"]);
            world.wait_empty();
        }
    }
}

#[test]
fn a_stopped_installation_is_not_taken_for_complete() {
    let world = run();
    add(&world, "app", "exec sleep 1000", install(GATE, 300));
    let first = installing(&world);
    world.ok(["stop", "app"]);
    assert_eq!(world.field("app", "state"), "stopped");
    assert_eq!(world.field("app", "reason"), "installation was interrupted");
    assert_eq!(ask(&world, "POST /api/processes/app/start?wait=false", "", "").status, 202);
    assert_ne!(installing(&world), first);
    go(&world);
    world.wait_state("app", "running");
    assert_no_crash(&world, "app");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn the_output_of_an_installation_matches_no_pattern() {
    let world = World::new(WEB);
    world.write("tmo.toml", "[[process.web.failure]]\npattern = \"panic\"\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let mut body: Value = serde_json::from_str(&plan_of(&world)).unwrap();
    let mut app = body["plan"]["processes"][0].clone();
    assert_eq!(app["rules"]["failures"].as_array().map(Vec::len), Some(1), "{app}");
    app["name"] = "app".into();
    app["command"] = format!("echo begun; {GATE}; echo panic; exec sleep 1000").into();
    app["install"] = install("echo panic: 0 packages", 300);
    body["plan"]["processes"].as_array_mut().unwrap().push(app);
    let answer = ask(&world, "POST /api/reload", "", &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    world.wait_state("app", "running");
    eventually("it prints", || world.ok(["logs", "app"]).contains("begun").then_some(()));
    assert_eq!(world.field("app", "state"), "running");
    go(&world);
    eventually("its own output is searched", || {
        (world.field("app", "state") == "broken").then_some(())
    });
    world.ok(["quit"]);
    world.wait_empty();
}
