//! `prompt`: the lines at which a process waits for input.

use super::pattern::pattern;
use super::{At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, Spanned, Table, Type};
use super::{json, key, value};
use crate::model::prompt::PromptRule;

pub struct PromptKey;

impl ProcessKey for PromptKey {
    type Said = At<PromptRule>;
    const KEYS: &'static [Key] = &[key(
        "prompt",
        Type::Either(&[Type::Text, Type::Switch]),
        "A regular expression for an unfinished line at which it waits for input, besides the prompts that \
         tmo knows. With false it never counts as waiting, as for a shell that is always at its prompt.",
    )
    .or("true")];
    const PLANNED: Planned = Some(|process| json!(process.rules.prompt));

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        if let Some(counts) = view.switch("prompt") {
            let rule = if *counts.get_ref() { PromptRule::Usual } else { PromptRule::Never };
            return Some(Spanned::new(counts.span(), rule));
        }
        let text = view.text("prompt")?;
        Some(Spanned::new(text.span(), PromptRule::Also(pattern(&text, (true, false), mistakes))))
    }

    fn size(said: &Self::Said) -> usize {
        match said.as_ref().map(Spanned::get_ref) {
            Some(PromptRule::Also(text)) => text.pattern.len(),
            Some(PromptRule::Usual | PromptRule::Never) | None => 0,
        }
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.prompt = value(said).unwrap_or_default();
    }
}
