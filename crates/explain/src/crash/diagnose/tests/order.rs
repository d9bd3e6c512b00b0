use super::{diagnose, printed};
use crate::crash::cause::CauseKind;
use crate::crash::evidence::Evidence;
use crate::model::Exit;

const SECOND: u64 = 1_000_000_000;

/// The texts of the causes, in order.
fn named(evidence: &Evidence) -> Vec<String> {
    diagnose(evidence).into_iter().map(|cause| cause.text).collect()
}

const HANDLED: &str = "Traceback (most recent call last):
  File \"/srv/app/app.py\", line 3, in <module>
    import yaml
ModuleNotFoundError: No module named 'yaml'
";
const FATAL: &str = "Traceback (most recent call last):
  File \"/srv/app/app.py\", line 8, in <module>
    go()
RuntimeError: queue is gone";

#[test]
fn what_was_survived_is_not_named_first() {
    let requests = "request ok\n".repeat(12);
    let evidence = printed(Exit::Code(1), &format!("{HANDLED}{requests}{FATAL}"));
    assert_eq!(named(&evidence), ["RuntimeError: queue is gone", "there is no module yaml"]);
}

#[test]
fn what_was_said_just_before_an_exception_may_have_led_to_it() {
    let evidence = printed(Exit::Code(1), &format!("{HANDLED}worker exits\n{FATAL}"));
    assert_eq!(named(&evidence)[0], "there is no module yaml");
}

#[test]
fn a_long_time_counts_as_many_lines_do() {
    let refused = "connect ECONNREFUSED 127.0.0.1:5432\n";
    let mut evidence = printed(Exit::Code(1), &format!("{refused}{FATAL}"));
    assert_eq!(diagnose(&evidence)[0].kind, CauseKind::ConnectionRefused);
    for line in &mut evidence.lines[1..] {
        line.time += 60 * SECOND;
    }
    assert_eq!(named(&evidence)[0], "RuntimeError: queue is gone");
}

#[test]
fn what_was_logged_last_counts_more_than_an_exception_of_long_ago() {
    let output = format!("{FATAL}\n{{\"level\":\"error\",\"msg\":\"no license\"}}");
    let mut evidence = printed(Exit::Code(1), &output);
    assert_eq!(named(&evidence)[0], "RuntimeError: queue is gone");
    evidence.lines.last_mut().unwrap().time += 60 * SECOND;
    assert_eq!(named(&evidence)[0], "it logged: no license");
}

#[test]
fn a_line_of_an_exception_is_no_other_error() {
    let output = "Traceback (most recent call last):\n  File \"/srv/app/a.py\", line 4, in a\n    {}[\"k\"]\nKeyError: 'k'\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"/srv/app/a.py\", line 6, in a\n    raise AppError(1)\nAppError: config is broken";
    assert_eq!(named(&printed(Exit::Code(1), output)), ["KeyError: 'k'"]);
}

#[test]
fn the_first_cause_always_has_something_to_type() {
    for output in ["", "fatal: no license", "Error: x\n\nCaused by:\n    y", "{}", "exit status 3"]
    {
        let causes = diagnose(&printed(Exit::Code(1), output));
        assert!(causes[0].next.is_some(), "{output}: {causes:#?}");
    }
}

#[test]
fn the_last_line_that_says_something_stands_for_an_exit_code() {
    for (output, shown) in [
        ("config.yml: no database given", "config.yml: no database given"),
        ("throw {\n^\n{ code: 42 }\n\nNode.js v20.20.2", "{ code: 42 }"),
        ("lost the queue: EOF\nexit status 1", "lost the queue: EOF"),
    ] {
        let causes = diagnose(&printed(Exit::Code(1), output));
        assert_eq!(causes[0].evidence.as_ref().unwrap().text, shown);
    }
}

#[test]
fn places_are_said_from_the_directory_of_the_project() {
    let table = [
        (
            "Traceback (most recent call last):\n  File \"/srv/app/shop/a.py\", line 4, in a\nKeyError: 'k'",
            Some("shop/a.py:4"),
        ),
        ("gone at a.pl line 4.", Some("shop/a.pl:4")),
        (
            "Traceback (most recent call last):\n  File \"/opt/a.py\", line 4, in a\nKeyError: 'k'",
            None,
        ),
        (
            "Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\nKeyError: 'k'",
            None,
        ),
        ("-e:1:in 'f': x (RuntimeError)", None),
        ("Error: x\n    at [eval]:1:7", None),
    ];
    for (output, place) in table {
        let evidence = printed(Exit::Code(1), output);
        let evidence = Evidence { cwd: "/srv/app/shop".to_owned(), ..evidence };
        assert_eq!(diagnose(&evidence)[0].place.as_deref(), place, "{output}");
    }
}

#[test]
fn a_dump_is_named_only_where_it_is_kept() {
    let next = |exit, dumped| {
        let mut evidence = printed(exit, "");
        evidence.facts.dumped = dumped;
        diagnose(&evidence)[0].next.clone().unwrap()
    };
    assert_eq!(next(Exit::Signal(11), true), "coredumpctl info 4711");
    // The shell's pid is not that of the command below it.
    assert_eq!(next(Exit::Code(139), true), "coredumpctl info");
    assert_eq!(next(Exit::Signal(11), false), "tmo logs web -n 100");
}

#[test]
fn what_is_to_be_typed_works_also_when_the_run_is_over() {
    for output in [
        "Error: connect ECONNREFUSED",
        "Error: listen EADDRINUSE: address already in use :::4000",
        "Error: listen EADDRINUSE: address already in use :::3000",
        "std::bad_alloc",
        "sh: 1: foo: not found",
    ] {
        for exit in [Exit::Code(1), Exit::Code(127)] {
            let next = diagnose(&printed(exit, output))[0].next.clone().unwrap();
            let needs_a_run = ["tmo ps", "tmo restart", "tmo status"];
            assert!(!needs_a_run.iter().any(|verb| next.starts_with(verb)), "{output}: {next}");
        }
    }
}
