//! Signals that come while a run is being started, before there is a view that could pass them on.

use std::io;
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
    actions: Vec<SigId>,
}

impl Early {
    /// Hold them back from now on. Those that the caller ignored stay ignored.
    pub(super) fn begin() -> io::Result<Self> {
        let mut early = Self { asked: Arc::default(), actions: vec![] };
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            if !is_ignored(signal) {
                early.actions.push(register(signal as i32, Arc::clone(&early.asked))?);
            }
        }
        Ok(early)
    }

    /// Whether one has come.
    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        for action in self.actions.drain(..) {
            signal_hook::low_level::unregister(action);
        }
    }
}
