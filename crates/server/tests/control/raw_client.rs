//! A client that can send anything.

use std::time::Duration;

use tmo_server::serve::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::harness::{Run, Seen, run_within};
use super::openapi::Call;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The type of its body, where something of ours has answered.
    pub(crate) kind: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// A server, and what it needs to live outside of async code.
pub(crate) struct Server {
    runtime: Runtime,
    run: Run,
}

impl Server {
    pub(crate) fn begin() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let inside = runtime.enter();
        let patience = Duration::from_millis(300);
        let mut run = run_within(Limits { patience, ..Limits::default() });
        // Nothing of what the engine sees matters, and nothing is to wait.
        let (release, none) = (run.release.clone(), tokio::sync::mpsc::channel(1).1);
        let mut seen = std::mem::replace(&mut run.seen, none);
        runtime.spawn(async move {
            while let Some(saw) = seen.recv().await {
                if let Seen::Do(..) = saw {
                    release.notify_one();
                }
            }
        });
        drop(inside);
        Self { runtime, run }
    }

    /// Ask; an error is that there is no answer.
    pub(crate) fn ask(&self, call: &Call) -> Result<Reply, String> {
        self.talk(&text(call))
    }

    /// Whether it answers still.
    pub(crate) fn lives(&self) -> Result<(), String> {
        let reply =
            self.talk(b"GET /api/alive HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        if reply.status == 200 { Ok(()) } else { Err(format!("it does not live: {reply:?}")) }
    }

    fn talk(&self, text: &[u8]) -> Result<Reply, String> {
        let limit = Duration::from_secs(20);
        self.runtime.block_on(async {
            let talk = async {
                let stream = UnixStream::connect(&self.run.socket).await.unwrap();
                let (mut from, mut to) = stream.into_split();
                let wrote = async {
                    // It may be refused before it has all been sent.
                    let _ = to.write_all(text).await;
                    let _ = to.shutdown().await;
                    std::future::pending().await
                };
                tokio::select! {
                    reply = read(&mut from) => reply,
                    never = wrote => never,
                }
            };
            tokio::time::timeout(limit, talk).await.map_err(|_| "no answer".to_owned())?
        })
    }
}

/// The request as it is sent.
pub(crate) fn text(call: &Call) -> Vec<u8> {
    let Call { method, path, query, headers, body, missing, chunked } = call;
    let mark = if query.is_empty() { "" } else { "?" };
    let mut text = format!("{method} {path}{mark}{} HTTP/1.1\r\n", query.join("&")).into_bytes();
    text.extend_from_slice(b"host: x\r\nconnection: close\r\n");
    for header in headers {
        text.extend_from_slice(header);
        text.extend_from_slice(b"\r\n");
    }
    if *chunked {
        text.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        if !body.is_empty() {
            text.extend(format!("{:x}\r\n", body.len()).bytes());
            text.extend_from_slice(body);
            text.extend_from_slice(b"\r\n");
        }
        if *missing == 0 {
            text.extend_from_slice(b"0\r\n\r\n");
        }
    } else {
        text.extend(format!("content-length: {}\r\n\r\n", body.len() + missing).bytes());
        text.extend_from_slice(body);
    }
    text
}

async fn read(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<Reply, String> {
    let mut text = vec![];
    loop {
        if let Some(end) = memchr::memmem::find(&text, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
            let value = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim_start_matches(':').trim().to_owned())
            };
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status = status.ok_or_else(|| format!("no status: {head}"))?;
            if status < 200 {
                text.drain(..end + 4);
                continue;
            }
            let kind = value("content-type").filter(|_| value("tmo-version").is_some());
            let mut body = text.split_off(end + 4);
            // A stream goes on for as long as somebody listens.
            if kind.as_deref() != Some("text/event-stream") {
                let _ = from.read_to_end(&mut body).await;
            }
            return Ok(Reply { status, kind, body });
        }
        match from.read_buf(&mut text).await {
            Ok(0) => return Err(format!("an end without an answer: {}", text.escape_ascii())),
            Ok(_) => {}
            Err(error) => return Err(format!("no answer: {error}")),
        }
    }
}
