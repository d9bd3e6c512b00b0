//! Processes that are hard to end, and every way to end them. A file that each of them holds open identifies them,
//! whatever their environment, session or parent is.

mod cases;

use std::path::Path;
use std::sync::Mutex;

use self::cases::{CASES, Case};
use crate::harness::{Ran, World, eventually, procs};
use crate::random::Random;
use crate::table::Table;

/// Worlds at the same time.
const AT_ONCE: usize = 4;

/// A way to end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    Restart,
    Quit,
    Kill,
    Itself,
}

const ENDS: [End; 5] = [End::Stop, End::Restart, End::Quit, End::Kill, End::Itself];

/// What has become of one case.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    tried: u32,
    failed: u32,
    processes: usize,
    left: usize,
}

/// Try all cases with all ends; with `times` 0 each with one of them.
pub(crate) fn prove(times: u32, mut random: Random) -> Table {
    let cases = 0..CASES.len();
    let mut turns: Vec<(usize, End)> = match times {
        0 => cases.map(|case| (case, ENDS[usize::try_from(random.below(5)).unwrap()])).collect(),
        _ => (0..times)
            .flat_map(|_| cases.clone().flat_map(|case| ENDS.map(|end| (case, end))))
            .collect(),
    };
    for at in (1..turns.len()).rev() {
        let other = usize::try_from(random.below(at as u64 + 1)).unwrap();
        turns.swap(at, other);
    }
    let sums = Mutex::new(vec![Sum::default(); CASES.len()]);
    let turns = Mutex::new(turns);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let turn = turns.lock().unwrap().pop();
                    let Some((case, end)) = turn else { return };
                    one(case, end, &sums);
                }
            });
        }
    });
    let mut table = Table::default();
    let sums = sums.into_inner().unwrap();
    let wanted = (u32::try_from(ENDS.len()).unwrap() * times).max(1);
    for (case, sum) in CASES.iter().zip(&sums) {
        table.must(
            format!("{}: ends with nothing left", case.name),
            sum.tried - sum.failed,
            wanted,
        );
    }
    table.figure("processes ended", sums.iter().map(|sum| sum.processes).sum::<usize>());
    table.must("processes left", sums.iter().map(|sum| sum.left).sum::<usize>(), 0);
    table
}

fn one(case: usize, end: End, sums: &Mutex<Vec<Sum>>) {
    let tried = std::panic::catch_unwind(|| Trial::new(&CASES[case], end).run());
    let mut sums = sums.lock().unwrap();
    let sum = &mut sums[case];
    sum.tried += 1;
    let Ok((processes, left)) = tried else {
        sum.failed += 1;
        eprintln!("{}, {end:?}: failed", CASES[case].name);
        return;
    };
    sum.processes += processes;
    sum.left += left.len();
    if !left.is_empty() {
        sum.failed += 1;
        eprintln!("{}, {end:?}: left {left:#?}", CASES[case].name);
    }
}

/// One case, ended in one way.
struct Trial {
    case: &'static Case,
    end: End,
    world: World,
}

impl Trial {
    fn new(case: &'static Case, end: End) -> Self {
        // A second process keeps the run up while the first is stopped.
        let world = World::new("tree: exec sh tree.sh\nother: exec sleep 1000\n");
        world.write("tree.sh", &cases::script(case));
        for (name, text) in cases::HELPERS {
            world.write(name, text);
        }
        let status = world.command("mkfifo").arg("go").status().unwrap();
        assert!(status.success());
        Self { case, end, world: world.env("TMO_TIMEOUT", "0.5") }
    }

    /// Grow the tree, end it; how many it were and who is left.
    fn run(self) -> (usize, Vec<String>) {
        let mut view = self.world.start([""; 0]);
        let main = self.grown();
        let marker = self.marker(main);
        let before = holders(&marker).len();
        let spared = self.spared(main);
        let ran = match self.end {
            End::Stop => self.world.run(["stop", "tree"]),
            End::Restart => self.world.run(["restart", "tree"]),
            End::Quit => self.world.run(["quit"]),
            End::Kill => self.world.run(["kill"]),
            End::Itself => {
                std::fs::write(self.world.app().join("go"), "\n").unwrap();
                Ran { code: view.code(), stdout: view.log(), stderr: view.errors() }
            }
        };
        // At once: a command answers when the thing is done.
        let left: Vec<String> = self.living(&marker, &spared);
        assert_eq!(ran.code, 0, "{:?}, left {left:?}: {ran:?}", self.end);
        if self.end == End::Restart {
            let again = self.grown();
            assert_ne!(again, main);
            let marker = self.marker(again);
            let also_spared = self.spared(again);
            self.world.ok(["quit"]);
            assert_eq!(self.living(&marker, &also_spared), Vec::<String>::new());
            self.put_away(again, &also_spared);
        } else if self.end == End::Stop {
            self.world.ok(["quit"]);
        }
        if self.end != End::Itself {
            assert_eq!(view.code(), 0);
        }
        if self.case.spared {
            view.shows("Left running on purpose: tmux");
        }
        drop(view);
        self.put_away(main, &spared);
        (before, left)
    }

    /// Wait until the tree is there; the pid of its main process.
    fn grown(&self) -> u32 {
        let main = self.world.wait_state("tree", "running").unwrap();
        let marker = self.marker(main);
        eventually(&format!("{} has grown", self.case.name), || {
            (holders(&marker).len() >= self.case.grown).then_some(())
        });
        main
    }

    fn marker(&self, main: u32) -> std::path::PathBuf {
        self.world.app().join(format!("held.{main}"))
    }

    /// The user's own tmux server and what runs in it.
    fn spared(&self, main: u32) -> Vec<u32> {
        if !self.case.spared {
            return vec![];
        }
        eventually("the user's own tmux is there", || {
            let mut command = self.tmux(main);
            let output = command.args(["display", "-p", "#{pid} #{pane_pid}"]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let pids: Vec<u32> = text.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
            (pids.len() == 2).then_some(pids)
        })
    }

    fn tmux(&self, main: u32) -> std::process::Command {
        let mut command = self.world.command("tmux");
        command.args(["-L", &format!("own-{main}")]);
        command
    }

    /// Who lives that should not, by the file they hold; and the spared who should.
    fn living(&self, marker: &Path, spared: &[u32]) -> Vec<String> {
        let mut left: Vec<String> = holders(marker)
            .into_iter()
            .filter(|pid| !spared.contains(pid))
            .map(|pid| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                format!(
                    "{pid}: {} ({})",
                    String::from_utf8_lossy(&line).replace('\0', " "),
                    stat.trim_end()
                )
            })
            .collect();
        // Whoever forks on may slip through a look at the process table, but not through a lock.
        if left.is_empty() && !self.case.spared && locked(marker) {
            left.push("somebody too quick to be seen".into());
        }
        for pid in spared.iter().filter(|pid| !procs::alive(**pid)) {
            left.push(format!("{pid}: spared, but gone"));
        }
        left
    }

    /// End what was spared.
    fn put_away(&self, main: u32, spared: &[u32]) {
        if spared.is_empty() {
            return;
        }
        assert!(self.tmux(main).arg("kill-server").status().unwrap().success());
        eventually("the user's own tmux has ended", || {
            (!spared.iter().any(|pid| procs::alive(*pid))).then_some(())
        });
        let sockets = self.world.path().join("tmux");
        let uid = nix::unistd::getuid();
        std::fs::remove_file(sockets.join(format!("tmux-{uid}/own-{main}"))).unwrap();
    }
}

/// The processes that have this file open.
fn holders(marker: &Path) -> Vec<u32> {
    let holds = |pid: &u32| {
        let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        open.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|path| path == marker))
    };
    let pid = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(pid).filter(holds).collect()
}

/// Whether somebody still has the lock that all of a tree inherit with their descriptor.
fn locked(marker: &Path) -> bool {
    let file = std::fs::File::open(marker).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err()
}
