//! Signals that come while a run is being started, before there is a view that could pass them on.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use signal_hook::SigId;
use signal_hook::flag::register;

use crate::config::inherit::is_ignored;

/// Holds SIGINT and SIGTERM back, so that neither leaves half a run behind.
#[derive(Debug)]
pub(super) struct Early {
    asked: Arc<AtomicBool>,
    /// Readable once one has come.
    woken: OwnedFd,
    actions: Vec<SigId>,
}

impl Early {
    /// Hold them back from now on. Those that the caller ignored stay ignored.
    pub(super) fn begin() -> io::Result<Self> {
        let (woken, waker) = nix::unistd::pipe()?;
        for end in [&woken, &waker] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
        }
        let mut early = Self { asked: Arc::default(), woken, actions: vec![] };
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            if !is_ignored(signal) {
                early.actions.push(register(signal as i32, Arc::clone(&early.asked))?);
                let waker = waker.try_clone()?;
                early.actions.push(signal_hook::low_level::pipe::register(signal as i32, waker)?);
            }
        }
        Ok(early)
    }

    /// Whether one has come.
    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
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
