//! `command`, `args` and `cwd`: what a process runs, and where.

use std::path::PathBuf;

use super::{
    At, Diagnostics, Key, ProcessKey, ProcessTable, Spanned, TEXT_OR_TEXTS, Table, Type, key_rows,
    value,
};
use crate::config::Env;
use crate::config::procfile::ProcfileEntry;
use crate::config::toml::resolve::Disk;
use crate::config::toml::validate::words;
use crate::model::text::{OsText, shell};
use crate::sys::why;

/// A command, or arguments appended to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// A line for the shell.
    Shell(String),
    /// A program and its arguments, without a shell.
    Words(Vec<String>),
}

impl CommandLine {
    fn parse(view: Table<'_, '_>, key: &str) -> At<Self> {
        view.converted(key, |value| match value.as_str() {
            Some(line) => Some(Self::Shell(line.to_owned())),
            None => Some(Self::Words(words(value)?)),
        })
    }

    /// As a line for the shell.
    pub fn for_shell(&self) -> String {
        match self {
            Self::Shell(line) => line.clone(),
            Self::Words(words) => quoted(words),
        }
    }
}

pub struct Command;

impl ProcessKey for Command {
    type Said = At<CommandLine>;
    const KEYS: &'static [Key] = key_rows! {
        "command", TEXT_OR_TEXTS, None,
            "The command: a string is run by the shell, a list is a program with its arguments, run without \
             a shell. It replaces the command in the Procfile; a process that has no entry there needs it.";
    };
    const OF_ALL: bool = false;

    fn parse(view: Table<'_, '_>) -> Self::Said {
        let command = CommandLine::parse(view, "command")?;
        let is_empty = match command.get_ref() {
            CommandLine::Shell(line) => line.trim().is_empty(),
            CommandLine::Words(words) => words.first().is_none_or(String::is_empty),
        };
        if is_empty {
            view.mistakes.add(command.span(), "`command` is empty; it is what is to be run");
        }
        Some(command)
    }
}

pub struct Args;

impl ProcessKey for Args {
    type Said = At<CommandLine>;
    const KEYS: &'static [Key] = key_rows! {
        "args", TEXT_OR_TEXTS, Some("[]"),
            "Arguments appended to the command: a list is quoted as needed, a string is appended as it is.";
    };
    const OF_ALL: bool = false;

    fn parse(view: Table<'_, '_>) -> Self::Said {
        CommandLine::parse(view, "args")
    }

    fn check(table: &ProcessTable, mistakes: &Diagnostics) {
        if let (Some(command), Some(args)) = (&table.command, &table.args)
            && let (CommandLine::Words(_), CommandLine::Shell(_)) =
                (command.get_ref(), args.get_ref())
        {
            let text = "`args` of a command without a shell are a list, as the command";
            mistakes.add(args.span(), text);
        }
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| shell::quoted(word)).collect::<Vec<_>>().join(" ")
}

/// The command of an entry with the arguments appended, and its words if it runs without a shell.
pub fn command_line(entry: &ProcfileEntry, table: &ProcessTable) -> (OsText, Option<Vec<OsText>>) {
    let args = value(&table.args);
    let line = match value(&table.command) {
        Some(CommandLine::Words(mut argv)) => {
            if let Some(CommandLine::Words(words)) = args {
                argv.extend(words);
            }
            return (quoted(&argv).into(), Some(argv.into_iter().map(OsText::from).collect()));
        }
        Some(CommandLine::Shell(line)) => line.into(),
        None => entry.command.clone(),
    };
    let more = args.map(|args| args.for_shell()).unwrap_or_default();
    if more.is_empty() {
        return (line, None);
    }
    let mut line = line.0;
    line.push(" ");
    line.push(more);
    (line.into(), None)
}

pub struct Cwd;

impl ProcessKey for Cwd {
    type Said = At<PathBuf>;
    const KEYS: &'static [Key] = key_rows! {
        "cwd", Type::Text, None,
            "The working directory, relative to the directory of this file. It must exist. By default, the \
             root directory of the run.";
    };

    fn parse(view: Table<'_, '_>) -> Self::Said {
        view.converted("cwd", |value| value.as_str().map(PathBuf::from))
    }
}

/// The absolute path of the working directory, which must exist.
pub(in crate::config::toml) fn working_directory(
    cwd: Option<&Spanned<PathBuf>>,
    env: &Env,
    disk: &Disk<'_>,
    mistakes: &Diagnostics,
) -> Option<OsText> {
    let cwd = cwd?;
    let path = disk.path(env, cwd.get_ref());
    if let Err(error) = (disk.is_dir)(&path) {
        let text =
            format!("can't run in {}: {}; make it, or name another", path.display(), why(&error));
        mistakes.add(cwd.span(), text);
    }
    Some(path.into())
}
