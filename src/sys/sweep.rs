//! The end of a tree whose shim is gone.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;
use rustix::event::{PollFd, PollFlags};

use super::{
    CHEAP_LOOKS, ProcInfo, alive, all, info, processes_with_env, signal, signal_group, signals,
    spared, visit_marked, watch_exit,
};

/// How long SIGKILL may end nobody of those that have got it before they are given up.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it may take altogether: who has to share a processor with hundreds ends late, and who
/// sweeps gets as little of it.
const LONGEST: Duration = Duration::from_secs(60);
/// How often it is struck: a bound for those that can neither be ended nor watched.
const ROUNDS: u32 = 1000;

/// Whom a dead shim has left behind.
#[derive(Debug, Clone, Default)]
pub struct Orphans {
    /// The run (`TMO_SESSION`).
    pub run: String,
    /// The process of it (`TMO_PROCESS`).
    pub process: String,
    /// The shim's pid, which was also the session of its pane.
    pub shim: u32,
    /// Main processes that are known of it, with their start times.
    pub mains: Vec<(u32, u64)>,
    /// It has ended just now. Of one that ended when nobody watched, the number may long be that of
    /// a stranger's session, so its session counts only while somebody known is in it.
    pub witnessed: bool,
}

/// What a sweep did, and what it did not end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sweep {
    /// How many it has ended.
    pub ended: usize,
    /// Left alone on purpose; so is everything below them.
    pub spared: Vec<ProcInfo>,
    /// Still there after SIGKILL.
    pub left: Vec<ProcInfo>,
}

/// SIGKILL everything that a dead shim left behind: what carries the run and the process in its
/// environment, its main processes, what is in its session, and all below any of them.
///
/// They may go on forking meanwhile. What forks as fast as it can is ended with its whole group,
/// which no fork escapes; what hops from session to session is met on sight, the youngest first.
///
/// Takes two seconds behind the last sign that some of them may yet go, and a minute at most. Words
/// that would match more than one tree (an empty name) match nothing.
pub fn kill_orphans(orphans: &Orphans) -> Sweep {
    if orphans.run.is_empty() || orphans.process.is_empty() {
        return Sweep::default();
    }
    let begun = Instant::now();
    let mut until = begun + PATIENCE;
    let (mut struck, mut refused) = (HashSet::new(), HashSet::new());
    let mut last: HashSet<(u32, u64)> = HashSet::new();
    let mut rounds = 0;
    loop {
        let (known, met_all) = meet_marked(orphans, &mut struck);
        let table = all();
        let groups = Groups::of(&table);
        let sweep = sort(table, &known, (orphans.shim, orphans.witnessed), std::process::id());
        let left: HashSet<_> = sweep.left.iter().map(ProcInfo::id).collect();
        if last.iter().any(|id| !left.contains(id)) || may_go(&sweep.left, &last, &refused) {
            until = (Instant::now() + PATIENCE).min(begun + LONGEST);
        }
        rounds += 1;
        let done = left.is_empty() && met_all;
        if done || Instant::now() >= until || rounds > ROUNDS {
            let ended = struck.len() - struck.intersection(&left).count();
            return Sweep { ended, ..sweep };
        }
        groups.kill_whole(&sweep.left, &left);
        let mut watched = Vec::new();
        for one in &sweep.left {
            watched.extend(watch_exit(one.pid, one.start_time));
            // Another user's: it stays in the list and is reported.
            if signal(one.pid, one.start_time, SIGKILL).is_err() {
                refused.insert(one.id());
            }
        }
        struck.extend(&left);
        wait_all(watched, until);
        last = left;
    }
}

/// Whether some of these are new, or were struck and have only not had their turn since.
fn may_go(left: &[ProcInfo], last: &HashSet<(u32, u64)>, refused: &HashSet<(u32, u64)>) -> bool {
    let may = |process: &ProcInfo| process.waits_for_processor() || !last.contains(&process.id());
    left.iter().any(|process| may(process) && !refused.contains(&process.id()))
}

/// Find who carries the marks, all of them if the second word is true, and strike at once who may be
/// struck whatever the rest of the table looks like: by the time that is read they would be somebody
/// else.
fn meet_marked(orphans: &Orphans, struck: &mut HashSet<(u32, u64)>) -> (HashSet<(u32, u64)>, bool) {
    let asking = ancestors(std::process::id()).map(|process| process.pid).collect::<HashSet<_>>();
    let marks =
        [format!("TMO_SESSION={}", orphans.run), format!("TMO_PROCESS={}", orphans.process)];
    let mut known: HashSet<_> =
        orphans.mains.iter().copied().filter(|(pid, started)| alive(*pid, *started)).collect();
    let met_all = visit_marked(&marks.each_ref().map(String::as_str), &mut |process| {
        known.insert(process.id());
        let theirs = || ancestors(process.pid).any(|p| spared(&p, orphans.shim));
        if CHEAP_LOOKS
            && process.alive()
            && ![1, orphans.shim].contains(&process.pid)
            && !asking.contains(&process.pid)
            && !theirs()
            && signal(process.pid, process.start_time, SIGKILL).is_ok_and(|sent| sent)
        {
            struck.insert(process.id());
        }
    });
    (known, met_all)
}

/// A process, its parent, the parent of that and so on, as they are now.
fn ancestors(pid: u32) -> impl Iterator<Item = ProcInfo> {
    let mut seen = HashSet::new();
    let mut next = Some(pid);
    std::iter::from_fn(move || {
        let process = info(next.take().filter(|pid| seen.insert(*pid))?)?;
        next = Some(process.ppid);
        Some(process)
    })
}

/// The living members of each process group.
struct Groups(HashMap<u32, Vec<(u32, u64)>>);

impl Groups {
    fn of(table: &[ProcInfo]) -> Self {
        let mut groups: HashMap<u32, Vec<(u32, u64)>> = HashMap::new();
        // 0 is no group at all but what every group of an outer pid namespace looks like.
        for process in table.iter().filter(|p| p.alive() && p.pgid > 1) {
            groups.entry(process.pgid).or_default().push(process.id());
        }
        Self(groups)
    }

    /// The groups all of whose members are among these.
    fn within<'a>(&'a self, left: &'a HashSet<(u32, u64)>) -> impl Iterator<Item = u32> + 'a {
        let all = |members: &Vec<(u32, u64)>| members.iter().all(|id| left.contains(id));
        self.0.iter().filter(move |(_, members)| all(members)).map(|(group, _)| *group)
    }

    /// SIGKILL to all of a group at once, if nobody else is in it: the kernel lets no member fork
    /// meanwhile.
    fn kill_whole(&self, processes: &[ProcInfo], left: &HashSet<(u32, u64)>) {
        for group in self.within(left) {
            // While one of them is there the number stands for this group. That the last one goes
            // and the number comes round between this look and the signal is not to be ruled out,
            // but would take all pids that there are in some microseconds.
            let still = |was: &ProcInfo| {
                info(was.pid).is_some_and(|now| now.id() == was.id() && now.pgid == group)
            };
            let mut members = processes.iter().filter(|process| process.pgid == group);
            if members.any(still) {
                let _ = signal_group(group, SIGKILL);
            }
        }
    }
}

/// Whether there is anybody who carries the run in its environment.
pub fn has_orphans(run: &str) -> bool {
    !run.is_empty() && !processes_with_env(&[&format!("TMO_SESSION={run}")]).is_empty()
}

/// Whether a process is gone, at once or within this time: one that is just ending still shows as
/// living, but holds nothing any more.
pub fn ends_within(pid: u32, started: u64, patience: Duration) -> bool {
    if let Ok(end) = watch_exit(pid, started) {
        wait_all(vec![end], Instant::now() + patience);
    }
    !alive(pid, started)
}

fn wait_all(watched: Vec<OwnedFd>, until: Instant) {
    for fd in watched {
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
        let _ = rustix::event::poll(&mut fds, Some(&signals::timespec(left)));
    }
}

/// Sort the process table: who is to go and who is spared.
fn sort(
    table: Vec<ProcInfo>,
    known: &HashSet<(u32, u64)>,
    (shim, witnessed): (u32, bool),
    me: u32,
) -> Sweep {
    // While a process has that number the shim lives, or its session has long been empty.
    // 0 is no session at all but what every session of an outer pid namespace looks like.
    let orphaned = shim > 1
        && table.iter().all(|p| p.pid != shim || !p.alive())
        && (witnessed || table.iter().any(|p| p.sid == shim && known.contains(&p.id())));
    let mine = |process: &ProcInfo| {
        known.contains(&process.id()) || (orphaned && process.sid == shim && process.pid != shim)
    };
    let mut below: HashSet<u32> = table.iter().filter(|p| mine(p)).map(|p| p.pid).collect();
    close_under_children(&table, &mut below);
    let roots: HashSet<u32> =
        table.iter().filter(|p| below.contains(&p.pid) && spared(p, shim)).map(|p| p.pid).collect();
    let mut safe = roots.clone();
    close_under_children(&table, &mut safe);
    let inner = |p: &ProcInfo| safe.contains(&p.ppid);
    // Whoever asks for this may do so from a shell that was itself started in there.
    let asking = line_of(&table, me);
    let mut sweep = Sweep::default();
    for process in table.into_iter().filter(|p| below.contains(&p.pid) && p.alive()) {
        if roots.contains(&process.pid) && !inner(&process) {
            sweep.spared.push(process);
        } else if !safe.contains(&process.pid)
            && ![1, shim].contains(&process.pid)
            && !asking.contains(&process.pid)
        {
            sweep.left.push(process);
        }
    }
    sweep
}

/// A process, its parent, the parent of that and so on.
fn line_of(table: &[ProcInfo], pid: u32) -> HashSet<u32> {
    let mut line = HashSet::new();
    let mut next = Some(pid);
    while let Some(pid) = next.filter(|pid| line.insert(*pid)) {
        next = table.iter().find(|process| process.pid == pid).map(|process| process.ppid);
    }
    line
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

    use super::{may_go, sort};
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
        let marked = HashSet::from([(30, 300), (40, 400), (41, 410)]);
        let sweep = sort(table, &marked, (10, true), 60);
        let pids = |list: &[crate::sys::ProcInfo]| list.iter().map(|p| p.pid).collect::<Vec<_>>();
        assert_eq!(pids(&sweep.left), [20, 30, 31]);
        assert_eq!(pids(&sweep.spared), [40]);
    }

    #[test]
    fn whoever_asks_from_within_is_let_be_with_the_shell_it_is_typed_in() {
        let table = vec![
            process(1, 0, 1, "init"),
            process(20, 1, 10, "web"),
            process(30, 20, 30, "editor"),
            process(31, 30, 31, "sh"),
            process(60, 31, 60, "guard"),
            process(32, 30, 32, "helper"),
        ];
        let sweep = sort(table, &HashSet::from([(20, 200), (30, 300)]), (10, true), 60);
        assert_eq!(sweep.left.iter().map(|p| p.pid).collect::<Vec<_>>(), [32]);
    }

    #[test]
    fn who_waits_for_a_processor_or_is_new_may_go() {
        let with = |state| vec![crate::sys::ProcInfo { state, ..process(20, 1, 10, "web") }];
        let (known, none) = (HashSet::from([(20, 200)]), HashSet::new());
        assert!(may_go(&with('R'), &known, &none));
        assert!(!may_go(&with('D'), &known, &none), "nothing will come of that");
        assert!(may_go(&with('D'), &none, &none), "not struck yet");
        assert!(!may_go(&with('R'), &known, &known), "it can't be struck");
        assert!(!may_go(&[], &known, &none));
    }

    #[test]
    fn no_number_is_no_session() {
        // Seen from inside a pid namespace, whatever entered it from outside has session 0.
        let table = || vec![process(1, 0, 0, "init"), process(9, 0, 0, "shell")];
        for shim in [0, 1] {
            assert!(sort(table(), &HashSet::new(), (shim, true), 60).left.is_empty());
        }
        for (run, process) in [("", "web"), ("run", "")] {
            let (run, process) = (run.into(), process.into());
            let orphans = super::Orphans { run, process, ..Default::default() };
            assert_eq!(super::kill_orphans(&orphans), super::Sweep::default());
        }
    }

    #[test]
    fn a_reused_number_is_no_session_of_ours() {
        let table = vec![process(10, 1, 10, "stranger"), process(11, 10, 10, "its child")];
        assert!(sort(table, &HashSet::new(), (10, true), 60).left.is_empty());
    }

    #[test]
    fn a_session_that_nobody_has_watched_needs_somebody_known_in_it() {
        // The stranger who got the number is gone too; what it left is not ours.
        let table = || vec![process(20, 1, 10, "nohup"), process(21, 1, 10, "known")];
        let left = |known: &[u32], witnessed| {
            let known = known.iter().map(|&pid| (pid, u64::from(pid) * 10)).collect();
            sort(table(), &known, (10, witnessed), 60)
                .left
                .iter()
                .map(|p| p.pid)
                .collect::<Vec<_>>()
        };
        assert_eq!(left(&[], false), Vec::<u32>::new());
        assert_eq!(left(&[21], false), [20, 21]);
        assert_eq!(left(&[], true), [20, 21]);
    }
}
