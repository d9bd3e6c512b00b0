//! The sink: what `pipe-pane` runs. It owns the bytes of one process on disk.
//!
//! It has nothing to decide: bytes come, are appended with the time, and the bell is rung. It
//! ends when tmux closes the pipe and not before, because bytes that nobody reads would be
//! lost. A successor waits, without holding the bell, until its predecessor has drained.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;

use crate::journal::append::Appender;
use crate::journal::segment::Dirs;
use crate::model::time::Timestamp;
use crate::protocol::paths::{PanePaths, spill_dir};
use crate::protocol::spec::{Spec, SpecError};
use crate::sys::clock::now;
use crate::sys::files;

/// How much is read at once.
const BUFFER: usize = 64 << 10;

/// Append what comes on stdin to the stream of the process that this spec file is about, until
/// it ends. Returns the exit status.
pub fn run(spec_path: &Path) -> u8 {
    deafen();
    let mut sink = match Sink::open(spec_path) {
        Ok(Some(sink)) => sink,
        // What little it holds belongs before what its successor has written, at a place where
        // output is known to be missing.
        Ok(None) => return 0,
        Err(error) => {
            // tmux throws this away, but whoever tries the command by hand sees it.
            let _ = writeln!(io::stderr(), "tmo sink: {error}");
            return 1;
        }
    };
    match sink.drain(&mut Stdin) {
        Ok(()) => {
            sink.leave();
            0
        }
        Err(_) => 1,
    }
}

/// What the lock file holds behind the number of a sink that has read everything there was.
const DRAINED: &str = "drained";

/// What the last sink that held a lock has said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Its process id.
    pub pid: u32,
    /// It ended because tmux closed the pipe, with nothing lost. One that was killed could not
    /// say so.
    pub drained: bool,
}

/// Whether a sink that has said nothing yet holds this lock.
pub fn begins(lock: &Path) -> bool {
    files::open_plain(lock)
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

/// Whether a sink holds this lock that has said that it holds its bell.
pub fn is_up(lock: &Path) -> bool {
    begins(lock) && said(lock).is_some_and(|said| !said.drained)
}

/// What the last sink that held this lock has said; nothing if it is just about to.
pub fn said(lock: &Path) -> Option<Said> {
    /// What a sink says of itself is shorter.
    const LONGEST: u64 = 100;
    let text = io::read_to_string(files::open_plain(lock).ok()?.take(LONGEST)).ok()?;
    let (pid, rest) = text.split_once('\n')?;
    Some(Said { pid: pid.parse().ok()?, drained: rest.trim_end() == DRAINED })
}

/// What a terminal, or someone who signals the whole group of the tmux server, sends does not
/// end a sink; SIGXFSZ comes back as an error of the write.
fn deafen() {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGPIPE,
        Signal::SIGTSTP,
        Signal::SIGXFSZ,
    ] {
        signals.add(signal);
    }
    // With valid signals it cannot fail.
    let _ = signals.thread_block();
}

struct Sink {
    appender: Appender,
    // Let go of before the bell, as by a sink that is killed, whose descriptors are closed in
    // their order: who hears the bell finds the lock free.
    lock: Option<File>,
    bell_path: PathBuf,
    bell: Option<File>,
}

impl Sink {
    /// The sink of this spec file once it is its turn; nothing if that has passed.
    fn open(spec_path: &Path) -> Result<Option<Self>, SpecError> {
        let spec = Spec::read(spec_path)?;
        let paths = PanePaths::beside(spec_path);
        let mut lock = match lock(&paths.sink_lock()) {
            Turn::Come(lock) => lock,
            Turn::Passed => return Ok(None),
        };
        let bell_path = paths.bell();
        let bell = hang_up(&bell_path);
        if let Some(lock) = &mut lock {
            // Not before it holds the bell: whoever reads this may rely on that.
            let _ = writeln!(lock, "{}", std::process::id());
        }
        let runtime = spec_path.parent().and_then(Path::parent);
        let dirs = Dirs::new(spec.log.dir.as_path(), runtime.map(spill_dir));
        let appender = Appender::open(&dirs, &spec.name.slug(), spec.log.segment(), true);
        let mut sink = Self { appender, lock, bell_path, bell };
        sink.ring(b'S');
        Ok(Some(sink))
    }

    /// Say that nothing was lost, before the bell tells that this sink is gone.
    fn leave(&mut self) {
        if let Some(lock) = &mut self.lock {
            // Unsaid, it only looks as if something might be missing.
            let _ = writeln!(lock, "{DRAINED}");
        }
    }

    /// Append until the end of the input.
    fn drain(&mut self, input: &mut impl io::Read) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        let mut pace = Pace::default();
        let result = loop {
            match input.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(read) => {
                    let now = now();
                    self.appender.append(now, &buffer[..read]);
                    self.ring(b'd');
                    if pace.is_a_flood(now, read) {
                        let_it_gather();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => await_input(),
                Err(error) => break Err(error),
            }
        };
        self.appender.finish(now());
        self.ring(b'd');
        result
    }

    /// A bell that is full is ringing already. Of one that somebody has removed a shim that looks
    /// for it by its name knows nothing: another one is hung up, which who listens to the old one
    /// hears by its end.
    fn ring(&mut self, word: u8) {
        let Some(bell) = &mut self.bell else { return };
        let _ = bell.write(&[word]);
        if bell.metadata().is_ok_and(|meta| meta.nlink() == 0)
            && let Some(mut fresh) = hang_up(&self.bell_path)
        {
            let _ = fresh.write(b"S");
            self.bell = Some(fresh);
        }
    }
}

/// Whether output comes in a flood.
///
/// tmux hands on each few KiB as soon as it has them, and each time sink, supervisor and views
/// would be woken, at the cost of the processors that the process itself and tmux want.
#[derive(Debug, Default)]
struct Pace {
    last: Timestamp,
    streak: u32,
    flood: bool,
}

impl Pace {
    /// So much at once, and again within this time, so often.
    const MUCH: usize = 1 << 10;
    const SOON: Duration = Duration::from_millis(2);
    const OFTEN: u32 = 8;

    /// Whether there is more to come that is worth a moment's wait, after so much was read now.
    fn is_a_flood(&mut self, now: Timestamp, read: usize) -> bool {
        let again = read >= Self::MUCH && now.since(self.last) < Self::SOON;
        self.last = now;
        // What was waited for would be little had it not been worth it.
        let goes_on = self.flood && read >= 4 * Self::MUCH;
        self.streak = if again && !self.flood { self.streak + 1 } else { 0 };
        self.flood = goes_on || self.streak >= Self::OFTEN;
        self.flood && read < BUFFER
    }
}

/// Let output gather for three milliseconds, or until tmux closes the pipe. What is not read yet tmux
/// keeps.
fn let_it_gather() {
    // Whatever went wrong shows itself at the next read.
    let _ = poll_input(PollFlags::empty(), PollTimeout::from(3u8));
}

/// Whose turn it is to append to the stream.
enum Turn {
    /// Ours; without a lock where the file system has none.
    Come(Option<File>),
    /// tmux has piped the pane anew meanwhile, and that sink was quicker: what came here first
    /// can't stand before what it has written.
    Passed,
}

/// Wait until no other sink appends to the stream. Without a lock (a file system that has none)
/// it goes on: the bytes are worth more than the order.
fn lock(path: &Path) -> Turn {
    let Ok(file) = files::append_to(path) else { return Turn::Come(None) };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if overtaken(path) {
            return Turn::Passed;
        }
        if retry_on_intr(|| flock(&file, FlockOperation::LockExclusive)).is_err() {
            return Turn::Come(None);
        }
        if overtaken(path) {
            return Turn::Passed;
        }
    }
    // What the one before has said of itself.
    let _ = file.set_len(0);
    Turn::Come(Some(file))
}

/// Whether nothing is piped here any more and the one that has or had the lock is younger.
fn overtaken(lock: &Path) -> bool {
    /// Two that wait for each other were started one right after the other.
    const APART: u32 = 1 << 14;
    let me = std::process::id();
    let younger = said(lock).is_some_and(|said| (1..APART).contains(&said.pid.wrapping_sub(me)));
    younger && hung_up()
}

/// Whether nobody writes to our input any more; something may be left to be read. tmux lets go of
/// it at once, but whatever it was just starting holds a copy until it has become its own program:
/// that is waited for.
fn hung_up() -> bool {
    const COPIES_MS: u16 = 2000;
    let reported = poll_input(PollFlags::empty(), PollTimeout::from(COPIES_MS));
    reported.is_ok_and(|reported| reported.contains(PollFlags::POLLHUP))
}

/// Open the bell for as long as the sink lives: who listens sees by its closing that it is gone.
fn hang_up(path: &Path) -> Option<File> {
    files::make_fifo(path).ok()?;
    files::open_fifo(path, true).ok()
}

/// Wait for input, although somebody has made the pipe non-blocking.
fn await_input() {
    // Whatever went wrong shows itself at the next read.
    let _ = poll_input(PollFlags::POLLIN, PollTimeout::NONE);
}

/// Wait until one of these events occurs on the input, or it is closed; return what `poll` reports.
fn poll_input(events: PollFlags, time: PollTimeout) -> nix::Result<PollFlags> {
    let stdin = io::stdin();
    let mut input = [PollFd::new(stdin.as_fd(), events)];
    poll(&mut input, time)?;
    Ok(input[0].revents().unwrap_or(PollFlags::empty()))
}

/// Standard input, unbuffered.
struct Stdin;

impl io::Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(io::stdin(), buffer)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{BUFFER, Pace};
    use crate::model::time::Timestamp;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_flood_is_told_from_a_trickle() {
        let mut pace = Pace::default();
        let mut now = 9 * MS;
        for _ in 0..100 {
            now += 50_000;
            assert!(
                !pace.is_a_flood(Timestamp::from_nanos(now), 80),
                "lines that are typed or logged wait for nothing"
            );
        }
        for _ in 0..100 {
            now += 10 * MS;
            assert!(!pace.is_a_flood(Timestamp::from_nanos(now), 4096), "much, but seldom");
        }
        let mut quick = |pace: &mut Pace, read| {
            now += 50_000;
            pace.is_a_flood(Timestamp::from_nanos(now), read)
        };
        assert!(!quick(&mut pace, 4096));
        assert!((0..20).any(|_| quick(&mut pace, 4096)));
        assert!(!quick(&mut pace, BUFFER), "no more fits in");
        assert!(quick(&mut pace, 30_000));
        assert!(!quick(&mut pace, 200), "it was the end of it");
        assert!(!quick(&mut pace, 4096));
    }
}
