//! Every path, with its requirement and its handler.

use axum::http::{Method, StatusCode};

use super::gate::Need;
use super::grant::Role;
use crate::model::nearest;

/// The handler of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteHandler {
    /// The page.
    Page,
    /// A script, style or picture of the page.
    Asset,
    /// The first step of a login.
    Login,
    /// Its second step.
    LoginFinish,
    /// The server's proof for a browser that has logged in with a password before.
    LoginDevice,
    /// The exchange of a name and a password for a link.
    LoginPassword,
    /// The server's proof that it knows the key of the session.
    Hello,
    /// The download of the log.
    Download,
    /// A part for logged-in sessions.
    OfSession(OfSession),
}

/// The handler of a request of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfSession {
    /// The end of the session.
    Logout,
    /// The role of the session.
    Me,
    /// The runs of the user.
    Runs,
    /// The WebSocket with changes.
    Live,
    /// The terminal of a process, for typing.
    Terminal,
    /// The terminal of a process, for watching.
    Look,
    /// The apps of a run: their list, the upload of an archive, a removal.
    Apps,
    /// A reload of a run's configuration.
    Reload,
    /// What has changed since the processes of a run were started.
    Drift,
    /// Another start of a run that is over.
    Again,
    /// The samples of the resource use of a run's processes.
    Figures,
    /// The log as text.
    Text,
    /// A ticket for a download of the log.
    Ticket,
    /// The API of a run, from its files.
    Files,
    /// The API of a run, forwarded to its supervisor.
    Supervisor,
    /// A call of the API for scripts.
    Script(ScriptCall),
}

/// The calls of the API for scripts, `/api/…`, which is about one run at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptCall {
    /// The state of the run, with the last lines of each process.
    State,
    /// The processes in short.
    Processes,
    /// The lines since a message.
    Poll,
    /// How many processes are in which state.
    Status,
    /// The supervisor.
    Info,
    /// A numbered page of the log of a process.
    Log,
    /// The resource use of the processes.
    Metrics,
    /// The failure declarations of a process, to be read or changed.
    Failures,
    /// Select or deselect a process for this session.
    Toggle,
    /// Select all processes, or none.
    Select(bool),
    /// Start, stop or restart a process.
    Act,
    /// A request about the whole run, forwarded to this path of its API.
    Whole(&'static str),
    /// Start this server again.
    Restart,
}

const READ: Need = Need::Session(Role::Read);
const OPERATE: Need = Need::Session(Role::Operate);
const ADMIN: Need = Need::Session(Role::Admin);

const FILES: RouteHandler = session(OfSession::Files);
const SUPERVISOR: RouteHandler = session(OfSession::Supervisor);

const fn session(part: OfSession) -> RouteHandler {
    RouteHandler::OfSession(part)
}

const fn script(call: ScriptCall) -> RouteHandler {
    session(OfSession::Script(call))
}

/// Method, pattern (`{}`: one segment, `*`: the rest), requirement and handler. The answer to any other request is
/// 404.
pub(super) const ROUTES: &[(Method, &str, Need, RouteHandler)] = &[
    (Method::GET, "/", Need::Nothing, RouteHandler::Page),
    (Method::GET, "/a/*", Need::Nothing, RouteHandler::Asset),
    (Method::POST, "/login", Need::OwnPage, RouteHandler::Login),
    (Method::POST, "/login/finish", Need::OwnPage, RouteHandler::LoginFinish),
    (Method::POST, "/login/device", Need::OwnPage, RouteHandler::LoginDevice),
    (Method::POST, "/login/password", Need::OwnPage, RouteHandler::LoginPassword),
    (Method::POST, "/hello", Need::OwnPage, RouteHandler::Hello),
    (Method::POST, "/logout", READ, session(OfSession::Logout)),
    (Method::GET, "/me", READ, session(OfSession::Me)),
    (Method::GET, "/runs", READ, session(OfSession::Runs)),
    (Method::GET, "/ws", READ, session(OfSession::Live)),
    // The same of a host.
    (Method::GET, "/h/{}/ws", READ, session(OfSession::Live)),
    (Method::GET, "/r/{}/type/{}", ADMIN, session(OfSession::Terminal)),
    (Method::GET, "/r/{}/look/{}", READ, session(OfSession::Look)),
    (Method::GET, "/r/{}/apps", READ, session(OfSession::Apps)),
    (Method::PUT, "/r/{}/apps/{}", Need::Archive, session(OfSession::Apps)),
    (Method::POST, "/r/{}/apps/{}/remove", ADMIN, session(OfSession::Apps)),
    (Method::POST, "/r/{}/reload", ADMIN, session(OfSession::Reload)),
    (Method::GET, "/r/{}/drift", ADMIN, session(OfSession::Drift)),
    (Method::GET, "/r/{}/again", ADMIN, session(OfSession::Again)),
    (Method::POST, "/r/{}/again", ADMIN, session(OfSession::Again)),
    (Method::GET, "/r/{}/text", READ, session(OfSession::Text)),
    (Method::POST, "/r/{}/ticket", READ, session(OfSession::Ticket)),
    // The ticket replaces the proof of the key. The cookie identifies the session.
    (Method::GET, "/download/{}", Need::OwnPage, RouteHandler::Download),
    (Method::GET, "/r/{}/figures", READ, session(OfSession::Figures)),
    (Method::GET, "/r/{}/api/state", READ, FILES),
    (Method::GET, "/r/{}/api/status", READ, FILES),
    (Method::GET, "/r/{}/api/processes", READ, FILES),
    (Method::GET, "/r/{}/api/processes/{}", READ, FILES),
    (Method::GET, "/r/{}/api/lines", READ, FILES),
    (Method::GET, "/r/{}/api/extent", READ, FILES),
    (Method::GET, "/r/{}/api/count", READ, FILES),
    (Method::GET, "/r/{}/api/output", READ, FILES),
    (Method::GET, "/r/{}/api/why", READ, FILES),
    (Method::GET, "/r/{}/api/processes/{}/why", READ, FILES),
    (Method::GET, "/r/{}/api/crashes", READ, FILES),
    (Method::GET, "/r/{}/api/crashes/{}", READ, FILES),
    (Method::GET, "/r/{}/api/figures", READ, FILES),
    (Method::GET, "/r/{}/api/processes/{}/screen", READ, SUPERVISOR),
    (Method::GET, "/r/{}/api/processes/{}/flags", READ, SUPERVISOR),
    // Its files do not have the environment.
    (Method::GET, "/r/{}/api/processes/{}/setup", READ, SUPERVISOR),
    (Method::GET, "/r/{}/api/processes/{}/compare", READ, FILES),
    (Method::GET, "/r/{}/api/failure-declarations/{}", READ, SUPERVISOR),
    // These write into the project.
    (Method::POST, "/r/{}/api/failure-declarations/{}/add", ADMIN, SUPERVISOR),
    (Method::POST, "/r/{}/api/failure-declarations/{}/remove", ADMIN, SUPERVISOR),
    (Method::POST, "/r/{}/api/processes/{}/start", OPERATE, SUPERVISOR),
    (Method::POST, "/r/{}/api/processes/{}/stop", OPERATE, SUPERVISOR),
    (Method::POST, "/r/{}/api/processes/{}/restart", OPERATE, SUPERVISOR),
    (Method::POST, "/r/{}/api/start", OPERATE, SUPERVISOR),
    (Method::POST, "/r/{}/api/stop", OPERATE, SUPERVISOR),
    (Method::POST, "/r/{}/api/restart", OPERATE, SUPERVISOR),
    (Method::POST, "/r/{}/api/signal", ADMIN, SUPERVISOR),
    (Method::POST, "/r/{}/api/watch/pause", OPERATE, SUPERVISOR),
    (Method::POST, "/r/{}/api/watch/resume", OPERATE, SUPERVISOR),
    (Method::POST, "/r/{}/api/scale", ADMIN, SUPERVISOR),
    (Method::POST, "/r/{}/api/reload", ADMIN, SUPERVISOR),
    (Method::POST, "/r/{}/api/clear", ADMIN, SUPERVISOR),
    (Method::POST, "/r/{}/api/quit", ADMIN, SUPERVISOR),
    (Method::POST, "/r/{}/api/kill", ADMIN, SUPERVISOR),
    (Method::POST, "/r/{}/api/processes/{}/input", ADMIN, SUPERVISOR),
    (Method::GET, "/api/state", READ, script(ScriptCall::State)),
    (Method::GET, "/api/processes", READ, script(ScriptCall::Processes)),
    (Method::GET, "/api/poll", READ, script(ScriptCall::Poll)),
    (Method::GET, "/api/commands", READ, script(ScriptCall::Whole("/api/commands"))),
    (Method::GET, "/api/status", READ, script(ScriptCall::Status)),
    (Method::GET, "/api/daemon/info", READ, script(ScriptCall::Info)),
    (Method::GET, "/api/logs/{}", READ, script(ScriptCall::Log)),
    (Method::GET, "/api/metrics", READ, script(ScriptCall::Metrics)),
    (Method::GET, "/api/failure-declarations/{}", READ, script(ScriptCall::Failures)),
    (Method::POST, "/api/process/{}/toggle", READ, script(ScriptCall::Toggle)),
    (Method::POST, "/api/processes/select-all", READ, script(ScriptCall::Select(true))),
    (Method::POST, "/api/processes/deselect-all", READ, script(ScriptCall::Select(false))),
    (Method::POST, "/api/process/{}/start", OPERATE, script(ScriptCall::Act)),
    (Method::POST, "/api/process/{}/stop", OPERATE, script(ScriptCall::Act)),
    (Method::POST, "/api/process/{}/restart", OPERATE, script(ScriptCall::Act)),
    (Method::POST, "/api/failure-declarations/{}/add", ADMIN, script(ScriptCall::Failures)),
    (Method::POST, "/api/failure-declarations/{}/remove", ADMIN, script(ScriptCall::Failures)),
    (Method::POST, "/api/output/clear", ADMIN, script(ScriptCall::Whole("/api/clear"))),
    (Method::POST, "/api/shutdown", ADMIN, script(ScriptCall::Whole("/api/quit?wait=false"))),
    (Method::POST, "/api/restart", ADMIN, script(ScriptCall::Restart)),
];

/// The requirement and the handler of a request; HEAD is answered like GET. An error is the status of the answer: the
/// path does not exist, or not with this method.
pub(super) fn find(method: &Method, path: &str) -> Result<(Need, RouteHandler), StatusCode> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut of_path = ROUTES.iter().filter(|route| is_match(route.1, path)).peekable();
    if of_path.peek().is_none() {
        return Err(StatusCode::NOT_FOUND);
    }
    let found = of_path.find(|route| route.0 == *method);
    found.map(|(_, _, need, part)| (*need, *part)).ok_or(StatusCode::METHOD_NOT_ALLOWED)
}

/// The reason why a path does not exist, with the nearest one.
pub(super) fn no_such_path(path: &str) -> String {
    nearest::no_such_path(path, ROUTES.iter().map(|route| route.1))
}

fn is_match(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("*"), Some(part)) => return !part.is_empty(),
            (Some("{}"), Some(part)) if !part.is_empty() => {}
            (Some(one), Some(other)) if one == other => {}
            (Some(_), _) | (None, Some(_)) => return false,
        }
    }
}

/// Split a path into the id of the run and the rest.
pub(super) fn run_of(path: &str) -> Option<(&str, &str)> {
    let (run, rest) = path.strip_prefix("/r/")?.split_once('/')?;
    Some((run, &path[path.len() - rest.len() - 1..]))
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};

    use super::{ROUTES, find, no_such_path, run_of};

    #[test]
    fn an_unknown_path_is_named_with_the_nearest_one() {
        let near = |path| no_such_path(path).split('`').nth(3).map(str::to_owned);
        assert_eq!(near("/api/statu").as_deref(), Some("/api/state"));
        assert_eq!(near("/r/0a/api/line").as_deref(), Some("/r/0a/api/lines"));
        assert_eq!(near("/api/logz/web").as_deref(), Some("/api/logs/web"));
        assert_eq!(
            near("/r/0a/api/processes/web/whyy").as_deref(),
            Some("/r/0a/api/processes/web/why")
        );
        assert_eq!(near("/api/status/").as_deref(), Some("/api/status"));
        for far in ["/wholly/other", "/r/0a/api/foo", "/api/processes/web/whyy", "/b/x", "//", "/"]
        {
            assert_eq!(near(far), None, "{far}");
        }
    }

    #[test]
    fn each_path_is_found_with_its_method_only() {
        for (method, pattern, need, part) in ROUTES {
            let path = pattern.replace("{}", "a%2Fb").replace('*', "0.2.0/x.js");
            assert_eq!(find(method, &path), Ok((*need, *part)), "{path}");
            assert!(find(&Method::PATCH, &path).is_err(), "{path}");
            let asset = path.starts_with("/a/").then(|| find(&Method::GET, &path));
            let expected = asset.unwrap_or(Err(StatusCode::NOT_FOUND));
            assert_eq!(find(method, &format!("{path}/")), expected, "{path}");
        }
        assert_eq!(find(&Method::HEAD, "/"), find(&Method::GET, "/"));
        assert_eq!(find(&Method::GET, "/hello"), Err(StatusCode::METHOD_NOT_ALLOWED));
        for nothing in ["", "/a/", "/r//api/state", "/r/x/api", "/r/x/api/", "//", "/me/../ws"] {
            assert_eq!(find(&Method::GET, nothing), Err(StatusCode::NOT_FOUND), "{nothing}");
        }
        assert_eq!(run_of("/r/0a/api/lines"), Some(("0a", "/api/lines")));
        assert_eq!(run_of("/r/0a"), None);
    }
}
