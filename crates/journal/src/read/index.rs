//! The read side of the index.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;

use crate::format;
use crate::format::BLOCK;
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::record::{EVENTS, Kind, Record};
use crate::segment::{Dirs, FARTHEST, Listing, Segment};
use crate::write::clear;
use crate::write::index::{IndexState, SEGMENT_RECORDS, SLUG, read_head, read_records};

/// How many records are examined at once.
pub(crate) const BATCH: usize = 4096;

/// Reads the index, even while it is being written. Cheapest in ascending order.
#[derive(Debug)]
pub struct IndexReader {
    dirs: Dirs,
    listing: Listing,
    current: Option<Current>,
    memory: Option<(u64, Arc<[Record]>)>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Current {
    segment: Segment,
    file: File,
    id: (u64, u64),
    /// The state before its first record.
    state: IndexState,
    /// Size of the header and summaries before its first record.
    head: u64,
}

/// Records that are missing from the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The number of the first record after the hole.
    pub until: u64,
    /// For each stream, how many bytes of text the missing records stood for. The numbers are too
    /// high only for a reader that starts inside the hole.
    pub text: Vec<(StreamNo, u64)>,
}

impl IndexReader {
    /// A reader of the index in these directories; nothing is opened yet.
    pub fn open(dirs: &Dirs) -> Self {
        Self {
            dirs: dirs.clone(),
            listing: Listing::new(SLUG, ""),
            current: None,
            memory: None,
            bytes: vec![],
        }
    }

    /// A reader that also knows records, from number `first` on, that are not on disk.
    pub fn with_memory(dirs: &Dirs, first: u64, records: Vec<Record>) -> Self {
        Self { memory: Some((first, records.into())), ..Self::open(dirs) }
    }

    /// Another reader of the same index.
    #[must_use]
    pub fn reopened(&self) -> Self {
        Self { memory: self.memory.clone(), ..Self::open(&self.dirs) }
    }

    /// The directories it reads.
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// The number after the last record.
    pub fn len(&mut self) -> io::Result<u64> {
        if let Some((first, records)) = &self.memory {
            return Ok(first + records.len() as u64);
        }
        let mut records = Vec::new();
        let first = self.before(u64::MAX, &mut records, 1)?;
        Ok(first.map_or(0, |first| first + records.len() as u64))
    }

    /// Whether there are no records at all.
    pub fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The number of the oldest record that is still there.
    pub fn first(&mut self) -> io::Result<u64> {
        self.listing.refresh(&self.dirs)?;
        let on_disk = self.listing.segments().first().map(|segment| segment.start);
        Ok(on_disk.or(self.memory.as_ref().map(|(first, _)| *first)).unwrap_or(0))
    }

    /// The number of the oldest record that is neither deleted nor cleared.
    pub fn floor(&mut self) -> io::Result<u64> {
        Ok(self.first()?.max(clear::mark(&self.dirs)))
    }

    /// Read records from number `from` on into `out`, at most `most` and never across the end of a
    /// segment. If `from` is in a hole, read the records after it.
    pub fn read(
        &mut self,
        from: u64,
        out: &mut Vec<Record>,
        most: usize,
    ) -> io::Result<Option<Hole>> {
        out.clear();
        if self.read_memory(from, out, most) {
            return Ok(None);
        }
        self.read_current(from, out, most)?;
        if !out.is_empty() {
            return Ok(None);
        }
        self.listing.refresh(&self.dirs)?;
        if !self.listing.behind(from).is_empty() {
            self.listing.reload(&self.dirs)?;
        }
        let start = self.listing.holding(from).next().map(|segment| segment.start);
        let holding: Vec<Segment> =
            self.listing.holding(from).take_while(|s| Some(s.start) == start).collect();
        // Even if the segment was deleted during the read, it still has the best information about
        // the state there.
        let old = self.current.take().filter(|old| old.segment.start <= from);
        for segment in holding {
            if self.enter(segment)? {
                self.read_current(from, out, most)?;
                if !out.is_empty() {
                    return Ok(None);
                }
            }
        }
        if old.as_ref().map(|old| old.segment.start) > start {
            self.current = old;
        }
        self.cross(from, out, most)
    }

    /// Jump over missing records.
    fn cross(&mut self, from: u64, out: &mut Vec<Record>, most: usize) -> io::Result<Option<Hole>> {
        let memory = self.memory.as_ref().map(|(first, _)| *first).filter(|first| *first > from);
        let behind: Vec<Segment> = self.listing.behind(from).to_vec();
        for segment in behind {
            if memory.is_some_and(|first| segment.start >= first) {
                break;
            }
            let old = self.current.take();
            if !self.enter(segment)? {
                self.current = old;
                continue;
            }
            let before = index_state_before(old.as_ref(), from)?;
            self.read_current(segment.start, out, most)?;
            if out.is_empty() {
                self.current = old;
                continue;
            }
            let now = self.current.as_ref().map(|current| &current.state);
            let text = now.map_or(vec![], |now| missing_text(&before, now));
            return Ok(Some(Hole { until: segment.start, text }));
        }
        match memory {
            Some(until) => {
                self.read_memory(until, out, most);
                Ok(Some(Hole { until, text: vec![] }))
            }
            None => Ok(None),
        }
    }

    /// Read the last records before number `end`, at most `most`; returns the number of the
    /// first of them.
    pub fn before(
        &mut self,
        end: u64,
        out: &mut Vec<Record>,
        most: usize,
    ) -> io::Result<Option<u64>> {
        out.clear();
        let wide = most as u64;
        if let Some((first, records)) = &self.memory
            && end > *first
            && !records.is_empty()
        {
            let end = end.min(first + records.len() as u64);
            let from = end.saturating_sub(wide).max(*first);
            self.read_memory(from, out, usize::try_from(end - from).unwrap_or(most));
            return Ok(Some(from));
        }
        self.listing.refresh(&self.dirs)?;
        let mut end = end;
        let Some(last) = end.checked_sub(1) else { return Ok(None) };
        let segments: Vec<Segment> = self.listing.holding(last).collect();
        for segment in segments {
            if !self.enter(segment)? {
                continue;
            }
            end = end.min(segment.start + self.count()?);
            while end > segment.start {
                let from = end.saturating_sub(wide).max(segment.start);
                self.read_current(from, out, usize::try_from(end - from).unwrap_or(most))?;
                if !out.is_empty() {
                    return Ok(Some(from));
                }
                end = from;
            }
            end = segment.start;
        }
        Ok(None)
    }

    /// Search the records forwards from number `from`. Each is passed with its number until one
    /// yields a result.
    pub fn find<T>(
        &mut self,
        from: u64,
        mut look: impl FnMut(u64, &Record) -> Option<T>,
    ) -> io::Result<Option<T>> {
        let (mut records, mut at) = (vec![], from);
        loop {
            let hole = self.read(at, &mut records, BATCH)?;
            at = hole.map_or(at, |hole| hole.until);
            for record in &records {
                if let Some(found) = look(at, record) {
                    return Ok(Some(found));
                }
                at += 1;
            }
            if records.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Search backwards, starting with the last record before number `end`.
    pub fn rfind<T>(
        &mut self,
        end: u64,
        mut look: impl FnMut(u64, &Record) -> Option<T>,
    ) -> io::Result<Option<T>> {
        let (mut records, mut end) = (vec![], end);
        while let Some(first) = self.before(end, &mut records, BATCH)? {
            for (at, record) in records.iter().enumerate().rev() {
                if let Some(found) = look(first + at as u64, record) {
                    return Ok(Some(found));
                }
            }
            end = first;
        }
        Ok(None)
    }

    /// The number of the first record that is not older than `time`.
    pub fn search_time(&mut self, time: Timestamp) -> io::Result<u64> {
        if let Some((first, records)) = &self.memory
            && records.first().is_some_and(|record| record.time < time)
        {
            return Ok(first + records.partition_point(|record| record.time < time) as u64);
        }
        self.listing.refresh(&self.dirs)?;
        let segments = self.listing.segments().to_vec();
        for segment in segments.into_iter().rev() {
            if !self.enter(segment)? {
                continue;
            }
            let early = |record: Option<Record>| record.is_some_and(|record| record.time < time);
            if !early(self.record(segment.start)?) {
                continue;
            }
            let (mut low, mut high) = (segment.start, segment.start + self.count()?);
            while low < high {
                let middle = low + (high - low) / 2;
                if early(self.record(middle)?) { low = middle + 1 } else { high = middle }
            }
            return Ok(low);
        }
        self.first()
    }

    /// One record, if it still exists.
    pub fn get(&mut self, number: u64) -> io::Result<Option<Record>> {
        let mut one = Vec::with_capacity(1);
        let hole = self.read(number, &mut one, 1)?;
        Ok(one.pop().filter(|_| hole.is_none()))
    }

    /// The state of all streams before record `number`. Reads at most one segment.
    pub fn state_at(&mut self, number: u64) -> io::Result<IndexState> {
        self.enter_holding(number)?;
        let mut state = index_state_before(self.current.as_ref(), number)?;
        if let Some((first, records)) = &self.memory {
            for (at, record) in (*first..number).zip(records.iter()) {
                if at >= state.next {
                    state.advance(record);
                }
            }
        }
        Ok(state)
    }

    /// Advance a state to record `number`.
    pub fn advance(&mut self, state: &mut IndexState, number: u64) -> io::Result<()> {
        let mut records = vec![];
        while state.next < number {
            let most = usize::try_from(number - state.next).unwrap_or(BATCH).min(BATCH);
            let hole = self.read(state.next, &mut records, most)?;
            if hole.is_some() || records.is_empty() {
                *state = self.state_at(number)?;
                return Ok(());
            }
            state.advance_all(&records);
        }
        Ok(())
    }

    /// How many records are between the beginning of a segment and record `number` in it.
    pub fn distance_to_head(&mut self, number: u64) -> io::Result<u64> {
        self.enter_holding(number)?;
        let start = self.current.as_ref().map_or(0, |current| current.segment.start);
        Ok(number.saturating_sub(start))
    }

    /// Like [`IndexReader::state_at`], without reading records: the text of a segment is spread evenly over
    /// its records.
    pub fn estimate_at(&mut self, number: u64) -> io::Result<IndexState> {
        self.enter_holding(number)?;
        let Some(current) = &self.current else { return Ok(IndexState::default()) };
        let (start, begin) = (current.segment.start, current.state.clone());
        let Some(next) = self.listing.behind(start).first().copied() else {
            return self.state_at(number);
        };
        if !self.enter(next)? {
            return self.state_at(number);
        }
        let end = self.current.as_ref().map_or_else(IndexState::default, |now| now.state.clone());
        let (part, whole) = (number.saturating_sub(start), (end.next - start).max(1));
        let mut state = end.clone();
        state.next = number;
        for (stream, summary) in &mut state.streams {
            let before = begin.stream(*stream).text;
            let grown = u128::from(summary.text.saturating_sub(before));
            let grown = grown * u128::from(part.min(whole)) / u128::from(whole);
            summary.text = before + u64::try_from(grown).unwrap_or(0);
        }
        Ok(state)
    }

    /// Make the segment with this record the current one, or the last one before it.
    fn enter_holding(&mut self, number: u64) -> io::Result<()> {
        self.listing.refresh(&self.dirs)?;
        let holding: Vec<Segment> = self.listing.holding(number).collect();
        for segment in holding {
            if self.enter(segment)? {
                return Ok(());
            }
        }
        self.current = None;
        Ok(())
    }

    /// One record of the current segment.
    fn record(&mut self, number: u64) -> io::Result<Option<Record>> {
        let mut one = Vec::with_capacity(1);
        self.read_current(number, &mut one, 1)?;
        Ok(one.pop())
    }

    /// How many records the file of the current segment has room for. It may have grown since the
    /// last call.
    fn count(&self) -> io::Result<u64> {
        let Some(current) = &self.current else { return Ok(0) };
        let records = current.file.metadata()?.len().saturating_sub(current.head) / BLOCK as u64;
        let most = SEGMENT_RECORDS.min(self.stop() - current.segment.start);
        Ok(records.min(most))
    }

    /// The start of the segment after the current one.
    fn stop(&self) -> u64 {
        let start = self.current.as_ref().map_or(0, |current| current.segment.start);
        let disk = self.listing.behind(start).first().map_or(u64::MAX, |next| next.start);
        self.memory.as_ref().map_or(disk, |(first, _)| disk.min(*first))
    }

    fn read_memory(&self, from: u64, out: &mut Vec<Record>, most: usize) -> bool {
        let Some((first, records)) = &self.memory else { return false };
        let Some(skip) = from.checked_sub(*first) else { return false };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        out.extend(records.iter().skip(skip).take(most));
        true
    }

    /// Read from the current segment, if it contains that number.
    fn read_current(&mut self, from: u64, out: &mut Vec<Record>, most: usize) -> io::Result<()> {
        out.clear();
        let stop = self.stop();
        let Some(current) = &self.current else { return Ok(()) };
        if from < current.segment.start || from >= stop {
            return Ok(());
        }
        let most = most.min(usize::try_from(stop - from).unwrap_or(usize::MAX));
        let Some(at) = (from - current.segment.start).checked_mul(BLOCK as u64) else {
            return Ok(());
        };
        let at = current.head.saturating_add(at);
        if at > FARTHEST {
            return Ok(());
        }
        self.bytes.resize(most.min(65_536) * BLOCK, 0);
        let read = current.file.read_at(&mut self.bytes, at)?;
        let (blocks, _) = self.bytes[..read].as_chunks::<BLOCK>();
        for block in blocks {
            match format::decode_record(block) {
                Some(record) => out.push(record),
                // The writer has left this segment, so an invalid record in it stays invalid. A
                // placeholder takes its place so that the other records keep their numbers.
                None if stop < u64::MAX => {
                    let time = out.last().map_or(Timestamp::EPOCH, |record| record.time);
                    out.push(Record::empty(Kind::Gap, EVENTS, time));
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Make this segment the current one; false if it is gone or invalid.
    fn enter(&mut self, segment: Segment) -> io::Result<bool> {
        let Some(file) = segment.open(&self.dirs, SLUG, "")? else { return Ok(false) };
        let meta = file.metadata()?;
        let id = (meta.dev(), meta.ino());
        if self.current.as_ref().is_some_and(|current| current.id == id) {
            return Ok(true);
        }
        let Some((state, head)) = read_head(&file)? else { return Ok(false) };
        self.current = Some(Current { segment, file, id, state, head });
        Ok(true)
    }
}

/// The index state at a record number, computed from the segment that contains the record, or else from the
/// last one before it.
fn index_state_before(segment: Option<&Current>, number: u64) -> io::Result<IndexState> {
    let Some(current) = segment.filter(|current| current.segment.start <= number) else {
        return Ok(IndexState::default());
    };
    let mut state = current.state.clone();
    read_records(&current.file, current.head, |record| {
        if state.next < number {
            state.advance(record);
        }
    })?;
    Ok(state)
}

fn missing_text(before: &IndexState, after: &IndexState) -> Vec<(StreamNo, u64)> {
    let of = |(stream, summary): (&StreamNo, &format::Summary)| {
        (*stream, summary.text.saturating_sub(before.stream(*stream).text))
    };
    after.streams.iter().map(of).filter(|(_, bytes)| *bytes > 0).collect()
}
