//! The process tree of a life: everything below the shim, and how it is ended.
//!
//! A tree is ended in stages. First the main process group and the foreground group of the terminal
//! get the stop signal. When the main process has ended, the remaining members of its group get the stop signal, or SIGTERM if they
//! ignore it (background jobs of a shell ignore SIGINT). When the group is empty, the same happens to
//! strays: processes in groups and sessions of their own. When the grace period is over, everything
//! left gets SIGKILL, repeatedly, until no new process appears.
//!
//! The main process stays a zombie until the end, so its pid cannot be reused and its process group
//! can be signalled as a whole.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::libc::{SIGCONT, SIGKILL, SIGTERM};

use crate::model::ProcessId;
use crate::model::ids::Member;
use crate::sys::{self, ProcInfo};

/// The tree is stuck when SIGKILL has not ended any of its recipients for this long. Processes may
/// take seconds to exit while a disk is busy.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// The limit for the whole kill phase: a tree may fork faster than it can be killed, and on a busy
/// machine dying processes may have to wait for a processor.
const LONGEST_KILL_PHASE: Duration = Duration::from_secs(15);
/// If we wake up this much after the deadline the machine is overloaded, and the dying processes were
/// probably delayed too.
const HELD_UP: Duration = Duration::from_millis(500);
/// How long a forking tree is killed in one go before the shim handles its signals again.
const AT_ONCE: Duration = Duration::from_millis(300);
/// The most processes that one event lists.
const NAMED: usize = 100;

/// The root of a process tree.
#[derive(Debug, Clone, Copy)]
pub struct Root {
    pub shim: u32,
    /// The session of the shim, which is that of the terminal.
    pub session: u32,
    /// The main process; its pid is also the id of the main process group.
    pub main: u32,
    /// The holder of the terminal, which is below the shim but does not belong to the tree; 0 if there is none.
    pub holder: u32,
}

/// A snapshot of a process tree.
#[derive(Debug, Default)]
pub struct Tree {
    /// The living processes, without the exempt ones.
    pub members: Vec<ProcInfo>,
    /// Processes that are left alone on purpose, with everything below them.
    pub exempt: Vec<ProcInfo>,
    /// Zombie children of the shim. Their orphans have not been seen yet: they show up after the
    /// zombies are reaped.
    unreaped: Vec<ProcInfo>,
    /// The snapshot is incomplete because it took too long.
    cut: bool,
}

impl Tree {
    /// Take a snapshot of the tree, but stop at the deadline `until`. With hundreds of forking
    /// processes a snapshot may take long on a busy machine, and SIGKILL must not be late because of
    /// that.
    pub fn survey(root: Root, until: Option<Instant>) -> Self {
        let mut tree = Self::default();
        sys::walk(root.shim, &mut |process| {
            let below = tree.take(root, process, &mut |_| ());
            tree.cut = !tree.members.is_empty() && until.is_some_and(|at| at <= Instant::now());
            if tree.cut { ControlFlow::Break(()) } else { ControlFlow::Continue(below) }
        });
        tree
    }

    /// Take a complete snapshot of the tree, calling `each` for each member before its children are
    /// listed.
    fn visit(root: Root, each: &mut dyn FnMut(&ProcInfo)) -> Self {
        let mut tree = Self::default();
        sys::walk(root.shim, &mut |process| ControlFlow::Continue(tree.take(root, process, each)));
        tree
    }

    /// Put one process into the snapshot; return whether to continue below it.
    fn take(&mut self, root: Root, process: ProcInfo, each: &mut dyn FnMut(&ProcInfo)) -> bool {
        if process.pid == root.holder {
            return false;
        }
        if !process.alive() {
            self.unreaped.extend((process.ppid == root.shim).then_some(process));
            return false;
        }
        if process.pid != root.main && sys::is_exempt(&process, root.session) {
            self.exempt.push(process);
            return false;
        }
        each(&process);
        self.members.push(process);
        true
    }

    /// Whether nothing is left except exempt processes, and the zombie of the main process if that is
    /// known to have ended.
    pub fn is_empty(&self, root: Root, gone: bool) -> bool {
        let expected = |zombie: &ProcInfo| gone && zombie.pid == root.main;
        !self.cut && self.members.is_empty() && self.unreaped.iter().all(expected)
    }

    /// A file descriptor that reports the end of a member that is not a child of the shim: SIGCHLD
    /// reports only children.
    pub fn watch_deep(&self, root: Root) -> Option<OwnedFd> {
        let mut deep = self.members.iter().filter(|member| member.ppid != root.shim);
        deep.find_map(|member| sys::watch_exit(member.id()).ok())
    }
}

/// Processes in the form that events use.
pub fn named(processes: &[ProcInfo]) -> Vec<Member> {
    let member = |process: &ProcInfo| Member {
        pid: process.pid,
        name: process.name.clone(),
        state: process.state,
        owner: sys::foreign_owner(process.pid).map(user),
        ports: vec![],
    };
    processes.iter().take(NAMED).map(member).collect()
}

/// The same for spared processes, with the ports that they still hold.
pub fn named_with_ports(processes: &[ProcInfo]) -> Vec<Member> {
    let mut members = named(processes);
    for member in &mut members {
        let listeners = sys::tcp_listeners_of_tree(member.pid);
        let ports: BTreeSet<u16> = listeners.iter().map(SocketAddr::port).collect();
        member.ports = ports.into_iter().take(NAMED).collect();
    }
    members
}

fn user(id: u32) -> String {
    if id == 0 { "root".to_owned() } else { format!("user {id}") }
}

/// A tree being ended.
#[derive(Debug)]
pub struct Termination {
    signal: i32,
    asked: HashSet<ProcessId>,
    kill_at: Option<Instant>,
    struck: Option<KillPhase>,
}

#[derive(Debug)]
struct KillPhase {
    since: Instant,
    reported: bool,
    outrun: bool,
    /// The processes that have got SIGKILL, and when.
    done: HashMap<ProcessId, Instant>,
    /// The processes that could not be signalled.
    refused: HashSet<ProcessId>,
    /// When the last progress was seen: a process disappeared, or we were held up ourselves.
    hope: Instant,
    /// Some processes are still alive only because they have not been scheduled since SIGKILL.
    starved: bool,
}

/// The result of one step of ending a tree.
#[derive(Debug, PartialEq, Eq)]
pub enum EndingProgress {
    /// Nothing new: wait for the next event.
    Waiting,
    /// The grace period is over, and SIGKILL was sent.
    Killing,
    /// SIGKILL has not ended these processes.
    Stuck(Vec<Member>),
}

impl Termination {
    /// Begin to end a tree whose main process is alive: send the stop signal to its group, and to the
    /// foreground group of the terminal. If a shell with job control is the main process, that is
    /// another group, and the shell itself ignores the signal.
    pub fn ask(
        root: Root,
        foreground: Option<u32>,
        signal: i32,
        now: Instant,
        grace: Duration,
    ) -> Self {
        let mut ending = Self::leftovers(signal, now, grace);
        // Processes that this snapshot misses get the signal a second time later, which does no harm.
        let tree = Tree::survey(root, now.checked_add(grace / 2));
        ending.asked.extend(
            tree.members
                .iter()
                .filter(|member| member.pgid == root.main && !sys::ignores(member.pid, signal))
                .map(ProcInfo::id),
        );
        let _ = sys::signal_group(root.main, signal);
        for member in tree.members.iter().filter(|m| m.pid == root.main && m.pgid != root.main) {
            let _ = sys::signal(member.id(), signal);
            let _ = sys::signal(member.id(), SIGCONT);
        }
        // A stopped process handles the signal only after SIGCONT.
        let _ = sys::signal_group(root.main, SIGCONT);
        let in_front =
            |member: &&ProcInfo| member.pgid != root.main && Some(member.pgid) == foreground;
        for member in tree.members.iter().filter(in_front) {
            ending.ask_one(member);
        }
        ending
    }

    /// Begin to end the processes that a main process has left behind.
    pub fn leftovers(signal: i32, now: Instant, grace: Duration) -> Self {
        let kill_at = now.checked_add(grace);
        Self { signal, asked: HashSet::new(), kill_at, struck: None }
    }

    /// End the grace period now.
    pub const fn skip_grace(&mut self, now: Instant) {
        if self.struck.is_none() {
            self.kill_at = Some(now);
        }
    }

    /// The deadline for taking a snapshot.
    pub const fn survey_until(&self) -> Option<Instant> {
        if self.struck.is_none() { self.kill_at } else { None }
    }

    /// When to take the next step even if no event occurs.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.struck {
            None => self.kill_at,
            Some(strike) if strike.outrun => Some(strike.since),
            Some(strike) if strike.reported => None,
            Some(strike) => Some(strike.stuck_at()),
        }
    }

    /// Take the next step for a tree that is not empty.
    pub fn go_on(&mut self, root: Root, tree: &Tree, gone: bool, now: Instant) -> EndingProgress {
        let begins = self.struck.is_none() && self.is_due(now);
        if begins {
            self.struck = Some(KillPhase::new(now));
        }
        let Some(strike) = &mut self.struck else {
            self.ask_next(root, tree, gone);
            return EndingProgress::Waiting;
        };
        let due = strike.stuck_at();
        strike.all(root);
        if begins {
            return EndingProgress::Killing;
        }
        if now.checked_duration_since(due).is_some_and(|late| late > HELD_UP) {
            strike.hope = now;
        }
        if !strike.reported && now >= strike.stuck_at() {
            strike.reported = true;
            let mut left = [&tree.members[..], &tree.unreaped].concat();
            left.retain(|process| !(gone && process.pid == root.main));
            return EndingProgress::Stuck(named(&left));
        }
        EndingProgress::Waiting
    }

    /// Send the stop signal to the processes whose turn it is. Among hundreds of forking processes
    /// this may take longer than the grace period, so it stops when that is over.
    fn ask_next(&mut self, root: Root, tree: &Tree, gone: bool) {
        for member in self.due(root, tree, gone) {
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                return;
            }
            self.ask_one(member);
        }
    }

    fn ask_one(&mut self, member: &ProcInfo) {
        let id = member.id();
        let signal = if sys::ignores(id.pid, self.signal) { SIGTERM } else { self.signal };
        // The signal may be refused (a process of another user). Then it is found stuck after the
        // grace period.
        let _ = sys::signal(id, signal);
        let _ = sys::signal(id, SIGCONT);
        self.asked.insert(id);
    }

    /// Whether everything that is left gets SIGKILL now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.struck.is_some() || self.kill_at.is_some_and(|at| at <= now)
    }

    /// The processes that are to get the stop signal now.
    fn due<'a>(&self, root: Root, tree: &'a Tree, gone: bool) -> Vec<&'a ProcInfo> {
        if !gone {
            return vec![];
        }
        let in_group = |member: &ProcInfo| member.pgid == root.main;
        let group_left = tree.members.iter().any(in_group);
        let fresh = |member: &&ProcInfo| !self.asked.contains(&member.id());
        tree.members.iter().filter(|member| in_group(member) || !group_left).filter(fresh).collect()
    }
}

impl KillPhase {
    fn new(now: Instant) -> Self {
        let (done, refused) = (HashMap::new(), HashSet::new());
        let (reported, outrun, starved) = (false, false, false);
        Self { since: now, reported, outrun, done, refused, hope: now, starved }
    }

    /// The time from which the processes that are left count as stuck. If some of them merely wait
    /// for CPU time (`starved`), `LONGEST_KILL_PHASE` does not apply; a supervisor that waits too long kills the
    /// shim.
    fn stuck_at(&self) -> Instant {
        if self.starved {
            return self.hope + STUCK_AFTER;
        }
        let met = self.done.values().min().copied().unwrap_or(self.since);
        (met.max(self.hope) + STUCK_AFTER).min(self.since + LONGEST_KILL_PHASE)
    }

    /// Send SIGKILL to every member until a snapshot shows no new process, or for at most `AT_ONCE`.
    fn all(&mut self, root: Root) {
        let until = Instant::now() + AT_ONCE;
        loop {
            let _ = sys::signal_group(root.main, SIGKILL);
            let mut new = false;
            let tree = Tree::visit(root, &mut |member| {
                self.done.entry(member.id()).or_insert_with(|| {
                    new = true;
                    if sys::signal(member.id(), SIGKILL).is_err() {
                        self.refused.insert(member.id());
                    }
                    Instant::now()
                });
            });
            reap_all_but(root);
            self.outrun = new;
            self.forget_all_but(root, &tree);
            if !new || Instant::now() >= until {
                return;
            }
        }
    }

    /// Forget the processes that are gone, so that a tree that forks for hours does not fill the
    /// memory. A zombie remains if it is traced and its tracer does not release it.
    fn forget_all_but(&mut self, root: Root, tree: &Tree) {
        let zombies = tree.unreaped.iter().filter(|zombie| zombie.pid != root.main);
        let left: HashSet<_> = tree.members.iter().chain(zombies).map(ProcInfo::id).collect();
        let before = self.done.len();
        self.done.retain(|id, _| left.contains(id));
        self.refused.retain(|id| left.contains(id));
        self.starved = tree
            .members
            .iter()
            .any(|member| member.waits_for_processor() && !self.refused.contains(&member.id()));
        if self.done.len() < before || self.starved {
            self.hope = Instant::now();
        }
        for id in left {
            self.done.entry(id).or_insert_with(Instant::now);
        }
    }
}

/// Reap the children of the shim that have ended, except the main process.
///
/// Each by its pid, never "any child": that would return the zombie of the main process for ever.
pub fn reap_all_but(root: Root) {
    for pid in sys::children(root.shim).into_iter().filter(|&pid| pid != root.main) {
        let _ = sys::reap(pid);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{KillPhase, Root, Termination, Tree};
    use crate::sys::ProcInfo;

    const ROOT: Root = Root { shim: 10, session: 10, main: 20, holder: 0 };

    fn process(pid: u32, group: u32, session: u32, name: &str) -> ProcInfo {
        let (comm, name) = (name.to_owned(), name.to_owned());
        let start_time = u64::from(pid);
        ProcInfo {
            pid,
            ppid: 10,
            pgid: group,
            sid: session,
            state: 'S',
            threads: 1,
            start_time,
            comm,
            name,
        }
    }

    fn tree(list: impl IntoIterator<Item = ProcInfo>) -> Tree {
        let mut tree = Tree::default();
        for process in list {
            tree.take(ROOT, process, &mut |_| ());
        }
        tree
    }

    fn due(ending: &Termination, tree: &Tree, gone: bool) -> Vec<u32> {
        ending.due(ROOT, tree, gone).iter().map(|member| member.pid).collect()
    }

    #[test]
    fn the_group_is_asked_before_the_strays_and_nobody_twice() {
        let group = process(21, 20, 10, "job");
        let stray = process(22, 22, 22, "worker");
        let both = tree([group, stray.clone()]);
        let mut ending = Termination::leftovers(2, Instant::now(), Duration::from_secs(5));
        assert!(due(&ending, &both, false).is_empty(), "the main process has its chance first");
        assert_eq!(due(&ending, &both, true), [21]);
        ending.asked.insert((21, 21).into());
        assert!(due(&ending, &both, true).is_empty(), "the group goes first");
        let one = tree([stray]);
        assert_eq!(due(&ending, &one, true), [22]);
        ending.asked.insert((22, 22).into());
        assert!(due(&ending, &one, true).is_empty());
    }

    #[test]
    fn nobody_is_asked_any_more_when_the_grace_period_is_over() {
        let crowd = tree((21..40).map(|pid| process(pid, 20, 10, "job")));
        let mut ending = Termination::leftovers(2, Instant::now(), Duration::ZERO);
        ending.ask_next(ROOT, &crowd, true);
        assert!(ending.asked.is_empty());
        assert_eq!(due(&ending, &crowd, true).len(), 19, "they would be due");
    }

    #[test]
    fn empty_means_nothing_but_the_spared_and_the_main_zombie() {
        let zombie = |pid| ProcInfo { state: 'Z', ..process(pid, 20, 10, "x") };
        let server = process(30, 30, 30, "tmux");
        let empty = |list: &[ProcInfo]| tree(list.iter().cloned()).is_empty(ROOT, true);
        assert!(empty(&[zombie(20), server.clone()]));
        assert!(!tree([zombie(20)]).is_empty(ROOT, false), "its exit has not been seen");
        assert_eq!(tree([server.clone()]).exempt, [server]);
        assert!(!empty(&[zombie(21)]), "its children are not seen yet");
        assert!(!empty(&[process(21, 20, 10, "x")]));
        assert!(!empty(&[process(31, 20, 10, "tmux")]), "a client is no server");
    }

    #[test]
    fn stuck_is_who_was_struck_long_ago_and_a_tree_that_is_never_outrun() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let met = [((21, 21).into(), at(5)), ((22, 22).into(), at(4))];
        let done = met.into_iter().collect();
        let mut strike = KillPhase { done, outrun: true, ..KillPhase::new(now) };
        assert_eq!(strike.stuck_at(), at(9), "others were there before and are gone");
        strike.hope = at(5);
        assert_eq!(strike.stuck_at(), at(10), "one has gone meanwhile");
        strike.done = [((21, 21).into(), at(12))].into_iter().collect();
        assert_eq!(strike.stuck_at(), at(15), "not for ever");
        (strike.hope, strike.starved) = (at(14), true);
        assert_eq!(strike.stuck_at(), at(19), "it has only not had its turn");
    }

    #[test]
    fn a_look_that_is_late_is_cut_short_and_shows_that_somebody_is_left() {
        let mut children: Vec<_> = (0..3)
            .map(|_| std::process::Command::new("sleep").arg("1000").spawn().unwrap())
            .collect();
        let shim = std::process::id();
        let root = Root { shim, session: shim, main: children[0].id(), holder: 0 };
        let cut = Tree::survey(root, Some(Instant::now()));
        let whole = Tree::survey(root, None);
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(cut.cut && cut.members.len() == 1 && !cut.is_empty(root, true), "{cut:?}");
        let seen = |pid| whole.members.iter().any(|member| member.pid == pid);
        assert!(!whole.cut && children.iter().all(|child| seen(child.id())), "{whole:?}");
    }

    #[test]
    fn deadlines() {
        let now = Instant::now();
        let mut ending = Termination::leftovers(2, now, Duration::from_secs(5));
        assert_eq!(ending.deadline(), Some(now + Duration::from_secs(5)));
        ending.skip_grace(now);
        assert_eq!(ending.deadline(), Some(now));
        let endless = Termination::leftovers(2, now, Duration::MAX);
        assert_eq!(endless.deadline(), None);
    }
}
