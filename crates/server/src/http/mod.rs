//! The API: HTTP with JSON, one router for every transport.
//!
//! `docs/openapi.json` describes it. That file is generated (`shell/generate`) from the handlers here, each
//! of which is registered together with its description, and served as it is.
//!
//! | file | holds |
//! |---|---|
//! | `state.rs` | the state of the run and its processes, how they are run, what they use, what flags have matched |
//! | `actions.rs` | requests that change something |
//! | `failures.rs` | failure strings of a process |
//! | `pane.rs` | terminals of processes |
//! | `history.rs` | the journal |
//! | `crashes.rs` | what is wrong, and crash reports |
//! | `streams.rs` | the end of the journal and the state, streamed as they change |
//! | `metrics.rs` | numbers, for Prometheus |
//! | `layers.rs` | what every request passes |
//! | `extract.rs`, `answer.rs` | shared parsing of requests and formatting of responses |
//! | `description.rs` | the parts common to all descriptions |
//!
//! A request that changes something is answered when it is done, or with `?wait=false` when it is accepted
//! (202). 404: unknown name; 409: refused or failed (both include the outcome); 400: malformed request;
//! 422: well-formed, but the values cannot be used.

pub(super) mod actions;
pub(super) mod answer;
mod crashes;
mod description;
mod extract;
mod failures;
mod history;
pub(super) mod layers;
mod metrics;
pub(super) mod pane;
pub(super) mod state;
mod streams;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::MethodRouter;
use utoipa::Path;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::{PathItemExt as _, routes};

pub use self::description::description;
pub use self::state::counts_by_status;

use self::answer::Refusal;
use super::reading::Reading;
use super::serve::Api;
use crate::api::routes::ROUTES;
use crate::model::name::nearest;

/// A router with the description of each path.
macro_rules! described {
    ($($module:ident::$handler:ident),* $(,)?) => {
        OpenApiRouter::with_openapi(description::base())$(.routes(routes!($module::$handler)))*
    };
}

/// The same router without the descriptions.
macro_rules! served {
    ($($module:ident::$handler:ident),* $(,)?) => {
        utoipa_axum::paste! {
            Router::new()$(.route(
                &<$module::[<__path_ $handler>] as Path>::path(),
                <$module::[<__path_ $handler>] as Path>::methods()
                    .iter()
                    .fold(MethodRouter::new(), |router, method| {
                        router.on(method.to_method_filter(), $module::$handler)
                    }),
            ))*
        }
    };
}

/// The path of each.
macro_rules! paths {
    ($($module:ident::$handler:ident),* $(,)?) => {
        utoipa_axum::paste! { [$(<$module::[<__path_ $handler>] as Path>::path()),*] }
    };
}

/// Pass the handlers that only read a run, and need no supervisor, to one of these macros.
macro_rules! with_reading {
    ($router:ident) => {
        $router![
            state::state,
            state::status,
            state::processes,
            state::process,
            state::figures,
            history::lines,
            history::output,
            history::extent,
            history::count,
            crashes::why,
            crashes::why_one,
            crashes::list,
            crashes::report,
            crashes::compare,
        ]
    };
}

/// The same with those that need one; those of requests are the rows of [`ROUTES`].
macro_rules! with_supervised {
    ($router:ident) => {
        $router![
            description::openapi,
            state::alive,
            state::commands,
            state::flags,
            state::setup,
            pane::detach,
            pane::input,
            pane::screen,
            failures::list,
            failures::add,
            failures::remove,
            history::events,
            history::clear,
            streams::head,
            streams::watch,
            metrics::metrics,
        ]
    };
}

/// The API, independent of the transport.
pub fn router(api: Api) -> Router {
    with_reading!(served)
        .merge(with_supervised!(served))
        .merge(actions::router())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(extract::LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(api.handle.run.clone(), layers::of_this_run))
        .layer(axum::middleware::from_fn(layers::of_no_browser))
        .layer(axum::middleware::from_fn(layers::signed))
        .with_state(api)
}

/// The part of the API that only reads a run and needs no supervisor.
pub fn reading() -> Router<Reading> {
    with_reading!(served)
}

/// The paths of [`reading`].
pub fn reading_paths() -> Vec<String> {
    with_reading!(paths).into()
}

/// Every path but those of requests, with its description.
fn documented() -> OpenApiRouter<Api> {
    with_reading!(described).merge(with_supervised!(described))
}

async fn no_such_path(uri: Uri) -> Refusal {
    let requests = ROUTES.iter().map(|route| route.path.to_owned());
    let paths = with_reading!(paths).into_iter().chain(with_supervised!(paths)).chain(requests);
    answer::Refusal::Strange(StatusCode::NOT_FOUND, nearest::no_such_path(uri.path(), paths))
}

async fn no_such_method(method: Method, uri: Uri) -> Refusal {
    let path = uri.path();
    let process = path.strip_prefix("/api/processes/").filter(|name| !name.contains('/'));
    let reason = match process {
        Some(name) => format!(
            "there is no {method} `{path}`; GET tells the state of a process named `{name}`, and \
             POST takes `{path}/start`, `/stop`, `/restart` or `/input`"
        ),
        None => format!("`{path}` does not take {method}"),
    };
    answer::Refusal::Strange(StatusCode::METHOD_NOT_ALLOWED, reason)
}
