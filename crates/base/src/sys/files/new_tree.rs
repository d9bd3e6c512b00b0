//! A new directory for untrusted content, such as that of an archive.
//!
//! Entries are created through directory handles, one level at a time, and links are not followed. Even if
//! another program changes the directory meanwhile, no file is written outside of it. Modes do not depend
//! on the umask.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fchmod, mkdirat, openat};
use rustix::io::Errno;

/// The flags to open a directory.
const DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// The flags to create a file.
const FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The directory.
#[derive(Debug)]
pub struct NewTree {
    root: OwnedFd,
}

impl NewTree {
    /// Create the directory, for its owner only; fails if the path exists.
    pub fn create(path: &Path) -> io::Result<Self> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let parent = super::open_dir(parent)?;
        mkdirat(&parent, name, Mode::RWXU)?;
        let root = openat(&parent, name, DIR, Mode::empty())?;
        fchmod(&root, Mode::RWXU)?;
        Ok(Self { root })
    }

    /// Create a directory in it, with its parents; it may exist already.
    pub fn make_dir(&self, path: &[String]) -> io::Result<()> {
        self.open_dir(path).map(drop)
    }

    /// Create a file in it, with its parent directories. The file must not exist.
    pub fn create_file(&self, path: &[String], is_executable: bool) -> io::Result<File> {
        let Some((name, dirs)) = path.split_last() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let dir = self.open_dir(dirs)?;
        let file = openat(&dir, plain(name)?, FILE, Mode::RUSR | Mode::WUSR)?;
        fchmod(&file, Mode::from_raw_mode(if is_executable { 0o755 } else { 0o644 }))?;
        Ok(file.into())
    }

    fn open_dir(&self, path: &[String]) -> io::Result<OwnedFd> {
        let mut dir = self.root.try_clone()?;
        for name in path {
            let name = plain(name)?;
            let made = match mkdirat(&dir, name, Mode::RWXU) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(error) => return Err(error.into()),
            };
            dir = openat(&dir, name, DIR, Mode::empty())?;
            if made {
                fchmod(&dir, Mode::from_raw_mode(0o755))?;
            }
        }
        Ok(dir)
    }
}

/// Check that a name stays within its directory.
fn plain(name: &str) -> io::Result<&str> {
    let leaves = matches!(name, "" | "." | "..") || name.contains(['/', '\0']);
    if leaves { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::NewTree;

    fn path(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn nothing_is_created_outside_and_nothing_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("new"), dir.path().join("outside"));
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        let tree = NewTree::create(&root).unwrap();
        symlink(&outside, root.join("link")).unwrap();
        symlink(outside.join("kept"), root.join("file")).unwrap();
        for bad in ["link/x", "file", "../x", "a/../../x", "./x", "", "a//x", "link"] {
            assert!(tree.create_file(&path(bad), false).is_err(), "{bad}");
        }
        assert!(tree.make_dir(&path("link/d")).is_err());
        tree.create_file(&path("a/b"), true).unwrap();
        assert!(tree.create_file(&path("a/b"), true).is_err());
        assert!(NewTree::create(&root).is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
        let mode = |path: &str| root.join(path).metadata().unwrap().mode() & 0o7777;
        assert_eq!((mode(""), mode("a"), mode("a/b")), (0o700, 0o755, 0o755));
    }
}
