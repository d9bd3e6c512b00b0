//! The table of actions: dispatch, the footer, the help and the documentation come from it.

use super::Key;

/// Something that a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Moving in the log or the list.
    Move(Motion),
    /// Finding something in the log.
    Find(Finding),
    /// Choosing which processes are shown.
    Choose(Choosing),
    /// Acting on a process, on some, or on all.
    Process(OnProcess),
    /// Taking something along.
    Take(Taking),
    /// The interface itself.
    Screen(OnScreen),
}

/// Moving in the log or the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Motion {
    Up,
    Down,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
    Home,
    End,
    Left,
    Right,
    LifeBefore,
    LifeAfter,
    GoToTime,
    NextBookmark,
    Bookmark,
}

/// Finding something in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finding {
    Find,
    Next,
    Previous,
    ErrorBefore,
    ErrorAfter,
    FirstError,
    Around,
    Wider,
    Closer,
    Events,
}

/// Choosing which processes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choosing {
    Open,
    Back,
    All,
    Pick,
    Next,
    Previous,
    Mark,
    Invert,
    HideStopped,
}

/// Acting on a process, on some, or on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnProcess {
    Restart,
    RestartAll,
    Stop,
    Start,
    Kill,
    Signal,
    RestartNamed,
    StopNamed,
    StartNamed,
    Scale,
    Reload,
    Connect,
    Watch,
    Type,
    Screen,
    Browse,
    Why,
    Compare,
    Flags,
    Tree,
}

/// Taking something along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Taking {
    Copy,
    Select,
    Command,
    Plain,
}

/// The interface itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnScreen {
    Focus,
    Timeline,
    Zoom,
    Narrower,
    Wider,
    Wrap,
    Times,
    Figures,
    Mouse,
    Actions,
    Help,
    Quit,
    StopAll,
    Leave,
    Interrupt,
    Suspend,
    Redraw,
}

impl Action {
    /// The group that it belongs to, for the help.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Move(_) => "Moving",
            Self::Find(_) => "Finding",
            Self::Choose(_) => "Choosing processes",
            Self::Process(_) => "Acting on a process",
            Self::Take(_) => "Taking along",
            Self::Screen(_) => "The screen",
        }
    }
}

/// An action, its name in the list of actions, its keys, and its description.
#[derive(Debug)]
pub struct ActionEntry {
    pub action: Action,
    pub name: &'static str,
    /// Its keys; the first is shown where there is room for one. Without any, only its name leads to it.
    pub keys: &'static [Key],
    /// What it does.
    pub help: &'static str,
}

const fn entry(
    action: Action,
    name: &'static str,
    keys: &'static [Key],
    help: &'static str,
) -> ActionEntry {
    ActionEntry { action, name, keys, help }
}

use Action::{Choose, Find, Move, Process, Screen, Take};
use Choosing as C;
use Finding as F;
use Key::{Char, Ctrl};
use Motion as M;
use OnProcess as P;
use OnScreen as S;
use Taking as T;

pub const ACTIONS: &[ActionEntry] = &[
    entry(Move(M::Up), "up", &[Key::Up, Char('k')], "up by one, in the list or the log"),
    entry(Move(M::Down), "down", &[Key::Down, Char('j')], "down by one"),
    entry(Move(M::PageUp), "page-up", &[Key::PageUp, Ctrl('b')], "scroll the log up by a page"),
    entry(
        Move(M::PageDown),
        "page-down",
        &[Key::PageDown, Ctrl('f')],
        "scroll the log down by a page",
    ),
    entry(Move(M::HalfUp), "half-page-up", &[Ctrl('u')], "up by half a page"),
    entry(Move(M::HalfDown), "half-page-down", &[Ctrl('d')], "down by half a page"),
    entry(Move(M::Home), "beginning", &[Char('g'), Key::Home], "the beginning of the log"),
    entry(Move(M::End), "follow", &[Char('G'), Key::End, Char('F')], "the end; follow the log"),
    entry(Move(M::Left), "left", &[Key::Left], "sideways, if lines are not wrapped"),
    entry(Move(M::Right), "right", &[Key::Right], "sideways, if lines are not wrapped"),
    entry(Move(M::LifeBefore), "previous-start", &[Char('{')], "the previous start of a process"),
    entry(Move(M::LifeAfter), "next-start", &[Char('}')], "the next start of a process"),
    entry(
        Move(M::GoToTime),
        "go-to-time",
        &[Char('@')],
        "go to a time: 14:05, or 10m for ten minutes ago",
    ),
    entry(Move(M::Bookmark), "bookmark", &[Char('b')], "set or remove a bookmark"),
    entry(Move(M::NextBookmark), "next-bookmark", &[Char('\'')], "the next bookmark"),
    entry(Find(F::Find), "find", &[Char('/')], "find in the whole log; Tab: only matching lines"),
    entry(Find(F::Next), "next-match", &[Char('n')], "the next match"),
    entry(Find(F::Previous), "previous-match", &[Char('N')], "the previous match"),
    entry(Find(F::ErrorBefore), "previous-error", &[Char('[')], "the previous error"),
    entry(Find(F::ErrorAfter), "next-error", &[Char(']')], "the next error"),
    entry(Find(F::FirstError), "first-error", &[Char('E')], "the first error since the last start"),
    entry(Find(F::Around), "around", &[Char('x')], "what all processes printed around this line"),
    entry(Find(F::Wider), "around-wider", &[Char('+')], "a longer time around the line"),
    entry(Find(F::Closer), "around-closer", &[Char('-')], "a shorter time around the line"),
    entry(Find(F::Events), "events", &[Char('e')], "only starts, ends and messages of tmo"),
    entry(Choose(C::Open), "open", &[Key::Enter], "open a process; in the log: the whole line"),
    entry(
        Choose(C::Back),
        "back",
        &[Key::Esc, Key::Backspace],
        "close, or show all processes again",
    ),
    entry(Choose(C::All), "all", &[Char('0')], "all processes; 1-9: one of them"),
    entry(
        Choose(C::Pick),
        "pick",
        &[Char('o')],
        "pick a process by a part of its name, or by number",
    ),
    entry(Choose(C::Next), "next-process", &[Ctrl('n')], "the next process of the list"),
    entry(Choose(C::Previous), "previous-process", &[Ctrl('p')], "the previous process"),
    entry(
        Choose(C::Mark),
        "mark",
        &[Char(' ')],
        "show this process together with other marked ones",
    ),
    entry(Choose(C::Invert), "invert-marks", &[Char('a')], "mark the others instead"),
    entry(Choose(C::HideStopped), "hide-stopped", &[Char('.')], "hide what does not run"),
    entry(Process(P::Restart), "restart", &[Char('r')], "restart the process"),
    entry(Process(P::RestartAll), "restart-all", &[Char('R')], "restart all processes (asks)"),
    entry(Process(P::Stop), "stop", &[Char('s')], "stop the process (asks); x, too, in the list"),
    entry(Process(P::Start), "start", &[Char('S')], "start the process"),
    entry(Process(P::Kill), "kill", &[Char('K')], "end the process with SIGKILL (asks)"),
    entry(Process(P::Signal), "signal", &[], "send a signal to the process (asks which)"),
    entry(Process(P::RestartNamed), "restart-named", &[], "restart by name: an entry, or a @group"),
    entry(Process(P::StopNamed), "stop-named", &[], "stop by name"),
    entry(Process(P::StartNamed), "start-named", &[], "start by name"),
    entry(Process(P::Scale), "scale", &[], "run another number of instances of its entry"),
    entry(Process(P::Reload), "reload", &[], "read the configuration again, as `tmo reload` does"),
    entry(Process(P::Connect), "connect", &[Char('c')], "take over the terminal of the process"),
    entry(Process(P::Watch), "watch", &[Char('C')], "the same, without typing into it"),
    entry(Process(P::Type), "type", &[Char('i')], "type a line into the process"),
    entry(Process(P::Screen), "screen", &[Char('V')], "what its terminal shows"),
    entry(
        Process(P::Browse),
        "browse",
        &[Char('O')],
        "open its address in the browser, while `tmo web` runs",
    ),
    entry(Process(P::Why), "why", &[Char('d')], "why it ended, or what it is waiting for"),
    entry(
        Process(P::Compare),
        "compare",
        &[Char('D')],
        "what it printed that its last good life did not",
    ),
    entry(Process(P::Flags), "flags", &[Char('f')], "what its flags have found"),
    entry(Process(P::Tree), "tree", &[Char('t')], "its child processes"),
    entry(Take(T::Copy), "copy", &[Char('y')], "copy the line, or the selection"),
    entry(Take(T::Select), "select-lines", &[Char('v')], "select lines, for y"),
    entry(
        Take(T::Command),
        "copy-command",
        &[Char('Y')],
        "copy the `tmo logs` command for this screen",
    ),
    entry(Take(T::Plain), "plain", &[Char('p')], "the plain log, as `tmo start` shows it"),
    entry(Screen(S::Focus), "focus", &[Key::Tab, Key::BackTab], "move between list and log"),
    entry(
        Screen(S::Timeline),
        "timeline",
        &[Char('H')],
        "the timeline: how everything was at an earlier time",
    ),
    entry(Screen(S::Zoom), "zoom", &[Char('z')], "only the log"),
    entry(Screen(S::Narrower), "narrower", &[Char('<')], "a narrower list"),
    entry(Screen(S::Wider), "wider", &[Char('>')], "a wider list"),
    entry(Screen(S::Wrap), "wrap", &[Char('w')], "wrap long lines"),
    entry(Screen(S::Times), "times", &[Char('T')], "times before lines"),
    entry(
        Screen(S::Figures),
        "figures",
        &[Char('m')],
        "processor time and memory, in the list and of the last minutes",
    ),
    entry(Screen(S::Mouse), "mouse", &[Char('M')], "mouse on or off (off: the terminal selects)"),
    entry(Screen(S::Actions), "actions", &[Char(':')], "all actions by name"),
    entry(Screen(S::Help), "help", &[Char('?'), Key::F(1)], "the keys"),
    entry(
        Screen(S::Quit),
        "quit",
        &[Char('q')],
        "leave; asks whether a run that began here goes on",
    ),
    entry(Screen(S::StopAll), "stop-all", &[], "stop everything, or leave it running: asks first"),
    entry(Screen(S::Leave), "leave", &[Char('Q')], "leave at once; the run goes on"),
    entry(Screen(S::Interrupt), "interrupt", &[Ctrl('c')], "leave"),
    entry(Screen(S::Suspend), "suspend", &[Ctrl('z')], "suspend, as in any program"),
    entry(Screen(S::Redraw), "redraw", &[Ctrl('l')], "draw the screen again"),
];

pub fn action_of(key: Key) -> Option<Action> {
    ACTIONS.iter().find(|entry| entry.keys.contains(&key)).map(|entry| entry.action)
}

impl ActionEntry {
    /// The names of its keys; `:`, which leads to every action, if it has none.
    pub fn key_names(&self) -> Vec<String> {
        match self.keys {
            [] => vec![Char(':').name()],
            keys => keys.iter().map(|key| key.name()).collect(),
        }
    }
}

/// The description of an action.
pub fn entry_of(action: Action) -> Option<&'static ActionEntry> {
    ACTIONS.iter().find(|entry| entry.action == action)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::ACTIONS;

    #[test]
    fn every_key_and_every_name_belongs_to_one_action() {
        let (mut keys, mut names) = (HashSet::new(), HashSet::new());
        for entry in ACTIONS {
            assert!(names.insert(entry.name), "{} twice", entry.name);
            assert!(!entry.help.is_empty());
            for key in entry.keys {
                assert!(keys.insert(*key), "{key:?} twice");
            }
        }
    }

    #[test]
    fn the_manual_has_the_table() {
        let manual = include_str!("../../../../docs/UI.md");
        for entry in ACTIONS {
            let keys = entry.key_names().iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
            let keys = keys.join(" ");
            let row = format!("| {keys} | `{}` | {} |", entry.name, entry.help);
            assert!(manual.contains(&row), "docs/UI.md lacks: {row}");
        }
    }
}
