//! The API: HTTP with JSON, one router for every transport.
//!
//! `docs/openapi.json` describes it. That file is generated (`shell/generate`) from the handlers here, each
//! of which is registered together with its description.
//!
//! | file | holds |
//! |---|---|
//! | `state.rs` | the state of the run and its processes |
//! | `actions.rs` | requests that change something |
//! | `reload.rs` | reloading the configuration |
//! | `failures.rs` | failure strings of a process |
//! | `flags.rs` | matches of flags in the output of a process |
//! | `pane.rs` | terminals of processes |
//! | `history.rs`, `head.rs` | the journal |
//! | `crashes.rs` | what is wrong, and crash reports |
//! | `figures.rs` | what the processes use |
//! | `watch.rs` | the state, streamed as it changes |
//! | `metrics.rs` | numbers, for Prometheus |
//! | `browser.rs` | refusal of requests that come from a web page |
//! | `extract.rs`, `answer.rs` | shared parsing of requests and formatting of responses |
//! | `blocking.rs` | work that reads files |
//! | `description.rs` | the parts common to all descriptions |
//!
//! A request that changes something is answered when it is done, or with `?wait=false` when it is accepted
//! (202). 404: unknown name; 409: refused or failed (both include the outcome); 400: malformed request;
//! 422: well-formed, but the values cannot be used.

pub(super) mod actions;
pub(super) mod answer;
mod blocking;
mod browser;
mod compare;
mod crashes;
mod description;
mod extract;
mod failures;
mod figures;
pub(super) mod flags;
mod head;
mod history;
mod metrics;
pub(super) mod pane;
mod reload;
pub(super) mod state;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::description::description;

use self::answer::strange;
use super::reading::Reading;
use super::serve::Api;
use super::versions;
use crate::api::version::RUN_HEADER;

/// The API, independent of the transport.
pub fn router(api: Api) -> Router {
    let (router, _) = documented().split_for_parts();
    router
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(extract::LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(api.handle.run.clone(), of_this_run))
        .layer(axum::middleware::from_fn(browser::refused))
        .layer(axum::middleware::from_fn(versions::signed))
        .with_state(api)
}

/// The part of the API that only reads a run and needs no supervisor.
pub fn reading() -> Router<Reading> {
    let (router, _) = OpenApiRouter::with_openapi(description::base())
        .routes(routes!(state::state))
        .routes(routes!(state::status))
        .routes(routes!(state::processes))
        .routes(routes!(state::process))
        .routes(routes!(history::lines))
        .routes(routes!(history::output))
        .routes(routes!(history::extent))
        .routes(routes!(history::count))
        .routes(routes!(crashes::why))
        .routes(routes!(crashes::why_one))
        .routes(routes!(crashes::list))
        .routes(routes!(crashes::report))
        .routes(routes!(compare::compare))
        .routes(routes!(figures::figures))
        .split_for_parts();
    router
}

/// Every path, with its description.
fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(description::base())
        .routes(routes!(description::openapi))
        .routes(routes!(state::state))
        .routes(routes!(state::status))
        .routes(routes!(state::alive))
        .routes(routes!(state::processes))
        .routes(routes!(state::process))
        .routes(routes!(actions::start_one))
        .routes(routes!(actions::stop_one))
        .routes(routes!(actions::restart_one))
        .routes(routes!(actions::install))
        .routes(routes!(actions::start))
        .routes(routes!(actions::stop))
        .routes(routes!(actions::restart))
        .routes(routes!(actions::signal))
        .routes(routes!(actions::scale))
        .routes(routes!(reload::reload))
        .routes(routes!(actions::quit))
        .routes(routes!(actions::shutdown))
        .routes(routes!(actions::kill))
        .routes(routes!(actions::size))
        .routes(routes!(actions::detach))
        .routes(routes!(failures::list))
        .routes(routes!(failures::add))
        .routes(routes!(failures::remove))
        .routes(routes!(flags::flags))
        .routes(routes!(pane::input))
        .routes(routes!(pane::screen))
        .routes(routes!(history::lines))
        .routes(routes!(history::output))
        .routes(routes!(history::extent))
        .routes(routes!(history::count))
        .routes(routes!(history::events))
        .routes(routes!(history::clear))
        .routes(routes!(head::head))
        .routes(routes!(watch::watch))
        .routes(routes!(crashes::why))
        .routes(routes!(crashes::why_one))
        .routes(routes!(crashes::list))
        .routes(routes!(crashes::report))
        .routes(routes!(compare::compare))
        .routes(routes!(figures::figures))
        .routes(routes!(metrics::metrics))
}

/// Refuse a request that names another run in its `tmo-run` header.
async fn of_this_run(State(run): State<Arc<str>>, request: Request, next: Next) -> Response {
    match request.headers().get(RUN_HEADER) {
        Some(meant) if meant.as_bytes() != run.as_bytes() => {
            answer::error(StatusCode::GONE, "the run that was meant is over; this is another one")
        }
        Some(_) | None => next.run(request).await,
    }
}

async fn no_such_path(uri: Uri) -> Response {
    strange(StatusCode::NOT_FOUND, format!("there is no `{}` here", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let process = path.strip_prefix("/api/processes/").filter(|name| !name.contains('/'));
    let reason = match process {
        Some(name) => format!(
            "there is no {method} `{path}`; GET tells the state of a process named `{name}`, and \
             POST takes `{path}/start`, `/stop`, `/restart` or `/input`"
        ),
        None => format!("`{path}` does not take {method}"),
    };
    strange(StatusCode::METHOD_NOT_ALLOWED, reason)
}
