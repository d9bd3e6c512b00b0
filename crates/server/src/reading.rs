//! The readable data of a run: its journal, its crash reports, its state, and the figures of its processes.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::budget::Budget;
use super::engine_handle::Handle;
use super::samples::Samples;
use crate::crash::access::CrashAccess;
use crate::journal::history::History;

/// The most clients that read crash reports at once.
const CRASH_READERS: usize = 2;

/// The readable data of a run. Cheap to clone.
#[derive(Clone)]
pub struct Reading {
    pub(super) handle: Handle,
    pub(super) history: Arc<dyn History>,
    pub(super) crashes: Arc<CrashAccess>,
    pub(super) crash_readers: Arc<Semaphore>,
    pub(super) samples: Arc<Samples>,
    /// `None`: the server of these data limits its responses itself.
    pub(super) answers: Option<Budget>,
}

impl Reading {
    /// The data of the run of this handle. The journal is read up to the head of the handle. `answers` limits the memory
    /// of pages of lines.
    pub fn new(
        handle: Handle,
        history: Arc<dyn History>,
        crashes: Arc<CrashAccess>,
        answers: Option<Budget>,
    ) -> Self {
        let crash_readers = Arc::new(Semaphore::new(CRASH_READERS));
        let samples = Arc::default();
        Self { handle, history, crashes, crash_readers, samples, answers }
    }
}
