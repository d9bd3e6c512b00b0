//! `tmo events`: tmo's own messages of the log, with their times.

use super::logs::{LogsArgs, logs};
use crate::cli::args::{ClientArgs, values};
use crate::cli::error::CliError;

/// Print events: starts, exits, restarts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo events                    of all runs still in the log
  tmo events -f --json          follow, for a script")]
pub(in crate::cli) struct EventsArgs {
    /// Only of these processes.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    names: Vec<String>,
    /// Keep following new events.
    #[arg(short = 'f', long)]
    follow: bool,
    /// Only the last N events.
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// One JSON object per event.
    #[arg(long)]
    json: bool,
    /// Events always have their times.
    #[arg(short = 'T', long, short_alias = 't', hide = true)]
    timestamps: bool,
    #[command(flatten)]
    client: ClientArgs,
}

pub(in crate::cli) fn events(args: &EventsArgs) -> Result<u8, CliError> {
    logs(&LogsArgs {
        names: args.names.clone(),
        lines: args.lines,
        follow: args.follow,
        events: true,
        json: args.json,
        timestamps: true,
        client: args.client.clone(),
        ..LogsArgs::default()
    })
}
