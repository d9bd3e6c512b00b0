//! `tmo reload`: a new configuration during a run.

use std::process::Stdio;

use serde_json::Value;

use crate::harness::{World, eventually, procs};

const PROCFILE: &str = "\
web: echo web on $PORT; exec sleep 1000\n\
api: echo one; exec sleep 1000\n\
gone: echo gone on $PORT; sleep 1001 & exec sleep 1000\n";

fn pid(world: &World, name: &str) -> u32 {
    world.wait_state(name, "running").unwrap()
}

/// The names of the processes in their order.
fn names(world: &World) -> Vec<String> {
    let state = world.state().unwrap();
    let processes = state["processes"].as_array().unwrap().iter();
    processes.map(|process| process["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn reload_applies_changes_and_leaves_other_processes_running() {
    let world = World::new(PROCFILE);
    let mut view = world.start(["-p", "6000"]);
    view.shows("| gone on 6200\n");
    let (web, api, gone) = (pid(&world, "web"), pid(&world, "api"), pid(&world, "gone"));
    let all = "web: unchanged\napi: unchanged\ngone: unchanged\n";
    assert_eq!(world.ok(["reload"]), all);
    world.write(
        "Procfile",
        "new: echo new on $PORT; exec sleep 1000\n\
         api: echo two; exec sleep 1000\n\
         web: echo web on $PORT; exec sleep 1000\n",
    );
    let reported = world.ok(["reload", "--dry-run"]);
    let would = "web: unchanged\napi: would be restarted (command changed)\n\
                 gone: would be stopped and removed\nnew: would be started\n";
    assert_eq!(reported, would);
    assert_eq!((pid(&world, "api"), pid(&world, "gone")), (api, gone));
    let reported = world.ok(["reload"]);
    let done = "web: unchanged\napi: restarted (command changed)\n\
                gone: stopped and removed\nnew: started\n";
    assert_eq!(reported, done);
    let events = world.ok(["events", "--json"]);
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let reloads: Vec<Value> = events.filter(|event| event["type"] == "config:reload").collect();
    let changes = reloads[0]["changes"].as_array().unwrap().iter();
    let text = |change: &Value, key: &str| change[key].as_str().unwrap().to_owned();
    let changes: Vec<String> =
        changes.map(|change| text(change, "name") + " " + &text(change, "change")).collect();
    assert_eq!(changes, ["api restarted", "gone removed", "new new"]);
    assert_eq!(reloads.len(), 1, "one for each reload that has changed something");
    assert_eq!(pid(&world, "web"), web);
    assert_ne!(pid(&world, "api"), api);
    view.shows("| two\n");
    view.shows("| new on 6300\n");
    assert!(!procs::alive(gone));
    assert_eq!(names(&world), ["web", "api", "new"]);
    assert_eq!(world.living().iter().filter(|p| p.args.contains(&"1001".into())).count(), 0);
    eventually("its window is gone", || {
        let terminals = world.terminals();
        let has = |name: &str| terminals.iter().any(|other| other == name);
        (!has("gone") && has("new")).then_some(())
    });
    assert_eq!(world.run(["restart", "gone"]).code, 2);
    assert!(world.ok(["logs", "gone"]).contains("gone on 6200"), "its log stays");
    // Done twice, it does nothing.
    let (web, api, new) = (pid(&world, "web"), pid(&world, "api"), pid(&world, "new"));
    assert_eq!(world.ok(["reload"]), "web: unchanged\napi: unchanged\nnew: unchanged\n");
    assert_eq!((pid(&world, "web"), pid(&world, "api"), pid(&world, "new")), (web, api, new));
    // What comes back has the place that it had.
    world.write("Procfile", PROCFILE);
    let reported = world.ok(["reload", "--json"]);
    let reported: serde_json::Value = serde_json::from_str(&reported).unwrap();
    assert_eq!(reported["processes"][2]["change"], "new", "{reported}");
    assert_eq!(reported["processes"][1]["what"][0], "command", "{reported}");
    assert_eq!(
        (world.field("gone", "port"), world.field("web", "port")),
        (6200.into(), 6000.into())
    );
    assert_eq!((pid(&world, "web"), names(&world).concat()), (web, "webapigone".to_owned()));
    assert_eq!(view.interrupt(), 0);
    world.wait_empty();
}

#[test]
fn reload_of_a_broken_configuration_changes_nothing() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D", "-p", "6000"]);
    let web = pid(&world, "web");
    for (file, text, reported) in [
        ("tmo.toml", "[process.web]\ncommnad = \"x\"\n", "tmo.toml:2:1"),
        ("tmo.toml", "[process.web]\nshell = \"nosuchshell\"\n", "nosuchshell"),
        ("tmo.toml", "", ""),
        (".env", "A=1\nB\n", "./.env: line 2"),
        (".env", "", ""),
        ("failure_declarations.json", "{\"web\": 1}", "failure_declarations.json:1"),
        ("failure_declarations.json", "{}", ""),
        ("Procfile", "web: x\nweb: y\n", "Procfile"),
        ("Procfile", "", "No entries"),
    ] {
        world.write(file, text);
        if reported.is_empty() {
            continue;
        }
        for dry in [&["reload"][..], &["reload", "-n"]] {
            let ran = world.run(dry);
            assert!(ran.code == 1 && ran.stderr.contains(reported), "{file}: {ran:?}");
            assert_eq!(ran.stdout, "", "{file}");
        }
    }
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    assert_eq!(world.run(["reload"]).code, 1);
    assert_eq!((pid(&world, "web"), names(&world).len()), (web, 3));
    let asked =
        r#"curl -s --unix-socket .overmind.sock http://x/api/reload -d '{"plan":{"run":"x"}}'"#;
    let ran = world.shell(asked);
    assert!(ran.stdout.contains("the `plan` can't be used"), "{ran:?}");
    assert_eq!((pid(&world, "web"), names(&world).len()), (web, 3));
    world.ok(["quit"]);
    assert_eq!(world.run(["reload"]).code, 1, "nothing runs");
    world.wait_empty();
}

#[test]
fn settings_that_need_no_restart_apply_at_once() {
    let world = World::new("web: while IFS= read -r x; do echo \"got $x\"; done\njob: exec cat\n");
    world.ok(["start", "-D", "--any-can-die"]);
    let (web, job) = (pid(&world, "web"), pid(&world, "job"));
    world.type_into("web", "it is broken");
    eventually("it is printed", || world.ok(["logs", "web"]).contains("got it").then_some(()));
    world.write(
        "tmo.toml",
        "[process.web]\ndisplay = \"The web\"\ngroups = [\"front\"]\nstop = { signal = \"KILL\" }\n\
         [[process.web.failure]]\npattern = \"broken\"\n",
    );
    let reported = world.ok(["reload"]);
    let policies = "web: policies changed (stop, display, groups, failure)\njob: unchanged\n";
    assert_eq!(reported, policies);
    assert_eq!((pid(&world, "web"), pid(&world, "job")), (web, job));
    assert_eq!(world.field("web", "display"), "The web");
    // What was printed before is no news; what comes is.
    world.type_into("web", "it is well");
    eventually("it is printed", || world.ok(["logs", "web"]).contains("well").then_some(()));
    assert_eq!(pid(&world, "web"), web);
    world.type_into("web", "now broken");
    world.wait_state("web", "broken");
    assert!(!procs::alive(web));
    assert_eq!(world.wait_state("job", "running"), Some(job));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn failures_add_applies_without_a_reload() {
    let world = World::new("web: while IFS= read -r x; do echo \"got $x\"; done\nold: exec cat\n");
    world.ok(["start", "-D", "--any-can-die"]);
    let web = pid(&world, "web");
    // What else has changed waits for whoever asks.
    world.write("Procfile", "web: while IFS= read -r x; do echo \"got $x\"; done\nnew: exec cat\n");
    let ran = world.run(["failures", "add", "web", "panic:"]);
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran:?}");
    assert_eq!(names(&world), ["web", "old"]);
    world.ok(["failures", "add", "web", "oops"]);
    world.ok(["failures", "remove", "web", "oops"]);
    world.type_into("web", "oops");
    eventually("it is printed", || world.ok(["logs", "web"]).contains("got oops").then_some(()));
    assert_eq!(pid(&world, "web"), web);
    world.type_into("web", "PANIC: now");
    world.wait_state("web", "broken");
    world.ok(["restart", "web"]);
    world.type_into("web", "panic: again");
    world.wait_state("web", "broken");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_skipped_process_that_never_ran_is_started() {
    let world = World::new("other: exec sleep 1000\n");
    let toml = |db: &str| {
        format!(
            "[process.db]\ncommand = \"{db}\"\nready = {{ log = \"up\", timeout = \"3s\" }}\n\
             [process.web]\ncommand = \"echo {db}; exec sleep 1000\"\ndepends_on = [\"db\"]\n"
        )
    };
    world.write("tmo.toml", &toml("exec sleep 1000"));
    world.run(["start", "-D"]);
    world.wait_state("web", "skipped");
    world.write("tmo.toml", &toml("echo up; exec sleep 1000"));
    let told = world.ok(["reload"]);
    assert!(told.contains("db: restarted (command changed)\n"), "{told}");
    assert!(told.contains("web: started (command changed)\n"), "{told}");
    world.ok(["quit"]);
}

#[test]
fn reload_uses_the_environment_of_the_start_and_of_its_env_files() {
    let world = World::new("web: echo \"A=$A B=$B\"; exec sleep 1000\n").env("A", "caller");
    world.write(".env", "A=file\n");
    world.ok(["start", "-D", "-p", "6000"]);
    let web = pid(&world, "web");
    let mut other = world.tmo(["reload"]);
    other.env("A", "other").env("B", "other").env("PORT", "1").env("TMO_SHELL", "bash");
    let ran = crate::harness::Ran::of(&other.output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "web: unchanged\n"), "{ran:?}");
    assert_eq!(pid(&world, "web"), web);
    std::fs::remove_file(world.app().join(".env")).unwrap();
    assert_eq!(world.ok(["reload"]), "web: restarted (environment: A changed)\n");
    eventually("the caller's", || world.ok(["logs"]).contains("A=caller B=\n").then_some(()));
    assert_eq!(world.field("web", "port"), 6000);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_reload_completes_after_a_kill_of_the_supervisor() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D", "-p", "6000"]);
    let web = pid(&world, "web");
    for round in 0..4 {
        world.write(
            "Procfile",
            &format!(
                "web: echo web on $PORT; exec sleep 1000\n\
                 api: echo {round}; exec sleep 1000\nn{round}: exec sleep 1000\n"
            ),
        );
        let supervisor = world.supervisor();
        let mut asked = world.tmo(["reload"]).stdout(Stdio::piped()).spawn().unwrap();
        if round % 2 == 0 {
            let plan = world.runtime().join("plan.json");
            let new = format!("\"n{round}\"");
            eventually("the plan is written", || {
                std::fs::read_to_string(&plan).unwrap().contains(&new).then_some(())
            });
        }
        procs::kill(supervisor, 9);
        assert!(asked.wait().unwrap().success());
        assert_eq!(pid(&world, "web"), web);
        pid(&world, &format!("n{round}"));
        eventually("the new one", || {
            world.ok(["logs", "api"]).contains(&format!("| {round}\n")).then_some(())
        });
        eventually("as the Procfile says", || {
            (names(&world) == ["web", "api", &format!("n{round}")]).then_some(())
        });
    }
    let reported = world.ok(["reload"]);
    assert_eq!(reported, "web: unchanged\napi: unchanged\nn3: unchanged\n");
    crate::takeover::kill_both(&world);
    assert_eq!(pid(&world, "web"), web);
    assert_eq!(names(&world), ["web", "api", "n3"]);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn concurrent_reloads_run_one_after_the_other() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D", "-p", "6000"]);
    world.write("Procfile", "web: echo web on $PORT; exec sleep 1000\nb: exec sleep 1000\n");
    let ask = || world.tmo(["reload"]).stdout(Stdio::null()).spawn().unwrap();
    let mut asked: Vec<_> = (0..4).map(|_| ask()).collect();
    for client in &mut asked {
        assert!(client.wait().unwrap().success());
    }
    assert_eq!(names(&world), ["web", "b"]);
    assert_eq!(world.field("b", "lives"), 1);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn reload_restarts_scaled_instances_with_their_entry() {
    let world = World::new("web: exec sleep 1000\njob: echo one $PORT; exec sleep 1000\n");
    world.ok(["start", "-D", "-p", "6000"]);
    world.ok(["scale", "job=2"]);
    let first = pid(&world, "job#2");
    assert_eq!(world.ok(["reload"]), "web: unchanged\njob: unchanged\njob#2: unchanged\n");
    assert_eq!(pid(&world, "job#2"), first);
    world.write("Procfile", "web: exec sleep 1000\njob: echo two $PORT; exec sleep 1000\n");
    let reported = world.ok(["reload"]);
    assert!(reported.contains("job#2: restarted (command changed)\n"), "{reported}");
    eventually("both", || {
        let log = world.ok(["logs", "job"]);
        (log.contains("two 6100") && log.contains("two 6110")).then_some(())
    });
    world.write("Procfile", "web: exec sleep 1000\n");
    world.ok(["reload"]);
    assert_eq!(names(&world), ["web"]);
    assert_eq!(world.run(["scale", "job=2"]).code, 2);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn reload_keeps_automatically_chosen_ports() {
    let world = World::new("web: exec sleep 1000\njob: exec sleep 1000\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    world.ok(["start", "-D", "--port-auto", "-p", &port, "-P", "1", "web"]);
    let (web, at) = (pid(&world, "web"), world.field("web", "port"));
    assert_ne!(at.to_string(), port);
    drop(taken);
    assert_eq!(world.ok(["reload"]), "web: unchanged\n");
    world.ok(["start", "job"]);
    assert_eq!(world.ok(["reload"]), "web: unchanged\njob: unchanged\n");
    // It was started with one name: what is new is left out as all others are.
    world.write("Procfile", "new: exec sleep 1000\nweb: exec sleep 1000\n");
    assert_eq!(world.ok(["reload"]), "web: unchanged\njob: stopped and removed\n");
    assert_eq!((pid(&world, "web"), world.field("web", "port")), (web, at.clone()));
    assert!(world.ok(["ps"]).ends_with("left out of the start: new (`tmo start new`)\n"));
    world.ok(["start", "new"]);
    pid(&world, "new");
    assert_eq!(world.field("new", "port").as_u64(), at.as_u64().map(|port| port + 2));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_run_of_processes_that_were_named_with_commas_is_reloaded() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D", "web,api"]);
    let all = "web: unchanged\napi: unchanged\n";
    assert_eq!(world.ok(["reload"]), all);
    world.ok(["quit"]);
}

#[test]
fn start_names_the_reload_for_an_entry_that_is_newer_than_the_run() {
    let world = World::new("web: exec sleep 1000\nleft: exec sleep 1000\n");
    world.ok(["start", "-D", "-l", "web"]);
    let ran = world.run(["restart", "left"]);
    assert!(ran.code == 2 && ran.stderr.contains("`tmo start left` starts it"), "{ran:?}");
    world.write("Procfile", "web: exec sleep 1000\nleft: exec sleep 1000\nlate: exec sleep 1000\n");
    let ran = world.run(["start", "late"]);
    let way = "late was added to the Procfile after this run was started; `tmo reload` adds it";
    assert!(ran.code == 2 && ran.stderr.contains(way), "{ran:?}");
    for verb in ["restart", "stop", "connect", "why", "wait", "logs"] {
        let ran = world.run([verb, "late"]);
        assert!(ran.code == 2 && ran.stderr.contains(way), "{verb}: {ran:?}");
    }
    world.ok(["quit"]);
}
