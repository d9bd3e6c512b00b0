//! What processes print, as it is shown: escapes taken apart, lines rendered.

use tmo::journal::record::{CONTINUES, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use tmo::model::terminal::escape::{Scanner, Token};
use tmo::model::terminal::sgr::Sgr;
use tmo::model::time::Timestamp;
use tmo::model::{LifeId, StreamNo};
use tmo::view::merged::{Renderer, Unfinished};
use tmo::view::paint::{Mode, Stamp, Style};

use super::input::Input;

const MODES: [Mode; 4] =
    [Mode::Terminal { color: true }, Mode::Terminal { color: false }, Mode::Exact, Mode::Plain];

/// Cuts change nothing, little becomes not much more, a terminal gets colours and nothing else, a
/// pipe no control character, and one that asks for colours every byte.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.one_of(&MODES);
    let flags = if input.yes() { UNFINISHED } else { 0 };
    let shown = input.yes();
    let seed = input.bytes();
    let text = input.rest();
    let cuts = Input::new(seed).cuts(text.len());
    let pieces = cut(text, &cuts);
    assert_eq!(words(&[text]), words(&pieces), "tokens");
    let whole = render(mode, &[text], flags);
    assert_eq!(
        whole.escape_ascii().to_string(),
        render(mode, &pieces, flags).escape_ascii().to_string()
    );
    assert!(whole.len() <= 4096 + 300 * text.len(), "{} out of {}", whole.len(), text.len());
    let prompted = prompts(mode, text, &cuts);
    if mode != Mode::Exact {
        harmless(mode, &whole);
    }
    if mode.terminal() {
        if shown {
            harmless(mode, &prompted);
        }
    } else {
        assert_eq!(prompted, render(mode, &[text, b"\n"], 0), "what is unfinished is held back");
    }
    if mode == Mode::Exact {
        every_byte(text, &whole);
    }
    carried_over(text);
    dated(mode, &mut Input::new(seed));
}

/// No time is too early or too late to be shown.
fn dated(mode: Mode, input: &mut Input<'_>) {
    let style = Style { stamp: Stamp::Clock, ..Style::new(mode) };
    let (mut renderer, mut out) = (Renderer::new(style, &[(StreamNo(1), "web", 2)]), vec![]);
    for kind in [Kind::Text, Kind::Exit, Kind::Gap, Kind::Start, Kind::End, Kind::Event] {
        let record = Record {
            time: Timestamp::from_nanos(input.number()),
            value: input.u32(),
            kind,
            ..record(2, 0)
        };
        let text: &[u8] = if kind == Kind::Text { b"x\n" } else { b"" };
        renderer.render(&record, text, input.number(), &mut out);
    }
    renderer.finish(&mut out);
    assert!(out.len() < 1000);
}

fn cut<'a>(text: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut from = 0;
    cuts.iter().map(|&to| &text[std::mem::replace(&mut from, to)..to]).collect()
}

/// The tokens as words; neighbouring texts joined, as they depend on how the input is cut.
fn words(pieces: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
    let mut scanner = Scanner::default();
    let mut words: Vec<(String, Vec<u8>)> = vec![];
    for piece in pieces {
        let mut input = *piece;
        while let Some(token) = scanner.next(&mut input) {
            let (kind, bytes) = match token {
                Token::Text(text) => {
                    assert!(text.iter().all(|b| *b >= 0x20 && *b != 0x7f || *b == b'\t'));
                    ("text".to_owned(), text.to_vec())
                }
                Token::Control(byte) => (format!("control {byte}"), vec![]),
                Token::Csi(inside, last) => (format!("csi {last}"), inside.to_vec()),
                Token::Osc(inside) => ("osc".to_owned(), inside.to_vec()),
                Token::Dcs(inside) => ("dcs".to_owned(), inside.to_vec()),
                Token::Escape(last) => (format!("escape {last}"), vec![]),
                Token::Designate(place, set) => (format!("set {place} {set}"), vec![]),
                Token::Other => ("other".to_owned(), vec![]),
            };
            assert!(kind == "text" || bytes.len() <= 4096);
            match words.last_mut().filter(|(last, _)| *last == kind && kind == "text") {
                Some((_, text)) => text.extend(bytes),
                None => words.push((kind, bytes)),
            }
        }
        assert!(input.is_empty());
    }
    words
}

fn record(length: usize, flags: u8) -> Record {
    Record {
        time: Timestamp::from_nanos(1),
        offset: 0,
        len: u32::try_from(length).unwrap(),
        lines: 0,
        life: Some(LifeId::nth(1)),
        seq: 0,
        value: 0,
        stream: StreamNo(1),
        kind: Kind::Text,
        flags,
    }
}

fn renderer(mode: Mode) -> Renderer {
    Renderer::new(
        Style { columns: 40, ..Style::new(mode) },
        &[(StreamNo(1), "web", 2), (StreamNo(2), "db", 3)],
    )
}

/// Each piece is a record; the last one has these flags.
fn render(mode: Mode, pieces: &[&[u8]], flags: u8) -> Vec<u8> {
    let (mut renderer, mut out) = (renderer(mode), vec![]);
    let mut offset = 0;
    for (at, text) in pieces.iter().enumerate() {
        let before = if at > 0 { CONTINUES } else { 0 };
        let after = if at + 1 < pieces.len() { TO_BE_CONTINUED } else { flags };
        let record = Record { offset, ..record(text.len(), before | after) };
        renderer.render(&record, text, 0, &mut out);
        offset = record.end();
    }
    renderer.finish(&mut out);
    out
}

/// The line is shown as it grows before it has its record.
fn prompts(mode: Mode, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut renderer, mut out) = (renderer(mode), vec![]);
    for &cut in cuts {
        let line = Unfinished {
            stream: StreamNo(1),
            text: &text[..cut],
            end: cut as u64,
            time: Timestamp::from_nanos(1),
        };
        if !text[..cut].contains(&b'\n') {
            renderer.partial(line, &mut out);
        }
    }
    let whole = [text, b"\n"].concat();
    let record = record(whole.len(), 0);
    renderer.render(&record, &whole, 0, &mut out);
    renderer.finish(&mut out);
    out
}

/// A terminal that is given this stays in the line that it is in, or begins the next one.
fn harmless(mode: Mode, out: &[u8]) {
    let mut scanner = Scanner::default();
    let mut input = out;
    assert!(std::str::from_utf8(out).is_ok(), "not UTF-8");
    while let Some(token) = scanner.next(&mut input) {
        match token {
            Token::Text(_) => {}
            Token::Control(byte) => {
                assert!(byte == b'\n' || byte == b'\r' && mode.terminal(), "control {byte}");
            }
            Token::Csi(inside, last) => assert!(
                mode == (Mode::Terminal { color: true })
                    && (last == b'm' || last == b'K' && inside.is_empty()),
                "csi {}{}",
                inside.escape_ascii(),
                char::from(last)
            ),
            Token::Osc(_)
            | Token::Dcs(_)
            | Token::Escape(_)
            | Token::Designate(..)
            | Token::Other => panic!("no colour"),
        }
    }
}

/// Each line behind its prefix, byte for byte.
fn every_byte(text: &[u8], out: &[u8]) {
    let mut lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let mut expected = vec![];
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        expected.extend([b"\x1b[1;38;5;2mweb   \x1b[0m | ", line, b"\n"].concat());
    }
    assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

/// What is switched on, said in one sequence, switches the same on.
fn carried_over(parameters: &[u8]) {
    let mut sgr = Sgr::default();
    for part in parameters.split(|b| *b == b'm') {
        sgr.apply(part);
    }
    let mut said = vec![];
    sgr.emit(&mut said);
    let mut again = Sgr::default();
    if let Some(inside) = said.strip_prefix(b"\x1b[").and_then(|s| s.strip_suffix(b"m")) {
        again.apply(inside);
    } else {
        assert!(said.is_empty());
    }
    assert_eq!(sgr, again);
    assert!(said.len() < 100);
}
