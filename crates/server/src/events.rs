//! Server-sent events.
//!
//! An event is generated only when the client has taken the previous one, so a slow client skips superseded
//! events and nothing piles up for it.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Serialize;

/// A source of server-sent events.
pub(super) trait EventSource: Send + 'static {
    /// The next event; `None` after the last one. Called when the client has taken the previous event.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// A response of server-sent events.
pub(super) fn stream_of(source: impl EventSource) -> Response {
    let events = stream::unfold(source, |mut source| async move {
        let event = source.next().await?;
        Some((Ok::<_, Infallible>(event), source))
    });
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(events)).into_response()
}

pub(super) fn event(name: &str, data: &impl Serialize) -> Bytes {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    if let Err(error) = serde_json::to_writer(&mut text, data) {
        tracing::warn!("the event `{name}` has no JSON form: {error}");
    }
    text.extend_from_slice(b"\n\n");
    text.into()
}
