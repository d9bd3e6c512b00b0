//! Makes a `tmo.toml` of what was imported.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::node::SourcePlace;
use super::process::{Imported, ImportedProcess, ImportedSetting, ImportedVariable, LeftOut};
use super::values::{bare, list, quoted, toml_value};

/// The column of the remarks behind settings.
const REMARKS: usize = 48;

/// The text of a `tmo.toml`, and the files that go with it.
#[derive(Debug)]
pub struct Written {
    /// The `tmo.toml`, or the tables that are to be added to one.
    pub toml: String,
    /// Files of variables that only their owner may read.
    pub secrets: Vec<SecretsFile>,
}

/// A file of variables.
#[derive(Debug, PartialEq, Eq)]
pub struct SecretsFile {
    /// Its name, beside the `tmo.toml`.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl Imported {
    /// The Procfile with these processes, if they have nothing but commands of one line.
    pub fn procfile(&self) -> Option<String> {
        let mut text = String::new();
        for process in &self.processes {
            let [ImportedSetting { key: "command", value, .. }] = &process.settings[..] else {
                return None;
            };
            let toml::Value::String(command) = toml_value(value)? else { return None };
            let is_plain = !command.contains('\n')
                && process.env.is_empty()
                && process.env_files.is_empty()
                && process.comments.is_empty();
            if !is_plain || !process.left.is_empty() {
                return None;
            }
            let _ = writeln!(text, "{}: {command}", process.name);
        }
        (self.defaults.is_empty() && self.left.is_empty()).then_some(text)
    }

    /// A whole `tmo.toml`, or only the tables of the processes for which `is_new` holds.
    pub fn write(&self, is_new: Option<&dyn Fn(&str) -> bool>) -> Written {
        let mut text = String::new();
        let mut secrets = vec![];
        if is_new.is_none() {
            let files = printable(&self.files.join(", "));
            let _ = writeln!(text, "#:schema ./tmo.schema.json");
            let _ = writeln!(text, "# (For editors; `tmo schema >tmo.schema.json` renews it.)");
            let _ = writeln!(
                text,
                "# Taken over from {files} by `tmo import`. Comments name the line each setting"
            );
            let _ = writeln!(text, "# comes from, and what has not been taken over.");
            comments(&mut text, &self.comments);
            left(&mut text, &self.left);
            if !self.defaults.is_empty() {
                text.push_str("\n[defaults]\n");
                settings(&mut text, &self.defaults);
                secrets.extend(variables(&mut text, "defaults", &self.defaults));
            }
        }
        for process in &self.processes {
            if is_new.is_some_and(|is_new| !is_new(&process.name)) {
                continue;
            }
            let table = format!("process.{}", bare(&process.name));
            let _ = writeln!(text, "\n[{table}]");
            // An existing file has defaults of its own.
            let whole = is_new.map(|_| process.over(&self.defaults));
            let process = whole.as_ref().unwrap_or(process);
            settings(&mut text, process);
            secrets.extend(variables(&mut text, &table, process));
        }
        Written { toml: text, secrets }
    }
}

fn settings(text: &mut String, process: &ImportedProcess) {
    for ImportedSetting { key, value, place } in process.written_settings() {
        line(text, &format!("{key} = {value}"), place.as_ref());
    }
}

fn line(text: &mut String, setting: &str, place: Option<&SourcePlace>) {
    match place {
        Some(place) => {
            let _ = writeln!(text, "{setting:REMARKS$} # {place}");
        }
        None => {
            let _ = writeln!(text, "{setting}");
        }
    }
}

fn comments(text: &mut String, comments: &[String]) {
    for comment in comments {
        let _ = writeln!(text, "# {}", printable(comment));
    }
}

/// Name what is left out, once for each reason.
fn left(text: &mut String, left: &[LeftOut]) {
    let mut reasons: Vec<(&str, Vec<&LeftOut>)> = vec![];
    let mut known = HashMap::new();
    for left in left {
        let at = *known.entry(&left.why).or_insert(reasons.len());
        match reasons.get_mut(at) {
            Some((_, all)) => all.push(left),
            None => reasons.push((&left.why, vec![left])),
        }
    }
    for (why, all) in reasons {
        let comment = if let [LeftOut { what, place, .. }] = all[..] {
            format!("{what}: {why} ({place})")
        } else {
            let all = all.iter().map(|LeftOut { what, place, .. }| format!("{what} ({place})"));
            format!("{}: {why}", all.collect::<Vec<_>>().join(", "))
        };
        let _ = writeln!(text, "# {}", printable(&comment));
    }
}

/// What may stand in a comment.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The variables of a process, what it leaves out, and its file of secrets.
fn variables(text: &mut String, table: &str, process: &ImportedProcess) -> Option<SecretsFile> {
    let is_hidden = |variable: &&ImportedVariable| variable.is_secret || variable.has_references;
    let hidden: Vec<_> = process.env.iter().filter(is_hidden).collect();
    let name = table.strip_prefix("process.");
    let name = name.map_or_else(String::new, |name| format!(".{name}"));
    let file = (!hidden.is_empty()).then(|| format!(".env.imported{name}"));
    let given = process.env_files.iter().map(|file| (&file.value, &file.place));
    let own = file.iter().zip(hidden.first().map(|first| &first.place));
    let files: Vec<_> = given.chain(own).collect();
    if let Some((_, place)) = files.first() {
        let names = list(files.iter().map(|(name, _)| name));
        line(text, &format!("env_file = {names}"), Some(place));
    }
    comments(text, &process.comments);
    left(text, &process.left);
    let mut open: Vec<_> = process.env.iter().filter(|variable| !is_hidden(variable)).collect();
    if !open.is_empty() {
        let _ = writeln!(text, "\n[{table}.env]");
        // A key can stand in a table once; the last value counts.
        let mut seen = std::collections::HashSet::new();
        open.reverse();
        open.retain(|variable| seen.insert(&variable.name));
        open.reverse();
        for variable in open {
            let setting = format!("{} = {}", bare(&variable.name), quoted(&variable.value));
            line(text, &setting, Some(&variable.place));
        }
    }
    let lines = hidden.iter().map(|variable| {
        let value = if variable.has_references {
            format!("\"{}\"", variable.value)
        } else {
            env_quoted(&variable.value)
        };
        format!("{}={value}\n", variable.name)
    });
    let text = lines.collect();
    file.map(|name| SecretsFile { name, text })
}

/// A value as it is written in a file of variables, so that nothing in it is expanded.
pub(super) fn env_quoted(value: &str) -> String {
    let mut text = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' | '$' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
