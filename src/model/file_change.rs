//! Files that have changed, and what came of that.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Untrusted;
use super::time::Timestamp;

/// Maximum number of files that are named.
pub const MOST_NAMED: usize = 5;

/// Files of a process that have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Some of them, relative to the directory of the project.
    pub files: Vec<Untrusted>,
    /// How many there are.
    pub count: usize,
    /// When the first of them was written.
    pub written: Timestamp,
    /// When the last change was noticed.
    pub noticed: Timestamp,
}

impl FileChange {
    /// Add what has changed later.
    pub fn add(&mut self, later: Self) {
        self.count = self.count.saturating_add(later.count);
        for file in later.files {
            if self.files.contains(&file) {
                self.count = self.count.saturating_sub(1);
            } else if self.files.len() < MOST_NAMED {
                self.files.push(file);
            }
        }
        self.written = self.written.min(later.written);
        self.noticed = self.noticed.max(later.noticed);
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
    /// Some have changed. They count once no more do.
    Changed,
    /// The command before the restart runs.
    Building,
    /// Nothing: someone has paused watching.
    Paused,
    /// Nothing: its restarts were the cause of the changes.
    Held,
}

impl WatchMode {
    /// Its word.
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

/// How a process is watched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct WatchState {
    /// `watching`, `changed`, `building`, `paused` or `held`.
    pub mode: WatchMode,
    /// If it is held: the files that change with each restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub files: Vec<Untrusted>,
    /// The failure of the last command before a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<BuildFailure>,
}

impl WatchState {
    /// Whether changes have no effect, and nobody wanted that.
    pub fn is_wrong(&self) -> bool {
        self.failure.is_some() || self.mode == WatchMode::Held
    }

    /// Whether files have changed, and it is not decided yet what becomes of the process.
    pub fn is_changing(&self) -> bool {
        matches!(self.mode, WatchMode::Changed | WatchMode::Building)
    }

    /// What is unusual about it, in a few words.
    pub fn note(&self) -> Option<String> {
        match (self.mode, &self.failure) {
            (WatchMode::Changed, _) => Some("its files have changed".to_owned()),
            (WatchMode::Building, _) => Some("its build runs".to_owned()),
            (WatchMode::Paused, _) => Some("watching is paused".to_owned()),
            (_, Some(failure)) => Some(format!("`{}` failed: not restarted", failure.command)),
            (WatchMode::Held, None) => Some("not watched any more".to_owned()),
            (WatchMode::Watching, None) => None,
        }
    }
}

/// Restarts in a row that follow from files which the process itself writes after each of its starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartLoop {
    times: u8,
    delay_ms: u64,
    files: Vec<Untrusted>,
}

impl RestartLoop {
    /// After this many restarts, the next change of the same kind is not acted on.
    const MOST: u8 = 3;
    /// A person who saves a file seldom does so this long after each restart, again and again.
    const LONGEST: Duration = Duration::from_secs(60);
    /// How much the delay may vary, besides a quarter of it.
    const SLACK_MS: u64 = 300;
    /// The clock of file systems is this much behind.
    const COARSE: Duration = Duration::from_millis(20);

    /// Count a change after what `began` then. Returns whether it only follows from that, like those before: the same
    /// file was written as long after the beginning as before.
    pub fn goes_on(&mut self, change: &FileChange, began: Timestamp) -> bool {
        let delay = change.written.since(began);
        if change.written + Self::COARSE < began || delay > Self::LONGEST {
            *self = Self::default();
            return false;
        }
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let least = self.delay_ms.min(delay_ms);
        let is_similar = self.delay_ms.abs_diff(delay_ms) <= Self::SLACK_MS + least / 4;
        let common: Vec<_> =
            change.files.iter().filter(|file| self.files.contains(file)).cloned().collect();
        if self.times > 0 && is_similar && !common.is_empty() {
            (self.times, self.files) = (self.times.saturating_add(1), common);
        } else {
            (self.times, self.files) = (1, change.files.clone());
        }
        self.delay_ms = delay_ms;
        self.times > Self::MOST
    }

    /// The files that were written each time.
    pub fn files(&self) -> &[Untrusted] {
        &self.files
    }
}

#[cfg(test)]
mod tests {
    use super::{FileChange, MOST_NAMED, RestartLoop};
    use crate::model::time::Timestamp;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000_000 + ms * 1_000_000)
    }

    fn change(files: &[&str], ms: u64) -> FileChange {
        let files: Vec<_> = files.iter().map(|file| (*file).into()).collect();
        FileChange { count: files.len(), files, written: at(ms), noticed: at(ms + 300) }
    }

    /// Which of these changes, each in milliseconds after the beginning, only follow from that.
    fn judged(changes: &[(&[&str], u64)]) -> Vec<bool> {
        let mut found = RestartLoop::default();
        changes.iter().map(|(files, ms)| found.goes_on(&change(files, *ms), at(0))).collect()
    }

    #[test]
    fn a_file_that_each_start_writes_is_found_after_three_restarts() {
        let same: &[(&[&str], u64)] =
            &[(&["gen.rs"], 80), (&["gen.rs"], 90), (&["a.rs", "gen.rs"], 200), (&["gen.rs"], 81)];
        assert_eq!(judged(same), [false, false, false, true]);
        let slow: &[(&[&str], u64)] =
            &[(&["g"], 9000), (&["g"], 8000), (&["g"], 9900), (&["g"], 9000)];
        assert_eq!(judged(slow), [false, false, false, true]);
    }

    #[test]
    fn a_person_who_saves_is_no_loop() {
        let saves: &[(&[&str], u64)] =
            &[(&["a"], 900), (&["a"], 4000), (&["a"], 1500), (&["a"], 20_000), (&["a"], 3000)];
        assert_eq!(judged(saves), [false; 5]);
        let others: &[(&[&str], u64)] = &[(&["a"], 90), (&["b"], 90), (&["c"], 90), (&["d"], 90)];
        assert_eq!(judged(others), [false; 4]);
        let file: &[&str] = &["a"];
        let late = &[(file, 70_000); 5];
        assert_eq!(judged(late), [false; 5]);
    }

    #[test]
    fn a_file_from_before_the_start_breaks_the_row() {
        let mut found = RestartLoop::default();
        for _ in 0..3 {
            assert!(!found.goes_on(&change(&["a"], 5), at(0)));
        }
        assert!(!found.goes_on(&change(&["a"], 5), at(1000)));
        assert!(!found.goes_on(&change(&["a"], 5), at(0)));
        assert!(
            !found.goes_on(&change(&["a"], 0), at(10)),
            "the clock of the file system is coarse"
        );
    }

    #[test]
    fn changes_add_up_to_a_bounded_list() {
        let mut all = change(&["a", "b"], 10);
        all.add(change(&["b", "c", "d", "e", "f"], 5));
        assert_eq!((all.files.len(), all.count), (MOST_NAMED, 6));
        assert_eq!((all.written, all.noticed), (at(5), at(310)));
    }
}
