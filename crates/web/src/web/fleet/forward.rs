//! Requests and `WebSockets` for the runs of other hosts, which go on through bridges.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, request};
use axum::response::IntoResponse as _;
use http_body_util::Limited;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tungstenite::handshake::derive_accept_key;

use crate::fleet::caller::LONGEST_ANSWER;
use crate::sys::host_name;
use crate::web::access::{ProvenSession, Scope};
use crate::web::fleet::SENDER;
use crate::web::server::routes::{AnswerKind, run_of};
use crate::web::server::{Answered, Refusal, Server, refuse, unknown};

/// The host in the path of a request, and the path there.
pub(crate) fn host_of(path: &str) -> Option<(&str, String)> {
    if let Some(host) = path.strip_prefix("/h/").and_then(|rest| rest.strip_suffix("/ws")) {
        return Some((host, "/ws".to_owned()));
    }
    let (id, rest) = run_of(path)?;
    let (host, id) = run_on_host(id)?;
    Some((host, format!("/r/{id}{rest}")))
}

/// The host in the id of a run, and the id there.
pub(crate) fn run_on_host(id: &str) -> Option<(&str, &str)> {
    id.split_once(':').or_else(|| id.split_once("%3A"))
}

/// The request as it goes through a bridge.
fn bridged_request(path: &str, query: Option<&str>, by: &str) -> request::Builder {
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    // What cannot be in a header is replaced.
    let by: String =
        by.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect();
    Request::builder().uri(format!("http://tmo{path}{query}")).header(SENDER, by)
}

fn lost(host: &str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, &format!("{host} does not answer"))
}

fn malformed(_: axum::http::Error) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "the address is malformed")
}

/// The type of an answer that a page may get: never one that a browser would execute.
fn kind_of(headers: &HeaderMap) -> HeaderValue {
    let json = HeaderValue::from_static("application/json");
    let is_json = headers.get(header::CONTENT_TYPE) == Some(&json);
    if is_json { json } else { HeaderValue::from_static("text/plain; charset=utf-8") }
}

impl Server {
    /// Pass a request about a host, or about a run there, on to the host.
    pub(crate) async fn forward(
        self: &Arc<Self>,
        session: &ProvenSession,
        answer: AnswerKind,
        host: &str,
        path: &str,
        asked: Request<Body>,
    ) -> Answered {
        let mut bridge = self.bridge_to(host, &session.grant.scope)?;
        let client = format!("{} on {}", self.client_of(session), host_name());
        let mut request = bridged_request(path, asked.uri().query(), &client);
        if let AnswerKind::Socket(protocol) = answer {
            return self.forward_socket(session, protocol, bridge, host, request, asked).await;
        }
        if let Some(kind) = asked.headers().get(header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.method(asked.method()).body(asked.into_body());
        let answered = bridge.send_request(request.map_err(malformed)?).await;
        let answered = answered.map_err(|_| lost(host))?;
        let kind = kind_of(answered.headers());
        let status = answered.status();
        // A text is not kept by the page.
        let most = if answer == AnswerKind::Text { usize::MAX } else { LONGEST_ANSWER };
        let body = Body::new(Limited::new(answered.into_body(), most));
        Ok((status, [(header::CONTENT_TYPE, kind)], body).into_response())
    }

    /// Open a WebSocket to a host, and pass on its bytes until the session ends.
    async fn forward_socket(
        self: &Arc<Self>,
        session: &ProvenSession,
        protocol: &'static str,
        mut bridge: SendRequest<Body>,
        host: &str,
        request: request::Builder,
        asked: Request<Body>,
    ) -> Answered {
        let (mut asked, _) = asked.into_parts();
        let key = asked.headers.get(header::SEC_WEBSOCKET_KEY).cloned();
        let (Some(key), Some(near)) = (key, asked.extensions.remove::<OnUpgrade>()) else {
            return refuse(StatusCode::BAD_REQUEST, "this path is for a WebSocket");
        };
        let held = self.hold_places(&mut asked, session)?;
        let request = request
            .method(Method::CONNECT)
            .extension(Protocol::from_static("websocket"))
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_PROTOCOL, protocol)
            .body(Body::empty());
        let far = match bridge.send_request(request.map_err(malformed)?).await {
            Ok(answer) if answer.status() == StatusCode::OK => hyper::upgrade::on(answer).await,
            Ok(answer) => return Ok(answer.status().into_response()),
            Err(error) => Err(error),
        };
        let far = far.map_err(|_| lost(host))?;
        let server = Arc::clone(self);
        let id = session.id.clone();
        tokio::spawn(async move {
            let _held = held;
            tokio::select! {
                () = pass(near, far) => {}
                () = server.end_of_session(&id) => {}
            }
        });
        let headers = [
            (header::UPGRADE, "websocket"),
            (header::CONNECTION, "upgrade"),
            (header::SEC_WEBSOCKET_PROTOCOL, protocol),
            (header::SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes())),
        ];
        Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
    }

    /// The bridge to a host, for a session that may see it.
    fn bridge_to(&self, host: &str, scope: &Scope) -> Result<SendRequest<Body>, Refusal> {
        let fleet = self.fleet.as_ref().filter(|_| *scope == Scope::All).ok_or_else(unknown)?;
        fleet.bridge(host).ok_or_else(|| lost(host))
    }

    /// The download of the log of a run on a host.
    pub(crate) async fn download_of_host(
        &self,
        host: &str,
        id: &str,
        query: &str,
        session: &ProvenSession,
    ) -> Answered {
        let mut bridge = self.bridge_to(host, &session.grant.scope)?;
        let request =
            bridged_request(&format!("/r/{id}/text"), Some(query), &self.client_of(session));
        let request = request.body(Body::empty()).map_err(|_| unknown())?;
        let answer = bridge.send_request(request).await.map_err(|_| lost(host))?;
        if !answer.status().is_success() {
            return refuse(answer.status(), "this can't be read");
        }
        let name = format!("attachment; filename=\"{host}.log\"");
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CONTENT_DISPOSITION, &name),
        ];
        Ok((headers, Body::new(answer.into_body())).into_response())
    }
}

/// Pass on the bytes of a WebSocket, in both directions, until an end closes it.
async fn pass(near: OnUpgrade, far: Upgraded) {
    if let Ok(near) = near.await {
        // That an end is gone is no failure.
        let _ = copy_bidirectional(&mut TokioIo::new(near), &mut TokioIo::new(far)).await;
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, header};

    use super::{host_of, kind_of};

    #[test]
    fn no_answer_of_a_host_is_a_page() {
        for (sent, shown) in [
            ("application/json", "application/json"),
            ("text/html", "text/plain; charset=utf-8"),
            ("application/javascript", "text/plain; charset=utf-8"),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, sent.parse().unwrap())]);
            assert_eq!(kind_of(&headers), shown);
        }
        assert_eq!(kind_of(&HeaderMap::new()), "text/plain; charset=utf-8");
    }

    #[test]
    fn a_path_names_a_host() {
        let far = |host, path: &str| Some((host, path.to_owned()));
        assert_eq!(host_of("/h/k9/ws"), far("k9", "/ws"));
        assert_eq!(host_of("/r/k9.lan:0a/api/lines"), far("k9.lan", "/r/0a/api/lines"));
        assert_eq!(host_of("/r/k9%3A0a/type/a%2Fb"), far("k9", "/r/0a/type/a%2Fb"));
        for near in ["/ws", "/r/0a/api/lines", "/r/0a/type/web:1", "/h/k9/", "/api/state"] {
            assert_eq!(host_of(near), None, "{near}");
        }
    }
}
