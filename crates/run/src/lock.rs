//! The run lock: its holder is the supervisor of this project, or its guardian.
//!
//! It is a `flock` on a file in the runtime directory (local, never a network file system), so the
//! kernel releases it however its holder ends. The existence of a socket file proves nothing; this
//! lock does.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, fcntl_dupfd_cloexec, retry_on_intr};

use super::inherit;
use crate::sys::files;

/// The lock file of this runtime directory.
pub fn path(runtime: &Path) -> PathBuf {
    runtime.join("lock")
}

/// The run lock, held until this value and all its copies in other processes are gone.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

/// Why the lock was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another supervisor runs here{}", pid.map_or(String::new(), |pid| format!(" (pid {pid})")))]
    Held {
        /// Its pid, if that could be read.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock `{}`: {}", path.display(), crate::sys::why(cause))]
    Io {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

impl RunLock {
    /// Acquire the lock of this runtime directory and write the pid of this process into it.
    pub fn acquire(runtime: &Path) -> Result<Self, LockError> {
        let path = path(runtime);
        let failed = |cause| LockError::Io { path: path.clone(), cause };
        loop {
            let file = files::make_lock(&path).map_err(failed)?;
            if file.metadata().is_ok_and(|file| file.is_file() && file.nlink() > 1) {
                let text = "it is a hard link to somebody's file; remove this link";
                return Err(failed(io::Error::other(text)));
            }
            if !seize(&file).map_err(failed)? {
                return Err(LockError::Held { pid: holder(file) });
            }
            // The previous run may have removed the file in the meantime. Then a different file of
            // this name is the lock, or will be.
            if is_same(file.metadata(), std::fs::metadata(&path)) {
                let mut lock = Self { file };
                // If the disk is full we hold the lock all the same; only our pid is missing from
                // messages.
                let _ = lock.announce();
                return Ok(lock);
            }
        }
    }

    /// Write the pid of this process into the lock file, for the messages of other processes that
    /// want the lock.
    pub fn announce(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }

    /// Whether this is still the lock of this runtime directory: a run removes the file when it ends.
    pub fn is_current(&self, runtime: &Path) -> bool {
        is_same(self.file.metadata(), std::fs::metadata(path(runtime)))
    }

    /// Whether another file has taken the place of the lock file and is the lock of another run, which must not be
    /// touched. Only a regular file that somebody holds can be that.
    pub fn is_replaced(&self, runtime: &Path) -> bool {
        let there = std::fs::symlink_metadata(path(runtime));
        there.as_ref().is_ok_and(Metadata::is_file)
            && !is_same(self.file.metadata(), there)
            && is_held(runtime).unwrap_or(true)
    }

    /// Whether the lock file was deleted, not just moved with its directory.
    pub fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|file| file.nlink() == 0)
    }

    /// Duplicate the descriptor; the lock is held until both copies are closed.
    pub fn try_clone(&self) -> io::Result<Self> {
        let fd = fcntl_dupfd_cloexec(self.file.as_fd(), 3)?;
        Ok(Self { file: fd.into() })
    }

    /// Remove the lock file, and the runtime directory if nothing else is in it, and release the lock
    /// at once, also for the processes that share it. A process that still has the old file open
    /// detects that it is no longer the lock.
    pub fn release(self, runtime: &Path) {
        // Remove only our own lock file, or something that cannot be a lock. A leftover empty file is
        // harmless.
        let path = path(runtime);
        if self.is_current(runtime) {
            let _ = std::fs::remove_file(path);
        } else if !self.is_replaced(runtime) {
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        }
        // If this fails, closing the descriptor releases the lock; there is no way left to report the
        // error.
        let _ = flock(&self.file, FlockOperation::Unlock);
        remove_empty(runtime);
    }

    /// Take over a lock whose descriptor was inherited over an `exec`; an error if it is not the held
    /// lock of this runtime directory.
    pub fn from_raw(fd: RawFd, runtime: &Path) -> io::Result<Self> {
        let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
        let open = std::fs::metadata(inherit::place(fd));
        if !is_same(open, std::fs::metadata(path(runtime))) {
            return Err(bad("the handed-over descriptor is not the lock of this run"));
        }
        let file = inherit::take(fd)?.into();
        if !try_flock(&file, FlockOperation::NonBlockingLockExclusive)? {
            return Err(bad("the handed-over lock is held by another process"));
        }
        Ok(Self { file })
    }
}

impl AsFd for RunLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Serializes the starts in one runtime directory: held by a start from its first look at the
/// directory until its outcome is known, so a second one sees everything that the first has created.
///
/// It is a lock on the runtime directory itself, and only its holder may remove that directory. The
/// last holder removes it if it is empty. So the directory cannot disappear under a holder, and a
/// directory with files of a run stays because the kernel only removes empty ones.
#[derive(Debug)]
pub struct Door {
    dir: File,
    path: PathBuf,
}

impl Door {
    /// Wait for the lock on this runtime directory. `waits` is called if that takes longer than a
    /// moment, because the current holder may have been suspended.
    ///
    /// [`io::ErrorKind::NotFound`]: there is no such directory, or it was removed while this process
    /// waited; the caller can create it and try again.
    pub fn enter(runtime: &Path, waits: impl FnOnce()) -> io::Result<Self> {
        let entered = Self::enter_within(runtime, None, waits)?;
        entered.ok_or_else(|| io::ErrorKind::TimedOut.into())
    }

    /// Like `Door::enter`, but give up this long after `waits` was called and return `None`.
    pub fn enter_within(
        runtime: &Path,
        patience: Option<Duration>,
        waits: impl FnOnce(),
    ) -> io::Result<Option<Self>> {
        let dir = files::open_dir(runtime)?;
        match lock_within(dir, patience, waits)? {
            Some(dir) => Self::entered(dir, runtime).map(Some),
            None => Ok(None),
        }
    }

    /// The door of a locked directory, unless the directory was removed before the lock was acquired.
    fn entered(dir: File, path: &Path) -> io::Result<Self> {
        if is_same(dir.metadata(), std::fs::metadata(path)) {
            Ok(Self { dir, path: path.to_owned() })
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // The kernel refuses to remove a directory that is not empty. If another directory has taken
        // its place, we do not hold the lock of that one.
        if is_same(self.dir.metadata(), std::fs::metadata(&self.path)) {
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Lock this file exclusively and wait for it as long as it takes. `waits` is called if that is
/// longer than a moment.
pub fn lock_alone(file: File, waits: impl FnOnce()) -> io::Result<File> {
    lock_within(file, None, waits)?.ok_or_else(|| io::ErrorKind::TimedOut.into())
}

/// Like `lock_alone`, but give up this long after `waits` was called and return `None`.
fn lock_within(
    file: File,
    patience: Option<Duration>,
    waits: impl FnOnce(),
) -> io::Result<Option<File>> {
    const MOMENT: Duration = Duration::from_secs(2);
    if try_flock(&file, FlockOperation::NonBlockingLockExclusive)? {
        return Ok(Some(file));
    }
    let receiver = lock_on_thread(file, FlockOperation::LockExclusive)?;
    let lost = |_| io::Error::other("nobody waits for the lock");
    if let Ok(locked) = receiver.recv_timeout(MOMENT) {
        return locked.map(Some);
    }
    waits();
    match patience {
        None => receiver.recv().map_err(lost)?.map(Some),
        Some(patience) => receiver.recv_timeout(patience).ok().transpose(),
    }
}

/// Wait for a lock on a thread: `flock` has no timeout, but waiting for a thread has one.
fn lock_on_thread(file: File, how: FlockOperation) -> io::Result<mpsc::Receiver<io::Result<File>>> {
    let (tell, receiver) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let locked = try_flock(&file, how);
        // The caller may have given up.
        let _ = tell.send(locked.map(|_| file));
    })?;
    Ok(receiver)
}

/// Remove this runtime directory if it is empty. If another process holds its door, that one removes
/// it.
fn remove_empty(runtime: &Path) {
    if let Ok(dir) = files::open_dir(runtime)
        && try_flock(&dir, FlockOperation::NonBlockingLockExclusive).unwrap_or(false)
    {
        drop(Door::entered(dir, runtime));
    }
}

/// Wait until the lock of this runtime directory is free, but no longer than this; return whether it
/// is free.
pub fn wait_free(runtime: &Path, patience: Duration) -> io::Result<bool> {
    let Some(file) = files::if_there(open_to_ask(runtime))? else { return Ok(true) };
    let receiver = lock_on_thread(file, FlockOperation::LockShared)?;
    Ok(receiver.recv_timeout(patience).is_ok_and(|free| free.is_ok()))
}

/// Whether a process holds the lock of this runtime directory.
pub fn is_held(runtime: &Path) -> io::Result<bool> {
    let Some(file) = files::if_there(open_to_ask(runtime))? else { return Ok(false) };
    // With a shared lock, so that concurrent queries do not take each other for a holder.
    Ok(!try_flock(&file, FlockOperation::NonBlockingLockShared)?)
}

/// The pid in the lock file.
fn holder(file: File) -> Option<u32> {
    const LONGEST: u64 = 32;
    let mut text = String::new();
    // A missing pid does not change that the lock is held.
    let _ = file.take(LONGEST).read_to_string(&mut text);
    text.trim().parse().ok()
}

/// Open the lock file to query it. Anything but a regular file is not a lock and counts as missing.
fn open_to_ask(runtime: &Path) -> io::Result<File> {
    let path = path(runtime);
    files::open_plain(&path)
        .map_err(|error| if path.is_dir() { io::ErrorKind::NotFound.into() } else { error })
}

/// Lock the file exclusively unless another process holds it exclusively. A query ([`is_held`]) holds
/// it shared for a moment and is waited for.
fn seize(file: &File) -> io::Result<bool> {
    loop {
        if try_flock(file, FlockOperation::NonBlockingLockExclusive)? {
            return Ok(true);
        }
        if !try_flock(file, FlockOperation::NonBlockingLockShared)? {
            return Ok(false);
        }
        // Only queries hold it, and they release it within microseconds; release our shared lock too
        // and retry.
        flock(file, FlockOperation::Unlock)?;
        std::thread::yield_now();
    }
}

fn try_flock(file: &File, how: FlockOperation) -> io::Result<bool> {
    match retry_on_intr(|| flock(file, how)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether both are there and the same file.
fn is_same(file: io::Result<Metadata>, other: io::Result<Metadata>) -> bool {
    let (Ok(file), Ok(other)) = (file, other) else { return false };
    (file.dev(), file.ino()) == (other.dev(), other.ino())
}
