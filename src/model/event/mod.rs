//! What the supervisor writes into the log about the run and its processes.
//!
//! An event is stored with its values. Its text is made from them by [`Event::text`] alone and can be
//! shown, but nothing may look into it. The stored text is for programs of version 0.1.0, whose own
//! events are shown by their text, because it is all they have.

mod problem;
mod stored;
#[cfg(test)]
mod tests;
mod values;
mod words;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::problem::{Note, Problem, ShimGone, Skip, Unavailable};
pub use self::stored::Logged;
pub use self::values::{
    Adoption, Fact, HookProblem, ReportSummary, RunProblem, Slow, SlowStop, Sooner, Trouble,
};
pub use self::words::{Words, lacking};
use super::life::or_zero;
use super::member::Member;
use super::run_end::End;
use super::signal::SignalName;
use super::{LifeId, ProcName, Untrusted};

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The process that it is about; none for the run as a whole.
    pub name: Option<ProcName>,
    /// What has happened.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// About the run.
    pub const fn of_run(what: What) -> Self {
        Self { name: None, what }
    }

    /// About a process.
    pub fn of(name: &ProcName, what: What) -> Self {
        Self { name: Some(name.clone()), what }
    }
}

/// What has happened. Fields must not be called like those of `Stored` or of a line of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// The run has begun. It says several things, each in an event of its own.
    Begin {
        /// One of them.
        fact: Fact,
    },
    /// A new supervisor has taken over.
    Adopted {
        /// What it found.
        found: Adoption,
    },
    /// The run is over.
    End {
        /// Its name.
        run: String,
        /// How it ended.
        #[serde(flatten)]
        end: End,
    },
    /// The configuration was read again.
    Reload {
        /// What that changes for each process.
        changes: Vec<Value>,
    },
    /// A client was refused.
    Refused {
        /// Why, for people.
        notice: String,
    },
    /// An overmind client has begun or ended to stream the log.
    Echo {
        /// Its number.
        number: u64,
        /// It has begun.
        opened: bool,
    },
    /// No desktop notice can be shown.
    Notify {
        /// Why.
        why: String,
    },
    /// The journal can't be written, or can be again.
    Disk {
        /// Its directory.
        dir: String,
        /// It can be written again.
        again: bool,
        /// Why it can't, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// A hook failed.
    Hook {
        /// Why.
        why: HookProblem,
    },
    /// Processes take long to stop.
    SlowStop(SlowStop),
    /// All processes have ended.
    Idle,
    /// The tmux server is gone.
    TmuxGone,
    /// All dependencies are ready.
    #[serde(rename = "lifecycle:dependencies-ready")]
    DependenciesReady,
    /// All main processes have been started.
    #[serde(rename = "lifecycle:main-started")]
    MainStarted,
    /// No main process is left.
    #[serde(rename = "lifecycle:main-stopped")]
    MainStopped,
    /// The first process of the cleanup begins.
    #[serde(rename = "lifecycle:cleanup-started")]
    CleanupStarted,
    /// No process of the cleanup is left.
    #[serde(rename = "lifecycle:cleanup-complete")]
    CleanupComplete,
    /// The run as a whole has failed.
    #[serde(rename = "lifecycle:error")]
    Failed {
        /// Why.
        why: RunProblem,
    },

    /// The process waits for others.
    Waiting {
        /// For these.
        on: Vec<ProcName>,
    },
    /// It is ready.
    Ready,
    /// It will not become ready.
    NotReady {
        /// Why.
        why: Problem,
    },
    /// It does not pass its liveness check.
    Unhealthy {
        /// How often in a row.
        times: u32,
        /// The last answer.
        answer: String,
    },
    /// It passes its liveness check again.
    Healthy,
    /// It printed a line that matches a failure pattern, and is started again.
    Failing {
        /// The line.
        line: String,
    },
    /// It has failed and is not restarted automatically.
    Broken {
        /// Why.
        why: Problem,
    },
    /// It will not run.
    Skipped {
        /// Why.
        why: Skip,
    },
    /// It is started again after a pause.
    Backoff {
        /// The pause.
        pause_ms: u64,
        /// How often in a row it has ended, where that is counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
    },
    /// Its window was opened again, which starts it again.
    Restarting,
    /// It is asked to stop.
    Interrupting,
    /// It is killed.
    Killing,
    /// Its window was closed, which stops it.
    Hangup,
    /// It begins to clean up.
    Cleanup,
    /// A signal was sent to it.
    Signal {
        /// Which.
        sent: SignalName,
    },
    /// It has left these behind, which were ended.
    Leftovers {
        /// Which.
        members: Vec<Member>,
    },
    /// It has left these behind, which were left alone on purpose.
    Spared {
        /// Which.
        members: Vec<Member>,
    },
    /// SIGKILL did not end these of its processes.
    Stuck {
        /// Which.
        members: Vec<Member>,
    },
    /// Its shim is gone.
    ShimGone {
        /// What is left.
        what: ShimGone,
    },
    /// Its window can't be opened.
    NoPane {
        /// Why.
        why: String,
    },
    /// Something went wrong with its apparatus.
    Trouble {
        /// What.
        what: Trouble,
    },
    /// A line of what was found out about its crash.
    Crash {
        /// The life that crashed.
        life: LifeId,
        /// The line. It comes from the diagnosis, whose findings are in the crash report.
        text: String,
    },
    /// A crash report was written.
    CrashReport {
        /// The life that crashed.
        life: LifeId,
        /// What the report says.
        #[serde(flatten)]
        summary: ReportSummary,
    },
    /// It printed lines that match a flag.
    Flag {
        /// The life that printed them.
        #[serde(with = "or_zero")]
        life: Option<LifeId>,
        /// The name of the flag.
        flag: String,
        /// The last line that matches.
        line: String,
        /// How many lines match of those that were read together.
        count: u64,
        /// How many have matched so far.
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

/// What a line is, where types are asked for.
pub const LOG: &str = "process:log";

/// The types of what others act upon, each with its events, which may get other names. `start` and
/// `exit` are no events but records of the journal.
const TYPES: [(&str, &[&str]); 16] = [
    ("process:spawn", &["start"]),
    ("process:ready", &["ready"]),
    ("process:exit", &["exit"]),
    ("process:crash", &["crash-report"]),
    ("process:restart", &["backoff", "restarting"]),
    ("process:stop", &["interrupting", "killing"]),
    ("process:broken", &["broken"]),
    (LOG, &[]),
    ("flag:matched", &["flag"]),
    ("config:reload", &["reload"]),
    ("lifecycle:dependencies-ready", &["lifecycle:dependencies-ready"]),
    ("lifecycle:main-started", &["lifecycle:main-started"]),
    ("lifecycle:main-stopped", &["lifecycle:main-stopped"]),
    ("lifecycle:cleanup-started", &["lifecycle:cleanup-started"]),
    ("lifecycle:cleanup-complete", &["lifecycle:cleanup-complete"]),
    ("lifecycle:error", &["lifecycle:error"]),
];

/// All types.
pub fn types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(name, _)| *name)
}

/// The type of an event with this name.
pub fn type_of(event: &str) -> Option<&'static str> {
    TYPES.iter().find(|(_, events)| events.contains(&event)).map(|(name, _)| *name)
}
