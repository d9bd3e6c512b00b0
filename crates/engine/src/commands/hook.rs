//! The command of a hook, ready to be run for one event.

use serde_json::Value;

use super::command::{AuxCommand, AuxCommands};
use crate::model::ProcId;
use crate::model::plan::Plan;
use crate::model::text::OsText;

/// A hook to be run for one event.
#[derive(Debug)]
pub(crate) struct Hook {
    /// The command as shown in messages.
    shown: String,
    command: AuxCommand,
    /// The data of the event, as JSON.
    input: Vec<u8>,
}

impl Hook {
    /// This command for the event of this name.
    pub(crate) fn new(commands: &AuxCommands, plan: &Plan, command: &OsText, event: &str) -> Self {
        let mut hook = Self {
            shown: command.to_string(),
            command: commands.of_run(plan, command),
            input: vec![],
        };
        hook.set("TMO_EVENT", event);
        hook
    }

    /// Set a variable in its environment.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.command.set(name, value);
    }

    /// With this data of the event.
    pub(crate) fn with(mut self, data: &Value) -> Self {
        self.input = data.to_string().into_bytes();
        self
    }

    /// Run it to its end; returns its error, if any, and its exit code.
    pub(crate) async fn run(&self) -> (Option<String>, u8) {
        let shown = &self.shown;
        match self.command.feed(&self.input).await {
            Ok(status) if status.success() => (None, 0),
            Ok(status) => {
                let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
                (Some(format!("The hook `{shown}` failed: {status}")), code)
            }
            Err(error) => (Some(format!("The hook `{shown}` can't be run: {error}")), 126),
        }
    }
}

/// A hook to be run because a flag has matched.
#[derive(Debug)]
pub(crate) struct FlagHook {
    /// The flag, by process and name.
    pub(crate) flag: (ProcId, String),
    /// Whether the flag has matched again within its pause.
    pub(crate) is_early: bool,
    /// The command.
    pub(crate) hook: Hook,
}
