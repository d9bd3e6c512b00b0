//! Requests that change something, served and described by the rows of [`ROUTES`].

use std::fmt::{self, Formatter};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::routing::{MethodFilter, on};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use utoipa::openapi::path::ParameterIn;
use utoipa::{IntoParams, IntoResponses};

use super::answer::{Answer, ApiResult, Refusal, json as answer};
use super::extract::{self, LARGEST_BODY, LARGEST_LONG, Name, Query, Words, receive_body, truth};
use crate::api::answers::Problem;
use crate::api::routes::{Body, ROUTES, Route};
use crate::engine_handle::EngineRequest;
use crate::model::command::Sender;
use crate::model::plan::Plan;
use crate::model::request::{Outcome, Request};
use crate::serve::Api;

/// Maximum length of an idempotency key, which only distinguishes requests.
const LONGEST_KEY: usize = 64;

/// Parameters of every request that changes something.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Manner {
    /// Answer when it is done (200 or 409), or, with `false`, as soon as it is accepted (202).
    /// `1`, `yes`, `0` and `no` work too.
    #[param(value_type = bool, required = false, default = true)]
    wait: Option<bool>,
    /// Idempotency key, at most 64 bytes: a request repeated with the same key is executed only
    /// once, even if another supervisor receives the repetition because the first was killed.
    #[param(max_length = 64)]
    key: Option<String>,
}

impl Words for Manner {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "wait" => self.wait = Some(truth(name, value)?),
            "key" if value.len() > LONGEST_KEY => {
                let reason = format!("a `key` is at most {LONGEST_KEY} bytes long");
                return Err(Refusal::bad(reason));
            }
            "key" => self.key = Some(value.to_owned()).filter(|key| !key.is_empty()),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The responses to a request that changes something.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
pub(super) enum Acted {
    /// It is done.
    #[response(status = 200)]
    Done(#[to_schema] Answer<Outcome>),
    /// It is accepted (`wait=false`).
    #[response(status = 202)]
    Accepted(#[to_schema] Answer<Outcome>),
    /// It is refused, or has failed, at least in part.
    #[response(status = 409)]
    Failed(#[to_schema] Answer<Outcome>),
}

/// The additional responses to a request that names processes.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
pub(super) enum Named {
    /// No process has such a name; nothing was done.
    #[response(status = 404)]
    Unknown(#[to_schema] Answer<Outcome>),
}

/// The additional responses to a request with a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
pub(super) enum Sent {
    /// The body did not come within 10 seconds.
    #[response(status = 408)]
    Slow(#[to_schema] Answer<Problem>),
    /// The body is longer than 256 KiB.
    #[response(status = 413)]
    TooLarge(#[to_schema] Answer<Problem>),
}

/// The responses to a request with a plan, in place of and beside those of [`Sent`].
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
enum PlanSent {
    /// The body is longer than 16 MiB.
    #[response(status = 413)]
    TooLarge(#[to_schema] Answer<Problem>),
    /// It is no plan, or none that this version reads; nothing was done.
    #[response(status = 422)]
    NoPlan(#[to_schema] Answer<Problem>),
}

/// The routes of all requests.
pub(super) fn router() -> Router<Api> {
    ROUTES.iter().fold(Router::new(), |router, route| {
        let method = if route.put { MethodFilter::PUT } else { MethodFilter::POST };
        router.route(
            route.path,
            on(method, |State(api), name, http| carry_out(route, api, name, http)),
        )
    })
}

/// Who sends a request, in the words of the client.
pub(super) fn sender(parts: &Parts) -> String {
    let by = parts.headers.get(USER_AGENT).and_then(|by| by.to_str().ok());
    by.unwrap_or("control socket").to_owned()
}

/// Carry out a request and return its outcome.
async fn carry_out(
    route: &Route,
    api: Api,
    name: Result<Name, Refusal>,
    http: HttpRequest,
) -> ApiResult {
    let name = match route.name {
        Some(_) => Some(name?.0),
        None => None,
    };
    let (parts, body) = http.into_parts();
    let Query(Manner { wait, key }) = Query::parse(&parts.uri)?;
    let from = Sender { by: sender(&parts), key };
    let body = match route.body {
        Some(_) => {
            receive_body(&api, HttpRequest::from_parts(parts, body), largest_body(route)).await?
        }
        None => Bytes::new(),
    };
    let request = read_request(route, name, &body)?;
    let wait = wait.unwrap_or(true);
    let outcome = api.handle.ask(|reply| EngineRequest::Do { request, wait, from, reply }).await?;
    Ok(answer(status(&outcome, wait), &outcome))
}

/// A plan contains a whole environment.
fn largest_body(route: &Route) -> usize {
    if route.verb == "reload" { LARGEST_LONG } else { LARGEST_BODY }
}

/// Join what the path and the body say.
pub(super) fn read_request(
    route: &Route,
    name: Option<String>,
    body: &[u8],
) -> Result<Request, Refusal> {
    if route.verb == "reload" {
        return read_plan(body);
    }
    let mut fields = match route.body {
        Some(shape) if !body.is_empty() || shape.optional.is_none() => {
            extract::read_body::<Fields>(body)?.0
        }
        Some(_) | None => Map::new(),
    };
    // A misspelt key must not turn "these" into "all".
    let known = route.fields();
    if let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        let known: Vec<_> = known.iter().map(|field| format!("`{field}`")).collect();
        let known = known.join(" or ");
        return Err(extract::unexpected_body(&format!(
            "unknown field `{unknown}`, expected {known}"
        )));
    }
    let without_body = route.without_body.filter(|_| fields.is_empty());
    fields.insert("verb".to_owned(), without_body.unwrap_or(route.verb).into());
    if let Some(on) = route.on {
        fields.insert("on".to_owned(), on.into());
    }
    if let Some(name) = name {
        // The request takes one of the two.
        fields.insert("names".to_owned(), json!([name]));
        fields.insert("name".to_owned(), name.into());
    }
    let request = Request::deserialize(Value::Object(fields))
        .map_err(|error| extract::unexpected_body(&error))?;
    if let Request::Resize { columns: 0, .. } | Request::Resize { rows: 0, .. } = request {
        return Err(Refusal::bad("a terminal has at least one column and one row".to_owned()));
    }
    Ok(request)
}

/// The fields of a body. One that is named twice is refused: first it may name processes, and then mean all.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields, A::Error> {
                let mut fields = Map::new();
                while let Some((field, value)) = entries.next_entry::<String, Value>()? {
                    if fields.contains_key(&field) {
                        return Err(A::Error::custom(format_args!("duplicate field `{field}`")));
                    }
                    fields.insert(field, value);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A malformed body is distinguished from a plan that this version cannot read.
fn read_plan(body: &[u8]) -> Result<Request, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Reloaded {
        plan: Map<String, Value>,
    }
    let Reloaded { plan } = extract::read_body(body)?;
    let plan = Plan::deserialize(Value::Object(plan)).map_err(|error| {
        let what = format!("the `plan` can't be used: {error}; `tmo reload` makes one");
        Refusal::Strange(StatusCode::UNPROCESSABLE_ENTITY, what)
    })?;
    Ok(Request::Reload { plan: Box::new(plan) })
}

/// The status of the answer to a request.
pub(super) const fn status(outcome: &Outcome, wait: bool) -> StatusCode {
    match outcome {
        Outcome { unknown: Some(_), .. } => StatusCode::NOT_FOUND,
        Outcome { ok: false, .. } => StatusCode::CONFLICT,
        Outcome { ok: true, .. } if wait => StatusCode::OK,
        Outcome { .. } => StatusCode::ACCEPTED,
    }
}

/// Add the requests to the description of the other operations, which has the schema of [`Request`].
pub(super) fn describe(all: &mut Value) {
    let request =
        all["components"]["schemas"].as_object_mut().and_then(|all| all.remove("Request"));
    let variants = request.unwrap_or_default()["oneOf"].take();
    for route in &ROUTES {
        let is_of = |variant: &&Value| variant["properties"]["verb"]["enum"][0] == route.verb;
        let variant = variants.as_array().into_iter().flatten().find(is_of).unwrap_or(&Value::Null);
        if let Some(body) = &route.body {
            all["components"]["schemas"][body.schema] = schema_of(body, variant.clone());
        }
        let method = route.method().as_str().to_lowercase();
        all["paths"][route.path][method] = operation(route, variant);
    }
}

/// The schema of a body, made of that of the whole request.
fn schema_of(body: &Body, mut schema: Value) -> Value {
    schema["description"] = body.about.into();
    schema["additionalProperties"] = false.into();
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|field, _| body.fields.contains(&field.as_str()));
    }
    if let Value::Object(members) = &mut schema
        && let Some(Value::Array(required)) = members.get_mut("required")
    {
        required.retain(|field| field.as_str().is_some_and(|field| body.fields.contains(&field)));
        if required.is_empty() {
            members.remove("required");
        }
    }
    schema
}

fn operation(route: &Route, variant: &Value) -> Value {
    let about = route.about.or_else(|| variant["description"].as_str()).unwrap_or_default();
    let (summary, description) = about.split_once("\n\n").unwrap_or((about, ""));
    let mut responses = Acted::responses();
    if route.tag == "processes" {
        responses.extend(Named::responses());
    }
    if route.body.is_some() {
        responses.extend(Sent::responses());
    }
    if route.verb == "reload" {
        responses.extend(PlanSent::responses());
    }
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.tag],
        "summary": summary.replace('\n', " "),
        "parameters": Manner::into_params(|| Some(ParameterIn::Query)),
        "responses": responses,
    });
    if !description.is_empty() {
        operation["description"] = description.into();
    }
    if let (Some(about), Some(parameters)) = (route.name, operation["parameters"].as_array_mut()) {
        let name = json!({ "name": "name", "in": "path", "required": true, "description": about, "schema": { "type": "string" } });
        parameters.insert(0, name);
    }
    if let Some(body) = &route.body {
        let schema = json!({ "$ref": format!("#/components/schemas/{}", body.schema) });
        operation["requestBody"] =
            json!({ "content": { "application/json": { "schema": schema } } });
        match body.optional {
            Some(about) => operation["requestBody"]["description"] = about.into(),
            None => operation["requestBody"]["required"] = true.into(),
        }
    }
    operation
}
