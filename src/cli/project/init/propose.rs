//! Proposes a Procfile for a project that has none, from the files in its directory.
//!
//! Names and commands are fixed here. Files of the project only decide which of them are used: none of
//! their contents is executed or written.

use std::path::Path;

use serde::Deserialize;

use crate::sys::files::{self, ChosenBy};

/// A proposed Procfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proposal {
    /// This file of the project is already a Procfile.
    Use(&'static str),
    /// These entries, each with the file that it is based on.
    Write(Vec<ProposedEntry>),
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProposedEntry {
    pub(super) name: &'static str,
    pub(super) command: String,
    pub(super) from: &'static str,
}

/// The files that are searched for, listed in the message if none is found.
pub(super) const LOOKED_FOR: &str =
    "Procfile.dev, bin/dev, package.json, manage.py, bin/rails, config.ru";

/// The lock files that show which program runs the scripts of a package.json.
const RUNNERS: [(&str, &str); 4] =
    [("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"), ("bun.lockb", "bun")];
/// The usual places of a Python virtual environment.
const PYTHONS: [&str; 2] = [".venv/bin/python", "venv/bin/python"];
/// The relevant part of a package.json.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Package {
    scripts: Scripts,
}

/// The scripts that start a server.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Scripts {
    dev: Option<String>,
    start: Option<String>,
}

/// Search this directory for programs to start.
pub(super) fn propose(dir: &Path) -> Option<Proposal> {
    let there = |name: &str| dir.join(name).is_file();
    if there("Procfile.dev") {
        return Some(Proposal::Use("Procfile.dev"));
    }
    if there("bin/dev") {
        return Some(Proposal::Write(vec![line("web", "bin/dev", "bin/dev")]));
    }
    let server = if there("manage.py") {
        let python = PYTHONS.into_iter().find(|python| there(python)).unwrap_or("python3");
        Some(line("web", format!("{python} manage.py runserver $PORT"), "manage.py"))
    } else if there("bin/rails") {
        Some(line("web", "bin/rails server -p $PORT", "bin/rails"))
    } else if there("config.ru") {
        Some(line("web", "bundle exec rackup -p $PORT", "config.ru"))
    } else {
        None
    };
    let runner = RUNNERS.into_iter().find(|(lock, _)| there(lock)).map_or("npm", |(_, name)| name);
    let name = if server.is_some() { "js" } else { "web" };
    let script = script(dir);
    let script = script.map(|script| line(name, format!("{runner} run {script}"), "package.json"));
    let lines: Vec<ProposedEntry> = server.into_iter().chain(script).collect();
    (!lines.is_empty()).then_some(Proposal::Write(lines))
}

fn line(name: &'static str, command: impl Into<String>, from: &'static str) -> ProposedEntry {
    ProposedEntry { name, command: command.into(), from }
}

/// The script of package.json to start.
fn script(dir: &Path) -> Option<&'static str> {
    let text = files::read_project(&dir.join("package.json"), ChosenBy::Project).ok()?;
    let Package { scripts } = serde_json::from_slice(&text).ok()?;
    // Prefer `dev`.
    let start = scripts.start.map(|_| "start");
    scripts.dev.map(|_| "dev").or(start)
}

/// The Procfile with these entries.
pub(super) fn procfile(lines: &[ProposedEntry]) -> String {
    let entries = lines.iter().map(|line| format!("{}: {}\n", line.name, line.command));
    entries.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Proposal, procfile, propose};
    use crate::config::procfile::parse;

    /// The Procfile proposed for these files.
    fn written(files: &[(&str, &str)]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Some(match propose(dir.path())? {
            Proposal::Use(name) => format!("-f {name}"),
            Proposal::Write(lines) => {
                let text = procfile(&lines);
                let parsed = parse(text.as_bytes(), "Procfile").unwrap();
                assert_eq!((parsed.entries.len(), parsed.warnings.len()), (lines.len(), 0));
                text
            }
        })
    }

    #[test]
    fn what_is_there_decides() {
        let dev = ("package.json", r#"{"scripts": {"dev": "vite", "start": "node ."}}"#);
        let start = ("package.json", r#"{"scripts": {"start": "node ."}}"#);
        for (files, expected) in [
            (&[("Procfile.dev", "web: x"), ("bin/dev", "")][..], "-f Procfile.dev"),
            (&[("bin/dev", ""), ("config.ru", "")], "web: bin/dev\n"),
            (&[dev], "web: npm run dev\n"),
            (&[start], "web: npm run start\n"),
            (&[start, ("pnpm-lock.yaml", "")], "web: pnpm run start\n"),
            (&[("manage.py", "")], "web: python3 manage.py runserver $PORT\n"),
            (
                &[("manage.py", ""), (".venv/bin/python", ""), dev, ("yarn.lock", "")],
                "web: .venv/bin/python manage.py runserver $PORT\njs: yarn run dev\n",
            ),
            (&[("bin/rails", ""), ("config.ru", "")], "web: bin/rails server -p $PORT\n"),
            (&[("config.ru", "")], "web: bundle exec rackup -p $PORT\n"),
        ] {
            assert_eq!(written(files).as_deref(), Some(expected), "{files:?}");
        }
    }

    #[test]
    fn what_a_package_json_holds_is_not_written_down() {
        for text in [
            "",
            "[]",
            r#"{"scripts": "dev"}"#,
            r#"{"scripts": {"dev": 1}}"#,
            r#"{"scripts": {"dev; touch x": "y", "x\ny: z": "w"}}"#,
        ] {
            assert_eq!(written(&[("package.json", text)]), None, "{text}");
        }
        let odd = r#"{"scripts": {"dev": "vite\nevil: rm -rf ."}}"#;
        assert_eq!(written(&[("package.json", odd)]).as_deref(), Some("web: npm run dev\n"));
    }
}
