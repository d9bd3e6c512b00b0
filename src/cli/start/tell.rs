//! Warnings of a start.

use std::time::Duration;

use crate::cli::warn;

/// How long a terminal may take to accept a line.
const MOMENT: Duration = Duration::from_millis(500);

/// Print these warnings in order.
pub(in crate::cli) fn tell_all(warnings: &[String]) {
    for warning in warnings {
        tell(warning);
    }
}

/// Print a warning, but wait only briefly for a stopped terminal: another start may be waiting for the
/// start lock.
pub(super) fn tell(what: &dyn std::fmt::Display) {
    let (reported, heard) = std::sync::mpsc::sync_channel(1);
    let text = what.to_string();
    let report = move || {
        warn(&text);
        // The receiver may have timed out.
        let _ = reported.send(());
    };
    if std::thread::Builder::new().spawn(report).is_err() {
        // No more threads can be created.
        return warn(what);
    }
    let _ = heard.recv_timeout(MOMENT);
}
