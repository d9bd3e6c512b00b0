//! Projects of absurd size: each is refused by name or answered, and soon.

use std::fmt::Write as _;

use crate::harness::{Ran, World};

/// Processor time that a command may take, in the debug build; a release takes well under a second.
const PROMPT: &str = "ulimit -t 5";

/// So many lines of a function of their number.
fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[track_caller]
fn soon(world: &World, args: &[&str]) -> Ran {
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let line = format!("{PROMPT}; exec {tmo} \"$@\"");
    let ran = world.command("bash").args(["-c", &line, "bash"]).args(args).output().unwrap();
    let ran = Ran::of(&ran);
    assert!(ran.code >= 0, "{args:?}: killed: {}", ran.errors_end());
    ran
}

/// Refused with these words, in a few lines, by the commands that read a project.
#[track_caller]
fn refused(world: &World, words: &str) {
    for args in [&["check", "-N"][..], &["start", "-D", "-N"]] {
        let ran = soon(world, args);
        assert_eq!(ran.code, 1, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.len() < 100_000, "{args:?}: {} bytes", ran.stderr.len());
    }
}

#[test]
fn a_project_of_too_many_processes_is_refused_by_the_limit() {
    let world = World::new(&many(250_000, |n| format!("p{n}: true\n")));
    refused(&world, "./Procfile:10001: a Procfile may have 10000 entries at most");

    let world = World::new("web: true\n");
    world.write("tmo.toml", &many(60_000, |n| format!("[process.p{n}]\ncommand = 'true'\n")));
    refused(&world, "`process` has 60000 entries; 10000 at most are possible");

    let world = World::new("web: true\nother: true\n").env("TMO_FORMATION", "all=6000");
    refused(&world, "there would be more than 10000 processes");
}

#[test]
fn too_many_patterns_are_refused_by_the_limit() {
    let world = World::new("web: true\n");
    let texts = many(100_000, |n| format!("{{ text = 'number {n} of' }},\n"));
    world.write("tmo.toml", &format!("[process.web]\nfailure = [\n{texts}]\n"));
    refused(&world, "`failure` has 100000 entries; 1000 at most are possible");

    let world = World::new("web: true\n");
    let texts = many(140_000, |n| format!("\"failure {n} of\",\n"));
    world.write("failure_declarations.json", &format!("{{\"web\": [{texts}\"last\"]}}"));
    refused(&world, "a process may have 1000 declared texts at most");

    let world = World::new("web: true\n");
    let names = many(200_000, |n| format!("\"p{n}\":[],"));
    world.write("failure_declarations.json", &format!("{{{names}\"last\":[]}}"));
    refused(&world, "declarations for 10000 processes at most are possible");
}

#[test]
fn no_more_mistakes_are_told_than_somebody_reads() {
    let world = World::new("web: true\n");
    world.write("tmo.toml", &many(200_000, |n| format!("k{n} = 1\n")));
    let ran = soon(&world, &["check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.ends_with("and 199900 more\n"), "{}", ran.errors_end());
    assert_eq!(ran.stderr.matches("unknown key").count(), 100);
    // Brackets within brackets end in an error, not at the end of the stack.
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("a = {}1{}\n", open.repeat(100_000), close.repeat(100_000));
        world.write("tmo.toml", &text);
        let ran = soon(&world, &["check"]);
        assert_eq!(ran.code, 1);
        assert!(ran.stderr.contains("recursion"), "{}", ran.errors_end());
    }
}

impl Ran {
    fn errors_end(&self) -> String {
        self.stderr.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect()
    }
}

#[test]
fn a_hundred_thousand_dependencies_are_resolved() {
    let mut toml = String::new();
    for n in 0..600 {
        let needs = many(n.min(300), |back| format!("'p{}',", n - 1 - back));
        let _ = writeln!(toml, "[process.p{n}]\ndepends_on = [{needs}]");
    }
    let world = World::new(&many(600, |n| format!("p{n}: true\n")));
    world.write("tmo.toml", &toml);
    for args in [&["check"][..], &["graph", "--json"], &["start", "--print-config", "p599"]] {
        let ran = soon(&world, args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn a_chain_of_thousands_of_processes_is_resolved() {
    // Each waits for the one that comes before it.
    let chain = many(4_999, |n| format!("[process.p{}]\ndepends_on = ['p{n}']\n", n + 1));
    let world = World::new(&many(5_000, |n| format!("p{n}: true\n")));
    world.write("tmo.toml", &chain);
    for args in [&["check", "-N"][..], &["start", "--print-config", "-N", "p4999"]] {
        let ran = soon(&world, args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    }
    // Closed to a ring, it is told as one.
    world.write("tmo.toml", &format!("{chain}[process.p0]\ndepends_on = ['p4999']\n"));
    refused(&world, "these wait for each other");
}
