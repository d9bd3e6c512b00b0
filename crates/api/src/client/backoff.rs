//! The time between attempts to reach a supervisor.

use std::time::Duration;

use tokio::time::sleep;

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause before a view tries again to reach its run.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Pauses between attempts, each twice as long as the one before.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    pause: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses of at most this length.
    pub const fn up_to(longest: Duration) -> Self {
        Self::between(FIRST_PAUSE, longest)
    }

    /// Pauses from this length up to this one.
    pub const fn between(first: Duration, longest: Duration) -> Self {
        Self { first, pause: first, longest }
    }

    /// Wait until the next attempt.
    pub async fn wait(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(self.longest);
    }

    /// Begin again with the shortest pause.
    pub const fn reset(&mut self) {
        self.pause = self.first;
    }
}
