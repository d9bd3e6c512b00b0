//! Noticing that a process waits for input.
//!
//! An unfinished line is looked at once it has not grown for a moment. As long as output keeps coming, nothing is
//! looked at.

use std::path::Path;

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
