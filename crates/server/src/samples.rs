//! Samples of what the processes use, taken when a client asks and shared by all clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::engine_handle::Ending;
use crate::figures::{Figures, Sampler};
use crate::model::state::ProcessState;

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
    pub(super) async fn of(&self, processes: Vec<ProcessState>) -> Result<Taken, Ending> {
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
        let (one, another) =
            tokio::join!(samples.of(processes.clone()), samples.of(processes.clone()));
        let (one, another) = (one.unwrap(), another.unwrap());
        assert!(Arc::ptr_eq(&one, &another));
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].cpu_percent, None, "there was no sample before");
    }
}
