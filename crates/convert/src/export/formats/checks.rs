//! Checks as commands of a shell, for formats that have none of their own.

use crate::export::project::ExportedCheck;
use crate::model::plan::rules::Probe;
use crate::model::text::shell::{quoted, quoted_words};

/// A command that succeeds if the check passes. It needs nothing but what nearly every system and image has: `grep`
/// on Linux, elsewhere `nc`; for a URL `curl` or `wget`.
pub(in crate::export) fn command(check: &ExportedCheck) -> String {
    match check {
        ExportedCheck::Port { host, port } => {
            let connects = format!("nc -z {} {port} 2>/dev/null", quoted(host));
            if Probe::is_local(host) {
                // A socket that listens, in the kernel's list of them.
                format!(
                    "grep -Eqs ':{port:04X} 0+:0000 0A ' /proc/net/tcp /proc/net/tcp6 || {connects}"
                )
            } else {
                connects
            }
        }
        ExportedCheck::Http { url } => {
            let url = quoted(url);
            format!(
                "curl -fsS -m 5 -o /dev/null {url} 2>/dev/null || wget -q -T 5 -O /dev/null {url}"
            )
        }
        ExportedCheck::Exec { argv } => quoted_words(argv.iter().map(String::as_bytes)),
        ExportedCheck::Delay { ms } => format!("sleep {}.{:03}", ms / 1000, ms % 1000),
    }
}

/// The same, repeated until it succeeds.
pub(in crate::export) fn wait(check: &ExportedCheck) -> String {
    match check {
        ExportedCheck::Delay { .. } => command(check),
        _ => format!("until {{ {}; }}; do sleep 0.25; done", command(check)),
    }
}

/// Whether the check only waits.
pub(in crate::export) const fn is_delay(check: &ExportedCheck) -> bool {
    matches!(check, ExportedCheck::Delay { .. })
}
