//! Warnings of a start.

use std::time::Duration;

use crate::cli::output::warn;

/// How long a terminal may take to accept a line.
const MOMENT: Duration = Duration::from_millis(500);

/// Print these warnings in order.
pub(in crate::cli) fn print_warnings(warnings: &[String]) {
    for warning in warnings {
        print_warning(warning);
    }
}

/// Print a warning, but wait only briefly for a stopped terminal: another start may be waiting for the
/// start lock.
pub(in crate::cli) fn print_warning(what: &dyn std::fmt::Display) {
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
