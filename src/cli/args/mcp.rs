//! Arguments of `tmo mcp`.

use std::path::PathBuf;

use crate::cli::completions::values;

/// `tmo mcp`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct McpArgs {
    /// Offer only the tools that change nothing.
    #[arg(long)]
    pub read_only: bool,
    /// Also allow what is dangerous: input (tools that type into terminals and send signals), actions
    /// (to run those with `confirm = true`).
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        value_delimiter = ',',
        conflicts_with = "read_only"
    )]
    pub allow: Vec<McpAllowance>,
    /// Print what the configuration of this program needs, and where it belongs.
    #[arg(long, value_name = "CLIENT", value_enum)]
    pub print_config: Option<McpClient>,
    /// The control socket of the run.
    #[arg(short = 's', long, value_name = "PATH", add = values::socket())]
    pub socket: Option<PathBuf>,
    /// The directory of the project, instead of the current one.
    #[arg(long, value_name = "PATH", add = values::directory())]
    pub project: Option<PathBuf>,
}

/// What a client may do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum McpAllowance {
    /// The tools `send` and `signal`.
    Input,
    /// Actions with `confirm = true`.
    Actions,
}

/// A program that starts `tmo mcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum McpClient {
    /// Claude Code.
    Claude,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    Vscode,
    /// Codex.
    Codex,
}
