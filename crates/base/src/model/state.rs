//! The state of a run and of its processes, as `tmo ps --json` and the API report it.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::event::{Note, Problem};
use super::file_change::WatchState;
use super::ids::or_zero;
use super::name::action::ActionName;
use super::name::nearest;
use super::plan::Backend;
use super::plan::rules::{FlagColor, Probe, Stage};
use super::request::Unknown;
use super::terminal::prompt::Prompt;
use super::text::OsText;
use super::{Exit, LifeId, ProcName, Untrusted, units};
use crate::model::is_default;
use crate::model::time::Timestamp;

/// The state of a whole run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct State {
    /// The schema version of the API.
    pub api: u32,
    /// Version of the server.
    #[serde(deserialize_with = "word")]
    pub version: String,
    /// Unique id of this run.
    #[serde(deserialize_with = "word")]
    pub run: String,
    /// Process id of the supervisor.
    pub pid: u32,
    /// The title.
    #[schema(value_type = String)]
    pub title: Untrusted,
    /// Working directory of the processes.
    pub root: OsText,
    /// The Procfile, as it was named where the run was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub procfile: Option<OsText>,
    /// The directory of the project that it was started for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OsText>,
    /// The control socket, absolute.
    pub socket: OsText,
    /// What provides the terminals: `tmux` or `native` (tmo itself). Versions that do not report it have them in
    /// tmux.
    #[serde(default)]
    #[schema(value_type = String)]
    pub backend: Backend,
    /// tmux server name and session, if the terminals are in tmux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tmux: Option<TmuxAddress>,
    /// Directory of the journal.
    pub journal: OsText,
    /// The runtime directory, by which a client of another session finds all the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<OsText>,
    /// Where the run is: by this a client knows whether the paths above mean anything to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// When the run started, nanoseconds since the epoch.
    #[schema(value_type = u64)]
    pub started: Timestamp,
    /// How many terminals show the log at present.
    pub views: u32,
    /// When the last view went away, if none is there.
    #[schema(value_type = Option<u64>)]
    pub headless_since: Option<Timestamp>,
    /// Whether everything is being stopped.
    pub quitting: bool,
    /// That in words, which name the process whose end is the cause, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub quitting_note: Option<Untrusted>,
    /// The processes, in the order of the Procfile.
    pub processes: Vec<ProcessState>,
    /// What `-l`, `-x` or the names of the start have left out, and no request has started since; its state is
    /// `left-out`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<ProcessState>,
    /// The actions, each of which runs as a process when that is started. It is among the processes while it runs, and
    /// after a failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "known_each")]
    pub actions: Vec<ActionState>,
}

/// An action: a command that runs on request, in the environment of a process or of the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionState {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Untrusted,
    /// The entry of its process; absent if it belongs to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<ProcName>,
    /// The process that it runs as.
    pub process: ProcName,
    /// Its command.
    #[schema(value_type = String)]
    pub command: Untrusted,
    /// Whether an interface asks before it runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub confirm: bool,
    /// How it ended the last time; absent before, and while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// When it ended, or since when it has been running, nanoseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub since: Option<Timestamp>,
}

impl State {
    /// Whether this process runs an action, which only `tmo act` starts.
    pub fn is_action(&self, name: &ProcName) -> bool {
        self.actions.iter().any(|action| action.process == *name)
    }
}

impl ActionState {
    /// How it is named.
    pub fn action_name(&self) -> ActionName<'_> {
        ActionName { of: self.of.as_ref().map(ProcName::as_str), name: self.name.raw() }
    }
}

/// A machine, or a container on it, as its processes see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Host {
    /// Its name, for people.
    pub hostname: String,
    /// Which boot of which machine this is.
    pub boot: String,
    /// The namespace of its process ids.
    pub pid_namespace: String,
    /// Device and inode of the runtime directory, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_id: Option<String>,
}

/// How to reach the terminals of a run in tmux.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TmuxAddress {
    /// Name of the server (`tmux -L`).
    #[serde(deserialize_with = "word")]
    pub socket: String,
    /// Session.
    #[serde(deserialize_with = "word")]
    pub session: String,
    /// The tmux program.
    pub program: OsText,
}

/// The state of one process as a client sees it. In JSON, the keys of its parts stand beside its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ProcessState {
    /// Its name.
    pub name: ProcName,
    /// One word: `pending`, `starting`, `installing`, `running`, `stopping`, `stuck`, `restarting`, `stopped`,
    /// `exited`, `skipped`, `broken`, `error`; a later version may have more.
    #[schema(value_type = String)]
    pub state: ProcessStatus,
    /// Its process id, while it has one.
    pub pid: Option<u32>,
    /// Its last process id (overmind's table keeps showing it).
    pub last_pid: Option<u32>,
    /// How it ended, and how its earlier lives did.
    #[serde(flatten)]
    pub ends: ProcessEnds,
    /// Since when it has been in this state, nanoseconds since the epoch.
    #[schema(value_type = u64)]
    pub since: Timestamp,
    /// How many lives it has had in this run.
    pub lives: u64,
    /// What the plan says of it.
    #[serde(flatten)]
    pub config: ProcessConfig,
    /// Its terminal, as the backend names it: in tmux its pane (`%3`).
    #[serde(default, deserialize_with = "word_if_any")]
    pub pane: Option<String>,
    /// When SIGKILL follows, nanoseconds since the epoch, while it is being stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub kill_due: Option<Timestamp>,
    /// Why it is in this state, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reason: Option<Untrusted>,
    /// The same with its values.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    #[schema(value_type = Option<Object>)]
    pub problem: Option<Note>,
    /// What it reports of itself while it runs (`STATUS=`, `sd_notify(3)`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub status_text: Option<Untrusted>,
    /// A person has stopped it: only a person's request starts it again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stopped_by_user: bool,
    /// What changed files do to it, if any are watched for it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    pub watch: Option<WatchState>,
    /// The prompt at which it waits for input.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    pub prompt: Option<Prompt>,
    /// Whether others can rely on it, and why not.
    #[serde(flatten)]
    pub readiness: ProcessReadiness,
    /// Bytes that it has printed since its log began, including earlier runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub output_bytes: u64,
    /// What is counted in its output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<FlagState>,
}

/// What the plan says of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ProcessConfig {
    /// The port it was told.
    pub port: Option<u16>,
    /// The xterm colour of its prefix.
    pub color: u8,
    /// It is to have no terminal: its output goes to a pipe.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_terminal: bool,
    /// The phase of the run that it belongs to, if not the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Stage>,
    /// `@GROUP` means all processes of a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Its command, as in the Procfile; absent from versions that do not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub command: Option<Untrusted>,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub display: Option<Untrusted>,
}

/// Whether others can rely on a process, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ProcessReadiness {
    /// Whether others can rely on it; absent from versions that do not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Why it has not become ready, where that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub not_ready: Option<Untrusted>,
    /// The same with its values.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    #[schema(value_type = Option<Object>)]
    pub unready: Option<Problem>,
    /// What it still lacks to be ready, while there is time, with the last result of the check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub lacks: Vec<Untrusted>,
    /// The checks that it has not passed yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "known_each")]
    #[schema(value_type = Vec<Object>)]
    pub open: Vec<Probe>,
    /// Those it waits for before it begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<ProcName>,
}

/// How the lives of a process have ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ProcessEnds {
    /// How it ended, when it has.
    #[serde(default, deserialize_with = "known")]
    pub exit: Option<Exit>,
    /// It has ended well, and was expected to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub finished: bool,
    /// If it was to keep running but has ended: the running processes that depend on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed_by: Vec<ProcName>,
    /// How often in a row it has failed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failures: u32,
    /// The story of these failures while it is to run, until it has run for long enough to count as stable. A state is not
    /// sent anew at that moment, so compare `until` with the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_loop: Option<CrashLoop>,
    /// How many of its lives have ended in failure without being told to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub crashes: u64,
    /// How its lives have ended, with a count for each kind of end.
    #[serde(default, deserialize_with = "known_each", skip_serializing_if = "Vec::is_empty")]
    pub exits: Vec<ExitCount>,
}

impl ProcessState {
    /// Its condition, by which interfaces count, colour and sort.
    pub fn condition(&self) -> Condition {
        match &self.state {
            ProcessStatus::Running => Condition::Running,
            ProcessStatus::Pending
            | ProcessStatus::Starting
            | ProcessStatus::Installing
            | ProcessStatus::Stopping
            | ProcessStatus::Restarting => Condition::Waiting,
            ProcessStatus::Stopped | ProcessStatus::LeftOut | ProcessStatus::Other(_) => {
                Condition::Done
            }
            ProcessStatus::Exited if self.ends.finished => Condition::Done,
            ProcessStatus::Exited if self.ends.exit.is_some() && !self.has_failed() => {
                Condition::Done
            }
            ProcessStatus::Exited
            | ProcessStatus::Stuck
            | ProcessStatus::Skipped
            | ProcessStatus::Broken
            | ProcessStatus::Error => Condition::Failed,
        }
    }

    /// The same at this time: failures in a row are a condition of their own, also between two lives.
    pub fn condition_at(&self, now: Timestamp) -> Condition {
        self.crash_loop_word(now).map_or_else(|| self.condition(), |_| Condition::CrashLoop)
    }

    /// How interfaces colour its state.
    pub fn tone(&self, now: Timestamp) -> Tone {
        match self.condition_at(now) {
            Condition::Running if self.readiness.ready != Some(false) => Tone::Good,
            Condition::Waiting if self.state == ProcessStatus::Installing => Tone::Installing,
            Condition::Running | Condition::Waiting => Tone::Busy,
            Condition::Failed | Condition::CrashLoop => Tone::Bad,
            Condition::Done => Tone::Idle,
        }
    }

    /// `crash loop · 12×`, if it has failed at least three times without having been stable since.
    pub fn crash_loop_word(&self, now: Timestamp) -> Option<String> {
        let story = self.ends.failing(now).filter(|story| story.times >= 3)?;
        Some(format!("crash loop · {}×", story.times))
    }

    /// Whether its last life has failed by itself, or ended although others need it, and nobody has asked for another.
    pub fn has_failed(&self) -> bool {
        let is_asked = matches!(
            self.state,
            ProcessStatus::Stopped
                | ProcessStatus::Stopping
                | ProcessStatus::Starting
                | ProcessStatus::Installing
        );
        let is_missed = self.state == ProcessStatus::Exited && !self.ends.missed_by.is_empty();
        let is_failure = |exit: Exit| is_missed || !exit.success();
        !self.ends.finished && !is_asked && self.ends.exit.is_some_and(is_failure)
    }

    /// Whether a start has something to do: it does not run, and a life is not about to begin or end.
    pub fn can_start(&self) -> bool {
        let is_idle = matches!(self.condition(), Condition::Done | Condition::Failed);
        self.pid.is_none() && (is_idle || self.state == ProcessStatus::Pending)
    }

    /// Whether nothing of it runs, and nothing is to come unasked.
    pub fn rests(&self) -> bool {
        self.state.is_at_rest() && self.pid.is_none()
    }

    /// The process that was not ready in time, if this one was skipped because of that.
    pub fn late_dependency(&self) -> Option<&ProcName> {
        let Some(Note::Skipped(skip)) = &self.problem else { return None };
        skip.late()
    }

    /// The state of a process of which only name, status and pid are known.
    pub fn new(name: ProcName, state: ProcessStatus, pid: Option<u32>) -> Self {
        Self { name, state, pid, last_pid: pid, ..Self::default() }
    }

    /// Whether `word` selects the process: by its name, its entry, or `@` and one of its groups.
    pub fn is_meant(&self, word: &str) -> bool {
        self.name.is_selected_by(word, &self.config.groups)
    }

    /// Those of these processes that the words select; all, if there are no words. Fails if a word selects none.
    pub fn chosen<'a>(words: &[String], all: &'a [Self]) -> Result<Vec<&'a Self>, Unknown> {
        let selectors = all.iter().map(|process| (&process.name, &process.config.groups[..]));
        nearest::refuse_unknown(words, selectors)?;
        let meant = |process: &&Self| words.iter().any(|word| process.is_meant(word));
        Ok(all.iter().filter(|process| words.is_empty() || meant(process)).collect())
    }
}

impl ProcessEnds {
    /// Its failures in a row; `None` if it is stable.
    pub fn failing(&self, now: Timestamp) -> Option<CrashLoop> {
        self.crash_loop.filter(|story| story.until.is_none_or(|until| now < until))
    }

    /// How often it has failed in a row, and when last; `None` if it is stable.
    pub fn crash_story(&self, now: Timestamp) -> Option<String> {
        let story = self.failing(now)?;
        let ago = format!("{} ago", units::span(now.since(story.last)));
        Some(match story.times {
            1 => format!("crashed {ago}"),
            times => format!("crashed {times} times in a row, last {ago}"),
        })
    }
}

/// A process that fails again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CrashLoop {
    /// How often in a row.
    pub times: u32,
    /// When last, nanoseconds since the epoch.
    #[schema(value_type = u64)]
    pub last: Timestamp,
    /// While it runs: until when it must go on running for these failures not to count any more, nanoseconds since
    /// the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub until: Option<Timestamp>,
}

/// A kind of end, and its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExitCount {
    /// The end.
    pub exit: Exit,
    /// How often.
    pub count: u64,
}

/// How often a flag matched the output of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlagState {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Untrusted,
    /// The colour it is shown in.
    pub color: FlagColor,
    /// How often it was found.
    pub count: u64,
    /// The maximum count; above it, `exceeded` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u64>,
    /// Whether `count` is above `target`.
    pub exceeded: bool,
    /// The line it was found in last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub last: Option<Untrusted>,
}

/// Recent matches of one flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlagMatches {
    /// The flag's name.
    #[schema(value_type = String)]
    pub flag: Untrusted,
    /// The last matches, oldest first; fewer than the count if there were many, or if the supervisor
    /// was replaced.
    pub matches: Vec<FlagMatch>,
}

/// A line that a flag has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlagMatch {
    /// The number of this match of the flag, from 1.
    pub number: u64,
    /// The life of the process that printed it.
    #[serde(with = "or_zero")]
    #[schema(value_type = u32)]
    pub life: Option<LifeId>,
    /// When, in nanoseconds since the Unix epoch.
    #[schema(value_type = u64)]
    pub time: Timestamp,
    /// The line, without escape sequences.
    #[schema(value_type = String)]
    pub line: Untrusted,
    /// Lines before it, of the same life.
    #[schema(value_type = Vec<String>)]
    pub before: Vec<Untrusted>,
    /// Lines after it, of the same life; some may still come.
    #[schema(value_type = Vec<String>)]
    pub after: Vec<Untrusted>,
}

/// Read an identifier from an answer. It is compared, passed to tmux and printed, so any character other
/// than printable ASCII is replaced by `?`.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    Ok(String::deserialize(deserializer)?.chars().map(plain).collect())
}

/// The same for an optional identifier.
fn word_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct Word(#[serde(deserialize_with = "word")] String);
    Ok(Option::<Word>::deserialize(deserializer)?.map(|Word(word)| word))
}

/// Ignore a value in a format that only a later version knows.
fn known<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let reported = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(reported.and_then(|value| serde_json::from_value(value).ok()))
}

/// The same for each value of a list.
fn known_each<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let reported = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(reported.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect())
}

/// The state of a process. These names are the words of the API, so they must not change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessStatus {
    /// It is meant to run, and waits for its turn or for its terminal.
    #[default]
    Pending,
    /// Its shim was requested to start it.
    Starting,
    /// Its install command is running or about to run.
    Installing,
    Running,
    /// It was requested to stop, or its main process has exited and the rest of its tree has not.
    Stopping,
    /// SIGKILL has not ended its whole tree.
    Stuck,
    /// It has ended and will be restarted after a pause.
    Restarting,
    /// It was stopped by request, or was never started.
    Stopped,
    /// It exited by itself.
    Exited,
    /// It is not started because a dependency will not come up.
    Skipped,
    /// It has failed and is not restarted automatically.
    Broken,
    /// It could not be started.
    Error,
    /// The start has left it out, and no request has started it since.
    #[serde(rename = "left-out")]
    LeftOut,
    /// A state that only a later version knows.
    #[serde(untagged)]
    Other(Untrusted),
}

impl ProcessStatus {
    /// All states of the processes of a run that are known to this version.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Starting,
        Self::Installing,
        Self::Running,
        Self::Stopping,
        Self::Stuck,
        Self::Restarting,
        Self::Stopped,
        Self::Exited,
        Self::Skipped,
        Self::Broken,
        Self::Error,
    ];

    /// The word of the API, not yet escaped for a terminal.
    pub fn word(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Installing => "installing",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stuck => "stuck",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
            Self::Exited => "exited",
            Self::Skipped => "skipped",
            Self::Broken => "broken",
            Self::Error => "error",
            Self::LeftOut => "left-out",
            Self::Other(word) => word.raw(),
        }
    }

    /// Whether nothing of it runs any more, and nothing is to come unasked, once its main process is gone.
    pub const fn is_at_rest(&self) -> bool {
        matches!(
            self,
            Self::Stopped
                | Self::Exited
                | Self::Skipped
                | Self::Broken
                | Self::Error
                | Self::LeftOut
        )
    }

    /// Whether it exited by itself, or was ended because it had failed.
    pub const fn has_failed_or_exited(&self) -> bool {
        matches!(self, Self::Exited | Self::Broken | Self::Error | Self::Restarting)
    }
}

/// The condition of a process, coarser than its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It runs.
    Running,
    /// It is about to run or to end.
    Waiting,
    Failed,
    /// It fails again and again.
    CrashLoop,
    /// It was stopped, or has ended as expected.
    Done,
}

/// The meaning of the colour of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    /// Not there yet: it is not ready, or about to run or to end.
    Busy,
    Installing,
    Bad,
    Idle,
}

impl fmt::Display for ProcessStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Other(word) = self { word.fmt(f) } else { f.pad(self.word()) }
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessStatus;

    #[test]
    fn words_are_read_as_they_are_written() {
        for status in ProcessStatus::ALL.into_iter().chain([ProcessStatus::LeftOut]) {
            let word = serde_json::to_string(&status).unwrap();
            assert_eq!(word, format!("\"{status}\""));
            assert_eq!(serde_json::from_str::<ProcessStatus>(&word).unwrap(), status);
        }
    }

    #[test]
    fn a_word_of_a_later_version_is_kept_and_shown_plainly() {
        let word = "\"frozen\\u001b[31m\"";
        let status: ProcessStatus = serde_json::from_str(word).unwrap();
        assert!(matches!(status, ProcessStatus::Other(_)));
        assert_eq!(serde_json::to_string(&status).unwrap(), word);
        assert!(!status.to_string().contains('\u{1b}'), "{status}");
    }
}
