//! Login by a link, exchange of a password for a link, logout, and the proofs of the server.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Ends, Server, peer_of, read};
use crate::sys::clock;
use crate::web::answers::{json, problem};
use crate::web::gate::Site;
use crate::web::grant::{Grant, Scope};
use crate::web::password::{self, Device, DeviceAsk, LoginResult};
use crate::web::places::Peer;
use crate::web::sessions::{LoginError, NewLink};
use crate::web::users::is_name;
use crate::web::visitor::Visitor;
use crate::web::{cookie, note, run_api};

#[derive(Deserialize)]
struct LoginAsk {
    id: String,
    nonce: String,
}

#[derive(Serialize)]
struct LoginAnswer {
    nonce: String,
    proof: String,
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

#[derive(Serialize)]
struct SessionAnswer {
    session: String,
}

#[derive(Deserialize)]
struct HelloAsk {
    session: String,
    nonce: String,
}

#[derive(Serialize)]
struct HelloAnswer {
    proof: String,
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
    ) -> Option<Response> {
        let may_be_other = self.is_public(headers) || self.sessions().is_shared(id, clock::now());
        let reason = "this link is for another user of this machine";
        let is_refused = !may_be_other && peer_of(ends) != Peer::Own;
        is_refused.then(|| problem(StatusCode::FORBIDDEN, reason))
    }

    pub(super) async fn login(&self, ends: Ends, headers: &HeaderMap, body: Body) -> Response {
        let LoginAsk { id, nonce } = match read(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        if let Some(answer) = self.refuse_other_user(ends, headers, &id) {
            return answer;
        }
        let site = self.site(headers);
        match self.sessions().begin((&id, site), &nonce, clock::now()) {
            Ok((nonce, proof)) => json(StatusCode::OK, &LoginAnswer { nonce, proof }),
            Err(error) => problem(status(error), &error.to_string()),
        }
    }

    pub(super) async fn finish_login(
        &self,
        ends: Ends,
        headers: &HeaderMap,
        body: Body,
    ) -> Response {
        let FinishAsk { id, proof } = match read(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        if let Some(answer) = self.refuse_other_user(ends, headers, &id) {
            return answer;
        }
        let site = self.site(headers);
        let before: Vec<_> = cookie::all(headers, site, self.port).collect();
        let begun = self.sessions().finish((&id, site, &proof), &before, clock::now());
        // A second use of a link ends a session.
        self.session_ended.send_replace(());
        match begun {
            Ok(begun) => {
                let visitor = Visitor::new(headers, self.access.from(ends.peer.ip(), headers));
                self.sessions().set_visitor(&begun.id, visitor, clock::now());
                if self.user_of(&begun.id).is_some() {
                    // The entry may have changed since the password was checked.
                    self.distrust_users();
                    self.user_logged_in.notify_one();
                }
                let cookie = cookie::set(site, self.port, &begun.cookie);
                let answer = json(StatusCode::OK, &SessionAnswer { session: begun.id });
                ([(header::SET_COOKIE, cookie)], answer).into_response()
            }
            Err(error) => problem(status(error), &error.to_string()),
        }
    }

    /// Prove to a browser that this server knows its device key.
    pub(super) async fn greet_device(&self, headers: &HeaderMap, body: Body) -> Response {
        if !self.is_public(headers) {
            return no_passwords_here();
        }
        let ask = match read::<DeviceAsk>(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        match self.passwords.hello(&ask) {
            Some(proof) => json(StatusCode::OK, &HelloAnswer { proof }),
            None => problem(StatusCode::BAD_REQUEST, "the request is malformed"),
        }
    }

    pub(super) async fn login_by_password(
        &self,
        ends: Ends,
        headers: &HeaderMap,
        body: Body,
    ) -> Response {
        if !self.is_public(headers) {
            return no_passwords_here();
        }
        let ask = match read::<password::Ask>(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        let from = self.access.from(ends.peer.ip(), headers);
        // Text that is not a valid name is not printed.
        let name = if is_name(&ask.name) { ask.name.clone() } else { "(not a name)".to_owned() };
        match self.passwords.check(ask, from, Instant::now()).await {
            LoginResult::Known(role, user, device) => {
                note(&format!("{name} has logged in from {from}"));
                let grant = Grant { role, scope: Scope::All, until: None };
                match self.sessions().link(grant, Some(user), clock::now()) {
                    Ok(NewLink { public: login, .. }) => {
                        json(StatusCode::OK, &PasswordAnswer { login, device })
                    }
                    Err(error) => run_api::unreadable(&error),
                }
            }
            LoginResult::Wrong => {
                note(&format!("{name}: wrong name or password, from {from}"));
                problem(StatusCode::UNAUTHORIZED, "wrong name or password")
            }
            LoginResult::Wait(time) => {
                note(&format!("{name}: too many wrong passwords from {from}"));
                let seconds = time.as_secs() + 1;
                let reason = format!("too many wrong passwords; try again in {seconds} s");
                let answer = problem(StatusCode::TOO_MANY_REQUESTS, &reason);
                ([(header::RETRY_AFTER, seconds.to_string())], answer).into_response()
            }
            LoginResult::Broken(why) => {
                note(&format!("passwords can't be checked: {why}"));
                let reason = "passwords can't be checked; see the output of `tmo web`";
                problem(StatusCode::SERVICE_UNAVAILABLE, reason)
            }
        }
    }

    pub(super) async fn hello(&self, body: Body) -> Response {
        let HelloAsk { session, nonce } = match read(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        match self.sessions().hello(&session, &nonce, clock::now()) {
            Some(proof) => json(StatusCode::OK, &HelloAnswer { proof }),
            None => problem(
                StatusCode::UNAUTHORIZED,
                "not logged in; `tmo web --link` prints a link that logs in",
            ),
        }
    }

    pub(super) fn logout(&self, session: Option<(String, Grant)>) -> Response {
        if let Some((id, _)) = session {
            self.sessions().end(&id, clock::now());
            self.session_ended.send_replace(());
        }
        StatusCode::NO_CONTENT.into_response()
    }
}

/// The answer to a password at an address of this machine.
fn no_passwords_here() -> Response {
    problem(
        StatusCode::FORBIDDEN,
        "passwords are accepted only at the public address; here, `tmo web --link` prints a link that logs in",
    )
}

const fn status(error: LoginError) -> StatusCode {
    match error {
        LoginError::NoLink | LoginError::Stolen => StatusCode::NOT_FOUND,
        LoginError::Again => StatusCode::CONFLICT,
        LoginError::NoRandom => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
