//! Counts lines. The index has the number of lines of each record, so the text of only one record is read.
//!
//! The time grows with the number of records. Counting is therefore done in steps of limited time, and the results are
//! kept. A count of the output of each process reads only the new part of the index.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::model::{ProcName, StreamNo};
use crate::read::cursor::{Filter, Position};
use crate::read::index::IndexReader;
use crate::read::query::ends;
use crate::read::text::TextReader;
use crate::record::{Kind, Record};
use crate::segment::Dirs;
use crate::streams::Streams;
use crate::write::index::IndexState;

/// How many records are counted together.
const BLOCK: u64 = 4096;
/// How long one step takes.
const STEP: Duration = Duration::from_millis(50);

/// The line counts of a journal so far. They stay valid, as records never change.
#[derive(Debug, Default)]
pub struct LineCounts {
    /// The lines and bytes of each stream, by the number of the block.
    blocks: BTreeMap<u64, Vec<(StreamNo, Counted)>>,
}

/// A number of lines and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// The number of line ends.
    pub lines: u64,
    /// The number of bytes of text.
    pub bytes: u64,
}

impl Counted {
    fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.bytes += other.bytes;
    }
}

/// The lines of a part of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinesIn {
    /// The count so far.
    pub counted: Counted,
    /// Whether the count is complete.
    pub is_all: bool,
}

impl LineCounts {
    /// Count the lines that the filter accepts in these records, for a limited time.
    pub fn count(
        &mut self,
        index: &mut IndexReader,
        filter: &Filter,
        range: Range<u64>,
    ) -> io::Result<LinesIn> {
        let (begun, mut counted, mut is_all) = (Instant::now(), Counted::default(), true);
        let (mut at, mut is_further) = (range.start, false);
        while at < range.end {
            let fresh;
            let (block, end) = (at / BLOCK, (at / BLOCK + 1) * BLOCK);
            let is_whole = at == block * BLOCK && end <= range.end;
            let known = self.blocks.get(&block).filter(|_| is_whole);
            let of_block = match known {
                Some(known) => known,
                // Each step counts at least one block, however slow the disk is.
                None if is_further && begun.elapsed() > STEP => {
                    is_all = false;
                    at = end;
                    continue;
                }
                None => {
                    fresh = block_in(index, at..end.min(range.end))?;
                    if is_whole {
                        is_further = true;
                        self.blocks.insert(block, fresh.clone());
                    }
                    &fresh
                }
            };
            for (_, some) in of_block.iter().filter(|(stream, _)| filter.takes(*stream)) {
                counted.add(*some);
            }
            at = end;
        }
        Ok(LinesIn { counted, is_all })
    }

    /// Count all lines that the filter accepts in these records, without a time limit.
    pub fn count_all(
        &mut self,
        index: &mut IndexReader,
        filter: &Filter,
        range: Range<u64>,
    ) -> io::Result<Counted> {
        loop {
            let LinesIn { counted, is_all } = self.count(index, filter, range.clone())?;
            if is_all {
                return Ok(counted);
            }
        }
    }

    /// The record of a line, which is counted from 1 in these records, and the number of lines before that record.
    pub fn find(
        &mut self,
        index: &mut IndexReader,
        filter: &Filter,
        (range, line): (Range<u64>, u64),
    ) -> io::Result<Option<(u64, u64)>> {
        let (mut at, mut before) = (range.start, 0);
        while at < range.end {
            let end = ((at / BLOCK + 1) * BLOCK).min(range.end);
            let Counted { lines, .. } = self.count_all(index, filter, at..end)?;
            if before + lines >= line {
                return index.find(at, |number, record| {
                    let lines = lines_of(record, filter);
                    before += lines;
                    (before >= line).then_some((number, before - lines))
                });
            }
            (at, before) = (end, before + lines);
        }
        Ok(None)
    }

    /// Forget the counts of records before this one, which are no longer kept.
    pub fn forget_before(&mut self, floor: u64) {
        self.blocks = self.blocks.split_off(&(floor / BLOCK));
    }
}

/// The number of line ends in a record, if the filter accepts it.
fn lines_of(record: &Record, filter: &Filter) -> u64 {
    let is_text = record.kind == Kind::Text && filter.takes(record.stream);
    if is_text { ends(record) } else { 0 }
}

/// The lines of these records, by stream.
fn block_in(index: &mut IndexReader, range: Range<u64>) -> io::Result<Vec<(StreamNo, Counted)>> {
    let mut found = BTreeMap::<StreamNo, Counted>::new();
    index.find(range.start, |number, record| {
        if number >= range.end {
            return Some(());
        }
        if record.kind == Kind::Text {
            let bytes = u64::from(record.len);
            found.entry(record.stream).or_default().add(Counted { lines: ends(record), bytes });
        }
        None
    })?;
    Ok(found.into_iter().collect())
}

/// The lines of a record that end before a position in it, if the filter accepts it.
pub fn lines_within(index: &mut IndexReader, filter: &Filter, at: Position) -> io::Result<u64> {
    let counts = |record: &Record| record.kind == Kind::Text && filter.takes(record.stream);
    let Some(record) = index.get(at.record)?.filter(counts) else { return Ok(0) };
    let Record { stream, offset, len, .. } = record;
    let mut text = vec![];
    let length = usize::try_from(at.skip.min(len)).unwrap_or(usize::MAX);
    if length > 0 {
        TextReader::new(index.dirs()).read(stream, offset, length, &mut text)?;
    }
    Ok(memchr::memchr_iter(b'\n', &text).count() as u64)
}

/// Counts the bytes of output in a growing journal.
#[derive(Debug)]
pub struct Printed {
    index: IndexReader,
    /// The state at the end of the index at the last count.
    state: Option<IndexState>,
}

impl Printed {
    /// The counts for the journal in these directories.
    pub fn new(dirs: &Dirs) -> Self {
        Self { index: IndexReader::open(dirs), state: None }
    }

    /// The number of bytes that each process has printed, including deleted output.
    pub fn count(&mut self) -> io::Result<BTreeMap<ProcName, u64>> {
        let end = self.index.len()?;
        let state = match self.state.take().filter(|state| state.next <= end) {
            Some(mut state) => {
                self.index.advance(&mut state, end)?;
                state
            }
            None => self.index.state_at(end)?,
        };
        let streams = Streams::open(self.index.dirs())?;
        let mut counts = BTreeMap::new();
        for stream in streams.all() {
            *counts.entry(stream.name.clone()).or_default() += state.stream(stream.number).text;
        }
        self.state = Some(state);
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, LineCounts, LinesIn};
    use crate::model::StreamNo;
    use crate::model::time::Timestamp;
    use crate::read::cursor::Filter;
    use crate::read::index::IndexReader;
    use crate::record::{Kind, Record, UNFINISHED};
    use crate::segment::Dirs;

    fn record(number: u64) -> Record {
        let stream = u16::try_from(1 + number % 3).unwrap();
        let kind = if number.is_multiple_of(7) { Kind::Start } else { Kind::Text };
        let lines = u32::try_from(number % 5).unwrap();
        let flags = if number.is_multiple_of(11) { UNFINISHED } else { 0 };
        Record {
            len: 10 * lines + 1,
            lines,
            flags,
            ..Record::empty(kind, StreamNo(stream), Timestamp::EPOCH)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_part_has_as_many_lines_as_its_records(
            parts in proptest::collection::vec((0..3 * BLOCK, 0..3 * BLOCK, 1..4_u16), 1..6)
        ) {
            let records: Vec<_> = (0..3 * BLOCK).map(record).collect();
            let dir = tempfile::tempdir().unwrap();
            let dirs = Dirs::new(dir.path().to_owned(), None);
            let mut index = IndexReader::with_memory(&dirs, 0, records.clone());
            let mut counts = LineCounts::default();
            for (from, to, stream) in parts {
                let LinesIn { mut counted, mut is_all } = LinesIn { counted: super::Counted::default(), is_all: false };
                // Each step continues where the previous one ended.
                while !is_all {
                    LinesIn { counted, is_all } = counts.count(&mut index, &Filter::only(vec![StreamNo(stream)]), from..to).unwrap();
                }
                let of_part = (from..to.max(from)).map(|number| &records[usize::try_from(number).unwrap()]);
                let texts: Vec<_> = of_part.filter(|one| one.kind == Kind::Text && one.stream == StreamNo(stream)).collect();
                let lines: u64 = texts.iter().map(|one| u64::from(one.lines) + u64::from(one.flags & UNFINISHED)).sum();
                let bytes: u64 = texts.iter().map(|one| u64::from(one.len)).sum();
                prop_assert_eq!((counted.lines, counted.bytes), (lines, bytes));
                let filter = Filter::only(vec![StreamNo(stream)]);
                let found = counts.find(&mut index, &filter, (from..to, lines)).unwrap();
                prop_assert!(lines == 0 || found.is_some());
                if let Some((number, before)) = found.filter(|_| lines > 0) {
                    let its = super::lines_of(&records[usize::try_from(number).unwrap()], &filter);
                    prop_assert!(before < lines && lines <= before + its);
                }
            }
        }
    }
}
