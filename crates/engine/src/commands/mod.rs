//! Commands that run beside the processes: hooks, stop commands, checks; and checks that need no command.

pub(super) mod command;
pub(super) mod hooks;
pub(super) mod probes;
pub(super) mod stop_commands;
