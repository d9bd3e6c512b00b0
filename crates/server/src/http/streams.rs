//! The end of the journal and the state of the run, streamed as they change.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use futures_util::future::OptionFuture;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use utoipa::IntoParams;

use super::answer::{ApiResult, Refusal};
use super::extract::{Query, Words, truth};
use crate::engine_handle::{Handle, ViewGuard};
use crate::events::{EventSource, event, stream_of};
use crate::model::state::{ProcessState, State};
use crate::serve::{Api, closed};

/// The parameters of a stream of heads.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Follower {
    /// The client is a view, a terminal that shows the log: it counts in `views`, and may be told
    /// to `leave`.
    #[param(required = false, default = false)]
    view: bool,
}

impl Words for Follower {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "view" => self.view = truth(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Where the journal ends, as server-sent events.
///
/// `head` comes at once and then whenever something was written, the newest only: a slow client misses
/// those in between. `end` is the last when the run is over, `leave` when a view is to go. Without one
/// of these the supervisor was replaced: connect again.
#[utoipa::path(
    get,
    path = "/api/head",
    tag = "journal",
    params(Follower),
    responses((
        status = 200,
        description = "Events until the run is over; `x-events` tells their data.",
        body = String,
        content_type = "text/event-stream",
    )),
    extensions(("x-events" = json!({
        "head": { "$ref": "#/components/schemas/Head" },
        "end": { "$ref": "#/components/schemas/End" },
        "leave": { "type": "null" },
    })))
)]
pub(super) async fn head(api: Api, Query(Follower { view }): Query<Follower>) -> ApiResult {
    let view = if view {
        let leave = api.leave.subscribe();
        Some(ViewClient { _attached: api.handle.view().await?, leave })
    } else {
        None
    };
    let mut handle = api.handle;
    // Send the current head at once.
    handle.head.mark_changed();
    Ok(Feed::stream(handle, api.closing, HeadSource { view }))
}

/// A stream of what changes in a run.
struct Feed<S> {
    handle: Handle,
    closing: watch::Receiver<bool>,
    source: S,
    /// Events that the client has not taken yet.
    ready: VecDeque<Bytes>,
    over: bool,
}

/// What a client is sent.
enum Change {
    /// These events, and others later.
    Events(Vec<Bytes>),
    /// This event as the last one.
    Last(Bytes),
    /// Nothing but how the run has ended. Without that, only the supervisor goes away (and is replaced): the stream just
    /// stops.
    Over,
}

/// What a feed follows.
trait FeedSource: Send + 'static {
    /// The next change. Dropped when the run is over or the server ends.
    fn change(&mut self, handle: &mut Handle) -> impl Future<Output = Change> + Send;
}

impl<S: FeedSource> Feed<S> {
    fn stream(handle: Handle, closing: watch::Receiver<bool>, source: S) -> Response {
        stream_of(Self { handle, closing, source, ready: VecDeque::new(), over: false })
    }
}

impl<S: FeedSource> EventSource for Feed<S> {
    async fn next(&mut self) -> Option<Bytes> {
        while self.ready.is_empty() && !self.over {
            let mut end = self.handle.end.clone();
            let change = tokio::select! {
                biased;
                change = self.source.change(&mut self.handle) => change,
                () = Handle::ended(&mut end) => Change::Over,
                () = closed(&mut self.closing) => Change::Over,
            };
            self.over = !matches!(change, Change::Events(_));
            match change {
                Change::Events(events) => self.ready.extend(events),
                Change::Last(event) => self.ready.push_back(event),
                Change::Over => {
                    self.ready.extend(end.borrow().as_ref().map(|end| event("end", end)));
                }
            }
        }
        self.ready.pop_front()
    }
}

struct HeadSource {
    view: Option<ViewClient>,
}

struct ViewClient {
    /// Keeps the view counted in the engine.
    _attached: ViewGuard,
    /// Signals the view to detach.
    leave: watch::Receiver<()>,
}

impl FeedSource for HeadSource {
    async fn change(&mut self, Handle { head, end, .. }: &mut Handle) -> Change {
        let leave = OptionFuture::from(self.view.as_mut().map(|view| view.leave.changed()));
        tokio::select! {
            biased;
            changed = head.changed() => match changed {
                Ok(()) => Change::Events(vec![event("head", &*head.borrow_and_update())]),
                Err(_) => Change::Over,
            },
            // That the run is over comes before a request to leave.
            () = Handle::ended(end) => Change::Over,
            Some(Ok(())) = leave => Change::Last(event("leave", &())),
        }
    }
}

/// The shortest time between two looks at the state.
const INTERVAL: Duration = Duration::from_millis(100);

/// The state of the run, as server-sent events.
///
/// `state` comes first, and again when anything but the state of processes has changed. `process` comes
/// for each process whose state has changed, at most ten times a second and only with its latest state; a
/// change of `output_bytes` alone does not count. `end` is the last event of a run. If the stream ends
/// without it, the supervisor was replaced: connect again.
#[utoipa::path(
    get,
    path = "/api/watch",
    tag = "state",
    responses((
        status = 200,
        description = "Events until the run is over; `x-events` tells their data.",
        body = String,
        content_type = "text/event-stream",
    )),
    extensions(("x-events" = json!({
        "state": { "$ref": "#/components/schemas/State" },
        "process": { "$ref": "#/components/schemas/ProcessState" },
        "end": { "$ref": "#/components/schemas/End" },
    })))
)]
pub(super) async fn watch(api: Api, _: Query<()>) -> ApiResult {
    let mut handle = api.handle;
    handle.changes.mark_changed();
    Ok(Feed::stream(handle, api.closing, StateSource { known: None, next_look: Instant::now() }))
}

struct StateSource {
    /// What the client knows.
    known: Option<State>,
    next_look: Instant,
}

impl FeedSource for StateSource {
    /// Compares the present state with what the client knows.
    async fn change(&mut self, handle: &mut Handle) -> Change {
        let changed = handle.changes.changed().await;
        sleep_until(self.next_look).await;
        if changed.is_err() {
            return Change::Over;
        }
        handle.changes.mark_unchanged();
        self.next_look = Instant::now() + INTERVAL;
        // If the engine is ending, the end follows.
        let Ok(state) = handle.state().await else { return Change::Events(vec![]) };
        let events = match &self.known {
            Some(known) if differs_in_processes_only(known, &state) => {
                let pairs = known.processes.iter().zip(&state.processes);
                let changed = pairs.filter(|(old, new)| !is_same(old, new));
                changed.map(|(_, new)| event("process", new)).collect()
            }
            Some(_) | None => vec![event("state", &state)],
        };
        self.known = Some(state);
        Change::Events(events)
    }
}

/// Whether the same processes are in both states, and nothing else differs.
fn differs_in_processes_only(old: &State, new: &State) -> bool {
    let names = |state: &State| -> Vec<_> {
        state.processes.iter().map(|process| process.name.clone()).collect()
    };
    let rest = |state: &State| State { processes: vec![], ..state.clone() };
    names(old) == names(new) && rest(old) == rest(new)
}

fn is_same(old: &ProcessState, new: &ProcessState) -> bool {
    if old.output_bytes == new.output_bytes {
        return old == new;
    }
    ProcessState { output_bytes: new.output_bytes, ..old.clone() } == *new
}
