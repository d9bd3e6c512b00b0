//! The signals to which the interface reacts.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::error::CliError;

/// The signals that concern the interface.
pub(super) struct InterfaceSignals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    resume: Signal,
    resize: Signal,
}

impl InterfaceSignals {
    pub(super) fn new() -> Result<Self, CliError> {
        let on = |kind| signal(kind).map_err(CliError::io("signals"));
        Ok(Self {
            hangup: on(SignalKind::hangup())?,
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            quit: on(SignalKind::quit())?,
            resume: on(resume())?,
            resize: on(SignalKind::window_change())?,
        })
    }

    pub(super) async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.hangup.recv() => SignalKind::hangup(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.quit.recv() => SignalKind::quit(),
            _ = self.resume.recv() => resume(),
            _ = self.resize.recv() => SignalKind::window_change(),
        }
    }

    /// Wait for one that ends the interface.
    pub(super) async fn next_end(&mut self) {
        while [resume(), SignalKind::window_change()].contains(&self.next().await) {}
    }
}

/// SIGCONT: the program goes on in the foreground.
pub(super) fn resume() -> SignalKind {
    SignalKind::from_raw(nix::libc::SIGCONT)
}
