//! Processes that wait for input at a prompt. Time limits, checks and restarts that nobody requested wait with them.

use super::Proc;
use crate::model::event::What;
use crate::model::terminal::prompt::{Prompt, PromptRule};
use crate::model::time::Timestamp;
use crate::model::{LifeId, ProcId, Untrusted};
use crate::{Effect, Supervisor};

impl Supervisor {
    /// A life waits for input at a prompt, or not any more.
    pub(crate) fn prompt(
        &mut self,
        id: ProcId,
        life: LifeId,
        text: Option<Untrusted>,
        now: Timestamp,
    ) {
        let proc = &mut self.procs[id];
        if proc.current_life() != Some(life) || !proc.alive() {
            return;
        }
        let (stops, is_known) = (proc.stop_was_requested(), proc.prompt().is_some());
        match text {
            None => proc.prompts.left(now),
            Some(text) if !is_known => {
                // In a debugger, the signal that stops a process leads to another prompt.
                let again = stops || proc.prompts.goes_on(now);
                proc.prompts.current =
                    Some((life, Prompt { text: text.clone(), since: now, again }));
                let what = What::Prompt { prompt: text, again };
                self.effects.push(Effect::Say(Some(id), what));
            }
            Some(_) => {}
        }
    }
}

impl Proc {
    /// The prompt at which its life waits for input.
    pub fn prompt(&self) -> Option<&Prompt> {
        let (life, prompt) = self.prompts.current.as_ref()?;
        let is_current = self.alive() && self.current_life() == Some(*life);
        (is_current && self.rules.prompt != PromptRule::Never).then_some(prompt)
    }
}
