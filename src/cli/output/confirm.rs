//! Questions to the user.

use std::io::{self, IsTerminal as _, Write as _};

use crate::cli::error::CliError;

/// Whether the user can be asked: standard input and output are terminals.
pub(in crate::cli) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Ask, and wait for the answer.
pub(in crate::cli) fn confirm(question: &str) -> Result<bool, CliError> {
    super::print(&format!("{question} [y/N] "))?;
    io::stdout().flush().map_err(CliError::io("standard output"))?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(CliError::io("standard input"))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
