//! Putting the control socket where clients look for it, and taking it away again.
//!
//! Whoever calls this holds the lock of the run, so a socket that nobody answers on is a leftover
//! and is replaced. It is bound under another name, closed to other users, and renamed: no client
//! ever sees a half-made one. Where a socket cannot be (path too long, file system without
//! sockets), it lies in the runtime directory and a link takes its place.
//!
//! A socket beside the Procfile may be removed by hand, so there is a second door in the runtime
//! directory that clients find when the first is gone.

use std::fs::{self, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::socket::{Backlog, bind as bind_fd, listen};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat};

use serde::{Deserialize, Serialize};

use super::lock;
use crate::model::text::OsText;
use crate::sys::dial::{self, Answer};
use crate::sys::why;

/// How many clients may wait to be accepted.
///
/// As many as the kernel allows; a number is checked against the C library's constant, which is 128
/// in musl and on macOS.
#[cfg(target_os = "linux")]
const BACKLOG: Backlog = Backlog::MAXALLOWABLE;
#[cfg(not(target_os = "linux"))]
const BACKLOG: Backlog = Backlog::MAXCONN;

/// A control socket is this user's alone.
const OWN_MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody who does not hold our lock answers there.
    #[error("another program, perhaps overmind, listens on {}; end it, or give another socket with `-s`", shown.display())]
    Foreign {
        /// The path as the user named it.
        shown: PathBuf,
    },
    /// Something that is no socket is there; it is not touched.
    #[error("{} is in the way: it is {what}; move it away, or give another socket with `-s`", shown.display())]
    InTheWay {
        /// The path as the user named it.
        shown: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A socket of another user is there. Nobody listens on it, but their run may still live.
    #[error(
        "{} is a socket of another user (uid {owner}), whose run may still live; have them end it with \
         `tmo kill`, or give another socket with `-s`", shown.display()
    )]
    OfAnother {
        /// The path as the user named it.
        shown: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The system refused.
    #[error("listen unix {}: {what}: {}", shown.display(), why(cause))]
    Io {
        /// The path as the user named it.
        shown: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// A control socket that clients can find.
#[derive(Debug)]
pub struct Listening {
    /// Accepts clients; blocking, closed on exec.
    pub listener: UnixListener,
    /// The same for the second door, where there is one.
    pub spare: Option<UnixListener>,
    /// What is to be removed at the end.
    pub place: Place,
    /// What the user should know: where the socket really is, and why.
    pub note: Option<String>,
    /// It replaces a socket without a listener.
    pub replaced: bool,
}

/// The socket in the runtime directory, where there is one.
pub fn in_runtime(runtime: &Path) -> PathBuf {
    runtime.join("control.sock")
}

/// The second door.
fn spare_in(runtime: &Path) -> PathBuf {
    runtime.join("spare.sock")
}

/// The sockets that a run may have in its runtime directory.
pub fn own_sockets(runtime: &Path) -> [PathBuf; 2] {
    [in_runtime(runtime), spare_in(runtime)]
}

/// Remove a link at `path` that leads to one of the sockets of this runtime directory; whether there
/// was one.
pub fn unlink_own(path: &Path, runtime: &Path) -> io::Result<bool> {
    let target = fs::read_link(path).ok();
    let ours = target.is_some_and(|target| own_sockets(runtime).contains(&target));
    if ours { fs::remove_file(path).map(|()| true) } else { Ok(false) }
}

/// Bind the control socket at `path`, which the user called `shown`; see the module.
pub fn bind(path: &Path, shown: &Path, runtime: &Path) -> Result<Listening, ListenError> {
    let mut replaced = clear_way(path, shown)?;
    let mut bound = bind_at(path, replaced);
    // Somebody took the place while we looked: look again at who it is.
    if matches!(&bound, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
        replaced = clear_way(path, shown)?;
        bound = bind_at(path, replaced);
    }
    match bound {
        Ok((listener, id)) => {
            // What an earlier run left there would only send clients astray.
            let _ = remove_if(&in_runtime(runtime), |file| file.file_type().is_socket());
            let (spare, second) = match bind_at(&spare_in(runtime), true) {
                Ok((spare, id)) => (Some(spare), Some((spare_in(runtime).into(), id))),
                // The first one is there, and does.
                Err(_) => (None, None),
            };
            let place = Place { socket: path.into(), id, link: None, spare: second };
            Ok(Listening { listener, spare, place, note: None, replaced })
        }
        Err(cause) if no_directory(&cause) => {
            Err(ListenError::Io { shown: shown.to_owned(), what: "bind", cause })
        }
        Err(cause) => bind_elsewhere(path, shown, runtime, &cause),
    }
}

fn no_directory(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a leftover is at the path; an error if somebody or something else is.
fn clear_way(path: &Path, shown: &Path) -> Result<bool, ListenError> {
    let shown = shown.to_owned();
    let failed = |cause| ListenError::Io { shown: shown.clone(), what: "connect", cause };
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    // What a link leads to counts; one that leads nowhere is a leftover.
    let target = if there.is_symlink() { fs::metadata(path).ok() } else { Some(there) };
    if let Some(what) = target.as_ref().and_then(not_a_socket) {
        return Err(ListenError::InTheWay { shown, what });
    }
    let own = nix::unistd::geteuid().as_raw();
    let stranger = target.map(|target| target.uid()).filter(|owner| *owner != own);
    match (probe_own(path).map_err(failed)?, stranger) {
        (Answer::Live, _) => Err(ListenError::Foreign { shown }),
        (Answer::Dead, Some(owner)) => Err(ListenError::OfAnother { shown, owner }),
        (Answer::Dead | Answer::Nothing, _) => Ok(true),
    }
}

/// Whether a program listens on this socket. If it belongs to this user, who may not connect (after
/// `chmod -R a-w .`), the permission is restored first: only a connection can tell.
pub fn probe_own(path: &Path) -> io::Result<Answer> {
    match dial::probe(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && let_owner_in(path) => {
            dial::probe(path)
        }
        answer => answer,
    }
}

/// Make a socket of this user usable for it, and only for it; whether that was done.
fn let_owner_in(path: &Path) -> bool {
    let me = nix::unistd::geteuid().as_raw();
    let found = fs::symlink_metadata(path);
    // Through no link, as above.
    found.is_ok_and(|found| found.file_type().is_socket() && found.uid() == me)
        && fchmodat(AT_FDCWD, path, OWN_MODE, FchmodatFlags::NoFollowSymlink).is_ok()
}

fn not_a_socket(file: &Metadata) -> Option<&'static str> {
    let kind = file.file_type();
    if kind.is_socket() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_file() {
        Some("a file")
    } else {
        Some("something other than a socket")
    }
}

/// What is at this path, if that is no socket and no link to one.
pub fn in_the_way(path: &Path) -> Option<&'static str> {
    fs::metadata(path).ok().as_ref().and_then(not_a_socket)
}

/// Bind in the runtime directory, because of `cause`, and lead clients there.
fn bind_elsewhere(
    path: &Path,
    shown: &Path,
    runtime: &Path,
    cause: &io::Error,
) -> Result<Listening, ListenError> {
    let socket = in_runtime(runtime);
    let (listener, id) = bind_at(&socket, true).map_err(|cause| ListenError::Io {
        shown: socket.clone(),
        what: "bind",
        cause,
    })?;
    let (why, shown_socket) = (why(cause), socket.display());
    let linked = put_link(&socket, path);
    let link = linked.is_ok().then(|| path.into());
    let place = Place { socket: socket.as_path().into(), id, link, spare: None };
    let note = match linked {
        Err(cause) if no_directory(&cause) => {
            place.remove().unwrap_or_default();
            return Err(ListenError::Io { shown: shown.to_owned(), what: "bind", cause });
        }
        Ok(()) => format!(
            "{} is a link to {shown_socket}: a socket cannot be there ({why})",
            shown.display()
        ),
        Err(_) => format!(
            "the control socket is {shown_socket}: it cannot be {} ({why}); \
             commands given in this project find it, others need `-s {shown_socket}`",
            shown.display()
        ),
    };
    Ok(Listening { listener, spare: None, place, note: Some(note), replaced: false })
}

/// Device, number, time of birth: a number alone is soon given to another file.
type Id = (u64, u64, i64, i64);

fn id(file: &Metadata) -> Id {
    // Neither renaming nor a new mode changes this time of a socket.
    (file.dev(), file.ino(), file.mtime(), file.mtime_nsec())
}

/// Bind at the path, over a leftover if there is one.
fn bind_at(path: &Path, replace: bool) -> io::Result<(UnixListener, Id)> {
    let temporary = neighbour(path, "s");
    remove_if(&temporary, |file| file.file_type().is_socket())?;
    let listener = bind_hidden(&temporary)?;
    let settled = fs::symlink_metadata(&temporary)
        .map(|file| id(&file))
        .and_then(|id| settle(&temporary, path, replace).map(|()| id));
    match settled {
        Ok(id) => Ok((listener, id)),
        Err(error) => {
            // Nobody knows this name; the reason is more useful than this failure would be.
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// A listener at a name that nobody looks for, closed to other users.
fn bind_hidden(path: &Path) -> io::Result<UnixListener> {
    let address = dial::short(path)?.ok_or(Errno::ENAMETOOLONG)?;
    let socket = dial::stream_socket()?;
    // On Linux the file gets the mode that the socket has before; elsewhere this may fail.
    let closed = fchmod(&socket, OWN_MODE);
    bind_fd(socket.as_raw_fd(), &address)?;
    // By its path only where it must be, and through no link: where others can write, they may have
    // put one there meanwhile.
    let closed = if cfg!(target_os = "linux") {
        closed
    } else {
        fchmodat(AT_FDCWD, path, OWN_MODE, FchmodatFlags::NoFollowSymlink)
    };
    let listening = closed.and_then(|()| listen(&socket, BACKLOG));
    match listening {
        Ok(()) => Ok(socket.into()),
        Err(error) => {
            // It is of no use; the reason is what counts.
            let _ = fs::remove_file(path);
            Err(error.into())
        }
    }
}

/// A link to the socket at the path, over a leftover.
fn put_link(socket: &Path, path: &Path) -> io::Result<()> {
    let temporary = neighbour(path, "l");
    remove_if(&temporary, Metadata::is_symlink)?;
    symlink(socket, &temporary)?;
    settle(&temporary, path, true).inspect_err(|_| {
        // As above: nobody knows this name.
        let _ = fs::remove_file(&temporary);
    })
}

/// Give it its name. What appeared there since it was looked at is replaced only on request.
fn settle(from: &Path, to: &Path, replace: bool) -> io::Result<()> {
    if replace {
        return fs::rename(from, to);
    }
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Neither every file system nor every kernel knows how.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            other => return Ok(other?),
        }
    }
    fs::rename(from, to)
}

/// A short name in the same directory for what is to get the name of this path. Always the same, so
/// that what somebody leaves who is killed in between is found by the next one: whoever binds holds
/// the lock of the run, whoever puts a link comes through its door.
fn neighbour(path: &Path, kind: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let sum = name
        .iter()
        .fold(0x811c_9dc5_u32, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // Four digits: there is little room in the address of a socket.
    path.with_file_name(format!(".tmo{kind}{:04x}", (sum >> 16) ^ (sum & 0xffff)))
}

/// Remove a file if it is what we think it is; nothing there is fine.
fn remove_if(path: &Path, ours: impl Fn(&Metadata) -> bool) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(file) if ours(&file) => fs::remove_file(path),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// What [`bind`] has put into the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Where the socket is.
    socket: OsText,
    /// The link that leads to it.
    link: Option<OsText>,
    /// The second door.
    spare: Option<(OsText, Id)>,
    id: Id,
}

impl Place {
    /// The path that the user is shown for the socket: `shown`, unless nothing at that path leads to it.
    pub fn shown<'a>(&'a self, path: &Path, shown: &'a Path) -> &'a Path {
        let socket = self.socket.as_path();
        if socket == path || self.link.is_some() { shown } else { socket }
    }

    /// Remove the socket and the link to it, unless they have become somebody else's.
    pub fn remove(&self) -> io::Result<()> {
        let socket = self.socket.as_path();
        let linked = self.link.as_ref().map_or(Ok(()), |link| remove_link(link.as_path(), socket));
        let spare = self.spare.as_ref().map_or(Ok(()), |(spare, own)| {
            // It may have been led to because the socket was gone.
            let linked = remove_link(socket, spare.as_path());
            linked.and(remove_if(spare.as_path(), |file| id(file) == *own))
        });
        let socket = remove_if(socket, |file| id(file) == self.id);
        linked.and(spare).and(socket)
    }
}

fn remove_link(link: &Path, socket: &Path) -> io::Result<()> {
    remove_if(link, |file| {
        file.is_symlink() && fs::read_link(link).is_ok_and(|target| target == socket)
    })
}

/// Lead clients of `path` to the second door if somebody has removed the socket there; whether
/// that was so. To be called only while the run is there.
pub fn repair(path: &Path, runtime: &Path) -> bool {
    let spare = spare_in(runtime);
    let gone = fs::symlink_metadata(path)
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        && matches!(dial::probe(&spare), Ok(Answer::Live));
    gone && put_link(&spare, path).is_ok()
}

/// Where to connect: `path`, or the runtime directory if the socket had to be there and nothing
/// leads to it, or was removed, closed to its owner, or replaced by something else.
///
/// Other users may be able to write to the directory of `path`, but not to the runtime directory. So
/// a socket in the runtime directory that answers is preferred to a different one at `path`, and so is
/// the second door while the run holds its lock: at `path` there may be the socket of another run, or a
/// dead one.
pub fn locate(path: &Path, runtime: &Path) -> PathBuf {
    let (main, spare) = (in_runtime(runtime), spare_in(runtime));
    let here = fs::metadata(path).ok().filter(|found| found.file_type().is_socket());
    let answers = |socket: &Path| matches!(dial::probe(socket), Ok(Answer::Live));
    let is_own = |found: &Metadata| {
        let me = nix::unistd::geteuid().as_raw();
        let link = fs::symlink_metadata(path);
        found.uid() == me && link.is_ok_and(|link| link.uid() == me)
    };
    let is_held = lock::is_held(runtime).unwrap_or(false);
    match (fs::metadata(&main), here) {
        (Ok(there), Some(here)) if id(&here) == id(&there) => path.to_owned(),
        // A leftover that could not be replaced does not answer.
        (Ok(_), Some(_)) if !answers(&main) && answers(path) => path.to_owned(),
        (Ok(_), _) => main,
        (Err(_), Some(_)) if is_held && answers(&spare) => spare,
        (Err(_), Some(here)) if is_own(&here) && may_connect(path) => path.to_owned(),
        (Err(_), Some(_)) if !answers(&spare) => path.to_owned(),
        (Err(_), None) if !spare.exists() => path.to_owned(),
        (Err(_), _) => spare,
    }
}

/// Whether the mode of a socket lets this user connect.
fn may_connect(path: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    use rustix::io::Errno;
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS) != Err(Errno::ACCESS)
}
