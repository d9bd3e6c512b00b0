//! Requests to a shim, and the events that follow.

use nix::libc;
use pretty_assertions::assert_eq;
use tmo::model::{Exit, LifeId};
use tmo::protocol::life::LifeEvent;
use tmo::protocol::spec::Want;

use crate::harness::{Pane, lives};

#[test]
fn a_shim_reports_a_life_from_up_to_down() {
    let mut pane = Pane::open("exit 3");
    pane.start(1);
    let LifeEvent::Exit { life, exit, error, max_rss_kib, .. } = pane.exit().event else {
        panic!()
    };
    assert_eq!((life, exit, error), (LifeId::FIRST, Exit::Code(3), None));
    assert!(max_rss_kib > 0);
    pane.end();
    pane.finish();
    assert_eq!(pane.words(), ["up", "start", "exit", "end", "down"]);
    let numbers: Vec<u64> = pane.seen.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let LifeEvent::Up { pid, pane: id, tty, .. } = &pane.seen[0].event else { panic!() };
    assert_eq!((*pid, id.as_str()), (pane.pid(), "%7"));
    assert!(tty.starts_with("/dev/"), "{tty}");
}

#[test]
fn a_restart_is_a_new_life_in_the_same_shim() {
    let mut pane = Pane::open("exec sleep 1000");
    let first = pane.start(1);
    let second = pane.start(2);
    assert_ne!(first, second);
    assert!(!lives(first) && lives(second));
    assert_eq!(pane.words(), ["up", "start", "stopping", "exit", "end", "start"]);
    pane.finish();
    let asked = LifeEvent::Stopping { life: LifeId::nth(2), signal: libc::SIGINT };
    assert!(pane.seen.iter().any(|entry| entry.event == asked));
    assert!(!lives(second));
}

#[test]
fn a_bell_without_a_request_changes_nothing() {
    let mut pane = Pane::open("exit 0");
    pane.start(1);
    pane.end();
    for _ in 0..3 {
        pane.signal(libc::SIGUSR1);
        pane.run(1);
    }
    pane.finish();
    assert_eq!(pane.words(), ["up", "start", "exit", "end", "down"]);
}

#[test]
fn a_life_stopped_before_its_start_is_skipped() {
    let mut pane = Pane::open("exec sleep 1000");
    pane.set(|spec| (spec.want, spec.life) = (Want::Stop, Some(LifeId::FIRST)));
    pane.expect("skipped", |event| matches!(event, LifeEvent::Skipped { life: LifeId::FIRST }));
    pane.run(1);
    pane.start(2);
    pane.finish();
    assert_eq!(
        pane.words(),
        ["up", "skipped", "start", "stopping", "exit", "end", "down"],
        "the first did not begin later"
    );
}

#[test]
fn kill_skips_the_rest_of_the_grace_period() {
    let mut pane = Pane::open("trap '' INT TERM; echo ready; while :; do sleep 1000; done");
    pane.start(1);
    pane.screen.wait_for("ready");
    pane.set(|spec| spec.want = Want::Stop);
    pane.expect("stopping", |event| matches!(event, LifeEvent::Stopping { .. }));
    pane.set(|spec| spec.kill = spec.life);
    let LifeEvent::Exit { exit, .. } = pane.exit().event else { panic!() };
    assert_eq!(exit, Exit::Signal(9));
    pane.end();
    assert_eq!(pane.words(), ["up", "start", "stopping", "killing", "exit", "end"]);
}

#[test]
fn the_next_life_after_a_kill_has_a_grace_period() {
    let mut pane = Pane::open("trap '' INT TERM; echo 1 > $$; while :; do sleep 1000; done");
    pane.start(1);
    pane.set(|spec| (spec.life, spec.kill) = (Some(LifeId::nth(2)), Some(LifeId::FIRST)));
    let second = pane.started(2);
    assert_eq!(pane.words(), ["up", "start", "killing", "exit", "end", "start"]);
    pane.number_in(&second.to_string());
    pane.set(|spec| (spec.want, spec.grace_ms) = (Want::Stop, 50));
    pane.end();
    assert_eq!(pane.words()[6..], ["stopping", "killing", "exit", "end"]);
}

#[test]
fn a_closed_terminal_ends_the_shim_and_its_tree() {
    let mut pane =
        Pane::open_with("trap '' HUP; sh -c 'echo $$ > child; exec sleep 1000' & wait", false);
    let main = pane.start(1);
    let child = pane.number_in("child");
    pane.master = None;
    pane.expect("down", |event| matches!(event, LifeEvent::Down {}));
    assert!(pane.wait_shim().success());
    assert!(!lives(main) && !lives(child));
    let words = pane.words();
    assert_eq!(words[2..4], ["hangup", "stopping"]);
    assert_eq!(words.iter().filter(|word| *word == "unmarked").count(), 2, "{words:?}");
}

#[test]
fn a_shim_reports_and_survives_a_broken_spec() {
    let mut pane = Pane::open("exit 0");
    std::fs::write(pane.paths.spec(), "{").unwrap();
    pane.signal(libc::SIGUSR1);
    let trouble = pane.expect("trouble", |event| matches!(event, LifeEvent::Trouble { .. }));
    let LifeEvent::Trouble { message } = trouble.event else { panic!() };
    assert!(message.contains("web.spec: not a spec file"), "{message}");
    pane.start(1);
    pane.end();
}

#[test]
fn signals_of_a_terminal_do_not_end_a_shim() {
    let mut pane = Pane::open("exit 0");
    for signal in [
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGTERM,
        libc::SIGPIPE,
        libc::SIGUSR2,
    ] {
        pane.signal(signal);
    }
    pane.start(1);
    pane.end();
    pane.finish();
}

#[test]
fn a_second_shim_continues_the_life_numbers() {
    let mut pane = Pane::open("exec sleep 1000");
    let main = pane.start(1);
    pane.signal(libc::SIGKILL);
    pane.wait_shim();
    let killed = pane.kill_orphans(&pane.spec.run);
    assert!(killed.left.is_empty(), "{killed:?}");
    assert!(!lives(main));
    pane.reopen();
    pane.run(1);
    pane.finish();
    assert_eq!(pane.words(), ["up", "start", "up", "down"], "a begun life is not begun again");
    assert_eq!(pane.seen.last().unwrap().seq, 4);
}
