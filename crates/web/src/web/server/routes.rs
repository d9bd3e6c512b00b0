//! Every path, with its rule and its handler.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodFilter, on};

use self::AnswerKind::{Lines, Slow, Small, Socket, Text};
use crate::api::routes::ROUTES;
use crate::model::name::nearest;
use crate::server::http::reading_paths;
use crate::web::access::{Need, Role, login};
use crate::web::log::download;
use crate::web::runs::script_api::{self, ScriptRequest};
use crate::web::runs::{api, apps, commands};
use crate::web::server::service::{self, guard};
use crate::web::server::{PROTOCOL, TERMINAL_PROTOCOL, WebState, refuse, sockets};

/// What an answer needs while it is made and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// Little memory.
    Small,
    /// The memory of a page of lines.
    Lines,
    /// The log as text, of any size, which is streamed.
    Text,
    /// A WebSocket with this protocol.
    Socket(&'static str),
    /// Much time: an archive, a reload, another start.
    Slow,
}

/// What a route requires of a request, and how it is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) need: Need,
    pub(crate) answer: AnswerKind,
    /// Whether sessions that see only some processes are refused. Other handlers answer with the visible part.
    pub(crate) needs_whole_scope: bool,
    /// Whether pages reach the runs of other hosts with it.
    pub(crate) is_bridged: bool,
}

const OPEN: Rule = Rule::new(Need::Nothing).here();
const LOGIN: Rule = Rule::new(Need::OwnPage).here();
const READ: Rule = Rule::new(Need::Session(Role::Read));
const ADMIN: Rule = Rule::new(Need::Session(Role::Admin));
const ARCHIVE: Rule = Rule::new(Need::Archive).here().whole_scope();
const SCRIPT_READ: Rule = READ.here();
const SCRIPT_OPERATE: Rule = Rule::new(Need::Session(Role::Operate)).here();
const SCRIPT_ADMIN: Rule = ADMIN.here();
const WHOLE_READ: Rule = READ.here().whole_scope();
const WHOLE_ADMIN: Rule = ADMIN.here().whole_scope();

impl Rule {
    const fn new(need: Need) -> Self {
        Self { need, answer: Small, needs_whole_scope: false, is_bridged: true }
    }

    const fn answers(self, answer: AnswerKind) -> Self {
        Self { answer, ..self }
    }

    const fn whole_scope(self) -> Self {
        Self { needs_whole_scope: true, ..self }
    }

    const fn here(self) -> Self {
        Self { is_bridged: false, ..self }
    }
}

/// The routes of a server.
pub(crate) struct Routes {
    server: WebState,
    router: Router<WebState>,
    /// Method and pattern of each.
    pub(crate) rows: Vec<String>,
}

impl Routes {
    pub(crate) fn new(server: WebState) -> Self {
        let routes = Self { server, router: Router::new(), rows: vec![] };
        routes.with_pages().with_apis().with_scripts()
    }

    fn with_pages(self) -> Self {
        self.row("GET /", OPEN, service::page)
            .row("GET /a/{*path}", OPEN, service::asset)
            .row("POST /login", LOGIN, login::begin)
            .row("POST /login/finish", LOGIN, login::finish)
            .row("POST /login/device", LOGIN, login::greet_device)
            .row("POST /login/password", LOGIN, login::by_password)
            .row("POST /hello", LOGIN, login::greet)
            .row("POST /logout", READ.here().answers(Slow), login::logout)
            .row("GET /me", READ, service::me)
            .row("GET /runs", READ.here(), service::runs)
            .row("GET /ws", READ.answers(Socket(PROTOCOL)), sockets::live)
            // The same of a host.
            .row("GET /h/{host}/ws", READ.answers(Socket(PROTOCOL)), sockets::live)
            .row(
                "GET /r/{run}/type/{name}",
                ADMIN.answers(Socket(TERMINAL_PROTOCOL)),
                sockets::typing,
            )
            .row(
                "GET /r/{run}/look/{name}",
                READ.answers(Socket(TERMINAL_PROTOCOL)),
                sockets::watching,
            )
            .row("GET /r/{run}/apps", WHOLE_READ.answers(Slow), apps::list_apps)
            .row("PUT /r/{run}/apps/{name}", ARCHIVE.answers(Slow), apps::upload)
            .row("POST /r/{run}/apps/{name}/remove", WHOLE_ADMIN.answers(Slow), apps::remove)
            .row("POST /r/{run}/reload", ADMIN.answers(Slow), commands::reload)
            .row("GET /r/{run}/drift", ADMIN, commands::drift)
            .row("GET /r/{run}/again", ADMIN.answers(Slow), commands::propose)
            .row("POST /r/{run}/again", ADMIN.answers(Slow), commands::start)
            .row("GET /r/{run}/text", READ.answers(Text), download::text)
            .row("POST /r/{run}/ticket", READ.here().answers(Slow), download::ticket)
            // The ticket replaces the proof of the key. The cookie identifies the session.
            .row("GET /download/{ticket}", LOGIN, download::download)
            .row("GET /r/{run}/figures", READ, api::figures)
    }

    /// The API of a run: what is read from its files, the requests that pages send, and what else its supervisor answers.
    fn with_apis(mut self) -> Self {
        for path in reading_paths() {
            let rule = if path == "/api/lines" { READ.answers(Lines) } else { READ };
            self = self.row(format!("GET /r/{{run}}{path}"), rule, api::read_run);
        }
        for route in &ROUTES {
            if let Some(role) = route.role {
                let row = format!("{} /r/{{run}}{}", route.method(), route.path);
                self = self.row(row, Rule::new(Need::Session(role)), api::forward);
            }
        }
        self.row("GET /r/{run}/api/processes/{name}/screen", READ, api::forward)
            .row("GET /r/{run}/api/processes/{name}/flags", READ, api::forward)
            // Its files do not have the environment.
            .row("GET /r/{run}/api/processes/{name}/setup", READ, api::forward)
            .row("GET /r/{run}/api/failure-declarations/{name}", READ, api::forward)
            // These write into the project.
            .row("POST /r/{run}/api/failure-declarations/{name}/add", ADMIN, api::forward)
            .row("POST /r/{run}/api/failure-declarations/{name}/remove", ADMIN, api::forward)
            .row("POST /r/{run}/api/clear", ADMIN, api::forward)
            .row("POST /r/{run}/api/processes/{name}/input", ADMIN, api::forward)
    }

    /// The API for scripts, which is about one run at a time.
    fn with_scripts(self) -> Self {
        self.row("GET /api/state", SCRIPT_READ.answers(Lines), ScriptRequest::state)
            .row("GET /api/processes", SCRIPT_READ, ScriptRequest::processes)
            .row("GET /api/poll", SCRIPT_READ.answers(Lines), ScriptRequest::poll)
            .row("GET /api/commands", SCRIPT_READ, ScriptRequest::forward_whole)
            .row("GET /api/status", SCRIPT_READ, ScriptRequest::status)
            .row("GET /api/daemon/info", SCRIPT_READ, ScriptRequest::info)
            .row("GET /api/logs/{name}", SCRIPT_READ.answers(Lines), ScriptRequest::log)
            .row("GET /api/metrics", SCRIPT_READ, ScriptRequest::metrics)
            .row("GET /api/failure-declarations/{name}", WHOLE_READ, ScriptRequest::failures)
            .row("POST /api/process/{name}/toggle", SCRIPT_READ, ScriptRequest::toggle)
            .row("POST /api/processes/select-all", SCRIPT_READ, ScriptRequest::select)
            .row("POST /api/processes/deselect-all", SCRIPT_READ, ScriptRequest::select)
            .row("POST /api/process/{name}/start", SCRIPT_OPERATE, ScriptRequest::act)
            .row("POST /api/process/{name}/stop", SCRIPT_OPERATE, ScriptRequest::act)
            .row("POST /api/process/{name}/restart", SCRIPT_OPERATE, ScriptRequest::act)
            .row("POST /api/failure-declarations/{name}/add", WHOLE_ADMIN, ScriptRequest::failures)
            .row(
                "POST /api/failure-declarations/{name}/remove",
                WHOLE_ADMIN,
                ScriptRequest::failures,
            )
            .row("POST /api/output/clear", SCRIPT_ADMIN, ScriptRequest::forward_whole)
            .row("POST /api/shutdown", SCRIPT_ADMIN, ScriptRequest::forward_whole)
            .row("POST /api/restart", WHOLE_ADMIN, script_api::restart)
    }

    /// HEAD is answered like GET. Over a bridge, a WebSocket begins with CONNECT.
    fn row<T: 'static, H: Handler<T, WebState>>(
        mut self,
        route: impl Into<String>,
        rule: Rule,
        handler: H,
    ) -> Self {
        let route = route.into();
        let (method, path) = route.split_once(' ').unwrap_or(("GET", &route));
        let filter = match (method, rule.answer) {
            ("POST", _) => MethodFilter::POST,
            ("PUT", _) => MethodFilter::PUT,
            (_, Socket(_)) => MethodFilter::GET.or(MethodFilter::CONNECT),
            _ => MethodFilter::GET,
        };
        let guard = from_fn_with_state((Arc::clone(&self.server), rule), guard);
        self.router = self.router.route(path, on(filter, handler).route_layer(guard));
        self.rows.push(route);
        self
    }

    /// The router, which answers any other request with 404 or 405, as far as the gate lets it pass.
    pub(crate) fn into_router(self) -> Router {
        let paths: Arc<[String]> =
            self.rows.iter().filter_map(|row| Some(row.split_once(' ')?.1.to_owned())).collect();
        let unknown_path = async move |State(server): State<WebState>, request: Request| {
            let reason = match server.admit_elsewhere(&request)? {
                Some(_) => nearest::no_such_path(request.uri().path(), paths.iter()),
                None => "there is no such file".to_owned(),
            };
            refuse::<Response>(StatusCode::NOT_FOUND, &reason)
        };
        let unknown_method = async |State(server): State<WebState>, request: Request| {
            server.admit_elsewhere(&request)?;
            let reason = "this path does not support this method";
            refuse::<Response>(StatusCode::METHOD_NOT_ALLOWED, reason)
        };
        let router = self.router.fallback(unknown_path).method_not_allowed_fallback(unknown_method);
        router.with_state(self.server)
    }
}

/// Split a path into the id of the run and the rest.
pub(crate) fn run_of(path: &str) -> Option<(&str, &str)> {
    let (run, rest) = path.strip_prefix("/r/")?.split_once('/')?;
    Some((run, &path[path.len() - rest.len() - 1..]))
}

#[cfg(test)]
mod tests {
    use super::run_of;

    #[test]
    fn a_path_of_a_run_is_split() {
        assert_eq!(run_of("/r/0a/api/lines"), Some(("0a", "/api/lines")));
        assert_eq!(run_of("/r/0a"), None);
    }
}
