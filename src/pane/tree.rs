//! The tree of a life: everything below the shim, and how it is ended.
//!
//! Ending goes in stages. The main process group is asked with the stop signal. When the main
//! process is gone, what is left of its group is asked: members that ignore the stop signal
//! (background jobs of a shell ignore SIGINT) get SIGTERM. When the group is empty, strays in
//! groups and sessions of their own are asked in the same way. When the grace period is over
//! everything left gets SIGKILL, again and again until nothing new appears.
//!
//! The main process stays a zombie meanwhile, so its number can't be used again and its group can
//! be signalled as a whole.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::libc::{SIGCONT, SIGKILL, SIGTERM};

use crate::model::member::Member;
use crate::sys::{self, ProcInfo};

/// How long SIGKILL may end nobody of those that have got it before they are called stuck. A busy
/// disk holds up who ends for seconds.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// How long it may take altogether: a tree may go on forking faster than it is killed, a busy machine
/// may let the dying wait for a processor.
const LONGEST: Duration = Duration::from_secs(15);
/// Who comes that much later than it wanted was held up, and those it waits for perhaps as well.
const HELD_UP: Duration = Duration::from_millis(500);
/// How long a tree that goes on forking is struck before the shim looks at its signals again.
const AT_ONCE: Duration = Duration::from_millis(300);
/// No more processes than this are named in one event.
const NAMED: usize = 100;

/// Whose tree it is.
#[derive(Debug, Clone, Copy)]
pub struct Root {
    /// The shim.
    pub shim: u32,
    /// Its session, that of the terminal.
    pub session: u32,
    /// The main process, also the main group.
    pub main: u32,
}

/// Who is in a tree.
#[derive(Debug, Default)]
pub struct Tree {
    /// The living, less the spared.
    pub members: Vec<ProcInfo>,
    /// Left alone on purpose, with all below them.
    pub spared: Vec<ProcInfo>,
    /// Ended children of the shim that are not reaped: what they leave behind is not seen yet.
    unreaped: Vec<ProcInfo>,
    /// There may be more.
    cut: bool,
}

impl Tree {
    /// Look at the tree, until then: hundreds that fork leave little of a busy processor to who
    /// looks at them, and what is due must not wait for that.
    pub fn survey(root: Root, until: Option<Instant>) -> Self {
        let late = || until.is_some_and(|at| at <= Instant::now());
        let mut tree = Self::default();
        sys::walk(root.shim, &mut |process| {
            let below = tree.take(root, process, &mut |_| ());
            tree.cut = !tree.members.is_empty() && late();
            if tree.cut { ControlFlow::Break(()) } else { ControlFlow::Continue(below) }
        });
        tree
    }

    /// Look at all of the tree, calling `each` for a member before its children are listed.
    fn visit(root: Root, each: &mut dyn FnMut(&ProcInfo)) -> Self {
        let mut tree = Self::default();
        sys::walk(root.shim, &mut |process| ControlFlow::Continue(tree.take(root, process, each)));
        tree
    }

    /// Sort one process in; whether to go on below it.
    fn take(&mut self, root: Root, process: ProcInfo, each: &mut dyn FnMut(&ProcInfo)) -> bool {
        if !process.alive() {
            self.unreaped.extend((process.ppid == root.shim).then_some(process));
            return false;
        }
        if process.pid != root.main && sys::spared(&process, root.session) {
            self.spared.push(process);
            return false;
        }
        each(&process);
        self.members.push(process);
        true
    }

    /// Whether nothing is left but what is spared, and the zombie of the main process if it is
    /// known to be gone.
    pub fn is_empty(&self, root: Root, gone: bool) -> bool {
        let expected = |zombie: &ProcInfo| gone && zombie.pid == root.main;
        !self.cut && self.members.is_empty() && self.unreaped.iter().all(expected)
    }

    /// The end of a member that is no child of the shim: only children announce theirs.
    pub fn watch_deep(&self, root: Root) -> Option<OwnedFd> {
        let mut deep = self.members.iter().filter(|member| member.ppid != root.shim);
        deep.find_map(|member| sys::watch_exit(member.pid, member.start_time).ok())
    }
}

/// Processes as events name them.
pub fn named(processes: &[ProcInfo]) -> Vec<Member> {
    let member = |process: &ProcInfo| Member {
        pid: process.pid,
        name: process.name.clone(),
        state: process.state,
    };
    processes.iter().take(NAMED).map(member).collect()
}

/// A tree being ended.
#[derive(Debug)]
pub struct Ending {
    signal: i32,
    asked: HashSet<(u32, u64)>,
    kill_at: Option<Instant>,
    struck: Option<Strike>,
}

#[derive(Debug)]
struct Strike {
    since: Instant,
    reported: bool,
    outrun: bool,
    /// Whom it has met, and when.
    done: HashMap<(u32, u64), Instant>,
    /// Who can't be struck.
    refused: HashSet<(u32, u64)>,
    /// When the last of them was gone, or it was held up.
    hope: Instant,
    /// Some that were struck have only not had a processor since.
    starved: bool,
}

/// What happened while a tree was being ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Wait for what comes next.
    Waiting,
    /// The grace period is over.
    Killing,
    /// SIGKILL has not ended these.
    Stuck(Vec<Member>),
}

impl Ending {
    /// End a tree whose main process lives: ask its group.
    pub fn ask(root: Root, signal: i32, now: Instant, grace: Duration) -> Self {
        let mut ending = Self::leftovers(signal, now, grace);
        // Who is found later gets it once more.
        let tree = Tree::survey(root, now.checked_add(grace / 2));
        ending.asked.extend(
            tree.members
                .iter()
                .filter(|member| member.pgid == root.main && !sys::ignores(member.pid, signal))
                .map(ProcInfo::id),
        );
        let _ = sys::signal_group(root.main, signal);
        for member in tree.members.iter().filter(|m| m.pid == root.main && m.pgid != root.main) {
            let _ = sys::signal(member.pid, member.start_time, signal);
            let _ = sys::signal(member.pid, member.start_time, SIGCONT);
        }
        // What is stopped acts on the signal only when it goes on.
        let _ = sys::signal_group(root.main, SIGCONT);
        ending
    }

    /// End what a main process has left behind.
    pub fn leftovers(signal: i32, now: Instant, grace: Duration) -> Self {
        let kill_at = now.checked_add(grace);
        Self { signal, asked: HashSet::new(), kill_at, struck: None }
    }

    /// The grace period is over as of now.
    pub const fn skip_grace(&mut self, now: Instant) {
        if self.struck.is_none() {
            self.kill_at = Some(now);
        }
    }

    /// How long a look at the tree may take.
    pub const fn survey_until(&self) -> Option<Instant> {
        if self.struck.is_none() { self.kill_at } else { None }
    }

    /// When to go on even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.struck {
            None => self.kill_at,
            Some(strike) if strike.outrun => Some(strike.since),
            Some(strike) if strike.reported => None,
            Some(strike) => Some(strike.stuck_at()),
        }
    }

    /// Do what is due for a tree that is not empty.
    pub fn go_on(&mut self, root: Root, tree: &Tree, gone: bool, now: Instant) -> Progress {
        let begins = self.struck.is_none() && self.kill_at.is_some_and(|at| at <= now);
        if begins {
            self.struck = Some(Strike::new(now));
        }
        let Some(strike) = &mut self.struck else {
            self.ask_next(root, tree, gone);
            return Progress::Waiting;
        };
        let due = strike.stuck_at();
        strike.all(root);
        if begins {
            return Progress::Killing;
        }
        if now.checked_duration_since(due).is_some_and(|late| late > HELD_UP) {
            strike.hope = now;
        }
        if !strike.reported && now >= strike.stuck_at() {
            strike.reported = true;
            let mut left = [&tree.members[..], &tree.unreaped].concat();
            left.retain(|process| !(gone && process.pid == root.main));
            return Progress::Stuck(named(&left));
        }
        Progress::Waiting
    }

    /// Among hundreds that go on forking this may take longer than the grace period, which ends in
    /// time all the same.
    fn ask_next(&mut self, root: Root, tree: &Tree, gone: bool) {
        for member in self.due(root, tree, gone) {
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                return;
            }
            let (pid, started) = member.id();
            let signal = if sys::ignores(pid, self.signal) { SIGTERM } else { self.signal };
            // Refused (another user's): the end of the grace period will tell.
            let _ = sys::signal(pid, started, signal);
            let _ = sys::signal(pid, started, SIGCONT);
            self.asked.insert((pid, started));
        }
    }

    /// Whose turn it is to be asked.
    fn due<'a>(&self, root: Root, tree: &'a Tree, gone: bool) -> Vec<&'a ProcInfo> {
        if !gone {
            return vec![];
        }
        let in_group = |member: &ProcInfo| member.pgid == root.main;
        let group_left = tree.members.iter().any(in_group);
        let turn = |member: &&ProcInfo| in_group(member) || !group_left;
        let fresh = |member: &&ProcInfo| !self.asked.contains(&member.id());
        tree.members.iter().filter(turn).filter(fresh).collect()
    }
}

impl Strike {
    fn new(now: Instant) -> Self {
        let (done, refused) = (HashMap::new(), HashSet::new());
        let (reported, outrun, starved) = (false, false, false);
        Self { since: now, reported, outrun, done, refused, hope: now, starved }
    }

    /// When what is there by then is stuck. Who has only to wait for a processor is not: whoever
    /// supervises loses patience sooner.
    fn stuck_at(&self) -> Instant {
        if self.starved {
            return self.hope + STUCK_AFTER;
        }
        let met = self.done.values().min().copied().unwrap_or(self.since);
        (met.max(self.hope) + STUCK_AFTER).min(self.since + LONGEST)
    }

    /// SIGKILL to every member, until a look at the tree shows nobody new.
    fn all(&mut self, root: Root) {
        let until = Instant::now() + AT_ONCE;
        loop {
            let _ = sys::signal_group(root.main, SIGKILL);
            let mut new = false;
            let tree = Tree::visit(root, &mut |member| {
                self.done.entry(member.id()).or_insert_with(|| {
                    new = true;
                    if sys::signal(member.pid, member.start_time, SIGKILL).is_err() {
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

    /// Forget who is gone: a tree that forks for hours must not fill the memory. A zombie stays
    /// where somebody traces it and does not let it go.
    fn forget_all_but(&mut self, root: Root, tree: &Tree) {
        let zombies = tree.unreaped.iter().filter(|zombie| zombie.pid != root.main);
        let left: HashSet<_> = tree.members.iter().chain(zombies).map(ProcInfo::id).collect();
        let before = self.done.len();
        self.done.retain(|id, _| left.contains(id));
        self.refused.retain(|id| left.contains(id));
        let starves = |member: &ProcInfo| {
            member.waits_for_processor() && !self.refused.contains(&member.id())
        };
        self.starved = tree.members.iter().any(starves);
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
/// By number and never "any child": that would return the main process's zombie for ever.
pub fn reap_all_but(root: Root) {
    for pid in sys::children(root.shim).into_iter().filter(|&pid| pid != root.main) {
        let _ = sys::reap(pid);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Ending, Root, Strike, Tree};
    use crate::sys::ProcInfo;

    const ROOT: Root = Root { shim: 10, session: 10, main: 20 };

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

    fn due(ending: &Ending, tree: &Tree, gone: bool) -> Vec<u32> {
        ending.due(ROOT, tree, gone).iter().map(|member| member.pid).collect()
    }

    #[test]
    fn the_group_is_asked_before_the_strays_and_nobody_twice() {
        let group = process(21, 20, 10, "job");
        let stray = process(22, 22, 22, "worker");
        let both = tree([group, stray.clone()]);
        let mut ending = Ending::leftovers(2, Instant::now(), Duration::from_secs(5));
        assert!(due(&ending, &both, false).is_empty(), "the main process has its chance first");
        assert_eq!(due(&ending, &both, true), [21]);
        ending.asked.insert((21, 21));
        assert!(due(&ending, &both, true).is_empty(), "the group goes first");
        let one = tree([stray]);
        assert_eq!(due(&ending, &one, true), [22]);
        ending.asked.insert((22, 22));
        assert!(due(&ending, &one, true).is_empty());
    }

    #[test]
    fn nobody_is_asked_any_more_when_the_grace_period_is_over() {
        let crowd = tree((21..40).map(|pid| process(pid, 20, 10, "job")));
        let mut ending = Ending::leftovers(2, Instant::now(), Duration::ZERO);
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
        assert_eq!(tree([server.clone()]).spared, [server]);
        assert!(!empty(&[zombie(21)]), "its children are not seen yet");
        assert!(!empty(&[process(21, 20, 10, "x")]));
        assert!(!empty(&[process(31, 20, 10, "tmux")]), "a client is no server");
    }

    #[test]
    fn stuck_is_who_was_struck_long_ago_and_a_tree_that_is_never_outrun() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let met = [((21, 21), at(5)), ((22, 22), at(4))];
        let done = met.into_iter().collect();
        let mut strike = Strike { done, outrun: true, ..Strike::new(now) };
        assert_eq!(strike.stuck_at(), at(9), "others were there before and are gone");
        strike.hope = at(5);
        assert_eq!(strike.stuck_at(), at(10), "one has gone meanwhile");
        strike.done = [((21, 21), at(12))].into_iter().collect();
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
        let root = Root { shim, session: shim, main: children[0].id() };
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
        let mut ending = Ending::leftovers(2, now, Duration::from_secs(5));
        assert_eq!(ending.deadline(), Some(now + Duration::from_secs(5)));
        ending.skip_grace(now);
        assert_eq!(ending.deadline(), Some(now));
        let endless = Ending::leftovers(2, now, Duration::MAX);
        assert_eq!(endless.deadline(), None);
    }
}
