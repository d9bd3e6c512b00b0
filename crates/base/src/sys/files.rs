//! The only place that opens files which others may have tampered with.
//!
//! Files of a project come with its repository: a Procfile may be a FIFO, an env file a link to
//! `/dev/zero`. tmo's own files can be replaced by any process of the run. Neither may block a command,
//! exhaust its memory, or lead it to another user's file. So everything is opened without blocking, only
//! plain files are read, and only up to a limit. `clippy.toml` forbids the usual ways to open a file.

pub mod new_tree;

use std::ffi::OsStr;
use std::fs::{self, File, FileType, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::Mode;
use rustix::event::PollFlags;
use rustix::fs::{FlockOperation, SeekFrom, flock};
use rustix::io::retry_on_intr;

/// The largest project file that is read: Procfile, env file, `tmo.toml`, declarations.
pub const PROJECT_LIMIT: u64 = 4 << 20;

/// The largest `tmo.toml`: parsing takes up to 300 times its size in memory.
pub const TOML_LIMIT: u64 = 1 << 20;

/// The largest file of tmo's own that is read as a whole. `plan.json` of 10,000 processes takes a quarter
/// of this.
pub const OWN_LIMIT: u64 = 64 << 20;

/// What an access to a file has given, or `None` if there is no such file.
pub fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// The path without links, as far as it exists: a directory has exactly one such path, however it is
/// written.
pub fn resolved(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let Ok(real) = there.canonicalize() {
            let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path.to_owned()
}

/// Device and inode of the file at a path: the same file may have several paths.
pub fn number(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|found| (found.dev(), found.ino()))
}

/// Whether a path passes through a link owned by a user other than this one and root, who could redirect it
/// at any time.
pub fn leads_over_links_of_others(path: &Path) -> bool {
    !links_of_others(path).is_empty()
}

/// The links of users other than this one and root that a path passes through, each with its owner.
fn links_of_others(path: &Path) -> Vec<(PathBuf, u32)> {
    let (mut found, mut left) = (vec![], vec![path.to_owned()]);
    // The kernel follows no more links than this in one path.
    for _ in 0..40 {
        let Some(path) = left.pop() else { break };
        let above: Vec<&Path> = path.ancestors().collect();
        for there in above.into_iter().rev() {
            let Ok(meta) = there.symlink_metadata() else { break };
            if !meta.is_symlink() {
                continue;
            }
            if is_other_user(meta.uid()) {
                found.push((there.to_owned(), meta.uid()));
            }
            if let Ok(target) = there.read_link() {
                left.push(there.parent().unwrap_or(Path::new("/")).join(target));
            }
        }
    }
    found
}

/// Why a file that exists is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    /// It is not a file that has an end.
    #[error("it is a {0}, not a plain file; replace it with a plain file")]
    Kind(&'static str),
    /// It is too large for its purpose.
    #[error("it is larger than {} MiB; is it the right file?", .0 >> 20)]
    Large(u64),
    /// Another user may have put it there.
    #[error(
        "it belongs to user {0}, who may have put it there for others to run; `TMO_TRUST=DIR` in your environment or in \
         ~/.tmo.env allows all files below DIR"
    )]
    Planted(u32),
}

impl From<Unsuitable> for io::Error {
    fn from(why: Unsuitable) -> Self {
        Self::new(io::ErrorKind::InvalidInput, why)
    }
}

/// Only a plain file passes.
fn check(kind: FileType) -> io::Result<()> {
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        return Err(Errno::EISDIR.into());
    } else if kind.is_fifo() {
        "FIFO"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_symlink() {
        "symbolic link"
    } else {
        "device"
    };
    Err(Unsuitable::Kind(what).into())
}

#[expect(clippy::disallowed_methods, reason = "everything below it opens files by this")]
fn open(path: &Path, how: &mut OpenOptions, flags: i32) -> io::Result<File> {
    how.custom_flags(flags | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Open a plain file of tmo's own, and nothing else. Permissions that were removed from it are restored.
fn plain(path: &Path, how: &mut OpenOptions) -> io::Result<File> {
    let file = match open(path, how, libc::O_NOFOLLOW) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_plain(path) => {
            fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|_| error)?;
            open(path, how, libc::O_NOFOLLOW)?
        }
        opened => opened?,
    };
    check(file.metadata()?.file_type())?;
    Ok(file)
}

fn is_plain(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
}

/// The rest of a file, up to this many bytes.
fn read_all(file: impl io::Read, limit: u64) -> io::Result<Vec<u8>> {
    read_about(file, 0, limit)
}

/// Like [`read_all`], for a file that was this long a moment ago: it is read in one piece.
fn read_about(mut file: impl io::Read, len: u64, limit: u64) -> io::Result<Vec<u8>> {
    // With room for one more byte, the last read finds the end instead of growing the buffer.
    let mut bytes = Vec::with_capacity(usize::try_from(len).map_or(0, |len| len + 1));
    file.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(Unsuitable::Large(limit).into()) } else { Ok(bytes) }
}

/// Who chose the path of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// The project: the path is a default, or is written in one of its files.
    Project,
    /// The user, on the command line or in the environment. Besides a plain file this may be a pipe that
    /// this process was given (`-f <(command)`).
    User,
}

/// The content of a project file. Links to a plain file are followed. A pipe given by the user is read to
/// its end; a signal interrupts the wait.
pub fn read_project(path: &Path, chosen_by: ChosenBy) -> io::Result<Vec<u8>> {
    let is_pipe = || fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo());
    if chosen_by == ChosenBy::User && is_descriptor(path) && is_pipe() {
        let file = open(path, File::options().read(true), 0)?;
        return read_all(Patient(file), PROJECT_LIMIT);
    }
    read_all(&open_project(path)?, PROJECT_LIMIT)
}

/// The content of a project's `tmo.toml`.
pub fn read_toml(path: &Path) -> io::Result<Vec<u8>> {
    read_all(&open_owned(path, TOML_LIMIT)?, TOML_LIMIT)
}

/// Open a project file. Links are followed, to a plain file of bounded size.
pub fn open_project(path: &Path) -> io::Result<File> {
    open_owned(path, PROJECT_LIMIT)
}

fn open_owned(path: &Path, limit: u64) -> io::Result<File> {
    let file = open_up_to(path, limit)?;
    check_owner(path, file.metadata()?.uid())?;
    Ok(file)
}

/// Open a regular file that the user has named, following links; `None` if it exceeds the limit.
pub fn open_archive(path: &Path, limit: u64) -> io::Result<Option<File>> {
    let found = fs::metadata(path)?;
    if found.is_file() && found.len() > limit {
        return Ok(None);
    }
    open_up_to(path, limit).map(Some)
}

/// Project files below these directories are read without a check of their owner.
static TRUSTED: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// From now on, read project files only if no other user can have planted them, or below these directories. Only the
/// first call counts.
pub fn trust(dirs: &OsStr) {
    let dirs = std::env::split_paths(dirs).filter(|dir| dir.is_absolute());
    TRUSTED.get_or_init(|| dirs.map(|dir| resolved(&dir)).collect());
}

/// Whether this is neither the caller nor root.
pub fn is_other_user(uid: u32) -> bool {
    ![nix::unistd::geteuid().as_raw(), 0].contains(&uid)
}

/// Refuse a file that another user may have planted, or that a planted link leads to.
fn check_owner(path: &Path, owner: u32) -> io::Result<()> {
    let Some(trusted) = TRUSTED.get() else { return Ok(()) };
    let mut all = links_of_others(&std::path::absolute(path)?);
    let real = path.canonicalize()?;
    if is_other_user(owner) {
        all.push((real.clone(), owner));
    }
    for (path, owner) in all {
        let dir = resolved(path.parent().unwrap_or(&path));
        // Its owner can change a file, wherever it is; a link can only be replaced.
        let is_alien = path == real && dir.metadata()?.uid() != owner;
        let is_trusted = trusted.iter().any(|one| dir.starts_with(one));
        if !is_trusted && (is_alien || is_planted(&dir, owner)?) {
            return Err(Unsuitable::Planted(owner).into());
        }
    }
    Ok(())
}

/// Whether a file of this other user in this directory, or a directory on the way to it, can have been put there
/// without consent of this user or root: others can write to a directory, or it is a third one's. What is above the
/// current directory does not matter, as this user has gone there.
fn is_planted(dir: &Path, owner: u32) -> io::Result<bool> {
    let here = std::env::current_dir().unwrap_or_default();
    for dir in dir.ancestors() {
        let around = dir.metadata()?;
        if around.mode() & 0o002 != 0 {
            return Ok(true);
        }
        if !is_other_user(around.uid()) || around.uid() == owner && here.starts_with(dir) {
            return Ok(false);
        }
        if around.uid() != owner {
            return Ok(true);
        }
    }
    Ok(false)
}

fn open_up_to(path: &Path, limit: u64) -> io::Result<File> {
    // Checked before opening: opening some devices has side effects.
    check(fs::metadata(path)?.file_type())?;
    let file = open(path, File::options().read(true), 0)?;
    let meta = file.metadata()?;
    check(meta.file_type())?;
    // Do not even begin to read a sparse file of some GiB.
    if meta.len() > limit { Err(Unsuitable::Large(limit).into()) } else { Ok(file) }
}

/// Whether the path itself, not its link target, names a file descriptor of this process.
pub fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || ["/dev/fd", "/proc/self/fd"].iter().any(|dir| {
            path.strip_prefix(dir)
                .is_ok_and(|fd| fd.to_str().is_some_and(|name| name.parse::<u32>().is_ok()))
        })
}

/// A pipe that was opened without blocking, but whose reads wait.
struct Patient(File);

impl io::Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    super::wait_for(&self.0, PollFlags::IN, None)?;
                }
                result => return result,
            }
        }
    }
}

/// Create a project file for writing, which must not exist yet.
pub fn write_project(path: &Path) -> io::Result<File> {
    open(path, File::options().write(true).create_new(true), 0)
}

/// How [`write_whole`] treats a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// It must not exist yet.
    New,
    /// The same, and only its owner may read it.
    NewPrivate,
    /// It exists, is replaced, and keeps its mode; a link is followed.
    Replaced,
    /// It is replaced if it exists, and has this mode, regardless of the umask.
    WithMode(u32),
}

/// Write a project file as a whole: beside its place, to the disk, and only then to its place. A failure leaves
/// everything as it was.
pub fn write_whole(path: &Path, bytes: &[u8], how: Whole) -> io::Result<()> {
    let there = if how == Whole::Replaced { Some(path.canonicalize()?) } else { None };
    let path = there.as_deref().unwrap_or(path);
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = Path::new(&fresh);
    let mode = if matches!(how, Whole::New | Whole::Replaced) { 0o666 } else { 0o600 };
    // Of an attempt that was killed.
    let _ = fs::remove_file(fresh);
    let write = || {
        let mut file = open(fresh, File::options().write(true).create_new(true).mode(mode), 0)?;
        match how {
            Whole::Replaced => {
                let there = fs::metadata(path)?;
                check(there.file_type())?;
                file.set_permissions(there.permissions())?;
            }
            Whole::WithMode(mode) => file.set_permissions(fs::Permissions::from_mode(mode))?,
            Whole::New | Whole::NewPrivate => {}
        }
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        match how {
            Whole::Replaced | Whole::WithMode(_) => fs::rename(fresh, path),
            // Unlike a renaming, a link does not replace what is there.
            Whole::New | Whole::NewPrivate => fs::hard_link(fresh, path).or_else(|_| {
                match fs::symlink_metadata(path) {
                    Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                    // A file system without links.
                    Err(_) => fs::rename(fresh, path),
                }
            }),
        }
    };
    let written = write();
    // Gone already if it was renamed.
    let _ = fs::remove_file(fresh);
    written
}

/// The content of a kernel file (`/proc`, `/sys`), whose size is not known in advance.
pub fn read_kernel(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    const STEP: usize = 4096;
    let mut file = open(path.as_ref(), File::options().read(true), 0)?;
    // Each read makes the kernel generate the whole text anew, so the usual small steps are expensive.
    let mut text = vec![0; STEP];
    let mut filled = 0;
    loop {
        match file.read(&mut text[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        text.resize(filled + STEP, 0);
    }
    text.truncate(filled);
    Ok(text)
}

/// The beginning of a kernel file that the kernel provides at once; returns its length.
pub fn read_kernel_start(path: impl AsRef<Path>, buffer: &mut [u8]) -> io::Result<usize> {
    open(path.as_ref(), File::options().read(true), 0)?.read(buffer)
}

/// Open a terminal, without making it the controlling terminal of this process.
pub fn open_terminal(path: &Path) -> io::Result<File> {
    open(path, File::options().read(true).write(true), 0)
}

/// Open the pipe that is the standard output of this process once more, so that only this file does not block.
pub fn reopen_output() -> io::Result<File> {
    open(Path::new("/dev/fd/1"), File::options().write(true), 0)
}

/// Open `/dev/null` for reading and writing.
pub fn open_null() -> io::Result<File> {
    open_terminal("/dev/null".as_ref())
}

/// Open a directory, to lock it.
pub fn open_dir(path: &Path) -> io::Result<File> {
    open(path, File::options().read(true), libc::O_DIRECTORY)
}

/// Lock a directory until the result is closed. Waits for others that have locked it.
pub fn lock_dir(path: &Path) -> io::Result<File> {
    let dir = open_dir(path)?;
    retry_on_intr(|| flock(&dir, FlockOperation::LockExclusive))?;
    Ok(dir)
}

/// A descriptor that stands for a path, whatever the file is; it can't be read from.
#[cfg(target_os = "linux")]
pub fn open_path(path: &Path) -> io::Result<File> {
    open(path, File::options().read(true), libc::O_PATH)
}

/// Open a plain file of tmo's own for writing.
pub fn open_to_write(path: &Path) -> io::Result<File> {
    plain(path, File::options().write(true))
}

/// Open a plain file of tmo's own for reading and writing.
pub fn open_to_read_and_write(path: &Path) -> io::Result<File> {
    plain(path, File::options().read(true).write(true))
}

/// Open a lock file of tmo's own (0600), created if it is missing. Anything there that is not a plain file
/// is removed.
pub fn make_lock(path: &Path) -> io::Result<File> {
    make_plain(path, File::options().write(true).truncate(false))
}

/// Open a plain file (0600) of tmo's own, created if it is missing, in place of anything else that is there.
fn make_plain(path: &Path, how: &mut OpenOptions) -> io::Result<File> {
    how.read(true).create(true).mode(0o600);
    plain(path, how).or_else(|error| match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => put_aside(path).and_then(|()| plain(path, how)),
        Ok(meta) if !meta.is_file() => fs::remove_file(path).and_then(|()| plain(path, how)),
        Ok(_) | Err(_) => Err(error),
    })
}

/// Whether this is neither a plain file nor a directory, and so not of tmo's making. For a directory, the
/// error is reported instead: its owner may miss it.
fn is_strange(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// Open a plain file for reading. Anything else counts as missing, except a directory.
pub fn open_plain(path: &Path) -> io::Result<File> {
    plain(path, File::options().read(true))
        .map_err(|error| if is_strange(path) { io::ErrorKind::NotFound.into() } else { error })
}

/// The content of a plain file of tmo's own.
pub fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_plain(path)?;
    let len = file.metadata()?.len();
    if len > OWN_LIMIT {
        return Err(Unsuitable::Large(OWN_LIMIT).into());
    }
    read_about(file, len, OWN_LIMIT)
}

/// Why a file with secrets is not read.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// It can't be opened or read.
    #[error("{} can't be read: {}", path.display(), super::why(source))]
    Read {
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It belongs to another user.
    #[error("{} belongs to user {owner}, not to you; create your own file", path.display())]
    Owner {
        path: PathBuf,
        /// User id of its owner.
        owner: u32,
    },
    /// Other users have access.
    #[error("{} is open to other users (mode {mode:03o}); `chmod 600 {}` closes it",
        path.display(), path.display())]
    Mode {
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl PrivateError {
    /// Whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Read a regular file that only this user can read or write.
pub fn read_private(path: &Path, limit: u64) -> Result<Vec<u8>, PrivateError> {
    let failed = |source| PrivateError::Read { path: path.to_owned(), source };
    let file = open(path, File::options().read(true), libc::O_NOFOLLOW).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    check(found.file_type()).map_err(failed)?;
    let mode = found.mode() & 0o777;
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(PrivateError::Owner { path: path.to_owned(), owner: found.uid() });
    }
    if mode & 0o077 != 0 {
        return Err(PrivateError::Mode { path: path.to_owned(), mode });
    }
    read_all(file, limit).map_err(failed)
}

/// Part of the name of a directory that was renamed out of the way.
const ASIDE: &str = ".aside-";

/// Remove the directories that [`make_lock`] and [`append_to`] have renamed in this directory.
pub fn remove_set_aside(dir: &Path) -> io::Result<()> {
    let mut done = Ok(());
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().contains(ASIDE) {
            done = done.and(fs::remove_dir_all(entry.path()));
        }
    }
    done
}

/// Rename a directory out of the way; its owner is unknown, so it is kept.
fn put_aside(dir: &Path) -> io::Result<()> {
    let mut name = dir.as_os_str().to_owned();
    name.push(format!("{ASIDE}{:x}", super::clock::now().nanos()));
    fs::remove_dir(dir).or_else(|_| fs::rename(dir, name))
}

/// Open a file (0600) for appending and reading, created if it is missing; anything that is not a plain
/// file is removed first.
pub fn append_to(path: &Path) -> io::Result<File> {
    make_plain(path, File::options().append(true))
}

/// Create a file (0600) for writing; fails if the path exists.
pub fn create_new(path: &Path) -> io::Result<File> {
    open(path, File::options().write(true).create_new(true).mode(0o600), 0)
}

/// Create an anonymous file, which is reachable only by its descriptor. `path` is its name for a moment, until it is
/// unlinked.
pub fn unnamed(path: &Path) -> io::Result<File> {
    let file = make_anew(path, File::options().read(true))?;
    fs::remove_file(path)?;
    Ok(file)
}

/// Create a file (0600) for writing, in place of anything there except a directory.
pub fn create_anew(path: &Path) -> io::Result<File> {
    make_anew(path, &mut File::options())
}

fn make_anew(path: &Path, how: &mut OpenOptions) -> io::Result<File> {
    how.write(true).create_new(true).mode(0o600);
    match open(path, how, 0) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            open(path, how, 0)
        }
        result => result,
    }
}

/// Check that a directory is writable: write a few bytes to a file and remove it.
pub fn try_writing(dir: &Path) -> io::Result<()> {
    // More than a file system can store inside an inode, so a full disk refuses it.
    const BYTES: [u8; 4096] = [0; 4096];
    let path = dir.join("@try");
    let mut file = create_anew(&path)?;
    let written = io::Write::write_all(&mut file, &BYTES);
    written.and(fs::remove_file(&path)).inspect_err(|_| {
        // A leftover file only takes up space. The result of the write is what matters.
        let _ = fs::remove_file(&path);
    })
}

/// Create a directory and its missing parents, accessible to their owner only.
pub fn make_dirs(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Ensure that there is a FIFO (0600); anything else is removed first, except a directory.
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

/// Open a FIFO, and nothing else, for writing; `hold`: succeed even if no process reads it. Never blocks.
pub fn open_fifo(path: &Path, hold: bool) -> io::Result<File> {
    let file = open(path, File::options().read(hold).write(true), libc::O_NOFOLLOW)?;
    let fifo = file.metadata()?.file_type().is_fifo();
    if fifo { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Length of the hole at this offset of a file: 0 where there is data, or if the file system does not
/// report holes.
pub fn hole(file: &File, at: u64) -> io::Result<u64> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(data.saturating_sub(at)),
        // Only a hole up to the end.
        Err(rustix::io::Errno::NXIO) => Ok(file.metadata()?.len().saturating_sub(at)),
        Err(_) => Ok(0),
    }
}

/// Overwrite the first bytes of a file: with a hole where the file system can make one, otherwise with zeros.
pub fn zero(file: &File, length: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if length == 0 || fallocate(file, hole, 0, length).is_ok() {
            return Ok(());
        }
    }
    io::copy(&mut io::repeat(0).take(length), &mut { file }).map(drop)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read what was written")]

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
