//! `tmo connect` to a terminal of tmo's own.
//!
//! The last lines of the log go into the scroll-back of the user's terminal, then the screen follows as it is. A holder
//! that was killed is replaced within a moment, and the client goes on with its successor.

mod filter;
mod fitted;
mod history;
mod keys;
mod link;
mod user_terminal;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::filter::Filter;
use self::fitted::Fitted;
use self::keys::{KeyParser, Typed};
use self::link::Link;
use self::user_terminal::UserTerminal;
use crate::model::ProcName;
use crate::model::detach_keys::DetachKeys;
use crate::model::terminal::{Emulator, Modes};
use crate::protocol::terminal::{
    FromClient, FromHolder, Hello, LONGEST, MOST_WATCHING, Size, VERSION,
};

/// How long a key may take that is sent in several bytes.
const KEY: Duration = Duration::from_millis(30);
/// How long a holder may take to show the screen.
const FIRST: Duration = Duration::from_secs(10);
/// How long the keys are shown.
const HELP: Duration = Duration::from_secs(3);

/// How to attach.
#[derive(Debug, Clone)]
pub(super) struct Attach {
    pub(super) name: ProcName,
    /// The socket of the holder.
    pub(super) socket: PathBuf,
    pub(super) read_only: bool,
    pub(super) keeps_size: bool,
    /// Its title does not tell the keys.
    pub(super) no_status: bool,
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

impl Attach {
    /// A client that only looks on changes nothing, not even the size.
    const fn keeps_size(&self) -> bool {
        self.keeps_size || self.read_only
    }

    fn hello(&self, own: Size) -> Hello {
        let size = if self.keeps_size() { None } else { Some(own) };
        Hello { version: VERSION, size, watches: true, read_only: self.read_only }
    }
}

/// Show the terminal until the user leaves, or it is gone. `log` are the lines that were printed last.
pub(super) async fn show_terminal(
    attach: &Attach,
    log: impl FnOnce() -> Vec<u8>,
) -> io::Result<Ended> {
    let terminal = user_terminal::open()?;
    let own = user_terminal::size(&terminal);
    let mut link = Link::dial(&attach.socket, attach.hello(own)).await?;
    let first = timeout(FIRST, first_screen(&mut link)).await;
    let nothing = || io::Error::other("it shows nothing");
    let (size, screen) = first.map_err(|_| nothing())?.map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof { nothing() } else { error }
    })?;
    let mut emulator = Emulator::new(size, Modes::default());
    emulator.feed(&screen);
    let suffix =
        if attach.no_status { String::new() } else { format!(" (to leave: {})", attach.keys) };
    let mut user = UserTerminal::begin(terminal, Filter::new(suffix))?;
    user.draw(format!("\x1b]2;{}\x07", attach.name).as_bytes())?;
    if !emulator.modes().is_alternate() {
        for line in history::hidden(&log(), &emulator.lines()) {
            user.show(line);
            user.show(b"\r\n");
        }
    }
    user.scroll_away();
    let keys = KeyParser::new(attach.keys.clone());
    let view = if size == own { View::Whole } else { View::part(size) };
    let mut shown = Shown {
        attach,
        link,
        user,
        keys,
        view,
        resized: false,
        redraw: None,
        unconfirmed: Unconfirmed::default(),
    };
    shown.draw(&screen)?;
    shown.serve().await
}

/// The size of the terminal, and what it shows.
async fn first_screen(link: &mut Link) -> io::Result<(Size, Vec<u8>)> {
    let mut size = (80, 24);
    loop {
        match link.next().await? {
            FromHolder::Size(new) => size = new,
            FromHolder::Redraw(screen) => return Ok((size, screen)),
            FromHolder::Full => return Err(full()),
            FromHolder::Output(_) | FromHolder::Screen(_) | FromHolder::Typed => {}
        }
    }
}

fn full() -> io::Error {
    let text = format!("{MOST_WATCHING} clients are connected to it already, which is the maximum");
    io::Error::other(text)
}

/// How the terminal is shown.
enum View {
    /// It has the size of the user's terminal, which gets what is printed.
    Whole,
    /// It has another size.
    Part(Box<Fitted>),
}

impl View {
    fn part(size: Size) -> Self {
        Self::Part(Box::new(Fitted::new(size)))
    }
}

struct Shown<'a> {
    attach: &'a Attach,
    link: Link,
    user: UserTerminal,
    keys: KeyParser,
    view: View,
    /// The holder has been told of another size of the user's terminal, and has not taken it yet.
    resized: bool,
    /// When to draw the screen again, because something else covers it.
    redraw: Option<Instant>,
    unconfirmed: Unconfirmed,
}

/// What was sent to the holder and may not have been typed yet.
#[derive(Default)]
struct Unconfirmed {
    bytes: Vec<u8>,
    /// The holder was asked to confirm that many of them.
    asked: usize,
}

impl Unconfirmed {
    /// The successor of a holder types this again. Of more, the program has probably read a part.
    const MOST: usize = 1 << 10;

    /// These bytes are sent now.
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What was asked for is confirmed.
    fn confirm(&mut self) {
        self.bytes.drain(..self.asked);
        self.asked = 0;
    }

    /// Whether to ask for a confirmation now.
    const fn asks(&mut self) -> bool {
        let asks = self.asked == 0 && !self.bytes.is_empty();
        if asks {
            self.asked = self.bytes.len();
        }
        asks
    }

    /// The holder has ended; returns what its successor is to type.
    fn again(&mut self) -> Vec<u8> {
        self.asked = 0;
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.len() <= Self::MOST { bytes } else { vec![] }
    }
}

/// The signals that matter here.
struct Signals {
    resized: Signal,
    continued: Signal,
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
            continued: signal(SignalKind::from_raw(nix::libc::SIGCONT))?,
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

/// Wait until then; forever without a time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl Shown<'_> {
    async fn serve(mut self) -> io::Result<Ended> {
        let mut signals = Signals::new()?;
        loop {
            let (is_behind, waits_for_key) = (self.user.is_behind(), self.keys.is_waiting());
            tokio::select! {
                written = self.user.write(), if is_behind => self.user.wrote(written?),
                frame = self.link.next(), if !is_behind => match frame {
                    Ok(frame) => self.take(frame).await?,
                    Err(_) if self.dial_again().await => {}
                    Err(_) => return Ok(Ended::Gone),
                },
                typed = self.user.read() => {
                    // A terminal that is gone hangs up its programs, too.
                    let Ok(bytes) = typed else { return Ok(Ended::Left) };
                    let wants = self.keys.take(&bytes);
                    if self.act(wants).await {
                        return Ok(Ended::Left);
                    }
                }
                () = sleep(KEY), if waits_for_key => {
                    let wants = self.keys.give_up();
                    if self.act(wants).await {
                        return Ok(Ended::Left);
                    }
                }
                () = at(self.redraw) => {
                    self.redraw = None;
                    self.link.send(&FromClient::Redraw).await;
                }
                _ = signals.resized.recv() => self.resized().await,
                _ = signals.continued.recv() => {
                    self.user.renew()?;
                    self.link.send(&FromClient::Redraw).await;
                }
                code = Signals::ended(&mut signals.end) => return Ok(Ended::Signal(code)),
            }
        }
    }

    /// Connect to the successor of the holder; returns whether there is one.
    async fn dial_again(&mut self) -> bool {
        let hello = self.attach.hello(self.user.size());
        match Link::dial_again(&self.attach.socket, hello).await {
            Some(link) => {
                self.link = link;
                let again = self.unconfirmed.again();
                self.type_in(&again).await;
                true
            }
            None => false,
        }
    }

    async fn type_in(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(LONGEST) {
            self.unconfirmed.add(part);
            self.link.send(&FromClient::Input(part.to_vec())).await;
        }
        self.ask_to_confirm().await;
    }

    async fn ask_to_confirm(&mut self) {
        if self.unconfirmed.asks() {
            self.link.send(&FromClient::Typed).await;
        }
    }

    async fn take(&mut self, frame: FromHolder) -> io::Result<()> {
        match frame {
            FromHolder::Output(bytes) => self.draw(&bytes)?,
            FromHolder::Redraw(bytes) => {
                self.redraw = None;
                if let View::Part(fitted) = &mut self.view {
                    fitted.forget();
                }
                self.draw(&bytes)?;
            }
            FromHolder::Size(size) => self.fit(size).await?,
            FromHolder::Typed => {
                self.unconfirmed.confirm();
                self.ask_to_confirm().await;
            }
            FromHolder::Full => return Err(full()),
            FromHolder::Screen(_) => {}
        }
        Ok(())
    }

    fn draw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let View::Part(fitted) = &mut self.view else { return self.user.draw(bytes) };
        let before = fitted.input_modes();
        fitted.feed(bytes);
        let modes = fitted.input_modes();
        if before != modes || bytes.starts_with(b"\x1bc") {
            fitted.forget();
            self.user.draw(&[b"\x1bc", &*modes].concat())?;
        }
        let own = self.user.size();
        let drawn = fitted.draw(own);
        self.user.draw(drawn.as_bytes())
    }

    /// Show a terminal of this size.
    async fn fit(&mut self, size: Size) -> io::Result<()> {
        let is_whole = size == self.user.size();
        let has_changed = match &self.view {
            View::Whole => !is_whole,
            View::Part(fitted) => fitted.size() != size || is_whole,
        };
        if has_changed {
            self.view = if is_whole { View::Whole } else { View::part(size) };
            self.user.draw(b"\x1bc")?;
            if self.resized {
                // The holder believes that the size has fitted all along.
                self.link.send(&FromClient::Redraw).await;
            }
        }
        self.resized &= !is_whole;
        Ok(())
    }

    /// The user's terminal has another size.
    async fn resized(&mut self) {
        if self.attach.keeps_size() {
            self.link.send(&FromClient::Redraw).await;
        } else {
            self.resized = true;
            let size = self.user.size();
            self.link.send(&FromClient::Resize(size)).await;
        }
    }

    /// Show the keys in the first line, for a moment.
    fn show_keys(&mut self) {
        let columns = usize::from(self.user.size().0);
        let text: String = self.attach.keys.help().chars().take(columns).collect();
        self.user.show(format!("\x1b7\x1b[1;1H\x1b[0;7m{text}\x1b[m\x1b[K\x1b8").as_bytes());
        self.redraw = Some(Instant::now() + HELP);
    }

    /// Do what the user wants; returns whether that is to leave.
    async fn act(&mut self, wants: Vec<Typed>) -> bool {
        for want in wants {
            match want {
                Typed::Input(_) if self.attach.read_only => {}
                Typed::Input(bytes) => self.type_in(&bytes).await,
                Typed::Leave => return true,
                Typed::Help => self.show_keys(),
                Typed::Redraw => self.link.send(&FromClient::Redraw).await,
            }
        }
        false
    }
}

/// The socket of a process in this runtime directory, by the name of its pane.
pub(super) fn socket(runtime: &Path, pane: &str) -> PathBuf {
    crate::protocol::paths::PanePaths::of_slug(runtime, pane).terminal()
}

#[cfg(test)]
mod tests {
    use super::Unconfirmed;

    #[test]
    fn what_was_not_confirmed_is_typed_again() {
        let mut unconfirmed = Unconfirmed::default();
        assert!(!unconfirmed.asks());
        unconfirmed.add(b"ab");
        assert!(unconfirmed.asks() && !unconfirmed.asks());
        unconfirmed.add(b"cd");
        unconfirmed.confirm();
        assert!(unconfirmed.asks());
        assert_eq!(unconfirmed.again(), b"cd");
        unconfirmed.add(&vec![b'x'; Unconfirmed::MOST + 1]);
        assert!(unconfirmed.again().is_empty() && !unconfirmed.asks());
    }
}
