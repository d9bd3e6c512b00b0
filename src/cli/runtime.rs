//! The runtime on which a command waits, also for a time or for signals.

use std::future::{pending, poll_fn};
use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::error::CliError;
use crate::model::Exit;

/// File descriptors that the event loop needs for itself.
const DESCRIPTORS: usize = 8;

/// Run a future on a small runtime of its own.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    crate::sys::can_open(DESCRIPTORS).map_err(CliError::io("can't start"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::io("can't start"))?;
    let result = runtime.block_on(work);
    // So that a thread blocked by a stopped terminal does not keep the program from exiting.
    runtime.shutdown_background();
    result
}

/// Wait until then; forever without a time.
pub(super) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Signals that a command waits for. They have no other effect from then on.
pub(super) struct SignalSet(Vec<(SignalKind, Signal)>);

impl SignalSet {
    pub(super) fn new(kinds: &[SignalKind]) -> io::Result<Self> {
        let of = |&kind: &SignalKind| signal(kind).map(|signal| (kind, signal));
        Ok(Self(kinds.iter().map(of).collect::<io::Result<_>>()?))
    }

    /// Those that ask a program at a terminal to end, and others.
    pub(super) fn of_end_and(others: &[SignalKind]) -> io::Result<Self> {
        let of_end = [
            SignalKind::hangup(),
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::quit(),
        ];
        Self::new(&[&of_end[..], others].concat())
    }

    /// Wait for the next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> SignalKind {
        poll_fn(|context| {
            let mut all = self.0.iter_mut();
            all.find_map(|(kind, signal)| signal.poll_recv(context).is_ready().then_some(*kind))
                .map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// The exit code of a program that this signal has ended, as a shell reports it.
pub(super) fn code_of(signal: SignalKind) -> u8 {
    Exit::Signal(u8::try_from(signal.as_raw_value()).unwrap_or(0)).shell_status()
}
