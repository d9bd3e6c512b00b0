//! The splitter: bytes of a stream become records.

use tmo::journal::format::Summary;
use tmo::journal::record::{CONTINUES, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use tmo::journal::write::expected_markers::Expected;
use tmo::journal::write::split::{Fed, LONGEST_RECORD, Lost, MarkerTrust, Splitter};
use tmo::model::{LifeId, StreamNo};
use tmo::protocol::marker::{INTRO, LONGEST_SKIP, Marker, MarkerStart, of_one_life};

use super::input::Input;

const NONCE: u64 = 0xfeed;

/// Some bytes, and what is known where they end.
#[derive(Debug, Clone, Default)]
struct Stretch {
    bytes: Vec<u8>,
    end: End,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum End {
    /// No more than that.
    #[default]
    Nothing,
    /// So many bytes are missing; none: nobody knows how many.
    Gap(u64),
    /// This marker will not come.
    GiveUp(u64, Lost),
}

/// What a stream consists of, however it was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Line(Vec<u8>),
    Unfinished(Vec<u8>),
    Mark(u32, Kind, u64, u64),
    Gap(u64),
}

struct Case {
    trust: MarkerTrust,
    expected: Vec<u64>,
    stretches: Vec<Stretch>,
}

/// Cuts change nothing, every byte is in one record or held back, a record is no larger than it
/// may be, and what is a marker is what a look at all of the bytes at once says.
pub(crate) fn check(data: &[u8]) {
    check_with(data, false);
}

/// The same, perhaps with a piece that is as long as a record may be.
pub(crate) fn check_with(data: &[u8], long: bool) {
    let mut input = Input::new(data);
    let case = case(&mut input, long);
    let (whole, held) = run(&case, &mut |length| vec![length]);
    let (parts, held_then) = run(&case, &mut |length| input.cuts(length));
    assert_eq!(held, held_then, "what is held back depends on cuts");
    same(&whole, &parts, "the records depend on cuts");
    if case.stretches.iter().all(|stretch| !matches!(stretch.end, End::GiveUp(..))) {
        same(&whole, &plain(&case, held), "the records are not what they should be");
    }
}

/// The difference may be a long one to look at.
fn same(found: &[Item], wanted: &[Item], what: &str) {
    let differ = found.iter().zip(wanted).position(|(found, wanted)| found != wanted);
    let at = differ.unwrap_or(found.len().min(wanted.len()));
    let item = |items: &[Item]| format!("{:.400}", format!("{:?}", items.get(at)));
    assert!(found == wanted, "{what}: item {at}: {} for {}", item(found), item(wanted));
}

fn case(input: &mut Input<'_>, mut long: bool) -> Case {
    let trust = if input.yes() { MarkerTrust::Announced } else { MarkerTrust::All };
    let mut case = Case { trust, expected: vec![], stretches: vec![Stretch::default()] };
    for _ in 0..input.byte() {
        if input.is_empty() {
            break;
        }
        let kind = input.byte() % 12;
        let Some(stretch) = case.stretches.last_mut() else { return case };
        match kind {
            0..3 => stretch.bytes.extend_from_slice(input.bytes()),
            3 => stretch.bytes.push(b'\n'),
            4 => {
                case.expected.push(case.expected.len() as u64 + 1);
                let (seq, skip) = (case.expected.len() as u64, u32::from(input.byte() % 8));
                stretch.bytes.extend(Marker { nonce: NONCE, seq, skip }.encode());
            }
            // Announced, and perhaps never there.
            5 => case.expected.push(case.expected.len() as u64 + 1),
            6 => {
                let seq = input.number().min(u64::from(input.u16()));
                let nonce = if input.yes() { NONCE } else { input.u64() };
                let skip = input.one_of(&[0, 1, 9, 4096, 4097, u32::MAX]);
                stretch.bytes.extend(Marker { nonce, seq, skip }.encode());
            }
            7 => {
                let seq = u64::from(input.byte());
                let whole = Marker { nonce: NONCE, seq, skip: 0 }.encode();
                stretch.bytes.extend_from_slice(&whole[..input.below(whole.len() + 1)]);
            }
            8 => stretch.bytes.extend_from_slice(INTRO),
            9 if std::mem::take(&mut long) => {
                let length = usize::try_from(LONGEST_RECORD).unwrap() - 256 + input.below(512);
                stretch.bytes.extend(std::iter::repeat_n(input.one_of(b"x\x1b\0"), length));
            }
            9 | 10 => {
                stretch.end = End::Gap(input.number() % (1 << 40));
                case.stretches.push(Stretch::default());
            }
            _ => {
                let lost = if input.yes() { Lost::Here } else { Lost::Before };
                stretch.end = End::GiveUp(u64::from(input.byte()), lost);
                case.stretches.push(Stretch::default());
            }
        }
    }
    case
}

/// All of a case, cut as `cuts` says; also how many bytes are held back in the end.
fn run(case: &Case, cuts: &mut dyn FnMut(usize) -> Vec<usize>) -> (Vec<Item>, u64) {
    let summary = Summary { stream: StreamNo(1), ..Summary::default() };
    let mut splitter = Splitter::new(&summary, 0, case.trust);
    for seq in &case.expected {
        let (kind, life) = (Kind::Exit, LifeId::nth(1));
        splitter.expect(Expected { seq: *seq, nonce: NONCE, kind, value: 7, life });
    }
    let mut out = Vec::new();
    let mut start = 0;
    let mut carried = Vec::new();
    let (mut texts, mut items) = (vec![], vec![]);
    for stretch in &case.stretches {
        texts.push((start, stretch.bytes.clone()));
        carried.extend_from_slice(&stretch.bytes);
        let end = start + stretch.bytes.len() as u64;
        for cut in cuts(stretch.bytes.len()) {
            feed(&mut splitter, (&carried, end), start + cut as u64, false, &mut out);
            splitter.flush(&mut out);
        }
        if let End::GiveUp(seq, lost) = stretch.end {
            splitter.give_up(seq, lost);
        }
        let closed = matches!(stretch.end, End::Gap(_)) || splitter.ends_here();
        feed(&mut splitter, (&carried, end), end, closed, &mut out);
        start = end;
        if let End::Gap(missing) = stretch.end {
            assert_eq!(splitter.position(), end, "something is held back before a gap");
            splitter.gap(end + missing, &mut out);
            start = end + missing;
            carried.clear();
        } else {
            splitter.settle(&mut out);
        }
        splitter.flush(&mut out);
    }
    check_place(&splitter, start);
    let mut line = join(&out, &texts, splitter.indexed(), &mut items);
    if let Some((from, to)) = splitter.partial() {
        line.extend(text(&texts, from, to));
    }
    if !line.is_empty() {
        items.push(Item::Unfinished(line));
    }
    (items, start - splitter.position())
}

/// Feed what lies between the splitter's place and `to`, as often as it asks.
fn feed(
    splitter: &mut Splitter,
    (bytes, end): (&[u8], u64),
    to: u64,
    closed: bool,
    out: &mut Vec<Record>,
) {
    let first = end - bytes.len() as u64;
    for asked in 0.. {
        assert!(asked <= bytes.len(), "it asks for ever");
        let from = usize::try_from(splitter.position() - first).unwrap();
        let to = usize::try_from(to - first).unwrap();
        if from > to || splitter.feed(&bytes[from..to], closed, out) == Fed::All {
            return;
        }
    }
}

fn check_place(splitter: &Splitter, end: u64) {
    assert!(splitter.position() <= end && end - splitter.position() < 96);
    assert!(splitter.indexed() <= splitter.position());
    if let Some((from, to)) = splitter.partial() {
        assert!(from < to && splitter.indexed() <= from && to == splitter.position());
    }
}

fn text(texts: &[(u64, Vec<u8>)], from: u64, to: u64) -> Vec<u8> {
    let mut found = Vec::new();
    for (start, bytes) in texts {
        let clip = |at: u64| usize::try_from(at.saturating_sub(*start)).unwrap().min(bytes.len());
        found.extend_from_slice(&bytes[clip(from)..clip(to)]);
    }
    assert_eq!(found.len() as u64, to - from, "a record of bytes that are not there");
    found
}

/// The records put together again; returns what there is of a line whose end is still to come.
fn join(
    records: &[Record],
    texts: &[(u64, Vec<u8>)],
    indexed: u64,
    items: &mut Vec<Item>,
) -> Vec<u8> {
    let (mut line, mut at) = (vec![], 0);
    for record in records {
        assert_eq!(record.offset, at, "records join without holes");
        at = record.end();
        match record.kind {
            Kind::Text => {
                assert!(record.len > 0 && u64::from(record.len) <= LONGEST_RECORD);
                assert_eq!(record.flags & CONTINUES != 0, !line.is_empty());
                let bytes = text(texts, record.offset, at);
                let mut lines = 0;
                for part in bytes.split_inclusive(|b| *b == b'\n') {
                    line.extend_from_slice(part);
                    if part.ends_with(b"\n") {
                        items.push(Item::Line(std::mem::take(&mut line)));
                        lines += 1;
                    }
                }
                assert_eq!(record.lines, lines);
                if record.flags & UNFINISHED != 0 {
                    assert!(!line.is_empty());
                    items.push(Item::Unfinished(std::mem::take(&mut line)));
                }
                assert_eq!(record.flags & TO_BE_CONTINUED != 0, !line.is_empty());
            }
            Kind::Start | Kind::Exit | Kind::End => {
                cut_off(items, &mut line);
                items.push(Item::Mark(record.seq, record.kind, record.offset, at));
            }
            Kind::Gap => {
                cut_off(items, &mut line);
                missing(items, u64::from(record.len));
            }
            Kind::Event => panic!("no events here"),
        }
    }
    assert_eq!(at, indexed, "everything up to there has a record");
    line
}

/// A line was to be continued, and is not.
fn cut_off(items: &mut Vec<Item>, line: &mut Vec<u8>) {
    if !line.is_empty() {
        items.push(Item::Unfinished(std::mem::take(line)));
    }
}

/// A large gap takes several records.
fn missing(items: &mut Vec<Item>, more: u64) {
    match items.last_mut() {
        Some(Item::Gap(length)) => *length += more,
        Some(Item::Line(_) | Item::Unfinished(_) | Item::Mark(..)) | None => {
            items.push(Item::Gap(more));
        }
    }
}

/// The same by looking at all bytes of a stretch at once.
fn plain(case: &Case, held: u64) -> Vec<Item> {
    let mut items = vec![];
    let mut expected: Vec<u64> = case.expected.clone();
    let mut nonce = None;
    let mut start = 0;
    // Without gaps a stretch goes on in the next one.
    let mut bytes: Vec<u8> = vec![];
    for (at, stretch) in case.stretches.iter().enumerate() {
        bytes.extend_from_slice(&stretch.bytes);
        let missing = match stretch.end {
            End::Gap(missing) => Some(missing),
            End::Nothing | End::GiveUp(..) => None,
        };
        if missing.is_none() && at + 1 < case.stretches.len() {
            continue;
        }
        let seen = bytes.len() - if missing.is_none() { usize::try_from(held).unwrap() } else { 0 };
        let mut plain = Plain { items: &mut items, expected: &mut expected, nonce: &mut nonce };
        plain.stretch(case.trust, start, &bytes[..seen], missing.is_some());
        start += bytes.len() as u64;
        bytes.clear();
        if let Some(missing) = missing {
            self::missing(&mut items, missing);
            start += missing;
        }
    }
    items
}

struct Plain<'a> {
    items: &'a mut Vec<Item>,
    expected: &'a mut Vec<u64>,
    nonce: &'a mut Option<u64>,
}

impl Plain<'_> {
    /// These bytes, which nothing continues if they are `closed`.
    fn stretch(&mut self, trust: MarkerTrust, start: u64, bytes: &[u8], closed: bool) {
        let (mut line, mut at) = (vec![], 0);
        // A marker whose bytes are being passed over, and where they end.
        let mut passing: Option<(u32, Kind, u64, u64)> = None;
        while at <= bytes.len() {
            let here = start + at as u64;
            let marker = self.marker(trust, &bytes[at..]);
            if let Some((seq, kind, begun, _)) = passing.take_if(|passing| {
                marker.is_some() || passing.3 <= here || (closed && at == bytes.len())
            }) {
                self.items.push(Item::Mark(seq, kind, begun, here));
            }
            let Some((marker, length)) = marker else {
                let Some(byte) = bytes.get(at) else { break };
                at += 1;
                if passing.is_none() {
                    line.push(*byte);
                    if *byte == b'\n' {
                        self.items.push(Item::Line(std::mem::take(&mut line)));
                    }
                }
                continue;
            };
            if !line.is_empty() {
                self.items.push(Item::Unfinished(std::mem::take(&mut line)));
            }
            let kind = self.announced(marker, here).unwrap_or_else(|| self.unannounced(marker));
            at += length;
            let until = start + at as u64 + u64::from(marker.skip);
            passing = Some((u32::try_from(marker.seq).unwrap_or(u32::MAX), kind, here, until));
        }
        if !line.is_empty() {
            self.items.push(Item::Unfinished(line));
        }
    }

    fn place(&self, marker: Marker) -> Option<usize> {
        let is_it = |seq: &u64| *seq == marker.seq && marker.nonce == NONCE;
        self.expected.iter().position(is_it)
    }

    /// The marker that these bytes begin with, if it counts.
    fn marker(&self, trust: MarkerTrust, bytes: &[u8]) -> Option<(Marker, usize)> {
        let MarkerStart::Whole(marker, length) = Marker::parse_start(bytes) else { return None };
        let counts = trust == MarkerTrust::All || self.place(marker).is_some();
        (counts && marker.skip <= LONGEST_SKIP).then_some((marker, length))
    }

    /// Those before it never came.
    fn announced(&mut self, marker: Marker, here: u64) -> Option<Kind> {
        let place = self.place(marker)?;
        for absent in self.expected.drain(..=place).take(place) {
            self.items.push(Item::Mark(u32::try_from(absent).unwrap(), Kind::Exit, here, here));
        }
        Some(Kind::Exit)
    }

    fn unannounced(&mut self, marker: Marker) -> Kind {
        let before = self.nonce.replace(marker.nonce);
        let first = !before.is_some_and(|nonce| of_one_life(nonce, marker.nonce));
        if first { Kind::Start } else { Kind::End }
    }
}
