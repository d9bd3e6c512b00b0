//! Login by a link, exchange of a password for a link, logout, and the proofs of the server.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::sys::clock;
use crate::web::access::password::{self, DeviceAsk, PasswordError};
use crate::web::access::{
    Grant, LoginError, NewLink, ProvenSession, Scope, Site, Visitor, browser, is_name,
};
use crate::web::note;
use crate::web::server::{
    Answered, Ends, JsonBody, Peer, Refusal, Server, WebState, peer_of, refuse, unreadable,
};

#[derive(Deserialize)]
pub(crate) struct LoginAsk {
    id: String,
    nonce: String,
}

#[derive(Deserialize)]
pub(crate) struct FinishAsk {
    id: String,
    proof: String,
}

#[derive(Deserialize)]
pub(crate) struct HelloAsk {
    session: String,
    nonce: String,
}

impl Server {
    /// Whether the request uses the public address.
    pub(crate) fn is_public(&self, headers: &HeaderMap) -> bool {
        self.names.site(headers) == Some(Site::Public)
    }

    /// The kind of address that the request uses, which the gate has checked.
    pub(crate) fn site(&self, headers: &HeaderMap) -> Site {
        if self.is_public(headers) { Site::Public } else { Site::Local }
    }

    /// Refuse a link to other users of this machine. At the public address, the peer is a proxy, and only the secret
    /// of the link decides, which is another one there.
    pub(crate) fn refuse_other_user(
        &self,
        ends: Ends,
        headers: &HeaderMap,
        id: &str,
    ) -> Result<(), Refusal> {
        let may_be_other = self.is_public(headers) || self.sessions().is_shared(id, clock::now());
        if may_be_other || peer_of(ends) == Peer::Own {
            return Ok(());
        }
        refuse(StatusCode::FORBIDDEN, "this link is for another user of this machine")
    }

    /// Refuse a password at an address of this machine.
    fn refuse_local(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.is_public(headers) {
            return Ok(());
        }
        refuse(
            StatusCode::FORBIDDEN,
            "passwords are accepted only at the public address; here, `tmo web --link` prints a link that logs in",
        )
    }
}

/// Begin a login by a link.
pub(crate) async fn begin(
    State(server): State<WebState>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
    JsonBody(LoginAsk { id, nonce }): JsonBody<LoginAsk>,
) -> Answered {
    server.refuse_other_user(ends, &headers, &id)?;
    let begun = server.sessions().begin(&id, server.site(&headers), &nonce, clock::now());
    let (nonce, proof) = begun.map_err(login_refusal)?;
    Ok(Json(json!({ "nonce": nonce, "proof": proof })).into_response())
}

/// Finish a login by a link.
pub(crate) async fn finish(
    State(server): State<WebState>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
    JsonBody(FinishAsk { id, proof }): JsonBody<FinishAsk>,
) -> Answered {
    server.refuse_other_user(ends, &headers, &id)?;
    let site = server.site(&headers);
    let before: Vec<_> = browser::cookie_values(&headers, site, server.port).collect();
    let visitor = Visitor::new(&headers, server.access.from(ends.peer.ip(), &headers));
    let begun = server.sessions().finish(&id, site, &proof, &before, visitor, clock::now());
    // A second use of a link ends a session.
    server.session_ended.send_replace(());
    let begun = begun.map_err(login_refusal)?;
    if server.user_of(&begun.id).is_some() {
        // The entry may have changed since the password was checked.
        server.distrust_users();
        server.user_logged_in.notify_one();
    }
    let cookie = browser::session_cookie(site, server.port, &begun.cookie);
    Ok(([(header::SET_COOKIE, cookie)], Json(json!({ "session": begun.id }))).into_response())
}

/// Prove to a browser that this server knows its device key.
pub(crate) async fn greet_device(
    State(server): State<WebState>,
    headers: HeaderMap,
    JsonBody(ask): JsonBody<DeviceAsk>,
) -> Answered {
    server.refuse_local(&headers)?;
    match server.passwords.hello(&ask) {
        Some(proof) => Ok(Json(json!({ "proof": proof })).into_response()),
        None => refuse(StatusCode::BAD_REQUEST, "the request is malformed"),
    }
}

/// Exchange a name and a password for a link.
pub(crate) async fn by_password(
    State(server): State<WebState>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
    JsonBody(ask): JsonBody<password::Ask>,
) -> Answered {
    server.refuse_local(&headers)?;
    let from = server.access.from(ends.peer.ip(), &headers);
    // Text that is not a valid name is not printed.
    let name = if is_name(&ask.name) { ask.name.clone() } else { "(not a name)".to_owned() };
    match server.passwords.check(ask, from, Instant::now()).await {
        Ok((role, user, device)) => {
            note(&format!("{name} has logged in from {from}"));
            let grant = Grant { role, scope: Scope::All, until: None };
            let link = server.sessions().link(grant, Some(user), clock::now());
            let NewLink { public, .. } = link.map_err(|error| unreadable(&error))?;
            // The link is as in the fragment of an address.
            Ok(Json(json!({ "login": public, "device": device })).into_response())
        }
        Err(PasswordError::Wrong) => {
            note(&format!("{name}: wrong name or password, from {from}"));
            refuse(StatusCode::UNAUTHORIZED, "wrong name or password")
        }
        Err(PasswordError::Wait(time)) => {
            note(&format!("{name}: too many wrong passwords from {from}"));
            let seconds = time.as_secs() + 1;
            let reason = format!("too many wrong passwords; try again in {seconds} s");
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, &reason);
            Ok(([(header::RETRY_AFTER, seconds.to_string())], refusal).into_response())
        }
        Err(PasswordError::Broken(why)) => {
            note(&format!("passwords can't be checked: {why}"));
            let reason = "passwords can't be checked; see the output of `tmo web`";
            refuse(StatusCode::SERVICE_UNAVAILABLE, reason)
        }
    }
}

/// Prove to a page that this server knows the key of its session.
pub(crate) async fn greet(
    State(server): State<WebState>,
    JsonBody(HelloAsk { session, nonce }): JsonBody<HelloAsk>,
) -> Answered {
    match server.sessions().hello(&session, &nonce, clock::now()) {
        Some(proof) => Ok(Json(json!({ "proof": proof })).into_response()),
        None => refuse(
            StatusCode::UNAUTHORIZED,
            "not logged in; `tmo web --link` prints a link that logs in",
        ),
    }
}

pub(crate) async fn logout(State(server): State<WebState>, session: ProvenSession) -> StatusCode {
    server.sessions().end(&session.id, clock::now());
    server.session_ended.send_replace(());
    StatusCode::NO_CONTENT
}

/// The answer to a login that has failed.
fn login_refusal(error: LoginError) -> Refusal {
    let status = match error {
        LoginError::NoLink | LoginError::Stolen => StatusCode::NOT_FOUND,
        LoginError::Again => StatusCode::CONFLICT,
        LoginError::NoRandom => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Refusal::new(status, &error.to_string())
}
