//! `fleet.toml`: the hosts of a fleet, and how each is reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;

use crate::config::Env;
use crate::config::lookup::nearest_above;
use crate::model::hex::hex;
use crate::model::untrusted::shown;
use crate::sys::files::{self, ChosenBy};
use crate::sys::{self, why};

/// The name of the file.
pub const FILE: &str = "fleet.toml";

/// The most hosts that one file may name.
const MOST_HOSTS: usize = 10_000;

/// The longest name of a host or a group.
const LONGEST_NAME: usize = 64;

/// A file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// There is no file.
    #[error(
        "there is no {FILE} here or above; one that names a host is `[host.k9]` with `ssh = \"k9.lan\"` below it \
         (`tmo help fleet`)"
    )]
    Missing,
    /// It can't be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// It makes no sense.
    #[error("{}:{line}: {text}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        text: String,
    },
}

/// The hosts of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The file.
    pub path: PathBuf,
    /// The hosts, in the order of the file.
    pub hosts: Vec<Host>,
    /// The SHA-256 of the file, in hex.
    pub digest: String,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name, as people write it before `/`.
    pub name: String,
    /// How it is reached.
    pub reach: Reach,
    /// The directory of its project, absolute or below `~`.
    pub root: String,
    /// Its groups.
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
        /// The command, with standard input and output connected.
        command: Vec<String>,
        /// The command for a terminal.
        tty: Option<Vec<String>>,
    },
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    host: BTreeMap<Spanned<String>, Spanned<HostTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostTable {
    ssh: Option<String>,
    via: Option<Vec<String>>,
    tty: Option<Vec<String>>,
    root: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    tmo: Option<String>,
}

impl Inventory {
    /// Read the file that the user names, or the nearest one here or above. `start_dir` is where the user is.
    pub fn read(start_dir: &Path, env: &Env, named: Option<&Path>) -> Result<Self, InventoryError> {
        // That of the caller: a project does not choose it.
        let by_env = env.caller("TMO_FLEET").map(Path::new);
        let (path, chosen_by) = match named.or(by_env) {
            Some(path) => (start_dir.join(path), ChosenBy::User),
            None => (find(start_dir, env).ok_or(InventoryError::Missing)?, ChosenBy::Project),
        };
        let unreadable = |why| InventoryError::Unreadable { path: path.clone(), why };
        let text =
            files::read_project(&path, chosen_by).map_err(|error| unreadable(why(&error)))?;
        let text = String::from_utf8(text).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
        Self::parse(&text, &path, env)
    }

    /// The inventory in this text; `path` names the file in messages, and its directory is the default of `root`.
    pub fn parse(text: &str, path: &Path, env: &Env) -> Result<Self, InventoryError> {
        let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let wrong =
            |at, said| InventoryError::Wrong { path: path.to_owned(), line: line(at), text: said };
        let document: Document = toml::from_str(text).map_err(|error| {
            wrong(error.span().map_or(0, |span| span.start), shown(error.message()).into_owned())
        })?;
        let mut tables: Vec<_> = document.host.into_iter().collect();
        tables.sort_by_key(|(name, _)| name.span().start);
        if tables.len() > MOST_HOSTS {
            return Err(wrong(0, format!("{MOST_HOSTS} hosts at most are possible")));
        }
        let place = default_root(path, env);
        let mut hosts = vec![];
        for (name, table) in tables {
            let at = name.span().start;
            let table = table.into_inner();
            let host = host(name.into_inner(), table, &place).map_err(|said| wrong(at, said))?;
            hosts.push(host);
        }
        if hosts.is_empty() {
            return Err(wrong(0, "it names no host; one begins with `[host.NAME]`".to_owned()));
        }
        let digest = hex(&Sha256::digest(text.as_bytes()));
        Ok(Self { path: path.to_owned(), hosts, digest })
    }

    /// The commands of the file that using it would execute here.
    pub fn commands(&self) -> impl Iterator<Item = (&Host, &[String])> {
        self.hosts.iter().flat_map(|host| {
            let commands = match &host.reach {
                Reach::Via { command, tty } => vec![Some(command), tty.as_ref()],
                Reach::Here | Reach::Ssh(_) => vec![],
            };
            commands.into_iter().flatten().map(move |command| (host, &command[..]))
        })
    }

    /// The names of the groups, each once.
    pub fn groups(&self) -> Vec<&str> {
        let mut all: Vec<_> =
            self.hosts.iter().flat_map(|host| &host.groups).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The nearest file here or above.
fn find(start_dir: &Path, env: &Env) -> Option<PathBuf> {
    let here = start_dir.join(FILE);
    if here.symlink_metadata().is_ok() {
        return Some(here);
    }
    nearest_above(start_dir, env, &[FILE]).map(|dir| dir.join(FILE))
}

/// The directory of the file, below `~` if it is below the home directory: hosts have other homes.
fn default_root(path: &Path, env: &Env) -> String {
    let dir = path.parent().unwrap_or(path);
    let home = env.caller_dir("HOME");
    let below = home.as_ref().and_then(|home| dir.strip_prefix(home).ok());
    let root = match below {
        Some(below) if below.as_os_str().is_empty() => PathBuf::from("~"),
        Some(below) => Path::new("~").join(below),
        None => dir.to_owned(),
    };
    root.display().to_string()
}

fn host(name: String, table: HostTable, default_root: &str) -> Result<Host, String> {
    check_name("host", &name)?;
    for group in &table.groups {
        check_name("group", group)?;
    }
    let root = table.root.unwrap_or_else(|| default_root.to_owned());
    if root.contains(['\0', '\n'])
        || !(root.starts_with('/') || root == "~" || root.starts_with("~/"))
    {
        return Err(format!("the root of {name} must be an absolute path or one below `~`"));
    }
    if let Some(tmo) = &table.tmo {
        // It stands unquoted in a line that a shell of the host reads.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-~".contains(c);
        if !tmo.starts_with(['/', '~']) || !tmo.chars().all(is_plain) {
            return Err(format!(
                "tmo of {name} must be a path of letters, digits and `/._+-` that begins with `/` or `~/`"
            ));
        }
    }
    let reach = match (table.ssh, table.via) {
        (Some(_), Some(_)) => return Err(format!("{name} has both `ssh` and `via`")),
        (_, Some(command)) if command.is_empty() || command.concat().contains('\0') => {
            return Err(format!(
                "`via` of {name} is no command; write `via = [\"docker\", \"exec\", \"-i\", \"web\"]`"
            ));
        }
        (_, Some(command)) => Reach::Via { command, tty: table.tty },
        (_, None) if table.tty.is_some() => {
            return Err(format!("`tty` of {name} belongs to `via`"));
        }
        (ssh, None) => {
            let ssh = ssh.unwrap_or_else(|| name.clone());
            if ssh.is_empty()
                || ssh.starts_with('-')
                || ssh.contains(|c: char| c.is_whitespace() || c.is_control())
            {
                return Err(format!("`ssh` of {name} is no name that ssh can have"));
            }
            let is_here = ssh == "local" || ssh == "localhost" || ssh == sys::host_name();
            if is_here { Reach::Here } else { Reach::Ssh(ssh) }
        }
    };
    Ok(Host { name, reach, root, groups: table.groups, tmo: table.tmo })
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Inventory {
        let env = Env::of([("HOME", "/home/me")]);
        Inventory::parse(text, Path::new("/home/me/shop/fleet.toml"), &env).unwrap()
    }

    #[test]
    fn the_example_of_the_manual_is_read() {
        let manual = include_str!("../../docs/FLEET.md");
        let (_, example) = manual.split_once("```toml fleet.toml\n").unwrap();
        let fleet = parse(example.split("```").next().unwrap());
        let names: Vec<_> = fleet.hosts.iter().map(|host| &*host.name).collect();
        assert_eq!(names, ["k9", "arm", "desk"]);
        assert_eq!(fleet.groups(), ["arm"]);
        assert_eq!(
            (&fleet.hosts[0].reach, &fleet.hosts[2].reach),
            (&Reach::Ssh("k9.lan".to_owned()), &Reach::Here)
        );
        assert_eq!(fleet.commands().count(), 0);
    }

    #[test]
    fn hosts_stand_in_the_order_of_the_file_and_the_root_is_below_home_there_too() {
        let fleet =
            parse("[host.z]\n[host.a]\nroot = \"/srv\"\n[host.m]\nvia = [\"x\"]\ntty = [\"y\"]\n");
        let roots: Vec<_> = fleet.hosts.iter().map(|host| (&*host.name, &*host.root)).collect();
        assert_eq!(roots, [("z", "~/shop"), ("a", "/srv"), ("m", "~/shop")]);
        assert_eq!(fleet.commands().count(), 2);
    }
}
