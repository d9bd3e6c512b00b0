//! The name of each project in the host names of its processes: chosen once, at its first start (`names.json`).
//!
//! Browsers keep what a page has stored at a name, so a name of a checkout that is gone is not given to another project
//! for some time, but to other checkouts of the same one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::{CliError, output};
use crate::config::Project;
use crate::config::env::Env;
use crate::config::place::dirs::{make_private_dir, state_base};
use crate::config::place::git::repository;
use crate::model::name::hostname::{free, label};
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::protocol::spec::replace;
use crate::run::lock::lock_alone;
use crate::sys::{clock, files};

/// The file with the names, among the state directories.
const BOOK: &str = "names.json";

/// How long the name of a project whose directory is gone is kept: 30 days.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Printed while another command names its project.
const WAITS: &str = "another tmo is finding a name for its project; waiting for it";

/// The names of all projects, by instance.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Book(BTreeMap<String, NamedProject>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NamedProject {
    /// Its directory.
    root: OsText,
    /// The repository of which it is a checkout, if it is one.
    #[serde(default)]
    repository: Option<OsText>,
    /// When it was started last.
    #[serde(default)]
    used: Timestamp,
    /// The title from which the name was made.
    title: String,
    /// The name.
    host: String,
}

impl Book {
    /// The name of a project: its title, with a number if another project has that name.
    fn name(&self, project: &Project) -> String {
        let own = self.0.get(&project.identity.id).filter(|own| own.title == project.title);
        if let Some(own) = own {
            return own.host.clone();
        }
        let others = || self.0.iter().filter(|(instance, _)| **instance != project.identity.id);
        let repository = repository(&project.root);
        let holds = |other: &NamedProject, host: &str| {
            other.host == host
                && !{ repository.is_some() && other.repository == repository && !other.is_there() }
        };
        free(&label(&project.title), |host| others().any(|(_, other)| holds(other, host)))
    }
}

impl NamedProject {
    /// Whether its directory exists.
    fn is_there(&self) -> bool {
        self.root.as_path().is_dir()
    }
}

/// The name of a project in host names. With `keep`, it is recorded for the next time.
pub(super) fn host(env: &Env, project: &Project, keep: bool) -> Result<String, CliError> {
    let base = state_base(env);
    let path = base.join(BOOK);
    let _lock = if keep {
        make_private_dir(&base)?;
        let lock = base.join("names.lock");
        let lock = files::append_to(&lock).map_err(CliError::io(lock.display()))?;
        let waits = || output::warn(&WAITS);
        Some(lock_alone(lock, waits).map_err(CliError::io("the lock of the names"))?)
    } else {
        None
    };
    let text = files::if_there(files::read_plain(&path)).map_err(CliError::io(path.display()))?;
    // An unreadable file is replaced: only the previous names are lost.
    let mut book: Book =
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let now = clock::now();
    book.0.retain(|_, named| named.is_there() || now.since(named.used) < KEPT);
    let host = book.name(project);
    let named = NamedProject {
        root: project.root.as_path().into(),
        repository: repository(&project.root),
        used: now,
        title: project.title.clone(),
        host: host.clone(),
    };
    if keep && book.0.get(&project.identity.id) != Some(&named) {
        book.0.insert(project.identity.id.clone(), named);
        let text = serde_json::to_vec(&book)?;
        replace(&path, &text).map_err(CliError::io(path.display()))?;
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{clock, files, host};
    use crate::config::{Env, Project, StartOptions};

    #[test]
    fn projects_of_one_title_get_names_that_last() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::of([("XDG_STATE_HOME", dir.path().join("state"))]);
        let project = |at: &str| {
            let root = dir.path().join(at);
            std::fs::create_dir_all(&root).unwrap();
            Project::locate(Path::new(&root), &StartOptions::default(), &env).unwrap()
        };
        let name = |at: &str, keep| host(&env, &project(at), keep).unwrap();
        assert_eq!(name("b/My_Shop", false), "my-shop", "a look keeps nothing");
        assert_eq!(name("a/My_Shop", true), "my-shop");
        assert_eq!(name("b/My_Shop", true), "my-shop-2");
        assert_eq!(name("c/my-shop-fix", true), "my-shop-fix");
        assert_eq!(name("a/My_Shop", true), "my-shop");
        std::fs::remove_dir_all(dir.path().join("a")).unwrap();
        assert_eq!(name("b/My_Shop", true), "my-shop-2", "it keeps its name");
        assert_eq!(name("d/My_Shop", true), "my-shop-3", "what a page has stored is not for it");
        // After 30 days, it is.
        let book = dir.path().join("state/tmo/names.json");
        let text = files::read_plain(&book).unwrap();
        let mut all: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for (_, named) in all.as_object_mut().unwrap() {
            named["used"] = (clock::now().nanos() - 31 * 24 * 60 * 60 * 1_000_000_000).into();
        }
        std::fs::write(&book, all.to_string()).unwrap();
        assert_eq!(name("e/My_Shop", true), "my-shop");
        assert_eq!(name("d/My_Shop", true), "my-shop-3", "its directory is there");
    }

    #[test]
    fn a_checkout_of_the_same_repository_gets_the_name_of_one_that_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::of([("XDG_STATE_HOME", dir.path().join("state"))]);
        let checkout = |at: &str, repository: &str| {
            let root = dir.path().join(at);
            std::fs::create_dir_all(&root).unwrap();
            let git = format!("gitdir: {}/{repository}/.git/worktrees/x\n", dir.path().display());
            std::fs::write(root.join(".git"), git).unwrap();
            Project::locate(Path::new(&root), &StartOptions::default(), &env).unwrap()
        };
        let name = |at: &str, repository| host(&env, &checkout(at, repository), true).unwrap();
        assert_eq!(name("a/fix", "shop"), "fix");
        assert_eq!(name("b/fix", "shop"), "fix-2", "both are there");
        for gone in ["a", "b"] {
            std::fs::remove_dir_all(dir.path().join(gone)).unwrap();
        }
        assert_eq!(name("c/fix", "other"), "fix-3");
        assert_eq!(name("d/fix", "shop"), "fix");
    }
}
