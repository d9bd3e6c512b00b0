//! The holder of a terminal without tmux: it takes what the terminal prints, and is its own sink.
//!
//! A shim with a terminal of its own forks its holder, and forks another one if that ends. Both have the terminal and a
//! pipe open. The holder moves bytes from the terminal through the pipe into the stream without reading them, where
//! the kernel can do that. If it is killed, what it has moved is in the stream or still in the pipe, and the terminal
//! stays: nothing is lost, and the process only waits for a moment.

mod feed;
mod input;
mod keeper;
mod pty;
mod questions;
mod screen;
mod viewers;

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use self::feed::{Feed, Pace, Taken};
use self::input::Input;
pub use self::keeper::HolderKeeper;
use self::keeper::{Noted, Notes};
pub use self::pty::probe;
use self::questions::{AnswerContext, Follower};
use self::screen::{Model, Offsets};
use self::viewers::{Viewer, Viewers};
use super::sink::{self, Holding, Sink};
use super::tty;
use crate::journal::read::stream::{Read, StreamReader};
use crate::journal::write::append::Appender;
use crate::model::terminal::Emulator;
use crate::model::time::Timestamp;
use crate::protocol::paths::PanePaths;
use crate::protocol::terminal::{FromClient, FromHolder, Size, limited};
use crate::sys::{self, clock, fork};

/// How long to go on taking output after the end of the shim: processes that have left its tree may keep the terminal.
const AFTER_SHIM: Duration = Duration::from_secs(1);
/// How much of the output that an earlier holder has taken is looked at.
const MOST_REMEMBERED: u64 = 1 << 20;
/// How much output is looked at at once.
const LOOK: usize = 64 << 10;
/// How often to take output before a screen is sent.
const MOST_TAKEN: u32 = 100;

/// A terminal of our own.
#[derive(Debug)]
pub struct Terminal {
    main: Channel,
    /// The terminal for standard error, if that is apart.
    stderr: Option<Channel>,
    /// Its size while no client looks at it.
    size: Size,
    /// It is only a pipe: nothing can be typed, and nothing looks at what is printed.
    is_pipe: bool,
}

/// What is taken from a terminal, on its way into a stream.
#[derive(Debug)]
struct Channel {
    /// The other end of the terminal.
    master: OwnedFd,
    /// What has been taken from it and is not in the stream yet.
    pipe: (PipeReader, PipeWriter),
    notes: Notes,
}

impl Channel {
    fn new(master: OwnedFd) -> io::Result<Self> {
        Ok(Self { master, pipe: io::pipe()?, notes: keeper::Notes::new() })
    }

    fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let fds = [self.master.as_fd(), self.pipe.0.as_fd(), self.pipe.1.as_fd()];
        fds.map(|fd| fd.as_raw_fd()).into_iter().chain(self.notes.raw_fd())
    }

    fn feed(&self) -> io::Result<Feed> {
        let pipe = (self.pipe.0.try_clone()?, self.pipe.1.try_clone()?);
        Ok(feed::Feed::new(self.master.try_clone()?, pipe))
    }
}

impl Terminal {
    /// Open a terminal of this size and make it that of this process: its controlling terminal and its standard
    /// streams.
    pub fn open(size: Size) -> io::Result<Self> {
        let size = limited(size);
        let main = Channel::new(pty::become_leader_of_terminal(size)?)?;
        Ok(Self { main, stderr: None, size, is_pipe: false })
    }

    /// Make a pipe the standard output and error of this process instead, which it leads without a terminal.
    pub fn open_pipe() -> io::Result<Self> {
        let main = Channel::new(pty::become_leader_with_pipe()?)?;
        Ok(Self { main, stderr: None, size: (1, 1), is_pipe: true })
    }

    /// Take standard error from another terminal or pipe; returns the end that its processes have.
    pub fn split_stderr(&mut self) -> io::Result<OwnedFd> {
        let (ours, theirs) = pty::open_for_stderr(self.size, self.is_pipe)?;
        self.stderr = Some(Channel::new(ours)?);
        Ok(theirs)
    }

    /// Fork the process that takes what is printed.
    fn hold(&self, spec: &Path) -> io::Result<Holder> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let channels = std::iter::once(&self.main).chain(&self.stderr);
        let keep = channels.flat_map(Channel::descriptors).chain([theirs.as_raw_fd()]);
        let keep: Vec<_> = keep.collect();
        let shim = std::process::id();
        let pid = fork::detached(&keep, || match self.serve(spec, shim, &theirs) {
            Ok(()) => 0,
            Err(_) => 1,
        })?;
        Ok(Holder { pid, end: ours, began: Instant::now() })
    }

    /// Take what is printed until no process has the terminal any more.
    fn serve(&self, spec: &Path, shim: u32, end: &UnixStream) -> io::Result<()> {
        // While it waits for the lock of its predecessor, it has taken nothing.
        sys::end_after_parent(shim)?;
        // `ps` shows it as what it is.
        sys::rename_argument(1, "sink");
        // The main stream first: what is in its pipe was printed before what is still to be taken from standard error.
        let feed = self.main.feed()?;
        let stderr = self.stderr.as_ref().map(Channel::feed).transpose()?;
        let noted = self.main.notes.load();
        let at_least = noted.map_or(0, |noted| noted.end);
        let is_lossless = feed.is_lossless() && stderr.as_ref().is_none_or(feed::Feed::is_lossless);
        let holding = Holding { is_lossless, at_least };
        let sink = Sink::of_holder(spec, holding).map_err(io::Error::other)?;
        sink::deafen();
        sys::outlive_parent()?;
        let end_of_stream = sink.appender.end();
        let noted = noted.unwrap_or(Noted { begin: end_of_stream, end: 0, own_size: self.size });
        let noted = Noted { end: end_of_stream, ..noted };
        self.main.notes.write(noted);
        let stderr = self.stderr.as_ref().zip(stderr);
        let stderr = stderr.map(|(channel, feed)| Stderr::open(channel, feed, &sink));
        let mut hold = Hold::new(feed, sink, stderr, spec, self, noted);
        hold.remember();
        hold.take_rest()?;
        hold.serve(end)
    }
}

/// Standard error of a process, if it is a stream of its own.
struct Stderr<'a> {
    notes: &'a Notes,
    feed: Feed,
    appender: Appender,
    /// Where the output of this terminal begins in the stream.
    begin: u64,
    /// No process has the terminal any more.
    is_over: bool,
}

impl<'a> Stderr<'a> {
    fn open(Channel { notes, .. }: &'a Channel, feed: Feed, sink: &Sink) -> (Self, StreamReader) {
        let noted = notes.load();
        let (appender, stream) = sink.open_stderr(noted.map_or(0, |noted| noted.end));
        let end = appender.end();
        let begin = noted.map_or(end, |noted| noted.begin);
        notes.write(Noted { begin, end, own_size: (0, 0) });
        (Self { notes, feed, appender, begin, is_over: false }, stream)
    }

    /// Append everything that was printed before this call.
    fn take_all(&mut self, now: Timestamp) -> io::Result<Taken> {
        if self.is_over {
            return Ok(feed::Taken::End);
        }
        let taken = self.feed.take_all(&mut self.appender, now)?;
        match taken {
            feed::Taken::Bytes => self.notes.write_end(self.appender.end()),
            feed::Taken::End => self.is_over = true,
            feed::Taken::Nothing => {}
        }
        Ok(taken)
    }
}

/// A holder at work.
struct Hold<'a> {
    notes: &'a Notes,
    feed: Feed,
    sink: Sink,
    bell: Pace,
    viewers: Viewers,
    socket: PathBuf,
    follower: Follower,
    model: Model,
    /// Readers of the main stream, and of standard error if it is apart.
    streams: Vec<StreamReader>,
    /// Everything before these offsets of the streams has been looked at.
    seen: Offsets,
    /// Standard error, if it is apart.
    stderr: Option<Stderr<'a>>,
    /// No process has the main terminal any more.
    is_over: bool,
    /// What is to be typed.
    input: Input,
    size: Size,
    is_pipe: bool,
}

impl<'a> Hold<'a> {
    fn new(
        feed: Feed,
        sink: Sink,
        stderr: Option<(Stderr<'a>, StreamReader)>,
        spec: &Path,
        terminal: &'a Terminal,
        noted: Noted,
    ) -> Self {
        let socket = PanePaths::beside(spec).terminal();
        let size = pty::size(feed.master()).unwrap_or(noted.own_size);
        let (stderr, stream) = stderr.unzip();
        let begin = [noted.begin, stderr.as_ref().map_or(0, |stderr| stderr.begin)];
        Self {
            notes: &terminal.main.notes,
            viewers: Viewers::listen(Some(&*socket).filter(|_| !terminal.is_pipe), noted.own_size),
            model: Model::new(size, begin),
            streams: std::iter::once(sink.reader()).chain(stream).collect(),
            seen: begin,
            stderr,
            is_over: false,
            feed,
            sink,
            bell: feed::Pace::default(),
            socket,
            follower: Follower::default(),
            input: Input::default(),
            size,
            is_pipe: terminal.is_pipe,
        }
    }

    /// The ends of the streams.
    fn ends(&self) -> Offsets {
        let stderr = self.stderr.as_ref().map_or(0, |stderr| stderr.appender.end());
        [self.sink.appender.end(), stderr]
    }

    /// Find out what the program has set in the terminal before this holder began.
    fn remember(&mut self) {
        let ends = self.ends();
        for (seen, end) in self.seen.iter_mut().zip(ends) {
            *seen = (*seen).max(end.saturating_sub(MOST_REMEMBERED)).min(end);
        }
        // The questions have been answered.
        self.read_to(ends, |hold, _, bytes| hold.follower.scan(bytes, |_, _, _| {}));
    }

    /// Append what an earlier holder has left, and what was printed before this one began.
    fn take_rest(&mut self) -> io::Result<()> {
        let (now, before) = (clock::now(), self.ends());
        if let Some(stderr) = &mut self.stderr {
            stderr.feed.take_rest(&mut stderr.appender, now);
            stderr.notes.write_end(stderr.appender.end());
            stderr.take_all(now)?;
        }
        self.feed.take_rest(&mut self.sink.appender, now);
        self.notes.write_end(self.sink.appender.end());
        if self.ends() != before {
            // The supervisor may already have read the stream, after the ring at the start of this holder.
            self.sink.ring(b'd');
        }
        Ok(())
    }

    fn serve(mut self, shim: &UnixStream) -> io::Result<()> {
        let mut shim = Some(shim);
        let mut until = None;
        loop {
            if self.take()? == feed::Taken::End {
                break;
            }
            self.show_output();
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

    /// Take what was printed. What was written to standard error before the end of a life is appended before the marker
    /// of that end, and not with a later time.
    fn take(&mut self) -> io::Result<Taken> {
        let before: u64 = self.ends().iter().sum();
        let gathered = if self.is_over { None } else { Some(self.feed.gather()?) };
        let now = clock::now();
        let of_stderr = self.stderr.as_mut().map(|stderr| stderr.take_all(now)).transpose();
        // It is in memory if the kernel can't move it.
        let taken = gathered.map_or(feed::Taken::End, |gathered| {
            self.feed.append(gathered, &mut self.sink.appender, now)
        });
        match taken {
            feed::Taken::Bytes => self.notes.write_end(self.sink.appender.end()),
            feed::Taken::End => self.is_over = true,
            feed::Taken::Nothing => {}
        }
        let both = [taken, of_stderr?.unwrap_or(feed::Taken::End)];
        if both.contains(&feed::Taken::Bytes) {
            let bytes = self.ends().iter().sum::<u64>() - before;
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            self.bell.took(bytes, Instant::now(), now);
            self.ring_if_due();
            return Ok(feed::Taken::Bytes);
        }
        Ok(if both == [feed::Taken::End; 2] { feed::Taken::End } else { feed::Taken::Nothing })
    }

    /// Look at what was printed since: answer questions, and show it to the clients.
    fn show_output(&mut self) {
        let ends = self.ends();
        if self.is_pipe {
            self.seen = ends;
            return;
        }
        self.read_to(ends, Self::saw);
        for viewer in self.viewers.all.iter_mut().filter(|viewer| viewer.wants_redraw()) {
            let now = (self.seen, self.follower.modes());
            if let Ok(emulator) = self.model.catch_up(&mut self.streams, now) {
                viewer.redraw(self.size, emulator.snapshot());
            }
        }
    }

    /// Read on up to these offsets of the streams.
    fn read_to(&mut self, ends: Offsets, mut take: impl FnMut(&mut Self, usize, &[u8])) {
        let mut buffer = vec![];
        for (at, end) in ends.into_iter().enumerate().take(self.streams.len()) {
            while self.seen[at] < end {
                let most = usize::try_from(end - self.seen[at]).unwrap_or(LOOK).min(LOOK);
                buffer.resize(most, 0);
                match self.streams[at].read_at(self.seen[at], &mut buffer) {
                    Ok(Read::Bytes(read)) => {
                        take(self, at, &buffer[..read]);
                        self.seen[at] += read as u64;
                    }
                    Ok(Read::Gap { next }) => self.seen[at] = next,
                    // It can't be read again: clients get a fresh screen when it can.
                    Ok(Read::End) | Err(_) => self.seen[at] = end,
                }
            }
        }
    }

    fn saw(&mut self, at: usize, bytes: &[u8]) {
        let Self { follower, model, streams, input, seen, size, .. } = self;
        follower.scan(bytes, |question, modes, length| {
            if !input.takes_answers() {
                return;
            }
            let cursor = if question.is_about_cursor() {
                let mut ends = *seen;
                ends[at] += length as u64;
                let emulator = model.catch_up(streams, (ends, modes));
                emulator.map_or((1, 1), Emulator::reported_cursor)
            } else {
                (1, 1)
            };
            input.add_answer(&question.reply(&AnswerContext { modes, size: *size, cursor }));
        });
        for viewer in &mut self.viewers.all {
            viewer.show(bytes);
        }
    }

    /// Wait for output or clients, and serve the clients; returns whether the shim has ended.
    fn wait(&mut self, shim: Option<&UnixStream>, until: Option<Instant>) -> io::Result<bool> {
        let mut master = PollFlags::IN;
        master.set(PollFlags::OUT, !self.input.next().is_empty());
        let mut fds = vec![];
        // A terminal that no process has any more would be reported each time.
        if !self.is_over {
            fds.push(PollFd::from_borrowed_fd(self.feed.master(), master));
        }
        let stderr = self.stderr.as_ref().filter(|stderr| !stderr.is_over);
        fds.extend(
            stderr.map(|stderr| PollFd::from_borrowed_fd(stderr.feed.master(), PollFlags::IN)),
        );
        let (shim_at, listener) = (fds.len(), self.viewers.listener());
        fds.extend(shim.map(|shim| PollFd::from_borrowed_fd(shim.as_fd(), PollFlags::IN)));
        let listener_at = fds.len();
        fds.extend(listener.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let viewers_at = fds.len();
        fds.extend(self.viewers.all.iter().map(|viewer| {
            let mut events = PollFlags::empty();
            events.set(PollFlags::IN, self.reads(viewer));
            events.set(PollFlags::OUT, viewer.has_to_send());
            PollFd::from_borrowed_fd(viewer.fd(), events)
        }));
        let deadlines = [until, self.bell.due(), self.viewers.deadline(), self.input.deadline()];
        let events = poll(&mut fds, deadlines.into_iter().flatten().min())?;
        drop(fds);
        let has = |at: usize| events.get(at).is_some_and(|events| !events.is_empty());
        for (at, events) in events[viewers_at..].iter().enumerate() {
            if events.contains(PollFlags::OUT) {
                self.viewers.all[at].flush();
            }
            if events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                if !self.reads(&self.viewers.all[at]) {
                    // It is reported all the same, so it has left.
                    self.viewers.all[at].is_gone = true;
                    continue;
                }
                self.serve_client(at);
            }
        }
        if listener_at < viewers_at && has(listener_at) {
            self.viewers.accept();
        }
        if self.viewers.forget_gone(&mut self.input) {
            // If it fails, no process has the terminal any more.
            let _ = tty::release(self.feed.master());
        }
        self.adapt_size();
        let ended = shim.is_some_and(|shim| has(shim_at) && self.serve_shim(shim));
        self.input.give_up(Instant::now());
        self.write_input();
        Ok(ended)
    }

    /// Whether to read what this client sends.
    fn reads(&self, viewer: &Viewer) -> bool {
        viewer.is_read() && self.input.takes(viewer.id)
    }

    /// Do what the shim wants: to discard what was typed for a process that has ended. Returns whether the shim has
    /// ended itself.
    fn serve_shim(&mut self, mut shim: &UnixStream) -> bool {
        if !matches!(shim.read(&mut [0]), Ok(1)) {
            return true;
        }
        // What they have sent before was for that process, too.
        for at in 0..self.viewers.all.len() {
            self.serve_client(at);
        }
        self.input.discard();
        let _ = pty::discard_input(self.feed.master());
        for viewer in &mut self.viewers.all {
            viewer.discarded();
        }
        shim.write_all(&[0]).is_err()
    }

    /// Do what the client at this place wants.
    fn serve_client(&mut self, at: usize) {
        for frame in self.viewers.receive(at) {
            self.fulfil(at, frame);
        }
    }

    fn fulfil(&mut self, by: usize, frame: FromClient) {
        let Some(viewer) = self.viewers.all.get_mut(by) else { return };
        match frame {
            FromClient::Input(bytes) => self.input.add(viewer.id, &bytes),
            FromClient::Screen(wanted) => {
                // It is to show what was printed before it was asked for, as far as that comes to an end.
                let _ = (0..MOST_TAKEN).find(|_| !matches!(self.take(), Ok(feed::Taken::Bytes)));
                self.show_output();
                let now = (self.seen, self.follower.modes());
                let screen = self.model.text(&mut self.streams, now, wanted);
                if let (Ok(screen), Some(viewer)) = (screen, self.viewers.all.get_mut(by)) {
                    viewer.send(&FromHolder::Screen(Box::new(screen)));
                }
            }
            FromClient::Typed => {
                viewer.awaits_typed = true;
                self.input.end(viewer.id);
            }
            FromClient::Redraw => viewer.needs_redraw(),
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
        if let Some(stderr) = &self.stderr {
            // If no process has it any more, its size does not matter.
            let _ = pty::resize(stderr.feed.master(), size);
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
        let mut has_typed = false;
        while !self.input.next().is_empty() {
            match rustix::io::write(self.feed.master(), self.input.next()) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => break,
                Ok(written) => {
                    has_typed = true;
                    let client = self.input.typed(written);
                    let viewer =
                        self.viewers.all.iter_mut().find(|viewer| Some(viewer.id) == client);
                    if let Some(viewer) = viewer {
                        viewer.taken += written as u64;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                // No process has the terminal any more.
                Err(_) => self.input.clear(),
            }
        }
        for viewer in &mut self.viewers.all {
            viewer.report(&self.input, has_typed);
        }
    }

    fn ring_if_due(&mut self) {
        if self.bell.rings(Instant::now()) {
            self.sink.ring(b'd');
        }
    }

    /// Everything has been taken.
    fn finish(mut self) {
        // A later holder may have its own socket there already, which then is removed: it has no clients yet, since
        // its shim starts only after this holder's.
        let _ = std::fs::remove_file(&self.socket);
        self.sink.appender.finish(clock::now());
        if let Some(stderr) = &mut self.stderr {
            stderr.appender.finish(clock::now());
        }
        self.sink.ring(b'd');
        self.sink.leave();
    }
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
    pid: u32,
    /// Closed when it ends. A byte has it discard input, which it answers with a byte.
    end: UnixStream,
    began: Instant,
}
