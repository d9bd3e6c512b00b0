//! The lock of a run: whoever holds it is the supervisor of this project, or its guardian.
//!
//! It lies in the runtime directory (local, never a network file system) and is a `flock`, so the
//! kernel gives it back whatever becomes of its holder. A socket file proves nothing; this does.

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

/// The lock, held until this value and all its copies in other processes are gone.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

/// Why the lock was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("another supervisor runs here{}", pid.map_or(String::new(), |pid| format!(" (pid {pid})")))]
    Held {
        /// Who, if that could be read.
        pid: Option<u32>,
    },
    /// It cannot be used.
    #[error("cannot lock `{}`: {cause}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

impl RunLock {
    /// Take the lock of this runtime directory and write this process's id into it.
    pub fn acquire(runtime: &Path) -> Result<Self, LockError> {
        let path = path(runtime);
        let failed = |cause| LockError::Io { path: path.clone(), cause };
        loop {
            let file = files::make_lock(&path).map_err(failed)?;
            if file.metadata().is_ok_and(|file| file.is_file() && file.nlink() > 1) {
                let text = "it has another name too, so it is somebody's file; remove it here";
                return Err(failed(io::Error::other(text)));
            }
            if !seize(&file).map_err(failed)? {
                return Err(LockError::Held { pid: holder(file) });
            }
            // The run that held it may have removed the file in between; then another file of
            // this name is, or will be, the lock.
            if matches((file.metadata(), std::fs::metadata(&path))) {
                let mut lock = Self { file };
                // A full disk: the lock holds all the same, only nobody can be told by whom.
                let _ = lock.announce();
                return Ok(lock);
            }
        }
    }

    /// Write this process's id into the lock, to be named to those who want it.
    pub fn announce(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }

    /// Whether this is still the lock of this runtime directory: a run that is over has removed it.
    pub fn is_current(&self, runtime: &Path) -> bool {
        matches((self.file.metadata(), std::fs::metadata(path(runtime))))
    }

    /// Whether another file has taken its place: another run may be there, which is not to be touched.
    /// Only a plain file can be the lock of another run.
    pub fn is_replaced(&self, runtime: &Path) -> bool {
        let there = std::fs::symlink_metadata(path(runtime));
        there.as_ref().is_ok_and(Metadata::is_file) && !matches((self.file.metadata(), there))
    }

    /// A copy that shares the lock: it is held until both are gone.
    pub fn try_clone(&self) -> io::Result<Self> {
        let fd = fcntl_dupfd_cloexec(self.file.as_fd(), 3)?;
        Ok(Self { file: fd.into() })
    }

    /// Remove the lock file, and the runtime directory if nothing else is in it, and give the lock up
    /// at once, also for the processes that share it.
    /// Whoever has the old file open by then sees that it is not the lock any more.
    pub fn release(self, runtime: &Path) {
        // Only a file that is the lock is removed, or what can be none; an empty one that stays
        // harms nobody.
        let path = path(runtime);
        if self.is_current(runtime) {
            let _ = std::fs::remove_file(path);
        } else if !self.is_replaced(runtime) {
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        }
        // Closing the descriptor would do no more; there is nobody to tell of a failure.
        let _ = flock(&self.file, FlockOperation::Unlock);
        remove_empty(runtime);
    }

    /// Take over a lock that was handed over an `exec` as this descriptor; an error if it is not
    /// the held lock of this runtime directory.
    pub fn from_raw(fd: RawFd, runtime: &Path) -> io::Result<Self> {
        let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
        let open = std::fs::metadata(inherit::place(fd));
        if !matches((open, std::fs::metadata(path(runtime)))) {
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

/// Held by a start from its first look until it is known what came of it, so that two at once
/// act one after the other: the second finds what the first has made, all of it.
///
/// It is a lock on the runtime directory itself, and only its holder may remove that directory.
/// The last holder does, if the directory is empty. So a directory that was entered stays, and one
/// that a run has files in stays as well, because only an empty one can be removed.
#[derive(Debug)]
pub struct Door {
    dir: File,
    path: PathBuf,
}

impl Door {
    /// Wait for one's turn at this runtime directory. `waits` is called if that takes longer than a
    /// moment: whoever is before us may have been stopped by somebody.
    ///
    /// [`io::ErrorKind::NotFound`]: there is no such directory, or it was removed while this process
    /// waited; it can be made and entered again.
    pub fn enter(runtime: &Path, waits: impl FnOnce()) -> io::Result<Self> {
        let entered = Self::enter_within(runtime, None, waits)?;
        entered.ok_or_else(|| io::ErrorKind::TimedOut.into())
    }

    /// The same for at most this long after `waits` was called; nothing if it is not one's turn by
    /// then.
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

    /// The door of a directory that is locked, unless somebody has removed it before that.
    fn entered(dir: File, path: &Path) -> io::Result<Self> {
        if matches((dir.metadata(), std::fs::metadata(path))) {
            Ok(Self { dir, path: path.to_owned() })
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // One that holds anything is refused by the kernel. What has its place by now is somebody
        // else's, whose lock is not held here.
        if matches((self.dir.metadata(), std::fs::metadata(&self.path))) {
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Lock this file for this process alone, and wait for one's turn as long as it takes. `waits` is
/// called if that is longer than a moment.
pub fn lock_alone(file: File, waits: impl FnOnce()) -> io::Result<File> {
    lock_within(file, None, waits)?.ok_or_else(|| io::ErrorKind::TimedOut.into())
}

/// The same for at most this long after `waits` was called; nothing if it is not one's turn by then.
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

/// Wait for a lock on a thread: there is no waiting for one with a limit, but for a thread there is.
fn lock_on_thread(file: File, how: FlockOperation) -> io::Result<mpsc::Receiver<io::Result<File>>> {
    let (tell, receiver) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let locked = try_flock(&file, how);
        // Nobody may be waiting any more.
        let _ = tell.send(locked.map(|_| file));
    })?;
    Ok(receiver)
}

/// Remove this runtime directory if it is empty. Whoever is at its door removes it later instead.
pub fn remove_empty(runtime: &Path) {
    if let Ok(dir) = files::open_dir(runtime)
        && try_flock(&dir, FlockOperation::NonBlockingLockExclusive).unwrap_or(false)
    {
        drop(Door::entered(dir, runtime));
    }
}

/// Wait until nobody holds the lock of this runtime directory, for at most this long; whether it
/// is free now.
pub fn wait_free(runtime: &Path, patience: Duration) -> io::Result<bool> {
    let file = match open_to_ask(runtime) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let receiver = lock_on_thread(file, FlockOperation::LockShared)?;
    Ok(receiver.recv_timeout(patience).is_ok_and(|free| free.is_ok()))
}

/// Whether somebody holds the lock of this runtime directory.
pub fn is_held(runtime: &Path) -> io::Result<bool> {
    match open_to_ask(runtime) {
        // Shared, so that those who only ask don't see each other.
        Ok(file) => Ok(!try_flock(&file, FlockOperation::NonBlockingLockShared)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The process that has written its id into the lock.
fn holder(file: File) -> Option<u32> {
    const LONGEST: u64 = 32;
    let mut text = String::new();
    // Without the number it is still held.
    let _ = file.take(LONGEST).read_to_string(&mut text);
    text.trim().parse().ok()
}

/// Open the lock to look at it. What is no plain file locks nothing, and counts as missing.
fn open_to_ask(runtime: &Path) -> io::Result<File> {
    let path = path(runtime);
    files::open_plain(&path)
        .map_err(|error| if path.is_dir() { io::ErrorKind::NotFound.into() } else { error })
}

/// Lock it exclusively, unless somebody holds it so. Those who only ask ([`is_held`]) hold it
/// shared for a moment; they are not taken for a holder.
fn seize(file: &File) -> io::Result<bool> {
    loop {
        if try_flock(file, FlockOperation::NonBlockingLockExclusive)? {
            return Ok(true);
        }
        if !try_flock(file, FlockOperation::NonBlockingLockShared)? {
            return Ok(false);
        }
        // They are microseconds from giving it back, as this process now does.
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

/// Whether both are the same file.
fn matches(pair: (io::Result<Metadata>, io::Result<Metadata>)) -> bool {
    match pair {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    }
}
