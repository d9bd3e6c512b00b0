//! The variables of env files in tmux.
//!
//! The server, its clients and the panes of the run are started with the caller's own environment. The
//! variables that env files add are for windows that a user opens: they are in tmux's global environment,
//! which each new window inherits. Before tmo opens a pane of its own it removes them, so that the shim
//! starts without them, and sets them again afterwards.
//!
//! tmux reads both lists from files in the runtime directory: values may be secrets, and every user of the
//! machine can read the arguments of a process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::super::{OF_PANES, env_of_terminals};
use super::command::TmuxCommand;
use crate::model::plan::Plan;
use crate::model::text::OsText;

/// The two environments of a tmux server.
#[derive(Debug, Clone)]
pub(super) struct Environ {
    /// The environment of the server and its clients.
    pub(super) own: Vec<(OsText, OsText)>,
    /// The additional variables of windows that a user opens, each with the server's own value of it.
    windows: Vec<(OsText, OsText, Option<OsText>)>,
    set: PathBuf,
    reset: PathBuf,
}

impl Environ {
    /// The environments of this plan; the files go into the runtime directory.
    pub(super) fn new(plan: &Plan, runtime: &Path) -> Self {
        let own = env_of_terminals(plan);
        let all: BTreeMap<_, _> =
            plan.env_to_pass_on().map(|(name, value)| (name, value)).collect();
        let differs = |(name, value): &(&OsText, &OsText)| {
            !OF_PANES.contains(&name.as_bytes()) && own.get(name) != Some(value)
        };
        let windows = all.into_iter().filter(differs);
        let windows = windows.map(|(name, value)| {
            (name.clone(), value.clone(), own.get(name).map(|&value| value.clone()))
        });
        Self {
            windows: windows.collect(),
            own: own.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            set: runtime.join("env.conf"),
            reset: runtime.join("env-reset.conf"),
        }
    }

    /// The value of a variable of the server.
    pub(super) fn get(&self, name: &str) -> Option<&Path> {
        let found = self.own.iter().find(|(other, _)| other.as_bytes() == name.as_bytes());
        found.map(|(_, value)| value.as_path())
    }

    /// Both files, with their contents.
    pub(super) fn files(&self) -> Vec<(&Path, String)> {
        let (mut set, mut reset) = (String::new(), String::new());
        for (name, value, own) in &self.windows {
            let name = quoted(name.as_bytes());
            let value = quoted(value.as_bytes());
            // Writing to a string does not fail.
            let _ = writeln!(set, "set-environment -g {name} {value}");
            let _ = match own {
                Some(own) => {
                    writeln!(reset, "set-environment -g {name} {}", quoted(own.as_bytes()))
                }
                None => writeln!(reset, "set-environment -gu {name}"),
            };
        }
        if self.windows.is_empty() {
            return vec![];
        }
        vec![(&self.set, set), (&self.reset, reset)]
    }

    /// Commands to run before tmo opens panes of its own.
    pub(super) fn before(&self) -> Vec<TmuxCommand> {
        self.source(&self.reset)
    }

    /// Commands to run afterwards.
    pub(super) fn after(&self) -> Vec<TmuxCommand> {
        self.source(&self.set)
    }

    fn source(&self, file: &Path) -> Vec<TmuxCommand> {
        let source = TmuxCommand::new("source-file -q").arg(file);
        if self.windows.is_empty() { vec![] } else { vec![source] }
    }
}

/// Quote a word for a tmux configuration, whatever bytes it contains.
fn quoted(bytes: &[u8]) -> String {
    let mut word = String::from("\"");
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"_-./:,=+@ ".contains(&byte) {
            word.push(char::from(byte));
        } else {
            // Always three digits; writing to a string does not fail.
            let _ = write!(word, "\\{byte:03o}");
        }
    }
    word.push('"');
    word
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn any_bytes_are_one_word() {
        assert_eq!(quoted(b"a b=c"), r#""a b=c""#);
        assert_eq!(
            quoted(b"$x\n'\"\\;#{y}\xff"),
            r#""\044x\012\047\042\134\073\043\173y\175\377""#
        );
        assert_eq!(quoted(b""), r#""""#);
    }
}
