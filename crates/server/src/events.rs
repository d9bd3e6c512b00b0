//! The server-sent events of `/api/head`: the newest head, and finally the end of the run.
//!
//! An event is generated only when the client has taken the previous one, so a slow client skips superseded
//! events and nothing piles up for it.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::OptionFuture;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::watch;

use super::engine_handle::{Handle, ViewGuard};
use super::serve::closed;

/// A source of server-sent events.
pub(super) trait EventSource: Send + 'static {
    /// The next event; `None` after the last one. Called when the client has taken the previous event.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

struct Feed {
    handle: Handle,
    closing: watch::Receiver<bool>,
    over: bool,
    view: Option<ViewClient>,
}

/// A client that is a view.
pub(super) struct ViewClient {
    /// Keeps the view counted in the engine.
    pub(super) _attached: ViewGuard,
    /// Signals the view to detach.
    pub(super) leave: watch::Receiver<()>,
}

/// The response to `GET /api/head`.
pub(super) fn response(
    mut handle: Handle,
    closing: watch::Receiver<bool>,
    view: Option<ViewClient>,
) -> Response {
    // Send the current head at once.
    handle.head.mark_changed();
    stream_of(Feed { handle, closing, over: false, view })
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

impl EventSource for Feed {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let Handle { head, end, .. } = &mut self.handle;
        let leave = OptionFuture::from(self.view.as_mut().map(|view| view.leave.changed()));
        tokio::select! {
            biased;
            changed = head.changed() => match changed {
                Ok(()) => return Some(event("head", &*head.borrow_and_update())),
                Err(_) => self.over = true,
            },
            () = Handle::ended(end) => self.over = true,
            Some(Ok(())) = leave => {
                self.over = true;
                return Some(event("leave", &()));
            }
            () = closed(&mut self.closing) => self.over = true,
        }
        // Without an end of the run, only the supervisor goes away (and is replaced): the stream just stops.
        end.borrow().as_ref().map(|end| event("end", end))
    }
}

pub(super) fn event(name: &str, data: &impl Serialize) -> Bytes {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    if let Err(error) = serde_json::to_writer(&mut text, data) {
        tracing::warn!("the event `{name}` has no JSON form: {error}");
    }
    text.extend_from_slice(b"\n\n");
    text.into()
}
