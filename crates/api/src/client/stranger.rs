//! Listeners of other users on Unix sockets: nothing is sent to them.
//!
//! In a directory that others may write to, any user may have created the socket first. Root may still
//! contact a user's run, but only at a place where that user alone can put a socket.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::ClientError;
use crate::client::address::Address;

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
