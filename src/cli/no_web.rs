//! Stands in for the web interface in a build without the feature `web`.

use super::args::WebArgs;
use super::error::CliError;

pub(super) fn web(_: &WebArgs) -> Result<u8, CliError> {
    Err(CliError::Usage(
        "this tmo was built without its web interface; `tmo ui` shows the runs in a terminal"
            .to_owned(),
    ))
}
