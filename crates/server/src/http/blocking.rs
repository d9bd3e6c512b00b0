//! Work that reads files, on a thread of its own: the loop that serves clients also runs the engine.

use tokio::task::spawn_blocking;

use super::answer::Refusal;

/// Do this on another thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let failed = |_| Refusal::failed("the search has failed; the log tells why".to_owned());
    spawn_blocking(work).await.map_err(failed)
}
