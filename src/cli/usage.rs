//! What is wrong with a command line, in one line like every other complaint.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args;
use crate::model::nearest::nearest;

/// What clap has found wrong with these words, what may have been meant, and where to read on.
pub(super) fn complaint(error: &clap::Error, typed: &[OsString]) -> String {
    let command = args::command();
    let verb = typed.get(1).and_then(|word| command.find_subcommand(word));
    let page = verb.map_or_else(|| "tmo --help".into(), |verb| format!("tmo {verb} --help"));
    let advice = if is_behind_dashes(error, typed) {
        "flags go before `--`; ".to_owned()
    } else {
        let meant = meant(error, &command, verb);
        meant.map_or_else(String::new, |word| format!("did you mean `{word}`? "))
    };
    format!("{}; {advice}`{page}` tells what can be typed", wrong(error))
}

/// The first paragraph of what clap says; the others are tips, the usage, and where to read on.
fn wrong(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error:").unwrap_or(&text);
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether a word too many looks like a flag, but stands behind `--`, where nothing is one.
fn is_behind_dashes(error: &clap::Error, typed: &[OsString]) -> bool {
    let Some(word) = unknown_argument(error).filter(|word| word.starts_with('-')) else {
        return false;
    };
    typed.iter().skip_while(|typed| *typed != "--").skip(1).any(|typed| *typed == word)
}

fn unknown_argument(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument => {
            Some(word)
        }
        _ => None,
    }
}

/// The command or the flag that is nearest to what was typed.
fn meant(error: &clap::Error, command: &Command, verb: Option<&Command>) -> Option<String> {
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    {
        let names = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        return nearest(word, names.map(Command::get_name)).map(str::to_owned);
    }
    let word = unknown_argument(error)?;
    let flags = verb.unwrap_or(command).get_arguments().filter(|flag| !flag.is_hide_set());
    let flag = nearest(word.strip_prefix("--")?, flags.filter_map(clap::Arg::get_long))?;
    Some(format!("--{flag}"))
}

#[cfg(test)]
mod tests {
    use super::complaint;
    use crate::cli::args;

    fn message(line: &str) -> String {
        let typed: Vec<_> = line.split(' ').map(Into::into).collect();
        complaint(&args::parse(typed.clone()).unwrap_err(), &typed)
    }

    #[test]
    fn a_slip_is_told_in_one_line_with_what_was_meant() {
        for (line, text) in [
            (
                "tmo start --deamonize",
                "unexpected argument '--deamonize' found; did you mean `--daemonize`? \
                 `tmo start --help` tells what can be typed",
            ),
            (
                "tmo restrat web",
                "unrecognized subcommand 'restrat'; did you mean `restart`? `tmo --help` tells \
                 what can be typed",
            ),
            (
                "tmo start --xyzzy",
                "unexpected argument '--xyzzy' found; `tmo start --help` tells what can be typed",
            ),
            (
                "tmo send web -- -h --enter",
                "unexpected argument '--enter' found; flags go before `--`; `tmo send --help` tells \
                 what can be typed",
            ),
            (
                "tmo send web -- -h -s",
                "unexpected argument '-s' found; flags go before `--`; `tmo send --help` tells what \
                 can be typed",
            ),
            (
                "tmo start --deamonize -- web",
                "unexpected argument '--deamonize' found; did you mean `--daemonize`? \
                 `tmo start --help` tells what can be typed",
            ),
            (
                "tmo signal",
                "the following required arguments were not provided: <SIGNAL>; \
                 `tmo signal --help` tells what can be typed",
            ),
            (
                "tmo completions ksh",
                "invalid value 'ksh' for '<SHELL>' [possible values: bash, zsh, fish]; \
                  `tmo completions --help` tells what can be typed",
            ),
        ] {
            assert_eq!(message(line), text);
        }
    }
}
