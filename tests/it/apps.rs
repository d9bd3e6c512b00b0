//! `tmo app`: programs from ZIP archives as processes of a run.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::archive::{Member, archive};
use crate::harness::procs::kill;
use crate::harness::{World, eventually, executable, files};

const PROCFILE: &str = "web: exec sleep 1000\n";
/// A program without an installation.
const RUN: &str = "#!/bin/sh\necho \"runs in $(pwd -P) with $*\"\nexec sleep 1000\n";

fn world() -> World {
    World::new(PROCFILE)
}

fn started() -> World {
    let world = world();
    world.ok(["start", "-D", "--any-can-die"]);
    world
}

/// Write an archive with these files into the world; returns its path.
pub(crate) fn zip(world: &World, files: &[(&str, &str)]) -> String {
    let members: Vec<_> = files.iter().map(|(name, text)| Member::new(name, *text)).collect();
    write(world, &archive(&members))
}

fn write(world: &World, bytes: &[u8]) -> String {
    let path = world.path().join("app.zip");
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The directory of the apps.
pub(crate) fn apps(world: &World) -> PathBuf {
    world.journal().join("apps")
}

fn with_npm(world: World, script: &str) -> World {
    with_installer(world, "npm", script)
}

/// A stand-in for a program that installs packages, with this script.
fn with_installer(world: World, name: &str, script: &str) -> World {
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    executable(&bin.join(name), &format!("#!/bin/sh\n{script}\n"));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    world.env("PATH", &path)
}

/// A Node.js app, whose installation runs npm.
const NODE: [(&str, &str); 2] =
    [("package.json", "{}"), ("main.js", "setInterval(() => {}, 1000)\n")];

/// A program without an installation that can replace it.
const PLAIN: [(&str, &str); 1] = [("main.js", RUN)];

/// The contents of all files of an app.
fn tree(dir: &Path) -> BTreeMap<PathBuf, String> {
    let all = files(dir).into_iter().filter(|path| path.is_file());
    let relative = |path: PathBuf| {
        (path.strip_prefix(dir).unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
    };
    all.map(relative).collect()
}

#[test]
fn an_app_is_installed_in_its_pane_and_then_runs() {
    let world = started();
    let zip = zip(&world, &[("run.sh", RUN)]);
    let added = ["app", "add", "My App", "--zip", &zip, "--script", "run.sh", "--arg", "a b"];
    let ran = world.run(added);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "My App: added as process My_App\n"),
        "{ran:?}"
    );
    world.wait_state("My_App", "running");
    let dir = apps(&world).join("My_App");
    let log = eventually("it prints", || {
        let log = world.ok(["logs", "My_App"]);
        log.contains("runs in").then_some(log)
    });
    for part in [
        "=== Installing My App ===",
        "Program:   My App (run.sh)",
        "Time:      ",
        &format!("Directory: {}", dir.display()),
        "[SUCCESS] Installation completed successfully!",
        &format!("runs in {} with a b", dir.canonicalize().unwrap().display()),
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(world.ok(["ps"]).contains("(My App)"));
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("run.sh"))), (0o700, 0o755));
    assert_eq!(mode(&apps(&world).join("apps.toml")), 0o600);
    let list: Value = serde_json::from_str(&world.ok(["app", "list", "--json"])).unwrap();
    let app = &list["apps"][0];
    assert_eq!((&app["name"], &app["process"]), (&"My App".into(), &"My_App".into()), "{list}");
    assert_eq!((&app["state"], &app["installed"]), (&"running".into(), &true.into()), "{list}");
    let config = world.ok(["config", "My_App"]);
    assert!(config.contains(&apps(&world).join("apps.toml").display().to_string()), "{config}");
    world.ok(["restart", "My_App"]);
    let log = world.ok(["logs", "My_App"]);
    assert_eq!(log.matches("Installing My App").count(), 1, "it is not installed again: {log}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_app_that_is_not_to_start_is_stopped_after_its_installation() {
    let world = started();
    let zip = zip(&world, &[("run.sh", RUN)]);
    world.ok(["app", "add", "a", "--zip", &zip, "--script", "run.sh", "--no-start"]);
    world.wait_state("a", "stopped");
    assert!(world.ok(["logs", "a"]).contains("[SUCCESS]"));
    world.ok(["start", "a"]);
    world.wait_state("a", "running");
    assert_eq!(world.ok(["logs", "a"]).matches("[SUCCESS]").count(), 1);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_app_cannot_have_the_name_of_an_action() {
    let world = started();
    let archive = zip(&world, &[("run.sh", RUN)]);
    let add = ["app", "add", "lint", "--zip", &archive, "--script", "run.sh"];
    world.write("tmo.toml", "[action.lint]\ncommand = \"echo lint\"\n");
    world.ok(["reload"]);
    let refused = || {
        let ran = world.run(add);
        let reason = "`lint` is a process of the project, not an app";
        assert!(ran.code == 1 && ran.stderr.contains(reason), "{ran:?}");
    };
    refused();
    world.ok(["quit"]);
    refused();
    // An app that was there before.
    world.write("tmo.toml", "");
    world.ok(add);
    world.write("tmo.toml", "[action.lint]\ncommand = \"echo lint\"\n");
    let ran = world.run(["check"]);
    assert!(ran.code == 1 && ran.stderr.contains("`tmo app remove lint`"), "{ran:?}");
    world.ok(["app", "remove", "lint", "--yes"]);
    world.ok(["check"]);
}

#[test]
fn an_app_is_changed_only_while_it_is_stopped_and_other_processes_never() {
    let world = started();
    let first = zip(&world, &[("run.sh", RUN), ("old.txt", "1")]);
    world.ok([
        "app", "add", "a", "--zip", &first, "--script", "run.sh", "--arg", "x", "--env", "A=1",
    ]);
    world.wait_state("a", "running");
    let second = zip(&world, &[("run.sh", RUN), ("new.txt", "2")]);
    let dir = apps(&world).join("a");
    for (words, reason) in [
        (&["app", "update", "a", "--zip", &second][..], "`a` is running; `tmo stop a` stops it"),
        (&["app", "remove", "a", "--yes"], "`a` is running; `tmo stop a` stops it"),
        (
            &["app", "add", "a", "--zip", &second, "--script", "run.sh"],
            "there is an app `a` already",
        ),
        (
            &["app", "update", "web", "--zip", &second],
            "`web` is a process of the project, not an app",
        ),
        (&["app", "add", "web", "--zip", &second], "`web` is a process of the project, not an app"),
        (&["app", "remove", "web", "--yes"], "`web` is a process of the project, not an app"),
        (&["app", "update", "b", "--zip", &second], "there is no app `b`"),
        (&["app", "add", "b", "--zip", &second], "the archive does not contain `main.py`"),
        (&["app", "add", "b/c", "--zip", &second], "`b/c` can't be the name of an app"),
    ] {
        let ran = world.run(words);
        assert!(ran.code == 1 && ran.stderr.contains(reason), "{words:?}: {ran:?}");
    }
    assert!(dir.join("old.txt").exists());
    world.ok(["stop", "a"]);
    world.ok(["app", "update", "a", "--zip", &second]);
    world.wait_state("a", "running");
    let names: Vec<_> = tree(&dir).into_keys().collect();
    assert_eq!(names, [Path::new("new.txt"), Path::new("run.sh")]);
    assert!(world.ok(["logs", "a"]).contains("with x"));
    world.ok(["stop", "a"]);
    let asked = world.run(["app", "remove", "a"]);
    assert!(asked.code == 2 && asked.stderr.contains("--yes"), "{asked:?}");
    world.ok(["app", "remove", "a", "--yes"]);
    assert!(!dir.exists());
    assert!(!world.ok(["ps"]).contains("\na "));
    // The same archive is another version, which is installed again.
    world.ok(["app", "add", "a", "--zip", &second, "--script", "run.sh"]);
    world.wait_state("a", "running");
    assert_eq!(world.ok(["logs", "a"]).matches("[SUCCESS]").count(), 3);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn archives_with_and_without_a_top_folder_give_the_same_files() {
    let world = world();
    let flat = zip(&world, &[("run.sh", RUN), ("lib/a.txt", "a")]);
    world.ok(["app", "add", "flat", "--zip", &flat, "--script", "run.sh"]);
    let folder = zip(&world, &[("top/run.sh", RUN), ("top/lib/a.txt", "a"), ("__MACOSX/x", "")]);
    world.ok(["app", "add", "folder", "--zip", &folder, "--script", "run.sh"]);
    let dir = apps(&world);
    assert_eq!(tree(&dir.join("flat")), tree(&dir.join("folder")));
    assert_eq!(tree(&dir.join("flat")).len(), 2);
}

#[test]
fn files_that_a_system_puts_into_an_archive_are_not_proposed_as_programs() {
    let world = world();
    let inner = ("top/.DS_Store", "x");
    let apple = ("top/lib/__MACOSX/x", "");
    for others in [vec![inner, apple], vec![(".DS_Store", "x"), inner], vec![("__MACOSX/x", "")]] {
        let members: Vec<_> = others.into_iter().chain([("top/run.sh", RUN)]).collect();
        let ran = world.run(["app", "add", "a", "--zip", &zip(&world, &members)]);
        let end = "does not contain `main.py`; choose the program to run, for example of run.sh\n";
        assert!(ran.stderr.ends_with(end), "{members:?}: {ran:?}");
    }
    let ran = world.run(["app", "add", "a", "--zip", &zip(&world, &[inner])]);
    assert!(ran.stderr.ends_with("`main.py`; choose the program to run\n"), "{ran:?}");
}

#[test]
fn hostile_archives_are_refused_and_nothing_is_written() {
    let world = world();
    let file = |name: &str| Member::new(name, "x");
    let first = zip(&world, &[("main.py", "")]);
    world.ok(["app", "add", "kept", "--zip", &first]);
    let before = files(&apps(&world));
    let many: Vec<_> = (0..10_001).map(|n| Member::new(&format!("f{n}"), "")).collect();
    for (members, reason) in [
        (vec![file("main.py"), file("../x")], "the entry `../x` of the archive has a path"),
        (vec![file("main.py"), file("/etc/x")], "has an absolute path"),
        (vec![file("main.py"), file("x").with_mode(0o120_777)], "is a link"),
        (vec![file("main.py"), file("MAIN.py")], "occurs twice"),
        (vec![Member { size: 2, ..file("main.py").deflated() }], "another size or checksum"),
        (many, "the archive has 10001 entries"),
    ] {
        let zip = write(&world, &archive(&members));
        let ran = world.run(["app", "add", "b", "--zip", &zip]);
        assert!(ran.code == 1 && ran.stderr.contains(reason), "{reason}: {ran:?}");
        assert_eq!(files(&apps(&world)), before, "{reason}");
    }
    let large = write(&world, &vec![0; (50 << 20) + 1]);
    let ran = world.run(["app", "add", "b", "--zip", &large, "--json"]);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&answer["ok"], &answer["error"]), (&false.into(), &"too-large".into()), "{ran:?}");
    assert!(!world.path().join("x").exists());
}

#[test]
fn without_a_run_the_next_start_installs_an_app() {
    let world = world();
    let zip = zip(&world, &[("run.sh", RUN)]);
    let ran = world.ok(["app", "add", "a", "--zip", &zip, "--script", "run.sh"]);
    assert_eq!(ran, "a: added as process a; the next start installs it\n");
    assert!(world.ok(["app", "list"]).contains("not installed"));
    assert!(world.ok(["check"]).contains("web, a"));
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("a", "running");
    world.ok(["quit"]);
    world.wait_state_gone();
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("a", "running");
    assert_eq!(
        world.ok(["logs", "--all-runs", "a"]).matches("[SUCCESS]").count(),
        1,
        "once is enough"
    );
    world.ok(["quit"]);
    world.wait_empty();
    // A process of the Procfile can't have the same name.
    world.write("Procfile", "web: exec sleep 1000\na: exec sleep 1000\n");
    let ran = world.run(["check"]);
    assert!(ran.code == 1 && ran.stderr.contains("`tmo app remove a`"), "{ran:?}");
    world.ok(["app", "remove", "a", "--yes"]);
    world.ok(["check"]);
}

#[test]
fn an_installation_that_takes_too_long_is_an_error_until_an_update_works() {
    let world = with_npm(world(), "sleep 1000 & sleep 1000");
    world.ok(["start", "-D", "--any-can-die"]);
    let hanging = zip(&world, &NODE);
    let add =
        ["app", "add", "a", "--zip", &hanging, "--script", "main.js", "--install-timeout", "1s"];
    let ran = world.run(add);
    assert!(ran.code == 1 && ran.stderr.contains("timed out after 1 s"), "{ran:?}");
    world.wait_state("a", "error");
    assert!(world.ok(["events"]).contains("installation timed out after 1 s"));
    let sleeps = || world.living().into_iter().filter(|p| p.args == ["sleep", "1000"]).count();
    eventually("nothing of it is left", || (sleeps() == 1).then_some(()));
    let plain = zip(&world, &PLAIN);
    world.ok(["app", "update", "a", "--zip", &plain]);
    world.wait_state("a", "running");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_failed_installation_is_an_error_with_its_output_in_the_log() {
    let world = with_npm(world(), "echo no such package; exit 3");
    world.ok(["start", "-D", "--any-can-die"]);
    let zip = zip(&world, &NODE);
    let ran = world.run(["app", "add", "a", "--zip", &zip, "--script", "main.js"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    world.wait_state("a", "error");
    let log = world.ok(["logs", "a"]);
    assert!(log.contains("no such package") && log.contains("[ERROR] `"), "{log}");
    assert!(!log.contains("[SUCCESS]"), "{log}");
    world.wait_state("web", "running");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_update_that_can_t_be_installed_brings_the_version_before_back() {
    let script = "echo x >>installed; ! test -e bad";
    let world = with_installer(world(), "bundle", script);
    world.ok(["start", "-D", "--any-can-die"]);
    let good = zip(&world, &[("Gemfile", ""), ("run.sh", RUN)]);
    world.ok(["app", "add", "a", "--zip", &good, "--script", "run.sh"]);
    world.wait_state("a", "running");
    world.ok(["stop", "a"]);
    let before = tree(&apps(&world).join("a"));
    let bad = zip(&world, &[("Gemfile", ""), ("run.sh", "#!/bin/sh\nexit 1\n"), ("bad", "")]);
    let update = ["app", "update", "a", "--zip", &bad];
    let ran = world.run(update);
    assert!(ran.code == 1 && ran.stderr.contains("the version before is back"), "{ran:?}");
    assert_eq!(tree(&apps(&world).join("a")), before);
    let log = world.ok(["logs", "a"]);
    assert!(log.contains("The update is not installed; the version before is back"), "{log}");
    // It runs as it was installed.
    world.ok(["start", "a"]);
    world.wait_state("a", "running");
    assert_eq!(tree(&apps(&world).join("a")), before);
    // The same without a command that waits, as from the page: the run has not been informed.
    world.ok(["stop", "a"]);
    assert_eq!(world.run([&update[..], &["--no-wait"]].concat()).code, 0);
    world.wait_state("a", "error");
    world.ok(["start", "a"]);
    world.wait_state("a", "running");
    assert_eq!(tree(&apps(&world).join("a")), before);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_installation_gets_few_variables_and_creates_files_for_the_user_only() {
    let world = with_npm(world(), "env >env.txt; umask >>env.txt");
    let world =
        world.env("SECRET", "x").env("PIP_INDEX_URL", "http://127.0.0.1:1/").env("LANG", "C");
    world.ok(["start", "-D", "--any-can-die"]);
    let zip = zip(&world, &NODE);
    world.ok([
        "app",
        "add",
        "a",
        "--zip",
        &zip,
        "--script",
        "main.js",
        "--no-start",
        "--env",
        "OWN=1",
    ]);
    let text = std::fs::read_to_string(apps(&world).join("a/env.txt")).unwrap();
    for part in ["PIP_INDEX_URL=http://127.0.0.1:1/\n", "LANG=C\n", "HOME=", "0077\n"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for absent in ["SECRET", "OWN=", "PORT="] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn killing_an_update_at_any_moment_leaves_the_complete_old_or_new_version() {
    const TRIALS: u32 = 12;
    let world = world();
    // Each file contains the number of its version.
    let version = |n: u32| -> Vec<Member> {
        let file = |at: u32| Member::new(&format!("f{at}"), n.to_string());
        (0..200).map(file).chain([Member::new("main.py", n.to_string())]).collect()
    };
    let add = write(&world, &archive(&version(0)));
    world.ok(["app", "add", "a", "--zip", &add]);
    let dir = apps(&world);
    for n in 1..=TRIALS {
        let before = tree(&dir.join("a"))[Path::new("main.py")].clone();
        let zip = write(&world, &archive(&version(n)));
        let mut command = world.tmo(["app", "update", "a", "--zip", &zip]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Kill it soon after it has begun to write, each time a bit later.
        eventually("it unpacks, or has ended", || {
            let unpacks =
                files(&dir).iter().any(|path| path.display().to_string().contains(".new-"));
            (unpacks || child.try_wait().unwrap().is_some()).then_some(())
        });
        crate::harness::pause(Duration::from_millis(u64::from(n)));
        kill(child.id(), nix::libc::SIGKILL);
        let _ = child.wait();
        world.ok(["app", "list"]);
        let contents: Vec<_> = tree(&dir.join("a")).into_values().collect();
        let now = contents[0].clone();
        assert_eq!(contents, vec![now.clone(); 201], "trial {n}");
        assert!(now == before || now == n.to_string(), "trial {n}: {now}");
        let mut left: Vec<_> =
            std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".lock", "a", "apps.toml"], "trial {n}");
    }
}

#[test]
fn a_supervisor_that_is_killed_during_an_installation_loses_nothing_of_it() {
    let world = with_npm(world(), "while [ ! -e go ]; do sleep 0.05; done");
    world.ok(["start", "-D", "--any-can-die"]);
    let zip = zip(&world, &NODE);
    world.ok(["app", "add", "a", "--zip", &zip, "--script", "main.js", "--no-start", "--no-wait"]);
    world.wait_state("a", "installing");
    let before = world.supervisor();
    kill(before, nix::libc::SIGKILL);
    eventually("another supervisor takes over", || {
        world.part("supervise").filter(|pid| *pid != before)
    });
    world.wait_state("a", "installing");
    std::fs::write(apps(&world).join("a/go"), "").unwrap();
    world.wait_state("a", "stopped");
    assert!(world.ok(["logs", "a"]).contains("[SUCCESS]"));
    world.ok(["quit"]);
    world.wait_empty();
}

/// Whether this machine can make virtual environments.
fn has_python() -> bool {
    let script = "python3 -c 'import ensurepip, venv'";
    let found = World::new(PROCFILE).shell(script).code == 0;
    if !found {
        eprintln!("SKIPPED: python3 with ensurepip is needed");
    }
    found
}

#[test]
fn a_python_app_runs_in_an_environment_of_its_own() {
    if !has_python() {
        return;
    }
    let world = started();
    let script = "import os, sys\nprint(sys.prefix, os.environ['VIRTUAL_ENV'], sys.argv[1:], flush=True)\n\
                  import time\ntime.sleep(1000)\n";
    let zip = zip(&world, &[("main.py", script), ("requirements.txt", "# none\n")]);
    world.ok(["app", "add", "py", "--zip", &zip, "--arg", "-x"]);
    world.wait_state("py", "running");
    let venv = apps(&world).join("py/.venv");
    let expected = format!("{} {} ['-x']", venv.display(), venv.display());
    eventually("it prints", || world.ok(["logs", "py"]).contains(&expected).then_some(()));
    let log = world.ok(["logs", "py"]);
    assert!(log.contains("venv .venv") && log.contains("-r requirements.txt"), "{log}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_python_app_gets_its_packages_from_the_index() {
    let reachable = std::net::ToSocketAddrs::to_socket_addrs("pypi.org:443").is_ok();
    if !reachable || !has_python() {
        eprintln!("SKIPPED: the package index can't be reached");
        return;
    }
    let mut world = world();
    let is_setting =
        |name: &str| name.starts_with("PIP_") || name.to_lowercase().ends_with("_proxy");
    world.extra.extend(std::env::vars().filter(|(name, _)| is_setting(name)));
    world.ok(["start", "-D", "--any-can-die"]);
    let script = "import six, time\nprint('six', six.__version__, flush=True)\ntime.sleep(1000)\n";
    let zip = zip(&world, &[("main.py", script), ("requirements.txt", "six==1.16.0\n")]);
    world.ok(["app", "add", "six", "--zip", &zip]);
    eventually("it prints", || world.ok(["logs", "six"]).contains("six 1.16.0").then_some(()));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn what_is_no_archive_and_no_project_is_said_once_with_what_to_do() {
    let world = world();
    let procfile = world.app().join("Procfile").display().to_string();
    let no_zip = world.run(["app", "add", "x", "--zip", &procfile]);
    let text = "tmo: the file is not a ZIP archive; `zip -r app.zip FILES` makes one\n";
    assert_eq!((no_zip.code, &*no_zip.stderr), (1, text));
    let empty = world.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let mut command = world.tmo(["app", "add", "x", "--zip", &procfile]);
    let outside = crate::harness::Ran::of(&command.current_dir(&empty).output().unwrap());
    assert!(outside.code == 1 && outside.stderr.contains("there is no Procfile"), "{outside:?}");
}
