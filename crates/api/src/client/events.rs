//! The events that a supervisor sends to its clients: its updates on the run, as
//! server-sent events, which arrive in pieces of any size.

use std::collections::VecDeque;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::address::Address;
use super::reply::Peer;
use super::{ClientError, HttpResponse};
use crate::model::exit::End;
use crate::model::request::Head;
use crate::model::state::{ProcessState, State};

/// Reads an event; `None` for one that only later versions know.
pub(super) type ReadEvent<T> = fn(&Event) -> serde_json::Result<Option<T>>;

#[derive(Debug)]
pub struct EventStream<T> {
    peer: Peer,
    /// The operation that is not possible if they can't be parsed.
    can_not: &'static str,
    read: ReadEvent<T>,
    body: Incoming,
    parser: Parser,
    ready: VecDeque<Event>,
}

impl<T> EventStream<T> {
    /// The events in this answer from the supervisor at this address.
    pub(super) fn new(
        at: &Address,
        answer: HttpResponse,
        can_not: &'static str,
        read: ReadEvent<T>,
    ) -> Self {
        let peer = Peer::of(at, answer.headers());
        let (parser, ready) = (Parser::default(), VecDeque::new());
        Self { peer, can_not, read, body: answer.into_body(), parser, ready }
    }

    /// The next event; `None` when the connection has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                if let Some(read) = (self.read)(&event).transpose() {
                    return Some(read.map_err(|error| self.garbled(&error)));
                }
            }
            // A broken connection means only that the supervisor is gone.
            let piece = self.body.frame().await?.ok()?.into_data().unwrap_or_default();
            if self.parser.feed(&piece, &mut self.ready).is_err() {
                return Some(Err(self.garbled(&"an event is too large")));
            }
        }
    }

    fn garbled(&self, why: &dyn std::fmt::Display) -> ClientError {
        self.peer.garbled(self.can_not, why)
    }
}

/// An update on a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadEvent {
    /// The current end of the journal; earlier updates may have been skipped.
    Head(Head),
    /// The run is over.
    End(End),
    /// This view must exit; the run goes on.
    Leave,
}

/// A change of the state of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// The whole state.
    State(Box<State>),
    Process(Box<ProcessState>),
    /// The run is over.
    End,
}

/// A stream of updates on a run.
///
/// [`HeadEvent::End`] comes last: an end without it means that the supervisor did not end in order.
pub type HeadStream = EventStream<HeadEvent>;

impl HeadEvent {
    pub(super) fn read(Event { name, data }: &Event) -> serde_json::Result<Option<Self>> {
        Ok(Some(match name.as_str() {
            "head" => Self::Head(serde_json::from_str(data)?),
            "end" => Self::End(serde_json::from_str(data)?),
            "leave" => Self::Leave,
            _ => return Ok(None),
        }))
    }
}

impl WatchEvent {
    pub(super) fn read(Event { name, data }: &Event) -> serde_json::Result<Option<Self>> {
        Ok(Some(match name.as_str() {
            "state" => Self::State(serde_json::from_str(data)?),
            "process" => Self::Process(serde_json::from_str(data)?),
            "end" => Self::End,
            _ => return Ok(None),
        }))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its kind; `message` if none was given.
    pub name: String,
    /// Its data, lines joined by newlines.
    pub data: String,
}

/// Maximum size of an event; supervisors send no larger ones.
const LARGEST: usize = 4 << 20;

/// The stream contains an event that is too large to come from a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// Parses the stream piece by piece.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_return: bool,
    name: String,
    data: String,
    any: bool,
}

impl Parser {
    /// Parse a piece; events that are complete with it are appended to `events`.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        events: &mut impl Extend<Event>,
    ) -> Result<(), TooLarge> {
        while !piece.is_empty() {
            // `\r\n` is one line end, even if it is split across pieces.
            if std::mem::take(&mut self.after_return) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', piece);
            self.line.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
            if self.line.len() + self.data.len() + self.name.len() > LARGEST {
                return Err(TooLarge);
            }
            let Some(end) = end else { return Ok(()) };
            self.after_return = piece[end] == b'\r';
            piece = &piece[end + 1..];
            events.extend(self.end_line());
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        if text.is_empty() {
            return self.end_event();
        }
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.any {
                    self.data.push('\n');
                }
                self.any = true;
                self.data.push_str(value);
            }
            // Comments, ids and retry times.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        let name = if name.is_empty() { "message".to_owned() } else { name };
        std::mem::take(&mut self.any).then_some(Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::{Event, LARGEST, Parser, TooLarge};

    fn read(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.feed(piece, &mut events).unwrap();
        }
        events.into_iter().map(|Event { name, data }| (name, data)).collect()
    }

    #[test]
    fn reads_events() {
        let text = b": hello\n\nevent: head\ndata: {\"records\":1}\n\nevent:x\r\ndata:a\r\ndata:  b\r\n\r\n\
        id: 7\nretry: 1\ndata\n\nevent: nothing\n\ndata: unfinished\n";
        let pair = |name: &str, data: &str| (name.to_owned(), data.to_owned());
        let expected = [pair("head", "{\"records\":1}"), pair("x", "a\n b"), pair("message", "")];
        assert_eq!(read(&[text]), expected);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        let piece = vec![b'x'; LARGEST / 2];
        assert_eq!(parser.feed(&piece, &mut events), Ok(()));
        assert_eq!(parser.feed(&piece, &mut events), Ok(()));
        assert_eq!(parser.feed(&piece, &mut events), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(
            text in "(event: ?[a-z]{0,3}|data:? ?[a-zé]{0,4}|:[a-z]?|\r|\n|\r\n|\n\n){0,30}",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[bytes]));
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            read(&[&bytes]);
        }
    }
}
