//! Completions in the real shells, as far as they are there.

use crate::harness::{Terminal, World};

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
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_tmo")).parent().unwrap();
    let completions = concat!(env!("CARGO_MANIFEST_DIR"), "/completions");
    for (name, command, setup) in SHELLS {
        if !world.shell(&format!("command -v {name}")).stdout.contains('/') {
            eprintln!("SKIPPED: there is no {name}");
            continue;
        }
        let terminal = Terminal::open(world, name, 100, 24);
        terminal.line(&format!("PATH={}:$PATH exec {command}", bin.display()));
        terminal.line(&setup.replace("DIR", completions));
        terminal.wait("now 42");
        terminal.keys(["C-l"]);
        test(&terminal);
        terminal.close();
        // Fish's own, which it leaves.
        let _ = std::fs::remove_file(world.path().join("run/fish_universal_variables.notifier"));
    }
}

#[test]
fn names_of_what_runs_are_completed_in_every_shell() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    world.ok(["start", "-D", "-m", "worker=2"]);
    in_each_shell(&world, |terminal| {
        terminal.typed("tmo stop wo");
        terminal.keys(["Tab", "Tab"]);
        // How the rest is quoted is each shell's own affair.
        terminal.wait("tmo stop worker");
        terminal.keys(["C-u"]);
        terminal.typed("tmo connect we");
        terminal.keys(["Tab"]);
        terminal.wait("tmo connect web");
    });
    world.ok(["quit"]);
}

#[test]
fn names_of_the_procfile_and_flags_are_completed_in_every_shell() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    in_each_shell(&world, |terminal| {
        terminal.typed("tmo start -l web,wo");
        terminal.keys(["Tab"]);
        terminal.wait("-l web,worker");
        terminal.keys(["C-u"]);
        terminal.typed("tmo start --show-t");
        terminal.keys(["Tab"]);
        terminal.wait("--show-timestamps");
        terminal.keys(["C-u"]);
        terminal.typed("tmo deta");
        terminal.keys(["Tab"]);
        terminal.wait("tmo detach");
    });
    world.wait_empty();
}
