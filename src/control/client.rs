//! Asking a supervisor over its control socket.
//!
//! Every request has a connection of its own, so none waits behind another and an idle connection
//! that the server has closed costs nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::UnixStream;

use super::dial;
use super::handle::End;
use super::http::Problem;
use super::sse;
use crate::model::request::{Head, Outcome, Request, State};

/// An answer larger than this is not from a supervisor.
const LARGEST_ANSWER: usize = 16 << 20;

/// How long a listener may be too busy to take one more client.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take to tell the state, which waits for nothing.
pub const SILENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error("dial unix {}: connect: {}", path.display(), dial::reason(cause))]
    Dial {
        /// The socket as it was given.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It took the connection, and says nothing.
    #[error(
        "the supervisor at {} does not answer; if somebody has stopped it, `kill -CONT` goes on \
         with it",
        path.display()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// The connection ended before the answer came.
    #[error("the supervisor at {} went away before it answered: {cause}", path.display())]
    Lost {
        /// The socket.
        path: PathBuf,
        /// How.
        cause: String,
    },
    /// The supervisor refused, for this reason.
    #[error("{reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        reason: String,
    },
    /// The answer cannot be read; perhaps the supervisor is of another version.
    #[error("the supervisor at {} gave an answer that is not understood: {what}", path.display())]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

type Sender = SendRequest<Full<Bytes>>;
type Answer = hyper::Response<Incoming>;

/// A client of one supervisor.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    fresh: Mutex<Option<Sender>>,
}

/// News of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadEvent {
    /// The journal ends there now; earlier ones may have been skipped.
    Head(Head),
    /// The run is over.
    End(End),
}

impl Client {
    /// Connect to the supervisor that listens at this path.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let client = Self { path: path.to_owned(), fresh: Mutex::default() };
        let sender = client.sender().await?;
        *client.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Ok(client)
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state of the run.
    pub async fn state(&self) -> Result<State, ClientError> {
        let asked = self.ask(Method::GET, "/api/state", Bytes::new());
        let silent = |_| ClientError::Silent { path: self.path.clone() };
        let (status, body) = tokio::time::timeout(SILENCE, asked).await.map_err(silent)??;
        if status == StatusCode::OK { self.parse(&body) } else { Err(self.refusal(status, &body)) }
    }

    /// Have something done; with `wait` the answer comes when it is done, else when it is
    /// accepted.
    pub async fn request(&self, request: &Request, wait: bool) -> Result<Outcome, ClientError> {
        self.ask_to(request, &format!("wait={wait}")).await
    }

    /// The same, waiting, under a key of the client's own: asked again with that key, perhaps of
    /// another supervisor because the first was killed, it is the same request, not a second one.
    pub async fn request_once(&self, request: &Request, key: &str) -> Result<Outcome, ClientError> {
        self.ask_to(request, &format!("wait=true&key={key}")).await
    }

    async fn ask_to(&self, request: &Request, query: &str) -> Result<Outcome, ClientError> {
        let (method, path, body) = wire(request);
        let path = format!("{path}?{query}");
        let (status, body) = self.ask(method, &path, body.into()).await?;
        match serde_json::from_slice(&body) {
            Ok(outcome) => Ok(outcome),
            Err(_) => Err(self.refusal(status, &body)),
        }
    }

    /// Follow the head of the journal; with `view` this counts as a terminal that shows the log.
    pub async fn head(&self, view: bool) -> Result<HeadStream, ClientError> {
        let path = if view { "/api/head?view=1" } else { "/api/head" };
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        if answer.status() != StatusCode::OK {
            let status = answer.status();
            let body = self.whole(answer).await?;
            return Err(self.refusal(status, &body));
        }
        Ok(HeadStream {
            path: self.path.clone(),
            body: answer.into_body(),
            parser: sse::Parser::default(),
            events: Vec::new().into_iter(),
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let answer = self.send(method, path, body).await?;
        Ok((answer.status(), self.whole(answer).await?))
    }

    async fn whole(&self, answer: Answer) -> Result<Bytes, ClientError> {
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        Ok(body.map_err(|error| self.lost(&*error))?.to_bytes())
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, ClientError> {
        let mut request = hyper::Request::new(Full::new(body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|error| self.garbled(&error))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, header::HeaderValue::from_static("localhost"));
        if !body.is_empty() {
            let json = header::HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The first connection may have been closed if it was not used for long.
        if let Some(mut sender) = fresh.filter(|sender| !sender.is_closed()) {
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok(answer),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(self.lost(failed.error())),
                },
            }
        }
        let sent = self.sender().await?.send_request(request).await;
        sent.map_err(|error| self.lost(&error))
    }

    async fn sender(&self) -> Result<Sender, ClientError> {
        let stream = connect(&self.path).await?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| self.lost(&error))?;
        // It ends with the answer; what went wrong is told to whoever waits for that.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| self.garbled(&error))
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match self.parse(body) {
            Ok(Problem { error: reason }) => {
                ClientError::Refused { status: status.as_u16(), reason }
            }
            Err(_) => self.garbled(&format!("{status} without a reason")),
        }
    }

    fn lost(&self, error: &(dyn std::error::Error + 'static)) -> ClientError {
        let cause = error.source().unwrap_or(error).to_string();
        ClientError::Lost { path: self.path.clone(), cause }
    }

    fn garbled(&self, what: &dyn std::fmt::Display) -> ClientError {
        ClientError::Garbled { path: self.path.clone(), what: what.to_string() }
    }
}

/// A request as method, path and body.
fn wire(request: &Request) -> (Method, &'static str, String) {
    let named = |names: &[String]| json!({ "names": names }).to_string();
    match request {
        Request::Start { names } => (Method::POST, "/api/start", named(names)),
        Request::Stop { names } => (Method::POST, "/api/stop", named(names)),
        Request::Restart { names } => (Method::POST, "/api/restart", named(names)),
        Request::Quit => (Method::POST, "/api/quit", String::new()),
        Request::Kill => (Method::POST, "/api/kill", String::new()),
        Request::Resize { columns, rows } => {
            (Method::PUT, "/api/size", json!({ "columns": columns, "rows": rows }).to_string())
        }
    }
}

/// Connect to a Unix socket, however long its path and however busy its listener is.
pub(super) async fn connect(path: &Path) -> Result<UnixStream, ClientError> {
    let failed = |cause| ClientError::Dial { path: path.to_owned(), cause };
    match UnixStream::connect(path).await {
        Ok(stream) => return Ok(stream),
        // A full queue, or a path too long for an address: both need the slower way.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput) => {}
        Err(error) => return Err(failed(error)),
    }
    let path = path.to_owned();
    let dialled = tokio::task::spawn_blocking(move || dial::dial(&path, PATIENCE)).await;
    let stream = dialled.map_err(io::Error::other).and_then(|dialled| dialled).map_err(failed)?;
    stream.set_nonblocking(true).map_err(failed)?;
    UnixStream::from_std(stream).map_err(failed)
}

/// News of a run, one after the other.
#[derive(Debug)]
pub struct HeadStream {
    path: PathBuf,
    body: Incoming,
    parser: sse::Parser,
    events: std::vec::IntoIter<sse::Event>,
}

impl HeadStream {
    /// The next news; `None` when the supervisor is gone. May be cancelled at any time.
    ///
    /// [`HeadEvent::End`] comes last: without one before it, `None` means that the supervisor did
    /// not end in order.
    pub async fn next(&mut self) -> Option<Result<HeadEvent, ClientError>> {
        loop {
            if let Some(event) = self.events.next() {
                match self.read(&event) {
                    Some(news) => return Some(news),
                    // An event of a later version.
                    None => continue,
                }
            }
            // A torn connection is no more than a supervisor that is gone.
            let piece = self.body.frame().await?.ok()?.into_data().unwrap_or_default();
            let mut events = Vec::new();
            if self.parser.feed(&piece, &mut events).is_err() {
                return Some(Err(self.garbled("an event is too large")));
            }
            self.events = events.into_iter();
        }
    }

    fn read(&self, event: &sse::Event) -> Option<Result<HeadEvent, ClientError>> {
        let parsed = match event.name.as_str() {
            "head" => serde_json::from_str(&event.data).map(HeadEvent::Head),
            "end" => serde_json::from_str(&event.data).map(HeadEvent::End),
            _ => return None,
        };
        Some(parsed.map_err(|error| self.garbled(&error.to_string())))
    }

    fn garbled(&self, what: &str) -> ClientError {
        ClientError::Garbled { path: self.path.clone(), what: what.to_owned() }
    }
}
