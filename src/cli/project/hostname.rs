//! The name of each project in the host names of its processes: chosen once, at its first start (`names.json`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cli::error::CliError;
use crate::cli::output;
use crate::config::Project;
use crate::config::dirs::{make_private_dir, state_base};
use crate::config::env::Env;
use crate::model::hostname::{free, label};
use crate::model::text::OsText;
use crate::protocol::spec::replace;
use crate::run::lock::lock_alone;
use crate::sys::files;

/// The file with the names, among the state directories.
const BOOK: &str = "names.json";

/// Printed while another command names its project.
const WAITS: &str = "another tmo is finding a name for its project; waiting for it";

/// The names of all projects, by instance.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Book(BTreeMap<String, NamedProject>);

/// A project with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NamedProject {
    /// Its directory; once it is gone, the name is free.
    root: OsText,
    /// The title from which the name was made.
    title: String,
    /// The name.
    host: String,
}

impl Book {
    /// The name of a project: its title, with a number if another project has that name.
    fn name(&self, project: &Project) -> String {
        let own = self.0.get(&project.instance).filter(|own| own.title == project.title);
        if let Some(own) = own {
            return own.host.clone();
        }
        let others = || self.0.iter().filter(|(instance, _)| **instance != project.instance);
        free(&label(&project.title), |host| others().any(|(_, other)| other.host == host))
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
    book.0.retain(|_, named| named.root.as_path().is_dir());
    let host = book.name(project);
    let root = project.root.as_path().into();
    let named = NamedProject { root, title: project.title.clone(), host: host.clone() };
    if keep && book.0.get(&project.instance) != Some(&named) {
        book.0.insert(project.instance.clone(), named);
        let text = serde_json::to_vec(&book)?;
        replace(&path, &text).map_err(CliError::io(path.display()))?;
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::host;
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
        assert_eq!(name("d/My_Shop", true), "my-shop");
    }
}
