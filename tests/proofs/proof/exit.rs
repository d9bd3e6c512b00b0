//! A process that writes 2,000 lines and exits at once, while the machine is busy.

use std::process::{Child, Command};
use std::sync::Mutex;

use crate::harness::World;
use crate::lines::each_line;
use crate::proof::check::{Faults, Lines, Merged};
use crate::proof::programs;
use crate::random::Random;
use crate::table::Table;

const LINES: u64 = 2_000;
/// Worlds at the same time.
const AT_ONCE: usize = 8;

/// What one world has shown.
#[derive(Debug, Default)]
struct Sum {
    runs: u32,
    complete: u32,
    statuses: u32,
    journal: Faults,
    view: Faults,
    broken: u32,
}

/// Run them all.
pub(crate) fn prove(times: u32, random: Random) -> Table {
    let busy: Vec<Busy> =
        (0..std::thread::available_parallelism().unwrap().get()).map(|_| Busy::start()).collect();
    let sum = Mutex::new(Sum::default());
    let turns = Mutex::new((0, random));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(choice) = next(&turns, times) {
                    one(choice, &sum);
                }
            });
        }
    });
    let cores = busy.len();
    drop(busy);
    let sum = sum.into_inner().unwrap();
    let mut table = Table::default();
    table.figure("busy loops beside", cores);
    table.must("runs", sum.runs, times);
    table.must("complete and in order, in view and journal", sum.complete, times);
    table.must("exit status right", sum.statuses, times);
    table.must("worlds with something left", sum.broken, 0);
    sum.journal.tell("journal", &mut table);
    sum.view.tell("view", &mut table);
    table
}

fn next(turns: &Mutex<(u32, Random)>, times: u32) -> Option<u64> {
    let mut turns = turns.lock().unwrap();
    turns.0 += 1;
    (turns.0 <= times).then(|| turns.1.next())
}

fn one(choice: u64, sum: &Mutex<Sum>) {
    let tried = std::panic::catch_unwind(|| run(choice));
    let mut sum = sum.lock().unwrap();
    sum.runs += 1;
    match tried {
        Ok((right, journal, view)) => {
            let whole = |faults| {
                faults == Faults { lines: LINES, bytes: journal.bytes, ..Faults::default() }
            };
            let view_as_well = Faults { bytes: journal.bytes, ..view };
            sum.complete += u32::from(whole(journal) && whole(view_as_well));
            sum.statuses += u32::from(right);
            sum.journal += journal;
            sum.view += view;
        }
        Err(_) => sum.broken += 1,
    }
}

/// One run; whether its status was right, and what was found.
fn run(choice: u64) -> (bool, Faults, Faults) {
    let mut random = Random::new(choice);
    let style = ["lines", "blocks", "once"][usize::try_from(random.below(3)).unwrap()];
    // A status, or one of the signals that end a process.
    let (end, status) = if random.once_in(8) {
        let signal = [9, 15, 10, 6][usize::try_from(random.below(4)).unwrap()];
        (1000 + signal, 128 + signal)
    } else {
        let status = i32::try_from(random.below(256)).unwrap();
        (status, status)
    };
    let program = programs::command(&format!("burst web {LINES} {style} {end}"));
    let world = World::new(&format!("web: ulimit -c 0; {program}\n"));
    let mut view = world.start([""; 0]);
    let code = view.code();
    let mut shown = Merged::new(&["web"]);
    let log = std::fs::read(world.app().join("log")).unwrap();
    shown.read(&log[..]);
    let mut journal = Lines::new("web");
    let text = world.ok(["logs", "--no-prefix", "web"]);
    each_line(text.as_bytes(), |line| _ = journal.take(line));
    if code != status {
        eprintln!("{end} became {code}\n{}", view.errors());
    }
    let written = [("web".to_owned(), LINES)].into();
    (code == status, journal.end(LINES), shown.end(&written))
}

/// A loop that keeps a core busy.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        let me = std::env::current_exe().unwrap();
        Self(Command::new(me).arg("@busy").spawn().unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
