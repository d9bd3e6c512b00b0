//! The API: HTTP with JSON, one router for every transport.
//!
//! `docs/openapi.json` describes it. That file is generated (`shell/generate`) from the handlers here, each
//! of which is registered together with its description, and served as it is.
//!
//! | file | holds |
//! |---|---|
//! | `state.rs` | the state of the run and its processes |
//! | `setup.rs` | how a process is run |
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
mod setup;
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
use axum::routing::MethodRouter;
use utoipa::Path;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::{PathItemExt as _, routes};

pub use self::description::description;

use self::answer::strange;
use super::reading::Reading;
use super::serve::Api;
use super::versions;
use crate::api::version::RUN_HEADER;
use crate::model::nearest;

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

/// Pass the handlers of the API to one of these macros.
macro_rules! with_all {
    ($router:ident) => {
        $router![
            description::openapi,
            state::state,
            state::status,
            state::alive,
            state::processes,
            state::process,
            actions::commands,
            actions::start_one,
            actions::stop_one,
            actions::restart_one,
            actions::install,
            actions::start,
            actions::stop,
            actions::restart,
            actions::signal,
            actions::use_one,
            actions::watch_pause,
            actions::watch_resume,
            actions::scale,
            reload::reload,
            actions::quit,
            actions::shutdown,
            actions::kill,
            actions::size,
            actions::detach,
            failures::list,
            failures::add,
            failures::remove,
            flags::flags,
            pane::input,
            pane::screen,
            history::lines,
            history::output,
            history::extent,
            history::count,
            history::events,
            history::clear,
            head::head,
            watch::watch,
            crashes::why,
            crashes::why_one,
            crashes::list,
            crashes::report,
            compare::compare,
            setup::setup,
            figures::figures,
            metrics::metrics,
        ]
    };
}

/// The API, independent of the transport.
pub fn router(api: Api) -> Router {
    with_all!(served)
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
    served![
        state::state,
        state::status,
        state::processes,
        state::process,
        history::lines,
        history::output,
        history::extent,
        history::count,
        crashes::why,
        crashes::why_one,
        crashes::list,
        crashes::report,
        compare::compare,
        figures::figures,
    ]
}

/// Every path, with its description.
fn documented() -> OpenApiRouter<Api> {
    with_all!(described)
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
    strange(StatusCode::NOT_FOUND, nearest::no_such_path(uri.path(), with_all!(paths)))
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
