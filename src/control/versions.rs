//! Client and supervisor may be of different versions: a run outlives an upgrade.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::Bytes;
use serde::Deserialize;

use super::address::Address;
use super::client::ClientError;
use super::http::answer::{Problem, Strange, error};
use crate::model::request::API;

/// Version of the program that speaks, in every response, and in every request of a tmo.
pub(super) const VERSION_HEADER: HeaderName = HeaderName::from_static("tmo-version");

/// Version of the shapes that a client knows; nothing where it does not care.
pub(super) const API_HEADER: HeaderName = HeaderName::from_static("tmo-api");

/// The id of the run that a request is meant for; nothing where any run there will do.
pub(super) const RUN_HEADER: HeaderName = HeaderName::from_static("tmo-run");

/// Version of this program.
pub(super) const OURS: &str = env!("CARGO_PKG_VERSION");

/// What every version understands from every other, so that a run can always be ended.
const LASTING: [&str; 5] = ["/api/alive", "/api/status", "/api/quit", "/api/shutdown", "/api/kill"];

fn lasts(path: &str) -> bool {
    LASTING.contains(&path.split('?').next().unwrap_or(path))
}

/// Say in a request of which version its client is.
pub(super) fn introduce(headers: &mut HeaderMap) {
    headers.insert(VERSION_HEADER, HeaderValue::from_static(OURS));
    headers.insert(API_HEADER, HeaderValue::from(API));
}

/// Say in each answer of which version it is, and in one to what is not known here also of which
/// version the client is, if that is another.
pub(super) async fn signed(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let theirs = headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok());
    let theirs = theirs.filter(|version| readable(version) && *version != OURS).map(str::to_owned);
    let api = headers
        .get(API_HEADER)
        .map(|api| api.to_str().ok().and_then(|api| api.parse::<u64>().ok()));
    let mut response = match api {
        Some(None) => error(StatusCode::BAD_REQUEST, "`tmo-api` is no number; leave it out"),
        Some(Some(api)) if api > u64::from(API) && !lasts(request.uri().path()) => {
            let what = format!("version {API} of the API is spoken here, not {api}");
            let mut answer = error(StatusCode::BAD_REQUEST, &what);
            answer.extensions_mut().insert(Strange(what));
            answer
        }
        Some(Some(_)) | None => next.run(request).await,
    };
    if let (Some(theirs), Some(Strange(what))) = (theirs, response.extensions_mut().remove()) {
        let reason = format!(
            "{what}: tmo {OURS} runs here and the client is tmo {theirs}; `tmo quit`, then `tmo \
             start`, makes them one"
        );
        response = error(response.status(), &reason);
    }
    response.headers_mut().insert(VERSION_HEADER, HeaderValue::from_static(OURS));
    response
}

/// Whether this may be said to a user: anybody may call a version anything.
fn readable(version: &str) -> bool {
    (1..=32).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Who answers.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) at: Address,
    /// Its version, where it is told.
    pub(super) version: Option<String>,
}

impl Peer {
    /// The one at this address, which says that it is of this version.
    pub(super) fn new(at: &Address, version: &str) -> Self {
        let version = Some(version).filter(|version| readable(version)).map(str::to_owned);
        Self { at: at.clone(), version }
    }

    /// The one that sent an answer with these headers.
    pub(super) fn of(at: &Address, headers: &HeaderMap) -> Self {
        let version = headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok());
        Self::new(at, version.unwrap_or_default())
    }

    /// What can't be read, because of its version if that is another.
    pub(super) fn garbled(&self, can_not: &str, why: &dyn std::fmt::Display) -> ClientError {
        match &self.version {
            Some(runs) if runs != OURS => self.other_version(runs, can_not),
            Some(_) | None => ClientError::Garbled { at: self.at.clone(), what: why.to_string() },
        }
    }

    fn other_version(&self, runs: &str, can_not: &str) -> ClientError {
        let (at, runs, can_not) = (self.at.clone(), runs.to_owned(), can_not.to_owned());
        ClientError::OtherVersion { at, runs, ours: OURS, can_not }
    }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) peer: Peer,
    /// Method and path of the request.
    pub(super) asked: String,
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// What each answer has.
#[derive(Deserialize)]
struct Versioned {
    // The first ones had none.
    #[serde(default)]
    api: u32,
}

impl Reply {
    /// What it says, if that can be read here.
    pub(super) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, ClientError> {
        let path = self.asked.split(' ').nth(1).unwrap_or_default();
        match serde_json::from_slice(&self.body) {
            Ok(Versioned { api }) if api > API && !lasts(path) => {
                let runs = self.peer.version.as_deref().unwrap_or("of a later version");
                Err(self.peer.other_version(runs, &self.can_not_read()))
            }
            Ok(Versioned { .. }) | Err(_) => self.read_anyhow(),
        }
    }

    /// The same, of whatever version it is.
    pub(super) fn read_anyhow<T: serde::de::DeserializeOwned>(&self) -> Result<T, ClientError> {
        let garbled = |error| self.peer.garbled(&self.can_not_read(), &error);
        serde_json::from_slice(&self.body).map_err(garbled)
    }

    /// Whether it is a reason and no other answer.
    pub(super) fn is_reason(&self) -> bool {
        self.reason().is_some()
    }

    fn reason(&self) -> Option<String> {
        // A list would do for serde.
        let object = self.body.trim_ascii_start().first() == Some(&b'{');
        let problem = serde_json::from_slice::<Problem>(&self.body).ok().filter(|_| object);
        problem.map(|Problem { error }| error)
    }

    /// Why it is no other answer.
    pub(super) fn refusal(&self) -> ClientError {
        let status = self.status;
        if status == StatusCode::GONE {
            return ClientError::OtherRun { at: self.peer.at.clone() };
        }
        let Some(reason) = self.reason() else {
            return self.peer.garbled(&self.can_not_read(), &format!("{status} without a reason"));
        };
        let unknown = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status);
        match &self.peer.version {
            Some(runs) if unknown && runs != OURS => {
                self.peer.other_version(runs, &format!("ask it for `{}`", self.asked))
            }
            Some(_) | None => {
                ClientError::Refused { status: status.as_u16(), reason: reason.into() }
            }
        }
    }

    fn can_not_read(&self) -> String {
        format!("read its answer to `{}`", self.asked)
    }
}
