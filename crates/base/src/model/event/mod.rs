//! Events: what the supervisor writes to the log about the run and its processes.
//!
//! An event is stored with its values. Its text is generated from the values, by [`Event::text`], and only for
//! display: no code may parse it. The text is also stored, for programs that do not know the values.

mod problem;
mod stored;
#[cfg(test)]
mod tests;
mod values;
mod words;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::problem::{InstallProblem, Note, Problem, ShimGone, Skip, Unavailable};
pub use self::stored::Logged;
pub use self::values::{
    Adoption, Fact, HookProblem, ReportSummary, RunProblem, Slow, SlowStop, Sooner, Trouble,
};
pub use self::words::{Words, lacking, list, missed, unfed};
use self::words::{after_ends, behind, changed_files, directories, journal_state, main_started};
use super::exit::End;
use super::file_change::BuildFailure;
use super::ids::{Member, or_zero};
use super::signal::SignalName;
use super::units::{in_a_row, limit, span};
use super::{LifeId, ProcName, Untrusted, is_default};

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The process concerned; `None` for the run as a whole.
    pub name: Option<ProcName>,
    /// What has happened.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// An event of the run.
    pub const fn of_run(what: What) -> Self {
        Self { name: None, what }
    }

    /// An event of a process.
    pub fn of_process(name: &ProcName, what: What) -> Self {
        Self { name: Some(name.clone()), what }
    }
}

/// What has happened, and its text, which is empty if the log does not show it. Field names must differ from those of
/// `Stored` and of a line of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// The run has begun. One event per fact about it.
    #[error("{fact}")]
    Begin { fact: Fact },
    /// A new supervisor has taken over.
    #[error("{found}")]
    Adopted {
        /// What the new supervisor found.
        found: Adoption,
    },
    /// The run is over.
    #[error("")]
    End {
        /// The id of the run.
        run: String,
        /// How it ended.
        #[serde(flatten)]
        end: End,
    },
    /// The configuration was read again.
    #[error("")]
    Reload {
        /// The changes, process by process.
        changes: Vec<Value>,
    },
    /// A client has requested something of the run, or of the process concerned.
    #[error("")]
    Command {
        /// The command: `restart`, `stop`, …
        command: String,
        /// The names as requested; none means all processes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<Untrusted>,
        /// Who sent it, in the words of the client.
        by: Untrusted,
    },
    /// A client was refused.
    #[error("{notice}")]
    Refused {
        /// The reason, for display.
        notice: String,
    },
    /// An overmind client has begun or stopped streaming the log.
    #[error("Echo #{number} {}", if *opened { "opened" } else { "closed" })]
    Echo {
        /// Its number.
        number: u64,
        /// Whether it has begun.
        opened: bool,
    },
    /// Desktop notifications do not work.
    #[error("No notice can be shown on the desktop: {why}")]
    Notify { why: String },
    /// The journal cannot be written, or can be written again.
    #[error("The journal {}", journal_state(dir, *again, cause.as_ref()))]
    Disk {
        dir: String,
        /// Whether it can be written again.
        again: bool,
        /// Why it cannot be written, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// The system can't report all changes of files.
    #[error(
        "The system reports no changes in {} ({why}); tmo looks there every 2 s; \
         `sudo sysctl fs.inotify.{sysctl}` raises the limit",
        directories(*dirs)
    )]
    WatchLimit {
        /// The number of directories without reports.
        dirs: usize,
        why: String,
        /// The limit and a value for it.
        sysctl: String,
    },
    /// Files can't be watched.
    #[error("Changes of files can't be noticed: {why}")]
    NotWatched { why: String },
    /// A hook failed.
    #[error("{why}")]
    Hook { why: HookProblem },
    /// Processes take long to stop.
    #[error("{0}")]
    SlowStop(SlowStop),
    /// All processes have ended.
    #[error(
        "All processes have ended; Ctrl-C or `tmo quit` ends tmo, `tmo restart NAME` starts one again"
    )]
    Idle,
    /// The tmux server is gone.
    #[error("The tmux server is gone: ending everything")]
    TmuxGone,
    #[serde(rename = "lifecycle:dependencies-ready")]
    #[error("All dependencies are ready")]
    DependenciesReady,
    /// All main processes have been started, except for those that were skipped.
    #[serde(rename = "lifecycle:main-started")]
    #[error("{}", main_started(skipped))]
    MainStarted {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skipped: Vec<ProcName>,
    },
    /// No main process is left.
    #[serde(rename = "lifecycle:main-stopped")]
    #[error("All main processes are stopped")]
    MainStopped,
    /// The first process of the cleanup is about to start.
    #[serde(rename = "lifecycle:cleanup-started")]
    #[error("The cleanup begins")]
    CleanupStarted,
    /// No process of the cleanup is left.
    #[serde(rename = "lifecycle:cleanup-complete")]
    #[error("The cleanup is over")]
    CleanupComplete,
    /// The run as a whole has failed.
    #[serde(rename = "lifecycle:error")]
    #[error("{why}")]
    Failed { why: RunProblem },

    /// Another program listened on its port when the run was started.
    #[error("Port {port} is taken: {by} listens on it")]
    PortTaken {
        port: u16,
        /// The other program, for display.
        by: String,
    },
    /// The process waits for other processes.
    #[error("Waiting for {}", list(on))]
    Waiting {
        /// The processes that it waits for.
        on: Vec<ProcName>,
    },
    #[error("Ready")]
    Ready,
    /// It will not become ready.
    #[error("Not ready: {why}")]
    NotReady { why: Problem },
    /// It fails its liveness check.
    #[error("Does not work any more ({}): {answer}", in_a_row(*times))]
    Unhealthy {
        /// Number of consecutive failures.
        times: u32,
        /// The result of the last attempt.
        answer: String,
    },
    /// It passes its liveness check again.
    #[error("Works again")]
    Healthy,
    /// It printed a line that matches a failure pattern, and is being restarted.
    #[error("Failed: printed `{line}`")]
    Failing { line: String },
    /// It has failed and is not restarted automatically.
    #[error("Broken: {why}")]
    Broken { why: Problem },
    /// It will not be started.
    #[error("Skipped: {why}")]
    Skipped { why: Skip },
    /// Its installation has begun.
    #[error("Installing...")]
    Installing {
        /// The life that installs.
        life: LifeId,
    },
    /// Its installation is complete.
    #[error("Installed")]
    Installed {
        /// The life that installed.
        life: LifeId,
    },
    /// Its installation has failed.
    #[error("The {why}")]
    InstallFailed {
        /// The life that was installing.
        life: LifeId,
        why: InstallProblem,
    },
    /// It will be restarted after a back-off pause.
    #[error("Restarting in {}{}", limit(*pause_ms), after_ends(*times))]
    Backoff {
        pause_ms: u64,
        /// Number of consecutive ends, if counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
    },
    /// It was stopped during that pause, or before its turn to start again had come.
    #[error("Stopped: it is not restarted")]
    NotRestarted,
    /// It is lazy, and nothing has used it for long enough.
    #[error("Not used for {}: stopping", span(Duration::from_millis(*for_ms)))]
    Unused {
        /// How long.
        for_ms: u64,
    },
    /// It is restarted because one that it depends on is (`depends_on`, `restart = true`).
    #[error("Restarts with {on}")]
    RestartsWith {
        /// The other process.
        on: ProcName,
    },
    /// Files of it have changed.
    #[error("Changed: {}", changed_files(files, *count))]
    Changed {
        /// Some of them.
        files: Vec<Untrusted>,
        /// How many there are.
        count: usize,
    },
    /// Restarts because of changed files are delayed, because they seem to be the cause of the changes.
    #[error(
        "Each restart changes {}: the next one waits {}; if the process writes that itself, name it in `ignore` of \
         its `watch`",
        Untrusted::join(files, ", "),
        span(Duration::from_millis(*pause_ms))
    )]
    WatchHeld {
        files: Vec<Untrusted>,
        /// How long, in milliseconds.
        #[serde(default)]
        pause_ms: u64,
    },
    /// The command before its restart has failed.
    #[error("`{}` failed: {}{}; not restarted", .0.command, .0.why, behind(": ", .0.lines.last()))]
    BuildFailed(BuildFailure),
    /// It waits for input at a prompt.
    #[error("Waits for input: {prompt}")]
    Prompt {
        prompt: Untrusted,
        /// It waited at another one a moment ago, so the log does not show this.
        #[serde(default, skip_serializing_if = "is_default")]
        again: bool,
    },
    /// Its window was reopened, which restarts it.
    #[error("Its window was opened again: restarting...")]
    Restarting,
    /// It was requested to stop.
    #[error("Interrupting...")]
    Interrupting,
    #[error("Killing...")]
    Killing,
    /// Its window was closed, which stops it.
    #[error("Its window was closed: stopping...")]
    Hangup,
    /// It starts to clean up.
    #[error("Cleaning up...")]
    Cleanup,
    /// A signal was sent to it.
    #[error("Sent signal {sent}")]
    Signal { sent: SignalName },
    /// Descendants remained after its end and were killed.
    #[error("Left behind and now being ended: {}", list(members))]
    Leftovers {
        /// The descendants.
        members: Vec<Member>,
    },
    /// Descendants remained after its end and were deliberately spared.
    #[error("Left running on purpose: {}", list(members))]
    Spared {
        /// The descendants.
        members: Vec<Member>,
    },
    /// SIGKILL has not ended all of its processes.
    #[error("SIGKILL did not end {}", list(members))]
    Stuck {
        /// The remaining processes.
        members: Vec<Member>,
    },
    #[error("{what}")]
    ShimGone {
        /// What remains of the process.
        what: ShimGone,
    },
    /// Its window cannot be opened.
    #[error("Can't open its window: {why}")]
    NoPane { why: String },
    /// A part of tmo that serves this process has a problem.
    #[error("{what}")]
    Trouble {
        /// The problem.
        what: Trouble,
    },
    #[error("{text}{}", behind(": ", cause.as_ref()))]
    Crash {
        /// The life that crashed.
        life: LifeId,
        /// How it ended, for display. The findings themselves are in the crash report.
        text: String,
        /// The cause, for display.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// A crash report was written.
    #[error("")]
    CrashReport {
        /// The life that crashed.
        life: LifeId,
        /// Whether the log already has a `crash` event about this life.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        noticed: bool,
        #[serde(flatten)]
        summary: ReportSummary,
    },
    /// It printed lines that match a flag.
    #[error("")]
    Flag {
        /// The life that printed them.
        #[serde(with = "or_zero")]
        life: Option<LifeId>,
        /// The name of the flag.
        flag: String,
        /// The last matching line.
        line: String,
        /// Number of matching lines in the output that was read together.
        count: u64,
        /// Total number of matches so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        /// Lines before the last one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        before: Vec<Untrusted>,
        /// Lines after it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<Untrusted>,
    },
}

/// The type of a line of output, for filters by type.
pub const LOG: &str = "process:log";

/// The event types for other programs, which are stable, and the events of each type, whose own names may
/// change. `start` and `exit` are not events but records of the journal.
const TYPES: [(&str, &[&str]); 18] = [
    ("process:spawn", &["start"]),
    ("process:ready", &["ready"]),
    ("process:exit", &["exit"]),
    ("process:crash", &["crash-report"]),
    ("process:restart", &["backoff", "restarting"]),
    ("process:install", &["installing", "installed", "install-failed"]),
    ("process:stop", &["interrupting", "killing"]),
    ("process:broken", &["broken"]),
    (LOG, &[]),
    ("flag:matched", &["flag"]),
    ("config:reload", &["reload"]),
    ("run:command", &["command"]),
    ("lifecycle:dependencies-ready", &["lifecycle:dependencies-ready"]),
    ("lifecycle:main-started", &["lifecycle:main-started"]),
    ("lifecycle:main-stopped", &["lifecycle:main-stopped"]),
    ("lifecycle:cleanup-started", &["lifecycle:cleanup-started"]),
    ("lifecycle:cleanup-complete", &["lifecycle:cleanup-complete"]),
    ("lifecycle:error", &["lifecycle:error"]),
];

pub fn types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(name, _)| *name)
}

/// The type that contains the event with this name.
pub fn type_of(event: &str) -> Option<&'static str> {
    TYPES.iter().find(|(_, events)| events.contains(&event)).map(|(name, _)| *name)
}
