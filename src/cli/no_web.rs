//! Stands in for the web interface in a build without the feature `web`.

use super::args::{OpenArgs, ServerArgs, WebArgs};
use super::error::CliError;
use crate::cli::reach::instance::Instance;

pub(super) fn web(_: &WebArgs) -> Result<u8, CliError> {
    Err(missing())
}

pub(super) fn open_process(_: &OpenArgs) -> Result<u8, CliError> {
    Err(missing())
}

#[cfg(feature = "ui")]
#[expect(clippy::unused_async, reason = "it stands in for one that waits")]
pub(super) async fn browse(_: &str, _: &Instance) -> Result<(), String> {
    Err(missing().to_string())
}

pub(super) fn server(_: &ServerArgs) -> Result<u8, CliError> {
    Err(missing())
}

/// The sockets of a page.
pub(super) struct PageSockets {
    /// Their port.
    pub(super) port: u16,
}

pub(super) fn open_page(_: &Instance, _: Option<u16>) -> Result<PageSockets, CliError> {
    Err(missing())
}

pub(super) fn start_in_background(
    _: &Instance,
    _: Option<u16>,
    _: Option<PageSockets>,
) -> Result<(), CliError> {
    Err(missing())
}

fn missing() -> CliError {
    CliError::Usage(
        "this tmo was built without its web interface; `tmo ui` shows the runs in a terminal"
            .to_owned(),
    )
}
