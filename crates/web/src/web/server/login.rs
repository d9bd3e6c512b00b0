//! Login by a link, exchange of a password for a link, logout, and the proofs of the server.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{Ends, Server, peer_of, read};
use crate::sys::clock;
use crate::web::answers::{Answered, json, problem, refuse};
use crate::web::gate::Site;
use crate::web::grant::{Grant, Scope};
use crate::web::password::{self, Device, DeviceAsk, PasswordError};
use crate::web::places::Peer;
use crate::web::run_api::unreadable;
use crate::web::sessions::{LoginError, NewLink};
use crate::web::users::is_name;
use crate::web::visitor::Visitor;
use crate::web::{cookie, note};

#[derive(Deserialize)]
struct LoginAsk {
    id: String,
    nonce: String,
}

#[derive(Deserialize)]
struct FinishAsk {
    id: String,
    proof: String,
}

#[derive(Serialize)]
struct PasswordAnswer {
    /// A link, as in the fragment of an address.
    login: String,
    device: Option<Device>,
}

#[derive(Deserialize)]
struct HelloAsk {
    session: String,
    nonce: String,
}

impl Server {
    /// Whether the request uses the public address.
    pub(super) fn is_public(&self, headers: &HeaderMap) -> bool {
        self.names.site(headers) == Some(Site::Public)
    }

    /// The kind of address that the request uses, which the gate has checked.
    pub(super) fn site(&self, headers: &HeaderMap) -> Site {
        if self.is_public(headers) { Site::Public } else { Site::Local }
    }

    /// Refuse a link to other users of this machine. At the public address, the peer is a proxy, and only the secret
    /// of the link decides, which is another one there.
    pub(super) fn refuse_other_user(
        &self,
        ends: Ends,
        headers: &HeaderMap,
        id: &str,
    ) -> Result<(), Box<Response>> {
        let may_be_other = self.is_public(headers) || self.sessions().is_shared(id, clock::now());
        if may_be_other || peer_of(ends) == Peer::Own {
            return Ok(());
        }
        refuse(StatusCode::FORBIDDEN, "this link is for another user of this machine")
    }

    /// Refuse a password at an address of this machine.
    fn refuse_local(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        if self.is_public(headers) {
            return Ok(());
        }
        refuse(
            StatusCode::FORBIDDEN,
            "passwords are accepted only at the public address; here, `tmo web --link` prints a link that logs in",
        )
    }

    pub(super) async fn login(&self, ends: Ends, headers: &HeaderMap, body: Body) -> Answered {
        let LoginAsk { id, nonce } = read(body).await?;
        self.refuse_other_user(ends, headers, &id)?;
        let site = self.site(headers);
        let begun = self.sessions().begin(&id, site, &nonce, clock::now());
        let (nonce, proof) = begun.map_err(failed)?;
        Ok(json(StatusCode::OK, &json!({ "nonce": nonce, "proof": proof })))
    }

    pub(super) async fn finish_login(
        &self,
        ends: Ends,
        headers: &HeaderMap,
        body: Body,
    ) -> Answered {
        let FinishAsk { id, proof } = read(body).await?;
        self.refuse_other_user(ends, headers, &id)?;
        let site = self.site(headers);
        let before: Vec<_> = cookie::all(headers, site, self.port).collect();
        let visitor = Visitor::new(headers, self.access.from(ends.peer.ip(), headers));
        let begun = self.sessions().finish(&id, site, &proof, &before, visitor, clock::now());
        // A second use of a link ends a session.
        self.session_ended.send_replace(());
        let begun = begun.map_err(failed)?;
        if self.user_of(&begun.id).is_some() {
            // The entry may have changed since the password was checked.
            self.distrust_users();
            self.user_logged_in.notify_one();
        }
        let cookie = cookie::set(site, self.port, &begun.cookie);
        let answer = json(StatusCode::OK, &json!({ "session": begun.id }));
        Ok(([(header::SET_COOKIE, cookie)], answer).into_response())
    }

    /// Prove to a browser that this server knows its device key.
    pub(super) async fn greet_device(&self, headers: &HeaderMap, body: Body) -> Answered {
        self.refuse_local(headers)?;
        match self.passwords.hello(&read::<DeviceAsk>(body).await?) {
            Some(proof) => Ok(json(StatusCode::OK, &json!({ "proof": proof }))),
            None => refuse(StatusCode::BAD_REQUEST, "the request is malformed"),
        }
    }

    pub(super) async fn login_by_password(
        &self,
        ends: Ends,
        headers: &HeaderMap,
        body: Body,
    ) -> Answered {
        self.refuse_local(headers)?;
        let ask = read::<password::Ask>(body).await?;
        let from = self.access.from(ends.peer.ip(), headers);
        // Text that is not a valid name is not printed.
        let name = if is_name(&ask.name) { ask.name.clone() } else { "(not a name)".to_owned() };
        match self.passwords.check(ask, from, Instant::now()).await {
            Ok((role, user, device)) => {
                note(&format!("{name} has logged in from {from}"));
                let grant = Grant { role, scope: Scope::All, until: None };
                let link = self.sessions().link(grant, Some(user), clock::now());
                let NewLink { public: login, .. } = link.map_err(|error| unreadable(&error))?;
                Ok(json(StatusCode::OK, &PasswordAnswer { login, device }))
            }
            Err(PasswordError::Wrong) => {
                note(&format!("{name}: wrong name or password, from {from}"));
                refuse(StatusCode::UNAUTHORIZED, "wrong name or password")
            }
            Err(PasswordError::Wait(time)) => {
                note(&format!("{name}: too many wrong passwords from {from}"));
                let seconds = time.as_secs() + 1;
                let reason = format!("too many wrong passwords; try again in {seconds} s");
                let answer = problem(StatusCode::TOO_MANY_REQUESTS, &reason);
                Ok(([(header::RETRY_AFTER, seconds.to_string())], answer).into_response())
            }
            Err(PasswordError::Broken(why)) => {
                note(&format!("passwords can't be checked: {why}"));
                let reason = "passwords can't be checked; see the output of `tmo web`";
                refuse(StatusCode::SERVICE_UNAVAILABLE, reason)
            }
        }
    }

    pub(super) async fn hello(&self, body: Body) -> Answered {
        let HelloAsk { session, nonce } = read(body).await?;
        match self.sessions().hello(&session, &nonce, clock::now()) {
            Some(proof) => Ok(json(StatusCode::OK, &json!({ "proof": proof }))),
            None => refuse(
                StatusCode::UNAUTHORIZED,
                "not logged in; `tmo web --link` prints a link that logs in",
            ),
        }
    }

    pub(super) fn logout(&self, session: &str) -> Response {
        self.sessions().end(session, clock::now());
        self.session_ended.send_replace(());
        StatusCode::NO_CONTENT.into_response()
    }
}

/// The answer to a login that has failed.
fn failed(error: LoginError) -> Response {
    let status = match error {
        LoginError::NoLink | LoginError::Stolen => StatusCode::NOT_FOUND,
        LoginError::Again => StatusCode::CONFLICT,
        LoginError::NoRandom => StatusCode::INTERNAL_SERVER_ERROR,
    };
    problem(status, &error.to_string())
}
