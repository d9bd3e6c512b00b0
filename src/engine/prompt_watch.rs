//! When to look whether the unfinished line of a process is a prompt.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::request::Partial;

/// How long an unfinished line must not have grown.
const QUIET: Duration = Duration::from_millis(200);
/// When to look at it once more.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A line that was looked at so often, such as a progress bar, is looked at only after a longer time.
const MANY: u32 = 10;

/// The unfinished line of a process, and when to look whether it is a prompt.
#[derive(Debug, Default)]
pub(super) struct PromptWatch {
    pub(super) line: Option<Partial>,
    /// When to look at it.
    pub(super) due: Option<Instant>,
    /// The output of the process has been read, so it is known whether there is an unfinished line.
    begun: bool,
    /// How often the line was looked at.
    looks: u32,
    /// It was looked at since it has grown.
    seen: bool,
}

impl PromptWatch {
    /// Take what is unfinished now. Returns whether the prompt that was known is over.
    pub(super) fn update(&mut self, line: Option<Partial>) -> bool {
        if self.begun && self.line == line {
            return false;
        }
        let begin = |line: Option<Partial>| line.map(|line| (line.stream, line.start));
        let is_other = begin(self.line) != begin(line);
        let looks = if is_other { 0 } else { self.looks };
        let pause = if looks < MANY { QUIET } else { LOOK_AGAIN };
        let due = line.map(|_| Instant::now() + pause);
        // A new supervisor looks whether its predecessor was right.
        let is_over = is_other && self.begun || line.is_none();
        *self = Self { line, due, begun: true, looks, seen: false };
        is_over
    }

    /// The line that is looked at now.
    pub(super) fn look(&mut self) -> Option<Partial> {
        self.due = None;
        self.looks = self.looks.saturating_add(1);
        self.line
    }

    /// The line is no prompt: look once more, because its program may have been slow to read.
    pub(super) fn is_none(&mut self) {
        if !std::mem::replace(&mut self.seen, true) {
            self.due = Some(Instant::now() + LOOK_AGAIN);
        }
    }
}
