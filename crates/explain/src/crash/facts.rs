//! Facts that only the operating system knows.

use std::ffi::OsStr;
use std::path::Path;

use super::evidence::{EnvExample, Holder, ListeningProcess, OwningRun};
use crate::model::ProcName;
use crate::sys::files::{self, ChosenBy};
use crate::sys::{self, Listener, ProcInfo};

/// The maximum number of program names to look at.
const MOST_PROGRAMS: usize = 20_000;

/// The processes that listen on these ports at present, from the viewpoint of this run.
pub fn holders(ports: &[u16], run: &str) -> Vec<Holder> {
    if ports.is_empty() {
        return vec![];
    }
    let holder = |(port, Listener { process })| {
        let tenant = process.as_ref().and_then(|process| tenant(process, run));
        let process = process
            .map(|process: ProcInfo| ListeningProcess { pid: process.pid, name: process.name });
        Holder { port, process, tenant }
    };
    sys::tcp_listeners(ports).into_iter().map(holder).collect()
}

/// The managed process that this process belongs to, in this run or in another living one. Found by
/// the marks in the environment of the process or of its nearest marked ancestor.
pub fn tenant(process: &ProcInfo, run: &str) -> Option<OwningRun> {
    let mut line = std::iter::successors(Some(process.clone()), |process| sys::info(process.ppid));
    let (pid, marked) = line
        .find_map(|process| Some((process.pid, sys::variable_of(process.pid, "TMO_SESSION")?)))?;
    // A process may put anything into its environment, but a person will type this name.
    let name = ProcName::new(sys::variable_of(pid, "TMO_PROCESS")?).ok()?.to_string();
    if marked == run {
        return Some(OwningRun { name, socket: None });
    }
    let socket = sys::variable_of(pid, "TMO_SOCKET")
        .filter(|socket| Path::new(socket).exists() && !socket.contains(char::is_control))?;
    Some(OwningRun { name, socket: Some(socket) })
}

/// The example of a `.env` in the directory of a project that has no `.env`.
pub fn env_example(root: &Path) -> Option<EnvExample> {
    if root.join(".env").exists() {
        return None;
    }
    [".env.example", ".env.sample"].into_iter().find_map(|name| {
        let text = files::read_project(&root.join(name), ChosenBy::Project).ok()?;
        Some(EnvExample { name, text })
    })
}

/// The `requirements.txt` of a directory.
pub fn requirements(dir: &Path) -> Option<String> {
    let text = files::read_project(&dir.join("requirements.txt"), ChosenBy::Project).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The text of the files in these directories that list packages of JavaScript or Python.
pub fn manifests(dirs: &[&str]) -> String {
    let files = ["package.json", "pyproject.toml"];
    let files = dirs.iter().flat_map(|dir| files.map(|file| Path::new(dir).join(file)));
    let texts = files.filter_map(|path| files::read_project(&path, ChosenBy::Project).ok());
    texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
}

/// The names of the programs in this `PATH`.
pub fn programs(path: &OsStr) -> Vec<String> {
    let dirs = std::env::split_paths(path).filter_map(|dir| dir.read_dir().ok());
    let files = dirs.flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    names.take(MOST_PROGRAMS).collect()
}

/// The paths of what is in these directories and in their `src`.
pub fn own_files(dirs: &[&str]) -> Vec<String> {
    let dirs = dirs.iter().flat_map(|dir| [Path::new(dir).to_owned(), Path::new(dir).join("src")]);
    let entries = dirs.filter_map(|dir| dir.read_dir().ok()).flatten().flatten();
    let paths = entries.filter_map(|entry| entry.path().into_os_string().into_string().ok());
    paths.take(MOST_PROGRAMS).collect()
}

/// Whether the kernel passes core dumps to systemd.
pub fn dumps_are_kept() -> bool {
    let pattern = kernel_text("/proc/sys/kernel/core_pattern");
    pattern.is_some_and(|pattern| pattern.starts_with('|') && pattern.contains("systemd-coredump"))
}

/// How often the kernel has killed a process in our control group because memory ran out. `None`
/// without control groups (version 2).
pub fn oom_kills() -> Option<u64> {
    let group = kernel_text("/proc/self/cgroup")?;
    let group = group.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let events = Path::new("/sys/fs/cgroup").join(group).join("memory.events");
    let events = kernel_text(events)?;
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

fn kernel_text(path: impl AsRef<Path>) -> Option<String> {
    String::from_utf8(files::read_kernel(path).ok()?).ok()
}
