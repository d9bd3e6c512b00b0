//! Signals that arrive while a run is being started, before a view can handle them.

use std::io::{self, PipeReader};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use signal_hook::SigId;
use signal_hook::flag::{register, register_usize};

use crate::config::inherit::is_ignored;

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
