//! Answers of the web server itself, refusals, and the headers of all answers.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::client::ClientError;

/// A page may load only files of this server, and no inline script or frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
    ),
];

/// Add the headers that every answer has.
pub(crate) fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // The router adds it to the refusals of the gate, too, which must not reveal which paths exist.
    headers.remove(header::ALLOW);
    response
}

/// An answer, or a refusal.
pub(crate) type Answered = Result<Response, Refusal>;

/// The answer to a refused request.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Response>);

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: &str) -> Self {
        Self::from(json(status, &json!({ "error": reason })))
    }
}

/// The supervisor does not answer.
impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, &error.to_string())
    }
}

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// Refuse a request for this reason.
pub(crate) fn refuse<T>(status: StatusCode, reason: &str) -> Result<T, Refusal> {
    Err(Refusal::new(status, reason))
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    (status, Json(value)).into_response()
}

/// A file of the page.
pub(crate) fn file(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, kind)], body.into()).into_response()
}
