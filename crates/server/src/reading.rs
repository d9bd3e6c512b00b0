//! The readable data of a run: its journal, its crash reports, its state, and the figures of its processes, which are
//! sampled when a client asks and shared by all clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore};
use tokio::task::spawn_blocking;

use super::budget::Budget;
use super::engine_handle::{Ending, Handle};
use crate::crash::access::CrashAccess;
use crate::figures::{Figures, Sampler};
use crate::journal::history::History;
use crate::model::state::ProcessState;

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

/// A sample that is younger than this is not taken again.
const SHARED: Duration = Duration::from_secs(1);
/// Percentages and rates need an earlier sample that is at most this old.
const LONGEST_SAMPLE_AGE: Duration = Duration::from_secs(10);

/// A sample that several clients have.
type Taken = Arc<Vec<Figures>>;

/// The last sample.
#[derive(Debug)]
pub(super) struct Samples {
    begun: Instant,
    last: Arc<Mutex<Last>>,
}

#[derive(Debug)]
struct Last {
    sampler: Sampler,
    taken: Option<(Instant, Taken)>,
}

impl Default for Samples {
    fn default() -> Self {
        let last = Last { sampler: Sampler::with_longest(LONGEST_SAMPLE_AGE), taken: None };
        Self { begun: Instant::now(), last: Arc::new(Mutex::new(last)) }
    }
}

impl Samples {
    /// A sample of those of these processes that run, or one that was just taken.
    pub(super) async fn sample_of(&self, processes: Vec<ProcessState>) -> Result<Taken, Ending> {
        // The lock is held until the sample has been taken, even if the client leaves before that. Others wait
        // for it and share the sample.
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some((at, sample)) = &last.taken
            && at.elapsed() < SHARED
        {
            return Ok(Arc::clone(sample));
        }
        let now = self.begun.elapsed();
        let taken = spawn_blocking(move || {
            let sample = Arc::new(last.sampler.sample(&processes, now));
            last.taken = Some((Instant::now(), Arc::clone(&sample)));
            sample
        });
        // Fails only at the end of the supervisor.
        taken.await.map_err(|_| Ending)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Samples;
    use crate::model::state::ProcessState;
    use crate::model::{ProcName, ProcessStatus};

    #[tokio::test]
    async fn clients_that_ask_at_the_same_time_share_a_sample() {
        let name = ProcName::new("web").unwrap();
        let process = ProcessState::new(name, ProcessStatus::Running, Some(std::process::id()));
        let processes = vec![process];
        let samples = Samples::default();
        let (one, another) = tokio::join!(
            samples.sample_of(processes.clone()),
            samples.sample_of(processes.clone())
        );
        let (one, another) = (one.unwrap(), another.unwrap());
        assert!(Arc::ptr_eq(&one, &another));
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].cpu_percent, None, "there was no sample before");
    }
}
