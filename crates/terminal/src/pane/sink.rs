//! The sink: the process that `pipe-pane` runs. It writes the output of one process to disk.
//!
//! It makes no decisions: it reads bytes, appends them with the time, and rings the bell. It ends
//! only when tmux closes the pipe, because bytes that nothing reads would be lost. Its successor
//! waits, without opening the bell, until this sink has read everything.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::iter;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::journal::read::stream::StreamReader;
use crate::journal::segment::Dirs;
use crate::journal::streams::STDERR_SUFFIX;
use crate::journal::write::append::Appender;
use crate::model::time::Timestamp;
use crate::protocol::paths::{PanePaths, spill_dir};
use crate::protocol::spec::{Spec, SpecError};
use crate::sys::clock::now;
use crate::sys::{self, files};

/// The size of the read buffer.
const BUFFER: usize = 64 << 10;

/// Append everything from stdin to the stream of the process of this spec file, until end of file.
/// Returns the exit status.
pub fn run_sink(spec_path: &Path) -> u8 {
    deafen();
    let mut sink = match Sink::open(spec_path) {
        Ok(Some(sink)) => sink,
        // Drop the little that this sink would have to write: it belongs before the output of its
        // successor, at a place where output is known to be missing.
        Ok(None) => return 0,
        Err(error) => {
            // tmux discards this, but it is visible when the command is run by hand.
            let _ = writeln!(io::stderr(), "tmo sink: {error}");
            return 1;
        }
    };
    match sink.drain() {
        Ok(()) => {
            sink.leave();
            0
        }
        Err(_) => 1,
    }
}

/// What a sink that has read everything writes into the lock file after its pid.
const DRAINED: &str = "drained";
/// What a holder writes there whose death loses nothing: what it has taken from the terminal is in the stream, or in a
/// pipe that its successor goes on with.
const LOSSLESS: &str = "lossless";

/// How a holder takes the output of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holding {
    /// See [`LOSSLESS`].
    pub(super) is_lossless: bool,
    /// Offsets of the stream before this one have been used.
    pub(super) at_least: u64,
}

/// What the last holder of a lock file has written into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    pub pid: u32,
    /// It ended because tmux closed the pipe, and nothing was lost. A sink that was killed cannot
    /// write this.
    pub drained: bool,
    /// Even if it was killed, nothing was lost.
    pub lossless: bool,
}

impl Said {
    /// The size of the file, which is filled with empty lines.
    const SIZE: usize = 64;

    /// Replace the content of a lock file, in one write: a process that is killed meanwhile leaves what was there or
    /// what is new.
    fn write(self, lock: &File) -> io::Result<()> {
        let words = [(self.lossless, LOSSLESS), (self.drained, DRAINED)];
        let words = words.into_iter().filter_map(|(says, word)| says.then_some(word));
        let mut text = format!("{}\n{}", self.pid, words.collect::<Vec<_>>().join("\n"));
        text.extend(iter::repeat_n('\n', Self::SIZE.saturating_sub(text.len())));
        lock.write_all_at(text.as_bytes(), 0)
    }
}

/// Whether a sink holds this lock; it may not have written its pid yet.
pub fn begins(lock: &Path) -> bool {
    files::open_plain(lock)
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

/// Whether a sink holds this lock and has written that it has opened its bell.
pub fn is_up(lock: &Path) -> bool {
    begins(lock) && said(lock).is_some_and(|said| !said.drained)
}

/// What the last holder has written into this lock file; `None` if there was none yet.
pub fn said(lock: &Path) -> Option<Said> {
    /// The limit for reading; what a sink writes is shorter.
    const LONGEST: u64 = 100;
    let text = io::read_to_string(files::open_plain(lock).ok()?.take(LONGEST)).ok()?;
    let (pid, rest) = text.split_once('\n')?;
    let says = |word| rest.lines().any(|line| line == word);
    Some(Said { pid: pid.parse().ok()?, drained: says(DRAINED), lossless: says(LOSSLESS) })
}

/// Block the signals that a terminal may send, or a kill of the whole process group of the tmux
/// server, so that they do not end the sink. Exceeding the file size limit (SIGXFSZ) becomes a write
/// error.
pub(super) fn deafen() {
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
    // This cannot fail with valid signals.
    let _ = signals.thread_block();
}

/// Appends to the stream of a process, and rings its bell.
pub(super) struct Sink {
    pub(super) appender: Appender,
    dirs: Dirs,
    slug: String,
    /// The size of a segment.
    limit: u64,
    period: Option<Duration>,
    // Dropped before the bell. A killed sink closes its descriptors in the same order. So when the
    // supervisor sees the bell close, the lock is already free.
    lock: Option<File>,
    /// What is in the lock file.
    said: Said,
    bell_path: PathBuf,
    bell: Option<Bell>,
}

impl Sink {
    /// Wait for the lock and open the sink of this spec file; `None` if a younger sink was faster.
    fn open(spec_path: &Path) -> Result<Option<Self>, SpecError> {
        match lock(&PanePaths::beside(spec_path).sink_lock(), overtaken) {
            AppendPermit::Come(lock) => Self::with_lock(spec_path, lock, None).map(Some),
            AppendPermit::Passed => Ok(None),
        }
    }

    /// The sink of this spec file for a holder, which is never overtaken: there is one for each terminal.
    pub(super) fn of_holder(spec_path: &Path, holding: Holding) -> Result<Self, SpecError> {
        let lock = match lock(&PanePaths::beside(spec_path).sink_lock(), |_| false) {
            AppendPermit::Come(lock) => lock,
            AppendPermit::Passed => None,
        };
        Self::with_lock(spec_path, lock, Some(holding))
    }

    /// `holding`: it takes the output of a terminal of our own, not that of `pipe-pane`.
    fn with_lock(
        spec_path: &Path,
        lock: Option<File>,
        holding: Option<Holding>,
    ) -> Result<Self, SpecError> {
        let spec = Spec::load(spec_path)?;
        let paths = PanePaths::beside(spec_path);
        let bell_path = paths.bell();
        let bell = hang_up(&bell_path);
        let runtime = spec_path.parent().and_then(Path::parent);
        let dirs = Dirs::new(spec.log.dir.as_path(), runtime.map(spill_dir));
        let (slug, limit, period) = (spec.name.slug(), spec.log.segment(), spec.log.period());
        let appender = match holding {
            None => Appender::open(&dirs, &slug, limit, true),
            Some(holding) => Appender::open_for_pipe(&dirs, &slug, (limit, holding.at_least)),
        }
        .renewed_after(period);
        let lossless = holding.is_some_and(|holding| holding.is_lossless);
        let said = Said { pid: std::process::id(), drained: false, lossless };
        if let Some(lock) = &lock {
            // Only after the bell is open: readers of this file rely on that.
            let _ = said.write(lock);
        }
        let mut sink = Self { appender, dirs, slug, limit, period, lock, said, bell_path, bell };
        sink.ring(b'S');
        Ok(sink)
    }

    pub(super) fn reader(&self) -> StreamReader {
        StreamReader::open(&self.dirs, &self.slug)
    }

    /// The stream of standard error, for a holder. Offsets before `at_least` have been used.
    pub(super) fn open_stderr(&self, at_least: u64) -> (Appender, StreamReader) {
        let slug = self.slug.clone() + STDERR_SUFFIX;
        let appender = Appender::open_for_pipe(&self.dirs, &slug, (self.limit, at_least))
            .renewed_after(self.period);
        (appender, StreamReader::open(&self.dirs, &slug))
    }

    /// Record that nothing was lost. This must precede the close of the bell, which tells the supervisor that
    /// this sink has ended.
    pub(super) fn leave(&mut self) {
        self.said.drained = true;
        if let Some(lock) = &self.lock {
            // If this fails it only looks as if output might be missing.
            let _ = self.said.write(lock);
        }
    }

    /// Append until end of file.
    fn drain(&mut self) -> io::Result<()> {
        // Without zeros, it takes no more memory than has ever been read at once.
        let mut buffer = Vec::with_capacity(BUFFER);
        let mut pace = Pace::default();
        let result = loop {
            buffer.clear();
            match rustix::io::read(io::stdin(), spare_capacity(&mut buffer)) {
                Ok(0) => break Ok(()),
                Ok(read) => {
                    let now = now();
                    self.appender.append(now, &buffer);
                    self.ring(b'd');
                    if pace.is_a_flood(now, read) {
                        // Let output accumulate for three milliseconds, or until tmux closes the pipe.
                        // tmux keeps what has not been read yet.
                        let _ = poll_input(PollFlags::empty(), Some(Duration::from_millis(3)));
                    }
                }
                Err(Errno::INTR) => {}
                // Another process has made the pipe non-blocking: wait for input.
                Err(Errno::AGAIN) => _ = poll_input(PollFlags::IN, None),
                Err(error) => break Err(error.into()),
            }
        };
        self.appender.finish(now());
        self.ring(b'd');
        result
    }

    /// Write one byte into the bell. If that is full, the supervisor will wake up anyway. If the FIFO
    /// has been removed or replaced, the shim, which opens it by name, and perhaps another supervisor
    /// don't have this one. So open the one at the path, or create it, and close the old one, which the
    /// supervisor notices (`crates/engine/src/panes/wakeups.rs`).
    pub(super) fn ring(&mut self, word: u8) {
        let Some(bell) = &mut self.bell else { return };
        let _ = bell.fifo.write(&[word]);
        let named = self.bell_path.symlink_metadata().ok();
        if named.is_none_or(|named| (named.dev(), named.ino()) != bell.id)
            && let Some(mut fresh) = hang_up(&self.bell_path)
        {
            let _ = fresh.fifo.write(b"S");
            self.bell = Some(fresh);
        }
    }
}

/// Detects floods of output.
///
/// tmux passes on every few KiB as soon as it has them. Sink, supervisor and views would wake up
/// each time and take CPU time from the process itself and tmux.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Timestamp,
    streak: u32,
    flood: bool,
}

impl Pace {
    /// A flood: at least `MUCH` bytes per read, within `SOON` after the last read, `OFTEN` times in a
    /// row.
    const MUCH: usize = 1 << 10;
    const SOON: Duration = Duration::from_millis(2);
    const OFTEN: u32 = 8;

    /// Whether to wait a moment for more output, after this many bytes were read now.
    pub(super) fn is_a_flood(&mut self, now: Timestamp, read: usize) -> bool {
        let again = read >= Self::MUCH && now.since(self.last) < Self::SOON;
        self.last = now;
        // A flood continues while each wait yields enough bytes to be worth it.
        let goes_on = self.flood && read >= 4 * Self::MUCH;
        self.streak = if again && !self.flood { self.streak + 1 } else { 0 };
        self.flood = goes_on || self.streak >= Self::OFTEN;
        self.flood && read < BUFFER
    }
}

/// Whether this sink may append to the stream.
enum AppendPermit {
    /// It may append, and holds this lock; `None` if the file system does not support locks.
    Come(Option<File>),
    /// tmux has piped the pane to a newer sink, and that one was faster: output that arrived here
    /// earlier cannot be inserted before what the other has written.
    Passed,
}

/// Wait until no other sink appends to the stream. If the file system does not support locks,
/// continue without one: losing bytes would be worse than mixing up their order.
fn lock(path: &Path, overtaken: impl Fn(&Path) -> bool) -> AppendPermit {
    let Ok(file) = files::make_lock(path) else { return AppendPermit::Come(None) };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if overtaken(path) {
            return AppendPermit::Passed;
        }
        if retry_on_intr(|| flock(&file, FlockOperation::LockExclusive)).is_err() {
            return AppendPermit::Come(None);
        }
        if overtaken(path) {
            return AppendPermit::Passed;
        }
    }
    AppendPermit::Come(Some(file))
}

/// Whether our pipe is closed and the present or last holder of the lock is younger than us.
fn overtaken(lock: &Path) -> bool {
    said(lock).is_some_and(|said| is_younger(said.pid, std::process::id())) && hung_up()
}

/// Whether the first of two sinks that were started shortly after one another is the younger one. Process ids ascend,
/// and begin again at a small number after the greatest one.
fn is_younger(one: u32, other: u32) -> bool {
    /// More than lies between the ids of the two, and less than half of all ids.
    const APART: i64 = 1 << 14;
    let distance = i64::from(one) - i64::from(other);
    (1..APART).contains(&distance) || distance <= -APART
}

/// Whether the writing end of our input is closed; there may be unread bytes left. tmux closes it at
/// once, but a child that tmux was just forking holds a copy until its `exec`; wait for that.
fn hung_up() -> bool {
    const COPIES: Duration = Duration::from_secs(2);
    let reported = poll_input(PollFlags::empty(), Some(COPIES));
    reported.is_ok_and(|reported| reported.contains(PollFlags::HUP))
}

/// An open bell.
struct Bell {
    fifo: File,
    /// Device and inode.
    id: (u64, u64),
}

/// Open the bell for as long as the sink lives: the supervisor sees the end of the sink when it is
/// closed.
fn hang_up(path: &Path) -> Option<Bell> {
    files::make_fifo(path).ok()?;
    let fifo = files::open_fifo(path, true).ok()?;
    let found = fifo.metadata().ok()?;
    Some(Bell { fifo, id: (found.dev(), found.ino()) })
}

/// Wait until one of these events occurs on the input, or it is closed; return what `poll` reports. An
/// error shows up again at the next read.
fn poll_input(events: PollFlags, time: Option<Duration>) -> rustix::io::Result<PollFlags> {
    sys::wait_for(io::stdin(), events, time)
}

#[cfg(test)]
mod tests {
    use super::{BUFFER, Pace, Said, is_younger, said};
    use crate::model::time::Timestamp;
    use crate::sys::files;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_a_lock_file_says_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = files::make_lock(&path).unwrap();
        assert_eq!(said(&path), None);
        for (pid, lossless, drained) in
            [(u32::MAX, true, true), (7, true, false), (70, false, true), (7, false, false)]
        {
            let written = Said { pid, drained, lossless };
            written.write(&lock).unwrap();
            assert_eq!(said(&path), Some(written));
            assert_eq!(lock.metadata().unwrap().len(), 64, "never emptied");
        }
    }

    #[test]
    fn the_younger_sink_is_known_also_when_process_ids_begin_again() {
        for (younger, older) in [(1001, 1000), (3000, 1000), (310, 32_700), (400, 4_194_000)] {
            assert!(is_younger(younger, older) && !is_younger(older, younger), "{younger} {older}");
        }
        assert!(!is_younger(1000, 1000));
    }

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
