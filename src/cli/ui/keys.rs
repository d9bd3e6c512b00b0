//! The keys of the terminal, and the signals to which the interface reacts.

use std::collections::VecDeque;
use std::fs::File;
use std::time::Duration;

use nix::fcntl::OFlag;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::SignalKind;
use tokio::time::Instant;

use crate::cli::error::CliError;
use crate::cli::runtime::{SignalSet, until};
use crate::cli::view::keyboard::{open_terminal, read_typed};
use crate::ui::state::msg::Msg;
use crate::ui::term::input::Parser;

/// After this time without another byte, an escape character was the Esc key.
const ESC: Duration = Duration::from_millis(50);

/// The keys of the terminal. It is opened once more, so that a read never blocks and the caller's own file
/// descriptor keeps its mode.
#[derive(Debug)]
pub(super) struct Keys {
    terminal: AsyncFd<File>,
    parser: Parser,
    ready: VecDeque<Msg>,
    /// When what has come so far is no beginning of a sequence any more. It does not depend on how often
    /// [`Keys::next`] is cancelled.
    esc_due: Option<Instant>,
}

impl Keys {
    /// The terminal of this program; `None` if there is none.
    pub(super) fn open() -> Option<Self> {
        let terminal = open_terminal(OFlag::O_RDONLY)?;
        Some(Self { terminal, parser: Parser::default(), ready: VecDeque::new(), esc_due: None })
    }

    /// The next message; `None` once the terminal is gone. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Msg> {
        loop {
            if let Some(msg) = self.ready.pop_front() {
                return Some(msg);
            }
            // Only a time tells the Esc key from the beginning of a sequence.
            if !self.parser.is_waiting() {
                self.esc_due = None;
            }
            let typed = tokio::select! {
                biased;
                typed = read_typed(&self.terminal) => typed.ok()?,
                () = until(self.esc_due) => {
                    self.parser.settle(&mut self.ready);
                    continue;
                }
            };
            self.parser.feed(&typed, &mut self.ready);
            self.esc_due = Some(Instant::now() + ESC);
        }
    }
}

/// The signals that concern the interface.
pub(super) fn interface_signals() -> Result<SignalSet, CliError> {
    let others = [resume(), SignalKind::window_change()];
    SignalSet::of_end_and(&others).map_err(CliError::io("signals"))
}

/// Wait for one that ends the interface.
pub(super) async fn next_end(signals: &mut SignalSet) {
    while [resume(), SignalKind::window_change()].contains(&signals.next().await) {}
}

/// SIGCONT: the program goes on in the foreground.
pub(super) fn resume() -> SignalKind {
    SignalKind::from_raw(nix::libc::SIGCONT)
}
