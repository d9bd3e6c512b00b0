//! The runtime on which a command waits.

use super::error::CliError;

/// File descriptors that the event loop needs for itself.
const DESCRIPTORS: usize = 8;

/// Run a future on a small runtime of its own.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    crate::sys::can_open(DESCRIPTORS).map_err(CliError::io("can't start"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::io("can't start"))?;
    let result = runtime.block_on(work);
    // So that a thread blocked by a stopped terminal does not keep the program from exiting.
    runtime.shutdown_background();
    result
}
