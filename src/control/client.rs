//! Asking a supervisor over its control socket.
//!
//! Every request has a connection of its own, so none waits behind another and an idle connection
//! that the server has closed costs nothing.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::address::Address;
use super::dial;
use super::handle::End;
use super::http::acting::Detached;
use super::http::answer::Problem;
use super::http::pane::{Shown, Typed};
use super::http::state::Alive;
use super::sse;
use super::tcp;
use crate::model::request::{Head, Outcome, Request, State, Unknown};

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
    #[error("dial {} {at}: connect: {}", at.network(), dial::reason(cause))]
    Dial {
        /// The address as it was given.
        at: Address,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Somebody else listens there, who is not to be told anything.
    #[error(
        "the listener at {at} is user {owner}'s, not yours; remove it, or give another socket with `-s`"
    )]
    Stranger {
        /// The address.
        at: Address,
        /// User id of whoever listens.
        owner: u32,
    },
    /// It took the connection, and says nothing.
    #[error(
        "the supervisor at {at} does not answer; if somebody has stopped it, `kill -CONT` goes on \
         with it"
    )]
    Silent {
        /// The address.
        at: Address,
    },
    /// The connection ended before the answer came.
    #[error("the supervisor at {at} went away before it answered: {cause}")]
    Lost {
        /// The address.
        at: Address,
        /// How.
        cause: String,
    },
    /// No process has that name.
    #[error("unknown process name: {}", .0.name)]
    Unknown(Unknown),
    /// The supervisor refused, for this reason.
    #[error("{reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        reason: String,
    },
    /// The answer cannot be read; perhaps the supervisor is of another version.
    #[error("the supervisor at {at} gave an answer that is not understood: {what}")]
    Garbled {
        /// The address.
        at: Address,
        /// What is wrong with it.
        what: String,
    },
}

type Sender = SendRequest<Full<Bytes>>;
type Answer = hyper::Response<Incoming>;

/// A client of one supervisor.
#[derive(Debug)]
pub struct Client {
    at: Address,
    fresh: Mutex<Option<Sender>>,
}

/// Who listens at a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// A supervisor of ours, with the state of its run.
    Tmo(Box<State>),
    /// Overmind itself.
    Overmind,
}

/// Ask who listens there. Both are asked at once, each in its own language: a supervisor reads one
/// request, overmind passes over what it does not know and answers the last line.
pub async fn who(at: impl Into<Address>) -> Result<Listener, ClientError> {
    const QUESTION: &[u8] =
        b"GET /api/state HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\nstatus\n";
    let at = at.into();
    let stream = connect(&at).await?;
    let mut answer = Vec::new();
    let asked = async {
        let (reader, mut writer) = tokio::io::split(stream);
        writer.write_all(QUESTION).await?;
        // Whoever has answered may break off; what was said counts.
        let _ = reader.take(LARGEST_ANSWER as u64).read_to_end(&mut answer).await;
        io::Result::Ok(())
    };
    let client = Client { at, fresh: Mutex::default() };
    match tokio::time::timeout(SILENCE, asked).await {
        Ok(asked) => asked.map_err(|error| client.lost(&error))?,
        Err(_) if client.is_taking_over().await => {
            return Ok(Listener::Tmo(Box::new(client.state().await?)));
        }
        Err(_) => {
            let cause = format!("no answer within {} s", SILENCE.as_secs());
            return Err(ClientError::Lost { at: client.at, cause });
        }
    }
    if answer.starts_with(b"PROCESS") {
        return Ok(Listener::Overmind);
    }
    let end = memchr::memmem::find(&answer, b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    if !head.starts_with("http/1.1 ") || !head.contains("\r\ntmo-version: ") {
        return Err(client.garbled(&"it is neither tmo nor overmind"));
    }
    let body = answer.get(end + 4..).unwrap_or_default();
    if head.starts_with("http/1.1 200") {
        return client.parse(body).map(|state| Listener::Tmo(Box::new(state)));
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Err(client.refusal(status.unwrap_or(StatusCode::BAD_GATEWAY), body))
}

/// News of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadEvent {
    /// The journal ends there now; earlier ones may have been skipped.
    Head(Head),
    /// The run is over.
    End(End),
    /// This view is to go; the run goes on.
    Leave,
}

impl Client {
    /// Connect to the supervisor that listens at this address.
    pub async fn connect(at: impl Into<Address>) -> Result<Self, ClientError> {
        let client = Self { at: at.into(), fresh: Mutex::default() };
        let sender = client.sender().await?;
        *client.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Ok(client)
    }

    /// The address.
    pub const fn address(&self) -> &Address {
        &self.at
    }

    /// The state of the run. A supervisor that is just taking it over may take its time; any other
    /// knows it at once.
    pub async fn state(&self) -> Result<State, ClientError> {
        let mut asked = std::pin::pin!(self.ask(Method::GET, "/api/state", Bytes::new()));
        let (status, body) = loop {
            match tokio::time::timeout(SILENCE, &mut asked).await {
                Ok(answer) => break answer?,
                Err(_) if self.is_taking_over().await => {}
                Err(_) => return Err(ClientError::Silent { at: self.at.clone() }),
            }
        };
        if status == StatusCode::OK { self.parse(&body) } else { Err(self.refusal(status, &body)) }
    }

    /// Whether the supervisor says that it is taking over the run.
    async fn is_taking_over(&self) -> bool {
        let asked = self.ask(Method::GET, "/api/alive", Bytes::new());
        let Ok(Ok((StatusCode::OK, body))) = tokio::time::timeout(SILENCE, asked).await else {
            return false;
        };
        self.parse::<Alive>(&body).is_ok_and(|alive| alive.taking_over)
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

    /// Type into the terminal of a process.
    pub async fn type_into(&self, name: &str, text: &str, enter: bool) -> Result<(), ClientError> {
        let body = serde_json::to_vec(&Typed { text: text.to_owned(), enter });
        let body = body.map_err(|error| self.garbled(&error))?;
        let path = format!("/api/processes/{}/input", percent_encoded(name));
        let (status, body) = self.ask(Method::POST, &path, body.into()).await?;
        self.of_pane(status, &body).map(drop)
    }

    /// What the terminal of a process shows.
    pub async fn screen(&self, name: &str, color: bool) -> Result<String, ClientError> {
        let path = format!("/api/processes/{}/screen?color={color}", percent_encoded(name));
        let (status, body) = self.ask(Method::GET, &path, Bytes::new()).await?;
        let body = self.of_pane(status, &body)?;
        Ok(self.parse::<Shown>(body)?.screen)
    }

    fn of_pane<'a>(&self, status: StatusCode, body: &'a [u8]) -> Result<&'a [u8], ClientError> {
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::NOT_FOUND => match self.parse::<Outcome>(body) {
                Ok(Outcome { unknown: Some(unknown), .. }) => Err(ClientError::Unknown(unknown)),
                _ => Err(self.refusal(status, body)),
            },
            _ => Err(self.refusal(status, body)),
        }
    }

    /// Have all views go; how many there were, and whether they are gone.
    pub async fn detach(&self) -> Result<(usize, bool), ClientError> {
        let (status, body) = self.ask(Method::POST, "/api/detach", Bytes::new()).await?;
        if status != StatusCode::OK {
            return Err(self.refusal(status, &body));
        }
        let Detached { views, gone } = self.parse(&body)?;
        Ok((views, gone))
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
            at: self.at.clone(),
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
        let stream = connect(&self.at).await?;
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
        ClientError::Lost { at: self.at.clone(), cause }
    }

    fn garbled(&self, what: &dyn std::fmt::Display) -> ClientError {
        ClientError::Garbled { at: self.at.clone(), what: what.to_string() }
    }
}

/// A name as a part of a path.
fn percent_encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") };
    name.bytes().map(one).collect()
}

/// A request as method, path and body.
fn wire(request: &Request) -> (Method, &'static str, String) {
    let named = |names: &[String]| json!({ "names": names }).to_string();
    match request {
        Request::Start { names } => (Method::POST, "/api/start", named(names)),
        Request::Stop { names } => (Method::POST, "/api/stop", named(names)),
        Request::Restart { names } => (Method::POST, "/api/restart", named(names)),
        Request::Signal { signal, names } => {
            let body = json!({ "signal": signal, "names": names });
            (Method::POST, "/api/signal", body.to_string())
        }
        Request::Quit => (Method::POST, "/api/quit", String::new()),
        Request::Kill => (Method::POST, "/api/kill", String::new()),
        Request::Resize { columns, rows } => {
            (Method::PUT, "/api/size", json!({ "columns": columns, "rows": rows }).to_string())
        }
    }
}

/// Connect, however long the path of a Unix socket is and however busy its listener.
pub(super) async fn connect(at: &Address) -> Result<UnixStream, ClientError> {
    let failed = |cause| ClientError::Dial { at: at.clone(), cause };
    let path = match at {
        Address::Unix(path) => path,
        Address::Tcp(tcp) => return tcp::connect(tcp, PATIENCE).await.map_err(failed),
    };
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        // A full queue, or a path too long for an address: both need the slower way.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput) =>
        {
            dial_slowly(path).await.map_err(failed)?
        }
        Err(error) => return Err(failed(error)),
    };
    // In a directory that others may write to anybody can have been there first.
    let owner = stream.peer_cred().map_err(failed)?.uid();
    let me = nix::unistd::geteuid();
    if me.is_root() || owner == me.as_raw() || owner == 0 {
        Ok(stream)
    } else {
        Err(ClientError::Stranger { at: at.clone(), owner })
    }
}

async fn dial_slowly(path: &Path) -> io::Result<UnixStream> {
    let path = path.to_owned();
    let dialled = tokio::task::spawn_blocking(move || dial::dial(&path, PATIENCE)).await;
    let stream = dialled.map_err(io::Error::other).and_then(|dialled| dialled)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// News of a run, one after the other.
#[derive(Debug)]
pub struct HeadStream {
    at: Address,
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
            "leave" => Ok(HeadEvent::Leave),
            _ => return None,
        };
        Some(parsed.map_err(|error| self.garbled(&error.to_string())))
    }

    fn garbled(&self, what: &str) -> ClientError {
        ClientError::Garbled { at: self.at.clone(), what: what.to_owned() }
    }
}
