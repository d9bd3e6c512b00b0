use pretty_assertions::assert_eq;

use super::{
    Adoption, Event, Fact, HookProblem, InstallProblem, Logged, Note, Problem, RunProblem,
    ShimGone, Skip, Slow, SlowStop, Sooner, Trouble, Unavailable, What,
};
use crate::model::exit::End;
use crate::model::file_change::BuildFailure;
use crate::model::ids::Member;
use crate::model::plan::rules::Probe;
use crate::model::signal::SignalName;
use crate::model::{Exit, LifeId, ProcName};

fn name(name: &str) -> ProcName {
    ProcName::new(name).unwrap()
}

fn members() -> Vec<Member> {
    let (owner, ports) = (None, vec![]);
    vec![Member { pid: 12, name: "sleep".into(), state: 'S', owner, ports }]
}

fn timed_out() -> Problem {
    let probe = Probe::Http { url: "http://a:80/x".into() };
    Problem::TimedOut { probe, within_ms: 1500, answer: Some("404 Not Found".into()) }
}

fn skip() -> Skip {
    Skip { on: name("db"), why: Box::new(Unavailable::NotReady(timed_out())) }
}

/// One event of each kind, with the kind and the text of its record.
fn all() -> Vec<(What, &'static str, &'static str)> {
    let printed = Problem::Printed { line: "gadget does not work".into() };
    let slow = SlowStop {
        processes: vec![
            Slow { process: name("web"), pid: Some(12) },
            Slow { process: name("db"), pid: None },
        ],
        kill_in_s: 4,
        sooner: Some(Sooner::StopAgain),
    };
    vec![
        (What::Begin { fact: Fact::Listening("./s".into()) }, "begin", "Listening at ./s"),
        (
            What::Adopted { found: Adoption::Living(2) },
            "adopted",
            "The supervisor was killed; a new one goes on with 2 processes",
        ),
        (What::Echo { number: 3, opened: false }, "echo", "Echo #3 closed"),
        (
            What::Disk { dir: "/j".into(), again: false, cause: Some("no space".into()) },
            "disk",
            "The journal can't be written (/j: no space): only new output is kept",
        ),
        (
            What::Hook { why: HookProblem::Late { count: 2, seconds: 3 } },
            "hook",
            "Hooks still ran after 3 s and were killed: 2",
        ),
        (
            What::SlowStop(slow),
            "slow-stop",
            "web (pid 12), a child process of db still run; SIGKILL in 4 s, `tmo stop web db` kills \
             them now",
        ),
        (What::TmuxGone, "tmux-gone", "The tmux server is gone: ending everything"),
        (What::MainStopped, "lifecycle:main-stopped", "All main processes are stopped"),
        (
            What::Failed { why: RunProblem::Start(skip()) },
            "lifecycle:error",
            "The start failed: db is not ready: GET http://a:80/x did not succeed within 1.5 s: \
             404 Not Found",
        ),
        (
            What::Failed {
                why: RunProblem::NotStarted { on: name("db"), why: "db.spec: no space".into() },
            },
            "lifecycle:error",
            "The start failed: db could not be started: db.spec: no space",
        ),
        (What::Waiting { on: vec![name("db"), name("mq")] }, "waiting", "Waiting for db, mq"),
        (What::Ready, "ready", "Ready"),
        (
            What::Unhealthy { times: 3, answer: "no".into() },
            "unhealthy",
            "Does not work any more (3 times in a row): no",
        ),
        (
            What::Broken { why: Problem::Failed { times: 3, last: Box::new(printed) } },
            "broken",
            "Broken: failed 3 times in a row, most recently it printed `gadget does not work`; \
             `tmo restart web` tries again",
        ),
        (
            What::Skipped {
                why: Skip {
                    on: name("mq"),
                    why: Box::new(Unavailable::Idle(Some(Box::new(Note::ShimGone(
                        ShimGone::BeforeBegin,
                    ))))),
                },
            },
            "skipped",
            "Skipped: mq does not run: Its shim ended before the process could begin, again and again",
        ),
        (
            What::Backoff { pause_ms: 1940, times: Some(2) },
            "backoff",
            "Restarting in 1.9 s (ended 2 times in a row)",
        ),
        (What::NotRestarted, "not-restarted", "Stopped: it is not restarted"),
        (What::Unused { for_ms: 1_800_000 }, "unused", "Not used for 30 min: stopping"),
        (What::RestartsWith { on: name("db") }, "restarts-with", "Restarts with db"),
        (
            What::Changed { files: vec!["src/a.rs".into(), "b".into()], count: 4 },
            "changed",
            "Changed: src/a.rs (+3)",
        ),
        (
            What::WatchHeld { files: vec!["gen.rs".into()], pause_ms: 2000 },
            "watch-held",
            "Each restart changes gen.rs: the next one waits 2 s; if the process writes that itself, name it in \
             `ignore` of its `watch`",
        ),
        (
            What::Prompt { prompt: "(Pdb)".into(), again: false },
            "prompt",
            "Waits for input: (Pdb); `tmo connect web` answers it",
        ),
        (
            What::BuildFailed(BuildFailure {
                command: "make".into(),
                why: "exit status: 2".into(),
                lines: vec!["a".into(), "no rule".into()],
            }),
            "build-failed",
            "`make` failed: exit status: 2: no rule; not restarted",
        ),
        (
            What::WatchLimit { dirs: 1, why: "no room".into(), sysctl: "x=1".into() },
            "watch-limit",
            "The system reports no changes in 1 directory (no room); tmo looks there every 2 s; \
             `sudo sysctl fs.inotify.x=1` raises the limit",
        ),
        (
            What::NotWatched { why: "no thread".into() },
            "not-watched",
            "Changes of files can't be noticed: no thread",
        ),
        (What::Installing { life: LifeId::FIRST }, "installing", "Installing..."),
        (What::Installed { life: LifeId::FIRST }, "installed", "Installed"),
        (
            What::InstallFailed {
                life: LifeId::FIRST,
                why: InstallProblem::TimedOut { limit_ms: 300_000 },
            },
            "install-failed",
            "The installation timed out after 300 s",
        ),
        (
            What::PortTaken { port: 5000, by: "node (pid 7)".into() },
            "port-taken",
            "Port 5000 is taken: node (pid 7) listens on it",
        ),
        (What::Signal { sent: "HUP".parse::<SignalName>().unwrap() }, "signal", "Sent signal HUP"),
        (
            What::Stuck { members: members() },
            "stuck",
            "SIGKILL did not end sleep (pid 12, state S)",
        ),
        (What::Trouble { what: Trouble::Text("no pty".into()) }, "trouble", "no pty"),
        (
            What::Crash { life: LifeId::nth(2), text: "it crashed".into(), cause: None },
            "crash",
            "it crashed",
        ),
    ]
}

#[test]
fn each_is_read_as_it_was_written() {
    for (what, kind, text) in all() {
        let event = Event::of_process(&name("web"), what);
        let json = event.to_json();
        let logged = Logged::from_json(json.as_bytes()).unwrap();
        assert_eq!(logged.kind(), kind, "{json}");
        assert_eq!(logged.what(), Some(&event.what), "{json}");
        assert_eq!(logged.text().as_deref(), Some(text));
        let raw: serde_json::Value = serde_json::from_str(&json).unwrap();
        // The text that another version shows.
        assert_eq!((&raw["name"], &raw["text"]), (&"web".into(), &text.into()), "{json}");
        assert_eq!(raw["error"], event.what.is_error(), "{json}");
    }
}

#[test]
fn nothing_depends_on_the_stored_text() {
    for (what, kind, _) in all() {
        if kind == "crash" {
            continue;
        }
        let event = Event::of_process(&name("web"), what);
        let mut raw: serde_json::Value = serde_json::from_str(&event.to_json()).unwrap();
        raw["text"] = "in einer anderen Sprache".into();
        let logged = Logged::from_json(raw.to_string().as_bytes()).unwrap();
        assert_eq!(logged.what(), Some(&event.what));
        assert_eq!(logged.text(), event.text().map(|text| text.to_string()));
    }
}

#[test]
fn output_that_an_event_repeats_is_not_searched() {
    let line = String::from("KeyError: 'x'");
    let often =
        Problem::Failed { times: 3, last: Box::new(Problem::Printed { line: line.clone() }) };
    let cause = Some(line.clone());
    for (what, searched) in [
        (What::Crash { life: LifeId::FIRST, text: "web crashed".into(), cause }, "web crashed"),
        (What::Failing { line: line.clone() }, "Failed: printed ``"),
        (What::Broken { why: often }, "Broken: printed ``; `tmo restart web` tries again"),
        (What::Ready, "Ready"),
    ] {
        let event = Event::of_process(&name("web"), what);
        let logged = Logged::from_json(event.to_json().as_bytes()).unwrap();
        assert_eq!(logged.text().unwrap().contains(&line), searched != "Ready");
        assert_eq!(logged.searched().unwrap(), searched);
    }
}

#[test]
fn those_that_the_log_does_not_show_have_no_text() {
    let event =
        Event::of_run(What::End { run: "r".into(), end: End { code: 3, ..End::default() } });
    let json = event.to_json();
    assert!(!json.contains("text") && !json.contains("error"), "{json}");
    let logged = Logged::from_json(json.as_bytes()).unwrap();
    assert_eq!((logged.what(), logged.text()), (Some(&event.what), None));
}

#[test]
fn newer_versions_are_shown_in_their_own_words() {
    let line = br#"{"event":"broken","name":"web","text":"Broken: printed `x`","error":true}"#;
    let logged = Logged::from_json(line).unwrap();
    assert!(logged.what().is_none() && logged.is_error());
    assert_eq!(logged.text().as_deref(), Some("Broken: printed `x`"));
    let line = br#"{"event":"from-the-future","text":"Hm"}"#;
    assert_eq!(Logged::from_json(line).unwrap().text().as_deref(), Some("Hm"));
    assert!(Logged::from_json(b"no JSON").is_none());
}

#[test]
fn notes_are_read_as_they_were_written() {
    let skip = Skip { on: name("db"), why: Box::new(Unavailable::Broken(timed_out())) };
    let ended = InstallProblem::Ended { exit: Exit::Signal(9) };
    for note in [
        Note::Broken(timed_out()),
        Note::Skipped(skip),
        Note::NotRun(Exit::Code(127)),
        Note::NotInstalled(InstallProblem::Interrupted),
        Note::NotInstalled(ended),
    ] {
        let json = serde_json::to_string(&note).unwrap();
        assert_eq!(serde_json::from_str::<Note>(&json).unwrap(), note, "{json}");
    }
}
