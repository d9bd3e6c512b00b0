//! The conversation with the holder of a terminal, and what goes into the scroll-back before that is shown:
//! the last lines of the log that it does not show itself.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};
use unicode_width::UnicodeWidthChar as _;

use crate::model::terminal::cells::TAB;
use crate::model::terminal::line::plain;
use crate::protocol::terminal::{Frames, FromClient, FromHolder, Hello};

/// How long to look for the successor of a holder that was killed, and how often.
const SUCCESSOR: Duration = Duration::from_secs(3);
/// The same if it has removed its socket, which it does at the end of the terminal.
const AFTER_END: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(20);

/// How much is read at once.
const READ: usize = 16 << 10;
/// A holder that is stopped gets no more requests than this, in bytes. Input has its own limit.
const MOST_WAITING: usize = 64 << 10;

pub(super) struct HolderConnection {
    stream: UnixStream,
    frames: Frames,
    buffer: Vec<u8>,
    /// What is to be sent.
    out: Vec<u8>,
}

impl HolderConnection {
    /// Connect to the holder at this socket, which may be just about to listen: after the removal of its socket, say.
    pub(super) async fn dial(socket: &Path, hello: Hello) -> io::Result<Self> {
        Self::dial_within(socket, hello, |error| {
            let is_absent =
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
            if is_absent { SUCCESSOR } else { Duration::ZERO }
        })
        .await
    }

    /// The same with the successor of a holder that has just ended.
    pub(super) async fn dial_again(socket: &Path, hello: Hello) -> Option<Self> {
        let patience = |error: &io::Error| {
            if error.kind() == io::ErrorKind::NotFound { AFTER_END } else { SUCCESSOR }
        };
        Self::dial_within(socket, hello, patience).await.ok()
    }

    async fn dial_within(
        socket: &Path,
        hello: Hello,
        patience: impl Fn(&io::Error) -> Duration,
    ) -> io::Result<Self> {
        let began = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => break stream,
                Err(error) if began.elapsed() >= patience(&error) => return Err(error),
                // No event tells that it listens.
                Err(_) => sleep(RETRY).await,
            }
        };
        let out = FromClient::Hello(hello).encode();
        Ok(Self { stream, frames: Frames::default(), buffer: vec![0; READ], out })
    }

    /// Send a frame, during [`Self::next`].
    pub(super) fn send(&mut self, frame: &FromClient) {
        let is_limited = matches!(frame, FromClient::Input(_) | FromClient::Typed);
        if is_limited || self.out.len() < MOST_WAITING {
            self.out.extend(frame.encode());
        }
    }

    /// Send as much of it as the holder takes at once.
    pub(super) fn flush(&mut self) {
        if let Ok(written) = self.stream.try_write(&self.out) {
            self.out.drain(..written);
        }
    }

    /// Send what is to be sent, and return the next frame if `reads`; an error if the holder is gone. Cancel-safe.
    pub(super) async fn next(&mut self, reads: bool) -> io::Result<FromHolder> {
        loop {
            if reads && let Some(frame) = self.frames.of_holder().map_err(io::Error::other)? {
                return Ok(frame);
            }
            let (mut from, mut to) = self.stream.split();
            tokio::select! {
                read = from.read(&mut self.buffer), if reads => match read? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => self.frames.add(&self.buffer[..read]),
                },
                // If the holder has ended, the next read finds that.
                written = to.write(&self.out), if !self.out.is_empty() => {
                    self.out.drain(..written.unwrap_or(self.out.len()));
                }
                else => std::future::pending().await,
            }
        }
    }
}

/// How many lines the log may have that the screen does not show yet.
const AHEAD: usize = 50;

/// The part of a log that has no line in common with these lines of a screen.
///
/// The lines are compared from the end. The screen may have lines of its own between those of the log; but a line of
/// the log is left out only if the screen shows it.
pub(super) fn hidden<'a>(log: &'a [u8], screen: &[String]) -> Vec<&'a [u8]> {
    let mut lines: Vec<&[u8]> = log.split(|&byte| byte == b'\n').collect();
    let mut texts: Vec<String> = lines.iter().map(|line| text(line)).collect();
    while texts.last().is_some_and(String::is_empty) {
        texts.pop();
    }
    let in_common = |end: usize| {
        screen.iter().rev().fold(0, |count, line| {
            count + usize::from(end > count && texts[end - 1 - count] == *line)
        })
    };
    let ends = texts.len().saturating_sub(AHEAD)..=texts.len();
    // The last one of the best.
    let (count, end) = ends.map(|end| (in_common(end), end)).max().unwrap_or((0, texts.len()));
    lines.truncate(end - count);
    lines
}

/// A line as a terminal shows it, without colours.
fn text(line: &[u8]) -> String {
    let mut bytes = vec![];
    plain(line, &mut bytes);
    let (mut shown, mut column) = (String::new(), 0);
    for character in String::from_utf8_lossy(&bytes).chars() {
        if character == '\t' {
            let width = TAB - column % TAB;
            shown.extend(std::iter::repeat_n(' ', width));
            column += width;
        } else {
            shown.push(character);
            column += character.width().unwrap_or(0);
        }
    }
    shown.truncate(shown.trim_end().len());
    shown
}

#[cfg(test)]
mod tests {
    use super::hidden;

    #[track_caller]
    fn check(log: &str, screen: &[&str], expected: &[&str]) {
        let screen: Vec<String> = screen.iter().map(|line| (*line).to_owned()).collect();
        let expected: Vec<&[u8]> = expected.iter().map(|line| line.as_bytes()).collect();
        assert_eq!(hidden(log.as_bytes(), &screen), expected, "{log:?} {screen:?}");
    }

    #[test]
    fn lines_on_the_screen_are_left_out() {
        check("1\n2\n3\n4\n", &["3", "4"], &["1", "2"]);
        check("1\n2\n\x1b[31m3\x1b[m\n\ta\n", &["3", "        a"], &["1", "2"]);
        check("1\n2\n3\n", &["2", "3", "prompt>"], &["1"]);
        check("1\n2\n3\n", &[], &["1", "2", "3"]);
        check("1\n2\n3\n", &["an", "editor"], &["1", "2", "3"]);
    }

    #[test]
    fn lines_that_only_the_screen_has_may_lie_between_them() {
        check("1\n2\n3\n", &["2", "", "it has ended", "3"], &["1"]);
        // Only the end of a wrapped line is visible.
        check("1\nlong line\n3\n", &["line", "3"], &["1", "long line"]);
    }

    #[test]
    fn lines_that_the_screen_does_not_show_yet_are_left_to_it() {
        check("1\n2\n3\n4\n5\n", &["2", "3"], &["1"]);
        check("x\nx\nx\nx\n", &["x", "x"], &["x", "x"]);
    }
}
