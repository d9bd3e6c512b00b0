//! The commands of `docs/AGENTS.md`, which is `tmo help agents`, are commands of tmo.

use regex::Regex;

use crate::harness::World;

const AGENTS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/AGENTS.md"));

/// The commands of the page, those in its text and those in blocks.
fn commands() -> Vec<String> {
    let expression = Regex::new(r"(?m)^    (tmo .*)$|`(tmo [^`]*)`|\((tmo [^`)]*)\)").unwrap();
    let found = expression.captures_iter(AGENTS).map(|found| {
        let text = found.iter().skip(1).flatten().next().unwrap().as_str();
        text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" …", "")
    });
    found.collect()
}

#[test]
fn every_command_that_agents_are_taught_is_one() {
    let world = World::new("web: while printf '(Pdb) '; do read x; done\n");
    world.write("tmo.toml", "[action.migrate]\ncommand = \"true\"\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        // A command may ask for input: it gets none.
        let line = command.replace("tmo ", &format!("{tmo} "));
        let ran = world.shell(&format!("exec </dev/null; {line}"));
        let is_understood = ran.code != 2 && !ran.stderr.contains("Usage:");
        assert!(is_understood, "{command}: {ran:?}");
        if command.starts_with("tmo start") || command.starts_with("tmo send") {
            assert_eq!(ran.code, 0, "{command}: {ran:?}");
        }
    }
    assert_eq!(world.run(["help", "agents"]).code, 0);
    world.run(["quit"]);
}
