//! Flags as overmind, a Go program, takes them.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Arg, Args as _, Command, FromArgMatches as _};

use crate::config::StartOptions;

/// Flags as Go's programs take them: `-port 3000` is `--port 3000`. And `h` is `help`.
pub(in crate::cli) fn go_style(
    command: &Command,
    words: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let verbs = command.get_subcommands().flat_map(Command::get_arguments);
    let flags: Vec<&str> = verbs.filter_map(Arg::get_long).chain(["help", "version"]).collect();
    let words: Vec<OsString> = words.into_iter().collect();
    let verb = words.get(1).and_then(|verb| command.find_subcommand(verb));
    // All further words belong to the command, or to a verb that overmind does not have.
    let is_left_alone = verb.is_some_and(|verb| ["run", "fleet"].contains(&verb.get_name()));
    let mut is_literal = false;
    let in_style = |(index, word): (usize, OsString)| {
        is_literal |= word == "--" || index > 1 && is_left_alone;
        match word.to_str() {
            Some("h") if index == 1 => "help".into(),
            Some(text) if !is_literal && is_long(text, &flags, verb) => format!("-{text}").into(),
            _ => word,
        }
    };
    words.into_iter().enumerate().map(in_style).collect()
}

/// Whether this is a long flag behind one dash: one of these, or what can't be a group of short flags, because its first
/// letter is none of them.
fn is_long(text: &str, flags: &[&str], verb: Option<&Command>) -> bool {
    let Some(text) = text.strip_prefix('-') else { return false };
    let name = text.split('=').next().unwrap_or_default();
    let is_unknown = name.chars().next().is_some_and(|first| {
        first.is_alphabetic()
            && first != 'h'
            && verb
                .is_some_and(|verb| verb.get_arguments().all(|arg| arg.get_short() != Some(first)))
    });
    name.len() > 1 && (flags.contains(&name) || is_unknown)
}

/// As in Go, the word after a flag is its value, even if it is a negative number. The code that uses the value
/// rejects that where it is invalid.
pub(in crate::cli) fn as_in_go(verb: Command) -> Command {
    let valued = |arg: &Arg| {
        arg.get_action().takes_values() && !arg.is_positional() && !arg.is_require_equals_set()
    };
    verb.mut_args(|arg| {
        let valued = valued(&arg);
        arg.allow_negative_numbers(valued)
    })
}

/// Read again what was typed behind `tmo start`.
pub(in crate::cli) fn parse_start(
    flags: impl Iterator<Item = OsString>,
) -> Result<StartOptions, clap::Error> {
    let start = as_in_go(StartOptions::augment_args(Command::new("start")));
    let all = Command::new("tmo").subcommand(start);
    let words = go_style(&all, ["tmo", "start"].map(OsString::from).into_iter().chain(flags));
    let matches = all.try_get_matches_from(words)?;
    let start = matches.subcommand_matches("start");
    StartOptions::from_arg_matches(start.ok_or(clap::Error::new(ErrorKind::MissingSubcommand))?)
}
