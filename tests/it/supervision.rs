//! Start order, readiness, restarts and the end of a run by the rules of a `tmo.toml`, despite kills.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{World, eventually, files, procs};

/// A world with these entries and this `tmo.toml`.
fn world(procfile: &str, toml: &str) -> World {
    let world = World::new(procfile);
    world.write("tmo.toml", toml);
    world
}

/// A shell command that waits for a file and costs little.
fn until(file: &str) -> String {
    format!("until [ -e {file} ]; do sleep 0.05; done")
}

/// Kill the supervisor; its guardian starts another one.
fn kill_supervisor(world: &World) {
    let old = world.supervisor();
    procs::kill(old, 9);
    eventually("it is gone", || (!procs::alive(old)).then_some(()));
}

/// Kill both, so that nobody supervises before somebody asks.
fn kill_all_of_tmo(world: &World) {
    let (guardian, supervisor) = (world.guardian(), world.supervisor());
    procs::kill(guardian, 9);
    procs::kill(supervisor, 9);
    eventually("both are gone", || {
        (!procs::alive(guardian) && !procs::alive(supervisor)).then_some(())
    });
}

fn reports(world: &World) -> Vec<PathBuf> {
    let mut found = files(&world.journal().join("crash-reports"));
    // One that is being written has another name, and its own is taken by an empty file.
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
    found.retain(|path| path.extension().is_some_and(|ending| ending == "json") && size(path) > 0);
    found.sort();
    found
}

fn report(path: &PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn wait_file(world: &World, name: &str) {
    eventually(&format!("{name} is written"), || (!world.read(name).is_empty()).then_some(()));
}

#[test]
fn patterns_match_after_a_kill_of_the_supervisor() {
    let web = format!("web: echo up; {}; echo BOOM; exec sleep 1000\n", until("go"));
    let world = world(
        &format!("{web}api: exec sleep 1000\n"),
        "[process.web]\nready.log = \"up\"\n[[process.web.failure]]\npattern = \"boom\"\n",
    );
    world.ok(["start", "-D"]);
    eventually("it is ready", || (world.field("web", "ready") == true).then_some(()));
    kill_supervisor(&world);
    world.ok(["ps"]);
    world.write("go", "");
    world.wait_state("web", "broken");
    assert_eq!(world.field("api", "state"), "running");
    world.run(["quit"]);
}

#[test]
fn output_before_an_exit_without_supervisor_counts_for_readiness() {
    let job = format!("job: {}; echo done now\n", until("go"));
    let world = world(
        &format!("{job}web: echo $$ >>web.started; exec sleep 1000\n"),
        "[process.job]\nphase = \"dependency\"\nready.log = \"done now\"\n",
    );
    let mut view = world.start::<&str>([]);
    let job = world.wait_state("job", "running").unwrap();
    procs::kill(view.child.id(), 9);
    let _ = view.child.wait();
    kill_all_of_tmo(&world);
    world.write("go", "");
    eventually("the job has ended", || (!procs::alive(job)).then_some(()));
    world.ok(["ps"]);
    world.wait_state("web", "running");
    wait_file(&world, "web.started");
    assert_eq!(world.read("web.started").lines().count(), 1);
    world.ok(["quit"]);
}

#[test]
fn a_slow_stop_command_does_not_stop_the_next_life() {
    let toml = format!(
        "[process.web]\nstop.command = \"kill $(cat pid); {}; echo x >stopped\"\nstop.timeout = \"20s\"\n",
        until("go")
    );
    let world =
        world("web: echo $$ >pid; echo $$ >>all; exec sleep 1000\napi: exec sleep 1000\n", &toml);
    world.ok(["start", "-D", "--any-can-die"]);
    wait_file(&world, "pid");
    world.ok(["stop", "web"]);
    let mut asked = world.tmo(["restart", "web"]).spawn().unwrap();
    eventually("it is asked for", || {
        let life = world.field("web", "state");
        (life == "starting" || life == "running").then_some(())
    });
    world.write("go", "");
    assert!(asked.wait().unwrap().success());
    wait_file(&world, "stopped");
    assert_eq!(world.field("web", "state"), "running");
    assert_eq!(world.field("web", "lives"), 2);
    eventually("two lives", || (world.read("all").lines().count() == 2).then_some(()));
    world.ok(["quit"]);
}

#[test]
fn children_of_a_probe_end_with_it() {
    let world = world(
        "web: exec sleep 1000\n",
        "[process.web]\nready.exec = \"sleep 4321 & echo x >>asked; true\"\n",
    );
    world.ok(["start", "-D"]);
    eventually("it is ready", || (world.field("web", "ready") == true).then_some(()));
    let left: Vec<_> =
        world.living().into_iter().filter(|p| p.args.iter().any(|a| a == "4321")).collect();
    assert!(left.is_empty(), "{left:?}");
    world.ok(["quit"]);
}

#[test]
fn a_hanging_probe_ends_with_the_supervisor() {
    let world =
        world("web: exec sleep 1000\n", "[process.web]\nready.exec = \"exec sleep 4321\"\n");
    world.ok(["start", "-D"]);
    let probes = || -> Vec<u32> {
        let living = world.living().into_iter();
        living.filter(|p| p.args.iter().any(|a| a == "4321")).map(|p| p.pid).collect()
    };
    let old = eventually("it is asked", || probes().first().copied());
    kill_supervisor(&world);
    world.ok(["ps"]);
    eventually("only one asks", || {
        let now = probes();
        (now.len() == 1 && now[0] != old).then_some(())
    });
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn failed_checks_are_the_cause_only_if_they_ended_the_process() {
    let world = world(
        &format!("web: echo up; {}; echo failing; exit 7\napi: exec sleep 1000\n", until("go")),
        "[process.web]\nlive.exec = \"echo x >asked; false\"\nlive.every = \"50ms\"\n\
         live.failures = 100000\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    wait_file(&world, "asked");
    world.write("go", "");
    world.wait_state("web", "exited");
    let path = eventually("a report", || reports(&world).pop());
    let cause = &report(&path)["tmo"]["cause"];
    assert!(!cause.to_string().contains("liv"), "{cause}");
    assert_eq!(reports(&world).len(), 1);
    world.ok(["quit"]);
}

#[test]
fn a_pattern_in_the_last_output_breaks_the_process_and_is_the_cause() {
    let world = world(
        "web: printf '\\033[31mBO\\033[0m'; printf 'OM at once'; exit 3\napi: exec sleep 1000\n",
        "[process.web]\nrestart = {policy = \"always\", delay = \"10ms\"}\n\
         [[process.web.failure]]\npattern = \"boom at\"\n",
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "broken");
    assert_eq!(world.field("web", "lives"), 1);
    let path = eventually("a report", || reports(&world).pop());
    let cause = report(&path)["tmo"]["cause"].to_string();
    assert!(cause.to_lowercase().contains("boom at"), "{cause}");
    world.run(["quit"]);
    assert_eq!(reports(&world).len(), 1);
}

#[test]
fn restarts_end_exactly_at_max_failures() {
    let world = world(
        "web: echo x >>lives; exit 1\napi: exec sleep 1000\nmissing: no-such-program-here\n",
        "[process.web]\nrestart = {policy = \"on-failure\", delay = \"10ms\", max_failures = 7}\n\
         [process.missing]\non_exit = \"ignore\"\nrestart = {policy = \"always\", delay = \"10ms\"}\n",
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "broken");
    assert_eq!(world.read("lives").lines().count(), 7);
    world.wait_state("missing", "error");
    assert_eq!(world.field("missing", "lives"), 1);
    kill_supervisor(&world);
    world.ok(["ps"]);
    assert_eq!(world.field("web", "state"), "broken", "an adopter knows");
    assert_eq!(world.field("web", "failures"), 7);
    // It reports that the new life has begun, or that it has failed already.
    world.run(["restart", "web"]);
    eventually("failures are counted anew", || {
        (world.read("lives").lines().count() == 14).then_some(())
    });
    world.wait_state("web", "broken");
    assert_eq!(world.field("web", "failures"), 7);
    assert_eq!(world.run(["quit"]).code, 0);
}

#[test]
fn a_restart_loop_is_among_the_last_words_of_a_run() {
    let world = world(
        "mailer: echo x >>lives; exit 1\napi: exec sleep 1000\n",
        "[process.mailer]\nrestart = {policy = \"always\", delay = \"10ms\", max_failures = 0}\n",
    );
    let mut view = world.start(["--any-can-die"]);
    eventually("it fails again and again", || {
        (world.field("mailer", "failures").as_u64() > Some(2)).then_some(())
    });
    world.ok(["quit"]);
    view.end();
    let printed = format!("{}{}", view.log(), view.errors());
    let said = |line: &str| {
        line.contains("mailer crashed ")
            && line.contains(" times in a row; see `tmo crashes mailer`")
    };
    assert_eq!(printed.lines().filter(|line| said(line)).count(), 1, "{printed}");
}

#[test]
fn a_process_in_a_restart_loop_prevents_no_background_start() {
    let world = world(
        "web: echo x >>lives; exit 1\napi: exec sleep 1000\n",
        "[process.web]\nrestart = {policy = \"always\", delay = \"0s\", max_failures = 0}\n",
    );
    world.ok(["start", "-D"]);
    eventually("it goes on", || (world.read("lives").lines().count() > 20).then_some(()));
    world.ok(["quit"]);
}

#[test]
fn a_background_start_fails_with_its_dependency() {
    for (db, toml) in [
        ("exit 3", "ready.log = \"up\""),
        ("exec sleep 1000", "ready.log = \"up\"\nready.timeout = \"200ms\""),
        ("no-such-program-here", "ready.port = 1\nrestart = \"on-failure\""),
        (
            "exit 4",
            "restart = {policy = \"always\", delay = \"10ms\", max_failures = 2}\nready.log = \"up\"",
        ),
    ] {
        let world = world(
            &format!("web: echo x >web.started; exec sleep 1000\ndb: {db}\n"),
            &format!("[process.db]\nphase = \"dependency\"\n{toml}\n"),
        );
        let ran = world.run(["start", "-D"]);
        assert!(ran.code > 0 && !ran.stderr.is_empty(), "{db} {ran:?}");
        assert_eq!(world.read("web.started"), "", "{db}");
        world.wait_empty();
    }
}

#[test]
fn a_failed_start_shows_the_last_output_of_the_failed_process() {
    let world = world(
        "web: exec sleep 1000\nmigrate: exec sleep 1000\ndb: echo 'FATAL: no space'; exit 3\n",
        "[process.db]\nphase = \"dependency\"\nready.log = \"up\"\n\
         [process.migrate]\nphase = \"dependency\"\ndepends_on.db = \"ready\"\n",
    );
    let ran = world.run(["start"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    let (_, last) = ran.stdout.split_once("The start failed: ").unwrap();
    assert!(last.contains("db exited with code 3 after "), "{last}");
    // Its last line stands right above.
    assert!(ran.stdout.contains("db      | FATAL: no space\n"), "{ran:#?}");
    assert!(world.run(["why"]).stdout.starts_with("db ended at "));
}

#[test]
fn an_interrupt_ends_a_run_whose_processes_still_wait() {
    let world = world(
        "db: exec sleep 1000\nweb: echo x >web.started; exec sleep 1000\nsweep: echo x >swept\n",
        "[process.db]\nphase = \"dependency\"\nready.log = \"never\"\n\
         [process.sweep]\nphase = \"cleanup\"\n",
    );
    let mut view = world.start::<&str>([]);
    view.shows("Waiting for db");
    world.wait_state("db", "running");
    assert_eq!(view.interrupt(), 0);
    assert_eq!((world.read("web.started").as_str(), world.read("swept").as_str()), ("", "x\n"));
}

#[test]
fn a_second_interrupt_ends_a_hanging_cleanup() {
    let world = world(
        "db: exec sleep 1000\nweb: exec sleep 1000\nsweep: echo x >swept; trap '' INT TERM; while :; do sleep 1000; done\n",
        "[process.db]\nphase = \"dependency\"\n[process.sweep]\nphase = \"cleanup\"\n",
    );
    let mut view = world.start::<&str>([]);
    world.wait_state("web", "running");
    view.signal(2);
    wait_file(&world, "swept");
    assert_eq!(world.field("db", "state"), "running", "the cleanup needs it");
    view.press_until_over(2);
    world.wait_empty();
}

#[test]
fn a_run_ends_despite_failing_stop_commands_and_cleanup_processes() {
    let world = world(
        "db: exec sleep 1000\nweb: exec sleep 1000\nsweep: exec sleep 1000\nbad: exit 5\n",
        "[process.db]\nphase = \"dependency\"\nstop.command = \"exec sleep 1000\"\nstop.timeout = \"100ms\"\n\
         [process.web]\nstop.command = \"tmo-is-not-here\"\n\
         [process.sweep]\nphase = \"cleanup\"\nready.exit = 0\nready.timeout = \"200ms\"\n\
         [process.bad]\nphase = \"cleanup\"\n",
    );
    world.ok(["start", "-D"]);
    world.ok(["quit"]);
    world.wait_empty();
    let log = world.ok(["logs"]);
    for reported in ["The cleanup failed: ", "tmo-is-not-here", "took over 100 ms"] {
        assert!(log.contains(reported), "{reported}: {log}");
    }
}

#[test]
fn a_kill_of_tmux_during_the_cleanup_ends_the_run() {
    let world = world(
        "db: exec sleep 1000\nweb: exec sleep 1000\nsweep: echo x >swept; exec sleep 1000\n",
        "[process.db]\nphase = \"dependency\"\n[process.sweep]\nphase = \"cleanup\"\n",
    );
    let mut view = world.start::<&str>([]);
    world.wait_state("web", "running");
    let server = world.tmux_server();
    view.signal(2);
    wait_file(&world, "swept");
    procs::kill(server, 9);
    assert!(view.code() > 0);
    for socket in files(&world.path().join("tmux")) {
        // A server that was killed could not remove it.
        let _ = std::fs::remove_file(socket);
    }
    world.wait_empty();
}

#[test]
fn a_process_can_quit_its_own_run() {
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let world = world(
        &format!("web: {}; {tmo} quit\ndb: exec sleep 1000\nsweep: echo x >swept\n", until("go")),
        "[process.db]\nphase = \"dependency\"\n[process.sweep]\nphase = \"cleanup\"\n",
    );
    let mut view = world.start::<&str>([]);
    world.wait_state("web", "running");
    world.write("go", "");
    view.end();
    assert_eq!(world.read("swept"), "x\n");
}

#[test]
fn auto_restart_of_all_does_not_restart_completed_jobs() {
    let world = world(
        "job: echo x >>jobs\nseed: echo x >>seeds\nweb: exec sleep 1000\n",
        "[process.job]\nphase = \"dependency\"\nready.exit = 0\n\
         [process.web]\ndepends_on = {seed = \"completed\"}\n",
    );
    world.ok(["start", "-D", "--auto-restart", "all"]);
    world.wait_state("web", "running");
    assert_eq!((world.read("jobs").as_str(), world.read("seeds").as_str()), ("x\n", "x\n"));
    world.ok(["restart"]);
    world.ok(["quit"]);
}

#[test]
fn a_restart_of_all_does_not_start_the_cleanup() {
    let world = world(
        "web: echo x >>lives; exec sleep 1000\nlater: echo x >later; exec sleep 1000\nsweep: echo x >>swept\n",
        "[process.later]\nautostart = false\n[process.sweep]\nphase = \"cleanup\"\n",
    );
    world.ok(["start", "-D"]);
    wait_file(&world, "lives");
    world.ok(["restart"]);
    eventually("restarted", || (world.read("lives").lines().count() == 2).then_some(()));
    assert_eq!((world.read("swept").as_str(), world.read("later").as_str()), ("", ""));
    world.ok(["quit"]);
    assert_eq!(world.read("swept"), "x\n");
}

/// Answers each connection with these words, slowly where it is told to.
fn serve(answers: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = vec![];
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let _ = stream.read(&mut [0; 1024]);
            // Whoever asks may have gone.
            let _ = stream.write_all(&answer);
            kept.push(stream);
        }
        drop(listener);
    });
    port
}

#[test]
fn no_http_answer_blocks_a_readiness_probe() {
    let mut huge = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
    huge.extend(std::iter::repeat_n(b'x', 4 << 20));
    let answers = vec![
        b"garbage\r\n\r\n".to_vec(),
        huge,
        b"HTTP/1.1 500 No\r\n\r\n".to_vec(),
        b"HTTP/1.1 302 Found\r\nContent-Length: 99999999999\r\n\r\n".to_vec(),
    ];
    let port = serve(answers);
    let toml = format!(
        "[process.web]\nready.http = \"http://127.0.0.1:{port}/x\"\nready.every = \"10ms\"\n\
         [process.other]\nready = {{port = 9, host = \"no-such-host.invalid\", timeout = \"300ms\"}}\n"
    );
    let world = world("web: exec sleep 1000\nother: exec sleep 1000\n", &toml);
    world.ok(["start", "-D"]);
    world.ok(["wait", "--for", "ready", "web", "--timeout", "20s"]);
    let ran = world.run(["wait", "--for", "ready", "other", "--timeout", "20s"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("no-such-host.invalid:9 within 300 ms"),
        "{ran:?}"
    );
    world.ok(["quit"]);
}

#[test]
fn the_reason_for_not_being_ready_is_the_last_probe_result() {
    let port = serve(vec![b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_vec(); 64]);
    let toml = format!(
        "[process.web]\nready = {{http = \"http://127.0.0.1:{port}/x\", every = \"1h\"}}\n\
         [process.late]\nready = {{exec = \"exit 3\", timeout = \"3s\", every = \"10ms\"}}\n"
    );
    let world = world("web: exec sleep 1000\nlate: exec sleep 1000\n", &toml);
    world.ok(["start", "-D"]);
    let lacks = format!("GET http://127.0.0.1:{port}/x fails: 503 Service Unavailable");
    eventually("the answer is told", || (world.field("web", "lacks")[0] == lacks).then_some(()));
    assert!(world.ok(["ps"]).contains(&format!("not ready yet: {lacks}")));
    assert!(world.run(["why", "web"]).stdout.contains(&format!("it is not ready yet: {lacks}")));
    let ran = world.run(["wait", "--for", "ready", "web", "--timeout", "2s"]);
    assert!(ran.code != 0 && ran.stderr.contains(&lacks), "{ran:?}");
    let reported = "`exit 3` did not succeed within 3 s: exit status: 3";
    eventually("it is late", || (world.field("late", "not_ready") == reported).then_some(()));
    assert!(world.run(["why", "late"]).stdout.contains(reported));
    world.ok(["quit"]);
}

#[test]
fn kills_of_the_supervisor_during_the_start_start_nothing_twice() {
    let mut procfile = String::new();
    let mut toml = String::new();
    for n in 0..6 {
        let _ = writeln!(procfile, "p{n}: echo x >>p{n}.started; echo up; exec sleep 1000");
        let _ = writeln!(toml, "[process.p{n}]\nready.log = \"up\"");
        if n > 0 {
            let _ = writeln!(toml, "depends_on = [\"p{}\"]", n - 1);
        }
    }
    let _ = writeln!(procfile, "job: echo x >>job.started");
    toml.push_str("[process.job]\nphase = \"dependency\"\nready.exit = 0\n");
    let world = world(&procfile, &toml);
    let view = world.start::<&str>([]);
    for n in [0, 1, 3] {
        wait_file(&world, &format!("p{n}.started"));
        if let Some(supervisor) = world.part("supervise") {
            procs::kill(supervisor, 9);
        }
    }
    world.wait_state("p5", "running");
    eventually("all are ready", || {
        (0..6).all(|n| world.field(&format!("p{n}"), "ready") == true).then_some(())
    });
    for name in ["job", "p0", "p1", "p2", "p3", "p4", "p5"] {
        assert_eq!(world.read(&format!("{name}.started")), "x\n", "{name}");
    }
    drop(view);
    world.ok(["quit"]);
}

#[test]
fn the_crash_that_ends_a_run_is_reported_once() {
    let world = world(
        &format!("web: {}; exit 9\ndb: exec sleep 1000\n", until("go")),
        "[process.db]\nphase = \"dependency\"\n",
    );
    let mut view = world.start::<&str>([]);
    world.wait_state("web", "running");
    world.write("go", "");
    assert_eq!(view.code(), 9);
    let reports = reports(&world);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(report(&reports[0])["exitCode"], 9);
}

#[test]
fn a_background_start_fails_when_a_process_was_skipped() {
    let world = world(
        "web: exec sleep 1000\napi: exec sleep 1000\nsetup: exit 3\n",
        "[process.setup]\nready.exit = 0\n[process.web]\ndepends_on = [\"setup\"]\n",
    );
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let reported = "tmo: web: skipped: setup is not ready: ended with code 3; `tmo why web` tells more\n\
         tmo: api goes on in the background; `tmo quit` ends the run\n";
    assert_eq!(ran.stderr, reported);
    assert_eq!(world.field("api", "state"), "running");
    world.run(["quit"]);
}

#[test]
fn a_start_with_a_command_that_never_gets_ready_leaves_nothing() {
    let world = world(
        "web: exec sleep 1000\n",
        "[process.web]\nready = { log = \"up\", timeout = \"100ms\" }\n",
    );
    let ran = world.run(["start", "--until-ready", "--", "touch", "ran"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("web is not ready: did not print `up`"), "{ran:?}");
    assert!(!ran.stderr.contains("goes on"), "{ran:?}");
    assert!(!world.app().join("ran").exists());
    world.wait_empty();
}

#[test]
fn processes_that_were_skipped_follow_a_repaired_dependency() {
    let world = World::new("migrate: test -e go\napi: exec sleep 1000\nweb: exec sleep 1000\n");
    world.write("tmo.toml", "[process.api]\ndepends_on = { migrate = \"completed\" }\n");
    world.run(["start", "-D"]);
    world.wait_state("api", "skipped");
    world.write("go", "");
    let ran = world.run(["restart", "migrate"]);
    let reported = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        reported
            .contains("followers: api, skipped before; `tmo wait api --for ready` waits for them"),
        "{ran:?}"
    );
    world.wait_state("api", "running");
    world.wait_text("api", "tarted with pid");
    let log = world.ok(["logs", "api"]);
    assert!(log.contains("| Started with pid") && !log.contains("Restart"), "{log}");
    world.ok(["quit"]);
}

#[test]
fn a_late_dependency_brings_back_what_was_skipped() {
    let world = toml_alone(
        "[process.db]\n\
         command = \"until [ -e go ]; do sleep 0.05; done; echo up; exec sleep 1000\"\n\
         ready = { log = \"up\", timeout = \"200ms\" }\n\
         [process.web]\ncommand = \"exec sleep 1000\"\ndepends_on = [\"db\"]\n",
    );
    world.run(["start", "-D"]);
    world.wait_state("web", "skipped");
    let table = world.ok(["ps"]);
    assert!(table.contains("`tmo restart db` tries again"), "{table}");
    let ran = world.run(["start", "db"]);
    assert!(ran.stderr.contains("still skipped: web; `tmo restart db` tries again"), "{ran:?}");
    kill_supervisor(&world);
    world.ok(["ps"]);
    world.write("go", "");
    world.wait_state("web", "running");
    assert_eq!(world.field("db", "not_ready"), serde_json::Value::Null);
    world.ok(["quit"]);
}

#[test]
fn reload_and_the_log_name_what_is_restarted_with_another_process() {
    let world = toml_alone(
        "[process.db]\ncommand = \"exec sleep 1000\"\nenv_file = \"db.env\"\n\
         [process.web]\ncommand = \"exec sleep 1000\"\n\
         depends_on = { db = { condition = \"ready\", restart = true } }\n",
    );
    world.write("db.env", "DBV=1\n");
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running");
    world.write("db.env", "DBV=2\n");
    let planned = world.ok(["reload", "--dry-run"]);
    assert!(planned.contains("web: would be restarted with db\n"), "{planned}");
    let json = world.ok(["reload", "--dry-run", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["processes"][1]["change"], &json["processes"][1]["with"]),
        (&"restarted".into(), &"db".into())
    );
    let done = world.ok(["reload"]);
    assert!(done.contains("web: restarted with db\n"), "{done}");
    assert_ne!(world.wait_state("web", "running"), web);
    assert!(world.ok(["events"]).contains("| Restarts with db"));
    // One that does not run is not restarted with another one.
    world.ok(["stop", "web"]);
    world.write("db.env", "DBV=3\n");
    let done = world.ok(["reload"]);
    assert!(done.contains("web: unchanged\n"), "{done}");
    world.ok(["quit"]);
}

/// A server that needs a completed migration, which needs a database that is ready when `go` exists.
const SITE: &str = "\
[process.db]
command = \"until [ -e go ]; do sleep 0.05; done; echo db up; exec sleep 1000\"
ready = { log = \"db up\" }
[process.migrate]
command = \"echo $TARGET >>migrated; exit $(cat code)\"
depends_on = [\"db\"]
[process.web]
command = \"exec sleep 1000\"
depends_on = { migrate = \"completed\" }
";

/// A world with this `tmo.toml` and no Procfile.
fn toml_alone(toml: &str) -> World {
    let world = world("", toml);
    remove(&world, "Procfile");
    world
}

/// All of the site run.
fn site() -> World {
    let world = toml_alone(SITE);
    world.write("go", "");
    world.write("code", "0");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world
}

fn remove(world: &World, name: &str) {
    std::fs::remove_file(world.app().join(name)).unwrap();
}

#[test]
fn restart_of_all_has_the_order_of_the_start_even_across_a_takeover() {
    let world = site();
    let (db, web) = (world.wait_state("db", "running"), world.wait_state("web", "running"));
    remove(&world, "go");
    world.ok(["restart", "--no-wait"]);
    eventually("another database runs", || {
        (world.field("db", "state") == "running" && world.wait_state("db", "running") != db)
            .then_some(())
    });
    assert_eq!(world.field("web", "state"), "pending");
    kill_supervisor(&world);
    world.ok(["ps"]);
    assert_eq!(world.field("web", "state"), "pending");
    assert_eq!(world.field("web", "awaits")[0], "db");
    world.write("go", "");
    assert_ne!(world.wait_state("web", "running"), web);
    assert_eq!(world.read("migrated").lines().count(), 1, "what has completed is left alone");
    // One that is named runs again, and is waited for.
    world.ok(["restart", "migrate"]);
    assert_eq!(world.read("migrated").lines().count(), 2);
    world.write("code", "4");
    let failed = world.run(["restart", "migrate", "web"]);
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("migrate: ended with code 4"), "{}", failed.stderr);
    assert_eq!(world.field("web", "state"), "skipped", "as the reason says");
    world.write("code", "0");
    let repaired = world.run(["restart", "migrate"]);
    assert_eq!(repaired.code, 0);
    assert!(repaired.stderr.contains("followers: web, skipped before;"), "{}", repaired.stderr);
    world.wait_state("web", "running");
    world.ok(["quit"]);
}

#[test]
fn reload_keeps_the_order_and_reruns_no_completed_process_for_a_shared_variable() {
    let world = site();
    let web = world.wait_state("web", "running");
    world.write(".env", "B=2\n");
    remove(&world, "go");
    let reported = world.ok(["reload", "--no-wait"]);
    assert!(
        reported.contains("migrate: changed (environment: B); it does not run\n"),
        "{reported}"
    );
    assert!(reported.contains("web: restarted ("), "{reported}");
    eventually("web waits for the database", || {
        (world.field("web", "state") == "pending").then_some(())
    });
    world.write("go", "");
    assert_ne!(world.wait_state("web", "running"), web);
    assert_eq!(world.read("migrated").lines().count(), 1);
    let own =
        SITE.replace("depends_on = [\"db\"]", "depends_on = [\"db\"]\nenv = { TARGET = \"2\" }");
    world.write("tmo.toml", &own);
    world.ok(["reload"]);
    assert_eq!(world.read("migrated"), "\n2\n");
    world.ok(["quit"]);
}

#[test]
fn a_dependent_with_restart_follows_and_no_deps_ignores_the_order() {
    let edge = "depends_on = { migrate = \"completed\", db = { restart = true } }";
    let world = toml_alone(&SITE.replace("depends_on = { migrate = \"completed\" }", edge));
    world.write("code", "0");
    world.ok(["start", "-D", "--no-deps"]);
    let first = world.wait_state("web", "running");
    world.write("go", "");
    eventually("it is ready", || (world.field("db", "ready") == true).then_some(()));
    world.ok(["restart", "--no-deps", "db"]);
    assert_eq!(world.wait_state("web", "running"), first);
    world.ok(["restart", "db"]);
    assert_ne!(world.wait_state("web", "running"), first);
    world.ok(["quit"]);
}

#[test]
fn a_run_of_steps_ends_by_itself_with_their_exit_code() {
    let toml = "[process.build]\ncommand = \"echo built\"\nready = { exit = 0 }\n\
                [process.deploy]\ncommand = \"exit $(cat code)\"\nready = { exit = 0 }\n\
                depends_on = [\"build\"]\n";
    let world = toml_alone(toml);
    for (code, text) in [(0, "0"), (3, "3")] {
        world.write("code", text);
        assert_eq!(world.run(["start"]).code, code);
    }
}
