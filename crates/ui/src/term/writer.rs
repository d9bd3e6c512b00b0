//! Writes frames to the terminal, in a thread: a terminal that does not read delays nothing else.

use std::io::{self, Write as _};
use std::sync::mpsc::{SyncSender, sync_channel};

use ratatui_core::backend::Backend as _;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::{Position, Rect};
use ratatui_crossterm::CrosstermBackend;

use super::{LEAVE, enter, mouse};

/// How many pieces may wait to be written.
const WAITING: usize = 8;
/// Tells the terminal that a frame begins, and that it is complete: nothing in between is shown.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// The thread, and the frame that it has written last.
#[derive(Debug)]
pub struct Writer {
    frames: SyncSender<Vec<u8>>,
    shown: Buffer,
    /// How many pieces have not been written yet.
    pending: usize,
    /// Where the cursor is shown.
    cursor: Option<(u16, u16)>,
}

impl Writer {
    /// Start the thread. `written` is called after each frame.
    pub fn start(written: impl Fn(io::Result<()>) + Send + 'static) -> io::Result<Self> {
        let (frames, waiting) = sync_channel::<Vec<u8>>(WAITING);
        std::thread::Builder::new().name("terminal".to_owned()).spawn(move || {
            while let Ok(frame) = waiting.recv() {
                let mut out = io::stdout().lock();
                written(out.write_all(&frame).and_then(|()| out.flush()));
            }
        })?;
        let shown = Buffer::empty(Rect::default());
        Ok(Self { frames, shown, pending: 0, cursor: None })
    }

    /// Whether a frame can be written now.
    pub const fn is_free(&self) -> bool {
        self.pending == 0
    }

    /// A frame was written.
    pub const fn written(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    /// Take the terminal: the next frame is drawn in full.
    pub fn enter(&mut self, mouse: bool) {
        self.forget();
        self.pass(enter(mouse));
    }

    /// Switch the mouse on or off.
    pub fn mouse(&mut self, on: bool) {
        self.pass(mouse(on).to_vec());
    }

    /// Draw the next frame in full.
    pub fn forget(&mut self) {
        self.shown = Buffer::empty(Rect::default());
    }

    /// Write these bytes.
    pub fn pass(&mut self, bytes: Vec<u8>) {
        // If the thread has ended, `written` has reported why. If the terminal takes nothing, no frame is
        // drawn, so only a few pieces can wait.
        if self.frames.try_send(bytes).is_ok() {
            self.pending += 1;
        }
    }

    /// Write what is different in this frame; returns how many bytes that are.
    pub fn draw(&mut self, frame: Buffer, cursor: Option<(u16, u16)>) -> io::Result<usize> {
        let mut bytes = BEGIN.to_vec();
        let mut backend = CrosstermBackend::new(&mut bytes);
        if self.shown.area != frame.area {
            backend.clear()?;
            self.shown = Buffer::empty(frame.area);
        }
        let changes = self.shown.diff(&frame);
        if changes.is_empty() && cursor == self.cursor {
            return Ok(0);
        }
        backend.draw(changes.into_iter())?;
        match cursor {
            Some((x, y)) => {
                backend.set_cursor_position(Position { x, y })?;
                backend.show_cursor()?;
            }
            None => backend.hide_cursor()?,
        }
        self.cursor = cursor;
        bytes.extend_from_slice(END);
        self.shown = frame;
        let size = bytes.len();
        self.pass(bytes);
        Ok(size)
    }

    /// Give the terminal back. It has taken that once [`Self::is_free`].
    pub fn give_back(&mut self) {
        self.forget();
        // A stopped terminal takes nothing; then there is nothing to wait for.
        self.pass(LEAVE.to_vec());
    }
}
