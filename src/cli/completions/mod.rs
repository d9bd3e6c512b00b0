//! Completion in bash, zsh and fish.
//!
//! The scripts in `completions/` pass the words up to the cursor to the program itself, with the shell's
//! name in `_TMO_COMPLETE`. So commands and flags are never out of date, and process names are those of the
//! run. To find `Candidates` starts no program and contacts no supervisor.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::Command;
use clap_complete::engine::CompletionCandidate;

use crate::cli::args::go_style::go_style;
use crate::cli::args::topics::{TOPICS, Topic};
use crate::cli::args::values::{self, DIRECTORIES, FILES, fits};
use crate::cli::verbs;
use crate::config::env;

/// The variable by which a script asks for candidates. It holds the version of the format that the
/// script reads, and the name of the shell.
const VARIABLE: &str = "_TMO_COMPLETE";

/// The version of the answer's format. A script that expects another version (one loaded before an update)
/// gets no answer, because it would misinterpret the lines.
const FORM: &str = "2 ";

/// The most frequent commands, listed first. The others follow in the order of the help.
const EVERYDAY: [&str; 12] = [
    "start", "restart", "stop", "connect", "quit", "ps", "logs", "echo", "why", "scale", "reload",
    "kill",
];

/// The shell waits for the answer, so an unresponsive disk must not block it.
const MOST_SECONDS: u32 = 2;

/// Answer a script that asks for candidates; `None` if this is an ordinary start of the program.
///
/// Nothing else is printed: the shell treats every line as a candidate.
pub(super) fn print_candidates(arguments: &[OsString]) -> Option<io::Result<()>> {
    let asked = env::variable(VARIABLE)?;
    let Some(shell) = asked.to_str().and_then(|asked| asked.strip_prefix(FORM)) else {
        return Some(Ok(()));
    };
    crate::sys::end_after(MOST_SECONDS);
    let words = arguments.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    let text = complete(words).text(shell != "bash");
    Some(io::stdout().write_all(text.as_bytes()))
}

/// The candidates for a shell.
#[derive(Debug, PartialEq, Eq)]
enum Candidates {
    /// These words, each with a description.
    Words(Vec<(String, String)>),
    /// The shell's own completion of files; `prefix` is kept before them.
    Files { prefix: String },
    /// The shell's own completion of directories.
    Directories { prefix: String },
    /// The shell's own completion of a command line, which begins at the word with this number.
    Command { from: usize },
}

impl Candidates {
    /// The first line is always the kind of answer, so that a word, which may be any file name, can't be
    /// mistaken for it. One line per word follows, with a tab before its description.
    fn text(&self, described: bool) -> String {
        let mut text = String::new();
        // Writing to a string never fails.
        let _ = match self {
            Self::Files { prefix } => writeln!(text, "files {prefix}"),
            Self::Directories { prefix } => writeln!(text, "directories {prefix}"),
            Self::Command { from } => writeln!(text, "command {from}"),
            Self::Words(words) => {
                text.push_str("words\n");
                words.iter().try_for_each(|(word, description)| {
                    if described && !description.is_empty() {
                        writeln!(text, "{word}\t{description}")
                    } else {
                        writeln!(text, "{word}")
                    }
                })
            }
        };
        text
    }
}

/// Complete the last of these words; the first is the name of the program.
fn complete(mut words: Vec<OsString>) -> Candidates {
    let nothing = Candidates::Words(vec![]);
    let (Some(mut current), 1..) = (words.pop(), words.len()) else { return nothing };
    let mut command = values::with_completers(verbs::command());
    let mut words = go_style(&command, words);
    if let Some(answer) = command_line(&command, &words) {
        return answer;
    }
    if matches!(&words[..], [.., flag, what] if flag == "--for" && what == "log") {
        // A regular expression has no candidates.
        return nothing;
    }
    let asks_help = words.get(1).is_some_and(|verb| verb == "help");
    let topic = words.get(2).filter(|_| asks_help).and_then(|word| Topic::named(word));
    if let Some(topic) = topic {
        let keys = topic.keys().into_iter().filter(|key| fits(key, &current));
        return Candidates::Words(keys.map(|key| (key, String::new())).collect());
    }
    values::remember(verbs::command(), &words);
    if current == "-" {
        // Every flag has a long name; otherwise the engine would offer the short ones instead.
        current = "--".into();
    }
    words.push(current.clone());
    let last = words.len() - 1;
    let here = std::env::current_dir().ok();
    let found = clap_complete::engine::complete(&mut command, words, last, here.as_deref());
    let mut found = found.unwrap_or_default();
    if asks_help && last == 2 {
        found.extend(TOPICS.iter().map(as_command));
    }
    choose(found, &current.to_string_lossy())
}

/// A topic of the help, listed with the commands.
fn as_command(topic: &Topic) -> CompletionCandidate {
    let candidate = CompletionCandidate::new(topic.name).help(Some(topic.about.into()));
    candidate.id(Some(format!("command::{}", topic.name)))
}

/// After `tmo run`, and after the `--` of `tmo start`, comes a command that is not tmo's.
fn command_line(command: &Command, words: &[OsString]) -> Option<Candidates> {
    let verb = command.find_subcommand(words.get(1)?)?;
    let escape = words.iter().position(|word| word == "--");
    let from = match verb.get_name() {
        "run" => words.get(2).map_or(2, |word| if word == "--" { 3 } else { 2 }),
        _ if verb.get_arguments().any(clap::Arg::is_last_set) => escape? + 1,
        _ => return None,
    };
    Some(Candidates::Command { from })
}

/// Select the candidates to offer: flags only if one is begun or there is nothing else, an alias of a
/// command only if its own name does not match.
fn choose(candidates: Vec<CompletionCandidate>, current: &str) -> Candidates {
    let marked = |mark: &str| {
        let marked = candidates.iter().find(|one| one.get_id().is_some_and(|id| id == mark))?;
        // The engine prepends the typed prefix.
        Some(marked.get_value().to_string_lossy().into_owned())
    };
    if let Some(prefix) = marked(FILES) {
        return Candidates::Files { prefix };
    }
    // Subcommands come before directories.
    if let Some(prefix) = marked(DIRECTORIES)
        && !candidates.iter().any(|one| {
            one.get_id().is_some_and(|id| id.starts_with("command::"))
                && one.get_value().to_string_lossy().starts_with(current)
        })
    {
        return Candidates::Directories { prefix };
    }
    let mut commands = Vec::new();
    let mut others = Vec::new();
    let mut flags = Vec::new();
    for candidate in candidates {
        let value = candidate.get_value().to_string_lossy().into_owned();
        let word = (value.clone(), description(&candidate));
        match candidate.get_id().and_then(|id| id.strip_prefix("command::")) {
            Some(name) if name.starts_with(current) => commands.push((name.to_owned(), word.1)),
            Some(_) | None if value.starts_with('-') => flags.push(word),
            _ if candidate.get_id().is_some_and(|id| id == DIRECTORIES) => {}
            Some(_) | None => others.push(word),
        }
    }
    commands.sort_by_key(|(name, _)| {
        EVERYDAY.iter().position(|everyday| everyday == name).unwrap_or(EVERYDAY.len())
    });
    let words = [commands, others, flags].into_iter().find(|some| !some.is_empty());
    Candidates::Words(words.unwrap_or_default())
}

/// The first sentence of its help, without the variables and defaults at its end.
fn description(candidate: &CompletionCandidate) -> String {
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    let line = help.lines().next().unwrap_or_default();
    let ends = [". ", " [env: ", " [default: "].map(|end| line.find(end).unwrap_or(line.len()));
    line[..ends.into_iter().min().unwrap_or(line.len())].to_owned()
}

#[cfg(test)]
mod tests;
