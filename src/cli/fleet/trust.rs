//! The commands of an inventory are executed only after the user has allowed them, for this content of the file.

use std::fmt::Write as _;

use super::write_state;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::confirm::{can_ask, confirm};
use crate::config::Env;
use crate::fleet::inventory::Inventory;

/// An error unless the commands are allowed, or there are none. On a terminal the user is asked.
pub(in crate::cli) fn check(inventory: &Inventory, env: &Env) -> Result<(), CliError> {
    if inventory.is_trusted(env) {
        return Ok(());
    }
    if !can_ask() {
        return Err(CliError::Other(format!(
            "{} names commands to execute here, which you have not allowed: `{} trust` shows them",
            inventory.path.display(),
            inventory.command()
        )));
    }
    if allow(inventory, env, false)? {
        Ok(())
    } else {
        Err(CliError::Other("nothing was executed".to_owned()))
    }
}

/// `tmo fleet trust`.
pub(super) fn trust(inventory: &Inventory, env: &Env, is_sure: bool) -> Result<u8, CliError> {
    if inventory.commands().next().is_none() {
        return output::print("it names no commands; nothing needs to be allowed\n");
    }
    allow(inventory, env, is_sure).map(|allowed| u8::from(!allowed))
}

/// Show the commands, and ask.
fn allow(inventory: &Inventory, env: &Env, is_sure: bool) -> Result<bool, CliError> {
    let mut text = format!("{} executes on this machine:\n", inventory.path.display());
    for (name, command) in inventory.commands() {
        // As a list, in which blanks and quotes are plain to see.
        let _ = writeln!(text, "  {name}: {command:?}");
    }
    output::print(&text)?;
    if !is_sure && (!can_ask() || !confirm("Allow this?")?) {
        return Ok(false);
    }
    write_state(&inventory.trust_mark(env), b"", env)?;
    Ok(true)
}
