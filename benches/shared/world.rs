//! A world of its own for each measurement: directory, home, sockets, and a mark in the
//! environment of everything that is started in it.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::PATIENCE;
use crate::common::harness::orphan_cleanup;
use crate::common::harness::procs::{self, Proc};
use crate::common::harness::wait::pause;

/// The variable that marks everything of one world.
const MARK: &str = "TMO_BENCH_WORLD";

/// Directories of worlds that are over: ext4 takes long to create a file where many have just been
/// deleted, which would be measured in the world that comes next.
static OVER: Mutex<Vec<PathBuf>> = Mutex::new(vec![]);
/// Files from this size on are emptied at once, to spare the disk.
const LARGE: u64 = 1 << 20;

/// A project directory and all around it.
#[derive(Debug)]
pub(crate) struct World {
    dir: tempfile::TempDir,
    /// Where a session has its runtime directory: in memory, if there is such a place.
    run: tempfile::TempDir,
}

/// Whose a living process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// One of the programs that are run, or its shell.
    Program,
    /// A tmux server or client.
    Tmux,
    /// The contestant itself.
    Own,
}

impl World {
    pub(crate) fn new() -> Self {
        // Short: a tmux socket lies in it.
        let dir = tempfile::Builder::new().prefix("tb").tempdir_in("/tmp").unwrap();
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory } else { dir.path() };
        let run = tempfile::Builder::new().prefix("tb").tempdir_in(base).unwrap();
        for name in ["app", "home", "state", "tmux"] {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let world = Self { dir, run };
        orphan_cleanup::watch(&world.mark(), &[world.dir.path(), world.run.path()]);
        world
    }

    /// The project directory.
    pub(crate) fn app(&self) -> PathBuf {
        self.dir.path().join("app")
    }

    /// The home directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Any program in this world, with nothing of the real environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let at = |name: &str| self.dir.path().join(name);
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", at("home")).env("TMUX_TMPDIR", at("tmux"));
        command.env("XDG_RUNTIME_DIR", self.run.path()).env("XDG_STATE_HOME", at("state"));
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env(MARK, at(""));
        command.env("SHELL", "/bin/sh");
        command.current_dir(self.app()).stdin(Stdio::null());
        command
    }

    /// What marks everything of this world, as it stands in an environment.
    fn mark(&self) -> String {
        format!("{MARK}={}", self.dir.path().join("").display())
    }

    /// Everything alive in this world.
    pub(crate) fn living(&self) -> Vec<Proc> {
        procs::with_mark(&self.mark())
    }

    /// The same of this owner.
    pub(crate) fn of(&self, owner: Owner) -> Vec<Proc> {
        self.living().into_iter().filter(|proc| owner_of(proc.pid) == owner).collect()
    }

    /// Wait until nothing is left; whether that came to be.
    pub(crate) fn wait_empty(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !self.living().is_empty() && Instant::now() < deadline {
            pause(Duration::from_millis(2));
        }
        self.living().is_empty()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        // Whoever is being killed may just be starting others.
        while !self.living().is_empty() && Instant::now() < deadline {
            for process in self.living() {
                procs::kill(process.pid, 9);
            }
            pause(Duration::from_millis(2));
        }
        for process in self.living() {
            eprintln!("can't be killed: {process:?}");
        }
        empty_large_files(self.dir.path());
        self.dir.disable_cleanup(true);
        OVER.lock().unwrap().push(self.dir.path().to_owned());
    }
}

/// Remove what the worlds have left on the disk.
pub(crate) fn clear() {
    for dir in OVER.lock().unwrap().drain(..) {
        std::fs::remove_dir_all(dir).unwrap();
    }
}

fn empty_large_files(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            empty_large_files(&entry.path());
        } else if meta.is_file() && meta.len() >= LARGE {
            std::fs::File::create(entry.path()).unwrap();
        }
    }
}

fn owner_of(pid: u32) -> Owner {
    let exe = std::fs::read_link(Path::new("/proc").join(pid.to_string()).join("exe"));
    let exe = exe.unwrap_or_default();
    let name = exe.file_name().unwrap_or_default().to_string_lossy();
    match &*name {
        "tmux" => Owner::Tmux,
        "sh" | "dash" | "bash" => Owner::Program,
        _ if std::env::current_exe().unwrap() == exe => Owner::Program,
        _ => Owner::Own,
    }
}

/// User and system time of a process so far, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, rest)) = stat.rsplit_once(") ") else { return 0.0 };
    let ticks: u32 = rest.split(' ').skip(11).take(2).filter_map(|n| n.parse::<u32>().ok()).sum();
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).unwrap().unwrap();
    f64::from(ticks) / f64::from(u32::try_from(per_second).unwrap())
}

/// Memory of a process in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    pub(crate) private: f64,
    pub(crate) pss: f64,
}

/// What nobody else has, and the proportional share.
pub(crate) fn memory(pid: u32) -> Memory {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|v| v.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0)
    };
    let private = field("Private_Clean:") + field("Private_Dirty:");
    Memory { private, pss: field("Pss:") }
}

/// How often a process has waited for something so far.
pub(crate) fn switches(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    value.and_then(|v| v.trim().parse().ok()).unwrap_or(0.0)
}
