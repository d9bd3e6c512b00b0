//! `tmo connect` to a terminal of tmo's own.
//!
//! The last lines of the log go into the scroll-back of the user's terminal, then the screen follows as it is. A holder
//! that was killed is replaced within a moment, and the client goes on with its successor.

mod filter;
mod fitted;
mod keys;
mod link;
mod outbox;
mod user_terminal;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use self::filter::Filter;
use self::fitted::Fitted;
use self::keys::{KeyParser, UserInput};
use self::link::HolderConnection;
use self::outbox::Outbox;
use self::user_terminal::UserTerminal;
use crate::cli::runtime::{SignalSet, code_of, until};
use crate::model::ProcName;
use crate::model::plan::detach_keys::DetachKeys;
use crate::protocol::terminal::{FromClient, FromHolder, Hello, MOST_WATCHING, Size, VERSION};

/// How long a key may take that is sent in several bytes.
const KEY: Duration = Duration::from_millis(30);
/// How long a holder may take to show the screen.
const FIRST: Duration = Duration::from_secs(10);
/// How long the keys are shown, and how long at the beginning, unless a key is pressed.
const HELP: Duration = Duration::from_secs(3);
const NOTICE: Duration = Duration::from_secs(5);
/// The fewest rows of a terminal that shows them at the beginning.
const FEWEST_ROWS: u16 = 3;

/// How to attach.
#[derive(Debug, Clone)]
pub(super) struct Attach {
    pub(super) name: ProcName,
    /// The socket of the holder.
    pub(super) socket: PathBuf,
    pub(super) read_only: bool,
    pub(super) keeps_size: bool,
    /// Neither its title nor a line of its own tells the keys.
    pub(super) no_status: bool,
    pub(super) keys: DetachKeys,
    /// What has to be pressed for the first of them: more than that in a tmux with the same prefix.
    pub(super) first_key: String,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
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
        let read_only = self.read_only;
        Hello { version: VERSION, size, watches: true, read_only, follows_input: true }
    }

    /// What titles get before and after their text. A tmux cuts them at their end.
    fn title(&self) -> [String; 2] {
        let keys = self.keys.after(&self.first_key);
        if self.no_status {
            [String::new(), String::new()]
        } else if self.first_key == self.keys.first() {
            [String::new(), format!(" (to leave: {keys})")]
        } else {
            [format!("{keys} leaves "), String::new()]
        }
    }

    /// The line that tells the keys at the beginning.
    fn notice(&self) -> String {
        let keys = self.keys.after(&self.first_key).replace("C-", "Ctrl-");
        let name = &self.name;
        if self.read_only {
            format!("connected to {name}, read-only; {keys} leaves")
        } else {
            format!("connected to {name}; {keys} leaves, Ctrl-c reaches it")
        }
    }
}

/// Show the terminal until the user leaves, or it is gone; returns also how many typed bytes were not sent. `log` are
/// the lines that were printed last.
pub(super) async fn show_terminal(
    attach: &Attach,
    log: impl FnOnce() -> Vec<u8>,
) -> io::Result<(ConnectionEnd, usize)> {
    let terminal = user_terminal::open()?;
    let own = user_terminal::size(&terminal);
    let mut link = link::HolderConnection::dial(&attach.socket, attach.hello(own)).await?;
    let first = timeout(FIRST, first_screen(&mut link)).await;
    let nothing = || io::Error::other("it shows nothing");
    let (size, screen) = first.map_err(|_| nothing())?.map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof { nothing() } else { error }
    })?;
    let signals = ConnectSignals::new()?;
    let mut user = UserTerminal::begin(terminal, Filter::new(attach.title()))?;
    user.draw(format!("\x1b]2;{}\x07", attach.name).as_bytes())?;
    user.scroll_away();
    let tells_keys = !attach.no_status && own.1 >= FEWEST_ROWS;
    let mut shown = TerminalClient {
        attach,
        link,
        user,
        keys: KeyParser::new(attach.keys.clone()),
        fitted: Some(Box::new(Fitted::new(size))),
        notice: tells_keys.then(|| Instant::now() + NOTICE),
        log: Some(Box::new(log)),
        resized: false,
        redraw: None,
        outbox: Outbox::default(),
    };
    shown.draw(&screen)?;
    if !tells_keys {
        shown.reveal()?;
    }
    let ended = shown.serve(signals).await?;
    shown.link.flush();
    Ok((ended, shown.outbox.unsent()))
}

/// The size of the terminal, and what it shows.
async fn first_screen(link: &mut HolderConnection) -> io::Result<(Size, Vec<u8>)> {
    let mut size = (80, 24);
    loop {
        match link.next(true).await? {
            FromHolder::Size(new) => size = new,
            FromHolder::Redraw(screen) => return Ok((size, screen)),
            FromHolder::Full => return Err(full()),
            _ => {}
        }
    }
}

fn full() -> io::Error {
    let text = format!("{MOST_WATCHING} clients are connected to it already, which is the maximum");
    io::Error::other(text)
}

struct TerminalClient<'a> {
    attach: &'a Attach,
    link: HolderConnection,
    user: UserTerminal,
    keys: KeyParser,
    /// The terminal as it is drawn. Without, the user's terminal has its size and gets what is printed.
    fitted: Option<Box<Fitted>>,
    /// Until then, a line over the last row of the user's terminal tells the keys. The screen does not scroll
    /// meanwhile: the line would go with it.
    notice: Option<Instant>,
    /// The lines that were printed last, until they are in the scroll-back.
    log: Option<Box<dyn FnOnce() -> Vec<u8> + 'a>>,
    /// The holder has been told of another size of the user's terminal, and has not taken it yet.
    resized: bool,
    /// When to draw the screen again, because something else covers it.
    redraw: Option<Instant>,
    outbox: Outbox,
}

/// The signals that matter here.
struct ConnectSignals {
    resized: Signal,
    continued: Signal,
    end: SignalSet,
}

impl ConnectSignals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(nix::libc::SIGCONT))?,
            end: SignalSet::of_end_and(&[])?,
        })
    }
}

impl TerminalClient<'_> {
    async fn serve(&mut self, mut signals: ConnectSignals) -> io::Result<ConnectionEnd> {
        loop {
            self.send_typed();
            let (is_behind, waits_for_key) = (self.user.is_behind(), self.keys.is_waiting());
            tokio::select! {
                written = self.user.write(), if is_behind => self.user.wrote(written?),
                frame = self.link.next(!is_behind) => if let Ok(frame) = frame {
                    self.take(frame)?;
                } else if let Some(ended) = self.dial_again(&mut signals).await {
                    return Ok(ended);
                },
                typed = self.user.read_typed(), if self.outbox.has_room() => {
                    // A terminal that is gone hangs up its programs, too.
                    let Ok(bytes) = typed else { return Ok(ConnectionEnd::Left) };
                    let wants = self.keys.take(&bytes);
                    if self.act(wants)? {
                        return Ok(ConnectionEnd::Left);
                    }
                }
                () = sleep(KEY), if waits_for_key => {
                    let wants = self.keys.give_up();
                    if self.act(wants)? {
                        return Ok(ConnectionEnd::Left);
                    }
                }
                () = until(self.redraw) => {
                    self.redraw = None;
                    self.link.send(&FromClient::Redraw);
                }
                () = until(self.notice) => self.reveal()?,
                _ = signals.resized.recv() => self.resized()?,
                _ = signals.continued.recv() => {
                    self.user.renew()?;
                    self.link.send(&FromClient::Redraw);
                }
                signal = signals.end.next() => return Ok(ConnectionEnd::Signal(code_of(signal))),
            }
        }
    }

    /// Connect to the successor of the holder; returns how it ended if there is none.
    async fn dial_again(&mut self, signals: &mut ConnectSignals) -> Option<ConnectionEnd> {
        let hello = self.attach.hello(self.user.size());
        let link = tokio::select! {
            link = link::HolderConnection::dial_again(&self.attach.socket, hello) => link,
            signal = signals.end.next() => return Some(ConnectionEnd::Signal(code_of(signal))),
        };
        let Some(link) = link else { return Some(ConnectionEnd::Gone) };
        self.link = link;
        self.outbox.send_again();
        None
    }

    fn send_typed(&mut self) {
        while let Some(bytes) = self.outbox.next() {
            self.link.send(&FromClient::Input(bytes));
        }
        if self.outbox.asks() {
            self.link.send(&FromClient::Typed);
        }
    }

    fn take(&mut self, frame: FromHolder) -> io::Result<()> {
        match frame {
            FromHolder::Output(bytes) => self.draw(&bytes)?,
            FromHolder::Redraw(bytes) => {
                self.redraw = None;
                if let Some(fitted) = &mut self.fitted {
                    fitted.forget();
                }
                self.draw(&bytes)?;
            }
            FromHolder::Size(size) => self.fit(size)?,
            FromHolder::Typed => self.outbox.confirm(),
            FromHolder::Discarded => self.outbox.discard(),
            FromHolder::Full => return Err(full()),
            FromHolder::Screen(_) | FromHolder::Taken(_) => {}
        }
        Ok(())
    }

    fn draw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(fitted) = &mut self.fitted else { return self.user.draw(bytes) };
        let before = fitted.modes();
        fitted.feed(bytes);
        let is_new = before != fitted.modes() || bytes.starts_with(b"\x1bc");
        self.draw_part(is_new)
    }

    /// Draw what has changed, or all of it.
    fn draw_part(&mut self, all: bool) -> io::Result<()> {
        let Some(fitted) = &mut self.fitted else { return Ok(()) };
        if all {
            fitted.forget();
            self.user.draw(&[b"\x1bc", &*fitted.modes()].concat())?;
        }
        let (columns, rows) = self.user.size();
        let drawn = fitted.draw((columns, rows));
        self.user.draw(drawn.as_bytes())?;
        if self.notice.is_some() {
            let text: String = self.attach.notice().chars().take(columns.into()).collect();
            self.user
                .show(format!("\x1b7\x1b[{rows};1H\x1b[0;7m{text}\x1b[m\x1b[K\x1b8").as_bytes());
            let is_alternate = fitted.emulator().modes().is_alternate();
            let row = if is_alternate { "" } else { fitted.row(rows - 1) };
            self.user.cover(Some(row));
        }
        Ok(())
    }

    /// Give the screen the whole terminal, and put the log into the scroll-back.
    fn reveal(&mut self) -> io::Result<()> {
        self.notice = None;
        self.user.cover(None);
        let Some(fitted) = &self.fitted else { return Ok(()) };
        let emulator = fitted.emulator();
        self.user.draw(b"\x1bc")?;
        if let Some(log) = self.log.take().filter(|_| !emulator.modes().is_alternate()) {
            for line in link::hidden(&log(), &emulator.lines()) {
                self.user.show(line);
                self.user.show(b"\r\n");
            }
            self.user.scroll_away();
        }
        if fitted.size() != self.user.size() {
            return self.draw_part(true);
        }
        let snapshot = emulator.snapshot();
        self.fitted = None;
        self.user.draw(&snapshot)
    }

    /// Show a terminal of this size.
    fn fit(&mut self, size: Size) -> io::Result<()> {
        let fits = size == self.user.size();
        let is_whole = fits && self.notice.is_none();
        let has_changed = match &self.fitted {
            None => !is_whole,
            Some(fitted) => fitted.size() != size || is_whole,
        };
        if has_changed {
            self.fitted = (!is_whole).then(|| Box::new(Fitted::new(size)));
            self.user.draw(b"\x1bc")?;
            if self.resized {
                // The holder believes that the size has fitted all along.
                self.link.send(&FromClient::Redraw);
            }
        }
        self.resized &= !fits;
        Ok(())
    }

    /// The user's terminal has another size.
    fn resized(&mut self) -> io::Result<()> {
        if self.notice.is_some() {
            self.reveal()?;
        }
        if self.attach.keeps_size() {
            self.link.send(&FromClient::Redraw);
        } else {
            self.resized = true;
            let size = self.user.size();
            self.link.send(&FromClient::Resize(size));
        }
        Ok(())
    }

    /// Show the keys in the first line, for a moment.
    fn show_keys(&mut self) {
        let columns = usize::from(self.user.size().0);
        let text = self.attach.keys.help(&self.attach.first_key);
        let text: String = text.chars().take(columns).collect();
        self.user.show(format!("\x1b7\x1b[1;1H\x1b[0;7m{text}\x1b[m\x1b[K\x1b8").as_bytes());
        self.redraw = Some(Instant::now() + HELP);
    }

    /// Do what the user wants; returns whether that is to leave.
    fn act(&mut self, wants: Vec<UserInput>) -> io::Result<bool> {
        for want in wants {
            if self.notice.is_some() && want != UserInput::Leave {
                self.reveal()?;
            }
            match want {
                UserInput::Leave => {
                    self.send_typed();
                    return Ok(true);
                }
                UserInput::Input(_) if self.attach.read_only => {}
                UserInput::Input(bytes) => self.outbox.add(&bytes),
                UserInput::Help => self.show_keys(),
                UserInput::Redraw => self.link.send(&FromClient::Redraw),
            }
        }
        Ok(false)
    }
}
