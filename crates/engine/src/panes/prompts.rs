//! Noticing that a process waits for input.
//!
//! An unfinished line is looked at once it has not grown for a moment. As long as output keeps coming, nothing is
//! looked at.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::core::Engine;
use crate::journal::search::styled::Styles;
use crate::model::request::Partial;
use crate::model::terminal::prompt::{PromptRule, is_answered, is_prompt, is_still_prompt};
use crate::model::{ProcId, Untrusted};
use crate::protocol::life::Traces;
use crate::supervisor::Input;
use crate::sys;

/// How much of a prompt is kept, in characters.
const LONGEST: usize = 200;
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

impl Engine {
    /// Output of a process was read.
    pub(crate) fn watch_prompts(&mut self, id: ProcId) {
        if self.plan.processes[id].rules.prompt == PromptRule::Never {
            return;
        }
        let main = self.panes[id].stream;
        let unfinished = |stream| {
            let (start, end) =
                self.ingest.partial(stream).filter(|_| !self.ingest.draws(stream))?;
            Some(Partial { stream, start, end })
        };
        let printed = self.ingest.printed(main);
        self.panes[id].prompts.printed(printed);
        let line = unfinished(main).or_else(|| unfinished(self.ingest.stderr_of(main)?));
        // The last row of a menu is not always unfinished.
        let end = || self.ingest.end(main).filter(|_| !self.ingest.draws(main));
        let line = line.or_else(|| end().map(|end| Partial { stream: main, start: end, end }));
        if self.panes[id].prompts.update(line) {
            self.set_prompt(id, None);
        }
    }

    /// The unfinished line of a process has not grown for a moment.
    pub(crate) fn look_for_prompt(&mut self, id: ProcId) {
        let Some(line) = self.panes[id].prompts.take_line() else { return };
        // It can't be read if it was deleted: then it has ended.
        let mut styles = Styles::new(self.ingest.dirs());
        let menu = styles.menu(line).unwrap_or_default();
        if line.start == line.end && menu.is_none() {
            return;
        }
        let Ok(Some(row)) = styles.cursor_row(line) else { return };
        let proc = &self.saved.supervisor.procs[id];
        let rules = &self.plan.processes[id].rules;
        let traces = Traces::load(&self.panes[id].paths.life());
        let shim = traces.shim.filter(|_| !rules.no_terminal && !traces.tty.is_empty());
        let input = shim.and_then(|shim| sys::terminal_input(Path::new(&traces.tty), shim.pid));
        let known = proc.prompt().is_some();
        let menu = menu.filter(|_| input.is_some_and(|input| !input.canonical));
        let is_it = menu.is_some()
            || if known { is_still_prompt } else { is_prompt }(&row, &rules.prompt, input);
        let text = menu.unwrap_or(row);
        if is_it && !known {
            self.set_prompt(id, Some(text.trim().chars().take(LONGEST).collect::<String>().into()));
        } else if !is_it {
            self.set_prompt(id, None);
            self.panes[id].prompts.is_none();
        }
        self.carry_out();
    }

    /// Whether a process waits at a prompt, or prints what a debugger answers.
    pub(crate) fn is_at_prompt(&self, id: ProcId) -> bool {
        let proc = self.saved.supervisor.procs.get(id.place());
        self.panes[id].prompts.is_answer() || proc.is_some_and(|proc| proc.prompt().is_some())
    }

    fn set_prompt(&mut self, id: ProcId, text: Option<Untrusted>) {
        // A process that is just being added has had no life yet.
        let Some(proc) = self.saved.supervisor.procs.get(id.place()) else { return };
        if let (None, Some(prompt)) = (&text, proc.prompt()) {
            let expects = is_answered(prompt.text.raw(), &proc.rules.prompt);
            self.panes[id].prompts.expect_answer(expects);
        }
        if let (Some(life), true) = (proc.current_life(), text.is_some() || proc.prompt().is_some())
        {
            self.decide(Input::Prompt(id, life, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{Partial, PromptWatch};
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
