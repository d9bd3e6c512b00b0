//! `tmo send` and `tmo screen`: access to the terminal of a process without attaching to it.

use std::io::Read as _;

use super::args::{ScreenArgs, SendArgs};
use super::error::CliError;
use super::instance::Instance;
use crate::view::merged::cleaned;

/// The limit of `send`, which is meant for typing, not for copying files.
const MOST: u64 = 1 << 20;

/// Type into a process.
pub(super) fn send(args: &SendArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let text = if args.text == "-" { read_all()? } else { args.text.clone() };
    super::block_on(async {
        tmo_only(&mut instance).await?;
        instance.refuse_other_project().await?;
        let typed =
            instance.ask(async |client| client.type_into(&args.name, &text, args.enter).await);
        typed.await.map(|()| 0)
    })
}

/// Print the content of its screen.
pub(super) fn screen(args: &ScreenArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let screen = super::block_on(async {
        tmo_only(&mut instance).await?;
        instance.ask(async |client| client.screen(&args.name, args.color).await).await
    })?;
    super::print_painted(&cleaned(screen.as_bytes(), args.color))
}

/// An error if overmind answers, which can't do this.
pub(super) async fn tmo_only(instance: &mut Instance) -> Result<(), CliError> {
    instance.server().await?.refuse_overmind()
}

fn read_all() -> Result<String, CliError> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MOST + 1).read_to_string(&mut text);
    read.map_err(CliError::io("standard input"))?;
    if text.len() as u64 > MOST {
        return Err(CliError::Other(format!("standard input has more than {MOST} bytes")));
    }
    Ok(text)
}
