//! `tmo send` and `tmo screen`: access to the terminal of a process without attaching to it.

use std::io::Read as _;

use crate::cli::args::{ClientArgs, values};
use crate::cli::reach::instance::{Instance, tmo_only};
use crate::cli::{CliError, output, runtime};
use crate::view::merged::cleaned;

/// Type into the terminal of a process.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo send web 'reload' --enter
  tmo send console - <script    line by line")]
pub(in crate::cli) struct SendArgs {
    /// The process.
    #[arg(value_name = "NAME", add = values::process())]
    name: String,
    /// What to type; `-` reads it from standard input, which keeps secrets out of the process list.
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// Then press Enter.
    #[arg(long)]
    enter: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Print the screen of a process.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo screen web
  tmo screen web --color | less -R")]
pub(in crate::cli) struct ScreenArgs {
    /// The process.
    #[arg(value_name = "NAME", add = values::process())]
    name: String,
    /// Include colours.
    #[arg(long)]
    color: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// The limit of `send`, which is meant for typing, not for copying files.
const MOST_SENT_BYTES: u64 = 1 << 20;

/// Type into a process.
pub(in crate::cli) fn send(args: &SendArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let text = if args.text == "-" { read_all()? } else { args.text.clone() };
    runtime::block_on(async {
        tmo_only(&mut instance).await?;
        instance.refuse_other_project().await?;
        let typed =
            instance.ask(async |client| client.type_into(&args.name, &text, args.enter).await);
        typed.await.map(|()| 0)
    })
}

/// Print the content of its screen.
pub(in crate::cli) fn screen(args: &ScreenArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let screen = runtime::block_on(async {
        tmo_only(&mut instance).await?;
        instance.ask(async |client| client.screen(&args.name, args.color).await).await
    })?;
    // The rows below the last text are empty.
    output::print_painted(&format!("{}\n", cleaned(screen.as_bytes(), args.color).trim_end()))
}

fn read_all() -> Result<String, CliError> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MOST_SENT_BYTES + 1).read_to_string(&mut text);
    read.map_err(CliError::io("standard input"))?;
    if text.len() as u64 > MOST_SENT_BYTES {
        return Err(CliError::Other(format!(
            "standard input has more than {MOST_SENT_BYTES} bytes"
        )));
    }
    Ok(text)
}
