//! The project that a command works in: below a project, beside it, without one, after a move.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use crate::api::ask;
use crate::harness::{Ran, World, eventually};
use crate::takeover::quiet_run;

const WEB: &str = "web: pwd; echo \"A is $A\"; exec sleep 1000\n";

fn at(world: &World, dir: &Path, args: &[&str]) -> Ran {
    let mut command: Command = world.tmo(args);
    Ran::of(&command.current_dir(dir).env("PWD", dir).output().unwrap())
}

#[track_caller]
fn ok(world: &World, dir: &Path, args: &[&str]) -> Ran {
    let ran = at(world, dir, args);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran
}

/// A project with a directory below it.
fn project() -> (World, std::path::PathBuf) {
    let world = World::new(WEB);
    world.write(".env", "A=of the project\n");
    let below = world.app().join("sub/deep");
    std::fs::create_dir_all(&below).unwrap();
    (world, below)
}

#[test]
fn commands_in_a_subdirectory_work_in_the_project() {
    let (world, below) = project();
    let app = world.app().display().to_string();
    let using = format!("tmo: no Procfile here; working in {app}\n");
    let checked = ok(&world, &below, &["check"]);
    assert_eq!(checked.stderr, using);
    assert_eq!(checked.stdout, format!("{app}/Procfile: 1 process: web\n"));
    let shown = ok(&world, &below, &["config", "web"]);
    assert!(shown.stdout.contains(&format!("{app}/Procfile:1")), "{shown:?}");
    let started = ok(&world, &below, &["start", "-D"]);
    assert_eq!(started.stderr, using);
    assert!(started.stdout.contains(&format!("(socket {app}/.overmind.sock)")), "{started:?}");
    eventually("it", || {
        let log = ok(&world, &below, &["logs", "web", "--no-prefix"]).stdout;
        (log == format!("{app}\nA is of the project\n")).then_some(())
    });
    assert!(ok(&world, &world.app(), &["ps"]).stdout.contains("running"));
    assert!(ok(&world, &below, &["ps"]).stdout.contains("running"));
    ok(&world, &below, &["start", "web"]);
    assert!(ok(&world, &below, &["reload"]).stdout.contains("web: unchanged"));
    ok(&world, &below, &["quit"]);
    assert!(ok(&world, &below, &["logs", "web"]).stdout.contains("of the project"));
}

#[test]
fn start_takes_a_project_directory() {
    let (world, _) = project();
    let elsewhere = world.path().to_owned();
    for args in
        [&["start", "app", "-D"][..], &["start", "./app", "-D"], &["start", "-d", "app", "-D"]]
    {
        ok(&world, &elsewhere, args);
        eventually("it", || {
            let log = world.ok(["logs", "web", "--no-prefix"]);
            log.contains("A is of the project").then_some(())
        });
        assert!(world.ok(["reload"]).contains("web: unchanged"), "{args:?}");
        world.ok(["quit"]);
        world.ok(["logs", "--clear"]);
    }
    let ran = at(&world, &elsewhere, &["start", "./none"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.stderr, "tmo: `./none` is neither the name of a process nor a directory\n");
    // A process comes before a directory of its name.
    std::fs::create_dir_all(world.app().join("web")).unwrap();
    std::fs::write(world.app().join("web/Procfile"), "other: true\n").unwrap();
    assert!(world.ok(["check", "web"]).contains("1 process: web"));
}

#[test]
fn commands_take_a_project_directory() {
    let (world, _) = project();
    let elsewhere = world.path().to_owned();
    ok(&world, &elsewhere, &["start", "app", "-D"]);
    for args in [
        &["ps", "--project", "app"][..],
        &["ps", "--project", "./app/", "--json"],
        &["ps", "--working-dir", "app"],
        &["logs", "web", "--project", "app"],
        &["restart", "web", "--project", "app"],
        &["stop", "--project", "app"],
        &["why", "--project", "app"],
        &["reload", "--project", "app"],
    ] {
        ok(&world, &elsewhere, args);
    }
    let without = at(&world, &elsewhere, &["ps"]);
    assert_eq!(without.code, 1, "{without:?}");
    let none = at(&world, &elsewhere, &["ps", "--project", "none"]);
    assert_eq!(none.code, 2, "{none:?}");
    assert!(none.stderr.contains("/none is not a directory"), "{none:?}");
    let both = at(&world, &elsewhere, &["ps", "--project", "app", "-s", "x.sock"]);
    assert_eq!(both.code, 2, "{both:?}");
    ok(&world, &elsewhere, &["quit", "--project", "app"]);
    let over = at(&world, &elsewhere, &["ps", "--project", "app"]);
    assert!(over.code == 1 && over.stderr.contains("nothing runs"), "{over:?}");
}

#[test]
fn a_project_that_is_named_is_meant_whatever_socket_a_variable_names() {
    let (world, below) = project();
    let (elsewhere, other) = (world.path().to_owned(), world.path().join("other"));
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("Procfile"), "other: exec sleep 1000\n").unwrap();
    ok(&world, &other, &["start", "-D"]);
    ok(&world, &world.app(), &["start", "-D"]);
    let at = |dir: &Path, args: &[&str]| {
        let mut command = world.tmo(args);
        command.env("TMO_SOCKET", other.join(".overmind.sock"));
        Ran::of(&command.current_dir(dir).env("PWD", dir).output().unwrap())
    };
    assert!(at(&elsewhere, &["ps"]).stdout.contains("other"), "the variable counts");
    let projects =
        [(&elsewhere, "app"), (&elsewhere, "app/sub/deep"), (&below, "."), (&below, "..")];
    for (dir, project) in projects {
        let shown = at(dir, &["ps", "--project", project]);
        assert!(shown.stdout.contains("web") && !shown.stdout.contains("other"), "{shown:?}");
        let quit = at(dir, &["quit", "--project", project]);
        assert_eq!(quit.code, 0, "{project}: {quit:?}");
        // What the refusal names is there for the caller, too.
        let over = at(dir, &["ps", "--project", project]);
        let socket = world.app().join(".overmind.sock");
        assert_eq!(over.code, 1, "{project}: {over:?}");
        assert!(over.stderr.contains(&format!("there is no {}", socket.display())), "{over:?}");
        ok(&world, &world.app(), &["start", "-D"]);
    }
    assert!(ok(&world, &other, &["ps"]).stdout.contains("running"), "nobody has ended it");
    for dir in [&other, &world.app()] {
        ok(&world, dir, &["quit"]);
    }
}

#[test]
fn a_suggested_command_names_its_run_where_a_variable_leads_elsewhere() {
    let world = World::new("web: exec sleep 1000\nbad: exit 3\n");
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("bad", "exited");
    assert!(world.ok(["ps", "--project", "."]).contains("`tmo why bad`"));
    let mut shown = world.tmo(["ps", "--project", "."]);
    shown.env("TMO_SOCKET", world.path().join("other.sock"));
    let shown = Ran::of(&shown.output().unwrap()).stdout;
    let socket = world.app().join(".overmind.sock");
    assert!(shown.contains(&format!("`tmo why bad -s {}`", socket.display())), "{shown}");
    world.ok(["quit"]);
}

#[test]
fn typed_paths_are_relative_to_the_current_directory() {
    let (world, below) = project();
    let ran = ok(&world, &below, &["start", "-D", "-s", "own.sock"]);
    assert!(ran.stdout.contains("sub/deep/own.sock"), "{ran:?}");
    assert!(ok(&world, &below, &["ps", "-s", "own.sock"]).stdout.contains("running"));
    ok(&world, &below, &["reload", "-s", "own.sock"]);
    ok(&world, &below, &["quit", "-s", "own.sock"]);
    std::fs::write(below.join("Other"), "other: true\n").unwrap();
    let checked = ok(&world, &below, &["check", "-f", "Other"]);
    assert_eq!(
        (checked.stdout.as_str(), checked.stderr.as_str()),
        ("Other: 1 process: other\n", "")
    );
}

#[test]
fn a_procfile_that_is_a_link_to_nothing_is_reported_as_one() {
    let world = World::new("");
    let procfile = world.app().join("Procfile");
    std::fs::remove_file(&procfile).unwrap();
    std::os::unix::fs::symlink("../none", &procfile).unwrap();
    for verb in ["start", "check"] {
        let ran = world.run([verb]);
        let expected =
            "Procfile is a link to ../none, which is not there; repair or remove the link\n";
        assert!(ran.code == 1 && ran.stderr.ends_with(expected), "{ran:?}");
    }
}

#[test]
fn runs_are_listed_in_a_directory_that_was_removed() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("mkdir gone && cd gone && rmdir ../gone && exec {tmo} ls"));
    assert!(ran.code == 0 && ran.stdout.contains("running"), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
fn commands_without_a_project_suggest_init() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    let app = world.app().display().to_string();
    for verb in ["start", "check", "config"] {
        let ran = world.run([verb]);
        let expected = format!(
            "tmo: there is no Procfile in {app} or above it; write a Procfile with a line like \
             `web: bin/server` for each process, or run a single command with `tmo start -- COMMAND`; \
             `tmo help procfile` describes it\n"
        );
        assert_eq!((ran.code, ran.stderr), (1, expected), "{verb}");
    }
    let ran = world.run(["start", "-f", "None"]);
    assert_eq!(ran.stderr, "tmo: open None: no such file or directory\n");
    let ran = world.run(["init"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (1, 1), "{ran:?}");
    assert!(ran.stderr.contains("package.json") && ran.stderr.contains("web: bin/server"));
}

#[test]
fn commands_without_a_procfile_name_what_lies_there() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    world.write("compose.yaml", "services:\n  web:\n    image: x\n");
    assert!(world.run(["start"]).stderr.contains("`tmo import` takes over compose.yaml"));
    world.write("config.ru", "");
    assert!(world.run(["start"]).stderr.contains("`tmo init` writes one"));
    world.write("Procfile.dev", "web: true\n");
    for verb in ["start", "check", "config", "graph"] {
        let ran = world.run([verb]);
        assert!(
            ran.stderr.contains("Procfile.dev is there: `-f Procfile.dev` names it"),
            "{ran:?}"
        );
    }
}

#[test]
fn processes_of_a_procfile_from_a_pipe_run_in_the_current_directory() {
    let world = World::new("unused: true\n");
    let app = std::fs::canonicalize(world.app()).unwrap();
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("echo 'web: pwd -P' | {tmo} start -f /dev/stdin"));
    assert!(ran.stdout.contains(&format!("web    | {}\n", app.display())), "{ran:?}");
}

#[test]
fn a_process_that_the_start_has_left_out_is_explained() {
    let world = World::new("w: exec sleep 1000\nx: exec sleep 1000\n");
    let ran = world.run(["start", "-l", "w", "x"]);
    assert!(ran.code == 2 && ran.stderr.contains("x is not part of this run"), "{ran:?}");
    world.ok(["start", "-D", "-x", "x"]);
    let text = "x was left out of the start of this run; `tmo start x` starts it";
    for words in [
        "restart x",
        "stop x",
        "connect x",
        "why x",
        "wait x",
        "signal INT x",
        "scale x=2",
        "send x hi",
        "screen x",
        "logs x",
        "crashes x",
        "echo x",
        "restart w x",
    ] {
        let ran = world.run(words.split(' '));
        assert!(ran.code == 2 && ran.stderr == format!("tmo: {text}\n"), "{words}: {ran:?}");
    }
    let body = "{\"names\":[\"x\"]}";
    let head = "POST /api/restart HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = UnixStream::connect(world.app().join(".overmind.sock")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains(text), "{answer}");
    // It is kept with the request, as far as there is room.
    let all = ask(&world, "GET /api/commands", "", "").json();
    let newest = all["commands"].as_array().unwrap().last().unwrap();
    assert_eq!(newest["status"], "failed");
    let kept = newest["problems"][0].as_str().unwrap();
    assert_eq!(kept, text, "{newest}");
    let ran = world.run(["start", "wx"]);
    assert!(ran.stderr.contains("Unknown process name: wx"), "{ran:?}");
    world.ok(["start", "x"]);
    assert_eq!(world.field("x", "state"), "running");
    world.ok(["quit"]);
    // What has no instance can't be started.
    world.ok(["start", "-D", "-m", "x=0"]);
    let ran = world.run(["start", "x"]);
    let text = "x is not part of this run, which was limited to other processes (-l, -x, -m or their \
                variables); without that, after `tmo quit`, `tmo start x` starts it";
    assert!(ran.code == 2 && ran.stderr == format!("tmo: {text}\n"), "{ran:?}");
    world.ok(["quit"]);
    let elsewhere = world.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    world.ok(["start", "-D"]);
    let mut ps = world.tmo(["ps"]);
    let ran = Ran::of(&ps.current_dir(&elsewhere).env("PWD", &elsewhere).output().unwrap());
    let other = format!("others run in {} (`tmo ls`)", world.app().display());
    assert!(ran.code == 1 && ran.stderr.contains(&other), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
fn tmo_named_overmind_looks_in_the_current_directory_only() {
    let (world, below) = project();
    let overmind = world.path().join("overmind");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tmo"), &overmind).unwrap();
    let mut command = world.command(&overmind);
    command.arg("start").current_dir(&below).env("PWD", &below);
    let ran = Ran::of(&command.output().unwrap());
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr, "overmind: open ./Procfile: no such file or directory\n");
}

#[test]
fn a_directory_is_refused_as_a_socket() {
    let (world, _) = project();
    for verb in ["ps", "start", "logs"] {
        let ran = at(&world, world.path(), &[verb, "-s", "app"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        let expected = "tmo: app is a directory; -s takes a socket, as in -s app/.overmind.sock\n";
        assert_eq!(ran.stderr, expected);
    }
}

#[test]
fn init_writes_a_startable_procfile_and_replaces_nothing() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    let script = "#!/bin/sh\necho up\nexec sleep 1000\n";
    std::fs::create_dir(world.app().join("bin")).unwrap();
    world.write("bin/dev", script);
    world.shell("chmod +x bin/dev");
    let reported = world.ok(["init"]);
    assert!(
        reported.starts_with("./Procfile (from bin/dev):\n  web: bin/dev\n./tmo.toml "),
        "{reported}"
    );
    assert_eq!(world.read("Procfile"), "web: bin/dev\n");
    assert!(world.read("tmo.toml").starts_with("#:schema ./tmo.schema.json\n"));
    assert_eq!(world.read("tmo.schema.json"), world.ok(["schema"]));
    world.ok(["check"]);
    world.ok(["start", "-D"]);
    eventually("it", || world.ok(["logs"]).contains("web    | up\n").then_some(()));
    world.ok(["quit"]);
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    let ran = world.run(["init"]);
    assert!(ran.code == 1 && ran.stderr.contains("./tmo.toml is there already"), "{ran:?}");
    assert_eq!(world.read("Procfile"), "", "nothing is written then");
}

#[test]
fn init_uses_a_procfile_dev_as_it_is() {
    let world = World::new("");
    std::fs::rename(world.app().join("Procfile"), world.app().join("Procfile.dev")).unwrap();
    world.write("Procfile.dev", "web: sleep 1000\ncss: sleep 1000\n");
    let reported = world.ok(["init"]);
    assert!(reported.starts_with("Procfile.dev is there: it is used as it is\n"), "{reported}");
    assert!(reported.contains("`tmo start -f Procfile.dev` starts the run"), "{reported}");
    assert!(!world.app().join("Procfile").exists());
    assert!(world.read("tmo.toml").contains("[process.css]"));
    world.ok(["check", "-f", "Procfile.dev"]);
}

#[test]
fn the_run_of_a_moved_project_is_found_at_its_new_path() {
    let world = quiet_run();
    let (app, moved) = (world.app(), world.path().join("moved"));
    std::fs::rename(&app, &moved).unwrap();
    let run = |args: &[&str]| world.tmo(args).current_dir(&moved).output().unwrap();
    assert_eq!(run(&["stop", "web"]).status.code(), Some(0));
    let json = run(&["ps", "--json"]).stdout;
    let state: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(state["processes"][0]["state"], "stopped");
    assert_eq!(run(&["quit"]).status.code(), Some(0));
    // Its supervisor knew only the place where it was.
    std::fs::remove_file(moved.join(".overmind.sock")).unwrap_or_default();
    std::fs::rename(&moved, &app).unwrap();
    world.wait_empty();
}

/// A new life could not enter its directory, and with it the whole run would end.
#[test]
fn restart_refuses_to_stop_a_process_whose_directory_is_gone() {
    let world = quiet_run();
    let (app, moved) = (world.app(), world.path().join("moved"));
    std::fs::rename(&app, &moved).unwrap();
    let run = |args: &[&str]| {
        let output = world.tmo(args).current_dir(&moved).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let state = || -> serde_json::Value {
        let json = world.tmo(["ps", "--json"]).current_dir(&moved).output().unwrap().stdout;
        serde_json::from_slice(&json).unwrap()
    };
    let pids = || [0, 1].map(|n| state()["processes"][n]["pid"].clone());
    let before = pids();
    for args in [&["restart", "web"][..], &["restart"], &["scale", "web=2"]] {
        let (code, said) = run(args);
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{args:?}: {said}");
        for part in ["web can't be started", app.to_str().unwrap(), "`tmo quit`", "`tmo start`"] {
            assert!(said.contains(part), "{args:?}: {said}");
        }
        assert_eq!(pids(), before, "{args:?}");
    }
    // overmind's protocol has no answers.
    let mut overmind = UnixStream::connect(moved.join(".overmind.sock")).unwrap();
    overmind.write_all(b"restart web\n").unwrap();
    eventually("the log tells of it", || {
        let log = world.tmo(["logs", "--events"]).current_dir(&moved).output().unwrap().stdout;
        String::from_utf8_lossy(&log).contains("web can't be started").then_some(())
    });
    assert_eq!(pids(), before);
    assert_eq!(run(&["start", "web"]), (Some(0), String::new()), "it runs already");
    assert_eq!(run(&["stop", "worker"]).0, Some(0));
    for verb in ["start", "restart"] {
        let (code, said) = run(&[verb, "worker"]);
        assert!(code == Some(1) && said.contains("worker can't be started"), "{verb}: {said}");
    }
    std::fs::rename(&moved, &app).unwrap();
    world.ok(["restart", "worker"]);
    world.wait_state("worker", "running");
    world.ok(["quit"]);
    world.wait_empty();
}
