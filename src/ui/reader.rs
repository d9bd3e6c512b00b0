//! The thread that reads the journal.
//!
//! Loading goes before searching, searching before counting; a new question of a kind replaces the old one.
//! A search is done in steps, between which new questions are looked at, so nothing has to wait for it.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use super::journal::Journal;
use super::state::log::Load;
use super::state::msg::{
    Choice, Counted, Direction, Loaded, Msg, Question, Search, SearchProgress, Target,
};
use super::state::timeline::Period;
use crate::journal::cursor::Position;
use crate::model::request::Partial;

/// How many matches one step of counting returns.
const BATCH: usize = 4096;

/// The thread.
#[derive(Debug)]
pub struct ReaderThread {
    questions: Sender<Question>,
}

impl ReaderThread {
    /// Start the thread. `answer` returns false once nobody listens any more.
    pub fn start(
        journal: Journal,
        answer: impl Fn(Msg) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, asked) = channel();
        let work = move || {
            let mut work = Work { journal, asked, answer, open: Open::default() };
            // It ends when the interface does.
            while work.turn() {}
        };
        std::thread::Builder::new().name("journal".to_owned()).spawn(work)?;
        Ok(Self { questions })
    }

    /// Ask a question. The answer is a message.
    pub fn ask(&self, question: Question) {
        // If the thread has ended, so has the interface.
        let _ = self.questions.send(question);
    }
}

/// The questions that are not answered yet.
#[derive(Default)]
struct Open {
    reopen: bool,
    load: Option<(u64, Load, Arc<Choice>)>,
    search: Option<Search>,
    count: Option<Search>,
    screen_end: Option<(Position, Arc<Choice>)>,
    unfinished: Vec<Partial>,
    marks: Option<Range<u64>>,
    output: Option<(Period, usize)>,
}

impl Open {
    fn is_empty(&self) -> bool {
        let Self { reopen, load, search, count, screen_end, unfinished, marks, output } = self;
        let is_shown = load.is_none() && screen_end.is_none() && unfinished.is_empty();
        let is_found = search.is_none() && count.is_none();
        !reopen && is_shown && is_found && marks.is_none() && output.is_none()
    }
}

struct Work<F> {
    journal: Journal,
    asked: Receiver<Question>,
    answer: F,
    open: Open,
}

impl<F: Fn(Msg) -> bool> Work<F> {
    /// Take the new questions and do one step of work. Returns false once the interface is gone.
    fn turn(&mut self) -> bool {
        loop {
            let idle = self.open.is_empty();
            let asked = if idle {
                self.asked.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                self.asked.try_recv()
            };
            match asked {
                Ok(Question::Load(ticket, load, choice)) => {
                    self.open.load = Some((ticket, load, choice));
                }
                Ok(Question::Search(search)) => {
                    if search.count {
                        self.open.count = None;
                    }
                    self.open.search = Some(search);
                }
                Ok(Question::StopSearch) => (self.open.search, self.open.count) = (None, None),
                Ok(Question::ScreenEnd(at, choice)) => {
                    self.open.screen_end = Some((at, choice));
                }
                Ok(Question::Reopen) => self.open.reopen = true,
                Ok(Question::Marks(records)) => self.open.marks = Some(records),
                Ok(Question::Output(period, columns)) => {
                    self.open.output = Some((period, columns));
                }
                Ok(Question::Unfinished(lines)) => self.open.unfinished.extend(lines),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        match self.step() {
            Ok(goes_on) => goes_on,
            Err(error) => {
                self.open = Open::default();
                (self.answer)(Msg::Unreadable(error.to_string()))
            }
        }
    }

    fn step(&mut self) -> io::Result<bool> {
        if std::mem::take(&mut self.open.reopen) {
            self.journal.reopen()?;
        }
        if let Some((ticket, load, choice)) = self.open.load.take() {
            let (from, parts) = self.journal.load(&load, &choice)?;
            let head = self.journal.head()?;
            return Ok((self.answer)(Msg::Loaded(Loaded { ticket, load, from, head, parts })));
        }
        if !self.open.unfinished.is_empty() {
            let lines = self.journal.unfinished(&std::mem::take(&mut self.open.unfinished))?;
            return Ok((self.answer)(Msg::Unfinished(lines)));
        }
        if let Some(search) = self.open.search.take() {
            return self.search(search);
        }
        if let Some((position, choice)) = self.open.screen_end.take() {
            let end = self.journal.screen_end(position, &choice)?;
            return Ok((self.answer)(Msg::ScreenEnd(end)));
        }
        if let Some((period, columns)) = self.open.output.take() {
            let output = self.journal.output(period, columns)?;
            return Ok((self.answer)(Msg::Output(output)));
        }
        if let Some(records) = self.open.marks.take() {
            let marks = self.journal.marks(records)?;
            return Ok((self.answer)(Msg::Marks(marks)));
        }
        if let Some(count) = self.open.count.take() {
            return self.count(count);
        }
        Ok(true)
    }

    fn search(&mut self, mut search: Search) -> io::Result<bool> {
        let Search { ticket, direction, target, .. } = search;
        let reached = self.journal.search(&search.choice, (target, direction), search.from, 2)?;
        let is_other = |hit: &&Position| Some(**hit) != search.except;
        let hit = match direction {
            Direction::Up => reached.hits.iter().rev().find(is_other),
            Direction::Down => reached.hits.iter().find(is_other),
        };
        let (hit, end) = (hit.copied(), reached.end);
        if hit.is_none() && !end {
            search.from = reached.at;
            self.open.search = Some(search);
        } else if search.count && target == Target::Entries {
            search.from = Position::default();
            search.direction = Direction::Down;
            self.open.count = Some(search);
        }
        Ok((self.answer)(Msg::Found(SearchProgress { ticket, hit, end })))
    }

    fn count(&mut self, mut search: Search) -> io::Result<bool> {
        let what = (Target::Entries, Direction::Down);
        let reached = self.journal.search(&search.choice, what, search.from, BATCH)?;
        let ticket = search.ticket;
        let counted = Counted { ticket, matches: reached.hits, end: reached.end };
        if !reached.end {
            search.from = reached.at;
            self.open.count = Some(search);
        }
        Ok((self.answer)(Msg::Counted(counted)))
    }
}
