//! `tmo app`.

use std::path::PathBuf;
use std::time::Duration;

use super::span;
use super::target::ClientArgs;
use crate::cli::completions::values;

/// `tmo app`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags that are given or not")]
pub struct AppArgs {
    /// What to do.
    #[arg(value_name = "DO")]
    pub what: AppDo,
    /// The name of the app. In the name of its process, spaces become `_`.
    #[arg(value_name = "NAME", add = values::process(),
        required_if_eq_any([("what", "add"), ("what", "update"), ("what", "remove")]))]
    pub name: Option<String>,
    /// The ZIP archive.
    #[arg(long, value_name = "FILE", add = values::file(),
        required_if_eq_any([("what", "add"), ("what", "update")]))]
    pub zip: Option<PathBuf>,
    /// With add: the path of the program within the archive.
    #[arg(long, value_name = "PATH", default_value = "main.py")]
    pub script: String,
    /// With add: an argument of the program; can be repeated.
    #[arg(long = "arg", value_name = "WORD", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// With add: an environment variable of the program; can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// With add: start the app neither after its installation nor with the run.
    #[arg(long)]
    pub no_start: bool,
    /// With add: how long an installation may take.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "5m")]
    pub install_timeout: Duration,
    /// With remove: don't ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Return once the files are in place, before the installation.
    #[arg(long)]
    pub no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The Procfile of the project, if the project is not running.
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    pub procfile: Option<PathBuf>,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What `tmo app` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AppDo {
    /// Show the apps.
    List,
    /// Add an app.
    Add,
    /// Replace the files of an app; its settings stay.
    Update,
    /// Remove an app and its files.
    Remove,
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let pair = pair.filter(|_| !text.contains('\0'));
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("NAME=VALUE is needed")
}
