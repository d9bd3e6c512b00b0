//! The server-sent events of `/api/head`: the newest head, and at last the end.
//!
//! An event is made when the client has taken the one before it, so a slow client skips what has
//! been superseded meanwhile and nothing piles up for it.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::watch;

use super::handle::{Attached, Handle};
use super::serve::closed;

struct Feed {
    handle: Handle,
    closing: watch::Receiver<bool>,
    begun: bool,
    over: bool,
    view: Option<View>,
}

/// A client that is a view.
pub(super) struct View {
    /// By which the engine knows of it.
    pub(super) _attached: Attached,
    /// By which it is told to go.
    pub(super) leave: watch::Receiver<()>,
}

/// The response to `GET /api/head`.
pub(super) fn response(
    handle: Handle,
    closing: watch::Receiver<bool>,
    view: Option<View>,
) -> Response {
    let feed = Feed { handle, closing, begun: false, over: false, view };
    let events = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    stream_of(Body::from_stream(events))
}

/// A response of server-sent events.
pub(super) fn stream_of(events: Body) -> Response {
    let mut response = Response::new(events);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

impl Feed {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let Handle { head, end, .. } = &mut self.handle;
        if !self.begun {
            self.begun = true;
            return Some(event("head", &*head.borrow_and_update()));
        }
        tokio::select! {
            biased;
            changed = head.changed() => match changed {
                Ok(()) => return Some(event("head", &*head.borrow_and_update())),
                Err(_) => self.over = true,
            },
            () = Handle::ended(end) => self.over = true,
            () = told_to_leave(&mut self.view) => {
                self.over = true;
                return Some(event("leave", &()));
            }
            () = closed(&mut self.closing) => self.over = true,
        }
        // Without an end the supervisor only goes away (to be replaced): the stream just stops.
        end.borrow().as_ref().map(|end| event("end", end))
    }
}

async fn told_to_leave(view: &mut Option<View>) {
    let reported = match view {
        Some(view) => view.leave.changed().await.is_ok(),
        None => false,
    };
    if !reported {
        std::future::pending::<()>().await;
    }
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    if let Err(error) = serde_json::to_writer(&mut text, data) {
        tracing::warn!("the event `{name}` has no JSON form: {error}");
    }
    text.extend_from_slice(b"\n\n");
    text.into()
}
