//! Directories in which tmo runs, and users as which it runs.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Ran, World, eventually};

const WEB: &str = "web: pwd > where; echo up; exec sleep 1000\n";
const TMO: &str = env!("CARGO_BIN_EXE_tmo");

/// The user whom nothing belongs to.
const NOBODY: u32 = 65534;

fn run(mut command: Command, args: &[&str]) -> Ran {
    Ran::of(&command.args(args).output().unwrap())
}

#[track_caller]
fn ok(command: Command, args: &[&str]) -> String {
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
    assert!(ok(tmo(), &["connect", "--print", "web"]).contains("new-session"));
    assert_eq!(run(tmo(), &["start", "-D"]).code, 1, "it runs already");
    let lives = || ok(tmo(), &["logs", "web"]).matches("| up\n").count();
    eventually("both lives are in the log", || (lives() == 2).then_some(()));
    ok(tmo(), &["quit"]);
    assert_eq!(lives(), 2);
}

#[test]
fn any_name_of_a_directory_will_do() {
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
fn without_a_home_or_runtime_directory_it_works_too() {
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
fn closed_standard_streams_are_no_reason_to_fail() {
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
fn as_plain_user(world: &World) -> Option<impl Fn(&OsStr) -> Command> {
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
fn a_plain_user_needs_no_more_than_to_read_the_project() {
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
fn a_project_that_was_made_read_only_while_it_ran_is_reached_ended_and_started() {
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
fn no_start_leaves_files_among_those_of_another_user() {
    let world = World::new("web: exec sleep 1000\n");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can write there");
        return;
    }
    let Some(plain) = as_plain_user(&world) else { return };
    let user = |args: &[&str]| run(plain(TMO.as_ref()), args);
    let root = |args: &[&str], variable: &str, dir: &str| {
        let mut command = world.tmo(args);
        // The runtime directory of the user is none of root's.
        command.env("TMPDIR", world.path()).env(variable, world.path().join(dir));
        Ran::of(&command.output().unwrap())
    };
    let log = |dir: &str| world.path().join(dir).display().to_string();
    for args in [["start", "-D"].as_slice(), &["quit"]] {
        let ran = user(args);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    world.wait_empty();
    let kept = world.path().join("state/tmo");
    let shown = format!("{} belongs to user {NOBODY}, not to you (user 0)", kept.display());
    // `sudo -E tmo start`.
    let ran = root(&["start", "-D"], "XDG_STATE_HOME", "state");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(&shown) && ran.stderr.contains("set XDG_STATE_HOME"), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    let of_root = crate::harness::files(&world.path().join("state"))
        .into_iter()
        .find(|file| file.symlink_metadata().unwrap().uid() == 0);
    assert_eq!(of_root, None);
    // With state of its own, the log of the user is refused too.
    let named = ["TMO_LOG_DIR", &log("logs")].join("=");
    let own = world.shell(&format!("mkdir {0}; chown {NOBODY} {0}", log("logs")));
    assert_eq!(own.code, 0, "{own:?}");
    let mut with_log = plain("env".as_ref());
    let started = Ran::of(&with_log.args([&named, TMO, "start", "-D"]).output().unwrap());
    assert_eq!(started.code, 0, "{started:?}");
    assert_eq!(user(&["quit"]).code, 0);
    world.wait_empty();
    let other = World::new("");
    let mut command = world.tmo(["start", "-D"]);
    command.env("TMPDIR", world.path()).env("TMO_LOG_DIR", log("logs"));
    let ran = Ran::of(&command.env("XDG_STATE_HOME", other.path()).output().unwrap());
    assert!(ran.code == 1 && ran.stderr.contains("set TMO_LOG_DIR"), "{ran:?}");
    // A place of its own.
    for args in [["start", "-D"].as_slice(), &["quit"]] {
        let ran = root(args, "XDG_STATE_HOME", "of-root");
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    world.wait_empty();
    // What an earlier version has left there is reported.
    let journal = world.journal();
    let streams = journal.join("@streams.json");
    std::os::unix::fs::chown(&streams, Some(0), Some(0)).unwrap();
    let ran = user(&["doctor"]);
    let line = format!("FAIL  journal: {} belongs to user 0", streams.display());
    assert!(ran.stdout.contains(&line) && ran.stdout.contains("sudo chown"), "{ran:?}");
    std::os::unix::fs::chown(&kept, Some(0), Some(0)).unwrap();
    let ran = user(&["start", "-D"]);
    assert!(ran.code == 1 && ran.stderr.contains("belongs to user 0, not to you"), "{ran:?}");
}

#[test]
fn as_the_first_process_of_a_container_it_reaps_and_ends() {
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
fn root_does_not_take_the_socket_of_another_user() {
    let world = World::new("web: exec sleep 1000\n");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can act as another user");
        return;
    }
    let socket = world.app().join(".overmind.sock");
    drop(UnixListener::bind(&socket).unwrap());
    std::os::unix::fs::chown(&socket, Some(NOBODY), Some(NOBODY)).unwrap();
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("is a socket of another user"), "{ran:?}");
    assert_eq!(socket.symlink_metadata().unwrap().uid(), NOBODY);
    world.wait_empty();
    std::fs::remove_file(&socket).unwrap();
    world.ok(["start", "-D"]);
    world.ok(["quit"]);
}

/// Commands that ask a run for something.
const ASKING: [&str; 12] = [
    "ps",
    "stop web",
    "restart web",
    "signal HUP web",
    "send web topsecret",
    "screen web",
    "scale web=2",
    "connect --print web",
    "wait --for ready web",
    "reload",
    "detach",
    "quit",
];

/// In a shared directory any user can listen; in a project of a user it is that user's run.
#[test]
fn root_asks_a_run_of_another_user_only_where_that_user_alone_can_put_a_socket() {
    let world = World::new("web: exec sleep 1000\n");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can act as another user");
        return;
    }
    let Some(plain) = as_plain_user(&world) else { return };
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let (app, own, shared) =
        (world.app(), world.path().join("of-root"), world.path().join("shared"));
    std::fs::create_dir(&own).unwrap();
    std::fs::create_dir(&shared).unwrap();
    mode(&shared, 0o1777);
    let root = |socket: &Path, args: &[&str]| {
        let mut command = world.tmo(args);
        command.env("TMPDIR", &own).env("TMO_SOCKET", socket);
        Ran::of(&command.output().unwrap())
    };
    let refused = |socket: &Path, dir: &Path| {
        for verb in ASKING {
            let ran = root(socket, &verb.split(' ').collect::<Vec<_>>());
            assert_eq!(ran.code, 1, "{verb}: {ran:?}");
            let others = "'s, not yours, and others than that user can put";
            assert!(ran.stderr.contains(&format!("user {NOBODY}{others}")), "{verb}: {ran:?}");
            let help = format!("into {}; run this as that user", dir.display());
            assert!(ran.stderr.contains(&help), "{verb}: {ran:?}");
            assert_eq!(ran.stderr.lines().count(), 1, "{verb}: {ran:?}");
        }
    };
    let accepted = |socket: &Path| {
        let ran = root(socket, &["ps"]);
        assert!(ran.code == 0 && ran.stdout.contains("running"), "{ran:?}");
    };
    let start = |socket: &Path| {
        let ran = run(plain(TMO.as_ref()), &["start", "-D", "-s", socket.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{ran:?}");
    };

    let planted = shared.join("s.sock");
    start(&planted);
    refused(&planted, &shared);
    ok(plain(TMO.as_ref()), &["quit", "-s", planted.to_str().unwrap()]);
    world.wait_empty();

    let socket = app.join(".overmind.sock");
    start(&socket);
    accepted(&socket);
    let (of_root, of_another) = (own.join("s.sock"), shared.join("s.sock"));
    for link in [&of_root, &of_another] {
        std::os::unix::fs::symlink(&socket, link).unwrap();
    }
    accepted(&of_root);
    refused(&of_another, &shared);
    let dir_of_another = shared.join("dir");
    std::os::unix::fs::symlink(&app, &dir_of_another).unwrap();
    refused(&dir_of_another.join(".overmind.sock"), &shared);
    // A umask of 002 is common.
    mode(&app, 0o775);
    accepted(&socket);
    let ran = root(&socket, &["quit"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    world.wait_empty();
}

/// Root may ask a listener in the directory of another user; its answer can claim anything.
#[test]
fn a_listener_of_another_user_leads_root_to_no_run_of_root() {
    let world = World::new("web: exec sleep 1000\n");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can act as another user");
        return;
    }
    let Some(plain) = as_plain_user(&world) else { return };
    let own = world.path().join("of-root");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("Procfile"), "web: echo up; exec sleep 1000\n").unwrap();
    let root = |dir: &Path, args: &[&str]| {
        let mut command = world.tmo(args);
        command.env("TMPDIR", &own).env("PWD", dir).current_dir(dir);
        command
    };
    ok(root(&own, &[]), &["start", "-D"]);
    eventually("it is up", || ok(root(&own, &[]), &["logs"]).contains("| up").then_some(()));

    let pid = || {
        let state = ok(root(&own, &[]), &["ps", "--json"]);
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        state["processes"][0]["pid"].as_u64()
    };
    let before = pid();
    assert!(before.is_some());

    // What root's run says of itself, word for word, is what the other user's listener says.
    let mut asked = UnixStream::connect(own.join(".overmind.sock")).unwrap();
    let question = "GET /api/state HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    asked.write_all(question.as_bytes()).unwrap();
    let mut state = vec![];
    asked.read_to_end(&mut state).unwrap();
    world.write("state", &String::from_utf8(state).unwrap());
    let socket = world.app().join(".overmind.sock");
    let script = "use IO::Socket::UNIX; local $/; open F, 'state'; my $state = <F>; \
        my $s = IO::Socket::UNIX->new(Local => '.overmind.sock', Listen => 9) or die; \
        while (my $c = $s->accept) { sysread $c, my $b, 65536; print $c $state; close $c }";
    let mut listener = plain("perl".as_ref()).args(["-e", script]).spawn().unwrap();
    eventually("it listens", || UnixStream::connect(&socket).ok());

    for args in [
        &["logs", "--clear"][..],
        &["stop"],
        &["restart", "web"],
        &["send", "web", "x"],
        &["connect", "--print", "web"],
        &["quit"],
        &["kill"],
    ] {
        let ran = run(root(&world.app(), &[]), args);
        assert!(!ran.stdout.contains("of-root"), "{args:?}: {ran:?}");
        assert!(ok(root(&own, &[]), &["logs"]).contains("| up"), "{args:?}: {ran:?}");
        assert_eq!(pid(), before, "{args:?}: {ran:?}");
    }
    listener.kill().unwrap();
    listener.wait().unwrap();
    std::fs::remove_file(&socket).unwrap();
    ok(root(&own, &[]), &["quit"]);
}
