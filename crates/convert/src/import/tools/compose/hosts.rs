//! Where a service that runs here finds the others, and what in a container does not find it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use crate::import::fields::Fields;
use crate::import::format::ImportError;
use crate::import::node::{SourceNode, SourcePlace, SourceValue};
use crate::import::process::ImportedProcess;
use crate::import::references::References;

/// What all services need to know.
pub(super) struct ComposeProject {
    /// `docker compose`, with the file if it has to be named.
    pub(super) client: String,
    pub(super) references: References,
    /// The profiles that `COMPOSE_PROFILES` starts.
    pub(super) profiles: Vec<String>,
    /// The services by all names that they have as hosts.
    pub(super) hosts: BTreeMap<String, ServiceHost>,
    /// The ports at which the others look for services that run here.
    pub(super) asked: RefCell<BTreeMap<String, (NonZeroU16, SourcePlace)>>,
}

impl ComposeProject {
    /// Whether `docker compose up` starts a service: one with profiles needs one of them.
    pub(super) fn starts(&self, fields: &Fields) -> Result<bool, ImportError> {
        let Some(node) = fields.get("profiles") else { return Ok(true) };
        let profiles = node.clone().texts("profiles")?;
        let is_started =
            |name: &String| self.profiles.iter().any(|known| known == name || known == "*");
        Ok(profiles.is_empty() || profiles.iter().any(is_started))
    }

    /// Note where a service is reached, by all its names.
    pub(super) fn add_host(
        &mut self,
        name: &str,
        fields: &Fields,
        is_local: bool,
    ) -> Result<(), ImportError> {
        let ports = fields.get("ports").map_or_else(|| Ok(vec![]), ports_of)?.into_iter();
        let host = ServiceHost {
            service: name.to_owned(),
            is_local,
            is_idle: !self.starts(fields)?,
            published: ports.filter_map(|(inside, outside)| Some((inside, outside?))).collect(),
        };
        for name in names_of(fields)? {
            self.hosts.entry(name).or_insert_with(|| host.clone());
        }
        self.hosts.insert(name.to_owned(), host);
        Ok(())
    }
}

/// Where what a service listens on is found from outside its container.
#[derive(Debug, Clone, Default)]
pub(super) struct ServiceHost {
    pub(super) service: String,
    pub(super) is_local: bool,
    /// It runs only with a profile that is not started.
    pub(super) is_idle: bool,
    /// Its ports inside its container and on this machine.
    pub(super) published: Vec<(String, String)>,
}

/// The host by which a container reaches this machine.
pub(super) const MACHINE: &str = "host.docker.internal";

/// The most ports of a service that are looked at: a few characters can name thousands.
const MOST_PORTS: usize = 100;

/// The items of `ports` or `expose`: ports inside the container, and on this machine.
pub(super) fn ports_of(node: &SourceNode) -> Result<Vec<(String, Option<String>)>, ImportError> {
    let SourceValue::List(items) = &node.value else { return Err(node.unlike("ports", "a list")) };
    let mut ports = vec![];
    for item in items {
        if let SourceValue::Table(_) = item.value {
            let mut port = Fields::new(item.clone(), "ports")?;
            let published = port.text("published")?.map(|text| text.value);
            ports.extend(port.text("target")?.map(|target| (target.value, published)));
            continue;
        }
        let text = item.clone().text("ports")?;
        let text = text.split('/').next().unwrap_or_default();
        let mut parts = text.rsplitn(3, ':').map(str::to_owned);
        let Some(inside) = parts.next() else { continue };
        let outside = parts.next().filter(|port| !port.is_empty());
        let range = |ports: &str| {
            let (first, last) = ports.split_once('-')?;
            Some((first.parse::<u16>().ok()?, last.parse::<u16>().ok()?))
        };
        match range(&inside) {
            None => ports.push((inside, outside)),
            Some((first, last)) => {
                let begin = outside.as_deref().and_then(range).map(|(first, _)| first);
                ports.extend((first..=last).take(MOST_PORTS).map(|port| {
                    let outside = begin.and_then(|begin| begin.checked_add(port - first));
                    (port.to_string(), outside.map(|port| port.to_string()))
                }));
            }
        }
    }
    ports.truncate(MOST_PORTS);
    Ok(ports)
}

/// The names by which others reach a service, beside its own.
fn names_of(fields: &Fields) -> Result<Vec<String>, ImportError> {
    let mut names = vec![];
    if let Some(node) = fields.get("container_name") {
        names.push(node.clone().text("container_name")?);
    }
    if let Some(SourceNode { value: SourceValue::Table(networks), .. }) = fields.get("networks") {
        for (_, network) in networks {
            let mut network = Fields::new(network.clone(), "networks")?;
            names.extend(network.texts("aliases")?.into_iter().flat_map(|names| names.value));
        }
    }
    Ok(names)
}

/// The ends of names of variables and flags whose values are hosts, beside those with `HOST` in them.
const HOST_KEYS: &str = "-H ADDR ADDRESS SERVER SERVERS NODES PEERS BROKERS UPSTREAM ENDPOINT";
/// Those that say of what kind something is, or what it is called.
const KIND_KEYS: &str = "CONNECTION DRIVER ADAPTER TYPE ENGINE DIALECT CLIENT NAME USER USERNAME PASSWORD PASS DATABASE \
    DB BACKEND STORE SERVICE";

/// Whether the name of a variable or flag ends in one of these words.
fn ends_in(key: &str, ends: &str) -> bool {
    let key = key.to_ascii_uppercase();
    ends.split(' ').any(|end| key.ends_with(end))
}

/// Whether a variable or flag of this name is a host: `DB_HOST`, `--redis-host`, `-h`.
fn is_host_key(key: &str) -> bool {
    key.to_ascii_uppercase().contains("HOST") || ends_in(key, HOST_KEYS)
}

/// A service that is named as a host.
struct NamedHost<'a> {
    name: &'a str,
    port: Option<&'a str>,
    /// It stands in a URL.
    is_url: bool,
}

/// A text with the hosts in it replaced by what `on_host` makes of each and its port. `key` is the variable or flag
/// whose value it is.
fn with_hosts(
    key: &str,
    text: &str,
    hosts: &BTreeMap<String, ServiceHost>,
    on_host: &mut dyn FnMut(&NamedHost<'_>) -> Option<String>,
) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let (mut result, mut at) = (String::new(), 0);
    while let Some(begin) = text[at..].find(is_part).map(|found| at + found) {
        let end = text[begin..].find(|c| !is_part(c)).map_or(text.len(), |found| begin + found);
        let (before, name, after) = (&text[..begin], &text[begin..end], &text[end..]);
        result.push_str(&text[at..begin]);
        at = end;
        let host = hosts.contains_key(name).then(|| named_host(key, before, name, after)).flatten();
        match host.as_ref().and_then(&mut *on_host) {
            Some(new) => {
                result.push_str(&new);
                at += host.and_then(|host| host.port).map_or(0, |port| 1 + port.len());
            }
            None => result.push_str(name),
        }
    }
    result + &text[at..]
}

/// Whether a word can begin behind this text.
fn begins_word(before: &str) -> bool {
    let last = before.chars().next_back();
    last.is_none_or(|last| last.is_whitespace() || "\"'`=,;@([{|<>".contains(last))
}

/// A word as the host that it is, unless it means something else.
fn named_host<'a>(key: &str, before: &str, name: &'a str, after: &'a str) -> Option<NamedHost<'a>> {
    let is_url = before.ends_with("//");
    let ends = |rest: &str| {
        rest.is_empty()
            || rest.starts_with(|c: char| c.is_whitespace() || "\"'`,;/?&)]}|<>#".contains(c))
    };
    let port = after.strip_prefix(':').and_then(|port| {
        let length = if port.starts_with("${") {
            port.find('}')? + 1
        } else {
            port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len())
        };
        (length > 0 && ends(&port[length..])).then(|| &port[..length])
    });
    if !is_url && !begins_word(before) || port.is_none() && !ends(after) {
        return None;
    }
    // The word in which it stands: enough of it to see what it is.
    let from = before.char_indices().rev().take(100).last().map_or(0, |(at, _)| at);
    let near = &before[from..];
    let word =
        near.rsplit(|c: char| c.is_whitespace() || "\"'`".contains(c)).next().unwrap_or_default();
    let words = &near[..near.len() - word.len()];
    let has_user = word.ends_with('@') && word.contains([':', '/']);
    let key = match word.rsplit_once('=') {
        Some((key, _)) => key,
        None if !word.is_empty() && !word.ends_with(',') => "",
        None => words
            .split_whitespace()
            .next_back()
            .filter(|word| word.starts_with('-'))
            .unwrap_or(if words.trim().is_empty() { key } else { "" }),
    };
    let key = key.trim_start_matches("--");
    let is_alone = !after.starts_with(['/', '?', '&', '#']) && is_host_key(key);
    let is_host = is_url
        || has_user
        || port.is_some() && !ends_in(key, "IMAGE TAG")
        || port.is_none() && is_alone;
    is_host.then_some(NamedHost { name, port, is_url: is_url || has_user })
}

/// Replaces the hosts of other services in what one of them says.
pub(super) struct HostReplacer<'a> {
    project: &'a ComposeProject,
    /// What is replaced.
    replaced: BTreeSet<&'a str>,
    /// Services and ports that are not there for it.
    missing: BTreeSet<(String, String)>,
    /// The values that are left as they are, though services are called so.
    kept: Vec<String>,
}

/// A text in which hosts can stand.
pub(super) struct HostText<'a> {
    /// The variable or flag whose value it is.
    pub(super) key: &'a str,
    pub(super) text: &'a str,
    pub(super) place: &'a SourcePlace,
    /// Another variable says which port is meant.
    pub(super) has_port: bool,
}

impl<'a> HostReplacer<'a> {
    pub(super) fn new(project: &'a ComposeProject) -> Self {
        Self { project, replaced: BTreeSet::new(), missing: BTreeSet::new(), kept: vec![] }
    }

    /// The text with its hosts as they are reached from this machine.
    pub(super) fn replace(&mut self, of: &HostText<'_>, process: &mut ImportedProcess) -> String {
        let hosts = &self.project.hosts;
        let result = with_hosts(of.key, of.text, hosts, &mut |named| {
            let (name, host) = hosts.get_key_value(named.name)?;
            self.replaced.insert(name);
            Some(self.address_here(named, host, of, process))
        });
        let is_variable = !of.key.is_empty() && !of.key.starts_with('-');
        if is_variable
            && result == of.text
            && hosts.contains_key(of.text)
            && !ends_in(of.key, KIND_KEYS)
        {
            self.kept.push(of.key.to_owned());
        }
        result
    }

    fn address_here(
        &mut self,
        named: &NamedHost<'_>,
        host: &ServiceHost,
        of: &HostText<'_>,
        process: &mut ImportedProcess,
    ) -> String {
        let port = match named.port {
            Some(port) if !host.is_local => Some(self.published_port(host, port, of, process)),
            Some(port) => {
                if let Ok(port) = port.parse() {
                    let mut asked = self.project.asked.borrow_mut();
                    asked.entry(host.service.clone()).or_insert_with(|| (port, of.place.clone()));
                }
                Some(port.to_owned())
            }
            None if host.is_local || of.has_port => None,
            // Which one is the usual one is known if there is but one.
            None => match &host.published[..] {
                [(inside, outside)] if inside != outside && named.is_url => Some(outside.clone()),
                [(inside, outside)] if inside != outside => {
                    let why = format!(
                        "port {inside} of {} is {outside} on this machine: tell the program",
                        host.service
                    );
                    self.leave(&host.service, inside, of, why, process);
                    None
                }
                [] => {
                    self.published_port(host, "", of, process);
                    None
                }
                _ => None,
            },
        };
        format!("localhost{}", port.map_or_else(String::new, |port| format!(":{port}")))
    }

    /// A port of a service in a container as it is on this machine; if it isn't there, that is named.
    pub(super) fn published_port(
        &mut self,
        host: &ServiceHost,
        asked: &str,
        of: &HostText<'_>,
        process: &mut ImportedProcess,
    ) -> String {
        let port = asked;
        if let Some((_, outside)) = host.published.iter().find(|(inside, _)| inside == port) {
            return outside.clone();
        }
        if !port.starts_with('$') {
            let service = &host.service;
            let what = if port.is_empty() || host.published.is_empty() {
                "a port".to_owned()
            } else {
                format!("port {port}")
            };
            let todo = match port {
                "" => "add `ports` to it".to_owned(),
                _ => format!("add \"{port}:{port}\" to its `ports`"),
            };
            let why = format!(
                "{service} does not publish {what}, so it can't be reached from here: {todo}"
            );
            let port = if host.published.is_empty() { "" } else { port };
            self.leave(service, port, of, why, process);
        }
        asked.to_owned()
    }

    fn leave(
        &mut self,
        service: &str,
        port: &str,
        of: &HostText<'_>,
        why: String,
        process: &mut ImportedProcess,
    ) {
        if self.missing.insert((service.to_owned(), port.to_owned())) {
            process.leave(of.place, of.key, why);
        }
    }

    /// Tell what was replaced.
    pub(super) fn finish(self, process: &mut ImportedProcess) {
        let names: Vec<&str> = self.replaced.into_iter().collect();
        if !names.is_empty() {
            process.comments.push(format!("localhost stands for {}", names.join(", ")));
        }
        if !self.kept.is_empty() {
            let kept = self.kept.join(", ");
            process.comments.push(format!(
                "left as they are, though services are called so: {kept} (as a host: localhost)"
            ));
        }
    }
}

/// The variable that holds the port beside one that holds a host: `DB_PORT` beside `DB_HOST`.
pub(super) fn port_beside(variable: &str) -> Option<String> {
    const HOSTS: [&str; 5] = ["HOSTNAME", "HOST", "ADDRESS", "ADDR", "SERVER"];
    let stem = HOSTS.iter().find_map(|host| variable.strip_suffix(host))?;
    Some(format!("{stem}PORT"))
}

/// Name the services that run here among those that one in a container names.
pub(super) fn leave_unreached_hosts(
    project: &ComposeProject,
    fields: &Fields,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let mut found: BTreeMap<&str, (SourcePlace, String)> = BTreeMap::new();
    let mut look = |key: &str, text: &str, place: &SourcePlace, what: String| {
        with_hosts(key, &project.references.value(text), &project.hosts, &mut |named| {
            let host = project.hosts.get(named.name).filter(|host| host.is_local)?;
            if host.service != MACHINE {
                found.entry(&host.service).or_insert_with(|| (place.clone(), what.clone()));
            }
            None
        });
    };
    if let Some(node) = fields.get("environment") {
        for variable in node.clone().variables("environment")? {
            let value = variable.value.unwrap_or_default();
            look(&variable.name, &value, &variable.place, format!("environment.{}", variable.name));
        }
    }
    for key in ["command", "entrypoint"] {
        let Some(node) = fields.get(key) else { continue };
        let place = node.place.clone();
        let line = node.clone().texts(key)?.join(" ");
        look("", &line, &place, key.to_owned());
    }
    if let Some(node) = fields.get("depends_on") {
        let names = match &node.value {
            SourceValue::Table(needs) => needs.iter().map(|(name, _)| name.clone()).collect(),
            _ => node.clone().texts("depends_on")?,
        };
        for name in names {
            look("host", &name, &node.place, format!("depends_on.{name}"));
        }
    }
    for (service, (place, what)) in found {
        let why = format!(
            "{service} runs here, which containers reach as {MACHINE}; on Linux, with \
             `extra_hosts: [\"{MACHINE}:host-gateway\"]`"
        );
        process.leave(&place, what, why);
    }
    Ok(())
}
