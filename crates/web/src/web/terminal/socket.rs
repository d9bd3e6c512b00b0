//! The WebSocket of a terminal on a page.
//!
//! All messages are binary, and their first byte is the kind. The server sends 0 output, 5 status (JSON), 6 end (its
//! reason as text), and 7 a whole screen (JSON). The page sends 1 input, 2 size (columns and rows, 16 bits each,
//! big-endian), and 3 acknowledgement (bytes shown since the last one, 32 bits).
//!
//! The terminal is read only as fast as the page shows its output. For a slow page, tmux skips output; the process and
//! its log are not delayed.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::future::OptionFuture;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until, timeout};

use crate::view::merged::cleaned;
use crate::web::terminal::copy_mode::{CopyMode, LeftoverSession};
use crate::web::terminal::pty::{Pty, Size};
use crate::web::terminal::{ScreenState, Terminal, Typist};

const OUTPUT: u8 = 0;
const INPUT: u8 = 1;
const SIZE: u8 = 2;
const SHOWN: u8 = 3;
const STATUS: u8 = 5;
const END: u8 = 6;
/// The kind of a message that shows a whole screen.
pub(crate) const SCREEN: u8 = 7;

/// The most bytes that may be unacknowledged by the page.
const WINDOW: usize = 128 << 10;
/// While this many bytes of input wait, nothing more is read from the page. After [`UNREAD`], the page is closed: as
/// long as it is not read, its end can't be noticed.
const MOST_INPUT: usize = 1 << 20;
const UNREAD: Duration = Duration::from_secs(10);
/// Why it is closed then.
const DOES_NOT_READ: &str = "The process does not read, and 1 MiB of input waits for it.";
/// How much is read at once.
const CHUNK: usize = 16 << 10;
/// The interval between pings.
pub(crate) const PING: Duration = Duration::from_secs(25);
/// A page that accepts no data for this long is gone.
const GONE: Duration = Duration::from_secs(60);
/// How long `tmo connect` may take to end after its terminal.
const FAREWELL: Duration = Duration::from_secs(2);
/// How much of the last output is searched for the final message of `tmo connect`.
const LAST: usize = 1 << 10;
/// How long to wait for the size of a terminal.
const SIZE_PATIENCE: Duration = Duration::from_secs(5);
/// The longest reason that is forwarded, in characters.
const LONGEST_FAREWELL: usize = 200;
/// The reason for the end of a terminal whose run is over.
pub(crate) const RUN_OVER: &str = "This run is over; it has no terminals.";

/// A message to the page about the terminal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// The number of other pages that type into this terminal.
    Others(usize),
    /// Columns and rows, if the page must use the size of the terminal.
    Size(Size),
    /// Why the screen can't be captured now.
    Problem(String),
}

#[derive(Debug, PartialEq, Eq)]
enum PageMessage<'a> {
    Input(&'a [u8]),
    Size(Size),
    Shown(usize),
}

/// Parse a message; `None` if it is unknown or malformed.
fn parse(message: &[u8]) -> Option<PageMessage<'_>> {
    let (kind, rest) = message.split_first()?;
    Some(match (*kind, rest) {
        (INPUT, bytes) => PageMessage::Input(bytes),
        (SIZE, &[a, b, c, d]) => {
            PageMessage::Size((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        (SHOWN, &[a, b, c, d]) => PageMessage::Shown(
            usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX),
        ),
        _ => return None,
    })
}

/// Whether the session of a typing page still lasts. This is checked for each input.
type MayType<'a> = &'a (dyn Fn() -> bool + Sync);

/// The parameters of a typing page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypingParameters {
    /// Its columns and rows.
    size: Size,
    /// Whether the terminal keeps its size and the page uses that.
    keeps_size: bool,
}

impl TypingParameters {
    /// Parse a query such as `size=80x24&keep=1`.
    pub(crate) fn parse(query: &str) -> Self {
        let mut asked = Self { size: (80, 24), keeps_size: false };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let size = || {
                let (columns, rows) = value.split_once('x')?;
                Some((columns.parse().ok()?, rows.parse().ok()?))
            };
            match &*name {
                "size" => asked.size = size().unwrap_or(asked.size),
                "keep" => asked.keeps_size = value == "1",
                _ => {}
            }
        }
        asked
    }
}

/// Let a page type into the terminal of a process.
pub(crate) async fn open(
    mut socket: WebSocket,
    terminal: &Arc<Terminal>,
    TypingParameters { mut size, keeps_size }: TypingParameters,
    may_type: MayType<'_>,
) {
    let Some(address) = terminal.run.known.socket() else {
        return end(&mut socket, RUN_OVER).await;
    };
    let mut view = None;
    if keeps_size {
        let view = view.insert(terminal.view());
        // After a timeout, the size of the page is used.
        let _ = timeout(SIZE_PATIENCE, view.wait_for(|view| *view != ScreenState::Unknown))
            .await
            .is_ok();
        if let ScreenState::Screen(now, _) = *view.borrow_and_update() {
            size = now;
        }
        send_status(&mut socket, &Status::Size(size)).await;
    }
    let typist = Typist::new(terminal);
    let run = Arc::clone(&terminal.run);
    match Pty::connect(&address, terminal.name.as_str(), keeps_size, size) {
        Ok(pty) => {
            // This also runs if the session of the page ends meanwhile.
            let _leftover = LeftoverSession { run, client: pty.client() };
            let copy_mode = CopyMode::new(terminal, typist.all());
            serve(socket, copy_mode, pty, typist, size, view, may_type).await;
        }
        Err(error) => end(&mut socket, &format!("No terminal can be opened: {error}")).await,
    }
}

/// Connect the page with the terminal until one of them ends. `view` is the screen of the terminal, if the page must use
/// its size.
async fn serve(
    mut socket: WebSocket,
    mut copy_mode: CopyMode,
    pty: Pty,
    typist: Typist,
    mut size: Size,
    mut view: Option<watch::Receiver<ScreenState>>,
    may_type: MayType<'_>,
) {
    let mut conversation = Conversation::new(view.is_some());
    let mut leaving = None;
    let mut buffer = vec![0; CHUNK];
    let mut ping = interval(PING);
    let mut all = typist.all();
    all.mark_changed();
    let has_ended = loop {
        let input = copy_mode.next(conversation.input.as_slices().0, &mut leaving);
        let is_there = tokio::select! {
            read = pty.read_output(&mut buffer), if conversation.under_way < WINDOW => match read {
                Ok(0) | Err(_) => break true,
                Ok(read) => conversation.show(&mut socket, &buffer[..read]).await,
            },
            Some(()) = OptionFuture::from(leaving.as_mut()) => {
                leaving = None;
                true
            }
            written = pty.write(input), if !input.is_empty() => {
                let Ok(written) = written else { break true };
                conversation.wrote(written, &mut copy_mode);
                true
            }
            () = sleep_until(conversation.moved + UNREAD), if conversation.is_full() => {
                conversation.last = DOES_NOT_READ.into();
                break true;
            }
            received = socket.recv(), if !conversation.is_full() => {
                let message = match received {
                    Some(Ok(Message::Binary(message))) => message,
                    Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break false,
                };
                if conversation.handle(&message, &pty, &typist, &mut copy_mode, may_type).is_err() {
                    break true;
                }
                true
            }
            Ok(()) = all.changed() => {
                let others = all.borrow_and_update().count.saturating_sub(1);
                send_status(&mut socket, &Status::Others(others)).await
            }
            now = new_size(&mut view, size) => {
                size = now;
                if pty.resize(size).is_err() {
                    break true;
                }
                send_status(&mut socket, &Status::Size(size)).await
            }
            _ = ping.tick() => deliver(&mut socket, Message::Ping(vec![].into())).await,
        };
        if !is_there {
            break false;
        }
    };
    close(pty).await;
    // By now, the client has left tmux.
    drop(copy_mode);
    drop(typist);
    if has_ended {
        end(&mut socket, &conversation.farewell()).await;
    }
}

/// End the client in the terminal.
async fn close(pty: Pty) {
    let mut child = pty.close();
    if timeout(FAREWELL, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// The state of the connection.
struct Conversation {
    /// What was typed and is not in the terminal yet.
    input: VecDeque<u8>,
    /// When the terminal took some of it last.
    moved: Instant,
    under_way: usize,
    last: Vec<u8>,
    keeps_size: bool,
}

impl Conversation {
    fn new(keeps_size: bool) -> Self {
        let moved = Instant::now();
        Self { input: VecDeque::new(), moved, under_way: 0, last: vec![], keeps_size }
    }

    fn is_full(&self) -> bool {
        self.input.len() >= MOST_INPUT
    }

    /// Show output; false if the page is gone.
    async fn show(&mut self, socket: &mut WebSocket, output: &[u8]) -> bool {
        self.under_way += output.len();
        self.last.extend(output);
        self.last.drain(..self.last.len().saturating_sub(LAST));
        send(socket, message(OUTPUT, output)).await
    }

    /// Note that so much of the input is in the terminal.
    fn wrote(&mut self, bytes: usize, copy_mode: &mut CopyMode) {
        self.input.drain(..bytes);
        copy_mode.wrote(bytes);
        self.moved = Instant::now();
    }

    fn handle(
        &mut self,
        message: &[u8],
        pty: &Pty,
        typist: &Typist,
        copy_mode: &mut CopyMode,
        may_type: MayType<'_>,
    ) -> io::Result<()> {
        match parse(message) {
            Some(PageMessage::Input(bytes)) if may_type() => {
                if self.input.is_empty() {
                    self.moved = Instant::now();
                }
                copy_mode.note(bytes, self.input.len());
                self.input.extend(bytes);
                Ok(())
            }
            Some(PageMessage::Size(size)) if !self.keeps_size => {
                typist.resized();
                pty.resize(size)
            }
            Some(PageMessage::Shown(shown)) => {
                self.under_way = self.under_way.saturating_sub(shown);
                Ok(())
            }
            Some(PageMessage::Input(_) | PageMessage::Size(_)) | None => Ok(()),
        }
    }

    /// The last line of the output, in which `tmo connect` prints why it has ended.
    fn farewell(&self) -> String {
        let text = cleaned(&self.last, false);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        last.unwrap_or("The terminal was closed.").chars().take(LONGEST_FAREWELL).collect()
    }
}

/// Wait until the terminal has another size, which the page must use.
async fn new_size(view: &mut Option<watch::Receiver<ScreenState>>, known: Size) -> Size {
    let Some(view) = view else { return std::future::pending().await };
    loop {
        if view.changed().await.is_err() {
            return std::future::pending().await;
        }
        match *view.borrow_and_update() {
            ScreenState::Screen(size, _) if size != known => return size,
            _ => {}
        }
    }
}

pub(crate) fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind], content].concat()
}

/// Send a message to a page; false if the page is gone.
pub(crate) async fn deliver(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(GONE, socket.send(message)).await, Ok(Ok(())))
}

/// Send a message of a terminal; false if the page is gone.
pub(crate) async fn send(socket: &mut WebSocket, message: Vec<u8>) -> bool {
    deliver(socket, Message::Binary(message.into())).await
}

/// Send a status to the page; false if the page is gone.
pub(crate) async fn send_status(socket: &mut WebSocket, status: &Status) -> bool {
    match serde_json::to_vec(status) {
        Ok(json) => send(socket, message(STATUS, &json)).await,
        Err(_) => true,
    }
}

/// Send the page the reason for the end of its terminal.
pub(crate) async fn end(socket: &mut WebSocket, why: &str) {
    send(socket, message(END, why.as_bytes())).await;
}

#[cfg(test)]
mod tests {
    use super::{Conversation, LONGEST_FAREWELL, PageMessage, TypingParameters, parse};

    #[test]
    fn the_query_has_size_and_rule() {
        let asked = |size, keeps_size| TypingParameters { size, keeps_size };
        assert_eq!(TypingParameters::parse("size=100x30&keep=1"), asked((100, 30), true));
        assert_eq!(TypingParameters::parse("size=100x-3&keep=0"), asked((80, 24), false));
        assert_eq!(TypingParameters::parse(""), asked((80, 24), false));
    }

    #[test]
    fn the_farewell_is_the_last_line_as_plain_text() {
        let farewell = |last: &[u8]| {
            Conversation { last: last.to_vec(), ..Conversation::new(false) }.farewell()
        };
        let output =
            b"got <a>\r\n\x1b[?1049l[exited]\r\n\x1b[1mleft web; the run is over\x1b[m\r\n\r\n";
        assert_eq!(farewell(output), "left web; the run is over");
        assert_eq!(farewell(b""), "The terminal was closed.");
        assert_eq!(farewell(&[b'x'; 1000]).len(), LONGEST_FAREWELL);
    }

    #[test]
    fn messages_are_read() {
        assert_eq!(parse(&[1, b'a', b'b']), Some(PageMessage::Input(b"ab")));
        assert_eq!(parse(&[2, 0, 80, 1, 0]), Some(PageMessage::Size((80, 256))));
        assert_eq!(parse(&[3, 0, 0, 1, 0]), Some(PageMessage::Shown(256)));
        for wrong in [&[][..], &[2, 0, 80], &[3, 0], &[0, 1], &[9], &[2, 0, 80, 0, 24, 0]] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
