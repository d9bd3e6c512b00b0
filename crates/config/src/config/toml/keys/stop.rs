//! `stop`: how a process is stopped.

use super::{
    At, Diagnostics, Key, ProcessKey, ProcessPlan, Spanned, Table, Type, key, said_by_key, value,
};
use crate::model::signal::SignalName;
use crate::model::text::OsText;

/// `stop`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopTable {
    /// The number of the signal.
    pub signal: At<i32>,
    /// A command to run before the signal.
    pub command: At<String>,
    /// The deadline.
    pub timeout_ms: At<u64>,
}

said_by_key!(StopTable: command signal timeout_ms);

pub struct Stop;

const STOP: &[Key] = &[
    key("signal", Type::Text, "The signal that asks it to stop, such as \"TERM\".").or("\"INT\""),
    key(
        "command",
        Type::Text,
        "A command to run before the signal is sent; the time it takes is part of the \
         timeout.",
    ),
    key("timeout", Type::Time, "The time after which everything left is killed.").or("\"5s\""),
];

impl ProcessKey for Stop {
    type Said = StopTable;
    const KEYS: &'static [Key] = &[key(
        "stop",
        Type::Table(&[STOP]),
        "How the process is stopped: the command runs, then the signal is sent, and after the \
         timeout everything left is killed.",
    )];

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        let Some(view) = view.table("stop").map(Spanned::into_inner) else {
            return StopTable::default();
        };
        let number = |text: Spanned<String>| match text.get_ref().parse::<SignalName>() {
            Ok(signal) => Some(Spanned::new(text.span(), signal.number())),
            Err(error) => {
                mistakes.add(text.span(), error.to_string());
                None
            }
        };
        let signal = view.text("signal").and_then(number);
        let timeout_ms = view.time("timeout");
        StopTable { signal, command: view.filled("command", mistakes), timeout_ms }
    }

    fn size(said: &Self::Said) -> usize {
        said.command.as_ref().map_or(0, |command| command.get_ref().len())
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.stop_command = value(&said.command).map(OsText::from);
    }
}
