//! From streams to the index: each wake-up splits the new output and writes its records.
//!
//! The index is derived data. If its writer is killed, the next writer continues at the end of the
//! index: the streams still contain everything that has no record yet.

mod merge;
mod stream;

use std::io;

use merge::Backlog;
use stream::{IndexingStop, Stream};

use super::format::Marked;
use super::read::index::IndexReader;
use super::read::stream::StreamReader;
use super::record::{EVENTS, Kind, Record};
use super::segment::{Dirs, LOG, Listing, Segment, SegmentDir};
use super::small;
use super::streams::{self, STDERR_SUFFIX};
use super::write::append::{Appender, EVENTS_SLUG};
use super::write::expected_markers::Expected;
use super::write::index::{IndexState, IndexWriter, recover};
use super::write::retention::{Deleted, delete_old_output};
use super::write::split::{Lost, MarkerTrust, Splitter};
use crate::model::plan::LogPolicy;
use crate::model::request::{Head, Partial};
use crate::model::time::Timestamp;
use crate::model::{LifeId, StreamNo};

/// How many bytes are read at once.
const BUFFER: usize = 256 << 10;
/// Indexes the streams of a run.
#[derive(Debug)]
pub struct Ingest {
    dirs: Dirs,
    index: Index,
    /// The supervisor's events.
    events: Option<Appender>,
    streams: Vec<Stream>,
    buffer: Vec<u8>,
    out: Vec<Record>,
    /// New records of the streams in `listened`, kept for [`Ingest::take_heard`].
    heard: Vec<Record>,
    listened: Vec<StreamNo>,
    /// Events that wait for the start of the life that they are about.
    held: Vec<HeldEvent>,
}

#[derive(Debug)]
struct HeldEvent {
    stream: StreamNo,
    /// The sequence number of that start in the life file.
    start: u64,
    time: Timestamp,
    json: Vec<u8>,
}

#[derive(Debug)]
enum Index {
    Disk(IndexWriter),
    Memory { first: u64, standing: IndexState, records: Vec<Record> },
}

/// The result of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestProgress {
    /// The number of new records.
    pub records: u64,
    /// The markers among the new records.
    pub markers: Vec<ReachedMarker>,
    /// Streams that stopped at a marker which may have been announced since. The caller must read
    /// their life files, pass new markers to [`Ingest::expect`], and wake the streams again.
    pub ask: Vec<StreamNo>,
    /// The budget was used up before the end of the output.
    pub more: bool,
    /// Some records could not be written anywhere; their numbers are used up.
    pub unindexed: bool,
    /// A stream has continued in a new segment: a good time to check what retention can delete.
    pub rotated: bool,
}

/// A marker that was reached or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachedMarker {
    pub stream: StreamNo,
    /// Sequence number in the life file.
    pub seq: u32,
    /// Which kind.
    pub kind: Kind,
}

/// The index of a journal that no supervisor writes, extended in memory by what has no record yet.
pub fn whole_index(dirs: &Dirs, streams: &[streams::Stream]) -> io::Result<IndexReader> {
    let streams: Vec<_> = streams.iter().map(|stream| (stream.number, stream.slug())).collect();
    let mut ingest = Ingest::in_memory(dirs, &streams, false)?;
    while ingest.catch_up(u64::MAX)?.more {}
    Ok(ingest.into_index())
}

impl Ingest {
    /// Continue the journal in these directories. `streams` are the numbers and file names of the
    /// processes' streams; `segment` is the size of a segment of the event stream.
    pub fn open(dirs: &Dirs, streams: &[(StreamNo, String)], segment: u64) -> io::Result<Self> {
        let index = Index::Disk(IndexWriter::open(dirs)?);
        let mut this = Self::with(dirs, index, streams, MarkerTrust::Announced)?;
        this.events = Some(Appender::open(dirs, EVENTS_SLUG, segment, false));
        for at in 0..this.streams.len() {
            this.hold_back(at);
        }
        Ok(this)
    }

    /// Index what an earlier run left without records because all of it was killed, so that it
    /// comes before the output of the new run. No life file announces its markers any more, so all
    /// of them count.
    pub fn conclude(dirs: &Dirs, streams: &[(StreamNo, String)]) -> io::Result<()> {
        let mut this =
            Self::with(dirs, Index::Disk(IndexWriter::open(dirs)?), streams, MarkerTrust::All)?;
        while this.catch_up(u64::MAX)?.more {}
        // Also index unfinished lines and incomplete markers.
        let open = this.streams.iter().filter(|stream| stream.splitter.indexed() < stream.seen);
        for number in open.map(|stream| stream.number).collect::<Vec<_>>() {
            this.gap(number)?;
        }
        Ok(())
    }

    /// Index without writing to disk: output that has no record on disk gets one in memory. With
    /// `announced`, a marker counts only if it is expected; otherwise all markers count.
    pub fn in_memory(
        dirs: &Dirs,
        streams: &[(StreamNo, String)],
        announced: bool,
    ) -> io::Result<Self> {
        let standing = recover(dirs)?.standing;
        let index = Index::Memory { first: standing.next, standing, records: vec![] };
        let trust = if announced { MarkerTrust::Announced } else { MarkerTrust::All };
        Self::with(dirs, index, streams, trust)
    }

    fn with(
        dirs: &Dirs,
        index: Index,
        streams: &[(StreamNo, String)],
        trust: MarkerTrust,
    ) -> io::Result<Self> {
        let mut this = Self {
            dirs: dirs.clone(),
            index,
            events: None,
            streams: Vec::with_capacity(streams.len()),
            buffer: vec![0; BUFFER],
            out: vec![],
            heard: vec![],
            listened: vec![],
            held: vec![],
        };
        for (number, slug) in streams {
            this.begin(*number, slug, trust)?;
        }
        Ok(this)
    }

    fn begin(&mut self, number: StreamNo, slug: &str, trust: MarkerTrust) -> io::Result<()> {
        let mut reader = StreamReader::open(&self.dirs, slug);
        let standing = self.standing();
        let summary = standing.stream(number);
        let position = if standing.streams.contains_key(&number) {
            // The stream can be shorter than its index only if files were deleted.
            summary.end.min(reader.end()?)
        } else {
            reader.start()?
        };
        let at = self.streams.len();
        let main = slug.strip_suffix(STDERR_SUFFIX);
        let main = main.and_then(|main| self.streams.iter().position(|other| other.slug == main));
        if let Some(main) = main {
            self.streams[main].stderr = Some(at);
            self.streams[main].splitter.stop_at_markers();
        }
        let trust = if main.is_some() { MarkerTrust::Never } else { trust };
        self.streams.push(Stream {
            number,
            slug: slug.to_owned(),
            reader,
            splitter: Splitter::new(&summary, position, trust),
            seen: position,
            stderr: None,
            main,
            upto: u64::MAX,
        });
        Ok(())
    }

    /// Index nothing of a new standard error until [`Ingest::look_at_stderr`] is called.
    fn hold_back(&mut self, at: usize) {
        let stream = &mut self.streams[at];
        if stream.main.is_some() {
            stream.upto = stream.seen;
        }
    }

    /// Call before reading the life file of a process: what it has written to standard error by now belongs to lives
    /// that the file announces.
    pub fn look_at_stderr(&mut self, stream: StreamNo) -> io::Result<()> {
        if let Some(at) = self.get(stream).and_then(|stream| stream.stderr) {
            self.streams[at].upto = self.streams[at].reader.end()?;
        }
        Ok(())
    }

    /// Begin to index one more stream, unless it is indexed already, like [`Ingest::open`] followed by [`Ingest::reserve`].
    pub fn add(&mut self, number: StreamNo, slug: &str) -> io::Result<()> {
        if self.get(number).is_some() {
            return Ok(());
        }
        self.begin(number, slug, MarkerTrust::Announced)?;
        let at = self.streams.len() - 1;
        let reserved = self.reserve();
        if reserved.is_err() {
            if let Some(Stream { main: Some(main), .. }) = self.streams.pop() {
                self.streams[main].stderr = None;
            }
        } else {
            self.hold_back(at);
        }
        reserved
    }

    /// The directories of the journal.
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// Make sure that no offset is ever used twice. Call it before the first sink starts.
    ///
    /// Spilled output of an earlier run (its disk was full) may be gone although the index still
    /// has records for it. The stream must then continue after those offsets.
    pub fn reserve(&mut self) -> io::Result<()> {
        for at in 0..self.streams.len() {
            let summary = self.standing().stream(self.streams[at].number);
            let stream = &mut self.streams[at];
            if stream.splitter.position() >= summary.end {
                continue;
            }
            self.dirs.claim(&stream.slug, summary.end)?;
            let is_stderr = stream.main.is_some();
            let trust = if is_stderr { MarkerTrust::Never } else { MarkerTrust::Announced };
            stream.splitter = Splitter::new(&summary, summary.end, trust);
            if stream.stderr.is_some() {
                stream.splitter.stop_at_markers();
            }
            stream.seen = summary.end;
        }
        Ok(())
    }

    /// Like [`Ingest::reserve`], for one process during the run: the next sink must begin after the
    /// known end of the stream, even if the files have been deleted.
    pub fn reserve_next(&mut self, stream: StreamNo) -> io::Result<()> {
        let dirs = self.dirs.clone();
        for at in self.places(stream) {
            let stream = &mut self.streams[at];
            if stream.reader.end()? < stream.seen {
                dirs.claim(&stream.slug, stream.seen)?;
            }
        }
        Ok(())
    }

    /// The places of the streams of a process.
    fn places(&self, main: StreamNo) -> impl Iterator<Item = usize> + use<> {
        let at = self.streams.iter().position(|stream| stream.number == main);
        at.into_iter().chain(at.and_then(|at| self.streams[at].stderr))
    }

    /// The number of the stream of a process's standard error, if there is one.
    pub fn stderr_of(&self, main: StreamNo) -> Option<StreamNo> {
        self.get(main)?.stderr.map(|at| self.streams[at].number)
    }

    fn standing(&self) -> &IndexState {
        match &self.index {
            Index::Disk(writer) => writer.standing(),
            Index::Memory { standing, .. } => standing,
        }
    }

    /// The last marker of a stream that has a record. If it belongs to this run (compare its time),
    /// the entries of the life file up to it have been processed.
    pub fn last_marker(&self, stream: StreamNo) -> Option<Marked> {
        self.standing().stream(stream).marker
    }

    /// The offset up to which a stream has records.
    pub fn indexed(&self, stream: StreamNo) -> u64 {
        let live = self.get(stream).map(|stream| stream.splitter.indexed());
        live.unwrap_or_else(|| self.standing().stream(stream).end)
    }

    /// How many bytes of a process have records.
    pub fn printed(&self, main: StreamNo) -> u64 {
        self.indexed(main) + self.stderr_of(main).map_or(0, |stderr| self.indexed(stderr))
    }

    /// Whether the output of this process or the index is being spilled because the disk refuses it.
    pub fn spilling(&self, main: StreamNo) -> bool {
        let index = matches!(&self.index, Index::Disk(writer) if writer.spilling());
        let spills = |at: usize| {
            self.streams[at]
                .reader
                .segment()
                .is_some_and(|segment| segment.place == SegmentDir::Spill)
        };
        index || self.places(main).any(spills)
    }

    /// How many bytes of output came after the last ones in the journal itself.
    pub fn spilled(&self) -> u64 {
        let disk = Dirs::new(&*self.dirs.journal, None);
        let spilled = |stream: &Stream| {
            let mut listing = Listing::new(&stream.slug, LOG);
            // Output that can't be found at all is reported elsewhere.
            let _ = listing.refresh(&disk);
            let end = |segment: &Segment| {
                let len = segment.metadata(&disk, &stream.slug)?.len();
                (len > 0).then(|| segment.end(len))
            };
            let kept = listing.segments().iter().filter_map(end).max();
            kept.map_or(0, |kept| stream.seen.saturating_sub(kept))
        };
        self.streams.iter().map(spilled).sum()
    }

    /// Delete indexed output that the policy does not keep. Worth calling after
    /// [`IngestProgress::rotated`].
    pub fn delete_old_output(&self, policy: &LogPolicy) -> io::Result<Deleted> {
        delete_old_output(&self.dirs, policy, |slug| {
            let stream = self.streams.iter().find(|stream| stream.slug == slug);
            stream.map(|stream| stream.splitter.indexed())
        })
    }

    /// The current end of the journal.
    pub fn head(&self) -> Head {
        let visible = self.streams.iter().filter(|stream| !stream.splitter.ends_blank());
        let partials = visible.filter_map(|stream| {
            let (start, end) = stream.splitter.partial()?;
            Some(Partial { stream: stream.number, start, end })
        });
        Head { records: self.standing().next, partials: partials.collect(), stopping: false }
    }

    /// A reader of the index as it is now, including records that exist only in memory.
    pub fn into_index(self) -> IndexReader {
        match self.index {
            Index::Disk(_) => IndexReader::open(&self.dirs),
            Index::Memory { first, records, .. } => {
                IndexReader::with_memory(&self.dirs, first, records)
            }
        }
    }

    /// Announce a marker of this stream.
    pub fn expect(&mut self, stream: StreamNo, marker: Expected) {
        if let Some(stream) = self.find(stream) {
            stream.splitter.expect(marker);
        }
    }

    /// Give up a marker that cannot arrive any more. The next wake-up that reaches the end of the
    /// stream writes an empty record for it.
    pub fn unmark(&mut self, stream: StreamNo, seq: u64, lost: Lost) {
        if let Some(stream) = self.find(stream) {
            stream.splitter.give_up(seq, lost);
        }
    }

    /// From now on keep the new records of this process for [`Ingest::take_heard`].
    pub fn listen_to(&mut self, main: StreamNo) {
        for stream in std::iter::once(main).chain(self.stderr_of(main)) {
            if !self.listened.contains(&stream) {
                self.listened.push(stream);
            }
        }
    }

    /// Take the records of this process that were added since the last call.
    pub fn take_heard(&mut self, main: StreamNo) -> Vec<Record> {
        let stderr = self.stderr_of(main);
        let of_it = |record: &mut Record| record.stream == main || Some(record.stream) == stderr;
        self.heard.extract_if(.., of_it).collect()
    }

    /// Whether a program draws in the alternate screen of this stream.
    pub fn draws(&self, stream: StreamNo) -> bool {
        self.get(stream).is_some_and(|stream| stream.splitter.draws())
    }

    /// The end of what has been read of a stream.
    pub fn end(&self, stream: StreamNo) -> Option<u64> {
        self.get(stream).map(|stream| stream.splitter.position())
    }

    /// The unfinished line of a stream: the offset of its first byte, and its end.
    pub fn partial(&self, stream: StreamNo) -> Option<(u64, u64)> {
        self.get(stream)?.splitter.partial()
    }

    /// How many bytes of a process exist but have not been read by the indexer.
    pub fn backlog(&mut self, main: StreamNo) -> io::Result<u64> {
        let mut backlog = 0;
        for at in self.places(main) {
            let stream = &mut self.streams[at];
            backlog += stream.reader.end()?.saturating_sub(stream.seen);
        }
        Ok(backlog)
    }

    fn get(&self, number: StreamNo) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.number == number)
    }

    fn find(&mut self, number: StreamNo) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.number == number)
    }

    /// Write an event: one JSON object without newlines. Returns the number of its record.
    pub fn event(&mut self, time: Timestamp, json: &[u8]) -> io::Result<u64> {
        let number = self.standing().next;
        let Some(record) = self.append_event(time, json) else { return Ok(number) };
        self.out.push(record);
        let mut progress = IngestProgress::default();
        self.commit(&mut progress);
        if progress.unindexed { Err(io::ErrorKind::StorageFull.into()) } else { Ok(number) }
    }

    /// Write an event about this life of a process. If the start of that life is announced but has not arrived with
    /// the output yet, the event gets its record right after it.
    pub fn event_after_start(
        &mut self,
        (main, life): (StreamNo, Option<LifeId>),
        time: Timestamp,
        json: &[u8],
    ) -> io::Result<()> {
        let start = |stream: &Stream| stream.splitter.announced_start(life?);
        if let Some(start) = self.get(main).and_then(start) {
            self.held.push(HeldEvent { stream: main, start, time, json: json.to_vec() });
            return Ok(());
        }
        self.release_blank(main)?;
        self.event(time, json).map(drop)
    }

    /// Give the blank lines at the end of a process's output their record, as a message about it follows them.
    fn release_blank(&mut self, main: StreamNo) -> io::Result<()> {
        for at in self.places(main).collect::<Vec<_>>() {
            let (stream, first) = (&mut self.streams[at], self.out.len());
            stream.splitter.flush_blank(&mut self.out);
            for record in &mut self.out[first..] {
                record.time = stream.reader.time_of(record.end())?;
            }
        }
        Ok(())
    }

    /// Write the events that still wait.
    pub fn release_events(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        held.iter().try_for_each(|held| self.event(held.time, &held.json).map(drop))
    }

    /// Put the events that waited for one of the new records behind it.
    fn place_events(&mut self) {
        let reached = |held: &HeldEvent, record: &Record| {
            let is_start = record.kind == Kind::Start && record.stream == held.stream;
            is_start && u64::from(record.seq) >= held.start
        };
        let place = |held: &HeldEvent| self.out.iter().position(|record| reached(held, record));
        let (mut due, mut later) = (vec![], vec![]);
        for held in self.held.drain(..) {
            match place(&held) {
                Some(at) => due.push((at, held)),
                None => later.push(held),
            }
        }
        self.held = later;
        due.sort_by_key(|(at, _)| *at);
        for (before, (at, held)) in due.into_iter().enumerate() {
            if let Some(record) = self.append_event(held.time, &held.json) {
                self.out.insert(at + before + 1, record);
            }
        }
    }

    fn append_event(&mut self, time: Timestamp, json: &[u8]) -> Option<Record> {
        let events = self.events.as_mut()?;
        let (offset, line) = (events.end(), [json, b"\n"].concat());
        events.append(time, &line);
        let empty = Record::empty(Kind::Event, EVENTS, time);
        Some(Record { offset, len: small(line.len()), lines: 1, ..empty })
    }

    /// Write a gap of unknown length: output of the stream may be missing here. As long as
    /// [`IngestProgress::ask`] asks for a life file to be read first, nothing is written.
    pub fn gap(&mut self, stream: StreamNo) -> io::Result<IngestProgress> {
        let mut progress = IngestProgress::default();
        let Some(at) = self.streams.iter().position(|s| s.number == stream) else {
            return Ok(progress);
        };
        let stop = self.advance(at, u64::MAX, Backlog::No, &mut progress)?;
        if stop == IndexingStop::End {
            let first = self.out.len();
            let stream = &mut self.streams[at];
            stream.release(&mut self.buffer, &mut self.out)?;
            stream.splitter.gap(stream.splitter.position(), &mut self.out);
            for record in &mut self.out[first..] {
                record.time = stream.reader.time_of(record.end())?;
            }
        }
        self.commit(&mut progress);
        Ok(progress)
    }
}
