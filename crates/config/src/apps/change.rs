//! Adding, updating and removing apps, as `tmo app` and the page do.
//!
//! The files are changed here. Whoever changes them then has the run reload its apps.

use std::fs::File;
use std::path::Path;

use serde::Serialize;

use super::manifest::{App, process_name};
use super::store::{self, Store, StoreError};
use super::zip::ZipError;
use crate::model::ProcessStatus;
use crate::model::plan::Plan;
use crate::model::state::ProcessState;

/// The apps of a project, and what is known of its processes.
#[derive(Debug)]
pub struct ProjectApps<'a> {
    /// The directory of the apps.
    pub dir: &'a Path,
    /// The names of the processes that are no apps, and of the actions.
    pub others: &'a [String],
    /// The states of the processes; empty if the project does not run.
    pub states: &'a [ProcessState],
}

impl ProjectApps<'_> {
    /// Add an app with these settings from this archive.
    pub fn add(&self, name: &str, app: App, zip: &mut File) -> Result<App, AppError> {
        self.refuse_others(name)?;
        Ok(Store::open(self.dir)?.add(name, app, zip)?)
    }

    /// Replace the files of an app with those of this archive.
    pub fn update(&self, name: &str, zip: &mut File) -> Result<App, AppError> {
        self.changeable(name)?;
        Ok(Store::open(self.dir)?.update(name, zip)?)
    }

    /// Remove an app and its files.
    pub fn remove(&self, name: &str) -> Result<App, AppError> {
        let app = self.changeable(name)?;
        Store::open(self.dir)?.remove(name)?;
        Ok(app)
    }

    /// The app with this name, if its files may be replaced or removed: it must not run.
    pub fn changeable(&self, name: &str) -> Result<App, AppError> {
        let app = match store::read_manifest(self.dir)?.named_app(name) {
            Ok((_, app)) => app.clone(),
            Err(absent) => return Err(self.refuse_others(name).err().unwrap_or(absent.into())),
        };
        let process = self.states.iter().find(|process| process.name.as_str() == app.dir);
        match process {
            Some(process) if !process.rests() => {
                Err(AppError::Runs { name: app.dir, state: process.state.clone() })
            }
            Some(_) | None => Ok(app),
        }
    }

    /// Refuse a name that is not that of an app but of something else.
    fn refuse_others(&self, name: &str) -> Result<(), AppError> {
        let process = process_name(name)?;
        if self.others.iter().any(|other| other == process.as_str()) {
            return Err(AppError::Protected(name.to_owned()));
        }
        Ok(())
    }
}

/// The names of the processes of a run that are no apps, and of its actions, which become processes.
pub fn other_names(plan: &Plan) -> Vec<String> {
    let others = plan.present().filter(|process| process.install.is_none());
    others.chain(&plan.actions).map(|process| process.name.entry().to_owned()).collect()
}

/// Why an app was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The archive, the name or the directory of the apps is unusable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process or an action has this name.
    #[error(
        "`{0}` is a process of the project, not an app: choose another name; only apps can be updated and removed"
    )]
    Protected(String),
    /// The app runs.
    #[error("`{name}` is {state}; `tmo stop {name}` stops it")]
    Runs {
        /// Its process.
        name: String,
        state: ProcessStatus,
    },
}

/// The kinds of [`AppError`], by which a program decides what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppErrorKind {
    /// The archive is too large.
    TooLarge,
    /// The archive or a name is unusable.
    Invalid,
    /// There is such an app already, or it runs.
    Conflict,
    /// It is no app.
    Protected,
    /// There is no such app.
    Unknown,
    /// The files can't be read or written.
    Failed,
}

impl AppError {
    pub const fn kind(&self) -> AppErrorKind {
        match self {
            Self::Store(StoreError::Zip(ZipError::LargeArchive)) => AppErrorKind::TooLarge,
            Self::Store(
                StoreError::Zip(ZipError::Read(_) | ZipError::Write { .. })
                | StoreError::Manifest { .. }
                | StoreError::Open(_)
                | StoreError::Io { .. },
            ) => AppErrorKind::Failed,
            Self::Store(StoreError::Exists(_)) | Self::Runs { .. } => AppErrorKind::Conflict,
            Self::Store(StoreError::Absent(_)) => AppErrorKind::Unknown,
            // The archive, the name or the script.
            Self::Store(_) => AppErrorKind::Invalid,
            Self::Protected(_) => AppErrorKind::Protected,
        }
    }
}
