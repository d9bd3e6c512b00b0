//! The end of the journal and the state of the run, streamed as they change.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Bytes;
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
    Ok(stream_of(HeadFeed { handle, closing: api.closing, over: false, view }))
}

struct HeadFeed {
    handle: Handle,
    closing: watch::Receiver<bool>,
    over: bool,
    view: Option<ViewClient>,
}

/// A client that is a view.
struct ViewClient {
    /// Keeps the view counted in the engine.
    _attached: ViewGuard,
    /// Signals the view to detach.
    leave: watch::Receiver<()>,
}

impl EventSource for HeadFeed {
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
    let closing = api.closing;
    let (known, ready) = (None, VecDeque::new());
    let next_look = Instant::now();
    Ok(stream_of(StateFeed { handle, closing, known, ready, next_look, over: false }))
}

struct StateFeed {
    handle: Handle,
    closing: watch::Receiver<bool>,
    /// What the client knows.
    known: Option<State>,
    /// Events that the client has not taken yet.
    ready: VecDeque<Bytes>,
    next_look: Instant,
    over: bool,
}

impl EventSource for StateFeed {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            let Handle { changes, end, .. } = &mut self.handle;
            tokio::select! {
                biased;
                changed = async {
                    let changed = changes.changed().await;
                    sleep_until(self.next_look).await;
                    changed
                } => match changed {
                    Ok(()) => self.look_unless_over().await,
                    Err(_) => self.over = true,
                },
                () = Handle::ended(end) => self.over = true,
                () = closed(&mut self.closing) => self.over = true,
            }
            if self.over {
                let end = self.handle.end.borrow();
                self.ready.extend(end.as_ref().map(|end| event("end", end)));
            }
        }
    }
}

impl StateFeed {
    /// Look at the state. An engine that is ending may never report it, so its end counts too.
    async fn look_unless_over(&mut self) {
        let (mut end, mut closing) = (self.handle.end.clone(), self.closing.clone());
        self.over = tokio::select! {
            biased;
            () = self.look() => false,
            () = Handle::ended(&mut end) => true,
            () = closed(&mut closing) => true,
        };
    }

    /// Compare the present state with what the client knows.
    async fn look(&mut self) {
        self.handle.changes.mark_unchanged();
        self.next_look = Instant::now() + INTERVAL;
        // If the engine is ending, the end follows.
        let Ok(state) = self.handle.state().await else { return };
        match &self.known {
            Some(known) if differs_in_processes_only(known, &state) => {
                let pairs = known.processes.iter().zip(&state.processes);
                let changed = pairs.filter(|(old, new)| !is_same(old, new));
                self.ready.extend(changed.map(|(_, new)| event("process", new)));
            }
            Some(_) | None => self.ready.push_back(event("state", &state)),
        }
        self.known = Some(state);
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
