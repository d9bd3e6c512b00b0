//! Clients that close only their own direction, and clients that are gone.

use tokio::io::AsyncWriteExt as _;

use super::harness::{Seen, read_all, run, soon};

#[tokio::test]
async fn a_client_that_half_closes_after_its_request_is_answered() {
    let mut run = run();
    let mut stream = run.raw().await;
    stream.write_all(b"POST /api/processes/slow/stop HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(matches!(run.next().await, Seen::Do(..)));
    // It has seen the end of what the client says by the time it has answered somebody else.
    run.http("GET /api/state", "").await;
    run.release.notify_one();
    let answer = read_all(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_half_closed_view_counts_until_it_disconnects() {
    let mut run = run();
    let mut stream = run.raw().await;
    stream.write_all(b"GET /api/head?view=1 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(run.next().await, Seen::View(true));
    run.http("GET /api/state", "").await;
    assert!(run.seen.is_empty(), "it is there");
    // Nothing is said to it that would show that nobody hears it.
    drop(stream);
    assert_eq!(soon(run.seen.recv()).await, Some(Seen::View(false)));
}
