//! Tests the exact output, and that cuts and prompts do not change what is shown.

mod golden;
mod prompts;
mod props;

use super::{Renderer, Unfinished};
use crate::journal::record::{CONTINUES, EVENTS, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId};
use crate::paint::{Mode, Style};

const COLOR: Mode = Mode::Terminal { color: true };
const GREY: Mode = Mode::Terminal { color: false };

/// A renderer, its output, and the end offsets of its streams.
struct Bench {
    renderer: Renderer,
    out: Vec<u8>,
    ends: [u64; 8],
}

fn record(kind: Kind, stream: u16) -> Record {
    Record {
        time: Timestamp::from_nanos(1_000_000_000),
        offset: 0,
        len: 0,
        lines: 0,
        life: Some(LifeId::FIRST),
        seq: 0,
        value: 0,
        stream: StreamNo(stream),
        kind,
        flags: 0,
    }
}

impl Bench {
    fn new(mode: Mode) -> Self {
        Self::styled(Style::new(mode))
    }

    fn styled(style: Style) -> Self {
        let names = [(1, "web", 2), (2, "worker", 3), (3, "db", 42)];
        let names = names.map(|(number, name, color)| (StreamNo(number), name, color));
        Self { renderer: Renderer::new(style, &names), out: vec![], ends: [0; 8] }
    }

    /// A record of text.
    fn text(&mut self, stream: u16, text: &[u8]) -> &mut Self {
        self.flagged(stream, text, 0)
    }

    fn flagged(&mut self, stream: u16, text: &[u8], flags: u8) -> &mut Self {
        let offset = self.ends[usize::from(stream)];
        let record = Record {
            offset,
            len: u32::try_from(text.len()).unwrap(),
            flags,
            ..record(Kind::Text, stream)
        };
        self.ends[usize::from(stream)] = record.end();
        self.renderer.render(&record, text, 0, &mut self.out);
        self
    }

    /// A record with neither text nor marker.
    fn bare(&mut self, record: Record) -> &mut Self {
        let offset = self.ends[usize::from(record.stream.0)];
        let record = Record { offset, ..record };
        self.renderer.render(&record, b"", 0, &mut self.out);
        self
    }

    fn event(&mut self, json: &str) -> &mut Self {
        let text = format!("{json}\n");
        let record = record(Kind::Event, EVENTS.0);
        self.renderer.render(&record, text.as_bytes(), 0, &mut self.out);
        self
    }

    /// The present state of the unfinished line of the stream. Its record comes later.
    fn partial(&mut self, stream: u16, text: &[u8]) -> &mut Self {
        let end = self.ends[usize::from(stream)] + text.len() as u64;
        let line = Unfinished {
            stream: StreamNo(stream),
            text,
            end,
            time: Timestamp::from_nanos(1_000_000_000),
        };
        self.renderer.partial(line, &mut self.out);
        self
    }

    fn finish(&mut self) -> &mut Self {
        self.renderer.finish(&mut self.out);
        self
    }

    /// Output of redrawing the unfinished line below other output.
    fn restored(&mut self) -> String {
        self.renderer.restore(&mut self.out);
        self.taken()
    }

    /// The output since the last call.
    fn taken(&mut self) -> String {
        std::mem::take(&mut self.out).escape_ascii().to_string()
    }
}

#[test]
fn the_program_that_an_installation_is_followed_by_is_started_and_not_restarted() {
    let mut bench = Bench::new(Mode::Exact);
    let start = |life| Record { life: Some(LifeId::nth(life)), value: 7, ..record(Kind::Start, 1) };
    bench.bare(start(1)).event(r#"{"name":"web","event":"installed","life":1}"#).taken();
    let shown = bench.bare(start(2)).taken();
    assert!(shown.contains("Started with pid 7") && !shown.contains("Restart"), "{shown}");
    let shown = bench.bare(start(3)).taken();
    assert!(shown.contains("Restarted with pid 7"), "{shown}");
}
