//! Command lines for tmux: building, quoting, batching. All quoting for tmux is in this file.
//!
//! tmux interprets its arguments in several ways: an argument that ends in `;` ends the command; window
//! names, directories and pipe commands are formats (`#{…}`), pipe commands also `strftime`; a pipe command
//! goes through `/bin/sh`. A client call is limited to about 16,300 bytes.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use crate::model::text::shell::quoted_bytes;

/// Maximum bytes of arguments in one call (tmux's limit is about 16,300).
pub const MOST_BYTES: usize = 15_000;

/// The prefix of generated names.
pub const UNIQUE: &str = "tmo-";

/// A name that no window and no buffer has.
pub fn unique_name() -> String {
    format!("{UNIQUE}{:016x}", RandomState::new().build_hasher().finish())
}

/// One tmux command: its words, already quoted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TmuxCommand(Vec<OsString>);

impl TmuxCommand {
    /// A command that begins with these words.
    pub fn new(words: &str) -> Self {
        Self(words.split(' ').map(OsString::from).collect())
    }

    /// Add a word that tmux takes literally.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.0.push(literal(word.as_ref()));
        self
    }

    /// Add a word that tmux expands as a format, escaped so that the result is the word itself.
    #[must_use]
    pub fn plain_format(self, word: impl AsRef<OsStr>) -> Self {
        let doubled = double(word.as_ref().as_bytes(), b"#");
        self.arg(OsString::from_vec(doubled))
    }

    /// The command's words.
    pub fn words(&self) -> &[OsString] {
        &self.0
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|word| word.len() + 1).sum::<usize>() + 2
    }
}

/// Pack commands into as few calls as their size allows; a command is never split.
///
/// Each group stays together in one call (a window and its pipe must not be two calls).
pub fn batches(groups: &[Vec<TmuxCommand>]) -> Vec<Vec<OsString>> {
    let mut calls: Vec<Vec<OsString>> = vec![];
    let mut room = 0;
    for group in groups.iter().filter(|group| !group.is_empty()) {
        let bytes = group.iter().map(TmuxCommand::bytes).sum::<usize>();
        if calls.is_empty() || bytes > room {
            calls.push(vec![]);
            room = MOST_BYTES;
        }
        room = room.saturating_sub(bytes);
        if let Some(call) = calls.last_mut() {
            for command in group {
                if !call.is_empty() {
                    call.push(";".into());
                }
                call.extend(command.0.iter().cloned());
            }
        }
    }
    calls
}

/// Quote an argument so that a `;` at its end does not end the command.
fn literal(word: &OsStr) -> OsString {
    let bytes = word.as_bytes();
    match bytes.split_last() {
        Some((b';', head)) => OsString::from_vec([head, b"\\;"].concat()),
        _ => word.to_owned(),
    }
}

/// The command for `pipe-pane`: `exec` and words for `/bin/sh`, protected from tmux's expansion.
pub fn pipe_command(words: &[&OsStr]) -> OsString {
    let mut line = b"exec".to_vec();
    for word in words {
        line.push(b' ');
        line.extend(quoted_bytes(word.as_bytes()));
    }
    OsString::from_vec(double(&line, b"#%"))
}

fn double(bytes: &[u8], special: &[u8]) -> Vec<u8> {
    let mut doubled = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        doubled.push(byte);
        if special.contains(&byte) {
            doubled.push(byte);
        }
    }
    doubled
}

/// The command of a pane: the shim with its spec. With at least two words, tmux uses no shell.
pub fn shim(command: TmuxCommand, tmo: &Path, spec: &Path) -> TmuxCommand {
    command.arg(tmo).arg("shim").arg(spec)
}

/// `pipe-pane` on this target, to the sink with this spec.
pub fn pipe(target: &str, tmo: &Path, spec: &Path) -> TmuxCommand {
    let line = pipe_command(&[tmo.as_os_str(), OsStr::new("sink"), spec.as_os_str()]);
    TmuxCommand::new("pipe-pane -t").arg(target).arg(line)
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};
    use std::path::Path;

    use super::{MOST_BYTES, TmuxCommand, batches, pipe, pipe_command};

    #[test]
    fn a_final_semicolon_does_not_end_the_command() {
        let command = TmuxCommand::new("x").arg("a;").arg("a;b").arg("\\;");
        assert_eq!(command.words()[1..], ["a\\;", "a;b", "\\\\;"]);
    }

    #[test]
    fn formats_come_out_unchanged() {
        let command = TmuxCommand::new("new-window").arg("-n").plain_format("web#1");
        assert_eq!(command.words()[2], "web##1");
        let line = pipe_command(&[OsStr::new("/o'd %d/#{x}/tmo"), OsStr::new("sink")]);
        assert_eq!(line, r"exec '/o'\''d %%d/##{x}/tmo' sink");
    }

    #[test]
    fn a_group_is_never_split_and_no_call_is_too_long() {
        let spec = "/run/user/1000/tmo/0123456789/p/a-rather-long-name.spec";
        let group = |n: usize| {
            vec![
                TmuxCommand::new("new-window").arg("-n").plain_format(format!("web#{n}")),
                pipe("=s:=web", Path::new("/usr/bin/tmo"), Path::new(spec)),
            ]
        };
        let groups: Vec<_> = (0..500).map(group).collect();
        let calls = batches(&groups);
        assert!(calls.len() > 1);
        let mut windows = 0;
        for call in calls {
            assert!(call.iter().map(|w| w.len() + 1).sum::<usize>() <= MOST_BYTES);
            let count = |word: &str| call.iter().filter(|w| *w == &OsString::from(word)).count();
            assert_eq!(count("new-window"), count("pipe-pane"));
            windows += count("new-window");
        }
        assert_eq!(windows, 500);
    }
}
