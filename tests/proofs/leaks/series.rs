//! The operations that are repeated, the resources that are compared, and what may grow.
//!
//! After a warm-up, no part may have more descriptors, watches or memory of its own than before, except for
//! the slack of an allocator, and there may be no additional files. Two things grow with use: a life file
//! by the entries of each life, and the journal by output and events.

use std::time::Duration;

use crate::harness::pty::{ABRUPT_ENDS, Pty};
use crate::harness::{Terminal, World, eventually, eventually_within, procs};
use crate::leaks::census::Census;
use crate::table::Table;

/// KiB by which a part may grow after the warm-up: a few pages that an allocator had not yet
/// touched. A leak of 1 KiB per turn shows in every full series but the last.
const SLACK: u64 = 256;
/// tmux keeps its last 1,000 messages, one for each command, so it grows until there are as many.
const TMUX_SLACK: u64 = 1024;
/// KiB that tmux 3.3a loses for each client, with the formats that its hooks expand.
const TMUX_CLIENT: u64 = 16;
/// Bytes that one life may add to the life file: start, stopping, exit, end.
const LIFE: u64 = 1024;
/// Bytes that one turn may add to the journal: what was printed, what tmo says, markers, times
/// and records.
const JOURNAL: u64 = 4096;

/// A process that says one line in each life.
const PROCFILE: &str = "web: echo up; exec sleep 1000\nworker: exec sleep 1000\n";

fn world() -> World {
    let mut world = World::new(PROCFILE);
    let temporary = world.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    world.extra.push(("TMPDIR".into(), temporary.display().to_string()));
    world
}

/// The count before and after, each taken once what has ended is gone.
struct Compared {
    before: Census,
    after: Census,
}

impl Compared {
    /// Do it some times to warm up, count, do it `times` times, count again.
    fn after(world: &World, times: u32, mut turn: impl FnMut(u32)) -> Self {
        let warm = (times / 10).clamp(2, 20);
        (0..warm).for_each(&mut turn);
        let before = settled(world, None);
        (warm..warm + times).for_each(&mut turn);
        let after = settled(world, Some(&before));
        Self { before, after }
    }

    fn tell(&self, times: u32, table: &mut Table) {
        self.tell_within(times, TMUX_SLACK, table);
    }

    /// The same where tmux may grow by so many KiB.
    fn tell_within(&self, times: u32, tmux: u64, table: &mut Table) {
        self.after.tell(&self.before, table);
        let grown = |dir: &str| {
            self.after.bytes(dir).saturating_sub(self.before.bytes(dir)) / u64::from(times)
        };
        for (dir, what, most) in [("run", "life file", LIFE), ("state", "journal", JOURNAL)] {
            let bytes = grown(dir);
            table.figure(format!("{what}: bytes more each time"), bytes);
            table.must(format!("{what}: no more than {most}"), bytes <= most, true);
        }
        self.after.tell_memory(&self.before, (SLACK, tmux), table);
    }
}

/// A count that does not change any more, and if possible is no more than `goal`: who has ended,
/// and the connection of a command that has returned, may take a moment to go.
fn settled(world: &World, goal: Option<&Census>) -> Census {
    let mut last = Census::take(world);
    for _ in 0..100 {
        crate::harness::pause(Duration::from_millis(50));
        let next = Census::take(world);
        let same = next.more_than(&last).is_empty() && last.more_than(&next).is_empty();
        last = next;
        if same && goal.is_none_or(|goal| last.more_than(goal).is_empty()) {
            break;
        }
    }
    last
}

/// `tmo restart`, with a view attached.
pub(crate) fn restarts(times: u32, _: u64) -> Table {
    let world = world();
    let mut view = world.start([""; 0]);
    world.wait_state("worker", "running");
    let lives = std::cell::Cell::new(1);
    let compared = Compared::after(&world, times, |turn| {
        let who = if turn % 2 == 0 { &["restart", "web"][..] } else { &["restart"] };
        world.ok(who);
        lives.set(lives.get() + 1);
    });
    let mut table = Table::default();
    compared.tell(times, &mut table);
    // One that was restarted at once may not have said a word.
    let reported = world.ok(["logs", "web"]).matches("tarted with pid ").count();
    table.must("starts told of web", reported, usize::try_from(lives.get()).unwrap());
    table.must("lives of web", world.field("web", "lives").as_u64().unwrap(), lives.get());
    table.must("exit code of the view", view.interrupt(), 0);
    world.wait_empty();
    table
}

/// Start and quit, in the background and with a view in turns.
pub(crate) fn starts(times: u32, _: u64) -> Table {
    let world = world();
    let mut codes = 0;
    let compared = Compared::after(&world, times, |turn| {
        if turn % 2 == 0 {
            world.ok(["start", "-D"]);
            world.ok(["quit"]);
        } else {
            let mut view = world.start([""; 0]);
            view.shows("web    | up\n");
            codes += view.interrupt();
        }
    });
    let mut table = Table::default();
    compared.tell(times, &mut table);
    table.must("exit codes of the views, all together", codes, 0);
    table
}

/// How many clients of `tmo connect` are attached.
fn connected(world: &World) -> usize {
    if world.is_native() {
        let living = world.living();
        return living.iter().filter(|p| p.args.get(1).is_some_and(|a| a == "connect")).count();
    }
    world.tmux(["list-clients", "-F", "#{client_session}"]).lines().count()
}

/// How many sessions tmux has; without tmux, as if there was that of the run.
fn sessions(world: &World) -> usize {
    if world.is_native() {
        return 1;
    }
    world.tmux(["list-sessions", "-F", "#S"]).lines().count()
}

/// Views that are closed or killed, and terminals that connect and leave or are closed.
pub(crate) fn attachments(times: u32, _: u64) -> Table {
    let world = world();
    world.ok(["start", "-D"]);
    let pids = ["web", "worker"].map(|name| world.wait_state(name, "running").unwrap());
    let terminal = Terminal::open(&world, "a", 90, 20);
    let clients = |count: usize| {
        eventually("terminals come and go", || (connected(&world) == count).then_some(()));
    };
    let compared = Compared::after(&world, times, |turn| {
        if turn % 2 == 0 {
            let mut view = world.start([""; 0]);
            eventually("it is attached", || (world.state()?["views"] == 1).then_some(()));
            view.signal(if turn % 4 == 0 { 1 } else { 9 });
            view.end();
            eventually("it is not any more", || (world.state()?["views"] == 0).then_some(()));
            return;
        }
        terminal.tmo("connect web");
        clients(1);
        terminal.wait_connected("C-b C-b d");
        terminal.keys(["C-b", "d"]);
        clients(0);
        eventually("its session is gone too", || (sessions(&world) == 1).then_some(()));
        terminal.clear();
    });
    let mut table = Table::default();
    compared.tell(times, &mut table);
    let now = ["web", "worker"].map(|name| world.wait_state(name, "running").unwrap());
    table.must("pids of the processes unchanged", now == pids, true);
    terminal.close();
    world.ok(["quit"]);
    world.wait_empty();
    table
}

/// Clients of `tmo connect` that end abruptly beside one that is used.
pub(crate) fn clients(times: u32, _: u64) -> Table {
    let world = world();
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    let clients = |count: usize| {
        eventually("clients come and go", || (connected(&world) == count).then_some(()));
    };
    let stays = Pty::tmo(&world, &["connect", "worker"], 80, 24);
    clients(1);
    let compared = Compared::after(&world, times, |turn| {
        let turn = usize::try_from(turn).unwrap();
        let way = ABRUPT_ENDS[turn % ABRUPT_ENDS.len()];
        let read_only = turn / ABRUPT_ENDS.len() % 2 == 1;
        let args: &[&str] = if read_only { &["connect", "-r", "web"] } else { &["connect", "web"] };
        let client = Pty::tmo(&world, args, 60, 15);
        if way != "SIGKILL at once" {
            clients(2);
        }
        stays.types("x\n");
        client.end(way);
        clients(1);
    });
    eventually("the sessions of the run and of the other client", || {
        (sessions(&world) <= 2).then_some(())
    });
    let mut table = Table::default();
    compared.tell_within(times, TMUX_SLACK + TMUX_CLIENT * u64::from(times), &mut table);
    if !world.is_native() {
        table.must("sessions of clients that are gone", sessions(&world) - 2, 0);
    }
    stays.end("SIGKILL");
    world.ok(["quit"]);
    world.wait_empty();
    table
}

/// Supervisor, guardian or both are killed, and somebody takes over.
pub(crate) fn adoptions(times: u32, _: u64) -> Table {
    let world = world();
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running").unwrap();
    world.wait_state("worker", "running");
    let compared = Compared::after(&world, times, |turn| {
        let (supervisor, guardian) = (world.supervisor(), world.guardian());
        // The other way round the guardian may start another one before it dies.
        match turn % 3 {
            0 => kill(&[supervisor]),
            1 => {
                kill(&[guardian, supervisor]);
                world.ok(["start", "-D"]);
            }
            _ => {
                kill(&[guardian]);
                world.ok(["restart", "worker"]);
                kill(&[supervisor]);
                world.ok(["start", "-D"]);
            }
        }
        eventually_within(Duration::from_secs(60), "somebody has taken over", || {
            let next = world.part("supervise").filter(|pid| *pid != supervisor)?;
            (world.state()?["pid"] == next && world.part("guard").is_some()).then_some(())
        });
    });
    let mut table = Table::default();
    compared.tell(times, &mut table);
    let now = world.wait_state("web", "running").unwrap();
    table.must("pid of the process left alone unchanged", now == web, true);
    world.ok(["quit"]);
    world.wait_empty();
    table
}

fn kill(pids: &[u32]) {
    for pid in pids {
        procs::kill(*pid, 9);
    }
    eventually("the killed are gone", || {
        (!pids.iter().any(|pid| procs::alive(*pid))).then_some(())
    });
}
