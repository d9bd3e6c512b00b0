//! A thread that writes the merged log to where it is shown.
//!
//! It alone may be held up by a slow reader or a stopped terminal; whoever tells it about news
//! never is. It reads the journal by itself, so what it has not shown yet costs no memory.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::oneshot;

use super::merged::{Chunk, Message, Renderer, Unfinished};
use super::partials::PromptTimer;
use crate::journal::cursor::Cursor;
use crate::model::request::{Head, Partial};
use crate::sys::clock;

/// Bytes that are gathered before they are written.
const BATCH: usize = 64 << 10;
/// The most bytes of an unfinished line that are shown.
const LONGEST_PROMPT: u64 = 64 << 10;

/// What the printer shows.
pub struct Job {
    /// Where it stands in the merged log.
    pub cursor: Cursor,
    /// How it looks.
    pub renderer: Renderer,
    /// Where it goes.
    pub out: Box<dyn Write + Send>,
    /// Where it is noted how far it has come.
    pub shown: Option<File>,
    /// What is written before anything else.
    pub first: Vec<u8>,
    /// What is written after everything else.
    pub last: Vec<u8>,
}

/// The last lines of a view, about the process that ended the run.
#[derive(Debug)]
pub struct Farewell {
    /// Its name.
    pub name: String,
    /// The message with the last lines of the process.
    pub full: Vec<String>,
    /// The same without them, for where they stand right above.
    pub brief: Vec<String>,
    /// Whether it reports a failure.
    pub error: bool,
}

impl Farewell {
    /// Words about no process.
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
    /// Leave off where it is.
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
    /// Whether there are any.
    told: bool,
}

/// Whether the terminal is given back to the shell for a while.
#[derive(Debug)]
enum Aside {
    /// Requested; the sender is dropped once the terminal is as it was before the view.
    Begins(oneshot::Sender<()>),
    /// Over: the view has the terminal again.
    Ends,
}

/// Gives the terminal back to the shell while the view is stopped.
#[derive(Debug)]
pub struct Pause(Arc<Shared>);

impl Pause {
    /// Write what ends the view's output, such as the title that was there before. Returns when it is
    /// written.
    pub async fn begin(&self) {
        let (done, heard) = oneshot::channel();
        self.0.tell(|news| news.aside = Some(Aside::Begins(done)));
        // Dropping it is the answer.
        let _ = heard.await;
    }

    /// Write what begins the view's output once more.
    pub fn end(&self) {
        self.0.tell(|news| news.aside = Some(Aside::Ends));
    }
}

/// Prints messages between the lines of the log, for as long as the log is shown.
#[derive(Debug)]
pub struct Teller(Arc<Shared>);

impl Teller {
    /// Print this message.
    pub fn say(&self, text: impl Into<String>, error: bool) {
        let text = text.into();
        self.0.tell(|news| news.messages.push((text, error)));
    }
}

impl Shared {
    fn news(&self) -> MutexGuard<'_, News> {
        // A poisoned lock means a panic elsewhere; the news themselves are sound.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut News)) {
        let mut news = self.news();
        change(&mut news);
        news.told = true;
        drop(news);
        self.changed.notify_one();
    }

    /// Wait until something is to be done, at most until then.
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
    /// Start showing; `broken` is told if the output can't be written (nobody reads it any more,
    /// a disk is full) or the journal can't be read, which ends it.
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

    /// The journal ends there now.
    pub fn head(&self, head: Head) {
        self.shared.tell(|news| news.head = Some(head));
    }

    /// Say something between the lines of the log.
    pub fn say(&self, text: impl Into<String>, error: bool) {
        self.teller().say(text, error);
    }

    /// A handle that prints messages between the lines of the log.
    pub fn teller(&self) -> Teller {
        Teller(Arc::clone(&self.shared))
    }

    /// Say how the run ended, with the last lines of a process unless they stand right above.
    pub fn say_farewell(&self, farewell: Farewell) {
        self.shared.tell(|news| news.farewell = Some(farewell));
    }

    /// The terminal has another width.
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

    /// No more news: show what was told so far, then end.
    pub fn finish(&self) {
        self.shared.tell(|news| news.over = true);
    }

    /// Leave off as soon as what is being written has been, with a note of how far that was.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.tell(|_| ());
    }

    /// Wait until everything is shown. Blocks for as long as the reader does.
    pub fn join(self) {
        // A panic has told of itself.
        let _ = self.thread.join();
    }
}

struct Loop {
    job: Job,
    prompts: PromptTimer,
    head: Head,
    text: Vec<u8>,
    out: Vec<u8>,
    /// The shell has the terminal.
    aside: bool,
}

impl Loop {
    fn new(job: Job) -> Self {
        let out = job.first.clone();
        let (prompts, head) = (PromptTimer::default(), Head::default());
        Self { job, prompts, head, text: vec![], out, aside: false }
    }

    fn run(&mut self, shared: &Shared) -> io::Result<()> {
        loop {
            let news = shared.wait(self.prompts.next());
            if shared.stop.load(Ordering::Relaxed) {
                return self.leave();
            }
            if let Some(columns) = news.columns {
                self.job.renderer.resize(columns);
            }
            match news.aside {
                Some(Aside::Begins(_done)) => self.step_aside()?,
                Some(Aside::Ends) => self.step_back(),
                None => {}
            }
            if news.entered {
                self.job.renderer.draw_again(&mut self.out);
            }
            if let Some(head) = news.head {
                self.head = head;
            }
            self.show_records(shared)?;
            if shared.stop.load(Ordering::Relaxed) {
                return self.leave();
            }
            self.prompts.update(&self.head.partials, clock::instant());
            for partial in self.prompts.take_due(clock::instant()) {
                self.show_partial(partial)?;
            }
            for (text, error) in news.messages {
                self.say(&text, error);
            }
            if let Some(Farewell { name, full, brief, error }) = news.farewell {
                let above =
                    self.job.renderer.recent_rows(&name) >= full.len().saturating_sub(brief.len());
                for text in if above { brief } else { full } {
                    self.say(&text, error);
                }
            }
            if news.over {
                self.job.renderer.finish(&mut self.out);
                return self.leave();
            }
            self.job.renderer.restore(&mut self.out);
            self.flush()?;
        }
    }

    /// Leave the output as it is to be found.
    fn leave(&mut self) -> io::Result<()> {
        self.job.renderer.settle(&mut self.out);
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
            self.job.renderer.draw_again(&mut self.out);
        }
    }

    fn say(&mut self, text: &str, error: bool) {
        let message = Message { name: None, text, error, time: clock::now() };
        self.job.renderer.message(&message, &mut self.out);
    }

    fn show_records(&mut self, shared: &Shared) -> io::Result<()> {
        while !shared.stop.load(Ordering::Relaxed)
            && let Some(chunk) = self.job.cursor.next(self.head.records, &mut self.text)?
        {
            let chunk = Chunk::whole(&chunk.record, &self.text, chunk.lost);
            self.job.renderer.render(chunk, &mut self.out);
            if self.out.len() >= BATCH {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn show_partial(&mut self, partial: Partial) -> io::Result<()> {
        let Partial { stream, start, end } = partial;
        let from =
            self.job.renderer.wanted_from(stream, start).max(end.saturating_sub(LONGEST_PROMPT));
        // What is gone or not there yet is told by its record.
        self.job.cursor.read_range(stream, from, end, &mut self.text)?;
        if from + self.text.len() as u64 != end {
            return Ok(());
        }
        let line = Unfinished { stream, text: &self.text, end, time: clock::now() };
        self.job.renderer.partial(line, &mut self.out);
        Ok(())
    }

    /// Write what was gathered, then note how far that was.
    fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.job.out.write_all(&self.out)?;
        self.job.out.flush()?;
        self.out.clear();
        if let Some(file) = &self.job.shown {
            // A view that comes later would repeat a little: better than to leave something out.
            let _ = file.write_all_at(&self.job.cursor.position().to_bytes(), 0);
        }
        Ok(())
    }
}
