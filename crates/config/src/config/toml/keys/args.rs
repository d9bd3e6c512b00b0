//! `args`: arguments appended to a command.

use super::{At, Diagnostics, Key, ProcessKey, ProcessTable, TEXT_OR_TEXTS, Table, key};
use crate::config::toml::keys::command::CommandLine;
use crate::config::toml::validate::words;

/// Arguments appended to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Appended to the shell command line literally.
    Text(String),
    /// Separate arguments.
    Words(Vec<String>),
}

pub struct Args;

impl ProcessKey for Args {
    type Said = At<Appended>;
    const KEYS: &'static [Key] = &[key(
        "args",
        TEXT_OR_TEXTS,
        "Arguments appended to the command: a list is quoted as needed, a string is appended \
         as it is.",
    )
    .or("[]")];
    const OF_ALL: bool = false;

    fn read(view: Table<'_, '_>, _: &mut Diagnostics) -> Self::Said {
        view.of("args", |value| match value.as_str() {
            Some(text) => Some(Appended::Text(text.to_owned())),
            None => Some(Appended::Words(words(value)?)),
        })
    }

    fn check(table: &ProcessTable, mistakes: &mut Diagnostics) {
        if let (Some(command), Some(args)) = (&table.command, &table.args)
            && matches!(
                (command.get_ref(), args.get_ref()),
                (CommandLine::Words(_), Appended::Text(_))
            )
        {
            let text = "`args` of a command without a shell are a list, as the command";
            mistakes.add(args.span(), text);
        }
    }
}
