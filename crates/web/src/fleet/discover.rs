//! Hosts that the configuration of ssh names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::host::{Host, HostTable};
use super::inventory::{Inventory, InventoryError, read_text};
use crate::config::Env;
use crate::model::name::glob;
use crate::sys::files::ChosenBy;

/// Where a project is looked for: nobody has told.
const ROOT: &str = "~";

/// The inventory of all hosts in the user's configuration of ssh.
pub fn inventory(env: &Env) -> Result<Inventory, InventoryError> {
    let dir = env.caller_dir("HOME").unwrap_or_default().join(".ssh");
    let path = dir.join("config");
    let mut texts = vec![read_text(&path, ChosenBy::User)?];
    let mut names = vec![];
    let mut read = HashSet::from([path.clone()]);
    while let Some(text) = texts.pop() {
        let (more, included) = names_in(&text);
        names.extend(more);
        for file in included.iter().flat_map(|pattern| files(&dir, pattern)) {
            if read.insert(file.clone()) {
                texts.extend(read_text(&file, ChosenBy::User));
            }
        }
    }
    // What ssh takes and a fleet does not, such as a name with `@`, is no machine of the user's.
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let hosts: Vec<Host> =
        names.into_iter().filter_map(|name| HostTable::default().host(name, ROOT).ok()).collect();
    if hosts.is_empty() {
        let text = "it names no host; `Host NAME` begins one".to_owned();
        return Err(InventoryError::Wrong { path, line: 1, text });
    }
    let flag = Some("--discover".to_owned());
    Ok(Inventory { path, flag, hosts, ..Inventory::default() })
}

/// The names behind `Host` that are no patterns, and the files that are included.
fn names_in(text: &str) -> (Vec<String>, Vec<String>) {
    let mut names = vec![];
    let mut included = vec![];
    for line in text.lines() {
        let line = line.trim_start();
        let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
        let words = rest.split_whitespace().map(|word| word.trim_matches('"').to_owned());
        if keyword.eq_ignore_ascii_case("host") {
            names.extend(words.filter(|word| !word.contains(['*', '?', '!'])));
        } else if keyword.eq_ignore_ascii_case("include") {
            included.extend(words);
        }
    }
    (names, included)
}

/// The files that a pattern of `Include` means, which has `*` only in the name of the file.
fn files(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let home = dir.parent().unwrap_or(dir);
    let path = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => dir.join(pattern),
    };
    let Some((parent, name)) = path.parent().zip(path.file_name()) else { return vec![] };
    let name = name.to_string_lossy();
    if !name.contains('*') {
        return vec![path];
    }
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    let mut files: Vec<_> = names
        .filter(|file| glob(&name, &file.to_string_lossy()))
        .map(|file| parent.join(file))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::names_in;

    #[test]
    fn names_are_read_as_ssh_does() {
        let text = "Include conf.d/*  \"~/x\"\nHost k9 arm.lan\n  HostName 10.0.0.1\nhost=desk\n  HOST \"my\"\n\
                    Host *.lan !k9 ?\nMatch host k9\n# Host no\nHostName nor\n";
        let (names, included) = names_in(text);
        assert_eq!(names, ["k9", "arm.lan", "desk", "my"]);
        assert_eq!(included, ["conf.d/*", "~/x"]);
    }
}
