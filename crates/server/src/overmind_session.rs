//! A conversation in overmind's line protocol.
//!
//! Reading commands and streaming an echo share one task without blocking each other: a client may send
//! more commands while its echo runs. A client that does not read blocks only this task, which then holds
//! at most one chunk of rendered text.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};

use super::engine_handle::{Ending, EngineRequest, ViewGuard};
use super::serve::{Api, closed};
use crate::api::line_buffer::LineReader;
use crate::api::overmind::{self, OvermindCommand};
use crate::journal::history::{ECHO_CHUNK, EchoCursor};
use crate::model::command::Sender;
use crate::model::request::{ChangeOrder, Request};

/// Why a conversation ends.
#[derive(Debug, thiserror::Error)]
enum ConversationEnd {
    /// It is complete, or the client has closed its direction.
    #[error("it is over")]
    Over,
    /// The client has disconnected.
    #[error(transparent)]
    Gone(#[from] io::Error),
    /// The supervisor is ending.
    #[error(transparent)]
    Ending(#[from] Ending),
}

/// The answer to JSON-RPC, and to whatever else begins with a brace.
const NO_JSON: &str = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"this socket takes HTTP \
     (docs/SCRIPTING.md), not JSON-RPC; `tmo mcp` speaks MCP on its standard streams\"}}\n";

/// Serve a client until it disconnects or the run ends.
pub(super) async fn converse(mut stream: UnixStream, first: Vec<u8>, api: Api) {
    let (reader, writer) = stream.split();
    let lines = LineReader::new(reader, first);
    let mut talk = OvermindSession { writer, echo: None, api };
    let stopped = talk.serve_lines(lines).await;
    if matches!(stopped, ConversationEnd::Ending(_)) {
        tracing::debug!("a line was not answered: the supervisor is ending");
    }
}

struct OvermindSession<'a> {
    writer: WriteHalf<'a>,
    echo: Option<Echoing>,
    api: Api,
}

impl OvermindSession<'_> {
    async fn serve_lines(&mut self, mut lines: LineReader<ReadHalf<'_>>) -> ConversationEnd {
        let mut closing = self.api.closing.clone();
        loop {
            let line = tokio::select! {
                biased;
                line = lines.next(), if !lines.is_over() => line,
                done = step(&mut self.echo, &mut self.writer), if self.echo.is_some() => {
                    match done {
                        Ok(()) => continue,
                        Err(_) => return ConversationEnd::Over,
                    }
                }
                // An echo first shows the last output; any other conversation ends at once.
                () = closed(&mut closing), if self.echo.is_none() => {
                    return ConversationEnd::Over;
                }
            };
            let answered = match line {
                Ok(Some(line)) => self.carry_out(&line).await,
                // A half-closed client still reads its echo; a closed one does not.
                Ok(None) if self.echo.is_some() && !hung_up(&lines) => Ok(()),
                Ok(None) | Err(_) => return ConversationEnd::Over,
            };
            if let Err(stop) = answered {
                return stop;
            }
        }
    }

    async fn carry_out(&mut self, line: &[u8]) -> Result<(), ConversationEnd> {
        if overmind::is_http(line) || overmind::is_binary(line) {
            // This is a browser, connected through a forwarded port. Whatever follows is chosen by the web
            // page: headers and a body, or text in another protocol.
            return Err(ConversationEnd::Over);
        }
        if line.starts_with(b"{") {
            self.say(NO_JSON).await?;
            return Err(ConversationEnd::Over);
        }
        let Some(command) = overmind::parse(line) else { return Ok(()) };
        match command {
            OvermindCommand::Status => {
                let state = self.api.handle.state().await?;
                self.say(&overmind::status(&state.processes)).await?;
                return Err(ConversationEnd::Over);
            }
            OvermindCommand::GetConnection(name) => {
                let state = self.api.handle.state().await?;
                let process = overmind::connected(&state, name.as_deref());
                // Clients of overmind run tmux next. This also makes a lost socket of tmux again.
                let window = match process.and_then(|process| process.pane.clone()) {
                    Some(pane) => {
                        self.api.handle.ask(|reply| EngineRequest::Window { pane, reply }).await?
                    }
                    None => None,
                };
                self.say(&overmind::connection(&state, process, window.as_deref())).await?;
            }
            OvermindCommand::Restart(patterns) => {
                some(&self.api, &patterns, |names, order| Request::Restart { names, order })
                    .await?;
            }
            OvermindCommand::Stop(patterns) => {
                some(&self.api, &patterns, |names, order| Request::Stop { names, order }).await?;
            }
            OvermindCommand::Quit => ask(&self.api, Request::Quit).await?,
            OvermindCommand::Kill => ask(&self.api, Request::Kill).await?,
            OvermindCommand::Echo if self.echo.is_none() => {
                self.echo = Some(open(&self.api).await?);
            }
            OvermindCommand::Echo => {}
        }
        Ok(())
    }

    async fn say(&mut self, text: &str) -> Result<(), ConversationEnd> {
        // Finish the half-written chunk of the echo first.
        if let Some(echo) = &mut self.echo {
            self.writer.write_all(echo.unsent()).await?;
            echo.sent = echo.chunk.len();
        }
        Ok(self.writer.write_all(text.as_bytes()).await?)
    }
}

/// Send a request for the processes that the patterns match. Names that match nothing are silently ignored.
async fn some(
    api: &Api,
    patterns: &[String],
    request: impl FnOnce(Vec<String>, ChangeOrder) -> Request,
) -> Result<(), Ending> {
    let state = api.handle.state().await?;
    let names = overmind::matching(&state.processes, patterns);
    if names.is_empty() {
        return Ok(());
    }
    ask(api, request(names, ChangeOrder::Overmind)).await
}

/// Send a request without waiting for its outcome: the protocol has no replies, and the log shows the outcome.
async fn ask(api: &Api, request: Request) -> Result<(), Ending> {
    let from = Sender { by: "overmind client".to_owned(), key: None };
    api.handle.ask(|reply| EngineRequest::Do { request, wait: false, from, reply }).await.map(drop)
}

/// Whether the client has closed both directions.
fn hung_up(lines: &LineReader<ReadHalf<'_>>) -> bool {
    let stream: &UnixStream = lines.get_ref().as_ref();
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    let polled = nix::poll::poll(&mut fds, PollTimeout::ZERO);
    polled.is_err() || fds[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLHUP))
}

/// A running echo.
struct Echoing {
    cursor: Box<dyn EchoCursor>,
    api: Api,
    chunk: Vec<u8>,
    sent: usize,
    last: bool,
    _attached: ViewGuard,
}

impl Echoing {
    fn unsent(&self) -> &[u8] {
        &self.chunk[self.sent..]
    }
}

/// Open an echo. The cursor is placed before the echo is announced, so its stream begins with that notice.
async fn open(api: &Api) -> Result<Echoing, Ending> {
    let cursor = api.echo.start();
    let number = api.echoes.fetch_add(1, Ordering::Relaxed) + 1;
    let attached = api.handle.echo(number).await?;
    let (api, chunk) = (api.clone(), Vec::new());
    Ok(Echoing { cursor, api, chunk, sent: 0, last: false, _attached: attached })
}

/// Advance an echo by one step: write a piece, render a piece, or wait for more. Cancel-safe at every
/// await; an error means that the echo has ended.
async fn step(echo: &mut Option<Echoing>, writer: &mut WriteHalf<'_>) -> io::Result<()> {
    let Some(echo) = echo else { return std::future::pending().await };
    if echo.sent < echo.chunk.len() {
        echo.sent += writer.write(echo.unsent()).await?;
        return Ok(());
    }
    echo.chunk.clear();
    echo.sent = 0;
    let head = echo.api.handle.head.borrow_and_update().clone();
    echo.cursor.next(&head, &mut echo.chunk)?;
    if echo.chunk.capacity() > 4 * ECHO_CHUNK && echo.chunk.len() <= ECHO_CHUNK {
        echo.chunk.shrink_to(ECHO_CHUNK);
    }
    if !echo.chunk.is_empty() {
        // Yield: a long backlog for a fast reader must not starve the other clients.
        tokio::task::yield_now().await;
        return Ok(());
    }
    if echo.last {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // Read up to the head once more after this: the last output was written before the end.
    echo.last = !echo.api.wait_for_more().await;
    Ok(())
}
