//! The apps of a project, beside its Procfile and `tmo.toml`.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::procfile::ProcfileEntry;
use crate::apps::kind::AppKind;
use crate::apps::manifest::{App, Manifest};
use crate::apps::store;
use crate::model::text::shell;

/// The apps of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Apps {
    /// Their directory.
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

    /// Append the apps to the entries of the project, which `file` describes.
    pub(super) fn append_to(
        &self,
        entries: &mut Vec<ProcfileEntry>,
        file: &Path,
    ) -> Result<(), ConfigError> {
        for (name, app) in &self.manifest.apps {
            if entries.iter().any(|entry| entry.name == app.dir) {
                let (process, app, file) = (app.dir.clone(), name.clone(), file.to_owned());
                return Err(ConfigError::AppTwice { process, app, file });
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

    /// The directory of an app.
    pub fn dir_of(&self, app: &App) -> PathBuf {
        self.dir.join(&app.dir)
    }

    /// The kind of an app.
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
