//! One-line inputs: find, pick, time, a line for a process, the list of actions.

use tui_input::{Input, InputRequest};

use super::log::ScrollPosition;
use crate::keys::Key;
use crate::keys::actions::OnProcess;
use crate::model::ProcName;

/// What is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An expression to find. The view returns to this one if it is given up.
    Find(ScrollPosition),
    /// A part of the name of a process.
    Pick,
    /// A time.
    Time,
    /// A line for this process.
    Line(ProcName),
    /// A part of the name of an action.
    Action,
    /// Names of processes, for this action.
    Names(OnProcess),
    /// How many instances of this entry are to run.
    Scale(String),
    /// A signal for this process.
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

    /// The text.
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
