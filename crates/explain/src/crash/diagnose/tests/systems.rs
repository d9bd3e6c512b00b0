use super::{Row, check, first, printed};
use crate::crash::cause::{CauseKind, Certainty};
use crate::crash::diagnose;
use crate::crash::evidence::{Evidence, Holder, ListeningProcess, OutputLine, OwningRun, Trigger};
use crate::model::plan::rules::{PortOwner, Probe, Text};
use crate::model::{Exit, ProcName};

const fn row(
    (what, exit): (&'static str, Exit),
    output: &'static str,
    kind: CauseKind,
    text: &'static str,
    shown: &'static str,
) -> Row {
    Row { what, exit, output, kind, text, shown, place: None, next: None }
}

#[test]
fn signals() {
    use CauseKind::Signal as By;
    use Exit::{Code, Signal};
    check(&[
        row(
            ("SIGSEGV", Signal(11)),
            "starting\nlistening",
            By,
            "invalid memory access (SIGSEGV)",
            "signal 11",
        ),
        row(
            ("below a shell", Code(139)),
            "x\nSegmentation fault (core dumped)",
            By,
            "a command of its shell was ended by SIGSEGV",
            "Segmentation fault",
        ),
        row(
            ("bash", Code(137)),
            "x\nbash: line 1: 4712 Killed                  ./serve",
            By,
            "SIGKILL",
            "Killed",
        ),
        row(("SIGKILL", Signal(9)), "busy", By, "lack of memory, or by `kill -9`", "signal 9"),
        row(("SIGTERM", Signal(15)), "bye", By, "it was asked to end (SIGTERM)", ""),
        row(("SIGABRT", Signal(6)), "listening", By, "aborted itself (SIGABRT)", ""),
        row(
            ("an error long ago", Signal(15)),
            "Error: no such user\nok\nok\nok\nok\nok",
            By,
            "SIGTERM",
            "",
        ),
        row(("one without a name", Signal(40)), "", By, "signal 40", ""),
    ]);
    let aborted = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc";
    assert_eq!(first(Signal(6), aborted).kind, CauseKind::OutOfMemory);
    let panicked = "thread 'main' panicked at src/main.rs:4:5:\nno database\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
    assert_eq!(first(Signal(6), panicked).text, "panic: no database");
}

#[test]
fn memory_that_ran_out() {
    use CauseKind::OutOfMemory as Out;
    use Exit::{Code, Signal};
    let node = "<--- Last few GCs --->\n\n[4711:0x5] 30000 ms: Mark-Compact 4044.9 (4130.0) -> 4044.0 (4130.0) MB\n\n\
        <--- JS stacktrace --->\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n\
        ----- Native stack trace -----\n\n 1: 0xb8d0e3 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]\n\
        \u{20}2: 0xf06250 v8::Utils::ReportOOMFailure(v8::internal::Isolate*, char const*) [node]";
    check(&[
        row(("node", Signal(6)), node, Out, "heap of Node", "JavaScript heap out of memory"),
        row(("node below npm", Code(134)), node, Out, "heap of Node", "JavaScript heap"),
        row(
            ("java", Code(1)),
            "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space\n\tat com.app.Main.main(Main.java:5)",
            Out,
            "Java machine",
            "java.lang.OutOfMemoryError",
        ).at("Main.java:5"),
        row(("rust", Signal(6)), "memory allocation of 8589934592 bytes failed", Out, "no memory left", "allocation of"),
        row(
            ("python", Code(1)),
            "Traceback (most recent call last):\n  File \"/srv/app/load.py\", line 3, in <module>\n    x = [0] * 10**12\nMemoryError",
            Out,
            "Python",
            "MemoryError",
        ).at("load.py:3"),
        row(("go", Code(2)), "fatal error: runtime: out of memory\n\nruntime stack:", Out, "", "out of memory"),
        row(("ruby", Code(1)), "app.rb:2:in `*': failed to allocate memory (NoMemoryError)", Out, "Ruby", "").at("app.rb:2"),
        row(("fork", Code(1)), "bash: fork: Cannot allocate memory", Out, "", "fork"),
    ]);
}

#[test]
fn the_kernel_knows_best_whom_it_killed() {
    for exit in [Exit::Signal(9), Exit::Code(137)] {
        let mut evidence = printed(exit, "busy");
        evidence.facts.oom_kills = 1;
        let cause = diagnose(&evidence).remove(0);
        assert_eq!((cause.kind, cause.certainty), (CauseKind::OutOfMemory, Certainty::Certain));
    }
    // Another process was killed.
    let mut evidence = printed(Exit::Code(1), "Error: no");
    evidence.facts.oom_kills = 1;
    assert_ne!(diagnose(&evidence)[0].kind, CauseKind::OutOfMemory);
}

fn name(text: &str) -> ProcName {
    ProcName::new(text).unwrap()
}

#[test]
fn what_tmo_did_comes_first() {
    let mut evidence =
        printed(Exit::Signal(15), "Error: listen EADDRINUSE: address already in use :::3000");
    let mut reported = |trigger: Trigger| {
        evidence.facts.trigger = Some(trigger);
        let cause = diagnose(&evidence).remove(0);
        assert_eq!(cause.certainty, Certainty::Certain);
        (cause.kind, cause.text, cause.next.unwrap())
    };
    let (kind, text, next) =
        reported(Trigger::StoppedWith { first: name("db"), exit: Exit::Code(3) });
    assert_eq!(kind, CauseKind::StoppedWithOther);
    assert_eq!(text, "tmo stopped it because db exited with code 3");
    assert_eq!(next, "tmo why db");
    let (kind, ..) = reported(Trigger::Asked);
    assert_eq!(kind, CauseKind::StoppedByRequest);
    let pattern = Text { pattern: "lost (a|the) lock".into(), regex: true, any_case: true };
    let line = OutputLine { text: "Lost the lock".into(), ..OutputLine::default() };
    let (kind, text, next) = reported(Trigger::FailurePattern { pattern, line });
    assert_eq!(kind, CauseKind::FailurePattern);
    assert_eq!(text, "it printed what matches /lost (a|the) lock/, which counts as a failure");
    assert_eq!(next, "tmo logs web --around '(?i)lost (a|the) lock'");
    let probe = Probe::Http { url: "http://localhost:3000/up".into() };
    let answer = "http://localhost:3000/up: 500 Internal Server Error".to_owned();
    let (_, text, next) = reported(Trigger::NotLive { probe, failures: 2, answer });
    assert!(text.ends_with("http://localhost:3000/up: 500 Internal Server Error"), "{text}");
    assert_eq!(next, "curl -i http://localhost:3000/up");
    let probe = Probe::Port { host: "localhost".into(), port: 3000, owner: PortOwner::Auto };
    let answer = "localhost:3000: connection refused".to_owned();
    let (kind, text, _) = reported(Trigger::NotLive { probe, failures: 3, answer });
    assert_eq!(kind, CauseKind::NotLive);
    assert_eq!(
        text,
        "its liveness check failed 3 times in a row: localhost:3000: connection refused"
    );
}

#[test]
fn a_failure_pattern_that_names_a_signal_is_still_the_cause() {
    let mut evidence = printed(Exit::Signal(15), "child got SIGTERM\nKeyboardInterrupt");
    let pattern = Text { pattern: "child got SIGTERM".into(), regex: false, any_case: false };
    let line = OutputLine { text: "child got SIGTERM".into(), ..OutputLine::default() };
    evidence.facts.trigger = Some(Trigger::FailurePattern { pattern, line });
    let causes = diagnose(&evidence);
    let kinds: Vec<_> = causes.iter().map(|cause| cause.kind).collect();
    assert_eq!(kinds, [CauseKind::FailurePattern], "{causes:#?}");
}

#[test]
fn a_port_that_was_not_tried_comes_after_the_output() {
    let mut evidence = printed(
        Exit::Code(1),
        "Traceback (most recent call last):\n  File \"app.py\", line 3, in <module>\nKeyError: 'x'",
    );
    evidence.facts.taken = Some((3000, OutputLine::default()));
    evidence.facts.is_short = true;
    assert_eq!(diagnose(&evidence)[0].kind, CauseKind::Exception);
    evidence.facts.holders = vec![Holder { port: 3000, process: None, tenant: None }];
    let causes = diagnose(&evidence);
    assert_eq!((causes[0].kind, causes[1].kind), (CauseKind::Exception, CauseKind::PortTaken));
    assert_eq!(causes[1].certainty, Certainty::Possible, "nothing shows that it tried");
    // A program that ends without a word does so for the port.
    let mut evidence = printed(Exit::Code(0), "up on 3000");
    evidence.facts.taken = Some((3000, OutputLine::default()));
    evidence.facts.is_short = true;
    assert_eq!(diagnose(&evidence)[0].kind, CauseKind::PortTaken);
}

#[test]
fn what_should_have_stayed() {
    let cause = first(Exit::Code(0), "Error: could not load config\ndone");
    assert_eq!(cause.kind, CauseKind::EndedEarly);
    assert_eq!(cause.evidence.unwrap().text, "done");
    let cause = first(Exit::Code(3), "good morning\n\n");
    assert_eq!((cause.kind, cause.text.as_str()), (CauseKind::ExitCode, "it exited with code 3"));
    assert_eq!(cause.evidence.unwrap().text, "good morning");
}

#[test]
fn who_holds_a_port_is_told() {
    let output = "Error: listen EADDRINUSE: address already in use :::3000";
    let mut evidence = printed(Exit::Code(1), output);
    assert_eq!(diagnose::ports_named(&evidence), [3000]);
    let reported = |evidence: &Evidence| {
        let cause = diagnose(evidence).remove(0);
        (cause.text, cause.next.unwrap())
    };
    let (text, next) = reported(&evidence);
    assert_eq!(text, "port 3000 was taken, but is free now");
    assert_eq!(next, "tmo start web");
    evidence.facts.holders = vec![Holder { port: 3000, process: None, tenant: None }];
    assert_eq!(
        reported(&evidence).0,
        "port 3000 is taken by a process of another user or container"
    );
    let process = Some(ListeningProcess { pid: 99, name: "node".to_owned() });
    evidence.facts.holders = vec![Holder { port: 3000, process, tenant: None }];
    let (text, next) = reported(&evidence);
    assert_eq!(
        (text.as_str(), next.as_str()),
        ("port 3000 is taken by node (pid 99)", "ps -fp 99")
    );
    let api = |socket: Option<&str>| {
        Some(OwningRun { name: "api".to_owned(), socket: socket.map(str::to_owned) })
    };
    evidence.facts.holders[0].tenant = api(None);
    let (text, next) = reported(&evidence);
    assert_eq!(text, "port 3000 is taken by api (node, pid 99)");
    assert_eq!(next, "tmo stop api");
    evidence.facts.holders[0].tenant = api(Some("/a b/.overmind.sock"));
    let (text, next) = reported(&evidence);
    assert_eq!(text, "port 3000 is taken by api of another run (node, pid 99)");
    assert_eq!(next, "tmo start --port-auto");
    evidence.port = Some(3100);
    assert_eq!(reported(&evidence).1, "tmo stop api -s '/a b/.overmind.sock'");
    evidence.port = Some(3000);
    evidence.facts.holders.clear();
    evidence.others[0].1 = 3000;
    assert_eq!(reported(&evidence).0, "port 3000 is taken; it is the port of api");
}

#[test]
fn a_port_of_the_command_is_not_mistaken_for_the_one_that_was_told() {
    let mut evidence = printed(Exit::Code(1), "OSError: [Errno 98] Address already in use");
    evidence.command = "python3 -m http.server 8000 --workers 4".to_owned();
    assert_eq!(diagnose::ports_named(&evidence), [8000, 3000]);
    let reported = |evidence: &Evidence| diagnose(evidence).remove(0).text;
    let unknown = "a port or address was taken, and the output does not say which";
    assert_eq!(reported(&evidence), unknown);
    // The cause does not name the process's own port as the taken one either.
    evidence.command = "node server.js".to_owned();
    assert_eq!(diagnose::ports_named(&evidence), [3000]);
    assert_eq!(reported(&evidence), unknown);
    evidence.command = "python3 -m http.server 8000 --workers 4".to_owned();
    let process = Some(ListeningProcess { pid: 99, name: "python3".to_owned() });
    evidence.facts.holders = vec![Holder { port: 8000, process, tenant: None }];
    assert_eq!(reported(&evidence), "port 8000 is taken by python3 (pid 99)");
}

#[test]
fn what_tmo_has_ended_was_not_killed_by_somebody() {
    for exit in [Exit::Signal(2), Exit::Signal(9), Exit::Code(143), Exit::Code(0)] {
        let mut evidence = printed(exit, "listening");
        for trigger in [
            Trigger::Asked,
            Trigger::Failed { kind: CauseKind::NotLive, text: "it did not answer".to_owned() },
        ] {
            evidence.facts.trigger = Some(trigger);
            let causes = diagnose(&evidence);
            assert_eq!(causes.len(), 1, "{causes:#?}");
        }
    }
    // A signal that it caused itself while it was being stopped is worth reporting.
    let mut evidence = printed(Exit::Signal(11), "listening");
    evidence.facts.trigger = Some(Trigger::Asked);
    assert_eq!(diagnose(&evidence).len(), 2);
}

#[test]
fn a_command_without_a_shell_is_told_by_its_name() {
    let cause = first(Exit::Code(127), "tmo: cannot run nosuch: No such file or directory");
    assert_eq!(
        (cause.kind, cause.text.as_str()),
        (CauseKind::CommandNotFound, "there is no command nosuch")
    );
    let cause = first(Exit::Code(126), "tmo: cannot run ./no exec: Permission denied");
    assert_eq!(cause.text, "./no exec is not executable");
    assert_eq!(cause.next.as_deref(), Some("chmod +x './no exec'"));
    let output = "tmo: cannot run nosuch: No such file or directory";
    assert_eq!(diagnose(&printed(Exit::Code(127), output)).len(), 1);
}

#[test]
fn a_command_whose_directory_is_not_there_is_told_by_the_directory() {
    for (why, text) in [
        ("No such file or directory", "its directory /a/b does not exist"),
        ("Permission denied", "its directory /a/b can't be entered: Permission denied"),
    ] {
        let mut evidence = printed(Exit::Code(126), &format!("tmo: cannot enter /a/b: {why}"));
        evidence.command = "exec sleep 1000".to_owned();
        let causes = diagnose(&evidence);
        let texts: Vec<_> = causes.iter().map(|cause| cause.text.as_str()).collect();
        assert_eq!(texts, [text]);
        assert_eq!(causes[0].next.as_deref(), Some("ls -ld /a/b"));
    }
}

impl Row {
    const fn at(mut self, place: &'static str) -> Self {
        self.place = Some(place);
        self
    }
}

#[test]
fn a_failure_that_tmo_acted_on_is_one_cause() {
    let mut evidence = printed(
        Exit::Signal(2),
        "ERROR 7 no cart\nTraceback (most recent call last):\n  File \"traffic.py\", line 11, in <module>\n    \
         time.sleep(1)\nKeyboardInterrupt\n",
    );
    let text = "it printed `ERROR 7 no cart`, which counts as a failure".to_owned();
    evidence.facts.trigger =
        Some(Trigger::Failed { kind: CauseKind::FailurePattern, text: text.clone() });
    let causes = diagnose(&evidence);
    assert_eq!(causes.iter().map(|cause| &cause.text).collect::<Vec<_>>(), [&text], "{causes:#?}");
    assert_eq!(causes[0].place, None);
}

#[test]
fn what_was_left_behind_prints_when_tmo_ends_it_is_no_cause() {
    let trace = "listening\nTraceback (most recent call last):\n  File \"app.py\", line 3, in <module>\n    \
                 time.sleep(1)\nKeyboardInterrupt\n";
    let mut evidence = printed(Exit::Signal(9), trace);
    let texts = |evidence: &Evidence| {
        diagnose(evidence).into_iter().map(|cause| cause.text).collect::<Vec<_>>()
    };
    let [_, interrupted] = &texts(&evidence)[..] else { panic!("{:?}", texts(&evidence)) };
    assert!(interrupted.contains("KeyboardInterrupt"), "{interrupted}");
    evidence.facts.end = Some(evidence.lines[1].time);
    assert_eq!(texts(&evidence).len(), 1, "{:?}", texts(&evidence));
}

#[test]
fn a_python_module_is_installed_by_the_pip_that_belongs_to_the_program() {
    let output = "ModuleNotFoundError: No module named 'packaging'";
    let trace =
        format!("  File \"/srv/app/venv/lib/python3.12/site-packages/x.py\", line 3\n{output}");
    for (command, output, next) in [
        ("bin/serve", output, "pip install packaging"),
        (".venv/bin/celery -A app worker", output, ".venv/bin/pip install packaging"),
        (
            "exec \"/opt/my-venv/bin/python\" app.py",
            output,
            "/opt/my-venv/bin/pip install packaging",
        ),
        ("gunicorn app", &trace, "venv/bin/pip install packaging"),
    ] {
        let mut evidence =
            Evidence { command: command.to_owned(), ..printed(Exit::Code(1), output) };
        evidence.facts.manifests = "dependencies = [\"packaging\"]".to_owned();
        let cause = diagnose(&evidence).first().unwrap().clone();
        assert_eq!(cause.next.as_deref(), Some(next), "{command}");
    }
}
