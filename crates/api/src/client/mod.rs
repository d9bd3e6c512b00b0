//! Requests to a supervisor over its control socket.
//!
//! Every request uses its own connection. Requests therefore never wait for each other, and the server may
//! close idle connections at no cost.

pub mod address;
mod error;
pub mod events;
mod history;
mod identify;
pub mod overmind;
mod reply;
mod tcp;

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::net::UnixStream;

use self::address::Address;
use self::events::ReadEvent;
use self::reply::{Peer, Reply, introduce};
use self::tcp::Answerer;
use crate::api::answers::{Alive, Detached, RecentMatches, TypingRequest};
use crate::api::routes::Route;
use crate::api::version::RUN_HEADER;
use crate::model::request::{Cleared, Outcome, Request};
use crate::model::state::{FlagMatches, State};
use crate::model::terminal::emulator::Screen;
use crate::sys::dial;

pub use self::address::{Backoff, LONGEST_PAUSE};
pub use self::error::ClientError;
pub use self::events::{EventStream, HeadEvent, HeadStream, WatchEvent};
pub use self::history::{LinePage, Next};
pub use self::identify::{Listener, identify_listener};

/// An answer larger than this is not from a supervisor.
const LARGEST_ANSWER: usize = 16 << 20;

/// Connect timeout for a listener whose queue is full.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Deadline for the state, which a supervisor reports without waiting for anything.
pub const SILENCE: Duration = Duration::from_secs(4);

/// Deadline after [`SILENCE`] for the supervisor to report that it is taking over the run, which it does at
/// once. If the supervisor has been stopped (SIGSTOP), a command therefore fails after 6 s in total.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// How long a command waits for a supervisor that takes over a run.
pub const TAKEOVER_LIMIT: Duration = Duration::from_secs(20);

type HttpSender = SendRequest<Full<Bytes>>;
type HttpResponse = hyper::Response<Incoming>;

/// A client of one supervisor.
#[derive(Debug)]
pub struct Client {
    at: Address,
    fresh: Mutex<Option<HttpSender>>,
    /// The id of the only run that requests are meant for, if restricted.
    run: Option<String>,
    /// Who sends the requests, for display.
    by: Cow<'static, str>,
}

/// Who sends the requests, unless [`Client::by`] says otherwise.
pub const COMMAND_LINE: &str = "command line";

impl Client {
    /// Connect to the supervisor that listens at this address.
    pub async fn connect(at: impl Into<Address>) -> Result<Self, ClientError> {
        let by = Cow::Borrowed(COMMAND_LINE);
        let client = Self { at: at.into(), fresh: Mutex::default(), run: None, by };
        let sender = client.sender().await?;
        *client.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Ok(client)
    }

    /// Restrict requests to the run with this id, if one is known. If another run has replaced it, it ignores them, and
    /// they fail with [`ClientError::OtherRun`].
    #[must_use]
    pub fn only_of(mut self, run: Option<&str>) -> Self {
        self.run = run.map(str::to_owned).or(self.run);
        self
    }

    /// Send the requests in the name of this client instead of the command line.
    #[must_use]
    pub fn by(mut self, by: impl Into<Cow<'static, str>>) -> Self {
        self.by = by.into();
        self
    }

    pub const fn address(&self) -> &Address {
        &self.at
    }

    /// The state of the run. A supervisor that is taking over or ending the run may take some time;
    /// otherwise the answer is immediate.
    pub async fn state(&self) -> Result<State, ClientError> {
        let asked = self.ask(Method::GET, "/api/state", Bytes::new());
        self.outlast(asked, |alive| alive.taking_over || alive.ending).await?.read_ok()
    }

    /// Wait for an answer while the supervisor reports that it is alive and `may_wait` holds, but at most
    /// [`TAKEOVER_LIMIT`] while it takes over the run.
    async fn outlast(
        &self,
        answer: impl Future<Output = Result<Reply, ClientError>>,
        may_wait: impl Fn(&Alive) -> bool,
    ) -> Result<Reply, ClientError> {
        let begun = Instant::now();
        let mut answer = Box::pin(answer);
        loop {
            if let Ok(answer) = tokio::time::timeout(SILENCE, &mut answer).await {
                return answer;
            }
            let alive = self.alive().await.filter(&may_wait);
            let Some(alive) = alive else {
                return Err(ClientError::Silent { at: self.at.clone() });
            };
            if alive.taking_over && begun.elapsed() >= TAKEOVER_LIMIT {
                return Err(ClientError::TakingOver { at: self.at.clone() });
            }
        }
    }

    /// The supervisor's report that it is alive; `None` if it does not come at once.
    async fn alive(&self) -> Option<Alive> {
        let asked = self.ask(Method::GET, "/api/alive", Bytes::new());
        tokio::time::timeout(LAST_CHANCE, asked).await.ok()?.ok()?.read_ok().ok()
    }

    /// Send a request. With `wait`, the answer arrives when the request is done, otherwise when it is accepted.
    pub async fn request(&self, request: &Request, wait: bool) -> Result<Outcome, ClientError> {
        self.ask_to(request, &format!("wait={wait}")).await
    }

    /// Send a request and wait, with an idempotency key chosen by the client: repeated with the same key,
    /// even to another supervisor because the first was killed, it is executed only once.
    pub async fn request_once(&self, request: &Request, key: &str) -> Result<Outcome, ClientError> {
        self.ask_to(request, &format!("wait=true&key={key}")).await
    }

    /// Send a request with such a key; the answer arrives when it is accepted. To wait for its outcome, repeat it with
    /// [`Self::request_once`] and the same key.
    pub async fn begin_once(&self, request: &Request, key: &str) -> Result<Outcome, ClientError> {
        self.ask_to(request, &format!("wait=false&key={key}")).await
    }

    async fn ask_to(&self, request: &Request, query: &str) -> Result<Outcome, ClientError> {
        let fields = serde_json::to_value(request).and_then(serde_json::from_value);
        let mut fields: Map<String, Value> = fields.map_err(|error| self.unsaid(&error))?;
        let route = Route::of_request(&fields);
        let route = route.ok_or_else(|| self.unsaid(&"there is no path for the request"))?;
        let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
        let path = route.path.replace("{name}", &percent_encoded(name));
        fields.retain(|field, _| route.fields().contains(&field.as_str()));
        let body =
            if fields.is_empty() { String::new() } else { Value::Object(fields).to_string() };
        let reply = self.ask(route.method(), &format!("{path}?{query}"), body.into()).await?;
        if reply.is_reason() { Err(reply.refusal()) } else { reply.read() }
    }

    /// Type into the terminal of a process.
    pub async fn type_into(&self, name: &str, text: &str, enter: bool) -> Result<(), ClientError> {
        let body = serde_json::to_vec(&TypingRequest { text: text.to_owned(), enter });
        let body = body.map_err(|error| self.unsaid(&error))?;
        let path = format!("/api/processes/{}/input", percent_encoded(name));
        let reply = self.ask_while_alive(Method::POST, &path, body.into()).await?;
        of_process(reply).map(drop)
    }

    /// The text of a process's terminal.
    pub async fn screen(&self, name: &str, color: bool) -> Result<String, ClientError> {
        #[derive(Deserialize)]
        struct Text {
            screen: String,
        }
        let path = format!("/api/processes/{}/screen?color={color}", percent_encoded(name));
        Ok(self.read_answer::<Text>(Method::GET, &path).await?.screen)
    }

    /// The screen of a process's terminal, with its size and cursor.
    pub async fn whole_screen(&self, name: &str) -> Result<Screen, ClientError> {
        let name = percent_encoded(name);
        let path = format!("/api/processes/{name}/screen?color=true&blanks=true");
        self.read_answer(Method::GET, &path).await
    }

    /// The latest matches of a process's flags, at most `last` for each; the name must be complete.
    pub async fn flags(&self, name: &str, last: usize) -> Result<Vec<FlagMatches>, ClientError> {
        let path = format!("/api/processes/{}/flags?last={last}", percent_encoded(name));
        Ok(self.read_answer::<RecentMatches>(Method::GET, &path).await?.flags)
    }

    pub async fn clear_log(&self) -> Result<Cleared, ClientError> {
        self.read_answer(Method::POST, "/api/clear").await
    }

    /// Detach all views.
    pub async fn detach(&self) -> Result<Detached, ClientError> {
        self.read_answer(Method::POST, "/api/detach").await
    }

    /// The answer to a request without a body.
    async fn read_answer<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, ClientError> {
        of_process(self.ask_while_alive(method, path, Bytes::new()).await?)?.read()
    }

    /// Forward a request of the API unchanged; returns the status and the body of the answer.
    pub async fn forward(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let reply = self.ask_while_alive(method, target, body).await?;
        Ok((reply.status, reply.body))
    }

    /// Follow the end of the journal; with `view` this counts as a terminal that shows the log.
    pub async fn head(&self, view: bool) -> Result<HeadStream, ClientError> {
        let path = if view { "/api/head?view=1" } else { "/api/head" };
        self.events(path, "read its news of the run", events::HeadEvent::read).await
    }

    /// Follow the state of the run.
    pub async fn watch(&self) -> Result<EventStream<WatchEvent>, ClientError> {
        self.events("/api/watch", "read its news of the state", events::WatchEvent::read).await
    }

    /// Follow the events that the supervisor sends at this path.
    async fn events<T>(
        &self,
        path: &str,
        can_not: &'static str,
        read: ReadEvent<T>,
    ) -> Result<EventStream<T>, ClientError> {
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        if answer.status() != StatusCode::OK {
            let asked = format!("GET {}", path.split('?').next().unwrap_or(path));
            let reply = self.whole(asked, answer).await?;
            return Err(of_process(reply).map_or_else(|error| error, |reply| reply.refusal()));
        }
        Ok(events::EventStream::new(&self.at, answer, can_not, read))
    }

    /// Send a request that is normally answered at once. Gives up when the supervisor does not even report
    /// that it is alive.
    async fn ask_while_alive(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Reply, ClientError> {
        let acts = method == Method::POST;
        let answer = self.outlast(self.ask(method, path, body), |_| true).await;
        if acts { answer.map_err(ClientError::after_request) } else { answer }
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Reply, ClientError> {
        let asked = format!("{method} {}", path.split('?').next().unwrap_or(path));
        let answer = self.send(method, path, body).await?;
        self.whole(asked, answer).await
    }

    async fn whole(&self, asked: String, answer: HttpResponse) -> Result<Reply, ClientError> {
        let (peer, status) = (Peer::of(&self.at, answer.headers()), answer.status());
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                self.unsaid(&format_args!("an answer has more than {} MiB", LARGEST_ANSWER >> 20))
            } else {
                self.lost(&*error)
            }
        });
        let body = body?.to_bytes();
        Ok(Reply { peer, asked, status, body })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<HttpResponse, ClientError> {
        let mut request = hyper::Request::new(Full::new(body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|error| self.unsaid(&error))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, header::HeaderValue::from_static("localhost"));
        introduce(headers);
        // A name that no header can have is not sent.
        headers.extend(self.by.parse().ok().map(|by| (header::USER_AGENT, by)));
        if let Some(run) = &self.run {
            // An id consists of letters, digits and dashes.
            headers.extend(run.parse().ok().map(|run| (RUN_HEADER, run)));
        }
        if !body.is_empty() {
            let json = header::HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The server may have closed the first connection if it was idle for long.
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

    async fn sender(&self) -> Result<HttpSender, ClientError> {
        let stream = connect(&self.at).await?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| self.lost(&error))?;
        // The task ends with the answer; errors reach the caller through that.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn lost(&self, error: &(dyn std::error::Error + 'static)) -> ClientError {
        let cause = error.source().unwrap_or(error).to_string();
        ClientError::Lost { at: self.at.clone(), cause }
    }

    fn unsaid(&self, what: &dyn std::fmt::Display) -> ClientError {
        ClientError::Garbled { at: self.at.clone(), what: what.to_string() }
    }
}

/// Check the answer to a request about one process.
fn of_process(reply: Reply) -> Result<Reply, ClientError> {
    if reply.status == StatusCode::OK {
        return Ok(reply);
    }
    if reply.status == StatusCode::NOT_FOUND && !reply.is_reason() {
        let outcome: Outcome = reply.read()?;
        if let Some(unknown) = outcome.unknown {
            return Err(ClientError::Unknown(unknown));
        }
    }
    Err(reply.refusal())
}

/// Percent-encode a name for use in a path or a query.
pub fn percent_encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") };
    name.bytes().map(one).collect()
}

/// Connect to a tmo supervisor; over TCP both sides prove that they know the token.
async fn connect(at: &Address) -> Result<UnixStream, ClientError> {
    match at {
        address::Address::Unix(path) => connect_unix(at, path).await,
        address::Address::Tcp(target) => match tcp::greet(target).await? {
            Answerer::Tmo(stream) => Ok(stream),
            Answerer::Overmind => {
                let what = "overmind answers there by now".to_owned();
                Err(ClientError::Garbled { at: at.clone(), what })
            }
        },
    }
}

/// Connect to a Unix socket, even if its path is long or its listener is busy.
async fn connect_unix(at: &Address, path: &Path) -> Result<UnixStream, ClientError> {
    let failed = |cause| ClientError::Dial { at: at.clone(), cause };
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        // A full queue or a path that is too long for an address needs the slower way.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput) =>
        {
            dial_slowly(path).await.map_err(failed)?
        }
        Err(error) => return Err(failed(error)),
    };
    let owner = stream.peer_cred().map_err(failed)?.uid();
    identify::refuse(at, path, owner)?;
    Ok(stream)
}

async fn dial_slowly(path: &Path) -> io::Result<UnixStream> {
    let path = path.to_owned();
    let dialled = tokio::task::spawn_blocking(move || dial::dial(&path, CONNECT_PATIENCE)).await;
    let stream = dialled.map_err(io::Error::other).and_then(|dialled| dialled)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}
