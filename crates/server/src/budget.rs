//! Bounds the memory of answers, whatever clients do: they may send many requests and read no answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::sys::{keep_little_free_memory, trim_memory};

/// What a page of lines may need while it is read. The search in the journal limits the size of pages.
pub const PAGE: usize = 16 << 20;
/// The budget of a supervisor.
pub(super) const ALL: usize = 64 << 20;
/// Why a request finds no room.
pub const BUSY: &str = "too many responses wait for clients that do not read them; try again";
/// How long a request waits for others to be answered.
const BUDGET_PATIENCE: Duration = Duration::from_secs(10);
/// The unit in which memory is counted.
const UNIT: usize = 1 << 10;
/// After an answer of this size, freed memory is returned to the system.
const LARGE: usize = 1 << 20;
/// How much of an answer is passed on at once.
const CHUNK: usize = 32 << 10;

/// The memory of all answers under way. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: usize) -> Self {
        keep_little_free_memory();
        Self(Arc::new(Semaphore::new(bytes / UNIT)))
    }

    /// Make an answer that needs at most `most` bytes of memory until it is complete. Its body counts until it is sent.
    /// `None` if other answers leave no room.
    pub async fn answer(
        &self,
        most: usize,
        answer: impl Future<Output = Response>,
    ) -> Option<Response> {
        let room = self.room(most).await?;
        self.hold(room, answer.await).await
    }

    /// The same for a page of lines. It is made even if its client leaves meanwhile: the thread that reads the journal
    /// does not stop, and its memory counts until it is done.
    pub async fn page(
        &self,
        answer: impl Future<Output = Response> + Send + 'static,
    ) -> Option<Response> {
        let (budget, room) = (self.clone(), self.room(PAGE).await?);
        tokio::spawn(async move { budget.hold(room, answer.await).await }).await.ok()?
    }

    /// Wait until so many bytes are free.
    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.0).acquire_many_owned(units(bytes));
        timeout(BUDGET_PATIENCE, room).await.ok()?.ok()
    }

    /// Count the body of a response until it is sent.
    async fn hold(&self, mut permit: OwnedSemaphorePermit, response: Response) -> Option<Response> {
        let size = match response.body().size_hint().exact() {
            Some(size) if size > CHUNK as u64 => units(usize::try_from(size).unwrap_or(usize::MAX)),
            // It is streamed, or so small that the limit of connections is enough.
            Some(_) | None => return Some(response),
        };
        let held = u32::try_from(permit.num_permits()).unwrap_or(u32::MAX);
        if let Some(more @ 1..) = size.checked_sub(held) {
            permit.merge(Arc::clone(&self.0).try_acquire_many_owned(more).ok()?);
        } else {
            drop(permit.split((held - size) as usize));
        }
        let (parts, body) = response.into_parts();
        let rest = axum::body::to_bytes(body, usize::MAX).await.ok()?;
        Some(Response::from_parts(parts, Body::new(Held { rest, permit })))
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// A body that counts until its client has taken it.
struct Held {
    rest: Bytes,
    permit: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.permit.num_permits() * UNIT >= LARGE {
            self.rest = Bytes::new();
            trim_memory();
        }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let size = self.rest.len().min(CHUNK);
        // A copy, so that what waits in the connection does not keep the rest.
        let chunk = Bytes::copy_from_slice(&self.rest.split_to(size));
        Poll::Ready((size > 0).then(|| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use axum::body::Body;
    use axum::response::Response;
    use futures_util::FutureExt as _;
    use http_body_util::BodyExt as _;

    use super::{Budget, CHUNK, PAGE};

    fn of(size: usize) -> Ready<Response> {
        ready(Response::new(Body::from(vec![b'x'; size])))
    }

    #[tokio::test]
    async fn answers_count_until_they_are_sent_or_dropped() {
        const SIZE: usize = 10 * CHUNK;
        let budget = Budget::new(4 * SIZE);
        let mut held = vec![];
        for _ in 0..3 {
            let answer = budget.answer(2 * SIZE, of(SIZE)).await.unwrap();
            assert_eq!(answer.body().size_hint_exact(), SIZE as u64);
            held.push(answer);
        }
        let waiting = budget.answer(2 * SIZE, of(SIZE));
        let mut waiting = std::pin::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none(), "there is no room for the page");
        let sent = held.pop().unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(sent, vec![b'x'; SIZE]);
        assert!(waiting.await.is_some());
        drop(held);
        // An answer that is larger than expected gets what is free.
        let larger = budget.answer(SIZE, of(4 * SIZE)).await.unwrap();
        assert!(budget.answer(0, of(SIZE)).await.is_none());
        drop(larger);
        assert!(budget.answer(0, of(SIZE)).await.is_some());
    }

    #[tokio::test]
    async fn a_page_counts_until_it_is_read_even_if_its_client_has_left() {
        let budget = Budget::new(PAGE);
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let page = budget.page(async move {
            let read = tokio::task::spawn_blocking(move || is_done.recv());
            let _ = read.await;
            of(1).await
        });
        let left = Box::pin(page).now_or_never();
        assert!(left.is_none(), "the client leaves while the page is read");
        assert!(Box::pin(budget.page(of(1))).now_or_never().is_none(), "there is no room yet");
        done.send(()).unwrap();
        assert!(budget.page(of(1)).await.is_some());
    }

    trait Exact {
        fn size_hint_exact(&self) -> u64;
    }

    impl Exact for Body {
        fn size_hint_exact(&self) -> u64 {
            hyper::body::Body::size_hint(self).exact().unwrap()
        }
    }
}
