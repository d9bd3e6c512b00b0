//! The user's configuration as values: Procfile, env files, `tmo.toml`, variables, directories.
//!
//! Text goes in, typed values and warnings come out; nothing here depends on tmux or starts anything. The
//! parsers are pure. Queries to the system (which files exist, who owns them, the caller's limits) are
//! separate, in [`place::project`], [`place::dirs`], [`inherit`] and [`load`].

pub mod apps;
pub mod command;
pub mod dotenv;
pub mod env;
pub mod envfiles;
pub mod error;
pub mod failures;
pub mod inherit;
pub mod load;
pub mod options;
pub mod place;
pub mod procfile;
pub mod toml;

pub use self::place::paths::OwnPath;
pub use self::place::project::Project;
pub use env::Env;
pub use options::StartOptions;
pub use procfile::Procfile;

use crate::model::limits::{SUGGESTED, TOLD};
use crate::model::name::nearest::nearest;
use crate::model::text::shortened;

/// A probable mistake of the user that does not prevent a start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A line of a Procfile that is not an entry.
    #[error("{file}:{line}: not of the form `name: command`, skipped: {text}")]
    NotAnEntry {
        /// The Procfile as the user named it.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// The beginning of the line.
        text: String,
    },
    /// An entry with a name that no process can have.
    #[error(
        "{file}:{line}: `{name}` is not a process name, skipped: only letters, digits, `_` and `-`; write `{instead}: …`"
    )]
    BadName {
        /// The Procfile as the user named it.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// The beginning of the name.
        name: String,
        /// A name that is like it.
        instead: String,
    },
    /// A name without a command.
    #[error("{file}:{line}: `{name}` has no command, skipped")]
    NoCommand {
        /// The Procfile as the user named it.
        file: String,
        /// Line number, from 1.
        line: usize,
        name: String,
    },
    /// An env file that could not be used; none of its variables is set.
    #[error("skipping {file} due to error: {why}")]
    EnvFile {
        /// The file as the user would name it.
        file: String,
        why: String,
    },
    /// A list of processes contains an unknown name.
    #[error("{origin} names `{name}`, which the Procfile does not have{}", did_you_mean(nearest.as_deref()))]
    UnknownProcess {
        /// The flag or variable.
        origin: String,
        /// The unknown name.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// There are further unknown names.
    #[error("there are {more} more unknown names of processes")]
    MoreUnknown {
        /// How many.
        more: usize,
    },
    /// Two contradictory reactions to an exit are configured.
    #[error(
        "--can-die and --auto-restart both name `{name}`: --can-die applies, it is not started again when it ends"
    )]
    BothEnds {
        /// The process.
        name: String,
    },
    /// The log lines of a process look like those of tmo itself.
    #[error(
        "the process `system` has the name that tmo's own lines have in the log: its lines look like \
         messages of tmo; give it another name"
    )]
    OwnName,
    /// A setting in a `tmo.toml` has no effect, or an unexpected one.
    #[error("{place}: {text}")]
    Toml {
        /// The file as the user named it, and the line.
        place: String,
        /// The problem.
        text: String,
    },
}

/// Warnings about names that no entry has, each with the flag, variable or file that contains it.
/// Only the first ones are reported, and fewer of them with a suggestion.
pub fn unknown_processes<'a>(
    names: impl IntoIterator<Item = (String, &'a str)>,
    known: &[&str],
) -> Vec<Warning> {
    let mut names = names.into_iter();
    let reported = names.by_ref().take(TOLD).enumerate();
    let mut warnings: Vec<_> = reported
        .map(|(number, (origin, name))| {
            let near = || Some(nearest(name, known.iter().copied())?.to_owned());
            let nearest =
                (number < SUGGESTED).then(|| number_of(name, known).or_else(near)).flatten();
            Warning::UnknownProcess { origin, name: shortened(name).into_owned(), nearest }
        })
        .collect();
    let more = names.count();
    warnings.extend((more > 0).then_some(Warning::MoreUnknown { more }));
    warnings
}

/// The flag that a word such as `web=3` belongs to.
fn number_of(word: &str, known: &[&str]) -> Option<String> {
    let (name, number) = word.split_once('=')?;
    (known.contains(&name) && number.parse::<u32>().is_ok()).then(|| format!("-m {word}"))
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
