//! Rate limit for guesses at the token.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Maximum number of failed proofs within [`FAILURES_IN`].
const MOST_FAILURES: usize = 5;
const FAILURES_IN: Duration = Duration::from_secs(1);

/// Limits the rate of failed proofs, counted over all clients.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures(Arc<Mutex<VecDeque<Instant>>>);

impl Failures {
    /// Check a proof; waits while there have been too many failures.
    pub(super) async fn judge(&self, proves: impl Fn() -> bool) -> bool {
        loop {
            let due = {
                let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                failed.retain(|at| at.elapsed() < FAILURES_IN);
                match failed.front() {
                    Some(&first) if failed.len() >= MOST_FAILURES => first + FAILURES_IN,
                    Some(_) | None => {
                        let proven = proves();
                        if !proven {
                            failed.push_back(Instant::now());
                        }
                        return proven;
                    }
                }
            };
            tokio::time::sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Failures;

    #[tokio::test]
    async fn five_proofs_may_fail_in_a_second_and_a_right_one_still_counts() {
        let (failures, begun) = (Failures::default(), Instant::now());
        for _ in 0..11 {
            assert!(!failures.judge(|| false).await);
        }
        assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
        assert!(failures.judge(|| true).await);
    }
}
