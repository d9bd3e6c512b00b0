//! The stream of heads: only the newest, the end last, views are counted.

use pretty_assertions::assert_eq;
use tmo_api::client::HeadEvent;
use tmo_base::model::exit::{Culprit, End};
use tmo_base::model::request::{Head, Partial};
use tmo_base::model::{Exit, ProcName, StreamNo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::harness::{Run, Seen, run, soon};

fn head(records: u64) -> HeadEvent {
    HeadEvent::Head(Head { records, ..Head::default() })
}

#[tokio::test]
async fn head_stream_delivers_each_head_and_the_end() {
    let run = run();
    let mut news = run.client().await.head(false).await.unwrap();
    assert_eq!(soon(news.next()).await.unwrap().unwrap(), head(0));
    run.records(7);
    assert_eq!(soon(news.next()).await.unwrap().unwrap(), head(7));
    let partials = vec![Partial { stream: StreamNo(1), start: 5, end: 9 }];
    let prompt = Head { records: 8, partials, stopping: false };
    run.head.send_replace(prompt.clone());
    assert_eq!(soon(news.next()).await.unwrap().unwrap(), HeadEvent::Head(prompt));
    // Both at once: the last head still comes before the end.
    run.records(9);
    let name = ProcName::new("web").unwrap();
    let culprit = Some(Culprit {
        name,
        exit: Exit::Code(3),
        ran: std::time::Duration::from_nanos(7),
        cause: None,
    });
    let end = End { code: 3, culprit, ..End::default() };
    run.end.send_replace(Some(end.clone()));
    assert_eq!(soon(news.next()).await.unwrap().unwrap(), head(9));
    assert_eq!(soon(news.next()).await.unwrap().unwrap(), HeadEvent::End(end.clone()));
    assert!(soon(news.next()).await.is_none());
    // Who comes too late hears the same.
    let mut news = run.client().await.head(false).await.unwrap();
    assert_eq!(soon(news.next()).await.unwrap().unwrap(), head(9));
    assert_eq!(soon(news.next()).await.unwrap().unwrap(), HeadEvent::End(end));
}

#[tokio::test]
async fn head_stream_ends_when_the_supervisor_disconnects() {
    let run = run();
    let mut news = run.client().await.head(false).await.unwrap();
    soon(news.next()).await.unwrap().unwrap();
    run.stop.send(()).unwrap();
    assert!(soon(news.next()).await.is_none());
    soon(run.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_slow_client_gets_only_the_newest_head() {
    const SENT: u64 = 100_000;
    let run = run();
    let mut stream = run.raw().await;
    stream.write_all(b"GET /api/head HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    for records in 1..=SENT {
        run.records(records);
        // The server gets its chance to write each of them.
        tokio::task::yield_now().await;
    }
    let mut text = Vec::new();
    let last = format!("{{\"records\":{SENT}}}\n\n");
    while memchr::memmem::rfind(&text, last.as_bytes()).is_none() {
        assert_ne!(soon(stream.read_buf(&mut text)).await.unwrap(), 0);
    }
    let text = String::from_utf8(text).unwrap();
    let events = text.matches("event: head\n").count();
    assert!(events > 1, "some came before it stopped reading");
    assert!(events < 10_000, "{events} events were kept for a client that did not read");
}

#[tokio::test]
async fn a_view_counts_while_it_is_connected() {
    let mut run = run();
    let client = run.client().await;
    let mut view = client.head(true).await.unwrap();
    assert_eq!(run.next().await, Seen::View(true));
    for records in 1..5 {
        soon(view.next()).await.unwrap().unwrap();
        run.records(records);
    }
    client.state().await.unwrap();
    assert_eq!(run.seen.try_recv().ok(), None, "it is still there");
    let quiet = client.head(false).await.unwrap();
    drop(view);
    assert_eq!(run.next().await, Seen::View(false));
    drop(quiet);
    leaves_abruptly(&mut run).await;
}

/// Nothing is written to a quiet view, so only reading can show that it is gone.
async fn leaves_abruptly(run: &mut Run) {
    let mut stream = run.raw().await;
    stream.write_all(b"GET /api/head?view=1 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(run.next().await, Seen::View(true));
    drop(stream);
    assert_eq!(run.next().await, Seen::View(false));
}
