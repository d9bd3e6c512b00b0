//! Promises that the program does not keep yet, as tests. `cargo test --test it -- --ignored pending`
//! runs them; each goes to the tests of its feature, without `ignore`, with the change that keeps it.

use serde_json::Value;

use crate::harness::{World, eventually, pause};

fn json(world: &World, args: &[&str]) -> Value {
    serde_json::from_str(&world.run([args, &["--json"]].concat()).stdout).unwrap()
}

/// A run of one process that prints a message and fails, to its end.
fn fail_with(world: &World, message: &str) {
    world.write("msg", &format!("{message}\n"));
    let ran = world.run(["start"]);
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
#[ignore = "waits for typed events: `why` takes lives of earlier runs for those of the present one"]
fn why_and_the_crash_report_describe_the_last_of_several_quick_runs() {
    let world = World::new("app: cat msg; exit 1\n");
    for (round, gap_ms) in [0, 500, 1000, 0, 2000, 0].into_iter().enumerate() {
        let message = format!("message {round}");
        fail_with(&world, &message);
        let answer = json(&world, &["why"]);
        assert_eq!(answer["lastLogs"][0], message, "{answer}");
        let report = answer["report"].as_str().expect("a report on disk");
        let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        assert_eq!(report["lastLogs"][0], message, "{report}");
        pause(std::time::Duration::from_millis(gap_ms));
    }
}

#[test]
#[ignore = "waits for typed events: `why` does not ask whether an end was expected"]
fn why_does_not_accuse_a_process_that_was_expected_to_end() {
    let world = World::new("migrate: echo done\nseed: echo done\nweb: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.web]\ndepends_on = { migrate = \"completed\" }\n\
         [process.seed]\nready = { exit = 0 }\n",
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    for args in [&["why"][..], &["why", "migrate"], &["why", "seed"], &["why", "web"]] {
        let ran = world.run(args);
        assert_eq!(ran.code, 0, "nothing is wrong: {ran:?}");
        assert!(!ran.stdout.contains("should have stayed"), "{ran:?}");
    }
    world.ok(["quit"]);
}

#[test]
#[ignore = "waits for typed events: `why` looks at ended processes only"]
fn why_reports_the_last_error_below_a_watcher() {
    let world = World::new(
        "web: printf \"Traceback (most recent call last):\\n  File \\\"app.py\\\", line 3, in <module>\\n\
         KeyError: 'x'\\n[nodemon] app crashed - waiting for file changes before starting...\\n\"; \
         exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    eventually("it crashed", || world.ok(["logs"]).contains("app crashed").then_some(()));
    let ran = world.run(["why", "web"]);
    let both = format!("{}{}", ran.stdout, ran.stderr);
    assert!(both.contains("KeyError: 'x'") && both.contains("app.py:3"), "{ran:?}");
    assert!(!both.contains("well"), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
#[ignore = "waits for typed events: `why` does not tell runs apart"]
fn why_does_not_present_the_crash_of_an_earlier_run_as_news() {
    let world = World::new("web: cat msg && exit 3; exec sleep 1000\n");
    world.write("msg", "bad\n");
    assert_eq!(world.run(["start"]).code, 3);
    std::fs::remove_file(world.app().join("msg")).unwrap();
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world.ok(["quit"]);
    let ran = world.run(["why"]);
    assert!(ran.code == 0 && !ran.stdout.contains("exit 3"), "{ran:?}");
    let reported = format!("{}{}", ran.stdout, ran.stderr);
    assert!(reported.starts_with("the last run ended as it was asked to"), "{ran:?}");
}

#[test]
#[ignore = "waits for the diagnosis of package managers to be rewritten"]
fn why_names_the_cause_and_not_the_hints_of_a_package_manager() {
    let cases = [
        (
            "printf 'npm error Missing script: \"dve\"\\nnpm error\\nnpm error To see a list of scripts, run:\\n\
             npm error   npm run\\n' >&2; exit 1",
            "Missing script",
            "npm run (",
        ),
        (
            "echo 'bundler: command not found: puma' >&2; exit 127",
            "puma",
            "there is no command echo",
        ),
        ("cat msg; exit 127", "127", "there is no command cat"),
        (
            "echo 'A server is already running (pid: 4711, file: /x/server.pid).'; echo Exiting; exit 1",
            "server is already running",
            "it logged: Exiting",
        ),
        (
            "echo 'error: Environment variable not found: DATABASE_URL.'; exit 1",
            "DATABASE_URL",
            "it logged: To",
        ),
    ];
    for (command, cause, noise) in cases {
        let world = World::new(&format!("web: {command}\n"));
        world.write("msg", "x\n");
        world.run(["start"]);
        let reported = world.run(["why"]).stdout;
        let first = json(&world, &["why"])["causes"][0]["text"].to_string();
        assert!(first.contains(cause) && !reported.contains(noise), "{command}: {reported}");
    }
}

#[test]
#[ignore = "waits for typed states: the table compares words"]
fn ps_shows_readiness_and_why_a_process_waits_without_wide() {
    let world = World::new("migrate: exit 0\nbad: exit 3\nlate: true\nweb: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.bad]\non_exit = \"ignore\"\n[process.web]\nready = { log = \"never\" }\n\
         [process.late]\ndepends_on = { bad = \"completed\" }\n\
         [process.migrate]\non_exit = \"ignore\"\n",
    );
    world.run(["start", "-D"]);
    world.wait_state("late", "skipped");
    let table = world.ok(["ps"]);
    let row = |name: &str| {
        table.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
    };
    assert!(row("PROCESS").starts_with("PROCESS"), "{table}");
    assert!(!row("migrate").contains("dead") && row("bad").contains('3'), "{table}");
    assert!(row("late").contains("skipped") && row("late").contains("bad"), "{table}");
    assert!(row("web").contains("never"), "what it lacks: {table}");
    world.ok(["quit"]);
}

#[test]
#[ignore = "waits for typed states: the next step is not known where a process was skipped"]
fn repaired_dependency_names_the_command_that_starts_what_was_skipped() {
    let world = World::new("migrate: test -e go\napi: exec sleep 1000\nweb: exec sleep 1000\n");
    world.write("tmo.toml", "[process.api]\ndepends_on = { migrate = \"completed\" }\n");
    world.run(["start", "-D"]);
    world.wait_state("api", "skipped");
    world.write("go", "");
    let ran = world.run(["restart", "migrate"]);
    let reported = format!("{}{}", ran.stdout, ran.stderr);
    assert!(reported.contains("tmo start api"), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
#[ignore = "waits for one printer of times"]
fn times_in_the_log_have_a_date_and_milliseconds() {
    let world = World::new("web: echo hello; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    eventually("it speaks", || world.ok(["logs"]).contains("hello").then_some(()));
    let dated = regex::Regex::new(r"\d{4}-\d\d-\d\d").unwrap();
    let exact = regex::Regex::new(r"\d\d:\d\d:\d\d\.\d{3}").unwrap();
    for args in [&["logs", "-T"][..], &["events"]] {
        let text = world.ok(args);
        assert!(dated.is_match(&text) && exact.is_match(&text), "{args:?}: {text}");
    }
    world.ok(["quit"]);
}

#[test]
#[ignore = "waits for one printer of configuration values"]
fn config_prints_readiness_in_the_words_of_tmo_toml() {
    let world = World::new("api: exec sleep 1000\n");
    world.write("tmo.toml", "[process.api]\nready = { http = \"http://127.0.0.1:1/x\" }\n");
    let text = world.ok(["config", "api"]);
    assert!(text.contains("http = \"http://127.0.0.1:1/x\""), "{text}");
    assert!(!text.contains("every_ms\":"), "{text}");
}

#[test]
#[ignore = "waits for the words of `why` to be rewritten"]
fn next_step_opens_the_file_with_an_editor_that_needs_other_arguments() {
    let world = World::new("web: python3 crash.py\n").env("EDITOR", "code --wait");
    world.write("crash.py", "\n\n\nraise KeyError('x')\n");
    world.run(["start"]);
    let reported = world.run(["why"]).stdout;
    assert!(reported.contains("crash.py") && !reported.contains("code --wait} +4"), "{reported}");
    assert!(reported.contains("--goto") || reported.contains("-g "), "{reported}");
}

#[test]
#[ignore = "waits for the commands to be regrouped"]
fn commands_of_other_tools_are_answered_with_the_right_one() {
    let world = World::new("web: exec sleep 1000\n");
    for (typed, right) in [
        (&["up"][..], "tmo start"),
        (&["down"], "tmo quit"),
        (&["attach", "web"], "tmo connect"),
        (&["tail", "web"], "tmo logs"),
        (&["kill", "web"], "tmo stop web"),
        (&["ps", "web"], "tmo ps"),
        (&["reload", "web"], "tmo restart web"),
        (&["stats"], "tmo ps"),
        (&["info"], "tmo ps"),
    ] {
        let ran = world.run(typed);
        assert_eq!(ran.code, 2, "{typed:?}: {ran:?}");
        assert!(ran.stderr.contains(right), "{typed:?}: {ran:?}");
    }
}
