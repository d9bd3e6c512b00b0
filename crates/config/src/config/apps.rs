//! The apps of a project, beside its Procfile and `tmo.toml`.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::error::ConfigError;
use super::procfile::ProcfileEntry;
use super::toml::TmoToml;
use crate::apps::kind::AppKind;
use crate::apps::manifest::{App, Manifest};
use crate::apps::store;
use crate::model::text::shell;

/// The apps of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Apps {
    pub dir: PathBuf,
    /// Their descriptions.
    pub manifest: Manifest,
}

impl Apps {
    /// Read the apps in this directory.
    pub fn load(dir: PathBuf) -> Result<Self, ConfigError> {
        let manifest = store::read_manifest(&dir)?;
        Ok(Self { dir, manifest })
    }

    /// Append the apps to the entries of the project.
    pub(super) fn append_to(
        &self,
        entries: &mut Vec<ProcfileEntry>,
        toml: &TmoToml,
    ) -> Result<(), ConfigError> {
        for (name, app) in &self.manifest.apps {
            let is_action = || toml.action_places().any(|(action, _)| action.process() == app.dir);
            if entries.iter().any(|entry| entry.name == app.dir) || is_action() {
                return Err(ConfigError::AppTwice { process: app.dir.clone(), app: name.clone() });
            }
        }
        entries.extend(self.manifest.apps.values().map(|app| {
            let command = shell::quoted_words(self.command(app).iter().map(|word| word.as_bytes()));
            ProcfileEntry { name: app.dir.clone(), command: command.into(), line: 0 }
        }));
        Ok(())
    }

    /// The app with this process name, and the name under which it was added.
    pub fn of_process(&self, process: &str) -> Option<(&str, &App)> {
        self.manifest.of_process(process).map(|(name, app)| (name.as_str(), app))
    }

    pub fn dir_of(&self, app: &App) -> PathBuf {
        self.dir.join(&app.dir)
    }

    pub fn kind_of(&self, app: &App) -> AppKind {
        AppKind::in_dir(&self.dir_of(app), &app.script)
    }

    /// The program of an app and its arguments.
    pub fn command(&self, app: &App) -> Vec<std::ffi::OsString> {
        self.kind_of(app).command(&self.dir_of(app), &app.script, &app.args)
    }

    /// The file that lists them.
    pub fn file(&self) -> PathBuf {
        store::manifest_path(&self.dir)
    }
}
