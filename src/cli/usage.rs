//! Errors of a command line, in one line like every other error.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::{self, TOPICS};
use crate::model::name::nearest::nearest;

/// Commands of other tools, and their equivalents here. `NAME` stands for the names that were typed.
const OF_OTHER_TOOLS: [(&str, &str); 22] = [
    ("a", "tmo connect NAME"),
    ("attach", "tmo connect NAME` or `tmo ui"),
    ("delete", "tmo stop NAME"),
    ("deputy", "tmo web --token-file=FILE --role=operate"),
    ("describe", "tmo why NAME"),
    ("down", "tmo quit"),
    ("exit", "tmo quit"),
    ("flush", "tmo logs --clear"),
    ("info", "tmo ps"),
    ("l", "tmo ps"),
    ("list", "tmo ps"),
    ("log", "tmo logs NAME"),
    ("monit", "tmo ui"),
    ("rm", "tmo stop NAME"),
    ("sheriff", "tmo fleet --fleet=FILE.json"),
    ("shell", "tmo connect NAME"),
    ("show", "tmo ps"),
    ("stat", "tmo ps"),
    ("stats", "tmo top"),
    ("tail", "tmo logs -f NAME"),
    ("unpause", "tmo signal CONT NAME"),
    ("up", "tmo start"),
];

/// The flags of other tools for a start in the background.
const DETACH: [&str; 4] = ["-d", "-D", "--detach", "--detached"];

/// The same for commands that affect the whole run here.
const OF_ONE: [(&str, &str); 3] = [
    ("kill", "tmo stop NAME` or `tmo signal KILL NAME"),
    ("quit", "tmo stop NAME"),
    ("reload", "tmo restart NAME"),
];

/// The error that clap found, a suggestion, and where to read on.
pub(super) fn complaint(error: &clap::Error, typed: &[OsString]) -> String {
    let mut command = args::command();
    if typed.get(1).is_some_and(|word| word == "fleet") {
        // Its verbs are made only when they are needed.
        command.build();
    }
    // The innermost command that was typed, such as `web user`.
    let mut verb = None;
    let mut page = "tmo".to_owned();
    for word in typed.iter().skip(1) {
        let Some(found) = verb.unwrap_or(&command).find_subcommand(word) else { break };
        verb = Some(found);
        page = format!("{page} {found}");
    }
    let page = format!("{page} --help");
    let advice = if is_behind_dashes(error, typed) {
        "flags go before `--`; ".to_owned()
    } else if lacks_command(error, typed) {
        "`--` goes before the command, as in `tmo start --until-ready -- npm test`; ".to_owned()
    } else if is_docker_detach(error, typed) {
        "-d names a directory; `tmo start -D` starts in the background; ".to_owned()
    } else if let Some(advice) = of_other_tools(error, typed).or_else(|| choices(error, verb)) {
        advice
    } else {
        let meant = meant(error, &command, verb, typed);
        meant.map_or_else(String::new, |word| format!("did you mean `{word}`? "))
    };
    let wrong = match (error.kind(), verb) {
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, Some(verb)) => {
            let names: Vec<_> = verb.get_subcommands().map(Command::get_name).collect();
            format!("a command is missing: {}", names.join(", "))
        }
        _ => wrong(error),
    };
    format!("{wrong}; {advice}see `{page}`")
}

/// Whether `start -d` was typed without a directory, as one does with docker.
fn is_docker_detach(error: &clap::Error, typed: &[OsString]) -> bool {
    error.kind() == ErrorKind::InvalidValue
        && typed.get(1).is_some_and(|verb| verb == "start" || verb == "s")
        && typed.last().is_some_and(|word| word == "-d")
}

/// Whether the command that `--until-ready` runs is missing.
fn lacks_command(error: &clap::Error, typed: &[OsString]) -> bool {
    error.kind() == ErrorKind::MissingRequiredArgument
        && typed.get(1).is_some_and(|verb| verb == "start")
        && matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::Strings(words)) if words.iter().any(|word| word.starts_with("<COMMAND>")))
}

/// What a flag takes that is missing.
fn choices(error: &clap::Error, verb: Option<&Command>) -> Option<String> {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = missing.first()?.split(' ').next()?;
    let mut flags = verb?.get_arguments();
    let flag = flags.find(|known| known.get_long() == flag.strip_prefix("--"))?;
    let values = flag.get_possible_values();
    let values: Vec<_> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
    let (last, others) = values.split_last()?;
    let name = flag.get_long()?;
    Some(format!("--{name} takes {} or {last}; ", others.join(", ")))
}

/// The advice to use the equivalent of another tool's command.
fn of_other_tools(error: &clap::Error, typed: &[OsString]) -> Option<String> {
    let (mut verb, mut rest) = typed.get(1..)?.split_first()?;
    let is_other = error.kind() == ErrorKind::InvalidSubcommand;
    if is_other && verb == "up" && rest.iter().any(|flag| DETACH.iter().any(|one| flag == one)) {
        return Some("`tmo start -D` does that; ".to_owned());
    }
    // `process-compose process restart web`
    if is_other && verb == "process" {
        (verb, rest) = rest.split_first()?;
        if let Some(known) = args::command().find_subcommand(verb) {
            let words: Vec<_> = rest.iter().filter_map(|word| word.to_str()).collect();
            let command = [&["tmo", known.get_name()], &words[..]].concat().join(" ");
            return Some(format!("`{command}` does that; "));
        }
    }
    let table = if is_other {
        &OF_OTHER_TOOLS[..]
    } else {
        match unknown_argument(error)? {
            "--tail" if verb == "logs" => return Some("`tmo logs -n N` does that; ".to_owned()),
            "-e" | "--env" | "--env-file" if verb == "start" => {
                return Some("`TMO_ENV=FILE tmo start` does that; ".to_owned());
            }
            "--dry-run" if verb == "start" => {
                return Some("`tmo check` and `tmo graph` show what it would do; ".to_owned());
            }
            "--watch" | "-w" if verb == "start" => {
                let text = "`watch` in tmo.toml names the files that restart a process; ";
                return Some(text.to_owned());
            }
            "--color" | "--colour" | "--no-color" | "--no-colour" => {
                let text = "NO_COLOR=1 before the command switches colours off; ";
                return Some(text.to_owned());
            }
            "-a" | "--all" if verb == "ps" || verb == "status" => {
                return Some("`tmo ps` shows all that is configured; ".to_owned());
            }
            word if word.starts_with('-') => return None,
            _ if verb == "ps" || verb == "status" => {
                return Some("`tmo ps` takes no names; ".to_owned());
            }
            _ => &OF_ONE[..],
        }
    };
    let (_, command) = table.iter().find(|(word, _)| verb == word)?;
    let names: Vec<_> = rest.iter().filter_map(|word| word.to_str()).collect();
    let names = names.into_iter().filter(|word| !word.starts_with('-')).collect::<Vec<_>>();
    let names = if names.is_empty() { "NAME".to_owned() } else { names.join(" ") };
    let command = command.replace("NAME", &names);
    Some(if is_other {
        format!("`{command}` does that; ")
    } else {
        format!("did you mean `{command}`? ")
    })
}

/// The first paragraph of clap's message; the others are tips, the usage, and where to read on.
fn wrong(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error:").unwrap_or(&text);
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether a superfluous word looks like a flag, but comes after `--`, where flags are not recognized.
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

/// The command or flag that is most similar to the typed word.
fn meant(
    error: &clap::Error,
    command: &Command,
    verb: Option<&Command>,
    typed: &[OsString],
) -> Option<String> {
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    {
        let names = verb.unwrap_or(command).get_subcommands().filter(|verb| !verb.is_hide_set());
        let asks_help = typed.get(1).is_some_and(|verb| verb == "help" || verb == "h");
        let topics = TOPICS.iter().filter(|_| asks_help);
        let names = names.map(Command::get_name).chain(topics.map(|topic| topic.name));
        return nearest(word, names).map(str::to_owned);
    }
    let word = unknown_argument(error)?;
    let flags = verb.unwrap_or(command).get_arguments().filter(|flag| !flag.is_hide_set());
    let flag = nearest(word.strip_prefix("--")?, flags.filter_map(clap::Arg::get_long))?;
    Some(format!("--{flag}"))
}

#[cfg(test)]
mod tests {
    use super::{OF_OTHER_TOOLS, complaint};
    use crate::cli::args;

    fn message(line: &str) -> String {
        let typed: Vec<_> = line.split(' ').map(Into::into).collect();
        complaint(&args::parse(typed.clone()).unwrap_err(), &typed)
    }

    #[test]
    fn a_mistake_in_a_command_of_a_command_leads_to_its_help() {
        for (line, text) in [
            (
                "tmo web user",
                "a command is missing: add, passwd, remove, list; see `tmo web user --help`",
            ),
            (
                "tmo web user passw anna",
                "unrecognized subcommand 'passw'; did you mean `passwd`? see `tmo web user --help`",
            ),
            (
                "tmo fleet resart",
                "unrecognized subcommand 'resart'; did you mean `restart`? see `tmo fleet --help`",
            ),
            (
                "tmo fleet logs --folow",
                "unexpected argument '--folow' found; did you mean `--follow`? see `tmo fleet logs --help`",
            ),
            (
                "tmo web logout",
                "the following required arguments were not provided: <ID>; see `tmo web logout --help`",
            ),
        ] {
            assert_eq!(message(line), text, "{line}");
        }
    }

    #[test]
    fn no_command_of_another_tool_is_one_here() {
        let all = args::command();
        let known = |word: &&str| all.find_subcommand(word).is_some();
        let both: Vec<_> = OF_OTHER_TOOLS.iter().map(|(word, _)| *word).filter(known).collect();
        assert!(both.is_empty(), "{both:?}");
        for (_, here) in OF_OTHER_TOOLS {
            let verb = here.split(' ').nth(1).unwrap();
            assert!(known(&verb), "{here}");
        }
    }

    #[test]
    fn commands_of_other_tools_are_answered_with_the_equivalent_here() {
        for (line, text) in [
            (
                "tmo up -d",
                "unrecognized subcommand 'up'; `tmo start -D` does that; see `tmo --help`",
            ),
            (
                "tmo process restart web",
                "unrecognized subcommand 'process'; `tmo restart web` does that; see `tmo --help`",
            ),
            (
                "tmo process list",
                "unrecognized subcommand 'process'; `tmo ps` does that; see `tmo --help`",
            ),
            (
                "tmo ps -a",
                "unexpected argument '-a' found; `tmo ps` shows all that is configured; see `tmo ps --help`",
            ),
            ("tmo up", "unrecognized subcommand 'up'; `tmo start` does that; see `tmo --help`"),
            (
                "tmo tail web -f",
                "unrecognized subcommand 'tail'; `tmo logs -f web` does that; see `tmo --help`",
            ),
            (
                "tmo kill web",
                "unexpected argument 'web' found; did you mean `tmo stop web` or `tmo signal KILL web`? \
                 see `tmo kill --help`",
            ),
            (
                "tmo start -d",
                "a value is required for '--root <DIR>' but none was supplied; -d names a directory; \
                 `tmo start -D` starts in the background; see `tmo start --help`",
            ),
            (
                "tmo start --dry-run",
                "unexpected argument '--dry-run' found; `tmo check` and `tmo graph` show what it would \
                 do; see `tmo start --help`",
            ),
            (
                "tmo ps --no-color",
                "unexpected argument '--no-color' found; NO_COLOR=1 before the command switches colours \
                 off; see `tmo ps --help`",
            ),
            (
                "tmo --no-color",
                "unexpected argument '--no-color' found; NO_COLOR=1 before the command switches colours \
                 off; see `tmo --help`",
            ),
            (
                "tmo logs --color",
                "unexpected argument '--color' found; NO_COLOR=1 before the command switches colours \
                 off; see `tmo logs --help`",
            ),
            (
                "tmo start --watch",
                "unexpected argument '--watch' found; `watch` in tmo.toml names the files that \
                 restart a process; see `tmo start --help`",
            ),
            ("tmo stats", "unrecognized subcommand 'stats'; `tmo top` does that; see `tmo --help`"),
            (
                "tmo ps web",
                "unexpected argument 'web' found; `tmo ps` takes no names; see `tmo ps --help`",
            ),
            ("tmo exit", "unrecognized subcommand 'exit'; `tmo quit` does that; see `tmo --help`"),
            (
                "tmo logs --tail 50",
                "unexpected argument '--tail' found; `tmo logs -n N` does that; see `tmo logs --help`",
            ),
        ] {
            assert_eq!(message(line), text);
        }
    }

    #[test]
    fn a_mistyped_command_line_is_answered_in_one_line_with_a_suggestion() {
        for (line, text) in [
            (
                "tmo start --deamonize",
                "unexpected argument '--deamonize' found; did you mean `--daemonize`? \
                 see `tmo start --help`",
            ),
            (
                "tmo restrat web",
                "unrecognized subcommand 'restrat'; did you mean `restart`? see `tmo --help`",
            ),
            (
                "tmo help tmo.tml",
                "unrecognized subcommand 'tmo.tml'; did you mean `tmo.toml`? see `tmo --help`",
            ),
            ("tmo procfil", "unrecognized subcommand 'procfil'; see `tmo --help`"),
            (
                "tmo start --until-ready npm test",
                "the following required arguments were not provided: <COMMAND>...; `--` goes before \
                 the command, as in `tmo start --until-ready -- npm test`; see `tmo start --help`",
            ),
            ("tmo start --xyzzy", "unexpected argument '--xyzzy' found; see `tmo start --help`"),
            (
                "tmo send web -- -h --enter",
                "unexpected argument '--enter' found; flags go before `--`; see `tmo send --help`",
            ),
            (
                "tmo send web -- -h -s",
                "unexpected argument '-s' found; flags go before `--`; see `tmo send --help`",
            ),
            (
                "tmo start --deamonize -- web",
                "unexpected argument '--deamonize' found; did you mean `--daemonize`? \
                 see `tmo start --help`",
            ),
            (
                "tmo web --token-file x",
                "the following required arguments were not provided: --role <ROLE>; \
                 --role takes read, operate or admin; see `tmo web --help`",
            ),
            (
                "tmo signal",
                "the following required arguments were not provided: <SIGNAL>; \
                 see `tmo signal --help`",
            ),
            (
                "tmo completions ksh",
                "invalid value 'ksh' for '<SHELL>' [possible values: bash, zsh, fish]; \
                  see `tmo completions --help`",
            ),
        ] {
            assert_eq!(message(line), text);
        }
    }
}
