//! What every request passes: refusal of those that come from a web page or mean another run, and the headers with
//! versions.
//!
//! A browser cannot connect to a Unix socket, but it can connect to a TCP port that a user forwards to the
//! socket (`ssh -L`, `socat`). Any web page could then send requests there, or read the responses through a
//! name that resolves to this machine (DNS rebinding). On tmo's own TCP address, HTTP requires a proof of
//! the token, which a browser cannot give. `of_no_browser` protects a forwarded socket in the same way.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::answer::{Refusal, Strange};
use crate::api::version::{API_HEADER, OURS, RUN_HEADER, VERSION_HEADER, lasts, readable};
use crate::model::request::API;

/// Refuse a request that names another run in its `tmo-run` header.
pub(super) async fn of_this_run(
    State(run): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Response {
    match request.headers().get(RUN_HEADER) {
        Some(meant) if meant.as_bytes() != run.as_bytes() => {
            let reason = "the run that was meant is over; this is another one";
            Refusal::Reason(StatusCode::GONE, reason.to_owned()).into_response()
        }
        Some(_) | None => next.run(request).await,
    }
}

/// Add tmo's version to each response. If the request contained something unknown, and the client has
/// another version, also name that version.
pub(crate) async fn signed(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let theirs = headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok());
    let theirs = theirs.filter(|version| readable(version) && *version != OURS).map(str::to_owned);
    let api = headers
        .get(API_HEADER)
        .map(|api| api.to_str().ok().and_then(|api| api.parse::<u64>().ok()));
    let mut response = match api {
        Some(None) => {
            let reason = "`tmo-api` is not a number; leave it out";
            Refusal::bad(reason.to_owned()).into_response()
        }
        Some(Some(api)) if api > u64::from(API) && !lasts(request.uri().path()) => {
            let what = format!("version {API} of the API is spoken here, not {api}");
            Refusal::Strange(StatusCode::BAD_REQUEST, what).into_response()
        }
        Some(Some(_)) | None => next.run(request).await,
    };
    if let (Some(theirs), Some(Strange(what))) = (theirs, response.extensions_mut().remove()) {
        let reason = format!(
            "{what}: tmo {OURS} runs here and the client is tmo {theirs}; `tmo quit`, then `tmo \
             start`, makes them one"
        );
        response = Refusal::Reason(response.status(), reason).into_response();
    }
    response.headers_mut().insert(VERSION_HEADER, HeaderValue::from_static(OURS));
    response
}

/// Prefix of headers that every browser sends and that no page can set.
const FETCH_METADATA: &str = "sec-fetch-";

/// Refuse a request of a browser.
pub(super) async fn of_no_browser(request: Request, next: Next) -> Response {
    match judge(request.headers()) {
        None => next.run(request).await,
        Some(reason) => {
            Refusal::Reason(StatusCode::UNAUTHORIZED, reason.to_owned()).into_response()
        }
    }
}

/// Returns why a request with these headers is refused, or `None` if it is allowed.
fn judge(headers: &HeaderMap) -> Option<&'static str> {
    if headers
        .keys()
        .any(|name| *name == header::ORIGIN || name.as_str().starts_with(FETCH_METADATA))
    {
        return Some(
            "requests of a web page are refused: `Origin` and `Sec-Fetch-*` are headers of a browser",
        );
    }
    let hosts = headers.get_all(header::HOST);
    if hosts.iter().any(|host| !host.to_str().is_ok_and(is_of_no_domain)) {
        return Some(
            "the name in `Host` could belong to a web site; use `localhost`, any name without a \
             dot, or an address",
        );
    }
    None
}

/// Whether this host cannot be the name of a web site: an address, `*.localhost`, or a name without a dot.
fn is_of_no_domain(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((address, port)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        let is_end = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_end && address.parse::<Ipv6Addr>().is_ok();
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    if !is_port(port) {
        return false;
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    !name.contains('.') || name.ends_with(".localhost") || name.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_of_no_domain;

    #[test]
    fn a_name_that_a_web_site_can_have_is_refused() {
        for host in
            ["localhost", "localhost:80", "tmo", "", "127.0.0.1:9", "[::1]:9", "a.LOCALHOST."]
        {
            assert!(is_of_no_domain(host), "{host}");
        }
        for host in ["example.org", "example.org:80", "rebind.example.", "127.0.0.1.example", "[x]"]
            .into_iter()
            .chain(["[::1].example.org", "[::1", "a:b.c", "localhost:80@example.org"])
        {
            assert!(!is_of_no_domain(host), "{host}");
        }
    }
}
