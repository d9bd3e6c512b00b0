//! The holder of a terminal without tmux: it takes what the terminal prints, and is its own sink.
//!
//! A shim with a terminal of its own forks its holder, and forks another one if that ends. Both have the terminal and a
//! pipe open. The holder moves bytes from the terminal through the pipe into the stream without reading them, where
//! the kernel can do that. If it is killed, what it has moved is in the stream or still in the pipe, and the terminal
//! stays: nothing is lost, and the process only waits for a moment.

mod feed;
mod notes;
mod probe;
mod pty;
mod questions;
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
use self::notes::{Noted, Notes};
pub use self::probe::probe;
use self::questions::{Follower, Known};
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
/// How often to take output before a screen is sent.
const MOST_TAKEN: u32 = 100;
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
    /// It is only a pipe: nothing can be typed, and nothing looks at what is printed.
    is_pipe: bool,
    notes: Notes,
}

impl Terminal {
    /// Open a terminal of this size and make it that of this process: its controlling terminal and its standard
    /// streams.
    pub fn open(size: Size) -> io::Result<Self> {
        let master = pty::become_leader_of_terminal(size)?;
        Ok(Self { master, pipe: io::pipe()?, size, is_pipe: false, notes: Notes::new() })
    }

    /// Make a pipe the standard output and error of this process instead, which it leads without a terminal.
    pub fn open_pipe() -> io::Result<Self> {
        let master = pty::become_leader_with_pipe()?;
        Ok(Self { master, pipe: io::pipe()?, size: (1, 1), is_pipe: true, notes: Notes::new() })
    }

    /// Fork the process that takes what is printed.
    fn hold(&self, spec: &Path) -> io::Result<Holder> {
        let (ours, theirs) = UnixStream::pair()?;
        let (reader, writer) = (self.pipe.0.as_fd(), self.pipe.1.as_fd());
        let keep = [self.master.as_fd(), reader, writer, theirs.as_fd()].map(|fd| fd.as_raw_fd());
        let keep: Vec<_> = keep.into_iter().chain(self.notes.raw_fd()).collect();
        let shim = std::process::id();
        let pid = fork::detached(&keep, || match self.serve(spec, (shim, &theirs)) {
            Ok(()) => 0,
            Err(_) => 1,
        })?;
        Ok(Holder { pid, end: ours, began: Instant::now() })
    }

    /// Take what is printed until no process has the terminal any more.
    fn serve(&self, spec: &Path, (shim, end): (u32, &UnixStream)) -> io::Result<()> {
        // While it waits for the lock of its predecessor, it has taken nothing.
        sys::end_after_parent(shim)?;
        // `ps` shows it as what it is.
        sys::rename_argument(1, "sink");
        let pipe = (self.pipe.0.try_clone()?, self.pipe.1.try_clone()?);
        let feed = Feed::new(self.master.try_clone()?, pipe);
        let noted = self.notes.read();
        let at_least = noted.map_or(0, |noted| noted.end);
        let holding = Holding { is_lossless: feed.is_lossless(), at_least };
        let sink = Sink::of_holder(spec, holding).map_err(io::Error::other)?;
        sink::deafen();
        sys::outlive_parent()?;
        let end_of_stream = sink.appender.end();
        let noted = noted.unwrap_or(Noted { begin: end_of_stream, end: 0, own_size: self.size });
        let noted = Noted { end: end_of_stream, ..noted };
        self.notes.write(noted);
        let mut hold = Hold::new((feed, sink), spec, (self, noted));
        hold.remember(noted.begin);
        hold.feed.take_rest(&mut hold.sink.appender, clock::now());
        self.notes.write_end(hold.sink.appender.end());
        hold.serve(end)
    }
}

/// A holder at work.
struct Hold<'a> {
    notes: &'a Notes,
    feed: Feed,
    sink: Sink,
    bell: BellPause,
    viewers: Viewers,
    socket: PathBuf,
    follower: Follower,
    model: Model,
    stream: StreamReader,
    /// Everything before this offset of the stream has been looked at.
    seen: u64,
    /// What is to be typed.
    input: VecDeque<u8>,
    size: Size,
    is_pipe: bool,
}

impl<'a> Hold<'a> {
    fn new(
        (feed, sink): (Feed, Sink),
        spec: &Path,
        (terminal, noted): (&'a Terminal, Noted),
    ) -> Self {
        let socket = PanePaths::beside(spec).terminal();
        let seen = sink.appender.end();
        let size = pty::size(feed.master()).unwrap_or(noted.own_size);
        Self {
            notes: &terminal.notes,
            viewers: Viewers::listen(Some(&*socket).filter(|_| !terminal.is_pipe), noted.own_size),
            model: Model::new(size, noted.begin),
            stream: sink.reader(),
            seen,
            feed,
            sink,
            bell: BellPause::default(),
            socket,
            follower: Follower::default(),
            input: VecDeque::new(),
            size,
            is_pipe: terminal.is_pipe,
        }
    }

    /// Find out what the program has set in the terminal before this holder began.
    fn remember(&mut self, begin: u64) {
        let end = self.seen;
        self.seen = begin.max(end.saturating_sub(MOST_REMEMBERED)).min(end);
        // The questions have been answered.
        self.read_to(end, |hold, bytes| hold.follower.scan(bytes, |_, _, _| {}));
    }

    fn serve(mut self, shim: &UnixStream) -> io::Result<()> {
        let mut shim = Some(shim);
        let mut until = None;
        loop {
            if self.take()? == Taken::End {
                break;
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

    /// Take what was printed.
    fn take(&mut self) -> io::Result<Taken> {
        let taken = self.feed.take(&mut self.sink.appender, clock::now())?;
        if taken == Taken::Bytes {
            self.notes.write_end(self.sink.appender.end());
            self.ring();
        }
        Ok(taken)
    }

    /// Look at what was printed since: answer questions, and show it to the clients.
    fn look(&mut self) {
        if self.is_pipe {
            self.seen = self.sink.appender.end();
            return;
        }
        self.read_to(self.sink.appender.end(), Self::saw);
        for viewer in self.viewers.all.iter_mut().filter(|viewer| viewer.wants_redraw()) {
            let now = (self.seen, self.follower.modes());
            if let Ok(bytes) = self.model.redraw(&mut self.stream, now) {
                viewer.redraw(self.size, bytes);
            }
        }
    }

    /// Read on up to this offset of the stream.
    fn read_to(&mut self, end: u64, mut take: impl FnMut(&mut Self, &[u8])) {
        let mut buffer = vec![];
        while self.seen < end {
            let most = usize::try_from(end - self.seen).unwrap_or(LOOK).min(LOOK);
            buffer.resize(most, 0);
            match self.stream.read_at(self.seen, &mut buffer) {
                Ok(Read::Bytes(read)) => {
                    take(self, &buffer[..read]);
                    self.seen += read as u64;
                }
                Ok(Read::Gap { next }) => self.seen = next,
                // It can't be read again: clients get a fresh screen when it can.
                Ok(Read::End) | Err(_) => self.seen = end,
            }
        }
    }

    fn saw(&mut self, bytes: &[u8]) {
        let Self { follower, model, stream, input, seen, size, .. } = self;
        follower.scan(bytes, |question, modes, length| {
            let cursor = if question.is_about_cursor() {
                model.cursor(stream, (*seen + length as u64, modes)).unwrap_or((1, 1))
            } else {
                (1, 1)
            };
            input.extend(question.answer(&Known { modes, size: *size, cursor }).bytes());
        });
        for viewer in &mut self.viewers.all {
            viewer.show(bytes);
        }
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
                // It is to show what was printed before it was asked for, as far as that comes to an end.
                let is_taken = |taken| !matches!(taken, Ok(Taken::Bytes));
                let _ = (0..MOST_TAKEN).find(|_| is_taken(self.take()));
                self.look();
                let now = (self.seen, self.follower.modes());
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
            FromClient::Redraw => {
                if let Some(viewer) = self.viewers.all.get_mut(by) {
                    viewer.needs_redraw();
                }
            }
            FromClient::OwnSize(size) => self.notes.write_own_size(size),
            FromClient::Hello(_) | FromClient::Resize(_) => {}
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
        self.follower.resized();
        for viewer in &mut self.viewers.all {
            viewer.resized(size);
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
    /// How many holders in a row have lived for a short time only.
    short_lives: u32,
    /// When to start the next one.
    due: Option<Instant>,
}

impl HolderKeeper {
    /// Start the first holder of this terminal.
    pub fn begin(terminal: Terminal, spec: &Path) -> Self {
        let mut keeper = Self { terminal, holder: None, short_lives: 0, due: None };
        keeper.start(spec);
        keeper
    }

    fn start(&mut self, spec: &Path) {
        match self.terminal.hold(spec) {
            Ok(holder) => (self.holder, self.due) = (Some(holder), None),
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
