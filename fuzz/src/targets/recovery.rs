//! A journal on disk that somebody has damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tmo::model::StreamNo;

use tmo::journal::format::{Header, Marked, Summary, encode_header, encode_record, encode_summary};
use tmo::journal::read::query::{since, tail};
use tmo::journal::segment::{LOG, parse_name};
use tmo::journal::write::index::{IndexWriter, recover};
use tmo::journal::{Cursor, Dirs, Filter, IndexReader, Ingest, Kind, Position, Record, Streams};
use tmo::model::LifeId;
use tmo::model::time::Timestamp;

use super::input::Input;
use super::world::{Found, MANY, World, finish, read, read_all, slugs};

const KINDS: [Kind; 6] = [Kind::Text, Kind::Start, Kind::Exit, Kind::End, Kind::Gap, Kind::Event];

/// How far the damage goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// To nothing but the index, by bytes that are no records: all of it can be made again.
    Derived,
    /// To streams and index, by files that end early or are gone: what is still there is found.
    Cut,
    /// To anything, in any way.
    Anything,
}

/// Whatever lies there, it is read to its end in bounded time, and can be gone on with; what
/// was written before is read again if only the index is damaged.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(input.one_of(&[1 << 20, 100, 16]));
    let steps = input.byte() % 32;
    world.live(&mut input, steps);
    let damage = match input.byte() % 4 {
        1 | 3 => Damage::Derived,
        2 => Damage::Cut,
        _ => Damage::Anything,
    };
    if damage == Damage::Anything && input.yes() {
        more_segments(&world.dirs, &mut input);
    }
    for _ in 0..=input.byte() % 4 {
        spoil(&world.dirs, damage, &mut input);
    }
    look(&world.dirs, damage, &world.written, &mut input);
    go_on(&mut world, damage, &mut input);
}

/// An index in short segments.
fn more_segments(dirs: &Dirs, input: &mut Input<'_>) {
    let Ok(mut writer) = IndexWriter::with_segments_of(dirs, 2) else { return };
    for _ in 0..input.byte() % 8 {
        let record = Record { time: writer.standing().time, ..record(input) };
        let _ = writer.append(&[record]);
    }
}

fn record(input: &mut Input<'_>) -> Record {
    Record {
        time: Timestamp::from_nanos(input.number()),
        offset: input.number(),
        len: input.u32(),
        lines: input.u32(),
        life: LifeId::new(input.u32()),
        seq: input.u32(),
        value: input.u32(),
        stream: StreamNo(u16::from(input.byte() % 4)),
        kind: input.one_of(&KINDS),
        flags: input.byte(),
    }
}

fn summary(input: &mut Input<'_>) -> Summary {
    let marker = input.yes().then(|| Marked {
        kind: input.one_of(&KINDS),
        seq: input.u32(),
        value: input.u32(),
        time: Timestamp::from_nanos(input.number()),
    });
    Summary {
        stream: StreamNo(u16::from(input.byte() % 4)),
        flags: input.byte(),
        life: LifeId::new(input.u32()),
        end: input.number(),
        text: input.number(),
        marker,
    }
}

/// Files of the journal that this damage may reach, in order.
fn files(dirs: &Dirs, damage: Damage) -> Vec<PathBuf> {
    let list = |dir: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let mut files = list(&dirs.journal);
    files.extend(list(dirs.spill.as_deref().unwrap()));
    files.retain(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        match damage {
            Damage::Derived => name.starts_with("@index"),
            Damage::Cut => name != "@streams.json",
            Damage::Anything => true,
        }
    });
    files.sort();
    files
}

fn spoil(dirs: &Dirs, damage: Damage, input: &mut Input<'_>) {
    let files = files(dirs, damage);
    if files.is_empty() {
        return;
    }
    let file = &files[input.below(files.len())];
    let mut text = std::fs::read(file).unwrap();
    let at = input.below(text.len() + 1);
    let mut place = file.clone();
    let kind = input.byte() % 8;
    match if damage == Damage::Cut { kind % 2 * 5 } else { kind } {
        0 => text.truncate(at),
        1 => text.splice(at.., input.bytes().iter().copied()).for_each(drop),
        2 => {
            for (old, new) in text[at..].iter_mut().zip(input.bytes()) {
                *old ^= new;
            }
        }
        3 => text.extend_from_slice(input.bytes()),
        4 => text = input.bytes().to_vec(),
        5 => return std::fs::remove_file(file).unwrap(),
        6 if damage == Damage::Anything => {
            let block = match input.byte() % 3 {
                0 => encode_record(&record(input)),
                1 => encode_summary(&summary(input)),
                _ => encode_header(&Header {
                    first: input.number(),
                    time: Timestamp::from_nanos(input.number()),
                    streams: input.u32() >> input.below(32),
                }),
            };
            let at = at / 48 * 48;
            text.splice(at..(at + 48).min(text.len()), block).for_each(drop);
        }
        7 if damage == Damage::Anything => {
            let slug = input.one_of(&["web", "db", "@index", "@events", "@streams"]);
            let ending = input.one_of(&["", ".log", ".times", ".json"]);
            let number = input.number();
            let dir = if input.yes() { &dirs.journal } else { dirs.spill.as_ref().unwrap() };
            std::fs::create_dir_all(dir).unwrap();
            place = dir.join(format!("{slug}.{number:020}{ending}"));
        }
        _ => text.insert(at, input.byte()),
    }
    std::fs::write(place, text).unwrap();
}

/// Whoever only reads it.
fn look(dirs: &Dirs, damage: Damage, written: &[Vec<u8>; 2], input: &mut Input<'_>) {
    let _ = Streams::open(dirs);
    let _ = recover(dirs);
    let mut index = IndexReader::open(dirs);
    let length = index.len().unwrap_or(0);
    let _ = index.first();
    let mut records = vec![];
    let _ = index.read(input.number(), &mut records, 9);
    let _ = index.before(input.number(), &mut records, 9);
    let _ = since(&mut index, Timestamp::from_nanos(input.number()));
    let _ = tail(&mut index, &Filter::all(), u64::from(input.byte()), length);
    let position = Position { record: input.number(), skip: input.u32() };
    let mut cursor = Cursor::open(dirs, position, Filter::all());
    let _ = read(&mut cursor, input.number());
    let announced = input.yes();
    let memory = Ingest::in_memory(dirs, &slugs(), announced);
    if damage == Damage::Anything {
        let Ok(mut memory) = memory else { return };
        catch_up(&mut memory);
        let upto = memory.head().records;
        let _ = read(&mut Cursor::over(memory.into_index(), position, Filter::all()), upto);
        return;
    }
    let mut memory = memory.unwrap();
    finish(&mut memory);
    let ends = slugs().map(|(number, _)| memory.indexed(number));
    let upto = memory.head().records;
    let mut cursor = Cursor::over(memory.into_index(), Position::default(), Filter::all());
    let found = read(&mut cursor, upto).unwrap();
    if damage == Damage::Derived {
        covered(&found, written, ends);
    } else {
        all_that_is_there(&found, dirs, ends);
    }
}

/// Every byte that lies on disk is found, where it lies.
fn all_that_is_there(found: &Found, dirs: &Dirs, ends: [u64; 2]) {
    for (which, (_, slug)) in slugs().iter().enumerate() {
        let mut known = BTreeMap::new();
        for file in files(dirs, Damage::Cut) {
            let name = file.file_name().unwrap().to_str().unwrap();
            if let Some((_, start)) = parse_name(name, LOG).filter(|(of, _)| of == slug) {
                known.extend((start..).zip(std::fs::read(&file).unwrap()));
            }
        }
        let mut pieces: BTreeMap<u64, Option<u8>> = BTreeMap::new();
        for (from, to, text) in &found.pieces[which] {
            for at in *from..*to {
                let byte = text.as_ref().map(|text| text[usize::try_from(at - from).unwrap()]);
                assert!(pieces.insert(at, byte).is_none(), "a byte twice: {at}");
            }
        }
        for (at, byte) in known.range(..ends[which]) {
            let there = pieces.get(at).unwrap_or_else(|| panic!("{at} is not found"));
            assert!(there.is_none_or(|there| there == *byte), "{at} is another byte");
        }
    }
}

/// Whoever goes on with it.
fn go_on(world: &mut World, damage: Damage, input: &mut Input<'_>) {
    if damage == Damage::Derived {
        let mut ingest = world.open();
        finish(&mut ingest);
        let ends = slugs().map(|(number, _)| ingest.indexed(number));
        covered(&read_all(&world.dirs), &world.written, ends);
        drop(ingest);
        Ingest::conclude(&world.dirs, &slugs()).unwrap();
        let ends = world.written.each_ref().map(|text| text.len() as u64);
        covered(&read_all(&world.dirs), &world.written, ends);
        return;
    }
    if input.yes() {
        let _ = Ingest::conclude(&world.dirs, &slugs());
    }
    let Ok(mut ingest) = Ingest::open(&world.dirs, &slugs(), 64) else { return };
    let _ = ingest.reserve();
    for which in [0, 1] {
        world.reopen(which);
        world.append(which, b"more\n");
    }
    catch_up(&mut ingest);
    let _ = ingest.event(Timestamp::from_nanos(input.number()), b"{}");
    let _ = ingest.gap(StreamNo(1));
    let _ = ingest.wake(StreamNo(2), u64::MAX);
    let mut cursor = Cursor::open(&world.dirs, Position::default(), Filter::all());
    let _ = read(&mut cursor, ingest.head().records);
}

fn catch_up(ingest: &mut Ingest) {
    for _ in 0..MANY {
        match ingest.catch_up(u64::MAX) {
            Ok(progress) if progress.more || !progress.ask.is_empty() => {}
            Ok(_) | Err(_) => return,
        }
    }
    panic!("it never reaches the end");
}

/// All that was written up to these ends is there, once and in order, or is said to be lost.
fn covered(found: &Found, written: &[Vec<u8>; 2], ends: [u64; 2]) {
    let mut missing = 0;
    for (which, pieces) in found.pieces.iter().enumerate() {
        let mut at = 0;
        for (from, to, text) in pieces {
            assert!(*from >= at, "a byte twice: {from} after {at}");
            missing += from - at;
            at = *to;
            if let Some(text) = text {
                let range = usize::try_from(*from).unwrap()..usize::try_from(*to).unwrap();
                assert_eq!(text, &written[which][range]);
            }
        }
        missing += ends[which].saturating_sub(at);
    }
    assert!(missing <= found.lost, "{missing} missing, {} said to be lost", found.lost);
}
