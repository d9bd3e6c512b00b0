//! The signals that a view reacts to.

use std::time::{Duration, Instant};

use futures_util::future::OptionFuture;
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::inherit::is_ignored;
use crate::model::request::SAME_REQUEST;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Stop the run.
    Stop,
    /// The terminal is gone.
    Hangup,
    /// Nothing yet, for a hangup may follow a SIGTERM, or nothing more than before.
    Nothing,
    /// The terminal has another size.
    Resize,
}

/// A hangup that comes so soon after SIGTERM belongs to it: a shell whose terminal is closed sends both to
/// its stopped jobs, and the kernel may deliver them in any order.
const WITH_HANGUP: Duration = Duration::from_millis(100);

/// The signals a view reacts to. Those that the caller ignored (`nohup`) stay ignored.
pub(super) struct Signals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    hangup: Option<tokio::signal::unix::Signal>,
    resize: tokio::signal::unix::Signal,
    /// When one has asked for a stop.
    pub(super) asked: Option<Instant>,
    /// Until when a hangup may follow a SIGTERM that has come.
    pub(super) terminated: Option<Instant>,
}

impl Signals {
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

    /// Nothing is lost if this is dropped while it waits.
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
            // Nothing announces that no hangup follows.
            Some(()) = passes => self.terminated = None,
            _ = self.resize.recv() => return Sign::Resize,
        }
        // The supervisor counts so too, but these may reach it later, and apart.
        if self.asked.is_some_and(|at| at.elapsed() < SAME_REQUEST) {
            return Sign::Nothing;
        }
        self.asked = Some(Instant::now());
        Sign::Stop
    }
}

/// Nothing, at once, for one that is ignored.
async fn arrives(signal: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}

/// SIGINT, SIGTERM or SIGHUP.
pub(in crate::cli) async fn stop_signal() -> std::io::Result<()> {
    let mut signals = Signals::new()?;
    loop {
        match signals.next().await {
            Sign::Stop | Sign::Hangup => return Ok(()),
            Sign::Nothing | Sign::Resize => {}
        }
    }
}
