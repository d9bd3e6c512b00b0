//! `connect` inside another tmux, which intercepts its own prefix key.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::backend::tmux::attach::through;
use crate::backend::tmux::version::answer;

/// tmux's default prefix.
const USUAL: &str = "C-b";

/// The keys that send the prefix to the inner tmux, from a terminal with this `TMUX`.
pub(super) async fn prefix(program: &OsStr, outer: Option<&OsStr>, inner: &str) -> String {
    let Some(socket) = outer.and_then(|tmux| tmux.as_bytes().split(|b| *b == b',').next()) else {
        return inner.to_owned();
    };
    let socket = Path::new(OsStr::from_bytes(socket));
    if UnixStream::connect(socket).is_err() {
        // The variable is left over from a tmux that has ended.
        return inner.to_owned();
    }
    let mut ask = tokio::process::Command::new(program);
    ask.arg("-S").arg(socket).args(["display-message", "-p", "#{prefix}"]);
    ask.args([";", "list-keys", "-T", "prefix"]);
    match answer(&mut ask, None).await {
        Ok(said) if said.status.success() => through(&String::from_utf8_lossy(&said.stdout), inner),
        // It refuses this client version: assume the default prefix.
        Ok(_) | Err(_) => through(USUAL, inner),
    }
}
