//! Server-sent events, parsed from the wire in pieces of any size.

/// One event.
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
