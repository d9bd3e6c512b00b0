//! The WebSocket of a terminal on a page.
//!
//! Binary messages, of which the first byte is the kind: from the server 0 output, 6 end (its reason as text); from
//! the page 1 input, 2 size (columns and rows, 16 bits each, big-endian), 3 acknowledgement (bytes shown since the
//! last one, 32 bits).
//!
//! The terminal is read only as fast as the page shows it. tmux then skips output for this client; the process and
//! its log are not delayed.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::time::{interval, timeout};

use super::pty::{Pty, Size};

const OUTPUT: u8 = 0;
const INPUT: u8 = 1;
const SIZE: u8 = 2;
const SHOWN: u8 = 3;
const END: u8 = 6;

/// How many bytes may be under way before the page has shown them.
const WINDOW: usize = 128 << 10;
/// How much is read at once.
const CHUNK: usize = 16 << 10;
/// How often a silent page is asked whether it is there.
const PING: Duration = Duration::from_secs(25);
/// A page that takes nothing for so long is gone.
const GONE: Duration = Duration::from_secs(60);
/// How long `tmo connect` may take to end after its terminal.
const FAREWELL: Duration = Duration::from_secs(2);

/// A message of a page.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Input(&'a [u8]),
    Size(Size),
    Shown(usize),
}

/// Read a message; `None` for what is unknown or malformed.
fn parse(message: &[u8]) -> Option<Said<'_>> {
    let (kind, rest) = message.split_first()?;
    Some(match (*kind, rest) {
        (INPUT, bytes) => Said::Input(bytes),
        (SIZE, &[a, b, c, d]) => {
            Said::Size((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        (SHOWN, &[a, b, c, d]) => {
            Said::Shown(usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX))
        }
        _ => return None,
    })
}

/// Connect the page with the terminal until one of them ends. Input is taken as long as it may.
pub(super) async fn serve(mut socket: WebSocket, pty: Pty, may_type: impl Fn() -> bool) {
    let mut under_way = 0;
    let mut buffer = vec![0; CHUNK];
    let mut ping = interval(PING);
    let ended = loop {
        tokio::select! {
            read = pty.read(&mut buffer), if under_way < WINDOW => match read {
                Ok(0) | Err(_) => break true,
                Ok(read) => {
                    under_way += read;
                    let message = [&[OUTPUT], &buffer[..read]].concat();
                    if !send(&mut socket, message).await {
                        break false;
                    }
                }
            },
            said = socket.recv() => {
                let message = match said {
                    Some(Ok(Message::Binary(message))) => message,
                    Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break false,
                };
                let done = match parse(&message) {
                    Some(Said::Input(bytes)) if may_type() => pty.write(bytes).await,
                    Some(Said::Size(size)) => pty.resize(size),
                    Some(Said::Shown(shown)) => {
                        under_way = under_way.saturating_sub(shown);
                        Ok(())
                    }
                    Some(Said::Input(_)) | None => Ok(()),
                };
                if done.is_err() {
                    break true;
                }
            }
            _ = ping.tick() => {
                if !matches!(timeout(GONE, socket.send(Message::Ping(vec![].into()))).await, Ok(Ok(()))) {
                    break false;
                }
            }
        }
    };
    let mut child = pty.close();
    if timeout(FAREWELL, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
    if ended {
        send(&mut socket, [&[END], &b"the terminal was closed"[..]].concat()).await;
    }
}

async fn send(socket: &mut WebSocket, message: Vec<u8>) -> bool {
    matches!(timeout(GONE, socket.send(Message::Binary(message.into()))).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::{Said, parse};

    #[test]
    fn messages_are_read() {
        assert_eq!(parse(&[1, b'a', b'b']), Some(Said::Input(b"ab")));
        assert_eq!(parse(&[2, 0, 80, 1, 0]), Some(Said::Size((80, 256))));
        assert_eq!(parse(&[3, 0, 0, 1, 0]), Some(Said::Shown(256)));
        for wrong in [&[][..], &[2, 0, 80], &[3, 0], &[0, 1], &[9], &[2, 0, 80, 0, 24, 0]] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
