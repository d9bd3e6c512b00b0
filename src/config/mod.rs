//! What the user wrote, as values: Procfile, env files, `tmo.toml`, variables, directories.
//!
//! Text goes in, typed values and warnings come out; nothing here knows tmux or starts anything.
//! The parsers are pure. What must ask the system (which files exist, whose they are, what the
//! caller's limits are) is apart, in [`project`], [`dirs`], [`inherit`] and [`load`].

pub mod dirs;
pub mod dotenv;
pub mod env;
pub mod envfiles;
pub mod error;
pub mod failures;
pub mod inherit;
pub mod load;
pub mod lookup;
pub mod options;
pub mod own_path;
pub mod paths;
pub mod procfile;
pub mod project;
pub mod socket;
pub mod toml;

pub use env::Env;
pub use options::StartOptions;
pub use own_path::OwnPath;
pub use procfile::Procfile;
pub use project::Project;

use crate::model::limits::{SUGGESTED, TOLD};
use crate::model::nearest::nearest;
use crate::model::text::shortened;

/// Something that is probably not what the user meant, but no reason not to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A line of a Procfile that is no entry.
    #[error("{file}:{line}: not of the form `name: command`, skipped: {text}")]
    NotAnEntry {
        /// The Procfile as the user named it.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// The beginning of the line.
        text: String,
    },
    /// A name without a command.
    #[error("{file}:{line}: `{name}` has no command, skipped")]
    NoCommand {
        /// The Procfile as the user named it.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// An env file that could not be used; nothing of it is set.
    #[error("skipping {file} due to error: {why}")]
    EnvFile {
        /// The file as the user would name it.
        file: String,
        /// Why.
        why: String,
    },
    /// A list of processes holds a name that no entry has.
    #[error("{origin} names `{name}`, which the Procfile does not have{}", did_you_mean(nearest.as_deref()))]
    UnknownProcess {
        /// The flag or variable.
        origin: &'static str,
        /// The unknown name.
        name: String,
        /// The nearest name that there is.
        nearest: Option<String>,
    },
    /// There are more such names.
    #[error("there are {more} more unknown names of processes")]
    MoreUnknown {
        /// How many.
        more: usize,
    },
    /// An end of a process is to have two consequences.
    #[error(
        "--can-die and --auto-restart both name `{name}`: --can-die applies, it is not started again when it ends"
    )]
    BothEnds {
        /// The process.
        name: String,
    },
    /// The lines of a process begin as those of tmo itself do.
    #[error(
        "the process `system` has the name that tmo's own lines have in the log: its lines look like \
         messages of tmo; give it another name"
    )]
    OwnName,
    /// Something that a `tmo.toml` says has no effect, or another one than it seems.
    #[error("{place}: {text}")]
    Toml {
        /// The file as the user named it, and the line.
        place: String,
        /// What is odd.
        text: String,
    },
}

/// Warnings about names that no entry has, each with the flag, variable or file that contains it.
/// Only the first ones are reported, and fewer of them with a suggestion.
pub fn unknown_processes<'a>(
    names: impl IntoIterator<Item = (&'static str, &'a str)>,
    known: &[&str],
) -> Vec<Warning> {
    let mut names = names.into_iter();
    let reported = names.by_ref().take(TOLD).enumerate();
    let mut warnings: Vec<_> = reported
        .map(|(number, (origin, name))| {
            let near = || nearest(name, known.iter().copied()).map(str::to_owned);
            let nearest = (number < SUGGESTED).then(near).flatten();
            Warning::UnknownProcess { origin, name: shortened(name).into_owned(), nearest }
        })
        .collect();
    let more = names.count();
    warnings.extend((more > 0).then_some(Warning::MoreUnknown { more }));
    warnings
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
