//! `action`: commands that run on request, in the environment of a process or of the project.

use super::command::{Command, CommandLine};
use super::{Key, ProcessKey, Spanned, TEXT_OR_TEXTS, Table, Type, key_rows};
use crate::config::toml::validate::in_order;
use crate::model::ProcName;

/// `[action.NAME]` and `[process.NAME.action.NAME]`.
pub(super) const ITEM: &[Key] = key_rows! {
    "command", TEXT_OR_TEXTS, None,
        "The command: a string is run by the shell, a list is a program with its arguments, run without a \
         shell. It is required.";
    "confirm", Type::Switch, Some("false"),
        "Whether it asks before it runs, as a reset of a database should.";
};

/// An action, as it is written in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionEntry {
    pub name: String,
    /// What it runs, with its place in the file.
    pub command: Spanned<CommandLine>,
    /// Whether it asks before it runs.
    pub confirm: bool,
}

pub struct Actions;

impl ProcessKey for Actions {
    type Said = Vec<Spanned<ActionEntry>>;
    const KEYS: &'static [Key] = key_rows! {
        "action", Type::Map(&Type::Table(&[ITEM])), None,
            "A command that runs on request, with the environment, the directory and the dependencies of \
             this process: `tmo act NAME`, or `tmo act PROCESS.NAME` where several have this name.";
    };
    const OF_ALL: bool = false;

    fn parse(view: Table<'_, '_>) -> Self::Said {
        actions(view)
    }
}

/// The actions of this table, in the order of the file.
pub(in crate::config::toml) fn actions(view: Table<'_, '_>) -> Vec<Spanned<ActionEntry>> {
    let Some(all) = view.table("action") else { return vec![] };
    let mut found = vec![];
    for (name, value) in in_order(all.get_ref().table) {
        let word = name.get_ref();
        if !ProcName::new(word.as_str()).is_ok_and(|name| name.entry() == word) {
            let text =
                format!("`{word}` is not the name of an action: only letters, digits, `_` and `-`");
            view.mistakes.add(name.span(), text);
            continue;
        }
        let Some(table) = view.within(value.get_ref()) else { continue };
        if table.get("command").is_none() {
            let text = format!("the action `{word}` has no command; add `command = \"…\"`");
            view.mistakes.add(name.span(), text);
        }
        if let Some(command) = Command::parse(table) {
            let confirm = table.is_on("confirm");
            let entry = ActionEntry { name: word.clone(), command, confirm };
            found.push(Spanned::new(name.span(), entry));
        }
    }
    found
}
