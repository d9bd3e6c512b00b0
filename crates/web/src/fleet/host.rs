//! A host of a fleet, and how it is reached.

use std::ffi::OsStr;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::model::text::untrusted::shown;
use crate::sys::is_own_name;

/// The longest name of a host or a group; pods have names of this length.
const LONGEST_NAME: usize = 253;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name, as people write it before `/`.
    pub name: String,
    /// How it is reached.
    pub reach: Reach,
    /// The directory of its project, absolute or below `~`; `.` is where a command begins there.
    pub root: String,
    pub groups: Vec<String>,
    /// The path of `tmo` there, if it is not found by its `PATH`.
    pub tmo: Option<String>,
}

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It is this machine.
    Here,
    /// By ssh, under this name or alias.
    Ssh(String),
    /// By a command, which executes the words that are added to it.
    Via {
        /// The host on which the command runs; `None` is this machine.
        ssh: Option<String>,
        /// The command, with standard input and output connected.
        command: Vec<String>,
        /// The command for a terminal.
        tty: Option<Vec<String>>,
    },
    /// Nobody knows how, for this reason: what an engine lists has no place yet, or nothing could be listed.
    Nowhere(String),
}

impl Host {
    /// The name by which ssh knows it, or the machine that it is on; `None` if it is reached without ssh.
    pub fn ssh_name(&self) -> Option<&str> {
        match &self.reach {
            Reach::Ssh(name) | Reach::Via { ssh: Some(name), .. } => Some(name),
            Reach::Here | Reach::Via { ssh: None, .. } | Reach::Nowhere(_) => None,
        }
    }

    /// A name for the command that reaches it, for messages: `ssh k9.lan`, `docker exec -i web`.
    pub fn reached_by(&self) -> String {
        match &self.reach {
            Reach::Here => "this machine".to_owned(),
            Reach::Ssh(name) => format!("ssh {name}"),
            Reach::Via { ssh, command, .. } => {
                let mut words = command.clone();
                if let Some(first) = words.first_mut() {
                    let name = Path::new(first).file_name().map(OsStr::to_string_lossy);
                    *first = name.unwrap_or_default().into_owned();
                }
                let by_ssh = ssh.iter().flat_map(|name| ["ssh", name]);
                by_ssh.chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
            }
            Reach::Nowhere(_) => "-".to_owned(),
        }
    }
}

/// The table of a host as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostTable {
    pub(super) ssh: Option<String>,
    #[serde(default, deserialize_with = "command_words")]
    pub(super) via: Option<Vec<String>>,
    #[serde(default, deserialize_with = "command_words")]
    pub(super) tty: Option<Vec<String>>,
    pub(super) root: Option<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    pub(super) tmo: Option<String>,
}

/// The words of a command, which is a list of them, or a text that is split as a shell does. No shell executes it.
pub(super) fn command_words<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a command is a text or a list of words")]
    enum Text {
        Line(String),
        Words(Vec<String>),
    }
    let words = match Text::deserialize(from)? {
        Text::Words(words) => words,
        Text::Line(line) => {
            shell_words::split(&line).map_err(|_| D::Error::custom("a quote has no end"))?
        }
    };
    if words.first().is_none_or(String::is_empty) || words.concat().contains('\0') {
        return Err(D::Error::custom("a command is needed, such as \"docker exec -i web\""));
    }
    Ok(Some(words))
}

impl HostTable {
    /// The host of this name. A `root` is the default.
    pub(super) fn host(self, name: String, root: &str) -> Result<Host, String> {
        check_name("host", &name)?;
        for group in &self.groups {
            check_name("group", group)?;
        }
        let root = match self.root {
            None => root.to_owned(),
            Some(root) if is_root(&root) => root,
            Some(_) => {
                return Err(format!(
                    "the root of {name} must be an absolute path or one below `~`"
                ));
            }
        };
        if let Some(tmo) = &self.tmo {
            // It stands unquoted in a line that a shell of the host reads.
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-~".contains(c);
            if !tmo.starts_with(['/', '~']) || !tmo.chars().all(is_plain) {
                return Err(format!(
                    "tmo of {name} must be a path of letters, digits and `/._+-` that begins with `/` or `~/`"
                ));
            }
        }
        let reach = reach(&name, self.ssh, self.via, self.tty)?;
        Ok(Host { name, reach, root, groups: self.groups, tmo: self.tmo })
    }
}

fn is_root(root: &str) -> bool {
    let begins = root.starts_with('/') || root == "~" || root.starts_with("~/");
    begins && !root.contains(['\0', '\n'])
}

fn reach(
    name: &str,
    ssh: Option<String>,
    via: Option<Vec<String>>,
    tty: Option<Vec<String>>,
) -> Result<Reach, String> {
    if let Some(ssh) = &ssh
        && (ssh.is_empty()
            || ssh.starts_with('-')
            || ssh.contains(|c: char| c.is_whitespace() || c.is_control()))
    {
        return Err(format!("`ssh` of {name} is no name that ssh can have"));
    }
    let is_here = |ssh: &str| ["local", "localhost"].contains(&ssh) || is_own_name(ssh);
    let Some(command) = via else {
        if tty.is_some() {
            return Err(format!("`tty` of {name} belongs to `via`"));
        }
        let ssh = ssh.unwrap_or_else(|| name.to_owned());
        return Ok(if is_here(&ssh) { Reach::Here } else { Reach::Ssh(ssh) });
    };
    let ssh = ssh.filter(|ssh| !is_here(ssh));
    // They stand unquoted in a line that a shell of that machine reads.
    if ssh.is_some() && !command.iter().chain(tty.iter().flatten()).all(|word| is_plain(word)) {
        return Err(format!("a word of `via` or `tty` of {name} would have to be quoted for ssh"));
    }
    Ok(Reach::Via { ssh, command, tty })
}

/// Whether every shell leaves this word as it is.
pub(super) fn is_plain(word: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=,".contains(c);
    // zsh replaces one that begins with `=`.
    !word.is_empty() && !word.starts_with('=') && word.chars().all(is_fine)
}

/// Check the name of a host or a group.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if begins && name.len() <= LONGEST_NAME && name.chars().all(is_fine) {
        return Ok(());
    }
    let name = shown(name);
    Err(format!(
        "the {what} `{name}` needs a name of letters, digits and `._-`, of {LONGEST_NAME} at most"
    ))
}
