//! The socket of a tmux server: its path, and whether a call has reached a server there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::model::plan::Plan;
use crate::model::text::OsText;

/// The variable that names the directory of tmux's sockets (tmux(1)).
pub const TMUX_DIR: &str = "TMUX_TMPDIR";

/// The socket of the tmux server of a plan.
pub fn of_plan(plan: &Plan) -> PathBuf {
    let set = plan.caller_env().get(&OsText::from(TMUX_DIR)).copied();
    of_name(set.map(OsText::as_os_str), &plan.tmux_socket)
}

/// The socket of a server with this name (`tmux -L`), if [`TMUX_DIR`] has this value.
pub fn of_name(dir: Option<&OsStr>, name: &str) -> PathBuf {
    let dir = dir.map(Path::new).filter(|dir| dir.exists());
    let uid = nix::unistd::geteuid();
    dir.unwrap_or(Path::new("/tmp")).join(format!("tmux-{uid}")).join(name)
}

/// Whether these words of tmux mean that nothing listens on the socket of the server.
pub fn is_unreachable(words: &str) -> bool {
    words.starts_with("error connecting to") || words.starts_with("no server running on")
}
