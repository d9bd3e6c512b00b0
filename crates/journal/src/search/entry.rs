//! A journal entry as JSON.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::lines::Entry;
use crate::history::{Line, OutputStream, StyledText};
use crate::model::event::{Logged, type_of};
use crate::model::terminal::line::plain_text;
use crate::model::{Exit, StreamNo};
use crate::record::{EVENTS, Kind, Record, UNFINISHED};
use crate::segment::Dirs;
use crate::small;
use crate::streams::{Stream, Streams};

/// Maps stream numbers to names of processes; by default, without a journal to look them up in.
#[derive(Debug, Default)]
pub struct Names {
    dirs: Option<Dirs>,
    known: Vec<Stream>,
}

impl Names {
    /// The names known to this journal, now or at the time of the lookup.
    pub fn new(dirs: &Dirs, known: &[Stream]) -> Self {
        Self { dirs: Some(dirs.clone()), known: known.to_vec() }
    }

    fn get(&mut self, number: StreamNo) -> Option<&Stream> {
        let knows = |known: &[Stream]| known.iter().position(|stream| stream.number == number);
        if number != EVENTS
            && knows(&self.known).is_none()
            && let Some(dirs) = &self.dirs
            && let Ok(streams) = Streams::open(dirs)
        {
            self.known = streams.all().to_vec();
        }
        knows(&self.known).map(|at| &self.known[at])
    }

    /// What a stream holds, if its process has two.
    fn output(&mut self, number: StreamNo) -> Option<OutputStream> {
        let stream = self.get(number)?.clone();
        let is_split = self.known.iter().any(|one| one.stderr && one.name == stream.name);
        is_split.then(|| stream.output())
    }

    /// An entry as clients get it. A line has the type `line_type`.
    pub fn line(
        &mut self,
        entry: &Entry<'_>,
        place: Among,
        line_type: Option<&'static str>,
        runs: Option<Vec<StyledText>>,
    ) -> Line<'_> {
        let Record { time, stream, life, flags, .. } = entry.record;
        let output = self.output(stream).filter(|_| entry.is_line());
        let (event, more) = event_details(entry);
        let mut line = Line {
            time: time.to_string(),
            cursor: entry.position.to_string(),
            name: self.get(stream).map(|stream| Cow::Borrowed(stream.name.as_str())),
            stream: output,
            life,
            event: event.map(Cow::Borrowed),
            of_type: None,
            text: entry.is_line().then(|| plain_text(entry.text)),
            runs,
            unfinished: flags & UNFINISHED != 0,
            context: place.context,
            apart: place.apart,
            lost: entry.lost,
            more,
        };
        let of_type = if entry.is_line() { line_type } else { type_of(line.kind()) };
        line.of_type = of_type.map(Cow::Borrowed);
        line
    }
}

/// The place of an entry among those that a query selects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Among {
    /// It is near a match, and none itself.
    pub context: bool,
    /// Entries were left out before it.
    pub apart: bool,
}

/// The name of what happened, if that is not among the details, and the details.
fn event_details(entry: &Entry<'_>) -> (Option<&'static str>, Map<String, Value>) {
    let Record { kind, value, len, .. } = entry.record;
    let mut more = Map::new();
    let event = match kind {
        Kind::Text => None,
        Kind::Start => {
            more.insert("pid".into(), value.into());
            Some("start")
        }
        Kind::Exit => {
            match entry.record.exit() {
                Some(Exit::Code(code)) => more.insert("code".into(), code.into()),
                Some(Exit::Signal(signal)) => more.insert("signal".into(), signal.into()),
                None => None,
            };
            Some("exit")
        }
        Kind::End => Some("end-of-life"),
        Kind::Gap => {
            // 0 means that the number is unknown.
            more.insert("bytes".into(), len.into());
            Some("gap")
        }
        Kind::Event => {
            if let Ok(Value::Object(details)) = serde_json::from_slice(entry.text.trim_ascii_end())
            {
                more = details.into_iter().filter(|(_, value)| !value.is_null()).collect();
            }
            if let Some(text) = Logged::from_json(entry.text).and_then(|event| event.text()) {
                more.insert("text".into(), text.into());
            }
            None
        }
    };
    (event, more)
}

/// The record and the text of a line that [`Names::line`] has made, in the stream with this number.
pub fn entry_of(line: &Line<'_>, stream: StreamNo) -> (Record, String) {
    let number = |key: &str| {
        let number = line.more.get(key).and_then(Value::as_u64);
        number.and_then(|number| u32::try_from(number).ok())
    };
    let byte = |key: &str| number(key).and_then(|number| u8::try_from(number).ok());
    let exit = byte("code").map(Exit::Code).or(byte("signal").map(Exit::Signal));
    let (kind, value) = match line.event.as_deref() {
        None => (Kind::Text, 0),
        Some("start") => (Kind::Start, number("pid").unwrap_or(0)),
        Some("exit") => (Kind::Exit, exit.unwrap_or(Exit::Code(0)).pack()),
        Some("end-of-life") => (Kind::End, 0),
        Some("gap") => (Kind::Gap, 0),
        Some(_) => (Kind::Event, 0),
    };
    let text = match kind {
        Kind::Text => line.text.clone().unwrap_or_default() + "\n",
        Kind::Event => line.to_json() + "\n",
        Kind::Start | Kind::Exit | Kind::End | Kind::Gap => String::new(),
    };
    let len = if kind == Kind::Gap { number("bytes").unwrap_or(0) } else { small(text.len()) };
    let stream = if kind == Kind::Event { EVENTS } else { stream };
    let time = line.time.parse().unwrap_or_default();
    let lines = u32::from(kind == Kind::Text);
    let record = Record { len, lines, life: line.life, value, ..Record::empty(kind, stream, time) };
    (record, text)
}
