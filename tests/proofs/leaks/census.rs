//! Counts processes, descriptors, watches, memory and files.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use crate::harness::World;
use crate::table::Table;

/// What there is in a world at a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Census {
    /// Of each part of the run (`sink web`, `tmux`), by its role, and of the rest by its command.
    parts: BTreeMap<String, Part>,
    /// KiB of the lines that tmux keeps of its panes, up to its `history-limit`: each life prints some.
    history: u64,
    /// Files and their sizes, with their kinds: `socket …/control.sock`.
    files: BTreeMap<String, u64>,
}

/// One process, or several that have the same role.
#[derive(Debug, Clone, Default)]
struct Part {
    processes: usize,
    descriptors: Vec<String>,
    watches: usize,
    /// KiB that are its own, and with its share of what others use too.
    own: u64,
    proportional: u64,
}

/// Which is one of ours, so that its memory is looked at.
const OURS: [&str; 5] = ["supervise", "guard", "shim", "sink", "tmux"];

impl Census {
    /// Count.
    pub(crate) fn take(world: &World) -> Self {
        let mut census = Self::default();
        for process in world.living() {
            let role = role(&process.args);
            if role == "tmux" {
                let panes = ["-L", &process.args[2], "list-panes", "-a", "-F", "#{history_bytes}"];
                let panes = world.command("tmux").args(panes).output().unwrap().stdout;
                let panes = String::from_utf8_lossy(&panes).into_owned();
                census.history =
                    panes.lines().filter_map(|n| n.parse::<u64>().ok()).sum::<u64>() / 1024;
            }
            let part = census.parts.entry(role).or_default();
            part.processes += 1;
            part.look(process.pid);
        }
        for dir in ["app", "home", "run", "state", "tmux", "tmp"] {
            census.walk(world.path(), &world.path().join(dir));
        }
        census
    }

    fn walk(&mut self, root: &Path, dir: &Path) {
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        for entry in entries.flatten() {
            // What goes while it is looked at is not there.
            let Ok(meta) = entry.path().symlink_metadata() else { continue };
            let path = entry.path();
            let kind = meta.file_type();
            let name = path.strip_prefix(root).unwrap().display();
            let (what, size) = if kind.is_dir() {
                self.walk(root, &path);
                ("directory", 0)
            } else if kind.is_fifo() {
                ("fifo", 0)
            } else if kind.is_socket() {
                ("socket", 0)
            } else {
                ("file", meta.len())
            };
            self.files.insert(format!("{what} {name}"), size);
        }
    }

    /// What this has that `before` had not, one line each.
    pub(crate) fn more_than(&self, before: &Self) -> Vec<String> {
        let mut more = vec![];
        let none = Part::default();
        for (role, part) in &self.parts {
            let old = before.parts.get(role).unwrap_or(&none);
            if part.processes > old.processes {
                more.push(format!("process {role}"));
            }
            if part.descriptors.len() > old.descriptors.len() {
                more.push(format!("descriptor {role}: {:?}", part.descriptors));
            }
            if part.watches > old.watches {
                more.push(format!("watch {role}"));
            }
        }
        more.extend(self.files.keys().filter(|file| !before.files.contains_key(*file)).cloned());
        more
    }

    /// The sizes of all files below this directory.
    pub(crate) fn bytes(&self, below: &str) -> u64 {
        let of = format!("file {below}/");
        self.files.iter().filter(|(name, _)| name.starts_with(&of)).map(|(_, size)| size).sum()
    }

    /// Tell how many there were and how many more there are; all of the latter must be 0.
    pub(crate) fn tell(&self, before: &Self, table: &mut Table) {
        let more = self.more_than(before);
        for line in &more {
            eprintln!("more than before: {line}");
        }
        let kinds = ["process", "descriptor", "watch", "fifo", "socket", "file", "directory"];
        for kind in kinds {
            let count = more.iter().filter(|line| line.starts_with(kind)).count();
            table.must(format!("{kind}: more than the {} before", before.count(kind)), count, 0);
        }
    }

    fn count(&self, kind: &str) -> usize {
        match kind {
            "process" => self.parts.values().map(|part| part.processes).sum(),
            "descriptor" => self.parts.values().map(|part| part.descriptors.len()).sum(),
            "watch" => self.parts.values().map(|part| part.watches).sum(),
            kind => self.files.keys().filter(|name| name.split(' ').next() == Some(kind)).count(),
        }
    }

    /// Tell the memory of each part of the run; none may have grown by more than `slack` KiB, tmux
    /// by more than the second, besides the history of its panes.
    pub(crate) fn tell_memory(&self, before: &Self, (slack, tmux): (u64, u64), table: &mut Table) {
        for (role, part) in &self.parts {
            if !OURS.iter().any(|ours| role.starts_with(ours)) {
                continue;
            }
            let Some(old) = before.parts.get(role) else { continue };
            let grown = part.own.saturating_sub(old.own);
            let (what, own) = (format!("{role}: KiB of its own"), part.own);
            table.figure(format!("{what} (before {}; PSS {})", old.own, part.proportional), own);
            let (grown, slack) = if role == "tmux" {
                let lines = self.history.saturating_sub(before.history);
                table.figure("tmux: KiB more of the lines that it keeps".to_owned(), lines);
                (grown.saturating_sub(lines), tmux)
            } else {
                (grown, slack)
            };
            if grown > slack {
                table.must(format!("{what}: more than before"), grown, format!("<= {slack}"));
            }
        }
    }
}

impl Part {
    fn look(&mut self, pid: u32) {
        let of = |name: &str| format!("/proc/{pid}/{name}");
        for entry in std::fs::read_dir(of("fd")).into_iter().flatten().flatten() {
            let to = std::fs::read_link(entry.path()).unwrap_or_default();
            self.descriptors.push(format!("{} {}", entry.file_name().display(), to.display()));
            let info = Path::new(&of("fdinfo")).join(entry.file_name());
            let info = std::fs::read_to_string(info).unwrap_or_default();
            self.watches += info.lines().filter(|line| line.starts_with("inotify ")).count();
        }
        let memory = std::fs::read_to_string(of("smaps_rollup")).unwrap_or_default();
        let kib = |name: &str| -> u64 {
            let lines = memory.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
        };
        // Not `Private_*`: pages of the executable are private or not by whether anybody else on
        // the machine runs it at that moment, which says nothing about this process.
        self.own += kib("Anonymous:") + kib("Swap:");
        self.proportional += kib("Pss:");
    }
}

/// What this process is in the run.
fn role(args: &[String]) -> String {
    let word = |at: usize| args.get(at).map_or("", String::as_str);
    let name = |path: &str| {
        let path = Path::new(path);
        path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    };
    match word(1) {
        verb @ ("shim" | "sink") => format!("{verb} {}", name(word(2))),
        verb @ ("supervise" | "guard") => verb.to_owned(),
        // Its server keeps the words of the client that started it.
        "-L" if word(2).starts_with("tmo-") && args.iter().any(|arg| arg == "new-session") => {
            "tmux".to_owned()
        }
        _ => format!("`{}`", args.join(" ")),
    }
}
