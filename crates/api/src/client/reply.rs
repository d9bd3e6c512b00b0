//! The answers of a supervisor, which may be another version.

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ClientError;
use super::address::Address;
use crate::api::answers::Problem;
use crate::api::version::{API_HEADER, OURS, VERSION_HEADER, is_ended_only, lasts, readable};
use crate::model::request::API;

/// Add the client's version to a request.
pub(super) fn introduce(headers: &mut HeaderMap) {
    headers.insert(VERSION_HEADER, HeaderValue::from_static(OURS));
    headers.insert(API_HEADER, HeaderValue::from(API));
}

/// The supervisor that answers.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) at: Address,
    /// Its version, if it reported one.
    pub(super) version: Option<String>,
}

impl Peer {
    /// The supervisor at this address, which reports this version.
    pub(super) fn new(at: &Address, version: &str) -> Self {
        let version = Some(version).filter(|version| readable(version)).map(str::to_owned);
        Self { at: at.clone(), version }
    }

    /// The supervisor that sent an answer with these headers.
    pub(super) fn of(at: &Address, headers: &HeaderMap) -> Self {
        let version = headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok());
        Self::new(at, version.unwrap_or_default())
    }

    /// The error for an unreadable answer, which blames the version if that differs.
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

/// A complete answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) peer: Peer,
    /// Method and path of the request.
    pub(super) asked: String,
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// The fields that every answer has.
#[derive(Deserialize)]
struct Versioned {
    // The first versions had none.
    #[serde(default)]
    api: u32,
}

impl Reply {
    /// Parse the answer.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        let path = self.asked.split(' ').nth(1).unwrap_or_default();
        match serde_json::from_slice(&self.body) {
            Ok(Versioned { api }) if (api > API || self.is_too_old()) && !lasts(path) => {
                let runs = self.peer.version.as_deref().unwrap_or("of a later version");
                Err(self.peer.other_version(runs, &self.can_not_read()))
            }
            Ok(Versioned { .. }) | Err(_) => self.read_anyhow(),
        }
    }

    fn is_too_old(&self) -> bool {
        self.peer.version.as_deref().is_some_and(is_ended_only)
    }

    /// Parse the answer to a successful request; otherwise the error.
    pub(super) fn read_ok<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        if self.status == StatusCode::OK { self.read() } else { Err(self.refusal()) }
    }

    /// Parse the answer, whatever version it has.
    pub(super) fn read_anyhow<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.peer.garbled(&self.can_not_read(), &error))
    }

    /// Whether it is an error message rather than another answer.
    pub(super) fn is_reason(&self) -> bool {
        self.reason().is_some()
    }

    fn reason(&self) -> Option<String> {
        // serde would also accept a list.
        let object = self.body.trim_ascii_start().first() == Some(&b'{');
        let problem = serde_json::from_slice::<Problem>(&self.body).ok().filter(|_| object);
        problem.map(|Problem { error }| error)
    }

    /// The error that the answer reports.
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
