//! `tmo failures`, and the file that it edits.

use serde_json::json;

use crate::api::ask;
use crate::harness::{World, eventually, files};

const FILE: &str = "failure_declarations.json";

#[test]
fn failures_commands_list_add_and_remove_declarations() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    let ran = world.run(["failures", "list"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.contains("nothing is declared in ./failure_declarations.json"), "{ran:?}");
    for (words, reported) in [
        (["failures", "add", "worker", "panic:"], "worker: `panic:` added; "),
        (["failures", "add", "web", "Error: EADDRINUSE"], "web: `Error: EADDRINUSE` added; "),
        (["failures", "add", "web", "Killed"], "web: `Killed` added; "),
        (["failures", "add", "web", "Killed"], "web: `Killed` is already there; "),
        (["failures", "remove", "worker", "panic:"], "worker: `panic:` removed; "),
    ] {
        let ran = world.run(words);
        assert!(ran.code == 0 && ran.stdout.starts_with(reported), "{ran:?}");
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
fn failures_commands_report_mistakes() {
    let world = World::new("web: exec sleep 1000\n");
    world.write(FILE, "{\"web\": [\"panic:\"], \"wbe\": [\"x\"]}");
    for (words, code, reported) in [
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
        assert!(ran.code == code && ran.stderr.contains(reported), "{words:?}: {ran:?}");
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
    world.write(FILE, "[1]");
    let ran = world.run(["check"]);
    assert!(ran.code == 1 && ran.stderr.contains("./failure_declarations.json:1:1: "), "{ran:?}");
}

#[test]
fn a_failure_declared_over_the_api_is_active_at_once() {
    let world = World::new("web: exec cat\nother: exec cat\n");
    world.write("tmo.toml", "[[process.web.failure]]\npattern = \"fatal\"\n");
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "running");
    let path = |verb: &str| format!("POST /api/failure-declarations/web/{verb}");
    let texts = || ask(&world, "GET /api/failure-declarations/web", "", "").json();
    // The terminal echoes what is sent and `cat` prints it again.
    let printed_twice = |text: &str| {
        eventually("it was echoed and printed", || {
            (world.ok(["logs", "web"]).matches(text).count() == 2).then_some(())
        });
    };
    // It was printed before, so that is history.
    world.ok(["send", "web", "panic: old", "--enter"]);
    printed_twice("old");
    let panic = r#"{"failure_string":"panic:"}"#;
    let added = ask(&world, &path("add"), "", panic);
    assert_eq!((added.status, &added.json()["changed"]), (200, &json!(true)), "{added:?}");
    assert_eq!(texts()["failure_strings"], json!(["panic:"]));
    let list = "web  panic:\nweb  fatal  (./tmo.toml:2)\n";
    assert_eq!(world.ok(["failures", "list", "web"]), list);
    assert_eq!(world.field("web", "state"), "running");
    // Taken back, it means nothing any more.
    let removed = ask(&world, &path("remove"), "", panic);
    assert_eq!((removed.status, &removed.json()["failure_strings"]), (200, &json!([])));
    world.ok(["send", "web", "panic: not now", "--enter"]);
    printed_twice("not now");
    assert_eq!(world.field("web", "state"), "running");
    ask(&world, &path("add"), "", panic);
    world.ok(["send", "web", "a PANIC: now", "--enter"]);
    world.wait_state("web", "broken");
    assert_eq!(world.field("other", "state"), "running");
    // A life begun anew is looked at for the same.
    world.ok(["restart", "web"]);
    world.ok(["send", "web", "panic: again", "--enter"]);
    world.wait_state("web", "broken");
    world.ok(["quit"]);
}

#[test]
fn the_api_names_the_file_of_a_declaration_that_it_cannot_change() {
    let world = World::new("web: exec cat\n");
    world.write("tmo.toml", "[[process.web.failure]]\npattern = \"fatal\"\n");
    world.ok(["start", "-D", "--any-can-die"]);
    let reported = |verb: &str, text: &str| {
        let body = json!({ "failure_string": text }).to_string();
        let path = format!("POST /api/failure-declarations/web/{verb}");
        let answer = ask(&world, &path, "", &body);
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let place = "`fatal` is declared for web in ./tmo.toml:2; remove it there, then `tmo reload`"
        .to_owned();
    assert_eq!(reported("remove", "fatal"), (409, place.clone()));
    let ran = world.run(["failures", "remove", "web", "fatal"]);
    assert!(ran.code == 1 && ran.stderr.contains(&place), "{ran:?}");
    let (status, why) = reported("remove", "fatak");
    assert!(status == 409 && why.contains("is not declared for web"), "{why}");
    for text in ["", " ", "a\nb"] {
        assert_eq!(reported("add", text).0, 422, "{text:?}");
    }
    assert!(!world.app().join(FILE).exists());
    // What is broken stays as it is.
    world.write("tmo.toml", "[process.web]\nnosuch = 1\nother = 2\n");
    let (status, why) = reported("add", "x");
    assert!(status == 409 && why.contains("tmo.toml:2:1: ") && !why.contains('\n'), "{why}");
    assert!(!world.app().join(FILE).exists());
    world.write("tmo.toml", "");
    world.write(FILE, "{");
    let (status, why) = reported("add", "x");
    assert!(status == 409 && why.contains("failure_declarations.json:1:"), "{why}");
    assert_eq!(std::fs::read_to_string(world.app().join(FILE)).unwrap(), "{");
    world.ok(["quit"]);
}

#[test]
fn concurrent_declarations_are_all_saved() {
    let world = World::new("web: exec cat\n");
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "running");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let world = &world;
            scope.spawn(move || {
                for number in 0..4 {
                    let text = format!("panic {thread}.{number}");
                    if number == 3 && thread % 2 == 0 {
                        world.ok(["failures", "add", "web", &text]);
                        continue;
                    }
                    let body = json!({ "failure_string": text }).to_string();
                    let line = "POST /api/failure-declarations/web/add";
                    let answer = ask(world, line, "", &body);
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
    });
    let reported = ask(&world, "GET /api/failure-declarations/web", "", "").json();
    assert_eq!(reported["failure_strings"].as_array().unwrap().len(), 16);
    // What is in force is what stands there: nothing is left to be reloaded.
    assert_eq!(world.ok(["reload"]), "web: unchanged\n");
    world.ok(["quit"]);
}

#[test]
fn a_pattern_slower_than_the_output_skips_a_part_and_reports_it() {
    let world = World::new(
        "web: while [ ! -e enough ]; do yes 0101010110101001010101010101010100101 | \
         head -c 5000000; done; echo; echo all of it; \
         until [ -e say ]; do sleep 0.05; done; echo oh no; exec sleep 1000\n",
    );
    let slow = (0..60).map(|n| {
        let pattern = format!("[01]*1[01]{{{}}}x{n}$", 12 + n % 10);
        format!("[[process.web.failure]]\npattern = '{pattern}'\nregex = true\n")
    });
    let slow: String = slow.collect();
    let found = "[[process.web.failure]]\npattern = 'oh no'\naction = \"break\"\n";
    world.write("tmo.toml", &format!("[log]\nper_process = \"8MiB\"\n{slow}{found}"));
    world.ok(["start", "-D"]);
    let says = |text: &str| world.ok(["events", "web"]).contains(text).then_some(());
    eventually("a part is skipped", || says("part of it is skipped"));
    world.write("enough", "");
    eventually("the skipped part is told", || says("were not searched"));
    world.ok(["ps"]);
    let kept: u64 = files(&world.journal()).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(kept < 64 << 20, "{kept}");
    world.wait_text("web", "| all of it\n");
    world.write("say", "");
    world.wait_state("web", "broken");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn slow_patterns_delay_no_command_and_are_named() {
    let world = World::new(
        "web: while :; do cat lines; sleep 0.2; done\napi: while :; do cat line; sleep 1; done\n",
    );
    // In no order, so that an automaton needs a state of its own for nearly every byte.
    let mut state = 1_u32;
    let mut letters = |count: usize| {
        let mut letter = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 0 { 'a' } else { 'b' }
        };
        (0..count).map(|_| letter()).collect::<String>() + "\n"
    };
    let lines: String = (0..500).map(|_| letters(2000)).collect();
    world.write("lines", &lines);
    world.write("line", &letters(60_000));
    let slow = |name: &str, pattern: &str| {
        format!("[[process.{name}.failure]]\npattern = '{pattern}'\nregex = true\n")
    };
    let patterns = [
        slow("web", r"[ab]*a[ab]{200}[cd]\w$"),
        slow("web", r"^\d+ [ab]*a[ab]{300}a\w*[cd]"),
        slow("web", r"([ab]{2,40}a){30}\W\w"),
        slow("api", r"^\w*a[ab]{9000}a\w*[cd]"),
    ];
    let log = "[log]\nper_process = \"4MiB\"\ntotal = \"8MiB\"\n";
    world.write("tmo.toml", &(log.to_owned() + &patterns.concat()));
    world.ok(["start", "-D"]);
    let says = |name: &str, text: &str| world.ok(["events", name]).contains(text).then_some(());
    eventually("the pattern is named", || says("api", r"look for `^\w*a[ab]{9000}a\w*[cd]`"));
    eventually("a part is skipped", || says("web", "were not searched"));
    world.ok(["ps"]);
    let kept: u64 = files(&world.journal()).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(kept < 48 << 20, "{kept}");
    world.ok(["restart", "api"]);
    world.ok(["stop", "web"]);
    world.ok(["quit"]);
    world.wait_empty();
}
