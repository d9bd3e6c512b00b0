//! Much of the same: what is read in little time when it is small is so when it is large.
//!
//! Nothing is measured here; a reader whose time or memory grows faster than its input runs into
//! the limits of the fuzzer.

use tmo::api::line_buffer::LineBuffer;
use tmo::api::overmind;
use tmo::client::events::Parser;
use tmo::config::{dotenv, procfile, toml};
use tmo::journal::format::Summary;
use tmo::journal::record::{Kind, Record};
use tmo::journal::write::expected_markers::Expected;
use tmo::journal::write::split::{Fed, MarkerTrust, Splitter};
use tmo::model::name::nearest::nearest;
use tmo::model::plan::Plan;
use tmo::model::time::Timestamp;
use tmo::model::{LifeId, ProcName, StreamNo};
use tmo::protocol::life::Lines;
use tmo::view::merged::{Renderer, Unfinished};
use tmo::view::paint::{Mode, Style};

use super::input::Input;

const LENGTH: usize = 256 << 10;

/// Read a text of a beginning, one piece over and over, and an end.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let reader = input.byte() % 16;
    let width = input.one_of(&[LENGTH, 4096, 100, 7]);
    let (head, tail, unit) = (input.bytes(), input.bytes(), input.rest());
    let mut text = head.to_vec();
    if !unit.is_empty() {
        text.extend(unit.iter().cycle().take(LENGTH / unit.len() * unit.len()));
    }
    text.extend_from_slice(tail);
    match reader {
        0 => drop(dotenv::parse(&text, &|_| None)),
        1 => drop(procfile::parse(&text, "P")),
        2 => drop(toml::parse(&String::from_utf8_lossy(&text), "tmo.toml")),
        3 => drop(serde_json::from_slice::<Plan>(&text)),
        4..7 => show(reader, &text, width),
        7 | 8 => {
            split(
                &text,
                width,
                if reader == 7 { MarkerTrust::All } else { MarkerTrust::Announced },
            );
        }
        9 => {
            let mut lines = Lines::default();
            text.chunks(width).for_each(|piece| drop(lines.feed(piece)));
        }
        10 => lines(&text, width),
        11 => {
            let (mut parser, mut events) = (Parser::default(), vec![]);
            assert!(text.chunks(width).all(|piece| parser.feed(piece, &mut events).is_ok()));
        }
        12 => {
            let text = String::from_utf8_lossy(&text);
            for name in ["web#1", "a-b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
                ProcName::new(name).unwrap().matches(&text);
                nearest(&text, [name]);
            }
        }
        13 => {
            let name = String::from_utf8_lossy(&text);
            if let Ok(name) = ProcName::new(name) {
                name.matches(&String::from_utf8_lossy(head));
            }
        }
        _ => {
            let _ = overmind::parse(&text);
        }
    }
}

fn lines(text: &[u8], width: usize) {
    let mut lines = LineBuffer::default();
    for piece in text.chunks(width) {
        lines.space().extend_from_slice(piece);
        loop {
            match lines.line() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn split(text: &[u8], width: usize, trust: MarkerTrust) {
    let mut splitter =
        Splitter::new(&Summary { stream: StreamNo(1), ..Summary::default() }, 0, trust);
    for seq in 1..200 {
        splitter.expect(Expected {
            seq,
            nonce: 7,
            kind: Kind::Start,
            value: 0,
            life: LifeId::nth(1),
        });
    }
    let (mut records, mut asked) = (vec![], 0);
    for to in (0..text.len()).step_by(width).chain([text.len()]) {
        loop {
            let from = usize::try_from(splitter.position()).unwrap();
            if from >= to || splitter.feed(&text[from..to], false, &mut records) == Fed::All {
                break;
            }
            asked += 1;
        }
        splitter.flush(&mut records);
    }
    assert!(asked <= text.len() / width + 2, "asked {asked} times");
}

fn show(mode: u8, text: &[u8], width: usize) {
    let mode = [Mode::Terminal { color: true }, Mode::Exact, Mode::Plain][usize::from(mode - 4)];
    let style = Style { columns: 80, ..Style::new(mode) };
    let mut renderer = Renderer::new(style, &[(StreamNo(1), "web", 2), (StreamNo(2), "db", 3)]);
    let mut out = vec![];
    let mut record = Record {
        time: Timestamp::from_nanos(1),
        offset: 0,
        len: 0,
        lines: 0,
        life: Some(LifeId::nth(1)),
        seq: 0,
        value: 0,
        stream: StreamNo(1),
        kind: Kind::Text,
        flags: 0,
    };
    let (mut begun, mut end, mut shown) = (0, 0, 0);
    for piece in text.chunks(width) {
        end += piece.len();
        if let Some(last) = piece.iter().rposition(|b| *b == b'\n') {
            let line = &text[begun..=end - piece.len() + last];
            record =
                Record { offset: begun as u64, len: u32::try_from(line.len()).unwrap(), ..record };
            renderer.render(&record, line, 0, &mut out);
            begun += line.len();
        }
        if end > begun {
            let wanted = usize::try_from(renderer.wanted_from(StreamNo(1), begun as u64)).unwrap();
            let text = text.get(wanted..end).unwrap_or_default();
            renderer.partial(
                Unfinished {
                    stream: StreamNo(1),
                    text,
                    end: end as u64,
                    time: Timestamp::from_nanos(1),
                },
                &mut out,
            );
        }
        shown += out.len();
        assert!(shown <= 16_384 + 400 * end, "{shown} for {end}");
        out.clear();
    }
    renderer.finish(&mut out);
}
