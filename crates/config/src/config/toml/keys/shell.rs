//! `shell`: the shell that runs the command of a process.

use super::{At, Diagnostics, Key, ProcessKey, Table, Type, key};

pub struct Shell;

impl ProcessKey for Shell {
    type Said = At<String>;
    const KEYS: &'static [Key] = &[key(
        "shell",
        Type::Text,
        "The shell that runs its command, as a name or a path. --shell and TMO_SHELL override \
         it.",
    )
    .or("\"sh\"")];

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        view.filled("shell", mistakes)
    }

    fn size(said: &Self::Said) -> usize {
        said.as_ref().map_or(0, |shell| shell.get_ref().len())
    }
}
