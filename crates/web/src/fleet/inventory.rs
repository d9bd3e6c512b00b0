//! `fleet.toml`: the hosts of a fleet, and how each is reached.

use std::collections::{BTreeMap, HashSet};
use std::iter::repeat_n;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;

use super::caller::Caller;
use super::host::{Host, HostTable, Reach};
use super::listing::{HostList, ListTable};
use crate::config::Env;
use crate::config::place::dirs::state_base;
use crate::config::place::project::nearest_above;
use crate::config::toml::{self as tmo_toml, Disk, SourceText};
use crate::model::name::nearest::nearest;
use crate::model::text::hex::hex;
use crate::model::text::shell::quoted;
use crate::model::text::untrusted::shown;
use crate::sys::files::{self, ChosenBy, TOML_LIMIT};
use crate::sys::why;

/// The name of the file.
pub const FILE: &str = "fleet.toml";

/// A file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// There is no file.
    #[error(
        "there is no {FILE} here or above; one that names a host is `[host.k9]` with `ssh = \"k9.lan\"` below it \
         (`tmo help fleet.toml`)"
    )]
    Missing,
    /// It can't be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// It makes no sense.
    #[error("{}:{line}: {text}", path.display())]
    Wrong {
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        text: String,
    },
}

/// The hosts of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    pub path: PathBuf,
    /// The flag of `tmo fleet` that names it, if one was needed.
    pub flag: Option<String>,
    /// The hosts, in the order of the file.
    pub hosts: Vec<Host>,
    /// The commands that list more of them.
    pub lists: Vec<HostList>,
    /// The processes that the fleet gives to its hosts, in the order of the file.
    pub processes: Vec<FleetProcess>,
    /// The SHA-256 of the file, in hex.
    pub digest: String,
}

/// A process that the fleet gives to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetProcess {
    pub name: String,
    /// The name of its host.
    pub host: String,
    /// Its line in the file.
    pub line: usize,
    /// The lines of its table in a `tmo.toml`, each with its line in the file.
    pub settings: Vec<(usize, String)>,
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    host: BTreeMap<Spanned<String>, HostTable>,
    #[serde(default)]
    hosts: BTreeMap<Spanned<String>, ListTable>,
    #[serde(default)]
    process: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, toml::Value>>,
}

impl Inventory {
    /// Read that of `TMO_FLEET`, or the nearest one here or above. `start_dir` is where the user is.
    pub fn nearest(start_dir: &Path, env: &Env) -> Result<Self, InventoryError> {
        // That of the caller: a project does not choose it.
        let (path, chosen_by) = match env.caller("TMO_FLEET") {
            Some(path) => (start_dir.join(path), ChosenBy::User),
            None => {
                (nearest_file(start_dir, env).ok_or(InventoryError::Missing)?, ChosenBy::Project)
            }
        };
        Self::parse(&read_text(&path, chosen_by)?, &path, env)
    }

    /// What a user types for another verb of this fleet.
    pub fn command(&self) -> String {
        let flag = self.flag.as_ref().map(|flag| format!(" {}", quoted(flag)));
        format!("tmo fleet{}", flag.unwrap_or_default())
    }

    /// The inventory in this text; `path` names the file in messages, and its directory is the default of `root`.
    pub fn parse(text: &str, path: &Path, env: &Env) -> Result<Self, InventoryError> {
        let source = SourceText::new(text, FILE);
        let line = |at: usize| source.line(&(at..at));
        let wrong =
            |at, said| InventoryError::Wrong { path: path.to_owned(), line: line(at), text: said };
        let document: Document = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let key = text.get(..span.start).unwrap_or_default().lines().next_back();
            let key = key.and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
            let marked = text.get(span.clone()).unwrap_or_default();
            wrong(span.start, shown(&mistake(error.message(), key, marked)).into_owned())
        })?;
        let mut tables: Vec<_> = document.host.into_iter().collect();
        tables.sort_by_key(|(name, _)| name.span().start);
        let mut lists = vec![];
        for (name, table) in document.hosts {
            let at = name.span().start;
            let place = tables.partition_point(|(host, _)| host.span().start < at);
            let list = table.into_list(name.into_inner(), place);
            lists.push(list.map_err(|message| wrong(at, message))?);
        }
        lists.sort_by_key(|list| list.place);
        let root = default_root(path, env);
        let mut hosts = vec![];
        for (name, table) in tables {
            let at = name.span().start;
            let name = name.into_inner();
            let is_twice = lists.iter().any(|list| list.name == name);
            let host = if is_twice {
                Err(format!("{name} is a host and a list of hosts"))
            } else {
                table.host(name, &root)
            };
            hosts.push(host.map_err(|message| wrong(at, message))?);
        }
        if hosts.is_empty() && lists.is_empty() {
            return Err(wrong(0, "it names no host; one begins with `[host.NAME]`".to_owned()));
        }
        let mut processes = vec![];
        for (name, table) in document.process {
            let at = name.span().start;
            let found = process(name.into_inner(), line(at), table, &line);
            processes.push(found.map_err(|message| wrong(at, message))?);
        }
        processes.sort_by_key(|process: &FleetProcess| process.line);
        let digest = digest(text.as_bytes());
        let path = path.to_owned();
        let fleet = Self { path, flag: None, hosts, lists, processes, digest };
        fleet.check(env)?;
        Ok(fleet)
    }

    /// Check the processes as tmo on their hosts does, except for what is on the disk there.
    pub(super) fn check(&self, env: &Env) -> Result<(), InventoryError> {
        let wrong = |line, text| InventoryError::Wrong { path: self.path.clone(), line, text };
        let mut seen = HashSet::new();
        for FleetProcess { name, host, line, .. } in &self.processes {
            if !self.hosts.iter().any(|known| known.name == *host) {
                let near = nearest(host, self.hosts.iter().map(|host| &*host.name));
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                let (name, host) = (shown(name), shown(host));
                let text = format!("{name}: there is no host `{host}` in the file{near}");
                return Err(wrong(*line, text));
            }
            if !seen.insert((host, name)) {
                return Err(wrong(*line, format!("{host} has two processes `{}`", shown(name))));
            }
        }
        let disk = Disk { dir: Path::new("/"), read: &|_| Ok(vec![]), is_dir: &|_| Ok(()) };
        for host in &self.hosts {
            let (text, lines) = self.toml_with_lines(&host.name);
            if text.len() as u64 > TOML_LIMIT {
                let text = format!("the processes of {} are too long", host.name);
                return Err(wrong(lines[0], text));
            }
            tmo_toml::check(&text, env, &disk).map_err(|(line, message)| {
                wrong(lines.get(line.saturating_sub(1)).copied().unwrap_or(1), message)
            })?;
        }
        Ok(())
    }

    /// The `tmo.toml` for the processes of this host; empty if it has none.
    pub fn toml_of(&self, host: &str) -> String {
        self.toml_with_lines(host).0
    }

    /// That `tmo.toml`, and for each of its lines that of the inventory.
    fn toml_with_lines(&self, host: &str) -> (String, Vec<usize>) {
        let mut text = String::new();
        let mut lines = vec![];
        let mut add = |line: usize, piece: &str| {
            text.push_str(piece);
            text.push('\n');
            lines.extend(repeat_n(line, piece.matches('\n').count() + 1));
        };
        let processes = || self.processes.iter().filter(|process| process.host == host);
        if let Some(first) = processes().next() {
            // The end of one process ends neither its neighbours nor the run.
            let head = format!("{}\n[defaults]\non_exit = \"ignore\"", first_line(host));
            add(first.line, &head);
        }
        for process in processes() {
            add(process.line, &format!("\n[process.{}]", tmo_toml::bare(&process.name)));
            process.settings.iter().for_each(|(line, setting)| add(*line, setting));
        }
        (text, lines)
    }

    /// The file whose presence allows its commands.
    pub fn trust_mark(&self, env: &Env) -> PathBuf {
        state_base(env).join("fleet-trusted").join(&self.digest)
    }

    /// Whether it has no commands, or the user has allowed them.
    pub fn is_trusted(&self, env: &Env) -> bool {
        self.commands().next().is_none() || self.trust_mark(env).is_file()
    }

    /// The commands of the file that using it would execute, each with the name of its table.
    pub fn commands(&self) -> impl Iterator<Item = (&str, &[String])> {
        let of_hosts = self.hosts.iter().flat_map(|host| {
            let commands = match &host.reach {
                Reach::Via { command, tty, .. } => vec![Some(command), tty.as_ref()],
                _ => vec![],
            };
            commands.into_iter().flatten().map(move |command| (&*host.name, &command[..]))
        });
        let of_lists = self
            .lists
            .iter()
            .flat_map(|list| list.named.iter().map(move |command| (&*list.name, &command[..])));
        of_hosts.chain(of_lists)
    }

    /// Add the hosts that the commands list now.
    pub async fn add_listed(&mut self, caller: &Caller<'_>) {
        let lists = self.lists.iter().map(|list| list.hosts(caller));
        let listed = join_all(lists).await;
        for (list, hosts) in self.lists.iter().zip(listed).rev() {
            self.hosts.splice(list.place..list.place, hosts);
        }
    }

    /// The lists of which some of these hosts are.
    pub fn lists_of<'h>(&self, hosts: impl Iterator<Item = &'h Host>) -> Vec<&HostList> {
        let names: HashSet<_> = hosts.filter_map(|host| host.groups.first()).collect();
        self.lists.iter().filter(|list| names.contains(&list.name)).collect()
    }

    /// The names of the groups, each once.
    pub fn groups(&self) -> Vec<&str> {
        let of_hosts = self.hosts.iter().flat_map(|host| &host.groups);
        let of_lists = self.lists.iter().flat_map(HostList::groups);
        let mut all: Vec<_> = of_hosts.chain(of_lists).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// A message of a parser in the words that are used for a `tmo.toml`. `key` is what stands before the `=` of a wrong value,
/// and `marked` is the part of the file that is meant.
pub(super) fn mistake(message: &str, key: Option<&str>, marked: &str) -> String {
    if message == "duplicate key" {
        return format!("`{marked}` is there twice");
    }
    if let Some(names) = message.strip_prefix("unknown field ") {
        let mut names = names.split('`').skip(1).step_by(2);
        let unknown = names.next().unwrap_or_default();
        let known: Vec<_> = names.collect();
        return format!("unknown key `{unknown}`; {}", tmo_toml::or_nearest(unknown, &known));
    }
    let message = message.replace("expected a sequence", "expected a list such as [\"a\"]");
    match key {
        Some(key) => format!("`{key}`: {message}"),
        None => message,
    }
}

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
    let mut host = None;
    let mut settings = vec![];
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
fn nearest_file(start_dir: &Path, env: &Env) -> Option<PathBuf> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Inventory {
        let env = Env::of([("HOME", "/home/me")]);
        Inventory::parse(text, Path::new("/home/me/shop/fleet.toml"), &env).unwrap()
    }

    #[test]
    fn the_example_of_the_manual_is_read() {
        let manual = include_str!("../../../../docs/FLEET.md");
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
