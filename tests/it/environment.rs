//! The environment of a process: variables, umask, limits, directory.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::process::Command;

use crate::harness::ports::free_port;
use crate::harness::{World, eventually};

type Variables = BTreeMap<OsString, OsString>;

/// What stands in the way of other people's processes: a tmux configuration full of traps.
const HOSTILE: &str = "\
set-environment -g PATH /nowhere
set-environment -g INJECTED yes
set-environment -g LANG xx_XX
set -g default-command 'false'
set -g default-shell /usr/bin/fish
set -g update-environment 'FOO DISPLAY LANG'
";

/// Variables that the pane's terminal decides.
const PANES: &[&str] = &["TERM", "TMUX", "TMUX_PANE", "TERM_PROGRAM", "TERM_PROGRAM_VERSION"];

/// Values that are hard to hand on: shell, tmux and JSON would each break some of them.
fn odd_values() -> Vec<(OsString, OsString)> {
    [
        ("NEWLINE", &b"one\ntwo\n"[..]),
        ("DOLLAR", b"$HOME ${PATH} $(id) `id`"),
        ("QUOTES", b"a 'single' \"double\" \\back\\slash"),
        ("BYTES", b"\xff\xfe caf\xe9 \x01\x1b[31m"),
        ("FORMAT", b"#{pane_id} %H #S #(id) ;"),
        ("SEMICOLON", b"end;"),
        ("EMPTY", b""),
        ("UNICODE", "\u{e4}\u{1f600}".as_bytes()),
    ]
    .map(|(name, value)| (name.into(), OsString::from_vec(value.to_vec())))
    .into()
}

/// The variables of a running process, once it has become its command.
fn variables(world: &World, process: &str) -> Variables {
    let pid = world.wait_state(process, "running").unwrap();
    eventually(&format!("{process} is its shell"), || {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        memchr::memmem::find(&line, b"-c\0").map(drop)
    });
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let pair = |variable: &[u8]| {
        let at = memchr::memchr(b'=', variable).unwrap();
        let text = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        (text(&variable[..at]), text(&variable[at + 1..]))
    };
    bytes.split(|&b| b == 0).filter(|v| !v.is_empty()).map(pair).collect()
}

/// What the variables of this process must be, whatever tmux thinks.
fn expected(world: &World, process: &str, port: u16, others: &[(&str, u16)]) -> Variables {
    let mut all: Variables =
        world.variables().into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    all.extend(odd_values());
    for dropped in ["LINES", "COLUMNS", "WINDOWID", "STY"].iter().chain(PANES) {
        all.remove(OsStr::new(dropped));
    }
    let socket = world.app().join(".overmind.sock").into_os_string();
    let run = world.state().unwrap()["run"].as_str().unwrap().to_owned();
    let own = [
        ("PORT", port.to_string().into()),
        ("PS", process.into()),
        ("TMO_SESSION", run.into()),
        ("TMO_PROCESS", process.into()),
        ("TMO_URL", format!("http://localhost:{port}").into()),
        ("TMO_SOCKET", socket.clone()),
        ("OVERMIND_SOCKET", socket),
        ("PWD", world.app().into_os_string()),
    ];
    all.extend(own.map(|(name, value): (&str, OsString)| (name.into(), value)));
    for (name, port) in others {
        all.insert(format!("OVERMIND_PROCESS_{name}_PORT").into(), port.to_string().into());
        let url = format!("http://localhost:{port}");
        all.insert(format!("TMO_PROCESS_{name}_URL").into(), url.into());
    }
    all
}

#[track_caller]
fn check(world: &World) {
    let [web, worker, a_b] = [0, 1, 2].map(|place| world.port(place));
    for (name, port, others) in [
        ("web", web, [("worker", worker), ("a_b", a_b)]),
        ("worker", worker, [("web", web), ("a_b", a_b)]),
        ("a-b", a_b, [("web", web), ("worker", worker)]),
    ] {
        let mut found = variables(world, name);
        if world.is_native() {
            assert_eq!(
                found.remove(OsStr::new("COLORTERM")).as_deref(),
                Some(OsStr::new("truecolor"))
            );
        }
        let pane: Vec<_> = PANES.iter().filter_map(|n| found.remove(OsStr::new(n))).collect();
        pretty_assertions::assert_eq!(found, expected(world, name, port, &others));
        let pane: Vec<_> = pane.iter().map(|value| value.to_string_lossy()).collect();
        if world.is_native() {
            assert_eq!(pane[0], "xterm-256color");
            continue;
        }
        assert!(pane[0].starts_with("tmux-") || pane[0].starts_with("screen"), "{pane:?}");
        assert!(pane[1].contains("/tmo-app-"), "of our tmux, not the caller's: {pane:?}");
        assert!(pane[2].starts_with('%'), "{pane:?}");
    }
}

/// `tmo start` with values that a `String` can't hold.
fn odd(mut command: Command) -> Command {
    command.envs(odd_values());
    command
}

#[test]
fn every_process_has_the_callers_environment_and_the_documented_variables() {
    let procfile = "web: sleep 1000; true\nworker: sleep 1000; true\na-b: sleep 1000; true\n";
    let world = World::new(procfile)
        .env("LINES", "11")
        .env("COLUMNS", "22")
        .env("WINDOWID", "33")
        .env("STY", "44.pts")
        .env("TMUX", "/tmp/tmux-0/elsewhere,1,0")
        .env("TMUX_PANE", "%77");
    std::fs::write(world.home().join(".tmux.conf"), HOSTILE).unwrap();
    // Another server of the same user, with another environment.
    let other = world
        .command("tmux")
        .env_remove("TMUX")
        .env("INJECTED", "by the other server")
        .args(["-f", "/dev/null", "new-session", "-d", "sleep 1000"])
        .status()
        .unwrap();
    assert!(other.success());

    let started = odd(world.tmo(["start", "-D"])).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    check(&world);
    world.ok(["restart"]);
    check(&world);
    // What is typed elsewhere, with another environment, changes nothing.
    let elsewhere = world.tmo(["restart", "web"]).env("INJECTED", "later").output().unwrap();
    assert!(elsewhere.status.success());
    check(&world);
    world.ok(["quit"]);

    let out = std::fs::File::create(world.app().join("log")).unwrap();
    let mut view = odd(world.tmo(["start"])).stdout(out).spawn().unwrap();
    check(&world);
    world.ok(["quit"]);
    assert!(view.wait().unwrap().success());
    let ended = world.command("tmux").env_remove("TMUX").arg("kill-server").status().unwrap();
    assert!(ended.success(), "the other server has gone on");
    world.wait_empty();
    std::fs::remove_dir_all(world.path().join("tmux")).unwrap();
}

#[test]
fn umask_limits_and_niceness_are_the_callers() {
    let ask = "umask; ulimit -Sn; ulimit -Hn; ulimit -c; nice; pwd; echo done; exec sleep 1000";
    let world = World::new(&format!("web: {ask}\n"));
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let script = format!(
        "umask 0027; ulimit -Sn 300; ulimit -Hn 900; ulimit -c 0; exec nice -n 5 {tmo} start -D"
    );
    let said = world.command("sh").args(["-c", &script]).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    // Whoever runs the tests may be nice already.
    let nice: i32 = world.shell("nice").stdout.trim().parse().unwrap();
    let nice = (nice + 5).min(19).to_string();
    let reported = ["0027", "300", "900", "0", &nice, &world.app().display().to_string(), "done"]
        .map(|line| format!("web    | {line}\n"))
        .concat();
    let lines = || world.ok(["logs", "web", "-n", "7"]);
    world.wait_text("web", "done");
    pretty_assertions::assert_eq!(lines(), reported);
    world.ok(["restart", "web"]);
    let lives = || world.ok(["logs", "web"]).matches("| done").count();
    eventually("the next life", || (lives() == 2).then_some(()));
    pretty_assertions::assert_eq!(lines(), reported, "the next life has the same");
    world.ok(["quit"]);
}

#[test]
fn an_env_file_wins_over_the_caller() {
    let world = World::new("web: echo \"$FROM_FILE|$BOTH|$QUOTED|$MADE\"; exec sleep 1000\n")
        .env("BOTH", "caller");
    world.write(
        ".env",
        "FROM_FILE=file\nBOTH=file\nQUOTED='a  $b \"c\"'\nexport MADE=\"${FROM_FILE}-x\"\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("| file|file|a  $b \"c\"|file-x\n");
    world.ok(["restart"]);
    eventually("again", || (view.log().matches("|file-x\n").count() == 2).then_some(()));
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn an_invalid_environment_variable_is_named() {
    let world = World::new("web: exec sleep 1000\n");
    for (name, value) in [("TMO_COLORS", "1,".repeat(200_000) + "1"), ("BIG", "x".repeat(400_000))]
    {
        world.write(".overmind.env", &format!("{name}={value}\n"));
        for args in [&["check"][..], &["start", "-D"]] {
            let ran = world.run(args);
            assert_eq!(ran.code, 1, "{name}, {args:?}");
            let words = format!("the variable {name} is too large to be passed to a program: 4000");
            assert!(ran.stderr.contains(&words), "{name}, {args:?}: {}", ran.stderr);
            assert!(ran.stderr.len() < 500, "{name}, {args:?}: {} bytes", ran.stderr.len());
        }
    }
    world.wait_empty();
}

#[test]
fn a_command_as_a_process_finds_what_the_process_finds() {
    let world = World::new("web: exec sleep 1000\napi: exec sleep 1000\n");
    std::fs::create_dir(world.app().join("api")).unwrap();
    world.write("tmo.toml", "[process.api]\ncwd = \"api\"\nenv = { A = \"a b\" }\n");
    let shown = "echo $PS $PORT $A $PWD ${TMO_SESSION-none}";
    let seen = world.ok(["run", "--as", "api", "sh", "-c", shown]);
    let dir = world.app().join("api").canonicalize().unwrap();
    assert_eq!(seen, format!("api {} a b {} none\n", world.port(1), dir.display()));
    assert_eq!(world.run(["run", "--as", "nosuch", "true"]).code, 2);
    assert_eq!(world.run(["run", "--as", "api", "no-such-program"]).code, 127);
    // As `docker compose exec` has it.
    let ran = world.run(["exec", "api", "sh"]);
    assert!(ran.code == 127 && ran.stderr.contains("`tmo run --as api sh`"), "{ran:?}");
    // While it runs, what its start has chosen counts, not what the next one would.
    let port = free_port();
    world.ok(["start", "-D", "-p", &port.to_string(), "-P", "70", "-m", "api=2"]);
    world.write("tmo.toml", "[process.api]\ncwd = \"api\"\nenv = { A = \"changed\" }\n");
    let seen = world.ok(["run", "--as", "api#2", "sh", "-c", shown]);
    assert_eq!(seen, format!("api#2 {} a b {} none\n", port + 80, dir.display()));
    world.ok(["quit"]);
    world.wait_empty();
}
