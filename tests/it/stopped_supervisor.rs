//! A supervisor that SIGSTOP has stopped: commands and views report it and do not wait for ever.

use crate::harness::{World, eventually, procs};
use crate::interrupted_start::{WEB, both_up};

#[test]
fn a_stopped_supervisor_blocks_no_command_forever() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    for args in [&["ps"][..], &["restart", "web"]] {
        let ran = world.run(args);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("does not answer"), "{ran:?}");
    }
    procs::kill(supervisor, 18);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_interrupt_waits_for_a_supervisor_that_resumes_late() {
    let world = World::new(WEB);
    let mut view = world.start([""; 0]);
    both_up(&view);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    view.signal(2);
    // By then a command has given it up.
    let ran = world.run(["restart", "web"]);
    assert!(ran.stderr.contains("does not answer"), "{ran:?}");
    procs::kill(supervisor, 18);
    assert_eq!(view.code(), 0, "{}", view.log());
    world.wait_empty();
}

#[test]
fn every_interrupt_reports_a_supervisor_that_does_not_answer() {
    let world = World::new(WEB);
    let mut view = world.start([""; 0]);
    both_up(&view);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    for times in 1..=2 {
        view.signal(2);
        eventually("the view says so", || {
            let log = view.log();
            let said =
                |line: &&str| line.contains("does not answer") && line.contains("`tmo kill`");
            let said: Vec<_> = log.lines().filter(said).collect();
            assert!(said.iter().all(|line| line.starts_with("system | ")), "{log}");
            assert!(said.iter().all(|line| line.contains("`kill -CONT` ")), "{log}");
            let later = |line: &&str| line.contains("carries out the request when it resumes");
            assert!(said.iter().all(later), "{log}");
            (said.len() == times).then_some(())
        });
    }
    procs::kill(supervisor, 18);
    assert!([0, 1].contains(&view.code()), "{}", view.log());
    world.wait_empty();
}

#[test]
fn a_request_to_a_stopped_supervisor_is_reported_and_done_when_it_resumes() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    let first = world.wait_state("web", "running");
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    let ran = world.run(["restart", "web"]);
    assert!(ran.stderr.contains("carries out the request when it resumes"), "{ran:?}");
    let asked = world.run(["ps"]);
    assert!(asked.stderr.contains("does not answer; if it was suspended"), "{asked:?}");
    procs::kill(supervisor, 18);
    eventually("it does", || {
        let pid = world.field("web", "pid").as_u64().map(|pid| u32::try_from(pid).unwrap());
        (pid.is_some() && pid != first).then_some(())
    });
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn logs_reports_where_the_log_of_a_stopped_supervisor_ends() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    eventually("it is in the log", || world.ok(["logs"]).contains("| up\n").then_some(()));
    let supervisor = world.supervisor();
    let words = format!("the supervisor (pid {supervisor}) is stopped, so the log is shown only");
    let advice = format!("`kill -CONT {supervisor}` resumes");
    procs::kill(supervisor, 19);
    for args in [&["logs", "-n", "1"][..], &["logs", "web"], &["logs", "--since", "3s"]] {
        let ran = world.run(args);
        assert!(ran.code == 0 && ran.stderr.matches(&words).count() == 1, "{args:?}: {ran:?}");
        assert!(ran.stderr.starts_with("tmo: ") && ran.stderr.contains(&advice), "{ran:?}");
    }
    for args in [&["logs", "-f"][..], &["logs", "-f", "--raw"], &["echo"]] {
        let mut view = world.view_into("follows", args);
        eventually("it says so", || view.errors().contains(&words).then_some(()));
        view.signal(2);
        view.end();
        assert_eq!(view.errors().matches(&words).count(), 1, "{args:?}: {}", view.errors());
    }
    procs::kill(supervisor, 18);
    eventually("it goes on", || world.run(["ps"]).stderr.is_empty().then_some(()));
    let ran = world.run(["logs"]);
    assert_eq!(ran.stderr, "", "{ran:?}");
    world.ok(["quit"]);
    world.wait_empty();
}
