//! `fleet.toml`: the hosts of a fleet, and how each is reached.

use std::collections::{BTreeMap, HashSet};
use std::iter::repeat_n;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;

use crate::config::Env;
use crate::config::lookup::nearest_above;
use crate::config::toml::{self as tmo_toml, Disk, SourceText};
use crate::model::hex::hex;
use crate::model::limits::PROCESSES;
use crate::model::nearest::nearest;
use crate::model::untrusted::shown;
use crate::sys::files::{self, ChosenBy, TOML_LIMIT};
use crate::sys::{is_own_name, why};

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
    /// The processes that the fleet gives to its hosts, in the order of the file.
    pub processes: Vec<FleetProcess>,
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

/// A process that the fleet gives to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetProcess {
    /// Its name.
    pub name: String,
    /// The name of its host.
    pub host: String,
    /// Its line in the file.
    pub line: usize,
    /// The lines of its table in a `tmo.toml`, each with its line in the file.
    pub settings: Vec<(usize, String)>,
}

/// A line of a file, and what is wrong with it.
type WrongLine = (usize, String);

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    host: BTreeMap<Spanned<String>, Spanned<HostTable>>,
    #[serde(default)]
    process: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, toml::Value>>,
}

#[derive(Debug, Default, Deserialize)]
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
        Self::parse(&read_text(&path, chosen_by)?, &path, env)
    }

    /// The inventory in this text; `path` names the file in messages, and its directory is the default of `root`.
    pub fn parse(text: &str, path: &Path, env: &Env) -> Result<Self, InventoryError> {
        let source = SourceText::new(text, FILE);
        let line = |at: usize| source.line(&(at..at));
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
            let host =
                host(name.into_inner(), table, &place).map_err(|message| wrong(at, message))?;
            hosts.push(host);
        }
        if hosts.is_empty() {
            return Err(wrong(0, "it names no host; one begins with `[host.NAME]`".to_owned()));
        }
        let mut processes = vec![];
        for (name, table) in document.process {
            let at = name.span().start;
            let found = process(name.into_inner(), line(at), table, &line);
            processes.push(found.map_err(|message| wrong(at, message))?);
        }
        processes.sort_by_key(|process: &FleetProcess| process.line);
        Self::new(text, path, hosts, processes, env)
    }

    /// The inventory of a file with this text, if its processes can be given to its hosts.
    pub(super) fn new(
        text: &str,
        path: &Path,
        hosts: Vec<Host>,
        processes: Vec<FleetProcess>,
        env: &Env,
    ) -> Result<Self, InventoryError> {
        let digest = digest(text.as_bytes());
        let fleet = Self { path: path.to_owned(), hosts, processes, digest };
        let wrong = |(line, text)| InventoryError::Wrong { path: fleet.path.clone(), line, text };
        fleet.check(env).map_err(wrong)?;
        Ok(fleet)
    }

    /// Check the processes as tmo on their hosts does, except for what is on the disk there.
    fn check(&self, env: &Env) -> Result<(), WrongLine> {
        if self.processes.len() > PROCESSES {
            return Err((1, format!("{PROCESSES} processes at most are possible")));
        }
        let mut seen = HashSet::new();
        for FleetProcess { name, host, line, .. } in &self.processes {
            if !self.hosts.iter().any(|known| known.name == *host) {
                let near = nearest(host, self.hosts.iter().map(|host| &*host.name));
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                let (name, host) = (shown(name), shown(host));
                return Err((
                    *line,
                    format!("{name}: there is no host `{host}` in the file{near}"),
                ));
            }
            if !seen.insert((host, name)) {
                return Err((*line, format!("{host} has two processes `{}`", shown(name))));
            }
        }
        let disk = Disk { dir: Path::new("/"), read: &|_| Ok(vec![]), is_dir: &|_| Ok(()) };
        for host in &self.hosts {
            let (text, lines) = self.toml_with_lines(&host.name);
            if text.len() as u64 > TOML_LIMIT {
                return Err((lines[0], format!("the processes of {} are too long", host.name)));
            }
            tmo_toml::check(&text, env, &disk).map_err(|(line, message)| {
                (lines.get(line.saturating_sub(1)).copied().unwrap_or(1), message)
            })?;
        }
        Ok(())
    }

    /// The `tmo.toml` for the processes of this host; empty if it has none.
    pub fn toml_of(&self, host: &str) -> String {
        self.toml_with_lines(host).0
    }

    /// The same, and for each of its lines that of the inventory.
    fn toml_with_lines(&self, host: &str) -> (String, Vec<usize>) {
        let (mut text, mut lines) = (String::new(), vec![]);
        let mut add = |line: usize, piece: &str| {
            text.push_str(piece);
            text.push('\n');
            lines.extend(repeat_n(line, piece.matches('\n').count() + 1));
        };
        for (place, process) in
            self.processes.iter().filter(|process| process.host == host).enumerate()
        {
            if place == 0 {
                // The end of one process ends neither its neighbours nor the run.
                let head = format!("{}\n[defaults]\non_exit = \"ignore\"", first_line(host));
                add(process.line, &head);
            }
            add(process.line, &format!("\n[process.{}]", tmo_toml::bare(&process.name)));
            for (line, setting) in &process.settings {
                add(*line, setting);
            }
        }
        (text, lines)
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

/// The text of an inventory.
pub(super) fn read_text(path: &Path, chosen_by: ChosenBy) -> Result<String, InventoryError> {
    let unreadable = |why| InventoryError::Unreadable { path: path.to_owned(), why };
    let text = files::read_project(path, chosen_by).map_err(|error| unreadable(why(&error)))?;
    String::from_utf8(text).map_err(|_| unreadable("it is not UTF-8".to_owned()))
}

/// The first line of the `tmo.toml` with the processes of this host.
pub fn first_line(host: &str) -> String {
    format!("# The processes of {host}; `tmo fleet apply` replaces them.")
}

/// The SHA-256 of a file, in hex.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A process with the keys of a `tmo.toml`, and `host`.
fn process(
    name: String,
    at: usize,
    table: BTreeMap<Spanned<String>, toml::Value>,
    line: &dyn Fn(usize) -> usize,
) -> Result<FleetProcess, String> {
    let (mut host, mut settings) = (None, vec![]);
    for (key, value) in table {
        match (&**key.get_ref(), value) {
            ("host", toml::Value::String(name)) => host = Some(name),
            (word, value) => settings.push((line(key.span().start), toml_line(word, &value))),
        }
    }
    let host = host.ok_or_else(|| {
        format!("{} needs `host = \"NAME\"`, the name of a host of this file", shown(&name))
    })?;
    settings.sort();
    Ok(FleetProcess { name, host, line: at, settings })
}

/// A setting as a line of a `tmo.toml`.
pub(super) fn toml_line(key: &str, value: &toml::Value) -> String {
    format!("{} = {value}", tmo_toml::bare(key))
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

/// A host of which only this is known.
pub(super) fn plain_host(name: &str, ssh: &str, root: &str) -> Result<Host, String> {
    host(name.to_owned(), HostTable { ssh: Some(ssh.to_owned()), ..HostTable::default() }, root)
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
            let is_here = ["local", "localhost"].contains(&&*ssh) || is_own_name(&ssh);
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
