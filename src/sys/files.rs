//! Opening files that others may have had a hand in.
//!
//! A process can do what it likes with the files that tmo keeps about it. A link that it puts in
//! the place of one shall not lead tmo to somebody else's file, a pipe shall not make it wait.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::Mode;

/// Open what is a plain file, and only that.
fn plain(path: &Path, how: &mut OpenOptions) -> io::Result<File> {
    let file = how.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Whether something lies there that tmo has not put there; a directory is nobody's to remove.
fn is_strange(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// Open a plain file to read it. What is none counts as not there.
pub fn open_plain(path: &Path) -> io::Result<File> {
    plain(path, File::options().read(true))
        .map_err(|error| if is_strange(path) { io::ErrorKind::NotFound.into() } else { error })
}

/// The bytes of a plain file.
pub fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut open_plain(path)?, &mut bytes)?;
    Ok(bytes)
}

/// Open a file (0600) to append to and to read, made if it is not there; what is no plain file
/// is removed from its place.
pub fn append_to(path: &Path) -> io::Result<File> {
    let open = || {
        let mut how = File::options();
        plain(path, how.read(true).append(true).create(true).mode(0o600))
    };
    open().or_else(|error| {
        if !is_strange(path) {
            return Err(error);
        }
        fs::remove_file(path)?;
        open()
    })
}

/// Make a file (0600) to write to, whatever but a directory lies in its place.
pub fn create_anew(path: &Path) -> io::Result<File> {
    let open = || File::options().write(true).create_new(true).mode(0o600).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            open()
        }
        result => result,
    }
}

/// See to it that a FIFO (0600) is there; anything else but a directory is removed from its place.
pub fn make_fifo(path: &Path) -> io::Result<()> {
    let make = || nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR);
    match make() {
        Err(Errno::EEXIST) if is_fifo(path) => Ok(()),
        Err(Errno::EEXIST) => {
            fs::remove_file(path)?;
            Ok(make()?)
        }
        result => Ok(result?),
    }
}

fn is_fifo(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_fifo())
}

/// Open a FIFO, and nothing else, to write to it; `hold` says that it shall not matter whether
/// anybody reads it. Never waits.
pub fn open_fifo(path: &Path, hold: bool) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(hold).write(true).custom_flags(flags).open(path)?;
    let fifo = file.metadata()?.file_type().is_fifo();
    if fifo { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    use super::{append_to, create_anew, make_fifo, open_fifo, open_plain};

    #[test]
    fn links_are_not_followed_and_pipes_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (precious, path) = (dir.path().join("precious"), dir.path().join("own"));
        std::fs::write(&precious, "precious").unwrap();
        let spoil: [&dyn Fn(); 2] = [&|| symlink(&precious, &path).unwrap(), &|| {
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }];
        for spoil in spoil {
            spoil();
            let refused = open_plain(&path).unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::NotFound);
            append_to(&path).unwrap().write_all(b"mine").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"mine");
            std::fs::remove_file(&path).unwrap();
            spoil();
            create_anew(&path).unwrap().write_all(b"mine").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"mine");
            assert!(open_fifo(&path, true).is_err(), "no FIFO");
            make_fifo(&path).unwrap();
            open_fifo(&path, true).unwrap().write_all(b"x").unwrap();
            std::fs::remove_file(&path).unwrap();
        }
        symlink(&precious, &path).unwrap();
        assert!(open_fifo(&path, true).is_err(), "not even to look");
        make_fifo(&path).unwrap();
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    }
}
