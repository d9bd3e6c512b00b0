//! The help: commands in groups, variables and defaults of flags, and the examples below them in lines that fit.

use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::{ArgAction, Command, CommandFactory as _};

use super::{EVERY_DAY, Subject, TMO, VERBS, Verb};
use crate::cli::args::go_style::as_in_go;
use crate::cli::output::fill::fitted;
use crate::config::options::Setting;

/// Run the processes of a Procfile, each in a terminal of its own.
///
/// `tmo start` runs each line of ./Procfile in a terminal of its own, a window of a private tmux
/// server if tmux is installed, and shows their output merged, prefixed and coloured. Other
/// commands, run anywhere in the project, inspect or control the running processes.
#[derive(clap::Parser)]
#[command(name = "tmo", version = tmo_api::api::version::FULL, disable_version_flag = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  tmo start                  run ./Procfile and show the merged log
  tmo start -l web,worker    run two of its processes
  tmo ps                     what is running?
  tmo restart web            stop it, start it again
  tmo connect web            its terminal: type, debug, leave with the keys it shows
  tmo logs web -n 50         its last 50 lines, even after it died
  tmo why                    what is wrong, or why did it end?
  tmo help tmo.toml          all keys of tmo.toml; also `tmo help procfile`, `fleet.toml`, `agents`")]
struct Program {
    /// Print the version.
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// The defaults of flags of clients, which have variables too.
const OF_CLIENTS: [(&str, &str); 3] = [
    ("socket", ".overmind.sock here or in the nearest directory above"),
    ("network", "unix"),
    ("control_mode", "false"),
];

/// The whole command line, with the variables and defaults of the flags in their help.
pub fn command() -> Command {
    with_footer(grouped(bare_command(), false)).mut_subcommands(|command| {
        let verb = Verb::named(command.get_name());
        let is_start = verb.is_some_and(|verb| verb.subject == Subject::Start);
        with_footer(command).mut_args(|arg| {
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
pub(in crate::cli) fn short_help() -> StyledStr {
    with_footer(grouped(bare_command(), true)).render_help()
}

/// The command line without what only a help shows, which takes as long as all else.
pub(super) fn bare_command() -> Command {
    Program::command().subcommands(VERBS.iter().map(Verb::command)).mut_subcommands(as_in_go)
}

/// The help of the program, with the commands in groups: clap would list them all together. In short, only the
/// commands of every day are described.
fn grouped(command: Command, is_short: bool) -> Command {
    let mut list = String::new();
    let mut others = String::from("More, as `tmo --help` describes:\n");
    for verbs in VERBS.chunk_by(|before, verb| before.group == verb.group) {
        let group = verbs[0].group;
        let mut names: Vec<_> = verbs.iter().map(|verb| verb.name).collect();
        names.extend((group == TMO).then_some("help"));
        if is_short && group != EVERY_DAY {
            let _ = writeln!(others, "  {group:<12} {}", names.join(", "));
            continue;
        }
        let _ = writeln!(list, "{group}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map_or_else(|| "Show help".to_owned(), ToString::to_string);
            let _ = writeln!(list, "  {name:<12} {about}");
        }
        list.push('\n');
    }
    if is_short {
        list = list + &others + "\n";
    }
    let list = fitted(&list) + "\n";
    let head = "{about-with-newline}\n{usage-heading} {usage}\n\n";
    command.help_template(format!("{head}{list}Options:\n{{options}}{{after-help}}"))
}

/// The command with its examples in lines that fit.
fn with_footer(command: Command) -> Command {
    let text = command.get_after_help().map(|text| fitted(&text.to_string()));
    match text {
        Some(text) => command.after_help(text),
        None => command,
    }
}
