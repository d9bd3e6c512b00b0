//! Ending a run without its supervisor: when its files can't be read, when another version began
//! it, when its supervisor hangs.
//!
//! No file is needed. The parts of a run are found by the runtime directory in their arguments, and
//! the processes that they run by `TMO_SESSION` in their environment, which begins with the name of
//! that directory. If the runtime directory can be trusted, the pids and start times in the life
//! files are used in addition.
//!
//! Sessions of the same user with different `XDG_RUNTIME_DIR` have runtime directories of the same
//! name for a project. `tmo kill` ends the run of the project in any session; `tmo cleanup` ends
//! only what belongs to its own runtime directory (`Reach`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;

use super::dir::{RuntimeDir, RuntimeDirError};
use crate::model::ids::Member;
use crate::model::plan::Plan;
use crate::protocol::life::Traces;
use crate::protocol::tmux_socket as socket;
use crate::sys::{self, OrphanReport, Orphans, ProcInfo, files};

/// How long processes may take to end after SIGKILL, and sinks to read the remaining output.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// Which processes to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The processes of the run with this socket, in any session of the user.
    EverySession,
    /// Only the processes of the run in this exact runtime directory.
    OwnDirectory,
}

/// The result of ending a run by force.
#[derive(Debug, Default)]
pub struct Forced {
    /// The processes: those that were ended include the parts of tmo and tmux.
    pub report: OrphanReport,
    /// The run had ended already: only its guardian and supervisor had yet to exit.
    pub was_over: bool,
    /// The sockets of killed tmux servers, which may still exist.
    pub sockets: Vec<PathBuf>,
}

/// The processes of a run, from the process table.
#[derive(Debug, Default)]
struct Members {
    guardians: Vec<ProcInfo>,
    supervisors: Vec<ProcInfo>,
    /// With the names of the processes that they run.
    shims: Vec<(ProcInfo, String)>,
    sinks: Vec<ProcInfo>,
    /// The parent processes of checks, hooks and stop commands.
    beside: Vec<ProcInfo>,
    servers: Vec<ProcInfo>,
    /// Processes with the mark of the run: also its run id and process name.
    marked: Vec<(ProcInfo, String, String)>,
    /// Runtime directories of the same name in other sessions, to which living parts belong.
    elsewhere: BTreeSet<PathBuf>,
    /// The process ids of guardians of other sessions.
    guardians_elsewhere: BTreeSet<u32>,
}

impl Members {
    fn is_empty(&self) -> bool {
        self.parts().next().is_none() && self.marked.is_empty()
    }

    /// Whether only a guardian and a supervisor are left.
    fn are_only_keepers(&self) -> bool {
        let keepers = self.guardians.len() + self.supervisors.len();
        self.parts().count() == keepers && self.marked.is_empty()
    }

    /// The processes of tmo and tmux, without those that they run.
    fn parts(&self) -> impl Iterator<Item = &ProcInfo> {
        let shims = self.shims.iter().map(|(shim, _)| shim);
        let parts = [&self.guardians, &self.supervisors, &self.sinks, &self.beside, &self.servers];
        parts.into_iter().flatten().chain(shims)
    }

    /// Add a process if it belongs to the run.
    fn take(&mut self, runtime: &RuntimeDir, reach: Reach, process: ProcInfo) {
        let Some(arguments) = sys::arguments_of(process.pid) else { return };
        // In a container or chroot, the same path may be another directory. Checked last, because it
        // is slow and there may be many processes.
        let is_here = || {
            sys::pid_namespace_of(process.pid) == Some(sys::pid_namespace())
                && sys::sees(process.pid, runtime.dir())
        };
        let id = runtime.id();
        let word = |at: usize| arguments.get(at).map(String::as_str).unwrap_or_default();
        let after = |flag: &str| {
            let mut pairs = arguments.windows(2).filter(|pair| pair[0] == flag);
            pairs.next().map_or("", |pair| pair[1].as_str())
        };
        let named = Path::new(word(2));
        let panes = runtime.panes();
        let of_pane = || named.parent().filter(|dir| dir.file_name() == panes.file_name());
        let is_server = process.comm.starts_with("tmux: server") && is_server(after("-L"), &id);
        let dir = match word(1) {
            "guard" | "supervise" | "beside" => Some(named),
            "shim" | "sink" => of_pane().and_then(Path::parent),
            _ => None,
        };
        let dir = dir.filter(|dir| runtime.is_named(dir));
        if (dir.is_some() || is_server) && is_here() {
            let dir = dir.or_else(|| Path::new(after("-f")).parent()).unwrap_or(Path::new(""));
            let is_own = files::resolved(dir) == files::resolved(runtime.dir());
            if !is_own && runtime.is_named(dir) {
                self.elsewhere.insert(dir.to_owned());
            }
            if reach == Reach::OwnDirectory && !is_own {
                return;
            }
            if !is_own && word(1) == "guard" {
                self.guardians_elsewhere.insert(process.pid);
            }
            return match word(1) {
                "guard" => self.guardians.push(process),
                "supervise" => self.supervisors.push(process),
                "beside" => self.beside.push(process),
                "shim" => {
                    let slug = named.file_stem().unwrap_or_default().to_string_lossy();
                    self.shims.push((process, slug.replace('.', "#")));
                }
                "sink" => self.sinks.push(process),
                _ => self.servers.push(process),
            };
        }
        if let Some(run) =
            sys::variable_of(process.pid, "TMO_SESSION").filter(|run| is_run(run, &id))
            && is_here()
        {
            let name = sys::variable_of(process.pid, "TMO_PROCESS").unwrap_or_default();
            self.marked.push((process, run, name));
        }
    }

    /// Drop marked processes that may belong to a run of another session: keep those of this plan
    /// or, without a plan, all of them if no other session has a run.
    fn keep_marked_of(&mut self, plan: Option<&Plan>) {
        let is_alone = self.elsewhere.is_empty();
        self.marked.retain(|(_, run, _)| plan.map_or(is_alone, |plan| plan.run == *run));
    }
}

/// Whether a tmux server, or its socket, belongs to the instance, judging by its name.
fn is_server(name: &str, id: &str) -> bool {
    !id.is_empty() && name.starts_with("tmo-") && name.ends_with(&format!("-{id}"))
}

/// Whether a mark belongs to a run of this runtime directory: the directory's name and the start
/// time.
fn is_run(mark: &str, id: &str) -> bool {
    let time = mark.strip_prefix(id).and_then(|rest| rest.strip_prefix('-'));
    !id.is_empty()
        && time.is_some_and(|time| !time.is_empty() && time.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl RuntimeDir {
    /// The id of the instance, which is the name of the directory.
    fn id(&self) -> String {
        self.dir().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether a path is a runtime directory of this instance. Its name identifies the control
    /// socket. Another session of the user has the same name in another place, but at most one of
    /// them has a run.
    fn is_named(&self, path: &Path) -> bool {
        path.is_absolute() && path.file_name().is_some_and(|name| name == self.id().as_str())
    }

    fn members(&self, reach: Reach) -> Members {
        self.members_among(sys::all(), reach)
    }

    /// The parts of the run in any session, but not the processes that they run. A start looks for them on a machine
    /// with any number of processes, so only those are examined that have the id in their arguments, as each part has.
    fn living_parts(&self) -> Members {
        self.members_among(sys::all_naming(&self.id()), Reach::EverySession)
    }

    fn members_among(&self, processes: Vec<ProcInfo>, reach: Reach) -> Members {
        let me = std::process::id();
        let mut members = Members::default();
        for process in processes.into_iter().filter(|p| p.alive() && p.pid != me) {
            members.take(self, reach, process);
        }
        if reach == Reach::OwnDirectory {
            members.keep_marked_of(self.plan().ok().as_ref());
        }
        // On other systems a tmux server is not recognizable by its name, but it is the parent of
        // the shims.
        for parent in members.shims.iter().filter_map(|(shim, _)| sys::info(shim.ppid)) {
            let known = members.servers.iter().any(|server| server.id() == parent.id());
            if parent.name == "tmux" && !known {
                members.servers.push(parent);
            }
        }
        members
    }

    /// The tmo and tmux processes of a run of this directory, found without its files.
    pub fn parts(&self) -> Vec<ProcInfo> {
        self.living_parts().parts().cloned().collect()
    }

    /// The parts beside which nothing may be started. This excludes a guardian of another session
    /// that began later than this process: it will find this process and give up.
    pub fn parts_in_the_way(&self) -> Vec<ProcInfo> {
        let members = self.living_parts();
        let me = std::process::id();
        let own = (sys::start_time(me).unwrap_or(u64::MAX), me);
        let gives_up = |part: &ProcInfo| {
            members.guardians_elsewhere.contains(&part.pid) && (part.start_time, part.pid) > own
        };
        members.parts().filter(|part| !gives_up(part)).cloned().collect()
    }

    /// The runtime directories of living parts of this instance that were started in other sessions.
    pub fn of_other_sessions(&self) -> Vec<PathBuf> {
        self.living_parts().elsewhere.into_iter().collect()
    }

    /// The tmux servers of a run of this directory.
    pub fn servers(&self) -> Vec<ProcInfo> {
        self.living_parts().servers
    }

    /// Kill the tmux servers of this run, which do not answer.
    pub fn kill_servers(&self) {
        Forced::default().kill(&self.servers());
    }

    /// End the whole run of this directory, under any supervisor. `None` if nothing of it exists.
    ///
    /// # Errors
    ///
    /// The run is in another pid namespace, where it can't be reached from here.
    pub fn end_by_force(&self, reach: Reach) -> Result<Option<Forced>, RuntimeDirError> {
        if self.saved().is_ok_and(|saved| saved.is_elsewhere()) {
            return Err(RuntimeDirError::Elsewhere { dir: self.dir().to_owned() });
        }
        let socket = self.plan().ok().map(|plan| socket::of_plan(&plan));
        let stuck = self.stuck();
        let mut forced = self.end(reach, self.lives().collect());
        if let Some(forced) = &mut forced {
            // Without its parent and its terminal, nothing else shows that it belongs to the run.
            let left = stuck.into_iter().filter(|p| sys::alive(p.id())).collect();
            forced.report.add(OrphanReport { left, ..OrphanReport::default() });
            // The socket of a server that was killed earlier.
            forced.sockets.extend(socket.filter(|socket| !forced.sockets.contains(socket)));
        }
        Ok(forced)
    }

    /// The processes that the supervisor could not end.
    fn stuck(&self) -> Vec<ProcInfo> {
        let Some(saved) = self.saved_here() else { return vec![] };
        let same = |member: &Member| sys::info(member.pid).filter(|now| now.name == member.name);
        saved.stuck_members().filter_map(same).collect()
    }

    /// The same without reading the directory, for a directory that can't be trusted.
    pub fn end_by_search(&self) -> Option<Forced> {
        self.end(Reach::EverySession, vec![])
    }

    /// Whether a guardian or a supervisor of a run lives, in any session and whatever has become of its files.
    pub fn has_keeper(&self) -> bool {
        let members = self.living_parts();
        !members.guardians.is_empty() || !members.supervisors.is_empty()
    }

    /// What is alive of a run that has no supervisor here: its processes or, if there are none, its parts. A part
    /// that is just exiting is waited for. [`Self::end_by_force`] ends them.
    pub fn remains(&self) -> Vec<ProcInfo> {
        let members = self.members(Reach::EverySession);
        let processes = self.orphans(&members, vec![]);
        let is_part = |found: &ProcInfo| members.parts().any(|part| part.id() == found.id());
        let victims = processes.iter().flat_map(Orphans::victims);
        let mut left: Vec<ProcInfo> = victims.filter(|found| !is_part(found)).collect();
        if left.is_empty() {
            left.extend(members.parts().cloned());
            let stays = remaining(&left).is_some();
            left.retain(|part| stays && sys::alive(part.id()));
        }
        left
    }

    fn end(&self, reach: Reach, lives: Vec<PathBuf>) -> Option<Forced> {
        let members = self.members(reach);
        if members.is_empty() {
            return None;
        }
        let was_over = members.are_only_keepers() && !self.plan_file().exists();
        let mut forced = Forced { was_over, ..Forced::default() };
        forced.kill_keepers(&members);
        // Both may have started something meanwhile, and a command that gave up waiting for the start lock a guardian.
        let members = self.members(reach);
        forced.kill_keepers(&members);
        // End the panes while tmux lives, since it still passes on what they have printed.
        self.end_panes(&members, lives, &mut forced);
        forced.kill(&members.servers);
        // tmux may have opened a window meanwhile.
        let opened = self.members(reach);
        if !opened.shims.is_empty() {
            self.end_panes(&opened, vec![], &mut forced);
        }
        // Without tmux, sinks read the remaining output and exit. Without the supervisor, the
        // parent of each command kills all that the command has started and exits.
        for ends in [&members.sinks, &members.beside] {
            for one in ends {
                sys::ends_within(one.id(), KILL_PATIENCE);
            }
            forced.kill(ends);
        }
        // Processes that were started after the search.
        let late: Vec<ProcInfo> = self.members(reach).parts().cloned().collect();
        forced.kill(&late);
        // A sink below a shim was spared at first, like everything of tmo that a process may have started.
        forced.report.exempt.retain(|spared| sys::alive(spared.id()));
        Some(forced)
    }

    /// End the shims and everything that they run, and record the sockets of their tmux servers.
    fn end_panes(&self, members: &Members, lives: Vec<PathBuf>, forced: &mut Forced) {
        let orphans = self.orphans(members, lives);
        for (shim, _) in &members.shims {
            let place = sys::variable_of(shim.pid, "TMUX").unwrap_or_default();
            // `socket,pid,session`
            let socket = place.rsplitn(3, ',').nth(2).map(PathBuf::from);
            forced.sockets.extend(socket.filter(|socket| {
                socket
                    .file_name()
                    .is_some_and(|name| is_server(&name.to_string_lossy(), &self.id()))
            }));
        }
        forced.sockets.sort();
        forced.sockets.dedup();
        let shims: Vec<ProcInfo> = members.shims.iter().map(|(shim, _)| shim.clone()).collect();
        forced.kill(&shims);
        for orphans in orphans {
            forced.report.add(sys::kill_orphans(&orphans));
        }
    }

    /// The processes that the shims will leave behind, one entry for each process of the run.
    fn orphans(&self, members: &Members, lives: Vec<PathBuf>) -> Vec<Orphans> {
        /// The name for processes without a mark; no process can have this name.
        const UNMARKED: &str = "?";
        type All = BTreeMap<(String, String), Orphans>;
        fn of<'a>(all: &'a mut All, run: &str, name: &str) -> &'a mut Orphans {
            let name = if name.is_empty() { UNMARKED } else { name };
            let orphans = all.entry((run.to_owned(), name.to_owned())).or_default();
            (orphans.run, orphans.process) = (run.to_owned(), name.to_owned());
            orphans
        }
        let mut all = All::new();
        for (process, run, name) in &members.marked {
            of(&mut all, run, name).known.push(process.id());
        }
        let some_run =
            members.marked.first().map_or_else(|| format!("{}-0", self.id()), |m| m.1.clone());
        for (shim, name) in &members.shims {
            let mut runs = members.marked.iter().filter(|(_, _, marked)| marked == name);
            let run = runs.next().map_or(&some_run, |(_, run, _)| run);
            let orphans = of(&mut all, run, name);
            orphans.known.extend(sys::descendants(shim.pid).iter().map(ProcInfo::id));
            (orphans.shim, orphans.witnessed) = (shim.pid, true);
        }
        for life in lives {
            of(&mut all, &some_run, UNMARKED).mains.extend(Traces::load(&life).mains);
        }
        all.into_values().collect()
    }
}

/// The first of these processes that is still alive after a moment. The parts of a run that is over
/// need a little time to exit.
pub fn remaining(parts: &[ProcInfo]) -> Option<&ProcInfo> {
    let deadline = Instant::now() + KILL_PATIENCE;
    let left = || deadline.saturating_duration_since(Instant::now());
    parts.iter().find(|part| !sys::ends_within(part.id(), left()))
}

impl Forced {
    /// Kill the guardian before the supervisor, which it would start again.
    fn kill_keepers(&mut self, members: &Members) {
        self.kill(&members.guardians);
        self.kill(&members.supervisors);
    }

    /// SIGKILL, and wait a little for the end of each.
    fn kill(&mut self, processes: &[ProcInfo]) {
        let there = |p: &&ProcInfo| sys::alive(p.id());
        let there: Vec<&ProcInfo> = processes.iter().filter(there).collect();
        for process in &there {
            // If this is refused, the process is reported below.
            let _ = sys::signal(process.id(), SIGKILL);
        }
        for process in there {
            if sys::ends_within(process.id(), KILL_PATIENCE) {
                self.report.ended += 1;
            } else if !self.report.left.contains(process) {
                self.report.left.push(process.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_run;

    #[test]
    fn only_runs_of_this_directory_carry_its_mark() {
        assert!(is_run("0123456789-18a2f", "0123456789"));
        for other in ["0123456788-18a2f", "0123456789", "0123456789-", "0123456789-1-doctor7", "-1"]
        {
            assert!(!is_run(other, "0123456789"), "{other}");
        }
        assert!(!is_run("-18a2f", ""));
    }
}
