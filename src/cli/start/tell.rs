//! Warnings of a start.

use std::time::Duration;

use crate::cli::warn;

/// How long a terminal may take for a line.
const MOMENT: Duration = Duration::from_millis(500);

/// Warn of these, one after the other.
pub(in crate::cli) fn tell_all(warnings: &[String]) {
    for warning in warnings {
        tell(warning);
    }
}

/// Warn, but wait no more than a moment for a terminal that somebody has stopped: another start
/// waits at the door meanwhile.
pub(super) fn tell(what: &dyn std::fmt::Display) {
    let (reported, heard) = std::sync::mpsc::sync_channel(1);
    let text = what.to_string();
    let report = move || {
        warn(&text);
        // Nobody may be waiting any more.
        let _ = reported.send(());
    };
    if std::thread::Builder::new().spawn(report).is_err() {
        // The system gives no more threads.
        return warn(what);
    }
    let _ = heard.recv_timeout(MOMENT);
}
