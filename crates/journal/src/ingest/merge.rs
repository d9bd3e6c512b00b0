//! The order of records: streams are merged by the times of their output.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::time::Duration;

use super::stream::{IndexingStop, Stream};
use super::{Index, Ingest, IngestProgress, ReachedMarker};
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::record::{Kind, Record};
use crate::segment::SharedLook;

/// How much of one stream is indexed before it is another stream's turn, when several have a
/// backlog.
const STEP: u64 = 64 << 10;
/// Output of two streams that arrived within this time may be swapped.
const SLACK: Duration = Duration::from_millis(1);
/// How many records are written at once when a backlog is indexed.
const BATCH: usize = 1024;

/// Whether the output may be of several lives that have begun and ended since. Otherwise a life begins only after the exit
/// of the one before it was indexed, unless its start is announced by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backlog {
    Yes,
    No,
}

impl Ingest {
    /// Index the new output of one process, at most about `budget` bytes.
    pub fn wake(&mut self, main: StreamNo, budget: u64) -> io::Result<IngestProgress> {
        let mut progress = IngestProgress::default();
        let Some(at) = self.streams.iter().position(|s| s.number == main) else {
            return Ok(progress);
        };
        if let Some(stderr) = self.streams[at].stderr {
            return self.merge(&[at, stderr], budget, Backlog::No);
        }
        let limit = self.streams[at].seen.saturating_add(budget);
        let stop = self.advance_one(at, limit, &mut progress)?;
        progress.more = stop == IndexingStop::Limit;
        self.commit(&mut progress);
        Ok(progress)
    }

    /// Index the backlog of all streams in order of arrival, at most about `budget` bytes.
    pub fn catch_up(&mut self, budget: u64) -> io::Result<IngestProgress> {
        let all: Vec<usize> = (0..self.streams.len()).collect();
        self.merge(&all, budget, Backlog::Yes)
    }

    /// Index these streams in order of arrival, at most about `budget` bytes.
    fn merge(
        &mut self,
        streams: &[usize],
        budget: u64,
        backlog: Backlog,
    ) -> io::Result<IngestProgress> {
        let mut progress = IngestProgress::default();
        let mut left = budget;
        let mut turns = BinaryHeap::new();
        for &at in streams {
            turns.push(Reverse((self.streams[at].next_time()?, at)));
        }
        // Standard error waits for the start of its life. In a backlog that is the start which comes next.
        let waits = |stream: &Stream| match backlog {
            Backlog::Yes => stream.splitter.awaits_start(),
            Backlog::No => stream.splitter.announces_start(),
        };
        let mut awaited = vec![];
        while let Some(Reverse((time, at))) = turns.pop() {
            let until = turns.peek().map_or(Timestamp::LAST, |Reverse((other, _))| *other);
            let main = self.streams[at].main;
            if let Some(main) = main.filter(|&main| waits(&self.streams[main])) {
                awaited.push(main);
                continue;
            }
            // The start of a life comes before all that it writes to standard error.
            let slack = if main.is_some() { Duration::ZERO } else { SLACK };
            let until = until.max(time) + slack;
            let stream = &mut self.streams[at];
            if stream.seen >= stream.upto {
                continue;
            }
            let limit = stream.reader.run(stream.seen, until, STEP.min(budget))?.min(stream.upto);
            let before = stream.seen;
            let stop = self.advance(at, limit, backlog, &mut progress)?;
            // `seen` moves back if the splitter stops at a marker in the bytes that it had held
            // back.
            let seen = self.streams[at].seen;
            left = left.saturating_sub(seen.saturating_sub(before));
            if stop == IndexingStop::Limit {
                turns.push(Reverse((self.streams[at].next_time()?, at)));
            }
            if self.out.len() >= BATCH {
                self.commit(&mut progress);
            }
            if left == 0 {
                progress.more = !turns.is_empty();
                break;
            }
        }
        progress.more |= awaited.iter().any(|&main| !waits(&self.streams[main]));
        self.commit(&mut progress);
        Ok(progress)
    }

    /// Feed one stream up to the offset `limit`, and put its records, with times, into `out`. What a life has written to
    /// standard error comes before the marker of its end.
    pub(super) fn advance(
        &mut self,
        at: usize,
        limit: u64,
        backlog: Backlog,
        progress: &mut IngestProgress,
    ) -> io::Result<IndexingStop> {
        if let Some(main) = self.streams[at].main {
            let life = self.streams[main].splitter.life();
            self.streams[at].splitter.set_life(life);
        }
        let Some(stderr) = self.streams[at].stderr else {
            return self.advance_one(at, limit, progress);
        };
        let splitter = &self.streams[at].splitter;
        if splitter.unsettled() && !splitter.awaits_start() {
            // The markers that were given up are placed behind all output.
            self.drain_stderr((at, stderr), u64::MAX, None, progress)?;
        }
        loop {
            let kind = match self.advance_one(at, limit, progress)? {
                IndexingStop::Marker(kind) => kind,
                stop => return Ok(stop),
            };
            if kind != Kind::Start {
                let begins_anew =
                    backlog == Backlog::No && self.streams[at].splitter.announces_start();
                // The last words were taken at the exit. What has arrived since, without having been looked at, or
                // beside the start of the next life, is of that.
                let most = if kind != Kind::End || backlog == Backlog::Yes {
                    u64::MAX
                } else if begins_anew {
                    self.streams[stderr].seen
                } else {
                    self.streams[stderr].upto
                };
                let stream = &mut self.streams[at];
                let time = stream.reader.time_of(stream.splitter.position() + 1)?;
                let until = (backlog == Backlog::Yes || begins_anew).then_some(time);
                self.drain_stderr((at, stderr), most, until, progress)?;
            }
            self.streams[at].splitter.pass_marker();
        }
    }

    /// Index standard error, at most up to an offset, and only what had arrived by some time. Its last line ends there.
    fn drain_stderr(
        &mut self,
        (main, stderr): (usize, usize),
        most: u64,
        until: Option<Timestamp>,
        progress: &mut IngestProgress,
    ) -> io::Result<()> {
        let life = self.streams[main].splitter.life();
        self.streams[stderr].splitter.set_life(life);
        // Also what is in a segment that was begun a moment ago.
        SharedLook::renew();
        while self.streams[stderr].seen < most {
            let stream = &mut self.streams[stderr];
            let limit = match until {
                Some(until) => {
                    if stream.reader.end()? <= stream.seen || stream.next_time()? > until {
                        break;
                    }
                    stream.reader.run(stream.seen, until, STEP)?.min(most)
                }
                None => most,
            };
            if self.advance_one(stderr, limit, progress)? != IndexingStop::Limit {
                break;
            }
        }
        let Self { streams, out, .. } = self;
        let (stream, first) = (&mut streams[stderr], out.len());
        stream.upto = stream.upto.max(stream.seen);
        stream.splitter.close(out);
        for record in &mut out[first..] {
            record.time = stream.reader.time_of(record.end())?;
        }
        Ok(())
    }

    /// Feed only this stream.
    pub(super) fn advance_one(
        &mut self,
        at: usize,
        limit: u64,
        progress: &mut IngestProgress,
    ) -> io::Result<IndexingStop> {
        let Self { streams, buffer, out, .. } = self;
        let stream = &mut streams[at];
        let segment = stream.reader.segment();
        let first = out.len();
        let stop = loop {
            match stream.step(buffer, limit, out)? {
                Some(stop) => break stop,
                None if stream.seen >= limit => break IndexingStop::Limit,
                None => {}
            }
        };
        stream.splitter.flush(out);
        if stop == IndexingStop::Ask {
            progress.ask.push(stream.number);
        }
        progress.rotated |= segment.is_some() && segment != stream.reader.segment();
        for record in &mut out[first..] {
            let end = if record.kind == Kind::Gap { record.offset } else { record.end() };
            record.time = stream.reader.time_of(end)?;
        }
        Ok(stop)
    }

    /// Write the records in `out` to the index.
    pub(super) fn commit(&mut self, progress: &mut IngestProgress) {
        self.place_events();
        let mut time = self.standing().time;
        for record in &mut self.out {
            time = time.max(record.time);
            record.time = time;
            if matches!(record.kind, Kind::Start | Kind::Exit | Kind::End) {
                let Record { stream, seq, kind, .. } = *record;
                progress.markers.push(ReachedMarker { stream, seq, kind });
            }
        }
        if !self.listened.is_empty() {
            self.heard
                .extend(self.out.iter().filter(|record| self.listened.contains(&record.stream)));
        }
        progress.records += self.out.len() as u64;
        match &mut self.index {
            // The markers are reported even if this fails: the supervisor waits for them.
            Index::Disk(writer) => progress.unindexed |= writer.append(&self.out).is_err(),
            Index::Memory { standing, records, .. } => {
                standing.advance_all(&self.out);
                records.extend_from_slice(&self.out);
            }
        }
        self.out.clear();
    }
}
