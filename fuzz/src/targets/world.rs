//! A small journal in a directory of its own.

use tempfile::TempDir;
use tmo::journal::write::append::Appender;
use tmo::journal::{Cursor, Dirs, Filter, Ingest, Kind, Position, Streams};
use tmo::model::time::Timestamp;
use tmo::model::{ProcName, StreamNo};

use super::input::Input;

/// Everything is small here: whoever takes more steps goes round in circles.
pub(crate) const MANY: usize = 100_000;

/// The journal of two processes and what they have printed.
pub(crate) struct World {
    _dir: TempDir,
    pub(crate) dirs: Dirs,
    pub(crate) written: [Vec<u8>; 2],
    limit: u64,
    sinks: [Appender; 2],
    now: u64,
}

/// Their numbers and names in file names.
pub(crate) fn slugs() -> [(StreamNo, String); 2] {
    [(StreamNo(1), "web".to_owned()), (StreamNo(2), "db".to_owned())]
}

impl World {
    pub(crate) fn new(limit: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(dir.path().join("journal"), Some(dir.path().join("spill")));
        let mut streams = Streams::open(&dirs).unwrap();
        for (number, slug) in slugs() {
            assert_eq!(streams.number(&ProcName::new(slug).unwrap(), 2).unwrap(), number);
        }
        streams.save().unwrap();
        let sinks = [sink(&dirs, 0, limit), sink(&dirs, 1, limit)];
        Self { _dir: dir, dirs, written: Default::default(), limit, sinks, now: 1 << 60 }
    }

    pub(crate) fn append(&mut self, which: usize, bytes: &[u8]) {
        self.now += 1000;
        self.sinks[which].append(Timestamp::from_nanos(self.now), bytes);
        self.written[which].extend_from_slice(bytes);
    }

    /// Another sink goes on where the one before has ended.
    pub(crate) fn reopen(&mut self, which: usize) {
        self.sinks[which] = sink(&self.dirs, which, self.limit);
    }

    pub(crate) fn open(&self) -> Ingest {
        Ingest::open(&self.dirs, &slugs(), 64).unwrap()
    }

    /// Some output, in some order, with some of it indexed meanwhile.
    pub(crate) fn live(&mut self, input: &mut Input<'_>, steps: u8) {
        let mut ingest = self.open();
        for _ in 0..steps {
            if input.is_empty() {
                break;
            }
            let which = usize::from(input.byte() & 1);
            match input.byte() % 16 {
                0..8 => self.append(which, input.bytes()),
                8 => self.append(which, b"\n"),
                9 => ingest = self.open(),
                10 => self.reopen(which),
                11 => {
                    ingest.event(Timestamp::from_nanos(self.now), b"{\"text\":\"said\"}").unwrap();
                }
                12 => {
                    ingest.gap(slugs()[which].0).unwrap();
                }
                13 => {
                    ingest.catch_up(u64::from(input.byte())).unwrap();
                }
                _ => {
                    ingest.wake(slugs()[which].0, u64::from(input.byte())).unwrap();
                }
            }
        }
        if input.yes() {
            finish(&mut ingest);
        }
    }
}

fn sink(dirs: &Dirs, which: usize, limit: u64) -> Appender {
    Appender::open(dirs, &slugs()[which].1, limit, true)
}

/// Index everything that is there.
pub(crate) fn finish(ingest: &mut Ingest) {
    for _ in 0..MANY {
        let progress = ingest.catch_up(u64::MAX).unwrap();
        assert!(!progress.unindexed && !progress.more);
        if progress.ask.is_empty() {
            return;
        }
    }
    panic!("it never reaches the end");
}

/// From where, to where, and what it says.
pub(crate) type Piece = (u64, u64, Option<Vec<u8>>);

/// What a cursor over the journal finds: for each process where each piece lies and what it says
/// (nothing for what is no text), and how many bytes it says are lost.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) pieces: [Vec<Piece>; 2],
    pub(crate) lost: u64,
    pub(crate) time: Timestamp,
}

/// Read on to the end of the index.
pub(crate) fn read(cursor: &mut Cursor, upto: u64) -> std::io::Result<Found> {
    let (mut found, mut buffer) = (Found::default(), vec![]);
    for _ in 0..MANY {
        let before = cursor.position();
        let Some(chunk) = cursor.next(upto, &mut buffer)? else { return Ok(found) };
        assert!(cursor.position() >= before);
        found.lost = found.lost.saturating_add(chunk.lost);
        let record = chunk.record;
        found.time = found.time.max(record.time);
        let Some(which) = slugs().iter().position(|(number, _)| *number == record.stream) else {
            continue;
        };
        let text = match record.kind {
            Kind::Text | Kind::Event => {
                assert_eq!(buffer.len(), record.len as usize);
                Some(buffer.clone())
            }
            Kind::Start | Kind::Exit | Kind::End | Kind::Gap => None,
        };
        found.pieces[which].push((record.offset, record.end(), text));
    }
    panic!("a cursor that never ends");
}

/// The same from the first record on, by what has been written to disk.
pub(crate) fn read_all(dirs: &Dirs) -> Found {
    let mut cursor = Cursor::open(dirs, Position::default(), Filter::all());
    let upto = cursor.index().len().unwrap();
    read(&mut cursor, upto).unwrap()
}
