//! What a prompt offers for the letters that were typed.

use super::Ui;
use super::prompt::{Subject, likeness};
use crate::keys::actions::{ACTIONS, ActionEntry};
use crate::model::ProcName;
use crate::model::state::ActionState;

/// What can be picked.
#[derive(Debug)]
pub enum Offer {
    /// A process.
    Process(ProcName),
    /// An action of the interface.
    Action(&'static ActionEntry),
    /// An action of the run, and its name.
    OfRun(String, ActionState),
}

/// Those that are like the text, the most similar first.
fn ranked<T>(all: impl Iterator<Item = T>, text: &str, name: impl Fn(&T) -> &str) -> Vec<T> {
    let all = all.filter_map(|one| Some((likeness(text, name(&one))?, one)));
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(rank, _)| *rank);
    all.into_iter().map(|(_, one)| one).collect()
}

impl Ui {
    /// What the prompt offers, if it is one that does.
    pub fn offers(&self) -> Option<Vec<Offer>> {
        let prompt = self.prompt.as_ref()?;
        match prompt.subject {
            Subject::Pick => {
                let names = self.list.processes.iter().map(|process| &process.name);
                let mut names = ranked(names, prompt.text(), |name| name.as_str());
                if let Some(numbered) = prompt.text().parse().ok().and_then(|row| self.row(row)) {
                    names.retain(|name| *name != numbered);
                    names.insert(0, numbered);
                }
                Some(names.into_iter().cloned().map(Offer::Process).collect())
            }
            Subject::Action => {
                let own = ranked(self.run.named_actions(), prompt.text(), |(word, _)| word);
                let own = own.into_iter().map(|(word, action)| Offer::OfRun(word, action.clone()));
                let entries = ranked(ACTIONS.iter(), prompt.text(), |entry| entry.name);
                Some(own.chain(entries.into_iter().map(Offer::Action)).collect())
            }
            _ => None,
        }
    }
}
