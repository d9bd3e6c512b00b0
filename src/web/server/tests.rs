//! The permissions of each kind of caller on each route.

use std::collections::BTreeSet;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use pretty_assertions::assert_eq;

use super::{Ends, Server};
use crate::config::Env;
use crate::sys::clock;
use crate::web::access::Access;
use crate::web::gate::Names;
use crate::web::grant::{Grant, Role, Scope};
use crate::web::proof::{Purpose, Secret, nonce};
use crate::web::routes::ROUTES;
use crate::web::sessions::Sessions;
use crate::web::source::Runs;

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
GET  /r/x/api/count                          read     limited  token
GET  /api/state                              read     limited  token
GET  /api/processes                          read     limited  token
GET  /api/poll                               read     limited  token
GET  /api/status                             read     limited  token
GET  /api/daemon/info                        read     limited  token
GET  /api/logs/web                           read     limited  token
GET  /api/metrics                            read     limited  token
GET  /api/failure-declarations/web           read     limited  token
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
    let names = Names::new("0123", public.clone());
    let token = Some((token, role));
    let access = Access { public, proxies: vec![], users, state: dir.to_owned(), token };
    let env = Env::of([("XDG_RUNTIME_DIR", dir), ("XDG_STATE_HOME", dir), ("HOME", dir)]);
    let sessions = Sessions::open(tempfile::tempfile().unwrap());
    let runs = Arc::new(Runs::new(env, None));
    Arc::new(Server::new((names, 10_000), access, sessions, runs).unwrap())
}

/// The headers of a page that is logged in.
fn page(server: &Server, grant: Grant, user: Option<&str>) -> Vec<(&'static str, String)> {
    let mut sessions = server.sessions();
    let now = clock::now();
    let link = sessions.link(grant, user.map(str::to_owned), now).unwrap();
    let (id, secret) = link.split_once('.').unwrap();
    let secret: Secret = serde_json::from_str(&format!("{secret:?}")).unwrap();
    let mine = nonce().unwrap();
    let (theirs, _) = sessions.begin(id, &mine, now).unwrap();
    let nonces = [&*mine, &*theirs];
    let proof = secret.proof(Purpose::LoginPage, &nonces);
    let begun = sessions.finish((id, &proof), &[], now).unwrap();
    let proof = secret.key(&nonces).proof(Purpose::Page, &[&mine]);
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
    if path == "/ws" || path.contains("/type/") || path.contains("/look/") {
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
    let Ok(answer) = Arc::clone(server).answer(ends, request).await;
    match answer.status() {
        StatusCode::UNAUTHORIZED => Verdict::LoggedOut,
        StatusCode::FORBIDDEN => Verdict::Forbidden,
        _ => Verdict::Passes,
    }
}

#[tokio::test]
async fn each_role_gets_the_routes_of_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let rows = TABLE.lines().filter(|line| !line.is_empty());
    let rows = rows.map(|row| row.split_whitespace().collect::<Vec<_>>());
    let rows: Vec<_> = rows.map(|row| <[&str; 5]>::try_from(row).unwrap()).collect();
    let in_table: BTreeSet<_> =
        rows.iter().map(|[method, path, ..]| format!("{method} {path}")).collect();
    let routes = ROUTES.iter().map(|(method, pattern, ..)| {
        let path = pattern.replacen("/r/{}", "/r/x", 1).replace("{}", "web").replace('*', "x.js");
        format!("{method} {path}")
    });
    assert_eq!(in_table, routes.collect(), "each route is in the table");

    for role in Role::ALL {
        let server = server(dir.path(), role);
        for [method, path, least, limited, token] in &rows {
            let at = (*method, *path);
            let is_open = *least == "-";
            let may = is_open || Role::ALL.iter().any(|one| one.word() == *least && role >= *one);
            let expected = if may { Verdict::Passes } else { Verdict::Forbidden };
            let grant = Grant { role, scope: Scope::All, until: None };
            for user in [None, Some("anna")] {
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
