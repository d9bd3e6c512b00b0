//! Client and supervisor may be of different versions: a run outlives an upgrade.

use hyper::header::HeaderName;

/// Version of the program that speaks, in every response, and in every request of a tmo.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("tmo-version");

/// The latest version of the JSON shapes that the client knows; optional.
pub const API_HEADER: HeaderName = HeaderName::from_static("tmo-api");

/// The id of the run that a request is meant for; optional.
pub const RUN_HEADER: HeaderName = HeaderName::from_static("tmo-run");

/// Version of this program.
pub const OURS: &str = env!("CARGO_PKG_VERSION");

/// The paths that every version serves, so that any client can end any run.
const LASTING: [&str; 5] = ["/api/alive", "/api/status", "/api/quit", "/api/shutdown", "/api/kill"];

/// Whether every version serves this path.
pub fn lasts(path: &str) -> bool {
    LASTING.contains(&path.split('?').next().unwrap_or(path))
}

/// Whether this version text may be shown: it comes from the other side, which may send anything.
pub fn readable(version: &str) -> bool {
    (1..=32).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_graphic())
}
