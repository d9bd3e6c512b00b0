//! `tmo connect` to a terminal of tmo's own.
//!
//! The last lines of the log go into the scroll-back of the user's terminal, then the screen follows as it is. A holder
//! that was killed is replaced within a moment, and the client goes on with its successor.

mod filter;
mod keys;

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use self::filter::Filter;
pub(super) use self::keys::DetachKeys;
use self::keys::{KeyParser, Typed};
use super::super::keyboard::open_terminal;
use crate::protocol::terminal::{Frames, FromClient, FromHolder, Hello, LONGEST, Size, VERSION};

/// How long a key may take that is sent in several bytes.
const KEY: Duration = Duration::from_millis(30);
/// How long to look for the successor of a holder that has ended, and how often.
const SUCCESSOR: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(20);
/// The line that `Ctrl-b ?` shows.
const HELP: &str = "C-b d leaves, C-b C-b types C-b, C-b l draws the screen again";

/// How to attach.
#[derive(Debug, Clone)]
pub(super) struct Attach {
    /// The socket of the holder.
    pub(super) socket: PathBuf,
    pub(super) read_only: bool,
    pub(super) keeps_size: bool,
    pub(super) keys: DetachKeys,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The user has left.
    Left,
    /// The terminal is gone.
    Gone,
    /// A signal asked for it.
    Signal(u8),
}

/// The user's terminal in raw mode, until this is dropped.
struct Raw {
    before: Termios,
    filter: Filter,
}

impl Raw {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        let this = Self { before, filter: Filter::default() };
        let rows = usize::from(size_of_terminal().map_or(24, |(_, rows)| rows));
        // Keep the title, and move what is shown into the scroll-back.
        let lines = "\r\n".repeat(rows.saturating_sub(1));
        show(format!("\x1b[22;2t{lines}").as_bytes())?;
        Ok(this)
    }

    fn draw(&mut self, bytes: &[u8]) -> io::Result<()> {
        show(&self.filter.pass(bytes))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let rows = size_of_terminal().map_or(24, |(_, rows)| rows);
        let mut bytes = self.filter.undo();
        bytes.extend(format!("\x1b[{rows};1H\r\n\x1b[23;2t").into_bytes());
        // The terminal may be gone.
        let _ = show(&bytes);
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.before);
    }
}

fn show(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn size_of_terminal() -> Option<Size> {
    let size = tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// A conversation with a holder.
struct Link {
    stream: UnixStream,
    frames: Frames,
}

impl Link {
    async fn dial(attach: &Attach) -> io::Result<Self> {
        let stream = UnixStream::connect(&attach.socket).await?;
        let mut link = Self { stream, frames: Frames::default() };
        let size = if attach.keeps_size { None } else { size_of_terminal() };
        let hello = Hello { version: VERSION, size, watches: true, read_only: attach.read_only };
        link.send(&FromClient::Hello(hello)).await?;
        Ok(link)
    }

    /// The same with the successor of a holder that has just ended.
    async fn dial_again(attach: &Attach) -> Option<Self> {
        let until = Instant::now() + SUCCESSOR;
        while Instant::now() < until {
            match Self::dial(attach).await {
                Ok(link) => return Some(link),
                // No event tells that it listens.
                Err(_) => sleep(RETRY).await,
            }
        }
        None
    }

    async fn send(&mut self, frame: &FromClient) -> io::Result<()> {
        self.stream.write_all(&frame.encode()).await
    }

    /// The next frame; an error if the holder is gone.
    async fn next(&mut self) -> io::Result<FromHolder> {
        loop {
            if let Some(frame) = self.frames.of_holder().map_err(io::Error::other)? {
                return Ok(frame);
            }
            let mut buffer = [0; 16 << 10];
            match self.stream.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.frames.add(&buffer[..read]),
            }
        }
    }
}

/// Show the terminal until the user leaves, or it is gone.
pub(super) async fn show_terminal(attach: &Attach) -> io::Result<Ended> {
    let link = Link::dial(attach).await?;
    let raw = Raw::begin()?;
    Shown { attach, link, raw, keys: KeyParser::new(attach.keys.clone()) }.serve().await
}

struct Shown<'a> {
    attach: &'a Attach,
    link: Link,
    raw: Raw,
    keys: KeyParser,
}

/// The signals that matter here.
struct Signals {
    resized: Signal,
    end: [(Signal, u8); 3],
}

impl Signals {
    fn new() -> io::Result<Self> {
        let end = |kind: SignalKind| {
            let code = 128_u8.saturating_add(u8::try_from(kind.as_raw_value()).unwrap_or(0));
            Ok::<_, io::Error>((signal(kind)?, code))
        };
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            end: [
                end(SignalKind::hangup())?,
                end(SignalKind::terminate())?,
                end(SignalKind::interrupt())?,
            ],
        })
    }

    /// Wait for one that ends the client; returns the exit code.
    async fn ended(end: &mut [(Signal, u8); 3]) -> u8 {
        let [(hangup, a), (terminate, b), (interrupt, c)] = end;
        tokio::select! {
            _ = hangup.recv() => *a,
            _ = terminate.recv() => *b,
            _ = interrupt.recv() => *c,
        }
    }
}

impl Shown<'_> {
    async fn serve(mut self) -> io::Result<Ended> {
        let mut signals = Signals::new()?;
        let keyboard = open_terminal().ok_or(io::ErrorKind::NotFound)?;
        loop {
            let waits_for_key = self.keys.is_waiting();
            tokio::select! {
                frame = self.link.next() => match frame {
                    Ok(FromHolder::Output(bytes) | FromHolder::Redraw(bytes)) => self.raw.draw(&bytes)?,
                    Ok(FromHolder::Size(_) | FromHolder::Screen(_) | FromHolder::Typed) => {}
                    Err(_) => match Link::dial_again(self.attach).await {
                        Some(link) => self.link = link,
                        None => return Ok(Ended::Gone),
                    },
                },
                ready = keyboard.readable() => {
                    let mut ready = ready?;
                    let mut bytes = [0; 4 << 10];
                    match ready.try_io(|terminal| Ok(rustix::io::read(terminal.get_ref().as_fd(), &mut bytes)?)) {
                        Ok(Ok(0) | Err(_)) => return Ok(Ended::Left),
                        Ok(Ok(count)) => {
                            let wants = self.keys.take(&bytes[..count]);
                            if self.act(wants).await? {
                                return Ok(Ended::Left);
                            }
                        }
                        Err(_) => {}
                    }
                }
                () = sleep(KEY), if waits_for_key => {
                    let wants = self.keys.give_up();
                    if self.act(wants).await? {
                        return Ok(Ended::Left);
                    }
                }
                _ = signals.resized.recv() => {
                    if let (false, Some(size)) = (self.attach.keeps_size, size_of_terminal()) {
                        self.send(&FromClient::Resize(size)).await;
                    }
                }
                code = Signals::ended(&mut signals.end) => return Ok(Ended::Signal(code)),
            }
        }
    }

    /// Send a frame. If the holder has just ended, the next read finds its successor.
    async fn send(&mut self, frame: &FromClient) {
        let _ = timeout(SUCCESSOR, self.link.send(frame)).await;
    }

    /// Do what the user wants; returns whether that is to leave.
    async fn act(&mut self, wants: Vec<Typed>) -> io::Result<bool> {
        for want in wants {
            match want {
                Typed::Input(_) if self.attach.read_only => {}
                Typed::Input(bytes) => {
                    for part in bytes.chunks(LONGEST) {
                        self.send(&FromClient::Input(part.to_vec())).await;
                    }
                }
                Typed::Leave => return Ok(true),
                Typed::Help => {
                    show(format!("\x1b7\x1b[1;1H\x1b[7m{HELP}\x1b[m\x1b[K\x1b8").as_bytes())?
                }
                Typed::Redraw => match Link::dial_again(self.attach).await {
                    Some(link) => self.link = link,
                    None => return Ok(true),
                },
            }
        }
        Ok(false)
    }
}

/// The socket of a process in this runtime directory, by the name of its pane.
pub(super) fn socket(runtime: &Path, pane: &str) -> PathBuf {
    crate::protocol::paths::PanePaths::of_slug(runtime, pane).terminal()
}
