//! The errors of `tmo app`.

use crate::apps::store::StoreError;
use crate::apps::zip::ZipError;
use crate::model::ProcessStatus;

/// Why an app was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The archive, the name or the directory of the apps is unusable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process has this name.
    #[error(
        "`{0}` is a process of the project, not an app: choose another name; only apps can be updated and removed"
    )]
    Protected(String),
    /// The app runs.
    #[error("`{name}` is {state}; `tmo stop {name}` stops it")]
    Runs {
        /// Its process.
        name: String,
        /// Its state.
        state: ProcessStatus,
    },
    /// The supervisor does not support apps.
    #[error(
        "this run was started by an earlier version of tmo; `tmo quit` and `tmo start` begin another"
    )]
    OldRun,
}

impl AppError {
    /// The kind of the error, for programs.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Zip(ZipError::LargeArchive)) => "too-large",
            Self::Store(
                StoreError::Zip(
                    ZipError::NotZip
                    | ZipError::Malformed(_)
                    | ZipError::Many(_)
                    | ZipError::Empty
                    | ZipError::LargeTotal
                    | ZipError::Entry { .. },
                )
                | StoreError::Name { .. }
                | StoreError::Script(_)
                | StoreError::NoScript { .. },
            ) => "invalid",
            Self::Store(StoreError::Exists(_)) | Self::Runs { .. } => "conflict",
            Self::Store(StoreError::Absent(_)) => "unknown",
            Self::Protected(_) => "protected",
            Self::Store(
                StoreError::Zip(ZipError::Read(_) | ZipError::Write { .. })
                | StoreError::Manifest { .. }
                | StoreError::Open(_)
                | StoreError::Io { .. },
            )
            | Self::OldRun => "failed",
        }
    }
}
