//! `tmo fleet apply`: processes that a fleet gives to its hosts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::docs_transcripts::transcripts;
use crate::fleet::{Fleet, login};
use crate::harness::{World, eventually, files, procs};

const WEB: &str = "[process.web]\nhost = \"a\"\ncommand = \"echo $GREETING from $PWD; exec sleep 1000\"\n\
                   env = { GREETING = \"hello\" }\ngroups = [\"front\"]\n";
const JOB: &str = "[process.job]\nhost = \"a\"\ncommand = \"exit 3\"\n";
const DB: &str = "[process.db]\nhost = \"b\"\ncommand = \"exec sleep 1000\"\ncwd = \"data\"\n";

/// Two hosts without a Procfile, and the hosts of their inventory.
fn fleet() -> (Fleet, String) {
    let fleet = Fleet::new(&["", ""]);
    for host in &fleet.hosts {
        std::fs::remove_file(host.app().join("Procfile")).unwrap();
        std::fs::create_dir(host.app().join("data")).unwrap();
    }
    let hosts = fleet.here.read("fleet.toml");
    (fleet, hosts)
}

fn give(fleet: &Fleet, hosts: &str, processes: &[&str]) {
    fleet.here.write("fleet.toml", &format!("{hosts}{}", processes.concat()));
}

fn running(world: &World, name: &str) -> u32 {
    world.wait_state(name, "running").unwrap()
}

/// The file that was applied to the only project of a host.
fn applied(world: &World) -> Option<std::path::PathBuf> {
    files(&world.path().join("state")).into_iter().find(|file| file.ends_with("tmo.toml"))
}

#[test]
fn hosts_get_their_processes_and_only_what_has_changed_restarts() {
    let (fleet, hosts) = fleet();
    let [a, b] = &fleet.hosts[..] else { unreachable!() };
    give(&fleet, &hosts, &[WEB, JOB, DB]);
    assert_eq!(fleet.ok(&["apply"]), "a/  started\nb/  started\n");
    let (web, db) = (running(a, "web"), running(b, "db"));
    a.wait_state("job", "exited");
    let table = fleet.ok(&["ps"]);
    assert!(table.contains("a     web") && table.contains("b     db"), "{table}");
    a.wait_text("web", &format!("hello from {}", a.app().canonicalize().unwrap().display()));
    assert!(fleet.ok(&["restart", "a/@front", "--no-wait"]).contains("restarted"));
    eventually("web is another process", || {
        (a.wait_state("web", "running") != Some(web)).then_some(())
    });
    let web = running(a, "web");
    let file = applied(a).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

    assert_eq!(fleet.ok(&["apply"]), "a/  unchanged\nb/  unchanged\n");
    assert_eq!((running(a, "web"), running(b, "db")), (web, db), "the end of job ended nothing");
    let edited = DB.replace("1000", "1001");
    give(&fleet, &hosts, &[WEB, JOB, &edited]);
    let said = fleet.ok(&["apply", "b", "--batch", "1", "--until", "running"]);
    assert!(said.starts_with("b/  applied, running after "), "{said}");
    assert_eq!(running(a, "web"), web);
    assert_ne!(running(b, "db"), db);

    // A process moves to another host, and another one is taken away.
    give(&fleet, &hosts, &[WEB, &DB.replace("\"b\"", "\"a\"")]);
    let said = fleet.ok(&["apply"]);
    let done =
        "a/  job stopped and removed, db started\nb/  run ended, as it has no processes now\n";
    assert_eq!(said, done);
    assert_eq!(running(a, "web"), web);
    running(a, "db");
    b.wait_empty();
    assert!(applied(b).is_none());
    assert_eq!(fleet.ok(&["apply", "b/"]), "b/  has no processes\n");
    // Another name for the same directory takes nothing away.
    fleet.host("alias", &login(a, "sh"));
    let alias = format!("{hosts}[host.alias]\nroot = \"{}\"\n", a.app().display());
    give(&fleet, &alias, &[WEB]);
    assert_eq!(fleet.ok(&["apply", "alias"]), "alias/  has no processes\n");
    give(&fleet, &alias, &[&WEB.replace("\"a\"", "\"alias\"")]);
    let ran = fleet.run(&["apply", "alias"]);
    assert!(ran.code == 1 && ran.stdout.contains("has the processes of another host"), "{ran:?}");
    assert_eq!(running(a, "web"), web);
    fleet.ok(&["quit", "a/"]);
    a.wait_empty();
}

#[test]
fn a_run_of_applied_processes_is_found_by_all_verbs_also_after_its_end() {
    let (fleet, hosts) = fleet();
    let a = &fleet.hosts[0];
    // A project above, whose run must not be taken for it.
    std::fs::write(a.path().join("Procfile"), "above: exec sleep 1000\n").unwrap();
    let job = JOB.replace("exit 3", "echo done; exit 3");
    give(&fleet, &hosts, &[&job]);
    fleet.ok(&["apply", "a"]);
    a.wait_state("job", "exited");
    assert_eq!(fleet.ok(&["apply", "a"]), "a/  unchanged\n", "it stays up without processes");
    assert!(fleet.run(&["why", "a/job"]).stdout.contains("code 3"));
    fleet.ok(&["quit", "a"]);
    a.wait_empty();
    assert!(fleet.ok(&["logs", "a/job"]).contains("done"));
    assert!(fleet.ok(&["check", "a/"]).contains("1 process: job"));
    let ran = fleet.run(&["ps", "a/"]);
    assert!(ran.code == 1 && ran.stdout.contains("nothing runs there"), "{ran:?}");
    assert_eq!(fleet.ok(&["start", "a/"]), "a/  started\n");
    a.wait_state("job", "exited");
    // The same for who is on that host.
    assert_eq!(a.ok(["reload"]), "job: unchanged\n");
    assert_eq!(fleet.ok(&["reload", "--dry-run", "a/"]), "a/  unchanged\n");
    a.ok(["quit"]);
    a.wait_empty();
}

#[test]
fn a_host_with_files_or_a_run_of_its_own_keeps_them() {
    let (fleet, hosts) = fleet();
    let [a, b] = &fleet.hosts[..] else { unreachable!() };
    give(&fleet, &hosts, &[WEB, DB]);
    a.write("Procfile", "own: exec sleep 1000\n");
    let ran = fleet.run(&["apply"]);
    let own = a.app().canonicalize().unwrap().join("Procfile");
    let said = format!("a/  failed: {} is there; a fleet gives processes", own.display());
    assert!(ran.code == 1 && ran.stdout.starts_with(&said), "{ran:?}");
    assert!(ran.stdout.ends_with("b/  started\n") && applied(a).is_none(), "{ran:?}");
    // The run of a file that has gone.
    a.ok(["start", "-D"]);
    let before = running(a, "own");
    std::fs::remove_file(a.app().join("Procfile")).unwrap();
    let ran = fleet.run(&["apply"]);
    assert!(
        ran.code == 1 && ran.stdout.contains("another run is there; `tmo fleet quit a/`"),
        "{ran:?}"
    );
    assert_eq!(running(a, "own"), before);
    // Neither does a host that is given nothing lose its run.
    give(&fleet, &hosts, &[]);
    assert!(fleet.ok(&["apply"]).starts_with("a/  has no processes\n"));
    assert_eq!(running(a, "own"), before);
    b.wait_empty();
    a.ok(["quit"]);
    a.wait_empty();
}

#[test]
fn what_does_not_fit_the_host_changes_nothing() {
    let (fleet, hosts) = fleet();
    let b = &fleet.hosts[1];
    give(&fleet, &hosts, &[DB]);
    fleet.ok(&["apply", "b"]);
    let (db, before) = (running(b, "db"), applied(b).map(std::fs::read));
    give(&fleet, &hosts, &[&DB.replace("\"data\"", "\"none\"")]);
    let ran = fleet.run(&["apply", "b"]);
    assert!(ran.code == 1 && ran.stdout.contains("b/  failed: [process.db]: "), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    assert_eq!(running(b, "db"), db);
    assert_eq!(applied(b).map(std::fs::read).unwrap().unwrap(), before.unwrap().unwrap());
    // A connection that carries only a part of it.
    give(&fleet, &hosts, &[&DB.replace("1000", "1001")]);
    let whole = login(b, "sh");
    fleet.host("b", &format!("head -c 100 | ({whole})"));
    let ran = fleet.run(&["apply", "b"]);
    assert!(ran.stdout.contains("did not arrive whole; nothing was changed"), "{ran:?}");
    fleet.host("b", &whole);
    assert_eq!(running(b, "db"), db);
    // Nothing of it is in an argument.
    fleet.host("b", &format!("echo \"$LINE\" >>\"$HOSTS/lines\"; {whole}"));
    fleet.ok(&["apply", "b"]);
    let lines = std::fs::read_to_string(fleet.here.path().join("hosts/lines")).unwrap();
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(lines.contains(&hex("apply")) && !lines.contains(&hex("sleep")), "{lines}");
    let ran = fleet.run(&["apply", "b/db"]);
    assert!(ran.code == 2 && ran.stderr.contains("takes hosts"), "{ran:?}");
    fleet.ok(&["quit", "b"]);
    b.wait_empty();
}

#[test]
fn mistakes_in_processes_have_the_line_of_the_inventory() {
    let world = World::new("web: exec sleep 1000\n");
    let host = "[host.a]\n\n";
    for (text, line, says) in [
        ("[process.x]\ncommand = \"x\"\n", 3, "x needs `host = \"NAME\"`"),
        ("[process.x]\nhost = \"b\"\ncommand = \"x\"\n", 3, "x: there is no host `b` in the file"),
        ("[process.x]\nhost = \"a\"\n", 3, "`x` has no command"),
        (
            "[process.x]\nhost = \"a\"\ncommand = \"\"\"\nx\n\"\"\"\nautostrat = true\n",
            8,
            "`autostrat`",
        ),
        ("[process.x]\nhost = \"a\"\ncommand = \"x\"\nrestart = \"ever\"\n", 6, ""),
        ("[process.\"x y\"]\nhost = \"a\"\ncommand = \"x\"\n", 3, ""),
        ("[process.x]\nhost = \"a\"\ncommand = \"x\"\ndepends_on = [\"y\"]\n", 6, ""),
    ] {
        world.write("fleet.toml", &format!("{host}{text}"));
        for command in [&["fleet", "ps"][..], &["check"]] {
            let ran = world.run(command);
            assert!(
                ran.code == 1
                    && ran.stderr.contains(&format!("fleet.toml:{line}: "))
                    && ran.stderr.contains(says),
                "{command:?} {text}: {ran:?}"
            );
        }
    }
    let json: Value = serde_json::from_str(&world.run(["check", "--json"]).stdout).unwrap();
    assert_eq!((&json["ok"], &json["processes"][0]), (&false.into(), &"web".into()), "{json}");
    assert!(json["errors"][0]["text"].as_str().unwrap().contains("fleet.toml:6: "), "{json}");
    world.write("fleet.toml", "[host.a]\nvia = [\"touch\", \"ran\"]\n");
    assert!(world.ok(["check"]).contains("Procfile: 1 process: web"));
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    assert_eq!(world.ok(["check"]), "fleet.toml: a\n");
    assert!(!world.app().join("ran").exists());
}

/// In the form of procman's own example.
const SHERIFF: &str = r#"{
    "deputies": [
        "http://localhost:8000",
        "http://gone.lan:8000"
    ],
    "processes": [
        {
            "name": "greeter",
            "command": "sh -c 'while true; do echo \"hi\"; sleep 1; done'",
            "working_dir": "/tmp",
            "host": "dog.lan",
            "autostart": true,
            "auto_restart": true
        },
        {
            "name": "clock",
            "command": "sh -c 'while true; do date; sleep 5; done'",
            "working_dir": "/tmp",
            "host": "dog.lan",
            "autostart": false,
            "auto_restart": false
        },
        {
            "name": "clock",
            "command": "sh -c 'exec sleep 1000'",
            "working_dir": "/tmp",
            "host": "",
            "autostart": true,
            "auto_restart": false
        }
    ]
}
"#;

/// The processes of a host, by `tmo fleet ps --json`.
fn processes(fleet: &Fleet, host: &str) -> Vec<Value> {
    let ran = fleet.run(&["--fleet", "procman.json", "ps", "--json"]);
    let hosts: Value = serde_json::from_str(&ran.stdout).unwrap();
    let host = hosts.as_array().unwrap().iter().find(|one| one["host"] == host).unwrap();
    host["answer"]["processes"].as_array().cloned().unwrap_or_default()
}

#[test]
fn the_file_of_procman_works_as_it_is() {
    let (fleet, _) = fleet();
    let dog = &fleet.hosts[0];
    fleet.host("dog.lan", &login(dog, "sh"));
    fleet.here.write("procman.json", SHERIFF);
    let apply = |more: &[&str]| fleet.run(&[&["--config", "procman.json", "apply"], more].concat());
    let ran = apply(&[]);
    assert_eq!(ran.code, 3, "one of its hosts does not answer: {ran:?}");
    assert!(ran.stdout.contains("dog.lan/    started\nlocalhost/  started\ngone.lan/"), "{ran:?}");
    assert!(ran.stderr.contains("are reached by ssh; no deputy is needed"), "{ran:?}");
    let again = "`tmo fleet --fleet=procman.json apply gone.lan/` asks it again";
    assert!(ran.stderr.contains(again), "{ran:?}");
    let greeter = || {
        let all = processes(&fleet, "dog.lan");
        assert_eq!((&all[0]["name"], &all[1]["name"]), (&"greeter".into(), &"clock".into()));
        assert_eq!(all[1]["state"], "stopped", "{all:?}");
        all[0]["pid"].as_u64().map(|pid| u32::try_from(pid).unwrap())
    };
    let first = eventually("it runs", greeter);
    assert!(processes(&fleet, "localhost")[0]["pid"].is_number());
    let ran = apply(&["dog.lan", "localhost"]);
    assert_eq!(ran.stdout, "dog.lan/    unchanged\nlocalhost/  unchanged\n", "{ran:?}");
    assert_eq!(greeter(), Some(first));
    procs::kill(first, 9);
    eventually("it has come back", || greeter().filter(|pid| *pid != first));
    let log = eventually("it prints", || {
        let log = fleet.run(&["--config", "procman.json", "logs", "dog.lan/greeter"]).stdout;
        log.contains("hi\n").then_some(log)
    });
    assert!(!log.contains("not found"), "{log}");
    for (verb, expected) in [("stop", None), ("start", Some(())), ("restart", Some(()))] {
        let before = greeter();
        let ran = fleet.run(&["--fleet=procman.json", verb, "dog.lan/greeter"]);
        assert_eq!(ran.code, 0, "{verb}: {ran:?}");
        eventually(verb, || {
            let now = greeter();
            (now != before && now.map(drop) == expected).then_some(())
        });
    }
    let ran = fleet.run(&["--config", "procman.json", "--fleet", "fleet.toml", "ps"]);
    assert!(ran.code == 2 && ran.stderr.contains("cannot be used with"), "{ran:?}");
    fleet.run(&["--config", "procman.json", "quit"]);
    dog.wait_empty();
    fleet.here.wait_empty();
}

#[test]
fn the_manual_shows_what_apply_prints() {
    let fleet = Fleet::named(&[("k9", ""), ("arm", "")]);
    for host in &fleet.hosts {
        std::fs::remove_file(host.app().join("Procfile")).unwrap();
    }
    let manual = include_str!("../../docs/FLEET.md");
    let (_, example) = manual.split_once("```toml processes\n").unwrap();
    let example = example.split("```").next().unwrap();
    // Its programs are not there.
    let file = format!("{}{}", fleet.here.read("fleet.toml"), example);
    fleet.here.write("fleet.toml", &file.replace("\"bin/", "\"exec sleep 1000; bin/"));
    let mut shown = transcripts().into_iter().filter(|(_, typed, _)| typed == "tmo fleet apply");
    let mut is_next = || {
        let (.., lines) = shown.next().unwrap();
        assert_eq!(fleet.ok(&["apply"]).trim_end(), lines.join("\n"));
    };
    is_next();
    let file = fleet.here.read("fleet.toml").replace("--fast", "--careful");
    fleet.here.write("fleet.toml", &file);
    is_next();
    fleet.ok(&["quit"]);
    fleet.hosts.iter().for_each(World::wait_empty);
}
