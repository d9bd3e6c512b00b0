//! `tmo failures`, and the file that it changes.

use crate::harness::World;

const FILE: &str = "failure_declarations.json";

#[test]
fn declarations_are_listed_added_and_removed() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    let ran = world.run(["failures", "list"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.contains("nothing is declared in ./failure_declarations.json"), "{ran:?}");
    for (words, told) in [
        (["failures", "add", "worker", "panic:"], "worker: `panic:` added; "),
        (["failures", "add", "web", "Error: EADDRINUSE"], "web: `Error: EADDRINUSE` added; "),
        (["failures", "add", "web", "Killed"], "web: `Killed` added; "),
        (["failures", "add", "web", "Killed"], "web: `Killed` was there already; "),
        (["failures", "remove", "worker", "panic:"], "worker: `panic:` removed; "),
    ] {
        let ran = world.run(words);
        assert!(ran.code == 0 && ran.stdout.starts_with(told), "{ran:?}");
    }
    let ran = world.run(["failures", "list", "web"]);
    assert_eq!(ran.stdout, "web  Error: EADDRINUSE\nweb  Killed\n", "{ran:?}");
    let ran = world.run(["failures", "list", "--json"]);
    assert_eq!(ran.stdout, std::fs::read_to_string(world.app().join(FILE)).unwrap());
    assert_eq!(
        ran.stdout.split_whitespace().collect::<String>(),
        "{\"web\":[\"Error:EADDRINUSE\",\"Killed\"]}"
    );
}

#[test]
fn slips_are_pointed_out() {
    let world = World::new("web: exec sleep 1000\n");
    world.write(FILE, "{\"web\": [\"panic:\"], \"wbe\": [\"x\"]}");
    for (words, code, told) in [
        (&["add", "wep", "x"][..], 2, "Unknown process name: wep; did you mean web?"),
        (
            &["remove", "web", "panik:"],
            1,
            "`panik:` is not declared for web; did you mean `panic:`?",
        ),
        (&["add", "web", "two\nlines"], 1, "is in no line"),
        (&["add", "web"], 2, "TEXT"),
        (&["list", "web", "x"], 2, "list takes a name"),
        (&["list", "-f", "nosuch"], 1, "open nosuch: no such file"),
    ] {
        let ran = world.run(["failures"].iter().chain(words).copied());
        assert!(ran.code == code && ran.stderr.contains(told), "{words:?}: {ran:?}");
    }
    let ran = world.run(["check"]);
    assert!(ran.code == 1 && ran.stderr.contains("names `wbe`, which the Procfile"), "{ran:?}");
    // What nobody is called can still be removed.
    assert_eq!(world.run(["failures", "remove", "wbe", "x"]).code, 0);
    assert_eq!(world.run(["check"]).code, 0);
    world.write(FILE, "{\"web\": \"panic:\"}");
    let ran = world.run(["check"]);
    assert!(ran.code == 1 && ran.stderr.contains("./failure_declarations.json:1:16: "), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
}
