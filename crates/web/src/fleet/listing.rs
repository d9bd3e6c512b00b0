//! Hosts that a command lists, such as the tasks of an engine. They are listed anew by each command of tmo.

use std::collections::HashSet;

use serde::Deserialize;

use super::call_error::CallError;
use super::caller::Caller;
use super::host::{Host, HostTable, Reach, check_name, command_words, is_plain};
use super::swarm;
use crate::model::text::untrusted::cleaned;

/// The root of a listed host: where a command begins there.
const ROOT: &str = ".";

/// A table `[hosts.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostList {
    /// Its name, and that of the group of its hosts.
    pub name: String,
    /// How many hosts of the file stand before it.
    pub place: usize,
    /// The command that prints a line for each host: its name, and other words.
    pub list: Vec<String>,
    /// What tells what has become of its hosts.
    why: Option<Why>,
    /// The commands among them, and those that reach a host, which the file itself names.
    pub named: Vec<Vec<String>>,
    /// What each host has, with `{1}` for the first word of its line.
    template: HostTable,
}

/// What tells what has become of the hosts of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// The output of a command.
    Command(Vec<String>),
    /// The tasks of a stack.
    Swarm(String),
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListTable {
    engine: Option<Engine>,
    select: Option<String>,
    #[serde(default, deserialize_with = "command_words")]
    list: Option<Vec<String>>,
    #[serde(default, deserialize_with = "command_words")]
    why: Option<Vec<String>>,
    ssh: Option<String>,
    #[serde(default, deserialize_with = "command_words")]
    via: Option<Vec<String>>,
    #[serde(default, deserialize_with = "command_words")]
    tty: Option<Vec<String>>,
    root: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    tmo: Option<String>,
}

/// An engine whose commands are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Engine {
    Swarm,
    Kubernetes,
}

pub(super) fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}

impl ListTable {
    /// Add the commands of an engine, for the hosts that these words select.
    fn fill(&mut self, engine: Engine, select: &str) {
        let (list, via, tty) = match engine {
            Engine::Swarm => {
                let mut list = words("docker stack ps --no-trunc --filter desired-state=running");
                list.push("--format={{.Name}} {{.Name}}.{{.ID}} {{.Node}}".to_owned());
                list.push(select.to_owned());
                (list, "docker exec -i {2}", "docker exec -it {2}")
            }
            Engine::Kubernetes => {
                // The label that an export has.
                let label = if select.contains('=') { "" } else { "app.kubernetes.io/part-of=" };
                let pods = format!("kubectl get pods --selector={label}{select}");
                self.why.get_or_insert_with(|| words(&format!("{pods} --output=wide")));
                let columns = "--no-headers --output=custom-columns=:metadata.name";
                let list = words(&format!("{pods} {columns}"));
                (list, "kubectl exec -i {1} --", "kubectl exec -it {1} --")
            }
        };
        self.list.get_or_insert(list);
        // A `via` of the file has its own `ssh` and `tty`.
        if self.via.is_none() {
            self.via = Some(words(via));
            self.tty.get_or_insert_with(|| words(tty));
            if engine == Engine::Swarm {
                self.ssh.get_or_insert_with(|| "{3}".to_owned());
            }
        }
    }

    /// The list of this name, behind so many hosts.
    pub(super) fn into_list(mut self, name: String, place: usize) -> Result<HostList, String> {
        check_name("list of hosts", &name)?;
        let select = self.select.take().unwrap_or_else(|| name.clone());
        if !is_plain(&select) || select.starts_with('-') {
            return Err(format!("`select` of {name} is no name that an engine can have"));
        }
        let named = [&self.list, &self.why, &self.via, &self.tty];
        let named = named.into_iter().flatten().cloned().collect::<Vec<_>>();
        if let Some(engine) = self.engine {
            self.fill(engine, &select);
        }
        let (Some(list), Some(_)) = (self.list, &self.via) else {
            return Err(format!(
                "{name} needs `engine = \"swarm\"` or \"kubernetes\", or the commands `list` and `via`; a single host is `[host.{name}]`"
            ));
        };
        let stack = || (self.engine == Some(Engine::Swarm)).then_some(Why::Swarm(select));
        let why = self.why.map(Why::Command).or_else(stack);
        let groups = [vec![name.clone()], self.groups].concat();
        let Self { ssh, via, tty, root, tmo, .. } = self;
        let template = HostTable { ssh, via, tty, root, groups, tmo };
        let list = HostList { name, place, list, why, named, template };
        // Wrong groups and paths are found while the file is read.
        list.host(&["a", "b", "c", "d", "e", "f", "g", "h", "i"])?;
        Ok(list)
    }
}

impl HostList {
    /// The groups of its hosts.
    pub fn groups(&self) -> &[String] {
        &self.template.groups
    }

    /// Its hosts now. If they can't be listed, or there are none, one that can't be reached stands for them.
    pub async fn hosts(&self, caller: &Caller<'_>) -> Vec<Host> {
        match self.listed(caller).await {
            Ok(hosts) if hosts.is_empty() => vec![self.nowhere(&self.name, "it has no hosts now")],
            Ok(hosts) => hosts,
            Err(why) => vec![self.nowhere(&self.name, &why)],
        }
    }

    /// What has become of them: the text of the engine; `None` if nothing tells.
    pub async fn why(&self, caller: &Caller<'_>) -> Option<Result<String, CallError>> {
        Some(match self.why.as_ref()? {
            Why::Command(command) => caller.here(command).await,
            Why::Swarm(stack) => swarm::why(stack, caller).await,
        })
    }

    fn nowhere(&self, name: &str, why: &str) -> Host {
        let groups = self.template.groups.clone();
        let reach = Reach::Nowhere(why.to_owned());
        Host { name: name.to_owned(), reach, root: ROOT.to_owned(), groups, tmo: None }
    }

    /// Its hosts now, or why they can't be listed.
    pub async fn listed(&self, caller: &Caller<'_>) -> Result<Vec<Host>, String> {
        self.parse_hosts(&caller.here(&self.list).await.map_err(|error| error.to_string())?)
    }

    /// The hosts in the output of the command. Of several with one name, the first counts: engines print the newest first.
    fn parse_hosts(&self, printed: &str) -> Result<Vec<Host>, String> {
        let mut names = HashSet::new();
        let mut hosts = vec![];
        for line in printed.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(&name) = words.first() else { continue };
            if !names.insert(name) {
                continue;
            }
            check_name("host", name)?;
            hosts.push(self.host(&words).unwrap_or_else(|why| self.nowhere(name, &why)));
        }
        Ok(hosts)
    }

    /// The host of a line.
    fn host(&self, words: &[&str]) -> Result<Host, String> {
        let mut table = self.template.clone();
        let HostTable { ssh, via, tty, root, groups: _, tmo } = &mut table;
        let commands = [via, tty].into_iter().flatten().flatten();
        for text in [ssh, root, tmo].into_iter().flatten().chain(commands) {
            *text = fill(text, words)?;
        }
        table.host(words.first().copied().unwrap_or_default().to_owned(), ROOT)
    }
}

/// The text with the words of a line in the places of `{1}` to `{9}`.
fn fill(text: &str, words: &[&str]) -> Result<String, String> {
    let mut filled = text.to_owned();
    for number in 1..=9 {
        let gap = format!("{{{number}}}");
        if !filled.contains(&gap) {
            continue;
        }
        let why = match words.get(number - 1) {
            // Such as a task that has no node yet.
            None => format!("without a word {number}"),
            // It becomes a part of a command.
            Some(word) if is_plain(word) && !word.starts_with('-') => {
                filled = filled.replace(&gap, word);
                continue;
            }
            Some(_) => "which no command takes".to_owned(),
        };
        return Err(format!("it is listed as `{}`, {why}", cleaned(&words.join(" "))));
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::{Host, HostList, ListTable, Reach};

    fn list(text: &str) -> Result<HostList, String> {
        let table: ListTable = toml::from_str(text).map_err(|error| error.to_string())?;
        table.into_list("shop".to_owned(), 0)
    }

    #[test]
    fn the_tasks_of_a_swarm_are_reached_on_their_nodes() {
        let shop = list("engine = \"swarm\"").unwrap();
        assert_eq!(shop.list.last().unwrap(), "shop");
        assert_eq!(shop.named, Vec::<Vec<String>>::new());
        let printed = "shop_web.1 shop_web.1.x8 node-2\nshop_web.1 shop_web.1.old node-1\n\n\
                       shop_web.2 shop_web.2.y9 localhost\n";
        let hosts = shop.parse_hosts(printed).unwrap();
        let names: Vec<_> = hosts.iter().map(|host| (&*host.name, host.reached_by())).collect();
        let first = "ssh node-2 docker exec -i shop_web.1.x8".to_owned();
        let second = "docker exec -i shop_web.2.y9".to_owned();
        assert_eq!(names, [("shop_web.1", first), ("shop_web.2", second)]);
        assert_eq!((&*hosts[0].root, &hosts[0].groups[..]), (".", &["shop".to_owned()][..]));
    }

    #[test]
    fn commands_of_the_file_take_the_place_of_those_of_the_engine() {
        let shop = list("engine = \"swarm\"\nvia = \"x '{3}/{2}'\"").unwrap();
        assert_eq!(shop.named, [["x", "{3}/{2}"]]);
        let hosts = shop.parse_hosts("a b c\n").unwrap();
        let command = vec!["x".to_owned(), "c/b".to_owned()];
        assert_eq!(hosts[0].reach, Reach::Via { ssh: None, command, tty: None });
    }

    #[test]
    fn what_an_engine_prints_becomes_no_option_and_no_line_of_a_shell() {
        let shop = list("engine = \"swarm\"").unwrap();
        for line in ["a -x n", "a b -oProxyCommand=x", "a $(x) n", "a b n;x", "../a b n", "a b"] {
            let is_lost = |hosts: Vec<Host>| matches!(hosts[0].reach, Reach::Nowhere(_));
            assert!(shop.parse_hosts(line).map_or(true, is_lost), "{line}");
        }
    }

    #[test]
    fn the_pods_of_an_export_are_selected_by_its_label() {
        let words = |text: &str| list(text).unwrap().list.join(" ");
        let is = |text: &str, selector: &str| {
            assert!(words(text).contains(selector), "{}", words(text));
        };
        is("engine = \"kubernetes\"", "--selector=app.kubernetes.io/part-of=shop");
        is("engine = \"kubernetes\"\nselect = \"app=x\"", "--selector=app=x");
    }

    #[test]
    fn a_table_without_commands_is_refused() {
        for text in ["", "list = [\"x\"]", "via = [\"x\"]", "list = []\nvia = [\"x\"]"] {
            assert!(list(text).is_err(), "{text}");
        }
        for command in ["[]", "''", "[\"\", \"x\"]", "\"x 'y\"", "3"] {
            let error = list(&format!("engine = \"swarm\"\nwhy = {command}")).unwrap_err();
            assert!(error.contains("command") || error.contains("quote"), "{error}");
        }
        assert!(list("engine = \"swarm\"\nselect = \"-x\"").is_err());
        assert!(list("engine = \"swarm\"\ngroups = [\"a b\"]").is_err());
    }
}
