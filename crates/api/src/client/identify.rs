//! Identifies the listener at a socket: a supervisor of ours, or overmind.
//!
//! Nothing is sent to listeners of other users on Unix sockets. In a directory that others may write to, any user may have created the socket first. Root may still
//! contact a user's run, but only at a place where that user alone can put a socket.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, io};

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::reply::{Peer, Reply};
use super::tcp::Answerer;
use super::{COMMAND_LINE, Client, ClientError, LARGEST_ANSWER, SILENCE, connect, tcp};
use crate::client::address::Address;
use crate::model::state::State;

/// The listener at a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// A supervisor of ours, with the state of its run.
    Tmo(Box<State>),
    /// Overmind itself.
    Overmind,
}

/// Identify the listener. The question is sent in both protocols at once: a supervisor reads one HTTP
/// request; overmind skips lines that it does not know and answers the last one.
pub async fn identify_listener(at: impl Into<Address>) -> Result<Listener, ClientError> {
    // Omits the API version, so that listeners of most versions can be identified.
    const QUESTION: &str = concat!(
        "GET /api/state HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntmo-version: ",
        env!("CARGO_PKG_VERSION"),
        "\r\n\r\nstatus\n"
    );
    let at = at.into();
    let stream = match &at {
        Address::Unix(_) => connect(&at).await?,
        Address::Tcp(target) => match tcp::greet(target).await? {
            Answerer::Tmo(stream) => stream,
            Answerer::Overmind => return Ok(Listener::Overmind),
        },
    };
    // Root may contact another user's run. In that case the runtime directory in the answer is ignored: it
    // could be that of one of root's own runs, which the command would then change.
    let own = nix::unistd::geteuid().as_raw();
    let is_own = stream.peer_cred().is_ok_and(|peer| peer.uid() == own);
    let is_trusted = matches!(at, Address::Tcp(_)) || is_own;
    let believed = |mut state: State| {
        state.runtime = state.runtime.filter(|_| is_trusted);
        Listener::Tmo(Box::new(state))
    };
    let mut answer = Vec::new();
    let asked = async {
        let (reader, mut writer) = tokio::io::split(stream);
        writer.write_all(QUESTION.as_bytes()).await?;
        // The listener may abort the connection after its answer; the answer still counts.
        let _ = reader.take(LARGEST_ANSWER as u64).read_to_end(&mut answer).await;
        io::Result::Ok(())
    };
    let client = Client { at, fresh: Mutex::default(), run: None, by: COMMAND_LINE.into() };
    match tokio::time::timeout(SILENCE, asked).await {
        // A listener that exits at once may not even have read the question.
        Ok(_) if answer.is_empty() => return Err(ClientError::Empty { at: client.at }),
        Ok(asked) => asked.map_err(|error| client.lost(&error))?,
        Err(_) if client.alive().await.is_some_and(|alive| alive.taking_over || alive.ending) => {
            return client.state().await.map(believed);
        }
        Err(_) => return Err(ClientError::Silent { at: client.at }),
    }
    if answer.starts_with(b"PROCESS") {
        return Ok(Listener::Overmind);
    }
    let end = memchr::memmem::find(&answer, b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let version = head.split("\r\ntmo-version: ").nth(1).and_then(|rest| rest.split('\r').next());
    let (true, Some(version)) = (head.starts_with("http/1.1 "), version) else {
        let what = "it is neither tmo nor overmind".to_owned();
        return Err(ClientError::Garbled { at: client.at, what });
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let reply = Reply {
        peer: Peer::new(&client.at, version),
        asked: "GET /api/state".to_owned(),
        status: status.unwrap_or(StatusCode::BAD_GATEWAY),
        body: Bytes::copy_from_slice(answer.get(end + 4..).unwrap_or_default()),
    };
    if reply.status != StatusCode::OK {
        return Err(reply.refusal());
    }
    reply.read_anyhow().map(believed)
}

/// Maximum number of links that lead to a socket, the same as in the kernel.
const MOST_LINKS: usize = 40;

/// Mode bit: all users may create files in the directory. The sticky bit does not change that.
const WRITABLE_BY_ALL: u32 = 0o002;

/// Refuse the listener reached by this path, unless this user has reason to trust its owner.
pub(super) fn refuse(at: &Address, path: &Path, owner: u32) -> Result<(), ClientError> {
    let me = nix::unistd::geteuid();
    if owner == me.as_raw() || owner == 0 {
        return Ok(());
    }
    if !me.is_root() {
        return Err(ClientError::Stranger { at: at.clone(), owner });
    }
    match open_to_others(path, owner) {
        None => Ok(()),
        Some(dir) => Err(ClientError::SharedDirectory { at: at.clone(), owner, dir }),
    }
}

/// The first directory on the way to a socket where users other than this one (and root) could have placed
/// the socket, or a link that leads to it. The socket itself must be in a directory of this user; links may
/// also be in directories of root.
fn open_to_others(path: &Path, owner: u32) -> Option<PathBuf> {
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..=MOST_LINKS {
        let Some((link, target)) = first_link(&path) else {
            let dir = path.parent().unwrap_or(&path);
            // A directory that can't be inspected counts as open.
            let is_theirs = dir.metadata().is_ok_and(|found| found.uid() == owner);
            return (!is_theirs).then(|| dir.to_owned());
        };
        let dir = link.parent().unwrap_or(Path::new("/"));
        let is_closed = dir.metadata().is_ok_and(|found| {
            found.mode() & WRITABLE_BY_ALL == 0 && [owner, 0].contains(&found.uid())
        });
        if !is_closed {
            return Some(dir.to_owned());
        }
        let rest = path.strip_prefix(&link).unwrap_or(Path::new(""));
        let led = dir.join(target);
        path = if rest.as_os_str().is_empty() { led } else { led.join(rest) };
    }
    Some(path)
}

/// The first link in a path, and its target.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut there = PathBuf::new();
    for part in path.components() {
        there.push(part);
        if let Ok(target) = fs::read_link(&there) {
            return Some((there, target));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::open_to_others;

    #[test]
    fn a_socket_is_trusted_where_its_user_alone_can_put_one() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let me = root.metadata().unwrap().uid();
        let dir = |name: &str, mode| {
            let dir = root.join(name);
            fs::create_dir(&dir).unwrap();
            fs::set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
            dir
        };
        let closed = dir("closed", 0o755);
        fs::write(closed.join("socket"), "").unwrap();
        symlink("socket", closed.join("link")).unwrap();
        symlink("loop", closed.join("loop")).unwrap();
        assert_eq!(open_to_others(&closed.join("socket"), me), None);
        assert_eq!(open_to_others(&closed.join("link"), me), None);
        assert_eq!(open_to_others(&closed.join("socket"), me + 1), Some(closed.clone()));
        assert_eq!(open_to_others(&closed.join("loop"), me), Some(closed.join("loop")));
        symlink(&closed, root.join("alias")).unwrap();
        for (name, mode) in [("others", 0o757), ("sticky", 0o1777)] {
            let open = dir(name, mode);
            symlink(closed.join("socket"), open.join("link")).unwrap();
            symlink(&closed, open.join("dir")).unwrap();
            assert_eq!(open_to_others(&open.join("link"), me), Some(open.clone()), "{name}");
            assert_eq!(open_to_others(&open.join("dir/socket"), me), Some(open.clone()), "{name}");
            // A link to the socket.
            let to = closed.join(name);
            symlink(open.join("link"), &to).unwrap();
            assert_eq!(open_to_others(&to, me), Some(open), "{name}");
        }
        // Other members of the group can't listen as this user.
        let group = dir("group", 0o775);
        fs::write(group.join("socket"), "").unwrap();
        assert_eq!(open_to_others(&group.join("socket"), me), None);
        // A link in a directory of this user.
        assert_eq!(open_to_others(&root.join("alias/socket"), me), None);
    }
}
