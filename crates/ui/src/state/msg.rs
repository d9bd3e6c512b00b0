//! What the interface is told, and what it wants done.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::entry::LogEntry;
use super::log::Load;
use super::log::window::LoadedEntries;
use super::timeline::Period;
use crate::figures::Figures;
use crate::journal::read::cursor::Position;
use crate::journal::search::landmark::Landmark;
use crate::journal::search::pattern::Pattern;
use crate::journal::search::place::Share;
use crate::keys::Key;
use crate::model::ProcName;
use crate::model::exit::End;
use crate::model::request::{Head, Partial, Request};
use crate::model::state::{ProcessState, State};
use crate::model::time::Timestamp;

pub use crate::journal::search::page::Direction;

/// Something that has happened.
#[derive(Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse was used.
    Mouse(Mouse),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// The state of the run.
    State(Box<State>),
    Process(Box<ProcessState>),
    /// The end of the journal.
    Head(Head),
    /// The supervisor does not answer.
    Away,
    /// The run is over.
    Ended(Box<End>),
    /// The run is over, and nobody has reported how.
    Gone,
    /// This view is to leave the run alone.
    Detached,
    /// A part of the journal was loaded.
    Loaded(Loaded),
    /// What happened to processes, for the timeline.
    Marks(Marks),
    /// How much was printed when, for the timeline.
    Output(Output),
    /// Unfinished lines, as far as they are printed.
    Unfinished(Vec<(Partial, LogEntry)>),
    /// The search got further.
    Found(SearchProgress),
    /// The counting of matches got further.
    Counted(Counted),
    /// A request was answered.
    Answered(Answered),
    /// The text of a page.
    Page(ProcessPage),
    /// The addresses of processes in the browser, `None` without a web server, and the process whose one was asked for.
    Addresses(Option<Vec<(ProcName, String)>>, Option<ProcName>),
    /// The processes for which something has changed since they were started.
    Drift(Vec<ProcName>),
    /// Where in the journal the end of the screen is.
    ScreenEnd(ScreenEnd),
    /// What the processes use.
    Figures(Vec<Figures>),
    /// A message for the user.
    Note(String),
    /// The journal can't be read, with the reason.
    Unreadable(String),
    /// Something has failed, with the reason.
    Failed(String),
    /// The time for which [`super::Ui::next_alarm`] asked has come.
    Alarm,
}

/// What the mouse did, at a column and a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mouse {
    /// The wheel was turned by this many rows, up if negative.
    Wheel(isize, u16, u16),
    /// The left button was pressed.
    Press(u16, u16),
    /// The mouse was moved with the button pressed.
    Drag(u16, u16),
    /// The button was released.
    Release(u16, u16),
}

/// Which entries are shown.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Of these processes; of all if empty.
    pub names: Vec<String>,
    /// Those that match.
    pub pattern: Option<Pattern>,
    /// Those that are not output.
    pub only_events: bool,
}

/// The answer to [`Question::Load`].
#[derive(Debug)]
pub struct Loaded {
    /// The ticket of the question.
    pub ticket: u64,
    /// What was asked for.
    pub load: Load,
    /// Where it was loaded from.
    pub from: Position,
    /// The number of records.
    pub head: u64,
    /// What is before, and what is after.
    pub parts: (Option<LoadedEntries>, Option<LoadedEntries>),
}

/// What a search looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Entries that the choice selects.
    Entries,
    /// Starts of processes.
    Starts,
}

#[derive(Debug, Clone)]
pub struct Search {
    pub ticket: u64,
    /// Where to begin.
    pub from: Position,
    /// An entry that does not count.
    pub except: Option<Position>,
    /// In which direction.
    pub direction: Direction,
    /// Of which processes, and what.
    pub choice: Arc<Choice>,
    /// What counts.
    pub target: Target,
    /// Count all matches as well, after the first was found.
    pub count: bool,
}

/// How far a search has got.
#[derive(Debug)]
pub struct SearchProgress {
    /// The ticket of the question.
    pub ticket: u64,
    /// The match.
    pub hit: Option<Position>,
    /// Nothing is left in this direction.
    pub end: bool,
}

/// How far the counting of matches has got.
#[derive(Debug)]
pub struct Counted {
    /// The ticket of the question.
    pub ticket: u64,
    /// The matches found since the last message, in order.
    pub matches: Vec<Position>,
    /// All are counted.
    pub end: bool,
}

/// What happened in some records of the journal.
#[derive(Debug)]
pub struct Marks {
    /// What happened, in the order of the journal.
    pub marks: Vec<Landmark>,
    /// The records that were searched.
    pub records: Range<u64>,
    /// The first record that there is.
    pub floor: u64,
    /// The times of the first and the last record.
    pub bounds: Period,
}

/// How much was printed in a period.
#[derive(Debug)]
pub struct Output {
    pub period: Period,
    /// Into how many columns it is divided.
    pub columns: usize,
    /// For each process that printed anything, the bytes for each column.
    pub bytes: BTreeMap<ProcName, Vec<u64>>,
}

/// Where the end of the screen is in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScreenEnd {
    /// How many lines there are below it.
    pub below: u64,
    pub more: bool,
    /// How much of the text is before it.
    pub share: Share,
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answered {
    /// The processes that it was about.
    pub names: Vec<ProcName>,
    /// What was requested: `restart web`.
    pub what: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// A page of text about a process.
#[derive(Debug)]
pub struct ProcessPage {
    /// Which page.
    pub tab: Tab,
    /// About which process.
    pub name: Option<ProcName>,
    /// Its text, with SGR sequences.
    pub text: String,
    /// The line of the log to which Enter leads.
    pub leads_to: Option<Position>,
}

/// The pages about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Why it ended.
    Why,
    /// What it printed that its last good life did not.
    Compare,
    /// What its flags have found.
    Flags,
    /// Its child processes.
    Tree,
    /// What its terminal shows.
    Screen,
}

impl Tab {
    /// All pages, in the order of the tabs.
    pub const ALL: [Self; 5] = [Self::Why, Self::Compare, Self::Flags, Self::Tree, Self::Screen];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Why => "why",
            Self::Compare => "compare",
            Self::Flags => "flags",
            Self::Tree => "tree",
            Self::Screen => "screen",
        }
    }
}

/// A question to the journal.
#[derive(Debug)]
pub enum Question {
    /// Load a part of it.
    Load(u64, Load, Arc<Choice>),
    /// Search it; a search before ends.
    Search(Search),
    /// End the search.
    StopSearch,
    /// Another run writes the journal now.
    Reopen,
    /// What happened in these records; answered for the last of them first.
    Marks(Range<u64>),
    /// How much was printed in each of so many parts of a period.
    Output(Period, usize),
    /// What is printed of these lines.
    Unfinished(Vec<Partial>),
    /// Where among the chosen entries this position is, that of the last entry on the screen.
    ScreenEnd(Position, Arc<Choice>),
}

/// Something to be done.
#[derive(Debug)]
pub enum Effect {
    /// Ask the journal.
    Ask(Question),
    /// Send a request.
    Request(Request, Vec<ProcName>, String),
    /// Read the configuration again, and apply its changes.
    Reload,
    /// Type a line into a process.
    Type(ProcName, String),
    /// Prepare a page.
    Page(Tab, Option<ProcName>),
    /// Find the addresses of the processes; the named one is then opened.
    Addresses(Option<ProcName>),
    /// Find what has changed since the processes were started.
    Drift,
    /// Open an address in the browser.
    Browse(String),
    /// Copy text; the second is what it is.
    Copy(String, &'static str),
    /// Give the terminal to a process; whether only to watch.
    Connect(ProcName, bool),
    /// Show the plain log.
    Plain(Vec<String>),
    /// Begin or end to sample what the processes use.
    Figures(bool),
    /// Switch the mouse on or off.
    Mouse(bool),
    /// Suspend this program.
    Suspend,
    /// Draw everything again.
    Redraw,
    Leave,
    /// Stop the run, and stay until it is over.
    StopAll,
}

/// The time, and how it is shown.
#[derive(Debug, Clone)]
pub struct Now {
    pub time: Timestamp,
    pub zone: jiff::tz::TimeZone,
}

impl Now {
    /// A time in this time zone, in this format of strftime.
    pub fn formatted(&self, time: Timestamp, format: &str) -> String {
        self.zone.to_datetime(time.utc()).strftime(format).to_string()
    }
}

impl Default for Now {
    fn default() -> Self {
        Self { time: Timestamp::EPOCH, zone: jiff::tz::TimeZone::UTC }
    }
}
