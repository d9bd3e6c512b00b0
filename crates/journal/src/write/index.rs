//! The merged index on disk: the write side, and recovery after a crash.
//!
//! Records are numbered from 0 and numbers are never reused. A segment is named by the number of
//! its first record. It appears by rename, with header and summaries complete. A crash may leave a
//! torn record at its end: the next writer begins a new segment at that number, and readers stop
//! where the next segment begins. The torn record is derived again from the streams.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use super::segment_writer::SegmentWriter;
use crate::format;
use crate::format::{BLOCK, Block, Header, Summary};
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::record::Record;
use crate::segment::{Dirs, Listing, Segment, SegmentDir};
use crate::sys::files;

/// How many records a segment holds.
pub const SEGMENT_RECORDS: u64 = 65_536;
/// How many of them a spill segment holds (512 KiB).
pub const SPILL_RECORDS: u64 = (512 << 10) / BLOCK as u64;
/// A new writer continues the newest segment if it has at most this many records. Otherwise the writer
/// begins another segment, so that the next start has less to read.
pub(crate) const CONTINUED: u64 = 4096;
/// The name of the index in file names.
pub const SLUG: &str = "@index";
/// How many records are read at once during recovery.
const BATCH: usize = 1024;

/// The state of all streams at one record number of the index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexState {
    /// The number of the next record.
    pub next: u64,
    /// The time of the last record.
    pub time: Timestamp,
    /// The state of each stream.
    pub streams: BTreeMap<StreamNo, Summary>,
}

impl IndexState {
    /// Advance past the next record.
    pub fn advance(&mut self, record: &Record) {
        self.next += 1;
        self.time = self.time.max(record.time);
        self.streams.entry(record.stream).or_default().advance(record);
    }

    /// Advance past several records.
    pub fn advance_all(&mut self, records: &[Record]) {
        for record in records {
            self.advance(record);
        }
    }

    /// The state of one stream.
    pub fn stream(&self, stream: StreamNo) -> Summary {
        self.streams.get(&stream).copied().unwrap_or(Summary { stream, ..Summary::default() })
    }
}

/// Reads the beginning of a segment: the state before its first record, and the size of this head.
///
/// `None` if the head is invalid.
pub(crate) fn read_head(file: &File) -> io::Result<Option<(IndexState, u64)>> {
    let Some(block) = read_block(file, 0)? else { return Ok(None) };
    let header = format::decode_header(&block).map_err(|version| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the index has format {version}, unknown to this tmo: use a newer tmo"),
        )
    })?;
    let Some(Header { first, time, streams }) = header else { return Ok(None) };
    let mut standing = IndexState { next: first, time, streams: BTreeMap::new() };
    for number in 1..=u64::from(streams) {
        let Some(block) = read_block(file, number * BLOCK as u64)? else { return Ok(None) };
        let Some(summary) = format::decode_summary(&block) else { return Ok(None) };
        standing.streams.insert(summary.stream, summary);
    }
    Ok(Some((standing, (1 + u64::from(streams)) * BLOCK as u64)))
}

fn read_block(file: &File, at: u64) -> io::Result<Option<Block>> {
    let mut block = [0; BLOCK];
    match file.read_exact_at(&mut block, at) {
        Ok(()) => Ok(Some(block)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Advance past all valid records of a segment; returns whether anything follows them.
pub(crate) fn read_records(
    file: &File,
    head: u64,
    mut take: impl FnMut(&Record),
) -> io::Result<bool> {
    let mut bytes = vec![0; BATCH * BLOCK];
    let mut at = head;
    loop {
        let read = file.read_at(&mut bytes, at)?;
        let (blocks, rest) = bytes[..read].as_chunks::<BLOCK>();
        for block in blocks {
            let Some(record) = format::decode_record(block) else { return Ok(true) };
            take(&record);
        }
        if blocks.is_empty() {
            return Ok(!rest.is_empty());
        }
        at += (blocks.len() * BLOCK) as u64;
    }
}

/// The state of the index on disk, read only from its newest valid segment.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The state at the end of the index.
    pub standing: IndexState,
    /// The segment it was read from.
    segment: Option<Segment>,
    /// Whether invalid bytes follow its last record.
    torn: bool,
    /// Newer segments with an invalid head.
    unsound: Vec<Segment>,
    all: Vec<Segment>,
}

/// Read the state at the end of the index on disk.
pub fn recover(dirs: &Dirs) -> io::Result<Recovered> {
    let mut listing = Listing::new(SLUG, "");
    listing.refresh(dirs)?;
    let mut recovered = Recovered { all: listing.segments().to_vec(), ..Recovered::default() };
    for segment in listing.segments().iter().rev().copied() {
        if let Some(found) = recovered.segment
            && (found.start != segment.start || recovered.standing.next > found.start)
        {
            break;
        }
        let Some(path) = segment.path(dirs, SLUG, "") else { continue };
        let file = files::open_plain(&path)?;
        match read_head(&file)? {
            Some((mut standing, head)) if standing.next == segment.start => {
                recovered.torn = read_records(&file, head, |record| standing.advance(record))?;
                recovered.standing = standing;
                recovered.segment = Some(segment);
            }
            Some(_) | None => recovered.unsound.push(segment),
        }
    }
    Ok(recovered)
}

/// Appends to the index. Only one writer exists at a time.
#[derive(Debug)]
pub struct IndexWriter {
    row: SegmentWriter<File>,
    standing: IndexState,
    bytes: Vec<u8>,
}

impl IndexWriter {
    /// Continue at the end of the index in these directories.
    pub fn open(dirs: &Dirs) -> io::Result<Self> {
        Self::with_segments_of(dirs, SEGMENT_RECORDS)
    }

    /// Like `IndexWriter::open`, with segments of this many records.
    pub fn with_segments_of(dirs: &Dirs, records: u64) -> io::Result<Self> {
        let Recovered { standing, segment, torn, unsound, all } = recover(dirs)?;
        for segment in unsound {
            if let Some(path) = segment.path(dirs, SLUG, "") {
                // If the file can't be removed, it is overwritten when its number is reached, and
                // contains no valid record until then.
                let _ = fs::remove_file(path);
            }
        }
        let mut row = SegmentWriter::new(dirs, SLUG, &[""], (records, SPILL_RECORDS));
        let is_short = |segment: &Segment| standing.next - segment.start <= CONTINUED;
        let usable = segment
            .filter(|segment| !torn && segment.place == SegmentDir::Journal && is_short(segment));
        let open = usable.and_then(|segment| {
            let path = segment.path(dirs, SLUG, "")?;
            Some((segment, files::append_to(&path).ok()?))
        });
        row.adopt(&all, open);
        Ok(Self { row, standing, bytes: vec![] })
    }

    /// The state at the end of the index.
    pub fn standing(&self) -> &IndexState {
        &self.standing
    }

    /// Whether records go to the spill directory because the disk refuses them.
    pub fn spilling(&self) -> bool {
        self.row.spilling()
    }

    /// Append records, in one write if possible. Their times must not decrease.
    ///
    /// # Errors
    /// Neither the disk nor the spill directory accepted all of them. Their numbers are used up
    /// nevertheless, so that later records keep their places.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let now = crate::sys::clock::now();
        let mut rest = records;
        let mut trouble = io::ErrorKind::StorageFull.into();
        while !rest.is_empty() {
            let standing = &self.standing;
            let next = standing.next;
            // The header is followed by the summaries of the streams that existed when the segment
            // began.
            let summaries = standing.streams.len() as u64;
            let sound = |segment: Segment| {
                let blocks = 1 + next - segment.start;
                blocks * BLOCK as u64..=(blocks + summaries) * BLOCK as u64
            };
            self.row.leave_spoiled(|file| file, sound);
            self.row.choose(standing.next, now, &|row, segment| create(row, segment, standing));
            let room = usize::try_from(self.row.room(standing.next)).unwrap_or(usize::MAX);
            let Some((_, file)) = self.row.open() else {
                self.standing.advance_all(rest);
                return Err(trouble);
            };
            self.bytes.clear();
            for record in rest.iter().take(room) {
                self.bytes.extend_from_slice(&format::encode_record(record));
            }
            let written = match file.write(&self.bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    trouble = error;
                    0
                }
            };
            let (done, left) = rest.split_at(written / BLOCK);
            self.standing.advance_all(done);
            rest = left;
            if written == self.bytes.len() {
                self.row.accepted();
            } else {
                let standing = &self.standing;
                self.row.refuse(standing.next, now, &|row, segment| create(row, segment, standing));
            }
        }
        Ok(())
    }
}

/// Create a segment: write it completely under another name, then rename it.
fn create(row: &SegmentWriter<File>, segment: Segment, standing: &IndexState) -> io::Result<File> {
    row.dirs.create(segment.place)?;
    let path = segment.path(&row.dirs, SLUG, "").ok_or(io::ErrorKind::NotFound)?;
    let streams = u32::try_from(standing.streams.len()).unwrap_or(u32::MAX);
    let header = Header { first: standing.next, time: standing.time, streams };
    let mut head = format::encode_header(&header).to_vec();
    for summary in standing.streams.values() {
        head.extend_from_slice(&format::encode_summary(summary));
    }
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = files::append_to(&fresh)?;
    file.write_all(&head).and_then(|()| fs::rename(&fresh, &path)).inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })?;
    Ok(file)
}
