//! Client and supervisor may have different versions, because a run outlives an upgrade.

use hyper::header::HeaderName;

/// Version of the sender, in every response and in every request of a tmo client.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("tmo-version");

/// The latest version of the JSON format that the client supports; optional.
pub const API_HEADER: HeaderName = HeaderName::from_static("tmo-api");

/// The id of the run that a request is meant for; optional.
pub const RUN_HEADER: HeaderName = HeaderName::from_static("tmo-run");

/// The version of this program.
pub const OURS: &str = env!("CARGO_PKG_VERSION");

/// [`OURS`], and the commit of this program with its date: `0.3.0 (5b37c9b5a 2026-11-26)`. A debug build has no commit.
pub const FULL: &str = concat!(env!("CARGO_PKG_VERSION"), env!("TMO_BUILT_FROM"));

/// The commit of this program and its date, as `5b37c9b5a 2026-11-26`; empty in a debug build.
pub fn built_from() -> &'static str {
    env!("TMO_BUILT_FROM").trim_matches([' ', '(', ')'])
}

/// The paths that every version serves, so that any client can end any run.
const LASTING: [&str; 5] = ["/api/alive", "/api/status", "/api/quit", "/api/shutdown", "/api/kill"];

/// Whether every version serves this path.
pub fn lasts(path: &str) -> bool {
    LASTING.contains(&path.split('?').next().unwrap_or(path))
}

/// Whether a run of this version can only be ended: runs of the minor version before ours are served and
/// taken over, earlier ones are not.
pub fn is_ended_only(version: &str) -> bool {
    version.starts_with("0.1.") || version.starts_with("0.2.")
}

/// Whether a version text from the other side is safe to print.
pub fn readable(version: &str) -> bool {
    (1..=32).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_graphic())
}
