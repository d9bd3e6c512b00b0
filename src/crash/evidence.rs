//! All that is known of the end of a process.

use std::path::{Component, Path, PathBuf};

use super::cause::Kind;
use super::expr::Expr;
use crate::journal::Position;
use crate::model::rules::{Probe, Text};
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName};

/// What a diagnosis goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The process.
    pub name: ProcName,
    /// Its command, as people read it.
    pub command: String,
    /// The directory of the project: what lies in it is its own.
    pub root: String,
    /// Its working directory.
    pub cwd: String,
    /// The port it was told.
    pub port: Option<u16>,
    /// Ports that other processes of the run were told.
    pub others: Vec<(ProcName, u16)>,
    /// Its last process id.
    pub pid: Option<u32>,
    /// How it ended.
    pub exit: Exit,
    /// The last lines of that life, in order.
    pub lines: Vec<Line>,
    /// What does not stand in the log.
    pub facts: Facts,
}

/// A line of output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// When it came, nanoseconds since the epoch.
    pub time: Timestamp,
    /// Where it stands in the journal.
    pub at: Option<Position>,
    /// The line without escapes.
    pub text: String,
}

/// What is known besides the output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// What tmo itself saw or did that led to the end.
    pub trigger: Option<Trigger>,
    /// Who listens at present on ports that the output names.
    pub holders: Vec<Holder>,
    /// By how much the `oom_kill` count of the control group rose while it ran.
    pub oom_kills: u64,
    /// Names of programs that there are, where one was not found.
    pub programs: Vec<String>,
    /// Names of programs that lie in `node_modules/.bin`, where one was not found.
    pub packaged: Vec<String>,
    /// Whether `coredumpctl` has what was in memory when something crashes.
    pub dumped: bool,
}

/// Something that tmo knows of the end because it saw or did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Another process ended first, and so everything was stopped.
    StoppedWith {
        /// Which.
        first: ProcName,
        /// How.
        exit: Exit,
    },
    /// Somebody asked for it.
    Asked,
    /// It printed what means that it has failed.
    FailurePattern {
        /// What was looked for.
        pattern: Text,
        /// The line.
        line: Line,
    },
    /// It did not answer any more.
    NotLive {
        /// How it was asked.
        probe: Probe,
        /// How often in a row in vain.
        failures: u32,
    },
    /// It was ended because it had failed: what was said of it then.
    Failed {
        /// What kind of failure.
        kind: Kind,
        /// The words.
        text: String,
    },
}

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The port.
    pub port: u16,
    /// The process; another user's may not be seen.
    pub process: Option<Sender>,
    /// Which of a run it belongs to, where it does.
    pub tenant: Option<Tenant>,
}

/// A process of a run of tmo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// The control socket of its run, where that is another one.
    pub socket: Option<String>,
}

/// A process of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Process id.
    pub pid: u32,
    /// Name of its program.
    pub name: String,
}

impl Evidence {
    /// The signal that ended it, also where a shell tells of it by its own exit code.
    pub fn signal(&self) -> Option<u8> {
        match self.exit {
            Exit::Signal(number) => Some(number),
            Exit::Code(code @ 129..=159) => Some(code - 128),
            Exit::Code(_) => None,
        }
    }

    /// A path as it is said: below the directory of the project without that.
    pub(super) fn shown<'p>(&self, path: &'p str) -> &'p str {
        let path = path.strip_prefix("file://").unwrap_or(path);
        let within = path.strip_prefix(&self.root).filter(|_| !self.root.is_empty());
        within.and_then(|rest| rest.strip_prefix('/')).unwrap_or(path)
    }

    /// A line of a file, as somebody in the directory of the project finds it.
    pub(super) fn place(&self, path: &str, line: &str) -> String {
        let path = path.strip_prefix("file://").unwrap_or(path);
        let path = path.strip_prefix("./").unwrap_or(path);
        if Path::new(path).is_relative() && !self.cwd.is_empty() && self.cwd != self.root {
            let path = format!("{}/{path}", self.cwd);
            return format!("{}:{line}", self.shown(&path));
        }
        format!("{}:{line}", self.shown(path))
    }

    /// The same, if the file may be one of the project.
    pub(super) fn own_place(&self, path: &str, line: &str, strange: &[&str]) -> Option<String> {
        self.is_own(path, strange).then(|| self.place(path, line))
    }

    /// Whether a file may be one of the project: below its directory or the working directory, or
    /// said without where it is, and in none of these places. `<stdin>`, `[eval]` and `-e` are none.
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

/// `cd` into a directory that is spelled out, before all else that a command does.
static CD: Expr = Expr::new(
    r#"^\s*cd\s+(?:--\s+)?("[^"$`\\]+"|'[^']+'|[^\s"'`$~;&|<>*?(){}\\-][^\s"'`$;&|<>*?(){}\\]*)\s*(?:&&|;)"#,
);

/// Where what a command runs is at work, which begins in this directory.
pub(super) fn working_directory(cwd: &str, command: &str) -> String {
    let Some(found) = CD.group(command) else { return cwd.to_owned() };
    let mut path = PathBuf::from(cwd);
    for part in Path::new(found.trim_matches(['"', '\''])).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = path.pop(),
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
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
