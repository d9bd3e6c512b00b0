//! Supervisor, guardian, views and clients are killed and stopped while four processes write at full speed.
//! Afterwards every line must be in the log once, complete and in order.

mod rig;

use std::process::{Child, Stdio};
use std::time::Duration;

use self::rig::{NAMES, Rig};
use crate::harness::{Terminal, eventually, pause, procs};
use crate::lines::{each_line, split};
use crate::proof::check::Merged;
use crate::random::Random;
use crate::table::Table;

/// The most KiB that a process writes in a burst; in a short run it is less.
const MOST: u64 = 4 << 10;

/// Run all parts.
pub(crate) fn prove(times: u32, mut random: Random) -> Table {
    let mut table = Table::default();
    let most = if times < 20 { 256 } else { MOST };
    watched((times, most), random.next(), &mut table);
    alone(((times / 4).max(2), most), random.next(), &mut table);
    views(((times / 5).max(2), most), random.next(), &mut table);
    held((times / 10).max(2), random.next(), &mut table);
    holders((times, most), random.next(), &mut table);
    table
}

/// A view is there all the time, and a client that was stopped.
fn watched((times, most): (u32, u64), seed: u64, table: &mut Table) {
    let world = rig::world(false);
    let mut rig = Rig::new(&world, seed, most);
    let mut view = world.start_into("shown", [""; 0]);
    let pids = rig.ready();
    let mut echo = echo(&mut rig);
    while rig.kills < times {
        rig.burst();
        for _ in 0..rig.strikes() {
            rig.strike();
            let ended = view.child.try_wait().unwrap();
            assert_eq!(ended, None, "the view has ended: {}", view.errors());
        }
        rig.settle();
    }
    let same = pids == rig.pids();
    procs::kill(echo.id(), nix::libc::SIGCONT);
    let code = view.interrupt();
    let echoed = eventually("echo ends", || echo.try_wait().unwrap());
    rig.tell("view attached", table);
    table.must("pids of the processes unchanged", same, true);
    table.must("exit code of the view", code, 0);
    table.must("exit code of the stopped echo", echoed.code().unwrap_or(-1), 0);
    rig.journal().tell("journal", table);
    rig.merged(rig.run(&["logs"]), table);
    let mut shown = Merged::new(&NAMES);
    shown.read(rig.open("shown"));
    shown.end(&rig.written()).tell("view", table);
    let mut echoed = Merged::late(&NAMES);
    let text = std::fs::read(rig.world.app().join("echoed")).unwrap();
    echoed.read(&text[..]);
    echoed.end(&rig.written()).tell("echo, stopped meanwhile", table);
}

/// `tmo echo`, stopped as soon as it has shown something.
fn echo(rig: &mut Rig<'_>) -> Child {
    let shown = rig.world.app().join("echoed");
    let out = std::fs::File::create(&shown).unwrap();
    let child = rig.world.tmo(["echo"]).stdout(out).stderr(Stdio::null()).spawn().unwrap();
    eventually("echo shows something", || {
        rig.burst();
        rig.settle();
        (std::fs::metadata(&shown).unwrap().len() > 0).then_some(())
    });
    procs::kill(child.id(), nix::libc::SIGSTOP);
    child
}

/// Without tmux: what takes the output of a process is killed, and sometimes the supervisor.
fn holders((times, most): (u32, u64), seed: u64, table: &mut Table) {
    let world = rig::world(false).env("TMO_BACKEND", "native");
    let mut rig = Rig::new(&world, seed, most);
    let mut view = world.start_into("shown", [""; 0]);
    let pids = rig.ready();
    while rig.holders < times {
        rig.burst();
        for _ in 0..rig.strikes() {
            rig.strike_holder();
        }
        if rig.strikes() == 1 {
            rig.strike();
        }
        rig.settle();
    }
    let same = pids == rig.pids();
    let code = view.interrupt();
    table.figure("without tmux: kills of what takes the output", rig.holders);
    rig.tell("without tmux", table);
    table.must("pids of the processes unchanged", same, true);
    table.must("exit code of the view", code, 0);
    let log = rig.world.ok(["logs"]);
    table.must("gaps told", log.matches("may be missing here").count(), 0);
    rig.journal().tell("journal", table);
    rig.merged(rig.run(&["logs"]), table);
    let mut shown = Merged::new(&NAMES);
    shown.read(rig.open("shown"));
    shown.end(&rig.written()).tell("view", table);
}

/// Nobody looks; whoever comes after guardian and supervisor were killed takes over.
fn alone((times, most): (u32, u64), seed: u64, table: &mut Table) {
    let world = rig::world(false);
    let mut rig = Rig::new(&world, seed, most);
    rig.world.ok(["start", "-D"]);
    let pids = rig.ready();
    let mut adoptions = 0;
    while rig.kills < times {
        rig.burst();
        rig.strike();
        if rig.orphaned() {
            rig.world.ok(["start", "-D"]);
            adoptions += 1;
        }
        rig.settle();
    }
    let same = pids == rig.pids();
    rig.world.ok(["quit"]);
    rig.tell("nobody attached", table);
    table.figure("taken over by `tmo start -D`", adoptions);
    table.must("pids of the processes unchanged", same, true);
    rig.journal().tell("journal", table);
    rig.merged(rig.run(&["logs"]), table);
}

/// The view is killed and another one attached.
fn views((times, most): (u32, u64), seed: u64, table: &mut Table) {
    let world = rig::world(false);
    let mut rig = Rig::new(&world, seed, most);
    let mut view = world.start_into("shown0", [""; 0]);
    let pids = rig.ready();
    for number in 1..=times {
        rig.burst();
        let moment = rig.moment();
        pause(moment);
        view.signal(9);
        view.end();
        view = world.start_into(&format!("shown{number}"), [""; 0]);
        // Before that a signal ends it as it ends any program, and a kill would hit nothing.
        eventually("the view is attached", || (rig.world.state()?["views"] == 1).then_some(()));
        rig.settle();
    }
    let same = pids == rig.pids();
    rig.world.ok(["quit"]);
    let code = view.code();
    table.figure("kills of the view", times);
    table.must("pids of the processes unchanged", same, true);
    table.must("exit code of the last view", code, 0);
    rig.journal().tell("journal", table);
    rig.merged(rig.run(&["logs"]), table);
    repeats(&rig, times, table);
}

/// What the views have shown, taken together: all of it, and little of it twice.
fn repeats(rig: &Rig<'_>, times: u32, table: &mut Table) {
    let mut all = Merged::new(&NAMES);
    let (mut repeated, mut most, mut cut) = (0, 0, 0);
    for number in 0..=times {
        let mut again = 0u64;
        let mut last = vec![];
        each_line(rig.open(&format!("shown{number}")), |line| {
            if !last.is_empty() {
                again += u64::from(!fresh(&mut all, &last));
            }
            last.clear();
            last.extend_from_slice(line);
            last.push(b'\n');
        });
        // Only the last line of a view may be cut off by its death.
        let mut scratch = vec![];
        if is_whole(&last, &mut scratch) || number == times {
            again += u64::from(!fresh(&mut all, &last));
        } else {
            cut += 1;
        }
        repeated += again;
        most = most.max(again);
    }
    table.figure("views: lines shown again, in all", repeated);
    table.figure("views: most lines shown again after a kill", most);
    table.figure("views: lines cut off by a kill", cut);
    all.end(&rig.written()).tell("views together", table);
}

/// Take a line unless it was shown before; whether it was not.
fn fresh(all: &mut Merged, line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut scratch = vec![];
    if let Some((name, text)) = split(line)
        && let Some(process) = all.processes.get(name)
        && let Some(number) = crate::lines::whole(name, text, &mut scratch)
        && number < process.next()
    {
        return false;
    }
    all.take(line);
    true
}

/// Whether this is a whole line of a writer (with its newline).
fn is_whole(line: &[u8], scratch: &mut Vec<u8>) -> bool {
    let Some(line) = line.strip_suffix(b"\n") else { return false };
    split(line).is_some_and(|(name, text)| crate::lines::whole(name, text, scratch).is_some())
}

/// The view's terminal is held by ^S meanwhile and let go at the end.
fn held(times: u32, seed: u64, table: &mut Table) {
    let world = rig::world(true);
    let mut rig = Rig::new(&world, seed, 256);
    let terminal = Terminal::open(&world, "t", 120, 30);
    let shown = rig.world.app().join("shown");
    let mut pipe = rig.world.command("tmux");
    pipe.args(["-L", "test-t", "pipe-pane", "-t", "t"]).arg(format!("cat > {}", shown.display()));
    assert!(pipe.status().unwrap().success());
    terminal.tmo("start");
    let pids = rig.ready();
    terminal.keys(["C-s"]);
    while rig.kills < times {
        rig.burst();
        rig.strike();
        rig.settle();
    }
    let same = pids == rig.pids();
    terminal.keys(["C-q"]);
    // Its last lines come when all before them have been shown.
    let goal = rig.last_lines();
    crate::harness::eventually_within(Duration::from_secs(120), "all is shown", || {
        let text = std::fs::read(&shown).unwrap();
        goal.iter().all(|line| memchr::memmem::rfind(&text, line).is_some()).then_some(())
    });
    terminal.keys(["C-c"]);
    terminal.wait("ready>");
    drop(terminal);
    rig.tell("view held by ^S", table);
    table.must("pids of the processes unchanged", same, true);
    rig.journal().tell("journal", table);
    rig.merged(rig.run(&["logs"]), table);
    rig.on_screen(&std::fs::read(&shown).unwrap(), table);
}
