//! Calls of many hosts at once.

use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};

use super::call_error::CallError;

/// How many hosts are called at once.
pub const AT_ONCE: usize = 16;

/// The pauses before a connection is tried again, if its host has refused it for now.
const AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// Call each; the results come in the order of `all`.
pub fn in_order<T, F: Future>(
    all: impl IntoIterator<Item = T>,
    call: impl FnMut(T) -> F,
) -> impl Stream<Item = F::Output> {
    stream::iter(all.into_iter().map(call)).buffered(AT_ONCE)
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
