//! Which hosts, and which processes of them, the words of a command mean.

use super::host::Host;
use super::inventory::Inventory;
use crate::model::name::nearest::nearest;
use crate::model::name::{argument, glob};

/// A word that means nothing, or too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

impl NameError {
    fn no_such_process(name: &str, inventory: &Inventory, known: &[&str]) -> Self {
        let hosts = inventory.hosts.iter().map(|host| &*host.name);
        let next = match nearest(name, known.iter().copied().chain(hosts)) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                format!("`{} ps` lists them, and a host is written `HOST/`", inventory.command())
            }
        };
        Self(format!("no host that answers has a process `{name}`; {next}"))
    }

    fn on_many(name: &str, hosts: &[&str]) -> Self {
        let words: Vec<_> = hosts.iter().map(|host| format!("{host}/{name}")).collect();
        let hosts = hosts.join(", ");
        let words = words.join(" or ");
        Self(format!("{name} is on {hosts}; write {words}, or '*/{name}' for all"))
    }

    fn no_such_host(place: &str, is_alone: bool, inventory: &Inventory) -> Self {
        let hosts = inventory.hosts.iter().map(|host| &*host.name);
        let near = if let Some(group) = place.strip_prefix('@') {
            nearest(group, inventory.groups()).map(|near| format!("@{near}"))
        } else if inventory.groups().contains(&place) {
            Some(format!("@{place}"))
        } else {
            nearest(place, hosts.clone()).map(str::to_owned)
        };
        let next = match near {
            Some(near) => format!("did you mean {near}?"),
            None if is_alone && place.starts_with('@') => {
                format!("a group of processes is written '*/{place}'")
            }
            None => {
                let some: Vec<_> = hosts.clone().take(MOST_NAMED).collect();
                let more = if hosts.count() > MOST_NAMED { " and more" } else { "" };
                format!("its hosts are {}{more}", some.join(", "))
            }
        };
        Self(format!("there is no host or group `{place}` in the fleet; {next}"))
    }
}

/// The most hosts that an error names.
const MOST_NAMED: usize = 8;

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostWord {
    /// The places in the inventory of the hosts that may be meant.
    pub hosts: Vec<usize>,
    /// The process, or a pattern or a group of processes; `None` is the whole run.
    pub process: Option<String>,
    /// It names no host: whichever one has the process is meant.
    is_anywhere: bool,
}

impl HostWord {
    /// Read a word: `HOST/NAME`, `HOST/`, `HOST`, `@GROUP`, `@GROUP/NAME`, with `*` on both sides, or `NAME`.
    pub fn parse(word: &str, inventory: &Inventory) -> Result<Self, NameError> {
        let (place, process) = match word.split_once('/') {
            Some((place, process)) => (place, Some(process).filter(|process| !process.is_empty())),
            None => (word, None),
        };
        let hosts = hosts_of(place, inventory);
        if !hosts.is_empty() {
            let process = process.map(|name| argument(name.trim_end_matches('/'))).transpose();
            let process = process.map_err(|error| NameError(error.to_string()))?;
            return Ok(Self { hosts, process, is_anywhere: false });
        }
        if word.contains('/') || place.starts_with('@') {
            return Err(NameError::no_such_host(place, process.is_none(), inventory));
        }
        let hosts = (0..inventory.hosts.len()).collect();
        Ok(Self { hosts, process: Some(word.to_owned()), is_anywhere: true })
    }

    /// Whether the processes of these hosts must be known to tell what it means.
    pub fn needs_processes(&self) -> bool {
        self.process.is_some() && (self.is_anywhere || self.hosts.len() > 1)
    }
}

/// What is meant of one host: all of it, or these words for its processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    pub host: &'a Host,
    /// The words for its own tmo; none for the whole run.
    pub names: Vec<String>,
}

impl<'a> Target<'a> {
    pub const fn whole(host: &'a Host) -> Self {
        Self { host, names: vec![] }
    }

    /// What people type for it: the host, or each process.
    pub fn typed(&self) -> impl Iterator<Item = String> {
        let host = &self.host.name;
        let whole = self.names.is_empty().then(|| format!("{host}/"));
        whole.into_iter().chain(self.names.iter().map(move |name| format!("{host}/{name}")))
    }
}

/// What the words mean, in the order of the file; all hosts, if there are none. `has` tells whether a host has a process
/// that a word means; `None` if it did not answer. `known` are the names of the processes, for advice.
pub fn targets<'a>(
    inventory: &'a Inventory,
    words: &[HostWord],
    has: impl Fn(&Host, &str) -> Option<bool>,
    known: &[&str],
) -> Result<Vec<Target<'a>>, NameError> {
    // `None` is all of a host.
    let mut meant: Vec<Vec<Option<&String>>> = vec![vec![]; inventory.hosts.len()];
    for word in words {
        let mut hosts = word.hosts.clone();
        if let Some(name) = word.process.as_ref().filter(|_| word.needs_processes()) {
            let has = |place: usize| has(&inventory.hosts[place], name);
            let with = hosts.iter().filter(|&&place| has(place) == Some(true));
            let with: Vec<&str> = with.map(|&place| &*inventory.hosts[place].name).collect();
            match with[..] {
                [] => return Err(NameError::no_such_process(name, inventory, known)),
                [_, _, ..] if word.is_anywhere => return Err(NameError::on_many(name, &with)),
                // One that did not answer is asked again, and named if it still does not.
                _ => hosts.retain(|&place| has(place).unwrap_or(!word.is_anywhere)),
            }
        }
        for place in hosts {
            meant[place].push(word.process.as_ref());
        }
    }
    let mut targets = vec![];
    for (host, meant) in inventory.hosts.iter().zip(meant) {
        let names: Vec<String> = meant.iter().copied().flatten().cloned().collect();
        if let Some(name) = names.first().filter(|_| names.len() < meant.len()) {
            // A user may have meant the process alone, and a restart of all would be a nasty surprise.
            let host = &host.name;
            return Err(NameError(format!(
                "{host} is all of that host, and {name} is a process of it: write {host}/{name} for the process, or {host}/ for all"
            )));
        }
        if words.is_empty() || !meant.is_empty() {
            targets.push(Target { host, names });
        }
    }
    Ok(targets)
}

/// The places of the hosts that this means: a name, a pattern, that of a list, or `@` and a group.
fn hosts_of(word: &str, inventory: &Inventory) -> Vec<usize> {
    let is_list = inventory.lists.iter().any(|list| list.name == word);
    let is_meant = |host: &Host| match word.strip_prefix('@') {
        Some(group) => host.groups.iter().any(|own| glob(group, own)),
        None => glob(word, &host.name) || is_list && host.groups.iter().any(|own| own == word),
    };
    let all = inventory.hosts.iter().enumerate();
    all.filter(|(_, host)| is_meant(host)).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Host, HostWord, Inventory, NameError, targets};
    use crate::config::Env;

    const FILE: &str = "[host.a]\ngroups = [\"g\"]\n[host.b]\ngroups = [\"g\"]\n[host.c]\n";

    fn meant(words: &[&str]) -> Result<Vec<String>, NameError> {
        let fleet = Inventory::parse(FILE, Path::new("/x/fleet.toml"), &Env::default()).unwrap();
        let words = words.iter().map(|word| HostWord::parse(word, &fleet));
        let words = words.collect::<Result<Vec<_>, _>>()?;
        // a: web; b: web, db; c does not answer.
        let has = |host: &Host, name: &str| match &*host.name {
            "a" => Some(name == "web"),
            "b" => Some(["web", "db"].contains(&name)),
            _ => None,
        };
        let all = targets(&fleet, &words, has, &["web", "db"])?;
        Ok(all.iter().map(|one| format!("{}:{}", one.host.name, one.names.join(","))).collect())
    }

    #[test]
    fn words_mean_hosts_groups_patterns_and_processes() {
        let is =
            |words: &[&str], hosts: &[&str]| assert_eq!(meant(words).unwrap(), hosts, "{words:?}");
        is(&[], &["a:", "b:", "c:"]);
        is(&["b/web", "b/db"], &["b:web,db"]);
        is(&["b"], &["b:"]);
        is(&["b/"], &["b:"]);
        is(&["@g"], &["a:", "b:"]);
        is(&["@g/web"], &["a:web", "b:web"]);
        is(&["*/db"], &["b:db", "c:db"]);
        is(&["db"], &["b:db"]);
        is(&["c/anything"], &["c:anything"]);
    }

    #[test]
    fn a_word_that_means_nothing_or_too_much_is_refused() {
        let refused = |word: &str| meant(&[word]).unwrap_err().to_string();
        assert!(refused("web").contains("web is on a, b; write a/web or b/web, or '*/web'"));
        assert!(refused("x").contains("no host that answers has a process `x`"));
        assert!(refused("@h").contains("no host or group `@h`"));
        assert!(refused("@backend").ends_with("; a group of processes is written '*/@backend'"));
        assert!(refused("d/web").contains("no host or group `d`"));
        assert!(refused("@g/x").contains("a process `x`"));
        assert!(refused("wbe").ends_with("a process `wbe`; did you mean web?"));
        let both = meant(&["b", "db"]).unwrap_err().to_string();
        assert!(both.ends_with("write b/db for the process, or b/ for all"), "{both}");
        assert_eq!(meant(&["b/", "b/db"]).unwrap_err().to_string(), both);
    }
}
