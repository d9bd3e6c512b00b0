//! `tmo completions`: the script of a shell that queries the program for completions (`cli::completions`).

use crate::cli::{CliError, output};

/// Print the completion script of a shell.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  source <(tmo completions bash)               for this bash only
  tmo setup --user                             for every new bash, zsh and fish")]
pub(in crate::cli) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Shell {
    /// bash, 3.2 or later.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// The completion script of this shell.
    pub(super) const fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("../../../completions/tmo.bash"),
            Self::Zsh => include_str!("../../../completions/_tmo"),
            Self::Fish => include_str!("../../../completions/tmo.fish"),
        }
    }
}

pub(in crate::cli) fn completions(args: &CompletionsArgs) -> Result<u8, CliError> {
    output::print(args.shell.script())
}
