//! The cookie of a session.

use axum::http::{HeaderMap, header};

/// Its name. Cookies do not depend on ports, so the name has the port of this server.
pub(super) fn name(port: u16) -> String {
    format!("tmo-{port}")
}

/// The header that sets it. Scripts can't read it.
pub(super) fn set(port: u16, value: &str) -> String {
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict", name(port))
}

/// Its value in a request, if it occurs once.
pub(super) fn of(headers: &HeaderMap, port: u16) -> Option<&str> {
    let name = name(port);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs =
        all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}
