//! The `OpenAPI` 3.1 description of the API.

use std::io::Read as _;

use axum::http::StatusCode;
use flate2::read::DeflateDecoder;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;

use super::actions;
use super::answer::{Answer, ApiResult, Refusal, written_json};
use super::extract::Query;
use crate::api::answers::Problem;
use crate::journal::history::Line;
use crate::model::exit::End;
use crate::model::request::{Head, Request};

/// Paths and most schemas come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "tmo",
        description = "\
The control socket of a run of tmo: HTTP on the Unix socket beside the Procfile (`.overmind.sock`), \
or on TCP with `--network`. Over TCP a client first proves that it knows the token of the run; see \
docs/SCRIPTING.md for the exchange.

Every JSON response has `api`, the schema version. Within a version, paths, parameters, properties, \
events and states may be added, so ignore what you do not know; none is removed or changes its meaning. \
Unknown words in requests are refused, so that a typo is never silently ignored.

Numeric times are nanoseconds since the epoch; strings are RFC 3339 in UTC."
    ),
    tags(
        (name = "state", description = "The state."),
        (name = "processes", description = "Control processes."),
        (name = "run", description = "Change or end the run."),
        (name = "failures", description = "Output texts that mean that a process has failed."),
        (name = "terminals", description = "Panes and views."),
        (name = "journal", description = "Output and events."),
        (name = "crashes", description = "What is wrong, and crash reports."),
    ),
    components(schemas(Answer<Problem>, Head, End, Line<'static>, Request))
)]
struct Base;

/// The base description, to which the paths are added.
pub(super) fn base() -> Description {
    let mut base = Base::openapi();
    // The license of the program does not apply to its API.
    base.info.license = None;
    base.info.contact = None;
    base
}

/// The description of the API, generated from the handlers, for `docs/openapi.json`.
///
/// The program serves that file. What generates it is not part of the program, which it would make larger by a
/// megabyte.
pub fn description() -> String {
    let mut all = json!(super::documented().into_openapi());
    actions::describe(&mut all);
    finish(&mut all);
    // It contains only strings and numbers, which always have a JSON form.
    serde_json::to_string_pretty(&all).unwrap_or_default()
}

/// `docs/openapi.json`, packed by `build.rs`.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi"));

/// Responses that every operation may return.
const COMMON: [(&str, &str); 5] = [
    ("400", "Bad"),
    ("401", "NotLetIn"),
    ("410", "OtherRun"),
    ("431", "LargeHead"),
    ("503", "Ending"),
];

/// Add to each operation what all of them share, and replace repeated schemas by references.
fn finish(all: &mut Value) {
    // The description uses nothing newer than 3.1.0.
    all["openapi"] = "3.1.0".into();
    unwrap_lines(all);
    let shapes = all["components"]["schemas"].as_object().cloned().unwrap_or_default();
    // Each answer combines the schema of its content with that of the version.
    for shape in members(&mut all["components"]["schemas"]) {
        if let Some(part) = shape.pointer_mut("/allOf/0") {
            name(part, &shapes);
        }
    }
    all["components"]["headers"] = json!({ "tmo-version": {
        "description": "Version of the server.",
        "required": true,
        "schema": { "type": "string" },
    }});
    all["components"]["responses"] = common_responses();
    all["components"]["parameters"] = common_parameters();
    for operation in members(&mut all["paths"]).flat_map(members) {
        for response in members(&mut operation["responses"]) {
            response["headers"] = version_header();
            if let Some(shape) = response.pointer_mut("/content/application~1json/schema") {
                name(shape, &shapes);
            }
        }
        for (status, name) in COMMON {
            operation["responses"][status] = point("responses", name);
        }
        let mut parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        parameters
            .extend(["tmo-version", "tmo-api", "tmo-run"].map(|name| point("parameters", name)));
        operation["parameters"] = parameters.into();
    }
}

/// Replace a schema that has a name by a reference to it.
fn name(shape: &mut Value, shapes: &Map<String, Value>) {
    if let Some((name, _)) = shapes.iter().find(|(_, known)| *known == shape) {
        *shape = point("schemas", name);
    }
}

fn point(part: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{part}/{name}") })
}

fn members(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(Map::values_mut)
}

fn version_header() -> Value {
    json!({ "tmo-version": point("headers", "tmo-version") })
}

fn common_responses() -> Value {
    let reason = |description: &str| {
        let content =
            json!({ "application/json": { "schema": point("schemas", "Answer_Problem") } });
        json!({ "description": description, "content": content, "headers": version_header() })
    };
    json!({
        "Bad": reason("The request is invalid; nothing was done."),
        "OtherRun": reason("The run that `tmo-run` names is over; another one is here."),
        "Ending": reason("The supervisor is ending, or too many clients are connected."),
        "NotLetIn": reason(
            "Over TCP: the client has not proven that it knows the token. On the Unix socket: a \
             browser has sent the request.",
        ),
        // This response is sent by the HTTP library, before tmo sees the request.
        "LargeHead": { "description": "The head of the request is longer than 32 KiB, or has more \
            than 100 fields." },
    })
}

fn common_parameters() -> Value {
    json!({
        "tmo-version": {
            "name": "tmo-version",
            "in": "header",
            "description": "Version of the client. If it is not the server's, a refusal of something \
                unknown names both versions.",
            "schema": { "type": "string" },
        },
        "tmo-api": {
            "name": "tmo-api",
            "in": "header",
            "description": "The schema version that the client knows. If it is newer than the \
                server's, the answer is 400, except on paths that every version has: \
                `/api/alive`, `/api/status`, `/api/quit`, `/api/shutdown`, `/api/kill`.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "tmo-run": {
            "name": "tmo-run",
            "in": "header",
            "description": "The id of the run that is meant (`run` of its state). If another one is at \
                this socket by now, nothing is done and the answer is 410.",
            "schema": { "type": "string" },
        },
    })
}

/// Line breaks in doc comments are only wrapping; keep the paragraphs and remove the rest.
fn unwrap_lines(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if name == "description"
                    && let Value::String(text) = value
                {
                    let parts = text.split("\n\n").map(|part| part.replace('\n', " "));
                    *text = parts.collect::<Vec<_>>().join("\n\n");
                } else {
                    unwrap_lines(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(unwrap_lines),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// This description.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "state",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object))
)]
pub(super) async fn openapi(_: Query<()>) -> ApiResult {
    let mut text = String::new();
    match DeflateDecoder::new(PACKED).read_to_string(&mut text) {
        Ok(_) => Ok(written_json(StatusCode::OK, text.trim_end().to_owned())),
        Err(error) => Err(Refusal::failed(error.to_string())),
    }
}
