//! Errors of a command line, in one line like every other error.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::topics::TOPICS;
use super::verbs::{self, Verb};
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

/// Commands that other tools have for a process, and that are about the whole run here.
const OF_ONE: [(&str, &str); 3] = [
    ("kill", "tmo stop NAME` or `tmo signal KILL NAME"),
    ("quit", "tmo stop NAME"),
    ("reload", "tmo restart NAME"),
];

/// The error that clap found, a suggestion, and where to read on.
pub(super) fn complaint(error: &clap::Error, typed: &[OsString]) -> String {
    let mut command = verbs::command();
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
        && command_name(typed) == "start"
        && typed.last().is_some_and(|word| word == "-d")
}

/// Whether the command that `--until-ready` runs is missing.
fn lacks_command(error: &clap::Error, typed: &[OsString]) -> bool {
    error.kind() == ErrorKind::MissingRequiredArgument
        && command_name(typed) == "start"
        && matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::Strings(words))
            if words.iter().any(|word| word.starts_with("<COMMAND>")))
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
    let [_, verb, rest @ ..] = typed else { return None };
    if error.kind() != ErrorKind::InvalidSubcommand {
        let argument = unknown_argument(error)?;
        let name = command_name(typed);
        if let Some(advice) = of_argument(name, argument) {
            return Some(format!("{advice}; "));
        }
        let command = equivalent(&OF_ONE, name, rest).filter(|_| !argument.starts_with('-'))?;
        return Some(format!("did you mean `{command}`? "));
    }
    if verb == "up" && rest.iter().any(|flag| DETACH.iter().any(|one| flag == one)) {
        return Some("`tmo start -D` does that; ".to_owned());
    }
    let command = match (verb.to_str()?, rest) {
        // `process-compose process restart web`
        ("process", [verb, rest @ ..]) => match Verb::named(verb.to_str()?) {
            Some(known) => {
                let words: Vec<_> = rest.iter().filter_map(|word| word.to_str()).collect();
                [&["tmo", known.name], &words[..]].concat().join(" ")
            }
            None => equivalent(&OF_OTHER_TOOLS, verb.to_str()?, rest)?,
        },
        (verb, rest) => equivalent(&OF_OTHER_TOOLS, verb, rest)?,
    };
    Some(format!("`{command}` does that; "))
}

/// The name of the command that was typed by this or another name.
fn command_name(typed: &[OsString]) -> &'static str {
    let verb = typed.get(1).and_then(|word| Verb::named(word.to_str()?));
    verb.map_or("", |verb| verb.name)
}

/// The advice for an argument that a command takes in other tools.
fn of_argument(command: &str, argument: &str) -> Option<&'static str> {
    Some(match (command, argument) {
        ("logs", "--tail") => "`tmo logs -n N` does that",
        ("start", "-e" | "--env" | "--env-file") => "`TMO_ENV=FILE tmo start` does that",
        ("start", "--dry-run") => "`tmo check` and `tmo graph` show what it would do",
        ("start", "--watch" | "-w") => "`watch` in tmo.toml names the files that restart a process",
        (_, "--color" | "--colour" | "--no-color" | "--no-colour") => {
            "NO_COLOR=1 before the command switches colours off"
        }
        ("ps", "-a" | "--all") => "`tmo ps` shows all that is configured",
        ("ps", name) if !name.starts_with('-') => "`tmo ps` takes no names",
        _ => return None,
    })
}

/// The command that a table has for this word, with the names that follow it.
fn equivalent(table: &[(&str, &str)], word: &str, rest: &[OsString]) -> Option<String> {
    let (_, command) = table.iter().find(|(known, _)| *known == word)?;
    let words = rest.iter().filter_map(|word| word.to_str());
    let names: Vec<_> = words.filter(|word| !word.starts_with('-')).collect();
    let names = if names.is_empty() { "NAME".to_owned() } else { names.join(" ") };
    Some(command.replace("NAME", &names))
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
    use crate::cli::verbs;

    fn message(line: &str) -> String {
        let typed: Vec<_> = line.split(' ').map(Into::into).collect();
        complaint(&verbs::parse(typed.clone()).err().unwrap(), &typed)
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
        let all = verbs::command();
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
