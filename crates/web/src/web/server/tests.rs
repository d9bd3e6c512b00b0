//! The permissions of each kind of caller on each route.

use std::collections::BTreeSet;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use pretty_assertions::assert_eq;
use serde_json::Value;
use tokio::time::timeout;

use crate::config::Env;
use crate::model::time::Timestamp;
use crate::sys::clock;
use crate::web::access::options::Access;
use crate::web::access::proof::{Purpose, Secret, nonce};
use crate::web::access::{
    Grant, KnownUser, Role, Scope, ServerNames, Sessions, Site, Users, Visitor,
};
use crate::web::runs::Runs;
use crate::web::server::routes::Routes;
use crate::web::server::service::WebService;
use crate::web::server::{Ends, RECHECK, Server};

/// Method, path, the least role (`-`: no login), and whether the route is open to a session that is limited to the
/// process `web`, and to a program with a token.
const TABLE: &str = "
GET  /                                       -        limited  token
GET  /a/x.js                                 -        limited  token
POST /login                                  -        limited  -
POST /login/finish                           -        limited  -
POST /login/device                           -        limited  -
POST /login/password                         -        limited  -
POST /hello                                  -        limited  -
POST /logout                                 read     limited  token
GET  /me                                     read     limited  token
GET  /runs                                   read     limited  token
GET  /ws                                     read     limited  -
GET  /h/web/ws                               read     limited  -
GET  /r/x/type/web                           admin    -        -
GET  /r/x/look/web                           read     limited  -
GET  /r/x/api/state                          read     -        token
GET  /r/x/api/status                         read     -        token
GET  /r/x/api/processes                      read     -        token
GET  /r/x/api/processes/web                  read     -        token
GET  /r/x/api/lines                          read     limited  token
GET  /r/x/api/extent                         read     limited  token
GET  /r/x/api/output                         read     limited  token
GET  /r/x/api/why                            read     -        token
GET  /r/x/api/processes/web/why              read     -        token
GET  /r/x/api/crashes                        read     -        token
GET  /r/x/api/crashes/web                    read     -        token
GET  /r/x/api/figures                        read     -        token
GET  /r/x/api/processes/web/screen           read     limited  token
GET  /r/x/api/processes/web/flags            read     -        token
GET  /r/x/api/processes/web/setup            read     -        token
GET  /r/x/api/processes/web/compare          read     -        token
GET  /r/x/api/failure-declarations/web       read     -        token
POST /r/x/api/failure-declarations/web/add   admin    -        token
POST /r/x/api/failure-declarations/web/remove  admin  -        token
POST /r/x/api/processes/web/start            operate  -        token
POST /r/x/api/processes/web/stop             operate  -        token
POST /r/x/api/processes/web/restart          operate  -        token
POST /r/x/api/start                          operate  -        token
POST /r/x/api/stop                           operate  -        token
POST /r/x/api/restart                        operate  -        token
POST /r/x/api/signal                         admin    -        token
POST /r/x/api/watch/pause                    operate  -        token
POST /r/x/api/watch/resume                   operate  -        token
POST /r/x/api/scale                          admin    -        token
POST /r/x/api/reload                         admin    -        token
POST /r/x/api/clear                          admin    -        token
POST /r/x/api/quit                           admin    -        token
POST /r/x/api/kill                           admin    -        token
POST /r/x/api/processes/web/input            admin    -        token
GET  /r/x/text                               read     limited  token
POST /r/x/ticket                             read     limited  token
GET  /download/web                           -        limited  -
GET  /r/x/apps                               read     -        token
PUT  /r/x/apps/web                           admin    -        token
POST /r/x/apps/web/remove                    admin    -        token
GET  /r/x/figures                            read     limited  token
POST /r/x/reload                             admin    -        token
GET  /r/x/again                              admin    -        token
GET  /r/x/drift                              admin    -        token
POST /r/x/again                              admin    -        token
GET  /r/x/api/count                          read     limited  token
GET  /api/state                              read     limited  token
GET  /api/processes                          read     limited  token
GET  /api/poll                               read     limited  token
GET  /api/commands                           read     limited  token
GET  /api/status                             read     limited  token
GET  /api/daemon/info                        read     limited  token
GET  /api/logs/web                           read     limited  token
GET  /api/metrics                            read     limited  token
GET  /api/failure-declarations/web           read     -        token
POST /api/process/web/toggle                 read     limited  token
POST /api/processes/select-all               read     limited  token
POST /api/processes/deselect-all             read     limited  token
POST /api/process/web/start                  operate  -        token
POST /api/process/web/stop                   operate  -        token
POST /api/process/web/restart                operate  -        token
POST /api/failure-declarations/web/add       admin    -        token
POST /api/failure-declarations/web/remove    admin    -        token
POST /api/output/clear                       admin    -        token
POST /api/shutdown                           admin    -        token
POST /api/restart                            admin    -        token
";

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A server that gives this role to programs with the token.
fn server(dir: &Path, role: Role) -> Arc<Server> {
    let (token, users) = (dir.join("token"), dir.join("users"));
    let mut options = std::fs::OpenOptions::new();
    #[expect(clippy::disallowed_methods, reason = "a file of the test")]
    let mut file =
        options.create(true).truncate(true).write(true).mode(0o600).open(&token).unwrap();
    std::io::Write::write_all(&mut file, TOKEN.as_bytes()).unwrap();
    let public = Some("tmo.example.com".to_owned());
    let names = ServerNames::new("0123", public.clone());
    let token = Some((token, role));
    let access =
        Access { public, proxies: vec![], users, state: dir.to_owned(), token, names: false };
    let env = Env::of([("XDG_RUNTIME_DIR", dir), ("XDG_STATE_HOME", dir), ("HOME", dir)]);
    let sessions = Sessions::open(tempfile::tempfile().unwrap());
    let runs = Arc::new(Runs::new(env, None));
    Arc::new(Server::new(names, 10_000, access, sessions, runs).unwrap())
}

/// The headers of a page that is logged in.
fn page(server: &Server, grant: Grant, user: Option<&KnownUser>) -> Vec<(&'static str, String)> {
    page_since(server, grant, user, clock::now())
}

fn page_since(
    server: &Server,
    grant: Grant,
    user: Option<&KnownUser>,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let mut sessions = server.sessions();
    let link = sessions.link(grant, user.cloned(), now).unwrap().public;
    let (id, secret) = link.split_once('.').unwrap();
    let secret: Secret = serde_json::from_str(&format!("{secret:?}")).unwrap();
    let mine = nonce().unwrap();
    let (theirs, _) = sessions.begin(id, Site::Public, &mine, now).unwrap();
    let nonces = [&*mine, &*theirs];
    let proof = secret.proof(Purpose::LOGIN_PAGE, &nonces);
    let begun = sessions.finish(id, Site::Public, &proof, &[], Visitor::default(), now).unwrap();
    let proof = secret.key(&nonces).proof(Purpose::PAGE, &[&mine]);
    vec![
        ("cookie", format!("__Host-tmo-10000={}", begun.cookie)),
        ("x-tmo-key", format!("{}.{mine}.{proof}", begun.id)),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passes,
    LoggedOut,
    Forbidden,
    /// The server can't check the session.
    Unchecked,
}

async fn verdict(
    server: &Arc<Server>,
    (method, path): (&str, &str),
    caller: &[(&'static str, String)],
) -> Verdict {
    let is_program = caller.iter().any(|(name, _)| *name == "authorization");
    let mut request = Request::builder().method(method).uri(path).header("host", "tmo.example.com");
    if !is_program {
        request = request.header("origin", "https://tmo.example.com");
    }
    if path.ends_with("/ws") || path.contains("/type/") || path.contains("/look/") {
        request = request.header("upgrade", "websocket");
    }
    if method == "PUT" {
        request = request.header("content-type", "application/zip");
    }
    for (name, value) in caller {
        request = request.header(*name, value);
    }
    let ends = "127.0.0.1:1".parse().unwrap();
    let ends = Ends { peer: ends, local: ends };
    let request = request.body(Body::empty()).unwrap();
    let Ok(answer) = WebService::new(Arc::clone(server)).respond(ends, request).await;
    match answer.status() {
        StatusCode::UNAUTHORIZED => Verdict::LoggedOut,
        StatusCode::FORBIDDEN => Verdict::Forbidden,
        StatusCode::SERVICE_UNAVAILABLE => Verdict::Unchecked,
        _ => Verdict::Passes,
    }
}

/// A path that this pattern matches.
fn example(pattern: &str) -> String {
    let path = pattern.replace("{run}", "x").replace("{*path}", "x.js");
    ["{host}", "{name}", "{id}", "{ticket}"]
        .iter()
        .fold(path, |path, part| path.replace(part, "web"))
}

#[tokio::test]
async fn each_role_gets_the_routes_of_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let rows = TABLE.lines().filter(|line| !line.is_empty());
    let rows = rows.map(|row| row.split_whitespace().collect::<Vec<_>>());
    let rows: Vec<_> = rows.map(|row| <[&str; 5]>::try_from(row).unwrap()).collect();
    let in_table: BTreeSet<_> =
        rows.iter().map(|[method, path, ..]| format!("{method} {path}")).collect();
    let routes = Routes::new(server(dir.path(), Role::Read)).rows;
    let routes = routes.iter().map(|route| example(route));
    assert_eq!(in_table, routes.collect(), "each route is in the table");

    let mut users = Users::default();
    users.add("anna", Role::Read, "correct horse").unwrap();
    users.write(&dir.path().join("users")).unwrap();
    let anna = users.users[0].known();
    for role in Role::ALL {
        let server = server(dir.path(), role);
        for [method, path, least, limited, token] in &rows {
            let at = (*method, *path);
            let is_open = *least == "-";
            let may = is_open || Role::ALL.iter().any(|one| one.word() == *least && role >= *one);
            let expected = if may { Verdict::Passes } else { Verdict::Forbidden };
            let grant = Grant { role, scope: Scope::All, until: None };
            for user in [None, Some(&anna)] {
                let caller = page(&server, grant.clone(), user);
                assert_eq!(
                    verdict(&server, at, &caller).await,
                    expected,
                    "{at:?} {role:?} {user:?}"
                );
                let half = verdict(&server, at, &caller[..1]).await;
                let out = if is_open { Verdict::Passes } else { Verdict::LoggedOut };
                assert_eq!(half, out, "{at:?} with the cookie only");
                assert_eq!(verdict(&server, at, &[]).await, out, "{at:?} without a login");
            }
            let names = vec!["web".to_owned()];
            let scope = Scope::Processes { run: "x".to_owned(), names };
            let caller = page(&server, Grant { scope, ..grant }, None);
            let may_limited = may && *limited == "limited";
            let expected = if may_limited { Verdict::Passes } else { Verdict::Forbidden };
            let passed = verdict(&server, at, &caller).await;
            // A limited session always has the role `read`.
            if role == Role::Read {
                assert_eq!(passed, expected, "{at:?} limited");
            }
            let bearer = |token: &str| vec![("authorization", format!("Bearer {token}"))];
            let expected = match (*token == "token", may) {
                (true, true) => Verdict::Passes,
                (true, false) | (false, _) => Verdict::Forbidden,
            };
            assert_eq!(
                verdict(&server, at, &bearer(TOKEN)).await,
                expected,
                "{at:?} {role:?} token"
            );
            let wrong = verdict(&server, at, &bearer("wrong")).await;
            let is_page = is_open && *token == "token";
            assert_eq!(wrong == Verdict::Passes, is_page, "{at:?} with a wrong token");
        }
    }
}

#[tokio::test]
async fn the_connections_of_a_session_end_when_it_expires() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), Role::Read);
    // Nothing has used it for almost twelve hours.
    let last = clock::now().nanos() - (12 * 3600 - 5) * 1_000_000_000;
    let caller = page_since(&server, Grant::OWNER, None, Timestamp::from_nanos(last));
    assert_eq!(verdict(&server, ("GET", "/me"), &caller).await, Verdict::Passes);
    let id = caller[1].1.split('.').next().unwrap();
    let ended = timeout(Duration::from_secs(60), server.end_of_session(id)).await;
    assert!(ended.is_ok(), "the session still lasts");
    assert_eq!(verdict(&server, ("GET", "/me"), &caller).await, Verdict::LoggedOut);
}

#[tokio::test]
async fn a_session_ends_with_the_entry_of_its_user() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users");
    let server = server(dir.path(), Role::Read);
    tokio::spawn(Arc::clone(&server).follow_users(RECHECK));
    let added = |name: &str| {
        let mut users = Users::default();
        users.add(name, Role::Operate, "correct horse").unwrap();
        users.write(&path).unwrap();
        users.users[0].known()
    };
    let grant = Grant { role: Role::Operate, scope: Scope::All, until: None };
    let anna = added("anna");
    let caller = page(&server, grant.clone(), Some(&anna));
    server.user_logged_in.notify_one();
    assert_eq!(verdict(&server, ("GET", "/me"), &caller).await, Verdict::Passes);
    let id = caller[1].1.split('.').next().unwrap();
    let mut end = std::pin::pin!(server.end_of_session(id));
    assert!(timeout(Duration::from_millis(50), &mut end).await.is_err());
    // The same name and password are another entry.
    added("anna");
    assert!(timeout(Duration::from_secs(50), end).await.is_ok(), "its connections still last");
    assert_eq!(verdict(&server, ("GET", "/me"), &caller).await, Verdict::LoggedOut);
    let bob = added("bob");
    let caller = page(&server, grant, Some(&bob));
    assert_eq!(verdict(&server, ("GET", "/me"), &caller).await, Verdict::Passes);
    std::fs::remove_file(path).unwrap();
    assert_eq!(verdict(&server, ("GET", "/me"), &caller).await, Verdict::LoggedOut);
}

/// Write a file with one user.
fn add_user(path: &Path, name: &str) -> KnownUser {
    let mut users = Users::default();
    users.add(name, Role::Operate, "correct horse").unwrap();
    users.write(path).unwrap();
    users.users[0].known()
}

#[tokio::test]
async fn the_file_of_users_is_read_again_only_when_it_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, server) = (dir.path().join("users"), server(dir.path(), Role::Read));
    let caller = page(&server, Grant::OWNER, Some(&add_user(&path, "anna")));
    let asked = async || verdict(&server, ("GET", "/me"), &caller).await;
    let reads = || server.checked.lock().unwrap().reads;
    for _ in 0..3 {
        assert_eq!((asked().await, reads()), (Verdict::Passes, 1));
    }
    // The same content in another file.
    std::fs::copy(&path, dir.path().join("copy")).unwrap();
    std::fs::rename(dir.path().join("copy"), &path).unwrap();
    assert_eq!((asked().await, reads()), (Verdict::Passes, 2));
    server.distrust_users();
    assert_eq!((asked().await, reads()), (Verdict::Passes, 3));
    add_user(&path, "anna");
    assert_eq!(asked().await, Verdict::LoggedOut);
}

#[tokio::test]
async fn a_file_of_users_that_cannot_be_read_ends_no_session() {
    let dir = tempfile::tempdir().unwrap();
    let (path, server) = (dir.path().join("users"), server(dir.path(), Role::Read));
    let caller = page(&server, Grant::OWNER, Some(&add_user(&path, "anna")));
    let owner = page(&server, Grant::OWNER, None);
    let asked = async |caller| verdict(&server, ("GET", "/me"), caller).await;
    let set_mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode).unwrap();
    };
    assert_eq!(asked(&caller).await, Verdict::Passes);
    set_mode(0o644);
    for _ in 0..2 {
        assert_eq!(asked(&caller).await, Verdict::Unchecked);
        assert_eq!(asked(&owner).await, Verdict::Passes);
    }
    set_mode(0o600);
    assert_eq!(asked(&caller).await, Verdict::Passes);
}

#[tokio::test]
async fn the_session_of_a_removed_user_ends_even_if_no_change_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        dir.path().join(name)
    });
    // The watch stays at the directory that was meant at first.
    let state = dir.path().join("state");
    std::os::unix::fs::symlink(&one, &state).unwrap();
    let anna = add_user(&one.join("users"), "anna");
    add_user(&other.join("users"), "bob");
    let server = server(&state, Role::Read);
    let caller = page(&server, Grant::OWNER, Some(&anna));
    tokio::spawn(Arc::clone(&server).follow_users(Duration::from_millis(20)));
    while server.checked.lock().unwrap().reads == 0 {
        tokio::task::yield_now().await;
    }
    std::os::unix::fs::symlink(&other, dir.path().join("new")).unwrap();
    std::fs::rename(dir.path().join("new"), &state).unwrap();
    let id = caller[1].1.split('.').next().unwrap();
    assert!(timeout(Duration::from_secs(50), server.end_of_session(id)).await.is_ok());
}

/// Status and reason of the answer to a page of the owner.
async fn answered(server: &Arc<Server>, method: &str, path: &str) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(path);
    let page = page(server, Grant::OWNER, None).into_iter();
    let own = [("host", "tmo.example.com"), ("origin", "https://tmo.example.com")];
    for (name, value) in own.map(|(name, value)| (name, value.to_owned())).into_iter().chain(page) {
        request = request.header(name, value);
    }
    let ends = "127.0.0.1:1".parse().unwrap();
    let request = request.body(Body::empty()).unwrap();
    let service = WebService::new(Arc::clone(server));
    let Ok(answer) = service.respond(Ends { peer: ends, local: ends }, request).await;
    assert!(!answer.headers().contains_key("allow"), "{method} {path}");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_unknown_path_is_named_with_the_nearest_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), Role::Read);
    let near = async |path| {
        let (status, reason) = answered(&server, "GET", path).await;
        assert_eq!(status, 404, "{path}");
        reason.split('`').nth(3).map(str::to_owned)
    };
    assert_eq!(near("/api/statu").await.as_deref(), Some("/api/state"));
    assert_eq!(near("/r/0a/api/line").await.as_deref(), Some("/r/0a/api/lines"));
    assert_eq!(near("/api/logz/web").await.as_deref(), Some("/api/logs/web"));
    assert_eq!(
        near("/r/0a/api/processes/web/whyy").await.as_deref(),
        Some("/r/0a/api/processes/web/why")
    );
    assert_eq!(near("/api/status/").await.as_deref(), Some("/api/status"));
    for far in ["/wholly/other", "/r/0a/api/foo", "/api/processes/web/whyy", "/b/x", "//"] {
        assert_eq!(near(far).await, None, "{far}");
    }
}

#[tokio::test]
async fn each_path_is_found_with_its_method_only() {
    const OTHER_METHOD: &str = "this path does not support this method";
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), Role::Read);
    let rows = Routes::new(Arc::clone(&server)).rows;
    for row in &rows {
        let route = example(row).replace("web", "a%2Fb");
        let (method, path) = route.split_once(' ').unwrap();
        let (_, reason) = answered(&server, method, path).await;
        assert!(!reason.contains(path) && reason != OTHER_METHOD, "{path}: {reason}");
        let unknown = answered(&server, "PATCH", path).await;
        assert_eq!(unknown, (405, OTHER_METHOD.to_owned()), "{path}");
        if !path.starts_with("/a/") {
            let (status, reason) = answered(&server, "GET", &format!("{path}/")).await;
            assert_eq!(status, 404, "{path}/: {reason}");
        }
    }
    assert_eq!(answered(&server, "HEAD", "/").await.0, 200);
    assert_eq!(answered(&server, "GET", "/hello").await, (405, OTHER_METHOD.to_owned()));
    assert_eq!(answered(&server, "GET", "/r//api/state").await.0, 404);
    for nothing in ["/a/", "/r/x/api", "/r/x/api/", "//", "/me/../ws"] {
        let (status, reason) = answered(&server, "GET", nothing).await;
        assert_eq!(status, 404, "{nothing}");
        assert!(reason.starts_with(&format!("there is no `{nothing}` here")), "{reason}");
    }
}
