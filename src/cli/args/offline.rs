//! Arguments of the commands that work without a run: on files, on the machine or on tmo itself.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::completions::{Shell, values};
use crate::config::StartOptions;
use crate::config::options::seconds;
use crate::export::ExportFormat;
use crate::import::SourceFormat;

/// `tmo check`, `tmo config`, `tmo doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct PreviewArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The start that is asked about.
    #[command(flatten)]
    pub start: StartOptions,
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
    pub start: StartOptions,
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
    /// Write nothing; print a paragraph for the file of coding agents, such as AGENTS.md.
    #[arg(long, conflicts_with_all = ["with_flags", "force", "procfile"])]
    pub agents: bool,
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
    /// that are built from this project, or have a command and no image.
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

/// `tmo export`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
pub struct ExportArgs {
    /// What to write: systemd, compose, kubernetes (k8s), tmux, supervisord, runit, launchd, upstart.
    #[arg(value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub format: ExportFormat,
    /// Where the files go; without it, they are printed.
    #[arg(short = 'o', long, value_name = "DIR", add = values::directory())]
    pub output: Option<PathBuf>,
    /// The name of the application, with which the names of units and services begin [default: that of the
    /// directory].
    #[arg(short = 'a', long, value_name = "NAME")]
    pub app: Option<String>,
    /// The user that the processes run as.
    #[arg(short = 'u', long)]
    pub user: Option<String>,
    /// The directory of logs, for supervisord, runit and launchd [default: log, in the working directory].
    #[arg(short = 'l', long, value_name = "DIR", add = values::directory())]
    pub log: Option<String>,
    /// The port of the first process.
    #[arg(short = 'p', long)]
    pub port: Option<u16>,
    /// How many instances of each process to run: `web=2,all=1`.
    #[arg(short = 'm', long, short_alias = 'c', alias = "concurrency", value_name = "NAME=N,…",
        add = values::formation())]
    pub formation: Option<String>,
    /// The Procfile.
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    pub procfile: Option<PathBuf>,
    /// The working directory of the processes.
    #[arg(short = 'd', long, value_name = "DIR", add = values::directory())]
    pub root: Option<PathBuf>,
    /// The same on the machine that the files are for, if it is another one there.
    #[arg(long, value_name = "DIR")]
    pub target_root: Option<String>,
    /// Seconds between the stop signal and SIGKILL.
    #[arg(short = 'T', long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// For systemd: units of your own manager (`systemctl --user`).
    #[arg(long)]
    pub user_units: bool,
    /// For systemd: one unit that runs tmo itself.
    #[arg(long)]
    pub supervisor: bool,
    /// With --supervisor: stopping the unit leaves the processes, and its next start takes them over.
    #[arg(long, requires = "supervisor")]
    pub keep: bool,
    /// For compose and kubernetes: run each process under tmo in its container.
    #[arg(long)]
    pub with_tmo: bool,
    /// Write the values of variables that look like secrets.
    #[arg(long)]
    pub with_secrets: bool,
    /// Exit with 1 if the format can't express something.
    #[arg(long)]
    pub strict: bool,
    /// Remove files of an earlier export that this one does not have.
    #[arg(long, requires = "output")]
    pub prune: bool,
    /// Replace files that tmo has not written, or that were edited since.
    #[arg(long, requires = "output")]
    pub force: bool,
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
    /// Start the run of this project when the machine starts: by your systemd, or by launchd on macOS.
    #[arg(long, conflicts_with_all = ["user", "system", "overmind"])]
    pub boot: bool,
    /// With --boot: when the unit is stopped, the processes stay, and its next start takes them over.
    #[arg(long, requires = "boot", conflicts_with = "remove")]
    pub keep: bool,
    /// Remove the files that it wrote, if they are unmodified.
    #[arg(long)]
    pub remove: bool,
}
