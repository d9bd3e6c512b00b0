//! `package.json`: the scripts that start something, and what concurrently and npm-run-all in them start.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::concurrently::{self, NpmScripts};
use super::error::ImportError;
use super::files::SourceFiles;
use super::node::SourcePlace;
use super::process::{Imported, ImportedProcess};

/// The lock files that show which program runs the scripts.
const RUNNERS: [(&str, &str); 5] = [
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("package-lock.json", "npm"),
];
/// Scripts that start what is developed, the best first.
const MAIN: [&str; 3] = ["dev", "start", "serve"];
/// The first words of scripts that may start something else.
const MORE: [&str; 7] = ["dev", "start", "serve", "watch", "worker", "server", "storybook"];

/// The part of a package.json that is read; the rest takes no memory.
#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    scripts: ScriptList,
}

/// Names and commands in their order.
#[derive(Default)]
struct ScriptList(Vec<(String, String)>);

impl<'de> Deserialize<'de> for ScriptList {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = ScriptList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of scripts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ScriptList, A::Error> {
                let mut scripts = vec![];
                while let Some(entry) = map.next_entry()? {
                    scripts.push(entry);
                }
                Ok(ScriptList(scripts))
            }
        }
        from.deserialize_map(Entries)
    }
}

pub(super) fn read(files: &mut SourceFiles, chosen: &[String]) -> Result<Imported, ImportError> {
    let source = files.main()?;
    let package: Package = serde_json::from_str(&source.text)
        .map_err(|error| SourcePlace::new(&source.name, error.line()).error(error.to_string()))?;
    let runner =
        RUNNERS.iter().find(|(lock, _)| files.exists(lock)).map_or("npm", |(_, name)| *name);
    let mut all = vec![];
    // Each script stands behind the one before it.
    let mut from = source.text.find("\"scripts\"").unwrap_or(0);
    for (name, line) in package.scripts.0 {
        let key = serde_json::Value::from(name.as_str()).to_string();
        from += source.text[from..].find(&key).unwrap_or(0);
        let number = 1 + source.text[..from].matches('\n').count();
        all.push((name, line, SourcePlace::new(&source.name, number)));
    }
    let scripts = NpmScripts { runner, all };
    let names = if chosen.is_empty() { scripts.usual() } else { chosen.to_vec() };
    let empty = |why: String| ImportError::Empty { file: source.name.to_string(), why };
    if let Some(unknown) = names.iter().find(|name| scripts.get(name).is_none()) {
        return Err(empty(format!("it has no script `{unknown}`")));
    }
    let mut imported = Imported::default();
    for name in &names {
        let Some((_, place)) = scripts.get(name) else { continue };
        if !concurrently::expand(&scripts, name, &mut imported) {
            let short = short_name(name, names.len() == 1);
            let mut process = ImportedProcess::new(&short, place.clone());
            process.set_text("command", &scripts.command(name), place);
            imported.processes.push(process);
        }
    }
    let taken = |name: &String| {
        imported.processes.iter().any(|process| process.runs(&scripts.command(name)))
    };
    let may_start =
        |name: &&String| MORE.contains(&name.split([':', '-']).next().unwrap_or_default());
    let others = scripts.all.iter().map(|(name, ..)| name).filter(may_start);
    let others: Vec<&str> =
        others.filter(|name| !taken(name) && !names.contains(name)).map(String::as_str).collect();
    if imported.processes.is_empty() {
        let looked = MAIN.join("`, `");
        let more = if others.is_empty() {
            String::new()
        } else {
            format!("; there are {}", others.join(", "))
        };
        return Err(empty(format!(
            "it has no script `{looked}`{more}; name one with --script NAME"
        )));
    }
    if chosen.is_empty() && !others.is_empty() {
        let others = others.join(", ");
        imported.remarks.push(format!(
            "scripts that may start something too: {others}; `--script NAME` takes those it names"
        ));
    }
    Ok(imported)
}

impl NpmScripts {
    /// The scripts that are taken if the user names none: one, or a family such as `dev:web` and `dev:api`.
    fn usual(&self) -> Vec<String> {
        for main in MAIN {
            if self.get(main).is_some() {
                return vec![main.to_owned()];
            }
            let family = self.matching(&format!("{main}:*"));
            if !family.is_empty() {
                return family;
            }
        }
        vec![]
    }
}

/// The name of a process that runs this script.
fn short_name(name: &str, is_alone: bool) -> String {
    match name.split_once(':') {
        None if is_alone && MAIN.contains(&name) => "web".to_owned(),
        Some((first, rest)) if MAIN.contains(&first) => rest.to_owned(),
        _ => name.to_owned(),
    }
}
