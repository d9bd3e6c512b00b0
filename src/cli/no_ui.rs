//! Stands in for the terminal interface in a build without the feature `ui`.

use super::args::UiArgs;
use super::error::CliError;

pub(super) fn ui(_: &UiArgs) -> Result<u8, CliError> {
    Err(left_out())
}

fn left_out() -> CliError {
    CliError::Usage(
        "this tmo was built without its interface; `tmo echo` shows the log, `tmo ps` the processes"
            .to_owned(),
    )
}

/// `tmo start --ui`.
pub(super) mod as_view {
    use crate::cli::error::CliError;
    use crate::cli::reach::instance::Instance;
    use crate::cli::ui::left_out;
    use crate::cli::view::ViewState;
    use crate::config::Env;

    pub(in crate::cli) fn check(_: &Env) -> Result<(), CliError> {
        Err(left_out())
    }

    pub(in crate::cli) const fn log_size() -> Option<(u16, u16)> {
        None
    }

    pub(in crate::cli) fn show(_: ViewState, _: Instance) -> Result<u8, CliError> {
        Err(left_out())
    }
}
