//! `command`: the command of a process.

use super::args::Appended;
use super::{At, Diagnostics, Key, ProcessKey, ProcessTable, TEXT_OR_TEXTS, Table, key, value};
use crate::config::procfile::ProcfileEntry;
use crate::config::toml::validate::words;
use crate::model::shell;
use crate::model::text::OsText;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// A line for the shell.
    Shell(String),
    /// A program and its arguments, without a shell.
    Words(Vec<String>),
}

pub struct Command;

impl ProcessKey for Command {
    type Said = At<CommandLine>;
    const KEYS: &'static [Key] = &[key(
        "command",
        TEXT_OR_TEXTS,
        "The command: a string is run by the shell, a list is a program with its arguments, \
         run without a shell. It replaces the command in the Procfile; a process that has no \
         entry there needs it.",
    )];
    const OF_ALL: bool = false;

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        let command = view.of("command", |value| match value.as_str() {
            Some(line) => Some(CommandLine::Shell(line.to_owned())),
            None => Some(CommandLine::Words(words(value)?)),
        })?;
        let empty = match command.get_ref() {
            CommandLine::Shell(line) => line.trim().is_empty(),
            CommandLine::Words(words) => words.first().is_none_or(String::is_empty),
        };
        if empty {
            mistakes.add(command.span(), "`command` is empty; it is what is to be run");
        }
        Some(command)
    }
}

impl CommandLine {
    /// As a line for the shell.
    pub fn for_shell(&self) -> String {
        match self {
            Self::Shell(line) => line.clone(),
            Self::Words(words) => quoted(words),
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
            if let Some(Appended::Words(words)) = args {
                argv.extend(words);
            }
            return (quoted(&argv).into(), Some(argv.into_iter().map(OsText::from).collect()));
        }
        Some(CommandLine::Shell(line)) => line.into(),
        None => entry.command.clone(),
    };
    let more = match args {
        Some(Appended::Text(text)) => text,
        Some(Appended::Words(words)) => quoted(&words),
        None => String::new(),
    };
    if more.is_empty() {
        return (line, None);
    }
    let mut line = line.0;
    line.push(" ");
    line.push(more);
    (line.into(), None)
}
