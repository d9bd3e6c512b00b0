//! Parsing of requests: names in the path, parameters in the query, the body.

use std::fmt::Display;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::answer::Refusal;
use crate::serve::Api;

/// Maximum size of a body.
pub(super) const LARGEST_BODY: usize = 256 << 10;
/// The same for a plan, which contains a whole environment, and for text to be typed.
pub(super) const LARGEST_LONG: usize = 16 << 20;

/// The name in the path.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let name: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        name.map(|Path(name)| Self(name)).map_err(|error| Refusal::bad(error.body_text()))
    }
}

/// A set of query parameters.
pub(super) trait Words: Default {
    /// Take one parameter; false if it is unknown here.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal>;
}

/// No parameters.
impl Words for () {
    fn take(&mut self, _name: &str, _value: &str) -> Result<bool, Refusal> {
        Ok(false)
    }
}

/// The query. A misspelt parameter is refused: it must not be treated as if it were absent.
pub(super) struct Query<T>(pub(super) T);

impl<T: Words> Query<T> {
    pub(super) fn parse(uri: &Uri) -> Result<Self, Refusal> {
        let mut words = T::default();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()) {
            if !words.take(&name, &value)? {
                let what = format!("there is no `{name}` here");
                return Err(Refusal::Strange(StatusCode::BAD_REQUEST, what));
            }
        }
        Ok(Self(words))
    }
}

impl<T: Words, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        Self::parse(&parts.uri)
    }
}

/// Parse a boolean.
pub(super) fn truth(name: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "" | "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        other => Err(Refusal::bad(format!("`{name}={other}`: give 1 or 0"))),
    }
}

/// Parse a whole number.
pub(super) fn number(name: &str, value: &str) -> Result<usize, Refusal> {
    value.parse().map_err(|_| Refusal::bad(format!("`{name}={value}`: give a number")))
}

/// A required body of at most `MOST` bytes.
pub(super) struct Body<T, const MOST: usize = LARGEST_BODY>(pub(super) T);

impl<T: DeserializeOwned, const MOST: usize> FromRequest<Api> for Body<T, MOST> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        read_body(&receive_body(api, request, MOST).await?).map(Self)
    }
}

/// Read the whole body, within the limits of size and time.
pub(super) async fn receive_body(
    api: &Api,
    mut request: Request,
    most: usize,
) -> Result<Bytes, Refusal> {
    DefaultBodyLimit::max(most).apply(&mut request);
    let patience = api.limits.patience;
    // Without a deadline, a client that announces a body and sends none would hold its connection for ever.
    match tokio::time::timeout(patience, Bytes::from_request(request, &())).await {
        Err(_) => {
            let secs = patience.as_secs();
            let reason = format!("the body of the request did not come within {secs} s");
            Err(Refusal::Reason(StatusCode::REQUEST_TIMEOUT, reason))
        }
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let reason = format!("the body of a request is at most {most} bytes long");
            Err(Refusal::Reason(StatusCode::PAYLOAD_TOO_LARGE, reason))
        }
        Ok(Err(error)) => Err(Refusal::bad(error.body_text())),
    }
}

pub(super) fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // serde would accept a list as well. An empty list would then mean no names, that is, all processes.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Refusal::bad(body_problem(&"it must be an object")));
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => unexpected_body(&error),
        Category::Io | Category::Syntax | Category::Eof => Refusal::bad(body_problem(&error)),
    })
}

/// The refusal of a body that another version may understand.
pub(super) fn unexpected_body(why: &dyn Display) -> Refusal {
    Refusal::Strange(StatusCode::BAD_REQUEST, body_problem(why))
}

fn body_problem(why: &dyn Display) -> String {
    format!("the body is not what is expected here: {why}")
}
