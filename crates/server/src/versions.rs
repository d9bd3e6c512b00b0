//! The version headers of answers.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::http::answer::{Strange, error, strange};
use crate::api::version::{API_HEADER, OURS, VERSION_HEADER, lasts, readable};
use crate::model::request::API;

/// Add tmo's version to each response. If the request contained something unknown, and the client has
/// another version, also name that version.
pub(super) async fn signed(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let theirs = headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok());
    let theirs = theirs.filter(|version| readable(version) && *version != OURS).map(str::to_owned);
    let api = headers
        .get(API_HEADER)
        .map(|api| api.to_str().ok().and_then(|api| api.parse::<u64>().ok()));
    let mut response = match api {
        Some(None) => error(StatusCode::BAD_REQUEST, "`tmo-api` is not a number; leave it out"),
        Some(Some(api)) if api > u64::from(API) && !lasts(request.uri().path()) => {
            let what = format!("version {API} of the API is spoken here, not {api}");
            strange(StatusCode::BAD_REQUEST, what)
        }
        Some(Some(_)) | None => next.run(request).await,
    };
    if let (Some(theirs), Some(Strange(what))) = (theirs, response.extensions_mut().remove()) {
        let reason = format!(
            "{what}: tmo {OURS} runs here and the client is tmo {theirs}; `tmo quit`, then `tmo \
             start`, makes them one"
        );
        response = error(response.status(), &reason);
    }
    response.headers_mut().insert(VERSION_HEADER, HeaderValue::from_static(OURS));
    response
}
