//! `apps.toml`: the apps of a project. Only tmo writes it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::store::StoreError;
use super::zip::is_path;
use crate::model::ProcName;
use crate::model::name::check_length;

/// How long an installation may take, in seconds, unless the app says otherwise.
pub const INSTALL_TIMEOUT: u64 = 300;

/// All apps, by the names under which they were added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// `[app.NAME]`.
    #[serde(default, rename = "app")]
    pub apps: BTreeMap<String, App>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct App {
    /// The name of its directory and of its process.
    pub dir: String,
    /// The program to run, relative to the directory.
    pub script: String,
    #[serde(default)]
    pub args: Vec<String>,
    /// Whether it starts with the run and after its installation.
    pub autostart: bool,
    /// How long an installation may take, in seconds.
    #[serde(default = "install_timeout")]
    pub install_timeout_seconds: u64,
    /// Whether this version is installed.
    pub state: InstallState,
    /// When this version was added, in nanoseconds since the epoch. It identifies the version.
    pub version: u64,
    /// The previous version, if its files are kept until this one is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// Whether this version was restored because a later one could not be installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
    /// Its environment variables, in addition to those of the run.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Whether an app is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallState {
    /// Not installed yet.
    #[default]
    New,
    Installed,
}

const fn install_timeout() -> u64 {
    INSTALL_TIMEOUT
}

/// Names that tmo itself uses in the log.
const RESERVED: [&str; 2] = ["system", "tmo"];

/// The name of an app's process and directory.
pub fn process_name(name: &str) -> Result<ProcName, StoreError> {
    let bad = |why: String| StoreError::Name { name: name.to_owned(), why };
    let process = ProcName::new(name.replace(' ', "_"))
        .map_err(|_| bad("only letters, digits, spaces, `_` and `-` are allowed".to_owned()))?;
    if process.as_str() != process.entry() || name.trim() != name {
        return Err(bad("it can't contain `#`, nor begin or end with a space".to_owned()));
    }
    if name.starts_with('-') || RESERVED.contains(&process.as_str()) {
        return Err(bad("it can't begin with `-`, nor be a name that tmo reserves".to_owned()));
    }
    check_length(process.as_str()).map_err(|why| bad(why.to_string()))?;
    Ok(process)
}

impl Manifest {
    /// Parse the text of the file, which is at this path.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, StoreError> {
        let broken = |why: String| StoreError::Manifest { path: path.to_owned(), why };
        let manifest: Self = toml::from_str(text).map_err(|error| broken(error.to_string()))?;
        for (name, app) in &manifest.apps {
            // Programs in other directories must not be run, and other directories not removed.
            if process_name(name)?.as_str() != app.dir {
                return Err(broken(format!("the directory of `{name}` has another name")));
            }
            if !is_path(&app.script) {
                return Err(StoreError::Script(app.script.clone()));
            }
        }
        Ok(manifest)
    }

    pub(super) fn to_text(&self, path: &Path) -> Result<String, StoreError> {
        let text = toml::to_string(self).map_err(|error| StoreError::Manifest {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        Ok(format!(
            "# The apps of this project. tmo writes this file; `tmo app` changes it.\n\n{text}"
        ))
    }

    /// The app with this name or this process name, and the name under which it was added.
    pub(super) fn named_app(&self, name: &str) -> Result<(&String, &App), StoreError> {
        let found = self.apps.get_key_value(name).or_else(|| self.of_process(name));
        found.ok_or_else(|| StoreError::Absent(name.to_owned()))
    }

    /// The app with this process name, and the name under which it was added.
    pub fn of_process(&self, process: &str) -> Option<(&String, &App)> {
        self.apps.iter().find(|(_, app)| app.dir == process)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{App, INSTALL_TIMEOUT, InstallState, Manifest, process_name};

    fn app(dir: &str) -> App {
        App {
            dir: dir.into(),
            script: "main.py".into(),
            args: vec!["a \"b\"\n\u{7f}".into()],
            autostart: true,
            install_timeout_seconds: INSTALL_TIMEOUT,
            state: InstallState::New,
            version: 1,
            previous: Some(2),
            restored: true,
            env: [("A".to_owned(), "=".to_owned())].into(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let path = Path::new("apps.toml");
        let apps = [("My App".to_owned(), app("My_App")), ("x".to_owned(), app("x"))].into();
        let manifest = Manifest { apps };
        let text = manifest.to_text(path).unwrap();
        assert!(text.contains("[app.\"My App\"]"), "{text}");
        assert_eq!(Manifest::parse(&text, path).unwrap(), manifest);
        for elsewhere in ["..", "/etc", "x", "My App", "a/b"] {
            let text = text.replace("dir = \"My_App\"", &format!("dir = \"{elsewhere}\""));
            assert!(Manifest::parse(&text, path).is_err(), "{elsewhere}");
        }
        let text = text.replace("main.py", "../main.py");
        assert!(Manifest::parse(&text, path).is_err());
    }

    #[test]
    fn a_name_becomes_that_of_a_process() {
        assert_eq!(process_name("My App-2").unwrap().as_str(), "My_App-2");
        for bad in ["", " ", " a", "a ", "a#2", "a/b", "..", "é", &"n".repeat(101)] {
            assert!(process_name(bad).is_err(), "{bad}");
        }
    }
}
