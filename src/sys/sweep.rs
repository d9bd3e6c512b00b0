//! The end of a tree whose shim is gone.

use std::collections::HashSet;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;
use rustix::event::{PollFd, PollFlags};

use super::{ProcInfo, all, processes_with_env, signal, signals, spared, watch_exit};

/// How long the killed may take to go.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a tree that goes on forking is looked at again.
const ROUNDS: u32 = 100;

/// What a sweep did not end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sweep {
    /// Left alone on purpose; so is everything below them.
    pub spared: Vec<ProcInfo>,
    /// Still there after SIGKILL.
    pub left: Vec<ProcInfo>,
}

/// SIGKILL everything that a dead shim left behind: what carries the run (`TMO_SESSION`) and the
/// process (`TMO_PROCESS`) in its environment, what is in the shim's session, all below either.
///
/// `shim` is the shim's pid, which was also the session of its pane. Takes two seconds at most.
/// Words that would match more than one tree (an empty name) match nothing.
pub fn kill_tree_of_run(run: &str, process: &str, shim: u32) -> Sweep {
    if run.is_empty() || process.is_empty() {
        return Sweep::default();
    }
    let until = Instant::now() + PATIENCE;
    let mut sweep = Sweep::default();
    for _ in 0..ROUNDS {
        sweep = survey(run, process, shim);
        let mut watched = Vec::new();
        for one in &sweep.left {
            watched.extend(watch_exit(one.pid, one.start_time));
            // Refused (another user's): it stays in the list and is reported.
            let _ = signal(one.pid, one.start_time, SIGKILL);
        }
        if sweep.left.is_empty() || Instant::now() >= until {
            break;
        }
        wait_all(watched, until);
    }
    sweep
}

fn wait_all(watched: Vec<OwnedFd>, until: Instant) {
    for fd in watched {
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
        let _ = rustix::event::poll(&mut fds, Some(&signals::timespec(left)));
    }
}

fn survey(run: &str, process: &str, shim: u32) -> Sweep {
    let ids = |mark: &str| -> HashSet<u32> {
        processes_with_env(mark).iter().map(|process| process.pid).collect()
    };
    let of_run = ids(&format!("TMO_SESSION={run}"));
    let of_process = ids(&format!("TMO_PROCESS={process}"));
    let marked = of_run.intersection(&of_process).copied().collect();
    sort(all(), &marked, shim, std::process::id())
}

/// Sort the process table: who is to go and who is spared.
fn sort(table: Vec<ProcInfo>, marked: &HashSet<u32>, shim: u32, me: u32) -> Sweep {
    // While a process has that number the shim lives, or its session has long been empty.
    // 0 is no session at all but what every session of an outer pid namespace looks like.
    let orphaned = shim > 1 && table.iter().all(|p| p.pid != shim || !p.alive());
    let mine = |process: &ProcInfo| {
        marked.contains(&process.pid) || (orphaned && process.sid == shim && process.pid != shim)
    };
    let mut below: HashSet<u32> = table.iter().filter(|p| mine(p)).map(|p| p.pid).collect();
    close_under_children(&table, &mut below);
    let roots: HashSet<u32> =
        table.iter().filter(|p| below.contains(&p.pid) && spared(p, shim)).map(|p| p.pid).collect();
    let mut safe = roots.clone();
    close_under_children(&table, &mut safe);
    let inner = |p: &ProcInfo| safe.contains(&p.ppid);
    let mut sweep = Sweep::default();
    for process in table.into_iter().filter(|p| below.contains(&p.pid) && p.alive()) {
        if roots.contains(&process.pid) && !inner(&process) {
            sweep.spared.push(process);
        } else if !safe.contains(&process.pid) && ![1, me, shim].contains(&process.pid) {
            sweep.left.push(process);
        }
    }
    sweep
}

/// Add all descendants of the members to the set.
fn close_under_children(table: &[ProcInfo], set: &mut HashSet<u32>) {
    loop {
        let before = set.len();
        for process in table {
            if set.contains(&process.ppid) {
                set.insert(process.pid);
            }
        }
        if set.len() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::sort;
    use crate::sys::process::tests::process;

    #[test]
    fn marks_session_and_children_go_and_the_spared_stay() {
        let table = vec![
            process(1, 0, 1, "init"),
            process(20, 1, 10, "web"),     // in the pane's session
            process(30, 1, 30, "worker"),  // marked, daemonised
            process(31, 30, 30, "helper"), // below it, environment cleared
            process(40, 1, 40, "tmux"),    // marked, but somebody's server
            process(41, 40, 41, "sh"),     // in that server, marked too
            process(50, 1, 50, "stranger"),
            process(60, 1, 60, "tmo"), // the sweeper
        ];
        let marked = HashSet::from([30, 40, 41]);
        let sweep = sort(table, &marked, 10, 60);
        let pids = |list: &[crate::sys::ProcInfo]| list.iter().map(|p| p.pid).collect::<Vec<_>>();
        assert_eq!(pids(&sweep.left), [20, 30, 31]);
        assert_eq!(pids(&sweep.spared), [40]);
    }

    #[test]
    fn no_number_is_no_session() {
        // Seen from inside a pid namespace, whatever entered it from outside has session 0.
        let table = || vec![process(1, 0, 0, "init"), process(9, 0, 0, "shell")];
        for shim in [0, 1] {
            assert!(sort(table(), &HashSet::new(), shim, 60).left.is_empty());
        }
        assert_eq!(super::kill_tree_of_run("", "web", 0), super::Sweep::default());
        assert_eq!(super::kill_tree_of_run("run", "", 0), super::Sweep::default());
    }

    #[test]
    fn a_reused_number_is_no_session_of_ours() {
        let table = vec![process(10, 1, 10, "stranger"), process(11, 10, 10, "its child")];
        assert!(sort(table, &HashSet::new(), 10, 60).left.is_empty());
    }
}
