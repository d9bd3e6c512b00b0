//! Calls of many hosts at once.

use std::collections::BTreeMap;
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt as _};

use super::call_error::CallError;
use super::caller::LONGEST_ANSWER;

/// How many hosts are called at once.
pub const AT_ONCE: usize = 16;

/// The pauses before a connection is tried again, if its host has refused it for now.
const AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// How many bytes of results may wait for an earlier one before no more calls are made.
const MOST_HELD: usize = LONGEST_ANSWER;

/// Call each; the results come in the order of `all`. A host that is silent holds up the results of those after it, but
/// not their calls. `size` is the number of bytes of a result.
pub fn in_order<T, F: Future>(
    all: impl IntoIterator<Item = T>,
    call: impl FnMut(T) -> F,
    size: impl Fn(&F::Output) -> usize,
) -> impl Stream<Item = F::Output> {
    let mut calls = all.into_iter().map(call).enumerate();
    let mut running = FuturesUnordered::new();
    let (mut early, mut held, mut next) = (BTreeMap::new(), 0, 0);
    stream::poll_fn(move |context| {
        loop {
            if let Some(result) = early.remove(&next) {
                held -= size(&result);
                next += 1;
                return Poll::Ready(Some(result));
            }
            while running.len() < AT_ONCE
                && held < MOST_HELD
                && let Some((place, call)) = calls.next()
            {
                running.push(async move { (place, call.await) });
            }
            let Some((place, result)) = ready!(running.poll_next_unpin(context)) else {
                return Poll::Ready(None);
            };
            held += size(&result);
            early.insert(place, result);
        }
    })
}

/// Call, and again if the connection was refused for now.
pub async fn persistent<R>(call: impl AsyncFn() -> Result<R, CallError>) -> Result<R, CallError> {
    for pause in AGAIN {
        match call().await {
            Err(error) if error.is_passing() => tokio::time::sleep(jittered(pause)).await,
            result => return result,
        }
    }
    call().await
}

/// Between half and all of it: those that were refused together do not come back together.
pub fn jittered(pause: Duration) -> Duration {
    // Without random bytes, they do.
    let part = getrandom::u32().map_or(0, |random| random % 1000);
    pause / 2 + pause * part / 2000
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_silent_host_holds_up_no_call_of_another() {
        let (last, running, most) = (tokio::sync::Notify::new(), Cell::new(0), Cell::new(0));
        let call = async |number: usize| {
            running.set(running.get() + 1);
            most.set(running.get().max(most.get()));
            match number {
                0 => last.notified().await,
                99 => last.notify_one(),
                _ => tokio::task::yield_now().await,
            }
            running.set(running.get() - 1);
            number
        };
        let all = in_order(0..100, call, |_| 1).collect::<Vec<_>>();
        let all = tokio::time::timeout(Duration::from_secs(30), all).await;
        assert_eq!(all, Ok((0..100).collect()));
        assert_eq!(most.get(), AT_ONCE);
    }

    #[tokio::test]
    async fn results_that_wait_are_bounded() {
        let first = tokio::sync::Notify::new();
        let begun = Cell::new(0);
        let call = async |number: usize| {
            begun.set(begun.get() + 1);
            if number == 0 {
                first.notified().await;
            }
        };
        let mut all = Box::pin(in_order(0..100, call, |()| MOST_HELD.div_ceil(10)));
        assert_eq!(all.next().now_or_never(), None);
        // After the tenth result there is no room for another call.
        assert_eq!(begun.get(), AT_ONCE + 9);
        first.notify_one();
        assert_eq!(all.count().await, 100);
    }
}
