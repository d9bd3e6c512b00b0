//! Files, sockets and runs of another user, and what root may do with them. Each test needs root.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::harness::{Ran, World, eventually, procs};
use crate::host_environment::{NOBODY, TMO, as_plain_user, ok, run};
use crate::takeover::kill_all;

#[test]
fn start_leaves_no_files_in_directories_of_another_user() {
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
    let first = ran.stderr.lines().next().unwrap_or_default();
    assert!(first.contains(&format!("app belongs to user {NOBODY}, ")), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 2, "{ran:?}");
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
fn what_belongs_to_another_user_and_survives_is_named_with_its_owner() {
    let world = World::new("web: trap '' HUP; exec ./raise --reuid=0 --clear-groups sleep 1000\n")
        .env("TMO_TIMEOUT", "0.3");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can make a program that belongs to root");
        return;
    }
    let Some(plain) = as_plain_user(&world) else { return };
    let made = world.shell("cp \"$(command -v setpriv)\" raise && chmod 4755 raise");
    assert_eq!(made.code, 0, "{made:?}");
    let raise = world.app().join("raise");
    if run(plain(raise.as_ref()), &["--reuid=0", "id", "-ru"]).stdout != "0\n" {
        eprintln!("SKIPPED: a program can't become another user here");
        return;
    }
    let user = |args: &[&str]| run(plain(TMO.as_ref()), args);
    let begin = || {
        assert_eq!(user(&["start", "-D"]).code, 0);
        // The pid of the main process is in the life file; the state tells it as well.
        let of_root = || {
            let ran = user(&["ps", "--json"]);
            let state: serde_json::Value = serde_json::from_str(&ran.stdout).ok()?;
            let pid = u32::try_from(state["processes"][0]["pid"].as_u64()?).ok()?;
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            (status.contains("Name:\tsleep") && status.contains("Uid:\t0\t0\t0")).then_some(pid)
        };
        eventually("it belongs to root", of_root)
    };
    let refused = |args: &[&str], pid: u32| {
        let ran = user(args);
        let named = ran.stderr.contains(&format!("sleep (pid {pid}, state S, belongs to root)"));
        assert!(ran.code == 1 && named, "{args:?}: {ran:?}");
        assert!(procs::alive(pid), "{args:?}");
    };
    let pid = begin();
    refused(&["stop"], pid);
    refused(&["kill"], pid);
    procs::kill(pid, 9);
    user(&["kill"]);
    world.wait_empty();
    // The end of the run is told at once, and its supervisor takes some more seconds to exit.
    let pid = begin();
    refused(&["quit"], pid);
    let ran = user(&["kill"]);
    assert!(ran.code == 1 && procs::alive(pid), "{ran:?}");
    procs::kill(pid, 9);
    user(&["kill"]);
    world.wait_empty();
    // Without a supervisor.
    let pid = begin();
    kill_all(&[world.guardian(), world.supervisor()]);
    refused(&["kill"], pid);
    procs::kill(pid, 9);
    user(&["cleanup"]);
    world.wait_empty();
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
fn root_connects_to_a_run_of_another_user_only_in_a_directory_of_that_user() {
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
            let others = "'s, not yours, and other users too can put";
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
fn a_listener_of_another_user_gives_no_access_to_a_run_of_root() {
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

#[test]
fn root_learns_who_has_the_log_of_a_run_of_another_user() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root gets an answer from the run of another user");
        return;
    }
    let Some(plain) = as_plain_user(&world) else { return };
    assert_eq!(run(plain(TMO.as_ref()), &["start", "-D"]).code, 0);
    let other = World::new("");
    let socket = world.app().join(".overmind.sock");
    let socket = socket.to_str().unwrap();
    let root =
        |dir: &Path, args: &[&str]| Ran::of(&other.tmo(args).current_dir(dir).output().unwrap());
    let named = format!("belongs to user {NOBODY}, and so does its log: read it as that user");
    for command in [&["logs"][..], &["why"], &["echo"], &["events"], &["crashes"]] {
        let by_socket = root(&other.app(), &[command, &["-s", socket]].concat());
        for ran in [root(&world.app(), command), by_socket] {
            assert!(ran.code == 1 && ran.stderr.lines().count() == 1, "{command:?}: {ran:?}");
            assert!(ran.stderr.contains(&named), "{command:?}: {ran:?}");
        }
    }
    assert!(root(&world.app(), &["ps"]).stdout.contains("web"));
    let ran = root(&world.app(), &["connect", "web"]);
    assert!(ran.code == 1 && ran.stderr.contains("belongs to another user"), "{ran:?}");
    assert_eq!(run(plain(TMO.as_ref()), &["quit"]).code, 0);
    world.wait_empty();
}

/// Give a file, or a link itself, to another user.
fn give(path: &Path) {
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn project_files_that_another_user_has_put_there_are_refused_by_name() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give files to another user");
        return;
    }
    let evil = "[process.evil]\ncommand = \"touch evil\"\n";
    // Open to all as /tmp is, open to all, and a directory of root with a file of somebody.
    for open in [0o1777, 0o777, 0o755] {
        for (name, text) in [
            ("tmo.toml", evil),
            ("tmo.local.toml", evil),
            ("Procfile", "evil: touch evil\n"),
            ("fleet.toml", "[host.a]\nssh = \"a\"\n"),
        ] {
            let world = World::new("web: exec sleep 1000\n");
            world.write(name, text);
            let file = world.app().join(name);
            give(&file);
            mode(&world.app(), open);
            let verbs: &[&[&str]] = if name == "fleet.toml" {
                &[&["fleet", "ps"]]
            } else {
                &[&["check"], &["start", "-D"]]
            };
            for args in verbs {
                let ran = world.run(*args);
                let said =
                    format!("{name}: it belongs to user {NOBODY}, who may have put it there");
                assert!(
                    ran.code == 1 && format!("{}{}", ran.stdout, ran.stderr).contains(&said),
                    "{ran:?}"
                );
                assert!(
                    ran.stderr.contains("TMO_TRUST=DIR") || ran.stdout.contains("TMO_TRUST=DIR")
                );
            }
            world.wait_empty();
        }
    }
}

#[test]
fn a_link_of_another_user_to_a_file_of_ones_own_is_refused() {
    let world = World::new("web: exec sleep 1000\n");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give links to another user");
        return;
    }
    world.write("sub.toml", "[process.other]\ncommand = \"touch other\"\n");
    std::os::unix::fs::symlink("sub.toml", world.app().join("tmo.toml")).unwrap();
    mode(&world.app(), 0o1777);
    assert_eq!(world.run(["check"]).code, 0);
    give(&world.app().join("tmo.toml"));
    let ran = world.run(["check"]);
    assert!(ran.code == 1 && ran.stderr.contains("it belongs to user"), "{ran:?}");
}

#[test]
fn an_env_file_that_another_user_has_put_there_sets_nothing_and_is_named() {
    let world = World::new("web: echo \"evil is <$EVIL>\"; exec sleep 1000\n");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give files to another user");
        return;
    }
    world.write(".env", "EVIL=1\nTMO_TRUST=/\n");
    give(&world.app().join(".env"));
    mode(&world.app(), 0o1777);
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("skipping ./.env due to error: it belongs to user"), "{ran:?}");
    eventually("it has printed", || world.ok(["logs"]).contains("evil is <>").then_some(()));
    world.ok(["quit"]);
}

#[test]
fn directories_that_the_user_trusts_may_hold_files_of_others() {
    let world = World::new("web: exec sleep 1000\n");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give files to another user");
        return;
    }
    world.write("tmo.toml", "[process.web.env]\nA = \"1\"\n");
    give(&world.app().join("tmo.toml"));
    let check = |variable: &str| {
        let mut command = world.tmo(["check"]);
        Ran::of(&command.env("TMO_TRUST", variable).output().unwrap()).code
    };
    let app = world.app().display().to_string();
    assert_eq!([check(""), check("/nowhere:app"), check(&format!("/nowhere:{app}"))], [1, 1, 0]);
    assert_eq!(check(&world.path().display().to_string()), 0);
    std::fs::write(world.home().join(".tmo.env"), format!("TMO_TRUST={app}\n")).unwrap();
    assert_eq!(world.run(["check"]).code, 0);
    std::fs::write(world.home().join(".tmo.env"), "").unwrap();
    // A project can't trust itself.
    world.write(".tmo.env", &format!("TMO_TRUST={app}\n"));
    assert_eq!(world.run(["check"]).code, 1);
    // overmind obeys whatever is there.
    let link = world.path().join("overmind");
    std::os::unix::fs::symlink(TMO, &link).unwrap();
    give(&world.app().join("Procfile"));
    let ran = Ran::of(&world.command(&link).args(["start", "-D"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stderr.contains("belongs to"), "{ran:?}");
    let ran = Ran::of(&world.command(&link).args(["quit"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    world.wait_empty();
}

#[test]
fn a_checkout_of_one_other_user_starts_and_its_owner_is_named_first() {
    let world = World::new("web: exec sleep 1000\n");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give files to another user");
        return;
    }
    std::fs::create_dir_all(world.app().join("conf/deep")).unwrap();
    world.write("conf/deep/x.env", "A=1\n");
    std::os::unix::fs::symlink("deep/x.env", world.app().join("conf/x.env")).unwrap();
    world.write("tmo.toml", "[process.web]\nenv_file = \"conf/x.env\"\n");
    // Whoever goes into a directory below `/tmp` has chosen it.
    mode(world.path(), 0o1777);
    let all = world.shell(&format!("chown -R {NOBODY}:{NOBODY} {}", world.app().display()));
    assert_eq!(all.code, 0, "{all:?}");
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let first = ran.stderr.lines().next().unwrap_or_default();
    assert!(first.contains(&format!("belongs to user {NOBODY}, ")), "{ran:?}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_env_file_in_a_directory_that_another_user_has_planted_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give files to another user");
        return;
    }
    let toml = "[process.web]\nenv_file = \"conf/x.env\"\n";
    for (base, is_link) in [(0o777, false), (0o1777, false), (0o777, true)] {
        let world = World::new("web: touch started; exec sleep 1000\n");
        world.write("tmo.toml", toml);
        let conf = world.app().join("conf");
        // Even a link to a directory that only its owner can write to.
        let real = if is_link { world.path().join("own") } else { conf.clone() };
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("x.env"), "PATH=/evil\n").unwrap();
        give(&real);
        if is_link {
            std::os::unix::fs::symlink(&real, &conf).unwrap();
            give(&conf);
        } else {
            give(&real.join("x.env"));
        }
        mode(&world.app(), base);
        let ran = world.run(["start", "-D"]);
        assert!(ran.code == 1 && ran.stderr.contains("it belongs to user"), "{base:o}: {ran:?}");
        world.wait_empty();
        assert!(!world.app().join("started").exists());
    }
}
