//! The environment that tmo is started in: directory, variables, standard streams, signals, umask,
//! limits, a plain user, pid 1 of a container.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::damaged_run_files::TWO;
use crate::harness::{Ran, World, eventually};
use crate::takeover::{QUIET, kill_all};

const WEB: &str = "web: pwd > where; echo up; exec sleep 1000\n";
pub(crate) const TMO: &str = env!("CARGO_BIN_EXE_tmo");

/// The user whom nothing belongs to.
pub(crate) const NOBODY: u32 = 65534;

pub(crate) fn run(mut command: Command, args: &[&str]) -> Ran {
    Ran::of(&command.args(args).output().unwrap())
}

#[track_caller]
pub(crate) fn ok(command: Command, args: &[&str]) -> String {
    let ran = run(command, args);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran.stdout
}

/// Everything that people do, in this place.
#[track_caller]
fn use_it(place: &Path, tmo: &dyn Fn() -> Command) {
    let tmo = || {
        let mut command = tmo();
        command.current_dir(place).env("PWD", place);
        command
    };
    ok(tmo(), &["start", "-D"]);
    assert!(ok(tmo(), &["ps"]).contains("running"));
    let pid = || {
        let state: serde_json::Value = serde_json::from_str(&ok(tmo(), &["ps", "--json"])).unwrap();
        state["processes"][0]["pid"].as_u64().unwrap()
    };
    let before = pid();
    ok(tmo(), &["restart", "web"]);
    assert_ne!(pid(), before);
    let state: serde_json::Value = serde_json::from_str(&ok(tmo(), &["ps", "--json"])).unwrap();
    if state["tmux"].is_object() {
        assert!(ok(tmo(), &["connect", "--print", "web"]).contains("new-session"));
    }
    assert_eq!(run(tmo(), &["start", "-D"]).code, 0, "it runs already");
    let lives = || ok(tmo(), &["logs", "web"]).matches("| up\n").count();
    eventually("both lives are in the log", || (lives() == 2).then_some(()));
    ok(tmo(), &["quit"]);
    assert_eq!(lives(), 2);
}

#[test]
fn tmo_works_in_a_directory_of_any_name() {
    let world = World::new(WEB);
    let long = format!("{}/{}", "a".repeat(200), "b".repeat(100));
    let names = [
        "two  blanks\tand a tab",
        "it's \"quoted\"",
        "#{pid} #(touch no) #[fg=red]",
        "100% %d %%n",
        "$(touch no) `touch no`; touch no & $HOME \\",
        "日本語 é \u{1f980}",
        "-dash",
        "new\nline",
        "{a,b}*?[c]~",
        &long,
    ];
    for name in names {
        let place = world.app().join(name);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("Procfile"), WEB).unwrap();
        use_it(&place, &|| world.command(TMO));
        let was = std::fs::read_to_string(place.join("where")).unwrap();
        assert_eq!(was.strip_suffix('\n'), place.to_str(), "{name}");
        let there: Vec<_> =
            std::fs::read_dir(&place).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(there.len(), 2, "{there:?}");
    }
}

#[test]
fn tmo_works_without_home_and_runtime_directory() {
    let world = World::new(WEB);
    let bare = || {
        let mut command = world.command(TMO);
        for name in
            ["HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "USER", "SHELL"]
        {
            command.env_remove(name);
        }
        command.env("TMPDIR", world.path());
        command
    };
    use_it(&world.app(), &bare);
    let base = world.path().join(format!("tmo-{}", nix::unistd::geteuid()));
    assert_eq!(std::fs::metadata(base).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn tmo_works_with_closed_standard_streams() {
    let world = World::new("web: read x; echo \"read $?\"; exec sleep 1000\n");
    for closed in ["<&-", "<&- >&-", "<&- >&- 2>&-", ">&-"] {
        let started = world.shell(&format!("{TMO} start -D {closed}"));
        assert_eq!(started.code, 0, "{closed}: {started:?}");
        world.wait_state("web", "running");
        world.type_into("web", "x");
        eventually("it has a terminal all the same", || {
            world.ok(["logs", "web"]).contains("read 0").then_some(())
        });
        world.ok(["quit"]);
    }
    world.write("Procfile", "web: echo up; exec sleep 1000\n");
    let line = "start <&- >seen 2>&1 & until grep -q up seen; do sleep 0.05; done; \
                kill -TERM $!; wait $!";
    let shown = world.shell(&format!("{TMO} {line}"));
    assert_eq!(shown.code, 0, "{shown:?}");
    world.wait_empty();
}

/// Let another user than root do it, if it is root that runs this test.
pub(crate) fn as_plain_user(world: &World) -> Option<impl Fn(&OsStr) -> Command> {
    let plain = |program: &OsStr| {
        let mut command = world.command(program);
        if nix::unistd::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    if !plain(TMO.as_ref())
        .arg("--version")
        .current_dir("/")
        .output()
        .is_ok_and(|o| o.status.success())
    {
        eprintln!("SKIPPED: another user can't run {TMO}");
        return None;
    }
    if nix::unistd::geteuid().is_root() {
        let all = world.shell(&format!("chown -R {NOBODY}:{NOBODY} {}", world.path().display()));
        assert_eq!(all.code, 0, "{all:?}");
    }
    Some(plain)
}

#[test]
fn a_plain_user_needs_only_read_access_to_the_project() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    let Some(plain) = as_plain_user(&world) else { return };
    use_it(&world.app(), &|| plain(TMO.as_ref()));
    let app: PathBuf = world.app();
    std::fs::set_permissions(&app, std::fs::Permissions::from_mode(0o555)).unwrap();
    let note = run(plain(TMO.as_ref()), &["start", "-D"]);
    assert!(
        note.code == 0 && note.stderr.contains("commands given in this project find it"),
        "{note:?}"
    );
    let log = ok(plain(TMO.as_ref()), &["logs", "--events"]);
    let socket = world.runtime().join("control.sock");
    assert!(log.contains(&format!("Listening at {}\n", socket.display())), "{log}");
    ok(plain(TMO.as_ref()), &["quit"]);
    std::fs::set_permissions(&app, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_project_made_read_only_during_its_run_can_be_reached_ended_and_started() {
    let world = World::new("web: exec sleep 1000\n");
    let Some(plain) = as_plain_user(&world) else { return };
    let tmo = |args: &[&str]| run(plain(TMO.as_ref()), args);
    let (app, socket) = (world.app(), world.app().join(".overmind.sock"));
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for end in ["quit", "kill"] {
        let ran = tmo(&["start", "-D"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let closed = world.shell("chmod -R a-w .");
        assert_eq!(closed.code, 0, "{closed:?}");
        for args in [&["ps"][..], &["restart", "web"], &[end]] {
            let ran = tmo(args);
            assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        }
        world.wait_empty();
        // The socket stays, since nothing can be removed there; it is not a socket of a run.
        assert!(socket.exists(), "{end}");
        let ran = tmo(&["cleanup"]);
        assert!(ran.code == 1 && ran.stderr.contains("can't be removed"), "{ran:?}");
        mode(&socket, 0o400);
        for args in [&["start", "-D"][..], &["ps"], &["quit"]] {
            let ran = tmo(args);
            assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        }
        world.wait_empty();
        mode(&app, 0o755);
        mode(&socket, 0o400);
        let ran = tmo(&["cleanup"]);
        assert!(ran.code == 0 && ran.stdout.contains("removed ./.overmind.sock"), "{ran:?}");
        // A start replaces one, but not that of somebody who listens.
        for listens in [false, true] {
            let made = UnixListener::bind(&socket).unwrap();
            let owner = app.metadata().unwrap();
            std::os::unix::fs::chown(&socket, Some(owner.uid()), Some(owner.gid())).unwrap();
            mode(&socket, 0o400);
            let listener = listens.then_some(made);
            let ran = tmo(&["start", "-D"]);
            assert_eq!(ran.code, i32::from(listens), "{ran:?}");
            if listens {
                assert!(ran.stderr.contains("listens on"), "{ran:?}");
                drop(listener);
                std::fs::remove_file(&socket).unwrap();
            } else {
                let ran = tmo(&["quit"]);
                assert_eq!(ran.code, 0, "{ran:?}");
            }
        }
    }
}

#[test]
fn tmo_as_pid_1_of_a_container_reaps_and_ends() {
    let world = World::new("web: (sleep 0.2 &); echo up; read x; exit 3\n");
    let alone = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if run(world.command("unshare"), &[&alone[..], &["true"]].concat()).code != 0 {
        eprintln!("SKIPPED: no pid namespace can be made here");
        return;
    }
    let script = format!(
        "exec {TMO} start 2>err & \
         until grep -q up log; do sleep 0.05; done; \
         {TMO} ps >ps; {TMO} quit; wait $!"
    );
    // The shell is the first process and tmo its child; then tmo is the first process itself.
    let shell = run(
        world.command("unshare"),
        &[&alone[..], &["sh", "-c", &format!("{{ {script}; }} >log")]].concat(),
    );
    assert_eq!(shell.code, 0, "{shell:?}");
    assert!(world.read("ps").contains("running"), "{}", world.read("err"));
    world.write("Procfile", "web: (sleep 0.2 &); echo up; exit 3\n");
    let first = run(world.command("unshare"), &[&alone[..], &[TMO, "start"]].concat());
    assert_eq!(first.code, 3, "{first:?}");
    assert!(first.stdout.contains("web    | Exited with code 3\n"), "{first:?}");
}

#[test]
fn too_few_descriptors_are_reported_and_leave_nothing() {
    for most in [6, 8, 10, 12, 16, 20, 26, 30] {
        let world = World::new(TWO);
        let tmo = env!("CARGO_BIN_EXE_tmo");
        for verb in ["start -D", "ps"] {
            let ran = world.shell(&format!("ulimit -n {most}; exec {tmo} {verb}"));
            assert_eq!(ran.code, 1, "{most} {verb}: {ran:?}");
            assert_eq!(ran.stderr.trim_end().lines().count(), 1, "{most} {verb}: {ran:?}");
            assert!(ran.stderr.starts_with("tmo: "), "{most} {verb}: {ran:?}");
        }
        world.wait_empty();
    }
}

#[test]
fn processes_keep_the_descriptor_limit_of_the_caller() {
    let world = World::new("web: ulimit -Sn; exec sleep 1000\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("ulimit -Sn 20; exec {tmo} start -D"));
    assert_eq!(ran.code, 0, "{ran:?}");
    world.wait_text("web", "| 20\n");
    world.ok(["quit"]);
}

#[test]
fn a_lock_held_by_the_caller_is_not_inherited_by_the_run() {
    let world = World::new(QUIET);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("exec 9>caller; flock 9; {tmo} start -D"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.shell("flock -n caller true").code, 0);
    world.ok(["quit"]);
}

#[test]
fn a_caller_that_ignores_sigchld_does_not_affect_the_run() {
    let world = World::new(QUIET);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("trap '' CHLD; exec {tmo} start -D"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let supervisor = world.supervisor();
    kill_all(&[supervisor]);
    eventually("another one answers", || (world.state()?["pid"] != supervisor).then_some(()));
    world.ok(["restart"]);
    world.ok(["quit"]);
}

#[test]
fn a_caller_that_blocks_every_signal_does_not_affect_the_run() {
    const BLOCKED: &str = "import os, signal, sys; \
                           signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); \
                           os.execv(sys.argv[1], sys.argv[1:])";
    let world = World::new("web: grep SigBlk /proc/self/status; exec sleep 1000\n");
    let args = ["-c", BLOCKED, env!("CARGO_BIN_EXE_tmo"), "start", "-D"];
    assert!(world.command("python3").args(args).status().unwrap().success());
    let supervisor = world.supervisor();
    kill_all(&[supervisor]);
    eventually("another one answers", || (world.state()?["pid"] != supervisor).then_some(()));
    world.ok(["restart"]);
    world.wait_text("web", "0000000000000000");
    world.ok(["quit"]);
    world.wait_empty();
}

/// What tmo makes for itself it must be able to use; root always is.
#[test]
fn a_umask_of_0777_applies_to_processes_and_not_to_tmos_files() {
    let world = World::new("web: umask; exec sleep 1000\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("umask 0777; exec {tmo} start -D"));
    assert_eq!(ran.code, 0, "{ran:?}");
    world.wait_text("web", "0777");
    let modes = world.shell(&format!("find {} ! -perm -u+rw", world.runtime().display()));
    assert_eq!(modes.stdout, "", "{modes:?}");
    world.ok(["restart"]);
    world.ok(["quit"]);
}
