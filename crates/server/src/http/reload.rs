//! Reloading the configuration: the run continues with another plan.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoResponses, ToSchema};

use super::actions::{Acted, Manner, Order};
use super::answer::{Answer, ApiResult, Refusal};
use super::extract::{Body, LARGEST_LONG};
use crate::api::answers::Problem;
use crate::model::plan::Plan;
use crate::model::request::Request;

/// What is to be run from now on.
//
// A plain map, so that a malformed request can be distinguished from a plan that this version cannot read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reloaded {
    #[schema(schema_with = any_plan)]
    plan: Map<String, Value>,
}

/// Schema of a plan; its properties depend on the version.
fn any_plan() -> Object {
    let text = "The configuration as `tmo reload` has read and resolved it, addressed to this very run. \
        Its contents are private to the version that made it, and may differ in each.";
    ObjectBuilder::new().schema_type(Type::Object).description(Some(text)).build()
}

/// The additional responses to a request with a plan.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
pub(super) enum Sent {
    /// The body did not come within 10 seconds.
    #[response(status = 408)]
    Slow(#[to_schema] Answer<Problem>),
    /// The body is longer than 16 MiB.
    #[response(status = 413)]
    TooLarge(#[to_schema] Answer<Problem>),
    /// It is no plan, or none that this version reads; nothing was done.
    #[response(status = 422)]
    NoPlan(#[to_schema] Answer<Problem>),
}

/// Switch to a new plan, and apply its changes.
///
/// `tmo reload` asks for this when it has read the configuration again. Other clients should run that
/// command: only the program that runs here can make a plan.
#[utoipa::path(
    post,
    path = "/api/reload",
    tag = "run",
    params(Manner),
    request_body = Reloaded,
    responses(Acted, Sent)
)]
pub(super) async fn reload(
    order: Order,
    Body(Reloaded { plan }): Body<Reloaded, LARGEST_LONG>,
) -> ApiResult {
    let plan = Plan::deserialize(Value::Object(plan)).map_err(|error| {
        let what = format!("the `plan` can't be used: {error}; `tmo reload` makes one");
        Refusal::Strange(StatusCode::UNPROCESSABLE_ENTITY, what)
    })?;
    order.carry_out(Request::Reload { plan: Box::new(plan) }).await
}
