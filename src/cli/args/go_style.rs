//! Flags as overmind, a Go program, takes them.

use std::ffi::OsString;

use clap::{Arg, Command};

/// Flags as Go's programs take them: `-port 3000` is `--port 3000`. And `h` is `help`.
pub(in crate::cli) fn go_style(
    command: &Command,
    args: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let verbs = command.get_subcommands().flat_map(Command::get_arguments);
    let flags: Vec<&str> = verbs.filter_map(Arg::get_long).chain(["help", "version"]).collect();
    let args: Vec<OsString> = args.into_iter().collect();
    let verb = args.get(1).and_then(|verb| command.find_subcommand(verb));
    let known = |short: char| {
        let shorts =
            |verb: &Command| verb.get_arguments().any(|arg| arg.get_short() == Some(short));
        short == 'h' || verb.is_none_or(shorts)
    };
    let long = |text: &str| {
        let name = text.strip_prefix('-')?.split('=').next()?;
        // A word whose first letter is not a short flag cannot be a group of short flags either.
        let unknown = name.starts_with(|first: char| first.is_alphabetic() && !known(first));
        let long = name.len() > 1 && (flags.contains(&name) || unknown);
        long.then(|| format!("-{text}").into())
    };
    let mut literal = false;
    let word = |(index, arg): (usize, OsString)| {
        literal |= arg == "--";
        match arg.to_str() {
            Some("h") if index == 1 => "help".into(),
            Some("run" | "exec" | "e" | "fleet") if index == 1 => {
                // All further words belong to the command, or to a verb that overmind does not have.
                literal = true;
                arg
            }
            Some(text) if !literal => long(text).unwrap_or(arg),
            Some(_) | None => arg,
        }
    };
    args.into_iter().enumerate().map(word).collect()
}

/// As in Go, the word after a flag is its value, even if it is a negative number. The code that uses the value
/// rejects that where it is invalid.
pub(super) fn as_in_go(verb: Command) -> Command {
    let valued = |arg: &Arg| {
        arg.get_action().takes_values() && !arg.is_positional() && !arg.is_require_equals_set()
    };
    verb.mut_args(|arg| {
        let valued = valued(&arg);
        arg.allow_negative_numbers(valued)
    })
}
