//! The signals to which the interface reacts.

use tokio::signal::unix::SignalKind;

use crate::cli::error::CliError;
use crate::cli::runtime::SignalSet;

/// The signals that concern the interface.
pub(super) fn interface_signals() -> Result<SignalSet, CliError> {
    let others = [resume(), SignalKind::window_change()];
    SignalSet::of_end_and(&others).map_err(CliError::io("signals"))
}

/// Wait for one that ends the interface.
pub(super) async fn next_end(signals: &mut SignalSet) {
    while [resume(), SignalKind::window_change()].contains(&signals.next().await) {}
}

/// SIGCONT: the program goes on in the foreground.
pub(super) fn resume() -> SignalKind {
    SignalKind::from_raw(nix::libc::SIGCONT)
}
