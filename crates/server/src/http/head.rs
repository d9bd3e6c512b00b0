//! The end of the journal, streamed as it grows.

use utoipa::IntoParams;

use super::answer::{ApiResult, Refusal};
use super::extract::{Query, Words, truth};
use crate::events;
use crate::serve::Api;

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
        Some(events::ViewClient { _attached: api.handle.view().await?, leave })
    } else {
        None
    };
    Ok(events::response(api.handle, api.closing, view))
}
