//! Where a position is in the journal, and how much was printed when, both in bytes of text.
//!
//! All of this is computed from the summaries at the beginning of index segments and the records of one
//! segment, so it costs the same in a large journal. Numbers of lines would need the text.

use std::collections::BTreeMap;
use std::io;

use crate::model::time::Timestamp;
use crate::model::{ProcName, StreamNo};
use crate::read::cursor::{Filter, Position};
use crate::read::index::IndexReader;
use crate::record::{EVENTS, Kind};
use crate::streams::Stream;
use crate::write::index::{IndexState, SEGMENT_RECORDS};

/// How many records one call of [`density`] reads at most; after that it estimates.
const EXACT: u64 = 4 * SEGMENT_RECORDS;

/// A place in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// How many bytes of text are before it.
    pub before: u64,
    /// How many bytes of text there are in all.
    pub all: u64,
}

/// The place of a position among the text that the filter accepts, from `floor` to record `upto`.
pub fn share(
    index: &mut IndexReader,
    filter: &Filter,
    (floor, upto): (u64, u64),
    at: Position,
) -> io::Result<Share> {
    // What was asked for may have been deleted meanwhile.
    let floor = floor.max(index.first()?);
    let upto = upto.max(floor);
    let base = text(&index.state_at(floor)?, filter);
    let before = text(&index.state_at(at.record.clamp(floor, upto))?, filter);
    let all = text(&index.state_at(upto)?, filter).saturating_sub(base);
    let within = index.get(at.record)?.filter(|record| {
        at.record < upto && record.kind == Kind::Text && filter.takes(record.stream)
    });
    let within = within.map_or(0, |record| u64::from(at.skip.min(record.len)));
    Ok(Share { before: (before.saturating_sub(base) + within).min(all), all })
}

/// The record with this byte of the text that the filter accepts, counted from `floor`; `upto` if there is
/// less text.
pub fn record_at(
    index: &mut IndexReader,
    filter: &Filter,
    (floor, upto): (u64, u64),
    byte: u64,
) -> io::Result<u64> {
    let floor = floor.max(index.first()?);
    let wanted = text(&index.state_at(floor)?, filter).saturating_add(byte);
    // The last record with at most this many bytes before it.
    let (mut low, mut high) = (floor, upto.max(floor));
    while low < high {
        let middle = high - (high - low) / 2;
        if text(&index.state_at(middle)?, filter) <= wanted {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

/// How many bytes of text the filter accepts of these.
fn text(state: &IndexState, filter: &Filter) -> u64 {
    let output = state.streams.values().filter(|summary| summary.stream != EVENTS);
    output.filter(|summary| filter.takes(summary.stream)).map(|summary| summary.text).sum()
}

/// How much was printed in periods of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Density {
    /// For each period the bytes of text of each stream that printed any.
    pub periods: Vec<BTreeMap<StreamNo, u64>>,
    /// Whether some numbers are estimates: the output of a part of the index was spread evenly over it.
    pub is_estimate: bool,
}

/// The times that divide a period into so many parts, with both ends.
pub fn edges((from, until): (Timestamp, Timestamp), parts: usize) -> Vec<Timestamp> {
    let nanos = u128::from(until.nanos_since(from));
    let edge = |at: usize| {
        let part = nanos * at as u128 / parts.max(1) as u128;
        Timestamp::from_nanos(from.nanos() + u64::try_from(part).unwrap_or(u64::MAX))
    };
    (0..=parts).map(edge).collect()
}

/// How many bytes each process printed in each part of a period; the flag says that some numbers are
/// estimates.
pub fn output(
    index: &mut IndexReader,
    streams: &[Stream],
    period: (Timestamp, Timestamp),
    parts: usize,
    upto: u64,
) -> io::Result<(BTreeMap<ProcName, Vec<u64>>, bool)> {
    let density = density(index, &edges(period, parts), upto)?;
    let mut bytes = BTreeMap::<ProcName, Vec<u64>>::new();
    for (part, printed) in density.periods.iter().enumerate() {
        for (number, printed) in printed {
            let Some(stream) = streams.iter().find(|stream| stream.number == *number) else {
                continue;
            };
            bytes.entry(stream.name.clone()).or_insert_with(|| vec![0; parts])[part] += printed;
        }
    }
    Ok((bytes, density.is_estimate))
}

/// How much was printed in the periods between these times, which must ascend.
pub fn density(index: &mut IndexReader, edges: &[Timestamp], upto: u64) -> io::Result<Density> {
    let mut density = Density::default();
    let mut left = EXACT;
    let mut last: Option<IndexState> = None;
    for edge in edges {
        let number = index.search_time(*edge)?.min(upto);
        let state = match &last {
            Some(state) if state.next >= number => state.clone(),
            // Only a few records later. An estimate is no basis for that.
            Some(state)
                if !density.is_estimate
                    && number - state.next <= index.distance_to_head(number)?.min(left) =>
            {
                left -= number - state.next;
                let mut state = state.clone();
                index.advance(&mut state, number)?;
                state
            }
            Some(_) | None => {
                let distance = index.distance_to_head(number)?;
                if distance <= left {
                    left -= distance;
                    index.state_at(number)?
                } else {
                    density.is_estimate = true;
                    index.estimate_at(number)?
                }
            }
        };
        if let Some(last) = &last {
            let grown = |(stream, now): (&StreamNo, &crate::format::Summary)| {
                let bytes = now.text.saturating_sub(last.stream(*stream).text);
                (bytes > 0 && *stream != EVENTS).then_some((*stream, bytes))
            };
            density.periods.push(state.streams.iter().filter_map(grown).collect());
        }
        last = Some(state);
    }
    Ok(density)
}
