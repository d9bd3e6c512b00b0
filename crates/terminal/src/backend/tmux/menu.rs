//! A menu in `connect`: restart, stop, log, other processes, leave.
//!
//! tmux can only run text through a shell, and expands formats in it first. So the text is short and plain:
//! a small script in the runtime directory, a verb, and the process's name, which has no character that is
//! special to either.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::model::shell::quoted_bytes;

/// The key after the prefix that opens the menu.
const KEY: &str = "m";

/// The script: `menu VERB ARGS…` is `tmo VERB -s SOCKET ARGS…`.
pub fn script(tmo: &Path, socket: &Path) -> Vec<u8> {
    let mut text = b"#!/bin/sh\nverb=$1\nshift\nexec ".to_vec();
    text.extend(quoted_bytes(tmo.as_os_str().as_bytes()));
    text.extend_from_slice(b" \"$verb\" -s ");
    text.extend(quoted_bytes(socket.as_os_str().as_bytes()));
    text.extend_from_slice(b" \"$@\"\n");
    text
}

/// The configuration lines that bind the key; `None` if the script's path would need quoting for tmux.
pub fn binding(script: &Path) -> Option<String> {
    let script = plain(script.as_os_str())?;
    let run = |verb: &str| format!("run-shell -b \"sh {script} {verb} #{{@tmo_name}}\"");
    let log =
        format!("display-popup -w 90% -h 90% -E \"sh {script} logs #{{@tmo_name}} | less -R +G\"");
    let items = [
        ("restart", "r", run("restart")),
        ("stop", "s", run("stop")),
        ("log", "l", log),
        ("other processes", "o", "choose-tree -Zw".to_owned()),
        ("leave", "d", "detach-client".to_owned()),
    ];
    let mut line = format!("bind-key {KEY} display-menu -T ' #{{@tmo_name}} ' -x P -y P");
    for (label, key, command) in items {
        // Writing to a string does not fail.
        let _ = write!(line, " '{label}' {key} '{command}'");
    }
    line.push('\n');
    Some(line)
}

/// The path as a string, if it has no character that is special to tmux or a shell.
pub(super) fn plain(path: &OsStr) -> Option<&str> {
    let text = path.to_str()?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    text.chars().all(harmless).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{binding, script};

    #[test]
    fn the_script_quotes_what_it_runs() {
        let text = script(Path::new("/it's/tmo"), Path::new("/a b/.overmind.sock"));
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains(r#"exec '/it'\''s/tmo' "$verb" -s '/a b/.overmind.sock' "$@""#),
            "{text}"
        );
    }

    #[test]
    fn a_path_that_needs_quotes_gets_no_menu() {
        assert!(binding(Path::new("/run/user/1000/tmo/abc/menu")).is_some());
        assert_eq!(binding(Path::new("/run/a b/menu")), None);
        assert_eq!(binding(Path::new("/run/#{x}/menu")), None);
    }
}
