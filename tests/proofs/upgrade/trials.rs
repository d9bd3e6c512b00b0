//! The trials: twenty processes, one that is restarted again and again, one that is skipped.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::harness::{Ran, World, eventually, procs};
use crate::table::Table;
use crate::upgrade::earlier;

/// How many of the processes count.
const COUNTERS: usize = 17;

/// The world with its processes, and the earlier program.
struct Trial {
    world: World,
    old: PathBuf,
}

impl Trial {
    fn new() -> Self {
        let mut procfile = String::new();
        for name in counters() {
            let count = "i=0; while :; do i=$((i+1)); echo \"at $i\"; sleep 0.2; done";
            writeln!(procfile, "{name}: {count}").unwrap();
        }
        procfile += "unsteady: echo up; sleep 1; exit 1\nfails: exit 3\nafter: exec sleep 1000\n";
        let world = World::new(&procfile);
        world.write(
            "tmo.toml",
            "[process.unsteady]\nrestart = { policy = \"on-failure\", delay = \"1s\" }\n\
             [process.fails]\non_exit = \"ignore\"\nready = { exit = 0 }\n\
             [process.after]\ndepends_on = [\"fails\"]\n",
        );
        Self { world, old: earlier::tmo() }
    }

    fn old(&self, args: &[&str]) -> Ran {
        Ran::of(&self.world.command(&self.old).args(args).output().unwrap())
    }

    fn new_one(&self, args: &[&str]) -> Ran {
        self.world.run(args)
    }

    /// Wait until all is as it is to be: what counts runs, one is skipped, one was restarted.
    fn settle(&self) {
        for name in counters() {
            self.world.wait_state(&name, "running");
        }
        self.world.wait_state("after", "skipped");
        self.wait_lives(2);
    }

    fn lives(&self) -> u64 {
        self.world.field("unsteady", "lives").as_u64().unwrap_or_default()
    }

    fn wait_lives(&self, least: u64) {
        eventually("the unsteady one was restarted", || (self.lives() >= least).then_some(()));
    }

    fn pids(&self) -> Vec<Option<u64>> {
        counters().map(|name| self.world.field(&name, "pid").as_u64()).collect()
    }

    /// SIGKILL the guardian, and then the supervisor.
    fn abandon(&self) {
        for pid in [self.world.guardian(), self.world.supervisor()] {
            procs::kill(pid, 9);
            eventually("it is gone", || (!procs::alive(pid)).then_some(()));
        }
    }

    /// The numbers that a process has printed, in each of its lives, as the log has them.
    fn counted(&self, name: &str) -> Vec<Vec<u32>> {
        let log = self.world.ok(["logs", name, "--no-prefix", "--all-runs"]);
        let mut lives: Vec<Vec<u32>> = vec![];
        // The terminal shows what was sent to a process at the beginning of its next line.
        let lines = log.lines().map(|line| line.strip_prefix('x').unwrap_or(line));
        for number in lines.filter_map(|line| line.strip_prefix("at ")?.parse().ok()) {
            if number == 1 {
                lives.push(vec![]);
            }
            lives.last_mut().expect("it begins with 1").push(number);
        }
        lives
    }

    /// The last number of a process by now.
    fn last(&self, name: &str) -> u32 {
        self.counted(name).last().and_then(|life| life.last().copied()).unwrap_or_default()
    }

    /// Wait until the log of a process has this number in this life.
    fn wait_counted(&self, name: &str, life: usize, number: u32) {
        eventually(&format!("{name} is at {number}"), || {
            let lives = self.counted(name);
            (lives.len() == life && lives.last()?.last()? >= &number).then_some(())
        });
    }

    /// How many numbers are missing, doubled or out of order in the logs of all that count.
    fn disorder(&self) -> usize {
        let disorder = |lives: Vec<Vec<u32>>| {
            let pairs = lives.iter().flat_map(|life| life.windows(2));
            pairs.filter(|pair| pair[1] != pair[0] + 1).count()
        };
        counters().map(|name| disorder(self.counted(&name))).sum()
    }
}

fn counters() -> impl Iterator<Item = String> {
    (1..=COUNTERS).map(|number| format!("w{number:02}"))
}

/// Note that a command succeeds.
fn succeeds(table: &mut Table, what: &str, ran: &Ran) {
    if ran.code != 0 {
        eprintln!("{what}: {ran:?}");
    }
    table.must(format!("{what}: exit code"), ran.code, 0);
}

/// Note that a start succeeds as far as it can: one process is skipped.
fn begins(table: &mut Table, what: &str, ran: &Ran) {
    table.must(format!("{what}: exit code"), ran.code, 1);
    table.must("it tells who is skipped", ran.stderr.contains("after: skipped"), true);
}

/// A run of the earlier program whose supervisor and guardian were killed is taken over, read, changed and ended.
pub(crate) fn takeover(times: u32, _: u64) -> Table {
    let mut table = Table::default();
    for _ in 0..times {
        let trial = Trial::new();
        begins(&mut table, "earlier start", &trial.old(&["start", "-D"]));
        trial.settle();
        let (before, lives, at) = (trial.pids(), trial.lives(), trial.last("w02"));
        trial.abandon();
        succeeds(&mut table, "ps, which takes over", &trial.new_one(&["ps"]));
        table.must("the same processes", trial.pids() == before, true);
        table.must("one stays skipped", trial.world.field("after", "state") == "skipped", true);
        trial.wait_counted("w02", 1, at + 5);
        trial.wait_lives(lives + 1);
        for args in [&["restart", "w01"][..], &["stop", "w03"], &["start", "w03"]] {
            succeeds(&mut table, &args.join(" "), &trial.new_one(args));
        }
        trial.world.wait_state("w03", "running");
        table.must("w01 is another one", trial.pids()[0] != before[0], true);
        for name in ["w01", "w03"] {
            trial.wait_counted(name, 2, 3);
        }
        for args in [
            &["events", "--json"][..],
            &["crashes"],
            &["logs", "--json", "-n", "5"],
            &["send", "w05", "x"],
            &["screen", "w05"],
            &["reload"],
        ] {
            succeeds(&mut table, &args.join(" "), &trial.new_one(args));
        }
        let why = trial.new_one(&["why", "after"]);
        table.must("why names what it waited for", why.stdout.contains("fails"), true);
        table.must("why: exit code", why.code, 1);
        let why = trial.new_one(&["why", "unsteady"]).stdout;
        table.must("why tells of one that fails again and again", why.contains("unsteady"), true);
        succeeds(&mut table, "quit", &trial.new_one(&["quit"]));
        trial.world.wait_empty();
        table.must("lost, doubled or out of order", trial.disorder(), 0_usize);
    }
    table
}

/// The commands of the earlier program work with the supervisor of this program.
pub(crate) fn old_client(times: u32, _: u64) -> Table {
    let mut table = Table::default();
    for _ in 0..times {
        let trial = Trial::new();
        // Without flags that the earlier program does not know: its `reload` reads them again.
        let start = trial.world.tmo_as_typed(["start", "-D"]).output().unwrap();
        begins(&mut table, "start", &Ran::of(&start));
        commands(&trial, &mut table, "earlier", Trial::old);
    }
    table
}

/// The commands of this program work with a supervisor of the earlier one.
pub(crate) fn new_client(times: u32, _: u64) -> Table {
    let mut table = Table::default();
    for _ in 0..times {
        let trial = Trial::new();
        begins(&mut table, "earlier start", &trial.old(&["start", "-D"]));
        commands(&trial, &mut table, "new", Trial::new_one);
    }
    table
}

fn commands(trial: &Trial, table: &mut Table, whose: &str, run: fn(&Trial, &[&str]) -> Ran) {
    trial.settle();
    let before = trial.pids();
    for args in [
        &["ps"][..],
        &["ps", "--json"],
        &["restart", "w01"],
        &["stop", "w03"],
        &["start", "w03"],
        &["wait", "w03"],
        &["logs", "w02", "-n", "5"],
        &["events"],
        &["why", "unsteady"],
        &["why", "after"],
        &["crashes"],
        &["send", "w05", "x"],
        &["screen", "w05"],
        &["signal", "CONT", "w05"],
        &["reload"],
    ] {
        let (what, ran) = (format!("{whose} {}", args.join(" ")), run(trial, args));
        // `why` has an exit code of its own if something is wrong, as it is now and then with what is unsteady.
        if *args == ["why", "after"] {
            table.must(format!("{what}: exit code"), ran.code, 1);
        } else if *args == ["why", "unsteady"] {
            table.must(format!("{what}: tells"), ran.stdout.contains("unsteady"), true);
        } else {
            succeeds(table, &what, &ran);
        }
    }
    let ps = run(trial, &["ps"]).stdout;
    let shown = counters().filter(|name| ps.contains(name.as_str())).count();
    table.must(format!("{whose} ps shows"), shown, COUNTERS);
    table.must("w01 is another one", trial.pids()[0] != before[0], true);
    succeeds(table, &format!("{whose} quit"), &run(trial, &["quit"]));
    trial.world.wait_empty();
    table.must("lost, doubled or out of order", trial.disorder(), 0_usize);
}

/// `kill` ends a run of the earlier program, also one that can't be taken over.
pub(crate) fn kill(times: u32, _: u64) -> Table {
    let mut table = Table::default();
    for _ in 0..times {
        for damaged in [false, true] {
            let trial = Trial::new();
            begins(&mut table, "earlier start", &trial.old(&["start", "-D"]));
            trial.settle();
            if damaged {
                let plan = trial.world.runtime().join("plan.json");
                trial.abandon();
                std::fs::write(&plan, "{").unwrap();
                let ran = trial.new_one(&["ps"]);
                table.must("ps of a damaged run: exit code", ran.code, 1);
                table.must("it says what to do", ran.stderr.contains("tmo kill"), true);
            }
            succeeds(&mut table, "kill", &trial.new_one(&["kill"]));
            trial.world.wait_empty();
        }
    }
    table
}
