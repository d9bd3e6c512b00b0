//! The variables and defaults of flags, which the help shows.

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory as _};

use super::footer::fitted;
use super::{Args, grouped};

/// A setting behind a flag: the flag, its variable without `TMO_` or `OVERMIND_`, its default.
pub(super) type Setting = (&'static str, Option<&'static str>, &'static str);

/// The settings behind the flags of `tmo start`.
pub(super) const SETTINGS: [Setting; 24] = [
    ("procfile", Some("PROCFILE"), "./Procfile"),
    ("root", None, "the directory of the Procfile"),
    ("daemonize", Some("DAEMONIZE"), "false"),
    ("processes", Some("PROCESSES"), "all"),
    ("ignored_processes", Some("IGNORED_PROCESSES"), "none"),
    ("can_die", Some("CAN_DIE"), "none"),
    ("any_can_die", Some("ANY_CAN_DIE"), "false"),
    ("auto_restart", Some("AUTO_RESTART"), "none"),
    ("formation", Some("FORMATION"), "all=1"),
    ("formation_port_step", Some("FORMATION_PORT_STEP"), "10"),
    ("stop_signals", Some("STOP_SIGNALS"), "INT for all"),
    ("colors", Some("COLORS"), "2,3,4,5,6,29,131,63,163,98"),
    ("port", Some("PORT"), "5000"),
    ("port_step", Some("PORT_STEP"), "100"),
    ("no_port", Some("NO_PORT"), "false"),
    ("port_auto", Some("PORT_AUTO"), "true in a linked worktree"),
    ("timeout", Some("TIMEOUT"), "5"),
    ("socket", Some("SOCKET"), "./.overmind.sock"),
    NETWORK,
    ("title", Some("TITLE"), "the name of the root directory"),
    ("tmux_config", Some("TMUX_CONFIG"), "~/.tmux.conf"),
    ("show_timestamps", Some("SHOW_TIMESTAMPS"), "false"),
    ("shell", Some("SHELL"), "sh"),
    ("backend", Some("BACKEND"), "auto"),
];

/// The setting behind the flag of every client.
const CLIENT_SOCKET: Setting =
    ("socket", Some("SOCKET"), ".overmind.sock here or in the nearest directory above");

/// The same for the kind of the socket.
const NETWORK: Setting = ("network", Some("NETWORK"), "unix");

/// The setting behind a flag of `tmo connect`.
const CONTROL_MODE: Setting = ("control_mode", Some("CONTROL_MODE"), "false");

/// The whole command line, with the variables and defaults of the flags in their help.
pub fn command() -> Command {
    with_footer(grouped(bare_command(), false)).mut_subcommands(|verb| {
        let of_start = ["start", "check", "config", "graph", "init", "doctor", "failures"];
        let settings = if of_start.contains(&verb.get_name()) {
            &SETTINGS[..]
        } else {
            &[CLIENT_SOCKET, NETWORK, CONTROL_MODE]
        };
        with_footer(verb).mut_args(|arg| {
            let Some(setting) = settings.iter().find(|(id, ..)| arg.get_id() == *id) else {
                return arg;
            };
            let help = help_of(arg.get_help(), setting);
            arg.help(help)
        })
    })
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

fn help_of(help: Option<&StyledStr>, (_, variable, default): &Setting) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    let env = variable.map(|name| match name {
        "PORT" => " [env: TMO_PORT, OVERMIND_PORT, PORT]".to_owned(),
        _ => format!(" [env: TMO_{name}, OVERMIND_{name}]"),
    });
    format!("{help}{} [default: {default}]", env.unwrap_or_default())
}
