//! The directories of log, crash reports and runtime files, and how commands find them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::harness::{Terminal, World, eventually, files};

const CRASHING: &str = "web: echo up; echo Error: oh no; exit 3\napi: exec sleep 1000\n";

/// What each command that reads the past of a run prints.
fn past(world: &World) -> [String; 5] {
    let json: serde_json::Value =
        serde_json::from_str(&world.run(["why", "web", "--json"]).stdout).unwrap();
    let report = json["report"].as_str().unwrap_or("no report").to_owned();
    [
        world.ok(["logs", "web", "--no-prefix"]),
        world.ok(["events", "web"]),
        world.ok(["crashes"]),
        world.ok(["crashes", "show", "web"]),
        report,
    ]
}

#[track_caller]
fn is_whole([logs, events, crashes, shown, report]: &[String; 5], dir: &Path) {
    assert_eq!(logs, "up\nError: oh no\n");
    assert!(events.contains("Exited with code 3"), "{events}");
    assert!(crashes.contains("exit 3"), "{crashes}");
    assert!(shown.contains("Error: oh no"), "{shown}");
    assert!(Path::new(report).starts_with(dir), "{report}");
}

fn reports(dir: &Path) -> Vec<PathBuf> {
    let mut found = files(dir);
    found.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    found
}

#[test]
fn log_and_report_directories_are_found_during_and_after_the_run_and_without_the_keys() {
    let world = World::new(CRASHING);
    world.write("tmo.toml", "[log]\ndir = \"~/logs\"\n[crash]\ndir = \"crashes\"\n");
    world.ok(["start", "-D", "--any-can-die"]);
    let dir = world.app().join("crashes");
    eventually("the report is written", || (!reports(&dir).is_empty()).then_some(()));
    is_whole(&past(&world), &dir);
    world.ok(["quit"]);
    is_whole(&past(&world), &dir);
    assert!(!files(&world.home().join("logs")).is_empty());
    let record = files(&world.path().join("state/tmo/last-run")).pop().unwrap();
    assert_eq!(record.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    world.write("tmo.toml", "[log]\ndir = \"~/others\"\n");
    is_whole(&past(&world), &dir);
    std::fs::remove_file(world.app().join("tmo.toml")).unwrap();
    is_whole(&past(&world), &dir);
    // A run in the usual place is the last one then.
    world.write("Procfile", "web: echo other; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    eventually("it", || world.ok(["logs", "web"]).contains("other").then_some(()));
    world.ok(["quit"]);
    assert_eq!(world.ok(["logs", "web", "--no-prefix"]), "other\n");
}

#[test]
fn the_log_of_a_run_with_its_own_title_and_root_is_found_afterwards() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    std::fs::create_dir(world.app().join("sub")).unwrap();
    world.ok(["start", "-D", "-w", "Other", "-d", "sub"]);
    eventually("it", || world.ok(["logs", "web"]).contains("up").then_some(()));
    world.ok(["quit"]);
    assert_eq!(world.ok(["logs", "web", "--no-prefix"]), "up\n");
}

#[test]
fn two_projects_with_one_report_directory_do_not_see_reports_of_each_other() {
    let world = World::new(CRASHING);
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let toml = "[crash]\ndir = \"~/crashes\"\n";
    world.write("tmo.toml", toml);
    std::fs::write(other.join("tmo.toml"), toml).unwrap();
    std::fs::write(other.join("Procfile"), "api: echo fine; exec sleep 1000\n").unwrap();
    world.ok(["start", "-D", "--any-can-die"]);
    let dir = world.home().join("crashes");
    eventually("the report is written", || (!reports(&dir).is_empty()).then_some(()));
    let there = |args: &[&str]| world.tmo(args).current_dir(&other).output().unwrap();
    assert!(there(&["start", "-D"]).status.success());
    assert!(there(&["crashes"]).stdout.is_empty());
    assert!(there(&["quit"]).status.success());
    assert!(there(&["crashes"]).stdout.is_empty());
    assert!(world.ok(["crashes"]).contains("exit 3"));
    world.ok(["quit"]);
}

#[test]
fn logs_clear_also_applies_to_later_views_and_why() {
    let world = World::new("web: echo secret; while read x; do echo \"got $x\"; done; exit 3\n");
    world.ok(["start", "-D"]);
    eventually("it", || world.ok(["logs"]).contains("secret").then_some(()));
    assert!(world.ok(["logs", "--clear"]).starts_with("The log is cleared. "));
    let mut view = world.start(["-T=false"]);
    eventually("it is attached", || view.errors().contains("attached").then_some(()));
    world.type_into("web", "one");
    view.shows("| got one\n");
    let mut echo = world.tmo(["echo", "-n", "50"]);
    let out = std::fs::File::create(world.app().join("echoed")).unwrap();
    let mut echo = echo.stdout(out).spawn().unwrap();
    eventually("echo shows it", || world.read("echoed").contains("got one").then_some(()));
    world.ok(["signal", "KILL", "web"]);
    assert_ne!(view.code(), 0);
    echo.wait().unwrap();
    let why = world.run(["why", "web"]).stdout;
    for text in [view.log(), world.read("echoed"), world.ok(["logs"]), why] {
        assert!(text.contains("got one") && !text.contains("secret"), "{text}");
    }
}

#[test]
fn start_reports_an_unwritable_log_directory() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    let blocked = "/proc/none";
    let mut command = world.tmo(["start", "-D"]);
    let output = command.env("XDG_STATE_HOME", blocked).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let reported = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(reported.lines().count(), 1, "{reported}");
    for word in [blocked, "no such file or directory", "TMO_LOG_DIR", "only its newest output"] {
        assert!(reported.contains(word), "{reported}");
    }
    let shown = eventually("it", || {
        let shown = world.ok(["logs"]);
        shown.contains("web    | up\n").then_some(shown)
    });
    assert!(shown.contains("can't be written (/proc/none/"), "{shown}");
    assert!(shown.contains("no such file or directory): only new output is kept"), "{shown}");
    world.ok(["quit"]);
    assert_eq!(files(&world.path().join("run")), Vec::<PathBuf>::new());
}

#[test]
fn the_supervisor_log_file_exists_from_the_first_run_on() {
    let world = World::new("web: exec sleep 1000\n").env("TMO_LOG", "debug");
    world.ok(["start", "-D"]);
    let log = world.journal().join("tmo.log");
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    world.ok(["quit"]);
}

fn runtimes(world: &World) -> Vec<PathBuf> {
    let all = std::fs::read_dir(world.path().join("run/tmo")).into_iter().flatten();
    all.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_runtime_directory_is_empty_after_a_run() {
    let world = World::new("web: exec sleep 1000\n");
    let gone = || {
        eventually("the directory is gone", || runtimes(&world).is_empty().then_some(()));
    };
    world.ok(["start", "-D"]);
    assert_eq!(runtimes(&world).len(), 1);
    world.ok(["quit"]);
    gone();
    world.ok(["logs", "--clear"]);
    assert_eq!(world.ok(["cleanup"]), "nothing is left over here\n");
    gone();
    let mut view = world.start([""; 0]);
    view.shows("Started with pid");
    assert_eq!(view.interrupt(), 0);
    gone();
    // Nor of a start that comes to nothing.
    world.write("Procfile", "web\n");
    assert_eq!(world.run(["start", "-D"]).code, 1);
    gone();
}

#[test]
fn concurrent_starts_and_quits_never_lose_their_runtime_directory() {
    let world = World::new("web: exec sleep 1000\n");
    let bad = |ran: &crate::harness::Ran| {
        let text = &ran.stderr;
        text.contains("No such file") || text.contains("no such file") && !text.contains("dial")
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..8 {
                    let started = world.run(["start", "-D"]);
                    assert!(!bad(&started), "{started:?}");
                    let ended = world.run(["quit"]);
                    assert!(!bad(&ended), "{ended:?}");
                }
            });
        }
    });
    world.run(["quit"]);
    world.wait_empty();
    eventually("the directory is gone", || runtimes(&world).is_empty().then_some(()));
}

#[test]
fn an_unusable_log_directory_is_refused_by_name() {
    let world = World::new("web: exec sleep 1000\n");
    let path = |name: &str| world.app().join(name);
    std::fs::write(path("file"), "").unwrap();
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("loop", path("loop")).unwrap();
    for (dir, words) in [
        ("file", "file is not a directory"),
        ("file/below", "file is not a directory"),
        ("fifo", "fifo is not a directory"),
        ("/dev/null", "/dev/null is not a directory"),
        ("loop", "too many symbolic links encountered"),
    ] {
        world.write("tmo.toml", &format!("[log]\ndir = \"{dir}\"\n"));
        let ran = world.run(["start", "-D"]);
        assert_eq!(ran.code, 1, "{dir}: {ran:?}");
        assert!(ran.stderr.contains("the log can't be kept in "), "{dir}: {ran:?}");
        assert!(ran.stderr.contains(words), "{dir}: {ran:?}");
        assert!(ran.stderr.contains("`[log] dir`"), "{dir}: {ran:?}");
        assert!(ran.stderr.lines().count() == 1 && !ran.stderr.contains("os error"), "{ran:?}");
    }
    world.wait_empty();
}

#[test]
fn a_process_that_starts_a_run_in_another_project_controls_that_run() {
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let world = World::new(&format!(
        "web: cd other && {tmo} start -D && {tmo} ps >ps && {tmo} quit; echo $? >code; exec sleep 1000\n"
    ));
    std::fs::create_dir(world.app().join("other")).unwrap();
    world.write("other/Procfile", "inner: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    eventually("the commands are done", || world.read("other/code").ends_with('\n').then_some(()));
    assert_eq!(world.read("other/code"), "0\n", "{}", world.ok(["logs"]));
    assert!(world.read("other/ps").contains("inner"), "{}", world.read("other/ps"));
    assert!(!world.app().join("other/.overmind.sock").exists());
    assert_eq!(world.field("web", "state"), "running");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn tmo_works_in_a_directory_whose_name_is_not_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new("");
    let dir = world.app().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("Procfile"), "web: echo here; exec sleep 1000\n").unwrap();
    let run = |args: &[&str]| {
        crate::harness::Ran::of(&world.tmo(args).current_dir(&dir).output().unwrap())
    };
    let started = run(&["start", "-D"]);
    assert_eq!(started.code, 0, "{started:?}");
    crate::harness::eventually("it is in the log", || {
        run(&["logs"]).stdout.contains("| here\n").then_some(())
    });
    let ended = run(&["quit"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    world.wait_empty();
}

/// Remove a directory in which others make files meanwhile.
fn remove(dir: &Path) {
    eventually("the directory is gone", || {
        let _ = std::fs::remove_dir_all(dir);
        (!dir.exists()).then_some(())
    });
}

#[test]
fn a_runtime_directory_that_was_removed_is_made_again_before_a_request_is_carried_out() {
    for removed in ["run/tmo", "run"] {
        let world = World::new(
            "web: trap 'echo bye; exit 0' INT; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done\n\
             quiet: trap 'echo bye; exit 0' INT; while read line; do echo got $line; done; exec sleep 1000\n",
        );
        world.ok(["start", "-D"]);
        world.wait_text("web", "line 2");
        let quiet = world.wait_state("quiet", "running").unwrap();
        for _ in 0..2 {
            remove(&world.path().join(removed));
            let before = world.field("web", "pid");
            world.ok(["restart", "web"]);
            world.wait_state("web", "running");
            assert_ne!(world.field("web", "pid"), before);
        }
        let mode = world.runtime().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let log = world.ok(["logs", "web"]);
        assert_eq!(log.matches("bye").count(), 2, "it got its stop signal each time: {log}");
        // One that prints nothing by itself is reached too.
        eventually("its terminal can be reached", || {
            (world.run(["send", "quiet", "hello", "--enter"]).code == 0).then_some(())
        });
        world.wait_text("quiet", "got hello");
        assert_eq!(world.field("quiet", "pid"), quiet, "it was left alone");
        let log = world.ok(["logs"]);
        assert!(!log.contains("may be missing"), "nothing is: {log}");
        remove(&world.path().join(removed));
        let terminal = Terminal::open(&world, "a", 90, 20);
        terminal.tmo("connect quiet");
        terminal.wait_connected("C-b C-b d");
        terminal.line("typed");
        world.wait_text("quiet", "got typed");
        terminal.close();
        remove(&world.path().join(removed));
        world.write(".env", "CHANGED=1\n");
        world.ok(["reload"]);
        assert_ne!(world.wait_state("quiet", "running"), Some(quiet));
        remove(&world.path().join(removed));
        world.ok(["scale", "web=2"]);
        world.wait_state("web#2", "running");
        remove(&world.path().join(removed));
        world.ok(["stop", "quiet"]);
        assert!(world.ok(["logs", "quiet"]).contains("bye"), "{}", world.ok(["logs"]));
        // What was made again is enough for a takeover.
        let supervisor = world.supervisor();
        crate::harness::procs::kill(supervisor, 9);
        eventually("another supervisor", || {
            let now = world.part("supervise");
            now.is_some_and(|now| now != supervisor).then_some(())
        });
        world.wait_state("web", "running");
        world.ok(["restart", "web"]);
        remove(&world.path().join(removed));
        world.ok(["quit"]);
        world.wait_empty();
        // The world wants to find it.
        std::fs::create_dir_all(world.path().join("run")).unwrap();
    }
}
