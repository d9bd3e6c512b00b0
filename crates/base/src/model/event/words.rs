//! The texts of events, as far as there is more to them than what `#[error]` says of each in its place.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use super::{Event, HookProblem, Problem, Slow, SlowStop, Sooner, What};
use crate::model::plan::rules::Probe;
use crate::model::units::{in_a_row, limit};
use crate::model::{ProcName, Untrusted};

/// Maximum number of processes named in a text; there may be thousands.
const MOST_NAMED: usize = 5;

/// The text of an event. It can only be displayed: code that needs a value takes it from the event.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    what: &'a What,
    name: Option<&'a ProcName>,
}

impl Event {
    /// The text for users; `None` for an event that the log does not show.
    pub fn text(&self) -> Option<Words<'_>> {
        self.what.text(self.name.as_ref())
    }
}

impl What {
    /// The same for an event that concerns this process.
    pub(super) fn text<'a>(&'a self, name: Option<&'a ProcName>) -> Option<Words<'a>> {
        let is_shown = !matches!(
            self,
            Self::End { .. }
                | Self::Reload { .. }
                | Self::Command { .. }
                | Self::CrashReport { .. }
                | Self::Flag { .. }
                | Self::Prompt { again: true, .. }
        );
        is_shown.then_some(Words { what: self, name })
    }

    /// The same without the output that its text repeats: a search finds that where it was printed.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others repeat no output")]
    pub(super) fn without_output(&self) -> Cow<'_, Self> {
        let line = String::new;
        match self {
            Self::Crash { life, text, .. } => {
                Cow::Owned(Self::Crash { life: *life, text: text.clone(), cause: None })
            }
            Self::Failing { .. } => Cow::Owned(Self::Failing { line: line() }),
            Self::Broken { why } if matches!(why.root(), Problem::Printed { .. }) => {
                Cow::Owned(Self::Broken { why: Problem::Printed { line: line() } })
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// Whether it reports a failure.
    pub const fn is_error(&self) -> bool {
        matches!(
            self,
            Self::Disk { again: false, .. }
                | Self::Hook { .. }
                | Self::WatchLimit { .. }
                | Self::NotWatched { .. }
                | Self::WatchHeld { .. }
                | Self::BuildFailed(_)
                | Self::TmuxGone
                | Self::Failed { .. }
                | Self::NotReady { .. }
                | Self::Unhealthy { .. }
                | Self::Failing { .. }
                | Self::Broken { .. }
                | Self::Skipped { .. }
                | Self::InstallFailed { .. }
                | Self::Leftovers { .. }
                | Self::Stuck { .. }
                | Self::ShimGone { .. }
                | Self::NoPane { .. }
                | Self::Trouble { .. }
                | Self::Crash { .. }
        )
    }
}

impl Display for Words<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)?;
        let name = self.name.map_or("NAME", ProcName::as_str);
        if matches!(self.what, What::Broken { .. }) {
            write!(f, "; `tmo restart {name}` tries again")?;
        }
        if matches!(self.what, What::Prompt { .. }) {
            write!(f, "; `tmo connect {name}` answers it")?;
        }
        if matches!(self.what, What::Crash { cause: Some(_), .. }) {
            write!(f, "; see `tmo why {name}`")?;
        }
        Ok(())
    }
}

impl Display for HookProblem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => f.write_str(why),
            Self::Late { count, seconds: 0 } => write!(f, "Hooks were killed: {count}"),
            Self::Late { count, seconds } => {
                write!(f, "Hooks still ran after {seconds} s and were killed: {count}")
            }
        }
    }
}

impl Display for SlowStop {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { processes, kill_in_s, sooner } = self;
        let mut named: Vec<_> =
            processes.iter().take(MOST_NAMED).map(ToString::to_string).collect();
        if processes.len() > MOST_NAMED {
            named.push(format!("{} more", processes.len() - MOST_NAMED));
        }
        let (runs, them) = if processes.len() == 1 { ("runs", "it") } else { ("run", "them") };
        let again = |verb: &str| {
            if processes.len() > MOST_NAMED {
                return format!("the same `tmo {verb}` again");
            }
            let names: Vec<_> = processes.iter().map(|slow| slow.process.as_str()).collect();
            format!("`tmo {verb} {}`", names.join(" "))
        };
        let how = |sooner| match sooner {
            Sooner::StopAgain => again("stop"),
            Sooner::RestartAgain => again("restart"),
            Sooner::Kill => "`tmo kill`".to_owned(),
            Sooner::CtrlCAgain => "Ctrl-C again or `tmo kill`".to_owned(),
        };
        write!(f, "{} still {runs}; SIGKILL in {kill_in_s} s", named.join(", "))?;
        sooner.map_or(Ok(()), |sooner| write!(f, ", {} kills {them} now", how(sooner)))
    }
}

impl Display for Slow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "{} (pid {pid})", self.process),
            None => write!(f, "a child process of {}", self.process),
        }
    }
}

/// This text behind a separator, if there is one.
pub(super) fn behind(separator: &str, text: Option<impl Display>) -> String {
    text.map_or(String::new(), |text| format!("{separator}{text}"))
}

/// The first of some changed files, and how many others there are.
pub(super) fn changed_files(files: &[Untrusted], count: usize) -> String {
    let first = files.first().map_or_else(String::new, ToString::to_string);
    if count > 1 { format!("{first} (+{})", count - 1) } else { first }
}

/// `1 directory`, `2 directories`.
pub(super) fn directories(count: usize) -> String {
    format!("{count} director{}", if count == 1 { "y" } else { "ies" })
}

/// Whether the journal can be written, to follow its name.
pub(super) fn journal_state(dir: &str, again: bool, cause: Option<&String>) -> String {
    if again {
        return format!("can be written again ({dir})");
    }
    format!("can't be written ({dir}{}): only new output is kept", behind(": ", cause))
}

/// That the main processes are started, but for these.
pub(super) fn main_started(skipped: &[ProcName]) -> String {
    if skipped.is_empty() {
        return "All main processes are started".to_owned();
    }
    format!("The main processes are started, except for those skipped: {}", list(skipped))
}

/// How often a process that is restarted has ended, if that is counted.
pub(super) fn after_ends(times: Option<u32>) -> String {
    times.map_or(String::new(), |times| format!(" (ended {})", in_a_row(times)))
}

/// The address of a check. The default host stands for every address of this machine.
fn address(host: &str, port: u16) -> String {
    if host == Probe::HERE { format!("port {port}") } else { format!("{host}:{port}") }
}

/// What a failed check did not observe.
pub(super) fn expected(probe: &Probe) -> String {
    match probe {
        Probe::Log(text) => format!("did not print `{}`", text.pattern),
        Probe::Port { host, port, .. } => format!("did not listen on {}", address(host, *port)),
        Probe::Http { url } => format!("GET {url} did not succeed"),
        Probe::Exec { command } => format!("`{command}` did not succeed"),
        Probe::Exit { code } => format!("did not end with {code}"),
        Probe::Delay { .. } => "did not run long enough".to_owned(),
        Probe::Notify {} => "did not report READY=1".to_owned(),
        Probe::Watchdog { ms } => unfed(*ms),
    }
}

/// What a check that is still open waits for.
pub fn lacking(probe: &Probe) -> String {
    match probe {
        Probe::Log(text) => format!("it has not printed `{}`", text.pattern),
        Probe::Port { host, port, .. } => {
            format!("it does not listen on {}", address(host, *port))
        }
        Probe::Http { url } => format!("GET {url} fails"),
        Probe::Exec { command } => format!("`{command}` does not succeed"),
        Probe::Exit { code } => format!("it has not ended with {code}"),
        Probe::Delay { ms } => format!("it has not run for {}", limit(*ms)),
        Probe::Notify {} => "it has not reported READY=1".to_owned(),
        Probe::Watchdog { ms } => unfed(*ms),
    }
}

/// That a watchdog was not fed for this many milliseconds.
pub fn unfed(ms: u64) -> String {
    format!("no WATCHDOG=1 for {}", limit(ms))
}

/// What an ended process means for the running processes that depend on it; `None` without any.
pub fn missed(by: &[ProcName]) -> Option<String> {
    let named = by.iter().take(MOST_NAMED).map(ProcName::as_str).collect::<Vec<_>>().join(", ");
    match by {
        [] => None,
        [_] => Some(format!("{named} depends on it")),
        _ if by.len() > MOST_NAMED => Some(format!("{named} and others depend on it")),
        _ => Some(format!("{named} depend on it")),
    }
}

/// These, divided by commas.
pub fn list(of: &[impl Display]) -> String {
    of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
