//! The thread that reads the journal.
//!
//! Loading goes before searching, searching before counting; a new question of a kind replaces the old one.
//! A search is done in steps, between which new questions are looked at, so nothing has to wait for it.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use super::pages::Journal;
use super::state::log::Load;
use super::state::msg::{
    Choice, Counted, Direction, Loaded, Msg, Question, Search, SearchProgress, Target,
};
use super::state::timeline::Period;
use crate::journal::read::cursor::Position;
use crate::model::request::Partial;

/// How many matches one step of counting returns.
const BATCH: usize = 4096;

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
            match self.asked.try_recv() {
                Ok(question) => self.take(question),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        match self.step() {
            Ok(Some(answer)) => (self.answer)(answer),
            // Every question is answered: wait for the next one.
            Ok(None) => self.asked.recv().map(|question| self.take(question)).is_ok(),
            Err(error) => {
                self.open = Open::default();
                (self.answer)(Msg::Unreadable(error.to_string()))
            }
        }
    }

    fn take(&mut self, question: Question) {
        let open = &mut self.open;
        match question {
            Question::Load(ticket, load, choice) => open.load = Some((ticket, load, choice)),
            Question::Search(search) => {
                if search.count {
                    open.count = None;
                }
                open.search = Some(search);
            }
            Question::StopSearch => (open.search, open.count) = (None, None),
            Question::ScreenEnd(at, choice) => open.screen_end = Some((at, choice)),
            Question::Reopen => open.reopen = true,
            Question::Marks(records) => open.marks = Some(records),
            Question::Output(period, columns) => open.output = Some((period, columns)),
            Question::Unfinished(lines) => open.unfinished.extend(lines),
        }
    }

    /// Answer the most urgent question, as far as one step does; `None` if there is none.
    fn step(&mut self) -> io::Result<Option<Msg>> {
        if std::mem::take(&mut self.open.reopen) {
            self.journal.reopen()?;
        }
        if let Some((ticket, load, choice)) = self.open.load.take() {
            let (from, parts) = self.journal.load(&load, &choice)?;
            let head = self.journal.head()?;
            return Ok(Some(Msg::Loaded(Loaded { ticket, load, from, head, parts })));
        }
        if !self.open.unfinished.is_empty() {
            let lines = self.journal.unfinished(&std::mem::take(&mut self.open.unfinished))?;
            return Ok(Some(Msg::Unfinished(lines)));
        }
        if let Some(search) = self.open.search.take() {
            return self.search(search).map(Some);
        }
        if let Some((position, choice)) = self.open.screen_end.take() {
            let end = self.journal.screen_end(position, &choice)?;
            return Ok(Some(Msg::ScreenEnd(end)));
        }
        if let Some((period, columns)) = self.open.output.take() {
            let output = self.journal.output(period, columns)?;
            return Ok(Some(Msg::Output(output)));
        }
        if let Some(records) = self.open.marks.take() {
            let marks = self.journal.marks(records)?;
            return Ok(Some(Msg::Marks(marks)));
        }
        let count = self.open.count.take();
        count.map(|count| self.count(count)).transpose()
    }

    fn search(&mut self, mut search: Search) -> io::Result<Msg> {
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
        Ok(Msg::Found(SearchProgress { ticket, hit, end }))
    }

    fn count(&mut self, mut search: Search) -> io::Result<Msg> {
        let what = (Target::Entries, Direction::Down);
        let reached = self.journal.search(&search.choice, what, search.from, BATCH)?;
        let ticket = search.ticket;
        let counted = Counted { ticket, matches: reached.hits, end: reached.end };
        if !reached.end {
            search.from = reached.at;
            self.open.count = Some(search);
        }
        Ok(Msg::Counted(counted))
    }
}
