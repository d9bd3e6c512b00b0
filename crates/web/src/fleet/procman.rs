//! The JSON file of procman: processes, and the deputies that run them.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use toml::Value;

use super::host::{Host, HostTable, Reach};
use super::inventory::{FleetProcess, Inventory, InventoryError, mistake, read_text, toml_line};
use crate::config::Env;
use crate::config::toml::SourceText;
use crate::model::text::untrusted::shown;
use crate::sys::files::ChosenBy;
use crate::sys::is_own_name;

/// Where processes without a `working_dir` run: a deputy has no project.
const ROOT: &str = "~";

/// The host that needs no ssh.
const HERE: &str = "localhost";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProcManFile<'a> {
    /// The addresses of the deputies.
    #[serde(default)]
    deputies: Vec<String>,
    #[serde(default, borrow)]
    processes: Vec<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProcManProcess {
    name: String,
    command: String,
    #[serde(default)]
    working_dir: String,
    #[serde(default)]
    host: String,
    autostart: Option<bool>,
    auto_restart: Option<bool>,
}

/// Read the file that the user names, in procman's form or that of `fleet.toml`; `start_dir` is where the user is.
pub fn read_any(start_dir: &Path, env: &Env, file: &Path) -> Result<Inventory, InventoryError> {
    let path = start_dir.join(file);
    let text = read_text(&path, ChosenBy::User)?;
    let is_json =
        text.trim_start().starts_with('{') || path.extension().is_some_and(|end| end == "json");
    let inventory = if is_json { parse } else { Inventory::parse }(&text, &path, env)?;
    Ok(Inventory { flag: Some(format!("--fleet={}", file.display())), ..inventory })
}

fn parse(text: &str, path: &Path, env: &Env) -> Result<Inventory, InventoryError> {
    let wrong = |line, text| InventoryError::Wrong { path: path.to_owned(), line, text };
    let of_json = |begin: usize, error: &serde_json::Error| {
        // The place stands at the end of the message, counted from the begin of the part.
        let text = shown(&error.to_string()).into_owned();
        let text = mistake(text.split(" at line ").next().unwrap_or_default(), None, "");
        wrong(begin + error.line().saturating_sub(1), text)
    };
    let file: ProcManFile<'_> = serde_json::from_str(text).map_err(|error| of_json(1, &error))?;
    let source = SourceText::new(text, "");
    let mut hosts = vec![];
    let mut processes = vec![];
    for raw in file.processes {
        let at = raw.get().as_ptr().addr() - text.as_ptr().addr();
        let line = source.line(&(at..at));
        let process: ProcManProcess =
            serde_json::from_str(raw.get()).map_err(|error| of_json(line, &error))?;
        let host = add_host(&mut hosts, &process.host).map_err(|message| wrong(line, message))?;
        processes.push(process.given_to(host, line));
    }
    for deputy in file.deputies {
        add_host(&mut hosts, host_of(&deputy)).map_err(|message| wrong(1, message))?;
    }
    if hosts.is_empty() {
        return Err(wrong(1, "it names neither processes nor deputies".to_owned()));
    }
    let path = path.to_owned();
    let fleet = Inventory { path, hosts, processes, ..Inventory::default() };
    fleet.check(env)?;
    Ok(fleet)
}

impl ProcManProcess {
    fn given_to(self, host: String, line: usize) -> FleetProcess {
        let has_dir = !self.working_dir.is_empty();
        // ProcMan runs a command with arguments in bash.
        let shell = self.command.contains(' ').then(|| "bash".into());
        let settings: [(&str, Option<Value>); 5] = [
            ("command", Some(self.command.into())),
            ("shell", shell),
            ("cwd", has_dir.then(|| self.working_dir.into())),
            ("autostart", self.autostart.map(Value::from)),
            ("restart", self.auto_restart.map(|is_on| if is_on { "always" } else { "no" }.into())),
        ];
        let lines =
            settings.iter().filter_map(|(key, value)| Some(toml_line(key, value.as_ref()?)));
        let settings = lines.map(|setting| (line, setting)).collect();
        FleetProcess { name: self.name, host, line, settings }
    }
}

/// The name of the host that a process or a deputy names; it is added if it is new.
fn add_host(hosts: &mut Vec<Host>, named: &str) -> Result<String, String> {
    let named = if ["", "127.0.0.1", "::1"].contains(&named) { HERE } else { named };
    let is_here = named == HERE || is_own_name(named);
    for known in hosts.iter() {
        if known.name == named || is_here && known.reach == Reach::Here {
            return Ok(known.name.clone());
        }
    }
    let ssh = Some(if is_here { HERE } else { named }.to_owned());
    hosts.push(HostTable { ssh, ..HostTable::default() }.host(named.to_owned(), ROOT)?);
    Ok(named.to_owned())
}

/// The host in the address of a deputy, such as `http://k9.lan:8000`.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or_default();
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => rest.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Reach, host_of, parse};
    use crate::config::Env;
    use crate::sys::host_name;

    fn read(text: &str) -> Result<super::Inventory, String> {
        parse(text, Path::new("/x/fleet.json"), &Env::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn names_of_this_machine_are_one_host_without_ssh() {
        let text = format!(
            r#"{{"deputies": ["http://localhost:8000", "arm.lan:8000"], "processes": [
            {{"name": "a", "command": "x", "host": "{}"}},
            {{"name": "b", "command": "x y", "host": "", "working_dir": "/tmp", "autostart": false}},
            {{"name": "c", "command": "x", "host": "k9.lan", "auto_restart": true}}]}}"#,
            host_name()
        );
        let fleet = read(&text).unwrap();
        let hosts: Vec<_> = fleet.hosts.iter().map(|host| (&*host.name, &host.reach)).collect();
        let by_ssh = |name: &str| Reach::Ssh(name.to_owned());
        assert_eq!(
            hosts,
            [
                (&*host_name(), &Reach::Here),
                ("k9.lan", &by_ssh("k9.lan")),
                ("arm.lan", &by_ssh("arm.lan"))
            ]
        );
        let here = fleet.toml_of(&host_name());
        assert!(here.contains("[process.a]\ncommand = \"x\"\n\n[process.b]\n"), "{here}");
        assert!(
            here.ends_with(
                "command = \"x y\"\nshell = \"bash\"\ncwd = \"/tmp\"\nautostart = false\n"
            ),
            "{here}"
        );
        assert!(fleet.toml_of("k9.lan").ends_with("restart = \"always\"\n"));
        assert_eq!(fleet.toml_of("arm.lan"), "");
    }

    #[test]
    fn mistakes_have_a_line() {
        for (text, said) in [
            (
                "{\n\"processs\": []}",
                "fleet.json:2: unknown key `processs`; did you mean `processes`?",
            ),
            (
                "{\"processes\": [\n{\"name\": \"a\", \"command\": \"x\"},\n{\"name\": \"b\",\n\"comand\": \"x\"}]}",
                "fleet.json:4: unknown key `comand`; did you mean `command`?",
            ),
            ("{\"processes\": [\n{\"name\": \"a b\", \"command\": \"x\"}]}", "fleet.json:2: "),
            (
                "{\"processes\": [{\"name\": \"a\", \"command\": \"x\"},\n{\"name\": \"a\", \"command\": \"y\"}]}",
                "fleet.json:2: localhost has two processes `a`",
            ),
            ("{\"deputies\": [\"http://-x:1\"]}", "fleet.json:1: the host `-x` needs a name"),
            ("{}", "names neither"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_address_of_a_deputy_has_a_host() {
        for (address, host) in [
            ("http://localhost:8000", "localhost"),
            ("k9.lan", "k9.lan"),
            ("https://k9.lan/x:y", "k9.lan"),
            ("http://[::1]:8000", "::1"),
        ] {
            assert_eq!(host_of(address), host);
        }
    }
}
