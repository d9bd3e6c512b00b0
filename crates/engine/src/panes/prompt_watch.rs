//! When to look whether the unfinished line of a process is a prompt.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::request::Partial;

/// How long an unfinished line must not have grown.
const QUIET: Duration = Duration::from_millis(200);
/// When to look at it once more.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// What a debugger prints after an answer is over when nothing has followed a whole line for so long.
const ANSWERED: Duration = Duration::from_secs(1);
/// A line that was looked at so often, such as a progress bar, is looked at only after a longer time.
const MANY: u32 = 10;

/// The unfinished line of a process, and when to look whether it is a prompt.
#[derive(Debug, Default)]
pub(crate) struct PromptWatch {
    pub(crate) line: Option<Partial>,
    /// When to look at it.
    pub(crate) due: Option<Instant>,
    /// The output of the process has been read, so it is known whether there is an unfinished line.
    begun: bool,
    /// How often the line was looked at.
    looks: u32,
    /// It was looked at since it has grown.
    seen: bool,
    /// Until when what is printed is a debugger's answer, unless more of it follows.
    answer: Option<Instant>,
    /// How much had been printed at the last look.
    printed: u64,
}

impl PromptWatch {
    /// Take what is unfinished now. Returns whether the prompt that was known is over.
    pub(crate) fn update(&mut self, line: Option<Partial>) -> bool {
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
        (self.line, self.due, self.begun, self.looks, self.seen) = (line, due, true, looks, false);
        is_over
    }

    /// The prompt of a debugger is over (`true`), or its program has ended.
    pub(crate) fn expect_answer(&mut self, expects: bool) {
        self.answer = expects.then(|| Instant::now() + ANSWERED);
    }

    /// So much has been printed by now.
    pub(crate) fn printed(&mut self, bytes: u64) {
        if std::mem::replace(&mut self.printed, bytes) != bytes {
            self.expect_answer(self.is_answer());
        }
    }

    /// Whether what is printed now is a debugger's answer.
    pub(crate) fn is_answer(&self) -> bool {
        // A row that has nothing in it is looked at for the sake of a menu.
        let is_unfinished = self.line.is_some_and(|line| line.start < line.end);
        self.answer.is_some_and(|until| is_unfinished || Instant::now() < until)
    }

    /// The line that is looked at now.
    pub(crate) fn take_line(&mut self) -> Option<Partial> {
        self.due = None;
        self.looks = self.looks.saturating_add(1);
        self.line
    }

    /// The line is no prompt: look once more, because its program may have been slow to read.
    pub(crate) fn is_none(&mut self) {
        if !std::mem::replace(&mut self.seen, true) {
            self.due = Some(Instant::now() + LOOK_AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, Partial, PromptWatch};
    use crate::model::StreamNo;

    #[test]
    fn an_answer_goes_on_until_a_whole_line_is_followed_by_nothing() {
        let mut watch = PromptWatch::default();
        watch.printed(10);
        assert!(!watch.is_answer());
        watch.expect_answer(true);
        assert!(watch.is_answer());
        watch.answer = Some(Instant::now());
        assert!(!watch.is_answer());
        watch.printed(20);
        assert!(!watch.is_answer(), "it was over before");
        watch.answer = Some(Instant::now());
        watch.update(Some(Partial { stream: StreamNo(1), start: 0, end: 1 }));
        assert!(watch.is_answer(), "a line is unfinished");
        watch.printed(30);
        watch.update(None);
        assert!(watch.is_answer(), "more has come");
        watch.expect_answer(false);
        assert!(!watch.is_answer());
    }
}
