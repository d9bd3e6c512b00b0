//! A temporary journal for tests and benchmarks.

use crate::journal::ingest::Ingest;
use crate::journal::segment::Dirs;
use crate::journal::streams::Streams;
use crate::journal::write::append::Appender;
use crate::model::time::Timestamp;
use crate::model::{ProcName, StreamNo};

/// The names of streams 1 and 2.
pub(crate) const NAMES: [&str; 2] = ["web", "db"];
/// A time far from that of any file system clock, so that a time taken from one would be noticed.
pub(crate) const EPOCH: Timestamp = Timestamp::from_nanos(9_000_000_000 * 1_000_000_000);

/// A journal in a directory of its own.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) dirs: Dirs,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(dir.path().join("journal"), Some(dir.path().join("spill")));
        let mut streams = Streams::open(&dirs).unwrap();
        for name in NAMES {
            streams.number(&ProcName::new(name).unwrap(), 2).unwrap();
        }
        streams.save().unwrap();
        Self { dir, dirs }
    }

    pub(crate) fn sink(&self, stream: u16, limit: u64) -> Appender {
        Appender::open(&self.dirs, NAMES[usize::from(stream) - 1], limit, true)
    }

    pub(crate) fn ingest(&self) -> Ingest {
        Ingest::open(&self.dirs, &streams(), 4096).unwrap()
    }
}

pub(crate) fn streams() -> Vec<(StreamNo, String)> {
    (1..).map(StreamNo).zip(NAMES.map(str::to_owned)).collect()
}
