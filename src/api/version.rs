//! Client and supervisor may be of different versions: a run outlives an upgrade.

use hyper::header::HeaderName;

/// Version of the program that speaks, in every response, and in every request of a tmo.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("tmo-version");

/// Version of the shapes that a client knows; nothing where it does not care.
pub const API_HEADER: HeaderName = HeaderName::from_static("tmo-api");

/// The id of the run that a request is meant for; nothing where any run there will do.
pub const RUN_HEADER: HeaderName = HeaderName::from_static("tmo-run");

/// Version of this program.
pub const OURS: &str = env!("CARGO_PKG_VERSION");

/// What every version understands from every other, so that a run can always be ended.
const LASTING: [&str; 5] = ["/api/alive", "/api/status", "/api/quit", "/api/shutdown", "/api/kill"];

/// Whether what is at this path is understood by every version.
pub fn lasts(path: &str) -> bool {
    LASTING.contains(&path.split('?').next().unwrap_or(path))
}

/// Whether this may be said to a user: anybody may call a version anything.
pub fn readable(version: &str) -> bool {
    (1..=32).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_graphic())
}
