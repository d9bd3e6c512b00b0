//! The requests that change something, as HTTP has them: the client sends a [`Request`](crate::model::request::Request)
//! by its row, and the server reads it by the same row and describes it in `docs/openapi.json`.

use hyper::Method;
use serde_json::{Map, Value};

use crate::model::name::role::Role;

/// A request over HTTP.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The `verb` of the request. The first row of a verb is what clients of tmo send.
    pub verb: &'static str,
    /// The name of the operation in the description.
    pub id: &'static str,
    /// Whether it is PUT instead of POST.
    pub put: bool,
    /// `{name}` is the `name` of the request, or the only one of its `names`.
    pub path: &'static str,
    /// The `on` of the request.
    pub on: Option<bool>,
    pub body: Option<Body>,
    /// The verb of the request if there is no body.
    pub without_body: Option<&'static str>,
    /// What `{name}` may be.
    pub name: Option<&'static str>,
    pub tag: &'static str,
    /// The role that may send it from a page; `None` if pages don't send it.
    pub role: Option<Role>,
    /// The description, if it is not that of the variant of the request.
    pub about: Option<&'static str>,
}

/// Which fields of the request the body of a route has.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    pub fields: &'static [&'static str],
    /// What it is for; `None` if there must be one.
    pub optional: Option<&'static str>,
    /// The name of its schema.
    pub schema: &'static str,
    /// The description of its schema.
    pub about: &'static str,
}

const WHICH: Option<&str> = Some("Which; without a body, all.");
const CHOSEN: Body =
    Body { optional: WHICH, ..body("Names", &["names", "order"], "Which processes.") };
const WATCHED: Body =
    Body { optional: WHICH, ..body("Watched", &["names"], "Which watched processes.") };
const CONSENT: Body = Body {
    optional: Some("For an action."),
    ..body("Consent", &["confirmed"], "How an action is run.")
};
const INSTALLED: Body = body("Installed", &["then"], "The parameters of an installation.");
const SIGNALLED: Body = body("Signalled", &["signal", "names"], "A signal, and for whom.");
const SCALED: Body = body("Scaled", &["counts"], "The desired numbers of instances.");
const RELOADED: Body = body("Reloaded", &["plan"], "What is to be run from now on.");
const SIZE: Body = body("Size", &["columns", "rows"], "The size of a terminal.");

const FULL_NAME: &str = "The full name.";
const PATTERN: &str = "A name, a pattern or an entry.";

/// Every request.
pub static ROUTES: [Route; 17] = [
    post("start", "start", "/api/start").body(CHOSEN).role(Role::Operate),
    post("stop", "stop", "/api/stop").body(CHOSEN).role(Role::Operate),
    post("restart", "restart", "/api/restart").body(CHOSEN).role(Role::Operate),
    // A supervisor of 0.3 starts it, as it ignores the body.
    Route { without_body: Some("start"), ..post("act", "start_one", "/api/processes/{name}/start") }
        .name("A name, a pattern or an entry; with a body, the full name.")
        .body(CONSENT)
        .role(Role::Operate)
        .about(
            "Start one, unless it is running.\n\nWith a body, it is an action that runs: the request is \
             refused while it does, and complete when it has ended.",
        ),
    post("stop", "stop_one", "/api/processes/{name}/stop")
        .name(PATTERN)
        .role(Role::Operate)
        .about("Stop one and leave it stopped."),
    post("restart", "restart_one", "/api/processes/{name}/restart")
        .name(PATTERN)
        .role(Role::Operate)
        .about("Stop one, then start it again."),
    post("use", "use_one", "/api/processes/{name}/use").name(FULL_NAME),
    post("install", "install", "/api/processes/{name}/install").name(FULL_NAME).body(INSTALLED),
    post("signal", "signal", "/api/signal").body(SIGNALLED).role(Role::Admin),
    Route { on: Some(false), ..post("watch", "watch_pause", "/api/watch/pause") }.body(WATCHED).role(Role::Operate).about(
        "Have changed files not restart processes until they are resumed.\n\nThe state of a process has in \
         `watch` what changed files do to it. Without a body: all.",
    ),
    Route { on: Some(true), ..post("watch", "watch_resume", "/api/watch/resume") }.body(WATCHED).role(Role::Operate).about(
        "Have changed files restart processes again that were paused, or are held because they restarted \
         themselves.\n\nWithout a body: all.",
    ),
    post("scale", "scale", "/api/scale").body(SCALED).role(Role::Admin),
    post("reload", "reload", "/api/reload").body(RELOADED).tag("run").role(Role::Admin),
    post("quit", "quit", "/api/quit").tag("run").role(Role::Admin),
    post("quit", "shutdown", "/api/shutdown").tag("run").about("Another name of `/api/quit`."),
    post("kill", "kill", "/api/kill").tag("run").role(Role::Admin),
    Route { put: true, ..post("resize", "size", "/api/size") }.body(SIZE).tag("terminals"),
];

const fn body(schema: &'static str, fields: &'static [&'static str], about: &'static str) -> Body {
    Body { fields, optional: None, schema, about }
}

const fn post(verb: &'static str, id: &'static str, path: &'static str) -> Route {
    Route {
        verb,
        id,
        put: false,
        path,
        on: None,
        body: None,
        without_body: None,
        name: None,
        tag: "processes",
        role: None,
        about: None,
    }
}

impl Route {
    const fn body(self, body: Body) -> Self {
        Self { body: Some(body), ..self }
    }

    const fn name(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }

    const fn tag(self, tag: &'static str) -> Self {
        Self { tag, ..self }
    }

    const fn role(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }

    const fn about(self, about: &'static str) -> Self {
        Self { about: Some(about), ..self }
    }

    pub const fn method(&self) -> Method {
        if self.put { Method::PUT } else { Method::POST }
    }

    /// The fields that the body may have.
    pub fn fields(&self) -> &'static [&'static str] {
        self.body.map_or(&[], |body| body.fields)
    }

    /// The route of the request with these fields.
    pub fn of_request(fields: &Map<String, Value>) -> Option<&'static Self> {
        ROUTES.iter().find(|route| {
            fields.get("verb").is_some_and(|verb| verb == route.verb)
                && route.on.is_none_or(|on| fields.get("on") == Some(&on.into()))
        })
    }
}
