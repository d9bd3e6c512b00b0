//! The signals that a view reacts to, and those that arrive while a run is being started, before a view can
//! handle them.

use std::io::{self, PipeReader};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use signal_hook::SigId;
use signal_hook::flag::{register, register_usize};
use tokio::signal::unix::SignalKind;

use crate::cli::error::CliError;
use crate::cli::output::outlet::reader_gone;
use crate::cli::runtime::{SignalSet, until};
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
    signals: SignalSet,
    /// When a signal last requested a stop.
    pub(super) asked: Option<Instant>,
    /// The end of the period in which a SIGHUP may follow SIGTERM.
    pub(super) terminated: Option<Instant>,
}

impl ViewSignals {
    pub(super) fn new() -> std::io::Result<Self> {
        let ending = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM];
        let ending = ending.into_iter().filter(|signal| !is_ignored(*signal));
        let kinds = ending.map(|signal| SignalKind::from_raw(signal as i32));
        let kinds: Vec<_> = kinds.chain([SignalKind::window_change()]).collect();
        Ok(Self { signals: SignalSet::new(&kinds)?, asked: None, terminated: None })
    }

    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Sign {
        let kind = tokio::select! {
            biased;
            kind = self.signals.next() => Some(kind),
            // The absence of a hangup is not announced, so this waits for the time to pass.
            () = until(self.terminated.map(Into::into)) => None,
        };
        match kind {
            Some(kind) if kind == SignalKind::hangup() => return Sign::Hangup,
            Some(kind) if kind == SignalKind::window_change() => return Sign::Resize,
            Some(kind) if kind == SignalKind::terminate() => {
                self.terminated.get_or_insert_with(|| Instant::now() + WITH_HANGUP);
                return Sign::Nothing;
            }
            // SIGINT.
            Some(_) => {}
            None => self.terminated = None,
        }
        // The supervisor merges repeated requests too (`crates/supervisor/src/patience.rs`), but may receive these
        // later and further apart.
        if self.asked.is_some_and(|at| at.elapsed() < SAME_REQUEST) {
            return Sign::Nothing;
        }
        self.asked = Some(Instant::now());
        Sign::Stop
    }
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

/// Defers SIGINT, SIGTERM and SIGHUP, so that none leaves a half-started run behind.
#[derive(Debug)]
pub(in crate::cli) struct Early {
    /// The number of the last signal that requested an end; 0 for none.
    asked: Arc<AtomicUsize>,
    hung_up: Arc<AtomicBool>,
    /// Readable once an end was requested.
    woken: PipeReader,
    actions: Vec<SigId>,
}

impl Early {
    /// Begin to defer them. Signals that the caller ignored stay ignored.
    pub(in crate::cli) fn begin() -> io::Result<Self> {
        let (woken, waker) = io::pipe()?;
        let (asked, hung_up) = (Arc::default(), Arc::default());
        let mut early = Self { asked, hung_up, woken, actions: vec![] };
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            if !is_ignored(signal) {
                early.actions.push(register_usize(
                    signal as i32,
                    Arc::clone(&early.asked),
                    signal as usize,
                )?);
                let waker = waker.try_clone()?;
                early.actions.push(signal_hook::low_level::pipe::register(signal as i32, waker)?);
            }
        }
        if !is_ignored(Signal::SIGHUP) {
            early.actions.push(register(Signal::SIGHUP as i32, Arc::clone(&early.hung_up))?);
        }
        Ok(early)
    }

    /// Whether an end was requested.
    pub(in crate::cli) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed) != 0
    }

    /// Whether the last such request was Ctrl-C.
    pub(in crate::cli) fn interrupted(&self) -> bool {
        self.asked.load(Ordering::Relaxed) == Signal::SIGINT as usize
    }

    /// Whether the terminal is gone: the start continues without it.
    pub(in crate::cli) fn hung_up(&self) -> bool {
        self.hung_up.load(Ordering::Relaxed)
    }
}

impl AsFd for Early {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        for action in self.actions.drain(..) {
            signal_hook::low_level::unregister(action);
        }
    }
}
