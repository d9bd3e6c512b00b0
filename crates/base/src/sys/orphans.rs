//! Ending a process tree whose shim is gone.

pub(super) mod exempt;

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;
use rustix::event::PollFlags;

use super::{
    CHEAP_LOOKS, ProcInfo, alive, all, info, is_exempt, processes_with_env, signal, signal_group,
    visit_marked, wait_for, watch_exit,
};
use crate::model::ProcessId;

/// Give up when no process that received SIGKILL has ended for this long.
const KILL_PATIENCE: Duration = Duration::from_secs(2);
/// Limit for the whole search: on a machine with hundreds of runnable processes the victims end late, and
/// tmo itself gets little CPU time.
const LONGEST_SEARCH: Duration = Duration::from_secs(60);
/// Maximum number of kill rounds: a bound for processes that can be neither killed nor watched.
const ROUNDS: u32 = 1000;

/// What a dead shim left behind.
#[derive(Debug, Clone, Default)]
pub struct Orphans {
    /// The run (`TMO_SESSION`).
    pub run: String,
    /// The process within that run (`TMO_PROCESS`).
    pub process: String,
    /// The shim's pid, which was also the session of its pane.
    pub shim: u32,
    /// Known main processes of the shim, with their start times.
    pub mains: Vec<ProcessId>,
    /// Other processes that are known to belong to it.
    pub known: Vec<ProcessId>,
    /// The shim was seen to end just now. If it ended unobserved, its pid may since have become the session
    /// id of unrelated processes, so its session counts only while a known process is in it.
    pub witnessed: bool,
}

impl Orphans {
    /// The sessions of the pane. What is in them is part of the process, whatever its name is.
    fn sessions(&self) -> HashSet<u32> {
        let of_mains = self.mains.iter().filter_map(|main| Some(main.info()?.sid));
        of_mains.chain([self.shim]).collect()
    }

    /// What [`kill_orphans`] would kill, as far as these processes are known already.
    pub fn victims(&self) -> Vec<ProcInfo> {
        let known = self.mains.iter().chain(&self.known).copied().collect();
        let sessions = self.sessions();
        sort(all(), &known, &sessions, self.shim, self.witnessed, std::process::id()).left
    }
}

/// What was killed, and what was left running.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrphanReport {
    /// Number of processes killed.
    pub ended: usize,
    /// Left alone on purpose; so is everything below them.
    pub exempt: Vec<ProcInfo>,
    /// Still there after SIGKILL.
    pub left: Vec<ProcInfo>,
}

impl OrphanReport {
    /// Add the report on other processes.
    pub fn add(&mut self, other: Self) {
        self.ended += other.ended;
        for (own, others) in [(&mut self.exempt, other.exempt), (&mut self.left, other.left)] {
            let fresh = others.into_iter().filter(|one| own.iter().all(|own| own.id() != one.id()));
            let fresh: Vec<_> = fresh.collect();
            own.extend(fresh);
        }
    }
}

/// SIGKILL everything that a dead shim left behind: processes with the run and the process in their
/// environment, its main processes, the members of its session, and all descendants of these.
///
/// They may go on forking meanwhile. A fork bomb is killed by process group, which no fork escapes;
/// processes that hop from session to session are killed on sight, the youngest first.
///
/// Returns two seconds after the last sign of progress, and after a minute at most. An empty run or process
/// name would match more than one tree, so it matches nothing.
pub fn kill_orphans(orphans: &Orphans) -> OrphanReport {
    if orphans.run.is_empty() || orphans.process.is_empty() {
        return OrphanReport::default();
    }
    let sessions = orphans.sessions();
    let begun = Instant::now();
    let mut until = begun + KILL_PATIENCE;
    let (mut struck, mut refused) = (HashSet::new(), HashSet::new());
    let mut last: HashSet<ProcessId> = HashSet::new();
    let mut rounds = 0;
    loop {
        let (known, met_all) = meet_marked(orphans, &sessions, &mut struck);
        let table = all();
        let groups = Groups::from_table(&table);
        let report =
            sort(table, &known, &sessions, orphans.shim, orphans.witnessed, std::process::id());
        let left: HashSet<_> = report.left.iter().map(ProcInfo::id).collect();
        if last.iter().any(|id| !left.contains(id)) || may_go(&report.left, &last, &refused) {
            until = (Instant::now() + KILL_PATIENCE).min(begun + LONGEST_SEARCH);
        }
        rounds += 1;
        let done = left.is_empty() && met_all;
        if done || Instant::now() >= until || rounds > ROUNDS {
            let ended = struck.len() - struck.intersection(&left).count();
            return OrphanReport { ended, ..report };
        }
        groups.kill_whole(&report.left, &left);
        let mut watched = Vec::new();
        for one in &report.left {
            watched.extend(watch_exit(one.id()));
            // Another user's: it stays in the list and is reported.
            if signal(one.id(), SIGKILL).is_err() {
                refused.insert(one.id());
            }
        }
        struck.extend(&left);
        wait_all(watched, until);
        last = left;
    }
}

/// Whether some of these are new, or were signalled but have not been scheduled since.
fn may_go(left: &[ProcInfo], last: &HashSet<ProcessId>, refused: &HashSet<ProcessId>) -> bool {
    let may = |process: &ProcInfo| process.waits_for_processor() || !last.contains(&process.id());
    left.iter().any(|process| may(process) && !refused.contains(&process.id()))
}

/// Find the processes that carry the marks (the flag reports whether the list is complete) and kill at once
/// those that may be killed regardless of the rest of the process table: by the time the table is read,
/// they may have forked and been replaced.
fn meet_marked(
    orphans: &Orphans,
    sessions: &HashSet<u32>,
    struck: &mut HashSet<ProcessId>,
) -> (HashSet<ProcessId>, bool) {
    let asking = ancestors(std::process::id()).map(|process| process.pid).collect::<HashSet<_>>();
    let marks =
        [format!("TMO_SESSION={}", orphans.run), format!("TMO_PROCESS={}", orphans.process)];
    let mut known: HashSet<_> = orphans.mains.iter().chain(&orphans.known).copied().collect();
    known.retain(|id| alive(*id));
    let met_all = visit_marked(&marks.each_ref().map(String::as_str), &mut |process| {
        known.insert(process.id());
        if CHEAP_LOOKS
            && process.alive()
            && ![1, orphans.shim].contains(&process.pid)
            && !asking.contains(&process.pid)
            && !ancestors(process.pid).any(|p| is_spared(&p, sessions))
            && signal(process.id(), SIGKILL).is_ok_and(|sent| sent)
        {
            struck.insert(process.id());
        }
    });
    (known, met_all)
}

/// Whether to spare this process of a pane with these sessions.
fn is_spared(process: &ProcInfo, sessions: &HashSet<u32>) -> bool {
    !sessions.contains(&process.sid) && is_exempt(process, 0)
}

/// The ancestors of a process, itself included, as they are now.
fn ancestors(pid: u32) -> impl Iterator<Item = ProcInfo> {
    let mut seen = HashSet::new();
    let mut next = Some(pid);
    std::iter::from_fn(move || {
        let process = info(next.take().filter(|pid| seen.insert(*pid))?)?;
        next = Some(process.ppid);
        Some(process)
    })
}

/// Whether a process, or the zombie of one, is a descendant of `root`.
pub fn is_below(pid: u32, root: u32) -> bool {
    // A parent may end between two looks, and its children become those of another process.
    const MOST_WALKS: usize = 3;
    (0..MOST_WALKS).any(|_| ancestors(pid).any(|process| process.ppid == root))
}

/// The living members of each process group.
struct Groups(HashMap<u32, Vec<ProcessId>>);

impl Groups {
    fn from_table(table: &[ProcInfo]) -> Self {
        let mut groups: HashMap<u32, Vec<ProcessId>> = HashMap::new();
        // 0 is not a group: every group of an outer pid namespace is shown as 0.
        for process in table.iter().filter(|p| p.alive() && p.pgid > 1) {
            groups.entry(process.pgid).or_default().push(process.id());
        }
        Self(groups)
    }

    /// The groups whose members are all in this set.
    fn within<'a>(&'a self, left: &'a HashSet<ProcessId>) -> impl Iterator<Item = u32> + 'a {
        let all = |members: &Vec<ProcessId>| members.iter().all(|id| left.contains(id));
        self.0.iter().filter(move |(_, members)| all(members)).map(|(group, _)| *group)
    }

    /// SIGKILL a whole group at once, if all its members are to be killed: the kernel lets no member fork
    /// meanwhile.
    fn kill_whole(&self, processes: &[ProcInfo], left: &HashSet<ProcessId>) {
        for group in self.within(left) {
            // While one of these processes is in the group, the number stands for this group. The last one
            // could exit and the number be reused between this check and the signal, but only if all pids
            // were used up within microseconds.
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

/// Whether any process carries the run in its environment.
pub fn has_orphans(run: &str) -> bool {
    !run.is_empty() && !processes_with_env(&[&format!("TMO_SESSION={run}")]).is_empty()
}

/// Whether a process ends now or within this time: one that is just exiting still shows as alive, but holds
/// no resources any more.
pub fn ends_within(id: ProcessId, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while alive(id) && Instant::now() < until {
        let Ok(end) = watch_exit(id) else { break };
        wait_all(vec![end], until);
    }
    !alive(id)
}

fn wait_all(watched: Vec<OwnedFd>, until: Instant) {
    for fd in watched {
        let left = until.saturating_duration_since(Instant::now());
        let _ = wait_for(fd, PollFlags::IN, Some(left));
    }
}

/// Sort the process table into processes to kill and processes to spare.
fn sort(
    table: Vec<ProcInfo>,
    known: &HashSet<ProcessId>,
    sessions: &HashSet<u32>,
    shim: u32,
    witnessed: bool,
    me: u32,
) -> OrphanReport {
    // A process with that pid means that the shim lives or that its session has long been empty. 0 is not a
    // session: every session of an outer pid namespace is shown as 0.
    let orphaned = shim > 1
        && table.iter().all(|p| p.pid != shim || !p.alive())
        && (witnessed || table.iter().any(|p| p.sid == shim && known.contains(&p.id())));
    let mine = |process: &ProcInfo| {
        known.contains(&process.id()) || (orphaned && process.sid == shim && process.pid != shim)
    };
    let mut below: HashSet<u32> = table.iter().filter(|p| mine(p)).map(|p| p.pid).collect();
    close_under_children(&table, &mut below);
    let roots: HashSet<u32> = table
        .iter()
        .filter(|p| below.contains(&p.pid) && is_spared(p, sessions))
        .map(|p| p.pid)
        .collect();
    let mut safe = roots.clone();
    close_under_children(&table, &mut safe);
    // The command that asks for this may itself run in a shell inside this tree.
    let asking = line_of(&table, me);
    let mut report = OrphanReport::default();
    for process in table.into_iter().filter(|p| below.contains(&p.pid) && p.alive()) {
        if roots.contains(&process.pid) && !safe.contains(&process.ppid) {
            report.exempt.push(process);
        } else if !safe.contains(&process.pid)
            && ![1, shim].contains(&process.pid)
            && !asking.contains(&process.pid)
        {
            report.left.push(process);
        }
    }
    report
}

/// The ancestors of a process, itself included.
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

    fn pane() -> HashSet<u32> {
        HashSet::from([10])
    }

    #[test]
    fn a_main_process_and_its_session_are_spared_by_no_name() {
        let table =
            vec![process(1, 0, 1, "init"), process(20, 1, 20, "tmux"), process(21, 20, 20, "tmux")];
        let known = HashSet::from([(20, 200).into()]);
        let report = sort(table, &known, &HashSet::from([20]), 0, false, 60);
        assert_eq!(report.left.iter().map(|p| p.pid).collect::<Vec<_>>(), [20, 21]);
        assert_eq!(report.exempt, []);
    }

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
            process(60, 1, 60, "tmo"), // tmo itself
        ];
        let marked = HashSet::from([(30, 300), (40, 400), (41, 410)].map(Into::into));
        let report = sort(table, &marked, &pane(), 10, true, 60);
        let pids = |list: &[crate::sys::ProcInfo]| list.iter().map(|p| p.pid).collect::<Vec<_>>();
        assert_eq!(pids(&report.left), [20, 30, 31]);
        assert_eq!(pids(&report.exempt), [40]);
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
        let report = sort(
            table,
            &HashSet::from([(20, 200), (30, 300)].map(Into::into)),
            &pane(),
            10,
            true,
            60,
        );
        assert_eq!(report.left.iter().map(|p| p.pid).collect::<Vec<_>>(), [32]);
    }

    #[test]
    fn who_waits_for_a_processor_or_is_new_may_go() {
        let with = |state| vec![crate::sys::ProcInfo { state, ..process(20, 1, 10, "web") }];
        let (known, none) = (HashSet::from([(20, 200).into()]), HashSet::new());
        assert!(may_go(&with('R'), &known, &none));
        assert!(!may_go(&with('D'), &known, &none), "nothing will come of that");
        assert!(may_go(&with('D'), &none, &none), "not struck yet");
        assert!(!may_go(&with('R'), &known, &known), "it can't be struck");
        assert!(!may_go(&[], &known, &none));
    }

    #[test]
    fn no_number_is_no_session() {
        // Inside a pid namespace, processes that entered it from outside have session 0.
        let table = || vec![process(1, 0, 0, "init"), process(9, 0, 0, "shell")];
        for shim in [0, 1] {
            assert!(sort(table(), &HashSet::new(), &pane(), shim, true, 60).left.is_empty());
        }
        for (run, process) in [("", "web"), ("run", "")] {
            let (run, process) = (run.into(), process.into());
            let orphans = super::Orphans { run, process, ..Default::default() };
            assert_eq!(super::kill_orphans(&orphans), super::OrphanReport::default());
        }
    }

    #[test]
    fn a_reused_number_is_no_session_of_ours() {
        let table = vec![process(10, 1, 10, "stranger"), process(11, 10, 10, "its child")];
        assert!(sort(table, &HashSet::new(), &pane(), 10, true, 60).left.is_empty());
    }

    #[test]
    fn a_session_that_nobody_has_watched_needs_somebody_known_in_it() {
        // The unrelated process that reused the pid is gone too; its children are not ours.
        let table = || vec![process(20, 1, 10, "nohup"), process(21, 1, 10, "known")];
        let left = |known: &[u32], witnessed| {
            let known = known.iter().map(|&pid| (pid, u64::from(pid) * 10).into()).collect();
            sort(table(), &known, &pane(), 10, witnessed, 60)
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
