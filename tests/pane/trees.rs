//! A shim ends everything below it, and nothing else.

use std::process::Command;

use nix::libc;
use pretty_assertions::assert_eq;
use tmo::model::ids::Member;
use tmo::model::{Exit, LifeId};
use tmo::protocol::life::LifeEvent;
use tmo::protocol::spec::Want;
use tmo::sys;

use crate::harness::{Pane, eventually, lives};

/// The members of the next event that names leftovers.
#[track_caller]
fn leftovers(pane: &mut Pane) -> Vec<Member> {
    let entry = pane.expect("leftovers", |event| matches!(event, LifeEvent::Leftovers { .. }));
    let LifeEvent::Leftovers { members, .. } = entry.event else { panic!() };
    members
}

fn pids(members: &[Member]) -> Vec<u32> {
    let mut pids: Vec<u32> = members.iter().map(|member| member.pid).collect();
    pids.sort_unstable();
    pids
}

/// Ways to get away from a process that is being stopped.
const ESCAPES: &[(&str, &str)] = &[
    ("background", "sh -c 'echo $$ > background; exec sleep 1000' &"),
    ("setsid", "setsid sh -c 'echo $$ > setsid; exec sleep 1000' &"),
    ("twice", "(setsid sh -c 'sh -c \"echo \\$\\$ > twice; exec sleep 1000\" &' &)"),
    ("nohup", "nohup sh -c 'echo $$ > nohup; exec sleep 1000' > /dev/null &"),
    ("deaf", "setsid sh -c 'trap \"\" INT TERM HUP; echo $$ > deaf; sleep 1000; sleep 1000' &"),
];

fn escapes(end: &str) -> String {
    let one = |(file, command): &(&str, &str)| {
        format!("{command}\nwhile [ ! -s {file} ]; do sleep 0.01; done\n")
    };
    let mut scripts: Vec<String> = ESCAPES.iter().map(one).collect();
    scripts.push(end.to_owned());
    scripts.concat()
}

#[test]
fn a_stop_ends_every_escaped_process() {
    let mut pane = Pane::open(&escapes("echo ready; wait"));
    pane.spec.grace_ms = 300;
    let main = pane.start(1);
    pane.screen.wait_for("ready");
    let escaped: Vec<u32> = ESCAPES.iter().map(|(file, _)| pane.number_in(file)).collect();
    assert!(escaped.iter().all(|&pid| lives(pid)));
    pane.set(|spec| spec.want = Want::Stop);
    pane.end();
    assert!(!lives(main));
    assert!(!escaped.into_iter().any(lives));
    assert!(pane.words().contains(&"killing".to_owned()), "one is deaf");
    assert!(sys::children(pane.pid()).is_empty(), "and nothing is left to reap");
}

#[test]
fn an_exit_leaves_no_process_behind() {
    let mut pane = Pane::open(&escapes("exit 4"));
    pane.spec.grace_ms = 300;
    pane.start(1);
    let LifeEvent::Exit { exit, .. } = pane.exit().event else { panic!() };
    assert_eq!(exit, Exit::Code(4));
    let named = pids(&leftovers(&mut pane));
    pane.end();
    let escaped: Vec<u32> = ESCAPES.iter().map(|(file, _)| pane.number_in(file)).collect();
    assert!(escaped.iter().all(|pid| named.contains(pid)), "{escaped:?} in {named:?}");
    assert!(!escaped.into_iter().any(lives));
}

#[test]
fn a_cooperative_tree_is_ended_without_sigkill() {
    // The shell makes its background jobs ignore SIGINT: they are asked with SIGTERM.
    let script = "sleep 1000 & setsid sleep 1000 & sh -c 'sleep 1000 & echo ready; wait'";
    let mut pane = Pane::open(script);
    pane.start(1);
    pane.screen.wait_for("ready");
    pane.set(|spec| spec.want = Want::Stop);
    pane.end();
    assert_eq!(pane.words(), ["up", "start", "stopping", "exit", "leftovers", "end"]);
}

#[test]
fn strays_are_signalled_after_the_group() {
    // A background job ignores SIGINT, and its trap for it stays without effect.
    let script = r#"
setsid sh -c 'trap "echo stray INT >> order; exit" INT; trap "echo stray TERM >> order; exit" TERM
              echo 1 > up; while :; do sleep 0.01; done' &
while [ ! -s up ]; do sleep 0.01; done
trap 'sleep 0.3; echo main INT >> order; exit 0' INT
echo ready
while :; do sleep 0.01; done
"#;
    let mut pane = Pane::open(script);
    pane.start(1);
    pane.screen.wait_for("ready");
    pane.set(|spec| spec.want = Want::Stop);
    pane.end();
    assert_eq!(pane.text_of("order"), "main INT\nstray TERM\n");
    assert_eq!(pane.words(), ["up", "start", "stopping", "exit", "leftovers", "end"]);
}

#[test]
fn the_main_process_stays_a_zombie_while_its_group_lives() {
    let deaf = "(trap '' INT TERM; sh -c 'echo $$ > deaf; exec sleep 1000') & \
                while [ ! -s deaf ]; do sleep 0.01; done; exit 0";
    let mut pane = Pane::open(deaf);
    let main = pane.start(1);
    pane.exit();
    leftovers(&mut pane);
    let zombie = sys::info(main).unwrap();
    assert_eq!((zombie.state, zombie.alive()), ('Z', false));
    let deaf = pane.number_in("deaf");
    assert!(lives(deaf));
    assert_eq!(sys::info(deaf).unwrap().pgid, main);
    pane.set(|spec| (spec.want, spec.kill) = (Want::Stop, Some(LifeId::nth(u32::MAX))));
    pane.end();
    assert!(!lives(deaf));
    assert_eq!(sys::info(main), None, "reaped");
}

#[test]
fn a_constantly_forking_tree_is_ended() {
    // 200 chains: each process starts its successor and ends, some in sessions of their own.
    let script = r#"
import os, signal, time
for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
for chain in range(200):
    if os.fork() == 0:
        while True:
            time.sleep(0.5)
            if os.fork() != 0: os._exit(0)
            if chain % 4 == 0: os.setsid()
print("ready", flush=True)
while True:
    try: os.wait()
    except ChildProcessError: time.sleep(1)
"#;
    let mut pane = Pane::open(&format!("exec python3 -c '{script}'"));
    pane.start(1);
    pane.screen.wait_for("ready");
    pane.set(|spec| (spec.want, spec.kill) = (Want::Stop, Some(LifeId::nth(u32::MAX))));
    pane.end();
    assert!(sys::descendants(pane.pid()).is_empty());
    let mark = format!("TMO_SESSION={}", pane.spec.run);
    let left: Vec<_> = sys::processes_with_env(&[&mark]);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_stopped_process_is_continued_for_its_stop_signal() {
    let mut pane = Pane::open("echo ready; kill -STOP $$; exec sleep 1000");
    let main = pane.start(1);
    let stopped = || (sys::info(main)?.state == 'T').then_some(());
    eventually("stopped, and left alone", stopped);
    pane.set(|spec| spec.want = Want::Stop);
    pane.end();
    assert_eq!(pane.words(), ["up", "start", "stopping", "exit", "end"]);
}

#[test]
fn a_process_that_survives_sigkill_is_named_and_awaited() {
    let mut pane = Pane::open("exec sleep 1000");
    let main = pane.start(1);
    // A tracer keeps the zombie of what it traces from everybody else.
    let trace = "import ctypes, sys\n\
                 if ctypes.CDLL(None).ptrace(0x4206, int(sys.argv[1]), 0, 0): sys.exit(1)\n\
                 print(flush=True); sys.stdin.read()";
    let mut tracer = Command::new("python3")
        .args(["-c", trace, &main.to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(tracer.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    pane.set(|spec| (spec.want, spec.kill) = (Want::Stop, Some(LifeId::nth(u32::MAX))));
    let stuck = pane.expect("stuck", |event| matches!(event, LifeEvent::Stuck { .. }));
    let LifeEvent::Stuck { members, .. } = stuck.event else { panic!() };
    assert_eq!(pids(&members), [main]);
    drop(tracer.stdin.take());
    let LifeEvent::Exit { exit, .. } = pane.exit().event else { panic!() };
    assert_eq!(exit, Exit::Signal(9));
    pane.end();
    tracer.wait().unwrap();
}

/// A tmux server of this test, ended with it.
struct Server(std::path::PathBuf);

impl Server {
    fn new(pane: &Pane) -> Self {
        Self(pane.dir.path().join("tmux"))
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(&self.0).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn pid(&self) -> u32 {
        self.tmux(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// A pane whose process starts a tmux server and goes on.
fn with_server() -> (Pane, Server) {
    let mut pane = Pane::open(
        "env -u TMUX TERM=screen tmux -S tmux -f /dev/null new -d sleep 1000; \
                               sleep 1000 & echo ready; wait",
    );
    let server = Server::new(&pane);
    pane.start(1);
    pane.screen.wait_for("ready");
    (pane, server)
}

#[test]
fn a_users_own_tmux_server_is_spared_and_named_once() {
    let (mut pane, server) = with_server();
    let pid = server.pid();
    pane.set(|spec| spec.want = Want::Stop);
    let LifeEvent::End { spared, .. } = pane.end().event else { panic!() };
    let names: Vec<_> = spared.iter().map(|member| (member.pid, member.name.as_str())).collect();
    assert_eq!(names, [(pid, "tmux")]);
    assert_eq!(server.pid(), pid, "it goes on");
    let shown = server.tmux(&["list-panes", "-a", "-F", "#{pane_pid} #{pane_dead}"]);
    let (inner, dead) = shown.trim().split_once(' ').unwrap();
    assert!(dead == "0" && lives(inner.parse().unwrap()), "and what runs in it");
    pane.spec.command = "exit 0".into();
    pane.start(2);
    let LifeEvent::End { spared, .. } = pane.end().event else { panic!() };
    assert_eq!(spared, [], "named once");
    pane.finish();
    assert_eq!(server.pid(), pid);
}

#[test]
fn a_sweep_ends_the_processes_of_a_killed_shim() {
    let (mut pane, server) = with_server();
    pane.spec.command = escapes("echo ready2; wait").into();
    let tmux = server.pid();
    let main = pane.start(2);
    pane.screen.wait_for("ready2");
    let escaped: Vec<u32> = ESCAPES.iter().map(|(file, _)| pane.number_in(file)).collect();
    pane.signal(libc::SIGKILL);
    pane.wait_shim();
    let another =
        sys::Orphans { run: "another".into(), process: "web".into(), ..Default::default() };
    assert_eq!(sys::kill_orphans(&another), sys::OrphanReport::default());
    assert!(lives(escaped[1]), "it was not meant");
    let killed = pane.kill_orphans(&pane.spec.run);
    assert_eq!(killed.left, []);
    assert_eq!(killed.exempt.iter().map(|process| process.pid).collect::<Vec<_>>(), [tmux]);
    assert!(!lives(main) && !escaped.into_iter().any(lives));
    assert_eq!(server.pid(), tmux);
}

/// Three kinds of what goes on forking without a shim: as fast as it can in one group, slowly and
/// by the hundred, and from session to session.
#[test]
fn a_sweep_ends_a_fork_storm_without_a_shim() {
    let command = r"trap '' HUP; echo 'sleep 0.01; [ -e go ] && setsid sh hop.sh &' > hop.sh; : > go
        slow() { sleep 0.2; [ -e go ] && slow & }
        fast() { [ -e go ] && fast & }
        i=0; while [ $i -lt 100 ]; do slow & i=$((i + 1)); done
        i=0; while [ $i -lt 6 ]; do setsid sh hop.sh & i=$((i + 1)); done
        fast & fast & echo ready; sleep 1000";
    let mut pane = Pane::open(command);
    pane.start(1);
    pane.screen.wait_for("ready");
    pane.signal(libc::SIGKILL);
    pane.wait_shim();
    let killed = pane.kill_orphans(&pane.spec.run);
    // Should it get out, it ends with this file.
    std::fs::remove_file(pane.dir.path().join("go")).unwrap();
    assert_eq!(killed.left, []);
    assert!(killed.ended > 100, "{}", killed.ended);
    let marks = [format!("TMO_SESSION={}", pane.spec.run)];
    assert_eq!(sys::processes_with_env(&[&marks[0]]), []);
}
