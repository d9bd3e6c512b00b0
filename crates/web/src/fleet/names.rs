//! Which hosts, and which processes of them, the words of a command mean.

use super::host::Host;
use super::inventory::Inventory;
use crate::model::name::{argument, glob};
use crate::model::nearest::nearest;

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
}

/// The most hosts that an error names.
const MOST_NAMED: usize = 8;

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostWord {
    /// These hosts, or this process on them.
    On {
        /// The places of the hosts in the inventory.
        hosts: Vec<usize>,
        /// The process, or a pattern or a group of processes; `None` is the whole run.
        process: Option<String>,
    },
    /// A process of whichever host has it.
    Anywhere(String),
}

impl HostWord {
    /// Read a word: `HOST/NAME`, `HOST/`, `HOST`, `@GROUP`, `@GROUP/NAME`, with `*` on both sides, or `NAME`.
    pub fn read(word: &str, inventory: &Inventory) -> Result<Self, NameError> {
        let (place, process) = match word.split_once('/') {
            Some((place, process)) => (place, Some(process).filter(|process| !process.is_empty())),
            None => (word, None),
        };
        let hosts = hosts_of(place, inventory);
        if !hosts.is_empty() {
            let process = process.map(|name| argument(name.trim_end_matches('/'))).transpose();
            let process = process.map_err(|error| NameError(error.to_string()))?;
            return Ok(Self::On { hosts, process });
        }
        if word.contains('/') || place.starts_with('@') {
            let near = if let Some(group) = place.strip_prefix('@') {
                nearest(group, inventory.groups()).map(|near| format!("@{near}"))
            } else if inventory.groups().contains(&place) {
                Some(format!("@{place}"))
            } else {
                nearest(place, inventory.hosts.iter().map(|host| &*host.name)).map(str::to_owned)
            };
            let near = match near {
                Some(near) => format!("; did you mean {near}?"),
                None if process.is_none() && place.starts_with('@') => {
                    format!("; a group of processes is written '*/{place}'")
                }
                None => {
                    let hosts = inventory.hosts.iter().map(|host| &*host.name);
                    let some: Vec<_> = hosts.clone().take(MOST_NAMED).collect();
                    let more = if hosts.count() > MOST_NAMED { " and more" } else { "" };
                    format!("; its hosts are {}{more}", some.join(", "))
                }
            };
            return Err(NameError(format!(
                "there is no host or group `{place}` in the fleet{near}"
            )));
        }
        Ok(Self::Anywhere(word.to_owned()))
    }

    /// Whether the processes of these hosts must be known to tell what it means.
    pub fn needs_processes(&self) -> bool {
        match self {
            Self::Anywhere(_) => true,
            Self::On { hosts, process } => hosts.len() > 1 && process.is_some(),
        }
    }

    /// The hosts that may be meant, by their places.
    pub fn hosts(&self, inventory: &Inventory) -> Vec<usize> {
        match self {
            Self::Anywhere(_) => (0..inventory.hosts.len()).collect(),
            Self::On { hosts, .. } => hosts.clone(),
        }
    }
}

/// What is meant of one host: all of it, or these words for its processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// The host.
    pub host: &'a Host,
    /// The words for its own tmo; none for the whole run.
    pub names: Vec<String>,
}

impl<'a> Target<'a> {
    /// All of a host.
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
    let no_such = |name: &str| NameError::no_such_process(name, inventory, known);
    let has = |place: usize, word: &str| has(&inventory.hosts[place], word);
    let mut meant: Vec<Option<(bool, Vec<String>)>> = vec![None; inventory.hosts.len()];
    let mut add = |place: usize, name: Option<&String>| {
        let (is_whole, names) = meant[place].get_or_insert_default();
        *is_whole |= name.is_none();
        names.extend(name.cloned());
    };
    for word in words {
        match word {
            HostWord::On { hosts, process: Some(name) } if hosts.len() > 1 => {
                // A host that did not answer is asked again, and named if it still does not.
                let with: Vec<_> =
                    hosts.iter().filter(|&&host| has(host, name) != Some(false)).collect();
                if !hosts.iter().any(|&host| has(host, name) == Some(true)) {
                    return Err(no_such(name));
                }
                for &host in with {
                    add(host, Some(name));
                }
            }
            HostWord::On { hosts, process } => {
                for &host in hosts {
                    add(host, process.as_ref());
                }
            }
            HostWord::Anywhere(name) => {
                let all = 0..inventory.hosts.len();
                let with: Vec<_> = all.filter(|&host| has(host, name) == Some(true)).collect();
                match with[..] {
                    [] => return Err(no_such(name)),
                    [host] => add(host, Some(name)),
                    _ => {
                        let hosts = with.iter().map(|&host| &*inventory.hosts[host].name);
                        let one = hosts.clone().map(|host| format!("{host}/{name}"));
                        return Err(NameError(format!(
                            "{name} is on {}; write {}, or '*/{name}' for all",
                            hosts.collect::<Vec<_>>().join(", "),
                            one.collect::<Vec<_>>().join(" or ")
                        )));
                    }
                }
            }
        }
    }
    let both = |(host, meant): (&'a Host, &Option<(bool, Vec<String>)>)| match meant {
        Some((true, names)) => Some((&host.name, names.first()?.clone())),
        _ => None,
    };
    // A user may have meant the process alone, and a restart of all would be a nasty surprise.
    if let Some((host, name)) = inventory.hosts.iter().zip(&meant).find_map(both) {
        return Err(NameError(format!(
            "{host} is all of that host, and {name} is a process of it: write {host}/{name} for the process, or {host}/ for all"
        )));
    }
    let all = inventory.hosts.iter().zip(meant);
    Ok(all
        .filter_map(|(host, meant)| match meant {
            None if words.is_empty() => Some(Target::whole(host)),
            None => None,
            Some((true, _)) => Some(Target::whole(host)),
            Some((false, names)) => Some(Target { host, names }),
        })
        .collect())
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
        let words = words.iter().map(|word| HostWord::read(word, &fleet));
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
