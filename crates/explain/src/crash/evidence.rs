//! Everything that is known about the end of a process.

use std::path::{Component, Path, PathBuf};

use super::cause::CauseKind;
use super::expr::Expr;
use crate::journal::Position;
use crate::model::plan::rules::{Probe, Text, WatcherPatterns};
use crate::model::text::shell::quoted;
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName};

/// The input of a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub name: ProcName,
    /// Its command, in a form for people.
    pub command: String,
    /// The directory of the project. Files in it belong to the project.
    pub root: String,
    pub cwd: String,
    /// The port it was assigned.
    pub port: Option<u16>,
    /// The ports on which other processes of the run are known to listen.
    pub others: Vec<(ProcName, u16)>,
    /// The ports that these were assigned.
    pub assigned: Vec<(ProcName, u16)>,
    /// Its last process id.
    pub pid: Option<u32>,
    /// How it ended.
    pub exit: Exit,
    /// The last lines of that life, in order.
    pub lines: Vec<OutputLine>,
    /// File watchers that the project has named.
    pub watchers: Vec<WatcherPatterns>,
    /// Facts that are not in the log.
    pub facts: Facts,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutputLine {
    /// When it came, nanoseconds since the epoch.
    pub time: Timestamp,
    /// Its position in the journal.
    pub at: Option<Position>,
    /// The line without escape sequences.
    pub text: String,
}

/// Facts from other sources than the output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Something that tmo itself saw or did and that led to the end.
    pub trigger: Option<Trigger>,
    /// When it ended. Output after this is of processes that it left behind and tmo then ended.
    pub end: Option<Timestamp>,
    /// The processes that listen at present on ports named in the output.
    pub holders: Vec<Holder>,
    /// A port on which another program listened at the start of the run, and the event about it; `None` once the
    /// process itself listens there, and in a later life unless another program listens there now.
    pub taken: Option<(u16, OutputLine)>,
    /// Whether it is the COMMAND of `tmo start -- COMMAND`, which no file configures.
    pub is_command: bool,
    /// The processes that it depends on and whose checks connect to a port.
    pub needs: Vec<ProcName>,
    /// The processes that it depends on, also through others, or whose ports stand in its command or its variables.
    pub uses: Vec<ProcName>,
    /// Whether it ended soon after it had started.
    pub is_short: bool,
    /// The process that a refused connection was for, if it had ended by then, and how it ended; no exit if it was
    /// stopped. If the message does not tell the process: one of `needs` or `uses`, or the only service.
    pub gone: Option<(ProcName, Option<Exit>)>,
    /// The process that a refused connection was for, if it was not ready by then, and whether that is certain.
    pub late: Option<(ProcName, bool)>,
    /// By how much the `oom_kill` count of the control group rose while it ran.
    pub oom_kills: u64,
    /// If a program was not found: the names of existing programs.
    pub programs: Vec<String>,
    /// If a program was not found: the names of programs in `node_modules/.bin`.
    pub packaged: Vec<String>,
    /// The paths of the files and directories in the directories of the project and of the process, and in their `src`.
    pub own_files: Vec<String>,
    /// The content of the `requirements.txt` in the directory of the process.
    pub requirements: Option<String>,
    /// The contents of `package.json` and `pyproject.toml` in the directories of the project and of the process.
    pub manifests: String,
    /// If the project has no `.env`: its example of one.
    pub example: Option<EnvExample>,
    /// Whether `coredumpctl` keeps core dumps.
    pub dumped: bool,
}

/// A file of a project that shows what belongs into its `.env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvExample {
    pub name: &'static str,
    /// Its content.
    pub text: Vec<u8>,
}

impl EnvExample {
    /// Whether it sets this variable.
    pub fn sets(&self, variable: &str) -> bool {
        self.text.split(|byte| *byte == b'\n').any(|line| {
            let line = line.trim_ascii_start();
            let line = line.strip_prefix(b"export ").unwrap_or(line);
            line.strip_prefix(variable.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
        })
    }
}

/// Something that tmo saw or did and that explains the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Another process ended first, and therefore everything was stopped.
    StoppedWith {
        first: ProcName,
        /// How that process ended.
        exit: Exit,
    },
    /// A stop was requested.
    Asked,
    /// It printed a failure pattern.
    FailurePattern {
        pattern: Text,
        /// The line that matched.
        line: OutputLine,
    },
    /// It failed its liveness check.
    NotLive {
        /// The check.
        probe: Probe,
        /// The number of consecutive failures.
        failures: u32,
        /// What was wrong the last time.
        answer: String,
    },
    /// tmo ended it because of a failure that it logged.
    Failed {
        /// The kind of failure.
        kind: CauseKind,
        /// The text that was logged.
        text: String,
    },
}

/// The process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub port: u16,
    /// The process; unknown if it belongs to another user.
    pub process: Option<ListeningProcess>,
    /// The managed process that it belongs to, if any.
    pub tenant: Option<OwningRun>,
}

/// A process that tmo manages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwningRun {
    pub name: String,
    /// The control socket of its run, if that is another run.
    pub socket: Option<String>,
}

/// A process of the operating system that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListeningProcess {
    pub pid: u32,
    /// Name of its program.
    pub name: String,
}

impl Evidence {
    /// An end of which nothing else is known.
    pub fn new(name: &ProcName, pid: Option<u32>, exit: Exit) -> Self {
        Self {
            name: name.clone(),
            command: String::new(),
            root: String::new(),
            cwd: String::new(),
            port: None,
            others: vec![],
            assigned: vec![],
            pid,
            exit,
            lines: vec![],
            watchers: vec![],
            facts: Facts::default(),
        }
    }

    /// The signal that ended it, even if only a shell's exit code reveals it.
    pub fn signal(&self) -> Option<u8> {
        match self.exit {
            Exit::Signal(number) => Some(number),
            Exit::Code(code @ 129..=159) => Some(code - 128),
            Exit::Code(_) => None,
        }
    }

    /// A path as it is shown: relative to the project's directory if it is inside.
    pub(super) fn shown_path<'p>(&self, path: &'p str) -> &'p str {
        let path = path.strip_prefix("file://").unwrap_or(path);
        let within = path.strip_prefix(&self.root).filter(|_| !self.root.is_empty());
        within.and_then(|rest| rest.strip_prefix('/')).unwrap_or(path)
    }

    /// A path as the process has printed it, relative to the directory of the project.
    pub(super) fn path(&self, path: &str) -> String {
        if Path::new(path).is_relative() && !path.starts_with("file:") && self.is_elsewhere() {
            let path = path.strip_prefix("./").unwrap_or(path);
            return self.shown_path(&format!("{}/{path}", self.cwd)).to_owned();
        }
        self.shown_path(path).to_owned()
    }

    /// A place in a file, with a path relative to the directory of the project.
    pub(super) fn place(&self, path: &str, line: &str) -> String {
        format!("{}:{line}", self.path(path.strip_prefix("./").unwrap_or(path)))
    }

    /// A command for the directory of the process, to be typed in that of the project.
    pub(super) fn there(&self, command: &str) -> String {
        if self.is_elsewhere() {
            format!("(cd {} && {command})", quoted(self.shown_path(&self.cwd)))
        } else {
            command.to_owned()
        }
    }

    fn is_elsewhere(&self) -> bool {
        !self.cwd.is_empty() && self.cwd != self.root
    }

    /// Whether its directory has this file or directory.
    pub(super) fn has(&self, name: &str) -> bool {
        self.facts.own_files.contains(&format!("{}/{name}", self.cwd))
    }

    /// The process that listens on a port, as far as is known.
    pub(super) fn owner(&self, port: u16) -> Option<&ProcName> {
        let mut all = self.others.iter().chain(&self.assigned);
        all.find(|(_, its)| *its == port).map(|(name, _)| name)
    }

    /// The same, only if the file may belong to the project.
    pub(super) fn own_place(&self, path: &str, line: &str, strange: &[&str]) -> Option<String> {
        self.is_own(path, strange).then(|| self.place(path, line))
    }

    /// Whether a file may belong to the project: it is below its directory or the working
    /// directory, or has a relative path, and is in none of the `strange` places. `<stdin>`,
    /// `[eval]` and `-e` are not files.
    fn is_own(&self, path: &str, strange: &[&str]) -> bool {
        let path = path.strip_prefix("file://").unwrap_or(path);
        let below = |dir: &str| !dir.is_empty() && Path::new(path).starts_with(dir);
        let near = Path::new(path).is_relative()
            || self.root.is_empty()
            || below(&self.root)
            || below(&self.cwd);
        let file = !path.starts_with(['<', '[', '-']);
        file && near && !strange.iter().any(|part| path.contains(part))
    }
}

/// A `cd` at the beginning of a command, into a directory that is written literally.
static CD: Expr = Expr::new(
    r#"^\s*cd\s+(?:--\s+)?("[^"$`\\]+"|'[^']+'|[^\s"'`$~;&|<>*?(){}\\-][^\s"'`$;&|<>*?(){}\\]*)\s*(?:&&|;)"#,
);

/// The directory in which the program of a command runs if the command is started in `cwd`.
pub(super) fn working_directory(cwd: &str, command: &str) -> String {
    behind_cd(cwd, command).0
}

/// The same, with the rest of the command.
pub fn behind_cd<'c>(cwd: &str, command: &'c str) -> (String, &'c str) {
    let Some(found) = CD.captures(command) else { return (cwd.to_owned(), command) };
    let (found, rest) = (found.get(1).map_or("", |it| it.as_str()), &command[found[0].len()..]);
    let mut path = PathBuf::from(cwd);
    for part in Path::new(found.trim_matches(['"', '\''])).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = path.pop(),
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => path.push(part),
        }
    }
    (path.to_string_lossy().into_owned(), rest)
}

#[cfg(test)]
mod tests {
    use super::working_directory;

    #[test]
    fn a_command_may_begin_elsewhere() {
        for (command, is) in [
            ("go run .", "/srv/app"),
            ("cd api && go run .", "/srv/app/api"),
            ("  cd ./web/ui; npm start", "/srv/app/web/ui"),
            ("cd -- 'my api' && go run .", "/srv/app/my api"),
            ("cd \"my api\" && go run .", "/srv/app/my api"),
            ("cd ../other && make", "/srv/other"),
            ("cd /opt/x && ./x", "/opt/x"),
            ("cd - && ./x", "/srv/app"),
            ("cd ~/x && ./x", "/srv/app"),
            ("cd $DIR && ./x", "/srv/app"),
            ("cd \"$DIR\" && ./x", "/srv/app"),
            ("cd a b && ./x", "/srv/app"),
            ("cd api || exit", "/srv/app"),
            ("cdx api && x", "/srv/app"),
        ] {
            assert_eq!(working_directory("/srv/app", command), is, "{command}");
        }
    }
}
