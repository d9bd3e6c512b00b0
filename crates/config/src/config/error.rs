//! Why a configuration cannot be used.

use std::io;
use std::path::PathBuf;

use super::env::BadValue;
use super::failures::FailuresError;
use super::place::socket::BadAddress;
use super::procfile::ProcfileError;
use super::toml::TomlError;
use crate::apps::store::StoreError;
use crate::sys::why;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("open {}: {}", path.display(), why(source))]
    Read {
        /// The file as the user named it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a file of another tool.
    #[error(
        "{} is {what}, not a Procfile: `tmo import {}` takes such files over; a Procfile has a line like \
         `web: bin/server` for each process", path.display(), path.display()
    )]
    OtherFormat {
        /// The file as the user named it.
        path: PathBuf,
        what: &'static str,
    },
    /// The directory that the command was typed in is gone.
    #[error("can't tell the current directory: {}; `cd` to one that exists", why(.0))]
    StartDir(io::Error),
    /// The working directory of the processes is missing or no directory.
    #[error("can't run processes in {}: {}; --root names another directory",
        path.display(), why(source))]
    Root {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path of a file to be written lies outside of the project, and was set by an env file or a link of
    /// the project, not by the user.
    #[error(
        "{} is not written: it lies outside of {}, and only an env file or a link of the project \
         leads there; `-f` with the path of the Procfile says that it is meant",
        path.display(), here.display()
    )]
    Outside {
        /// The file as the user would name it.
        path: PathBuf,
        /// The directory that the command was typed in.
        here: PathBuf,
    },
    /// A variable has a value of the wrong type.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// An invalid control address.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// The Procfile is not usable.
    #[error(transparent)]
    Procfile(#[from] ProcfileError),
    /// `tmo.toml` is not usable.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// `failure_declarations.json` is not usable.
    #[error(transparent)]
    Failures(#[from] FailuresError),
    /// The apps of the project can't be read.
    #[error(transparent)]
    Apps(#[from] StoreError),
    /// An app has the name of another process.
    #[error(
        "`{process}` is the app `{app}`, and also a process or an action; rename that, or `tmo app \
         remove {process}`"
    )]
    AppTwice {
        /// The name of the process.
        process: String,
        /// The name of the app.
        app: String,
    },
}
