//! Reads a command line.

use std::ffi::OsString;

use clap::{ArgMatches, FromArgMatches as _};

use super::help::{bare_command, command};
use super::{Subject, Verb};
use crate::cli::args::ClientArgs;
use crate::cli::args::go_style::{as_in_go, go_style};
use crate::cli::output::report;
use crate::cli::project::command::explain_unknown;

/// Read a command line, its first word being the name of the program. The command carries itself out and returns the exit
/// code; without one there is `None`.
pub fn parse(
    words: impl IntoIterator<Item = OsString>,
) -> Result<Option<impl FnOnce() -> u8>, clap::Error> {
    let Some(Typed { verb, matches }) = typed(words.into_iter().collect())? else {
        return Ok(None);
    };
    let bound = verb.action.bind(&matches)?;
    // The run whose processes it names.
    let names_processes = verb.subject == Subject::Processes;
    let client = names_processes.then(|| ClientArgs::from_arg_matches(&matches)).transpose()?;
    Ok(Some(move || match (bound(), client) {
        (Ok(code), _) => code,
        (Err(error), Some(client)) => report(&explain_unknown(error, &client)),
        (Err(error), None) => report(&error),
    }))
}

/// A command as it was typed.
pub(super) struct Typed {
    pub(super) verb: &'static Verb,
    pub(super) matches: ArgMatches,
}

pub(super) fn typed(words: Vec<OsString>) -> Result<Option<Typed>, clap::Error> {
    alone(&words).map_or_else(|| among_all(words), |typed| Ok(Some(typed)))
}

/// A correct command. To define all commands takes several times as long as to define one.
pub(super) fn alone(words: &[OsString]) -> Option<Typed> {
    let [_, name, flags @ ..] = words else { return None };
    let verb = Verb::named(name.to_str()?)?;
    let is_plain = |word: &OsString| {
        let word = word.as_encoded_bytes();
        word.len() <= 2 || !word.starts_with(b"-") || word.starts_with(b"--")
    };
    // Longer words behind one dash depend on the flags of all commands (`go_style`).
    if !flags.iter().all(is_plain) {
        return None;
    }
    let command = as_in_go(verb.command()).no_binary_name(true);
    Some(Typed { verb, matches: command.try_get_matches_from(flags).ok()? })
}

pub(super) fn among_all(words: Vec<OsString>) -> Result<Option<Typed>, clap::Error> {
    let bare = bare_command();
    let words = go_style(&bare, words);
    let mut matches = bare.try_get_matches_from(&words).or_else(|_| {
        // A help, or an error that quotes it.
        command().try_get_matches_from(&words)
    })?;
    let subcommand = matches.remove_subcommand();
    Ok(subcommand.and_then(|(name, matches)| Some(Typed { verb: Verb::named(&name)?, matches })))
}
