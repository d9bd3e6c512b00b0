//! Files that have changed, and what came of that.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Untrusted;
use super::time::MonotonicTime;

/// Maximum number of files that are named.
pub const MOST_NAMED: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Relative to the directory of the project.
    pub path: Untrusted,
    /// It was not there before.
    pub is_new: bool,
}

/// Files of a process that have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Some of them.
    pub files: Vec<ChangedFile>,
    /// How many there are.
    pub count: usize,
    /// When the first change was noticed.
    pub first: MonotonicTime,
    /// When the last change was noticed.
    pub last: MonotonicTime,
}

impl FileChange {
    /// Add what has changed later.
    pub fn add(&mut self, later: Self) {
        self.count = self.count.saturating_add(later.count);
        for file in later.files {
            if self.files.iter().any(|known| known.path == file.path) {
                self.count = self.count.saturating_sub(1);
            } else if self.files.len() < MOST_NAMED {
                self.files.push(file);
            }
        }
        self.first = self.first.min(later.first);
        self.last = self.last.max(later.last);
    }

    /// The files that are named.
    pub fn paths(self) -> Vec<Untrusted> {
        self.files.into_iter().map(|file| file.path).collect()
    }
}

/// A command that was to run before a restart, and has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BuildFailure {
    /// The command.
    #[schema(value_type = String)]
    pub command: Untrusted,
    /// How it ended.
    pub why: String,
    /// The last lines that it printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub lines: Vec<Untrusted>,
}

/// What changed files do to a process at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WatchMode {
    /// They restart it.
    #[default]
    Watching,
    /// Some have changed. They restart it once no more do, and what it waits for is over.
    Changed,
    /// The command before the restart runs.
    Building,
    /// Nothing: someone has paused watching.
    Paused,
    /// They restart it after a pause: its restarts seem to be the cause of the changes.
    Held,
}

impl WatchMode {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Changed => "changed",
            Self::Building => "building",
            Self::Paused => "paused",
            Self::Held => "held",
        }
    }
}

/// Why changed files have not restarted a process yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeDelay {
    /// It waits for input at a prompt.
    Prompt,
    /// It is being installed.
    Installing,
    /// It can't be ended.
    Stuck,
}

/// How a process is watched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct WatchState {
    /// `watching`, `changed`, `building`, `paused` or `held`.
    pub mode: WatchMode,
    /// If its files have changed: what the restart waits for, besides further changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<ChangeDelay>,
    /// The files that have changed after each of its last restarts, if these seem to be the cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub files: Vec<Untrusted>,
    /// The failure of the last command before a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<BuildFailure>,
    /// What is unusual about it, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub note: Option<Untrusted>,
}

impl WatchState {
    /// Whether what runs is older than its files, and that will not change by itself soon.
    pub fn is_wrong(&self) -> bool {
        self.failure.is_some() || self.mode == WatchMode::Held || self.waits.is_some()
    }

    /// Whether files have changed, and it is not decided yet what becomes of the process.
    pub fn is_changing(&self) -> bool {
        matches!(self.mode, WatchMode::Changed | WatchMode::Building | WatchMode::Held)
    }

    #[must_use]
    pub fn noted(mut self) -> Self {
        self.note = self.described().map(Into::into);
        self
    }

    fn described(&self) -> Option<String> {
        let restarts = || format!("each restart changes {}", Untrusted::join(&self.files, ", "));
        Some(match (self.mode, &self.failure) {
            (WatchMode::Changed, _) => match self.waits {
                None => "its files have changed".to_owned(),
                Some(ChangeDelay::Prompt) => {
                    "its files have changed, but it waits for input".to_owned()
                }
                Some(ChangeDelay::Installing) => {
                    "its files have changed, but it is being installed".to_owned()
                }
                Some(ChangeDelay::Stuck) => {
                    "its files have changed, but it can't be ended".to_owned()
                }
            },
            (WatchMode::Building, _) => "its build runs".to_owned(),
            (WatchMode::Paused, _) => "watching is paused".to_owned(),
            (WatchMode::Held, _) if self.files.is_empty() => {
                "its files have changed, but it could not be restarted; that is tried again"
                    .to_owned()
            }
            (WatchMode::Held, _) => {
                format!("its files have changed, but {}: restarts are delayed", restarts())
            }
            (WatchMode::Watching, Some(failure)) => {
                format!("`{}` failed: not restarted", failure.command)
            }
            (WatchMode::Watching, None) if !self.files.is_empty() => restarts(),
            (WatchMode::Watching, None) => return None,
        })
    }
}

/// Restarts in a row, each because of files that changed after the restart before it. The process may write them
/// itself, or somebody saves them regularly, which can't be told apart: so nothing is ever left out, but quick restarts
/// get slower.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartRow {
    /// How many restarts.
    times: u32,
    /// Each of them because of a change within [`Self::SOON`].
    is_soon: bool,
    /// How long after the beginning of the last life the change came.
    delay_ms: u64,
    /// When that life began.
    began: MonotonicTime,
    /// The files that have changed.
    files: Vec<Untrusted>,
}

impl RestartRow {
    /// A change this long after a start may be made by it.
    const SOON: Duration = Duration::from_secs(1);
    /// A person who saves a file seldom does so this long after each restart, again and again.
    const LONGEST: Duration = Duration::from_secs(60);
    /// How much the delay of slow changes may vary, besides a quarter of it.
    const SLACK_MS: u64 = 300;
    /// From this many restarts on they are mentioned.
    const NAMED: u32 = 4;
    /// From how many quick restarts on there is which pause before the next.
    const PAUSES: [(u32, Duration); 3] = [
        (20, Duration::from_secs(60)),
        (10, Duration::from_secs(10)),
        (Self::NAMED, Duration::from_secs(2)),
    ];
    /// No pause is longer.
    pub const LONGEST_PAUSE: Duration = Self::PAUSES[0].1;
    /// Maximum number of files that are remembered.
    const MOST_FILES: usize = 20;

    /// Add a change to what was done because of the one before, which `began` then.
    pub fn add(&mut self, change: &FileChange, began: MonotonicTime) {
        let delay = change.first.since(began);
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let slack = Self::SLACK_MS + self.delay_ms.min(delay_ms) / 4;
        let is_similar = delay <= Self::LONGEST && self.delay_ms.abs_diff(delay_ms) <= slack;
        let is_soon = delay <= Self::SOON;
        let is_same_life = self.times > 0 && began == self.began;
        let goes_on = self.times > 0
            && change.files.iter().all(|file| self.knows(file))
            && (is_soon && self.is_soon || is_similar);
        if !goes_on {
            *self = Self { times: 1, is_soon, ..Self::default() };
        } else if !is_same_life {
            self.times = self.times.saturating_add(1);
        }
        self.is_soon &= is_soon;
        (self.began, self.delay_ms) = (began, delay_ms);
        for file in &change.files {
            if self.files.len() < Self::MOST_FILES && !self.files.contains(&file.path) {
                self.files.push(file.path.clone());
            }
        }
    }

    /// Whether a file has changed before, or is a new one beside such a file.
    fn knows(&self, file: &ChangedFile) -> bool {
        fn dir(path: &Untrusted) -> Option<&Path> {
            Path::new(path.raw()).parent()
        }
        self.files.contains(&file.path)
            || file.is_new && self.files.iter().any(|known| dir(known) == dir(&file.path))
    }

    /// How long the next restart has to wait.
    pub fn pause(&self) -> Duration {
        let pause = Self::PAUSES.iter().find(|(times, _)| self.is_soon && self.times >= *times);
        pause.map_or(Duration::ZERO, |(_, pause)| *pause)
    }

    /// The files to be mentioned.
    pub fn files(&self) -> &[Untrusted] {
        let named = self.files.len().min(MOST_NAMED);
        if self.times >= Self::NAMED { &self.files[..named] } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ChangedFile, FileChange, MOST_NAMED, RestartRow};
    use crate::model::time::MonotonicTime;

    fn at(ms: u64) -> MonotonicTime {
        MonotonicTime::after_boot(Duration::from_millis(1_000_000 + ms))
    }

    fn change(files: &[&str], ms: u64) -> FileChange {
        let file = |name: &&str| ChangedFile {
            path: name.trim_start_matches('+').into(),
            is_new: name.starts_with('+'),
        };
        let files: Vec<_> = files.iter().map(file).collect();
        FileChange { count: files.len(), files, first: at(ms), last: at(ms) }
    }

    /// The pause in seconds after each of these changes, of lives that begin when the change before has restarted them.
    /// Each is the delay after the beginning, in milliseconds.
    fn pauses(changes: &[(&[&str], u64)]) -> (Vec<u64>, RestartRow) {
        let mut row = RestartRow::default();
        let mut began = 0;
        let pauses = changes.iter().map(|(files, delay)| {
            row.add(&change(files, began + delay), at(began));
            began += delay + 1000;
            row.pause().as_secs()
        });
        let pauses = pauses.collect();
        (pauses, row)
    }

    #[test]
    fn quick_restarts_by_the_same_files_get_slower() {
        let (slow, row) = pauses(&[(&["gen.rs"] as &[&str], 80); 21]);
        let expected = [[0; 3].as_slice(), &[2; 6], &[10; 10], &[60; 2]].concat();
        assert_eq!(slow, expected);
        assert_eq!(row.files(), ["gen.rs"]);
        let new: Vec<_> =
            ["+log/1", "+log/2", "+log/3", "+log/4"].iter().map(|file| [*file]).collect();
        let new: Vec<(&[&str], u64)> = new.iter().map(|file| (&file[..], 500)).collect();
        assert_eq!(pauses(&new).0, [0, 0, 0, 2], "new files in the same directory");
    }

    #[test]
    fn a_later_change_or_another_file_ends_the_row() {
        let quick: (&[&str], u64) = (&["a"], 500);
        for other in [(&["a"] as &[&str], 1400), (&["b"], 500), (&["x/b"], 500)] {
            let changes = [quick, quick, quick, quick, other, quick];
            assert_eq!(pauses(&changes).0, [0, 0, 0, 2, 0, 0], "{other:?}");
        }
        let old: [(&[&str], u64); 4] = [(&["a"], 90), (&["b"], 90), (&["c"], 90), (&["d"], 90)];
        assert_eq!(pauses(&old).0, [0; 4], "old files in the same directory");
    }

    #[test]
    fn slow_rows_are_mentioned_and_never_delayed() {
        let slow: [(&[&str], u64); 4] =
            [(&["g"], 9000), (&["g"], 8000), (&["g"], 9900), (&["g"], 9000)];
        let (pauses_of_slow, row) = pauses(&slow);
        assert_eq!((pauses_of_slow, row.files()), (vec![0; 4], &["g".into()][..]));
        let person: [(&[&str], u64); 5] =
            [(&["a"], 1100), (&["a"], 4000), (&["a"], 1500), (&["a"], 20_000), (&["a"], 3000)];
        let (none, row) = pauses(&person);
        assert!(none == [0; 5] && row.files().is_empty());
    }

    #[test]
    fn two_changes_of_one_life_count_once() {
        let mut row = RestartRow::default();
        for ms in [100, 500, 600] {
            row.add(&change(&["a"], ms), at(0));
        }
        assert_eq!((row.times, row.pause()), (1, Duration::ZERO));
        row.add(&change(&["a"], 5000), at(0));
        assert!(!row.is_soon);
    }

    #[test]
    fn changes_add_up_to_a_bounded_list() {
        let mut all = change(&["a", "b"], 10);
        all.add(change(&["b", "c", "d", "e", "f"], 5));
        assert_eq!((all.files.len(), all.count), (MOST_NAMED, 6));
        assert_eq!((all.first, all.last), (at(5), at(10)));
    }
}
