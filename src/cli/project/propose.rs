//! Proposes a Procfile for a project that has none, from the files in its directory.
//!
//! Names and commands are fixed here. Files of the project only decide which of them are used: none of
//! their contents is executed or written. What another tool runs is imported instead (`crate::import`).

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::import::{ImportError, ImportOptions, Imported, SourceFiles, SourceFormat, import};
use crate::sys::files::{self, ChosenBy};

/// A proposed Procfile.
pub(super) enum Proposal {
    /// This file of the project is already a Procfile.
    Use(&'static str),
    /// This text, which is based on these files.
    Write { procfile: String, from: Vec<String> },
}

/// The files that are searched for, listed in the message if none is found.
pub(super) const LOOKED_FOR: &str = "Procfile.dev, bin/dev, package.json, manage.py, bin/rails, config.ru, and the files that `tmo import` reads";

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
    let (command, file) = if there("bin/dev") {
        return Some(Proposal::write("web: bin/dev\n".to_owned(), &["bin/dev"]));
    } else if there("manage.py") {
        let python = PYTHONS.into_iter().find(|python| there(python)).unwrap_or("python3");
        (format!("{python} manage.py runserver $PORT"), "manage.py")
    } else if there("bin/rails") {
        ("bin/rails server -p $PORT".to_owned(), "bin/rails")
    } else if there("config.ru") {
        ("bundle exec rackup -p $PORT".to_owned(), "config.ru")
    } else {
        // Without a server, what package.json starts is imported.
        return None;
    };
    let procfile = format!("web: {command}\n");
    let Some(script) = script(dir) else { return Some(Proposal::write(procfile, &[file])) };
    let runner = RUNNERS.into_iter().find(|(lock, _)| there(lock)).map_or("npm", |(_, name)| name);
    let procfile = format!("{procfile}js: {runner} run {script}\n");
    Some(Proposal::write(procfile, &[file, "package.json"]))
}

impl Proposal {
    fn write(procfile: String, from: &[&str]) -> Self {
        Self::Write { procfile, from: from.iter().map(|file| (*file).to_owned()).collect() }
    }
}

/// Targets of a makefile or a justfile that usually start something.
const TARGETS: [&str; 6] = ["run", "dev", "serve", "server", "start", "watch"];

/// Commands that may start something here, each with the file that tells of it.
fn commands(dir: &Path) -> Vec<(String, &'static str)> {
    let mut commands = vec![];
    for (file, program) in [("Makefile", "make"), ("justfile", "just")] {
        let text = files::read_project(&dir.join(file), ChosenBy::Project).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let names =
            text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
        let targets =
            TARGETS.into_iter().filter(|target| names.clone().any(|name| name == *target));
        commands.extend(targets.map(|target| (format!("{program} {target}"), file)));
    }
    let by_file =
        [("Cargo.toml", "cargo run"), ("go.mod", "go run ."), ("mix.exs", "mix run --no-halt")];
    let there = by_file.into_iter().filter(|(file, _)| dir.join(file).is_file());
    commands.extend(there.map(|(file, command)| (command.to_owned(), file)));
    commands
}

/// The script of package.json to start.
fn script(dir: &Path) -> Option<&'static str> {
    let text = files::read_project(&dir.join("package.json"), ChosenBy::Project).ok()?;
    let Package { scripts } = serde_json::from_slice(&text).ok()?;
    // Prefer `dev`.
    let start = scripts.start.map(|_| "start");
    scripts.dev.map(|_| "dev").or(start)
}

/// What to do in a directory without a Procfile for which `tmo init` proposes none.
pub(in crate::cli) fn without_procfile(dir: &Path) -> String {
    let found = SourceFormat::found_in(dir);
    let other = found.first().map(|(name, format)| {
        format!("{name} is there: `tmo import` takes over what {} runs; ", format.title())
    });
    let (hint, command) = match commands(dir).as_slice() {
        [] => (String::new(), "bin/server".to_owned()),
        [(command, from), rest @ ..] => {
            let others: Vec<&str> = rest.iter().map(|(command, _)| command.as_str()).collect();
            let others = if others.is_empty() {
                String::new()
            } else {
                format!(" (or {})", others.join(", "))
            };
            (
                format!("if {from} means that `{command}`{others} starts something, "),
                command.clone(),
            )
        }
    };
    format!(
        "{}{hint}write a Procfile with a line like `web: {command}` for each process, or run a single \
         command with `tmo start -- COMMAND`; `tmo help procfile` describes it",
        other.unwrap_or_default()
    )
}

/// The command that makes a project of a directory without one, and from what; `None` if nothing there helps.
pub(in crate::cli) fn first_step(dir: &Path) -> Option<String> {
    if propose(dir).is_some() {
        return Some("`tmo init` writes one".to_owned());
    }
    let (source, _) = for_init(dir).ok()??;
    Some(format!("`tmo import` takes over {}", source.display()))
}

/// The source in a directory for which `tmo init` finds nothing better, imported; `None` if there is none.
pub(super) fn for_init(dir: &Path) -> Result<Option<(PathBuf, Imported)>, ImportError> {
    let mut reasons = None;
    for (name, format) in SourceFormat::found_in(dir) {
        let mut files = SourceFiles::new(&dir.join(name));
        match import(format, &mut files, &ImportOptions::default()) {
            Ok(imported) => return Ok(Some((PathBuf::from(name), imported))),
            Err(error) => reasons = reasons.or(Some(error)),
        }
    }
    reasons.map_or(Ok(None), Err)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Proposal, propose};
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
            Proposal::Write { procfile, from } => {
                let parsed = parse(procfile.as_bytes(), "Procfile").unwrap();
                assert_eq!((parsed.entries.len(), parsed.warnings.len()), (from.len(), 0));
                procfile
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
            (
                &[("manage.py", ""), start, ("pnpm-lock.yaml", "")],
                "web: python3 manage.py runserver $PORT\njs: pnpm run start\n",
            ),
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
            let ruby = Some("web: bundle exec rackup -p $PORT\n");
            let files = [("config.ru", ""), ("package.json", text)];
            assert_eq!(written(&files).as_deref(), ruby, "{text}");
        }
        let odd = r#"{"scripts": {"dev": "vite\nevil: rm -rf ."}}"#;
        let both = Some("web: bundle exec rackup -p $PORT\njs: npm run dev\n");
        assert_eq!(written(&[("config.ru", ""), ("package.json", odd)]).as_deref(), both);
    }
}
