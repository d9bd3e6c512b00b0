//! The texts of events and problems, all in one place.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use super::{
    Adoption, Event, Fact, HookProblem, InstallProblem, Note, Problem, RunProblem, ShimGone, Skip,
    Slow, SlowStop, Sooner, Trouble, Unavailable, What,
};
use crate::model::count::{self, in_a_row};
use crate::model::rules::Probe;
use crate::model::units::limit;
use crate::model::{Exit, ProcName};

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
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are matched below")]
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Begin { fact } => fact.fmt(f),
            What::Adopted { found: Adoption::Living(living) } => {
                let count = count::processes(*living, "");
                write!(f, "The supervisor was killed; a new one goes on with {count}")
            }
            What::Adopted { found: Adoption::Note(text) } | What::Refused { notice: text } => {
                f.write_str(text)
            }
            What::Echo { number, opened: true } => write!(f, "Echo #{number} opened"),
            What::Echo { number, opened: false } => write!(f, "Echo #{number} closed"),
            What::Notify { why } => write!(f, "No notice can be shown on the desktop: {why}"),
            What::Disk { dir, again: true, .. } => {
                write!(f, "The journal can be written again ({dir})")
            }
            What::Disk { dir, cause, again: false } => {
                let cause = cause.as_ref().map_or(String::new(), |cause| format!(": {cause}"));
                write!(f, "The journal can't be written ({dir}{cause}): only new output is kept")
            }
            What::Hook { why } => why.fmt(f),
            What::SlowStop(slow) => slow.fmt(f),
            What::Idle => f.write_str(
                "All processes have ended; Ctrl-C or `tmo quit` ends tmo, `tmo restart NAME` \
                 starts one again",
            ),
            What::TmuxGone => f.write_str("The tmux server is gone: ending everything"),
            What::DependenciesReady => f.write_str("All dependencies are ready"),
            What::MainStarted { skipped } if skipped.is_empty() => {
                f.write_str("All main processes are started")
            }
            What::MainStarted { skipped } => {
                write!(
                    f,
                    "The main processes are started, except for those skipped: {}",
                    list(skipped)
                )
            }
            What::MainStopped => f.write_str("All main processes are stopped"),
            What::CleanupStarted => f.write_str("The cleanup begins"),
            What::CleanupComplete => f.write_str("The cleanup is over"),
            What::Failed { why } => why.fmt(f),
            _ => self.of_process(f),
        }
    }
}

impl Words<'_> {
    /// Write the text of an event of a process.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all others are matched above, or have no text"
    )]
    fn of_process(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.what {
            What::PortTaken { port, by } => {
                write!(f, "Port {port} is taken: {by} listens on it")
            }
            What::Waiting { on } => write!(f, "Waiting for {}", list(on)),
            What::Ready => f.write_str("Ready"),
            What::NotReady { why } => write!(f, "Not ready: {why}"),
            What::Unhealthy { times, answer } => {
                write!(f, "Does not work any more ({}): {answer}", in_a_row(*times))
            }
            What::Healthy => f.write_str("Works again"),
            What::Failing { line } => write!(f, "Failed: printed `{line}`"),
            What::Broken { why } => {
                let name = self.name.map_or("NAME", ProcName::as_str);
                write!(f, "Broken: {why}; `tmo restart {name}` tries again")
            }
            What::Skipped { why } => write!(f, "Skipped: {why}"),
            What::Installing { .. } => f.write_str("Installing..."),
            What::Installed { .. } => f.write_str("Installed"),
            What::InstallFailed { why, .. } => write!(f, "The {why}"),
            What::Backoff { pause_ms, times } => {
                write!(f, "Restarting in {}", limit(*pause_ms))?;
                times.map_or(Ok(()), |times| write!(f, " (ended {})", in_a_row(times)))
            }
            What::NotRestarted => f.write_str("Stopped: it is not restarted"),
            What::RestartsWith { on } => write!(f, "Restarts with {on}"),
            What::Restarting => f.write_str("Its window was opened again: restarting..."),
            What::Interrupting => f.write_str("Interrupting..."),
            What::Killing => f.write_str("Killing..."),
            What::Hangup => f.write_str("Its window was closed: stopping..."),
            What::Cleanup => f.write_str("Cleaning up..."),
            What::Signal { sent } => write!(f, "Sent signal {sent}"),
            What::Leftovers { members } => {
                write!(f, "Left behind and now being ended: {}", list(members))
            }
            What::Spared { members } => write!(f, "Left running on purpose: {}", list(members)),
            What::Stuck { members } => write!(f, "SIGKILL did not end {}", list(members)),
            What::ShimGone { what } => what.fmt(f),
            What::Crash { text, cause, .. } => {
                let name = self.name.map_or("NAME", ProcName::as_str);
                f.write_str(text)?;
                cause.as_ref().map_or(Ok(()), |why| write!(f, ": {why}; see `tmo why {name}`"))
            }
            What::NoPane { why } => write!(f, "Can't open its window: {why}"),
            What::Trouble { what } => what.fmt(f),
            _ => Ok(()),
        }
    }
}

impl Display for Fact {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::TmuxSocket(name) => write!(f, "Tmux socket name: {name}"),
            Self::TmuxSession(name) => write!(f, "Tmux session ID: {name}"),
            Self::Listening(socket) => write!(f, "Listening at {socket}"),
        }
    }
}

impl Display for RunProblem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(why) => write!(f, "The start failed: {why}"),
            Self::NotStarted { on, why } => {
                write!(f, "The start failed: {on} could not be started: {why}")
            }
            Self::CleanupEnded { on, exit } => {
                write!(f, "The cleanup failed: {on} ended with {}", exit.describe())
            }
            Self::CleanupOverdue { on, limit_ms } => {
                write!(f, "The cleanup failed: {on} has not ended within {}", limit(*limit_ms))
            }
        }
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

impl Display for Trouble {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(why) => write!(f, "its output can't be read: {why}"),
            Self::LifeFile(why) => write!(f, "its life file: {why}"),
            Self::Unsearched(why) => write!(f, "its output can't be searched: {why}"),
            Self::NotKeptUp => f.write_str(
                "Its output comes too fast to be searched for patterns: part of it is skipped",
            ),
            Self::Skipped { bytes } => {
                write!(f, "{bytes} bytes of its output were not searched for patterns")
            }
            Self::SlowPattern { pattern } => write!(
                f,
                "It takes too long to look for `{pattern}` in some of its lines, so these are not searched for it; counted repetitions such as {{100}} make a pattern slow",
            ),
            Self::NotPiped(why) => write!(f, "its output can't be piped: {why}"),
            Self::NotTaken(why) => write!(f, "its output can't be recorded: {why}"),
            Self::PipeBroken => f.write_str("Its pipe was broken: output may be missing here"),
            Self::NotSignalled { signal, why } => {
                write!(f, "Can't send it signal {signal}: {why}")
            }
            Self::ShimDeaf => f.write_str("Its shim does not carry out a request: killed the shim"),
            Self::LeftRunning(processes) => write!(f, "Left running: {}", processes.join(", ")),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Printed { line } => write!(f, "printed `{line}`"),
            Self::NotLive { answer, .. } => write!(f, "does not work: {answer}"),
            Self::Failed { times, last } => {
                write!(f, "failed {}, most recently it {last}", in_a_row(*times))
            }
            Self::Ended { exit, times } => {
                write!(f, "ended with {}", exit.describe())?;
                times.map_or(Ok(()), |times| write!(f, ", {}", in_a_row(times)))
            }
            Self::TimedOut { probe, within_ms, answer } => {
                write!(f, "{} within {}", expected(probe), limit(*within_ms))?;
                answer.as_ref().map_or(Ok(()), |answer| write!(f, ": {answer}"))
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Display for Skip {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needs { on, why } => write!(f, "{on} {why}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Display for Unavailable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(skip) => write!(f, "was skipped: {skip}"),
            Self::Broken(why) => write!(f, "is broken: {why}"),
            Self::NotReady(why) => write!(f, "is not ready: {why}"),
            Self::Stuck => f.write_str("can't be ended"),
            Self::Stopped => f.write_str("was stopped"),
            Self::Ended(exit) => write!(f, "ended with {}", exit.describe()),
            Self::Idle(Some(note)) => write!(f, "does not run: {note}"),
            Self::Idle(None) => f.write_str("does not run"),
        }
    }
}

impl Display for Note {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLive { answer, .. } => write!(f, "does not work: {answer}"),
            Self::Broken(why) => write!(f, "broken: {why}"),
            Self::Skipped(skip) => write!(f, "skipped: {skip}"),
            Self::Stuck(members) => write!(f, "SIGKILL did not end {}", list(members)),
            Self::ShimGone(what) => what.fmt(f),
            Self::NotRun(exit) => f.write_str(&exit.describe()),
            Self::NotInstalled(why) => why.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Display for InstallProblem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { exit: Exit::Code(code) } => {
                write!(f, "installation failed (exit {code})")
            }
            Self::Ended { exit } => write!(f, "installation failed ({exit})"),
            Self::TimedOut { limit_ms } => {
                write!(f, "installation timed out after {}", limit(*limit_ms))
            }
            Self::Interrupted => f.write_str("installation was interrupted"),
        }
    }
}

impl Display for ShimGone {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeforeBegin => {
                f.write_str("Its shim ended before the process could begin, again and again")
            }
            // A process that has left its session and cleared its environment cannot be found.
            Self::Killed { left } if left.is_empty() => f.write_str(
                "Its shim was killed; all of its processes that could be found have been ended",
            ),
            Self::Killed { left } => {
                write!(f, "Its shim was killed; SIGKILL did not end {}", list(left))
            }
        }
    }
}

/// The address of a check. The default host stands for every address of this machine.
fn address(host: &str, port: u16) -> String {
    if host == Probe::HERE { format!("port {port}") } else { format!("{host}:{port}") }
}

/// What a failed check did not observe.
fn expected(probe: &Probe) -> String {
    match probe {
        Probe::Log(text) => format!("did not print `{}`", text.pattern),
        Probe::Port { host, port, .. } => format!("did not listen on {}", address(host, *port)),
        Probe::Http { url } => format!("GET {url} did not succeed"),
        Probe::Exec { command } => format!("`{command}` did not succeed"),
        Probe::Exit { code } => format!("did not end with {code}"),
        Probe::Delay { .. } => "did not run long enough".to_owned(),
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
    }
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
