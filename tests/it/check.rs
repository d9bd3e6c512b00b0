//! `tmo check`, and messages of a start about taken ports.

use std::io::BufRead as _;
use std::path::Path;

use crate::harness::ports::free_port;
use crate::harness::{Ran, World, eventually};

#[test]
fn check_refuses_each_mutant_of_a_tmo_toml_at_its_place() {
    let world = World::new("web: exec sleep 1000\ndb: exec sleep 1000\n");
    for mutant in include_str!("../schema/mutants.txt").lines() {
        world.write("tmo.toml", mutant);
        let ran = world.run(["check"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{mutant}");
        assert!(ran.stderr.contains("tmo.toml:1:"), "{mutant}: {}", ran.stderr);
    }
}

#[test]
fn check_reports_problems_and_starts_nothing() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    let ran = world.run(["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.ends_with("/Procfile: 2 processes: web, worker\n"), "{ran:?}");
    assert_eq!(world.ok(["check", "--", "npm", "run", "dev"]), "1 process: dev\n");
    world.write("Procfile", "web: exec sleep 1000\nbad name: x\n");
    world.write(".env", "A=1\nno variable\n");
    let ran = world.run(["check", "-l", "web,wrker"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    for reported in [
        "tmo: skipping ./.env due to error: ",
        "tmo: ./Procfile:2: not of the form `name: command`",
        "tmo: --processes names `wrker`",
    ] {
        assert!(ran.stderr.contains(reported), "{ran:?}");
    }
    assert_eq!(ran.stderr.lines().count(), 3, "{ran:?}");
    let ran = world.run(["check", "-l", "web=3"]);
    let reported =
        "--processes names `web=3`, which the Procfile does not have; did you mean `-m web=3`?";
    assert!(ran.stderr.contains(reported), "{ran:?}");
    let ran = world.run(["check", "-f", "nosuch"]);
    assert!(ran.code == 1 && ran.stderr.contains("open nosuch: no such file"), "{ran:?}");
    let ran = world.run(["check", "--formation", "web"]);
    assert!(ran.code == 1 && ran.stderr.contains("Invalid formation format"), "{ran:?}");
    assert!(!world.app().join(".overmind.sock").exists());
    world.wait_empty();
}

#[test]
fn check_and_start_name_the_holder_of_a_taken_port() {
    let world = World::new("web: echo up at $PORT; exec sleep 1000\nworker: exec sleep 1000\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let here = std::env::current_dir().unwrap();
    let me = format!("(pid {}) in {} listens on it", std::process::id(), here.display());
    let reported = format!("tmo: port {port} of web is taken: ");
    let ran = world.run(["check", "-p", &port.to_string()]);
    assert!(ran.code == 0 && ran.stderr.contains(&reported) && ran.stderr.contains(&me), "{ran:?}");
    let ran = world.run(["start", "-D", "-p", &port.to_string()]);
    assert!(ran.code == 0 && ran.stderr.contains(&reported), "it may not use it: {ran:?}");
    let is_named = || world.run(["check", "-p", &port.to_string()]).stderr.contains(&reported);
    assert!(!is_named(), "it runs");
    world.ok(["quit"]);
    drop(taken);
    // Another test may be starting a process just now, which has all files until its program begins.
    eventually("it is free", || (!is_named()).then_some(()));
}

#[test]
fn check_names_the_processes_whose_host_name_has_a_number() {
    let world = World::new(
        "my_app: exec sleep 1000\nmy-app: exec sleep 1000\nweb: exec sleep 1000\nweb-2: exec sleep 1000\n",
    );
    let args = ["check", "--title", "Shop", "-m", "web=2"];
    let ran = world.run(args);
    let expected = [
        "my-app is my-app-2.shop.localhost in a browser, because my_app is my-app.shop.localhost",
        "web-2 is web-2-2.shop.localhost in a browser, because web#2 is web-2.shop.localhost",
    ];
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stderr, expected.map(|line| format!("tmo: {line}\n")).concat());
    let document: serde_json::Value =
        serde_json::from_str(&world.ok([&args[..], &["--json"]].concat())).unwrap();
    assert_eq!(document["ok"], true);
    assert_eq!(document["warnings"], serde_json::json!(expected));
    assert_eq!(world.run(["check", "--title", "Shop"]).stderr.lines().count(), 1);
}

#[test]
fn a_taken_port_is_named_only_for_a_process_that_is_known_to_listen_there() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let world = World::new("").env("TMO_PORT", &port.to_string()).env("TMO_PORT_STEP", "0");
    let sleep = "exec sleep 1000";
    // All of them have the taken port as their PORT.
    world.write(
        "Procfile",
        &format!(
            "seed: {sleep}\nmigrate: {sleep}\nworker: {sleep} # $DB_PORT\ncss: {sleep}\nredis: {sleep}\n\
             env: {sleep}\nliteral: {sleep} # --port {port}\nvariable: {sleep} # $PORT\n"
        ),
    );
    world.write(
        "tmo.toml",
        &format!(
            "[process.redis]\nready = {{ port = {} }}\n[process.env.env]\nBIND = \"0.0.0.0:{port}\"\n",
            free_port()
        ),
    );
    let named = || {
        let ran = world.run(["check"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let names = ["seed", "migrate", "worker", "css", "redis", "env", "literal", "variable"];
        let is_named = |name: &&str| ran.stderr.contains(&format!("{port} of {name} is taken"));
        names.into_iter().filter(is_named).collect::<Vec<_>>()
    };
    assert_eq!(named(), ["env", "literal", "variable"]);
    // What its check probes is what it listens on.
    world.write("Procfile", &format!("seed: {sleep}\nredis: {sleep}\n"));
    world.write("tmo.toml", &format!("[process.redis]\nlive = {{ port = {port} }}\n"));
    assert_eq!(named(), ["redis"]);
    // A variable of an env file is one of all processes, and shows nothing about any.
    std::fs::remove_file(world.app().join("tmo.toml")).unwrap();
    world.write(".overmind.env", &format!("OVERMIND_PORT={port}\n"));
    assert_eq!(named(), [""; 0]);
    world.write(".env", &format!("LISTEN=:{port}\n"));
    assert_eq!(named(), [""; 0]);
    // This one has another port.
    world.write("Procfile", &format!("seed: PORT=80 {sleep}\n"));
    assert_eq!(named(), [""; 0]);
}

#[test]
fn an_earlier_life_that_printed_its_port_is_known_to_listen_there() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let world = World::new("web: ./app\nworker: cat rows; exec sleep 1000\n")
        .env("TMO_PORT", &port.to_string())
        .env("TMO_PORT_STEP", "0");
    world.write("app", "#!/bin/sh\necho \"up at http://localhost:$PORT/\"\nexec sleep 1000\n");
    world.write("rows", &format!("row\n{port}\nup\n"));
    assert_eq!(world.shell("chmod +x app").code, 0);
    let ran = world.run(["start", "-D"]);
    assert!(ran.code == 0 && !ran.stderr.contains("is taken"), "{ran:?}");
    world.wait_text("web", "up at http");
    world.wait_text("worker", "up");
    world.ok(["quit"]);
    let ran = world.run(["start", "-D"]);
    let named = |name| ran.stderr.contains(&format!("port {port} of {name} is taken"));
    assert!(ran.code == 0 && named("web") && !named("worker"), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
fn every_worktree_gets_and_keeps_its_own_ports() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    let first = world.port(0);
    let app = &*world.app();
    let linked = app.parent().unwrap().join("linked");
    std::fs::create_dir(app.join(".git")).unwrap();
    std::fs::create_dir(&linked).unwrap();
    std::fs::copy(app.join("Procfile"), linked.join("Procfile")).unwrap();
    std::fs::write(linked.join(".git"), "gitdir: ../app/.git/worktrees/linked\n").unwrap();
    let start = |at: &Path, more: &[&str]| {
        let first = first.to_string();
        let flags = ["start", "-D", "--port-auto", "-p", &first];
        let ran = world.tmo(flags).args(more).current_dir(at).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stderr).unwrap()
    };
    let ports = |at: &Path| -> Vec<u64> {
        let ran = world.tmo(["ps", "--json"]).current_dir(at).output().unwrap();
        let state: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        let processes = state["processes"].as_array().unwrap();
        processes.iter().map(|process| process["port"].as_u64().unwrap()).collect()
    };
    let quit = |at: &Path| {
        assert!(world.tmo(["quit"]).current_dir(at).status().unwrap().success());
    };
    // The one that comes first leaves the first ports to the main one all the same.
    let reported = start(&linked, &[]);
    let linked_ports = ports(&linked);
    let table = format!("web {}, worker {}\n", linked_ports[0], linked_ports[1]);
    assert_eq!(reported, format!("tmo: ports of this worktree: {table}"));
    assert_eq!(start(app, &[]), "");
    let main_ports = ports(app);
    assert_eq!(main_ports, [first.into(), u64::from(first) + 100]);
    assert!(linked_ports.iter().all(|port| !main_ports.contains(port)), "{linked_ports:?}");
    quit(app);
    quit(&linked);
    // Somebody is in the way for this once.
    let taken = std::net::TcpListener::bind(("127.0.0.1", first + 100)).unwrap();
    start(app, &[]);
    let moved = ports(app);
    assert!(moved[0] > main_ports[0] && !moved.contains(&linked_ports[0]), "{moved:?}");
    quit(app);
    drop(taken);
    start(&linked, &[]);
    start(app, &[]);
    assert_eq!((ports(&linked), ports(app)), (linked_ports, main_ports));
    let ran = world.run(["ls"]);
    assert!(ran.stdout.contains(&format!("  localhost:{first}  ")), "{ran:?}");
    quit(app);
    quit(&linked);
    // What the worktree had is free again when it is gone.
    std::fs::remove_dir_all(&linked).unwrap();
    let reported = start(app, &["-s", "other.sock"]);
    assert_eq!(reported, format!("tmo: ports: {table}"));
    world.ok(["quit", "-s", "other.sock"]);
}

#[test]
fn free_ports_are_found_quickly_beside_hundreds_of_taken_ones() {
    const TAKEN: u16 = 800;
    const LIMIT: &str = "ulimit -t 2; exec \"$0\" check --port-auto -p \"$1\"";
    let world = World::new("web: true\n");
    // Below the ports of the worlds. Another test program may have all that end in the same digit.
    let (first, _taken) = eventually("hundreds of ports are free", || {
        (3001..3010).find_map(|first: u16| {
            let all = (0..TAKEN).map(|number| ("127.0.0.1", first + 10 * number));
            let taken: Vec<_> = all.flat_map(std::net::TcpListener::bind).collect();
            (taken.len() > 700).then_some((first, taken))
        })
    });
    let mut command = world.command("bash");
    let command = command.args(["-c", LIMIT, env!("CARGO_BIN_EXE_tmo"), &first.to_string()]);
    let ran = Ran::of(&command.output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "-9 is too much processor time: {ran:?}");
}

#[test]
fn start_reports_that_it_waits_for_the_ports_of_another_project() {
    let world = World::new("web: true\n");
    let check = ["check", "--port-auto"];
    world.ok(check);
    let lock = world.path().join("state/tmo/ports.lock");
    let lock = std::fs::File::options().append(true).open(lock).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut waiting = world.tmo(check).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut reported = String::new();
    let stderr = waiting.stderr.take().unwrap();
    std::io::BufReader::new(stderr).read_line(&mut reported).unwrap();
    assert_eq!(reported, "tmo: another tmo is finding ports for its project; waiting for it\n");
    drop(lock);
    assert!(waiting.wait().unwrap().success());
}

#[test]
fn ten_thousand_dependent_processes_are_checked_in_linear_time() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    let table = |at: usize| {
        let on: Vec<_> = (at.saturating_sub(4)..at).map(|on| format!("\"p{on}\"")).collect();
        format!("[process.p{at}]\ncommand = \"x\"\ndepends_on = [{}]\n", on.join(", "))
    };
    let toml: String = (0..10_000).map(table).collect();
    world.write("tmo.toml", &toml);
    // Processor time is limited, not wall time: a busy machine makes no difference.
    let check = |args: &str| {
        let line = format!("ulimit -t 30; exec {} check {args}", env!("CARGO_BIN_EXE_tmo"));
        Ran::of(&world.command("bash").args(["-c", &line]).output().unwrap())
    };
    let ran = check("");
    assert!(ran.stderr.contains("would be above 65535"), "{ran:?}");
    let ran = check("--port-step 0");
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn check_reports_what_blocks_the_socket_path() {
    let world = World::new("web: exec sleep 1000\n");
    std::fs::create_dir(world.app().join(".overmind.sock")).unwrap();
    for args in [&["check"][..], &["start", "-D"]] {
        let ran = world.run(args);
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("is in the way: it is a directory"), "{args:?}: {ran:?}");
    }
    std::fs::remove_dir(world.app().join(".overmind.sock")).unwrap();
}

#[test]
fn a_process_name_that_is_too_long_is_refused_with_its_line() {
    let world = World::new(&format!("web: exec sleep 1000\n{}: sleep 50\n", "a".repeat(101)));
    for args in [["check", "-N"], ["start", "-D"]] {
        let ran = world.run(args);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("./Procfile:2: the process name `aaaa"), "{ran:?}");
    }
    let name = "b".repeat(98);
    world.write("Procfile", &format!("web: exec sleep 1000\n{name}: exec sleep 1000\n"));
    let ran = world.run(["check", "-m", &format!("{name}=10")]);
    assert!(ran.stderr.contains("./Procfile:2: the process name `bbbb"), "{ran:?}");
    world.ok(["start", "-D"]);
    let ran = world.run(["scale", &format!("{name}=10")]);
    assert!(ran.code == 1 && ran.stderr.contains("101 bytes long with its number"), "{ran:?}");
    world.write("Procfile", &format!("web: exec sleep 1000\n{}: sleep 1\n", "c".repeat(250)));
    let ran = world.run(["reload"]);
    assert!(ran.code == 1 && ran.stderr.contains("Procfile:2: the process name"), "{ran:?}");
    world.write("Procfile", "");
    world.write("tmo.toml", &format!("[process.{}]\ncommand = \"x\"\n", "d".repeat(101)));
    let ran = world.run(["check"]);
    assert!(ran.stderr.contains("tmo.toml:1:10: the process name `dddd"), "{ran:?}");
    world.ok(["quit"]);
}

/// A `tmo.toml` with mistakes in the keys of a working day.
const TWENTY_MISTAKES: &str = r#"port_auto = "yes"

[process.web]
watch = ["nowhere/**/*.rs"]
lazy = "soon"
prompt = "(["
proxy_host = "localhost:3000"
env = { API = "{ap.port}" }

[process.web.action.migrate]
comand = "bin/migrate"

[process.web.action."db migrate"]
command = "x"

[process.api]
watch = { paths = "Procfile", debounce = "fast", signal = "HUPP" }
lazy = { idel = "30m" }
ready = { notify = "yes" }
live = { watchdog = "0s" }

[process.db]
lazy = { idle = "0s" }
autostart = true
watch = { ignore = ["x"] }

[process.task]
lazy = true
ready = { exit = 0 }

[action.web]
command = ""

[action.reset]
command = "{apii.url}"
confirm = "yes"

[web]
strat = true
"#;

#[test]
fn twenty_mistakes_in_one_file_are_told_at_once_each_with_its_place_and_what_to_do() {
    let world = World::new("web: true\napi: true\ndb: true\ntask: true\n");
    world.write("tmo.toml", TWENTY_MISTAKES);
    world.write("tmo.local.toml", "[process.tsk]\nautostart = false\n");
    let ran = world.run(["check"]);
    assert_eq!(ran.code, 1);
    for expected in [
        "tmo.toml:1:13: `port_auto` must be true or false, not \"yes\"",
        "tmo.toml:5:8: `lazy` must be true or false, or a table, not \"soon\"",
        "tmo.toml:6:10: invalid regular expression: unclosed character class",
        "tmo.toml:7:14: `proxy_host` is a host name without a port, such as \"localhost\"",
        "tmo.toml:8:9: `{ap.port}`: there is no process `ap`; did you mean `api`?",
        "tmo.toml:10:21: the action `migrate` has no command; add `command = \"…\"`",
        "tmo.toml:11:1: unknown key `comand` of `migrate`; did you mean `command`?",
        "tmo.toml:13:21: `db migrate` is not the name of an action: only letters, digits, `_` and `-`",
        "tmo.toml:17:42: `debounce` must be a time such as \"500ms\"",
        "tmo.toml:17:59: unknown signal `HUPP`; use a name such as USR1",
        "tmo.toml:18:10: unknown key `idel` of `lazy`; did you mean `idle`?",
        "tmo.toml:19:20: `notify` must be true or false, not \"yes\"",
        "tmo.toml:20:1: `watchdog` counts from the report that the process is ready; add `ready = { notify = true }`",
        "tmo.toml:20:10: `watchdog` must be longer than nothing",
        "tmo.toml:23:8: `lazy` starts it with the first request, `autostart = true` with the run; keep one of them",
        "tmo.toml:23:17: `idle` is at least a moment, such as \"10m\"",
        "tmo.toml:25:1: `watch` names no files; give it `paths`, as in [\"src/**/*.rs\"]",
        "tmo.toml:28:8: `lazy` is for a process that answers requests, not for one that is to end",
        "tmo.toml:31:9: this action runs as a process `web`, and there is another one of this name; rename one",
        "tmo.toml:32:11: `command` is empty; it is what is to be run",
        "tmo.toml:35:11: `{apii.url}`: there is no process `apii`; did you mean `api`?",
        "tmo.toml:36:11: `confirm` must be true or false, not \"yes\"",
        "tmo.toml:39:1: unknown key `strat` of `web`; did you mean `start`?",
        "tmo.local.toml:1:10: `tsk` has no `command`, and the Procfile has no such entry; did you mean `task`?",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
}
