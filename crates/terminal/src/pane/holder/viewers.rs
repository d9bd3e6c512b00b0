//! The clients of a terminal: who looks at it, types into it, or asks for its screen.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::input::Input;
use crate::protocol::terminal::{
    Frames, FromClient, FromHolder, Hello, LONGEST_FRAME, MOST_WATCHING, Size, VERSION, limited,
};
use crate::sys;

/// The maximum number of clients, including those that only type or ask for the screen.
const MOST_CLIENTS: usize = 2 * MOST_WATCHING;
/// How long a client may take to introduce itself.
const INTRODUCTION_PATIENCE: Duration = Duration::from_secs(2);
/// How much output waits for a client. One that is slower gets a fresh screen later.
const QUEUE: usize = 1 << 20;
/// How often a client is shown the whole screen at most. In a flood, a slow one would need it again and again.
const REDRAW_PAUSE: Duration = Duration::from_millis(100);
/// A client.
pub(super) struct Viewer {
    /// Its number, which no other client has.
    pub(super) id: u64,
    stream: UnixStream,
    frames: Frames,
    hello: Option<Hello>,
    began: Instant,
    /// Frames to be sent, and how much of the first one has been sent.
    queue: VecDeque<Vec<u8>>,
    sent: usize,
    queued: usize,
    /// It has missed output, or has seen nothing yet.
    needs_redraw: bool,
    /// When it was shown the whole screen last.
    redrawn: Option<Instant>,
    /// The terminal had the size of the client's own terminal when it was told a size last.
    fits: bool,
    /// When it typed or changed its size last, as a count.
    active: u64,
    /// It waits until everything that it has typed is in the terminal.
    pub(super) awaits_typed: bool,
    /// How many of its bytes are in the terminal, and how many of those it knows of.
    pub(super) taken: u64,
    reported: Option<u64>,
    pub(super) is_gone: bool,
}

/// Whether the client is this user or root. Others can't reach the socket as long as its directory is private.
fn is_ours(stream: &UnixStream) -> bool {
    let mine = nix::unistd::geteuid().as_raw();
    sys::peer_user(stream).is_ok_and(|user| user == mine || user == 0)
}

impl Viewer {
    fn new(id: u64, stream: UnixStream) -> Self {
        Self {
            id,
            stream,
            frames: Frames::default(),
            hello: None,
            began: Instant::now(),
            queue: VecDeque::new(),
            sent: 0,
            queued: 0,
            needs_redraw: false,
            redrawn: None,
            fits: false,
            active: 0,
            awaits_typed: false,
            taken: 0,
            reported: None,
            is_gone: false,
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether to read what it has sent: not while it does not read what it has asked for.
    pub(super) fn is_read(&self) -> bool {
        self.queued <= QUEUE
    }

    /// Whether frames wait to be sent.
    pub(super) fn has_to_send(&self) -> bool {
        !self.queue.is_empty()
    }

    /// When it is to be shown a fresh screen, if it waits for one and can take it.
    fn redraw_due(&self) -> Option<Instant> {
        let waits = self.needs_redraw && self.queue.is_empty();
        waits.then(|| self.redrawn.map_or(self.began, |redrawn| redrawn + REDRAW_PAUSE))
    }

    /// Whether it is to be shown a fresh screen now.
    pub(super) fn wants_redraw(&self) -> bool {
        self.redraw_due().is_some_and(|due| due <= Instant::now())
    }

    fn watches(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.watches)
    }

    fn follows_input(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.follows_input)
    }

    /// Tell it what of its input is in the terminal; also if it waits while that of another client was typed.
    pub(super) fn report(&mut self, input: &Input, has_typed: bool) {
        let waits = has_typed && !input.is_typed(self.id);
        let is_new = waits || Some(self.taken) != self.reported;
        if self.follows_input() && is_new && !self.has_to_send() {
            self.reported = Some(self.taken);
            self.send(&FromHolder::Taken(self.taken));
        }
        if self.awaits_typed && input.is_typed(self.id) {
            self.awaits_typed = false;
            self.send(&FromHolder::Typed);
        }
    }

    /// What it has typed was for a process that has ended.
    pub(super) fn discarded(&mut self) {
        if self.follows_input() {
            self.send(&FromHolder::Discarded);
        }
    }

    pub(super) fn send(&mut self, frame: &FromHolder) {
        let bytes = frame.encode();
        self.queued += bytes.len();
        self.queue.push_back(bytes);
        self.flush();
    }

    /// Whether there is no room for this much of what it is shown. Then it will be shown the whole screen instead.
    fn overflows(&mut self, length: usize) -> bool {
        let overflows = self.queued + length > QUEUE;
        if overflows {
            // A frame that has been sent in part must be sent as a whole.
            self.queue.truncate(usize::from(self.sent > 0));
            self.queued = self.queue.iter().map(Vec::len).sum();
            self.needs_redraw = true;
        }
        overflows
    }

    /// Show it what was printed.
    pub(super) fn show(&mut self, output: &[u8]) {
        if self.needs_redraw || !self.watches() || self.overflows(output.len()) {
            return;
        }
        for part in output.chunks(LONGEST_FRAME) {
            self.send(&FromHolder::Output(part.to_vec()));
        }
    }

    /// It will be shown the whole screen.
    pub(super) fn needs_redraw(&mut self) {
        self.needs_redraw = self.watches();
    }

    /// Show it the whole screen of a terminal of this size.
    pub(super) fn redraw(&mut self, size: Size, bytes: Vec<u8>) {
        self.needs_redraw = false;
        self.redrawn = Some(Instant::now());
        self.send_size(size);
        self.send(&FromHolder::Redraw(bytes));
    }

    /// The terminal has this size now. If this was and is the size of the client's own terminal, that has adapted
    /// what it shows, as every terminal does.
    pub(super) fn resized(&mut self, size: Size) {
        if !self.watches() || self.overflows(0) {
            return;
        }
        let fitted = self.fits;
        self.send_size(size);
        if !(fitted && self.fits) {
            self.needs_redraw();
        }
    }

    fn send_size(&mut self, size: Size) {
        self.fits = self.hello.as_ref().is_some_and(|hello| hello.size == Some(size));
        self.send(&FromHolder::Size(size));
    }

    /// Send as much as it takes now.
    pub(super) fn flush(&mut self) {
        while let Some(first) = self.queue.front() {
            match self.stream.write(&first[self.sent..]) {
                Ok(written) if self.sent + written < first.len() => self.sent += written,
                Ok(_) => {
                    self.queued -= first.len();
                    self.queue.pop_front();
                    self.sent = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.is_gone = true;
                    return;
                }
            }
        }
    }

    /// Refuse it: the maximum number of clients looks at the terminal already.
    fn turn_away(&mut self) {
        (self.hello, self.needs_redraw) = (None, false);
        self.send(&FromHolder::Full);
        self.is_gone = true;
    }

    /// Read what it has sent.
    fn receive(&mut self) -> Vec<FromClient> {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.is_gone = true,
            Ok(read) => self.frames.add(&buffer[..read]),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => self.is_gone = true,
        }
        let mut received = vec![];
        loop {
            match (self.frames.of_client(), &self.hello) {
                (Ok(Some(FromClient::Hello(mut hello))), None) if hello.version == VERSION => {
                    self.needs_redraw = hello.watches;
                    hello.size = hello.size.map(limited);
                    self.hello = Some(hello);
                }
                (Ok(Some(frame)), Some(_)) => received.push(frame),
                (Ok(None), _) => return received,
                (Ok(Some(_)) | Err(_), _) => {
                    self.is_gone = true;
                    return received;
                }
            }
        }
    }
}

/// All clients.
pub(super) struct Viewers {
    listener: Option<UnixListener>,
    pub(super) all: Vec<Viewer>,
    /// How many have connected.
    connected: u64,
    actions: u64,
    /// The size of the terminal while no client has one.
    own_size: Size,
}

impl Viewers {
    /// Listen at this path. Without a socket the terminal works, but can't be looked at.
    pub(super) fn listen(path: Option<&Path>, own_size: Size) -> Self {
        Self {
            listener: path.and_then(|path| listen(path).ok()),
            all: vec![],
            connected: 0,
            actions: 0,
            own_size,
        }
    }

    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(UnixListener::as_fd)
    }

    /// Take new clients in.
    pub(super) fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        while let Ok((stream, _)) = listener.accept() {
            if self.all.len() < MOST_CLIENTS
                && is_ours(&stream)
                && stream.set_nonblocking(true).is_ok()
            {
                self.connected += 1;
                self.all.push(Viewer::new(self.connected, stream));
            }
        }
    }

    /// Read what the client at this place wants of the terminal. What it wants of the clients is done here.
    pub(super) fn receive(&mut self, by: usize) -> Vec<FromClient> {
        let watching = self.all.iter().filter(|viewer| viewer.watches()).count();
        let Some(viewer) = self.all.get_mut(by) else { return vec![] };
        let had_hello = viewer.hello.is_some();
        let mut wishes = vec![];
        for frame in viewer.receive() {
            let read_only = viewer.hello.as_ref().is_some_and(|hello| hello.read_only);
            match &frame {
                FromClient::Resize(size) => {
                    if let Some(own) = viewer.hello.as_mut().and_then(|hello| hello.size.as_mut()) {
                        *own = limited(*size);
                        self.actions += 1;
                        viewer.active = self.actions;
                    }
                }
                FromClient::OwnSize(size) => {
                    self.own_size = limited(*size);
                    wishes.push(FromClient::OwnSize(self.own_size));
                }
                FromClient::Input(_) if read_only => {}
                FromClient::Input(_) => {
                    self.actions += 1;
                    viewer.active = self.actions;
                    wishes.push(frame);
                }
                _ => wishes.push(frame),
            }
        }
        if !had_hello && viewer.watches() && watching >= MOST_WATCHING {
            viewer.turn_away();
            return vec![];
        }
        if !had_hello && viewer.hello.is_some() {
            self.actions += 1;
            viewer.active = self.actions;
        }
        wishes
    }

    /// Forget the clients that are gone, and those that have not introduced themselves. Returns whether the last one
    /// that was shown the terminal has left.
    pub(super) fn forget_gone(&mut self, input: &mut Input) -> bool {
        let now = Instant::now();
        let watched = self.all.iter().any(Viewer::watches);
        self.all.retain(|viewer| {
            let is_late =
                viewer.hello.is_none() && now.duration_since(viewer.began) >= INTRODUCTION_PATIENCE;
            let stays = !viewer.is_gone && !is_late;
            if !stays {
                input.leave(viewer.id, viewer.watches());
            }
            stays
        });
        watched && !self.all.iter().any(Viewer::watches)
    }

    /// When a client that has not introduced itself will be forgotten, or one is to be shown a fresh screen.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadline = |viewer: &Viewer| match viewer.hello {
            None => Some(viewer.began + INTRODUCTION_PATIENCE),
            Some(_) => viewer.redraw_due(),
        };
        self.all.iter().filter_map(deadline).min()
    }

    /// The size that the terminal should have: that of the client who did something last, or its own.
    pub(super) fn size(&self) -> Size {
        let sized = self.all.iter().filter_map(|viewer| {
            let size = viewer.hello.as_ref()?.size?;
            Some((viewer.active, size))
        });
        sized.max_by_key(|(active, _)| *active).map_or(self.own_size, |(_, size)| size)
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    // That of an earlier holder.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
