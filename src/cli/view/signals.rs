//! The signals that a view reacts to.

use std::time::{Duration, Instant};

use futures_util::future::OptionFuture;
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::error::CliError;
use crate::cli::output::outlet::reader_gone;
use crate::config::inherit::is_ignored;
use crate::model::request::SAME_REQUEST;

/// The meaning of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Stop the run.
    Stop,
    /// The terminal is gone.
    Hangup,
    /// Nothing yet, because a hangup may follow SIGTERM; or nothing new.
    Nothing,
    /// The terminal was resized.
    Resize,
}

/// A SIGHUP this soon after SIGTERM belongs to it: when its terminal is closed, a shell sends both to its
/// stopped jobs, and the kernel may deliver them in any order.
const WITH_HANGUP: Duration = Duration::from_millis(100);

/// The signals that a view handles. Signals that the caller ignored (`nohup`) stay ignored.
pub(super) struct ViewSignals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    hangup: Option<tokio::signal::unix::Signal>,
    resize: tokio::signal::unix::Signal,
    /// When a signal last requested a stop.
    pub(super) asked: Option<Instant>,
    /// The end of the period in which a SIGHUP may follow SIGTERM.
    pub(super) terminated: Option<Instant>,
}

impl ViewSignals {
    pub(super) fn new() -> std::io::Result<Self> {
        let unless_ignored = |number: Signal, kind| {
            if is_ignored(number) { Ok(None) } else { signal(kind).map(Some) }
        };
        Ok(Self {
            interrupt: unless_ignored(Signal::SIGINT, SignalKind::interrupt())?,
            terminate: unless_ignored(Signal::SIGTERM, SignalKind::terminate())?,
            hangup: unless_ignored(Signal::SIGHUP, SignalKind::hangup())?,
            resize: signal(SignalKind::window_change())?,
            asked: None,
            terminated: None,
        })
    }

    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Sign {
        let passes = self.terminated.map(|moment| tokio::time::sleep_until(moment.into()));
        let passes = OptionFuture::from(passes);
        tokio::select! {
            biased;
            Some(()) = arrives(&mut self.hangup) => return Sign::Hangup,
            Some(()) = arrives(&mut self.interrupt) => {}
            Some(()) = arrives(&mut self.terminate) => {
                self.terminated.get_or_insert_with(|| Instant::now() + WITH_HANGUP);
                return Sign::Nothing;
            }
            // The absence of a hangup is not announced, so this waits for the time to pass.
            Some(()) = passes => self.terminated = None,
            _ = self.resize.recv() => return Sign::Resize,
        }
        // The supervisor merges repeated requests too (`src/supervisor/patience.rs`), but may receive these
        // later and further apart.
        if self.asked.is_some_and(|at| at.elapsed() < SAME_REQUEST) {
            return Sign::Nothing;
        }
        self.asked = Some(Instant::now());
        Sign::Stop
    }
}

/// Returns at once if the signal is ignored.
async fn arrives(signal: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}

/// Do this until it is done, a signal asks to stop, or standard output has no reader any more.
pub(in crate::cli) async fn while_wanted(
    work: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    tokio::select! {
        // Signals are caught before the work begins.
        biased;
        stopped = stop_signal() => stopped.map_err(CliError::io("signals")),
        gone = reader_gone() => gone.map_err(CliError::io("a thread")),
        done = work => done,
    }
}

/// Wait for SIGINT, SIGTERM or SIGHUP.
pub(in crate::cli) async fn stop_signal() -> std::io::Result<()> {
    let mut signals = ViewSignals::new()?;
    loop {
        match signals.next().await {
            Sign::Stop | Sign::Hangup => return Ok(()),
            Sign::Nothing | Sign::Resize => {}
        }
    }
}
