//! Arguments of the commands that work without a run: on files, on the machine or on tmo itself.

use std::ffi::OsString;
use std::path::PathBuf;

use super::start::StartArgs;
use crate::cli::completions::{Shell, values};
use crate::import::SourceFormat;

/// `tmo check`, `tmo config`, `tmo doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct PreviewArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The start that is asked about.
    #[command(flatten)]
    pub start: StartArgs,
}

/// `tmo graph`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct GraphArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Print Graphviz DOT.
    #[arg(long, conflicts_with = "json")]
    pub dot: bool,
    /// Include the states of the current run.
    #[arg(long, conflicts_with = "dot")]
    pub live: bool,
    /// The start that is asked about.
    #[command(flatten)]
    pub start: StartArgs,
}

/// `tmo init`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct InitArgs {
    /// Include flags: patterns whose matches in the output of every process are counted and kept.
    #[arg(long)]
    pub with_flags: bool,
    /// Replace an existing tmo.toml.
    #[arg(long)]
    pub force: bool,
    /// The Procfile; its directory is where the file goes.
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    pub procfile: Option<PathBuf>,
}

/// `tmo import`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
pub struct ImportArgs {
    /// The file, or the tool whose file is looked for here; without it, whatever there is; - is standard input.
    #[arg(value_name = "FILE", add = values::file())]
    pub source: Option<PathBuf>,
    /// The tool that the file is for, if neither its name nor its content shows it.
    #[arg(long, value_enum, value_name = "TOOL", hide_possible_values = true)]
    pub from: Option<SourceFormat>,
    /// Where the result goes [default: tmo.toml beside the file]; - is standard output.
    #[arg(short = 'o', long, value_name = "FILE", add = values::file())]
    pub output: Option<PathBuf>,
    /// Add the processes that an existing tmo.toml lacks; what stands in it is not changed.
    #[arg(long)]
    pub merge: bool,
    /// Of a compose file: run these services here instead of in their containers; without names, those
    /// that are built from this project.
    #[arg(long, value_name = "SERVICES", num_args = 0.., require_equals = true, value_delimiter = ',')]
    pub local: Option<Vec<String>>,
    /// Of a package.json: the script to run; may be repeated.
    #[arg(long = "script", value_name = "NAME")]
    pub scripts: Vec<String>,
    /// Run a file that is a program (ecosystem.config.js) with node, without asking.
    #[arg(long)]
    pub run_js: bool,
    /// Exit with 1 if something could not be taken over.
    #[arg(long)]
    pub strict: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tmo demo`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct DemoArgs {
    /// The directory to write it into [default: output/demo].
    #[arg(long, value_name = "DIR", add = values::file())]
    pub dir: Option<PathBuf>,
    /// Arguments of `tmo start`.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub start: Vec<OsString>,
}

/// `tmo completions`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `tmo man`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ManArgs {
    /// The page of this command; without it the page of tmo itself.
    #[arg(value_name = "COMMAND", add = values::verb())]
    pub verb: Option<String>,
    /// Write all pages to this directory instead.
    #[arg(long, conflicts_with = "verb", add = values::directory())]
    pub dir: Option<PathBuf>,
}

/// `tmo setup`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub struct SetupArgs {
    /// Install for you, in `XDG_DATA_HOME` and `XDG_CONFIG_HOME` or their defaults in your home directory.
    #[arg(long, conflicts_with = "system")]
    pub user: bool,
    /// Install for all users of this machine, below /usr/local; needs root.
    #[arg(long)]
    pub system: bool,
    /// Install below this directory instead of /usr/local; needs --system.
    #[arg(long, value_name = "DIR", default_value = "/usr/local", requires = "system",
        hide_default_value = true, add = values::directory())]
    pub prefix: PathBuf,
    /// Also link `overmind` to tmo, in the directory of this program, with its completions.
    #[arg(long)]
    pub overmind: bool,
    /// Remove the files that it wrote, if they are unmodified.
    #[arg(long)]
    pub remove: bool,
}
