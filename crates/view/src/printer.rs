//! The thread that writes the merged log to the terminal or pipe.
//!
//! Only this thread waits for a slow reader or a stopped terminal, never the threads that send it
//! news. It reads the journal itself, so output that it has not shown yet uses no memory.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::formatter::{Formatter, LogLine};
use super::merged::Unfinished;
use crate::journal::record::Kind;
use crate::journal::search::lines::Entry;
use crate::journal::search::select::SelectedEntries;
use crate::model::event::{Logged, What};
use crate::model::request::{Head, Partial};
use crate::model::terminal::unfinished::PromptTimer;
use crate::sys::clock;

/// How many bytes are collected before they are written.
const BATCH: usize = 64 << 10;
/// The control character that rings a terminal.
const BELL: u8 = 7;
/// A process that has begun to wait for input longer ago has been rung for by another view.
const NEW: Duration = Duration::from_secs(5);
/// The maximum number of bytes of an unfinished line that are shown.
const LONGEST_PROMPT: u64 = 64 << 10;

/// What the printer shows, and where.
pub struct Job {
    pub entries: SelectedEntries,
    pub formatter: Formatter,
    /// Entries of records with numbers below this are shown before any news.
    pub upto: u64,
    /// Whether lines without an end are shown on a terminal.
    pub shows_unfinished: bool,
    pub out: Box<dyn Write + Send>,
    /// The file that records the position up to which the log has been shown.
    pub shown: Option<File>,
    /// Bytes to write before everything else.
    pub first: Vec<u8>,
    /// Bytes to write after everything else.
    pub last: Vec<u8>,
    /// Ring the terminal when a process waits for input.
    pub rings: bool,
}

impl Job {
    /// Show these entries on standard output.
    pub fn new(entries: SelectedEntries, formatter: Formatter) -> Self {
        Self {
            entries,
            formatter,
            upto: 0,
            shows_unfinished: true,
            out: Box::new(io::stdout()),
            shown: None,
            first: vec![],
            last: vec![],
            rings: false,
        }
    }
}

/// The last lines of a view, about the process that ended the run.
#[derive(Debug)]
pub struct Farewell {
    pub name: String,
    /// The message with the last lines of the process.
    pub full: Vec<String>,
    /// The same without the last lines, for when they are right above on the screen.
    pub brief: Vec<String>,
    /// Whether it reports a failure.
    pub error: bool,
}

impl Farewell {
    /// A message that is not about a process.
    pub fn plain(words: Vec<String>) -> Self {
        Self { name: String::new(), full: words.clone(), brief: words, error: true }
    }
}

/// The running thread.
#[derive(Debug)]
pub struct Printer {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    news: Mutex<News>,
    changed: Condvar,
    /// Stop at once, without showing the rest.
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct News {
    head: Option<Head>,
    messages: Vec<(String, bool)>,
    farewell: Option<Farewell>,
    columns: Option<u16>,
    aside: Option<Aside>,
    entered: bool,
    over: bool,
    /// Whether there is any news.
    told: bool,
}

/// Whether the terminal is temporarily handed back to the shell.
#[derive(Debug)]
enum Aside {
    /// Requested. The sender is dropped once the terminal is restored to its state before the view.
    Begins(oneshot::Sender<()>),
    /// Over: the view has the terminal again.
    Ends,
}

/// Gives the terminal back to the shell while the view is stopped.
#[derive(Debug)]
pub struct Pause(Arc<Shared>);

impl Pause {
    /// Write what ends the view's output, for example the previous title. Returns after it has been
    /// written.
    pub async fn begin(&self) {
        let (done, heard) = oneshot::channel();
        self.0.tell(|news| news.aside = Some(Aside::Begins(done)));
        // The printer answers by dropping the sender.
        let _ = heard.await;
    }

    /// Write what begins the view's output again.
    pub fn end(&self) {
        self.0.tell(|news| news.aside = Some(Aside::Ends));
    }
}

impl Shared {
    fn news(&self) -> MutexGuard<'_, News> {
        // A poisoned lock means a panic elsewhere; the data itself is valid.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut News)) {
        let mut news = self.news();
        change(&mut news);
        news.told = true;
        drop(news);
        self.changed.notify_one();
    }

    /// Wait until there is news, at most until the given time.
    fn wait(&self, until: Option<Instant>) -> News {
        let nothing = |news: &mut News| !news.told;
        let news = self.news();
        let mut news = if let Some(until) = until {
            let left = until.saturating_duration_since(clock::instant());
            let waited = self.changed.wait_timeout_while(news, left, nothing);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            let waited = self.changed.wait_while(news, nothing);
            waited.unwrap_or_else(PoisonError::into_inner)
        };
        std::mem::take(&mut news)
    }
}

impl Printer {
    /// Start the thread. It ends, and calls `broken`, if the output can't be written (its reader is
    /// gone, or the disk is full) or the journal can't be read.
    pub fn start(job: Job, broken: impl FnOnce(io::Error) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("printer".into()).spawn(move || {
            if let Err(error) = Loop::new(job).run(&theirs) {
                broken(error);
            }
        })?;
        Ok(Self { shared, thread })
    }

    /// Set the new end of the journal.
    pub fn head(&self, head: Head) {
        self.shared.tell(|news| news.head = Some(head));
    }

    /// Print a message between the lines of the log.
    pub fn say(&self, text: impl Into<String>, error: bool) {
        self.teller()(text.into(), error);
    }

    /// Prints messages between the lines of the log, for tasks.
    pub fn teller(&self) -> impl Fn(String, bool) + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move |text, error| shared.tell(|news| news.messages.push((text, error)))
    }

    /// Print how the run ended. The last lines of the process are left out if they are right above
    /// on the screen.
    pub fn say_farewell(&self, farewell: Farewell) {
        self.shared.tell(|news| news.farewell = Some(farewell));
    }

    /// Set the new width of the terminal.
    pub fn resize(&self, columns: u16) {
        self.shared.tell(|news| news.columns = Some(columns));
    }

    /// The user has pressed Enter in the terminal, which moves the cursor to a fresh row.
    pub fn entered(&self) {
        self.shared.tell(|news| news.entered = true);
    }

    /// A handle that gives the terminal back to the shell for a while.
    pub fn pause(&self) -> Pause {
        Pause(Arc::clone(&self.shared))
    }

    /// No more news will come: show everything up to here, then end.
    pub fn finish(&self) {
        self.shared.tell(|news| news.over = true);
    }

    /// Stop after the write in progress and record the position that was reached.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.tell(|_| ());
    }

    /// Wait until everything has been shown. Blocks as long as the reader does.
    pub fn join(self) {
        // A panic has already been reported.
        let _ = self.thread.join();
    }
}

struct Loop {
    job: Job,
    prompts: PromptTimer<Instant>,
    head: Head,
    text: Vec<u8>,
    out: Vec<u8>,
    /// The shell has the terminal at present.
    aside: bool,
}

/// Whether an entry shows that a process has just begun to wait for input.
fn begins_to_ask(entry: &Entry<'_>) -> bool {
    entry.record.kind == Kind::Event
        && Logged::from_json(entry.text.trim_ascii_end())
            .is_some_and(|event| matches!(event.what(), Some(What::Prompt { again: false, .. })))
        && clock::now().since(entry.record.time) < NEW
}

impl Loop {
    fn new(job: Job) -> Self {
        let out = job.first.clone();
        let prompts = PromptTimer::default();
        let head = Head { records: job.upto, ..Head::default() };
        Self { job, prompts, head, text: vec![], out, aside: false }
    }

    fn run(&mut self, shared: &Shared) -> io::Result<()> {
        if self.job.upto > 0 {
            self.show_records(shared)?;
            self.flush()?;
        }
        loop {
            let news = shared.wait(self.prompts.next());
            if shared.stop.load(Ordering::Relaxed) {
                return self.leave();
            }
            if let Some(columns) = news.columns {
                self.job.formatter.renderer.resize(columns);
            }
            match news.aside {
                Some(Aside::Begins(_done)) => self.step_aside()?,
                Some(Aside::Ends) => self.step_back(),
                None => {}
            }
            if news.entered {
                self.job.formatter.renderer.draw_again(&mut self.out);
            }
            if let Some(head) = news.head {
                self.head = head;
            }
            self.show_records(shared)?;
            if shared.stop.load(Ordering::Relaxed) {
                return self.leave();
            }
            if self.job.shows_unfinished {
                self.prompts.update(&self.head.partials, clock::instant());
            }
            for partial in self.prompts.take_due(clock::instant()) {
                self.show_partial(partial)?;
            }
            for (text, error) in news.messages {
                self.say(&text, error);
            }
            if let Some(Farewell { name, full, brief, error }) = news.farewell {
                let above = self.job.formatter.renderer.recent_rows(&name)
                    >= full.len().saturating_sub(brief.len());
                for text in if above { brief } else { full } {
                    self.say(&text, error);
                }
            }
            if news.over {
                self.job.formatter.renderer.finish(&mut self.out);
                return self.leave();
            }
            self.job.formatter.renderer.restore(&mut self.out);
            self.flush()?;
        }
    }

    /// Leave the output in a state in which others can write to it.
    fn leave(&mut self) -> io::Result<()> {
        self.job.formatter.renderer.settle(&mut self.out);
        self.step_aside()
    }

    fn step_aside(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.aside, true) {
            self.out.extend_from_slice(&self.job.last);
        }
        self.flush()
    }

    fn step_back(&mut self) {
        if std::mem::replace(&mut self.aside, false) {
            self.out.extend_from_slice(&self.job.first);
            self.job.formatter.renderer.draw_again(&mut self.out);
        }
    }

    fn say(&mut self, text: &str, error: bool) {
        self.job.formatter.renderer.message(text, error, clock::now(), &mut self.out);
    }

    fn show_records(&mut self, shared: &Shared) -> io::Result<()> {
        let mut goes_on = true;
        while goes_on && !shared.stop.load(Ordering::Relaxed) {
            let Job { entries, formatter, rings, .. } = &mut self.job;
            let out = &mut self.out;
            goes_on = entries.next(self.head.records, &mut |entry, among| {
                formatter.show(LogLine::Read(entry, among), out);
                if *rings && begins_to_ask(entry) {
                    out.push(BELL);
                }
            })?;
            if self.out.len() >= BATCH {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn show_partial(&mut self, partial: Partial) -> io::Result<()> {
        let Partial { stream, start, end } = partial;
        if !self.job.entries.cursor().wants_stream(stream) {
            return Ok(());
        }
        let renderer = &mut self.job.formatter.renderer;
        let from = renderer.wanted_from(stream, start).max(end.saturating_sub(LONGEST_PROMPT));
        // If bytes are missing (deleted, or not written yet), the record of the line will report
        // it.
        self.job.entries.cursor().read_range(stream, from, end, &mut self.text)?;
        if from + self.text.len() as u64 != end {
            return Ok(());
        }
        let line = Unfinished { stream, text: &self.text, end, time: clock::now() };
        renderer.partial(line, &mut self.out);
        Ok(())
    }

    /// Write the collected bytes, then record the position.
    fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.job.out.write_all(&self.out)?;
        self.job.out.flush()?;
        self.out.clear();
        if let Some(file) = &self.job.shown {
            // If this fails, a later view repeats a little, which is better than leaving something
            // out.
            let _ = file.write_all_at(&self.job.entries.cursor().position().to_bytes(), 0);
        }
        Ok(())
    }
}
