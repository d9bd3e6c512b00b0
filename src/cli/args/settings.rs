//! The variables and defaults of flags, which the help shows.

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory as _};

use super::footer::fitted;
use super::{Args, grouped};
use crate::config::options::Setting;

/// The defaults of flags of clients, which have variables too.
const OF_CLIENTS: [(&str, &str); 3] = [
    ("socket", ".overmind.sock here or in the nearest directory above"),
    ("network", "unix"),
    ("control_mode", "false"),
];

/// The whole command line, with the variables and defaults of the flags in their help.
pub fn command() -> Command {
    with_footer(grouped(bare_command(), false)).mut_subcommands(|verb| {
        let of_start = ["start", "check", "config", "graph", "init", "doctor", "failures"];
        let is_start = of_start.contains(&verb.get_name());
        with_footer(verb).mut_args(|arg| {
            let id = arg.get_id().as_str();
            let setting = if is_start {
                Setting::with_id(id).map(|setting| (setting.default, setting.has_variable))
            } else {
                let default = OF_CLIENTS.iter().find(|(known, _)| *known == id);
                default.map(|(_, default)| (*default, true))
            };
            let Some((default, has_variable)) = setting else { return arg };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let variables = if has_variable { variables(id) } else { String::new() };
            arg.help(format!("{help}{variables} [default: {default}]"))
        })
    })
}

fn variables(id: &str) -> String {
    let name = id.to_ascii_uppercase();
    let plain = if id == "port" { ", PORT" } else { "" };
    format!(" [env: TMO_{name}, OVERMIND_{name}{plain}]")
}

/// The help on one screen.
pub fn short_help() -> StyledStr {
    with_footer(grouped(bare_command(), true)).render_help()
}

/// The same without what only a help shows, which takes as long as all else.
pub(super) fn bare_command() -> Command {
    Args::command().mut_subcommands(as_in_go)
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

/// The command with its examples in lines that fit.
fn with_footer(command: Command) -> Command {
    let text = command.get_after_help().map(|text| fitted(&text.to_string()));
    match text {
        Some(text) => command.after_help(text),
        None => command,
    }
}
