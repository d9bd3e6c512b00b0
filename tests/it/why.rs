//! `tmo why` and `tmo crashes`: the cause of an exit.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::harness::ports::free_port;
use crate::harness::{World, eventually, pause, procs};
use serde_json::Value;

/// The report of the only crash of a process, once it is written.
fn report(world: &World, name: &str) -> PathBuf {
    let dir = world.journal().join("crash-reports");
    eventually("there is a report", || {
        let files = std::fs::read_dir(&dir).ok()?.flatten().map(|file| file.path());
        let of_it = |path: &PathBuf| {
            let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let whole = path.extension().is_some_and(|ending| ending == "json");
            whole && file.starts_with(&format!("{name}-"))
        };
        files.into_iter().find(of_it)
    })
}

const CRASHES: &str = "web: echo up; printf '\\033[31mError: listen EADDRINUSE: address already in use :::5999\\033[0m\\n'; exit 3\n\
    api: echo ready; exec sleep 1000\n";

/// A run whose `web` has ended, and which goes on.
fn crashed() -> World {
    let world = World::new(CRASHES).env("SECRET", "hush");
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "exited");
    eventually("api speaks", || world.ok(["logs", "api"]).contains("ready").then_some(()));
    world
}

fn json(world: &World, args: &[&str]) -> Value {
    serde_json::from_str(&world.run([args, &["--json"]].concat()).stdout).unwrap()
}

/// What `tmo why` says where something is wrong.
#[track_caller]
fn wrong(world: &World, names: &[&str]) -> String {
    let ran = world.run([&["why"], names].concat());
    assert_eq!(ran.code, 1, "something is wrong: {ran:?}");
    ran.stdout
}

#[test]
fn why_explains_an_exit_during_the_run() {
    let world = crashed();
    let reported = wrong(&world, &["web"]);
    assert!(reported.starts_with("web ended at 20"), "{reported}");
    assert!(reported.contains("(exit 3) after"), "{reported}");
    assert!(reported.contains("state of web: exited\n"), "{reported}");
    assert!(reported.contains("port 5999 was taken, but is free now"), "{reported}");
    assert!(reported.contains("| Error: listen EADDRINUSE"), "{reported}");
    assert!(reported.contains("$ tmo start web"), "{reported}");
    assert!(!reported.contains('\u{1b}'), "{reported}");
    let path = report(&world, "web");
    assert!(wrong(&world, &[]).starts_with("web ended at 20"));
    let answer = json(&world, &["why"]);
    assert_eq!((&answer["process"], &answer["api"]), (&Value::from("web"), &Value::from(1)));
    assert_eq!(answer["causes"][0]["kind"], "port-taken");
    assert_eq!(answer["exitCode"], 3);
    assert_eq!(answer["lastLogs"][0], "up");
    assert_eq!(answer["report"], path.display().to_string());
    assert_eq!(answer["state"]["state"], "exited");
    // What shows it is where it says.
    let cursor = answer["causes"][0]["evidence"]["cursor"].as_str().unwrap().to_owned();
    let log = world.ok(["logs", "web", "--json", "--grep", "EADDRINUSE"]);
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(line["cursor"], cursor);
    let ran = world.run(["why", "api"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "nothing is wrong: api is running\n"));
    let ran = world.run(["why", "wbe"]);
    assert!(ran.code == 2 && ran.stderr.contains("web"), "{ran:?}");
    world.ok(["stop", "api"]);
    let reported = world.ok(["why", "api"]);
    assert!(reported.contains("it was stopped by a command of tmo"), "{reported}");
    world.ok(["quit"]);
}

#[test]
fn why_names_the_process_that_ended_the_run() {
    let world =
        World::new("db: echo 'FATAL: no disk'; read x; exit 4\nweb: echo on; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let ran = world.run(["why"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "all processes are running\n"));
    world.type_into("db", "");
    world.wait_state_gone();
    let answer = json(&world, &["why"]);
    assert_eq!(answer["process"], "db");
    assert_eq!(answer["causes"][0]["text"], "it logged: FATAL: no disk");
    assert_eq!(answer["state"], Value::Null);
    assert_eq!(answer["runEnded"], "ended because db exited with code 4");
    let printed = wrong(&world, &[]);
    assert!(printed.contains("The run ended because db exited with code 4\n"), "{printed}");
    let answer = json(&world, &["why", "web"]);
    assert_eq!(answer["causes"][0]["kind"], "stopped-with-other");
    assert_eq!(answer["causes"][0]["text"], "tmo stopped it because db exited with code 4");
    assert_eq!(answer["causes"][0]["next"], "tmo why db");
}

#[test]
fn why_has_nothing_to_explain_after_a_requested_end() {
    let world = World::new("web: exec sleep 1000\n");
    let ran = world.run(["why"]);
    assert!(ran.code == 1 && ran.stderr.contains("no run has logged"), "{ran:?}");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world.ok(["quit"]);
    let ran = world.run(["why"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "the last run ended as it was asked to (tmo quit, Ctrl-C, a closed output)\n")
    );
    let reported = world.ok(["why", "web"]);
    assert!(reported.contains("it was stopped by a command of tmo"), "{reported}");
    let ran = world.run(["crashes"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert_eq!(ran.stderr, "tmo: there is no crash report\n");
}

#[test]
fn crashes_lists_and_shows_reports() {
    let world = crashed();
    let path = report(&world, "web");
    let file = path.file_name().unwrap().to_str().unwrap();
    for args in
        [&["crashes"][..], &["crashes", "list"], &["crashes", "list", "web"], &["crashes", "web"]]
    {
        let reported = world.ok(args);
        assert_eq!(reported.lines().count(), 2, "{reported}");
        let row = reported.lines().last().unwrap();
        assert!(row.contains("web      exit 3") && row.contains(file), "{row}");
        assert!(row.ends_with("port 5999 was taken, but is free now"), "{row}");
    }
    assert_eq!(json(&world, &["crashes", "list", "api"]), Value::Array(vec![]));
    let listed = json(&world, &["crashes"]);
    assert_eq!(listed[0]["processName"], "web");
    assert_eq!(listed[0]["cause"]["kind"], "port-taken");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let named = path.display().to_string();
    for args in
        [&["crashes", "show"][..], &["crashes", "show", "web"], &["crashes", "show", &named]]
    {
        assert_eq!(json(&world, args), written);
    }
    assert!(!written.to_string().contains("hush"));
    let reported = world.ok(["crashes", "show"]);
    assert!(reported.contains("`echo up; printf "), "{reported}");
    assert!(reported.contains("api    | ready") && reported.contains("web    | up"), "{reported}");
    assert!(reported.contains("web    | ended with code 3"), "{reported}");
    assert!(
        reported.ends_with(&format!("{named}\n")) && !reported.contains('\u{1b}'),
        "{reported}"
    );
    let mut colored = world.tmo(["crashes", "show"]);
    let colored = colored.env("CLICOLOR_FORCE", "1").output().unwrap().stdout;
    assert!(String::from_utf8(colored).unwrap().contains("\u{1b}[1;38;5;"), "as the log is");
    let ran = world.run(["crashes", "show", "api"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, "tmo: there is no crash report of api\n"));
    let ran = world.run(["crashes", "delete", "web"]);
    assert!(ran.code == 2 && ran.stderr.contains("list or show"), "{ran:?}");
    let reported = wrong(&world, &[]);
    assert!(reported.ends_with("Output of the others: `tmo crashes show web`\n"), "{reported}");
    assert_eq!(json(&world, &["why"])["report"], named);
    world.ok(["quit"]);
    assert_eq!(json(&world, &["why"])["report"], named, "after the run as well");
}

#[test]
fn why_distinguishes_a_crash_from_the_stops_that_follow() {
    let world = crashed();
    world.ok(["quit"]);
    assert_eq!(json(&world, &["why", "web"])["causes"][0]["kind"], "port-taken");
    assert_eq!(json(&world, &["why", "api"])["causes"][0]["kind"], "stopped-by-request");
}

#[test]
fn why_explains_a_process_that_never_became_ready() {
    let world = World::new("web: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.db]\ncommand = \"exec sleep 1000\"\nphase = \"dependency\"\n\
         ready = { log = \"up\", timeout = \"100ms\" }\n",
    );
    assert_eq!(world.run(["start"]).code, 1);
    let answer = json(&world, &["why"]);
    assert_eq!(answer["process"], "db");
    assert_eq!(answer["causes"][0]["kind"], "readiness-timed-out");
    let todo =
        "did not print `up` within 100 ms; if it only needs longer, raise `timeout` in its `ready`";
    assert_eq!(answer["causes"][0]["text"], todo);
    let reported = wrong(&world, &["web"]);
    assert!(
        reported.starts_with(
            "web was skipped in the last run\n\
             The run ended because the start failed: db is not ready: did not print `up` within 100 ms\n\n  \
             db is not ready"
        ),
        "{reported}"
    );
    assert!(reported.contains("$ tmo why db"), "{reported}");
}

#[test]
fn why_explains_a_life_ended_by_a_failure_pattern_at_once() {
    let world =
        World::new("web: read x; echo; echo BOOM; exec sleep 1000\nkeep: exec sleep 1000\n");
    world.write("tmo.toml", "[[process.web.failure]]\npattern = \"boom\"\naction = \"restart\"\n");
    world.ok(["start", "-D"]);
    world.type_into("web", "");
    eventually("it is started again", || {
        (world.field("web", "lives") == 2 && world.field("web", "state") == "running").then_some(())
    });
    // A report is written a second later.
    let answer = json(&world, &["why", "web"]);
    assert_eq!(answer["causes"][0]["kind"], "failure-pattern");
    assert_eq!(answer["causes"].as_array().map(Vec::len), Some(1), "{answer}");
    world.ok(["quit"]);
}

#[test]
fn why_suggests_stopping_the_process_of_the_run_that_holds_a_port() {
    let port = free_port();
    let serve = format!("exec python3 -u -m http.server -b 127.0.0.1 {port}");
    let world = World::new(&format!("web: {serve}\nother: {serve}\n"));
    if world.shell("python3 --version").code != 0 {
        eprintln!("SKIPPED: there is no python3");
        return;
    }
    world.ok(["start", "-D", "--any-can-die", "web"]);
    eventually("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    world.ok(["start", "other"]);
    world.wait_state("other", "exited");
    let reported = wrong(&world, &["other"]);
    assert!(reported.contains(&format!("port {port} is taken by web (python")), "{reported}");
    assert!(reported.contains("$ tmo stop web\n"), "{reported}");
    world.ok(["quit"]);
}

/// Write the text of each event into the log in letters that mean nothing; its values stay.
fn garble_events(world: &World) {
    let file = world.journal().join("@events.00000000000000000000.log");
    let lines = std::fs::read_to_string(&file).unwrap();
    let (mut garbled, mut other) = (0, String::with_capacity(lines.len()));
    for line in lines.split_inclusive('\n') {
        // The text of a `crash` is a value: what the diagnosis has found.
        let begin = "\"text\":\"";
        let text = line.find(begin).filter(|_| !line.contains("\"event\":\"crash\""));
        let from = text.map_or(line.len(), |at| at + begin.len());
        let until = line[from..].find("\",\"error\"").map_or(line.len(), |at| from + at);
        garbled += usize::from(from < until);
        other += &line[..from];
        other.extend(line[from..until].chars().map(|c| if c.is_alphabetic() { 'x' } else { c }));
        other += &line[until..];
    }
    assert_eq!(other.len(), lines.len());
    std::fs::write(file, other).unwrap();
    assert!(garbled > 10, "{garbled}");
}

#[test]
fn why_does_not_parse_the_text_of_events() {
    let world = World::new("");
    world.write(
        "tmo.toml",
        r#"
        [process.web]
        command = "echo gadget does not work; exec sleep 1000"
        failure = [{ pattern = "does not work", action = "break" }]
        [process.sick]
        command = "echo up; exec sleep 1000"
        ready = [{ log = "up", timeout = "10s" }]
        live = { exec = "exit 7", every = "50ms", failures = 1, action = "break" }
        [process.late]
        command = "exec sleep 1000"
        ready = [{ log = "never", timeout = "100ms" }]
        [process.after]
        command = "exec sleep 1000"
        depends_on = { late = "ready" }
        [process.again]
        command = "sleep 0.05; exit 3"
        restart = { policy = "always", delay = "10ms", max_failures = 2 }
        "#,
    );
    world.run(["start", "-D", "--any-can-die"]);
    for (name, state) in
        [("web", "broken"), ("sick", "broken"), ("again", "broken"), ("after", "skipped")]
    {
        world.wait_state(name, state);
    }
    let answers = || {
        let commands: [&[&str]; 10] = [
            &["why", "web", "--json"],
            &["why", "sick", "--json"],
            &["why", "late", "--json"],
            &["why", "again", "--json"],
            &["crashes", "--json"],
            &["events", "--json"],
            &["events"],
            &["logs"],
            &["logs", "--json", "--since", "1h"],
            &["history"],
        ];
        commands.map(|args| (args, format!("{:?}", world.run(args))))
    };
    let running = answers();
    assert!(running[0].1.contains("failure-pattern"), "{:?}", running[0]);
    assert!(running[1].1.contains("not-live"), "{:?}", running[1]);
    world.ok(["quit"]);
    world.wait_empty();
    std::fs::remove_dir_all(world.journal().join("crash-reports")).unwrap();
    let before = answers();
    garble_events(&world);
    for (before, after) in before.iter().zip(answers()) {
        assert_eq!(before, &after);
    }
}

#[test]
fn why_names_the_program_that_a_shell_could_not_execute() {
    let world = World::new(
        "file: cd . && exec ./nothere\nname: sleep 0.01; exec nosuchthing\n\
         mode: export A=1; exec ./app.sh\n",
    );
    world.write("app.sh", "");
    for shell in ["sh", "bash", "zsh"] {
        if !["/bin", "/usr/bin"].iter().any(|dir| Path::new(dir).join(shell).exists()) {
            continue;
        }
        world.ok(["start", "-D", "--any-can-die", "-H", shell]);
        for (name, told) in [
            ("file", "nothere, or its first line names a missing program"),
            ("name", "there is no command nosuchthing"),
            ("mode", "app.sh is not executable"),
        ] {
            world.wait_state(name, "exited");
            let reported = wrong(&world, &[name]);
            assert!(reported.contains(told), "{shell}: {reported}");
        }
        world.ok(["quit"]);
        world.wait_state_gone();
    }
}

/// A run of one process that prints a message and fails, to its end.
fn fail_with(world: &World, message: &str) {
    world.write("msg", &format!("{message}\n"));
    let ran = world.run(["start"]);
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
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
fn why_does_not_blame_a_process_that_was_expected_to_end() {
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
fn why_does_not_report_the_crash_of_an_earlier_run() {
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
fn why_suggests_a_valid_command_for_an_editor_without_line_numbers() {
    let world = World::new("web: python3 crash.py\n").env("EDITOR", "code --wait");
    world.write("crash.py", "\n\n\nraise KeyError('x')\n");
    world.run(["start"]);
    let reported = world.run(["why"]).stdout;
    assert!(reported.contains("crash.py") && !reported.contains("code --wait} +4"), "{reported}");
    assert!(reported.contains("--goto") || reported.contains("-g "), "{reported}");
}

#[test]
fn what_tmo_made_the_rest_of_a_killed_process_print_is_no_cause() {
    let world = World::new("web: python3 app.py; true\nother: exec sleep 1000\n");
    if world.shell("python3 --version").code != 0 {
        eprintln!("SKIPPED: there is no python3");
        return;
    }
    world.write("app.py", "import time\nprint('up', flush=True)\ntime.sleep(1000)\n");
    world.ok(["start", "-D", "--any-can-die"]);
    eventually("it is up", || world.ok(["logs"]).contains("up").then_some(()));
    world.shell(&format!("kill -9 {}", world.field("web", "pid")));
    world.wait_state("web", "exited");
    assert!(world.ok(["logs"]).contains("KeyboardInterrupt"), "{}", world.ok(["logs"]));
    let answer = json(&world, &["why", "web"]);
    assert_eq!(answer["causes"].as_array().map(Vec::len), Some(1), "{answer}");
    world.ok(["quit"]);
}

#[test]
fn a_process_that_may_end_is_as_expected_during_and_after_the_run() {
    let world = World::new("web: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.one]\ncommand = \"exit 0\"\nready = { log = \"x\" }\non_exit = \"ignore\"\n",
    );
    world.ok(["start", "-D"]);
    world.wait_state("one", "exited");
    let during = world.ok(["why", "one"]);
    assert!(during.contains("one has ended with code 0, as expected"), "{during}");
    world.ok(["quit"]);
    world.wait_empty();
    assert_eq!(world.ok(["why", "one"]), during);
    let said = world.ok(["why"]);
    assert!(said.contains("the last run ended as it was asked to"), "{said}");
}

#[test]
fn ps_marks_a_process_whose_program_has_failed_below_a_watcher() {
    let world = World::new(
        "web: echo 'TypeError: no'; echo '[nodemon] app crashed - waiting for file changes before \
         starting...'; read x; echo '[nodemon] starting `node app.js`'; exec sleep 1000\n\
         api: echo 'GET / 500 Error'; exec sleep 1000\nlate: exit 3\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("late", "exited");
    let row = |name: &str| {
        let table = world.ok(["ps"]);
        table.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
    };
    eventually("it is marked", || row("web").contains("`tmo why web`").then_some(()));
    assert!(!row("api").contains("why"), "{}", row("api"));
    let answer = json(&world, &["why"]);
    assert_eq!((&answer["process"], &answer["others"][0]), (&"late".into(), &"web".into()));
    assert!(wrong(&world, &[]).contains("Something is wrong with web too: `tmo why NAME`"));
    world.type_into("web", "");
    eventually("it is over", || (!row("web").contains("why")).then_some(()));
    assert_eq!(world.run(["why", "web"]).code, 0);
    world.ok(["quit"]);
}

#[test]
fn a_project_describes_a_watcher_of_its_own() {
    let world = World::new(
        "web: echo 'it exploded'; echo 'gale: gave up'; read x; echo 'gale: go'; exec sleep 1000\n",
    );
    let row = || world.ok(["ps"]).lines().find(|line| line.starts_with("web")).unwrap().to_owned();
    world.ok(["start", "-D"]);
    eventually("it failed", || world.ok(["logs"]).contains("gave up").then_some(()));
    assert!(!row().contains("why"), "{}", row());
    let table = "[watcher.gale]\nfailed = '^gale: gave up$'\nrecovered = '^gale: go$'\n";
    world.write("tmo.toml", table);
    world.ok(["check"]);
    world.ok(["reload"]);
    assert!(row().contains("`tmo why web`"), "{}", row());
    assert_eq!(
        wrong(&world, &["web"]).lines().next().map(|line| line.contains("failed")),
        Some(true)
    );
    world.type_into("web", "");
    eventually("it is over", || (!row().contains("why")).then_some(()));
    assert_eq!(world.run(["why", "web"]).code, 0);
    world.write("tmo.toml", "[watcher.gale]\nfailed = '('\n");
    let ran = world.run(["check"]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("invalid regular expression") && said.contains("recovered"), "{said}");
    world.ok(["quit"]);
}

#[test]
fn why_ends_where_the_index_is_empty_or_lost() {
    let world = World::new("web: echo hi; exit 3\n");
    let index = || {
        let files = std::fs::read_dir(world.journal()).unwrap().flatten().map(|file| file.path());
        let is_index =
            |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("@index.");
        files.filter(is_index).collect::<Vec<_>>()
    };
    let all_end = || {
        for args in [&["why"][..], &["why", "web"], &["logs"], &["crashes"]] {
            let mut command = world.tmo(args);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            eventually(&format!("{args:?} ends"), || child.try_wait().unwrap());
        }
    };
    assert_eq!(world.run(["start"]).code, 3);
    assert!(!index().is_empty());
    for path in index() {
        std::fs::write(path, "").unwrap();
    }
    all_end();
    assert_eq!(world.run(["start"]).code, 3);
    all_end();
    for path in index() {
        std::fs::remove_file(path).unwrap();
    }
    all_end();
    // In a run as well: each request would keep a thread of the supervisor.
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "exited");
    for path in index() {
        std::fs::write(path, "").unwrap();
    }
    for uri in ["/api/why", "/api/processes/web/why"] {
        let mut stream = UnixStream::connect(world.app().join(".overmind.sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET {uri} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
    world.ok(["quit"]);
}

/// With a check of a port, too: only `exit` and "completed" say that a process is to end.
#[test]
fn why_marks_a_dependency_with_a_checked_port_that_ended_with_success() {
    let port = free_port();
    let listen = format!(
        "import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); \
         s.bind(('127.0.0.1', {port})); s.listen(); input()"
    );
    let world = World::new(&format!("db: exec python3 -c \"{listen}\"\nweb: exec sleep 1000\n"));
    world.write(
        "tmo.toml",
        &format!("[process.db]\nphase = \"dependency\"\nready = {{ port = {port} }}\non_exit = \"ignore\"\n"),
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world.type_into("db", "");
    world.wait_state("db", "exited");
    let answer = json(&world, &["why"]);
    assert_eq!((&answer["process"], world.run(["why"]).code), (&Value::from("db"), 1), "{answer}");
    assert_eq!(answer["causes"][0]["kind"], "ended-early", "{answer}");
    world.ok(["quit"]);
}

/// A run whose `db` has ended with success, although `web` depends on it, and which goes on.
fn without_db(world: &World, more: &str) {
    world.write(
        "tmo.toml",
        &format!(
            "[process.db]\nready = {{ log = \"db up\" }}\non_exit = \"ignore\"\n\
             [process.web]\ndepends_on = [\"db\"]\n{more}"
        ),
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let ran = world.run(["why", "web"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "nothing is wrong: web is running\n"));
    world.type_into("db", "");
    world.wait_state("db", "exited");
}

#[test]
fn why_and_ps_mark_a_dependency_that_ended_with_success_but_was_to_stay() {
    let world =
        World::new("db: echo db up; read x\nweb: exec sleep 1000\nother: exec sleep 1000\n");
    without_db(&world, "");
    let answer = json(&world, &["why"]);
    assert_eq!(answer["process"], "db", "{answer}");
    assert_eq!(answer["causes"][0]["kind"], "ended-early", "{answer}");
    assert_eq!(answer["state"]["missed_by"], serde_json::json!(["web"]), "{answer}");
    assert!(wrong(&world, &[]).starts_with("db ended at "));
    let reported = wrong(&world, &["web"]);
    assert!(reported.starts_with("web is running (pid "), "{reported}");
    assert!(
        reported.contains("  it depends on db, which ended with code 0\n    $ tmo why db\n"),
        "{reported}"
    );
    let ran = world.run(["why", "other"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "nothing is wrong: other is running\n"));
    let table = world.ok(["ps"]);
    let row = table.lines().find(|line| line.starts_with("db ")).unwrap();
    assert!(row.ends_with("web depends on it; `tmo why db` explains it"), "{table}");
    // Without anything that depends on it, its end is expected.
    world.ok(["stop", "web"]);
    world.wait_state("web", "stopped");
    let ran = world.run(["why"]);
    assert!(
        ran.code == 0 && ran.stdout.contains("db has ended with code 0, as expected"),
        "{ran:?}"
    );
    world.ok(["quit"]);
    world.wait_empty();
    let ended = "nothing is wrong: db has ended with code 0, as expected\n";
    assert_eq!(world.ok(["why", "db"]), ended, "after the run as well");
}

#[test]
fn why_names_the_ended_process_at_whose_port_a_connection_was_refused() {
    let port = free_port();
    let world = World::new(&format!(
        "redis: read x\n\
         web: read x; echo \"Error 111 connecting to 127.0.0.1:{port}. Connection refused.\"; \
         printf 'Traceback (most recent call last):\\n  File \"a.py\", line 3, in f\\nAttributeError: no errors\\n'; \
         read x; exit 1\n"
    ));
    world.write(
        "tmo.toml",
        &format!("[process.redis]\nready = {{ port = {port}, timeout = \"1h\" }}\n"),
    );
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "running");
    world.type_into("redis", "");
    world.wait_state("redis", "exited");
    world.type_into("web", "");
    eventually("it has printed", || world.ok(["logs", "web"]).contains("no errors").then_some(()));
    let text = format!("nothing listens on port {port} of redis, which ended with code 0");
    let answer = json(&world, &["why", "web"]);
    assert_eq!(answer["causes"][0]["text"], text, "{answer}");
    assert_eq!(answer["causes"][0]["next"], "tmo why redis", "{answer}");
    world.type_into("web", "");
    world.wait_state("web", "exited");
    let answer = json(&world, &["why", "web"]);
    assert_eq!(answer["causes"][0]["text"], text, "{answer}");
    world.ok(["quit"]);
    let answer = json(&world, &["why", "web"]);
    assert_eq!(answer["causes"][0]["text"], text, "also from the report: {answer}");
}

#[test]
fn why_names_the_stopped_process_at_whose_port_a_connection_was_refused() {
    let port = free_port();
    let world = World::new(&format!(
        "redis: exec sleep 1000\n\
         web: read x; echo \"Error 111 connecting to 127.0.0.1:{port}. Connection refused.\"; read x\n"
    ));
    world.write(
        "tmo.toml",
        &format!("[process.redis]\nready = {{ port = {port}, timeout = \"1h\" }}\n"),
    );
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "running");
    world.ok(["stop", "redis"]);
    world.type_into("web", "");
    eventually("it has printed", || world.ok(["logs", "web"]).contains("refused").then_some(()));
    let cause = json(&world, &["why", "web"])["causes"][0].clone();
    let text = format!("nothing listens on port {port} of redis, which was stopped");
    assert_eq!((&cause["text"], &cause["next"]), (&text.into(), &"tmo start redis".into()));
    world.ok(["quit"]);
}

#[test]
fn why_names_the_stopped_process_that_a_process_needs_where_no_port_is_named() {
    let port = free_port();
    let python = |error: &str| {
        format!(
            "read x; printf 'Traceback (most recent call last):\\n  File \"a.py\", line 3, in f\\n{error}\\n'; exit 1"
        )
    };
    let refused = python("ConnectionRefusedError: [Errno 111] Connection refused");
    let lost = python("pg8000.exceptions.InterfaceError: network error");
    let world = World::new(&format!(
        "store: exec sleep 1000\nmigrate: true\nthrough: exec sleep 1000\nworker: {refused}\n\
         listener: {lost}\nurl: {refused}\nunrelated: {refused}\n"
    ));
    world.write(
        "tmo.toml",
        &format!(
            "[process.store]\nready = {{ port = {port}, timeout = \"1h\" }}\n\
             [process.through]\ndepends_on = {{ store = \"started\", migrate = \"completed\" }}\n\
             [process.worker]\ndepends_on = {{ through = \"started\" }}\n\
             [process.listener]\ndepends_on = {{ store = \"started\" }}\n\
             [process.url]\nenv.STORE_URL = \"pg://localhost:{port}/shop\"\n"
        ),
    );
    world.ok(["start", "-D", "--any-can-die"]);
    for name in ["worker", "listener", "url", "unrelated"] {
        world.wait_state(name, "running");
    }
    world.ok(["stop", "store"]);
    for name in ["worker", "listener", "url", "unrelated"] {
        world.type_into(name, "");
        world.wait_state(name, "exited");
        let cause = json(&world, &["why", name])["causes"][0].clone();
        let (text, next) = (cause["text"].as_str().unwrap(), cause["next"].as_str().unwrap());
        let is_named = text == "store, which it needs, was stopped" && next == "tmo start store";
        assert_eq!(is_named, name != "unrelated", "{name}: {cause}");
    }
    world.ok(["quit"]);
}

#[test]
fn why_explains_the_last_failure_in_a_crash_loop_and_not_the_last_that_has_a_report() {
    let world = World::new(
        "web: read x; printf \"Traceback (most recent call last):\\n  File \\\"a.py\\\", line 3, in f\\n$x\\n\"; exit 1\n",
    );
    world.ok(["start", "-D", "-r", "web"]);
    for (error, lives) in [("KeyError: 1", 2), ("ValueError: 2", 3)] {
        world.type_into("web", error);
        eventually("it is started again", || {
            (world.field("web", "lives") == lives && world.field("web", "state") == "running")
                .then_some(())
        });
        if lives == 2 {
            report(&world, "web");
        }
        let said = world.ok(["why", "web"]);
        assert!(said.contains("is running again; its last failure:"), "{said}");
        assert!(said.contains(&format!("likely: {error}\n")), "{said}");
    }
    world.ok(["restart", "web"]);
    eventually("it is started again", || (world.field("web", "lives") == 4).then_some(()));
    let said = world.ok(["why", "web"]);
    assert!(said.starts_with("nothing is wrong: web is running. Earlier in this run"), "{said}");
    world.ok(["quit"]);
}

#[test]
fn why_names_all_that_failed_in_a_run_that_is_over() {
    let world = World::new(
        "api: until [ -e worker ]; do sleep 0.1; done; exec nosuchprogram\n\
         worker: read x; touch worker; exec nosuchprogram\nweb: exec sleep 1000\n",
    );
    world.ok(["start", "-D", "-c", "worker"]);
    world.type_into("worker", "");
    world.wait_state_gone();
    let answer = json(&world, &["why"]);
    assert_eq!(
        (&answer["process"], &answer["others"]),
        (&"api".into(), &serde_json::json!(["worker"]))
    );
    assert!(wrong(&world, &[]).contains("Something is wrong with worker too: `tmo why NAME`\n"));
}

#[test]
fn why_has_a_heading_and_the_command_for_what_was_skipped() {
    let world = World::new("migrate: [ -e fixed ]\nweb: exec sleep 1000\nother: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.migrate]\non_exit = \"ignore\"\n[process.web]\ndepends_on = { migrate = \"completed\" }\n",
    );
    world.run(["start", "-D"]);
    world.wait_state("web", "skipped");
    let reported = wrong(&world, &["web"]);
    assert!(
        reported
            .starts_with("web is skipped\n\n  migrate ended with code 1\n    $ tmo why migrate\n"),
        "{reported}"
    );
    world.ok(["quit"]);
}

#[test]
fn a_run_that_a_finished_process_ended_shows_how_to_let_it_end() {
    let world = World::new("migrate: echo done\nweb: exec sleep 1000\n");
    let ran = world.run(["start"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let way = "if migrate may end: `tmo start -c migrate`, or `on_exit = \"ignore\"` in tmo.toml";
    assert!(ran.stdout.contains(way), "{ran:?}");
    let reported = wrong(&world, &[]);
    assert!(
        reported.contains("it exited with code 0, which ended the run. If migrate may end"),
        "{reported}"
    );
    assert!(reported.contains("$ tmo start -c migrate\n"), "{reported}");
    world.ok(["start", "-D", "-c", "migrate"]);
    world.wait_state("migrate", "exited");
    assert_eq!(world.run(["why"]).code, 0);
    world.ok(["quit"]);
    // The only process ends nothing but itself.
    let world = World::new("web: echo done\n");
    assert_eq!(world.run(["start"]).code, 0);
    let reported = wrong(&world, &[]);
    assert!(!reported.contains(" -c ") && reported.contains("it exited with code 0"), "{reported}");
}

#[test]
fn a_crash_is_found_once_in_the_log() {
    let world = World::new("web: read x; echo cart is undefined; exit 1\nkeep: exec sleep 1000\n");
    world.ok(["start", "-D", "--any-can-die"]);
    for life in 1..3 {
        world.type_into("web", "");
        world.wait_state("web", "exited");
        let crashed = || world.ok(["logs", "--grep", "web crashed"]).lines().count();
        eventually("the crash is in the log", || (crashed() == life).then_some(()));
        assert_eq!(world.ok(["logs", "--grep", "cart is undefined"]).lines().count(), life);
        world.ok(["start", "web"]);
    }
    let log = world.ok(["logs"]);
    assert_eq!(log.matches("| cart is undefined").count(), 2, "{log}");
    world.ok(["quit"]);
}

#[test]
fn why_says_that_a_run_was_stopped_before_it_was_ready() {
    let world = World::new("web: exec sleep 1000\n");
    world.write("tmo.toml", "[process.web]\nready = { log = \"up\", timeout = \"100ms\" }\n");
    assert_eq!(world.run(["start", "--until-ready", "--", "true"]).code, 1);
    let reported = wrong(&world, &[]);
    assert!(reported.contains("The run was stopped before web was ready\n"), "{reported}");
}

#[test]
fn a_port_that_was_taken_at_the_start_is_logged_and_is_the_first_cause() {
    let held = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = held.local_addr().unwrap().port();
    let first = port.to_string();
    let taken = format!("port {port} is taken by ");
    let logged = format!("web    | Port {port} is taken: ");
    let world = World::new("web: echo up on $PORT\n");
    assert_eq!(world.run(["start", "-p", &first]).code, 0);
    assert!(world.ok(["logs"]).contains(&logged), "{}", world.ok(["logs"]));
    let answer = json(&world, &["why"]);
    assert_eq!(answer["causes"][0]["kind"], "port-taken", "{answer}");
    assert!(answer["causes"][0]["text"].as_str().unwrap().starts_with(&taken), "{answer}");
    // A watcher goes on.
    let world = World::new(
        "web: echo up on $PORT; echo '[nodemon] clean exit - waiting for changes before restart'; \
         exec sleep 1000\n",
    );
    world.ok(["start", "-D", "-p", &first]);
    eventually("it has ended", || world.ok(["logs"]).contains("clean exit").then_some(()));
    let reported = wrong(&world, &["web"]);
    assert!(reported.contains(&taken), "{reported}");
    let table = world.ok(["ps"]);
    assert!(table.contains("its program has failed: `tmo why web`"), "{table}");
    drop(held);
    // In a later life, only a port that is taken now counts.
    world.ok(["restart", "web"]);
    eventually("it has ended again", || {
        (world.ok(["logs"]).matches("clean exit").count() == 2).then_some(())
    });
    assert!(!world.ok(["ps"]).contains("tmo why web"), "{}", world.ok(["ps"]));
    assert_eq!(world.run(["why", "web"]).code, 0);
    world.ok(["quit"]);
}

#[test]
fn a_port_that_was_taken_at_the_start_is_no_cause_once_it_is_free() {
    let held = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let world = World::new(
        "web: echo serves $PORT; printf \"Traceback (most recent call last):\\n  File \\\"app.py\\\", line 3, in \
         <module>\\nKeyError: 'x'\\n\"; exit 1\n",
    );
    world.ok(["start", "-D", "-p", &port, "--any-can-die"]);
    world.wait_state("web", "exited");
    let kind = |at: usize| json(&world, &["why", "web"])["causes"][at]["kind"].clone();
    assert_eq!((kind(0), kind(1)), ("exception".into(), "port-taken".into()));
    drop(held);
    world.ok(["start", "web"]);
    let second = || (world.field("web", "lives") == 2).then_some(());
    eventually("it runs again", second);
    world.wait_state("web", "exited");
    assert_eq!((kind(0), kind(1)), ("exception".into(), Value::Null));
    world.ok(["quit"]);
}

/// A run in which `web` waits for `migrate`, which fails while there is no file `good`.
fn repaired_skip() -> World {
    let world = World::new("");
    world.write(
        "tmo.toml",
        "[process.db]\ncommand = \"exec sleep 1000\"\n\
         [process.migrate]\ncommand = \"test -e good || exit 3\"\n\
         [process.web]\ncommand = \"exec sleep 1000\"\ndepends_on = { migrate = \"completed\" }\n",
    );
    assert_eq!(world.run(["start", "-D"]).code, 1);
    world.wait_state("web", "skipped");
    world.write("good", "");
    world.ok(["restart", "migrate"]);
    world.wait_state("web", "running");
    report(&world, "migrate");
    world
}

#[test]
fn why_forgets_a_skip_and_a_crash_that_were_repaired() {
    let world = repaired_skip();
    let said = world.ok(["why", "migrate"]);
    assert!(
        said.starts_with("nothing is wrong: migrate has ended with code 0, as expected"),
        "{said}"
    );
    assert!(said.contains("Earlier in this run, migrate crashed at "), "{said}");
    assert!(said.ends_with("(`tmo crashes show migrate`)\n"), "{said}");
    world.ok(["quit"]);
    world.wait_empty();
    assert!(world.ok(["why"]).starts_with("the last run ended as it was asked to"));
    let said = world.ok(["why", "migrate"]);
    assert!(
        said.starts_with("nothing is wrong: migrate has ended with code 0, as expected"),
        "{said}"
    );
    let said = world.ok(["why", "web"]);
    assert!(said.contains("it was stopped by a command of tmo"), "{said}");
}

#[test]
fn why_tells_of_a_stopped_process_how_it_was_stopped_and_not_that_it_crashed_before() {
    let world = World::new("db: test -e on || { touch on; exit 1; }; exec sleep 1000\n");
    world.ok(["start", "-D", "-r", "db"]);
    eventually("it is started again", || {
        (world.field("db", "lives") == 2 && world.field("db", "state") == "running").then_some(())
    });
    report(&world, "db");
    let said = world.ok(["why", "db"]);
    assert!(said.contains("(exit 1)") && said.contains("state of db: running"), "{said}");
    world.ok(["stop", "db"]);
    let said = world.ok(["why", "db"]);
    assert!(said.contains("it was stopped by a command of tmo"), "{said}");
    assert!(!said.contains("(exit 1)"), "{said}");
    world.ok(["quit"]);
}

#[test]
fn the_example_of_an_env_file_is_found_for_a_command_too() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    world.write(".env.example", "OTHER=1\nDATABASE_URL=postgres://localhost\n");
    let error = "KeyError: 'DATABASE_URL'";
    let trace = format!(
        "printf 'Traceback (most recent call last):\\n  File \"/usr/lib/python3/os.py\", line 685, in \
         __getitem__\\n    raise KeyError(key) from None\\n'; echo \"{error}\"; exit 1"
    );
    assert_eq!(world.run(["start", "--", "sh", "-c", &trace]).code, 1);
    let reported = wrong(&world, &[]);
    assert!(reported.contains("$ cp .env.example .env\n"), "{reported}");
    world.write(".env", "A=1\n");
    assert_eq!(world.run(["start", "--", "sh", "-c", &trace]).code, 1);
    let reported = wrong(&world, &[]);
    assert!(reported.contains("write `DATABASE_URL=…` into .env"), "{reported}");
    assert!(reported.contains("$ ${EDITOR:-vi} .env\n"), "{reported}");
}

#[test]
fn why_calls_an_expected_end_expected_also_after_the_run() {
    let world = World::new("");
    world.write(
        "tmo.toml",
        r#"
        [process]
        before = { command = "true", phase = "dependency" }
        after = { command = "true", phase = "cleanup" }
        needed = { command = "true" }
        ignored = { command = "true", on_exit = "ignore" }
        ready = { command = "true", ready = { exit = 0 } }
        three = { command = "exit 3", ready = { exit = 3 } }
        good = { command = "exit 3", success_exit_codes = [3], on_exit = "ignore" }
        can = { command = "true" }
        web = { command = "exec sleep 1000", depends_on = { needed = "completed" } }
        missed = { command = "echo up; read x", ready = { log = "up" }, on_exit = "ignore" }
        late = { command = "exec sleep 1000", depends_on = ["missed"] }
        "#,
    );
    world.ok(["start", "-D", "-c", "can"]);
    world.wait_state("late", "running");
    let one_shots = ["before", "needed", "ignored", "ready", "three", "good", "can"];
    for name in one_shots {
        world.wait_state(name, "exited");
    }
    world.type_into("missed", "");
    world.wait_state("missed", "exited");
    let said = |name: &str| {
        let said = world.ok(["why", name]);
        assert!(said.starts_with("nothing is wrong: "), "{name}: {said}");
        assert!(said.ends_with(", as expected\n"), "{name}: {said}");
        said
    };
    let during = one_shots.map(said);
    wrong(&world, &["missed"]);
    world.ok(["quit"]);
    world.wait_empty();
    assert_eq!(during, one_shots.map(said));
    said("after");
    let said = wrong(&world, &["missed"]);
    assert!(said.contains("expected to keep running"), "{said}");
}

#[test]
fn why_tells_that_a_process_did_not_start_in_the_last_run() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.db]\ncommand = \"test ! -e bad || exit 5; echo up; exec sleep 1000\"\nphase = \"dependency\"\n\
         ready = { log = \"up\" }\n[process.worker]\ndepends_on = [\"web\"]\n",
    );
    let failed = || {
        world.write("bad", "");
        assert_ne!(world.run(["start", "-D"]).code, 0);
        world.wait_empty();
        let said = wrong(&world, &["worker"]);
        let told = "worker did not start in the last run\n\
                    The run ended because db exited with code 5\n\n  \
                    it had not started when db ended with code 5\n    $ tmo why db\n";
        assert!(said.starts_with(told), "{said}");
    };
    failed();
    std::fs::remove_file(world.app().join("bad")).unwrap();
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    world.ok(["quit"]);
    world.wait_empty();
    failed();
    // One that the last run did not have at all.
    std::fs::remove_file(world.app().join("bad")).unwrap();
    world.ok(["start", "-D", "-l", "web"]);
    world.wait_state("web", "running");
    world.ok(["quit"]);
    world.wait_empty();
    let said = world.ok(["why", "worker"]);
    assert!(said.starts_with("In an earlier run: worker ended at "), "{said}");
    assert!(
        said.contains("It was not part of the last run, which ended as it was asked to"),
        "{said}"
    );
    assert!(said.contains("it was stopped by a command of tmo"), "{said}");
}

#[test]
fn a_run_that_completes_ends_with_success_and_says_so() {
    let world = World::new("");
    world.write("tmo.toml", "[process.m]\ncommand = \"echo m\"\nready = { exit = 0 }\n");
    let ran = world.run(["start", "-D"]);
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran:?}");
    world.wait_empty();
    let said = world.ok(["why"]);
    assert_eq!(said, "the last run ended because all its processes had completed\n");
    let said = world.ok(["why", "m"]);
    assert_eq!(said, "nothing is wrong: m has ended with code 0, as expected\n");
    let ran = world.run(["start", "--until-ready", "--", "echo", "hi"]);
    assert!(ran.code == 0 && ran.stdout.contains("hi\n"), "{ran:?}");
    world.wait_empty();
}

#[test]
fn why_begins_with_the_cause_and_speaks_only_of_what_was_named() {
    let world = World::new("web: exec sleep 1000\njob: read x\n");
    world.write(
        "tmo.toml",
        "[process.db]\ncommand = \"exec sleep 1000\"\nready = { log = \"never\", timeout = \"100ms\" }\n\
         [process.after]\ncommand = \"exec sleep 1000\"\ndepends_on = [\"db\"]\n",
    );
    world.run(["start", "-D", "-m", "web=2", "--any-can-die"]);
    world.wait_state("after", "skipped");
    let answer = json(&world, &["why"]);
    assert_eq!((&answer["process"], &answer["others"][0]), (&"db".into(), &"after".into()));
    let said = world.ok(["why", "web"]);
    assert_eq!(said, "nothing is wrong: web#1 is running, web#2 is running\n");
    world.ok(["quit"]);
}

#[test]
fn why_suggests_the_same_for_the_run_and_for_the_process_that_ended_it() {
    let world = World::new("migrate: read x\nweb: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.type_into("migrate", "");
    world.wait_state_gone();
    for names in [&[][..], &["migrate"]] {
        assert!(wrong(&world, names).contains("$ tmo start -c migrate\n"));
    }
}

#[test]
fn why_names_the_dependency_that_had_ended_where_a_refusal_names_no_port() {
    let port = free_port();
    let serve = format!("python3 -u -m http.server -b 127.0.0.1 {port}");
    let world = World::new("");
    if world.shell("python3 --version").code != 0 {
        eprintln!("SKIPPED: there is no python3");
        return;
    }
    world.write(
        "tmo.toml",
        &format!(
            "[process.db]\ncommand = \"{serve} & read x; kill $!; wait; exit 4\"\nready = {{ port = {port} }}\n\
             [process.fragile]\ncommand = \"read x; echo 'ConnectionRefusedError: [Errno 111]'; exit 1\"\n\
             depends_on = [\"db\"]\n\
             [process.web]\ncommand = \"exec sleep 1000\"\ndepends_on = [\"db\"]\n"
        ),
    );
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "running");
    world.type_into("db", "");
    world.wait_state("db", "exited");
    world.type_into("fragile", "");
    world.wait_state("fragile", "exited");
    let cause = &json(&world, &["why", "fragile"])["causes"][0];
    let text = "db, which it needs, ended with code 4";
    assert_eq!((&cause["text"], &cause["certainty"]), (&text.into(), &"likely".into()));
    assert_eq!(cause["next"], "tmo why db");
    let answer = json(&world, &["why"]);
    assert_eq!(answer["process"], "db");
    assert_eq!(answer["others"], serde_json::json!(["fragile", "web"]));
    world.ok(["quit"]);
}

#[test]
fn why_of_a_command_does_not_refer_to_a_configuration() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    world.run(["start", "--", "nosuchcmd"]);
    let said = wrong(&world, &[]);
    assert!(said.contains("$ tmo logs nosuchcmd -n 100"), "{said}");
    assert!(!said.contains("tmo config"), "{said}");
}

#[test]
fn a_process_that_a_signal_has_stopped_is_marked() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running").unwrap();
    assert!(!world.ok(["ps"]).contains("stopped by a signal"));
    procs::kill(pid, 19);
    let note = "stopped by a signal; `tmo signal CONT web` continues it";
    let table = world.ok(["ps"]);
    assert!(table.contains(note), "{table}");
    for names in [&[][..], &["web"]] {
        let reported = wrong(&world, names);
        assert!(reported.contains("it is stopped by a signal"), "{reported}");
        assert!(reported.contains("$ tmo signal CONT web"), "{reported}");
    }
    world.ok(["signal", "CONT", "web"]);
    eventually("it goes on", || {
        (!world.ok(["ps"]).contains("stopped by")).then(|| world.ok(["why"]))
    });
    world.ok(["quit"]);
}

#[test]
fn why_calls_the_end_of_a_command_with_code_0_expected() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    assert_eq!(world.run(["start", "--", "true"]).code, 0);
    assert_eq!(world.ok(["why"]), "the last run ended because true exited with code 0\n");
    let well = "nothing is wrong: true has ended with code 0, as expected\n";
    assert_eq!(world.ok(["why", "true"]), well);
    assert_eq!(world.run(["crashes"]).stderr, "tmo: there is no crash report\n");
    assert_eq!(world.run(["start", "--", "false"]).code, 1);
    let reported = wrong(&world, &[]);
    assert!(reported.contains("it exited with code 1"), "{reported}");
}

#[test]
fn evidence_and_last_lines_are_without_what_was_erased() {
    let world = World::new("web: exec sh spin\n");
    let spin = "for frame in 1 2; do printf '\\342\\240\\213\\033[1G\\033[0K\\342\\240\\231\\r\\033[K'; done\n\
        printf 'npm error code E404\\r\\n\\342\\240\\213\\r\\033[K\\r\\n'; exit 1\n";
    world.write("spin", spin);
    let ran = world.run(["start"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let answer = json(&world, &["why"]);
    assert_eq!(answer["causes"][0]["evidence"]["text"], "npm error code E404");
    assert_eq!(answer["lastLogs"], serde_json::json!(["npm error code E404"]));
    let file = std::fs::read_to_string(report(&world, "web")).unwrap();
    assert!(!file.contains('\u{280b}') && !file.contains('\u{2819}'), "{file}");
}

#[test]
fn why_explains_first_what_others_waited_for_in_a_run_that_is_over() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    world.write(
        "tmo.toml",
        "[defaults]\non_exit = \"ignore\"\n\
         [process.worker]\ncommand = \"echo 'Error: no name'; exit 1\"\ndepends_on = { cache = \"started\" }\n\
         [process.api]\ncommand = \"exec sleep 1000\"\ndepends_on = [\"cache\"]\n\
         [process.cache]\ncommand = \"test -e begun && exit 4; touch begun; exec sleep 1000\"\nready = { exec = \"false\" }\n",
    );
    world.write("begun", "");
    let mut view = world.start([""; 0]);
    world.wait_state("worker", "exited");
    world.wait_state("api", "skipped");
    world.ok(["quit"]);
    view.code();
    let answer = wrong(&world, &[]);
    assert!(answer.starts_with("cache ended at"), "{answer}");
    assert!(answer.contains("Something is wrong with worker too"), "{answer}");
}

#[test]
fn why_names_tmo_check_where_a_start_would_be_refused() {
    let world = World::new("web: exec sleep 1000\n");
    world.write("tmo.toml", "[process.web]\nwatc = 1\n");
    assert_eq!(world.run(["start", "-D"]).code, 1);
    let names_it = || {
        let ran = world.run(["why"]);
        ran.stderr.contains("a start is refused now: ") && ran.stderr.contains("`tmo check`")
    };
    assert!(names_it(), "before the first run");
    world.write("tmo.toml", "");
    world.ok(["start", "-D"]);
    world.ok(["quit"]);
    assert!(!names_it());
    world.write("tmo.toml", "[process.web]\nenv = { API = \"{web.prt}\" }\n");
    assert!(names_it(), "after a run");
}

#[test]
fn the_last_lines_are_cut() {
    let line = format!("{{\"level\":\"error\",\"msg\":\"{}\"}}", "x".repeat(700));
    let world = World::new("web: cat lines; exit 1\n");
    world.write("lines", &format!("{line}\n").repeat(20));
    world.run(["start", "-D"]);
    world.wait_state_gone();
    let reported = wrong(&world, &[]);
    let (_, last) = reported.split_once("Its last lines:\n").unwrap();
    assert_eq!(last.lines().filter(|line| line.contains("xxx")).count(), 10, "{reported}");
    assert!(last.lines().all(|line| line.chars().count() <= 203), "{reported}");
}

#[test]
fn the_socket_of_a_run_that_is_over_is_not_explained() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.ok(["quit"]);
    let socket = world.app().join(".overmind.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let ran = world.run(["ps"]);
    std::fs::remove_file(socket).unwrap();
    assert!(ran.code == 1 && ran.stderr.contains("nothing runs here"), "{ran:?}");
    assert!(!ran.stderr.contains("dial unix"), "{ran:?}");
}

#[test]
fn a_program_that_tmo_does_not_know_is_shown_before_it_is_ended() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    // It has another port than the one that it was assigned.
    let world = World::new("api: PORT=1 sh -c 'echo \"KeyError: boom\" >&2; exit 3'\n");
    let ran = world.run(["start", "-D", "-p", &port]);
    assert!(!ran.stderr.contains("is taken"), "{ran:?}");
    world.wait_state_gone();
    let reported = wrong(&world, &[]);
    assert!(reported.contains("it logged: KeyError: boom"), "{reported}");
    assert!(!reported.contains("is taken") && !reported.contains("kill"), "{reported}");
}
