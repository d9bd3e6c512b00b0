//! The holder of a terminal without tmux: it takes what the terminal prints, and is its own sink.
//!
//! A shim with a terminal of its own forks its holder, and forks another one if that ends. Both have the terminal and a
//! pipe open. The holder moves bytes from the terminal through the pipe into the stream without reading them, where
//! the kernel can do that. If it is killed, what it has moved is in the stream or still in the pipe, and the terminal
//! stays: nothing is lost, and the process only waits for a moment.

mod feed;
mod modes;
mod probe;
mod pty;
mod screen;
mod viewers;

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use self::feed::{Feed, Taken};
use self::modes::{Modes, Question};
pub use self::probe::probe;
use self::screen::Model;
use self::viewers::{Viewers, Wish};
use super::sink::{self, Holding, Sink};
use crate::journal::stream::{Read, StreamReader};
use crate::protocol::paths::PanePaths;
use crate::protocol::terminal::{FromClient, FromHolder, Size};
use crate::sys::{self, clock, fork};

/// How often the bell is rung at most. A terminal holds only 4 KiB, so its output is taken at once; but the views need
/// not wake up each time.
const BELL_PAUSE: Duration = Duration::from_millis(3);
/// How long to go on taking output after the end of the shim: processes that have left its tree may keep the terminal.
const AFTER_SHIM: Duration = Duration::from_secs(1);
/// How much of the output that an earlier holder has taken is looked at.
const MOST_REMEMBERED: u64 = 1 << 20;
/// How much output is looked at at once.
const LOOK: usize = 64 << 10;
/// How much may wait to be typed before no more is taken from the clients.
const MOST_INPUT: usize = 64 << 10;
/// How long a holder must have lived for its successor to be started at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// How many holders in a row may live shorter than that before the next one has to wait.
const MOST_SHORT_LIVES: u32 = 3;

/// A terminal of our own.
#[derive(Debug)]
pub struct Terminal {
    /// The other end of the terminal.
    master: OwnedFd,
    /// What has been taken from it and is not in the stream yet.
    pipe: (PipeReader, PipeWriter),
    /// Its size while no client looks at it.
    size: Size,
}

impl Terminal {
    /// Open a terminal of this size and make it that of this process: its controlling terminal and its standard
    /// streams.
    pub fn open(size: Size) -> io::Result<Self> {
        let master = pty::become_leader_of_terminal(size)?;
        Ok(Self { master, pipe: io::pipe()?, size })
    }

    /// Fork the process that takes what is printed, in place of an earlier one or as the first.
    fn hold(&self, spec: &Path, is_successor: bool) -> io::Result<Holder> {
        let (ours, theirs) = UnixStream::pair()?;
        let (reader, writer) = (self.pipe.0.as_fd(), self.pipe.1.as_fd());
        let keep = [self.master.as_fd(), reader, writer, theirs.as_fd()].map(|fd| fd.as_raw_fd());
        let shim = std::process::id();
        let pid =
            fork::detached(&keep, || match self.serve(spec, is_successor, (shim, &theirs)) {
                Ok(()) => 0,
                Err(_) => 1,
            })?;
        Ok(Holder { pid, end: ours, began: Instant::now() })
    }

    /// Take what is printed until no process has the terminal any more.
    fn serve(
        &self,
        spec: &Path,
        is_successor: bool,
        (shim, end): (u32, &UnixStream),
    ) -> io::Result<()> {
        // While it waits for the lock of its predecessor, it has taken nothing.
        sys::end_after_parent(shim)?;
        // `ps` shows it as what it is.
        sys::rename_argument(1, "sink");
        let pipe = (self.pipe.0.try_clone()?, self.pipe.1.try_clone()?);
        let feed = Feed::new(self.master.try_clone()?, pipe);
        let holding = Holding { is_lossless: feed.is_lossless(), is_successor };
        let sink = Sink::of_holder(spec, holding).map_err(io::Error::other)?;
        sink::deafen();
        sys::outlive_parent()?;
        let mut hold = Hold::new(feed, sink, spec, self.size);
        hold.remember();
        hold.feed.take_rest(&mut hold.sink.appender, clock::now());
        hold.serve(end)
    }
}

/// A holder at work.
struct Hold {
    feed: Feed,
    sink: Sink,
    bell: BellPause,
    viewers: Viewers,
    socket: PathBuf,
    modes: Modes,
    model: Model,
    stream: StreamReader,
    /// Everything before this offset of the stream has been looked at.
    seen: u64,
    /// What is to be typed.
    input: VecDeque<u8>,
    size: Size,
}

impl Hold {
    fn new(feed: Feed, sink: Sink, spec: &Path, own_size: Size) -> Self {
        let socket = PanePaths::beside(spec).terminal();
        let seen = sink.appender.end();
        let size = pty::size(feed.master()).unwrap_or(own_size);
        Self {
            viewers: Viewers::listen(&socket, size),
            model: Model::new(size, sink.from),
            stream: sink.reader(),
            seen,
            feed,
            sink,
            bell: BellPause::default(),
            socket,
            modes: Modes::default(),
            input: VecDeque::new(),
            size,
        }
    }

    /// Find out what the program has set in the terminal before this holder began.
    fn remember(&mut self) {
        let mut at = self.sink.from.max(self.seen.saturating_sub(MOST_REMEMBERED));
        let mut buffer = vec![0; LOOK];
        while at < self.seen {
            let most = usize::try_from(self.seen - at).unwrap_or(LOOK).min(LOOK);
            match self.stream.read_at(at, &mut buffer[..most]) {
                Ok(Read::Bytes(read)) => {
                    // The questions have been answered.
                    self.modes.scan(&buffer[..read], |_, _| {});
                    at += read as u64;
                }
                Ok(Read::Gap { next }) => at = next,
                Ok(Read::End) | Err(_) => return,
            }
        }
    }

    fn serve(mut self, shim: &UnixStream) -> io::Result<()> {
        let mut shim = Some(shim);
        let mut until = None;
        loop {
            match self.feed.take(&mut self.sink.appender, clock::now())? {
                Taken::Bytes => self.ring(),
                Taken::Nothing => {}
                Taken::End => break,
            }
            self.look();
            if until.is_some_and(|until| until <= Instant::now()) {
                break;
            }
            if self.wait(shim, until)? {
                shim = None;
                until = Some(Instant::now() + AFTER_SHIM);
            }
            self.ring_if_due();
        }
        self.finish();
        Ok(())
    }

    /// Look at what was printed since: answer questions, and show it to the clients.
    fn look(&mut self) {
        let end = self.sink.appender.end();
        let mut buffer = vec![];
        while self.seen < end {
            let most = usize::try_from(end - self.seen).unwrap_or(LOOK).min(LOOK);
            buffer.resize(most, 0);
            match self.stream.read_at(self.seen, &mut buffer) {
                Ok(Read::Bytes(read)) => self.saw(&buffer[..read]),
                Ok(Read::Gap { next }) => self.seen = next,
                // It can't be read again: who looks gets a fresh screen when it can.
                Ok(Read::End) | Err(_) => self.seen = end,
            }
        }
        for at in 0..self.viewers.all.len() {
            if self.viewers.all[at].wants_redraw() {
                let now = (self.seen, &self.modes);
                if let Ok(bytes) = self.model.redraw(&mut self.stream, now) {
                    self.viewers.all[at].send(&FromHolder::Size(self.size));
                    self.viewers.all[at].redraw(&bytes);
                }
            }
        }
    }

    fn saw(&mut self, bytes: &[u8]) {
        let mut asked = vec![];
        self.modes.scan(bytes, |question, at| asked.push((question, at)));
        for (question, at) in asked {
            let answer = self.answer(question, self.seen + at as u64);
            self.input.extend(answer);
        }
        self.seen += bytes.len() as u64;
        for viewer in &mut self.viewers.all {
            viewer.show(bytes);
        }
    }

    /// The answer to a question that ended at this offset.
    fn answer(&mut self, question: Question, at: u64) -> Vec<u8> {
        let (columns, rows) = self.size;
        let text = match question {
            // A VT220 with colours.
            Question::Attributes => "\x1b[?62;22c".to_owned(),
            Question::SecondaryAttributes => "\x1b[>1;10;0c".to_owned(),
            Question::Status => "\x1b[0n".to_owned(),
            Question::Cursor { is_private } => {
                let cursor = self.model.cursor(&mut self.stream, (at, &self.modes));
                let (row, column) = cursor.unwrap_or((1, 1));
                format!("\x1b[{}{row};{column}R", if is_private { "?" } else { "" })
            }
            Question::Mode(mode) => format!("\x1b[?{mode};{}$y", self.modes.report(mode)),
            Question::Version => format!("\x1bP>|tmo {}\x1b\\", env!("CARGO_PKG_VERSION")),
            Question::Color(10) => "\x1b]10;rgb:ffff/ffff/ffff\x1b\\".to_owned(),
            Question::Color(which) => format!("\x1b]{which};rgb:0000/0000/0000\x1b\\"),
            Question::Size => format!("\x1b[8;{rows};{columns}t"),
        };
        text.into_bytes()
    }

    /// Wait for output or clients, and serve the clients; returns whether the shim has ended.
    fn wait(&mut self, shim: Option<&UnixStream>, until: Option<Instant>) -> io::Result<bool> {
        let takes_input = self.input.len() < MOST_INPUT;
        let master =
            if self.input.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut fds = vec![PollFd::from_borrowed_fd(self.feed.master(), master)];
        let shim = shim.map(UnixStream::as_fd);
        let (shim_at, listener) = (fds.len(), self.viewers.listener());
        fds.extend(shim.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let listener_at = fds.len();
        fds.extend(listener.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let viewers_at = fds.len();
        fds.extend(self.viewers.all.iter().map(|viewer| {
            let mut events = PollFlags::empty();
            events.set(PollFlags::IN, takes_input);
            events.set(PollFlags::OUT, viewer.has_to_send());
            PollFd::from_borrowed_fd(viewer.fd(), events)
        }));
        let deadlines = [until, self.bell.due, self.viewers.deadline()];
        let events = poll(&mut fds, deadlines.into_iter().flatten().min())?;
        drop(fds);
        let has = |at: usize| events.get(at).is_some_and(|events| !events.is_empty());
        for (at, events) in events[viewers_at..].iter().enumerate() {
            if events.contains(PollFlags::OUT) {
                self.viewers.all[at].flush();
            }
            if events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                for wish in self.viewers.receive(at) {
                    self.fulfil(wish);
                }
            }
        }
        if listener_at < viewers_at && has(listener_at) {
            self.viewers.accept();
        }
        self.viewers.forget_gone();
        self.adapt_size();
        self.write_input();
        Ok(shim_at < listener_at && has(shim_at))
    }

    fn fulfil(&mut self, Wish { by, frame }: Wish) {
        match frame {
            FromClient::Input(bytes) => self.input.extend(bytes),
            FromClient::Screen(wanted) => {
                let now = (self.seen, &self.modes);
                let screen = self.model.text(&mut self.stream, now, wanted);
                if let (Ok(screen), Some(viewer)) = (screen, self.viewers.all.get_mut(by)) {
                    viewer.send(&FromHolder::Screen(Box::new(screen)));
                }
            }
            FromClient::Typed => {
                if let Some(viewer) = self.viewers.all.get_mut(by) {
                    viewer.awaits_typed = true;
                }
            }
            FromClient::Hello(_) | FromClient::Resize(_) | FromClient::OwnSize(_) => {}
        }
    }

    /// Give the terminal the size that its clients want.
    fn adapt_size(&mut self) {
        let size = self.viewers.size();
        if size == self.size || pty::resize(self.feed.master(), size).is_err() {
            return;
        }
        self.size = size;
        self.model.resize(size);
        for viewer in &mut self.viewers.all {
            viewer.send(&FromHolder::Size(size));
        }
    }

    /// Type as much as the terminal takes now.
    fn write_input(&mut self) {
        while !self.input.is_empty() {
            match rustix::io::write(self.feed.master(), self.input.as_slices().0) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return,
                Ok(written) => drop(self.input.drain(..written)),
                Err(rustix::io::Errno::INTR) => {}
                // No process has the terminal any more.
                Err(_) => self.input.clear(),
            }
        }
        for viewer in &mut self.viewers.all {
            if std::mem::take(&mut viewer.awaits_typed) {
                viewer.send(&FromHolder::Typed);
            }
        }
    }

    /// Ring the bell, or make sure that it will be rung soon.
    fn ring(&mut self) {
        let now = Instant::now();
        match self.bell.rung.map(|rung| rung + BELL_PAUSE).filter(|&next| next > now) {
            Some(next) => _ = self.bell.due.get_or_insert(next),
            None => self.ring_now(now),
        }
    }

    fn ring_if_due(&mut self) {
        let now = Instant::now();
        if self.bell.due.is_some_and(|due| due <= now) {
            self.ring_now(now);
        }
    }

    fn ring_now(&mut self, now: Instant) {
        self.sink.ring(b'd');
        self.bell = BellPause { rung: Some(now), due: None };
    }

    /// Everything has been taken.
    fn finish(mut self) {
        // A later holder may have its own socket there already, which then is removed: it has no clients yet, since
        // its shim starts only after this holder's.
        let _ = std::fs::remove_file(&self.socket);
        self.sink.appender.finish(clock::now());
        self.sink.ring(b'd');
        self.sink.leave();
    }
}

/// When the bell was rung, and when it must be rung again.
#[derive(Debug, Default)]
struct BellPause {
    rung: Option<Instant>,
    due: Option<Instant>,
}

/// Wait for these events, or until the deadline; returns what has happened.
fn poll(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<Vec<PollFlags>> {
    let time = deadline.map(|at| sys::timespec(at.saturating_duration_since(Instant::now())));
    match rustix::event::poll(fds, time.as_ref()) {
        Ok(_) => Ok(fds.iter().map(PollFd::revents).collect()),
        Err(rustix::io::Errno::INTR) => Ok(vec![PollFlags::empty(); fds.len()]),
        Err(error) => Err(error.into()),
    }
}

/// The holder of a terminal, as its shim sees it.
#[derive(Debug)]
struct Holder {
    /// Its process id.
    pid: u32,
    /// Closed when it ends.
    end: UnixStream,
    began: Instant,
}

/// Keeps a holder for the terminal of a shim.
#[derive(Debug)]
pub struct HolderKeeper {
    terminal: Terminal,
    holder: Option<Holder>,
    /// There has been a holder.
    has_begun: bool,
    /// How many holders in a row have lived for a short time only.
    short_lives: u32,
    /// When to start the next one.
    due: Option<Instant>,
}

impl HolderKeeper {
    /// Start the first holder of this terminal.
    pub fn begin(terminal: Terminal, spec: &Path) -> Self {
        let mut keeper =
            Self { terminal, holder: None, has_begun: false, short_lives: 0, due: None };
        keeper.start(spec);
        keeper
    }

    fn start(&mut self, spec: &Path) {
        match self.terminal.hold(spec, self.has_begun) {
            Ok(holder) => {
                (self.holder, self.due) = (Some(holder), None);
                self.has_begun = true;
            }
            // The user has too many processes: some will end.
            Err(_) => self.due = Some(Instant::now() + SHORT_LIFE),
        }
    }

    /// The process id of the holder, 0 while there is none.
    pub fn pid(&self) -> u32 {
        self.holder.as_ref().map_or(0, |holder| holder.pid)
    }

    /// What is closed when the holder ends.
    pub fn end(&self) -> Option<BorrowedFd<'_>> {
        self.holder.as_ref().map(|holder| holder.end.as_fd())
    }

    /// When [`Self::renew`] has something to do.
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Start another holder if this one has ended.
    pub fn renew(&mut self, spec: &Path) {
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            return self.start(spec);
        }
        let Some(holder) = &self.holder else { return };
        if !has_ended(&holder.end) {
            return;
        }
        let is_short = now.duration_since(holder.began) < SHORT_LIFE;
        self.short_lives = if is_short { self.short_lives + 1 } else { 0 };
        self.holder = None;
        if self.short_lives > MOST_SHORT_LIVES {
            self.due = Some(now + SHORT_LIFE);
        } else {
            self.start(spec);
        }
    }
}

/// Whether the other end is closed.
fn has_ended(end: &UnixStream) -> bool {
    let polled = poll(&mut [PollFd::new(end, PollFlags::IN)], Some(Instant::now()));
    polled.is_ok_and(|events| events.iter().any(|events| !events.is_empty()))
}
