//! Identifies the listener at a socket: a supervisor of ours, or overmind.

use std::io;
use std::sync::Mutex;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::reply::{Peer, Reply};
use super::tcp::{self, Answerer};
use super::{COMMAND_LINE, Client, ClientError, LARGEST_ANSWER, SILENCE, connect};
use crate::client::address::Address;
use crate::model::state::State;

/// The listener at a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// A supervisor of ours, with the state of its run.
    Tmo(Box<State>),
    /// Overmind itself.
    Overmind,
}

/// Identify the listener. The question is sent in both protocols at once: a supervisor reads one HTTP
/// request; overmind skips lines that it does not know and answers the last one.
pub async fn identify_listener(at: impl Into<Address>) -> Result<Listener, ClientError> {
    // Omits the API version, so that listeners of most versions can be identified.
    const QUESTION: &str = concat!(
        "GET /api/state HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntmo-version: ",
        env!("CARGO_PKG_VERSION"),
        "\r\n\r\nstatus\n"
    );
    let at = at.into();
    let stream = match &at {
        Address::Unix(_) => connect(&at).await?,
        Address::Tcp(target) => match tcp::greet(target).await? {
            Answerer::Tmo(stream) => stream,
            Answerer::Overmind => return Ok(Listener::Overmind),
        },
    };
    // Root may contact another user's run. In that case the runtime directory in the answer is ignored: it
    // could be that of one of root's own runs, which the command would then change.
    let own = nix::unistd::geteuid().as_raw();
    let is_own = stream.peer_cred().is_ok_and(|peer| peer.uid() == own);
    let is_trusted = matches!(at, Address::Tcp(_)) || is_own;
    let believed = |mut state: State| {
        state.runtime = state.runtime.filter(|_| is_trusted);
        Listener::Tmo(Box::new(state))
    };
    let mut answer = Vec::new();
    let asked = async {
        let (reader, mut writer) = tokio::io::split(stream);
        writer.write_all(QUESTION.as_bytes()).await?;
        // The listener may abort the connection after its answer; the answer still counts.
        let _ = reader.take(LARGEST_ANSWER as u64).read_to_end(&mut answer).await;
        io::Result::Ok(())
    };
    let client = Client { at, fresh: Mutex::default(), run: None, by: COMMAND_LINE.into() };
    match tokio::time::timeout(SILENCE, asked).await {
        // A listener that exits at once may not even have read the question.
        Ok(_) if answer.is_empty() => return Err(ClientError::Empty { at: client.at }),
        Ok(asked) => asked.map_err(|error| client.lost(&error))?,
        Err(_) if client.alive().await.is_some_and(|alive| alive.taking_over || alive.ending) => {
            return client.state().await.map(believed);
        }
        Err(_) => return Err(ClientError::Silent { at: client.at }),
    }
    if answer.starts_with(b"PROCESS") {
        return Ok(Listener::Overmind);
    }
    let end = memchr::memmem::find(&answer, b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let version = head.split("\r\ntmo-version: ").nth(1).and_then(|rest| rest.split('\r').next());
    let (true, Some(version)) = (head.starts_with("http/1.1 "), version) else {
        let what = "it is neither tmo nor overmind".to_owned();
        return Err(ClientError::Garbled { at: client.at, what });
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let reply = Reply {
        peer: Peer::new(&client.at, version),
        asked: "GET /api/state".to_owned(),
        status: status.unwrap_or(StatusCode::BAD_GATEWAY),
        body: Bytes::copy_from_slice(answer.get(end + 4..).unwrap_or_default()),
    };
    if reply.status != StatusCode::OK {
        return Err(reply.refusal());
    }
    reply.read_anyhow().map(believed)
}
