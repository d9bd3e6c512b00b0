//! `tmo ui`: connects the interface with the terminal, the journal and the supervisor.

pub(super) mod as_view;
mod effects;
mod keys;
mod link;
mod open;
mod pages;
mod plain;
mod shell;

use std::io;

use tokio::task::LocalSet;

use self::open::keys_of_all_actions;
use self::shell::Shell;
use crate::cli::args::{ClientArgs, values};
use crate::cli::error::CliError;
use crate::cli::reach::instance::{Instance, tmo_only};
use crate::cli::{output, runtime};
use crate::config::Env;
use crate::view::screen;

/// Show the run in a full-screen interface: processes, the whole log, search, keys to act.
#[derive(clap::Args)]
#[command(after_help = "\
It needs nothing but the journal and the control socket, so it can be opened and left at any time, in
several terminals, and after the run. `?` shows its keys. Leaving it does not stop the run.

Examples:
  tmo ui
  tmo ui worker     opens the log of worker
  tmo ui --at 14:05 --grep 'error|refused'
                    begins with such lines of five past two
  tmo ui --keys     lists its keys")]
pub(in crate::cli) struct UiArgs {
    /// The process whose log is shown at first.
    #[arg(value_name = "NAME", add = values::process())]
    name: Option<String>,
    /// Begin at this time: 10m (ago), 14:05, 2026-11-20T14:05:00Z.
    #[arg(long, value_name = "TIME", add = values::moment())]
    at: Option<String>,
    /// Show only lines that match this expression.
    #[arg(long, value_name = "RE")]
    grep: Option<String>,
    /// Print the keys.
    #[arg(long, conflicts_with_all = ["name", "at", "grep"])]
    keys: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Show the interface until the user leaves it.
pub(super) fn ui(args: &UiArgs) -> Result<u8, CliError> {
    if args.keys {
        return output::print(&keys_of_all_actions());
    }
    let mut instance = Instance::find(&args.client)?;
    refuse_without_terminal(&instance.context.env)?;
    let left = runtime::block_on(LocalSet::new().run_until(async {
        let runs = match tmo_only(&mut instance).await {
            Ok(()) => true,
            Err(CliError::NothingRuns { .. }) => false,
            Err(error) => return Err(error),
        };
        instance.on_this_machine()?;
        let mut shell = Shell::new(instance, runs)?;
        shell.begin(args)?;
        if runs {
            shell.follow_head();
        }
        shell.run().await
    }))?;
    left.finish()
}

/// An error if there is no terminal to draw on.
pub(in crate::cli) fn refuse_without_terminal(env: &Env) -> Result<(), CliError> {
    let refuse = |why: &str| {
        let text = format!("{why}; `tmo start` and `tmo logs -f` show the log as plain text");
        Err(CliError::Other(text))
    };
    if !screen::is_terminal(io::stdin()) || !screen::is_terminal(io::stdout()) {
        return refuse("tmo ui needs a terminal");
    }
    match env.caller("TERM") {
        Some(term) if term == "dumb" => refuse("tmo ui can't draw on this terminal (TERM=dumb)"),
        Some(_) | None => Ok(()),
    }
}
