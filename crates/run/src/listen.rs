//! Creating the control socket where clients look for it, and removing it again.
//!
//! The caller holds the lock of the run, so a socket without a listener is a leftover and is
//! replaced. The socket is bound under a temporary name, made inaccessible to other users, and then
//! renamed, so no client ever sees it half-made. If there cannot be a socket at the path (path too
//! long, file system without sockets, network file system), it is created in the runtime directory and
//! a symbolic link to it is put at the path.
//!
//! A socket next to the Procfile may be removed by hand. So there is a second one, the spare socket,
//! in the runtime directory; clients use it when the first is gone.

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
use crate::sys::dial::{self, ListenerState};
use crate::sys::{self, files, why};

/// The length of the accept queue.
///
/// The largest value that the kernel allows. nix rejects larger numbers than the `SOMAXCONN` of the C
/// library, which is only 128 in musl and on macOS.
#[cfg(target_os = "linux")]
const BACKLOG: Backlog = Backlog::MAXALLOWABLE;
#[cfg(not(target_os = "linux"))]
const BACKLOG: Backlog = Backlog::MAXCONN;

/// Only this user may connect to a control socket.
const OWN_MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A program that does not hold our lock listens there.
    #[error("another program, perhaps overmind, listens on {}; end it, or give another socket with `-s`", shown.display())]
    Foreign {
        /// The path as the user named it.
        shown: PathBuf,
    },
    /// There is something other than a socket; it is not touched.
    #[error("{} is in the way: it is {what}; move it away, or give another socket with `-s`", shown.display())]
    InTheWay {
        /// The path as the user named it.
        shown: PathBuf,
        what: &'static str,
    },
    /// There is a socket of another user. It has no listener, but the run of that user may still be
    /// alive.
    #[error(
        "{} is a socket of another user (uid {owner}), whose run may still live; have them end it with \
         `tmo kill`, or give another socket with `-s`", shown.display()
    )]
    OfAnother {
        /// The path as the user named it.
        shown: PathBuf,
        owner: u32,
    },
    /// There is a socket without a listener here, which a run on another machine may have.
    #[error(
        "{} has no listener on this machine, but is on a network file system: end the run on the other machine, or \
         remove the socket if there is none", shown.display()
    )]
    OnNetwork {
        /// The path as the user named it.
        shown: PathBuf,
    },
    #[error("listen unix {}: {what}: {}", shown.display(), why(cause))]
    Io {
        /// The path as the user named it.
        shown: PathBuf,
        /// What was tried.
        what: &'static str,
        #[source]
        cause: io::Error,
    },
}

/// A control socket that clients can find.
#[derive(Debug)]
pub struct Listening {
    /// Accepts clients; in blocking mode, close-on-exec.
    pub listener: UnixListener,
    /// The listener of the spare socket, if that could be bound.
    pub spare: Option<UnixListener>,
    /// The files to remove at the end.
    pub place: SocketFiles,
    /// A remark for the user: where the socket really is, and why.
    pub note: Option<String>,
    /// Whether it replaced a socket without a listener.
    pub replaced: bool,
}

/// The path of the control socket if it has to be in the runtime directory.
pub fn in_runtime(runtime: &Path) -> PathBuf {
    runtime.join("control.sock")
}

/// The path of the spare socket.
fn spare_in(runtime: &Path) -> PathBuf {
    runtime.join("spare.sock")
}

/// Whether a program listens on this socket.
pub fn answers(socket: &Path) -> bool {
    matches!(dial::probe(socket), Ok(ListenerState::Live))
}

/// The paths of all sockets that a run may have in its runtime directory.
pub fn own_sockets(runtime: &Path) -> [PathBuf; 2] {
    [in_runtime(runtime), spare_in(runtime)]
}

/// Remove the link at `path` if it points to one of the sockets of this runtime directory; return
/// whether it did.
pub fn unlink_own(path: &Path, runtime: &Path) -> io::Result<bool> {
    let target = fs::read_link(path).ok();
    let ours = target.is_some_and(|target| own_sockets(runtime).contains(&target));
    if ours { fs::remove_file(path).map(|()| true) } else { Ok(false) }
}

/// Bind the control socket at `path`, which messages call `shown`; see the module documentation.
pub fn bind(path: &Path, shown: &Path, runtime: &Path) -> Result<Listening, ListenError> {
    if path.parent().is_some_and(sys::is_shared) {
        return bind_shared(path, shown, runtime);
    }
    let mut replaced = clear_way(path, shown)?;
    let mut bound = bind_at(path, replaced);
    // Something was created at the path after we had looked: look again.
    if matches!(&bound, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
        replaced = clear_way(path, shown)?;
        bound = bind_at(path, replaced);
    }
    match bound {
        Ok((listener, id)) => {
            // Remove the leftover of an earlier run: clients would try to connect to it.
            let _ = remove_if(&in_runtime(runtime), |file| file.file_type().is_socket());
            let (spare, second) = match bind_at(&spare_in(runtime), true) {
                Ok((spare, id)) => (Some(spare), Some((spare_in(runtime).into(), id))),
                // The control socket works without the spare one.
                Err(_) => (None, None),
            };
            let place = SocketFiles { socket: path.into(), id, link: None, spare: second };
            Ok(Listening { listener, spare, place, note: None, replaced })
        }
        Err(cause) if no_directory(&cause) => {
            Err(ListenError::Io { shown: shown.to_owned(), what: "bind", cause })
        }
        Err(cause) => bind_elsewhere(path, shown, runtime, &cause),
    }
}

/// Bind where other machines see the same files: each has its socket in its own runtime directory. The link leads to
/// it on each machine on which the runtime directory has the same path.
fn bind_shared(path: &Path, shown: &Path, runtime: &Path) -> Result<Listening, ListenError> {
    if is_own_socket(path) && !answers(path) {
        return Err(ListenError::OnNetwork { shown: shown.to_owned() });
    }
    clear_way(path, shown)?;
    let cause = io::Error::other("other machines see it too");
    let listening = bind_elsewhere(path, shown, runtime, &cause)?;
    let note = listening.note.filter(|_| listening.place.link.is_none());
    Ok(Listening { note, ..listening })
}

fn no_directory(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether there is a leftover at the path; an error if there is a live socket or something else.
fn clear_way(path: &Path, shown: &Path) -> Result<bool, ListenError> {
    let shown = shown.to_owned();
    let failed = |cause| ListenError::Io { shown: shown.clone(), what: "connect", cause };
    let there = files::if_there(fs::symlink_metadata(path)).map_err(failed)?;
    let Some(there) = there else { return Ok(false) };
    // Follow a link and look at its target; a dangling link is a leftover.
    let target = if there.is_symlink() { fs::metadata(path).ok() } else { Some(there) };
    if let Some(what) = target.as_ref().and_then(not_a_socket) {
        return Err(ListenError::InTheWay { shown, what });
    }
    let own = nix::unistd::geteuid().as_raw();
    let stranger = target.map(|target| target.uid()).filter(|owner| *owner != own);
    match (probe_own(path).map_err(failed)?, stranger) {
        (ListenerState::Live, _) => Err(ListenError::Foreign { shown }),
        (ListenerState::Dead, Some(owner)) => Err(ListenError::OfAnother { shown, owner }),
        (ListenerState::Dead | ListenerState::Nothing, _) => Ok(true),
    }
}

/// Whether a program listens on this socket. If it is this user's socket, but its mode does not allow
/// connecting (after `chmod -R a-w .`), the mode is restored first: only a connection attempt can
/// tell.
pub fn probe_own(path: &Path) -> io::Result<ListenerState> {
    match dial::probe(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && let_owner_in(path) => {
            dial::probe(path)
        }
        answer => answer,
    }
}

/// Whether there is a socket of this user. A link is not followed: its target may be anything.
pub fn is_own_socket(path: &Path) -> bool {
    let me = nix::unistd::geteuid().as_raw();
    let found = fs::symlink_metadata(path);
    found.is_ok_and(|found| found.file_type().is_socket() && found.uid() == me)
}

/// Make a socket of this user accessible to this user only; return whether that was done.
fn let_owner_in(path: &Path) -> bool {
    is_own_socket(path)
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

/// The kind of file at this path, unless it is a socket or a link to one.
pub fn in_the_way(path: &Path) -> Option<&'static str> {
    fs::metadata(path).ok().as_ref().and_then(not_a_socket)
}

/// Bind in the runtime directory because binding at `path` failed with `cause`, and put a link at
/// `path`.
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
    let why = why(cause);
    let shown_socket = socket.display();
    let linked = put_link(&socket, path);
    let link = linked.is_ok().then(|| path.into());
    let place = SocketFiles { socket: socket.as_path().into(), id, link, spare: None };
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
            "the control socket is {shown_socket}: it cannot be at {} ({why}); \
             commands given in this project find it, others need `-s {shown_socket}`",
            shown.display()
        ),
    };
    Ok(Listening { listener, spare: None, place, note: Some(note), replaced: false })
}

/// Device, inode number and modification time: an inode number alone is soon reused.
type Id = (u64, u64, i64, i64);

fn id(file: &Metadata) -> Id {
    // Neither `rename` nor `chmod` changes the modification time of a socket.
    (file.dev(), file.ino(), file.mtime(), file.mtime_nsec())
}

/// The name under which the socket at this path is bound at first.
pub fn temporary(path: &Path) -> PathBuf {
    neighbour(path, "s")
}

/// Bind a socket at the path; it may take the place of a leftover if `replace` is set.
fn bind_at(path: &Path, replace: bool) -> io::Result<(UnixListener, Id)> {
    let temporary = temporary(path);
    remove_if(&temporary, |file| file.file_type().is_socket())?;
    let listener = bind_hidden(&temporary)?;
    let settled = fs::symlink_metadata(&temporary)
        .map(|file| id(&file))
        .and_then(|id| settle(&temporary, path, replace).map(|()| id));
    match settled {
        Ok(id) => Ok((listener, id)),
        Err(error) => {
            // A leftover under the temporary name is harmless; the first error is the useful one.
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// Bind and listen at a temporary path, inaccessible to other users.
fn bind_hidden(path: &Path) -> io::Result<UnixListener> {
    let address = dial::short(path)?.ok_or(Errno::ENAMETOOLONG)?;
    let socket = dial::stream_socket()?;
    // On Linux the socket file inherits the mode of the descriptor; elsewhere this call may fail.
    let closed = fchmod(&socket, OWN_MODE);
    bind_fd(socket.as_raw_fd(), &address)?;
    // Elsewhere set the mode by path, without following links: another user who can write to this
    // directory may have put one there since.
    let closed = if cfg!(target_os = "linux") {
        closed
    } else {
        fchmodat(AT_FDCWD, path, OWN_MODE, FchmodatFlags::NoFollowSymlink)
    };
    let listening = closed.and_then(|()| listen(&socket, BACKLOG));
    match listening {
        Ok(()) => Ok(socket.into()),
        Err(error) => {
            // The socket is of no use; report the first error.
            let _ = fs::remove_file(path);
            Err(error.into())
        }
    }
}

/// Put a link to the socket at the path; it may take the place of a leftover.
fn put_link(socket: &Path, path: &Path) -> io::Result<()> {
    let temporary = neighbour(path, "l");
    remove_if(&temporary, Metadata::is_symlink)?;
    symlink(socket, &temporary)?;
    // Some network file systems make links that they do not follow.
    let is_followed = fs::metadata(&temporary);
    is_followed.and_then(|_| settle(&temporary, path, true)).inspect_err(|_| {
        // As above: a leftover under the temporary name is harmless.
        let _ = fs::remove_file(&temporary);
    })
}

/// Rename to the final name. If a file has appeared there since we looked, it is overwritten only if
/// `replace` is set.
fn settle(from: &Path, to: &Path, replace: bool) -> io::Result<()> {
    if replace {
        return fs::rename(from, to);
    }
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some file systems and kernels do not support this flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            other => return Ok(other?),
        }
    }
    fs::rename(from, to)
}

/// A short temporary name in the directory of this path. It is always the same, so the next process
/// finds and removes what a killed one has left. That is safe without a random name: a process that
/// binds holds the run lock, and one that creates a link holds the `Door`.
fn neighbour(path: &Path, kind: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let sum = name
        .iter()
        .fold(0x811c_9dc5_u32, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // Only four hex digits, because socket addresses are limited to about 100 bytes.
    path.with_file_name(format!(".tmo{kind}{:04x}", (sum >> 16) ^ (sum & 0xffff)))
}

/// Remove a file if `ours` accepts it; a missing file is not an error.
fn remove_if(path: &Path, ours: impl Fn(&Metadata) -> bool) -> io::Result<()> {
    match files::if_there(fs::symlink_metadata(path))? {
        Some(file) if ours(&file) => fs::remove_file(path),
        Some(_) | None => Ok(()),
    }
}

/// The files that [`bind`] has created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketFiles {
    /// Where the socket is.
    socket: OsText,
    /// The link to the socket, if there is one.
    link: Option<OsText>,
    /// The spare socket, if there is one.
    spare: Option<(OsText, Id)>,
    id: Id,
}

impl SocketFiles {
    /// The path of the socket in messages: `shown`, unless nothing at that path leads to the socket.
    pub fn shown<'a>(&'a self, path: &Path, shown: &'a Path) -> &'a Path {
        let socket = self.socket.as_path();
        if socket == path || self.link.is_some() { shown } else { socket }
    }

    /// Remove the socket and the link to it, unless they have been replaced by other files.
    pub fn remove(&self) -> io::Result<()> {
        let socket = self.socket.as_path();
        let linked = self.link.as_ref().map_or(Ok(()), |link| remove_link(link.as_path(), socket));
        let spare = self.spare.as_ref().map_or(Ok(()), |(spare, own)| {
            // [`repair`] may have put a link to the spare socket here.
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

/// If the socket at `path` has been removed, put a link to one in the runtime directory there; return whether
/// that was done. To be called only while the run is alive.
pub fn repair(path: &Path, runtime: &Path) -> bool {
    let is_gone =
        fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let mut own = own_sockets(runtime).into_iter().filter(|socket| answers(socket));
    is_gone && own.next().is_some_and(|socket| put_link(&socket, path).is_ok())
}

/// Where a client connects: `path`, or a socket in the runtime directory if the control socket is
/// there without a link to it, or if the one at `path` was removed, replaced, or is not accessible to
/// its owner.
///
/// Other users may be able to write to the directory of `path`, but not to the runtime directory. So
/// a control socket in the runtime directory that answers is preferred to a different one at `path`.
/// The same holds for the spare socket while the run holds its lock: the socket at `path` may be dead
/// or belong to another run.
pub fn locate(path: &Path, runtime: &Path) -> PathBuf {
    let [main, spare] = own_sockets(runtime);
    let here = fs::metadata(path).ok().filter(|found| found.file_type().is_socket());
    let is_own = |found: &Metadata| {
        let me = nix::unistd::geteuid().as_raw();
        let link = fs::symlink_metadata(path);
        found.uid() == me && link.is_ok_and(|link| link.uid() == me)
    };
    let is_held = lock::is_held(runtime).unwrap_or(false);
    match (fs::metadata(&main), here) {
        (Ok(there), Some(here)) if id(&here) == id(&there) => path.to_owned(),
        // The control socket in the runtime directory is a leftover that could not be removed.
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
