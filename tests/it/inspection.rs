//! Commands that only inspect a project execute nothing from it.

use std::fs::{Permissions, create_dir_all, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Ran, World, eventually};
use crate::ports::free_port;

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
fn no_program_that_an_env_file_names_is_run() {
    let world = planted();
    world.write(".env", &env_file(&world));
    assert_nothing_ran(&world);
    let ran = world.run(["doctor"]);
    assert!(ran.stdout.contains("ok    tmux: a server starts and answers"), "{ran:#?}");
    let app = world.app();
    for (check, path) in [("shell", "bin/sh"), ("tmux.conf", "tmux.conf")] {
        let begin = format!("note  {check}: ");
        let is_it = |line: &&str| {
            line.starts_with(&begin) && line.contains(&*app.join(path).to_string_lossy())
        };
        let line = ran.stdout.lines().find(is_it);
        let line = line.unwrap_or_else(|| panic!("{check}: {ran:#?}"));
        assert!(line.contains("not tried"), "{line}");
    }
    // A start runs the planted shell, as the shell of the processes, but the caller's tmux.
    world.run(["start", "-D"]);
    eventually("the shell has run", || world.read("RAN").contains("sh\n").then_some(()));
    assert!(!world.read("RAN").contains("tmux"), "{}", world.read("RAN"));
    world.run(["quit"]);
}

#[test]
fn no_program_that_a_tmo_toml_names_is_run() {
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
    let ran = world.run(["doctor"]);
    assert!(ran.stdout.contains("note  shell: "), "{ran:#?}");
}

/// A habit of some, which makes each directory bring its own programs.
#[test]
fn relative_entries_of_the_callers_path_are_passed_over() {
    let path = std::env::var("PATH").unwrap();
    let world = planted();
    let inside = world.app().join("bin");
    let world = world.env("PATH", &format!("./bin:bin::{}:{path}", inside.display()));
    assert_nothing_ran(&world);
    let ran = world.run(["doctor"]);
    assert!(ran.stdout.contains("ok    tmux: a server starts and answers"), "{ran:#?}");
    assert!(ran.stdout.contains("PATH names"), "{ran:#?}");
}

#[test]
fn without_a_tmux_of_the_callers_none_is_tried() {
    let world = planted();
    let own = world.path().join("own");
    create_dir_all(&own).unwrap();
    std::os::unix::fs::symlink("/bin/sh", own.join("sh")).unwrap();
    let inside = world.app().join("bin");
    let world = world.env("PATH", &format!("{}:{}", inside.display(), own.display()));
    let ran = world.run(["doctor"]);
    assert_eq!((ran.code, world.read("RAN").as_str()), (1, ""), "{ran:#?}");
    assert!(ran.stdout.contains("FAIL  tmux: "), "{ran:#?}");
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
    crate::untrusted::listen(
        world,
        Box::new(move |request| crate::untrusted::routed(&answers, "outcome", request)),
    );
    dir
}

#[test]
fn no_program_that_an_answer_names_is_run() {
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
fn a_tmux_server_is_looked_for_among_the_users_own_only() {
    for name in ["../../../app/evil", "/tmp/evil", "..", ""] {
        let world = World::new("web: true\n");
        let answer = format!("{name} evil:web\n");
        crate::untrusted::listen(
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
fn a_file_of_the_project_does_not_choose_where_is_written() {
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
fn a_process_that_is_named_as_tmo_is_told() {
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
        let (code, stderr) = run(&["start", "-D"], &format!("{dir}:{}", bare.display()));
        assert_eq!((code, world.read("RAN").as_str()), (Some(1), ""), "{dir}: {stderr}");
        assert!(stderr.starts_with("tmo: tmux is found only at "), "{stderr}");
    }
}

#[test]
fn asking_for_the_help_of_run_runs_no_program() {
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

/// What changes a run, with the words that it needs.
const CHANGING: &[&[&str]] = &[
    &["stop", "web"],
    &["restart"],
    &["signal", "HUP"],
    &["scale", "web=2"],
    &["reload"],
    &["send", "web", "typed"],
    &["logs", "--clear"],
    &["cleanup"],
    &["detach"],
    &["start"],
    &["start", "web"],
    &["start", "--if-needed"],
    &["quit"],
    &["kill"],
];

/// Another project, whose files are to lead somewhere else.
struct Hostile<'a> {
    world: &'a World,
    dir: std::path::PathBuf,
}

impl<'a> Hostile<'a> {
    fn beside(world: &'a World) -> Self {
        let dir = world.path().join("other");
        create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("Procfile"), "web: true\n").unwrap();
        Self { world, dir }
    }

    /// Have its `.env` name this socket.
    fn names(&self, socket: &str) {
        std::fs::write(self.dir.join(".env"), format!("TMO_SOCKET={socket}\n")).unwrap();
    }

    /// Have its socket be a link to this one.
    fn links_to(&self, socket: &std::path::Path) {
        std::os::unix::fs::symlink(socket, self.dir.join(".overmind.sock")).unwrap();
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.world.tmo(args);
        Ran::of(&command.current_dir(&self.dir).env("PWD", &self.dir).output().unwrap())
    }

    #[track_caller]
    fn is_refused(&self, args: &[&str]) {
        let ran = self.run(args);
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        let reported = ran.stderr.contains("the socket of this project leads to");
        assert!(reported && ran.stderr.contains("-s "), "{args:?}: {ran:?}");
    }
}

#[test]
fn a_run_of_another_session_belongs_to_its_own_project_too() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    std::os::unix::fs::symlink(
        world.app().join(".overmind.sock"),
        other.dir.join(".overmind.sock"),
    )
    .unwrap();
    let session = world.path().join("session");
    create_dir_all(&session).unwrap();
    set_permissions(&session, Permissions::from_mode(0o700)).unwrap();
    for args in [&["quit"], &["restart"], &["kill"]] {
        let mut command = world.tmo(args);
        command.current_dir(&other.dir).env("PWD", &other.dir).env("XDG_RUNTIME_DIR", &session);
        let ran = Ran::of(&command.output().unwrap());
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("leads to the run of"), "{args:?}: {ran:?}");
    }
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
}

#[test]
fn a_network_that_the_user_names_does_not_choose_the_run() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    other.links_to(&world.app().join(".overmind.sock"));
    for args in [&["quit"][..], &["stop", "web"], &["quit", "-S", "unix"], &["connect", "web"]] {
        let mut command = world.tmo(args);
        command.current_dir(&other.dir).env("PWD", &other.dir).env("OVERMIND_NETWORK", "unix");
        let ran = Ran::of(&command.output().unwrap());
        let reported = ran.code == 1 && ran.stderr.contains("leads to the run of");
        assert!(reported, "{args:?}: {ran:?}");
    }
    // A path in the project, wherever links there lead.
    std::os::unix::fs::symlink(world.app(), other.dir.join("tmp")).unwrap();
    for named in ["./.overmind.sock", ".overmind.sock", "tmp/.overmind.sock"] {
        let mut command = world.tmo(["quit"]);
        command.current_dir(&other.dir).env("PWD", &other.dir).env("OVERMIND_SOCKET", named);
        let ran = Ran::of(&command.output().unwrap());
        assert!(ran.code == 1 && ran.stderr.contains("leads to the run of"), "{named}: {ran:?}");
    }
    // Typed in a process of another run, whose socket does not count for a start.
    let mut command = world.tmo(["start", "web"]);
    command.current_dir(&other.dir).env("PWD", &other.dir);
    command.env("TMO_SESSION", "x").env("TMO_SOCKET", "/tmp/nobody.sock");
    let ran = Ran::of(&command.output().unwrap());
    assert!(ran.code == 1 && ran.stderr.contains("leads to the run of"), "{ran:?}");
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
}

#[test]
fn a_link_with_the_name_of_a_process_is_no_project_to_be_started() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    std::fs::remove_file(other.dir.join("Procfile")).unwrap();
    std::os::unix::fs::symlink(world.app(), other.dir.join("web")).unwrap();
    world.ok(["start", "-D"]);
    world.ok(["stop", "web"]);
    let ran = other.run(&["start", "web", "web"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    world.wait_state("web", "stopped");
    world.ok(["quit"]);
}

#[test]
fn a_run_that_was_moved_belongs_to_no_other_project() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    world.ok(["start", "-D"]);
    let moved = world.path().join("moved");
    std::fs::rename(world.app(), &moved).unwrap();
    other.links_to(&moved.join(".overmind.sock"));
    for args in [&["quit"][..], &["stop", "web"], &["logs", "--clear"]] {
        other.is_refused(args);
    }
    // Its own directory still has it.
    let mut command = world.tmo(["quit"]);
    let ran = Ran::of(&command.current_dir(&moved).env("PWD", &moved).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    // The run knows it by the path that it had.
    let _ = std::fs::remove_file(moved.join(".overmind.sock"));
    std::fs::rename(&moved, world.app()).unwrap();
}

#[test]
fn a_plan_of_its_own_that_was_left_behind_does_not_open_another_run() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    std::fs::write(other.dir.join("Procfile"), "web: exec sleep 1000\n").unwrap();
    assert_eq!(other.run(&["start", "-D"]).code, 0);
    let left = world.runtime();
    let copy = world.path().join("copy");
    create_dir_all(&copy).unwrap();
    std::fs::copy(left.join("plan.json"), copy.join("plan.json")).unwrap();
    assert_eq!(other.run(&["quit"]).code, 0);
    create_dir_all(&left).unwrap();
    set_permissions(&left, Permissions::from_mode(0o700)).unwrap();
    std::fs::copy(copy.join("plan.json"), left.join("plan.json")).unwrap();
    world.ok(["start", "-D"]);
    other.links_to(&world.app().join(".overmind.sock"));
    for args in [&["detach"][..], &["quit"], &["connect", "web"]] {
        other.is_refused(args);
    }
    world.ok(["quit"]);
    std::fs::remove_dir_all(&left).unwrap();
}

#[test]
fn a_run_that_was_started_from_elsewhere_is_reached_by_its_own_socket() {
    let world = World::new("web: exec sleep 1000\n");
    let elsewhere = world.path().join("elsewhere");
    create_dir_all(&elsewhere).unwrap();
    let at = |name: &str| world.app().join(name).display().to_string();
    let mut command =
        world.tmo(["start", "-D", "-f", &at("Procfile"), "-s", &at(".overmind.sock")]);
    let ran = Ran::of(&command.current_dir(&elsewhere).env("PWD", &elsewhere).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    world.ok(["restart", "web"]);
    world.ok(["quit"]);
}

#[test]
fn another_spelling_of_a_tcp_address_leads_to_no_other_project() {
    let world = World::new("web: exec sleep 1000\n");
    let port = free_port();
    world.ok(["start", "-D", "-S", "tcp", "-s", &format!("127.0.0.1:{port}")]);
    let other = Hostile::beside(&world);
    for spelling in [format!("localhost:{port}"), format!("127.0.0.1:0{port}")] {
        let file = format!("TMO_NETWORK=tcp\nTMO_SOCKET={spelling}\n");
        std::fs::write(other.dir.join(".env"), file).unwrap();
        for args in [&["quit"], &["restart"], &["stop"]] {
            other.is_refused(args);
        }
    }
    world.ok(["quit", "-S", "tcp", "-s", &format!("127.0.0.1:{port}")]);
}

#[test]
fn the_log_of_another_project_is_not_cleared_though_nothing_runs() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "up");
    world.ok(["quit"]);
    world.wait_empty();
    let other = Hostile::beside(&world);
    other.names("../app/.overmind.sock");
    other.is_refused(&["logs", "--clear"]);
    // A version that left no record.
    let records = world.path().join("state/tmo/last-run");
    std::fs::rename(&records, world.path().join("records")).unwrap();
    other.is_refused(&["logs", "--clear"]);
    std::fs::rename(world.path().join("records"), &records).unwrap();
    assert!(world.ok(["logs", "web"]).contains("up"));
    world.ok(["logs", "--clear"]);
}

#[test]
fn a_damaged_run_is_not_taken_for_that_of_the_project_that_leads_to_it() {
    let world = World::new("web: exec sleep 1000\n");
    let other = Hostile::beside(&world);
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    other.names("../app/.overmind.sock");
    std::fs::remove_file(world.runtime().join("plan.json")).unwrap();
    other.is_refused(&["quit"]);
    set_permissions(world.runtime(), Permissions::from_mode(0o755)).unwrap();
    other.is_refused(&["kill"]);
    set_permissions(world.runtime(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["kill"]);
    // Where nothing lives, that is what is said.
    let ran = other.run(&["kill"]);
    assert!(ran.code == 1 && !ran.stderr.contains("leads to"), "{ran:?}");
}

#[test]
fn a_project_leads_to_no_overmind_elsewhere() {
    let world = World::new("web: true\n");
    let other = Hostile::beside(&world);
    let socket = world.app().join("om.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = [0; 4096];
            let read = std::io::Read::read(&mut stream, &mut text).unwrap_or(0);
            let words = String::from_utf8_lossy(&text[..read]).into_owned();
            if words.ends_with("status\n") {
                let _ =
                    std::io::Write::write_all(&mut stream, b"PROCESS PID STATUS\nweb 1 running\n");
            } else {
                sender.send(words).unwrap();
            }
        }
    });
    other.names(socket.to_str().unwrap());
    for args in [&["quit"][..], &["stop", "web"], &["kill"]] {
        other.is_refused(args);
    }
    assert!(received.try_recv().is_err(), "nothing reached it");
    let ran = other.run(&["quit", "-s", socket.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(received.recv().unwrap().trim(), "quit");
}

#[test]
fn a_project_does_not_lead_commands_that_change_a_run_to_that_of_another_one() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    world.wait_text("web", "up");
    let socket = world.app().join(".overmind.sock");
    let other = world.path().join("other");
    create_dir_all(&other).unwrap();
    std::fs::write(other.join("Procfile"), "web: true\n").unwrap();
    let run = |args: &[&str]| {
        Ran::of(&world.tmo(args).current_dir(&other).env("PWD", &other).output().unwrap())
    };
    let named = format!("TMO_SOCKET={}\n", socket.display());
    for (file, text) in [(".env", &*named), (".overmind.env", &*named), (".overmind.sock", "")] {
        let path = other.join(file);
        if text.is_empty() {
            std::os::unix::fs::symlink(&socket, &path).unwrap();
        } else {
            std::fs::write(&path, text).unwrap();
        }
        for args in CHANGING {
            // Nothing is left over where the link is.
            if text.is_empty() && args == &["cleanup"] {
                continue;
            }
            let ran = run(args);
            let what = format!("{file}, {args:?}: {ran:?}");
            assert_eq!(ran.code, 1, "{what}");
            let reported = ran.stderr.contains("leads to the run of") && ran.stderr.contains("-s ");
            assert!(reported, "{what}");
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(world.wait_state("web", "running"), pid);
    assert!(world.ok(["logs", "web"]).contains("up"));
    // A user who names it means it.
    let ran = run(&["quit", "-s", socket.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    world.wait_empty();
}
