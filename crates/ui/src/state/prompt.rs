//! One-line inputs: find, pick, time, a line for a process, the list of actions; what they offer for the letters
//! that were typed; and what lies over the log: help, pages about a process, a whole line, questions.

use tui_input::{Input, InputRequest};

use super::Ui;
use super::log::ScrollPosition;
use super::msg::{ProcessPage, Tab};
use crate::journal::read::cursor::Position;
use crate::keys::Key;
use crate::keys::actions::{ACTIONS, ActionEntry, OnProcess};
use crate::model::ProcName;
use crate::model::state::ActionState;

/// What is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An expression to find. The view returns to this one if it is given up.
    Find(ScrollPosition),
    /// A part of the name of a process.
    Pick,
    Time,
    Line(ProcName),
    /// A part of the name of an action.
    Action,
    /// Names of processes, for this action.
    Names(OnProcess),
    /// How many instances of this entry are to run.
    Scale(String),
    Signal(ProcName),
}

/// A line that is being typed.
#[derive(Debug)]
pub struct Prompt {
    /// What it is for.
    pub subject: Subject,
    /// The text.
    pub input: Input,
    /// The selected one of several offers.
    pub choice: usize,
}

impl Prompt {
    /// An empty line.
    pub fn new(subject: Subject) -> Self {
        Self { subject, input: Input::default(), choice: 0 }
    }

    /// A line that begins with this text.
    pub fn with(subject: Subject, text: &str) -> Self {
        Self { input: Input::from(text), ..Self::new(subject) }
    }

    /// Edit the text with a key; false if the key does something else.
    pub fn edit(&mut self, key: Key) -> bool {
        let request = match key {
            Key::Char(c) => InputRequest::InsertChar(c),
            Key::Backspace | Key::Ctrl('h') => InputRequest::DeletePrevChar,
            Key::Delete => InputRequest::DeleteNextChar,
            Key::Left | Key::Ctrl('b') => InputRequest::GoToPrevChar,
            Key::Right | Key::Ctrl('f') => InputRequest::GoToNextChar,
            Key::Home | Key::Ctrl('a') => InputRequest::GoToStart,
            Key::End | Key::Ctrl('e') => InputRequest::GoToEnd,
            Key::Ctrl('w') => InputRequest::DeletePrevWord,
            Key::Ctrl('u') => InputRequest::DeleteLine,
            Key::Ctrl('k') => InputRequest::DeleteTillEnd,
            _ => return false,
        };
        self.input.handle(request);
        self.choice = 0;
        true
    }

    /// Text was pasted: its first line is inserted, nothing of it runs as keys.
    pub fn paste(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        for c in line.chars().filter(|c| !c.is_control()) {
            self.input.handle(InputRequest::InsertChar(c));
        }
    }

    pub fn text(&self) -> &str {
        self.input.value()
    }
}

/// Whether all letters of `part` are in `name`, in this order. The smaller the answer the closer they are
/// together.
pub fn likeness(part: &str, name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    let part = part.to_lowercase();
    if let Some(at) = name.find(&part) {
        return Some(at);
    }
    let (mut at, mut gaps) = (0, 0);
    for c in part.chars() {
        let found = name[at..].find(c)?;
        gaps += found;
        at += found + c.len_utf8();
    }
    Some(100 + gaps)
}

/// What can be picked.
#[derive(Debug)]
pub enum Offer {
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

/// Something over the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// The keys; scrolled by this many rows.
    Help(usize),
    /// A page about a process.
    Details(Details),
    /// A whole line.
    Line(Details),
    /// Whether to leave the run going, or to stop it; the second is selected.
    Quit(bool),
    /// Whether to do this.
    Confirm(OnProcess),
    /// Whether to run the action of this process.
    Act(ProcName),
}

/// Text that can be scrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// Which page it is.
    pub tab: Tab,
    /// The process that it is about.
    pub name: Option<ProcName>,
    /// The text, with SGR sequences; `None` while it is awaited.
    pub text: Option<String>,
    /// The line of the log to which Enter leads.
    pub leads_to: Option<Position>,
    /// How many rows are hidden at the top.
    pub top: usize,
}

impl Details {
    /// A page that is awaited.
    pub const fn awaited(tab: Tab, name: Option<ProcName>) -> Self {
        Self { tab, name, text: None, leads_to: None, top: 0 }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.text.as_ref().map_or(1, |text| text.lines().count())
    }
}

impl Overlay {
    /// Scroll by this many rows, up if negative.
    pub fn scroll(&mut self, rows: isize) {
        match self {
            Self::Help(top) => *top = top.saturating_add_signed(rows),
            Self::Details(page) | Self::Line(page) => {
                let last = page.rows().saturating_sub(1);
                page.top = page.top.saturating_add_signed(rows).min(last);
            }
            Self::Quit(_) | Self::Confirm(_) | Self::Act(_) => {}
        }
    }

    /// The text of a page has arrived.
    pub fn set_page(&mut self, page: ProcessPage) {
        if let Self::Details(details) = self
            && (details.tab, &details.name) == (page.tab, &page.name)
        {
            (details.text, details.leads_to) = (Some(page.text), page.leads_to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::likeness;

    #[test]
    fn names_are_found_by_letters_in_their_order() {
        assert_eq!(likeness("web", "web"), Some(0));
        assert_eq!(likeness("OR", "worker"), Some(1));
        assert!(likeness("wk", "worker") > likeness("wo", "worker"));
        assert_eq!(likeness("kw", "worker"), None);
        assert_eq!(likeness("", "worker"), Some(0));
    }
}
