//! Commands that inspect a project execute no program of the project.

use std::fs::{Permissions, create_dir_all, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Ran, World, eventually};

/// Programs of the project under the names that tmo and a user's tmux start, each of which leaves
/// a file if it is run.
fn planted() -> World {
    let world = World::new("web: true\n");
    let bin = world.app().join("bin");
    create_dir_all(&bin).unwrap();
    let ran = world.app().join("RAN");
    for name in ["tmux", "sh", "bash", "zsh", "ps", "lsof", "env", "true", "tmo", "chosen"] {
        let script = format!("#!/bin/sh\necho {name} >>{}\nexit 0\n", ran.display());
        std::fs::write(bin.join(name), script).unwrap();
        set_permissions(bin.join(name), Permissions::from_mode(0o755)).unwrap();
    }
    let run_shell = format!("run-shell \"echo conf >>{}\"\n", ran.display());
    world.write("tmux.conf", &run_shell);
    create_dir_all(world.app().join("home")).unwrap();
    world.write("home/.tmux.conf", &run_shell);
    world.write("startup", &format!("echo startup >>{}\n", ran.display()));
    world
}

/// An env file that names all of them.
fn env_file(world: &World) -> String {
    let (app, path) = (world.app(), std::env::var("PATH").unwrap());
    let app = app.display();
    format!(
        "PATH={app}/bin:./bin:{path}\nTMO_SHELL={app}/bin/sh\nOVERMIND_SHELL={app}/bin/sh\n\
         SHELL={app}/bin/bash\nTMO_TMUX_CONFIG={app}/tmux.conf\nHOME={app}/home\n\
         ENV={app}/startup\nBASH_ENV={app}/startup\nTMUX_TMPDIR={app}\nEDITOR={app}/bin/chosen\n\
         PAGER={app}/bin/chosen\n"
    )
}

const INSPECTING: &[&str] = &[
    "check",
    "check --json",
    "config",
    "config web",
    "graph",
    "graph --dot",
    "start --print-config",
    "ls",
    "ps",
    "why",
    "logs",
    "events",
    "crashes",
    "failures list",
    "app list",
    "doctor",
    "doctor --json",
    "man",
    "schema",
    "completions bash",
];

#[track_caller]
fn assert_nothing_ran(world: &World) {
    for args in INSPECTING {
        world.run(args.split(' '));
        assert_eq!(world.read("RAN"), "", "{args}");
    }
    for words in [&["restart", ""][..], &["start", "-l", ""], &["why", "w"], &[""]] {
        let mut command = world.tmo(["--", "tmo"]);
        command.args(words).env("_TMO_COMPLETE", "bash");
        command.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        let ran = Ran::of(&command.output().unwrap());
        assert_eq!(world.read("RAN"), "", "{words:?}: {ran:?}");
    }
}

#[test]
fn inspecting_commands_run_no_program_named_in_an_env_file() {
    let world = planted();
    world.write(".env", &env_file(&world));
    assert_nothing_ran(&world);
    // A start runs the planted shell, as the shell of the processes, but the caller's tmux.
    world.run(["start", "-D"]);
    eventually("the shell has run", || world.read("RAN").contains("sh\n").then_some(()));
    assert!(!world.read("RAN").contains("tmux"), "{}", world.read("RAN"));
    world.run(["quit"]);
}

#[test]
fn inspecting_commands_run_no_program_named_in_tmo_toml() {
    let world = planted();
    let app = world.app();
    let app = app.display();
    world.write(
        "tmo.toml",
        &format!(
            "[defaults]\nshell = \"{app}/bin/sh\"\nadd_path = [\"{app}/bin\"]\n\
             env = {{ BASH_ENV = \"{app}/startup\", ENV = \"{app}/startup\" }}\n\
             [process.web]\nready = {{ exec = \"{app}/bin/chosen\" }}\n\
             stop = {{ command = \"{app}/bin/chosen\" }}\n\
             [hooks]\non_crash = \"{app}/bin/chosen\"\nmain_started = \"{app}/bin/chosen\"\n"
        ),
    );
    assert_nothing_ran(&world);
}

/// A habit of some, which makes each directory bring its own programs.
#[test]
fn relative_entries_of_the_callers_path_are_ignored() {
    let path = std::env::var("PATH").unwrap();
    let world = planted();
    let inside = world.app().join("bin");
    let world = world.env("PATH", &format!("./bin:bin::{}:{path}", inside.display()));
    assert_nothing_ran(&world);
    let ran = world.run(["doctor"]);
    assert!(ran.stdout.contains("ok    tmux: "), "{ran:#?}");
    assert!(ran.stdout.contains("PATH names"), "{ran:#?}");
}

#[test]
fn doctor_runs_no_tmux_of_the_project_when_the_caller_has_none() {
    let world = planted();
    let own = world.path().join("own");
    create_dir_all(&own).unwrap();
    std::os::unix::fs::symlink("/bin/sh", own.join("sh")).unwrap();
    let inside = world.app().join("bin");
    let world = world.env("PATH", &format!("{}:{}", inside.display(), own.display()));
    let ran = world.run(["doctor", "--backend", "tmux"]);
    assert_eq!((ran.code, world.read("RAN").as_str()), (1, ""), "{ran:#?}");
    assert!(ran.stdout.contains("FAIL  tmux: "), "{ran:#?}");
    let ran = world.run(["doctor", "--backend", "auto"]);
    assert_eq!(world.read("RAN"), "", "{ran:#?}");
    assert!(ran.stdout.contains("ok    backend: native, as "), "{ran:#?}");
}

/// What a stranger at the socket can prepare: a directory of this user, closed to others, whose plan
/// names a program of its own.
fn stranger(world: &World) -> std::path::PathBuf {
    let (app, dir) = (world.app(), world.app().join("rt"));
    create_dir_all(&dir).unwrap();
    set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
    world.ok(["start", "-D", "-s", "other.sock", "-w", "other"]);
    // The plan of a real run, changed.
    let plan = std::fs::read_to_string(world.runtime().join("plan.json")).unwrap();
    let mut plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let state = world.ok(["ps", "--json", "-s", "other.sock"]);
    let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
    plan["tmux"] = app.join("bin/chosen").to_str().unwrap().into();
    plan["tmo"] = plan["tmux"].clone();
    std::fs::write(dir.join("plan.json"), plan.to_string()).unwrap();
    let lock = std::fs::File::create(dir.join("lock")).unwrap();
    let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    // It stays locked as long as the listener lives.
    std::mem::forget(lock);
    state["runtime"] = dir.to_str().unwrap().into();
    state["tmux"]["program"] = plan["tmux"].clone();
    state["processes"][0]["pane"] = "%0".into();
    let answers = serde_json::json!({
        "state": state, "outcome": { "api": 1, "ok": true, "problems": [], "names": ["web"] },
        "flags": { "api": 1, "flags": [] }, "screen": { "api": 1, "screen": "s" },
    });
    crate::terminal_escapes::listen(
        world,
        Box::new(move |request| crate::terminal_escapes::routed(&answers, "outcome", request)),
    );
    dir
}

#[test]
fn no_program_named_in_an_answer_is_run() {
    let world = planted();
    std::fs::write(world.app().join("Procfile"), "web: exec sleep 1000\n").unwrap();
    let dir = stranger(&world);
    for args in [
        "ps",
        "ps --wide",
        "connect --print web",
        "connect web",
        "screen web",
        "send web x",
        "restart web",
        "run true",
        "why",
        "logs",
        "events",
        "ls",
        "doctor",
        "graph --live",
        "start",
        "start -D",
        "reload --dry-run",
        "logs --clear",
    ] {
        let ran = world.run(args.split(' '));
        assert_eq!(world.read("RAN"), "", "{args}: {ran:?}");
        assert!(!ran.stdout.contains("bin/chosen"), "{args}: {ran:?}");
    }
    // Nor is anything written there.
    let mut left: Vec<_> = crate::harness::files(&dir);
    left.sort();
    assert_eq!(left, [dir.join("lock"), dir.join("plan.json")]);
    std::fs::remove_file(world.app().join(".overmind.sock")).unwrap();
    world.ok(["quit", "-s", "other.sock"]);
}

/// tmux does what its server says, commands included.
#[test]
fn connect_uses_only_tmux_servers_of_the_user() {
    for name in ["../../../app/evil", "/tmp/evil", "..", ""] {
        let world = World::new("web: true\n");
        let answer = format!("{name} evil:web\n");
        crate::terminal_escapes::listen(
            &world,
            Box::new(move |request| match request.split(' ').next() {
                Some("get-connection") => answer.clone(),
                _ => "PROCESS   PID  STATUS\nweb  12  running\n".to_owned(),
            }),
        );
        let ran = world.run(["connect", "--print", "web"]);
        assert!(ran.code == 1 && ran.stdout.is_empty(), "{name}: {ran:?}");
        std::fs::remove_file(world.app().join(".overmind.sock")).unwrap();
    }
}

/// A project beside that in which a command is typed, where nothing may be written.
fn beside(world: &World) -> std::path::PathBuf {
    let other = world.path().join("other");
    create_dir_all(&other).unwrap();
    std::fs::write(other.join("Procfile"), "web: true\n").unwrap();
    other
}

#[test]
fn a_project_file_does_not_choose_where_init_and_failures_write() {
    let world = World::new("web: true\n");
    let other = beside(&world);
    let nothing_there = || {
        assert_eq!(crate::harness::files(&other), [other.join("Procfile")]);
    };
    let procfile = other.join("Procfile");
    for named in [procfile.to_str().unwrap(), "../other/Procfile", "inside/Procfile"] {
        let _ = std::os::unix::fs::symlink(&other, world.app().join("inside"));
        world.write(".env", &format!("TMO_PROCFILE={named}\n"));
        for args in [&["init"][..], &["init", "--force"], &["failures", "add", "web", "x"]] {
            let ran = world.run(args);
            assert!(ran.code == 1 && ran.stderr.contains("outside of"), "{args:?}: {ran:?}");
            assert!(ran.stderr.contains("`-f`"), "{ran:?}");
            nothing_there();
        }
    }
    // A link in the place of the file itself.
    world.write(".env", "");
    let precious = world.path().join("precious");
    std::fs::write(&precious, "{}").unwrap();
    for (link, args) in [
        ("tmo.toml", &["init", "--force"][..]),
        ("failure_declarations.json", &["failures", "add", "web", "x"]),
    ] {
        std::os::unix::fs::symlink(&precious, world.app().join(link)).unwrap();
        let ran = world.run(args);
        assert!(ran.code == 1 && ran.stderr.contains("outside of"), "{args:?}: {ran:?}");
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "{}");
        std::fs::remove_file(world.app().join(link)).unwrap();
    }
    // The caller's own word counts.
    world.ok(["init", "-f", procfile.to_str().unwrap()]);
    let world = world.env("OVERMIND_PROCFILE", procfile.to_str().unwrap());
    world.ok(["failures", "add", "web", "x"]);
    assert_eq!(crate::harness::files(&other).len(), 4);
}

#[test]
fn check_reports_a_process_named_system() {
    let world = World::new("system: true\nweb: true\n");
    let ran = world.run(["check"]);
    assert!(ran.code == 1 && ran.stderr.contains("the process `system` has the name"), "{ran:?}");
    let ran = world.run(["check", "-l", "web"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn a_start_runs_no_tmux_of_the_project() {
    let world = World::new("web: exec sleep 1000\n");
    let (path, inside) = (std::env::var("PATH").unwrap(), world.app().join("bin"));
    create_dir_all(&inside).unwrap();
    world.write("bin/tmux", &format!("#!/bin/sh\necho tmux >>{}/RAN\n", world.app().display()));
    set_permissions(inside.join("tmux"), Permissions::from_mode(0o755)).unwrap();
    world.write("RAN", "");
    let dirs = format!("./bin:bin:{}", inside.display());
    for dir in dirs.split(':') {
        let run = |args: &[&str], path: &str| {
            let ran = world.tmo(args).env("PATH", path).output().unwrap();
            (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
        };
        let (code, stderr) = run(&["start", "-D"], &format!("{dir}:{path}"));
        assert_eq!((code, world.read("RAN").as_str()), (Some(0), ""), "{dir}: {stderr}");
        world.ok(["quit"]);
        // Where there is no other one, that is said.
        let bare = world.path().join("bare");
        create_dir_all(&bare).unwrap();
        let _ = std::os::unix::fs::symlink("/bin/sh", bare.join("sh"));
        let insist = ["start", "-D", "--backend", "tmux"];
        let (code, stderr) = run(&insist, &format!("{dir}:{}", bare.display()));
        assert_eq!((code, world.read("RAN").as_str()), (Some(1), ""), "{dir}: {stderr}");
        assert!(stderr.starts_with("tmo: tmux is found only at "), "{stderr}");
    }
}

#[test]
fn help_of_run_executes_no_program() {
    let world = World::new("web: true\n");
    create_dir_all(world.app().join("bin")).unwrap();
    for name in ["--help", "-h"] {
        world.write(&format!("bin/{name}"), "#!/bin/sh\necho planted\n");
        let mode = Permissions::from_mode(0o755);
        set_permissions(world.app().join("bin").join(name), mode).unwrap();
    }
    world.write(".env", "PATH=./bin:/usr/bin:/bin\n");
    for name in ["--help", "-h"] {
        for verb in ["run", "exec", "e"] {
            let help = world.ok([verb, name]);
            assert!(help.contains("Usage: tmo run"), "{verb} {name}: {help}");
            assert_eq!(world.ok([verb, "--", name]), "planted\n");
        }
    }
    // A word behind the name of a program is its own.
    assert_eq!(world.ok(["run", "sh", "-c", "echo $0", "--help"]), "--help\n");
}
