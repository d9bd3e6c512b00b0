//! Completion: what the program answers, and what real shells make of it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Ran, Terminal, World};

const TWO: &str = "web: exec sleep 1000\njobs: exec sleep 1000\n";

/// A shell: how it is started, and how it is told of its completions.
const SHELLS: [(&str, &str, &str); 3] = [
    ("bash", "bash --norc", "source DIR/tmo.bash; echo now $((6 * 7))"),
    (
        "zsh",
        "zsh -f",
        "fpath=(DIR $fpath); autoload -Uz compinit; compinit -u -D; echo now $((6 * 7))",
    ),
    ("fish", "fish --private", "source DIR/tmo.fish; echo now (math 6 x 7)"),
];

/// Open each shell that there is in a terminal, tmo on its path and its completions known.
fn in_each_shell(world: &World, test: impl Fn(&Terminal<'_>)) {
    let bin = Path::new(env!("CARGO_BIN_EXE_tmo")).parent().unwrap();
    let completions = concat!(env!("CARGO_MANIFEST_DIR"), "/completions");
    let tool = world.home().join("zzz-tool");
    std::fs::write(&tool, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (name, command, setup) in SHELLS {
        if !world.shell(&format!("command -v {name}")).stdout.contains('/') {
            eprintln!("SKIPPED: there is no {name}");
            continue;
        }
        let terminal = Terminal::open(world, name, 140, 50);
        terminal.line(&format!("PATH={}:$HOME:$PATH exec {command}", bin.display()));
        terminal.line(&setup.replace("DIR", completions));
        terminal.wait("now 42");
        test(&terminal);
        terminal.close();
        // Fish's own, which it leaves.
        let _ = std::fs::remove_file(world.path().join("run/fish_universal_variables.notifier"));
    }
}

/// Begin an empty line on an empty screen.
fn afresh(terminal: &Terminal<'_>) {
    terminal.keys(["C-u", "C-l"]);
    terminal.wait_for("the screen is empty", |screen| {
        screen.trim().lines().count() <= 1 && !screen.contains("tmo ") && !screen.contains("now 42")
    });
}

/// Type this, press Tab, and wait for what the line has become.
#[track_caller]
fn completes(terminal: &Terminal<'_>, typed: &str, line: &str) {
    afresh(terminal);
    terminal.typed(typed);
    terminal.keys(["Tab"]);
    terminal.wait(line);
}

#[test]
fn commands_are_listed_by_their_own_names_in_every_shell() {
    let world = World::new(TWO);
    in_each_shell(&world, |terminal| {
        afresh(terminal);
        terminal.typed("tmo ");
        terminal.keys(["Tab", "Tab"]);
        terminal.wait_for("the commands are listed", |screen| {
            ["start", "restart", "stop", "connect", "quit"]
                .iter()
                .all(|name| screen.split_whitespace().any(|word| word == *name))
        });
        completes(terminal, "tmo deta", "tmo detach");
        completes(terminal, "tmo stat", "tmo status");
        completes(terminal, "overmind resta", "overmind restart");
    });
    world.wait_empty();
}

#[test]
fn process_names_come_before_flags_in_every_shell() {
    let world = World::new(TWO);
    in_each_shell(&world, |terminal| {
        for verb in ["restart", "start"] {
            afresh(terminal);
            terminal.typed(&format!("tmo {verb} "));
            terminal.keys(["Tab", "Tab"]);
            terminal.wait("jobs");
            let screen = terminal.screen();
            assert!(!screen.contains("--"), "flags are offered:\n{screen}");
        }
        completes(terminal, "tmo restart web ", "tmo restart web jobs");
        completes(terminal, "tmo restart --no", "tmo restart --no-wait");
        completes(terminal, "tmo start --show-t", "--show-timestamps");
    });
    world.wait_empty();
}

#[test]
fn values_are_completed_in_every_shell() {
    let world = World::new(TWO);
    in_each_shell(&world, |terminal| {
        completes(terminal, "tmo wait web --for po", "--for port");
        completes(terminal, "tmo signal WIN", "signal WINCH");
        completes(terminal, "tmo start -l web,jo", "-l web,jobs");
        completes(terminal, "tmo start -m we", "-m web=");
        terminal.typed("2,jo");
        terminal.keys(["Tab"]);
        terminal.wait("-m web=2,jobs=");
        completes(terminal, "tmo start -i web=WIN", "-i web=WINCH");
        completes(terminal, "tmo ps --network=un", "--network=unix");
    });
    world.wait_empty();
}

#[test]
fn paths_and_commands_are_completed_by_every_shell_itself() {
    let world = World::new(TWO);
    std::fs::create_dir(world.app().join("subdir")).unwrap();
    in_each_shell(&world, |terminal| {
        completes(terminal, "tmo start -f Proc", "-f Procfile");
        completes(terminal, "tmo start --procfile=Proc", "--procfile=Procfile");
        completes(terminal, "tmo start -d sub", "-d subdir/");
        completes(terminal, "tmo run zzz-t", "tmo run zzz-tool");
        completes(terminal, "tmo run zzz-tool Procf", "zzz-tool Procfile");
        completes(terminal, "tmo start --until-ready -- zzz-t", "-- zzz-tool");
    });
    world.wait_empty();
}

#[test]
fn names_and_socket_of_what_runs_are_completed_in_every_shell() {
    let world = World::new(TWO);
    world.ok(["start", "-D", "-m", "jobs=2"]);
    in_each_shell(&world, |terminal| {
        afresh(terminal);
        terminal.typed("tmo stop jobs#");
        terminal.keys(["Tab", "Tab"]);
        // How the name is quoted is each shell's own affair.
        terminal.wait_for("the second instance is listed", |screen| {
            screen.replace('\\', "").contains("jobs#2")
        });
        completes(terminal, "tmo connect we", "tmo connect web");
        // fish shows a name with a leading dot only where a dot is typed.
        completes(terminal, "tmo ps -s .", "-s .overmind.sock");
    });
    world.ok(["quit"]);
    world.wait_empty();
}

/// What the program answers a shell.
fn answer(world: &World, words: &[&str]) -> Ran {
    let mut command = world.tmo(["--"]);
    command.args(words).env("_TMO_COMPLETE", "bash");
    Ran::of(&command.output().unwrap())
}

#[test]
fn names_are_those_of_the_run_or_procfile_that_the_line_is_about() {
    let world = World::new(TWO);
    world.write("Procfile.dev", "other: true\n");
    let names = |words: &[&str]| answer(&world, words).stdout.replace('\n', " ");
    assert_eq!(names(&["tmo", "start", ""]), "web jobs ");
    assert_eq!(names(&["tmo", "start", "-f", "Procfile.dev", ""]), "other ");
    world.ok(["start", "-D", "-m", "jobs=2", "-s", "far.sock"]);
    assert_eq!(names(&["tmo", "stop", ""]), "web jobs ");
    assert_eq!(names(&["tmo", "stop", "-s", "far.sock", ""]), "web jobs#1 jobs#2 ");
    assert_eq!(names(&["tmo", "stop", "-s", ""]), "far.sock ");
    assert_eq!(names(&["tmo", "stop", "--socket=far.sock", "web", "jo"]), "jobs#1 jobs#2 ");
    world.ok(["quit", "-s", "far.sock"]);
    world.wait_empty();
}

#[test]
fn completion_starts_no_program_and_ends_in_time() {
    let world = World::new(TWO);
    // Whatever is started by name leaves a trace.
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in ["tmux", "sh", "git"] {
        let script = format!("#!/bin/sh\n: >{}/started\n", world.path().display());
        std::fs::write(bin.join(name), script).unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let world = world.env("PATH", &bin.display().to_string());
    for line in ["tmo ", "tmo start ", "tmo start -f ", "tmo connect w", "tmo run ", "tmo ps -s "] {
        let words: Vec<&str> = line.split(' ').collect();
        let ran = answer(&world, &words);
        assert_eq!((ran.code, &*ran.stderr), (0, ""), "{line}: {ran:?}");
        assert!(!ran.stdout.is_empty(), "{line}");
    }
    assert!(!world.path().join("started").exists());
    // A Procfile that never ends: the shell gets nothing, but it gets it.
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    nix::unistd::mkfifo(&world.app().join("Procfile"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let begun = Instant::now();
    assert_eq!(answer(&world, &["tmo", "start", "w"]).stdout, "");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
