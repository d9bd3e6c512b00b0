//! Notices changes of files and directories (inotify).

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::inotify::{
    CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch,
};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Reports when watched files are replaced, removed or closed after writing, and when watched directories
/// gain or lose entries.
#[derive(Debug)]
pub struct Changes {
    inotify: OwnedFd,
    watched: HashMap<PathBuf, i32>,
}

impl Changes {
    /// Start without any watch.
    pub fn open() -> io::Result<Self> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify, watched: HashMap::new() })
    }

    /// A descriptor that becomes readable after a change.
    pub fn signal(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let fd = self.inotify.try_clone()?;
        #[expect(unsafe_code, reason = "the descriptor must stay open while it is registered")]
        // SAFETY: the `AsyncFd` owns the descriptor, so it is closed after it was deregistered.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(fd?)
    }

    /// Watch exactly these paths. Returns whether a path, or the file there, was not watched before and so may
    /// have changed unnoticed.
    ///
    /// # Errors
    /// The system watches no more files for this user.
    pub fn watch(&mut self, paths: &[PathBuf]) -> io::Result<bool> {
        const WHAT: WatchFlags = WatchFlags::CREATE
            .union(WatchFlags::DELETE)
            .union(WatchFlags::MOVE)
            .union(WatchFlags::CLOSE_WRITE)
            .union(WatchFlags::ATTRIB)
            .union(WatchFlags::DELETE_SELF)
            .union(WatchFlags::MOVE_SELF);
        let mut now = HashMap::new();
        for path in paths {
            match add_watch(&self.inotify, &**path, WHAT) {
                Ok(watch) => _ = now.insert(path.clone(), watch),
                Err(error @ (Errno::NOSPC | Errno::NOMEM)) => return Err(error.into()),
                // The watch of its directory reports that the file is gone.
                Err(_) => {}
            }
        }
        let is_new = now.iter().any(|(path, watch)| self.watched.get(path) != Some(watch));
        let before = std::mem::replace(&mut self.watched, now);
        for (path, watch) in before {
            let is_used = self.watched.get(&path) == Some(&watch)
                || self.watched.values().any(|other| *other == watch);
            if !is_used {
                // The watch may have ended with its file.
                let _ = remove_watch(&self.inotify, watch);
            }
        }
        Ok(is_new)
    }

    /// Whether there was a change since the last call.
    pub fn take(&mut self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        let mut any = false;
        // The end of a watch is not a change.
        while let Ok(event) = events.next() {
            any |= event.events() != ReadFlags::IGNORED;
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Changes;
    use crate::sys::files;

    #[test]
    fn what_is_replaced_removed_or_closed_by_its_writer_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("lock"), dir.path().join("other"));
        let held = files::append_to(&file).unwrap();
        let mut changes = Changes::open().unwrap();
        let paths = [file.clone()];
        assert!(changes.watch(&paths).unwrap());
        assert!(!changes.watch(&paths).unwrap(), "it is watched already");
        assert!(!changes.take());
        files::append_to(&other).unwrap();
        drop(files::open_plain(&file).unwrap());
        assert!(!changes.take(), "not a watched event");
        drop(held);
        assert!(changes.take());
        fs::rename(&other, &file).unwrap();
        assert!(changes.take());
        assert!(changes.watch(&paths).unwrap(), "it is another file");
        let paths = [dir.path().to_owned()];
        assert!(changes.watch(&paths).unwrap());
        assert!(!changes.take());
        fs::remove_file(&file).unwrap();
        assert!(changes.take());
        assert!(!changes.watch(&[]).unwrap());
        fs::create_dir(dir.path().join("new")).unwrap();
        assert!(!changes.take(), "not watched any more");
    }
}
